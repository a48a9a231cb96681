-- What every metric is made from: deals, stages, visits, closings, owners and rates as known at the as-of moment.
--
-- Each raw_ table is a stream out of the snapshot (text is '' where there is none), which the one statement that names
-- it reads to its end. Long texts are replaced by numbers on the way in: deal_no, stage_no, owner_no (0 is nobody).
-- Made in Python: rate, team_stay, owner_subject, period.
-- Variables: as_of (microseconds), money_step (ten-thousandths in the base currency's minor unit), horizon
-- (microseconds or null). Instants are microseconds UTC, money ten-thousandths, shares millionths: all integers.

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

-- Local days are numbered from 1970-01-01 on. Which day a date is (NULL for what is none), when a day begins, and on
-- which day an instant is: the one its UTC day's neighbourhood has that began last.
CREATE MACRO day_number(date_text) AS try_cast(date_text AS DATE) - DATE '1970-01-01';
CREATE MACRO day_start(day) AS (day::BIGINT * 86400 - zone_seconds(day)) * 1000000;
CREATE MACRO day_of(instant) AS instant // 86400000000 + CASE
    WHEN instant < day_start(instant // 86400000000) THEN -1
    WHEN instant >= day_start(instant // 86400000000 + 1) THEN 1
    ELSE 0 END;

-- Deals that count: deleted, merged and retracted ones are out of all periods (R8), and are not read. `began_at` is the
-- creation, and further down the first move where that is not known.
CREATE TABLE deal AS
SELECT row_number() OVER ()::INTEGER AS deal_no, source, id, created_at AS began_at, amount, currency, owner, lead,
       probability, lost_reason, type, source_name
FROM raw_deal;

-- What is told of stages: by the mapping here, by old transitions further down.
CREATE TABLE stage_told AS
SELECT row_number() OVER ()::INTEGER AS told_no, source, pipeline AS pipeline_id, stage AS stage_id,
       coalesce(nullif(name, ''), stage) AS name, canonical, position, probability,
       coalesce(archived, 0) = 1 AS archived
FROM raw_stage;

-- `starts` and `won` name the event of a document, `entity.field`; '' is the deal's creation, and its won stage.
CREATE TABLE pipeline AS
SELECT source, id AS pipeline_id, name, CASE starts WHEN 'created' THEN '' ELSE starts END AS starts, won
FROM raw_pipeline;

CREATE TABLE owner AS
SELECT source, id, source || ':' || id AS owner, "user", email, name, gone <> '' AS is_gone FROM raw_owner;

CREATE TABLE deal_owner AS SELECT deal, owner, share, from_at FROM raw_deal_owner;

-- Changes of a deal's owner and worth up to the as-of moment.
CREATE TABLE change AS
SELECT deal_no, field::ENUM ('owner', 'amount', 'currency', 'probability') AS field, occurred_at, sequence, new
FROM raw_change AS change JOIN deal ON deal.source = change.source AND deal.id = change.deal;

-- Everybody who is ever named as an owner, by `source:owner_id`; in the order of their names.
CREATE TABLE holder AS
SELECT (row_number() OVER (ORDER BY owner) - 1)::INTEGER AS owner_no, owner FROM (
    SELECT '' AS owner
    UNION SELECT owner FROM deal
    UNION SELECT new FROM change WHERE field = 'owner'
    UNION SELECT owner FROM deal_owner
    UNION SELECT owner FROM owner
);

-- Who owned a deal from `since` to `until`: all of time, without gap. Before the first known change stands the first
-- known owner (R12). Most deals have but one owner ever told.
CREATE TABLE ownership AS
WITH told AS MATERIALIZED (
    SELECT deal_no, occurred_at, sequence, owner_no
    FROM change JOIN holder ON holder.owner = change.new
    WHERE field = 'owner'
),
sole AS (
    SELECT deal_no, min(owner_no) AS owner_no FROM told GROUP BY deal_no HAVING min(owner_no) = max(owner_no)
),
turn AS (
    SELECT deal_no, occurred_at, owner_no, row_number() OVER chain AS place, lead(occurred_at) OVER chain AS until
    FROM told ANTI JOIN sole USING (deal_no)
    WINDOW chain AS (PARTITION BY deal_no ORDER BY occurred_at, sequence, owner_no)
),
span AS (
    SELECT deal_no, occurred_at AS since, owner_no FROM turn WHERE until IS NULL OR until > occurred_at
    UNION ALL
    SELECT deal_no, -9223372036854775807, coalesce(arg_min(owner_no, place) FILTER (owner_no <> 0), 0)
    FROM turn GROUP BY deal_no
)
SELECT deal_no, owner_no, since, lead(since, 1, 9223372036854775807) OVER (PARTITION BY deal_no ORDER BY since) AS until
FROM (SELECT *, lag(owner_no) OVER (PARTITION BY deal_no ORDER BY since) AS owner_before FROM span)
WHERE owner_no IS DISTINCT FROM owner_before
UNION ALL
SELECT deal_no, owner_no, -9223372036854775807, 9223372036854775807 FROM (
    FROM sole
    UNION ALL
    SELECT deal_no, owner_no FROM deal JOIN holder USING (owner) ANTI JOIN told USING (deal_no)
);

CREATE TABLE worth_change AS SELECT * FROM change WHERE field <> 'owner';

DROP TABLE change;

-- The owner behind a vendor's user id: the one with that `user`, else the one with that id; two of them are nobody.
CREATE TABLE actor AS
SELECT source, actor, any_value(owner_no) AS owner_no FROM (
    SELECT *, rank() OVER (PARTITION BY source, actor ORDER BY place) AS choice FROM (
        SELECT source, "user" AS actor, owner, 1 AS place FROM owner WHERE "user" <> ''
        UNION ALL
        SELECT source, id, owner, 2 FROM owner
    )
)
JOIN holder USING (owner)
WHERE choice = 1
GROUP BY source, actor HAVING count(*) = 1;

-- Moves up to the as-of moment; of a stage that no mapping names, also those of deals that do not count.
CREATE TABLE told AS
SELECT deal_no, told_no, occurred_at, sequence, origin = 'initial' AS is_first_sight,
       coalesce(actor.owner_no, 0) AS actor_no,
       CASE WHEN told_no IS NULL THEN [told.source, to_pipeline, to_stage] END AS unnamed
FROM raw_transition AS told
LEFT JOIN deal ON deal.source = told.source AND deal.id = told.deal AND occurred_at <= getvariable('as_of')
LEFT JOIN stage_told ON stage_told.source = told.source AND pipeline_id = to_pipeline AND stage_id = to_stage
LEFT JOIN actor ON actor.source = told.source AND actor.actor = told.actor
WHERE deal_no IS NOT NULL OR told_no IS NULL;

-- A stage that only old transitions know is open, without place in the order.
INSERT INTO stage_told
SELECT (SELECT count(*) FROM stage_told) + row_number() OVER (), unnamed[1], unnamed[2], unnamed[3], unnamed[3], '',
       NULL, NULL, TRUE
FROM (SELECT DISTINCT unnamed FROM told WHERE told_no IS NULL);

UPDATE told SET told_no = stage_told.told_no
FROM stage_told WHERE told.told_no IS NULL AND unnamed = [source, pipeline_id, stage_id];

-- Stages with their names, in their order.
CREATE TABLE stage AS
SELECT row_number() OVER (ORDER BY source, pipeline_id, position, stage_id)::INTEGER AS stage_no, told_no,
       dense_rank() OVER (ORDER BY source, pipeline_id)::INTEGER AS pipeline_no, source, pipeline_id, stage_id,
       coalesce(nullif(pipeline.name, ''), pipeline_id) AS pipeline, stage_told.name AS stage, canonical, position,
       probability, archived,
       (CASE canonical WHEN 'closed_won' THEN 'won' WHEN 'closed_lost' THEN 'lost' ELSE 'open' END)
           ::ENUM ('open', 'won', 'lost') AS kind
FROM stage_told LEFT JOIN pipeline USING (source, pipeline_id);

-- Pipelines of any start. From here to the visits all is empty where each begins with the deal and is won in a stage.
CREATE TABLE event_pipeline AS
SELECT pipeline_no, source, pipeline_id, starts, won,
       arg_min(told_no, position) FILTER (kind = 'open' AND NOT archived) AS first_stage,
       arg_min(told_no, position) FILTER (kind = 'won') AS won_stage
FROM stage JOIN (FROM pipeline WHERE starts <> '' OR won <> '') AS pipeline USING (source, pipeline_id)
GROUP BY ALL;

-- The deals in them: by their moves, or where none is told by their own word.
CREATE TABLE event_word AS
SELECT deal_no, pipeline_no
FROM raw_event_deal AS told
JOIN deal ON deal.source = told.source AND deal.id = told.id
JOIN event_pipeline ON event_pipeline.source = told.source AND event_pipeline.pipeline_id = told.pipeline;

CREATE TABLE event_move AS
SELECT deal_no, told_no, occurred_at, sequence, is_first_sight, actor_no, pipeline_no, kind
FROM told
SEMI JOIN (
    SELECT deal_no FROM told SEMI JOIN (SELECT told_no FROM stage SEMI JOIN event_pipeline USING (pipeline_no)) AS there
        USING (told_no)
    UNION SELECT deal_no FROM event_word
) AS wanted USING (deal_no)
JOIN stage USING (told_no);

-- The first event of each kind of a deal: orders and contracts name it, the other documents name an order.
CREATE TABLE event_order AS
SELECT source || ':' || id AS name, deal, ordered_at FROM raw_event_order WHERE state NOT IN ('draft', 'cancelled');

CREATE TABLE event AS
SELECT 'sales_order.ordered_at' AS event, deal, ordered_at AS happened_at FROM event_order;

INSERT INTO event
SELECT 'delivery_note.delivered_at', deal, delivered_at
FROM raw_event_delivery AS told JOIN event_order ON event_order.name = told.sales_order;

CREATE TABLE event_invoice AS
SELECT source || ':' || id AS name, deal, invoiced_at
FROM raw_event_invoice AS told JOIN event_order ON event_order.name = told.sales_order
WHERE state NOT IN ('draft', 'cancelled') AND kind <> 'credit_note';

INSERT INTO event SELECT 'invoice.invoiced_at', deal, invoiced_at FROM event_invoice;

INSERT INTO event
SELECT 'payment.paid_at', deal, paid_at
FROM raw_event_payment AS told JOIN event_invoice ON event_invoice.name = told.invoice;

INSERT INTO event
SELECT 'contract.signed_at', deal, signed_at
FROM raw_event_contract WHERE state NOT IN ('cancelled', 'declined', 'voided');

CREATE TABLE first_event AS
SELECT deal_no, event, min(happened_at) AS happened_at
FROM event JOIN (SELECT deal_no, source || ':' || id AS deal FROM deal) AS deal USING (deal)
WHERE happened_at <= getvariable('as_of')
GROUP BY deal_no, event;

-- A deal begins at the start event of the pipeline it begins in, and has not begun before; one that was handed over into
-- it began earlier (R10). It is won at the won event of the pipeline it is in last, never before it began.
CREATE TABLE event_deal AS
SELECT deal.deal_no, begins.pipeline_no AS starts_in, coalesce(start.happened_at, success.happened_at) AS starts_at,
       begins.first_stage, wins.pipeline_no AS wins_in, wins.won_stage,
       CASE WHEN start.happened_at > success.happened_at THEN start.happened_at ELSE success.happened_at END AS won_at,
       coalesce(is_first_sight, FALSE) AS is_first_sight
FROM (
    SELECT deal_no, coalesce(first_in, pipeline_no) AS first_in, coalesce(last_in, pipeline_no) AS last_in,
           is_first_sight
    FROM (
        SELECT deal_no, arg_min(pipeline_no, (occurred_at, sequence)) AS first_in,
               arg_max(pipeline_no, (occurred_at, sequence)) AS last_in,
               arg_min(is_first_sight, (occurred_at, sequence)) AS is_first_sight
        FROM event_move GROUP BY deal_no
    )
    FULL JOIN event_word USING (deal_no)
) AS deal
LEFT JOIN (FROM event_pipeline WHERE starts <> '') AS begins ON begins.pipeline_no = deal.first_in
LEFT JOIN (FROM event_pipeline WHERE won <> '') AS wins ON wins.pipeline_no = deal.last_in
LEFT JOIN first_event AS start ON start.deal_no = deal.deal_no AND start.event = begins.starts
LEFT JOIN first_event AS success ON success.deal_no = deal.deal_no AND success.event = wins.won;

UPDATE deal SET began_at = starts_at
FROM event_deal WHERE event_deal.deal_no = deal.deal_no AND starts_in IS NOT NULL;

DELETE FROM told WHERE deal_no IN (SELECT deal_no FROM event_deal);

-- Their moves: nothing happens in the pipeline before the start, where a deal enters the stage it is in by then, or else
-- the first one. The won event moves it into the won stage; its own moves there, and into open stages later, do not.
INSERT INTO told
SELECT deal_no, told_no, occurred_at, sequence, is_first_sight, actor_no, NULL
FROM (
    SELECT move.* REPLACE (greatest(occurred_at, bound) AS occurred_at,
                           move.is_first_sight AND occurred_at >= coalesce(bound, occurred_at) AS is_first_sight),
           row_number() OVER (
               PARTITION BY deal_no, coalesce(occurred_at <= bound, FALSE) ORDER BY occurred_at DESC, sequence DESC
           ) AS latest,
           coalesce(occurred_at <= bound, FALSE) AS is_early, wins_in, won_at
    FROM (
        SELECT event_move.*, CASE WHEN pipeline_no = starts_in THEN starts_at END AS bound, starts_in, starts_at,
               wins_in, won_at
        FROM event_move JOIN (SELECT * EXCLUDE (is_first_sight) FROM event_deal) AS event_deal USING (deal_no)
    ) AS move
    WHERE (pipeline_no IS DISTINCT FROM starts_in OR starts_at IS NOT NULL)
      AND NOT (kind = 'won' AND pipeline_no IS NOT DISTINCT FROM wins_in)
)
WHERE (NOT is_early OR latest = 1)
  AND NOT coalesce(kind = 'open' AND pipeline_no = wins_in AND occurred_at >= won_at, FALSE)
UNION ALL
SELECT deal_no, first_stage, starts_at, -9223372036854775807, FALSE, 0, NULL
FROM event_deal
WHERE starts_at IS NOT NULL AND NOT is_first_sight AND (won_at IS NULL OR starts_at < won_at)
  AND NOT EXISTS (
      SELECT 1 FROM event_move
      WHERE event_move.deal_no = event_deal.deal_no AND pipeline_no = starts_in AND occurred_at <= starts_at
  )
UNION ALL
SELECT deal_no, won_stage, won_at, 9223372036854775807, FALSE, 0, NULL
FROM event_deal WHERE won_at IS NOT NULL;

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
ASOF LEFT JOIN rate ON rate.currency = worth.currency AND worth.entered_at >= rate.since;

DROP TABLE ending;

DROP TABLE lost_money;

-- Who owns a deal at the as-of moment.
CREATE TABLE owned AS
SELECT deal.deal_no, CASE WHEN deal.owner = '' THEN last.owner_no ELSE holder.owner_no END AS owner_no
FROM deal
JOIN holder USING (owner)
JOIN ownership AS last ON last.deal_no = deal.deal_no AND last.until = 9223372036854775807;

-- Shares of a deal from `since` to `until` (R12, split); the rest to one is its owner's.
CREATE TABLE part AS
SELECT deal_no, owner_no, share, coalesce(from_at, -9223372036854775807) AS since,
       lead(coalesce(from_at, -9223372036854775807), 1, 9223372036854775807)
           OVER (PARTITION BY deal_no, owner_no ORDER BY from_at NULLS FIRST) AS until
FROM deal_owner
JOIN (SELECT deal_no, source || ':' || id AS deal FROM deal) AS deal USING (deal)
JOIN holder USING (owner)
WHERE share IS NOT NULL;
