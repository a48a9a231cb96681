"""One KPI value explained: its formula with numbers, every member, and for each the rows, mapping lines and pages.

The object is the one of design.md section 8; what is beside it there:

| key | what |
| --- | --- |
| `formula_numbers` | the formula with its numbers written out |
| `members[].metric`, `term` | the metric it is a member of; of one made of others, which of its terms that is |
| `members[].open` | whether it is undecided yet |
| `members[].rows` | every ledger row that makes the member count, the one it is named by first |
| `members[].own` | the record's own amount, and the rate (and probability) that made the counted amount of it |
| `pages` | each page cited: when it was read and the requests that got it |
| `members[].part` | of a score: weight, the weight it counts with, level, and what that is made of |
| `elapsed`, `colour` | of OKR: the share of the period that had passed; green, amber or red |
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

from connector import computing, formula, okrs, weighing
from connector.evidence import Cited, Evidence, Evidences
from connector.exact import decimal_text, money_text
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.question import DAY
from connector.metrics.value import PLACES, count_text, length_text
from connector.model import RATIO_SCALE, KpiValue, Member, iso
from connector.period import Calendar, Period
from connector.ports import Source
from connector.provenance import Provenance
from connector.redaction import Redactor
from connector.store.known import KnownRows, Row
from connector.wiring import Installation, closing


def explain(
    here: Installation, kpi: str, *, subject: str | None = None, period: str | None = None,
    by: Mapping[str, str] | None = None, as_of: str | None = None, basis: str = "known",
    options: Mapping[str, str] | None = None, view: str | None = None,
) -> dict[str, Any]:
    """The one value that the question names, as `computing.ask` has it, with everything it comes from.

    Raises ConfigError for unknown names, and where the question names no value or several.
    """
    asked = computing.ask_one(
        here, kpi, subject=subject, period=period, by=by, as_of=as_of, basis=basis, options=options, view=view
    )
    value, members = asked.value, asked.members
    with here.store.reading() as connection, ExitStack() as opened:

        def reader(source: str) -> Source | None:
            if source not in here.config.sources:
                return None
            made = here.source(source)
            opened.enter_context(closing(made))
            return made

        provenance = Provenance(connection, reader)
        known = KnownRows(connection, value.as_of, asked.known_at)
        counted = [member for member in members if member.told is None]  # those of a score are no rows
        terms = {metric: [member for member in counted if (member.metric or value.metric) == metric]
                 for metric in dict.fromkeys(member.metric or value.metric for member in counted)}
        of_time = here.calendar, value.options, here.calendar.parse(value.period)
        evidences = {metric: Evidences(CATALOGUE[metric], own, known, asked.rates, *of_time)
                     for metric, own in terms.items()}
        found = [(member, evidences[member.metric or value.metric]) for member in counted]
        listed = [_member(member, of_term.of(member), of_term, provenance) for member, of_term in found]
        listed += [_part(member) for member in members if member.told is not None]
        pages = provenance.pages()
    redact = Redactor(lambda: here.config.secrets).text
    for request in (request for page in pages for request in page["requests"]):
        request["url"] = redact(request["url"])
    return {
        **value.as_json(), "formula": formula.in_words(value),
        "formula_numbers": formula.in_numbers(value, members, _days(here.calendar, value)), "members": listed,
        "pages": pages, **_standing(here, value),
    }


def _days(calendar: Calendar, value: KpiValue) -> list[Fraction]:
    """How many days the period has had by the as-of moment, and those before it had; of a formula that counts days."""
    period = calendar.parse(value.period)
    if value.metric != "dso" or period.every == "all":
        return []
    days = [Fraction(_length(period))]
    if value.as_of < period.end - 1:
        days = [Fraction(value.as_of + 1 - period.start, DAY)]
    for _ in range(len(CATALOGUE["dso"].made_of) - 2):  # what is owed, and what was invoiced in as many periods
        period = calendar.at(period.every, period.start - 1)
        days.append(Fraction(_length(period)))
    return days


def _length(period: Period) -> int:
    return (period.end_on - period.start_on).days + 1


def _standing(here: Installation, value: KpiValue) -> dict[str, Any]:
    """Of OKR: how much of the period had passed, and of an objective its colour."""
    if value.metric not in (okrs.OBJECTIVE, okrs.KEY_RESULT):
        return {}
    period = here.calendar.parse(value.period)
    passed = min(max(Fraction(value.as_of - period.start, period.end - period.start), Fraction(0)), Fraction(1))
    colour = okrs.colour(value.value, value.options or {}) if value.metric == okrs.OBJECTIVE else None
    return {"elapsed": weighing.text(passed), **({"colour": colour} if colour else {})}


def _part(member: Member) -> dict[str, Any]:
    """A part of a score: what it is, its share of the score, and in `part` what it is made of."""
    nothing = dict.fromkeys(
        ("name", "occurred_at", "seen_at", "amount", "currency", "duration", "own", "page", "record_index", "mapping",
         "without_page", "metric", "term"),
    )
    return {
        "side": member.side, "entity": member.entity, "source": member.source, "id": member.id, **nothing,
        "share": count_text(member.share or 0), "open": False, "rows": [], "part": dict(member.told or {}),
    }


def _member(member: Member, evidence: Evidence, evidences: Evidences, provenance: Provenance) -> dict[str, Any]:
    """A member by the row it is named by, and all its rows; money with its currency's decimals, as in a KPI value."""
    rows = [_row(cited, evidences, provenance) for cited in evidence.cited]
    first = rows[0] if rows else {}
    return {
        "side": member.side, "entity": member.entity, "source": member.source, "id": member.id,
        "name": _name(evidence), "occurred_at": iso(member.occurred_at), "seen_at": first.get("seen_at"),
        "amount": None if member.amount is None or member.currency is None
        else money_text(member.amount, member.currency),
        "currency": member.currency, "share": None if member.share is None else count_text(member.share),
        "duration": None if member.duration is None else length_text(member.duration, evidences.metric.unit),
        "metric": evidences.metric.id, "term": member.term or None, "open": member.is_open,
        "own": _own(evidence, evidences.rates.base), "rows": rows,
        **{name: first.get(name) for name in ("page", "record_index", "mapping", "without_page")},
    }


