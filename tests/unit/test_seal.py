"""Seals: what is committed to, what an altered export shows, how the chain hangs together."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from connector import seal
from connector.model import KpiValue, Member, Subject, canonical_json
from connector.seal import Entry, Seal


def value(key: str = "NV001", amount: str = "12000.00") -> KpiValue:
    return KpiValue(
        kpi="won_value", metric="won_value", subject=Subject("person", key, "An"), dimensions={}, period="2026-03",
        period_start="2026-03-01", period_end="2026-03-31", value=amount, unit="money", currency="USD",
        numerator=None, denominator=None, as_of=1, view="frozen", status="frozen",
    )


MEMBER = Member("numerator", "deal", "crm", "7", 1_767_225_600_000_001, 120_000_000, "USD", 1_000_000, 3_600_000_001)


def sealed(number: int = 1, previous: str | None = None, *entries: Entry) -> Seal:
    header = {"format": seal.FORMAT, "period": "2026-03", "number": number, "previous": previous}
    kept = entries or (seal.entry(value(), [MEMBER]), seal.entry(value("NV002", "0.00"), []))
    return Seal(header, seal.seal_hash(header, (one.commitment for one in kept)), kept)


def test_a_commitment_and_a_hash_are_what_the_module_says_by_hand() -> None:
    """Whoever writes a verifier of their own has only this to go by."""
    salt, told = "00" * 16, {"kpi": "won"}
    by_hand = hashlib.sha256(bytes(16) + b'{"members":[],"value":{"kpi":"won"}}').hexdigest()
    assert seal.commitment(salt, told, []) == by_hand
    header = {"number": 1, "period": "2026-03"}
    lines = '{"number":1,"period":"2026-03"}\n' + "aa\nbb"
    assert seal.seal_hash(header, ["bb", "aa"]) == hashlib.sha256(lines.encode()).hexdigest()


def test_a_member_is_told_with_all_its_digits() -> None:
    assert seal.member_json(MEMBER) == {
        "side": "numerator", "entity": "deal", "source": "crm", "id": "7", "occurred_at": "2026-01-01T00:00:00.000001Z",
        "amount": "12000.0000", "currency": "USD", "share": "1.000000", "duration_seconds": "3600.000001",
    }
    vnd = replace(MEMBER, amount=120_000_001, currency="VND")
    assert seal.member_json(vnd)["amount"] == "12000.0001"


def test_equal_values_have_different_commitments() -> None:
    """Else whoever knows the commitment could find an erased value by trying."""
    assert seal.entry(value(), []).commitment != seal.entry(value(), []).commitment


def test_an_export_verifies_with_nothing_but_its_content() -> None:
    content = seal.text(sealed()).encode()
    found = seal.verified(content)
    assert (found["status"], found["values"], found["erased"], found["faults"]) == ("ok", 2, 0, [])
    assert (found["period"], found["number"]) == ("2026-03", 1)


def test_an_erased_value_leaves_the_seal_valid_and_is_counted() -> None:
    one, other = sealed().entries
    whole = sealed(1, None, one, other)
    erased = Seal(whole.header, whole.hash, [one, Entry(other.commitment)])
    found = seal.verified(seal.text(erased).encode())
    assert (found["status"], found["values"], found["erased"]) == ("ok", 2, 1)


def test_a_value_that_lost_its_salt_alone_is_a_fault() -> None:
    whole = sealed()
    half = Seal(whole.header, whole.hash, [replace(whole.entries[0], salt=None), whole.entries[1]])
    assert len(list(seal.faults(half))) == 1


CHANGES = {
    "value": lambda one: one["values"][0]["value"].update(value="12000.01"),
    "member": lambda one: one["values"][0]["members"].append({"id": "8"}),
    "salt": lambda one: one["values"][0].update(salt="00" * 16),
    "salt in capitals": lambda one: one["values"][0].update(salt=one["values"][0]["salt"].upper() + " "),
    "commitment": lambda one: one["values"][0].update(commitment="00" * 32),
    "header": lambda one: one["header"].update(period="2026-04"),
    "number": lambda one: one["header"].update(number=2),
    "hash": lambda one: one.update(hash="00" * 32),
    "a value taken out": lambda one: one["values"].pop(),
    "a value twice": lambda one: one["values"].append(one["values"][0]),
    "a key of its own": lambda one: one.update(note="paid"),
    "a key beside a value": lambda one: one["values"][0].update(paid="13000.00"),
    "another format": lambda one: one["header"].update(format=2),
    "no header": lambda one: one.pop("header"),
    "values that are none": lambda one: one.update(values=[1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_in_an_export_is_found(change: str) -> None:
    whole: dict[str, Any] = json.loads(seal.text(sealed()))
    CHANGES[change](whole)
    found = seal.verified(canonical_json(whole).encode())
    assert found["status"] == "broken"
    assert found["faults"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"hash":"a","hash":"b"}'])
def test_what_is_no_export_is_said_to_be_none(content: bytes) -> None:
    assert seal.verified(content)["status"] == "broken"


def test_a_key_that_stands_twice_shows_nothing_else_than_was_sealed() -> None:
    """Programs take the first or the last of two; a person sees both."""
    text = seal.text(sealed()).replace('"value": "12000.00"', '"value": "99999.00", "value": "12000.00"', 1)
    assert "twice" in seal.verified(text.encode())["faults"][0]


def test_a_chain_is_whole_and_says_its_first_break() -> None:
    first = sealed()
    second = sealed(2, first.hash)
    third = sealed(3, second.hash)
    assert seal.chain_break([]) is None
    assert seal.chain_break([first, second, third]) is None
    assert "2026-03 seal 3 stands after 2026-03 seal 1" in str(seal.chain_break([first, third]))
    assert "2026-03 seal 2 stands as the first" in str(seal.chain_break([second, third]))
    altered = Seal({**second.header, "actor": "x"}, second.hash, second.entries)
    assert "2026-03 seal 2: its hash" in str(seal.chain_break([first, altered, third]))
