"""`connector demo`: what it says, and that its numbers are those of the plan the fake CRM was filled from.

The expected values come from `connector.twins.demo_truth`, which knows the plan and none of the product's code.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from connector.app import App
from connector.cli.demo import Demo
from connector.store import tables
from connector.twins import demo as world
from connector.twins import demo_truth
from connector.twins.demo_files import fx_rows
from connector.twins.portal import milliseconds
from tests.e2e.project import COMMAND
from tests.product.asking import Office

CENT = Decimal("0.01")
STREAM = {"stream", "requests", "records", "new", "changed", "unchanged", "deleted", "quarantined", "cursor", "error"}


class Played:
    """The demo after its six syncs, still up."""

    def __init__(self, demo: Demo, app: App) -> None:
        self.demo, self.app, self.office = demo, app, Office(app)
        self.answers = [self._month(moment) for moment in world.SYNCS]
        self.code_of = {seller.owner: seller.code for seller in demo.plan.sellers}

    def _month(self, moment: Any) -> Any:
        self.demo.clock.move_to(moment)
        self.demo.timeline.advance(moment)
        return self.app.sync()

    def per_person(self, kpi: str, month: str) -> dict[str, str | None]:
        """By employee code, or owner where nobody is employed."""
        return {key: one["value"] for (key, _), one in self.office.values(kpi, month).items()}

    def told(self, made: Mapping[tuple[str, str], Any], month: str) -> dict[str, Any]:
        """The ground truth of one month by employee code."""
        return {self.code_of[owner]: value for (owner, of), value in made.items() if of == month}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    with demo.running() as app:
        yield Played(demo, app)


def world_end(month: str) -> datetime:
    """The first moment after a local month."""
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]), 12)
    return datetime(year, number + 1, 1, tzinfo=ZoneInfo(world.ZONE))


MONTHS = ("2026-08", "2026-09", "2026-10")


def test_the_last_three_months_are_those_shown(played: Played) -> None:
    assert tuple(played.demo.months()) == MONTHS


def test_every_sync_ends_well(played: Played) -> None:
    assert [(answer.exit_code, answer.value["status"]) for answer in played.answers] == [(0, "ok")] * 6


@pytest.mark.parametrize("month", MONTHS)
def test_won_count_is_the_plan_s(played: Played, month: str) -> None:
    """At event: whoever owned the deal when it was won."""
    told = played.told(demo_truth.won(played.demo.plan, played.demo.clock.now()), month)
    found = {code: int(value or 0) for code, value in played.per_person("won_count", month).items()}
    assert found == {code: told[code].count if code in told else 0 for code in found}
    assert set(told) <= set(found)
    assert sum(found.values()) > 10


@pytest.mark.parametrize("month", MONTHS)
def test_won_value_by_shares_is_the_plan_s_and_no_cent_is_lost(played: Played, month: str) -> None:
    """Split: a part is cut to the cent for each deal, so a person may differ by a cent a deal, the sum not at all."""
    made = demo_truth.won(played.demo.plan, played.demo.clock.now(), "split")
    told = played.told(made, month)
    found = {code: Decimal(value or 0) for code, value in played.per_person("won_value", month).items()}
    assert set(told) <= set(found)
    for code, value in found.items():
        assert abs(value - (told[code].value if code in told else 0)) <= 5 * CENT
    whole = demo_truth.won(played.demo.plan, played.demo.clock.now())
    assert sum(found.values()) == sum(row.value for row in played.told(whole, month).values())


@pytest.mark.parametrize("month", MONTHS)
def test_won_value_at_event_is_the_plan_s_to_the_cent(played: Played, month: str) -> None:
    told = played.told(demo_truth.won(played.demo.plan, played.demo.clock.now()), month)
    asked = played.app.kpi("won_value", period=month, options={"credit": "at_event"}).value
    found = {one["subject"]["key"]: Decimal(one["value"]) for one in asked}
    assert found == {code: told[code].value if code in told else 0 for code in found}
    assert set(told) <= set(found)
    without = ((one["subject"]["key"], int(one["left_out"]["amount"])) for one in asked)
    left_out = {code: count for code, count in without if count}
    assert left_out == {code: row.without_amount for code, row in told.items() if row.without_amount}


@pytest.mark.parametrize("month", MONTHS)
def test_leads_are_the_plan_s(played: Played, month: str) -> None:
    """The demo's config has no such KPI: it is asked with one written into it."""
    config = played.demo.folder / "config.yaml"
    asking = config.with_name("asking.yaml")
    asking.write_text(config.read_text() + "  - {id: leads, metric: lead_volume, per: person, every: month}\n")
    secrets = {"DEMO_CRM_TOKEN": "unused-token", "DEMO_HR_PASSWORD": "unused-password"}
    with closing(App.load(str(asking), played.demo.clock, secrets)) as app:
        found = {one["subject"]["key"]: int(one["value"]) for one in app.kpi("leads", period=month).value}
    told = played.told(demo_truth.lead_volume(played.demo.plan, played.demo.clock.now()), month)
    assert found == {code: told.get(code, 0) for code in found}
    assert set(told) <= set(found)


