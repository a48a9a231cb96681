"""Orders, invoices and cash of a real Tryton: each month's numbers equal sums over what the server itself answers.

An accountant posts, takes money, credits and matches by the server's own API (`tryton_clerk`). Then every expected
value is made from `search_read` answers in plain Python: exact decimals, to the cent, and days to the microsecond.
Amounts are without tax, as in mappings/tryton.yaml; what is owed is checked against the server's books as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from tests.product.tryton_clerk import Clerk
from tests.product.tryton_install import BY_LOGIN, Installed, installed
from tests.product.tryton_server import Server, decimal
from tests.real_servers import running

pytestmark = pytest.mark.real

LOCAL = timezone(timedelta(hours=7))
MONTHS = [f"2026-{number:02}" for number in range(1, 11)]
CENT = Decimal("0.01")
KPIS = """\
kpis:
  - {id: orders, metric: order_count, every: month}
  - {id: ordered, metric: order_value, every: month}
  - {id: invoiced, metric: invoiced_value, every: month}
  - {id: owed, metric: receivables, every: month}
  - {id: dso, metric: dso, every: month}
  - {id: cash, metric: order_to_cash, every: month}
  - {id: paid, metric: invoice_to_payment, every: month}
  - {id: late, metric: late_payment_rate, every: month}
  - {id: bought, metric: new_vs_repeat_revenue, every: month}
"""
LINES = tuple(
    f"{lines}.{field}" for lines in ("lines_to_pay", "payment_lines", "reconciliation_lines")
    for field in ("date", "amount", "amount_currency.code", "reconciliation", "maturity_date")
)


def told_day(tag: dict[str, Any]) -> date:
    """Their tagged date."""
    return date(tag["year"], tag["month"], tag["day"])


def month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def last_day(month: str) -> date:
    year, number = map(int, month.split("-"))
    return date(year + number // 12, number % 12 + 1, 1) - timedelta(days=1)


@dataclass(frozen=True)
class Invoice:
    """A numbered invoice as the server tells it: amounts in its currency, `settled` the day it was wholly paid."""

    id: int
    sale: int | None
    party: int
    currency: str
    on: date
    due: date
    untaxed: Decimal
    total: Decimal
    paid: tuple[tuple[date, Decimal], ...]
    settled: date | None
    is_refunded: bool

    def left(self, day: date) -> Decimal:
        """What was to be paid at the end of a day, with tax: nothing once the last line of its match is booked."""
        if day < self.on or (self.settled and self.settled <= day):
            return Decimal(0)
        return self.total - sum(amount for on, amount in self.paid if on <= day)


class Told:
    """What the server says of its sales, invoices, customers and rates."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.rates: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
        for row in server.rows("currency.currency.rate", "currency.code", "date", "rate"):
            self.rates[row["currency."]["code"]].append((told_day(row["date"]), decimal(row["rate"])))
        fields = ("state", "sale_date", "party", "untaxed_amount", "currency.code")
        self.sales = [
            row for row in server.rows("sale.sale", *fields) if row["state"] in ("confirmed", "processing", "done")
        ]
        self.invoices = list(self._invoices())

    def _invoices(self) -> Iterator[Invoice]:
        fields = ("party", "currency.code", "invoice_date", "untaxed_amount", "total_amount", "sales", "state",
                  "cancel_move", "move", *LINES)
        rows = self.server.rows("account.invoice", *fields, domain=(["type", "=", "out"], ["number", "!=", None]))
        notes = {row["move"]: row for row in rows}
        for row in rows:
            numbers = {line["reconciliation"] for line in row["lines_to_pay."]}
            refund, code = notes.get(row["cancel_move"]), row["currency."]["code"]
            dates = [told_day(line["date"]) for line in row["reconciliation_lines."]
                     if line["amount_currency."]["code"] == code]  # the others are differences of exchange rates
            yield Invoice(
                row["id"], next(iter(row["sales"]), None), row["party"], code,
                told_day(row["invoice_date"]), max(told_day(line["maturity_date"]) for line in row["lines_to_pay."]),
                decimal(row["untaxed_amount"]), decimal(row["total_amount"]),
                tuple((told_day(line["date"]), -decimal(line["amount"])) for line in row["payment_lines."]),
                None if None in numbers else max(dates), refund is not None,
            )

    def euros(self, amount: Decimal, currency: str, day: date) -> Decimal:
        """At the rate of that day, to the cent (R13)."""
        _, per_euro = max(one for one in self.rates[currency] if one[0] <= day)
        return (amount / per_euro).quantize(CENT, ROUND_HALF_EVEN)

    def owed(self, invoice: Invoice, day: date) -> Decimal:
        """What is left of an invoice without its tax, in its currency."""
        so_far = invoice.untaxed * (invoice.total - invoice.left(day)) / invoice.total
        smallest = Decimal(1) if invoice.currency == "JPY" else CENT
        return invoice.untaxed - so_far.quantize(smallest, ROUND_HALF_EVEN)

    def receivables(self, month: str) -> Decimal:
        end = last_day(month)
        open_then = [one for one in self.invoices if one.left(end)]
        return sum((self.euros(self.owed(one, end), one.currency, end) for one in open_then), Decimal(0))

    def invoiced(self, month: str) -> Decimal:
        there = [one for one in self.invoices if month_of(one.on) == month]
        return sum((self.euros(one.untaxed, one.currency, one.on) for one in there), Decimal(0))

    def placed(self, month: str) -> list[Decimal]:
        """The orders of a month in euros."""
        days = [(row, told_day(row["sale_date"])) for row in self.sales]
        return [self.euros(decimal(row["untaxed_amount"]), row["currency."]["code"], day)
                for row, day in days if month_of(day) == month]

    def ways_to_cash(self, month: str) -> list[int]:
        """Days from order to money of the orders whose last invoice was settled in the month."""
        found = []
        for row in self.sales:
            bills = [one for one in self.invoices if one.sale == row["id"] and not one.is_refunded]
            whole = sum(one.untaxed for one in bills) >= decimal(row["untaxed_amount"])
            days = [one.settled for one in bills]
            if bills and whole and None not in days and month_of(last := max(filter(None, days))) == month:
                found.append((last - told_day(row["sale_date"])).days)
        return found


