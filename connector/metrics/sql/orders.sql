-- Orders, and what followed them: deliveries, invoices, payments. One view per metric, one row per member.
--
-- Nothing that happened after the as-of moment is known; a day that was agreed (required, due) may lie beyond it. Drafts
-- and cancelled documents count nowhere. An invoice that a credit note took back as a whole (state `credited`) was
-- invoiced, but is no step of its order and falls due no more; it and the note, `credited` too, leave nothing owed
-- between them. Owners that only these documents name come after the others.

CREATE TABLE order_told AS
SELECT row_number() OVER ()::INTEGER AS sales_order_no, source, id, source || ':' || id AS name, deal, account, owner,
       amount, currency, CASE WHEN ordered_at <= getvariable('as_of') THEN ordered_at END AS ordered_at, required_at,
       state, state NOT IN ('draft', 'cancelled') AS counts
FROM raw_sales_order;

CREATE TABLE invoice_told AS
SELECT row_number() OVER ()::INTEGER AS invoice_no, source, id, source || ':' || id AS name, sales_order, account,
       owner, kind = 'credit_note' AS is_credit,
       CASE kind WHEN 'credit_note' THEN -abs(amount) ELSE amount END AS amount, currency,
       CASE WHEN invoiced_at <= getvariable('as_of') THEN invoiced_at END AS invoiced_at, due_at,
       state = 'paid' AS is_paid, state = 'credited' AS is_taken_back
FROM raw_invoice WHERE state NOT IN ('draft', 'cancelled');

INSERT INTO holder
SELECT (SELECT max(owner_no) FROM holder) + row_number() OVER (), owner
FROM (SELECT owner FROM order_told UNION SELECT owner FROM invoice_told) ANTI JOIN holder USING (owner);

-- The deals that orders name, with their stage and when they were won.
CREATE TABLE ordered_deal AS
SELECT deal_no, source || ':' || id AS name FROM deal
SEMI JOIN (SELECT DISTINCT deal FROM order_told) AS named ON named.deal = deal.source || ':' || deal.id;

CREATE TABLE ordered_deal_stage AS
SELECT deal_no, stage_no FROM held SEMI JOIN ordered_deal USING (deal_no);

CREATE TABLE ordered_deal_won AS
SELECT deal_no, closed_at AS won_at FROM closing SEMI JOIN ordered_deal USING (deal_no) WHERE outcome = 'won';

CREATE TABLE ordered_deal_owner AS
SELECT ownership.* FROM ownership SEMI JOIN ordered_deal USING (deal_no);

