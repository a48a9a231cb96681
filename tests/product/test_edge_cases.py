"""tests/data/edge_cases through the whole product: config, sync, questions; every number its ground truth has.

Expected values are read from `ground_truth/*.csv`, or are the "E:" examples of metrics.md, quoted in the docstrings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tests.product.asking import Office, same, truth
from tests.product.edge_install import plain, staffed

TRUTH = "edge_cases/ground_truth"
STAGES = {"inquiry": "Inquiry", "hearing": "Hearing", "demo": "Demo", "proposal": "Proposal", "estimate": "Estimate"}


@pytest.fixture(scope="module")
def office(kept_store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Loaded without a people file, synced once."""
    with closing(plain(tmp_path_factory.mktemp("edge"), kept_store_url)) as app:
        answer = app.sync()
        assert (answer.exit_code, answer.value["status"]) == (0, "ok"), answer.value
        yield Office(app)


# --- as known today --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", truth(f"{TRUTH}/02_by_month_restated.csv"), ids=lambda row: row["period"])
def test_winning_by_month(office: Office, row: dict[str, str]) -> None:
    """E: Jan 2/3 = 0.667, value 19 000/23 000; Feb 4/6 = 0.667, value 26 000/31 000; cycle Jan 15.5, Feb 30.9375."""
    month, closed = row["period"], int(row["won"]) + int(row["lost"])
    assert office.text("won_count", month) == row["won"]
    value = office.one("won_value", month)
    assert (value["value"], value["currency"], value["left_out"]["amount"]) == (
        row["won_value"], "USD", row["won_without_amount"]
    )
    rate = office.one("rate", month)
    assert same(rate["value"], row["win_rate_count"])
    assert (rate["numerator"], rate["denominator"]) == (row["won"], str(closed))
    assert same(office.text("rate_value", month), row["win_rate_value"])
    assert same(office.text("cycle_mean", month), row["mean_cycle"])
    assert same(office.text("cycle", month), row["median_cycle"])


def test_the_average_leaves_a_missing_amount_out_of_both_sides(office: Office) -> None:
    """E: Feb won 4, value 26 000 with 1 amount missing (D07), average 8 666.67 over 3 (R14)."""
    average = office.one("average", "2025-02")
    assert (average["value"], average["numerator"], average["denominator"]) == ("8666.67", "26000.00", "3")
    assert average["left_out"] == {"amount": "1", "rate": "0", "duration": "0"}


@pytest.mark.parametrize("credit", ["at_event", "actor"])
def test_won_by_owner_and_month(office: Office, credit: str) -> None:
    """Owners without a win in a month have 0, since a destination would keep the number it had before."""
    rows = {(row["period"], f"crm:{row['credited']}"): row for row in truth(f"{TRUTH}/04_won_by_owner_month.csv")}
    for month in ("2025-01", "2025-02", "2025-03"):
        count, value = office.values(f"won_count_{credit}", month), office.values(f"won_value_{credit}", month)
        assert {owner for owner, _ in count} == {"crm:A", "crm:B", "crm:C"}
        for (owner, _), found in count.items():
            row = rows.get((month, owner), {"won": "0", "won_value": "0.00"})
            assert (found["value"], Decimal(value[owner, ""]["value"])) == (row["won"], Decimal(row["won_value"]))


def test_the_funnel_s_entries_and_how_many_reached_each_stage(office: Office) -> None:
    """R5: D02, D07, D12 and D13 skipped hearing and count as having reached it. E: hearing, 8 entries by 6 deals."""
    rows = truth(f"{TRUTH}/05_funnel.csv")
    reached = {cut: one for (_, cut), one in office.values("reached", "all").items()}
    told = {STAGES[row["stage"]]: row["reached"] for row in rows}
    assert {cut: one["denominator"] for cut, one in reached.items()} == told
    won = sum(row["status"] == "won" for row in truth(f"{TRUTH}/01_deals.csv"))
    for row, following in pairwise([*rows, {"reached": str(won)}]):
        assert reached[STAGES[row["stage"]]]["numerator"] == following["reached"]
    assert office.text("entries", "all", cut="Hearing") == "8"
    for row in truth(f"{TRUTH}/06_stage_duration.csv"):  # entries = completed visits + those still there (D06)
        still_there = 1 if row["stage"] == "hearing" else 0
        entered = int(row["completed_visits"]) + still_there
        assert office.text("entries", "all", cut=STAGES[row["stage"]]) == str(entered)


