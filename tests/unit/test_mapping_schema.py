"""The JSON Schema of mapping files takes what the product takes, and names the usual faults."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector import convert, document, mapping_schema
from connector.mapping_words import CONVERTER_WORDS, ENTITY_WORDS, FIELD_WORDS, STAGE_WORDS
from connector.model import ENTITIES, Canonical
from tests.e2e.project import MAPPING

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(ROOT.glob("mappings/*.yaml"))
OURS = sorted((ROOT / "tests" / "data").glob("*.yaml"))
VALID = Draft202012Validator(mapping_schema.schema())

GOOD: dict[str, Any] = document.load(MAPPING, "crm.yaml").data


def test_the_schema_in_the_docs_is_this_one() -> None:
    """When it is stale: python -m connector.mapping_schema > docs/mapping.schema.json"""
    assert (ROOT / "docs" / "mapping.schema.json").read_text("utf-8") == mapping_schema.text()


def test_every_entity_field_stage_and_converter_is_described() -> None:
    assert {name: list(fields) for name, fields in FIELD_WORDS.items()} == {
        name: list(entity.fields) for name, entity in ENTITIES.items()
    }
    assert list(ENTITY_WORDS) == list(ENTITIES)
    assert list(STAGE_WORDS) == [one.value for one in Canonical]
    assert CONVERTER_WORDS.keys() == convert.NAMES.keys()


@pytest.mark.parametrize("path", [*SHIPPED, *OURS], ids=lambda path: path.name)
def test_a_mapping_that_works_satisfies_it(path: Path) -> None:
    assert list(VALID.iter_errors(document.read(str(path)).data)) == []


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """The good mapping with another value there."""
    made = copy.deepcopy(GOOD)
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return made


AMOUNT = ("entities", 1, "fields", "amount")


@pytest.mark.parametrize(("faulty", "at"), [
    (changed("pipelines", "sales", "stages", "1", to="won"), "pipelines.sales.stages.1"),
    (changed("pipelines", "sales", "stages", "1", to={"to": "proposal", "probability": 20}), "probability"),
    (changed("pipelines", "sales", "starts", to="deal.created"), "starts"),
    (changed("entities", 0, "entity", to="owners"), "entities[0].entity"),
    (changed("entities", 0, "fields", "mail", to="email"), "entities[0].fields"),
    (changed("entities", 0, "fields", "email", to=7), "entities[0].fields.email"),
    (changed("entities", 1, "feilds", to={}), "entities[1]"),
    (changed(*AMOUNT, to="amount"), "fields.amount"),
    (changed(*AMOUNT, to={"path": "amount"}), "fields.amount"),
    (changed(*AMOUNT, "as", to="mony"), "fields.amount.as"),
    (changed(*AMOUNT, "as", to={"money": {"comma": ","}}), "fields.amount.as"),
    (changed("entities", 1, "fields", "owner", to={"path": "o", "const": "x"}), "fields.owner"),
    (changed("entities", 1, "fields", "owner", to={"path": "o", "currency": "c"}), "fields.owner"),
    (changed("entities", 2, "fields", to={"deal": "d", "to": "s"}), "entities[2].fields"),
    (changed("tests", 0, "expect", to={"dael": {}}), "tests[0].expect"),
], ids=lambda given: given if isinstance(given, str) else "mapping")  # fmt: skip
def test_a_fault_is_found_where_it_stands(faulty: dict[str, Any], at: str) -> None:
    assert list(VALID.iter_errors(GOOD)) == []
    assert any(at in _path(error) for error in VALID.iter_errors(faulty))


def _path(error: Any) -> str:
    """The place of an error and of what it is made of."""
    deepest = max([error, *(error.context or ())], key=lambda one: len(one.absolute_path))
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in deepest.absolute_path)
