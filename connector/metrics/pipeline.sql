-- The open pipeline: stocks at the last instant of a period, or at the as-of moment of a running one.

-- The rate of each currency at each period's instant.
CREATE VIEW period_rate AS
SELECT asked.period, asked.currency, top, bottom
FROM (SELECT period, instant, currency FROM period CROSS JOIN (SELECT DISTINCT currency FROM rate)) AS asked
ASOF JOIN rate ON rate.currency = asked.currency AND asked.instant >= rate.since;

-- Open deals by the stage held then, with their amount at that day's rate (R13).
CREATE VIEW open_deal AS
SELECT deal_no AS record, visit.stage_no, period.instant AS event_at, period.instant AS cohort_at,
       TRUE AS is_numerator, coalesce(deal.probability, stage.probability) AS probability,
       in_base(deal.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN deal.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM period
JOIN visit ON visit.entered_at <= period.instant AND coalesce(visit.left_at, 9223372036854775807) > period.instant
JOIN stage USING (stage_no)
JOIN deal USING (deal_no)
LEFT JOIN period_rate AS rate ON rate.period = period.period AND rate.currency = deal.currency
WHERE visit.kind = 'open';

CREATE VIEW member_open_pipeline AS SELECT * FROM open_deal;

-- Amount x probability, the deal's own or else its stage's, to the minor unit per record, so that owners add up to the
-- total. Without any probability a deal is left out, like one without rate: the period cannot close.
CREATE VIEW member_weighted_pipeline AS
SELECT * EXCLUDE (amount, left_out),
       scaled(amount // getvariable('money_step'), probability, 1000000) * getvariable('money_step') AS amount,
       CASE WHEN left_out = '' AND probability IS NULL THEN 'rate' ELSE left_out END AS left_out
FROM open_deal;
