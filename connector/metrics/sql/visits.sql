-- What the moves of deals come to: visits, closings, and who owns a deal at last. Runs after `base` (and `starts`).

-- Visits: one stay of a deal in a stage, [entered_at, left_at), `place` in order; a move into the stage already held is
-- none. `is_seen` is false for a first sight without history, whose entry is unknown: it stands from the deal's
-- creation on, but is neither an entry nor has it a duration.
CREATE TABLE visit AS
WITH move AS (
    SELECT deal_no, stage_no, kind, occurred_at, sequence, is_first_sight, actor_no,
           lag(stage_no) OVER (PARTITION BY deal_no ORDER BY occurred_at, sequence, stage_no) AS stage_before
    FROM told JOIN stage USING (told_no)
    WHERE deal_no IS NOT NULL
),
stay AS (
    SELECT deal_no, stage_no, kind, NOT is_first_sight AS is_seen, actor_no AS entered_by, occurred_at,
           lead(occurred_at) OVER chain AS left_at, lead(actor_no) OVER chain AS left_by,
           lead(stage_no) OVER chain AS stage_after,
           lag(kind) OVER chain AS kind_before, (row_number() OVER chain)::INTEGER AS place
    FROM move WHERE stage_before IS DISTINCT FROM stage_no
    WINDOW chain AS (PARTITION BY deal_no ORDER BY occurred_at, sequence, stage_no)
)
SELECT stay.* EXCLUDE (occurred_at),
       CASE WHEN is_seen OR place > 1 THEN occurred_at ELSE least(began_at, occurred_at) END AS entered_at
FROM stay JOIN deal USING (deal_no);

DROP TABLE told;

UPDATE deal SET began_at = visit.entered_at
FROM visit WHERE visit.deal_no = deal.deal_no AND visit.place = 1 AND visit.is_seen AND deal.began_at IS NULL;

-- The stage a deal is in at the as-of moment.
CREATE VIEW held AS SELECT deal_no, stage_no, kind FROM visit WHERE left_at IS NULL;

-- The move into the last state of a closed deal (R7): the first of the won (or lost) stages it went through since.
CREATE TABLE ending AS
SELECT deal_no, last.stage_no, last.kind AS outcome, last.entered_by AS actor_no, last.entered_at, last.is_seen
FROM (
    SELECT deal_no,
           arg_max({'stage_no': stage_no, 'kind': kind, 'entered_by': entered_by, 'entered_at': entered_at,
                    'is_seen': is_seen}, place) AS last
    FROM visit WHERE kind IS DISTINCT FROM kind_before
    GROUP BY deal_no
)
WHERE last.kind <> 'open';

-- What a lost deal was worth just before: some sources empty or zero the amount of what is lost.
CREATE TABLE lost_money AS
SELECT deal_no, try_cast(arg_max(new, told) FILTER (field = 'amount') AS BIGINT) AS amount,
       arg_max(new, told) FILTER (field = 'currency') AS currency
FROM (
    SELECT deal_no, field, new, (occurred_at, sequence) AS told
    FROM worth_change
    JOIN (SELECT deal_no FROM deal WHERE coalesce(amount, 0) = 0) AS unworthy USING (deal_no)
    JOIN (SELECT deal_no, entered_at FROM ending WHERE outcome = 'lost') AS ending USING (deal_no)
    WHERE field <> 'probability' AND occurred_at < entered_at
)
GROUP BY deal_no;

-- How deals ended, at the move into their last state (R4), with their money at that day's rate (R13).
-- A deal that was already closed at first sight, without a close date, has no closed_at and is in no period.
CREATE TABLE closing AS
SELECT deal_no, stage_no, outcome, actor_no, began_at, CASE WHEN is_seen THEN entered_at END AS closed_at,
       in_base(worth.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN worth.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT ending.*, deal.began_at,
           CASE WHEN coalesce(deal.amount, 0) = 0 THEN coalesce(lost_money.amount, deal.amount) ELSE deal.amount END
               AS amount,
           coalesce(nullif(deal.currency, ''), lost_money.currency) AS currency
    FROM ending
    JOIN deal ON deal.deal_no = ending.deal_no
    LEFT JOIN lost_money ON lost_money.deal_no = ending.deal_no
) AS worth
LEFT JOIN rate_in AS rate ON rate.currency = worth.currency AND rate.stretch = stretch_of(worth.entered_at)
    AND rate.since <= worth.entered_at AND worth.entered_at < rate.until;

DROP TABLE ending;

DROP TABLE lost_money;

-- Who owns a deal at the as-of moment.
CREATE TABLE owned AS
SELECT deal.deal_no, CASE WHEN deal.owner = '' THEN last.owner_no ELSE holder.owner_no END AS owner_no
FROM deal
JOIN holder USING (owner)
JOIN ownership AS last ON last.deal_no = deal.deal_no AND last.until = 9223372036854775807;