@pytest.mark.parametrize("month", MONTHS)
def test_entries_by_stage_are_the_plan_s(played: Played, month: str) -> None:
    told = demo_truth.stage_entries(played.demo.plan, played.demo.clock.now())
    stage = tables.LEDGER["stage"].c
    rows = played.app.here.store.rows(select(stage.stage, stage.name).where(stage.replaced_at.is_(None)))
    named = {row.stage: row.name for row in rows}
    found = {one["dimensions"]["stage"]: int(one["value"]) for one in played.app.kpi("entries", period=month).value}
    assert found == {name: told.get((id_, month), 0) for id_, name in named.items()}


@pytest.mark.parametrize("month", [*MONTHS, "2026-11"])
def test_the_open_pipeline_at_each_month_s_end_is_the_plan_s(played: Played, month: str) -> None:
    """Open then, with the amounts of then (before the first known one, that), at the rate of the month's last day."""
    plan, now = played.demo.plan, played.demo.clock.now()
    end = min(now, world_end(month))
    first: dict[str, str] = {}
    for event in plan.events:
        if event.kind == "deals" and event.values.get("amount"):
            first.setdefault(event.id, str(event.values["amount"]))
    counts: dict[str, int] = defaultdict(int)
    values: dict[str, Decimal] = defaultdict(Decimal)
    for story in demo_truth.stories(plan, end):
        if story.outcome == "open":
            pipeline, last_moment = str(story.values["pipeline"]), milliseconds(end) - 1
            then = {**story.values, "amount": story.values.get("amount") or first.get(story.id)}
            counts[pipeline] += 1
            values[pipeline] += demo_truth.in_euros(then, last_moment, fx_rows(plan)) or Decimal()
    asked = {measure: played.app.kpi("open_pipeline", period=month, options={"measure": measure}).value
             for measure in ("count", "value")}
    assert sorted(int(one["value"]) for one in asked["count"]) == sorted(counts.values())
    assert sorted(Decimal(one["value"]) for one in asked["value"]) == sorted(values.values())
    assert sum(counts.values()) > 100


def test_the_hr_system_holds_each_stored_value_to_the_cent_and_nothing_else(played: Played) -> None:
    held = {(row["MaNhanVien"], row["MaKPI"], row["Ky"]): row["ThucHien"] for row in played.demo.hr.results.values()}
    pushed = {"won_value", "won_count", "win_rate"}
    stored = {
        (one["subject"]["key"], one["kpi"], f"{one['period'][5:]}/{one['period'][:4]}"): one["value"]
        for one in played.office.stored() if one["kpi"] in pushed and one["subject"]["kind"] == "person"
    }
    assert held.keys() <= stored.keys()
    assert all(stored[key] is None for key in stored.keys() - held.keys()), "only `no data` is not there"
    for key, value in held.items():
        places = Decimal("0.0001") if key[1] == "win_rate" else CENT  # the config sends four digits
        assert Decimal(str(value or 0)).quantize(places) == Decimal(stored[key] or 0).quantize(places), key


def test_a_sync_after_which_nothing_happened_sends_nothing(played: Played) -> None:
    before = dict(played.demo.hr.results)
    answer = played.app.sync()
    (hr,) = answer.value["destinations"]
    assert (answer.exit_code, hr["confirmed"], hr["owed"]) == (0, 0, 0)
    assert answer.value["kpis"]["changed"] == answer.value["kpis"]["new"] == 0
    assert played.demo.hr.results == before


def test_the_command_prints_one_json_value_and_ends(tmp_path: Path) -> None:
    """`connector demo --no-serve --json`: the sync object of design.md section 8, exit code 0, nothing left behind."""
    done = subprocess.run(
        [COMMAND, "demo", "--no-serve", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120, env={**os.environ, "CI": "1", "TMPDIR": str(tmp_path)}, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert {"run", "status", "started_at", "ended_at", "sources", "destinations"} <= value.keys()
    streams = value["sources"][0]["streams"]
    assert all(one.keys() >= STREAM for one in streams)
    (hr,) = value["destinations"]
    assert hr.keys() >= {"destination", "owed", "confirmed", "refused", "unanswered", "dead", "error"}
    assert (value["status"], hr["owed"]) == ("ok", 0)
    assert list(tmp_path.iterdir()) == []
