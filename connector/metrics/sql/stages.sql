-- Flow through stages. One view per metric, one row per member.

-- What it means to go from one stage to the next, of the pairs that occur. `word` is the outcome of the visit left (R6,
-- R10): to another pipeline it is handed over, whatever it became there; backward is to an earlier place in the order,
-- or out of a closed stage; where the order is not known a move counts as forward. `is_skip`: an open stage in use lies
-- in between (R5); a loss implies nothing.
CREATE TABLE passage AS
WITH made AS (
    SELECT was.stage_no, became.stage_no AS stage_after, was.kind, was.pipeline_no, was.position AS place,
           CASE became.kind WHEN 'won' THEN 2147483647 ELSE became.position END AS place_after,
           CASE WHEN was.pipeline_no <> became.pipeline_no THEN 'handed_over'
                WHEN became.kind <> 'open' THEN became.kind::VARCHAR
                WHEN was.kind <> 'open' OR became.position < was.position THEN 'moved_back'
                ELSE 'advanced' END AS word
    FROM (SELECT DISTINCT stage_no, stage_after FROM visit WHERE stage_after IS NOT NULL) AS pair
    JOIN stage AS was ON was.stage_no = pair.stage_no
    JOIN stage AS became ON became.stage_no = pair.stage_after
)
SELECT stage_no, stage_after, word::ENUM ('', 'advanced', 'won', 'lost', 'moved_back', 'handed_over', 'still_there')
           AS word, is_forward, is_forward AND between_no IS NOT NULL AS is_skip
FROM (
    SELECT made.stage_no, stage_after, word, made.kind = 'open' AND word IN ('advanced', 'won') AS is_forward,
           min(stage.stage_no) AS between_no
    FROM made
    LEFT JOIN (FROM stage WHERE kind = 'open' AND NOT archived) AS stage ON stage.pipeline_no = made.pipeline_no
        AND stage.position > made.place AND stage.position < made.place_after
    GROUP BY ALL
);

-- The few that were in a stage more than once.
CREATE TABLE returned AS
SELECT deal_no, stage_no FROM visit GROUP BY deal_no, stage_no HAVING count(*) > 1;

-- The first entry of each deal into each stage it was in.
CREATE VIEW first_entry AS
SELECT deal_no, stage_no, kind, entered_at, entered_by
FROM visit ANTI JOIN returned USING (deal_no, stage_no) WHERE is_seen
UNION ALL
SELECT deal_no, stage_no, any_value(kind), min(entered_at), arg_min(entered_by, place)
FROM visit SEMI JOIN returned USING (deal_no, stage_no) WHERE is_seen
GROUP BY deal_no, stage_no;

-- Entries into a stage; a deal that returns enters again (R6).
CREATE VIEW member_stage_entries AS
SELECT deal_no AS record, stage_no, entered_at AS event_at, began_at AS cohort_at, entered_by AS actor_no,
       TRUE AS is_numerator
FROM visit JOIN deal USING (deal_no) WHERE is_seen;

-- Deals that entered a stage, at the first time they did.
CREATE VIEW member_stage_entries_deals AS
SELECT deal_no AS record, stage_no, entered_at AS event_at, began_at AS cohort_at, entered_by AS actor_no,
       TRUE AS is_numerator
FROM first_entry JOIN deal USING (deal_no);

-- What became of each entry, by the time of the entry: each has one outcome, so that they add up to the entries. With a
-- horizon, what had become of it by then.
CREATE VIEW member_stage_outcomes AS
SELECT deal_no AS record, visit.stage_no, entered_at AS event_at, entered_at AS cohort_at, entered_by AS actor_no,
       TRUE AS is_numerator,
       CASE WHEN left_at <= coalesce(entered_at + getvariable('horizon'), left_at) THEN word ELSE 'still_there' END
           AS word
FROM visit LEFT JOIN passage ON passage.stage_no = visit.stage_no AND passage.stage_after = visit.stage_after
WHERE is_seen;

-- Days of each completed visit of an open stage, by its end; as a cohort, by its beginning. Or per deal, of one that is
-- not in the stage now: `cumulative` adds up its visits (none of them of unknown length), `last` takes the last one.
CREATE VIEW member_stage_duration AS
SELECT deal_no AS record, stage_no, left_at AS event_at, entered_at AS cohort_at, left_by AS actor_no,
       TRUE AS is_denominator, left_at - entered_at AS duration
FROM visit ANTI JOIN (FROM returned WHERE getvariable('span') <> 'visit') USING (deal_no, stage_no)
WHERE is_seen AND kind = 'open' AND left_at IS NOT NULL
UNION ALL
SELECT deal_no, stage_no, max(left_at),
       CASE getvariable('span') WHEN 'last' THEN max(entered_at) ELSE min(entered_at) END,
       arg_max(left_by, place), TRUE,
       CASE getvariable('span') WHEN 'last' THEN arg_max(left_at - entered_at, place)
                                ELSE sum(left_at - entered_at)::BIGINT END
FROM visit SEMI JOIN (FROM returned WHERE getvariable('span') <> 'visit') USING (deal_no, stage_no)
WHERE kind = 'open'
GROUP BY deal_no, stage_no
HAVING bool_and(left_at IS NOT NULL)
   AND CASE getvariable('span') WHEN 'last' THEN arg_max(is_seen, place) ELSE bool_and(is_seen) END;

