-- Leads and what came of them. One view per metric, one row per member.

-- Owners that only leads name come after the others. What lies after the as-of moment has not happened.
CREATE TABLE lead AS
SELECT row_number() OVER ()::INTEGER AS lead_no, source, id, created_at, owner, deal, account, reason, source_name,
       recycled_from,
       CASE WHEN mql_at <= getvariable('as_of') THEN mql_at END AS mql_at,
       CASE WHEN sql_at <= getvariable('as_of') THEN sql_at END AS sql_at,
       CASE WHEN disqualified_at <= getvariable('as_of') THEN disqualified_at END AS disqualified_at
FROM raw_lead;

INSERT INTO holder
SELECT (SELECT max(owner_no) FROM holder) + row_number() OVER (), owner
FROM (SELECT DISTINCT owner FROM lead ANTI JOIN holder USING (owner));

-- The deals of each lead, named on either side.
CREATE TABLE deal_of_lead AS
SELECT lead_no, deal_no FROM lead JOIN deal ON deal.source || ':' || deal.id = lead.deal
UNION
SELECT lead_no, deal_no FROM deal JOIN lead ON deal.lead = lead.source || ':' || lead.id;

DELETE FROM deal_of_lead USING deal WHERE deal.deal_no = deal_of_lead.deal_no AND began_at > getvariable('as_of');

-- What became of them: the stage of the first of them tells the lead's pipeline.
CREATE TABLE lead_outcome AS
SELECT lead_no, arg_min(held.stage_no, deal.id) AS stage_no, min(began_at) AS deal_at,
       min(closed_at) FILTER (outcome = 'won') AS won_at, bool_or(coalesce(outcome = 'won', FALSE)) AS is_won,
       bool_or(outcome IS NULL) AS is_open
FROM deal_of_lead
JOIN (SELECT deal_no, id, began_at FROM deal) AS deal USING (deal_no)
LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held USING (deal_no)
LEFT JOIN (SELECT deal_no, outcome, closed_at FROM closing) AS closing USING (deal_no)
GROUP BY lead_no;

-- Which steps a lead got to, and when first. Who jumps straight to a later step has passed the earlier ones at that
-- moment (R5); a lead that was made after its deal has it from the lead's own creation on. A deal whose beginning is not
-- known is there without a moment. Undecided is a lead of which something may still come.
CREATE TABLE lead_step AS
SELECT lead_no, owner_no, stage_no, created_at, disqualified_at,
       least(mql_at, sql_at, deal_at) AS mql_at, least(sql_at, deal_at) AS sql_at, deal_at, won_at,
       mql_at IS NOT NULL OR sql_at IS NOT NULL OR has_deal AS is_mql, sql_at IS NOT NULL OR has_deal AS is_sql,
       has_deal, is_won, NOT is_won AND (CASE WHEN has_deal THEN is_open ELSE disqualified_at IS NULL END) AS is_undecided
FROM (
    SELECT lead.lead_no, owner_no, stage_no, created_at, mql_at, sql_at, disqualified_at, won_at,
           outcome.lead_no IS NOT NULL AS has_deal, coalesce(is_won, FALSE) AS is_won, is_open,
           CASE WHEN won_at IS NOT NULL OR deal_at IS NOT NULL THEN greatest(least(deal_at, won_at), created_at) END
               AS deal_at
    FROM lead JOIN holder USING (owner) LEFT JOIN lead_outcome AS outcome ON outcome.lead_no = lead.lead_no
);

-- Whether a lead got to a step, within the horizon where there is one.
CREATE MACRO got(is_there, moment, since) AS
    coalesce(CASE WHEN getvariable('horizon') IS NULL THEN is_there ELSE moment <= since + getvariable('horizon') END,
             FALSE);

-- What leads bought: the orders that the ERP has for a lead's deals, or else for its account after the lead was created
-- (the last lead until then has it). Drafts and cancelled orders are none. Where the ERP knows nothing of a lead, its won
-- deals stand for the orders. An order of a deal with two leads is of both.
CREATE TABLE lead_order AS
SELECT row_number() OVER ()::INTEGER AS told_no, deal, account, ordered_at, state NOT IN ('draft', 'cancelled') AS is_firm
FROM raw_lead_order;

CREATE TABLE lead_purchase AS
WITH of_deal AS MATERIALIZED (
    SELECT lead_no, lead_order.told_no
    FROM deal JOIN lead_order ON lead_order.deal = deal.source || ':' || deal.id JOIN deal_of_lead USING (deal_no)
),
of_account AS MATERIALIZED (
    SELECT latest.lead_no, told.told_no
    FROM (SELECT * FROM lead_order ANTI JOIN of_deal USING (told_no) WHERE account <> '') AS told
    ASOF JOIN (
        SELECT account, created_at, arg_min(lead_no, source || ':' || id) AS lead_no
        FROM lead WHERE account <> '' GROUP BY account, created_at
    ) AS latest ON latest.account = told.account AND told.ordered_at >= latest.created_at
),
known AS MATERIALIZED (FROM of_deal UNION ALL FROM of_account)
SELECT lead_no, ordered_at AS bought_at, is_firm FROM known JOIN lead_order USING (told_no)
UNION ALL
SELECT lead_no, closed_at, TRUE
FROM deal_of_lead
JOIN (SELECT deal_no, closed_at FROM closing WHERE outcome = 'won') AS closing USING (deal_no)
ANTI JOIN known USING (lead_no);

