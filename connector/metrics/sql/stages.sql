-- Flow through stages. One view per metric, one row per member.

-- Entries into a stage; a deal that returns enters again (R6).
CREATE VIEW member_stage_entries AS
SELECT deal_no AS record, stage_no, entered_at AS event_at, began_at AS cohort_at, entered_by AS actor_no,
       TRUE AS is_numerator
FROM visit JOIN deal USING (deal_no) WHERE is_seen;

-- Days of each completed visit of an open stage, by its end; as a cohort, by its beginning.
CREATE VIEW member_stage_duration AS
SELECT deal_no AS record, stage_no, left_at AS event_at, entered_at AS cohort_at, left_by AS actor_no,
       TRUE AS is_denominator, left_at - entered_at AS duration
FROM visit WHERE is_seen AND kind = 'open' AND left_at IS NOT NULL;

-- How far a deal got in a pipeline: open stages visited, and the win if it stands (R5, R7). A loss implies nothing.
CREATE VIEW advance AS
SELECT deal_no, stage.pipeline_no, entered_at, entered_by,
       CASE visit.kind WHEN 'won' THEN 9223372036854775807 ELSE position END AS position
FROM visit JOIN stage USING (stage_no) LEFT JOIN closing USING (deal_no)
WHERE visit.kind = 'open' OR (visit.kind = 'won' AND closing.outcome = 'won');

-- Deals that first reached a stage, by a visit of it or of a later one; the numerator got further.
-- Still open (unsettled) is one that sits in this very stage. With a horizon what comes after it does not count, and all
-- that enter are settled.
CREATE VIEW member_stage_conversion AS
SELECT deal_no AS record, reached.stage_no, event_at, event_at AS cohort_at, actor_no,
       coalesce(further_at <= coalesce(event_at + getvariable('horizon'), further_at), FALSE) AS is_numerator,
       TRUE AS is_denominator,
       getvariable('horizon') IS NULL AND held.stage_no = reached.stage_no AS is_open
FROM (
    SELECT deal_no, stage.stage_no, min(entered_at) AS event_at, arg_min(entered_by, entered_at) AS actor_no,
           min(entered_at) FILTER (advance.position > stage.position) AS further_at
    FROM advance JOIN stage
        ON stage.pipeline_no = advance.pipeline_no AND stage.kind = 'open' AND stage.position <= advance.position
    GROUP BY deal_no, stage.stage_no
) AS reached
JOIN stage USING (stage_no)
JOIN (SELECT deal_no, stage_no FROM held) AS held USING (deal_no);
