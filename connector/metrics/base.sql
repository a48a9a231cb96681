-- What every metric is made from: deals, stages, visits, closings, owners and rates as known at the as-of moment.
--
-- Read from the snapshot (text is '' where there is none): raw_deal, raw_transition, raw_change, raw_deal_owner,
-- raw_stage, raw_pipeline, raw_owner, raw_lead. Made in Python: rate, team_stay, owner_subject, period.
-- Variables: as_of (microseconds), money_step (ten-thousandths in the base currency's minor unit), horizon (microseconds
-- or null). Instants are microseconds UTC, money ten-thousandths, shares millionths: all integers.

-- top / bottom as the nearest whole number, a tie to the even one (R13); bottom > 0.
CREATE MACRO half_even(top, bottom) AS
    sign(top) * ((2 * abs(top) + bottom) // (2 * bottom) - CASE
        WHEN (2 * abs(top) + bottom) % (2 * bottom) = 0 AND (2 * abs(top) + bottom) // (2 * bottom) % 2 = 1 THEN 1
        ELSE 0 END);

-- number * top / bottom, rounded: in 64 bits where the product is small enough, in 128 where it is not.
CREATE MACRO scaled(number, top, bottom) AS
    CASE WHEN abs(number::HUGEINT) * top < 2000000000000000000 AND bottom < 2000000000000000000
         THEN half_even(number::BIGINT * top::BIGINT, bottom::BIGINT)
         ELSE half_even(number::HUGEINT * top::HUGEINT, bottom::HUGEINT)::BIGINT END;

-- Stored money at a rate of top / bottom minor units of the base currency for a ten-thousandth, as stored money.
CREATE MACRO in_base(units, top, bottom) AS scaled(units, top, bottom) * getvariable('money_step');

-- Deals that count: deleted, merged and retracted ones are out of all periods (R8).
CREATE TABLE live_deal AS
SELECT row_number() OVER ()::INTEGER AS deal_no, source, id, source || ':' || id AS key, created_at,
       amount, currency, owner, lead, probability, lost_reason, type, source_name, extra
FROM raw_deal
WHERE gone = '' AND merged_into = '' AND (deleted_at IS NULL OR deleted_at > getvariable('as_of'));

-- Stages with their names and order. One that only old transitions know is open, without place in the order.
CREATE TABLE stage AS
SELECT row_number() OVER (ORDER BY source, pipeline_id, position, stage_id)::INTEGER AS stage_no,
       dense_rank() OVER (ORDER BY source, pipeline_id)::INTEGER AS pipeline_no, source, pipeline_id, stage_id,
       coalesce(nullif(pipeline.name, ''), pipeline_id) AS pipeline, stage.name AS stage, canonical, position,
       probability, archived,
       CASE canonical WHEN 'closed_won' THEN 'won' WHEN 'closed_lost' THEN 'lost' ELSE 'open' END AS kind
FROM (
    SELECT source, pipeline AS pipeline_id, stage AS stage_id, coalesce(nullif(name, ''), stage) AS name,
           canonical, position, probability, coalesce(archived, 0) = 1 AS archived
    FROM raw_stage
    UNION ALL
    SELECT DISTINCT source, to_pipeline, to_stage, to_stage, '', NULL, NULL, TRUE
    FROM raw_transition
    WHERE (source, to_pipeline, to_stage) NOT IN (SELECT (source, pipeline, stage) FROM raw_stage)
) AS stage
LEFT JOIN (SELECT source, id AS pipeline_id, name FROM raw_pipeline) AS pipeline USING (source, pipeline_id);

-- Moves up to the as-of moment in order, without those into the stage already held.
CREATE TABLE move AS
SELECT * EXCLUDE (stage_before) FROM (
    SELECT deal_no, created_at, stage_no, pipeline_no, kind, position, occurred_at, sequence, origin, actor,
           lag(stage_no) OVER (PARTITION BY deal_no ORDER BY occurred_at, sequence, stage_no) AS stage_before
    FROM raw_transition AS told
    JOIN live_deal ON live_deal.source = told.source AND live_deal.id = told.deal
    JOIN stage ON stage.source = told.source AND pipeline_id = to_pipeline AND stage_id = to_stage
    WHERE occurred_at <= getvariable('as_of')
)
WHERE stage_before IS DISTINCT FROM stage_no;

-- Visits: one stay of a deal in a stage, [entered_at, left_at). `is_seen` is false for a first sight without history,
-- whose entry is unknown: it stands from the deal's creation on, but is neither an entry nor has it a duration.
CREATE TABLE visit AS
SELECT deal_no, stage_no, pipeline_no, kind, position, origin <> 'initial' AS is_seen, actor AS entered_by,
       CASE WHEN origin = 'initial' AND row_number() OVER chain = 1 THEN least(created_at, occurred_at)
            ELSE occurred_at END AS entered_at,
       lead(occurred_at) OVER chain AS left_at, lead(actor) OVER chain AS left_by, lag(kind) OVER chain AS kind_before,
       row_number() OVER chain AS place
FROM move
WINDOW chain AS (PARTITION BY deal_no ORDER BY occurred_at, sequence, stage_no);

