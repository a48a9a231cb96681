"""A newcomer's path, step by step: an empty folder, and half an hour later a number explained down to its page.

Amounts are those of `account.filled`: deal N is worth 1,000.50 + 250 x N, six days each from 1 September 2026 on, the
even ones are Ana's (owner 5). Deals 0 and 4 of hers are won, deal 2 is lost; 0 and 1 were won in September.
"""

from __future__ import annotations

from pathlib import Path

from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project, Result
from tests.workbench.account import TOKEN


def test_from_an_empty_folder_to_an_explained_number(tmp_path: Path, twin: HubSpotTwin, clock: FakeClock) -> None:
    here = Project(tmp_path, clock)

    def call(*arguments: str, code: int = 0) -> Result:
        done = here(*arguments, **TOKEN)
        assert done.code == code, done
        return done

    def won(period: str) -> dict[str, str]:
        values = call("kpi", "won_value", "--period", period, "--json").json
        return {one["subject"]["key"]: one["value"] for one in values}

    call(
        "init", "hubspot", "--secret", "HUBSPOT_TOKEN", "--set", f"base_url={twin.url}", "--timezone",
        "Asia/Ho_Chi_Minh",
    )
    people = here.folder / "people.example.csv"
    coded = people.read_text("utf-8").replace("\n,ana", "\nNV001,ana").replace("\n,bo", "\nNV002,bo")
    here.write("people.csv", coded)
    here.replace("config.yaml", "# people: people.csv", "people: people.csv")
    call("check")
    call("sync")
    assert won("2026-09") == {"NV001": "1000.50", "NV002": "1250.50"}

    # A contract that was sent is as good as won, says the sales manager: what would that do?
    here.write("mappings/new.yaml", (here.folder / "mappings/hubspot.yaml").read_text("utf-8"))
    here.replace("mappings/new.yaml", '"contractsent": {to: negotiation,', '"contractsent": {to: closed_won,')
    shown = call("mapping", "diff", "mappings/new.yaml", "--source", "hubspot", "--json").json
    moved = {
        one["subject"]["key"]: (one["before"], one["after"]) for one in shown["values"]
        if (one["kpi"], one["period"]) == ("won_value", "2026-09")
    }
    # Of Ana's, 0, 2 and 4 had "contract sent" on 5, 17 and 29 September; 2 was lost on the 19th: 1,000.50 + 2,000.50.
    assert moved["NV001"] == ("1000.50", "3001.00")
    assert call("mapping", "diff", "mappings/new.yaml", "--source", "hubspot", "--max-shift", "1%", code=1)
    assert won("2026-09") == {"NV001": "1000.50", "NV002": "1250.50"}, "nothing was applied"

    # It moves pay by far more than the guard allows, so a person decides; then it is in force.
    here.write("mappings/hubspot.yaml", (here.folder / "mappings/new.yaml").read_text("utf-8"))
    call("sync", code=4)
    (stop,) = call("stops", "list", "--json").json
    call("stops", "accept", stop["id"], "--reason", "agreed with sales")
    call("sync")
    assert won("2026-09")["NV001"] == moved["NV001"][1]

    deal = next(id_ for id_, one in twin.state()["deals"].items() if one["properties"]["dealname"] == "Deal 0")
    twin.portal.update("deals", deal, {"amount": "2000.50"}, user=771)
    read = call("resync", "hubspot", "--id", deal, "--reason", "the amount was mended", "--json").json
    (stream,) = read["sources"][0]["streams"]
    assert (stream["stream"], stream["changed"]) == ("deals", 1)

    why = call("explain", "won_value", "--subject", "NV001", "--period", "2026-09", "--json").json
    member = next(one for one in why["members"] if one["id"] == deal)
    assert (member["source"], member["entity"]) == ("hubspot", "deal")
    assert member["mapping"]["file"].endswith("mappings/hubspot.yaml")
    page = call("page", "show", str(member["page"]), "--record", str(member["record_index"]), "--json").json
    assert page["record"]["id"] == deal
