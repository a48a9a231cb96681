"""Data quality: what each fault counts, whose it is and what it is worth; on both stores. Moves: test_quality_moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.registry.quality import METRICS
from connector.model import Subject
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .conftest import Ask, asking
from .fill import edge_cases, ref
from .test_rules import Build, building, day, move

COMPANY = Subject("company", "company")
VALUE = {"measure": "value"}
WON = [move("01-05", "new"), move("01-11", "won")]
LOST = [move("01-05", "new"), move("01-11", "lost")]
OPEN = [move("01-05", "new")]
RATES = {"fx": "currency,valid_from,rate\nUSD,2000-01-01,1\nEUR,2025-01-10,1.1\nEUR,2025-02-01,1.2\n"}
List = Callable[..., list[str]]


@pytest.fixture
def build(database_url: str) -> Build:
    """`test_rules.build` on either kind of store."""
    return building(database_url)


@pytest.fixture
def listed(database_url: str) -> List:
    """listed(metric, period="all", zone="UTC", **of the definition) -> the ids behind the company's value."""

    def ids(metric: str, period: str = "all", zone: str = "UTC", **given: Any) -> list[str]:
        calendar = Calendar(ZoneInfo(zone))
        definition = KpiDefinition(metric, metric, every=calendar.parse(period).every, **given)
        with open_snapshot(database_url) as snapshot, kpi.Reading(snapshot, calendar, "USD") as reading:
            return [member.id for member in reading.members(definition, COMPANY, period)]

    return ids


def all_time(ask: Ask, metric: str, **given: Any) -> str | None:
    """The one value over all time, as of 1 April."""
    (value,) = ask(metric, every="all", **given)
    return value.value


# --- the small data set ----------------------------------------------------------------------------------------------


@pytest.fixture
def edge(database_url: str) -> Ask:
    """`conftest.edge` on either kind of store."""
    return asking(edge_cases(database_url).url, "Asia/Ho_Chi_Minh", "USD")


EXAMPLES = [  # E: of metrics.md, with month, owner and, in USD, what they are worth
    ("quality_amount_missing", "2025-02", ["D07"], "crm:B", None),
    ("quality_reason_missing", "2025-02", ["D11"], "crm:A", "2000.00"),
    ("quality_moved_back", "2025-01", ["D03"], "crm:B", "4000.00"),
    ("quality_close_overdue", "2025-03", ["D06"], "crm:A", "7000.00"),
    ("quality_removed", "2025-01", ["D08", "D09"], "crm:A", "16000.00"),
]


def test_the_examples_with_their_ids_owner_and_money(edge: Ask, listed: List) -> None:
    """E: Q1 D07; Q3 D11; Q4 D03; Q7 D06; Q9 D08, D09; Q12 none (demo is archived, nobody sits there). Nobody else."""
    for metric, period, ids, owner, money in EXAMPLES:
        assert sorted(listed(metric, period, "Asia/Ho_Chi_Minh")) == ids
        months = {value.period: value.value for value in edge(metric)}
        assert months == {"2025-01": "0", "2025-02": "0", "2025-03": "0"} | {period: str(len(ids))}
        owned = {value.subject.key: value.value for value in edge(metric, per="owner", periods=[period])}
        assert {key for key, value in owned.items() if value != "0"} == {owner}
        if money:
            assert edge(metric, options=VALUE, periods=[period])[0].value == money
    assert {value.value for value in edge("quality_unknown")} == {"0"}


def test_stages_skipped_in_the_small_data_set(edge: Ask, listed: List) -> None:
    """January: D02, D11 and D12 leave out hearing (D12 estimate too, and counts once): 5 500 + 2 000 + 9 000. February:
    D02, D04, D05 and D07 are won without an estimate: 6 000 + 8 000 + 12 000, D07 has no amount. March: D13."""
    months = [listed("quality_stage_skipped", f"2025-0{month}", "Asia/Ho_Chi_Minh") for month in (1, 2, 3)]
    assert [sorted(ids) for ids in months] == [["D02", "D11", "D12"], ["D02", "D04", "D05", "D07"], ["D13"]]
    found = [(value.value, value.left_out_amount) for value in edge("quality_stage_skipped", options=VALUE)]
    assert found == [("16500.00", 0), ("26000.00", 1), ("5000.00", 0)]


