"""Orders, deliveries, invoices and money received."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from connector.exact import decimal_text, money_text
from connector.metrics.metric import DURATION, THERE, Metric, Raw, Term
from connector.metrics.value import PLACES, Numbers

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

RAW = {
    "raw_sales_order": Raw(
        "sales_order",
        ("source", "id", "deal", "account", "owner", "amount", "currency", "ordered_at", "required_at", "state"), THERE,
    ),
    "raw_delivery_note": Raw(
        "delivery_note", ("sales_order", "delivered_at", "complete"), f"{THERE} AND delivered_at <= {{as_of}}",
    ),
    "raw_invoice": Raw(
        "invoice",
        ("source", "id", "sales_order", "account", "owner", "kind", "amount", "currency", "invoiced_at", "due_at",
         "state"),
        THERE,
    ),
    "raw_payment": Raw(
        "payment", ("id", "invoice", "amount", "currency", "paid_at"), f"{THERE} AND paid_at <= {{as_of}}",
    ),
}

_DAY = 86_400_000_000  # microseconds
_STEP = {name: words for name, words in DURATION.items() if name != "credit"}
_VARIANT = {"variant": ("complete", "first")}


_BACK = 12  # periods that what is owed is followed back through
_EARLIER = {
    f"invoiced_{steps}": Term("invoiced_value", "before", side="denominator", when={"method": "countback"}, steps=steps)
    for steps in range(1, _BACK)
}


def dso(terms: Composition) -> Numbers:
    """Receivables at the end / invoiced sales x days, or counted back; of a running period the days so far."""
    owed, sold = terms.terms["receivables"].amount, terms.terms["invoiced"].amount
    top, bottom = money_text(owed, terms.currency), money_text(sold, terms.currency)
    if terms.period.every == "all":
        return Numbers(None, top, bottom)
    is_over = terms.as_of >= terms.period.end - 1
    days = Fraction(terms.days) if is_over else Fraction(terms.as_of + 1 - terms.period.start, _DAY)
    if terms.options.get("method") == "countback":
        found = _counted_back(terms, owed, days)
    else:
        found = Fraction(owed, sold) * days if sold > 0 else None
    return Numbers(None if found is None else decimal_text(*found.as_integer_ratio(), PLACES), top, bottom)


def _counted_back(terms: Composition, owed: int, days: Fraction) -> Fraction | None:
    """The days in which what is owed was sold, if it is the latest that is: those of whole periods, the last one first,
    and of the one that covers the rest its part. None where twelve periods do not cover it."""
    passed = Fraction(0)
    for steps, name in enumerate(("invoiced", *_EARLIER)):
        sold = terms.terms[name].amount
        of_period = Fraction(terms.days_before(steps)) if steps else days
        if owed <= max(sold, 0):
            return passed + of_period * max(owed, 0) / sold if sold > 0 else passed
        passed += of_period
        owed -= max(sold, 0)
    return None


METRICS = (
    Metric(
        "order_count", "orders", "C", "ordered_at", "o t", "0", "R13", "orders",
        "Orders placed; drafts and cancelled orders do not count.",
        "number of the orders placed",
        record="sales_order", entity="sales_order", is_staged=False,
    ),
    Metric(
        "order_value", "money", "V", "ordered_at", "o t", "0", "R13 R14", "orders",
        "Amounts of the orders placed, at each order day's rate; without amount or rate they are left out and counted.",
        "sum of the amounts of the orders placed",
        record="sales_order", entity="sales_order", money=True, is_staged=False,
    ),
    Metric(
        "open_orders", "orders", "S", "end of P", "o", "0", "R13 R14", "orders",
        "Orders (or their value) that are placed and not wholly delivered at the period's end.",
        "{measure} of the orders not delivered at the end of the period",
        {"measure": ("count", "value")}, record="sales_order", entity="sales_order", money=True, is_staged=False,
        lower_is_better=True,
    ),
    Metric(
        "deal_to_order_lag", "days", "D", "ordered_at", "", None, "R17", "orders",
        "Days from winning a deal to each order of it; an order placed before the win gives a negative number.",
        "{stat} of the days from the winning of the deal to the order",
        _STEP, record="sales_order", entity="sales_order", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "order_to_delivery", "days", "D", "delivered_at", "", None, "partial R17", "orders",
        "Days from the order to its complete delivery (or its first one).",
        "{stat} of the days from the order to its delivery",
        {**_STEP, **_VARIANT}, record="sales_order", entity="sales_order", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "delivery_to_invoice", "days", "D", "invoiced_at", "", None, "partial R17", "orders",
        "Days from delivering an order to invoicing all of it (or from the first delivery to the first invoice).",
        "{stat} of the days from the delivery of the order to its invoice",
        {**_STEP, **_VARIANT}, record="sales_order", entity="sales_order", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "invoice_to_payment", "days", "D", "paid_at", "", None, "partial R17", "orders",
        "Days from an invoice until all of it is paid (or to its first payment); a prepayment gives a negative number.",
        "{stat} of the days from the invoice to its payment",
        {**_STEP, **_VARIANT}, record="invoice", entity="invoice", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "order_to_cash", "days", "D", "paid_at", "", None, "partial R17", "orders",
        "Days from the order until all of it is invoiced and paid (or to its first payment).",
        "{stat} of the days from the order to its money",
        {**_STEP, **_VARIANT}, record="sales_order", entity="sales_order", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "on_time_rate", "0..1", "R", "delivered_at", "", None, "R16", "orders",
        "Of the orders delivered that had an agreed day, the share delivered on it or before.",
        "orders delivered on time / orders delivered",
        _VARIANT, record="sales_order", entity="sales_order", is_staged=False,
    ),
    Metric(
        "delivery_delay", "days", "D", "delivered_at", "", None, "partial R17", "orders",
        "Days by which orders were delivered after the agreed day; 0 for those on time.",
        "{stat} of the days from the agreed day to the delivery, 0 if it was on time",
        {**_STEP, **_VARIANT}, record="sales_order", entity="sales_order", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "late_payment_rate", "0..1", "R", "due_at", "", None, "R16", "orders",
        "Of the invoices due in the period, the share paid after the due day, or unpaid and past it.",
        "invoices paid late or overdue / invoices due",
        record="invoice", entity="invoice", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "invoiced_value", "money", "V", "invoiced_at", "o t", "0", "R13 R14", "orders",
        "Amounts invoiced, at each invoice day's rate; credit notes reduce them.",
        "sum of the amounts invoiced - credit notes",
        record="invoice", entity="invoice", money=True, is_staged=False,
    ),
    Metric(
        "receivables", "money", "S", "end of P", "o", "0", "R13 R14", "orders",
        "What customers still owe on invoices at the period's end; credit notes reduce it.",
        "sum of the unpaid amounts of the invoices at the end of the period",
        record="invoice", entity="invoice", money=True, is_staged=False, lower_is_better=True,
    ),
    Metric(
        "dso", "days", "R", "end of P", "", None, "R13", "orders",
        "Days sales outstanding: how many days of invoiced sales customers still owe at the period's end. For seasonal"
        " sales `method: countback`: what is owed is the latest that was sold, so its days are counted back through"
        " this period and up to eleven before it.",
        "receivables at the end / invoiced sales of the period × days of the period",
        {"method": ("simple", "countback")}, record="invoice", entity="invoice", money=True, is_staged=False,
        lower_is_better=True,
        made_of={
            "receivables": Term("receivables", side="numerator"),
            "invoiced": Term("invoiced_value", side="denominator"), **_EARLIER,
        },
        combine=dso,
    ),
)
