"""The retroactive-edit report: what was changed after a close, by whom, when, and what it moves."""

from __future__ import annotations

from typing import Any

import pytest

from connector.app import App
from connector.errors import ConfigError
from connector.testing import FakeClock
from tests.e2e.project import Project
from tests.product.test_adjustments import DEAL, app, project, told  # noqa: F401  # its January, closed


def report(app: App) -> dict[str, Any]:  # noqa: F811
    found: list[dict[str, Any]] = app.edits("2026-01").value
    (one,) = found
    return one


def test_an_amount_edited_after_the_close(app: App, project: Project, clock: FakeClock) -> None:  # noqa: F811
    told(app, project, clock, "1000.50", "1200.50")
    one = report(app)
    assert (one["entity"], one["source"], one["id"]) == ("deal", "crm", "1")
    (edit,) = [edit for edit in one["edits"] if edit["what"] == "amount"]
    assert (edit["old"], edit["new"], edit["known_at"][:16]) == ("1000.5", "1200.5", "2026-03-02T09:00")
    (money,) = [move for move in one["moves"] if move["kpi"] == "won_value"]
    assert (money["subject"]["key"], money["money"], money["currency"]) == ("NV001", "200.00", "USD")


def test_a_deal_reopened_after_the_close_names_who_did_it(
    app: App, project: Project, clock: FakeClock  # noqa: F811
) -> None:
    project.replace("export/history.csv", "1,3,2026-01-20T02:00:00Z,o1\n",
                    "1,3,2026-01-20T02:00:00Z,o1\n1,2,2026-03-02T02:30:00Z,o2\n")
    told(app, project, clock, DEAL, DEAL.replace("1,3,", "1,2,"))
    one = report(app)
    (edit,) = [edit for edit in one["edits"] if edit["what"] == "stage"]
    assert (edit["new"], edit["by"], edit["by_name"]) == ("2", "o2", "Binh Tran")
    assert (edit["happened_at"], edit["known_at"][:16]) == ("2026-03-02T02:30:00Z", "2026-03-02T09:00")
    assert {move["kpi"] for move in one["moves"]} == {"won_value", "wins", "rate"}


def test_a_deleted_deal_is_an_edit(app: App, project: Project, clock: FakeClock) -> None:  # noqa: F811
    told(app, project, clock, DEAL, "")
    (edit,) = [edit for edit in report(app)["edits"] if edit["what"] == "record"]
    assert (edit["old"], edit["new"]) == ("there", "deleted")


def test_a_period_that_is_open_has_no_edits_to_report(app: App) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match="2026-02 is not closed"):
        app.edits("2026-02")
