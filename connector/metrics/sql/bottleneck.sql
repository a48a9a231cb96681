-- What became of the deals that got past a stage (of stages.sql: how far a deal got in a pipeline).
CREATE TABLE passed AS
SELECT reached.deal_no, reached.stage_no, event_at, reached.actor_no, outcome, amount, left_out
FROM (
    SELECT deal_no, stage.stage_no, min(entered_at) AS event_at, arg_min(entered_by, entered_at) AS actor_no
    FROM advance JOIN stage
        ON stage.pipeline_no = advance.pipeline_no AND stage.kind = 'open' AND stage.position <= advance.position
    GROUP BY deal_no, stage.stage_no
    HAVING max(advance.position) > any_value(stage.position)
) AS reached
JOIN closing ON closing.deal_no = reached.deal_no;

CREATE VIEW member_won_after_stage AS
SELECT deal_no AS record, stage_no, event_at, event_at AS cohort_at, actor_no, outcome = 'won' AS is_numerator,
       TRUE AS is_denominator
FROM passed;

CREATE VIEW member_value_after_stage AS
SELECT deal_no AS record, stage_no, event_at, event_at AS cohort_at, actor_no, TRUE AS is_numerator,
       left_out = '' AS is_denominator, amount, left_out
FROM passed WHERE outcome = 'won';
