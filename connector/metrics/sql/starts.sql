-- Pipelines of any start: what is told of their deals' moves, begun and won by the events of documents. Runs between
-- `base` and `visits`, and not at all where every pipeline begins with the deal and is won in a stage.

-- Those pipelines, with the stages that an event leads into.
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
WHERE state NOT IN ('draft', 'cancelled', 'credited') AND kind <> 'credit_note';

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
