-- Credit by shares (R12): as `credit`, for the option `credit: split`.

-- Shares of a deal from `since` to `until` (R12, split); the rest to one is its owner's.
CREATE TABLE part AS
SELECT deal_no, owner_no, share, coalesce(from_at, -9223372036854775807) AS since,
       lead(coalesce(from_at, -9223372036854775807), 1, 9223372036854775807)
           OVER (PARTITION BY deal_no, owner_no ORDER BY from_at NULLS FIRST) AS until
FROM deal_owner
JOIN (SELECT deal_no, source || ':' || id AS deal FROM deal) AS deal USING (deal)
JOIN holder USING (owner)
WHERE share IS NOT NULL;

-- By shares at the event's time; what they leave of one goes to the owner then. Money is cut at the minor unit, so that
-- the parts add up to the whole: each part is the difference of two cumulative cuts, owners in order.
CREATE MACRO credited_split() AS TABLE
WITH agreed AS MATERIALIZED (
    SELECT member_no, part.owner_no, part.share
    FROM member JOIN part ON part.deal_no = member.record AND part.since <= event_at AND event_at < part.until
),
rest AS (
    SELECT member_no, any_value(credited.owner_no) AS owner_no, 1000000 - coalesce(sum(agreed.share), 0) AS share
    FROM credited_at_event() AS credited LEFT JOIN agreed USING (member_no)
    GROUP BY member_no
),
cut AS (
    SELECT member_no, owner_no, sum(share)::BIGINT AS share,
           (sum(sum(share)) OVER (PARTITION BY member_no ORDER BY owner_no))::BIGINT AS upto
    FROM (SELECT * FROM agreed UNION ALL SELECT * FROM rest WHERE share > 0)
    GROUP BY member_no, owner_no HAVING sum(share) > 0
)
SELECT member.* EXCLUDE (owner_no) REPLACE (
           (getvariable('money_step') * (
               (amount // getvariable('money_step'))::HUGEINT * upto // 1000000
               - (amount // getvariable('money_step'))::HUGEINT * (upto - share) // 1000000))::BIGINT AS amount),
       cut.owner_no, share
FROM member JOIN cut USING (member_no);
