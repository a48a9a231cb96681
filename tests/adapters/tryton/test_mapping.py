"""mappings/tryton.yaml over what a real Tryton answers: nothing is set aside, the moves are those of its history."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from adapters.tryton import MODELS, Tryton, TrytonSettings
from connector import document, mapping
from connector.model import Mapped, Reported
from connector.ports import Context, SystemClock, Window

pytestmark = pytest.mark.real

FILE = Path(__file__).parents[3] / "mappings" / "tryton.yaml"


@pytest.fixture(scope="module")
def mapped(tryton_server: dict[str, Any]) -> dict[str, list[Mapped]]:
    """Every record of every stream, mapped."""
    found = {name: tryton_server[name] for name in ("base_url", "database")}
    settings = TrytonSettings.model_validate({**found, "key": tryton_server["rest_key"]})
    source = Tryton("tryton", settings, Context(SystemClock(), UTC))
    rules = mapping.load(document.read(str(FILE)), source="tryton", zone=UTC, sources=["tryton"])
    window = Window(None, source.now())
    return {
        stream: [
            record
            for page in source.read(stream, window)
            for record in rules.apply(stream, source.records(stream, page.exchanges))
        ]
        for stream in MODELS
    }


def facts(mapped: dict[str, list[Mapped]], timeline: str) -> Iterator[Reported]:
    for record in mapped["opportunities"]:
        yield from (fact for fact in record.reported if fact.timeline == timeline)


def test_no_record_is_set_aside(mapped: dict[str, list[Mapped]]) -> None:
    assert {record.fault for records in mapped.values() for record in records} == {None}
    made = Counter(entry.entity for records in mapped.values() for record in records for entry in record.entries)
    assert {name: made[name] for name in ("owner", "account", "sales_order", "invoice", "fx_rate")} == {
        "owner": 5, "account": 26, "sales_order": 24, "invoice": 14, "fx_rate": 7,
    }
    assert made["deal"] == made["lead"] == len(mapped["opportunities"])


def test_a_deal_is_where_its_last_transition_led(mapped: dict[str, list[Mapped]]) -> None:
    last = {fact.deal: fact.value for fact in facts(mapped, "stage")}  # oldest first
    deals = {entry.id: entry.fields for record in mapped["opportunities"] for entry in record.entries
             if entry.entity == "deal"}
    assert last == {id_: ("sale", fields["stage"]) for id_, fields in deals.items()}


def test_the_moves_of_the_reopened_deal_are_those_of_the_seed(mapped: dict[str, list[Mapped]]) -> None:
    """seed.py: lead, opportunity, lost, lead, opportunity."""
    steps: dict[str, list[str]] = defaultdict(list)
    for fact in facts(mapped, "stage"):
        if steps[fact.deal][-1:] != [fact.value[1]]:
            steps[fact.deal].append(fact.value[1])
    reopened = [moves for moves in steps.values() if "lost" in moves[:-1]]
    assert reopened == [["lead", "opportunity", "lost", "lead", "opportunity"]]


def test_amounts_and_owners_of_the_past_are_stored_as_the_deal_has_them(mapped: dict[str, list[Mapped]]) -> None:
    """Record 1: 56,900 as an estimate, 480.00 once quoted; owner 1 throughout."""
    amounts = [fact.value for fact in facts(mapped, "amount") if fact.deal == "1"]
    assert (amounts[0], amounts[-1], len(set(amounts))) == (("569000000",), ("4800000",), 2)
    assert {fact.value for fact in facts(mapped, "owner") if fact.deal == "1"} == {("tryton:1",)}
    assert {fact.value for fact in facts(mapped, "currency")} == {("EUR",), ("USD",), ("GBP",), ("JPY",)}


def test_the_actor_of_a_move_is_a_name_that_an_owner_may_have(mapped: dict[str, list[Mapped]]) -> None:
    users = {entry.fields["user"] for record in mapped["employees"] for entry in record.entries}
    assert users == {"Amira Haddad", "Bastian Kroll", "Chiara Fontana", "Daniel Osei", "Eva Lindqvist"}
    assert {fact.actor for fact in facts(mapped, "stage")} == {"Administrator"}  # who ran the seed


def test_an_order_belongs_to_its_deal_and_an_invoice_to_its_order(mapped: dict[str, list[Mapped]]) -> None:
    orders = {entry.id: entry.fields for record in mapped["sales"] for entry in record.entries}
    assert (orders["1"]["deal"], orders["1"]["amount"], orders["1"]["state"]) == ("tryton:1", 4_800_000, "confirmed")
    invoices = [entry.fields for record in mapped["invoices"] for entry in record.entries]
    assert {str(fields["sales_order"]).removeprefix("tryton:") for fields in invoices} <= orders.keys()
