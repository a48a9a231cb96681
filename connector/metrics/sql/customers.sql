-- Customers: who buys for the first time, who again, who no longer. One view per metric, one row per member.
--
-- A purchase is a won deal, an order or an invoice: the option `source` says which. The customer of each is an account;
-- one that is only named by them counts too. Needs the family orders.

CREATE TABLE won_deal AS
SELECT deal_no, account, amount AS own_amount, currency FROM deal
SEMI JOIN (SELECT deal_no FROM closing WHERE outcome = 'won') AS won USING (deal_no);

CREATE TABLE account_told AS
SELECT source || ':' || id AS name, owner FROM raw_account;

INSERT INTO holder
SELECT (SELECT max(owner_no) FROM holder) + row_number() OVER (), owner
FROM (SELECT DISTINCT owner FROM account_told ANTI JOIN holder USING (owner));

CREATE TABLE account AS
SELECT row_number() OVER ()::INTEGER AS account_no, split_part(name, ':', 1) AS source,
       substr(name, length(split_part(name, ':', 1)) + 2) AS id, name, coalesce(holder.owner_no, 0) AS owner_no
FROM (
    SELECT name FROM account_told
    UNION SELECT account FROM won_deal WHERE account <> ''
    UNION SELECT account FROM sales_order WHERE account <> ''
    UNION SELECT account FROM invoice WHERE account <> ''
)
LEFT JOIN account_told USING (name)
LEFT JOIN holder ON holder.owner = account_told.owner;

DROP TABLE account_told;

-- What was bought; a credit note is money, but nothing bought. A deal that was already won when it was first seen, and
-- does not say when, has no `bought_at`: it was bought before all that have.
CREATE TABLE purchase AS
SELECT kind::ENUM ('won', 'ordered', 'invoiced') AS kind, record, account_no, bought_at, is_credit, own_amount,
       currency, amount, left_out
FROM (
    SELECT 'won' AS kind, closing.deal_no AS record, account AS name, closed_at AS bought_at, FALSE AS is_credit,
           own_amount, currency, closing.amount, left_out
    FROM closing
    JOIN won_deal ON won_deal.deal_no = closing.deal_no
    UNION ALL
    SELECT 'ordered', sales_order_no, account, ordered_at, FALSE, own_amount, currency, amount, left_out
    FROM sales_order WHERE counts AND ordered_at IS NOT NULL
    UNION ALL
    SELECT 'invoiced', invoice_no, account, invoiced_at, is_credit, own_amount, currency, amount, left_out
    FROM invoice WHERE invoiced_at IS NOT NULL
) AS bought
LEFT JOIN (SELECT account_no, name FROM account) AS account USING (name);

DROP TABLE won_deal;

-- The day of each customer's first purchase of a kind, over all history.
CREATE TABLE first_purchase AS
SELECT kind, account_no, min(coalesce(day_of(bought_at), -1000000)) AS first_day
FROM purchase WHERE account_no IS NOT NULL AND NOT is_credit
GROUP BY kind, account_no;

-- Money of a customer's first buying day is new, of any later one repeat; without a customer it is unknown.
CREATE TABLE new_or_repeat AS
SELECT kind, record, bought_at, amount, left_out,
       (CASE WHEN account_no IS NULL THEN 'unknown' WHEN day_of(bought_at) > first_day THEN 'repeat' ELSE 'new' END)
           ::ENUM ('new', 'repeat', 'unknown') AS word
FROM purchase
LEFT JOIN first_purchase USING (kind, account_no)
WHERE bought_at IS NOT NULL;

CREATE VIEW member_won_by_customer AS
SELECT bought.record, closing.stage_no, closed_at AS event_at, began_at AS cohort_at, actor_no, TRUE AS is_numerator,
       bought.amount, bought.left_out, word::VARCHAR AS word
FROM closing JOIN (FROM new_or_repeat WHERE kind = 'won') AS bought ON bought.record = closing.deal_no;

CREATE VIEW member_ordered_by_customer AS
SELECT bought.record, stage_no, ordered_at AS event_at, owner_no, TRUE AS is_numerator, bought.amount, bought.left_out,
       word::VARCHAR AS word
FROM sales_order JOIN (FROM new_or_repeat WHERE kind = 'ordered') AS bought ON bought.record = sales_order_no;

CREATE VIEW member_invoiced_by_customer AS
SELECT bought.record, stage_no, invoiced_at AS event_at, owner_no, TRUE AS is_numerator, bought.amount, bought.left_out,
       word::VARCHAR AS word
FROM invoice JOIN (FROM new_or_repeat WHERE kind = 'invoiced') AS bought ON bought.record = invoice_no;

