"""What becomes of a closed period: differences that add up, posted once, to the period that is still open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.app import App
from connector.errors import ConfigError
from connector.testing import FakeClock
from tests.e2e.project import Project, make

DEAL = "1,3,2026-01-05T02:00:00Z,1000.50,USD,o1\n"


@pytest.fixture
def project(tmp_path: Path, store_url: str) -> Project:
    made = make(tmp_path)
    kpis = "  - {id: wins, metric: won_count, per: person, every: month}\n"
    kpis += "  - {id: rate, metric: win_rate_count, per: company, every: month}\n"
    made.replace("config.yaml", "timezone:", f"store: {store_url}\nguard: {{shrink: 50%}}\ntimezone:")
    made.replace("config.yaml", "kpis:\n", f"kpis:\n{kpis}")
    return made


@pytest.fixture
def app(project: Project, clock: FakeClock) -> Iterator[App]:
    """It is 2 March 2026; in January An won 1000.50 USD, Binh lost a deal; January is closed."""
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as found:
        found.sync(push=False)
        assert found.close_period("2026-01").exit_code == 0
        yield found


def told(app: App, project: Project, clock: FakeClock, old: str, new: str) -> None:
    """The export changes, and is read again."""
    project.replace("export/deals.csv", old, new)
    clock.advance(hours=1)
    assert app.sync(push=False).exit_code == 0


def open_of(app: App, kpi: str) -> list[dict[str, Any]]:
    return [one for one in app.adjustments().value if one["kpi"] == kpi and one["state"] in ("proposed", "deferred")]


def number(app: App, period: str, view: str | None = None, kpi: str = "won_value", whom: str = "NV001") -> Decimal:
    (found,) = [one for one in app.kpi(kpi, period=period, view=view).value if one["subject"]["key"] == whom]
    return Decimal(found["value"])


def test_nothing_is_proposed_while_the_past_stays(app: App, clock: FakeClock) -> None:
    clock.advance(hours=1)
    app.sync(push=False)
    assert app.adjustments().value == []


def test_a_deal_won_corrected_deleted_and_restored_over_three_closes(
    app: App, project: Project, clock: FakeClock
) -> None:
    """By hand: 1000.50 frozen; +200.00; then -1200.50, all that was ever paid; then +1200.50 again.

    A cause is told from where the last decision left the deal: restored, it enters again.
    """
    corrected = DEAL.replace("1000.50", "1200.50")
    steps = [
        (DEAL, corrected, "200.00", "2026-02", "changed"),
        (corrected, "", "-1200.50", "2026-03", "left"),
        ("2,2,2026", f"{corrected}2,2,2026", "1200.50", "2026-04", "entered"),
    ]
    paid = Decimal(0)
    for old, new, amount, posted_to, change in steps:
        told(app, project, clock, old, new)
        (one,) = open_of(app, "won_value")
        assert (one["subject"]["key"], one["value"], one["period"]) == ("NV001", amount, "2026-01")
        assert [(cause["id"], cause["change"]) for cause in one["causes"]] == [("1", change)]
        assert app.decide_adjustment(one["id"], "accept").value["posted_to"] == posted_to
        for waiting in app.adjustments(state="proposed").value:
            app.decide_adjustment(waiting["id"], "accept")
        paid += Decimal(amount)
        assert number(app, "2026-01", "restated") - number(app, "2026-01") == paid
        assert number(app, "2026-01") == Decimal("1000.50")
        clock.advance(days=31)
        app.sync(push=False)
        assert app.close_period(posted_to).exit_code == 0
        assert number(app, posted_to, "payable") == Decimal(amount)
        assert open_of(app, "won_value") == []


def test_the_next_close_asks_for_a_decision(app: App, project: Project, clock: FakeClock) -> None:
    told(app, project, clock, "1000.50", "1200.50")
    (one,) = open_of(app, "won_value")
    refused = app.close_period("2026-02")
    assert refused.exit_code == 1
    assert "adjustments of 2026-01 that wait for a decision: 1" in refused.value["findings"][0]
    app.decide_adjustment(one["id"], "defer", "next month")
    assert app.close_period("2026-02").exit_code == 0


def test_a_corrected_adjustment_is_netted_not_added(app: App, project: Project, clock: FakeClock) -> None:
    told(app, project, clock, "1000.50", "1300.50")
    (first,) = open_of(app, "won_value")
    told(app, project, clock, "1300.50", "1100.50")
    (second,) = open_of(app, "won_value")
    assert (first["value"], second["value"], first["id"] == second["id"]) == ("300.00", "100.00", True)
    told(app, project, clock, "1100.50", "1000.50")
    assert open_of(app, "won_value") == []


def test_credit_moved_to_another_person_nets_to_zero(app: App, project: Project, clock: FakeClock) -> None:
    told(app, project, clock, "1000.50,USD,o1", "1000.50,USD,o2")
    moved = {one["subject"]["key"]: one["value"] for one in open_of(app, "won_value")}
    counted = {one["subject"]["key"]: one["value"] for one in open_of(app, "wins")}
    assert moved in ({}, {"NV001": "-1000.50", "NV002": "1000.50"})  # credit at the win stays with who had it then
    assert sum(map(Decimal, moved.values())) == sum(map(Decimal, counted.values())) == 0


def test_a_ratio_shows_what_it_is_made_of_and_is_never_posted(app: App, project: Project, clock: FakeClock) -> None:
    """One won, one lost in January; the won one goes: 0 of 1 instead of 1 of 2."""
    told(app, project, clock, DEAL, "")
    (one,) = [one for one in app.adjustments().value if one["kpi"] == "rate"]
    assert (one["state"], one["value"], one["numerator"], one["denominator"]) == ("noted", None, "-1", "-1")
    with pytest.raises(ConfigError, match="never paid with another period"):
        app.decide_adjustment(one["id"], "accept")


def test_what_was_rejected_stays_so_and_what_comes_later_is_its_own(
    app: App, project: Project, clock: FakeClock
) -> None:
    told(app, project, clock, "1000.50", "1200.50")
    (first,) = open_of(app, "won_value")
    assert app.decide_adjustment(first["id"], "reject", "not the seller's doing").value["state"] == "rejected"
    told(app, project, clock, "1200.50", "1250.50")
    (second,) = open_of(app, "won_value")
    assert (second["value"], second["id"] != first["id"]) == ("50.00", True)
    with pytest.raises(ConfigError, match="rejected already"):
        app.decide_adjustment(first["id"], "accept")
    assert number(app, "2026-02", "payable") == 0


def test_a_reopened_period_has_nothing_to_adjust_until_it_is_closed_again(
    app: App, project: Project, clock: FakeClock
) -> None:
    told(app, project, clock, "1000.50", "1200.50")
    app.reopen_period("2026-01", "the customer paid more")
    clock.advance(hours=1)
    app.sync(push=False)
    assert app.adjustments().value == []
    assert app.close_period("2026-01").value["seal"] == 2
    assert number(app, "2026-01") == Decimal("1200.50")
    assert app.adjustments().value == []


def test_a_deferred_one_follows_what_is_known(app: App, project: Project, clock: FakeClock) -> None:
    told(app, project, clock, "1000.50", "1200.50")
    (one,) = open_of(app, "won_value")
    app.decide_adjustment(one["id"], "defer", "ask the customer first")
    told(app, project, clock, "1200.50", "1201.50")
    (again,) = open_of(app, "won_value")
    assert (again["state"], again["value"]) == ("deferred", "201.00")


@pytest.mark.parametrize(("below", "state"), [("10", "proposed"), ("10.01", "accepted")])
def test_a_small_amount_of_money_is_accepted_by_the_next_close_unasked(
    project: Project, clock: FakeClock, below: str, state: str
) -> None:
    """10.00 more is below 10.01 and not below 10; it is paid with the month that is being closed."""
    project.replace("config.yaml", "timezone:", f"adjustments: {{auto_accept_below: {below}}}\ntimezone:")
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as app:
        app.sync(push=False)
        app.close_period("2026-01")
        told(app, project, clock, "1000.50", "1010.50")
        closed = app.close_period("2026-02")
        (found,) = app.adjustments().value
        assert (found["value"], found["state"]) == ("10.00", state)
        if state == "proposed":
            assert (closed.exit_code, found["posted_to"]) == (1, None)
        else:
            assert (closed.exit_code, found["posted_to"]) == (0, "2026-02")
            assert found["reason"] == "below auto_accept_below, 10.01"
            assert number(app, "2026-02", "payable") == Decimal("10.00")


def test_a_count_is_never_too_small_to_ask_about(project: Project, clock: FakeClock) -> None:
    project.replace("config.yaml", "timezone:", "adjustments: {auto_accept_below: 100000}\ntimezone:")
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as app:
        app.sync(push=False)
        app.close_period("2026-01")
        told(app, project, clock, DEAL, DEAL.replace(",3,", ",1,").replace("o1", "o1"))
        app.close_period("2026-02")
        states = {one["kpi"]: one["state"] for one in app.adjustments().value if one["kind"] in "CV"}
        assert states["wins"] == "proposed"