def test_what_the_small_data_set_does_not_have(edge: Ask) -> None:
    """No customers, no orders, no flagged moves, all closes told, all rates there, no amount below zero."""
    for name in ("order_missing", "history_missing", "history_gap", "closed_before_created", "rate_missing",
                 "duplicate", "amount_not_positive"):
        assert {value.value for value in edge(f"quality_{name}")} == {"0"}, name


def test_the_share_of_the_deals_that_could_have_the_fault(edge: Ask) -> None:
    """February: 4 won, D07 without amount, and D06 open: 1/5. Lost: D10 and D11, one of them without reason. March: D06
    alone is open and overdue. Of B in February: D04, D05 and D07 won."""
    def share(check: str, period: str, **given: Any) -> tuple[str | None, str | None, str | None]:
        (value,) = edge("quality_share", options={"check": check}, periods=[period], **given)
        return value.value, value.numerator, value.denominator

    assert share("amount_missing", "2025-02") == ("0.200000", "1", "5")
    assert share("reason_missing", "2025-02") == ("0.500000", "1", "2")
    assert share("reason_missing", "2025-03") == (None, "0", "0")
    assert share("close_overdue", "2025-03") == ("1.000000", "1", "1")
    assert share("unknown", "2025-02") == ("0.000000", "0", "7")
    assert share("amount_missing", "2025-02", per="owner", where={"owner": "crm:B"})[1:] == ("1", "3")


def test_the_share_of_each_fault_is_that_metric_s_count(edge: Ask) -> None:
    """Every word of `check` is a metric, and its count is the numerator."""
    for check in CATALOGUE["quality_share"].options["check"] or ():  # type: ignore[union-attr]
        counts = [value.value for value in edge(f"quality_{check}")]
        shares = [value.numerator for value in edge("quality_share", options={"check": check})]
        assert shares == counts, check


def test_as_of_an_earlier_day_a_fault_is_not_there_yet(edge: Ask) -> None:
    """D11 was lost on 3 February local; D03 moved back on 12 January."""
    assert [one.value for one in edge("quality_reason_missing", as_of="2025-02-03T00:00:00+07:00")][-1:] == ["0"]
    assert [one.value for one in edge("quality_moved_back", as_of="2025-01-12T00:00:00+07:00")] == ["0"]


# --- amounts and rates -----------------------------------------------------------------------------------------------


def test_only_open_and_won_deals_need_an_amount(build: Build, listed: List) -> None:
    """Q1: open at the end of each month, won in its month; one that was lost is none."""
    none: dict[str, Any] = {"amount": None, "currency": ""}
    ask = build({"open": none, "won": none, "lost": none, "priced": {}},
                {"open": OPEN, "won": WON, "lost": LOST, "priced": OPEN})
    assert [value.value for value in ask("quality_amount_missing")] == ["2", "1", "1", "1"]
    assert sorted(listed("quality_amount_missing", "2025-01")) == ["open", "won"]


def test_a_rate_may_be_missing_for_the_record_s_day(build: Build, listed: List) -> None:
    """Q13: EUR has a rate from 10 January on, XAF none at all. Won on 9 January and on 11 January."""
    early = [move("01-05", "new"), move("01-09", "won")]
    euro, franc = {"currency": "EUR"}, {"currency": "XAF"}
    ask = build({"early": euro, "late": euro, "franc": franc, "open": franc},
                {"early": early, "late": WON, "franc": LOST, "open": OPEN}, files=RATES)
    assert sorted(listed("quality_rate_missing", "2025-01")) == ["early", "franc", "open"]
    assert [value.value for value in ask("quality_rate_missing")] == ["3", "1", "1", "1"]
    assert sorted(listed("quality_unknown", "2025-01", options={"what": "currency"})) == ["franc", "open"]
    assert ask("quality_unknown", periods=["2025-01"], options=VALUE)[0].left_out_rate == 2


def test_zero_and_below_in_the_record_s_own_money(build: Build, listed: List) -> None:
    """Q15: 0 and -5 count; 0.0001 of a euro is more than nothing, though it is 0.00 USD; none at all is Q1."""
    ask = build({"zero": {"amount": 0}, "minus": {"amount": -5_0000}, "tiny": {"amount": 1, "currency": "EUR"},
                 "none": {"amount": None}, "lost": {"amount": 0}},
                {"zero": OPEN, "minus": WON, "tiny": WON, "none": OPEN, "lost": LOST}, files=RATES)
    assert sorted(listed("quality_amount_not_positive", "2025-01")) == ["lost", "minus", "zero"]
    assert ask("quality_amount_not_positive", periods=["2025-01"], options=VALUE)[0].value == "-5.00"


