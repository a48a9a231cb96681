"""tests/data/renting_funnel (2,500 cases) through the whole product: the numbers of its ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

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
  - {{id: won_mean, metric: cycle_length, every: all, options: {{stat: mean}}}}
  - {{id: won_median, metric: cycle_length, every: all}}
  - {{id: won_p90, metric: cycle_length, every: all, options: {{stat: p90}}}}
  - {{id: lost_mean, metric: cycle_length, every: all, options: {{stat: mean, outcome: lost}}}}
  - {{id: lost_median, metric: cycle_length, every: all, options: {{outcome: lost}}}}
  - {{id: lost_p90, metric: cycle_length, every: all, options: {{stat: p90, outcome: lost}}}}
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


@pytest.mark.parametrize("row", truth(f"{TRUTH}/04_cycle_length.csv"), ids=lambda row: row["outcome"])
def test_the_cycles_of_won_and_of_lost_deals(office: Office, row: dict[str, str]) -> None:
    """Ground truth 04: lost ones are apart, quick rejections would flatter the mean."""
    for stat in ("mean", "median", "p90"):
        value = office.one(f"{row['outcome']}_{stat}", "all")
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


# --- after the contract ----------------------------------------------------------------------------------------------

TENANCIES = """\
entities:
  - entity: sales_order
    stream: events
    key: case_id
    only_if: activity == 'Sign Contract'
    fields: {ordered_at: at, state: {const: confirmed}}
  - entity: invoice
    stream: events
    key: case_id
    only_if: activity == 'Sign Contract'
    fields: {sales_order: case_id, invoiced_at: at, kind: {const: invoice}}
  - entity: payment
    stream: events
    key: [case_id, seq]
    only_if: activity == 'Pay Rent'
    fields: {invoice: case_id, paid_at: at}
  - entity: activity
    stream: events
    key: [case_id, seq]
    fields: {type: {const: task}, outcome: {const: done}, at: at, extra.event: activity}
"""

TENANCY_KPIS = """\
kpis:
  - {id: done, metric: activity_count, every: all, by: extra.event}
  - {id: first_rent, metric: invoice_to_payment, every: all, options: {stat: mean, variant: first}}
"""


def test_what_came_after_the_contract(tmp_path: Path) -> None:
    """Ground truth 07: rents paid, missed and paid late, evictions, and the days from the contract to the first rent.

    The contract is an order that is invoiced at once; each rent is a payment of it."""
    (row,) = truth(f"{TRUTH}/07_after_contract.csv")
    (tmp_path / "tenancies.yaml").write_text(TENANCIES, "utf-8")
    config = CONFIG.format(store=f"sqlite:///{tmp_path}/connector.db", data=DATA)
    config = config.replace(f"{DATA}/renting_funnel.yaml", "tenancies.yaml")
    (tmp_path / "config.yaml").write_text(config[: config.index("kpis:")] + TENANCY_KPIS, "utf-8")
    with closing(App.load(str(tmp_path / "config.yaml"), FakeClock(datetime(2015, 4, 1, tzinfo=UTC)), {})) as app:
        assert app.sync().exit_code == 0
        done = {one["dimensions"]["extra.event"]: one["value"] for one in app.kpi("done", period="all").value}
        (first_rent,) = app.kpi("first_rent", period="all").value
    columns = {"Pay Rent": "paid", "Miss Rent Payment": "missed", "Accept Late Payment": "paid_late",
               "Evict Tenant": "evicted"}
    assert {event: done[event] for event in columns} == {event: row[name] for event, name in columns.items()}
    assert same(first_rent["value"], row["mean_days_contract_to_first_payment"], 4)
