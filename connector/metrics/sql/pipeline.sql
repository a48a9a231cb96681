-- The open pipeline: stocks at the last instant of a period, or at the as-of moment of a running one.

-- The instants at which the open deals are yet to be looked up, for the periods at hand: see open_deal.
CREATE TABLE lacking AS SELECT turn, moment, instant FROM period WHERE FALSE;

-- The rate of each currency at each of these instants.
CREATE VIEW lacking_rate AS
SELECT asked.moment, asked.currency, top, bottom
FROM (SELECT moment, instant, currency FROM lacking CROSS JOIN (SELECT DISTINCT currency FROM rate)) AS asked
ASOF JOIN rate ON rate.currency = asked.currency AND asked.instant >= rate.since;

-- What a deal's field was between two changes: from its first known value on, before the last one. What holds since the
-- last change, or where no change is known, is the deal's own.
CREATE TABLE once AS
SELECT deal_no, field, CASE place WHEN 1 THEN -9223372036854775807 ELSE occurred_at END AS since, until,
       nullif(new, '') AS told
FROM (
    SELECT deal_no, field, new, occurred_at, row_number() OVER told AS place, lead(occurred_at) OVER told AS until
    FROM worth_change
    WINDOW told AS (PARTITION BY deal_no, field ORDER BY occurred_at, sequence, new)
)
WHERE until IS NOT NULL AND (until > occurred_at OR place = 1);

-- Open deals by the stage held then. The periods are numbered by their instants, so a visit is open in those from the
-- first instant it saw to the last. When a first sight entered its stage is not known.
CREATE VIEW open_then AS
SELECT open.deal_no, open.stage_no, open.entered_at, lacking.moment, lacking.instant,
       coalesce(CASE WHEN odds.deal_no IS NULL THEN deal.probability ELSE odds.told::BIGINT END, stage.probability)
           AS probability,
       CASE WHEN worth.deal_no IS NULL THEN deal.amount ELSE worth.told::BIGINT END AS amount,
       CASE WHEN money.told IS NULL THEN deal.currency ELSE money.told END AS currency
FROM (
    SELECT deal_no, stage_no, entered_at, unnest(range(first_turn, after_turn)) AS turn
    FROM (
        SELECT deal_no, stage_no, CASE WHEN is_seen THEN entered_at END AS entered_at,
               instants_before(visit.entered_at) AS first_turn,
               instants_before(coalesce(left_at, 9223372036854775807)) AS after_turn
        FROM visit WHERE kind = 'open'
    )
    WHERE first_turn < after_turn
) AS open
JOIN lacking USING (turn)
JOIN stage USING (stage_no)
JOIN deal USING (deal_no)
LEFT JOIN (FROM once WHERE field = 'amount') AS worth ON worth.deal_no = open.deal_no
    AND worth.since <= lacking.instant AND lacking.instant < worth.until
LEFT JOIN (FROM once WHERE field = 'currency') AS money ON money.deal_no = open.deal_no
    AND money.since <= lacking.instant AND lacking.instant < money.until
LEFT JOIN (FROM once WHERE field = 'probability') AS odds ON odds.deal_no = open.deal_no
    AND odds.since <= lacking.instant AND lacking.instant < odds.until;

-- Their owner then, and their amount at that day's rate (R13).
CREATE VIEW open_worth AS
SELECT open_then.deal_no, stage_no, owner_no, entered_at, open_then.moment, probability,
       in_base(amount, rate.top, rate.bottom) AS amount,
       (CASE WHEN amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END)
           ::ENUM ('', 'amount', 'rate') AS left_out
FROM open_then
JOIN ownership ON ownership.deal_no = open_then.deal_no
    AND ownership.since <= open_then.instant AND open_then.instant < ownership.until
LEFT JOIN lacking_rate AS rate ON rate.moment = open_then.moment AND rate.currency = open_then.currency;

-- The same at all instants of the periods at hand, each looked up once for all that is asked.
CREATE TABLE open_deal AS FROM open_worth WHERE FALSE;

CREATE VIEW member_open_pipeline AS
SELECT deal_no AS record, stage_no, owner_no, instant AS event_at, instant AS cohort_at, TRUE AS is_numerator, amount,
       left_out
FROM open_deal JOIN period USING (moment);

-- Of them those past prospecting, the first of the canonical steps.
CREATE VIEW member_qualified_pipeline AS
SELECT deal_no AS record, stage_no, owner_no, instant AS event_at, TRUE AS is_numerator, amount, left_out
FROM open_deal JOIN period USING (moment) JOIN stage USING (stage_no)
WHERE canonical NOT IN ('', 'prospecting');

