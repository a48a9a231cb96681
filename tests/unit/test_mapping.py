"""The mapping file: what records become, and every fault of the file with its line and what is expected."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import ConfigError
from connector.journal import load_mapping, mapping_settings
from connector.mapping import Mapping
from connector.model import Mapped, canonical_json, micros, moment
from connector.ports import Record

HEAD = 'pipelines:\n  "P": {name: p, stages: {"a": proposal, "w": closed_won, "l": closed_lost}}\n'
DEAL = "entities:\n  - entity: deal\n    stream: deals\n    key: id\n    fields:\n"


def load(text: str, *, sources: tuple[str, ...] = ("crm", "erp"), zone: str = "UTC") -> Mapping:
    settings = mapping_settings(timezone=zone, sources=sources, history_import=False)
    return load_mapping("m.yaml", text.encode(), "crm", settings)


def apply(text: str, *rows: dict[str, Any], stream: str = "deals") -> list[Mapped]:
    records = [Record(str(row.get("id")), None, row) for row in rows]
    return list(load(text).apply(stream, records))


# --- faults of the file ----------------------------------------------------------------------------------------------

OWN = HEAD + DEAL + "      "  # one field follows, on line 8
MORE = HEAD + DEAL + "      name: n\n  - "  # one more entry follows, on line 9
CHANGE = MORE + "{entity: deal_change, stream: s, fields: {deal: d, field: {const: owner}, at: x, new: "
FAULTS = {
    "empty file": ("", "m.yaml:1: ", "expected a mapping file with pipelines: and entities:"),
    "not YAML": ("a: [\n", "m.yaml:2: ", "expected YAML 1.2"),
    "unknown section": (
        HEAD + "other: 1\n" + DEAL + "      name: n\n",
        "m.yaml:3: other",
        "known: pipelines, entities",
    ),
    "pipelines no mapping": (
        "pipelines: 3\n" + DEAL + "      name: n\n",
        "m.yaml:1: pipelines",
        'expected "vendor id"',
    ),
    "pipeline id unquoted": (
        HEAD.replace('"P"', "75") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.75",
        'quote it: "75"',
    ),
    "stage id unquoted": (
        HEAD.replace('"a"', "012") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.P.stages.12",
        "quote it",
    ),
    "stage id a boolean": (
        HEAD.replace('"a"', "true") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.P",
        'quote it: "true"',
    ),
    "no such canonical stage": (
        HEAD.replace("proposal", "selling") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.P.stages.a",
        "known: prospecting, qualification",
    ),
    "no won stage": (
        HEAD.replace('"w": closed_won, ', "") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.P.stages",
        "expected a stage that is closed_won",
    ),
    "stages a list": (
        HEAD.replace('{"a": proposal, "w": closed_won, "l": closed_lost}', "[a]") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.P",
        'stages: {"vendor stage id": canonical stage}',
    ),
    "probability above 1": (
        HEAD.replace("proposal", "{to: proposal, probability: 2}") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.P.stages.a.probability",
        "expected a number from 0 to 1",
    ),
    "unknown key of a stage": (
        HEAD.replace("proposal", "{to: proposal, colour: red}") + DEAL + "      name: n\n",
        "m.yaml:2: pipelines.P.stages.a.colour",
        "known: to, name, probability, archived",
    ),
    "two pipelines of one name": (
        HEAD + HEAD.splitlines()[1].replace('"P"', '"Q"') + "\n" + DEAL + "      name: n\n",
        "m.yaml:3: pipelines.Q.name",
        "two pipelines are named 'p'",
    ),
    "no entities": (HEAD + "entities: []\n", "m.yaml:3: entities", "expected a list of entries"),
    "entry no mapping": (HEAD + "entities: [3]\n", "m.yaml:3: entities[0]", "expected {entity, stream, key, fields}"),
    "no such entity": (
        MORE + "{entity: deel, stream: s, key: id, fields: {}}\n",
        "m.yaml:9: entities[1].entity",
        "known: owner",
    ),
    "no stream": (
        MORE + "{entity: lead, key: id, fields: {}}\n",
        "m.yaml:9: entities[1].stream",
        "expected the name of a stream",
    ),
    "no key": (MORE + "{entity: lead, stream: s, fields: {}}\n", "m.yaml:9: entities[1]", "lead needs key"),
    "key a number": (
        MORE + "{entity: lead, stream: s, key: 5, fields: {}}\n",
        "m.yaml:9: entities[1].key",
        "expected a path",
    ),
    "key empty": (
        MORE + "{entity: lead, stream: s, key: [], fields: {}}\n",
        "m.yaml:9: entities[1].key",
        "expected a path, or a list",
    ),
    "key of a stage without pipeline": (
        MORE + "{entity: stage, stream: s, key: id, fields: {}}\n",
        "m.yaml:9: entities[1].key",
        "PATH of the pipeline's id",
    ),
    "fields a list": (
        MORE + "{entity: lead, stream: s, key: id, fields: [a]}\n",
        "m.yaml:9: entities[1].fields",
        "expected a mapping of our fields",
    ),
    "unknown key of an entry": (
        MORE + "{entity: lead, stream: s, key: id, fields: {}, filter: x}\n",
        "m.yaml:9: entities[1].filter",
        "known: entity, stream, key, each, only_if, fields",
    ),
    "each no path": (
        MORE + "{entity: lead, stream: s, key: id, each: 'a[', fields: {}}\n",
        "m.yaml:9: entities[1].each",
        "not a JMESPath",
    ),
    "only_if no path": (
        MORE + "{entity: lead, stream: s, key: id, only_if: 'b(', fields: {}}\n",
        "m.yaml:9: entities[1].only_if",
        "not a JMESPath",
    ),
    "unknown field": (OWN + "nam: n\n", "m.yaml:8: entities[0].fields.nam", "known: name, pipeline, stage"),
    "field name unquoted": (OWN + "5: n\n", "m.yaml:8: entities[0].fields.5", 'quote it: "5"'),
    "field given twice": (
        OWN + "name: n\n      name: m\n",
        "m.yaml:9: entities[0].fields.name",
        "given twice, first on line 8",
    ),
    "money without currency": (
        OWN + "amount: n\n",
        "m.yaml:8: entities[0].fields.amount",
        "add currency: PATH or currency: {const: EUR}",
    ),
    "currency a number": (
        OWN + "amount: {path: n, currency: 5}\n",
        "m.yaml:8: entities[0].fields.amount.currency",
        "expected a path",
    ),
    "currency unknown": (
        OWN + "amount: {path: n, currency: {const: euro}}\n",
        "m.yaml:8: entities[0].fields.amount.currency.const",
        "three letters",
    ),
    "currency of text": (
        OWN + "name: {path: n, currency: c}\n",
        "m.yaml:8: entities[0].fields.name.currency",
        "only money",
    ),
    "two ways": (
        OWN + "name: {path: n, first_of: [a]}\n",
        "m.yaml:8: entities[0].fields.name",
        "exactly one of path, first_of, const",
    ),
    "no way": (
        OWN + "name: {default: x}\n",
        "m.yaml:8: entities[0].fields.name",
        "exactly one of path, first_of, const",
    ),
    "path a number": (OWN + "name: {path: 5}\n", "m.yaml:8: entities[0].fields.name.path", "expected a path"),
    "first_of text": (
        OWN + "name: {first_of: a}\n",
        "m.yaml:8: entities[0].fields.name.first_of",
        "expected a list of paths",
    ),
    "unknown key of a field": (
        OWN + "name: {path: n, colour: x}\n",
        "m.yaml:8: entities[0].fields.name.colour",
        "known: path, first_of",
    ),
    "table a text": (
        OWN + "name: {path: n, table: x}\n",
        "m.yaml:8: entities[0].fields.name.table",
        "the source's words to ours",
    ),
    "table key unquoted": (
        OWN + "name: {path: n, table: {1: x}}\n",
        "m.yaml:8: entities[0].fields.name.table.1",
        'quote it: "1"',
    ),
    "table of unknown words": (
        OWN + "outcome: {path: n, table: {A: open, B: winning}}\n",
        "m.yaml:8: entities[0].fields.outcome.table.B",
        "expected one of open, won, lost",
    ),
    "const no choice": (
        OWN + "outcome: {const: winning}\n",
        "m.yaml:8: entities[0].fields.outcome.const",
        "open, won, lost",
    ),
    "no such converter": (
        OWN + "name: {path: n, as: textt}\n",
        "m.yaml:8: entities[0].fields.name.as",
        "known: currency, date",
    ),
    "no such zone": (
        OWN + "created_at: {path: n, as: {datetime: {zone: Mars/X}}}\n",
        "m.yaml:8: entities[0].fields.created_at.as",
        "Europe/Berlin",
    ),
    "no such argument": (
        OWN + "created_at: {path: n, as: {datetime: {colour: x}}}\n",
        "m.yaml:8: entities[0].fields.created_at.as",
        "it takes format, zone",
    ),
    "arguments a number": (
        OWN + "created_at: {path: n, as: {datetime: 5}}\n",
        "m.yaml:8: entities[0].fields.created_at.as",
        "{name: {argument: value}}",
    ),
    "no such function": (
        OWN + "name: {path: n, as: no.such.function}\n",
        "m.yaml:8: entities[0].fields.name.as",
        "dotted path",
    ),
    "seen_at without import": (OWN + "seen_at: n\n", "m.yaml:8: entities[0].fields.seen_at", "history_import: true"),
    "stage without pipelines": (DEAL + "      stage: s\n", "m.yaml:2: entities[0]", "need a pipelines: section"),
    "two entries fill one field": (
        MORE + "{entity: deal, stream: deals, key: id, fields: {name: m}}\n",
        "m.yaml:9: entities[1].fields.name",
        "already filled on line 8",
    ),
    "transition without time": (
        MORE + "{entity: stage_transition, stream: s, fields: {deal: d, to: a}}\n",
        "m.yaml:9: entities[1].fields",
        "stage_transition needs at",
    ),
    "change of an unknown field": (
        CHANGE.replace("owner", "colour") + "n}}\n",
        "m.yaml:9: entities[1].fields.field.const",
        "expected one of owner",
    ),
    "change by no converter": (
        CHANGE + "{path: n, as: nope}}}\n",
        "m.yaml:9: entities[1].fields.new.as",
        "no converter 'nope'",
    ),
    "change by two converters": (
        CHANGE + "{path: n, as: {a: 1, b: 2}}}}\n",
        "m.yaml:9: entities[1].fields.new.as",
        "expected a converter's name",
    ),
    "stage named by a stream": (
        MORE + "{entity: stage, stream: s, key: [p, i], fields: {name: n}}\n",
        "m.yaml:9: entities[1].fields.name",
        "the pipelines: section decides it",
    ),
    "tests no list": (
        OWN + "name: n\ntests: {a: 1}\n",
        "m.yaml:9: tests",
        "expected a list of {stream, record, expect}",
    ),
}


@pytest.mark.parametrize(("text", "place", "expected"), FAULTS.values(), ids=FAULTS)
def test_each_fault_names_file_line_and_key_and_what_is_expected(text: str, place: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert any(str(fault).startswith(place) and expected in str(fault) for fault in caught.value.faults), [
        str(fault) for fault in caught.value.faults
    ]


def test_all_faults_of_a_file_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load(OWN + "nam: n\n      amount: a\n      name: {path: 5}\n")
    assert [fault.line for fault in caught.value.faults] == [8, 9, 10]


def test_a_duplicate_key_hides_no_other_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        load(OWN + "nam: n\n      amount: a\n      amount: a\n      name: {path: 5}\n")
    assert [fault.line for fault in caught.value.faults] == [8, 10, 10, 11]
    assert "given twice" in str(caught.value)


def test_an_entry_without_stream_is_told_its_other_faults_too() -> None:
    with pytest.raises(ConfigError) as caught:
        load(MORE + "{entity: lead, key: 'a[', fields: {nam: n}}\n")
    assert len(caught.value.faults) == 3


# --- what records become ---------------------------------------------------------------------------------------------

LEAD = "{entity: lead, stream: deals, key: id, fields: "


def fields(spec: str, **row: Any) -> Any:
    """What one lead's field becomes, or the reason why not."""
    (mapped,) = apply(MORE + LEAD + spec + "}\n", {"id": "1", **row})
    if mapped.fault:
        return mapped.fault
    return next(entry for entry in mapped.entries if entry.entity == "lead").fields