-- Orders, with their money at the rate of their day (R13). An order without owner is its deal's owner's.
CREATE TABLE sales_order AS
SELECT told.sales_order_no, told.source, told.id, told.name, told.account, told.amount AS own_amount, told.currency,
       told.ordered_at, told.required_at, told.state, told.counts, ordered_deal.deal_no, ordered_deal_stage.stage_no,
       ordered_deal_won.won_at, coalesce(holder.owner_no, ordered_deal_owner.owner_no, 0) AS owner_no,
       in_base(told.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN told.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM order_told AS told
LEFT JOIN ordered_deal ON ordered_deal.name = told.deal
LEFT JOIN ordered_deal_stage ON ordered_deal_stage.deal_no = ordered_deal.deal_no
LEFT JOIN ordered_deal_won ON ordered_deal_won.deal_no = ordered_deal.deal_no
LEFT JOIN holder ON holder.owner = nullif(told.owner, '')
LEFT JOIN ordered_deal_owner ON ordered_deal_owner.deal_no = ordered_deal.deal_no
    AND ordered_deal_owner.since <= coalesce(told.ordered_at, getvariable('as_of'))
    AND coalesce(told.ordered_at, getvariable('as_of')) < ordered_deal_owner.until
LEFT JOIN rate_in AS rate ON rate.currency = told.currency AND rate.stretch = stretch_of(told.ordered_at)
    AND rate.since <= told.ordered_at AND told.ordered_at < rate.until;

DROP TABLE order_told;

-- When an order was delivered: first, and as a whole. Notes that say whether they complete it decide; where none does,
-- the last one so far is taken as the last one.
CREATE TABLE delivery AS
SELECT sales_order_no, min(delivered_at) AS first_at,
       CASE WHEN bool_or(complete = 1) THEN max(delivered_at) FILTER (complete = 1)
            WHEN count(complete) = 0 OR any_value(sales_order.state) = 'done' THEN max(delivered_at) END AS complete_at
FROM raw_delivery_note AS told JOIN sales_order ON sales_order.name = told.sales_order
GROUP BY sales_order_no;

-- What was paid of an invoice, in the invoice's currency; in another one at the rates of the day of payment. A refund
-- of a credit note counts against it, with whatever sign it is told.
CREATE TABLE paid AS
SELECT invoice_no, told.paid_at, told.id,
       CASE WHEN is_credit THEN -abs(worth) ELSE worth END AS amount
FROM (
    SELECT invoice_no, is_credit, told.paid_at, told.id,
           CASE WHEN told.currency = invoice_told.currency THEN told.amount
                ELSE scaled(in_base(told.amount, own.top, own.bottom) // getvariable('money_step'),
                            theirs.bottom, theirs.top) END AS worth
    FROM raw_payment AS told
    JOIN invoice_told ON invoice_told.name = told.invoice
    LEFT JOIN rate_in AS own ON own.currency = told.currency AND own.stretch = stretch_of(told.paid_at)
        AND own.since <= told.paid_at AND told.paid_at < own.until
    LEFT JOIN rate_in AS theirs ON theirs.currency = invoice_told.currency AND theirs.stretch = stretch_of(told.paid_at)
        AND theirs.since <= told.paid_at AND told.paid_at < theirs.until
) AS told;

-- When an invoice was paid: first, and as a whole, which is when the payments reach its amount, or the last one of an
-- invoice whose state says so.
CREATE TABLE settlement AS
SELECT invoice_no, min(paid_at) AS first_at, max(paid_at) AS last_at,
       CASE WHEN any_value(is_paid) THEN max(paid_at) ELSE min(paid_at) FILTER (so_far >= abs(amount)) END AS complete_at
FROM (
    SELECT invoice_no, is_paid, invoice_told.amount, paid.paid_at,
           abs(sum(paid.amount) OVER (PARTITION BY invoice_no ORDER BY paid.paid_at, paid.id)) AS so_far
    FROM paid JOIN invoice_told USING (invoice_no)
)
GROUP BY invoice_no;

-- Invoices and credit notes (these with negative money), at the rate of their day. One without owner is its order's.
CREATE TABLE invoice AS
SELECT told.invoice_no, told.source, told.id, told.account, told.is_credit, told.is_paid, told.amount AS own_amount,
       told.currency, told.invoiced_at, told.due_at, told.is_taken_back, sales_order.sales_order_no,
       sales_order.stage_no, settlement.first_at, settlement.last_at,
       coalesce(settlement.complete_at, CASE told.amount WHEN 0 THEN told.invoiced_at END) AS complete_at,
       coalesce(holder.owner_no, sales_order.owner_no, 0) AS owner_no,
       in_base(told.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN told.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM invoice_told AS told
LEFT JOIN sales_order ON sales_order.name = told.sales_order
LEFT JOIN settlement ON settlement.invoice_no = told.invoice_no
LEFT JOIN holder ON holder.owner = nullif(told.owner, '')
LEFT JOIN rate_in AS rate ON rate.currency = told.currency AND rate.stretch = stretch_of(told.invoiced_at)
    AND rate.since <= told.invoiced_at AND told.invoiced_at < rate.until;

DROP TABLE invoice_told;

DROP TABLE settlement;

-- When an order was invoiced: first, and as a whole, which is when its invoices reach its amount, or the last one of an
-- order that is done. Where that cannot be compared, the last one so far is taken as the last one.
CREATE TABLE invoicing AS
SELECT sales_order_no, min(invoiced_at) AS first_at,
       CASE WHEN any_value(is_done) OR bool_or(so_far IS NULL) THEN max(invoiced_at)
            ELSE min(invoiced_at) FILTER (so_far >= ordered) END AS complete_at,
       bool_and(complete_at IS NOT NULL) AS is_settled, min(first_at) AS first_paid_at, max(complete_at) AS settled_at
FROM (
    SELECT invoice.sales_order_no, invoice.invoiced_at, invoice.complete_at, invoice.first_at,
           sales_order.state = 'done' AS is_done, sales_order.own_amount AS ordered,
           CASE WHEN sales_order.own_amount > 0 AND bool_and(sales_order.currency = invoice.currency) OVER same
                THEN sum(invoice.own_amount) OVER (same ORDER BY invoice.invoiced_at, invoice.id) END AS so_far
    FROM invoice JOIN sales_order USING (sales_order_no)
    WHERE NOT invoice.is_credit AND NOT invoice.is_taken_back AND invoice.invoiced_at IS NOT NULL
    WINDOW same AS (PARTITION BY invoice.sales_order_no)
)
GROUP BY sales_order_no;

-- The way of an order, by the variant asked for: its first delivery, invoice and payment, or the completing ones.
CREATE VIEW order_way AS
SELECT sales_order_no, source, id, stage_no, owner_no, ordered_at, required_at, won_at,
       CASE getvariable('variant') WHEN 'first' THEN delivery.first_at ELSE delivery.complete_at END AS delivered_at,
       CASE getvariable('variant') WHEN 'first' THEN invoicing.first_at ELSE invoicing.complete_at END AS invoiced_at,
       CASE WHEN getvariable('variant') = 'first' THEN first_paid_at
            WHEN is_settled AND invoicing.complete_at IS NOT NULL THEN settled_at END AS paid_at
FROM sales_order
LEFT JOIN delivery USING (sales_order_no)
LEFT JOIN invoicing USING (sales_order_no)
WHERE counts;

-- Where the history of orders and invoices begins.
CREATE VIEW order_history AS
SELECT ordered_at AS began_at FROM sales_order UNION ALL SELECT invoiced_at FROM invoice;

-- Orders placed.
CREATE VIEW member_order_count AS
SELECT sales_order_no AS record, stage_no, ordered_at AS event_at, owner_no, TRUE AS is_numerator
FROM sales_order WHERE counts AND ordered_at IS NOT NULL;

-- Their money; one without amount or rate is in the count, not in the sum, and is reported as left out (R13, R14).
CREATE VIEW member_order_value AS
SELECT sales_order_no AS record, stage_no, ordered_at AS event_at, owner_no, TRUE AS is_numerator, amount, left_out
FROM sales_order WHERE counts AND ordered_at IS NOT NULL;

-- From the winning of the deal to its order; a step between documents may be negative and is kept (R17).
CREATE VIEW member_deal_to_order_lag AS
SELECT sales_order_no AS record, stage_no, ordered_at AS event_at, won_at AS cohort_at, owner_no, TRUE AS is_denominator,
       ordered_at - won_at AS duration
FROM sales_order WHERE counts AND ordered_at IS NOT NULL AND won_at IS NOT NULL;

CREATE VIEW member_order_to_delivery AS
SELECT sales_order_no AS record, stage_no, delivered_at AS event_at, ordered_at AS cohort_at, owner_no,
       TRUE AS is_denominator, delivered_at - ordered_at AS duration
FROM order_way WHERE delivered_at IS NOT NULL AND ordered_at IS NOT NULL;

CREATE VIEW member_delivery_to_invoice AS
SELECT sales_order_no AS record, stage_no, invoiced_at AS event_at, delivered_at AS cohort_at, owner_no,
       TRUE AS is_denominator, invoiced_at - delivered_at AS duration
FROM order_way WHERE invoiced_at IS NOT NULL AND delivered_at IS NOT NULL;

CREATE VIEW member_order_to_cash AS
SELECT sales_order_no AS record, stage_no, paid_at AS event_at, ordered_at AS cohort_at, owner_no,
       TRUE AS is_denominator, paid_at - ordered_at AS duration
FROM order_way WHERE paid_at IS NOT NULL AND ordered_at IS NOT NULL;

-- From each invoice to its money; a prepayment is negative.
CREATE VIEW member_invoice_to_payment AS
SELECT invoice_no AS record, stage_no, paid_at AS event_at, invoiced_at AS cohort_at, owner_no, TRUE AS is_denominator,
       paid_at - invoiced_at AS duration
FROM (
    SELECT *, CASE getvariable('variant') WHEN 'first' THEN first_at ELSE complete_at END AS paid_at
    FROM invoice WHERE NOT is_credit AND invoiced_at IS NOT NULL AND own_amount IS DISTINCT FROM 0
)
WHERE paid_at IS NOT NULL;

-- Orders delivered; on time is on the agreed day at the latest. One without such a day is in neither.
CREATE VIEW member_on_time_rate AS
SELECT sales_order_no AS record, stage_no, delivered_at AS event_at, ordered_at AS cohort_at, owner_no,
       TRUE AS is_denominator, day_of(delivered_at) <= day_of(required_at) AS is_numerator
FROM order_way WHERE delivered_at IS NOT NULL AND required_at IS NOT NULL;

-- By how much orders came after the end of the agreed day; 0 on time.
CREATE VIEW member_delivery_delay AS
SELECT sales_order_no AS record, stage_no, delivered_at AS event_at, ordered_at AS cohort_at, owner_no,
       TRUE AS is_denominator, (greatest(day_of(delivered_at) - day_of(required_at), 0) * 86400000000)::BIGINT AS duration
FROM order_way WHERE delivered_at IS NOT NULL AND required_at IS NOT NULL;

-- Invoices due; late is paid after the due day, or unpaid once it is over. One that is said to be paid, nobody knows
-- when, is in neither.
CREATE VIEW member_late_payment_rate AS
SELECT invoice_no AS record, stage_no, due_at AS event_at, invoiced_at AS cohort_at, owner_no, TRUE AS is_denominator,
       day_of(coalesce(complete_at, getvariable('as_of'))) > day_of(due_at) AS is_numerator
FROM invoice
WHERE NOT is_credit AND NOT is_taken_back AND invoiced_at IS NOT NULL AND due_at <= getvariable('as_of')
  AND own_amount IS DISTINCT FROM 0
  AND (complete_at IS NOT NULL OR NOT is_paid);

-- Money invoiced; credit notes reduce it.
CREATE VIEW member_invoiced_value AS
SELECT invoice_no AS record, stage_no, invoiced_at AS event_at, owner_no, TRUE AS is_numerator, amount, left_out
FROM invoice WHERE invoiced_at IS NOT NULL;

-- What each invoice (or credit note, negative) leaves to be paid, from `since` to `until`; NULL where an amount is not
-- known. Money that came before the invoice reduces it from the start. Once the state says paid, nothing is owed after
-- the last payment.
CREATE TABLE owed AS
SELECT invoice_no, since, until, rest AS amount
FROM (
    SELECT move.invoice_no, move.at AS since, lead(move.at, 1, 9223372036854775807) OVER chain AS until,
           CASE WHEN bool_and(move.amount IS NOT NULL) OVER chain THEN sum(move.amount) OVER chain END AS rest,
           is_paid AND (last_at IS NULL OR move.at >= last_at) AS is_over
    FROM (
        SELECT invoice_no, invoiced_at AS at, own_amount AS amount FROM invoice
        UNION ALL
        SELECT invoice_no, greatest(paid_at, invoiced_at), -paid.amount FROM paid JOIN invoice USING (invoice_no)
    ) AS move
    JOIN invoice USING (invoice_no)
    WHERE invoiced_at IS NOT NULL
    WINDOW chain AS (PARTITION BY move.invoice_no ORDER BY move.at)
)
WHERE until > since AND rest IS DISTINCT FROM 0 AND NOT is_over;

-- The rate of each currency at each period's instant.
CREATE VIEW rate_then AS
SELECT asked.period, asked.currency, top, bottom
FROM (SELECT period, instant, currency FROM period CROSS JOIN (SELECT DISTINCT currency FROM rate)) AS asked
ASOF JOIN rate ON rate.currency = asked.currency AND asked.instant >= rate.since;

-- Orders not wholly delivered at the end of the period, at that day's rate. One that is done without a delivery told is
-- not open, nobody knows since when.
CREATE VIEW member_open_orders AS
SELECT sales_order_no AS record, stage_no, instant AS event_at, owner_no, TRUE AS is_numerator,
       in_base(own_amount, rate.top, rate.bottom) AS amount,
       CASE WHEN own_amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT sales_order_no, stage_no, owner_no, own_amount, currency,
           unnest(range(instants_before(ordered_at), instants_before(coalesce(complete_at, 9223372036854775807)))) AS turn
    FROM sales_order LEFT JOIN delivery USING (sales_order_no)
    WHERE counts AND ordered_at IS NOT NULL AND (complete_at IS NOT NULL OR state <> 'done')
) AS open
JOIN period USING (turn)
LEFT JOIN rate_then AS rate ON rate.period = period.period AND rate.currency = open.currency;

-- What customers owe at the end of the period, at that day's rate.
CREATE VIEW member_receivables AS
SELECT invoice_no AS record, stage_no, instant AS event_at, owner_no, TRUE AS is_numerator,
       in_base(open.amount, rate.top, rate.bottom) AS amount,
       CASE WHEN open.amount IS NULL THEN 'amount' WHEN rate.top IS NULL THEN 'rate' ELSE '' END AS left_out
FROM (
    SELECT invoice_no, amount, unnest(range(instants_before(since), instants_before(until))) AS turn FROM owed
) AS open
JOIN period USING (turn)
JOIN (SELECT invoice_no, stage_no, owner_no, currency FROM invoice) AS invoice USING (invoice_no)
LEFT JOIN rate_then AS rate ON rate.period = period.period AND rate.currency = invoice.currency;
