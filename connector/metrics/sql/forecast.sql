-- When open deals are expected to close, and in which forecast category, by what was known at each instant.

CREATE TABLE outlook_change AS
SELECT deal_no, field = 'expected_close_on' AS is_date, occurred_at, sequence, new
FROM raw_outlook_change AS change JOIN deal ON deal.source = change.source AND deal.id = change.deal;

-- As with amounts (pipeline.sql): changes tell from the first known value on, before the last one; then the deal does.
CREATE TABLE outlook_once AS
SELECT deal_no, is_date, CASE place WHEN 1 THEN -9223372036854775807 ELSE occurred_at END AS since, until,
       new AS told
FROM (
    SELECT deal_no, is_date, new, occurred_at, row_number() OVER told AS place, lead(occurred_at) OVER told AS until
    FROM outlook_change
    WINDOW told AS (PARTITION BY deal_no, is_date ORDER BY occurred_at, sequence, new)
)
WHERE until IS NOT NULL AND (until > occurred_at OR place = 1);

DROP TABLE outlook_change;

-- On which day a deal was expected to close, from `since` to `until`.
CREATE TABLE expectation AS
SELECT deal_no, day_number(told) AS day, since, until
FROM outlook_once WHERE is_date AND day_number(told) IS NOT NULL
UNION ALL
SELECT deal.deal_no, day_number(expected_close_on), coalesce(told.since, -9223372036854775807), 9223372036854775807
FROM deal
LEFT JOIN (SELECT deal_no, max(until) AS since FROM outlook_once WHERE is_date GROUP BY deal_no) AS told
    ON told.deal_no = deal.deal_no
WHERE day_number(expected_close_on) IS NOT NULL;

-- The words of vendors for the categories; a deal without one is in the pipeline, none falls out.
CREATE MACRO category_of(told) AS CASE regexp_replace(lower(told), '[^a-z]', '', 'g')
    WHEN 'omit' THEN 'omitted' WHEN 'omitted' THEN 'omitted' WHEN 'closed' THEN 'closed'
    WHEN 'commit' THEN 'commit' WHEN 'committed' THEN 'commit' WHEN 'forecast' THEN 'commit'
    WHEN 'best' THEN 'best' WHEN 'bestcase' THEN 'best' WHEN 'mostlikely' THEN 'best'
    ELSE 'pipeline' END;

-- When a period is looked at: at its last instant (or at the as-of moment where that comes first), and before its start,
-- by so many days as `lead` says.
CREATE VIEW look AS
SELECT period, 'end' AS side, coalesce(instant, getvariable('as_of')) AS looked_at FROM period WHERE period >= 0
UNION ALL
SELECT period, 'start', begins - 1 - coalesce(getvariable('lead'), 0) * 86400000000 FROM period WHERE period >= 0;

-- Open deals by the period in which they were expected to close, as they stood then. `counted_at` is the expected day.
-- They are far fewer than the visits, which therefore pass by.
CREATE VIEW expected_then AS
WITH expected AS MATERIALIZED (
    SELECT deal_no, counted_at, looked_at, side
    FROM (
        SELECT deal_no, day_start(day) AS counted_at, period_of(day_start(day)) AS period, since, until FROM expectation
    ) AS expectation
    JOIN (
        SELECT period, side, looked_at FROM look WHERE looked_at <= getvariable('as_of')
    ) AS look ON look.period = expectation.period AND since <= looked_at AND looked_at < until
)
SELECT expected.deal_no, stage_no, counted_at, looked_at, side
FROM (FROM visit WHERE kind = 'open') AS visit
JOIN expected ON expected.deal_no = visit.deal_no
    AND entered_at <= looked_at AND looked_at < coalesce(left_at, 9223372036854775807);

-- With their category and amount then, at that day's rate (R13).
CREATE VIEW expected_worth AS
SELECT deal_no, stage_no, counted_at, looked_at, side, category, in_base(amount, rate.top, rate.bottom) AS amount,
       CASE WHEN amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT expected_then.*,
           category_of(CASE WHEN put.deal_no IS NULL THEN deal.forecast_category ELSE put.told END) AS category,
           CASE WHEN worth.deal_no IS NULL THEN deal.amount ELSE worth.told::BIGINT END AS amount,
           CASE WHEN money.told IS NULL THEN deal.currency ELSE money.told END AS currency
    FROM expected_then
    JOIN deal ON deal.deal_no = expected_then.deal_no
    LEFT JOIN (FROM outlook_once WHERE NOT is_date) AS put ON put.deal_no = expected_then.deal_no
        AND put.since <= looked_at AND looked_at < put.until
    LEFT JOIN (FROM once WHERE field = 'amount') AS worth ON worth.deal_no = expected_then.deal_no
        AND worth.since <= looked_at AND looked_at < worth.until
    LEFT JOIN (FROM once WHERE field = 'currency') AS money ON money.deal_no = expected_then.deal_no
        AND money.since <= looked_at AND looked_at < money.until
) AS told
LEFT JOIN rate_in AS rate ON rate.currency = told.currency AND rate.stretch = stretch_of(told.looked_at)
    AND rate.since <= told.looked_at AND told.looked_at < rate.until;