@pytest.mark.parametrize(
    ("spec", "row", "value"),
    [
        ("{status: a.b}", {"a": {"b": "x"}}, "x"),
        ("{status: a.b}", {"a": None}, None),
        ("{status: {first_of: [a, b]}}", {"a": "", "b": "x"}, "x"),
        ("{status: {const: x}}", {}, "x"),
        ("{status: {path: a, default: x}}", {}, "x"),
        ("{status: {path: a, table: {Y: yes}}}", {"a": "Y"}, "yes"),
        ("{status: {path: a, table: {Y: yes}, default: other}}", {"a": "N"}, "other"),
        ("{status: \"a[?x=='1'].y | [0]\"}", {"a": [{"x": "1", "y": "z"}]}, "z"),
        ("{status: a}", {"a": 5}, "5"),
    ],
)
def test_the_field_language(spec: str, row: dict[str, Any], value: Any) -> None:
    assert fields(spec, **row)["status"] == value


@pytest.mark.parametrize(
    ("spec", "row", "reason"),
    [
        ("{status: {path: a, table: {Y: yes}}}", {"a": "N"}, "not in its table; the table has Y"),
        ("{created_at: a}", {"a": "yesterday"}, "expected a date and time as ISO 8601"),
        ("{created_at: a}", {"a": "2026-01-01T00:00:00"}, "a time without offset"),
        ("{status: a}", {"a": [1]}, "expected text, found list"),
        ("{status: \"join(',', a)\"}", {"a": None}, "JMESPath"),
    ],
)
def test_a_record_that_cannot_be_mapped_says_why_without_its_value(spec: str, row: dict[str, Any], reason: str) -> None:
    fault = fields(spec, **row)
    assert reason in fault
    assert "yesterday" not in fault