@pytest.mark.parametrize("stat", ["mean", "median", "p90"])
def test_days_per_completed_visit(office: Office, stat: str) -> None:
    """E: hearing visits 4, 3, 3, 4, 2, 8, 21: mean 6.4286, median 4, p90 13.2."""
    rows = truth(f"{TRUTH}/06_stage_duration.csv")
    found = office.values(f"days_{stat}", "all")
    assert len(found) == len(rows)
    for row in rows:
        value = found["company", STAGES[row["stage"]]]
        assert value["denominator"] == row["completed_visits"]
        assert same(value["value"], row[f"{stat}_days"])


def test_the_open_pipeline_at_three_instants(office: Office) -> None:
    """E: end of January 4 deals, 22 500.00 (EUR 5 000 at the rate of 31 Jan, 1.10); end of March: D06 7 000."""
    days = {"2025-02-01": "2025-01-31", "2025-03-01": "2025-02-28", "2025-03-31": "2025-03-30"}
    for row in truth(f"{TRUTH}/08_open_pipeline.csv"):
        day = days[row["before_day"]]
        assert office.text("open_count", day) == row["open_deals"]
        assert office.text("open_value", day) == row["open_value"]


def test_the_open_pipeline_of_owners_adds_up_and_uses_the_rate_of_the_period_s_last_day(office: Office) -> None:
    """R13, R12: on 31 January A has D02 (EUR 5 000 at 1.10 = 5 500) and D11 (2 000), B has D05 and D10."""
    found = {owner: one["value"] for (owner, _), one in office.values("open_of_owner", "2025-01").items()}
    assert found == {"crm:A": "7500.00", "crm:B": "15000.00", "crm:C": "0.00"}


def test_lost_reasons_with_a_row_for_none(office: Office) -> None:
    """E: Jan price 1; Feb competitor 1, missing 1 (D11)."""
    lost = {month: {cut: one["value"] for (_, cut), one in office.values("lost", month).items() if one["value"] != "0"}
            for month in ("2025-01", "2025-02")}
    assert lost == {"2025-01": {"price": "1"}, "2025-02": {"competitor": "1", "": "1"}}
    deals = [row for row in truth(f"{TRUTH}/01_deals.csv") if row["status"] == "lost"]
    amounts = {row["lost_reason"]: row["base_amount"] for row in deals}
    assert office.text("lost_money", "2025-02", cut="competitor") == amounts["competitor"]
    assert office.text("lost_money", "2025-02", cut="") == amounts[""]


def test_the_weighted_pipeline(office: Office) -> None:
    """E: D06 7 000 x 0.3 = 2 100."""
    assert office.text("weighted", "2025-03") == "2100.00"


def test_leads_by_local_month_and_day_and_what_came_of_them(office: Office) -> None:
    """E: January 5 (L02 was created 2 Jan 20:00Z = 3 Jan local), February 1; lead_to_won of January 0.40."""
    assert (office.text("leads", "2025-01"), office.text("leads", "2025-02")) == ("5", "1")
    assert [office.text("leads_of_day", f"2025-01-0{day}") for day in (2, 3)] == ["1", "1"]
    cohort = office.one("lead_to_won", "2025-01")
    assert (cohort["value"], cohort["numerator"], cohort["denominator"]) == ("0.400000", "2", "5")


def test_a_deal_handed_over_is_no_loss_of_the_first_pipeline(office: Office) -> None:
    """R10: D10 left partner for sales on 25 January: open there until then, lost in sales, once in the company."""
    lost = {(key, cut): one["value"] for (key, cut), one in office.values("lost_of_pipeline", "2025-02").items()}
    assert lost["sales", "competitor"] == "1"
    assert lost.get(("partner", "competitor"), "0") == "0"
    days = [office.text("open_of_pipeline", f"2025-01-{day}", "partner") for day in (19, 20, 24, 25)]
    assert days == ["0", "1", "1", "0"]
    assert office.one("partner_reached", "all", cut="Partner new")["numerator"] == "0"


