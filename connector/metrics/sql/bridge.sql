-- The bridge of the open pipeline: what came in, what went out, what changed in between.
--
-- A deal is in the open pipeline while it is in an open stage. At each border it comes in or goes out; in between its
-- amount may change. At one instant a change of owner comes first, then moves, then changes of the amount: so all that
-- happens at an instant has the amount of just before it, except from the step on that brings the deal in (created,
-- reopened), which has that of the instant itself. Each step is converted at its own day's rate; what rates did in
-- between is left over, and told as `revalued`.

-- Moves to another pipeline, of the few deals that are in more than one, with the stage they came from.
CREATE TEMP VIEW hop AS
SELECT deal_no, place, stage_before FROM (
    SELECT deal_no, place, pipeline_no, lag(pipeline_no) OVER chain AS pipeline_before,
           lag(stage_no) OVER chain AS stage_before
    FROM (
        SELECT deal_no, place, visit.stage_no, pipeline_no FROM visit JOIN stage ON stage.stage_no = visit.stage_no
    )
    SEMI JOIN (
        SELECT deal_no FROM visit JOIN stage ON stage.stage_no = visit.stage_no
        GROUP BY deal_no HAVING min(pipeline_no) < max(pipeline_no)
    ) AS several USING (deal_no)
    WINDOW chain AS (PARTITION BY deal_no ORDER BY place)
)
WHERE pipeline_no <> pipeline_before;

-- Where deals come into the open pipeline, go out of it, or pass from one to another.
CREATE TABLE border AS
SELECT visit.deal_no, visit.place, visit.stage_no, coalesce(hop.stage_before, visit.stage_no) AS stage_before,
       entered_at, kind <> 'open' AS is_out, coalesce(kind_before = 'open', FALSE) AS was_open,
       CASE WHEN kind <> 'open' THEN kind::VARCHAR WHEN kind_before IS NULL THEN 'created'
            WHEN kind_before = 'open' THEN 'handed_in' ELSE 'reopened' END AS word
FROM visit LEFT JOIN hop ON hop.deal_no = visit.deal_no AND hop.place = visit.place
WHERE (kind = 'open') <> coalesce(kind_before = 'open', FALSE) OR (kind = 'open' AND hop.deal_no IS NOT NULL);

-- Coming in from nowhere: from the first such step of an instant on, the amount is that of the instant itself.
CREATE TEMP VIEW brought_in AS
SELECT deal_no, entered_at, min(place) AS place FROM border WHERE NOT is_out AND NOT was_open GROUP BY ALL;

CREATE TEMP VIEW border_step AS
SELECT border.deal_no, stage_before, stage_no, border.entered_at, word, is_out,
       border.entered_at - CASE WHEN border.place >= brought_in.place THEN 0 ELSE 1 END AS told_at
FROM border LEFT JOIN brought_in ON brought_in.deal_no = border.deal_no AND brought_in.entered_at = border.entered_at;

-- Changes of an open deal's owner; the old one is credited at the last instant before.
CREATE TEMP VIEW owner_step AS
SELECT visit.deal_no, stage_no, since
FROM visit
JOIN (FROM ownership WHERE since > -9223372036854775807) AS taken ON taken.deal_no = visit.deal_no
    AND entered_at < since AND since <= coalesce(left_at, 9223372036854775806)
WHERE kind = 'open';

-- Instants at which an open deal's amount or currency changed: each known one ends where the next begins.
CREATE TEMP VIEW change_step AS
SELECT visit.deal_no, stage_no, changed_at
FROM visit
JOIN (SELECT DISTINCT deal_no, until AS changed_at FROM once WHERE field <> 'probability') AS changed
    ON changed.deal_no = visit.deal_no
    AND entered_at <= changed_at AND changed_at < coalesce(left_at, 9223372036854775807)
ANTI JOIN brought_in ON brought_in.deal_no = visit.deal_no AND brought_in.entered_at = changed_at
WHERE kind = 'open';