def test_a_record_with_a_fault_gives_nothing_else_and_the_rest_of_the_page_is_mapped() -> None:
    text = OWN + "amount: {path: a, currency: c}\n"
    bad, good = apply(text, {"id": "1", "a": 5}, {"id": "2", "a": "12.5", "c": "usd"})
    assert bad.fault is not None
    assert "an amount without currency" in bad.fault
    assert (bad.entries, bad.reported) == ([], [])
    assert good.entries[0].fields == {"amount": 125_000, "currency": "USD"}


def test_an_unmapped_stage_names_its_pipeline() -> None:
    text = OWN + "stage: s\n      pipeline: p\n"
    mapped, unknown = apply(text, {"id": "1", "s": "x", "p": "P"}, {"id": "2", "s": "a", "p": "Z"})
    assert (mapped.pipeline, unknown.pipeline) == ("P", "Z")


def test_references_are_of_this_source_unless_they_name_another() -> None:
    (mapped,) = apply(OWN + "owner: o\n      account: a\n", {"id": "1", "o": "erp:5", "a": "x:5"})
    assert mapped.entries[0].fields == {"owner": "erp:5", "account": "crm:x:5"}


def test_entries_of_one_row_are_joined_and_may_not_fill_one_field_twice() -> None:
    text = MORE + "{entity: deal, stream: deals, key: id, only_if: x, fields: {name: m}}\n"
    alone, both = apply(text, {"id": "1", "n": "N"}, {"id": "2", "n": "N", "m": "M", "x": 1})
    assert alone.entries[0].fields["name"] == "N"
    assert both.fault is not None
    assert "two entries" in both.fault


