"""Customers: new, repeat, retained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector.exact import decimal_text, money_text
from connector.metrics.metric import CREDIT, THERE, Metric, Raw, Term
from connector.metrics.value import PLACES, Numbers

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

RAW = {
    "raw_account": Raw("account", ("source", "id", "owner"), THERE),
}

_SOURCES = {"won": "won_by_customer", "ordered": "ordered_by_customer", "invoiced": "invoiced_by_customer"}
_SOURCE = {"source": tuple(_SOURCES)}
_REPEAT = Term("", where={"customer": ("repeat",)}, side="numerator")
_KNOWN = Term("", where={"customer": ("new", "repeat")}, side="denominator")


def _new_vs_repeat(terms: Composition) -> Numbers:
    """The money of the source asked for."""
    return Numbers(money_text(terms.terms[terms.options["source"]].amount, terms.currency))


def _repeat_share(terms: Composition) -> Numbers:
    """Repeat / (new + repeat) of the source asked for."""
    source = terms.options["source"]
    repeat, known = terms.terms[f"numerator {source}"].amount, terms.terms[f"denominator {source}"].amount
    share = decimal_text(repeat, known, PLACES) if known > 0 else None
    return Numbers(share, money_text(repeat, terms.currency), money_text(known, terms.currency))


def _by_customer(id_: str, record: str, period_by: str, what: str) -> Metric:
    """Money by whether the customer buys for the first time."""
    return Metric(
        id_, "money", "V", period_by, "o t", "0", "R13 R14", "customers",
        f"{what} by customers who buy for the first time (first day over all history), who buy again, who are unknown.",
        f"sum of the {what[0].lower()}{what[1:]} by those customers",
        CREDIT if record == "deal" else {}, record=record, entity=record, money=True, is_staged=record == "deal",
        always_by=("customer",), words=("new", "repeat", "unknown"),
    )


METRICS = (
    Metric(
        "new_vs_repeat_revenue", "money", "V", "close or invoice date", "o t", "0", "R13 R14", "customers",
        "Won (or ordered, or invoiced) money on each customer's first buying day (new) and after it (repeat); the first"
        " months of a history are overstated as new.",
        "sum of the amounts bought by new, repeat and unknown customers",
        {**_SOURCE, **CREDIT}, record="invoice", money=True, always_by=("customer",),
        words=("new", "repeat", "unknown"),
        made_of={source: Term(metric, when={"source": source}) for source, metric in _SOURCES.items()},
        combine=_new_vs_repeat,
    ),
    Metric(
        "repeat_share", "0..1", "R", "close or invoice date", "", None, "history start", "customers",
        "The share of repeat customers in the won (or ordered, or invoiced) money of known customers.",
        "repeat revenue / (new + repeat revenue)",
        {**_SOURCE, **CREDIT}, record="invoice", money=True,
        made_of={
            f"{term.side} {source}": replace(term, metric=metric, when={"source": source})
            for source, metric in _SOURCES.items() for term in (_REPEAT, _KNOWN)
        },
        combine=_repeat_share,
    ),
    _by_customer("won_by_customer", "deal", "close", "Won value"),
    _by_customer("ordered_by_customer", "sales_order", "ordered_at", "Value of orders"),
    _by_customer("invoiced_by_customer", "invoice", "invoiced_at", "Invoiced money"),
    Metric(
        "new_customers", "customers", "C", "first purchase", "o t", "0", "history start", "customers",
        "Customers by their first purchase ever; a customer is its account's owner's. The first months of a history are"
        " overstated.",
        "number of the customers who bought for the first time",
        _SOURCE, record="account", entity="account", is_staged=False,
    ),
    Metric(
        "customer_retention", "0..1", "R", "P and P-1", "", None, "R16", "customers",
        "Of the customers who bought in the period before, the share who bought again in this one; a customer is its"
        " account's owner's.",
        "customers who bought in both periods / customers who bought in the period before",
        _SOURCE, record="account", entity="account", is_staged=False,
    ),
    Metric(
        "revenue_retention_net", "ratio", "R", "P and P-1", "", None, "R13 constant rate", "customers",
        "What the customers of the period before spend now, of what they spent then, both at this period's end rates.",
        "revenue now from customers of the period before / their revenue then",
        _SOURCE, record="account", entity="account", money=True, is_staged=False,
    ),
    Metric(
        "revenue_retention_gross", "ratio", "R", "P and P-1", "", None, "R13 constant rate", "customers",
        "The same, where no customer counts with more than it spent before: growth does not hide losses.",
        "revenue now from customers of the period before, each at most its revenue then / their revenue then",
        _SOURCE, record="account", entity="account", money=True, is_staged=False,
    ),
    Metric(
        "concentration", "0..1", "R", "P", "", None, "R16", "customers",
        "The share of the money that comes from the company's biggest customers: the top 20 % of them, rounded up.",
        "revenue from the top 20 % of customers / revenue from all known customers",
        _SOURCE, record="account", entity="account", money=True, is_staged=False, lower_is_better=True,
    ),
)
