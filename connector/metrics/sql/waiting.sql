-- How long deals stay in a stage.

-- The visits of open stages, in each period in which they were entered: such periods may overlap. What is not left by a
-- period's end, or by the as-of moment, goes on, and has lasted so long (R11).
CREATE VIEW member_stage_stay AS
SELECT deal_no AS record, stage_no, period, entered_at AS event_at, entered_by AS actor_no, TRUE AS is_denominator,
       coalesce(left_at >= ends, TRUE) AS is_open,
       least(coalesce(left_at, ends), ends, getvariable('as_of')) - entered_at AS duration
FROM (SELECT * FROM visit WHERE is_seen AND kind = 'open') AS visit
JOIN (SELECT period, begins, ends FROM period WHERE begins IS NOT NULL) AS period
    ON begins <= entered_at AND entered_at < ends;