def test_shares_above_one_are_set_aside() -> None:
    text = (
        MORE + "{entity: deal_owner, stream: deals, each: s, fields: {deal: record.id, owner: item.o, share: item.h}}\n"
    )
    fine, fault = apply(
        text,
        {"id": "1", "s": [{"o": "1", "h": 0.5}, {"o": "2", "h": 0.5}]},
        {"id": "2", "s": [{"o": "1", "h": 0.6}, {"o": "2", "h": 0.5}]},
    )
    assert fine.fault is None
    assert "add up to more than 1" in str(fault.fault)


HISTORY = (
    MORE + "{entity: stage_transition, stream: deals, each: h, fields: {deal: record.id, to: item.t, at: item.a}}\n"
)


def test_history_is_oldest_first_however_the_vendor_lists_it() -> None:
    items = [{"t": "w", "a": "2026-01-03"}, {"t": "a", "a": "2026-01-01"}]
    for listed in (items, items[::-1]):
        (mapped,) = apply(HISTORY, {"id": "1", "h": listed})
        assert [fact.value[1] for fact in mapped.reported] == ["a", "w"]
        assert mapped.lists == {("1", "stage")}


def test_facts_of_one_instant_keep_the_source_s_order_also_when_the_oldest_are_cut() -> None:
    items = [{"t": to, "a": "2026-01-01"} for to in ("a", "l", "w")]
    for listed in (items, items[1:]):
        (mapped,) = apply(HISTORY, {"id": "1", "h": listed})
        assert [(fact.value[1], fact.sequence) for fact in mapped.reported][-2:] == [("l", -1), ("w", 0)]


