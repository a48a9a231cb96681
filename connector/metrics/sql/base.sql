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

-- number * top / bottom, rounded: in 64 bits where the product is small enough, in 128 where it is not. Which of the two
-- is told by a product in DOUBLE, far quicker than one in 128 bits; the result is the same either way.
CREATE MACRO scaled(number, top, bottom) AS
    CASE WHEN abs(number::DOUBLE) * top::DOUBLE < 1e18 AND bottom < 2000000000000000000
         THEN half_even(number::BIGINT * top::BIGINT, bottom::BIGINT)
         ELSE half_even(number::HUGEINT * top::HUGEINT, bottom::HUGEINT)::BIGINT END;

-- Stored money at a rate of top / bottom minor units of the base currency for a ten-thousandth, as stored money.
CREATE MACRO in_base(units, top, bottom) AS scaled(units, top, bottom) * getvariable('money_step');

-- Which rate holds at an instant, found without sorting the instants (an ASOF join does): time is cut into stretches of
-- 25 days, and `rate_in` has the few rates of each. All before the first rate is one stretch, all after the last another.
SET VARIABLE first_stretch = coalesce(
    (SELECT min(since) // 2199023255552 - 1 FROM rate WHERE since > -9223372036854775807), 0);

SET VARIABLE last_stretch = coalesce(
    (SELECT max(since) // 2199023255552 FROM rate WHERE since > -9223372036854775807), 0);

CREATE MACRO stretch_of(instant) AS
    least(greatest(instant // 2199023255552, getvariable('first_stretch')), getvariable('last_stretch'));

CREATE TABLE rate_in AS
SELECT currency, since, until, top, bottom, unnest(range(stretch_of(since), stretch_of(until) + 1)) AS stretch
FROM (
    SELECT *, lead(since, 1, 9223372036854775807) OVER (PARTITION BY currency ORDER BY since) AS until FROM rate
);

-- Deals that count: deleted, merged and retracted ones are out of all periods (R8), and are not read. `began_at` is the
-- creation, and further down the first move where that is not known. All that any family asks of every deal is read here.
CREATE TABLE deal AS
SELECT row_number() OVER ()::INTEGER AS deal_no, source, id, created_at AS began_at, amount, currency, owner, lead,
       probability, lost_reason, type, source_name, account, next_step_at,
       try_cast(expected_close_on AS DATE) AS expected_close_on, forecast_category, recycled_from
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

-- A deal without an amount has no currency of its own: what it was once worth was in the one last told of.
UPDATE deal SET currency = told.currency
FROM (
    SELECT deal_no, arg_max(new, (occurred_at, sequence)) AS currency
    FROM worth_change SEMI JOIN (SELECT deal_no FROM deal WHERE amount IS NULL AND currency = '') AS unworthy
        USING (deal_no)
    WHERE field = 'currency' AND new <> ''
    GROUP BY deal_no
) AS told
WHERE told.deal_no = deal.deal_no;

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
