-- The open pipeline: stocks at the last instant of a period, or at the as-of moment of a running one.

-- The rate of each currency at each period's instant.
CREATE VIEW period_rate AS
SELECT asked.period, asked.currency, top, bottom
FROM (SELECT period, instant, currency FROM period CROSS JOIN (SELECT DISTINCT currency FROM rate)) AS asked
ASOF JOIN rate ON rate.currency = asked.currency AND asked.instant >= rate.since;

-- What a deal's field was between two changes: from its first known value on, before the last one. What holds since the
-- last change, or where no change is known, is the deal's own.
CREATE TABLE once AS
SELECT deal_no, field, CASE place WHEN 1 THEN -9223372036854775807 ELSE occurred_at END AS since, until,
       nullif(new, '') AS told
FROM (
    SELECT deal.deal_no, field, new, occurred_at, row_number() OVER told AS place, lead(occurred_at) OVER told AS until
    FROM raw_change AS change
    JOIN deal ON deal.source = change.source AND deal.id = change.deal
    WHERE field IN ('amount', 'currency', 'probability') AND occurred_at <= getvariable('as_of')
    WINDOW told AS (PARTITION BY deal.deal_no, field ORDER BY occurred_at, sequence, new)
)
WHERE until IS NOT NULL AND (until > occurred_at OR place = 1);

-- Open deals by the stage held then.
CREATE VIEW open_then AS
SELECT deal_no, visit.stage_no, period.period, period.instant,
       coalesce(CASE WHEN odds.deal_no IS NULL THEN deal.probability ELSE odds.told::BIGINT END, stage.probability)
           AS probability,
       CASE WHEN worth.deal_no IS NULL THEN deal.amount ELSE worth.told::BIGINT END AS amount,
       CASE WHEN money.told IS NULL THEN deal.currency ELSE money.told END AS currency
FROM period
JOIN visit ON visit.entered_at <= period.instant AND coalesce(visit.left_at, 9223372036854775807) > period.instant
JOIN stage USING (stage_no)
JOIN deal USING (deal_no)
LEFT JOIN once AS worth ON worth.deal_no = visit.deal_no AND worth.field = 'amount'
    AND worth.since <= period.instant AND period.instant < worth.until
LEFT JOIN once AS money ON money.deal_no = visit.deal_no AND money.field = 'currency'
    AND money.since <= period.instant AND period.instant < money.until
LEFT JOIN once AS odds ON odds.deal_no = visit.deal_no AND odds.field = 'probability'
    AND odds.since <= period.instant AND period.instant < odds.until
WHERE visit.kind = 'open';

-- Their amount then, at that day's rate (R13).
CREATE VIEW open_deal AS
SELECT deal_no AS record, stage_no, instant AS event_at, instant AS cohort_at, TRUE AS is_numerator, probability,
       in_base(amount, rate.top, rate.bottom) AS amount,
       CASE WHEN amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM open_then
LEFT JOIN period_rate AS rate ON rate.period = open_then.period AND rate.currency = open_then.currency;

CREATE VIEW member_open_pipeline AS SELECT * FROM open_deal;

-- Amount x probability, the deal's own or else its stage's, to the minor unit per record, so that owners add up to the
-- total. Without any probability a deal is left out, like one without rate: the period cannot close.
CREATE VIEW member_weighted_pipeline AS
SELECT * EXCLUDE (amount, left_out),
       scaled(amount // getvariable('money_step'), probability, 1000000) * getvariable('money_step') AS amount,
       CASE WHEN left_out = '' AND probability IS NULL THEN 'rate' ELSE left_out END AS left_out
FROM open_deal;
