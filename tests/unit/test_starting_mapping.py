"""Writing a first mapping from what a source tells, and adding to one that somebody has made their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from pathlib import Path

import pytest

from connector import document, mapping
from connector.errors import ConfigError
from connector.metadata import FieldInfo, Metadata, PipelineInfo, StageInfo
from connector.starting import mapping_file

SHIPPED = (Path(__file__).parents[2] / "mappings" / "hubspot.yaml").read_text("utf-8")
OPEN, WON, LOST = StageInfo("o", "Proposal", "open"), StageInfo("w", "Won", "won"), StageInfo("l", "Lost", "lost")
SALES = PipelineInfo("75", "Sales", [OPEN, WON, LOST])
TOLD = Metadata(pipelines=[SALES])

MINE = """\
# ours, do not touch
pipelines:
  "75":   # the old one
    name: new-business   # renamed by us
    stages:
      "o": negotiation   # decided on Monday
      "w": {to: closed_won,
            name: Yes}
      "l": closed_lost

    recycle: {default: 90d}
  # the end
entities:
  - {entity: owner, stream: owners, key: id, fields: {email: email}}
  - entity: deal
    stream: deals
    key: id
    fields:
      pipeline: properties.pipeline   # where
      stage: properties.stage

  # own
tests: []
"""


def read(text: str) -> mapping.Mapping:
    return mapping.load(document.load(text, "m.yaml"), source="crm", zone=UTC, sources=["crm"])


def fields(*names: str, own: bool = False, is_read: bool = True) -> dict[str, FieldInfo]:
    paths = {name: f"properties.{name}" for name in names}
    return {path: FieldInfo(path, name, "text", own=own, is_read=is_read) for name, path in paths.items()}


def added(text: str, told: Metadata) -> list[str]:
    """The lines a merge adds; none may be lost or changed on the way."""
    before, after = text.split("\n"), mapping_file.merged(text, told, "m.yaml", "properties").text.split("\n")
    new = []
    for line in after:
        if before and line == before[0]:
            before.pop(0)
        else:
            new.append(line)
    assert before == []
    return new


def test_nothing_new_changes_nothing() -> None:
    assert mapping_file.merged(MINE, TOLD, "m.yaml").text == MINE
    assert mapping_file.merged(MINE, Metadata(), "m.yaml").text == MINE


def test_windows_line_ends_stay() -> None:
    there = MINE.replace("\n", "\r\n")
    assert mapping_file.merged(there, TOLD, "m.yaml").text == there
    more = replace(SALES, stages=[OPEN, StageInfo("n", "Negotiation", "open"), WON, LOST])
    assert "\n" not in mapping_file.merged(there, Metadata([more]), "m.yaml").text.replace("\r\n", "")


def test_a_new_stage_stands_behind_the_one_it_follows_and_what_is_not_guessed_waits() -> None:
    legal, talks = StageInfo("x", "Legal: review", "open"), StageInfo("n", "Negotiation", "open")
    told = Metadata([replace(SALES, stages=[OPEN, legal, talks, WON, LOST])])
    assert added(MINE, told) == [
        '      # "x": {to: ???, name: "Legal: review"}  # say what it stands for: its name is not one we know',
        '      "n": {to: negotiation, name: Negotiation}  # guessed from name, order and outcome',
    ]
    once = mapping_file.merged(MINE, told, "m.yaml")
    assert [stage.id for stage in read(once.text).pipelines["75"].stages] == ["o", "n", "w", "l"]
    assert [one.state for one in once.stages] == ["kept", "open", "guessed", "kept", "kept"]
    again = mapping_file.merged(once.text, told, "m.yaml")
    assert again.text == once.text
    assert [one.state for one in again.stages] == ["kept", "waits", "kept", "kept", "kept"]


def test_a_new_pipeline_stands_behind_the_last_one_and_one_that_cannot_be_read_waits() -> None:
    odd = PipelineInfo("77", "Odd", [StageInfo("1", "A")])
    told = Metadata([SALES, replace(SALES, id="76", name="new-business"), odd])
    assert added(MINE, told) == [
        '  "76":', "    name: new-business 2", "    stages:",
        '      "o": {to: proposal, name: Proposal}  # guessed from name, order and outcome',
        '      "w": {to: closed_won, name: Won}     # guessed from name, order and outcome',
        '      "l": {to: closed_lost, name: Lost}   # guessed from name, order and outcome',
        '  # "77":  # left out until one stage of it is closed_won and one closed_lost', "  #   name: Odd",
        "  #   stages:", '  #     # "1": {to: ???, name: A}  # say what it stands for: its name is not one we know',
    ]
    once = mapping_file.merged(MINE, told, "m.yaml").text
    assert mapping_file.merged(once, told, "m.yaml").text == once
    assert [one.name for one in read(once).pipelines.values()] == ["new-business", "new-business 2"]


def test_what_vanished_gets_a_remark_and_loses_it_when_it_is_back() -> None:
    gone = Metadata([replace(SALES, stages=[OPEN, LOST])], {"deals": fields("pipeline")})
    assert added(MINE, gone) == [
        '      # no longer at the source: "w"', "      # no longer at the source: properties.stage",
    ]
    once = mapping_file.merged(MINE, gone, "m.yaml").text
    assert mapping_file.merged(once, gone, "m.yaml").text == once
    back = Metadata([SALES], {"deals": fields("pipeline", "stage")})
    assert mapping_file.merged(once, back, "m.yaml").text == MINE
    assert '# no longer at the source: pipeline "75"' in mapping_file.merged(
        MINE, Metadata([replace(SALES, id="76", name="Other")]), "m.yaml"
    ).text


def test_stages_in_braces_take_a_guessed_one_and_what_is_not_guessed_stands_over_them() -> None:
    text = 'pipelines:\n  "75": {name: s, stages: {"o": proposal,\n    "w": closed_won, "l": closed_lost}}  # mine\n'
    text += "entities: [{entity: deal, stream: deals, key: id, fields: {stage: s}}]\n"
    told = Metadata([replace(SALES, stages=[OPEN, StageInfo("x", "Legal"), StageInfo("n", "Negotiation"), WON, LOST])])
    once = mapping_file.merged(text, told, "m.yaml").text
    assert [stage.id for stage in read(once).pipelines["75"].stages] == ["o", "n", "w", "l"]
    assert '  # "x": {to: ???, name: Legal}' in once
    assert mapping_file.merged(once, told, "m.yaml").text == once


def test_own_fields_are_offered_with_the_setting_that_reads_them() -> None:
    told = Metadata([SALES], {"deals": fields("pipeline", "stage") | fields("khu_vuc", own=True, is_read=False)})
    assert added(MINE, told) == [
        "      # fields of your own, ready to be used: take the # away, rename what stands left",
        "      # extra.khu_vuc: properties.khu_vuc  # khu_vuc (text)",
        "      # they are read with  properties: {deals: [khu_vuc]}  under the source in the config",
    ]


def test_a_file_that_is_no_mapping_we_can_add_to_is_left_alone() -> None:
    told = Metadata([replace(SALES, stages=[*SALES.stages, StageInfo("n", "Negotiation", "open")])])
    text = 'x: &s {"o": proposal, "w": closed_won, "l": closed_lost}\npipelines: {"75": {stages: *s}}\nentities:\n'
    text += "  - {entity: deal, stream: deals, key: id, fields: {stage: s}}\n"
    with pytest.raises(ConfigError, match="nothing can be added to"):
        mapping_file.merged(text, told, "m.yaml")


# --- begun on a mapping that we ship ---------------------------------------------------------------------------------


def test_a_shipped_mapping_takes_the_accounts_pipelines_and_leaves_what_it_does_not_have() -> None:
    standard = [StageInfo("contractsent", "Contract sent", "open"), replace(WON, id="closedwon", name="Closed won"),
                replace(LOST, id="closedlost", name="Closed lost")]
    told = Metadata(
        [PipelineInfo("default", "Verkauf", standard), PipelineInfo("l", "Leads", standard, stream="leads")],
        {"deals": fields("dealname", "pipeline", "dealstage", "amount", "createdate")
         | {"propertiesWithHistory.dealstage": FieldInfo("propertiesWithHistory.dealstage")}
         | {"associations.contacts": FieldInfo("associations.contacts")}},
        currency="EUR", currencies=["EUR"],
    )  # fmt: skip
    made = mapping_file.begun("crm", "hubspot", "s.json", SHIPPED, told)
    found = read(made.text)
    assert [(one.id, one.name, [stage.id for stage in one.stages]) for one in found.pipelines.values()] == [
        ("default", "Verkauf", ["contractsent", "closedwon", "closedlost"])
    ]
    assert "amount: {path: properties.amount, currency: {const: EUR}}" in made.text
    assert "# owner: properties.hubspot_owner_id  # the source has no such field" in made.text
    assert "# - entity: deal_change  # propertiesWithHistory.amount: the source has no such field" in made.text
    assert {entry.entity.name for entry in found.entries["deals"]} == {"deal", "stage_transition", "deal_owner"}
    assert made.text.startswith("# yaml-language-server: $schema=s.json\n")


# --- drafted from nothing but fields ---------------------------------------------------------------------------------


def test_without_a_shipped_mapping_only_fields_without_doubt_are_taken() -> None:
    names = {"id": "number", "stage": "choice", "amount": "number", "currency": "text", "owner_id": "reference",
             "created_at": "datetime", '"Khu vực"': "text", "value": "number"}
    deal = {name: FieldInfo(name, type=kind) for name, kind in names.items()}  # type: ignore[arg-type]
    deal["stage"] = replace(deal["stage"], options={"1": "Proposal", "2": "Won", "3": "Lost"})
    told = Metadata(fields={"deals": deal, "things": {"a": FieldInfo("a")}})
    made = mapping_file.drafted("crm", "s.json", told, ["deals", "things"])
    found = read(made.text)
    assert [rule.field for rule in found.entries["deals"][0].rules] == [
        "stage", "created_at", "amount", "amount.currency", "owner",
    ]
    assert [one.canonical.value for one in found.pipelines["deals"].stages] == ["proposal", "closed_won", "closed_lost"]
    assert "      # extra.khu_vuc: '\"Khu vực\"'  # text" in made.text
    assert "  # - entity: deal  # its name does not say what it holds" in made.text


def test_a_stage_whose_values_nobody_tells_waits_as_a_comment() -> None:
    told = Metadata(fields={"deals": {name: FieldInfo(name) for name in ("id", "stage", "amount")}})
    made = mapping_file.drafted("crm", "s.json", told, ["deals"])
    assert "# stage: stage  # once pipelines: above says what its values stand for" in made.text
    assert "# amount: {path: amount, currency: {const: ???}}  # say in which currency it is" in made.text
    assert read(made.text).pipelines == {}


def test_a_probability_is_written_where_the_mapping_reads_none() -> None:
    likely = replace(SALES, stages=[replace(OPEN, probability=Decimal("0.4")), WON, LOST])
    assert '"o": {to: proposal, name: Proposal, probability: 0.4}' in mapping_file.merged(
        MINE.replace('"75"', '"74"'), Metadata([likely]), "m.yaml"
    ).text