-- The stage a deal is in at the as-of moment.
CREATE TABLE held AS SELECT deal_no, stage_no, kind FROM visit WHERE left_at IS NULL;

-- When a deal began: its creation, else its first move; null if only its first sight is known.
CREATE TABLE deal AS
SELECT live_deal.*,
       coalesce(live_deal.created_at, (CASE WHEN visit.is_seen THEN visit.entered_at END)) AS began_at
FROM live_deal LEFT JOIN visit ON visit.deal_no = live_deal.deal_no AND visit.place = 1;

-- The move into the last state of a closed deal (R7): the first of the won (or lost) stages it went through since.
CREATE TABLE ending AS
SELECT deal_no, stage_no, kind AS outcome, entered_by AS actor, entered_at, is_seen
FROM (
    SELECT * FROM visit WHERE kind IS DISTINCT FROM kind_before
    QUALIFY row_number() OVER (PARTITION BY deal_no ORDER BY place DESC) = 1
)
WHERE kind <> 'open';

-- What a lost deal was worth just before: some sources empty or zero the amount of what is lost.
CREATE TABLE lost_money AS
SELECT deal_no, try_cast(arg_max(new, told) FILTER (field = 'amount') AS BIGINT) AS amount,
       arg_max(new, told) FILTER (field = 'currency') AS currency
FROM (
    SELECT deal.deal_no, field, new, (occurred_at, sequence) AS told
    FROM raw_change AS change
    JOIN deal ON deal.source = change.source AND deal.id = change.deal AND coalesce(deal.amount, 0) = 0
    JOIN ending ON ending.deal_no = deal.deal_no AND outcome = 'lost' AND occurred_at < entered_at
    WHERE field IN ('amount', 'currency')
)
GROUP BY deal_no;

-- How deals ended, at the move into their last state (R4), with their money at that day's rate (R13).
-- A deal that was already closed at first sight, without a close date, has no closed_at and is in no period.
CREATE TABLE closing AS
SELECT deal_no, stage_no, outcome, actor, began_at, CASE WHEN is_seen THEN entered_at END AS closed_at,
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
ASOF LEFT JOIN rate ON rate.currency = worth.currency AND worth.entered_at >= rate.since;

-- Who owned a deal from `since` to `until`: all of time, without gap. Before the first known change stands the first
-- known owner (R12). '' is nobody.
CREATE TABLE ownership AS
WITH change AS (
    SELECT deal_no, occurred_at, new AS owner, row_number() OVER told AS place, lead(occurred_at) OVER told AS until
    FROM raw_change AS change
    JOIN deal ON deal.source = change.source AND deal.id = change.deal
    WHERE field = 'owner' AND occurred_at <= getvariable('as_of')
    WINDOW told AS (PARTITION BY deal_no ORDER BY occurred_at, sequence, new)
),
span AS (
    SELECT deal_no, occurred_at AS since, owner FROM change WHERE until IS NULL OR until > occurred_at
    UNION ALL
    SELECT deal_no, -9223372036854775807, coalesce(arg_min(owner, place) FILTER (owner <> ''), '')
    FROM change GROUP BY deal_no
    UNION ALL
    SELECT deal_no, -9223372036854775807, owner FROM deal ANTI JOIN change USING (deal_no)
)
SELECT deal_no, owner, since, lead(since, 1, 9223372036854775807) OVER (PARTITION BY deal_no ORDER BY since) AS until
FROM (
    SELECT *, lag(owner) OVER (PARTITION BY deal_no ORDER BY since) AS owner_before FROM span
)
WHERE owner IS DISTINCT FROM owner_before;

-- Who owns a deal at the as-of moment.
CREATE TABLE owned AS
SELECT deal.deal_no, CASE WHEN deal.owner = '' THEN last.owner ELSE deal.owner END AS owner
FROM deal JOIN ownership AS last ON last.deal_no = deal.deal_no AND last.until = 9223372036854775807;

-- The owner behind a vendor's user id: the one with that `user`, else the one with that id; two of them are nobody.
CREATE TABLE actor AS
SELECT source, actor, any_value(owner) AS owner FROM (
    SELECT *, rank() OVER (PARTITION BY source, actor ORDER BY place) AS choice FROM (
        SELECT source, "user" AS actor, source || ':' || id AS owner, 1 AS place FROM raw_owner WHERE "user" <> ''
        UNION ALL
        SELECT source, id, source || ':' || id, 2 FROM raw_owner
    )
)
WHERE choice = 1
GROUP BY source, actor HAVING count(*) = 1;

-- Shares of a deal from `since` to `until` (R12, split); the rest to one is its owner's.
CREATE TABLE part AS
SELECT deal_no, deal_owner.owner, share, coalesce(from_at, -9223372036854775807) AS since,
       lead(coalesce(from_at, -9223372036854775807), 1, 9223372036854775807)
           OVER (PARTITION BY deal_no, deal_owner.owner ORDER BY from_at NULLS FIRST) AS until
FROM raw_deal_owner AS deal_owner JOIN deal ON deal.key = deal_owner.deal
WHERE deal_owner.gone = '' AND share IS NOT NULL;
