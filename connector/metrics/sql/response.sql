-- How soon leads are answered: by the first outbound touch of a person. One view per metric, one row per lead.
--
-- A touch is an outbound call or mail, or a meeting that did not come from the other side. A mail is a person's if it
-- names somebody as its owner and is not `automatic`. What was done before the lead was created answers it at once (it
-- is how the lead was found), but how fast nobody can tell: it is left out of the times, and counted (R17).

-- The first touch of each lead; of two at the same instant that of the owner who is first in order.
CREATE TABLE first_touch AS
WITH touch AS (
    SELECT lead_no, occurred_at, owner_no
    FROM activity
    WHERE lead_no IS NOT NULL AND (
        (type = 'call' AND direction = 'out') OR (type = 'meeting' AND direction <> 'in')
        OR (type = 'email' AND direction = 'out' AND owner_no <> 0 AND outcome IS DISTINCT FROM 'automatic'))
)
SELECT lead_no, touched_at, min(owner_no) AS touched_by
FROM touch
JOIN (SELECT lead_no, min(occurred_at) AS touched_at FROM touch GROUP BY lead_no) AS earliest USING (lead_no)
WHERE occurred_at = touched_at
GROUP BY lead_no, touched_at;

-- Leads created, with their first touch if there is one.
CREATE VIEW answer AS
SELECT lead_no, stage_no, created_at, owner_no, touched_at, touched_by, touched_at - created_at AS took
FROM lead_step LEFT JOIN first_touch USING (lead_no);

-- From the creation of a lead to its first touch; credit to who touched it. One never touched has no time.
CREATE VIEW member_speed_to_lead AS
SELECT lead_no AS record, stage_no, created_at AS event_at, touched_by AS owner_no, TRUE AS is_denominator,
       CASE WHEN took >= 0 THEN took END AS duration,
       CASE WHEN took >= 0 THEN '' ELSE 'duration' END AS left_out
FROM answer WHERE touched_at IS NOT NULL;

-- Of all leads created those that were touched, however late.
CREATE VIEW member_responded_share AS
SELECT lead_no AS record, stage_no, created_at AS event_at, owner_no, TRUE AS is_denominator,
       touched_at IS NOT NULL AS is_numerator
FROM answer;

-- Those that were touched within so many minutes; never touched is a miss.
CREATE VIEW member_within_sla_share AS
SELECT lead_no AS record, stage_no, created_at AS event_at, owner_no, TRUE AS is_denominator,
       coalesce(took <= getvariable('sla') * 60000000, FALSE) AS is_numerator
FROM answer;