@dataclass
class Story:
    office: Installed
    server: Server
    clerk: Clerk
    told: Told
    line: int
    """The customer's line of the transfer that pays one invoice."""

    def ask(self, kpi: str, month: str, *options: str) -> list[dict[str, Any]]:
        chosen = [part for option in options for part in ("--option", option)]
        found: list[dict[str, Any]] = self.office.run("kpi", kpi, "--period", month, *chosen)
        return found

    def value(self, kpi: str, month: str, *options: str) -> str | None:
        (one,) = self.ask(kpi, month, *options)
        found: str | None = one["value"]
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """With a server of its own: what is paid here, other tests count on."""
    with running("tryton") as found:
        server = Server(found)
        clerk = Clerk(server)
        line = bookkeeping(clerk)
        server.settle()
        office = installed(tmp_path_factory.mktemp("sums"), found)
        office.replace("config.yaml", "kpis:\n", KPIS)
        assert office.run("sync")["status"] == "ok"
        yield Story(office, server, clerk, Told(server), line)


def bookkeeping(clerk: Clerk) -> int:
    """What became of the demo's invoices. Its seven posted ones are 3 and 2,557.80 GBP, 4 and 8 of 960,000 JPY, 6 of
    537.60 USD, 9 of 1,200, 11 of 1,344 USD and 14 of 480; drafts are 1, 2, 5, 7, 10, 12 and 13."""
    clerk.pay(3, date(2026, 3, 5))
    clerk.pay(4, date(2026, 2, 1), "400000")
    clerk.pay(4, date(2026, 4, 20))
    clerk.pay(6, date(2026, 7, 15))                         # at another rate than it was invoiced at
    clerk.pay(8, date(2026, 5, 2), "333333")                # and never the rest
    line = clerk.transfer(11, date(2026, 8, 20), "1599.36", "1428.00")
    clerk.match([11], [line])                               # by hand: Tryton links no payment
    clerk.credit(9, date(2026, 9, 15), refund=True)
    note = clerk.credit_part(14, date(2026, 9, 20), 1.0)
    clerk.post(5, date(2026, 9, 21))                        # and not paid
    clerk.post(10, date(2026, 9, 25))
    again = clerk.sell_again(14, date(2026, 10, 1))         # the customer of invoice 10
    clerk.pay(14, date(2026, 10, 2), "285.60")
    clerk.match([14, note], [])
    clerk.post(again, date(2026, 10, 6))
    both = clerk.transfer(10, date(2026, 10, 20), "13994.40", "13994.40")
    clerk.match([10, again], [both])                        # one transfer for two invoices
    clerk.post(13, date(2026, 10, 30))
    clerk.pay(13, date(2026, 10, 28))                       # paid before it was invoiced
    return line


# --- what the story is -----------------------------------------------------------------------------------------------


