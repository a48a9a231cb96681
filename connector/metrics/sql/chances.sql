-- The chance of every open deal to be won, by what became of the deals of its pipeline at the same age.

-- On which day of their life deals were decided, or stand now; one closed nobody knows when teaches nothing.
CREATE VIEW life AS
SELECT pipeline_no, greatest(ended_at - began_at, 0) // 86400000000 AS day, count(*) FILTER (outcome = 'won') AS won,
       count(*) FILTER (outcome = 'lost') AS lost, count(*) FILTER (outcome IS NULL) AS running
FROM (
    SELECT held.stage_no, deal.began_at, outcome,
           CASE WHEN outcome IS NULL THEN getvariable('as_of') ELSE closed_at END AS ended_at
    FROM deal
    JOIN (SELECT deal_no, stage_no FROM held) AS held ON held.deal_no = deal.deal_no
    LEFT JOIN (SELECT deal_no, outcome, closed_at FROM closing) AS closing ON closing.deal_no = deal.deal_no
)
JOIN stage USING (stage_no)
WHERE ended_at IS NOT NULL AND began_at IS NOT NULL
GROUP BY ALL;

-- Made of it in Python: the share undecided at the beginning of a day of life, and the share won before it.
CREATE TABLE curve (pipeline_no INTEGER, day BIGINT, undecided BIGINT, won BIGINT);

-- Open deals at their worth now.
CREATE TABLE open_now AS
SELECT told.deal_no, told.stage_no, pipeline_no, began_at, in_base(amount, rate.top, rate.bottom) AS amount,
       CASE WHEN amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT deal.deal_no, held.stage_no, pipeline_no, began_at, amount, currency, getvariable('as_of') AS now
    FROM deal
    JOIN (SELECT deal_no, stage_no FROM held WHERE kind = 'open') AS held ON held.deal_no = deal.deal_no
    JOIN stage ON stage.stage_no = held.stage_no
    WHERE began_at <= getvariable('as_of')
) AS told
LEFT JOIN rate_in AS rate ON rate.currency = told.currency AND rate.stretch = stretch_of(told.now)
    AND rate.since <= told.now AND told.now < rate.until;

-- The days of life at which a period begins (or now) and ends for each open deal.
CREATE VIEW ahead AS
SELECT open_now.*, greatest(begins, getvariable('as_of')) AS counted_at,
       (getvariable('as_of') - began_at) // 86400000000 AS age,
       (greatest(begins, getvariable('as_of')) - began_at) // 86400000000 AS from_day,
       (ends - began_at) // 86400000000 AS to_day
FROM open_now
CROSS JOIN (SELECT begins, ends FROM period WHERE period >= 0 AND ends > getvariable('as_of')) AS period;

-- Amount x (won by its end - won by its beginning) / undecided at that age, to the minor unit per record. One older
-- than any deal that was ever decided, or in a pipeline where none was, has no chance that is known: left out.
CREATE VIEW member_expected_won_by_month AS
SELECT deal_no AS record, stage_no, counted_at, getvariable('as_of') AS event_at, TRUE AS is_numerator,
       CASE WHEN now.undecided > 0 THEN
           scaled(amount // getvariable('money_step'), later.won - sooner.won, now.undecided)
           * getvariable('money_step') END AS amount,
       CASE WHEN left_out = '' AND coalesce(now.undecided, 0) = 0 THEN 'amount' ELSE left_out END AS left_out
FROM ahead
ASOF LEFT JOIN curve AS now ON now.pipeline_no = ahead.pipeline_no AND ahead.age >= now.day
ASOF LEFT JOIN curve AS sooner ON sooner.pipeline_no = ahead.pipeline_no AND ahead.from_day >= sooner.day
ASOF LEFT JOIN curve AS later ON later.pipeline_no = ahead.pipeline_no AND ahead.to_day >= later.day;
