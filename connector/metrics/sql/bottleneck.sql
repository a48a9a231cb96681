-- Which stages deals reached (stages.sql) is asked several times from here on: made once, under the same name.
CREATE TABLE reached_once AS FROM reached;

DROP VIEW reached;

ALTER TABLE reached_once RENAME TO reached;

-- What became of the deals that got past a stage.
CREATE TABLE passed AS
SELECT reached.deal_no, reached.stage_no, event_at, reached.actor_no, outcome, amount, left_out
FROM (FROM reached WHERE further_at IS NOT NULL) AS reached
JOIN closing ON closing.deal_no = reached.deal_no;

CREATE VIEW member_won_after_stage AS
SELECT deal_no AS record, stage_no, event_at, event_at AS cohort_at, actor_no, outcome = 'won' AS is_numerator,
       TRUE AS is_denominator
FROM passed;

CREATE VIEW member_value_after_stage AS
SELECT deal_no AS record, stage_no, event_at, event_at AS cohort_at, actor_no, TRUE AS is_numerator,
       left_out = '' AS is_denominator, amount, left_out
FROM passed WHERE outcome = 'won';
