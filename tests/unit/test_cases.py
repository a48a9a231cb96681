"""A landed record becomes a case of the mapping file: only what the mapping reads, and nothing that is anybody's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector import cases
from connector.document import load
from connector.errors import MappingError
from connector.journal import load_mapping, mapping_settings
from connector.mapping import Mapping
from connector.mapping_tests import difference
from connector.ports import Record
from connector.read_paths import reads
from connector.yaml_edit import put_case

MAPPING = """\
pipelines:
  "75": {name: sales, stages: {"A1": prospecting, "won": closed_won, "lost": closed_lost}}
entities:
  - entity: deal
    stream: deals
    key: id
    only_if: "kind != 'test'"
    fields:
      name: title
      pipeline: {const: "75"}
      stage: {path: state.id}
      amount: {path: worth.amount, currency: {path: worth.currency, default: EUR}}
      owner: seller.mail
      created_at: {path: made, as: {datetime: {format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}}}
      type: {path: kind, table: {"neu": new, "alt": renewal}, default: ""}
      lost_reason: reason
      extra.contact: contacts[0].person
      extra.all: "join(', ', contacts[].person)"
      extra.phone: contacts[0].phone
      extra.score: score
  - entity: stage_transition
    stream: deals
    each: history
    only_if: item.to
    fields: {deal: record.id, to: item.to, at: item.at, by: item.who}
  - {entity: owner, stream: people, key: mail, fields: {email: mail, name: "join(' ', [first, last][?@])"}}
"""
DEAL: dict[str, Any] = {
    "id": "4711", "title": "Nguyễn Văn An, call 0901 234 567", "state": {"id": "won", "label": "Ana's win"},
    "worth": {"amount": "1200.50", "currency": "USD"},
    "seller": {"mail": "ana.alvarez@example.org", "name": "Ana Alvarez"},
    "made": "05.01.2026 09:30", "kind": "neu", "reason": "Bo Berg (bo@example.org) was too dear", "score": 17,
    "contacts": [
        {"person": "Zoë Östlund", "phone": 84901234567, "notes": ["Ana Alvarez"]},
        {"person": "Binh Tran", "phone": "+84 90 123 45 67"},
    ],
    "history": [
        {"to": "A1", "at": "2026-01-05T08:30:00Z", "who": "Ana Alvarez", "comment": "Ana"},
        {"to": "won", "at": "2026-01-20T08:30:00Z", "who": "u77", "comment": "Binh Tran"},
    ],
    "comments": [{"text": "Ana Alvarez, ana.alvarez@example.org"}],
}  # fmt: skip
PERSONAL = ("nguy", "văn", "090", "ana", "alvarez", "bo@", "berg", "zoë", "östlund", "binh", "8490", "45 67")


def mapping(text: str = MAPPING) -> Mapping:
    settings = mapping_settings(timezone="UTC", sources=["crm"], history_import=False)
    return load_mapping("m.yaml", text.encode(), "crm", settings)


def made(stream: str = "deals", salt: str = "s", **more: Any) -> dict[str, Any]:
    row = {**DEAL, **more} if stream == "deals" else more
    return cases.case(mapping(), stream, Record("4711", None, row), salt)


def test_nothing_personal_is_left_of_a_record_full_of_it() -> None:
    text = json.dumps(made(), ensure_ascii=False).lower()
    assert [word for word in PERSONAL if word in text] == []


def test_what_numbers_are_made_of_stays() -> None:
    record, expect = made()["record"], made()["expect"]
    assert (record["id"], record["state"], record["worth"]) == ("4711", {"id": "won"}, DEAL["worth"])
    assert (record["made"], record["kind"], record["score"]) == ("05.01.2026 09:30", "neu", 17)
    assert [(one["to"], one["at"]) for one in record["history"]] == [("A1", DEAL["history"][0]["at"]),
                                                                  ("won", DEAL["history"][1]["at"])]
    deal = expect["deal"]
    assert (deal["stage"], deal["pipeline"]) == ("closed_won", "sales")
    assert (deal["amount"], deal["currency"]) == ("1200.5", "USD")
    assert (deal["created_at"], deal["type"]) == ("2026-01-05T08:30:00Z", "new")  # 09:30 in Berlin
    assert [one["to"] for one in expect["stage_transition"]] == ["prospecting", "closed_won"]


def test_only_what_the_mapping_reads_is_kept() -> None:
    record = made()["record"]
    assert set(record) == set(DEAL) - {"comments"}
    assert set(record["seller"]) == {"mail"}
    assert [set(one) for one in record["contacts"]] == [{"person", "phone"}] * 2
    assert [set(one) for one in record["history"]] == [{"to", "at", "who"}] * 2


def test_the_same_person_is_the_same_in_every_case_and_another_one_elsewhere() -> None:
    seller = made()["record"]["seller"]["mail"]
    person = made("people", mail="ana.alvarez@example.org", first="Ana", last="Alvarez")
    assert person["record"]["mail"] == seller == made()["expect"]["deal"]["owner"]
    assert seller.endswith("@example.com")
    assert person["expect"]["owner"]["name"] == f"{person['record']['first']} {person['record']['last']}"
    assert made("people", "t", mail="ana.alvarez@example.org")["record"]["mail"] != seller, "another installation"


def test_a_case_holds_and_can_be_written_and_read_again() -> None:
    case = {"name": "deals:4711", **made()}
    text = put_case(MAPPING, case)
    found = mapping(text)
    assert found.tests == [case]
    assert difference(found, case) == ""
    assert found.version == mapping().version, "cases change no meaning"


def test_a_record_that_cannot_be_mapped_is_no_case() -> None:
    with pytest.raises(MappingError, match="stage 'nowhere'"):
        made(state={"id": "nowhere"})


@pytest.mark.parametrize(("path", "places"), [
    ("a.b", {("a", "b")}),
    ("a[0].b", {("a", "[]", "b")}),
    ("join(' ', [a, b][?@])", {("a",), ("b",), ("a", "[]"), ("b", "[]")}),
    ("a[?k == 'x'].v | [0]", {("a", "[]", "k"), ("a", "[]", "v", "[]")}),
    ("max_by(a, &d).n", {("a",)}),
    ("a && !contains(['s'], b)", {("a",), ("b",)}),
    ("*.a", {("*", "a")}),
])  # fmt: skip
def test_what_a_path_reads(path: str, places: set[tuple[str, ...]]) -> None:
    assert reads(path) == places


# --- the file --------------------------------------------------------------------------------------------------------

CASE = {"name": "deals:1", "stream": "deals", "record": {"id": "1"}, "expect": {"deal": {"id": "1"}, "owner": None}}
ITEM = """\
  - name: "deals:1"
    stream: deals
    record: {id: "1"}
    expect:
      deal: {id: "1"}
      owner: null
