-- How long deals stay in a stage.

-- The visits of open stages, in each period in which they were entered: such periods may overlap, but none lies in
-- another, so that these follow each other in the order of time. `over` is the first that had ended when it was left.
CREATE VIEW stay AS
SELECT deal_no, stage_no, entered_at, left_at, entered_by, first_nth, after_nth,
       greatest(first_nth, periods_ended(coalesce(left_at, 9223372036854775807))) AS over_nth
FROM (
    SELECT *, periods_ended(entered_at) AS first_nth, periods_begun(entered_at) AS after_nth
    FROM visit WHERE is_seen AND kind = 'open'
);

-- What is not left by a period's end, or by the as-of moment, goes on, and has lasted so long (R11): another length in
-- each period. What is left has the same length in all that follow.
CREATE VIEW member_stage_stay AS
SELECT deal_no AS record, stage_no, over_nth AS period, after_nth AS after_period, entered_at AS event_at,
       entered_by AS actor_no, TRUE AS is_denominator, FALSE AS is_open, left_at - entered_at AS duration
FROM stay WHERE over_nth < after_nth
UNION ALL
SELECT deal_no, stage_no, period.nth, period.nth + 1, entered_at, entered_by, TRUE, TRUE,
       least(ends, getvariable('as_of')) - entered_at
FROM (
    SELECT *, unnest(range(first_nth, least(over_nth, after_nth))) AS nth FROM stay WHERE first_nth < over_nth
) AS ongoing
JOIN (SELECT nth, ends FROM period) AS period ON period.nth = ongoing.nth;
