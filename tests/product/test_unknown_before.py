"""Before a source had been read as a whole nobody knew its numbers; what they had been can be reconstructed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connector.app import App
from connector.testing import FakeClock
from tests.e2e.project import Project, make


@pytest.fixture
def project(tmp_path: Path, store_url: str) -> Project:
    made = make(tmp_path)
    made.replace("config.yaml", "timezone:", f"store: {store_url}\ntimezone:")
    return made


@pytest.fixture
def app(project: Project, clock: FakeClock) -> Iterator[App]:
    """First synced on 2026-03-02; what it tells happened in January."""
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as found:
        yield found


def values(app: App, **asked: str) -> dict[tuple[str, str], tuple[str | None, str]]:
    """(value, status) by subject and stage."""
    found: list[dict[str, Any]] = app.kpi(**asked).value
    return {
        (one["subject"]["key"], "".join(one["dimensions"].values())): (one["value"], one["status"]) for one in found
    }


def test_as_of_a_moment_before_the_first_sync_nothing_was_known(app: App) -> None:
    app.sync(push=False)
    found = values(app, kpi="won_value", period="2026-01", as_of="2026-02-01")
    assert set(found.values()) == {(None, "unknown_before")}
    assert values(app, kpi="won_value", period="2026-01")["NV001", ""] == ("1000.50", "open")


def test_reconstructed_it_says_what_had_happened_by_then(app: App) -> None:
    """Deal 1 was won on 20 January; by the 9th two deals had entered stage 2, by the 8th (Vietnam's day) one."""
    app.sync(push=False)

    def asked(kpi: str, day: str) -> dict[tuple[str, str], tuple[str | None, str]]:
        return values(app, kpi=kpi, period="2026-01", as_of=day, basis="reconstructed")

    assert asked("won_value", "2026-01-19")["NV001", ""] == ("0.00", "open")
    assert asked("won_value", "2026-01-20")["NV001", ""] == ("1000.50", "open")
    assert asked("entries", "2026-01-08")["company", "2"] == ("1", "open")
    assert asked("entries", "2026-01-09")["company", "2"] == ("2", "open")


def test_a_value_says_its_basis(app: App) -> None:
    app.sync(push=False)
    (known, *_), (rebuilt, *_) = (
        app.kpi("won_value", period="2026-01", as_of="2026-01-31", basis=basis).value
        for basis in ("known", "reconstructed")
    )
    assert (known["basis"], rebuilt["basis"]) == ("known", "reconstructed")
    assert known["as_of"] == rebuilt["as_of"] == "2026-01-31T16:59:59.999999Z"


def test_a_first_sync_that_did_not_end_makes_nothing_known(project: Project, app: App) -> None:
    """One stream of two was read: the values are not 0, they are not known."""
    (project.folder / "export/owners.csv").unlink()
    assert app.sync(push=False).exit_code == 3
    assert set(values(app, kpi="won_value", period="2026-01").values()) == {(None, "unknown_before")}


def test_an_answer_given_does_not_change_when_a_source_is_added(
    project: Project, app: App, clock: FakeClock, store_url: str
) -> None:
    app.sync(push=False)
    clock.advance(minutes=10)
    then = clock.now().isoformat()
    clock.advance(days=1)
    before = values(app, kpi="won_value", period="2026-01", as_of=then)
    second = "sources:\n  erp:\n    adapter: csv_folder\n    mapping: crm.yaml\n    folder: export\n    files:\n"
    second += "      owners: {file: owners.csv, key: id}\n"
    second += "      deals: {file: deals.csv, key: id, nest: {history: {file: history.csv, on: {id: deal}}}}\n"
    project.replace("config.yaml", "sources:\n", second)
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as both:
        both.sync(["erp"], push=False)
        assert values(both, kpi="won_value", period="2026-01", as_of=then) == before
