"""What a mapping and its source differ in, told by hand: by what the source tells of itself, and by landed records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.affected import Affected
from connector.drift import live, unneeded
from connector.drift.finding import DRIFT, Finding
from connector.drift.landed import Landed
from connector.journal import load_mapping, mapping_settings
from connector.kpi import KpiDefinition
from connector.mapping import Mapping as SourceMapping
from connector.metadata import FieldInfo, Metadata, PipelineInfo, StageInfo
from connector.ports import Record

MAPPING = """\
pipelines:
  "p":
    name: sales
    stages:
      "open": {to: prospecting, name: Open}
      "won": closed_won
      "lost": closed_lost
entities:
  - entity: deal
    stream: deals
    key: id
    fields:
      pipeline: pipeline
      stage: stage
      amount: {path: f.amount, currency: f.currency}
      expected_close_on: f.closes
      type: {path: f.kind, table: {new: new business, old: renewal}}
      extra.region: f.region
  - {entity: stage_transition, stream: deals, each: history, fields: {deal: record.id, to: item.stage, at: item.at}}
  - {entity: activity, stream: calls, key: id, fields: {type: {const: call}, at: at, deal: deal,
     direction: {path: way, table: {in: in, out: out}, default: ""}}}
"""
KPIS = [
    KpiDefinition("won", "won_value"), KpiDefinition("won_deals", "won_count"),
    KpiDefinition("calls", "activity_count"), KpiDefinition("renewals", "won_value", where={"pipeline": "renewal"}),
    KpiDefinition("regions", "won_count", by=["extra.region"]), KpiDefinition("slipped", "slippage"),
]


def loaded(text: str = MAPPING) -> SourceMapping:
    settings = mapping_settings(timezone="UTC", sources=["crm"], history_import=False)
    return load_mapping("crm.yaml", text.encode(), "crm", settings)


def account(*more: tuple[str, str], pipeline: str = "p", archived: str = "") -> Metadata:
    """A source with the three mapped stages and these (id, name) beside them."""
    stages = [("open", "Open"), ("won", "Won"), ("lost", "Lost"), *more]
    told = [StageInfo(id_, name, archived=id_ == archived) for id_, name in stages]
    return Metadata(pipelines=[PipelineInfo(pipeline, "Sales", told)])


def fields(*told: FieldInfo) -> Metadata:
    """Deals that have these fields and every other one that is mapped."""
    usual = [FieldInfo(f"f.{name}", type="text") for name in ("currency", "closes", "kind", "region")]
    usual.append(FieldInfo("f.amount", type="number"))
    return Metadata(fields={"deals": {one.path: one for one in [*usual, *told]}})


def without(metadata: Metadata, path: str) -> Metadata:
    left = {name: one for name, one in metadata.fields["deals"].items() if name != path}
    return Metadata(fields={"deals": left})


def kinds(found: list[Finding]) -> list[tuple[str, int]]:
    """The findings as (kind, line of the mapping)."""
    return [(one.kind, one.line) for one in found]


def concerned(finding: Finding, mapping: SourceMapping) -> list[str]:
    told: list[str] = finding.as_json(mapping, KPIS)["kpis"]
    return told


# --- stages ----------------------------------------------------------------------------------------------------------


def test_a_stage_that_is_not_mapped_concerns_every_kpi_of_deals_but_those_of_other_pipelines() -> None:
    mapping = loaded()
    (found,) = live.compare(mapping, account(("legal", "Legal review")))
    assert (found.kind, found.line, found.key) == ("unmapped_stage", 4, ("unmapped_stage", "deals", "p", "legal"))
    assert 'the stage "Legal review" (legal) of the pipeline "Sales" (p)' in found.message
    assert found.remedy == 'add "legal": {to: …, name: Legal review} to its stages, with the step it stands for'
    assert concerned(found, mapping) == ["won", "won_deals", "regions", "slipped"]


def test_an_account_that_has_what_is_mapped_and_an_archived_stage_more_has_no_finding() -> None:
    assert live.compare(loaded(), account(("old", "Old"), archived="old")) == []
    assert live.compare(loaded(), Metadata()) == []


def test_a_pipeline_that_is_not_mapped_is_one_finding_of_no_other_pipeline_s_kpis() -> None:
    mapping, metadata = loaded(), account()
    more = PipelineInfo("q", "Partners", [StageInfo("a", "A"), StageInfo("b", "B")])
    (found,) = live.compare(mapping, Metadata(pipelines=[*metadata.pipelines, more]))
    assert found.key == ("unmapped_stage", "deals", "q", "")
    assert concerned(found, mapping) == ["won", "won_deals", "regions", "slipped"]


def test_a_pipeline_that_an_only_if_leaves_out_is_none() -> None:
    mapping = loaded(MAPPING.replace("    key: id\n", "    key: id\n    only_if: pipeline != 'q'\n", 1))
    more = PipelineInfo("q", "Partners", [StageInfo("a", "A"), StageInfo("b", "B")])
    assert live.compare(mapping, Metadata(pipelines=[*account().pipelines, more])) == []


def test_a_mapped_stage_that_is_gone_is_no_drift_and_none_at_all_once_it_is_marked_archived() -> None:
    gone = Metadata(pipelines=[PipelineInfo("p", "Sales", [StageInfo("won", "Won"), StageInfo("lost", "Lost")])])
    (found,) = live.compare(loaded(), gone)
    assert (found.kind, found.line) == ("vanished_stage", 5)
    assert found.kind not in DRIFT
    assert live.compare(loaded(MAPPING.replace("name: Open}", "name: Open, archived: true}")), gone) == []


def test_a_constant_pipeline_and_stages_that_are_unique_are_found_where_they_are_mapped() -> None:
    constant = loaded(MAPPING.replace("pipeline: pipeline\n", "pipeline: {const: p}\n"))
    assert live.compare(constant, account(pipeline="whatever")) == []
    assert live.compare(loaded(MAPPING.replace("      pipeline: pipeline\n", "")), account()) == []


# --- fields ----------------------------------------------------------------------------------------------------------


def test_a_field_that_was_there_has_vanished_and_one_that_never_was_is_missing() -> None:
    mapping, metadata = loaded(), without(fields(), "f.closes")
    (gone,) = live.compare(mapping, metadata, {"deals": {"f.closes": "date"}})
    assert (gone.kind, gone.line) == ("vanished_field", 16)
    assert gone.message == "the source does not send f.closes of deals any more; deal.expected_close_on is read from it"
    assert concerned(gone, mapping) == ["slipped"]
    (never,) = live.compare(mapping, metadata)
    assert never.kind == "missing_field"
    assert never.kind not in DRIFT


def test_a_field_that_is_not_asked_for_names_the_setting_that_asks() -> None:
    (found,) = live.compare(loaded(), fields(FieldInfo("f.region", "Khu vực", is_read=False)), settings=("f",))
    assert found.kind == "unread_field"
    assert found.remedy == "ask for it: f: {deals: [region]} under the source crm in the config"
    assert concerned(found, loaded()) == ["regions"]


def test_only_clear_contradictions_of_types_are_told() -> None:
    def told(type_: Any, text: str = MAPPING, name: str = "f.amount", known: str | None = None) -> list[str]:
        before = {"deals": {name: known}} if known else None
        return [one.kind for one in live.compare(loaded(text), fields(FieldInfo(name, type=type_)), before)]

    said = MAPPING.replace("currency: f.currency}", "currency: f.currency, as: money}")
    assert told("text") == told("datetime") == told("boolean") == ["type_changed"]
    assert told("number") == told("other") == []
    assert told("text", said) == []  # who says how text is to be read knows that it is text
    assert told("text", said, known="number") == ["type_changed"]  # but not if it was a number when they said it
    assert told("text", name="f.closes") == told("datetime", name="f.closes") == []
    assert told("text", name="f.closes", known="date") == ["type_changed"]
    assert told("choice", name="f.region") == told("number", name="f.region") == []


def test_an_option_that_a_table_lacks_is_a_value_that_is_not_mapped_unless_there_is_a_default() -> None:
    options = {"new": "New", "old": "Old", "partner": "Via partner"}
    mapping = loaded()
    (found,) = live.compare(mapping, fields(FieldInfo("f.kind", "Kind", "choice", options)))
    assert (found.kind, found.line) == ("unmapped_value", 17)
    assert found.message == (
        'the value "Via partner" (partner) of "Kind" (f.kind) is not in the table of deal.type; records of deals with '
        "it are set aside"
    )
    lenient = loaded(MAPPING.replace("old: renewal}", "old: renewal}, default: other"))
    assert live.compare(lenient, fields(FieldInfo("f.kind", "Kind", "choice", options))) == []


# --- landed records --------------------------------------------------------------------------------------------------


def deal(number: int, stage: str = "open", **more: Any) -> Record:
    told: Mapping[str, Any] = {
        "id": str(number), "pipeline": "p", "stage": stage, "history": [{"stage": stage, "at": "2026-03-01"}],
        "f": {"amount": "10", "currency": "EUR", "closes": "2026-04-01", "kind": "new", "region": "north", **more},
    }
    return Record(str(number), None, told)


def test_what_was_found_live_is_counted_and_what_only_records_show_is_found() -> None:
    mapping, metadata = loaded(), account(("legal", "Legal review"))
    landed = Landed(mapping, metadata, live.compare(mapping, metadata))
    for record in (deal(1), deal(2, "legal"), deal(3, "legal", amount="5"), deal(4, kind="gift"), deal(5, "odd")):
        landed.add("deals", record)
    counted = {one.key: one.affected for one in landed.unreadable()}
    assert counted == {
        ("unmapped_stage", "deals", "p", "legal"): Affected(2, 2, {"EUR": 150_000}),
        ("unmapped_stage", "deals", "p", "odd"): Affected(1, 1, {"EUR": 100_000}),
        ("unmapped_value", "deals", "0", "type", "gift"): Affected(1, 1, {"EUR": 100_000}),
    }


def test_a_field_that_vanished_counts_the_records_that_still_have_it() -> None:
    mapping, metadata = loaded(), without(fields(), "f.closes")
    landed = Landed(mapping, metadata, live.compare(mapping, metadata, {"deals": {"f.closes": "date"}}))
    for record in (deal(1), deal(2, closes=None), deal(3)):
        landed.add("deals", record)
    (found,) = landed.unreadable()
    assert found.affected == Affected(2, 2, {"EUR": 200_000})


def test_rules_that_no_record_needs_and_fields_that_are_nearly_always_empty_are_told_from_twenty_records_on() -> None:
    mapping = loaded()
    landed = Landed(mapping)
    for number in range(19):
        landed.add("deals", deal(number, region="north" if number == 0 else None))
    assert list(unneeded.find(mapping, landed)) == []
    landed.add("deals", deal(20, "won", region=None))
    landed.add("deals", deal(21, "won", region=None))  # 20 of 21 are empty: 95.2 %
    found = list(unneeded.find(mapping, landed))
    assert kinds(found) == [("unused_rule", 7), ("unused_rule", 17), ("low_fill", 18)]
    assert [one.message for one in found] == [
        'no landed record ever was in the stage "lost" of the pipeline "sales" (p)',
        'no landed record of deals needs "old" in the table of deal.type',
        "deal.extra.region is empty in 20 of 21 landed records of deals (95.2 %)",
    ]
    low = found[-1]
    assert low.affected == Affected(20, 20, {"EUR": 2_000_000})
    assert concerned(low, mapping) == ["regions"]
