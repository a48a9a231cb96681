-- Open deals that stand: how old they are, how long in their stage, and which are stalled; at the last instant of a
-- period, or at the as-of moment of a running one.

-- Days since a deal began.
CREATE VIEW member_deal_age AS
SELECT deal_no AS record, stage_no, owner_no, instant AS event_at, TRUE AS is_denominator,
       CASE WHEN began_at <= instant THEN instant - began_at END AS duration,
       CASE WHEN began_at <= instant THEN '' ELSE 'duration' END AS left_out
FROM open_deal JOIN period USING (moment) JOIN deal USING (deal_no);

-- Days since it entered the stage it is in; of a first sight that is not known: left out, and counted.
CREATE VIEW member_stage_age AS
SELECT deal_no AS record, stage_no, owner_no, instant AS event_at, TRUE AS is_denominator,
       instant - entered_at AS duration, CASE WHEN entered_at IS NULL THEN 'duration' ELSE '' END AS left_out
FROM open_deal JOIN period USING (moment);

-- At each instant, four times the 75th percentile of the days of the stage's visits completed in the 12 months before.
-- Interpolated between ranks (R17) it is a whole number of quarters. A visit is in a dozen such years, and there are
-- millions: so they are only counted, by classes of 6 hours, and sorted in the one or two classes the rank falls in.
CREATE VIEW usual_stay AS
WITH stay AS MATERIALIZED (
    SELECT stage_no, left_at - entered_at AS length, (left_at - entered_at) // 21600000000 AS class,
           instants_before(left_at) AS first_turn, instants_before(year_after(left_at)) AS after_turn
    FROM visit WHERE is_seen AND kind = 'open' AND left_at IS NOT NULL
),
counted AS (
    SELECT stage_no, turn, class, sum(stays) AS stays
    FROM (
        SELECT stage_no, class, stays, unnest(range(first_turn, after_turn)) AS turn
        FROM (SELECT stage_no, class, first_turn, after_turn, count(*) AS stays FROM stay GROUP BY ALL)
        WHERE first_turn < after_turn
    )
    GROUP BY ALL
),
-- `three` quarters of the visits but one is the rank (from 0); what is left over are `quarters` of the way to the next.
searched AS MATERIALIZED (
    SELECT stage_no, turn, class, shorter, three // 4 AS rank, three % 4 AS quarters
    FROM (
        SELECT stage_no, turn, class, stays, sum(stays) OVER sorted - stays AS shorter,
               3 * (sum(stays) OVER (PARTITION BY stage_no, turn) - 1) AS three
        FROM counted
        WINDOW sorted AS (PARTITION BY stage_no, turn ORDER BY class)
    )
    WHERE shorter <= three // 4 + 1 AND three // 4 < shorter + stays
)
SELECT turn, stage_no,
       (4 * lengths[place] + quarters * (lengths[least(place + 1, len(lengths))] - lengths[place]))::BIGINT AS four_times
FROM (
    SELECT turn, searched.stage_no, (rank - min(shorter) + 1)::BIGINT AS place, quarters,
           list_sort(list(length)) AS lengths
    FROM stay JOIN searched ON searched.stage_no = stay.stage_no AND searched.class = stay.class
        AND first_turn <= turn AND turn < after_turn
    GROUP BY turn, searched.stage_no, rank, quarters
);

-- Where activities are told of at all: elsewhere their absence says nothing.
CREATE TABLE active_source AS SELECT DISTINCT source FROM activity;

-- The deals with which something was done in the 30 days before an instant.
CREATE VIEW touched AS
SELECT DISTINCT deal_no,
       unnest(range(instants_before(occurred_at), instants_before(occurred_at + 30 * 86400000000))) AS turn
FROM activity WHERE deal_no IS NOT NULL;

-- Open deals that no longer move, each by the first rule that holds: in its stage for longer than is usual there and 14
-- days; nothing done with it for 30 days; expected to close on a day that has passed.
CREATE VIEW member_stalled AS
SELECT * FROM (
    SELECT told.deal_no AS record, told.stage_no, owner_no, instant AS event_at, TRUE AS is_numerator, amount, left_out,
           CASE WHEN 4 * (instant - entered_at) > greatest(four_times, 4 * 14 * 86400000000) THEN 'by_age'
                WHEN active_source.source IS NOT NULL AND touched.deal_no IS NULL
                    AND instant - began_at >= 30 * 86400000000 THEN 'no_activity'
                WHEN expectation.day < today THEN 'overdue' END AS word
    FROM (
        SELECT open_deal.*, instant, turn, today
        FROM open_deal JOIN (SELECT moment, instant, turn, day_of(instant) AS today FROM period) AS period
            ON period.moment = open_deal.moment
    ) AS told
    JOIN (SELECT deal_no, source, began_at FROM deal) AS deal ON deal.deal_no = told.deal_no
    LEFT JOIN active_source ON active_source.source = deal.source
    LEFT JOIN usual_stay ON usual_stay.turn = told.turn AND usual_stay.stage_no = told.stage_no
    LEFT JOIN expectation ON expectation.deal_no = told.deal_no AND since <= instant AND instant < until
    LEFT JOIN touched ON touched.deal_no = told.deal_no AND touched.turn = told.turn
)
WHERE word IS NOT NULL;
