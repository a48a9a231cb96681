-- Expected closes that were moved later; what a deal's expected day was is told by its field history.

-- Each time the expected day of a deal was moved later, by how many days.
CREATE TABLE delay AS
SELECT deal_no, since, (day - day_before) * 86400000000 AS duration
FROM (
    SELECT deal_no, since, day, lag(day) OVER (PARTITION BY deal_no ORDER BY since) AS day_before
    FROM expectation
    SEMI JOIN (SELECT deal_no FROM expectation GROUP BY deal_no HAVING count(*) > 1) AS changed USING (deal_no)
)
WHERE day > day_before;

-- Of open deals, with their stage then: what a vendor writes into the field at the close is no delay.
CREATE VIEW slip AS
SELECT delay.deal_no, stage_no, since, duration
FROM visit
JOIN delay ON delay.deal_no = visit.deal_no
    AND entered_at <= since AND since < coalesce(left_at, 9223372036854775807)
WHERE kind = 'open';

CREATE VIEW member_slippage AS
SELECT deal_no AS record, stage_no, since AS event_at, TRUE AS is_denominator, duration FROM slip;

CREATE VIEW member_slippage_count AS
SELECT deal_no AS record, stage_no, since AS event_at, TRUE AS is_numerator FROM slip;

-- Deals open when a period began and expected then to close in it, with their worth then; the numerator was neither
-- closed in the period nor, at its end (or now), still expected in it.
CREATE VIEW member_slipped_value AS
SELECT awaited.deal_no AS record, stage_no, owner_no, instant AS event_at, instant + 1 AS counted_at,
       TRUE AS is_denominator,
       coalesce(period_of(closed_at) <> opens, TRUE) AND still.deal_no IS NULL AS is_numerator, amount, left_out
FROM (
    SELECT open_deal.deal_no, stage_no, owner_no, amount, left_out, period.instant, period.opens, its.instant AS ends_at
    FROM open_deal
    JOIN period ON period.moment = open_deal.moment
    JOIN period AS its ON its.period = period.opens
    JOIN expectation ON expectation.deal_no = open_deal.deal_no
        AND since <= period.instant AND period.instant < until
    WHERE period_of(day_start(day)) = period.opens
) AS awaited
LEFT JOIN (SELECT deal_no, closed_at FROM closing) AS closing ON closing.deal_no = awaited.deal_no
LEFT JOIN (
    SELECT deal_no, since, until, period_of(day_start(day)) AS awaited_in FROM expectation
) AS still ON still.deal_no = awaited.deal_no AND still.awaited_in = awaited.opens
    AND still.since <= ends_at AND ends_at < still.until;
