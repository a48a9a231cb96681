-- How long deals stay in a stage.

-- The visits of open stages, in each period in which they were entered: such periods may overlap, but none lies in
-- another, so that these follow each other in the order of time. `over` is the first that had ended when it was left.
CREATE VIEW stay AS
SELECT visit.deal_no, stage_no, entered_at, left_at, entered_by, owner_no, first_nth, after_nth,
       greatest(first_nth, periods_ended(coalesce(left_at, 9223372036854775807))) AS over_nth
FROM (
    SELECT *, periods_ended(entered_at) AS first_nth, periods_begun(entered_at) AS after_nth
    FROM visit WHERE is_seen AND kind = 'open'
) AS visit
JOIN ownership ON ownership.deal_no = visit.deal_no AND since <= entered_at AND entered_at < until
WHERE first_nth < after_nth;

-- What is not left by a period's end, or by the as-of moment, goes on, and has lasted so long (R11): another length in
-- each period. What is left has the same length in all that follow.
CREATE VIEW member_stage_stay AS
SELECT deal_no AS record, stage_no, period.nth AS period, CASE WHEN is_open THEN period.nth + 1 ELSE after_nth END
           AS after_period,
       entered_at AS event_at, owner_no, entered_by AS actor_no, TRUE AS is_denominator, is_open,
       CASE WHEN is_open THEN least(ends, getvariable('as_of')) ELSE left_at END - entered_at AS duration
FROM (
    SELECT *, nth < over_nth AS is_open
    FROM (SELECT *, unnest(range(first_nth, least(over_nth + 1, after_nth))) AS nth FROM stay)
) AS told
JOIN (SELECT nth, ends FROM period) AS period ON period.nth = told.nth;