def test_an_amount_that_was_emptied_by_the_loss_is_no_fault(build: Build, listed: List) -> None:
    """Q15: worth 700 until it was lost on 11 January."""
    worth = [{"deal": "lost", "field": field, "occurred_at": day(on), "new": new} for field, on, new in (
        ("amount", "01-05", "7000000"), ("amount", "01-12", "0"))]
    build({"lost": {"amount": 0}}, {"lost": LOST}, deal_change=worth)
    assert listed("quality_amount_not_positive") == []


def test_an_open_deal_has_the_amount_it_had_then(build: Build) -> None:
    """Q15: zero until 10 February, then 900; open all the time."""
    worth = [{"deal": "1", "field": "amount", "occurred_at": day(on), "new": new} for on, new in (
        ("01-05", "0"), ("02-10", "9000000"))]
    ask = build({"1": {"amount": 900_0000}}, {"1": OPEN}, deal_change=worth)
    assert [value.value for value in ask("quality_amount_not_positive")] == ["1", "0", "0", "0"]


# --- reasons, dates, ties --------------------------------------------------------------------------------------------


def test_spaces_are_no_reason(build: Build, listed: List) -> None:
    """Q3."""
    build({"1": {"lost_reason": " "}, "2": {"lost_reason": "price"}, "3": {}, "won": {}},
          {"1": LOST, "2": LOST, "3": LOST, "won": WON})
    assert sorted(listed("quality_reason_missing")) == ["1", "3"]


def test_an_expected_close_is_overdue_from_the_day_after_on(build: Build) -> None:
    """Q7: expected on 31 January, and from 20 February on in June."""
    told = [{"deal": "1", "field": "expected_close_on", "occurred_at": day(on), "new": new} for on, new in (
        ("01-05", "2025-01-31"), ("02-20", "2025-06-30"))]
    ask = build({"1": {"expected_close_on": "2025-06-30"}}, {"1": OPEN}, deal_change=told)
    days = ["2025-01-31", "2025-02-01", "2025-02-19", "2025-02-20"]
    assert [value.value for value in ask("quality_close_overdue", every="day", periods=days)] == ["0", "1", "1", "0"]


def test_a_close_before_the_creation_is_in_the_period_of_the_close(build: Build) -> None:
    """Q11."""
    late = {"created_at": day("02-01")}
    ask = build({"1": late, "2": late, "3": {}}, {"1": WON, "2": LOST, "3": WON})
    assert [value.value for value in ask("quality_closed_before_created")][:2] == ["2", "0"]
    assert ask("quality_closed_before_created", options=VALUE)[0].value == "2000.00"


def test_a_win_needs_a_customer_and_an_order(build: Build, listed: List) -> None:
    """Q2: a draft, a cancelled order and one of tomorrow are none."""
    customer = {"account": ref("K")}
    orders = [{"id": id_, "deal": ref(deal), "state": state, "ordered_at": day(on)} for id_, deal, state, on in (
        ("o1", "both", "confirmed", "01-12"), ("o2", "no customer", "done", "01-12"),
        ("o3", "draft", "draft", "01-12"), ("o4", "cancelled", "cancelled", "01-12"), ("o5", "later", "done", "04-02"))]
    deals = {"both": customer, "no customer": {}, "draft": customer, "cancelled": customer, "later": customer,
             "lost": {}}
    build(deals, {**dict.fromkeys(deals, WON), "lost": LOST}, sales_order=orders)
    without = ["cancelled", "draft", "later"]
    assert sorted(listed("quality_order_missing", options={"missing": "order"})) == without
    assert listed("quality_order_missing", options={"missing": "customer"}) == ["no customer"]
    assert sorted(listed("quality_order_missing")) == [*without, "no customer"]


def test_where_no_customers_and_no_orders_are_told_none_is_missing(build: Build) -> None:
    """Q2."""
    assert all_time(build({"1": {}}, {"1": WON}), "quality_order_missing") == "0"


def step(deal: str, on: str, outcome: str = "planned") -> dict[str, Any]:
    return {"id": f"{deal} {on}", "type": "call", "deal": ref(deal), "at": day(on), "outcome": outcome}


