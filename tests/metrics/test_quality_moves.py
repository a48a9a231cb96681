"""Data quality of what happened: odd moves, closes without history, deals removed; and which rows show each fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine

from connector import kpi
from connector.evidence import Evidences
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE
from connector.period import Calendar
from connector.store.known import KnownRows
from connector.store.snapshot import open_snapshot

from .conftest import Ask
from .fill import ref
from .test_quality import COMPANY, LOST, OPEN, RATES, VALUE, WON, List, all_time, build, listed
from .test_rules import Build, day, move

__all__ = ["build", "listed"]  # the fixtures


# --- moves -----------------------------------------------------------------------------------------------------------


def test_a_deal_moved_back_counts_once_in_a_period(build: Build, listed: List) -> None:
    """Q4: twice in January, again in February; to be re-opened, and to go to another pipeline, is none."""
    there, back = "offer", "new"
    moves = {
        "1": [move("01-02", there), move("01-03", back), move("01-04", there), move("01-05", back),
              move("02-01", there), move("02-02", back)],
        "re-opened": [move("01-02", there), move("01-05", "lost"), move("02-01", back)],
        "handed over": [move("01-02", there), move("01-05", "r_new")],
    }
    ask = build({id_: {} for id_ in moves}, moves)
    assert [value.value for value in ask("quality_moved_back")][:3] == ["1", "1", "0"]
    assert (all_time(ask, "quality_moved_back"), listed("quality_moved_back")) == ("1", ["1"])
    assert all_time(ask, "quality_moved_back", options=VALUE) == "1000.00"


def test_a_move_is_worth_what_the_deal_was_worth_then_and_is_of_who_made_it_or_owned_it(build: Build) -> None:
    """Q5: won over `offer` on 11 January, worth EUR 300 at 1.1, 1 000 from February on; owned by A then, done by B."""
    told = [{"deal": "1", "field": field, "occurred_at": day(on), "new": new} for field, on, new in (
        ("amount", "01-05", "3000000"), ("amount", "02-01", "10000000"),
        ("owner", "01-05", ref("A")), ("owner", "02-01", ref("B")))]
    skip = [move("01-05", "new"), move("01-11", "won", actor="B")]
    owners = [{"id": "A", "name": "An"}, {"id": "B", "name": "Binh"}]
    ask = build({"1": {"currency": "EUR", "owner": ref("B")}}, {"1": skip}, files=RATES, deal_change=told, owner=owners)

    def of(credit: str) -> dict[str, str | None]:
        values = ask("quality_stage_skipped", every="all", per="owner", options={**VALUE, "credit": credit})
        return {value.subject.key: value.value for value in values if value.value != "0.00"}

    assert of("at_event") == {"crm:A": "330.00"}
    assert of("actor") == of("current") == {"crm:B": "330.00"}


def test_a_move_that_the_history_does_not_tell(build: Build, listed: List) -> None:
    """Q10: the ledger flags it."""
    build({"1": {}, "2": {}}, {"1": [*OPEN, move("02-01", "offer", origin="observed", flagged=1)],
                               "2": [*OPEN, move("02-01", "offer", origin="observed")]})
    assert (listed("quality_history_gap", "2025-02"), listed("quality_history_gap", "2025-01")) == (["1"], [])


def test_a_close_known_from_the_field_only_and_one_closed_at_first_sight(build: Build, listed: List) -> None:
    """Q8: the field says 11 January; the other was won already when it was first read on 3 March."""
    build({"field": {}, "sight": {}, "told": {}, "undone": {}}, {
        "field": [*OPEN, move("01-11", "won", origin="field")], "told": WON,
        "sight": [move("01-01", "won", origin="initial", read_at=day("03-03"))],
        "undone": [*OPEN, move("01-11", "won", origin="field"), move("02-01", "offer")],
    })
    assert listed("quality_history_missing", "2025-01") == ["field"]
    assert listed("quality_history_missing", "2025-03") == ["sight"]
    assert listed("quality_history_missing", options={"credit": "actor"}) == ["field", "sight"]


# --- removed ---------------------------------------------------------------------------------------------------------

GONE: dict[str, dict[str, Any]] = {
    "deleted": {"deleted_at": day("02-03")},
    "merged": {"merged_into": ref("kept"), "seen_at": day("02-10"), "currency": "EUR"},
    "missing": {"gone": "deleted", "seen_at": day("03-04"), "lost_reason": "price", "extra": '{"region":"north"}'},
    "never in": {"deleted_at": day("02-03")},
    "retracted": {"gone": "retracted"},
    "to be deleted": {"deleted_at": day("05-01")},
    "kept": {},
}


@pytest.fixture
def removed(build: Build) -> Ask:
    """Three deals that were removed; `deleted` belonged to B since 20 January, and to C after it was deleted."""
    owned = [{"deal": "deleted", "field": "owner", "occurred_at": day(on), "new": ref(owner)} for on, owner in (
        ("01-05", "A"), ("01-20", "B"), ("02-05", "C"))]
    return build(GONE, {id_: OPEN for id_ in GONE if id_ != "never in"}, files=RATES, deal_change=owned)


def test_removed_deals_that_had_entered_the_pipeline(removed: Ask, listed: List) -> None:
    """Q9: by the source's date, or from when it was known so; a retraction and a deletion to come are none."""
    assert [value.value for value in removed("quality_removed")] == ["0", "2", "1", "0"]
    assert listed("quality_removed") == ["deleted", "merged", "missing"]
    money = [value.value for value in removed("quality_removed", options=VALUE)]
    assert money == ["0.00", "2200.00", "1000.00", "0.00"]  # EUR 1 000 at 1.2
    assert removed("quality_removed", periods=["2025-02"], where={"pipeline": "renewal"})[0].value == "0"