@pytest.mark.parametrize("now", ["w", "a"])
def test_of_a_list_whose_facts_are_all_of_one_instant_the_newest_is_what_the_record_holds(now: str) -> None:
    """A vendor that lists the newest first shows it only from the next fact on, which must not number these anew."""
    text = HISTORY.replace("name: n", "{pipeline: {const: P}, stage: s, amount: {path: x, currency: {const: EUR}}}")
    text = text.replace("\n      {pipeline", " {pipeline") + (
        "  - {entity: deal_change, stream: deals, each: c, fields: {deal: record.id, field: {const: amount}, "
        "new: item.v, at: item.a}}\n"
    )
    one, later = {"a": "2026-01-01"}, {"a": "2026-01-02"}
    moves = [{"t": to, **one} for to in (now, "l", "w" if now == "a" else "a")]
    worth = [{"v": str(number), **one} for number in (2, 1)]
    record = {"id": "1", "s": now, "x": "2", "h": moves, "c": worth}
    (mapped,) = apply(text, record)
    told = [(fact.value[-1], fact.sequence) for fact in sorted(mapped.reported, key=lambda fact: fact.sequence)]
    assert told == [(moves[2]["t"], -2), ("l", -1), ("10000", -1), (now, 0), ("20000", 0)]
    (mapped,) = apply(text, {**record, "s": "l", "h": [{"t": "l", **later}, *moves]})
    again = [(fact.value[1], fact.sequence) for fact in mapped.reported if fact.timeline == "stage"]
    assert again == [(moves[2]["t"], -2), ("l", -1), (now, 0), ("l", 0)]


def test_changes_are_converted_as_the_field_that_changed() -> None:
    text = MORE + "{entity: deal_change, stream: c, fields: {deal: d, field: f, new: n, at: a}}\n"
    rows = [("owner", "7"), ("amount", "12.5"), ("currency", "eur"), ("probability", "0.25"), ("owner", None)]
    made = apply(
        text, *[{"id": i, "d": "1", "f": f, "n": n, "a": "2026-01-01"} for i, (f, n) in enumerate(rows)], stream="c"
    )
    assert [one.reported[0].value for one in made] == [("crm:7",), ("125000",), ("EUR",), ("250000",), ("",)]


def test_a_bare_date_is_local_and_an_instant_is_not_shifted() -> None:
    text = OWN + "created_at: c\n      expected_close_on: e\n"
    record = Record("1", None, {"id": "1", "c": "2026-01-01", "e": "2026-01-31T20:00:00Z"})
    (mapped,) = load(text, zone="Asia/Ho_Chi_Minh").apply("deals", [record])
    made = mapped.entries[0].fields
    assert moment(int(made["created_at"] or 0)).isoformat() == "2025-12-31T17:00:00+00:00"
    assert made["expected_close_on"] == "2026-02-01"


def test_only_if_that_does_not_hold_says_that_the_row_is_absent() -> None:
    (mapped,) = apply(MORE + LEAD + "{status: s}, only_if: s}\n", {"id": "1", "s": ""})
    assert [(entry.entity, entry.absent) for entry in mapped.entries] == [("deal", False), ("lead", True)]


def test_a_key_of_several_parts_cannot_be_mistaken_for_another() -> None:
    text = MORE + "{entity: lead, stream: deals, key: [a, b], fields: {}}\n"
    one, two = apply(text, {"id": "1", "a": "x|", "b": "y"}, {"id": "2", "a": "x", "b": "|y"})
    ids = {entry.id for mapped in (one, two) for entry in mapped.entries if entry.entity == "lead"}
    assert len(ids) == 2


# --- its version -----------------------------------------------------------------------------------------------------


def test_the_version_changes_with_the_meaning_only() -> None:
    text = OWN + "name: n\n"
    same = [text.replace("name: n", "name:  n # the name"), "# hello\n" + text]
    other = [
        text.replace("name: n", "name: m"),
        text.replace('"a": proposal', '"a": negotiation'),
        text.replace('"a": proposal, "w": closed_won', '"w": closed_won, "a": proposal'),
    ]
    assert {load(one).version for one in same} == {load(text).version}
    assert len({load(one).version for one in [text, *other]}) == 4
    assert load(text, sources=("crm",)).version != load(text).version  # other ids are then references
    assert load(text, zone="Asia/Tokyo").version != load(text).version


def test_columns_say_what_a_stream_fills() -> None:
    found = load(OWN + "stage: s\n      amount: {path: a, currency: c}\n      extra.region: r\n")
    assert found.columns("deal", "deals") == {"stage", "pipeline", "amount", "currency", "extra.region"}
    assert found.columns("deal", "other") == set()


def test_mapping_a_record_again_gives_the_same() -> None:
    row = {"id": "1", "h": [{"t": "w", "a": "2026-01-03"}, {"t": "a", "a": "2026-01-01"}]}
    one, two = apply(HISTORY, row), apply(HISTORY, row)
    assert canonical_json([repr(one)]) == canonical_json([repr(two)])
    assert one[0].reported[0].occurred_at == micros(moment(1_767_225_600_000_000))