def test_an_open_deal_needs_a_next_step(build: Build, listed: List) -> None:
    """Q6, as of 1 April: planned for the 2nd, in the deal or as an activity. What was yesterday, or was cancelled, is
    none."""
    deals: dict[str, dict[str, Any]] = {
        "planned": {}, "in deal": {"next_step_at": day("04-02")}, "past": {"next_step_at": day("03-31")},
        "cancelled": {}, "nothing": {}, "won": {}}
    ask = build(deals, {**dict.fromkeys(deals, OPEN), "won": WON}, activity=[
        step("planned", "04-02"), step("past", "03-30", "held"), step("cancelled", "04-02", "Cancelled")])
    assert sorted(listed("quality_next_step_missing")) == ["cancelled", "nothing", "past"]
    assert all_time(ask, "quality_next_step_missing", options=VALUE) == "3000.00"


def test_where_no_steps_are_told_none_is_missing(build: Build) -> None:
    """Q6: an activity that is of no deal says nothing about deals."""
    ask = build({"1": {}}, {"1": OPEN}, activity=[step("", "03-01") | {"deal": None}])
    assert all_time(ask, "quality_next_step_missing") == "0"


def test_the_same_customer_and_amount_within_a_week_is_a_duplicate(build: Build, listed: List) -> None:
    """Q14: after 6 days the second one, not the first. One 7 days later is none, nor one of another customer, amount or
    currency, or without amount or customer."""
    def made(on: str, account: str = "K", amount: int | None = 500_0000, currency: str = "USD") -> dict[str, Any]:
        return {"created_at": day(on), "account": ref(account), "amount": amount, "currency": currency}

    deals = {"first": made("01-01"), "second": made("01-07"), "a week": made("01-14"), "other": made("01-07", "M"),
             "more": made("01-07", amount=501_0000), "euro": made("01-07", currency="EUR"),
             "none 1": made("01-07", amount=None), "none 2": made("01-07", amount=None),
             "nobody 1": made("01-07", ""), "nobody 2": made("01-07", "")}
    ask = build(deals, dict.fromkeys(deals, OPEN))
    assert listed("quality_duplicate") == ["second"]
    assert all_time(ask, "quality_duplicate", options=VALUE) == "500.00"


# --- unknown ---------------------------------------------------------------------------------------------------------


def test_a_deal_must_not_stand_in_an_archived_stage_or_one_no_mapping_names(build: Build, listed: List) -> None:
    """Q12: `old` is archived, `gone` is in no mapping; who left them is no error (R9)."""
    stages = [{"id": "sales|old", "pipeline": "sales", "stage": "old", "name": "old", "position": 9, "archived": 1,
               "canonical": "proposal"}]
    moves = {"old": [move("01-05", "old")], "gone": [move("01-05", "gone")],
             "left": [move("01-05", "old"), move("02-01", "offer")],
             "won": [move("01-05", "old"), move("02-01", "won")]}
    ask = build({id_: {} for id_ in moves}, moves, stage=stages)
    assert [value.value for value in ask("quality_unknown")] == ["4", "2", "2", "2"]
    assert sorted(listed("quality_unknown")) == ["gone", "old"]
    assert all_time(ask, "quality_unknown", options={"what": "owner"}) == "0"


def test_a_deal_must_have_an_owner_that_is_known(build: Build, listed: List) -> None:
    """Q12: one that left the source is still known."""
    owners = [{"id": "A", "name": "An"}, {"id": "Z", "name": "Zoe", "gone": "deleted"}]
    deals = {"known": {}, "nobody": {"owner": None}, "unknown": {"owner": ref("X")}, "left": {"owner": ref("Z")}}
    ask = build(deals, dict.fromkeys(deals, WON), owner=owners)
    assert sorted(listed("quality_unknown", options={"what": "owner"})) == ["nobody", "unknown"]
    assert all_time(ask, "quality_unknown", options={"what": "stage"}) == "0"


def test_where_no_owners_are_told_none_is_unknown(build: Build) -> None:
    """Q12."""
    assert all_time(build({"1": {"owner": None}}, {"1": OPEN}), "quality_unknown") == "0"


# --- the registry ----------------------------------------------------------------------------------------------------


def test_each_check_has_a_metric_of_its_own() -> None:
    """Q1 to Q15; Q16 to Q18 are told elsewhere."""
    told = [metric.rules.split()[0] for metric in METRICS if not metric.made_of]
    assert told == [f"Q{number}" for number in range(1, 14)] + ["Q14", "Q15"]
    assert all(metric.lower_is_better and metric.id.startswith("quality_") for metric in METRICS)