-- How far a deal got in a pipeline: open stages visited, and the win if it stands (R5, R7). A loss implies nothing.
CREATE VIEW advance AS
SELECT deal_no, stage.pipeline_no, place, entered_at, entered_by,
       CASE visit.kind WHEN 'won' THEN 9223372036854775807 ELSE position END AS position
FROM visit JOIN stage USING (stage_no) LEFT JOIN closing USING (deal_no)
WHERE visit.kind = 'open' OR (visit.kind = 'won' AND closing.outcome = 'won');

-- When each deal first reached a stage, by a visit of it or of a later one, and when it first got further.
CREATE VIEW reached AS
SELECT deal_no, stage.stage_no, min(entered_at) AS event_at, arg_min(entered_by, place) AS actor_no,
       min(entered_at) FILTER (advance.position > stage.position) AS further_at
FROM advance JOIN stage
    ON stage.pipeline_no = advance.pipeline_no AND stage.kind = 'open' AND stage.position <= advance.position
GROUP BY deal_no, stage.stage_no;

-- Deals that first reached a stage; the numerator got further.
-- Still open (unsettled) is one that sits in this very stage and never got further; it is out of the base `settled`.
-- With a horizon what comes after it does not count, and all that enter are settled.
CREATE VIEW member_stage_conversion AS
SELECT * FROM (
    SELECT deal_no AS record, reached.stage_no, event_at, event_at AS cohort_at, actor_no,
           coalesce(further_at <= coalesce(event_at + getvariable('horizon'), further_at), FALSE) AS is_numerator,
           TRUE AS is_denominator,
           getvariable('horizon') IS NULL AND held.stage_no = reached.stage_no AND further_at IS NULL AS is_open
    FROM reached
    JOIN (SELECT deal_no, stage_no FROM held) AS held USING (deal_no)
)
WHERE NOT is_open OR getvariable('base') = 'all';

-- When a deal was won in a pipeline: the last time, where it was won again (R7).
CREATE TABLE won_in AS
SELECT deal_no, pipeline_no, max(entered_at) AS won_at
FROM visit JOIN stage USING (stage_no)
WHERE visit.kind = 'won' AND kind_before IS DISTINCT FROM 'won'
GROUP BY deal_no, pipeline_no;

-- Deals that first entered an open stage; the numerator was won in its pipeline, and that stands.
CREATE VIEW member_stage_to_won AS
SELECT * FROM (
    SELECT entry.deal_no AS record, entry.stage_no, entered_at AS event_at, entered_at AS cohort_at,
           entered_by AS actor_no, TRUE AS is_denominator,
           coalesce(outcome = 'won' AND won_at <= coalesce(entered_at + getvariable('horizon'), won_at), FALSE)
               AS is_numerator,
           getvariable('horizon') IS NULL AND outcome IS NULL AS is_open
    FROM (FROM first_entry WHERE kind = 'open') AS entry
    JOIN stage ON stage.stage_no = entry.stage_no
    LEFT JOIN won_in ON won_in.deal_no = entry.deal_no AND won_in.pipeline_no = stage.pipeline_no
    LEFT JOIN (SELECT deal_no, outcome FROM closing) AS closing ON closing.deal_no = entry.deal_no
)
WHERE NOT is_open OR getvariable('base') = 'all';

-- Forward moves, into a later open stage of the pipeline or into its success, by the stage left; the numerator jumped
-- over one.
CREATE VIEW member_stage_skips AS
SELECT deal_no AS record, visit.stage_no, left_at AS event_at, left_by AS actor_no, is_skip AS is_numerator,
       TRUE AS is_denominator
FROM visit JOIN passage ON passage.stage_no = visit.stage_no AND passage.stage_after = visit.stage_after
WHERE is_forward;

-- Moves of a deal into its second or a later open visit, by the stage left; the numerator went backward. A deal counts
-- once. To be re-opened is not to be moved back.
CREATE VIEW member_stage_regress_rate AS
SELECT deal_no AS record, visit.stage_no, left_at AS event_at, left_by AS actor_no,
       visit.kind = 'open' AND word = 'moved_back' AS is_numerator, TRUE AS is_denominator
FROM visit
JOIN passage ON passage.stage_no = visit.stage_no AND passage.stage_after = visit.stage_after
JOIN stage AS became ON became.stage_no = visit.stage_after
WHERE became.kind = 'open' AND (visit.kind = 'open' OR kind_before = 'open' OR place > 2);

-- What came into an open stage (the numerator) and what left it. One that was seen there first came nobody knows when;
-- when it left is known.
CREATE VIEW member_queue_ratio AS
SELECT deal_no AS record, stage_no, entered_at AS event_at, entered_by AS actor_no, TRUE AS is_numerator,
       FALSE AS is_denominator
FROM visit WHERE kind = 'open' AND is_seen
UNION ALL
SELECT deal_no, stage_no, left_at, left_by, FALSE, TRUE
FROM visit WHERE kind = 'open' AND left_at IS NOT NULL;