def test_the_server_holds_every_way_an_invoice_is_settled(story: Story) -> None:
    """So that the sums below are not about nothing."""
    rows = story.server.rows("account.invoice", "state", "payment_lines", "amount_to_pay", "untaxed_amount",
                             domain=(["type", "=", "out"],))
    assert Counter(row["state"] for row in rows) == {"draft": 4, "posted": 2, "paid": 10, "cancelled": 1}
    assert [row["id"] for row in rows if row["state"] == "paid" and not row["payment_lines"]] == [10, 11, 15, 16, 17]
    assert sum(decimal(row["untaxed_amount"]) < 0 for row in rows) == 2
    assert sum(len(row["payment_lines"]) for row in rows) == 7


def test_what_we_say_is_left_to_pay_is_what_the_server_s_books_hold(story: Story) -> None:
    """The expected values' own proof: by currency, the customers' accounts at each month's end, with tax; and today
    `amount_to_pay` of each invoice."""
    booked: list[tuple[date, str, Decimal]] = [
        (told_day(row["date"]), row["amount_currency."]["code"], decimal(row["amount"]))
        for row in story.server.rows("account.move.line", "date", "amount", "amount_currency.code",
                                     domain=(["account.type.receivable", "=", True],))
    ]
    for month in MONTHS:
        books: dict[str, Decimal] = defaultdict(Decimal)
        ours: dict[str, Decimal] = defaultdict(Decimal)
        for on, currency, amount in booked:
            if on <= last_day(month):
                books[currency] += amount
        for one in story.told.invoices:
            ours[one.currency] += one.left(last_day(month))
        assert {key: left for key, left in books.items() if left} == {key: left for key, left in ours.items() if left}
    now = {row["id"]: decimal(row["amount_to_pay"]) for row in story.server.rows("account.invoice", "amount_to_pay")}
    assert all(one.left(date.max) == now[one.id] for one in story.told.invoices)


# --- the same as the server says -------------------------------------------------------------------------------------


@pytest.mark.parametrize("month", MONTHS)
def test_orders_and_invoices_of_a_month(story: Story, month: str) -> None:
    placed = story.told.placed(month)
    assert story.value("orders", month) == str(len(placed))
    assert Decimal(story.value("ordered", month) or 0) == sum(placed)
    assert Decimal(story.value("invoiced", month) or 0) == story.told.invoiced(month)


@pytest.mark.parametrize("month", MONTHS)
def test_receivables_and_days_of_sales_outstanding(story: Story, month: str) -> None:
    """dso = what is owed at the month's end / what was invoiced in it x its days; nothing sold: no number."""
    owed, sold = story.told.receivables(month), story.told.invoiced(month)
    assert Decimal(story.value("owed", month) or 0) == owed
    found = story.value("dso", month)
    if sold <= 0:
        assert found is None
    else:
        assert found == six(Fraction(owed) / Fraction(sold) * last_day(month).day)


def test_days_of_sales_outstanding_are_numbers_in_most_months(story: Story) -> None:
    assert sum(story.value("dso", month) is not None for month in MONTHS) >= 6


@pytest.mark.parametrize("month", MONTHS)
def test_order_to_cash(story: Story, month: str) -> None:
    """From the day of the order to the day on which the last of its money came."""
    days = story.told.ways_to_cash(month)
    (one,) = story.ask("cash", month)
    assert one["denominator"] == str(len(days))
    assert one["value"] == (six(Fraction(median(days))) if days else None)
    assert story.value("cash", month, "stat=mean") == (six(mean(map(Fraction, days))) if days else None)


def test_order_to_cash_by_hand(story: Story) -> None:
    """Sale 3: ordered on 9 February, paid on 5 March: 24 days. Sale 4: 10 January and, the last part, 20 April: 100."""
    assert [story.value("cash", month) for month in ("2026-03", "2026-04")] == ["24.000000", "100.000000"]
    assert story.value("cash", "2026-02", "variant=first") == "22.000000"
    assert story.value("cash", "2026-09") is None, "the invoice taken back by a credit note brought no cash"


@pytest.mark.parametrize("month", MONTHS)
def test_invoice_to_payment_and_late_payments(story: Story, month: str) -> None:
    bills = [one for one in story.told.invoices if one.total > 0 and not one.is_refunded]
    days = [(one.settled - one.on).days for one in bills if one.settled and month_of(one.settled) == month]
    assert story.value("paid", month, "stat=mean") == (six(mean(map(Fraction, days))) if days else None)
    due = [one for one in bills if month_of(one.due) == month]
    late = [one for one in due if one.settled is None or one.settled > one.due]
    (found,) = story.ask("late", month)
    assert (found["numerator"], found["denominator"]) == (str(len(late)), str(len(due)))


