-- Winning and losing. One view per metric, one row per member; `event_at` is the close, `cohort_at` the beginning.

-- Deals won.
CREATE VIEW member_won_count AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_numerator
FROM closing WHERE outcome = 'won';

-- Their money. A deal without amount or rate is in the count, not in the sum, and is reported as left out (R13, R14).
CREATE VIEW member_won_value AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_numerator,
       amount, left_out
FROM closing WHERE outcome = 'won';

-- Won value / deals won that have a value.
CREATE VIEW member_average_deal_value AS
SELECT *, left_out = '' AS is_denominator FROM member_won_value;

-- Won / (won + lost).
CREATE VIEW member_win_rate_count AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
       outcome = 'won' AS is_numerator, TRUE AS is_denominator
FROM closing;

-- Won value / (won + lost value); deals without amount are out of both.
CREATE VIEW member_win_rate_value AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no,
       outcome = 'won' AS is_numerator, TRUE AS is_denominator, amount, left_out
FROM closing;

-- Deals lost, with the reason at the final loss; none given is a row of its own.
CREATE VIEW member_lost_reasons AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_numerator,
       amount, left_out
FROM closing WHERE outcome = 'lost';

-- Days from the beginning to the close of won deals; one closed before it began is a data error, left out (R17).
CREATE VIEW member_cycle_length AS
SELECT deal_no AS record, stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_denominator,
       CASE WHEN closed_at >= began_at THEN closed_at - began_at END AS duration,
       CASE WHEN closed_at >= began_at THEN '' ELSE 'duration' END AS left_out
FROM closing WHERE outcome = 'won';
