-- What people did: calls, mails, meetings. One view per metric, one row per member; `event_at` is when it was done, the
-- owner is the one who did it.
--
-- Done is what happened up to the as-of moment; what a source tells as `planned` or `cancelled` was not done, whatever
-- its date. Other outcomes that count: connected (a call that reached somebody; voicemail is none), automatic (a mail
-- that no person wrote), no_show (a meeting nobody came to).

-- Leads and deals as activities name them, with the stage that tells their pipeline.
CREATE TABLE lead_named AS
SELECT lead_no, source || ':' || id AS lead, stage_no FROM lead LEFT JOIN lead_outcome USING (lead_no);

CREATE TABLE deal_named AS
SELECT deal_no, source || ':' || id AS deal, stage_no
FROM deal LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held USING (deal_no);

-- What was done with leads and deals that do not count (R8) was done all the same, but is of none. The place of a row in
-- this table is its number: to count rows while they are read would hold up all but one thread.
CREATE TABLE activity_told AS
SELECT source, id, occurred_at,
       type::ENUM ('', 'call', 'email', 'meeting', 'online', 'task') AS type,
       direction::ENUM ('', 'in', 'out') AS direction,
       try_cast(lower(outcome) AS ENUM ('connected', 'automatic', 'no_show')) AS outcome,
       lead_no, deal_no, coalesce(deal_named.stage_no, lead_named.stage_no) AS stage_no, owner_no,
       CASE WHEN owner_no IS NULL THEN owner END AS unnamed
FROM raw_activity
LEFT JOIN holder USING (owner)
LEFT JOIN lead_named USING (lead)
LEFT JOIN deal_named USING (deal)
WHERE lower(outcome) NOT IN ('planned', 'cancelled');

DROP TABLE lead_named;

DROP TABLE deal_named;

-- Owners that only activities name come after the others.
INSERT INTO holder
SELECT (SELECT max(owner_no) FROM holder) + row_number() OVER (ORDER BY unnamed), unnamed
FROM (SELECT DISTINCT unnamed FROM activity_told WHERE unnamed IS NOT NULL);

UPDATE activity_told SET owner_no = holder.owner_no
FROM holder WHERE activity_told.owner_no IS NULL AND holder.owner = unnamed;

ALTER TABLE activity_told DROP unnamed;

CREATE VIEW activity AS SELECT rowid::INTEGER AS activity_no, * FROM activity_told;

-- Outbound calls to leads that count.
CREATE VIEW call_to_lead AS
SELECT activity_no, source, id, lead_no, stage_no, occurred_at, owner_no
FROM activity WHERE type = 'call' AND direction = 'out' AND lead_no IS NOT NULL;

-- The first of them to each lead; of two at the same instant that of the owner who is first in order.
CREATE TABLE first_call AS
SELECT lead_no, called_at, arg_min(activity_no, (owner_no, call.source, call.id)) AS activity_no,
       min(owner_no) AS owner_no, arg_min(call.stage_no, (owner_no, call.source, call.id)) AS stage_no
FROM call_to_lead AS call
JOIN (SELECT lead_no, min(occurred_at) AS called_at FROM call_to_lead GROUP BY lead_no) AS earliest USING (lead_no)
WHERE occurred_at = called_at
GROUP BY lead_no, called_at;

-- Those that found a lead: it was not created before the call.
CREATE TABLE call_that_found AS
SELECT activity_no FROM first_call JOIN lead USING (lead_no) WHERE called_at <= created_at;

-- Everything done, of any type and direction.
CREATE VIEW member_activity_count AS
SELECT activity_no AS record, stage_no, occurred_at AS event_at, owner_no, TRUE AS is_numerator FROM activity;

-- Calls, mails and online contacts among all contacts; a task is none.
CREATE VIEW member_remote_share AS
SELECT activity_no AS record, stage_no, occurred_at AS event_at, owner_no, type <> 'meeting' AS is_numerator,
       TRUE AS is_denominator
FROM activity WHERE type IN ('call', 'email', 'online', 'meeting');

-- Outbound calls that reached somebody.
CREATE VIEW member_connect_rate AS
SELECT activity_no AS record, stage_no, occurred_at AS event_at, owner_no,
       coalesce(outcome = 'connected', FALSE) AS is_numerator, TRUE AS is_denominator
FROM activity WHERE type = 'call' AND direction = 'out';

-- Outbound calls, and those that found a lead.
CREATE VIEW member_new_leads_per_call AS
SELECT activity_no AS record, call.stage_no, call.occurred_at AS event_at, call.owner_no,
       found.activity_no IS NOT NULL AS is_numerator, TRUE AS is_denominator
FROM (FROM activity WHERE type = 'call' AND direction = 'out') AS call
LEFT JOIN call_that_found AS found USING (activity_no);

-- Outbound calls to leads, each with its lead as the record.
CREATE VIEW member_calls_to_leads AS
SELECT lead_no AS record, stage_no, occurred_at AS event_at, owner_no, TRUE AS is_numerator FROM call_to_lead;

-- The leads they went to: each once for a caller (or team, or all) and period.
CREATE VIEW member_leads_called AS FROM member_calls_to_leads;

-- The leads called, in the period of the first call, with its caller; the numerator qualified later than that, by its
-- own word or with its first deal (R5).
CREATE VIEW member_leads_on_calls AS
SELECT lead_no AS record, stage_no, called_at AS event_at, owner_no, TRUE AS is_denominator,
       coalesce(sql_at > called_at, FALSE) AS is_numerator
FROM first_call JOIN (SELECT lead_no, sql_at FROM lead_step) AS step USING (lead_no);