def buyings(story: Story, source: str) -> list[tuple[int, date, Decimal, bool]]:
    """What was bought, of that kind: customer, day, euros, and whether it is a purchase (a credit note is none)."""
    told = story.told
    if source == "invoiced":
        return [(one.party, one.on, told.euros(one.untaxed, one.currency, one.on), one.total > 0)
                for one in told.invoices]
    if source == "ordered":
        rows = [(row, told_day(row["sale_date"])) for row in told.sales]
    else:
        history = story.server.history()
        fields = ("party", "amount", "currency.code")
        rows = [
            ({**row, "untaxed_amount": row["amount"]}, history[str(row["id"])][-1][0].astimezone(LOCAL).date())
            for row in story.server.rows("sale.opportunity", *fields, domain=(["state", "=", "won"],))
        ]
    return [(row["party"], day, told.euros(decimal(row["untaxed_amount"]), row["currency."]["code"], day), True)
            for row, day in rows]


@pytest.mark.parametrize("source", ["won", "ordered", "invoiced"])
def test_revenue_of_new_and_of_repeat_customers(story: Story, source: str) -> None:
    """Money on a customer's first buying day is new, later repeat; over all the server's history."""
    bought = buyings(story, source)
    first = {party: min(day for one, day, _, is_purchase in bought if one == party and is_purchase)
             for party, *_ in bought}
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for party, day, amount, _ in bought:
        expected[month_of(day), "repeat" if day > first[party] else "new"] += amount
    found = {
        (month, one["dimensions"]["customer"]): Decimal(one["value"])
        for month in MONTHS for one in story.ask("bought", month, f"source={source}") if Decimal(one["value"])
    }
    assert found == {key: amount for key, amount in expected.items() if key[0] in MONTHS and amount}
    assert {word for _, word in found} == {"new", "repeat"}


def six(number: Fraction) -> str:
    """With six places, half to even."""
    scaled = round(number * 1_000_000)
    return f"{Decimal(scaled).scaleb(-6):.6f}"


# --- by another way, and afterwards ----------------------------------------------------------------------------------


def test_by_session_login_the_same_payments_are_read(story: Story, tmp_path: Path) -> None:
    config = (story.office.folder / "config.yaml").read_text("utf-8")
    address = config.split("base_url: ")[1].split("\n")[0]
    other = installed(tmp_path, {"base_url": address, "database": "crm"}, credential=BY_LOGIN)
    assert other.run("sync")["status"] == "ok"
    for table, columns in (("invoice", "id, sales_order, kind, amount, currency, invoiced_at, due_at, state"),
                           ("payment", "id, invoice, amount, currency, paid_at, extra")):
        query = f"SELECT {columns} FROM {table} WHERE replaced_at IS NULL ORDER BY {columns}"
        assert other.rows(query) == story.office.rows(query), table


def test_a_match_taken_back_in_tryton_is_owed_again_and_the_past_answer_stays(story: Story) -> None:
    """The invoice's payment is retracted, and its sale, which was done, is in work again; nothing else moves."""
    before = story.value("owed", "2026-09")
    as_of = story.office.run("status")["sources"][0]["last_success_at"]
    story.clerk.unmatch(story.line)
    story.server.settle()
    answer = story.office.run("sync", apart=True)
    streams = answer["sources"][0]["streams"]
    moved = [(one["stream"], *(one[count] for count in ("new", "changed", "deleted"))) for one in streams]
    assert [counts for counts in moved if any(counts[1:])] == [("sales", 0, 1, 0), ("invoices", 0, 0, 1)]
    told = Told(story.server)
    assert [one.settled for one in told.invoices if one.id == 11] == [None]
    assert Decimal(story.value("owed", "2026-09") or 0) == told.receivables("2026-09") == Decimal(before or 0) + (
        Decimal("1344") / Decimal("1.12")
    ).quantize(CENT)
    (then,) = story.office.run("kpi", "owed", "--period", "2026-09", "--as-of", as_of)
    assert then["value"] == before


def test_an_order_deleted_in_tryton_is_found_by_a_full_resync(story: Story) -> None:
    """Search shows no trace of it, so a sync cannot know; `resync --full` sees that it is gone, and only that."""
    story.server.call("sale.sale", "delete", [23])           # one of the cancelled ones
    story.server.settle()
    there = "SELECT count(*) FROM current_sales_order WHERE id = '23'"
    story.office.run("sync")
    assert story.office.rows(there) == [(1,)]
    (stream,) = story.office.run("resync", "tryton", "--stream", "sales", "--full")["sources"][0]["streams"]
    assert (stream["records"], stream["deleted"]) == (story.server.count("sale.sale"), 1)
    assert story.office.rows(there) == [(0,)]