-- What is of an instant counts for a year (calendar months) from then on.
CREATE MACRO year_after(instant) AS epoch_us(make_timestamp(instant) + INTERVAL 1 YEAR);

-- When each deal first entered each open stage (as in stages.sql), and the stays of closed deals; nothing unless asked.
CREATE VIEW entered AS
SELECT deal_no, stage_no, min(entered_at) AS entered_at
FROM visit WHERE is_seen AND kind = 'open' AND getvariable('probability') = 'empirical'
GROUP BY deal_no, stage_no;

CREATE VIEW closed_stay AS
SELECT deal_no, kind, entered_at AS since, coalesce(left_at, 9223372036854775807) AS until
FROM visit WHERE kind <> 'open' AND getvariable('probability') = 'empirical';

-- From when a deal had been won in a pipeline; another won stage on the way is no win of its own.
CREATE VIEW first_won AS
SELECT deal_no, pipeline_no, min(entered_at) AS won_at
FROM visit JOIN stage ON stage.stage_no = visit.stage_no
WHERE visit.kind = 'won' AND kind_before IS DISTINCT FROM 'won' AND getvariable('probability') = 'empirical'
GROUP BY deal_no, pipeline_no;

-- From when to when each of them is in the base of its stage's chance, or in its numerator: for a year from its entry,
-- there while it is won (in the stage's own pipeline, R10), here always or, `settled`, while it is closed.
CREATE VIEW chance_span AS
SELECT stage_no, entered_at AS since, year_after(entered_at) AS until, FALSE AS is_won
FROM entered WHERE getvariable('base') = 'all'
UNION ALL
SELECT stage_no, greatest(entered_at, closed_stay.since), least(year_after(entered_at), closed_stay.until), FALSE
FROM entered
JOIN closed_stay ON closed_stay.deal_no = entered.deal_no
WHERE getvariable('base') = 'settled'
UNION ALL
SELECT entered.stage_no, greatest(entered_at, closed_stay.since, won_at),
       least(year_after(entered_at), closed_stay.until), TRUE
FROM entered
JOIN stage ON stage.stage_no = entered.stage_no
JOIN closed_stay ON closed_stay.deal_no = entered.deal_no
JOIN first_won ON first_won.deal_no = entered.deal_no AND first_won.pipeline_no = stage.pipeline_no
WHERE closed_stay.kind = 'won';

-- Amount x probability, the deal's own or else its stage's, to the minor unit per record, so that owners add up to the
-- total. Without any probability a deal is left out, like one without rate: the period cannot close. By our own history
-- it is the share of its stage at that instant; without one a deal is left out like one without amount: nobody can set it.
CREATE VIEW member_weighted_pipeline AS
WITH chance AS MATERIALIZED (
    SELECT stage_no, turn, coalesce(sum(deals) FILTER (is_won), 0)::BIGINT AS won,
           (sum(deals) FILTER (NOT is_won))::BIGINT AS entered
    FROM (
        SELECT stage_no, is_won, deals, unnest(range(first_turn, after_turn)) AS turn
        FROM (
            SELECT stage_no, is_won, instants_before(since) AS first_turn, instants_before(until) AS after_turn,
                   count(*) AS deals
            FROM chance_span GROUP BY ALL
        )
        WHERE first_turn < after_turn
    )
    GROUP BY stage_no, turn
)
SELECT deal_no AS record, stage_no, owner_no, instant AS event_at, instant AS cohort_at, TRUE AS is_numerator,
       scaled(amount // getvariable('money_step'), top, bottom) * getvariable('money_step') AS amount,
       CASE WHEN left_out <> '' OR top IS NOT NULL THEN left_out
            ELSE CASE getvariable('probability') WHEN 'empirical' THEN 'amount' ELSE 'rate' END END AS left_out
FROM (
    SELECT deal_no, open_deal.stage_no, owner_no, instant, amount, left_out,
           CASE getvariable('probability') WHEN 'empirical' THEN chance.won ELSE probability END AS top,
           CASE getvariable('probability') WHEN 'empirical' THEN chance.entered ELSE 1000000 END AS bottom
    FROM open_deal
    JOIN (SELECT moment, instant, turn FROM period) AS period ON period.moment = open_deal.moment
    LEFT JOIN chance ON chance.stage_no = open_deal.stage_no AND chance.turn = period.turn
);