def test_an_empty_denominator_is_no_data(office: Office) -> None:
    """R16: nobody lost or won before January."""
    assert office.text("rate", "2024-12") is None
    assert office.text("won_count", "2024-12") == "0"


# --- as known then ---------------------------------------------------------------------------------------------------


def test_january_as_frozen_on_5_february(office: Office) -> None:
    """R15: D12 arrived late, D04 was re-opened later: won 1, lost 2, 10 000; `--as-of 2025-02-04` is that day's end."""
    (row,) = truth(f"{TRUTH}/03_january_as_frozen.csv")
    then = "2025-02-04"
    assert office.text("won_count", "2025-01", as_of=then) == row["won"]
    rate = office.one("rate", "2025-01", as_of=then)
    assert (rate["numerator"], rate["denominator"]) == (row["won"], str(int(row["won"]) + int(row["lost"])))
    assert same(rate["value"], row["win_rate_count"])
    assert office.text("won_value", "2025-01", as_of=then) == row["won_value"]
    assert rate["as_of"] == "2025-02-04T16:59:59.999999Z"


def test_a_loss_undone_stays_in_the_view_of_then(office: Office) -> None:
    """R7: D04 lost 10 Jan, re-opened 10 Feb, won 20 Feb: known on 9 February as lost, on the 21st as won."""
    reasons = [
        {cut: one["value"] for (_, cut), one in office.values("lost", "2025-01", as_of).items() if one["value"] != "0"}
        for as_of in ("2025-02-09", "2025-02-21")
    ]
    assert reasons == [{"price": "1", "": "1"}, {"price": "1"}]
    assert office.text("won_count", "2025-02", as_of="2025-02-19") == "2"
    assert office.text("won_count", "2025-02", as_of="2025-02-21") == "3"


def test_a_question_of_today_gives_what_the_sync_stored(office: Office) -> None:
    """Every KPI, every period asked: the delivered value is the one `connector kpi` shows."""
    def named(one: dict[str, Any]) -> tuple[str, ...]:
        return one["kpi"], one["subject"]["key"], str(one["dimensions"]), one["period"]

    stored = {named(one): one for one in office.stored()}
    for period in ("2025-01", "2025-02", "2025-03", "all", "2025-01-31", "2025-03-30"):
        for one in office.asked(period):
            kept = stored[named(one)]
            assert {**one, "as_of": None} == {**kept, "as_of": None}


def test_a_second_sync_changes_no_number(office: Office) -> None:
    """R18: the same files again are no news."""
    answer = office.app.sync()
    streams = answer.value["sources"][0]["streams"]
    assert [(one["new"], one["changed"], one["deleted"], one["quarantined"]) for one in streams] == [(0, 0, 0, 0)] * 6
    kpis = answer.value["kpis"]
    assert (kpis["new"], kpis["changed"], kpis["gone"]) == (0, 0, 0)


# --- with employees --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Loaded with a people file and a shared deal, on SQLite: what differs from `office` is decided past the store."""
    folder = tmp_path_factory.mktemp("firm")
    with closing(staffed(folder, f"sqlite:///{folder}/connector.db")) as app:
        answer = app.sync()
        assert (answer.exit_code, answer.value["status"]) == (0, "ok"), answer.value
        yield Office(app)


