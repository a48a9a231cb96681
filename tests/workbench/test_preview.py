"""Real records beside what they become: each field with the value the vendor sent, and the line that did it."""

from __future__ import annotations

from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project
from tests.workbench.account import ROOT, TOKEN

PAGE = (ROOT / "docs" / "preview.md").read_text("utf-8")
CONTRACT_SENT = '      "contractsent": {to: negotiation, name: Contract sent}\n'
DEAL = "9999901"  # Deal 0: 1000.50 EUR, won by Ana on 7 September


def test_each_field_stands_beside_what_the_vendor_sent_and_the_line_that_did_it(project: Project) -> None:
    nothing = project("mapping", "preview", "hubspot", **TOKEN)
    assert (nothing.code, "run connector sync hubspot first" in nothing.err) == (2, True)
    assert project("sync", **TOKEN).code == 0
    shown = project("mapping", "preview", "hubspot", "--id", DEAL, **TOKEN)
    assert shown.code == 0
    assert shown.out.rstrip() in PAGE

    (record,) = project("mapping", "preview", "hubspot", "--id", DEAL, "--json", **TOKEN).json["records"]
    lines = (project.folder / "hubspot.yaml").read_text("utf-8").splitlines()
    deal = record["rows"][0]
    fields = {one["field"]: one for one in deal["fields"]}
    amount, stage = fields["amount"], fields["stage"]
    assert (amount["value"], amount["path"], amount["raw"]) == ("1000.50", "properties.amount", "1000.50")
    assert lines[amount["mapping"]["line"] - 1].strip().startswith("amount: {path: properties.amount")
    assert (stage["value"], stage["raw"]) == ("Closed won (closed_won)", "closedwon")
    assert lines[stage["means"]["line"] - 1].strip().startswith('"closedwon": {to: closed_won')
    assert (fields["lead"]["value"], fields["lead"]["raw"]) == (None, None)
    moves = [row for row in record["rows"] if row["entity"] == "stage_transition"]
    assert [row["fields"][1]["raw"] for row in moves] == [
        "appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon"
    ]
    assert moves[0]["fields"][1]["path"] == "propertiesWithHistory.dealstage[3].value", "the newest comes first there"


def test_another_file_is_tried_without_a_request_and_without_a_trace(project: Project, twin: HubSpotTwin) -> None:
    project("sync", **TOKEN)
    text = (project.folder / "hubspot.yaml").read_text("utf-8")
    project.write("new.yaml", text.replace(CONTRACT_SENT, ""))
    before = (project.folder / "connector.db").read_bytes()
    asked = len(twin.requests)
    shown = project("mapping", "preview", "hubspot", "--file", "new.yaml", "--limit", "2", "--json", **TOKEN)
    assert (shown.code, [one["key"] for one in shown.json["records"]]) == (1, ["9999910", "9999909"]), "the newest"
    assert "stage 'contractsent'" in shown.json["records"][0]["fault"]["reason"]
    assert (len(twin.requests), (project.folder / "connector.db").read_bytes()) == (asked, before)
    assert project("mapping", "preview", "hubspot", "--limit", "2", **TOKEN).code == 0, "as it is all is well"
    unknown = project("mapping", "preview", "hubspot", "--id", "404", "--id", "calls:7", **TOKEN)
    assert (unknown.code, "deals:404 is not landed" in unknown.err, "calls:7" in unknown.err) == (2, True, True)


def test_what_is_set_aside_comes_first_with_its_reason_and_line(project: Project) -> None:
    project.replace("hubspot.yaml", CONTRACT_SENT, "")
    project("sync", **TOKEN)
    shown = project("mapping", "preview", "hubspot", "--limit", "1", **TOKEN)
    assert shown.code == 1
    assert shown.out.rstrip() in PAGE
