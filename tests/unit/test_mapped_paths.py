"""Which mapped paths lead to nothing that a source says it sends."""

from __future__ import annotations

from typing import Any

import pytest

from connector.mapped_paths import unserved

FIELDS = ("properties.amount", "properties.stage", "history.stage")


def entry(**spec: Any) -> dict[str, Any]:
    return {"entity": "deal", "stream": "deals", "fields": {}, **spec}


@pytest.mark.parametrize(("given", "missing"), [
    (entry(fields={"amount": {"path": "properties.amount", "currency": "properties.code"}}), ["properties.code"]),
    (entry(fields={"stage": {"first_of": ["properties.old", "properties.stage"]}}), ["properties.old"]),
    (entry(fields={"type": {"const": "properties.x"}, "name": {"path": "name", "table": {"properties.y": "z"}}}), []),
    (entry(key="properties.number", only_if="!(properties.gone) && properties.amount"),
     ["properties.gone", "properties.number"]),
    (entry(each="history.stage", fields={"to": "item.properties.a", "at": "record.properties.b", "by": "history.c"}),
     ["history.c", "properties.b"]),
    (entry(fields={"lost_reason": 'properties."lý do"', "name": "sort(other.properties.x)"}), ["properties.lý do"]),
    (entry(fields={"owner": "owner.id", "account": "associations.companies[0].id"}), []),
    (entry(stream="calls", fields={"at": "properties.unknown"}), []),
    ("no entry", []),
])  # fmt: skip
def test_a_mapped_field_of_a_record_that_nobody_sends_is_named(given: Any, missing: list[str]) -> None:
    assert unserved([given], "deals", FIELDS) == missing


def test_of_parts_that_are_not_sent_at_all_each_is_missed() -> None:
    links = entry(fields={"account": "associations.companies.results[0].id", "lead": 'associations."p_1".results'})
    assert unserved([links], "deals", ["associations."]) == ["associations.companies", "associations.p_1"]


def test_where_fields_stand_alone_every_plain_path_begins_like_one_of_them() -> None:
    told = ("id", "amount", '"deal name"', "currency.code", "lines")
    mapped = [
        entry(key="id", only_if="gone || amount", fields={
            "name": '"deal name"', "amount": {"path": "amout", "currency": "currency.code"}, "owner": "owner.id",
            "lost_reason": '"lost because"',
        }),
        entry(each="lines", key="item.id", fields={"deal": "record.id", "to": "item.stage", "at": "record.at"}),
        entry(each="rows", fields={"to": "item.stage"}),
    ]  # fmt: skip
    assert unserved(mapped, "deals", told) == ['"lost because"', "amout", "at", "owner", "rows"]


def test_a_source_that_tells_no_fields_misses_none() -> None:
    assert unserved([entry(fields={"name": "properties.x"})], "deals", ()) == []