DROP TABLE lead_order;

DELETE FROM lead_purchase WHERE NOT is_firm;

-- Leads created.
CREATE VIEW member_lead_volume AS
SELECT lead_no AS record, stage_no, created_at AS event_at, created_at AS cohort_at, owner_no, TRUE AS is_numerator
FROM lead_step;

-- Leads that became marketing-qualified, and sales-qualified: the first time, or when they had a deal (R5).
CREATE VIEW member_mql_count AS
SELECT lead_no AS record, stage_no, mql_at AS event_at, created_at AS cohort_at, owner_no, TRUE AS is_numerator
FROM lead_step WHERE is_mql;

CREATE VIEW member_sql_count AS
SELECT lead_no AS record, stage_no, sql_at AS event_at, created_at AS cohort_at, owner_no, TRUE AS is_numerator
FROM lead_step WHERE is_sql;

-- How far the leads created in a period got, so far or within the horizon: each step implies those before it.
CREATE VIEW lead_advance AS
SELECT lead_no AS record, stage_no, created_at AS event_at, created_at AS cohort_at, owner_no, TRUE AS is_denominator,
       got(is_mql, mql_at, created_at) AS mql, got(is_sql, sql_at, created_at) AS sql,
       got(has_deal, deal_at, created_at) AS deal, got(is_won, won_at, created_at) AS won,
       getvariable('horizon') IS NULL AND is_undecided AS is_undecided
FROM lead_step;

CREATE VIEW member_lead_to_mql AS
SELECT *, mql AS is_numerator, is_undecided AND NOT mql AS is_open FROM lead_advance;

CREATE VIEW member_mql_to_sql AS
SELECT *, sql AS is_numerator, is_undecided AND NOT sql AS is_open FROM lead_advance WHERE mql;

CREATE VIEW member_sql_to_deal AS
SELECT *, deal AS is_numerator, is_undecided AND NOT deal AS is_open FROM lead_advance WHERE sql;

CREATE VIEW member_deal_to_won AS
SELECT *, won AS is_numerator, is_undecided AND NOT won AS is_open FROM lead_advance WHERE deal;

-- Of the leads created, those with at least one won deal.
CREATE VIEW member_lead_to_won AS
SELECT *, won AS is_numerator, is_undecided AND NOT won AS is_open FROM lead_advance;

-- Of the leads created, those with at least one order; one with three counts once.
CREATE VIEW member_leads_to_orders AS
SELECT advance.*, coalesce(ordered, FALSE) AS is_numerator, is_undecided AND NOT coalesce(ordered, FALSE) AS is_open
FROM lead_advance AS advance
LEFT JOIN (
    SELECT lead_no AS record, bool_or(got(TRUE, bought_at, created_at)) AS ordered
    FROM lead_purchase JOIN (SELECT lead_no, created_at FROM lead) AS lead USING (lead_no)
    GROUP BY lead_no
) AS purchase USING (record);

-- The orders of the leads created, and these leads: a lead is in the numerator once for each order.
CREATE VIEW member_orders_per_lead AS
SELECT record, stage_no, event_at, cohort_at, owner_no, FALSE AS is_numerator, TRUE AS is_denominator FROM lead_advance
UNION ALL
SELECT lead_no, stage_no, created_at, created_at, owner_no, TRUE, FALSE
FROM lead_purchase JOIN lead_step USING (lead_no)
WHERE got(TRUE, bought_at, created_at);

-- Leads in the marketing pipeline: not yet handed over to sales (qualified for it, or with a deal), nor disqualified. A
-- lead with a deal whose beginning is not known was handed over at once. The periods are numbered by their instants.
CREATE VIEW nurtured AS
SELECT lead_no AS record, stage_no, owner_no, created_at, instant
FROM (
    SELECT lead_no, stage_no, owner_no, created_at, unnest(range(first_turn, after_turn)) AS turn
    FROM (
        SELECT lead_no, stage_no, owner_no, created_at, instants_before(created_at) AS first_turn,
               instants_before(coalesce(least(sql_at, disqualified_at), 9223372036854775807)) AS after_turn
        FROM lead_step WHERE created_at IS NOT NULL AND NOT (has_deal AND deal_at IS NULL)
    )
    WHERE first_turn < after_turn
)
JOIN (SELECT turn, instant FROM period) AS period USING (turn);

CREATE VIEW member_nurture_pool AS
SELECT record, stage_no, instant AS event_at, instant AS cohort_at, owner_no, TRUE AS is_numerator FROM nurtured;

-- How long they have been there.
CREATE VIEW member_nurture_age AS
SELECT record, stage_no, instant AS event_at, instant AS cohort_at, owner_no, TRUE AS is_denominator,
       instant - created_at AS duration
FROM nurtured;