CREATE TYPE step_word AS ENUM (
    '', 'created', 'reopened', 'handed_in', 'owner_in', 'won', 'lost', 'handed_over', 'owner_out', 'after', 'before',
    'opening', 'closing', 'amount_up', 'amount_down', 'revalued'
);

-- All steps, with the instant of which each takes the amount.
CREATE TEMP VIEW step AS
SELECT deal_no, CASE WHEN is_out THEN stage_before ELSE stage_no END AS stage_no, entered_at AS counted_at,
       entered_at AS event_at, told_at, word::step_word AS word
FROM border_step
UNION ALL
SELECT deal_no, stage_before, entered_at, entered_at, told_at, 'handed_over'::step_word
FROM border_step WHERE word = 'handed_in'
UNION ALL
SELECT deal_no, stage_no, since, since, since - 1, 'owner_in'::step_word FROM owner_step
UNION ALL
SELECT deal_no, stage_no, since, since - 1, since - 1, 'owner_out'::step_word FROM owner_step
UNION ALL
SELECT deal_no, stage_no, changed_at, changed_at, changed_at, 'after'::step_word FROM change_step
UNION ALL
SELECT deal_no, stage_no, changed_at, changed_at, changed_at - 1, 'before'::step_word FROM change_step;

-- With their owners and amounts then, at each step's own rate (R13).
CREATE TABLE priced_step AS
SELECT told.deal_no, stage_no, owner_no, counted_at, event_at, word,
       in_base(told.amount, rate.top, rate.bottom) AS amount,
       (CASE WHEN told.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END)
           ::ENUM ('', 'amount', 'rate') AS left_out
FROM (
    SELECT step.* EXCLUDE (told_at),
           CASE WHEN worth.deal_no IS NULL THEN deal.amount ELSE worth.told::BIGINT END AS amount,
           CASE WHEN money.told IS NULL THEN deal.currency ELSE money.told END AS currency
    FROM step
    JOIN deal ON deal.deal_no = step.deal_no
    LEFT JOIN (FROM once WHERE field = 'amount') AS worth ON worth.deal_no = step.deal_no
        AND worth.since <= told_at AND told_at < worth.until
    LEFT JOIN (FROM once WHERE field = 'currency') AS money ON money.deal_no = step.deal_no
        AND money.since <= told_at AND told_at < money.until
) AS told
JOIN ownership ON ownership.deal_no = told.deal_no
    AND ownership.since <= told.event_at AND told.event_at < ownership.until
LEFT JOIN rate_in AS rate ON rate.currency = told.currency AND rate.stretch = stretch_of(told.counted_at)
    AND rate.since <= told.counted_at AND told.counted_at < rate.until;

DROP TABLE border;

-- What changes of the amount came to.
CREATE TABLE repriced AS
SELECT deal_no, stage_no, owner_no, counted_at, event_at,
       (sum(coalesce(CASE word WHEN 'after' THEN amount ELSE -amount END, 0)))::BIGINT AS difference
FROM priced_step WHERE word IN ('after', 'before')
GROUP BY ALL;

DELETE FROM priced_step WHERE word IN ('after', 'before');

-- Every row of the bridge but `revalued`; the opening is the stock of the instant before the period.
CREATE VIEW bridge_row AS
SELECT deal_no, stage_no, owner_no, counted_at, event_at, word, amount, left_out FROM priced_step
UNION ALL
SELECT deal_no, stage_no, owner_no, counted_at, event_at,
       (CASE WHEN difference > 0 THEN 'amount_up' ELSE 'amount_down' END)::step_word, abs(difference), ''
FROM repriced WHERE difference <> 0
UNION ALL
SELECT deal_no, stage_no, owner_no, instant + 1, instant, 'opening'::step_word, amount, left_out
FROM open_deal JOIN period USING (moment) WHERE opens IS NOT NULL
UNION ALL
SELECT deal_no, stage_no, owner_no, instant, instant, 'closing'::step_word, amount, left_out
FROM open_deal JOIN period USING (moment) WHERE period >= 0;

