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


def test_the_days_to_a_retry_stand_with_their_pipeline_and_without_them_nothing_does() -> None:
    text = TEXT.replace("name: new,", "name: new, recycle: {default: 90d, Competitor: 180d, spam: never},")
    faults = Faults(document.load(text, "m.yaml"), [])
    read = pipelines.read(faults, faults.document.data["pipelines"])
    assert faults.found == []
    assert read["P"].recycle == {"default": 90, "competitor": 180, "spam": None}
    made = {entry.id: entry.fields for entry in pipelines.rows(read) if entry.entity == "pipeline"}
    assert made["P"] == {"name": "new", "recycle": '{"competitor":180,"default":90,"spam":null}'}
    assert made["Q"] == {"name": "Q"}


@pytest.mark.parametrize(
    ("recycle", "expected"),
    [
        ("90d", "expected {default: 90d, your lost reason: 180d, another: never}"),
        ("{spam: never}", "expected {default: 90d, your lost reason: 180d, another: never}"),
        ("{default: 90}", "expected whole days such as 90d, or never"),
        ("{default: 36h}", "expected whole days such as 90d, or never"),
        ("{default: soon}", "expected whole days such as 90d, or never"),
        ("{default: 90d, 7: 10d}", "the key 7 is read as a number"),
        ("{default: 90d, spam: never, Spam: 10d}", "the same reason twice"),
    ],
)
def test_a_wait_is_whole_days_or_never_and_a_reason_is_a_word(recycle: str, expected: str) -> None:
    faults = Faults(document.load(TEXT.replace("name: new,", f"name: new, recycle: {recycle},"), "m.yaml"), [])
    pipelines.read(faults, faults.document.data["pipelines"])
    assert [fault.message[: len(expected)] for fault in faults.found] == [expected]


def test_another_wait_is_another_meaning() -> None:
    stages = {"a": "proposal"}
    one, other = (pipelines.meaning({"P": {"stages": stages, "recycle": {"default": wait}}}) for wait in ("9d", "90d"))
    assert one != other


def test_the_events_of_a_pipeline_stand_with_it_and_the_deal_s_own_do_not() -> None:
    events = "starts: sales_order.ordered_at, won: payment.paid_at"
    text = TEXT.replace("name: new,", f"name: new, {events},").replace('"Q": {', '"Q": {starts: created, ')
    faults = Faults(document.load(text, "m.yaml"), [])
    read = pipelines.read(faults, faults.document.data["pipelines"])
    assert faults.found == []
    assert (read["P"].starts, read["P"].won, read["Q"].starts, read["Q"].won) == (
        "sales_order.ordered_at", "payment.paid_at", "created", "",
    )
    made = {entry.id: entry.fields for entry in pipelines.rows(read) if entry.entity == "pipeline"}
    assert made["P"] == {"name": "new", "starts": "sales_order.ordered_at", "won": "payment.paid_at"}
    assert made["Q"] == {"name": "Q"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("starts: ordered", "expected one of created, sales_order.ordered_at, delivery_note.delivered_at"),
        ("won: created", "expected one of sales_order.ordered_at, delivery_note.delivered_at, invoice.invoiced_at"),
        ("won: [payment.paid_at]", "expected one of sales_order.ordered_at"),
    ],
)
def test_an_event_that_is_none_is_a_fault(given: str, expected: str) -> None:
    faults = Faults(document.load(TEXT.replace("name: new,", f"name: new, {given},"), "m.yaml"), [])
    pipelines.read(faults, faults.document.data["pipelines"])
    assert [fault.message[: len(expected)] for fault in faults.found] == [expected]
