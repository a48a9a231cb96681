"""Where rows came from, whichever way they were made; and what a value's formula says when there is no number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector import formula
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.question import DAY
from connector.model import RATIO_SCALE, Member
from connector.provenance import Provenance
from connector.store.known import KnownRows
from connector.testing import kpi_value
from tests.properties.world import MAPPING, World, at, deal, move, page, t

RICH = MAPPING.replace(
    "  - {entity: account,",
    "  - {entity: deal_change, stream: deals, each: owners, fields: {deal: record.id, field: {const: amount},\n"
    "     new: item.amount, at: item.at}}\n"
    "  - {entity: activity, stream: talks, key: id, only_if: mail, fields: {type: {const: email}, at: at}}\n"
    "  - {entity: activity, stream: talks, key: id, only_if: call, fields: {type: {const: call}, at: at}}\n"
    "  - {entity: account,",
)


def line_of(text: str) -> int:
    """The first line of RICH that begins so."""
    return next(number for number, line in enumerate(RICH.splitlines(), 1) if line.strip().startswith(text))


def origins(world: World, entity: str, *, reader: Any = None) -> list[tuple[Any, dict[str, Any]]]:
    """Every row of a table known now, in order of time, with where it came from."""
    with world.store.reading() as connection:
        provenance = Provenance(connection, lambda _source: reader or world.source)
        rows = KnownRows(connection, at(60 * 24 * 365), at(60 * 24 * 365)).all(entity)
        return [(row, provenance.of(row)) for row in sorted(rows, key=lambda row: row.get("occurred_at") or 0)]


def test_a_reported_move_cites_the_history_and_an_observed_one_the_deal(world: World) -> None:
    """The second move is the difference of two reads: no item of a history tells it."""
    world.fresh(RICH)
    world.take(page("deals", [deal(1, 10, "A", history=[("A", 5)])], 11))
    second = world.take(page("deals", [deal(2, 12), deal(1, 20, "B")], 21))
    (first, told), (moved, seen), *_ = [one for one in origins(world, "stage_transition") if one[0]["deal"] == "1"]
    assert (first["origin"], told["mapping"]["line"]) == ("reported", line_of("- entity: stage_transition"))
    assert (moved["origin"], seen["mapping"]["line"]) == ("observed", line_of("- entity: deal"))
    assert (seen["page"], seen["record_index"], seen["record_key"]) == (second, 1, "1")


def test_each_of_several_entries_for_one_table_is_told_by_what_it_makes(world: World) -> None:
    """Owner and amount come of the same list by two entries; calls and mails of one stream by two conditions."""
    world.fresh(RICH)
    owners = [{"owner": "7", "amount": "5", "at": t(4)}, {"owner": "8", "amount": "6", "at": t(6)}]
    world.take(page("deals", [deal(1, 10, "A", owners=owners, currency="USD")], 11))
    world.take(page("talks", [{"id": "m", "mail": True, "at": t(3)}, {"id": "c", "call": True, "at": t(4)}], 12))
    lines = {(row["field"], row["new"]): found["mapping"]["line"] for row, found in origins(world, "deal_change")}
    amounts = line_of("- {entity: deal_change, stream: deals")
    owned = line_of("- entity: deal_change")
    assert lines == {
        ("owner", "crm:7"): owned, ("owner", "crm:8"): owned, ("amount", "50000"): amounts, ("amount", "60000"): amounts
    }
    talks = {row["id"]: found["mapping"]["line"] for row, found in origins(world, "activity")}
    assert talks == {
        "m": line_of("- {entity: activity, stream: talks, key: id, only_if: mail"),
        "c": line_of("- {entity: activity, stream: talks, key: id, only_if: call"),
    }


def test_without_anyone_to_read_its_page_a_row_still_cites_an_entry_of_its_stream(world: World) -> None:
    """The config no longer names the source."""
    world.fresh(RICH)
    world.take(page("talks", [{"id": "c", "call": True, "at": t(4)}], 12))
    with world.store.reading() as connection:
        (row,) = KnownRows(connection, at(10**6), at(10**6)).all("activity")
        found = Provenance(connection, lambda _source: None).of(row)
    assert found["mapping"]["line"] == line_of("- {entity: activity, stream: talks, key: id, only_if: mail")


def test_a_deal_that_only_a_move_names_cites_the_move_s_entry(world: World) -> None:
    world.fresh(RICH)
    stamp = world.take(page("moves", [move(9, "B", 3)], 4))
    ((_, found),) = origins(world, "deal")
    assert (found["page"], found["record_key"]) == (stamp, "9-B-3")
    assert found["mapping"]["line"] == line_of("- {entity: stage_transition, stream: moves")


def test_a_row_made_without_a_page_says_why(world: World) -> None:
    """The stages of the mapping file; and what is left of a deal when a mapping no longer reads one of its streams."""
    world.fresh(RICH)
    world.take(page("deals", [deal(1, 10)], 11))
    world.take(page("scores", [{"id": "1", "modified": t(12), "probability": 0.5, "score": "3"}], 13))
    stage = next(found for row, found in origins(world, "stage") if row["stage"] == "X")
    assert (stage["page"], stage["record_index"]) == (None, None)
    assert stage["without_page"] == "the mapping file itself says it"
    assert stage["mapping"]["line"] == line_of('"Q": {name: renewal')
    world.use("\n".join(line for line in RICH.splitlines() if "stream: scores" not in line))
    ((row, found),) = origins(world, "deal")
    assert (row["probability"], found["page"]) == (None, None)
    assert found["without_page"] == "what was left when stream scores no longer showed or made record 1"
    assert found["mapping"]["text"] == "- entity: deal"


def test_a_page_is_told_with_its_requests(world: World) -> None:
    stamp = world.take(page("deals", [deal(1, 10)], 11), run="r1")
    with world.store.reading() as connection:
        provenance = Provenance(connection, lambda _source: world.source)
        (row,) = KnownRows(connection, at(10**6), at(10**6)).all("deal")
        provenance.of(row)
        (told,) = provenance.pages()
    assert told == {
        "page": stamp, "source": "crm", "stream": "deals", "run": "r1", "read_at": "2026-01-01T00:11:00Z",
        "landed_at": "2026-01-31T00:00:01Z",
        "requests": [{"method": "GET", "url": "memory://deals", "status": 200, "request_id": None}],
    }


# --- formulas --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_metric_has_a_formula_that_names_its_options(name: str) -> None:
    usual = CATALOGUE[name].default_options
    said = formula.in_words(replace(kpi_value(), metric=name, options=usual))
    assert said
    assert "{" not in said
    if "stat" in usual:
        assert said.startswith(f"{usual['stat']} of the ")
        mean = formula.in_words(replace(kpi_value(), metric=name, options={**usual, "stat": "mean"}))
        assert mean.startswith("mean of the ")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (kpi_value(value=None, status="withheld"), "withheld: a record of a pipeline that it counts has a stage"),
        (kpi_value(value=None, status="unknown_before"), "no data: a source that it counts had not been read"),
        (kpi_value(value="0.00"), "0.00"),
        (kpi_value(value=None, metric="open_pipeline"), "no data"),
        (kpi_value(value=None, metric="cycle_length", options={"stat": "median"}, currency=None), "no data"),
    ],
)
def test_a_formula_without_number_says_why(value: Any, said: str) -> None:
    assert formula.in_numbers(value, []).startswith(said)


def test_days_of_sales_are_no_quotient_of_their_two_sides() -> None:
    value = kpi_value(metric="dso", value="10.000000", numerator="150000.00", denominator="450000.00", currency=None)
    assert formula.in_numbers(value, []) == "150000.00 owed, 450000.00 invoiced = 10.000000"


def test_where_a_queue_grew_each_period_stands_in_the_formula() -> None:
    """3 came in and 1 went out, 2 and 1, 4 and 2: it grew by 2 + 1 + 2."""
    periods = {"earlier": (3, 1), "before": (2, 1), "now": (4, 2)}
    members = [
        Member(side, "stage_transition", "crm", str(number), share=RATIO_SCALE, term=term)
        for term, counts in periods.items() for side, count in zip(("numerator", "denominator"), counts, strict=True)
        for number in range(count)
    ]
    grown = kpi_value(metric="queue_growth", value="5", currency=None)
    assert formula.in_numbers(grown, members) == "(3 − 1) + (2 − 1) + (4 − 2) = 5"
    still = replace(grown, value="0")
    assert formula.in_numbers(still, members) == "not grown in each of (3 − 1), (2 − 1), (4 − 2) = 0"


def test_what_a_stage_cost_is_written_with_the_deals_of_both_years() -> None:
    """Of 40 deals 10 are undecided and 12 of 30 got on; before, 24 of 30. Pooled (24 + 12) / (30 + 30) = 0.6, the
    reference (24 + 20 × 0.6) / (30 + 20) = 0.72. Behind it 1 of 2 was won, each for 100: 40 × 0.32 × 0.5 × 100 = 640.
    """

    def counted(term: str, side: str, count: int, **more: Any) -> list[Member]:
        return [Member(side, "deal", "crm", "1", share=RATIO_SCALE, term=term, **more)] * count

    members = [
        *counted("now", "numerator", 12), *counted("now", "denominator", 30),
        *counted("now", "denominator", 10, is_open=True),
        *counted("before", "numerator", 24), *counted("before", "denominator", 30),
        *counted("behind", "numerator", 1), *counted("behind", "denominator", 2),
        *counted("value", "numerator", 1, amount=1_000_000), *counted("value", "denominator", 1, amount=1_000_000),
    ]
    said = formula.in_numbers(kpi_value(metric="bottleneck_score", value="640.00"), members)
    assert said == (
        "40 × ((24 + 20 × (24 + 12) / (30 + 30)) / (30 + 20) − 12 / 30) × (1 / 2) × (100.00 / 1) = 640.00"
    )


def test_one_duration_is_every_quantile() -> None:
    """Rank 1 + (1 - 1) p = 1 (R17)."""
    one = [Member("denominator", "deal", "crm", "1", duration=3 * DAY)]
    for stat in ("median", "p90"):
        value = kpi_value(value="3.000000", metric="cycle_length", options={"stat": stat}, currency=None)
        assert formula.in_numbers(value, one) == "number 1 of 1 in order = 3.000000"
