-- Leads and what came of them. One view per metric, one row per member.

CREATE TABLE lead AS
SELECT row_number() OVER ()::INTEGER AS lead_no, source, id, source || ':' || id AS key, created_at,
       owner, deal, reason, source_name, extra
FROM raw_lead
WHERE gone = '' AND merged_into = '' AND (deleted_at IS NULL OR deleted_at > getvariable('as_of'))
  AND created_at <= getvariable('as_of');

-- The deals of each lead, named on either side; the stage of the first of them tells the lead's pipeline.
CREATE TABLE lead_outcome AS
SELECT lead_no, arg_min(held.stage_no, deal_id) AS stage_no, min(closed_at) FILTER (outcome = 'won') AS won_at,
       bool_or(coalesce(outcome = 'won', FALSE)) AS is_won
FROM (
    SELECT lead_no, deal_no, deal.id AS deal_id FROM lead JOIN deal ON deal.key = lead.deal
    UNION
    SELECT lead_no, deal_no, deal.id AS deal_id FROM lead JOIN deal ON deal.lead = lead.key
)
LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held USING (deal_no)
LEFT JOIN (SELECT deal_no, outcome, closed_at FROM closing) AS closing USING (deal_no)
GROUP BY lead_no;

-- Leads created.
CREATE VIEW member_lead_volume AS
SELECT lead_no AS record, stage_no, created_at AS event_at, created_at AS cohort_at, owner, TRUE AS is_numerator
FROM lead LEFT JOIN lead_outcome USING (lead_no);

-- Of the leads created, those with at least one won deal. With a horizon, only leads at least that old enter, and only
-- wins within it count, so that cohorts can be compared.
CREATE VIEW member_lead_to_won AS
SELECT lead_no AS record, stage_no, created_at AS event_at, created_at AS cohort_at, owner, TRUE AS is_denominator,
       coalesce(CASE WHEN getvariable('horizon') IS NULL THEN is_won
                     ELSE won_at <= created_at + getvariable('horizon') END, FALSE) AS is_numerator
FROM lead LEFT JOIN lead_outcome USING (lead_no)
WHERE getvariable('horizon') IS NULL OR created_at + getvariable('horizon') <= getvariable('as_of');