@pytest.mark.parametrize("row", truth(f"{TRUTH}/01_deals.csv"), ids=lambda row: row["deal_id"])
def test_each_deal_closes_on_its_day_for_its_owner_with_its_value_and_cycle(firm: Office, row: dict[str, str]) -> None:
    """E: D02 won 2025-01-31T18:00Z is 1 February local, EUR 5 000 at 1.20 = 6 000 (R1, R13); D04 cycle 46 d (R7)."""
    mine = [one for one in firm.stored() if one["dimensions"].get("extra.deal") == row["deal_id"]]

    def found(kpi: str) -> list[tuple[str, str, str | None]]:
        rows = [(one["period"], one["subject"]["key"], one["value"]) for one in mine if one["kpi"] == kpi]
        return [one for one in rows if one[2] not in (None, "0", "0.00")]

    place = (row["closed_local_day"], f"crm:{row['credited']}")
    amount = row["base_amount"]
    assert found("of_deal_count") == ([(*place, "1")] if row["status"] == "won" else [])
    assert found("of_deal_value") == ([(*place, amount)] if row["status"] == "won" and amount else [])
    assert found("of_deal_lost") == ([(*place, amount)] if row["status"] == "lost" else [])
    cycles = found("of_deal_cycle")
    if row["status"] == "won":
        assert [cycle[:2] for cycle in cycles] == [(row["closed_local_day"], "company")]
        assert same(cycles[0][2], row["cycle_days"])
    else:
        assert cycles == []


def test_deleted_and_merged_deals_are_in_no_value(firm: Office) -> None:
    """R8: D08 was deleted, D09 merged into D01."""
    assert not {"D08", "D09"} & {one["dimensions"].get("extra.deal") for one in firm.stored()}


def test_the_8_entries_into_hearing_are_of_6_deals(firm: Office) -> None:
    """Ground truth 05: entered = 6."""
    (row,) = (row for row in truth(f"{TRUTH}/05_funnel.csv") if row["stage"] == "hearing")
    entries = [one for one in firm.asked("all") if one["kpi"] == "of_deal_entries" and one["value"] != "0"]
    assert sum(int(one["value"]) for one in entries) == 8
    assert len(entries) == int(row["entered"])


@pytest.mark.parametrize(
    ("credit", "a", "b"),
    [("at_event", "6000.00", "20000.00"), ("actor", "6000.00", "20000.00"), ("current", "6000.00", "20000.00"),
     ("split", "10800.00", "15200.00")],
)
def test_february_s_wins_under_each_credit(firm: Office, credit: str, a: str, b: str) -> None:
    """R12 E: D05 won 5 Feb: B 12 000; split 40/60: A 4 800, B 7 200. Beside it A has D02 6 000, B has D04 8 000.

    B is no employee: shown as an owner, with the money, so that nothing is missing from the sum (design.md section 4).
    """
    found = {(one["subject"]["kind"], key): one["value"] for (key, _), one in firm.values(credit, "2025-02").items()}
    assert found == {("person", "NV001"): a, ("person", "NV004"): "0.00", ("owner", "crm:B"): b}


def test_counts_become_fractions_when_split(firm: Office) -> None:
    """A: D02 and 0.4 of D05; B: 0.6 of it, D04, and D07 that has no amount."""
    found = {key: one["value"] for (key, _), one in firm.values("split_count", "2025-02").items()}
    assert found == {"NV001": "1.400000", "NV004": "0", "crm:B": "2.600000"}


def test_an_owner_s_past_is_that_of_then(firm: Office) -> None:
    """R12: D05 was opened by A and moved to B on 20 January: its entry is A's, with `current` it is B's."""
    entered = {key: one["value"] for (key, _), one in firm.values("january", "2025-01").items()}
    current = {key: one["value"] for (key, _), one in firm.values("january_current", "2025-01").items()}
    assert (entered["crm:A"], entered["crm:B"]) == ("5", "2")  # D01 D02 D05 D11 D12; D03 D04
    assert (current["crm:A"], current["crm:B"]) == ("4", "3")


def test_an_employee_without_deals_has_zero_and_no_rate(firm: Office) -> None:
    rate = firm.one("rate", "2025-02", "NV004")
    assert (rate["value"], rate["numerator"], rate["denominator"]) == (None, "0", "0")


def test_a_win_belongs_to_the_team_the_owner_was_in_that_day(firm: Office) -> None:
    """R12, R1: A was in north until 31 January; D02 closed on 1 February local."""
    january, february = (
        {key: one["value"] for (key, _), one in firm.values("team", month).items()} for month in ("2025-01", "2025-02")
    )
    assert (january["north"], february["east"]) == ("19000.00", "6000.00")
    assert february["north"] == "0.00", "NV004 is still there"
