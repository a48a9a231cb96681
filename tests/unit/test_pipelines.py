"""What a deal's stage means, and that a stage nobody listed is never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from connector import document, pipelines
from connector.model import Pipeline
from connector.pipelines import UnmappedStage
from connector.rules import Faults

TEXT = """\
pipelines:
  "P": {name: new, stages: {"a": proposal, "w": {to: closed_won, name: Won, probability: 1}, "l": closed_lost}}
  "Q": {stages: {"a": {to: qualification, archived: true}, "b": proposal, "y": closed_won, "z": closed_lost}}
"""


@pytest.fixture
def found() -> dict[str, Pipeline]:
    faults = Faults(document.load(TEXT, "m.yaml"), [])
    read = pipelines.read(faults, faults.document.data["pipelines"])
    assert faults.found == []
    return read


def test_stages_keep_the_order_of_the_file(found: dict[str, Pipeline]) -> None:
    assert [(stage.id, stage.order, stage.name, stage.kind) for stage in found["P"].stages] == [
        ("a", 1, "a", "open"), ("w", 2, "Won", "won"), ("l", 3, "l", "lost"),
    ]
    assert (found["P"].stages[1].probability, found["Q"].stages[0].archived) == (1_000_000, True)


@pytest.mark.parametrize(
    ("pipeline", "stage", "expected"),
    [("P", "a", ("P", "a")), (None, "w", ("P", "w")), (None, "b", ("Q", "b"))],
)
def test_the_pipeline_may_be_left_out_where_the_stage_alone_says_it(
    found: dict[str, Pipeline], pipeline: str | None, stage: str, expected: tuple[str, str]
) -> None:
    assert pipelines.resolve(found, pipeline, stage) == expected


@pytest.mark.parametrize(
    ("pipeline", "stage", "reason", "withheld"),
    [
        ("X", "a", "pipeline 'X' is not in pipelines", "X"),
        ("P", "b", "not among the stages of pipeline 'P'", "P"),
        (None, "a", "in several pipelines; map pipeline as well", None),
        (None, "?", "in no pipeline", None),
    ],
)
def test_what_is_not_listed_is_never_guessed(
    found: dict[str, Pipeline], pipeline: str | None, stage: str, reason: str, withheld: str | None
) -> None:
    with pytest.raises(UnmappedStage, match=reason) as caught:
        pipelines.resolve(found, pipeline, stage)
    assert caught.value.pipeline == withheld


def test_a_deal_without_stage_needs_a_known_pipeline_all_the_same(found: dict[str, Pipeline]) -> None:
    fields: dict[str, Any] = {"pipeline": "P"}
    pipelines.settle(found, fields)
    with pytest.raises(UnmappedStage):
        pipelines.settle(found, {"pipeline": "X"})


def test_the_file_makes_a_row_of_each_pipeline_and_stage(found: dict[str, Pipeline]) -> None:
    made = pipelines.rows(found)
    assert [entry.id for entry in made] == ["P", "P|a", "P|w", "P|l", "Q", "Q|a", "Q|b", "Q|y", "Q|z"]


def test_the_order_of_stages_is_meaning_their_layout_is_not() -> None:
    one, same, other = (
        pipelines.meaning({"P": {"stages": stages, "name": "n"}})
        for stages in ({"a": "proposal", "b": "negotiation"}, {"a": "proposal", "b": "negotiation"},
                       {"b": "negotiation", "a": "proposal"})
    )
    assert one == same != other


def test_an_id_that_lost_its_quotes_hides_no_fault_below_it() -> None:
    text = "pipelines:\n  75:\n    nam: x\n    stages:\n"
    text += "      8: {to: proposl}\n      9: closed_won\n      'l': closed_lost\n"
    faults = Faults(document.load(text, "m.yaml"), [])
    pipelines.read(faults, faults.document.data["pipelines"])
    assert sorted((fault.line, fault.message.split(";")[0].split(",")[0]) for fault in faults.found) == [
        (2, "the key 75 is read as a number"), (3, "a pipeline has no 'nam'"), (5, "no canonical stage 'proposl'"),
        (5, "the key 8 is read as a number"), (6, "the key 9 is read as a number"),
    ]
