-- Data quality: moves that are odd, closes without history, deals that were removed. One view per metric.

-- Moves that the history a source tells does not explain (`flagged`), and those of which no history tells when they
-- were: by the editable close date alone, or seen for the first time.
CREATE TABLE odd_told AS
SELECT deal_no, stage_no, occurred_at, origin, flagged = 1 AS is_flagged, read_at
FROM raw_odd_move AS told
JOIN (SELECT deal_no, source, id FROM deal) AS deal ON deal.source = told.source AND deal.id = told.deal
LEFT JOIN (SELECT stage_no, source, pipeline_id, stage_id FROM stage) AS stage
    ON stage.source = told.source AND stage.pipeline_id = told.to_pipeline AND stage.stage_id = told.to_stage;

-- Observed moves that the history a source tells does not explain (Q10).
CREATE TABLE flagged_move AS SELECT deal_no, stage_no, occurred_at FROM odd_told WHERE is_flagged;

-- Odd moves, by the stage that was left (of a flagged one: entered); each deal once in a period, by the first of them.
CREATE VIEW odd_move AS
SELECT * FROM (
    SELECT deal_no, visit.stage_no, left_at AS event_at, left_by AS actor_no,
           CASE WHEN is_skip THEN 'skipped' ELSE 'back' END AS fault
    FROM (FROM visit WHERE kind = 'open' AND stage_after IS NOT NULL) AS visit
    JOIN passage ON passage.stage_no = visit.stage_no AND passage.stage_after = visit.stage_after
    WHERE is_skip OR word = 'moved_back'
    UNION ALL
    SELECT deal_no, stage_no, occurred_at, 0, 'flagged' FROM flagged_move
)
QUALIFY row_number() OVER (PARTITION BY fault, deal_no, period_of(event_at) ORDER BY event_at, stage_no) = 1;

-- With what the deal was worth then, at that day's rate (R13).
CREATE VIEW priced_move AS
SELECT told.deal_no AS record, stage_no, event_at, actor_no, TRUE AS is_numerator, fault,
       in_base(told.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN told.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT odd_move.*, CASE WHEN worth.deal_no IS NULL THEN deal.amount ELSE worth.told::BIGINT END AS amount,
           CASE WHEN money.told IS NULL THEN deal.currency ELSE money.told END AS currency
    FROM odd_move
    JOIN (SELECT deal_no, amount, currency FROM deal) AS deal ON deal.deal_no = odd_move.deal_no
    LEFT JOIN (FROM once WHERE field = 'amount') AS worth ON worth.deal_no = odd_move.deal_no
        AND worth.since <= event_at AND event_at < worth.until
    LEFT JOIN (FROM once WHERE field = 'currency') AS money ON money.deal_no = odd_move.deal_no
        AND money.since <= event_at AND event_at < money.until
) AS told
LEFT JOIN rate_in AS rate ON rate.currency = told.currency AND rate.stretch = stretch_of(told.event_at)
    AND rate.since <= told.event_at AND told.event_at < rate.until;

-- Q4: moved back to an earlier open stage (R6); to be re-opened is none.
CREATE VIEW member_quality_moved_back AS SELECT * EXCLUDE (fault) FROM priced_move WHERE fault = 'back';

-- Q5: moved forward over an open stage that is in use (R5).
CREATE VIEW member_quality_stage_skipped AS SELECT * EXCLUDE (fault) FROM priced_move WHERE fault = 'skipped';

-- Q10: moved as no history tells.
CREATE VIEW member_quality_history_gap AS SELECT * EXCLUDE (fault) FROM priced_move WHERE fault = 'flagged';

-- Closes whose time is only that of the editable field (R4); and of deals that were closed when they were first seen,
-- nobody knows since when, by that sight.
CREATE TABLE untold_close AS
SELECT closing.deal_no, min(CASE origin WHEN 'field' THEN occurred_at ELSE least(read_at, getvariable('as_of')) END)
           AS event_at
FROM (FROM odd_told WHERE origin IN ('field', 'initial')) AS told
JOIN closing ON closing.deal_no = told.deal_no AND closing.stage_no = told.stage_no
WHERE CASE origin WHEN 'field' THEN closed_at = occurred_at ELSE closed_at IS NULL END
GROUP BY closing.deal_no;

DROP TABLE odd_told;

-- Q8: closed without history.
CREATE VIEW member_quality_history_missing AS
SELECT deal_no AS record, stage_no, event_at, actor_no, TRUE AS is_numerator, amount, left_out
FROM closing JOIN untold_close USING (deal_no);

-- Deals that were deleted or merged, and since when: by the source, or else when we first knew it so.
CREATE TABLE removed_deal AS
SELECT row_number() OVER ()::INTEGER AS removed_deal_no, source, id, owner, amount, currency, lost_reason, type,
       source_name, CASE merged_into WHEN '' THEN 'deleted' ELSE 'merged' END AS removal,
       least(CASE WHEN deleted_at <= getvariable('as_of') THEN deleted_at ELSE seen_at END, getvariable('as_of'))
           AS removed_at
FROM raw_removed_deal;

-- The stage they were in last; who has none never entered the pipeline.
CREATE TABLE removed_stage AS
SELECT removed_deal_no, arg_max(stage_no, (occurred_at, sequence)) AS stage_no
FROM raw_removed_move AS told
JOIN (SELECT removed_deal_no, source, id FROM removed_deal) AS removed
    ON removed.source = told.source AND removed.id = told.deal
LEFT JOIN (SELECT stage_no, source, pipeline_id, stage_id FROM stage) AS stage
    ON stage.source = told.source AND stage.pipeline_id = told.to_pipeline AND stage.stage_id = told.to_stage
GROUP BY removed_deal_no;

-- Who owned them when they were removed: by the last change before, else before the first one the deal's own owner.
CREATE TABLE removed_owner AS
SELECT removed_deal_no, arg_max(new, (occurred_at, sequence)) AS owner
FROM raw_removed_change AS told
JOIN (SELECT removed_deal_no, source, id, removed_at FROM removed_deal) AS removed
    ON removed.source = told.source AND removed.id = told.deal AND told.occurred_at <= removed.removed_at
GROUP BY removed_deal_no;

UPDATE removed_deal SET owner = removed_owner.owner
FROM removed_owner WHERE removed_owner.removed_deal_no = removed_deal.removed_deal_no;

INSERT INTO holder
SELECT (SELECT max(owner_no) FROM holder) + row_number() OVER (ORDER BY owner), owner
FROM (SELECT DISTINCT owner FROM removed_deal ANTI JOIN holder USING (owner));

-- Q9: deleted or merged after entering the pipeline; with their own amount at the rate of that day.
CREATE VIEW member_quality_removed AS
SELECT removed.removed_deal_no AS record, removed_stage.stage_no, removed_at AS event_at, holder.owner_no,
       TRUE AS is_numerator, in_base(amount, rate.top, rate.bottom) AS amount,
       CASE WHEN amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM removed_deal AS removed
JOIN removed_stage ON removed_stage.removed_deal_no = removed.removed_deal_no
JOIN holder ON holder.owner = removed.owner
ASOF LEFT JOIN rate ON rate.currency = removed.currency AND removed.removed_at >= rate.since;

-- Where their history begins.
CREATE VIEW quality_moment AS
SELECT entered_at AS began_at FROM visit UNION ALL SELECT removed_at FROM removed_deal;
