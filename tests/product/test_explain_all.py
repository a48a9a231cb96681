"""`explain` for every metric of the catalogue: the value, a formula whose numbers make it, members, rows, pages, lines.

Nothing is said here of what a value should be; that it is the one `kpi` gives, and that the explanation makes it. Where
an expected number stands, it is worked out in the docstring.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from connector.app import App
from connector.cli.explaining import show
from connector.metrics.catalogue import CATALOGUE, METRICS
from connector.metrics.metric import Metric
from tests.product.asking import same
from tests.product.every_install import edge
from tests.product.test_explain import STATISTICS, total

PERIODS = ("2025-02", "2025-03", "all")
NEVER = {"bottleneck_score", "bottleneck_wait"}
"""Of 30 deals or stays at least: no value here (tests/metrics/test_bottleneck.py, test_waiting.py)."""
NOTHING = {"quality_history_missing", "quality_history_gap"}
"""Faults of what was only seen: these files tell every move (tests/properties/test_evidence.py has their members)."""
IN_ITS_FORMULA = {"sales_velocity_open", "sales_velocity_closed", "queue_growth", "coverage", "forecast_accuracy",
                  "dso", "forecast_bias", "new_vs_repeat_revenue", "bottleneck_score", "bottleneck_wait"}
"""Made of others in another way than one side by the other: their formula is what is checked."""

Value = Mapping[str, Any]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The edge cases with documents, synced once."""
    with closing(edge(tmp_path_factory.mktemp("every"))) as made:
        assert made.sync(push=False).exit_code == 0
        yield made


@pytest.fixture(scope="module")
def asked(app: App) -> dict[str, list[Value]]:
    """What `kpi` gives, by metric: of each KPI and period the first value that has members."""
    found: dict[str, list[Value]] = {}
    for period in PERIODS:
        taken: set[str] = set()
        for value in app.kpi(period=period).value:
            is_told = any(Decimal(value[name] or 0) for name in ("value", "numerator", "denominator"))
            has_members = value["value"] is not None and (is_told or value["metric"] == "queue_growth")
            if has_members and value["kpi"] not in taken:
                taken.add(value["kpi"])
                found.setdefault(value["metric"], []).append(value)
    return found


def explained(app: App, value: Value) -> dict[str, Any]:
    found: dict[str, Any] = app.explain(
        value["kpi"], subject=value["subject"]["key"], period=value["period"], by=value["dimensions"]
    ).value
    return found


def test_all_but_a_few_metrics_have_a_value_here(asked: dict[str, list[Value]]) -> None:
    assert set(CATALOGUE) - set(asked) == NEVER | NOTHING


@pytest.mark.parametrize("metric", sorted(set(CATALOGUE) - NEVER - NOTHING))
def test_a_metric_is_explained(app: App, asked: dict[str, list[Value]], metric: str) -> None:
    """Value, formula, sums, terms, rows with page and line; and what the command prints says as much."""
    for value in asked[metric]:
        found = explained(app, value)
        assert {name: found[name] for name in value} == value
        assert found["members"]
        makes_the_value(found)
        adds_up(found)
        for member in found["members"]:
            of_its_term(METRICS[metric], member)
            has_rows(member)
        is_on_its_page(app, found["members"][0])
        printed(found)


# --- the parts -------------------------------------------------------------------------------------------------------


def makes_the_value(found: Value) -> None:
    """The numbers of the formula give what stands behind the last `=`."""
    left, _, right = found["formula_numbers"].rpartition(" = ")
    assert right == found["value"]
    if not left or "…" in left or "of them open" in left or "invoiced" in left:
        return
    if ranked := re.fullmatch(r"number (\d+) of (\d+) in order", left):
        spans = sorted(lengths(found))
        assert len(spans) == int(ranked[2])
        assert same(right, str(spans[int(ranked[1]) - 1]))
        return
    if "not grown" in left:
        assert right == "0"
        return
    places = len(right.partition(".")[2])
    assert abs(computed(left.rpartition(": ")[2]) - Fraction(right)) <= Fraction(1, 10**places), left


def computed(text: str) -> Fraction:
    """A formula's left side, worked out exactly."""
    plain = re.sub(r"\|([^|]+)\|", r"abs(\1)", text.replace("×", "*").replace("−", "-"))
    assert re.fullmatch(r"(?:abs|[\d.+*/() -])+", plain), text
    result: Fraction = eval(re.sub(r"\d[\d.]*", r"Fraction('\g<0>')", plain))  # noqa: S307  # only numbers and signs
    return result


def lengths(found: Value) -> list[Decimal]:
    """What a statistic is of: lengths, or amounts."""
    field = "amount" if METRICS[found["metric"]].is_median else "duration"
    return [Decimal(member[field]) for member in found["members"] if member[field] is not None]


