-- Contracts: from the win to all signatures. One view per metric, one row per member; a contract is its deal's owner's.

CREATE TABLE contract_told AS
SELECT row_number() OVER ()::INTEGER AS contract_no, source, id, deal,
       CASE WHEN sent_at <= getvariable('as_of') THEN sent_at END AS sent_at,
       CASE WHEN signed_at <= getvariable('as_of') THEN signed_at END AS signed_at,
       state NOT IN ('cancelled', 'declined', 'voided') AS counts
FROM raw_contract;

-- The deals that contracts name.
CREATE TABLE contracted AS
SELECT deal_no, source || ':' || id AS name FROM deal
SEMI JOIN (SELECT DISTINCT deal FROM contract_told) AS named ON named.deal = deal.source || ':' || deal.id;

CREATE TABLE contracted_stage AS
SELECT deal_no, stage_no FROM held SEMI JOIN contracted USING (deal_no);

CREATE TABLE contracted_won AS
SELECT deal_no, closed_at AS won_at FROM closing SEMI JOIN contracted USING (deal_no) WHERE outcome = 'won';

CREATE TABLE contracted_owner AS
SELECT ownership.* FROM ownership SEMI JOIN contracted USING (deal_no);

CREATE TABLE contract AS
SELECT told.contract_no, told.source, told.id, told.sent_at, told.signed_at, contracted_won.won_at,
       contracted_stage.stage_no, coalesce(contracted_owner.owner_no, 0) AS owner_no
FROM contract_told AS told
LEFT JOIN contracted ON contracted.name = told.deal
LEFT JOIN contracted_stage ON contracted_stage.deal_no = contracted.deal_no
LEFT JOIN contracted_won ON contracted_won.deal_no = contracted.deal_no
LEFT JOIN contracted_owner ON contracted_owner.deal_no = contracted.deal_no
    AND contracted_owner.since <= coalesce(told.signed_at, getvariable('as_of'))
    AND coalesce(told.signed_at, getvariable('as_of')) < contracted_owner.until
WHERE told.counts;

DROP TABLE contract_told;

-- Where the history of contracts begins.
CREATE VIEW contract_history AS SELECT coalesce(least(sent_at, signed_at), won_at) AS began_at FROM contract;

-- From the win to the last signature; a contract signed before the win is negative and kept (R17).
CREATE VIEW member_contract_signed_lag AS
SELECT contract_no AS record, stage_no, signed_at AS event_at, won_at AS cohort_at, owner_no, TRUE AS is_denominator,
       signed_at - won_at AS duration
FROM contract WHERE signed_at IS NOT NULL AND won_at IS NOT NULL;

-- From sending to signing; signed before it was sent is an error of that one document, left out (R17).
CREATE VIEW member_e_sign_turnaround AS
SELECT contract_no AS record, stage_no, signed_at AS event_at, sent_at AS cohort_at, owner_no, TRUE AS is_denominator,
       CASE WHEN signed_at >= sent_at THEN signed_at - sent_at END AS duration,
       CASE WHEN signed_at >= sent_at THEN '' ELSE 'duration' END AS left_out
FROM contract WHERE signed_at IS NOT NULL AND sent_at IS NOT NULL;

-- Unsigned at the end of the period, so many days after the win; of a deal that is not won, after sending.
CREATE VIEW member_contracts_unsigned AS
SELECT contract_no AS record, stage_no, instant AS event_at, owner_no, TRUE AS is_numerator
FROM (
    SELECT contract_no, stage_no, owner_no,
           unnest(range(
               instants_before(coalesce(won_at, sent_at) + getvariable('days') * 86400000000),
               instants_before(coalesce(signed_at, 9223372036854775807)))) AS turn
    FROM contract WHERE coalesce(won_at, sent_at) IS NOT NULL
) AS open
JOIN period USING (turn);
