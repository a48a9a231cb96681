-- Winning and losing. One view per metric, one row per member; `event_at` is the close, `cohort_at` the beginning.

-- Deals won.
CREATE VIEW member_won_count AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_numerator
FROM closing WHERE outcome = 'won';

-- Their money. A deal without amount or rate is in the count, not in the sum, and is reported as left out (R13, R14).
CREATE VIEW member_won_value AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_numerator,
       amount, left_out
FROM closing WHERE outcome = 'won';

-- Won value / deals won that have a value.
CREATE VIEW member_average_deal_value AS
SELECT *, left_out = '' AS is_denominator FROM member_won_value;

-- Won / (won + lost).
CREATE VIEW member_win_rate_count AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
       outcome = 'won' AS is_numerator, TRUE AS is_denominator
FROM closing;

-- Won value / (won + lost value); deals without amount are out of both.
CREATE VIEW member_win_rate_value AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
       outcome = 'won' AS is_numerator, TRUE AS is_denominator, amount, left_out
FROM closing;

-- Deals lost, with the reason at the final loss; none given is a row of its own.
CREATE VIEW member_lost_reasons AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_numerator,
       amount, left_out
FROM closing WHERE outcome = 'lost';

-- Deals created, by the stage they are in now; with a horizon what comes after it does not count, and all that enter
-- are settled. One that was closed at first sight, nobody knows when, is then in neither.
CREATE VIEW member_win_rate_cohort AS
SELECT deal.deal_no AS record, held.stage_no, deal.began_at AS event_at, deal.began_at AS cohort_at,
       coalesce(
           outcome = 'won' AND (getvariable('horizon') IS NULL OR closed_at <= deal.began_at + getvariable('horizon')),
           FALSE) AS is_numerator,
       TRUE AS is_denominator,
       getvariable('horizon') IS NULL AND outcome IS NULL AS is_open
FROM deal
LEFT JOIN (SELECT deal_no, outcome, closed_at FROM closing) AS closing ON closing.deal_no = deal.deal_no
LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held ON held.deal_no = deal.deal_no
WHERE deal.began_at <= getvariable('as_of')
    AND (getvariable('horizon') IS NULL OR outcome IS NULL OR closed_at IS NOT NULL);

-- The amounts of the deals won, one beside the other.
CREATE VIEW member_median_deal_value AS
SELECT * REPLACE (FALSE AS is_numerator), TRUE AS is_denominator FROM member_won_value;

-- Deals lost, by the last open stage they were in; '' for one that was never in any.
CREATE VIEW member_loss_stage AS
SELECT closing.deal_no AS record, held.stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
       TRUE AS is_numerator, amount, left_out
FROM closing
LEFT JOIN (
    SELECT deal_no, arg_max(stage_no, place) AS stage_no
    FROM visit SEMI JOIN (SELECT deal_no FROM closing WHERE outcome = 'lost') AS lost USING (deal_no)
    WHERE kind = 'open'
    GROUP BY deal_no
) AS held ON held.deal_no = closing.deal_no
WHERE outcome = 'lost';

-- Days from the beginning of every deal to its decision, or so far; of one closed nobody knows when they are unknown.
CREATE VIEW member_km_time_to_decision AS
SELECT * EXCLUDE (life), CASE WHEN life >= 0 THEN life END AS duration,
       CASE WHEN life >= 0 THEN '' ELSE 'duration' END AS left_out
FROM (
    SELECT deal.deal_no AS record, held.stage_no, deal.began_at AS event_at, TRUE AS is_denominator,
           outcome IS NULL AS is_open,
           CASE WHEN outcome IS NULL THEN getvariable('as_of') ELSE closed_at END - deal.began_at AS life
    FROM deal
    LEFT JOIN (SELECT deal_no, outcome, closed_at FROM closing) AS closing ON closing.deal_no = deal.deal_no
    LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held ON held.deal_no = deal.deal_no
    WHERE deal.began_at <= getvariable('as_of')
);

-- When deals that had begun in another pipeline first entered the one they were closed in (R10); no others, and none
-- unless a length is asked from there on.
CREATE VIEW handed_in AS
SELECT deal_no, min(entered_at) AS handed_in_at
FROM visit
JOIN (SELECT deal_no, stage_no AS closed_in, closed_at FROM closing) AS closing USING (deal_no)
JOIN (SELECT stage_no, pipeline_no FROM stage) AS stage ON stage.stage_no = visit.stage_no
JOIN (SELECT stage_no, pipeline_no FROM stage) AS last ON last.stage_no = closed_in
WHERE getvariable('start') = 'pipeline' AND stage.pipeline_no = last.pipeline_no AND entered_at <= closed_at
GROUP BY deal_no HAVING min(place) > 1;

-- How long deals had been closed before they were re-opened (R7); NULL for one first seen so, nobody knows since when.
CREATE VIEW closed_before AS
SELECT visit.deal_no, CASE WHEN bool_and(is_seen) THEN sum(left_at - entered_at)::BIGINT END AS closed_for
FROM visit
JOIN (SELECT deal_no, closed_at FROM closing) AS closing ON closing.deal_no = visit.deal_no
LEFT JOIN handed_in ON handed_in.deal_no = visit.deal_no
WHERE kind <> 'open' AND left_at <= closed_at AND (handed_in_at IS NULL OR entered_at >= handed_in_at)
GROUP BY visit.deal_no;

-- Days from the beginning to the close of won (or lost) deals; one closed before it began is a data error, left out
-- (R17). The net length leaves out the time closed in between.
CREATE VIEW member_cycle_length AS
SELECT * EXCLUDE (life), CASE WHEN life >= 0 THEN life END AS duration,
       CASE WHEN life >= 0 THEN '' ELSE 'duration' END AS left_out
FROM (
    SELECT closing.deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
           TRUE AS is_denominator,
           closed_at - coalesce(handed_in_at, began_at)
               - CASE WHEN closed_before.deal_no IS NULL THEN 0 ELSE closed_for END AS life
    FROM closing
    LEFT JOIN handed_in ON handed_in.deal_no = closing.deal_no
    LEFT JOIN (FROM closed_before WHERE getvariable('closed') = 'net') AS closed_before
        ON closed_before.deal_no = closing.deal_no
    WHERE outcome = getvariable('outcome')
);
