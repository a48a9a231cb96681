-- Data quality: faults that a deal's own fields show. One view per metric, one row per member.
--
-- What is open is looked at at the period's end (or now, of a running one), what is closed in the period of its close:
-- the very deals that the other numbers of that period are made of. A fault that is mended is gone from all periods.

CREATE VIEW judged AS
SELECT deal_no, stage_no, instant AS event_at, amount, left_out::VARCHAR AS left_out, 'open' AS outcome
FROM open_deal JOIN period USING (moment)
UNION ALL
SELECT deal_no, stage_no, closed_at, amount, left_out, outcome::VARCHAR FROM closing WHERE closed_at IS NOT NULL;

-- Q1: open or won without amount (R14).
CREATE VIEW member_quality_amount_missing AS
SELECT deal_no AS record, stage_no, event_at, TRUE AS is_numerator
FROM judged WHERE left_out = 'amount' AND outcome <> 'lost';

-- Q3: lost, and nobody said why.
CREATE VIEW member_quality_reason_missing AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, actor_no, TRUE AS is_numerator, amount, left_out
FROM closing SEMI JOIN (SELECT deal_no FROM deal WHERE trim(lost_reason) = '') AS silent USING (deal_no)
WHERE outcome = 'lost';

-- Q7: open, and expected to close on a day that has passed.
CREATE VIEW member_quality_close_overdue AS
SELECT open_deal.deal_no AS record, stage_no, owner_no, instant AS event_at, TRUE AS is_numerator, amount, left_out
FROM open_deal
JOIN (SELECT moment, instant, day_of(instant) AS today FROM period) AS period ON period.moment = open_deal.moment
JOIN expectation ON expectation.deal_no = open_deal.deal_no AND since <= instant AND instant < until
WHERE expectation.day < today;

-- Q11: closed before it began (R17).
CREATE VIEW member_quality_closed_before_created AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, actor_no, TRUE AS is_numerator, amount, left_out
FROM closing WHERE closed_at < began_at;

-- Deals of nobody, or of somebody no source tells of; where no owners are told at all, that says nothing.
CREATE TABLE ownerless AS
SELECT deal.deal_no
FROM (SELECT deal_no, source FROM deal) AS deal
SEMI JOIN (SELECT DISTINCT source FROM owner) AS told USING (source)
JOIN owned ON owned.deal_no = deal.deal_no
JOIN holder ON holder.owner_no = owned.owner_no
ANTI JOIN (SELECT owner FROM owner) AS known ON known.owner = holder.owner;

-- Q12: open in a stage that is archived, or that no mapping names any more (R9); of an unknown owner; in a currency that
-- has no rate at all. Option `what`: only one of them.
CREATE VIEW member_quality_unknown AS
SELECT judged.deal_no AS record, judged.stage_no, event_at, TRUE AS is_numerator, judged.amount, left_out
FROM judged
JOIN (SELECT deal_no, currency FROM deal) AS deal ON deal.deal_no = judged.deal_no
LEFT JOIN (SELECT stage_no FROM stage WHERE archived) AS dropped ON dropped.stage_no = judged.stage_no
LEFT JOIN ownerless ON ownerless.deal_no = judged.deal_no
LEFT JOIN (FROM once WHERE field = 'currency') AS money ON money.deal_no = judged.deal_no AND outcome = 'open'
    AND money.since <= event_at AND event_at < money.until
LEFT JOIN (SELECT DISTINCT currency FROM rate) AS rated ON rated.currency = coalesce(money.told, deal.currency)
WHERE (getvariable('what') IN ('any', 'stage') AND outcome = 'open' AND dropped.stage_no IS NOT NULL)
   OR (getvariable('what') IN ('any', 'owner') AND ownerless.deal_no IS NOT NULL)
   OR (getvariable('what') IN ('any', 'currency') AND left_out = 'rate' AND rated.currency IS NULL);

-- Q13: worth something in a currency that has no rate for the record's day: the period cannot close (R13).
CREATE VIEW member_quality_rate_missing AS
SELECT deal_no AS record, stage_no, event_at, TRUE AS is_numerator FROM judged WHERE left_out = 'rate';

-- Q15: an amount of zero or below, in its own currency. What a lost deal was worth before the source emptied it counts.
CREATE VIEW member_quality_amount_not_positive AS
SELECT judged.deal_no AS record, stage_no, event_at, TRUE AS is_numerator, judged.amount, left_out
FROM judged
JOIN (SELECT deal_no, amount FROM deal) AS deal ON deal.deal_no = judged.deal_no
LEFT JOIN (FROM once WHERE field = 'amount') AS worth ON worth.deal_no = judged.deal_no AND outcome = 'open'
    AND worth.since <= event_at AND event_at < worth.until
WHERE CASE WHEN worth.deal_no IS NULL THEN deal.amount ELSE worth.told::BIGINT END <= 0
  AND coalesce(judged.amount, 0) <= 0;