def _row(cited: Cited, evidences: Evidences, provenance: Provenance) -> dict[str, Any]:
    """A ledger row: what it is, what it says, and where it came from."""
    row = cited.row
    told: dict[str, Any] = {"role": cited.role, "entity": row["entity"], "source": row["source"]}
    told["id"] = row["id"] if "id" in row else row["deal"]
    if row["entity"] == "stage_transition":
        told |= {**evidences.stages.named(row), "by": row["actor"], "origin": row["origin"]}
    elif row["entity"] == "deal_change":
        told |= {"field": row["field"], "new": _new(row), "by": row["actor"], "origin": row["origin"]}
    elif row["entity"] == "fx_rate":
        told |= {"currency": row["currency"], "valid_from": row["valid_from_on"], "rate": row["rate"]}
    elif row["entity"] == "stage":
        told |= {"stage": row["name"] or row["stage"]}
    return told | provenance.of(row)


def _new(row: Row) -> str | None:
    """What a field was changed to, as people write it."""
    if not row["new"]:
        return None
    if row["field"] == "amount":
        return decimal_text(int(row["new"]), 10_000, 4)
    return decimal_text(int(row["new"]), RATIO_SCALE, PLACES) if row["field"] == "probability" else str(row["new"])


def _name(evidence: Evidence) -> str | None:
    """What the vendor calls the record."""
    return next((cited.row["name"] for cited in evidence.cited if cited.row["entity"] == "deal"), None)


def _own(evidence: Evidence, base: str) -> dict[str, Any] | None:
    """What the record was worth by itself, before conversion; None where no amount counts."""
    worth = evidence.worth
    if worth is None:
        return None
    rate = worth.rate
    return {
        "amount": money_text(worth.amount, worth.currency), "currency": worth.currency,
        "rate": None if rate is None else f"{rate.rate:f}",
        "rate_valid_from": None if rate is None or rate.currency == base else rate.valid_from.isoformat(),
        "probability": None if worth.probability is None else decimal_text(worth.probability, RATIO_SCALE, PLACES),
    }