def adds_up(found: Value) -> None:
    """The members of each side add up to it (members of a duration to its statistic)."""
    metric = METRICS[found["metric"]]
    sides = {side: [one for one in found["members"] if one["side"] == side] for side in ("numerator", "denominator")}
    if metric.id in IN_ITS_FORMULA:
        return
    if metric.is_duration or metric.is_median:
        spans = lengths(found)
        assert (found["denominator"], sides["numerator"]) == (str(len(spans)), []) or metric.kind == "S"
        if not metric.is_survival:
            stat = (found["options"] or {}).get("stat", "median")
            assert same(found["value"], str(STATISTICS[stat](spans)), places=2 if metric.is_median else 4)
        return
    is_money = found["unit"] == "money" or (metric.money and metric.kind == "R")
    top = total(sides["numerator"], "amount" if is_money else "share")
    if metric.kind != "R":
        assert (Decimal(found["value"]), sides["denominator"]) == (top, [])
        return
    bottom = "amount" if is_money and metric.unit != "money" else "share"
    assert (Decimal(found["numerator"]), Decimal(found["denominator"])) == (top, total(sides["denominator"], bottom))


def of_its_term(metric: Metric, member: Value) -> None:
    """A member of a metric made of others says of which term."""
    if metric.made_of:
        assert metric.made_of[member["term"]].metric == member["metric"]
    else:
        assert (member["term"], member["metric"]) == (None, metric.id)


def has_rows(member: Value) -> None:
    """A member cites rows, each on a page (but for what the mapping file itself says) and made by a line."""
    assert member["rows"], member
    assert member["page"] is not None
    assert member["mapping"]["line"] > 0
    for row in member["rows"]:
        assert row["mapping"]["line"] > 0, row
        assert (row["page"] is None) == (row["role"] == "probability"), row


def is_on_its_page(app: App, member: Value) -> None:
    """The page has that record there."""
    record = app.page(str(member["page"]), member["record_index"]).value["record"]
    assert member["rows"][0]["record_key"] in record.values()


def printed(found: Value) -> str:
    """What `connector explain` prints of it, every member."""
    out = StringIO()
    show(Console(file=out, width=200), found, None)
    assert found["formula_numbers"] in out.getvalue()
    return out.getvalue()


# --- some by hand ----------------------------------------------------------------------------------------------------


def rows_of(found: Value) -> list[tuple[str, str, list[str]]]:
    return [(one["id"], one["side"], [row["record_key"] for row in one["rows"]]) for one in found["members"]]


def test_a_customer_cites_what_it_bought_then_and_before(app: App) -> None:
    """K1 ordered S3 in February and S4 in March; K2 ordered S2 in February, and only a draft in March."""
    found = app.explain("customer_retention_month1", period="2025-03").value
    assert rows_of(found) == [
        ("K1", "numerator", ["K1", "S4"]), ("K1", "denominator", ["K1", "S3"]), ("K2", "denominator", ["K2", "S2"]),
    ]


def test_a_customer_that_no_account_tells_of_cites_its_deals(app: App) -> None:
    """K9 is only named by D13, won on 20 March, and by E3, which is open."""
    found = app.explain("new_customers_month", period="2025-03").value
    assert rows_of(found) == [("K9", "numerator", ["D13", "D13-3"])]


def test_the_terms_of_a_velocity_stand_in_its_formula(app: App) -> None:
    """At the end of February D06 is open. In the 12 months to then 6 deals were won (D01, D02, D04, D05, D07, D12) and
    3 lost (D03, D10, D11); 45,000 of the 5 with a value; won in 18, 28.75, 46, 26, 23 and 13 days, 154.75 in all."""
    found = app.explain("sales_velocity_open_month", period="2025-03").value
    assert found["formula_numbers"].startswith("1 × (6 / 9) × (45000.00 / 5) / (154.750000 / 6) = ")


def test_days_of_sales_are_written_with_the_days_of_the_period(app: App) -> None:
    """At the end of February all invoices so far (10,000 and EUR 5,000 at 1.20) were paid: nothing is owed."""
    found = app.explain("dso_month", period="2025-02").value
    assert found["formula_numbers"] == "0.00 / 16000.00 × 28 = 0.000000"


def test_the_command_names_the_term_and_every_kind_of_row(app: App) -> None:
    """A lead's call, an order's delivery, invoice and payment; once these had no word in the command, and it failed."""
    calls = printed(app.explain("calls_per_lead_month", period="2025-02").value)
    assert "calls (calls_to_leads)" in calls
    assert "leads (leads_called)" in calls
    cash = printed(app.explain("order_to_cash_month", period="2025-02").value)
    for word in ("order · known", "delivery note · known", "invoice · known", "payment · known"):
        assert word in cash
