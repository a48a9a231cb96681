-- Leads and what came of them. One view per metric, one row per member.

-- Owners that only leads name come after the others.
CREATE TABLE lead AS
SELECT row_number() OVER ()::INTEGER AS lead_no, source, id, created_at, owner, deal, reason, source_name FROM raw_lead;

INSERT INTO holder
SELECT (SELECT max(owner_no) FROM holder) + row_number() OVER (), owner
FROM (SELECT DISTINCT owner FROM lead ANTI JOIN holder USING (owner));

-- The deals of each lead, named on either side; the stage of the first of them tells the lead's pipeline.
CREATE TABLE lead_outcome AS
SELECT lead_no, arg_min(held.stage_no, deal_id) AS stage_no, min(closed_at) FILTER (outcome = 'won') AS won_at,
       bool_or(coalesce(outcome = 'won', FALSE)) AS is_won
FROM (
    SELECT lead_no, deal_no, deal.id AS deal_id FROM lead JOIN deal ON deal.source || ':' || deal.id = lead.deal
    UNION
    SELECT lead_no, deal_no, deal.id AS deal_id FROM lead JOIN deal ON deal.lead = lead.source || ':' || lead.id
)
LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held USING (deal_no)
LEFT JOIN (SELECT deal_no, outcome, closed_at FROM closing) AS closing USING (deal_no)
GROUP BY lead_no;

-- Leads created.
CREATE VIEW member_lead_volume AS
SELECT lead_no AS record, stage_no, created_at AS event_at, created_at AS cohort_at, owner_no, TRUE AS is_numerator
FROM lead JOIN holder USING (owner) LEFT JOIN lead_outcome USING (lead_no);

-- Of the leads created, those with at least one won deal. With a horizon only wins within it count.
CREATE VIEW member_lead_to_won AS
SELECT lead_no AS record, stage_no, created_at AS event_at, created_at AS cohort_at, owner_no, TRUE AS is_denominator,
       coalesce(CASE WHEN getvariable('horizon') IS NULL THEN is_won
                     ELSE won_at <= created_at + getvariable('horizon') END, FALSE) AS is_numerator
FROM lead JOIN holder USING (owner) LEFT JOIN lead_outcome USING (lead_no);
