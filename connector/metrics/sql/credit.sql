-- Whose number: the members of one question, with the owner (and share) each is credited to (R12).
-- One table macro per option `credit`. Owner 0 is nobody; the parts of a member always add up to it.

-- The members of the question at hand: declared anew for each, as a view or, where a member is cut up, as a table.
CREATE VIEW member AS
SELECT 0 AS member_no, 0 AS period, 0 AS record, 0 AS stage_no, '' AS word, 0::BIGINT AS event_at, 0::BIGINT AS placed_at,
       0 AS actor_no, 0 AS owner_no, FALSE AS is_numerator, FALSE AS is_denominator, FALSE AS is_open,
       0::BIGINT AS amount, '' AS left_out, 0::BIGINT AS duration, 0 AS after_period
WHERE FALSE;

-- Nobody in particular: for totals, where the credit makes no difference.
CREATE MACRO credited_whole() AS TABLE
SELECT *, 1000000 AS share FROM member;

-- The record's own owner: leads, which have no history of owners.
CREATE MACRO credited_own() AS TABLE
SELECT *, 1000000 AS share FROM member;

-- Whoever owned the deal at the event's time.
CREATE MACRO credited_at_event() AS TABLE
SELECT member.* EXCLUDE (owner_no), ownership.owner_no, 1000000 AS share
FROM member
JOIN ownership ON ownership.deal_no = member.record AND ownership.since <= event_at AND event_at < ownership.until;

-- Whoever owns the deal at the as-of moment.
CREATE MACRO credited_current() AS TABLE
SELECT member.* EXCLUDE (owner_no), owned.owner_no, 1000000 AS share
FROM member JOIN owned ON owned.deal_no = member.record;

-- Whoever did it: the user who made the move. One that is no owner of that source is nobody.
CREATE MACRO credited_actor() AS TABLE
SELECT * REPLACE (actor_no AS owner_no), 1000000 AS share FROM member;