-- The same at the end of the periods at hand, made once for all that is asked of them.
CREATE TABLE expected_deal AS SELECT * EXCLUDE (side) FROM expected_worth WHERE FALSE;

CREATE VIEW member_pipeline_expected AS
SELECT deal_no AS record, stage_no, counted_at, looked_at AS event_at, TRUE AS is_numerator, amount, left_out
FROM expected_deal;

-- The columns of the forecast: what is won, and open deals by category.
CREATE VIEW forecast AS
SELECT deal_no AS record, stage_no, counted_at, looked_at AS event_at, TRUE AS is_numerator, amount, left_out, category
FROM expected_deal WHERE category <> 'closed'
UNION ALL
SELECT deal_no, stage_no, closed_at, closed_at, TRUE, amount, left_out, 'closed' FROM closing WHERE outcome = 'won';

CREATE VIEW member_forecast_closed AS SELECT * EXCLUDE (category) FROM forecast WHERE category = 'closed';

CREATE VIEW member_forecast_commit AS
SELECT * EXCLUDE (category) FROM forecast
WHERE category = 'commit' OR (category = 'closed' AND getvariable('cumulative') = 'yes');

CREATE VIEW member_forecast_best AS
SELECT * EXCLUDE (category) FROM forecast
WHERE category = 'best' OR (category IN ('closed', 'commit') AND getvariable('cumulative') = 'yes');

CREATE VIEW member_forecast_pipeline AS
SELECT * EXCLUDE (category) FROM forecast
WHERE category = 'pipeline' OR (category IN ('commit', 'best') AND getvariable('cumulative') = 'yes');

-- What was forecast for a period before it began: open deals of the column and those surer, as they stood then.
CREATE VIEW forecast_then AS
SELECT told.deal_no, told.stage_no, counted_at, looked_at, told.amount, left_out,
       coalesce(CASE WHEN odds.deal_no IS NULL THEN deal.probability ELSE odds.told::BIGINT END, stage.probability)
           AS probability
FROM (FROM expected_worth WHERE side = 'start') AS told
JOIN deal ON deal.deal_no = told.deal_no
JOIN stage ON stage.stage_no = told.stage_no
LEFT JOIN (FROM once WHERE field = 'probability') AS odds ON odds.deal_no = told.deal_no
    AND odds.since <= looked_at AND looked_at < odds.until
WHERE list_contains(
    CASE getvariable('forecast') WHEN 'commit' THEN ['commit'] WHEN 'best' THEN ['commit', 'best']
                               ELSE ['commit', 'best', 'pipeline'] END, category
);

-- Weighted as the pipeline is (pipeline.sql), where that column is asked.
CREATE VIEW member_forecast_at_start AS
SELECT deal_no AS record, stage_no, counted_at, looked_at AS event_at, TRUE AS is_numerator,
       CASE WHEN getvariable('forecast') <> 'weighted' THEN amount ELSE
           scaled(amount // getvariable('money_step'), probability, 1000000) * getvariable('money_step') END AS amount,
       CASE WHEN left_out = '' AND getvariable('forecast') = 'weighted' AND probability IS NULL THEN 'rate'
            ELSE left_out END AS left_out
FROM forecast_then;

-- Days from the day on which a deal was expected 30 days before its close to the day of its close; whole ones.
CREATE VIEW member_expected_close_bias AS
SELECT closing.deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
       TRUE AS is_denominator, (day_of(closed_at) - day) * 86400000000 AS duration
FROM (FROM closing WHERE outcome = 'won' AND began_at <= closed_at - 30 * 86400000000) AS closing
JOIN expectation ON expectation.deal_no = closing.deal_no
    AND since <= closed_at - 30 * 86400000000 AND closed_at - 30 * 86400000000 < until;