-- The purchases of known customers, of the kind asked for.
CREATE VIEW buying AS
SELECT * FROM purchase
WHERE kind = getvariable('source') AND account_no IS NOT NULL AND bought_at IS NOT NULL;

-- Customers by their first purchase, over all history; one that bought before the first day we know is no new one.
CREATE VIEW member_new_customers AS
SELECT account_no AS record, min(bought_at) AS event_at, any_value(owner_no) AS owner_no, TRUE AS is_numerator
FROM purchase JOIN account USING (account_no)
WHERE kind = getvariable('source') AND NOT is_credit
GROUP BY account_no HAVING bool_and(bought_at IS NOT NULL);

-- Customers who bought in the period before, and whether they bought again in this one.
CREATE VIEW member_customer_retention AS
SELECT account_no AS record, instant AS event_at, owner_no, TRUE AS is_denominator, is_again AS is_numerator
FROM (
    SELECT account_no, period, bool_or(is_now) AS is_again
    FROM (
        SELECT account_no, period_of(bought_at) AS period, TRUE AS is_now FROM buying WHERE NOT is_credit
        UNION ALL
        SELECT account_no, period_after(bought_at), FALSE FROM buying WHERE NOT is_credit
    )
    WHERE period IS NOT NULL
    GROUP BY account_no, period HAVING bool_or(NOT is_now)
) AS kept
JOIN period USING (period)
JOIN account USING (account_no);

-- What customers of the period before spent then and spend now, both at the rates of this period's end (R13): a change
-- of rates is no change of customers.
CREATE VIEW spending AS
SELECT account_no, instant, owner_no, spent_before, spent_now, left_out
FROM (
    SELECT account_no, period, coalesce(sum(amount) FILTER (NOT is_now), 0)::BIGINT AS spent_before,
           coalesce(sum(amount) FILTER (is_now), 0)::BIGINT AS spent_now,
           CASE WHEN bool_or(own_amount IS NULL) THEN 'amount' WHEN bool_or(amount IS NULL) THEN 'rate' ELSE '' END
               AS left_out
    FROM (
        SELECT account_no, bought.period, is_now, is_credit, own_amount,
               in_base(own_amount, rate.top, rate.bottom) AS amount
        FROM (
            SELECT account_no, period_of(bought_at) AS period, TRUE AS is_now, is_credit, own_amount, currency
            FROM buying
            UNION ALL
            SELECT account_no, period_after(bought_at), FALSE, is_credit, own_amount, currency FROM buying
        ) AS bought
        LEFT JOIN rate_then AS rate ON rate.period = bought.period AND rate.currency = bought.currency
        WHERE bought.period IS NOT NULL
    )
    GROUP BY account_no, period HAVING bool_or(NOT is_now AND NOT is_credit)
) AS spent
JOIN period USING (period)
JOIN account USING (account_no);

-- A customer is there twice: with what it spends now, and with what it spent before.
CREATE VIEW member_revenue_retention_net AS
SELECT account_no AS record, instant AS event_at, owner_no, NOT is_base AS is_numerator, is_base AS is_denominator,
       CASE WHEN is_base THEN spent_before ELSE spent_now END AS amount, left_out
FROM spending CROSS JOIN (VALUES (FALSE), (TRUE)) AS side(is_base);

CREATE VIEW member_revenue_retention_gross AS
SELECT account_no AS record, instant AS event_at, owner_no, NOT is_base AS is_numerator, is_base AS is_denominator,
       CASE WHEN is_base THEN spent_before ELSE least(spent_now, spent_before) END AS amount, left_out
FROM spending CROSS JOIN (VALUES (FALSE), (TRUE)) AS side(is_base);

-- What each customer spent, and whether it is among the fifth (rounded up) of the company's customers who spent most.
CREATE VIEW member_concentration AS
SELECT account_no AS record, instant AS event_at, owner_no, TRUE AS is_denominator, place <= (customers + 4) // 5
           AS is_numerator, amount, left_out
FROM (
    SELECT *, row_number() OVER (PARTITION BY period ORDER BY amount DESC, account_no) AS place,
           count(*) OVER (PARTITION BY period) AS customers
    FROM (
        SELECT account_no, period, coalesce(sum(amount), 0)::BIGINT AS amount,
               CASE WHEN bool_or(left_out = 'amount') THEN 'amount' WHEN bool_or(left_out = 'rate') THEN 'rate' ELSE ''
                   END AS left_out
        FROM (SELECT *, period_of(bought_at) AS period FROM buying)
        WHERE period IS NOT NULL
        GROUP BY account_no, period HAVING bool_or(NOT is_credit)
    )
) AS spent
JOIN period USING (period)
JOIN account USING (account_no);