def test_whose_a_removed_deal_was(removed: Ask) -> None:
    """Q9: its owner at that moment, also one whom no other deal names."""
    values = removed("quality_removed", every="all", per="owner")
    assert {value.subject.key: value.value for value in values} == {"crm:A": "2", "crm:B": "1"}
    assert removed("quality_removed", every="all", per="person")[0].subject.kind == "owner"


def test_removed_deals_by_what_became_of_them_and_their_own_fields(removed: Ask) -> None:
    values = removed("quality_removed", every="all", by=["removal", "reason", "pipeline"])
    assert {tuple(value.dimensions.values()): value.value for value in values} == {
        ("deleted", "", "sales"): "1", ("merged", "", "sales"): "1", ("deleted", "price", "sales"): "1"}
    values = removed("quality_removed", every="all", where={"extra.region": "north"})
    assert [value.value for value in values] == ["1"]


def test_a_store_of_which_all_was_removed_has_its_months(build: Build) -> None:
    ask = build({"1": {"deleted_at": day("02-03")}}, {"1": OPEN})
    assert ask("quality_removed")[0].period == "2025-02"
    assert ask("quality_removed")[0].value == "1"


# --- what shows them -------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(database_url: str) -> Callable[..., list[tuple[str, list[str], int | None]]]:
    """shown(metric, **of the definition) -> each member over all time: id, what its rows are, its own amount."""

    def rows(metric: str, **given: Any) -> list[tuple[str, list[str], int | None]]:
        engine = create_engine(database_url)
        calendar, definition = Calendar(), KpiDefinition(metric, metric, every="all", **given)
        with (
            open_snapshot(database_url) as snapshot, kpi.Reading(snapshot, calendar, "USD") as reading,
            engine.connect() as connection,
        ):
            members = reading.members(definition, COMPANY, "all")
            known = KnownRows(connection, snapshot.as_of, snapshot.known_at)
            evidences = Evidences(CATALOGUE[metric], members, known, kpi.rates(snapshot, "USD"), calendar)
            told = [(member.id, evidences.of(member)) for member in members]
        engine.dispose()
        return [
            (id_, [one.role for one in each.cited], each.worth.amount if each.worth else None) for id_, each in told
        ]

    return rows


@pytest.mark.usefixtures("removed")
def test_a_removed_deal_is_shown_by_its_last_version(shown: Callable[..., Any]) -> None:
    """Q9: also one that a full pass no longer showed."""
    assert shown("quality_removed") == [(id_, ["deal"], 1000_0000) for id_ in ("deleted", "merged", "missing")]


def test_a_fault_is_shown_by_the_deal_and_the_move_that_counts(build: Build, shown: Callable[..., Any]) -> None:
    """A loss by the move that lost it; a move back by itself and the entry before; an open deal by where it stands."""
    build({"lost": {}, "back": {"expected_close_on": "2025-03-01"}, "copy": {"account": ref("K")},
           "first": {"account": ref("K")}},
          {"lost": LOST, "back": [move("01-05", "offer"), move("01-11", "new")], "copy": OPEN, "first": OPEN})
    assert shown("quality_reason_missing") == [("lost", ["deal", "lost"], 1000_0000)]
    assert shown("quality_moved_back") == [("back", ["left", "entered", "deal"], 1000_0000)]
    assert shown("quality_close_overdue") == [("back", ["deal", "held"], 1000_0000)]
    assert shown("quality_duplicate") == [("first", ["deal"], 1000_0000)]