"""


@pytest.mark.parametrize(("before", "after"), [
    ("a: 1   # one\n", f"a: 1   # one\n\ntests:\n{ITEM}"),
    ("tests: []  # none yet\na: 1\n", f"tests:  # none yet\n{ITEM}a: 1\n"),
    ("tests:\n", f"tests:\n{ITEM}"),
    ("tests:\n  - {name: x}   # first\n\n# the rest\na: 1\n",
     f"tests:\n  - {{name: x}}   # first\n{ITEM}\n# the rest\na: 1\n"),
    ("tests:\n  - name: x\n    record: {}", f"tests:\n  - name: x\n    record: {{}}\n{ITEM}"),
    ('tests:\n  - name: "deals:1"\n    record: {}\n\n  # then\n  - {name: x}\n',
     f"tests:\n{ITEM}\n  # then\n  - {{name: x}}\n"),
    ("tests: [{name: x}] # all\n",
     'tests: [{name: x}, {name: "deals:1", stream: deals, record: {id: "1"}, expect: {deal: {id: "1"}, owner: null}}] '
     "# all\n"),
    ("tests:\r\n- {name: x}\r\n",
     "tests:\r\n- {name: x}\r\n" + "".join(f"{line[2:]}\r\n" for line in ITEM.splitlines())),
])  # fmt: skip
def test_a_case_is_put_in_and_nothing_else_is_touched(before: str, after: str) -> None:
    made = put_case(before, CASE)
    assert made == after
    assert load(made, "m.yaml").data["tests"][-1 if "then" not in before else 0] == CASE
    assert put_case(made, CASE) == made, "again: it takes its own place"
