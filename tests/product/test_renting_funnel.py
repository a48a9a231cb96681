"""tests/data/renting_funnel (2,500 cases) through the whole product: the numbers of its ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from connector.app import App
from connector.testing import FakeClock
from tests.product.asking import DATA, Office, same, truth

TRUTH = "renting_funnel/ground_truth"

CONFIG = """\
store: {store}
timezone: UTC
currency: USD
sources:
  renting:
    adapter: csv_folder
    mapping: {data}/renting_funnel.yaml
    folder: {data}/renting_funnel
    files: {{events: {{file: events.csv, key: [case_id, seq]}}}}
kpis:
  - {{id: won, metric: won_count, every: all}}
  - {{id: lost, metric: lost_reasons, every: all}}
  - {{id: rate, metric: win_rate_count, every: all}}
  - {{id: entries, metric: stage_entries, every: all}}
  - {{id: reached, metric: stage_conversion, every: all}}
  - {{id: days_mean, metric: stage_duration, every: all, options: {{stat: mean}}}}
  - {{id: days_median, metric: stage_duration, every: all}}
  - {{id: days_p90, metric: stage_duration, every: all, options: {{stat: p90}}}}
  - {{id: cycle_mean, metric: cycle_length, every: all, options: {{stat: mean}}}}
  - {{id: cycle_median, metric: cycle_length, every: all}}
  - {{id: cycle_p90, metric: cycle_length, every: all, options: {{stat: p90}}}}
  - {{id: won_by, metric: won_count, per: owner, every: day, options: {{credit: actor}}}}
  - {{id: won_by_owner, metric: won_count, per: owner, every: all}}
  - {{id: open, metric: open_pipeline, by: stage, every: day, options: {{measure: count}}}}
"""


@pytest.fixture(scope="module")
def office(kept_store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Loaded by one sync on 1 February 2015."""
    folder = tmp_path_factory.mktemp("renting")
    (folder / "config.yaml").write_text(CONFIG.format(store=kept_store_url, data=DATA), "utf-8")
    clock = FakeClock(datetime(2015, 2, 1, tzinfo=UTC))
    with closing(App.load(str(folder / "config.yaml"), clock, {})) as app:
        answer = app.sync()
        assert answer.exit_code == 0, answer.value
        (stream,) = answer.value["sources"][0]["streams"]
        assert (stream["records"], stream["quarantined"]) == (len(truth("renting_funnel/events.csv")), 0)
        yield Office(app)


def test_won_lost_and_their_rate(office: Office) -> None:
    """Ground truth 01; every deal is decided, so won + lost = deals."""
    (row,) = truth(f"{TRUTH}/01_totals.csv")
    assert office.text("won", "all") == row["won"]
    assert {cut: one["value"] for (_, cut), one in office.values("lost", "all").items()} == {"": row["lost"]}
    rate = office.one("rate", "all")
    assert (rate["numerator"], rate["denominator"]) == (row["won"], row["deals"])
    assert same(rate["value"], row["win_rate_count"])


@pytest.mark.parametrize("row", truth(f"{TRUTH}/02_stages.csv"), ids=lambda row: row["stage"])
def test_entries_and_reached(office: Office, row: dict[str, str]) -> None:
    """Ground truth 02; what got further is what reached the next stage, from the last one what was won."""
    assert office.text("entries", "all", cut=row["stage"]) == row["entries"]
    reached = office.one("reached", "all", cut=row["stage"])
    following = {one["ord"]: one["reached"] for one in truth(f"{TRUTH}/02_stages.csv")}
    further = following.get(str(int(row["ord"]) + 1), truth(f"{TRUTH}/01_totals.csv")[0]["won"])
    assert (reached["denominator"], reached["numerator"]) == (row["reached"], further)


@pytest.mark.parametrize("row", truth(f"{TRUTH}/03_stage_duration.csv"), ids=lambda row: row["stage"])
def test_days_in_a_stage(office: Office, row: dict[str, str]) -> None:
    for stat in ("mean", "median", "p90"):
        value = office.one(f"days_{stat}", "all", cut=row["stage"])
        assert value["denominator"] == row["n"]
        assert same(value["value"], row[f"{stat}_days"], 4)


@pytest.mark.parametrize("stat", ["mean", "median", "p90"])
def test_the_cycle_of_won_deals(office: Office, stat: str) -> None:
    """Ground truth 04, the row `won`: lost ones are apart, quick rejections would flatter the mean."""
    (row,) = (row for row in truth(f"{TRUTH}/04_cycle_length.csv") if row["outcome"] == "won")
    value = office.one(f"cycle_{stat}", "all")
    assert value["denominator"] == row["n"]
    assert same(value["value"], row[f"{stat}_days"], 4)


def test_won_by_who_did_it_and_day(office: Office) -> None:
    """Ground truth 05: the actor of the signature."""
    rows = truth(f"{TRUTH}/05_won_by_person_day.csv")
    for day in {row["day"] for row in rows} | {"2015-01-08", "2015-01-12"}:
        found = {owner: one["value"] for (owner, _), one in office.values("won_by", day).items() if one["value"] != "0"}
        assert found == {f"renting:{row['closed_by']}": row["won"] for row in rows if row["day"] == day}


def test_deals_without_an_owner_are_shown_as_nobody_s(office: Office) -> None:
    """Nobody is guessed: by `at_event` they belong to no owner, and are still in the sum."""
    values = office.values("won_by_owner", "all")
    found = {owner: one["value"] for (owner, _), one in values.items() if one["value"] != "0"}
    assert found == {"none": truth(f"{TRUTH}/01_totals.csv")[0]["won"]}


def test_open_deals_by_stage_at_the_start_of_each_day(office: Office) -> None:
    """Ground truth 06: the start of a day is the end of the one before."""
    rows = truth(f"{TRUTH}/06_open_by_stage_day.csv")
    for start in (date(2015, 1, 6) + timedelta(days=number) for number in range(10)):
        day = (start - timedelta(days=1)).isoformat()
        found = {cut: one["value"] for (_, cut), one in office.values("open", day).items() if one["value"] != "0"}
        assert found == {row["stage"]: row["deals"] for row in rows if row["as_of_start_of_day"] == str(start)}


def test_a_second_sync_of_22_434_unchanged_events_adds_no_body_and_no_row(office: Office) -> None:
    """The same file again is a reference in landing, not a copy."""
    before = office.app.status().value["landing_bytes"]
    answer = office.app.sync()
    (stream,) = answer.value["sources"][0]["streams"]
    assert (stream["new"], stream["changed"], stream["unchanged"]) == (0, 0, stream["records"])
    assert answer.value["kpis"]["changed"] == 0
    assert office.app.status().value["landing_bytes"] == before