-- Deals whose worth a rate may move: those that ever were in a currency without one rate for all time. From `last_at` on
-- it has one.
CREATE TABLE floating AS
SELECT told.deal_no, max(coalesce(latest.last_at, 9223372036854775807)) AS last_at
FROM (
    SELECT deal_no, currency FROM deal WHERE amount IS NOT NULL OR currency <> ''
    UNION ALL
    SELECT deal_no, told FROM once WHERE field = 'currency'
) AS told
LEFT JOIN (SELECT currency, max(since) AS last_at FROM rate GROUP BY currency) AS latest
    ON latest.currency = told.currency
GROUP BY told.deal_no HAVING max(coalesce(latest.last_at, 9223372036854775807)) > -9223372036854775807;

-- What is left over in a pipeline, with an owner, in a period: by exchange rates.
CREATE VIEW revalued AS
SELECT row.deal_no, arg_max(row.stage_no, event_at) AS stage_no, owner_no, max(counted_at) AS counted_at,
       max(event_at) AS event_at,
       sum(CASE WHEN word IN ('closing', 'won', 'lost', 'handed_over', 'owner_out', 'amount_down') THEN amount
                ELSE -amount END)::BIGINT AS amount
FROM bridge_row AS row
SEMI JOIN (SELECT deal_no FROM floating WHERE last_at > (SELECT min(instant) FROM period)) AS floating
    ON floating.deal_no = row.deal_no
JOIN stage ON stage.stage_no = row.stage_no
WHERE period_of(counted_at) IS NOT NULL
GROUP BY row.deal_no, pipeline_no, owner_no, period_of(counted_at)
HAVING sum(CASE WHEN word IN ('closing', 'won', 'lost', 'handed_over', 'owner_out', 'amount_down') THEN amount
                ELSE -amount END) <> 0;

-- A count knows no amounts.
CREATE VIEW member_pipeline_bridge AS
SELECT deal_no AS record, stage_no, owner_no, counted_at, event_at, TRUE AS is_numerator, amount, left_out, word
FROM (
    FROM bridge_row
    UNION ALL
    SELECT deal_no, stage_no, owner_no, counted_at, event_at, 'revalued'::step_word, amount, '' FROM revalued
)
WHERE getvariable('measure') = 'value' OR word NOT IN ('amount_up', 'amount_down', 'revalued');

-- Deals created, in the stage they began in.
CREATE VIEW member_pipeline_created AS
SELECT made.deal_no AS record, stage_no, made.began_at AS event_at, entered_by AS actor_no, TRUE AS is_numerator,
       in_base(made.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN made.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT deal.deal_no, deal.began_at, begun.stage_no, coalesce(begun.entered_by, 0) AS entered_by,
           CASE WHEN worth.deal_no IS NULL THEN deal.amount ELSE worth.told::BIGINT END AS amount,
           CASE WHEN money.told IS NULL THEN deal.currency ELSE money.told END AS currency
    FROM deal
    LEFT JOIN (SELECT deal_no, stage_no, entered_by FROM visit WHERE place = 1) AS begun ON begun.deal_no = deal.deal_no
    LEFT JOIN (
        FROM once WHERE field = 'amount' AND since = -9223372036854775807 AND getvariable('amount') = 'first'
    ) AS worth ON worth.deal_no = deal.deal_no
    LEFT JOIN (
        FROM once WHERE field = 'currency' AND since = -9223372036854775807 AND getvariable('amount') = 'first'
    ) AS money ON money.deal_no = deal.deal_no
    WHERE deal.began_at <= getvariable('as_of')
) AS made
LEFT JOIN rate_in AS rate ON rate.currency = made.currency AND rate.stretch = stretch_of(made.began_at)
    AND rate.since <= made.began_at AND made.began_at < rate.until;
