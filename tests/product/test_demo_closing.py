"""The demo's closed month: a late win, a deal opened again and one that was another seller's, all after the close."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from connector.app import App
from connector.cli.demo import Demo
from connector.cli.demo_closing import Edited, close_and_edit
from connector.twins import demo as world


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, Edited]]:
    """The last two of the demo's months synced, and the last one closed."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    with demo.running() as app:
        for moment in world.SYNCS[-2:]:
            demo.clock.move_to(moment)
            demo.timeline.advance(moment)
            app.sync(push=False)
        yield app, close_and_edit(demo, app)


def differences(app: App, kpi: str, deal: str) -> list[Decimal]:
    found: list[dict[str, Any]] = app.adjustments().value
    return sorted(
        Decimal(one["value"]) for one in found
        if one["kpi"] == kpi and {cause["id"] for cause in one["causes"]} == {deal}
    )


def test_each_edit_moves_whom_it_should(edited: tuple[App, Edited]) -> None:
    app, deals = edited
    assert differences(app, "won_count", deals.late_win) == [1]
    assert differences(app, "won_count", deals.reopened) == [-1]
    assert differences(app, "won_count", deals.moved) == [-1, 1]
    taken, given = differences(app, "won_value", deals.moved)
    assert taken == -given < 0


def test_the_closed_month_itself_stays(edited: tuple[App, Edited]) -> None:
    app, deals = edited
    for kpi in ("won_value", "won_count"):
        of = [one["value"] for one in app.adjustments().value if one["kpi"] == kpi]
        frozen, restated = (
            sum(Decimal(one["value"] or 0) for one in app.kpi(kpi, period=deals.month, view=view).value)
            for view in ("frozen", "restated")
        )
        assert restated - frozen == sum(map(Decimal, of))
    assert app.verify_period(deals.month).exit_code == 0


def test_the_report_of_edits_names_the_three_deals(edited: tuple[App, Edited]) -> None:
    app, deals = edited
    found = {record["id"]: {edit["what"] for edit in record["edits"]} for record in app.edits(deals.month).value}
    assert found.keys() == {deals.late_win, deals.reopened, deals.moved}
    assert "stage" in found[deals.late_win] & found[deals.reopened]
    assert "owner" in found[deals.moved]
