-- Lost deals that go back to the marketing pipeline, and are tried again. One view per metric, one row per member.
--
-- A retry is a new deal that names the lost one as `recycled_from`, itself or by its lead; a deal that is re-opened is
-- none (R7). A loss that was undone counts nowhere.

-- The deal each retry goes back to; its own word stands before that of its leads. Who names itself is no retry.
CREATE TABLE retry AS
WITH told AS MATERIALIZED (SELECT deal_no, recycled_from FROM deal WHERE recycled_from <> ''),
by_lead AS (
    SELECT deal_no, arg_min(recycled_from, source || ':' || id) AS recycled_from
    FROM (SELECT lead_no, source, id, recycled_from FROM lead WHERE recycled_from <> '') AS lead
    JOIN deal_of_lead USING (lead_no)
    ANTI JOIN told USING (deal_no)
    GROUP BY deal_no
)
SELECT deal_no, told.recycled_from, began_at
FROM (FROM told UNION ALL FROM by_lead) AS told JOIN deal USING (deal_no)
WHERE told.recycled_from <> source || ':' || id AND (began_at <= getvariable('as_of') OR began_at IS NULL);

-- What came back: the leads and the retries made of a deal; a retry of such a lead came back with it. A lead or deal
-- whose beginning is not known came back at a moment that nobody knows.
CREATE TABLE comeback AS
WITH returned AS MATERIALIZED (SELECT lead_no, recycled_from, created_at FROM lead WHERE recycled_from <> ''),
with_lead AS (
    SELECT deal_no, recycled_from FROM returned JOIN deal_of_lead USING (lead_no)
)
SELECT deal.deal_no, returned_at
FROM (
    SELECT recycled_from, created_at AS returned_at FROM returned
    UNION ALL
    SELECT recycled_from, began_at FROM retry ANTI JOIN with_lead USING (deal_no, recycled_from)
) AS told
JOIN (SELECT deal_no, source || ':' || id AS recycled_from FROM deal) AS deal USING (recycled_from);

-- The final losses, with what was lost.
CREATE VIEW loss AS
SELECT deal_no, stage_no, closed_at, began_at, amount, left_out FROM closing WHERE outcome = 'lost';

-- Lost deals given back, each time.
CREATE VIEW member_recycled_leads AS
SELECT deal_no AS record, stage_no, returned_at AS event_at, began_at AS cohort_at, TRUE AS is_numerator
FROM comeback JOIN loss USING (deal_no);

-- From the loss to the beginning of the retry: two records, so it may be negative (R17). Where the loss has no date it
-- is left out.
CREATE VIEW member_retry_gap AS
SELECT retry.deal_no AS record, held.stage_no, retry.began_at AS event_at, retry.began_at AS cohort_at,
       TRUE AS is_denominator, retry.began_at - lost.closed_at AS duration,
       CASE WHEN lost.closed_at IS NULL THEN 'duration' ELSE '' END AS left_out
FROM retry
JOIN (
    SELECT source || ':' || id AS recycled_from, closed_at
    FROM (SELECT deal_no, closed_at FROM loss) AS loss JOIN (SELECT deal_no, source, id FROM deal) AS deal USING (deal_no)
) AS lost USING (recycled_from)
LEFT JOIN (SELECT deal_no, stage_no FROM held) AS held ON held.deal_no = retry.deal_no;

-- Won / (won + lost) of the retries.
CREATE VIEW member_recycled_win_rate AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, closing.began_at AS cohort_at, actor_no,
       outcome = 'won' AS is_numerator, TRUE AS is_denominator
FROM closing SEMI JOIN retry USING (deal_no);

-- How long each pipeline waits after a loss, by reason in small letters: 'default' is any other reason, and none; null is
-- never. Where a mapping says nothing: 90 days, 180 after a competitor won, never after spam.
CREATE TABLE wait AS
SELECT pipeline_no, entry.key AS reason, entry.value * 86400000000 AS wait
FROM (
    SELECT pipeline_no, unnest(map_entries(json_transform(
        coalesce(nullif(recycle, ''), '{"default":90,"competitor":180,"spam":null}'), '"MAP(VARCHAR, BIGINT)"'))) AS entry
    FROM (SELECT DISTINCT pipeline_no, source, pipeline_id FROM stage) AS pipeline
    LEFT JOIN (SELECT source, id AS pipeline_id, recycle FROM raw_recycle) AS told USING (source, pipeline_id)
);

-- Lost deals from the moment at which they are due for a retry until they are given back.
CREATE TABLE due AS
SELECT deal_no, stage_no, amount, left_out, due_at, returned_at
FROM (
    SELECT loss.deal_no, loss.stage_no, amount, left_out,
           closed_at + CASE WHEN own.reason IS NULL THEN other.wait ELSE own.wait END AS due_at,
           coalesce(returned_at, 9223372036854775807) AS returned_at
    FROM loss
    JOIN (SELECT deal_no, lower(trim(lost_reason)) AS reason FROM deal) AS deal ON deal.deal_no = loss.deal_no
    JOIN (SELECT stage_no, pipeline_no FROM stage) AS stage ON stage.stage_no = loss.stage_no
    JOIN (SELECT pipeline_no, wait FROM wait WHERE reason = 'default') AS other
        ON other.pipeline_no = stage.pipeline_no
    LEFT JOIN (SELECT pipeline_no, reason, wait FROM wait WHERE reason <> 'default') AS own
        ON own.pipeline_no = stage.pipeline_no AND own.reason = deal.reason
    LEFT JOIN (
        SELECT deal_no, min(coalesce(returned_at, -9223372036854775807)) AS returned_at FROM comeback GROUP BY deal_no
    ) AS comeback ON comeback.deal_no = loss.deal_no
)
WHERE due_at < returned_at;

-- Those that are due at a period's end, with what was lost. The periods are numbered by their instants.
CREATE VIEW member_recycle_due AS
SELECT deal_no AS record, stage_no, instant AS event_at, instant AS cohort_at, TRUE AS is_numerator, amount, left_out
FROM (
    SELECT deal_no, stage_no, amount, left_out,
           unnest(range(instants_before(due_at), instants_before(returned_at))) AS turn
    FROM due
)
JOIN (SELECT turn, instant FROM period) AS period USING (turn);
