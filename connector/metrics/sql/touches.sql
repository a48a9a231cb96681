-- What it took to win a deal. One view per metric, one row per deal won, by its close.
--
-- An activity that names a deal is that deal's; one that names only a lead is of each deal of the lead.

-- When work on a deal began: at the creation of its first lead, else at its own.
CREATE TABLE won_span AS
SELECT deal_no, closed_at, coalesce(min(created_at), any_value(began_at)) AS since
FROM closing LEFT JOIN deal_of_lead USING (deal_no) LEFT JOIN lead USING (lead_no)
WHERE outcome = 'won' AND closed_at IS NOT NULL
GROUP BY deal_no, closed_at;

-- What was done for it up to its close: how often from that beginning on, and whether face to face at any time.
CREATE TABLE won_touch AS
SELECT deal_no, count(*) FILTER (occurred_at >= since) AS touches,
       bool_or(type = 'meeting' AND outcome IS DISTINCT FROM 'no_show') AS was_met
FROM (
    SELECT deal_no, occurred_at, type, outcome FROM activity WHERE deal_no IS NOT NULL
    UNION ALL
    SELECT deal_of_lead.deal_no, occurred_at, type, outcome
    FROM activity JOIN deal_of_lead ON deal_of_lead.lead_no = activity.lead_no
    WHERE activity.deal_no IS NULL
) AS done
JOIN won_span USING (deal_no)
WHERE occurred_at <= closed_at
GROUP BY deal_no;

-- How many activities each took, in millionths; none is 0. One closed before it began is a data error, left out (R17).
CREATE VIEW member_touches_to_win AS
SELECT closing.deal_no AS record, stage_no, closing.closed_at AS event_at, began_at AS cohort_at, actor_no,
       TRUE AS is_denominator,
       CASE WHEN closing.closed_at >= since THEN 1000000 * coalesce(touches, 0) END AS duration,
       CASE WHEN closing.closed_at >= since THEN '' ELSE 'duration' END AS left_out
FROM closing
JOIN won_span ON won_span.deal_no = closing.deal_no
LEFT JOIN won_touch ON won_touch.deal_no = closing.deal_no;

-- Their money, and that of those without any meeting face to face.
CREATE VIEW member_remote_won_share AS
SELECT closing.deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
       NOT coalesce(was_met, FALSE) AS is_numerator, TRUE AS is_denominator, amount, left_out
FROM closing
LEFT JOIN won_touch ON won_touch.deal_no = closing.deal_no
WHERE outcome = 'won';
