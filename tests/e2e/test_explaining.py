"""`connector explain` as a user runs it, over a fake HubSpot and an export: the record cited is the record sent."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project

CONFIG = """\
timezone: Asia/Ho_Chi_Minh
currency: EUR
sources:
  hubspot: {{adapter: hubspot, mapping: demo, base_url: "{url}", token: "${{TOKEN}}"}}
kpis:
  - {{id: won, metric: won_count, per: company, every: all}}
  - {{id: leads, metric: lead_volume, per: company, every: all}}
  - {{id: entries, metric: stage_entries, per: company, every: all}}
"""
MEMBER = {
    "side", "entity", "source", "id", "occurred_at", "seen_at", "amount", "currency", "share", "page", "record_index",
    "mapping",
}


@pytest.fixture
def crm(tmp_path: Path, twin: HubSpotTwin) -> Project:
    """Synced from that account."""
    made = Project(tmp_path)
    made.write("config.yaml", CONFIG.format(url=twin.url))
    assert made("sync", TOKEN=twin.token).code == 0
    return made


def test_each_won_deal_leads_to_the_record_the_crm_sent_and_to_the_item_of_its_history(
    crm: Project, twin: HubSpotTwin
) -> None:
    """Compared with what the fake account itself holds."""
    answer = crm("explain", "won", "--period", "all", "--json", TOKEN=twin.token)
    assert answer.code == 0, answer.err
    found = answer.json
    held = twin.portal.collections["deals"].items
    won = {
        str(id_) for id_, deal in held.items()
        if deal.archived_at is None and deal.properties.get("dealstage") in ("closedwon", "998879")
    }
    assert {member["id"] for member in found["members"]} == won
    pages = {page["page"]: page for page in found["pages"]}
    mapping = (Path(__file__).parents[2] / "mappings/demo.yaml").read_text("utf-8").splitlines()
    for member in found["members"]:
        assert member.keys() >= MEMBER
        deal, move = member["rows"]
        record = shown(crm, twin, deal)
        assert (record["id"], record["properties"]["dealname"]) == (member["id"], member["name"])
        item = shown(crm, twin, move)["propertiesWithHistory"]["dealstage"][move["item"]]
        assert (item["value"], datetime.fromisoformat(item["timestamp"])) == (
            move["to"], datetime.fromisoformat(move["occurred_at"])
        )
        assert mapping[deal["mapping"]["line"] - 1] == "  - entity: deal"
        assert mapping[move["mapping"]["line"] - 1] == "  - entity: stage_transition"
        (request,) = pages[deal["page"]]["requests"]
        assert request["url"].startswith(twin.url)
        assert re.fullmatch(r"\S+", request["request_id"])


def shown(crm: Project, twin: HubSpotTwin, row: dict[str, Any]) -> dict[str, Any]:
    """What `connector page show PAGE --record N` gives of a cited row."""
    place = ("page", "show", str(row["page"]), "--record", str(row["record_index"]))
    record: dict[str, Any] = crm(*place, "--json", TOKEN=twin.token).json["record"]
    return record


def test_no_secret_is_in_an_explanation(crm: Project, twin: HubSpotTwin) -> None:
    for kpi, *more in (["won"], ["leads"], ["entries", "--by", "stage=proposal"]):
        answer = crm("explain", kpi, "--period", "all", *more, "--all", TOKEN=twin.token)
        assert answer.code in (0, 2)
        assert twin.token not in answer.out + answer.err


# --- over an export --------------------------------------------------------------------------------------------------


def test_people_read_a_sentence_a_formula_and_where_each_member_comes_from(project: Project) -> None:
    """The command that is printed is the one that shows the record."""
    project("sync")
    said = project("explain", "won_value", "--subject", "an@example.vn", "--period", "2026-01").out
    lines = said.splitlines()
    assert lines[0].startswith("won_value of An (NV001) in 2026-01 is 1,000.50 USD, as known at 20")
    assert lines[1:3] == ["  sum of the amounts of the deals won", "  1000.50"]
    assert "1 member" in lines
    assert "1. deal crm:1 · 2026-01-20 02:00:00Z · 1,000.50 USD" in lines
    won = r"^ {3}won: 3, 2026-01-20 02:00:00Z, by o1 · known since .* · crm\.yaml:14 \(version \w+\)$"
    assert re.search(won, said, re.M)
    assert re.search(r"^ {6}read .* by GET file:deals\.csv#rows=1-3$", said, re.M)
    command = re.search(r"connector (page show \d+ --record \d+)", said)
    assert command is not None
    assert '"amount": "1000.50"' in project(*command[1].split()).out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["wonvalue"], "wonvalue: there is no KPI of that id, expected one of: won_value, entries"),
        (["won_value", "--period", "2026-01"], "--subject: won_value is per person, say whose: NV001, NV002"),
        (["won_value", "--subject", "NV9", "--period", "2026-01"], "--subject: nobody is known as 'NV9'; known: NV001"),
        (["won_value", "--subject", "NV001", "--period", "2026"], "--period: 2026 is a year; the KPIs asked for have"),
        (["won_value", "--subject", "NV001", "--by", "stage=2"], "--by: no KPI asked for is split by stage"),
        (["entries", "--period", "2026-01"], "--by: entries is in parts, say which: --by stage=1, --by stage=2"),
        (["entries", "--period", "2026-01", "--by", "stage=9"], "--by: no stage is '9'; known: 1, 2, 3, 4"),
        (["entries", "--by", "stage=2", "--as-of", "soon"], "--as-of: 'soon' is no moment"),
    ],
)
def test_a_question_that_names_no_value_or_several_is_a_fault_that_lists_what_there_is(
    project: Project, arguments: list[str], fault: str
) -> None:
    project("sync")
    answer = project("explain", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert fault in answer.err


def test_twenty_members_are_shown_and_all_on_demand_the_most_valuable_first(project: Project) -> None:
    """25 deals of 1.00 to 25.00, each won on 20 January."""
    rows = [f"{n},3,2026-01-05T02:00:00Z,{n}.00,USD,o1" for n in range(1, 26)]
    project.write("export/deals.csv", "\n".join(["id,stage,created_at,amount,currency,owner", *rows]) + "\n")
    moves = [f"{n},3,2026-01-20T02:00:00Z,o1" for n in range(1, 26)]
    project.write("export/history.csv", "\n".join(["deal,stage,at,by", *moves]) + "\n")
    project("sync")
    question = ("explain", "won_value", "--subject", "NV001", "--period", "2026-01")
    few, every = project(*question).out, project(*question, "--all").out
    shown = [re.findall(r"^(\d+)\. deal crm:(\d+) ", text, re.M) for text in (few, every)]
    assert shown[0] == [(str(n), str(26 - n)) for n in range(1, 21)]
    assert shown[1] == [(str(n), str(26 - n)) for n in range(1, 26)]
    assert few.splitlines()[-1] == "5 more; --all shows them"
    assert "  25.00 + 24.00 + 23.00 + … (25 in all) = 325.00" in few


def test_a_lost_deal_whose_amount_was_emptied_cites_the_amount_before(project: Project) -> None:
    """R13: some systems zero what is lost. Deal 2 was worth 700 when it was read, and nothing once it was lost."""
    lost = "  - {id: lost, metric: lost_reasons, options: {measure: value}}\n"
    project.replace("config.yaml", "kpis:\n", f"kpis:\n{lost}")
    project("sync")
    project.replace("export/deals.csv", "2,2,2026-01-06T02:00:00Z,700,USD", "2,4,2026-01-06T02:00:00Z,0,USD")
    project("sync")
    today = project("kpi", "lost", "--json").json[0]["period"]
    found = project("explain", "lost", "--period", today, "--by", "reason=", "--json").json
    (member,) = found["members"]
    assert (found["value"], member["id"], member["own"]["amount"]) == ("700.00", "2", "700.00")
    told = {row["role"]: row for row in member["rows"]}
    assert (told["amount"]["new"], told["amount"]["mapping"]["text"]) == ("700.0000", "- entity: deal")
    assert told["lost"]["origin"] == "observed"
    assert told["lost"]["page"] == told["deal"]["page"] != told["earlier"]["page"]
    place = ("page", "show", str(told["earlier"]["page"]), "--record", str(told["earlier"]["record_index"]))
    assert project(*place, "--json").json["record"]["amount"] == "700"
