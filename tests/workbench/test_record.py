"""A landed record becomes a case of the mapping file, with nobody's data in it and the rest of the file untouched."""

from __future__ import annotations

from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project
from tests.workbench.account import ROOT, TOKEN

PAGE = (ROOT / "docs" / "preview.md").read_text("utf-8")
DEAL = "9999901"


def test_a_record_is_written_as_a_case_that_holds(project: Project) -> None:
    project("sync", **TOKEN)
    before = (project.folder / "hubspot.yaml").read_text("utf-8")
    done = project("mapping", "test", "hubspot", "--record", DEAL, "--json", **TOKEN)
    assert done.code == 0
    (case,) = [one for one in done.json if one.get("recorded")]
    assert (case["test"], case["ok"]) == (f"deals:{DEAL}", True)
    after = (project.folder / "hubspot.yaml").read_text("utf-8")
    assert after.startswith(before), "every other line is as it was"
    added = after.removeprefix(before).rstrip()
    assert added in PAGE
    assert "Deal 0" not in added, "its name"

    again = project("mapping", "test", "--record", f"deals:{DEAL}", **TOKEN)  # there is one source only
    assert again.code == 0
    assert (project.folder / "hubspot.yaml").read_text("utf-8") == after, "it took its own place"
    project.replace("hubspot.yaml", '"closedwon": {to: closed_won', '"closedwon": {to: negotiation')
    project.replace("hubspot.yaml", '"closedlost": {to', '"won": closed_won\n      "closedlost": {to')
    assert project("mapping", "test", "hubspot", **TOKEN).code == 1, "a change that makes it something else is seen"


def test_people_and_companies_are_made_up(project: Project, twin: HubSpotTwin) -> None:
    twin.portal.create("contacts", {
        "email": "chi.pham@customer.example.org", "firstname": "Chi", "lastname": "Pham", "phone": "+84 90 123 45 67",
        "lifecyclestage": "lead", "hs_lead_status": "Chi wants a call",
    })  # fmt: skip
    project("sync", **TOKEN)
    (lead,) = project("mapping", "preview", "hubspot", "--stream", "contacts", "--json", **TOKEN).json["records"]
    wanted = ["owners:5", "companies:9999901", f"contacts:{lead['key']}"]
    before = (project.folder / "hubspot.yaml").read_text("utf-8")
    done = project("mapping", "test", *[part for one in wanted for part in ("--record", one)], **TOKEN)
    assert done.code == 0
    added = (project.folder / "hubspot.yaml").read_text("utf-8").removeprefix(before)
    assert [name for name in wanted if f'name: "{name}"' not in added] == []
    assert [word for word in ("ana@", "Ana", "Alvarez", "north.example", "North", "chi.pham", "Chi", "90 123")
            if word in added] == []


def test_what_cannot_be_a_case_is_told_and_the_file_stays(project: Project) -> None:
    project.replace("hubspot.yaml", '      "contractsent": {to: negotiation, name: Contract sent}\n', "")
    project("sync", **TOKEN)
    before = (project.folder / "hubspot.yaml").read_text("utf-8")
    refused = project("mapping", "test", "--record", DEAL, "--record", "owners:5", **TOKEN)
    assert (refused.code, "cannot be mapped, so it is no case yet" in refused.err) == (2, True)
    assert (project.folder / "hubspot.yaml").read_text("utf-8") == before
    project.replace("config.yaml", "mapping: hubspot.yaml", "mapping: hubspot")
    shipped = project("mapping", "test", "--record", DEAL, **TOKEN)
    assert (shipped.code, "is shipped with the connector and stays as it is" in shipped.err) == (2, True)
