-- Data quality: what a deal should be tied to and is not, and deals that are there twice. One view per metric.

CREATE TABLE deal_with_order AS
SELECT DISTINCT deal_no
FROM raw_deal_order AS told
JOIN (SELECT deal_no, source || ':' || id AS deal FROM deal) AS deal ON deal.deal = told.deal;

-- The last thing done or planned with a deal.
CREATE TABLE last_step AS
SELECT deal_no, max(occurred_at) AS step_at
FROM raw_deal_step AS told
JOIN (SELECT deal_no, source || ':' || id AS deal FROM deal) AS deal ON deal.deal = told.deal
GROUP BY deal_no;

INSERT INTO last_step SELECT deal_no, next_step_at FROM deal WHERE next_step_at IS NOT NULL;

-- Sources that tell of customers, of orders, of steps: elsewhere their absence says nothing.
CREATE TABLE telling AS
SELECT source,
       bool_or(account <> '') AS has_customers,
       bool_or(deal_with_order.deal_no IS NOT NULL) AS has_orders,
       bool_or(stepped.deal_no IS NOT NULL) AS has_steps
FROM (SELECT deal_no, source, account FROM deal) AS deal
LEFT JOIN deal_with_order ON deal_with_order.deal_no = deal.deal_no
LEFT JOIN (SELECT DISTINCT deal_no FROM last_step) AS stepped ON stepped.deal_no = deal.deal_no
GROUP BY source;

-- Q2: won without customer, or without an order that is neither a draft nor cancelled. Option `missing`: only one of
-- them.
CREATE VIEW member_quality_order_missing AS
SELECT closing.deal_no AS record, stage_no, closed_at AS event_at, actor_no, TRUE AS is_numerator, amount, left_out
FROM closing
JOIN (SELECT deal_no, source, account FROM deal) AS deal ON deal.deal_no = closing.deal_no
JOIN telling ON telling.source = deal.source
LEFT JOIN deal_with_order ON deal_with_order.deal_no = closing.deal_no
WHERE outcome = 'won'
  AND ((getvariable('missing') IN ('any', 'customer') AND has_customers AND account = '')
    OR (getvariable('missing') IN ('any', 'order') AND has_orders AND deal_with_order.deal_no IS NULL));

-- Q6: open, and nothing is planned with it after the instant.
CREATE VIEW member_quality_next_step_missing AS
WITH stepped AS MATERIALIZED (
    SELECT deal.deal_no, max(step_at) AS step_at
    FROM deal
    SEMI JOIN (SELECT source FROM telling WHERE has_steps) AS telling ON telling.source = deal.source
    LEFT JOIN last_step ON last_step.deal_no = deal.deal_no
    GROUP BY deal.deal_no
)
SELECT open_deal.deal_no AS record, stage_no, owner_no, instant AS event_at, TRUE AS is_numerator, amount, left_out
FROM open_deal
JOIN (SELECT moment, instant FROM period) AS period ON period.moment = open_deal.moment
JOIN stepped ON stepped.deal_no = open_deal.deal_no
WHERE step_at IS NULL OR step_at <= instant;

-- Q14: created less than seven days after another deal of the same customer with the same amount; the first of them is
-- none. With its own amount at the rate of the day of its creation.
CREATE VIEW member_quality_duplicate AS
SELECT copy.deal_no AS record, held.stage_no, began_at AS event_at, TRUE AS is_numerator,
       in_base(copy.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT deal_no, began_at, amount, currency,
           began_at - lag(began_at) OVER (PARTITION BY account, currency, amount ORDER BY began_at, source, id) AS later
    FROM deal WHERE amount IS NOT NULL AND account <> '' AND began_at <= getvariable('as_of')
) AS copy
LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held ON held.deal_no = copy.deal_no
ASOF LEFT JOIN rate ON rate.currency = copy.currency AND copy.began_at >= rate.since
WHERE later < 7 * 86400000000;
