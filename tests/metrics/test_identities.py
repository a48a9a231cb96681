"""The identities of metrics.md section 5, over random pipelines.

Elsewhere: 5 for pages and for repeats in tests/properties/test_kpi_pages.py.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector import kpi
from connector.kpi import KpiDefinition
from connector.model import KpiValue
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import Filled, at, ref, stage_rows
from .test_rules import STAGES, pipeline_of

START = at("2025-01-01T00:00:00+00:00")
HOUR = 3_600_000_000
OWNERS = "ABC"
NAMES = [row["stage"] for row in STAGES]

moves = st.lists(st.tuples(st.integers(0, 24 * 80), st.sampled_from(NAMES)), min_size=1, max_size=6)
deals = st.lists(
    st.tuples(
        moves,
        st.none() | st.integers(0, 9_999_999),  # ten-thousandths, also below the cent
        st.sampled_from(["USD", "EUR", "GBP"]),
        st.lists(st.tuples(st.integers(0, 24 * 80), st.sampled_from([*OWNERS, ""])), max_size=3),
        st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(1, 333_333)), max_size=3, unique_by=itemgetter(0)),
    ),
    min_size=1, max_size=8,
)
Deals = list[tuple[Any, ...]]
Answer = dict[str, list[KpiValue]]
laws = settings(max_examples=10)


def filled(
    given_deals: Deals, *, shuffle: int | None = None, is_dated: bool = True, worth: Sequence[tuple[Any, ...]] = ()
) -> str:
    """The URL of a store with these deals; `shuffle` is a seed for the order in which the rows are put in.

    A deal is created with its first move; whether it says so itself is `is_dated`. `worth`: changes (number of the
    deal, hour, field, new value as it is stored) of what deals are worth.
    """
    store = Filled(f"sqlite:///{Path(tempfile.mkdtemp()) / 'store.db'}")
    rows: dict[str, list[dict[str, Any]]] = {"deal": [], "stage_transition": [], "deal_change": [], "deal_owner": []}
    for number, (chain, amount, currency, changes, shares) in enumerate(given_deals):
        deal = str(number)
        created_at = START + min(chain)[0] * HOUR if is_dated else None
        rows["deal"].append({"id": deal, "created_at": created_at, "amount": amount, "currency": currency,
                             "owner": ref("A")})
        rows["stage_transition"] += [
            {"deal": deal, "occurred_at": START + hours * HOUR, "sequence": place, "to_stage": stage,
             "to_pipeline": pipeline_of(stage), "actor": OWNERS[place % 3]}
            for place, (hours, stage) in enumerate(chain)
        ]
        rows["deal_change"] += [
            {"deal": deal, "field": "owner", "occurred_at": START + hours * HOUR, "sequence": place,
             "new": ref(owner) or ""} for place, (hours, owner) in enumerate(changes)
        ]
        rows["deal_owner"] += [
            {"id": f"{deal}{owner}", "deal": ref(deal), "owner": ref(owner), "share": share} for owner, share in shares
        ]
    rows["deal_change"] += [
        {"deal": str(number % len(given_deals)), "field": field, "occurred_at": START + hours * HOUR, "sequence": place,
         "new": new} for place, (number, hours, field, new) in enumerate(worth)
    ]
    rows |= {"pipeline": [{"id": name, "name": name} for name in ("sales", "renewal")], "stage": stage_rows(STAGES),
             "owner": [{"id": owner, "user": owner} for owner in OWNERS]}
    for entity, made in rows.items():
        if shuffle is not None:
            random.Random(shuffle).shuffle(made)
        store.put(entity, made)
    store.file("fx", "fx.csv", "currency,valid_from,rate\nEUR,2025-01-01,1.1234\nEUR,2025-02-01,1.0931\n")
    return store.known_until("2025-03-31T12:00:00+00:00").url


def ask(url: str, zone: str = "UTC", periods: list[str] | None = None, **definitions: dict[str, Any]) -> Answer:
    """The values of some definitions, by the name each is given here; all in one computation."""
    made = [KpiDefinition(name, given.pop("metric", name), **given) for name, given in definitions.items()]
    with open_snapshot(url) as snapshot:
        values = kpi.compute(made, snapshot, Calendar(ZoneInfo(zone)), "USD", periods=periods)
    return {name: [value for value in values if value.kpi == name] for name in definitions}


def total(values: list[KpiValue]) -> Decimal:
    return sum((Decimal(value.value or 0) for value in values), Decimal(0))


# --- 2: the bridge balances ------------------------------------------------------------------------------------------

weeks = st.integers(0, 12).map(lambda week: week * 168)  # few instants, so that much happens at the same one
busy_deals = st.lists(
    st.tuples(
        st.lists(st.tuples(weeks, st.sampled_from(NAMES)), min_size=1, max_size=7),
        st.none() | st.integers(0, 9_999_999), st.sampled_from(["USD", "EUR", "GBP"]),
        st.lists(st.tuples(weeks, st.sampled_from([*OWNERS, ""])), max_size=3), st.just([]),
    ),
    min_size=1, max_size=5,
)
worths = st.lists(
    st.tuples(st.integers(0, 4), weeks, st.just("amount"), st.integers(0, 9_999_999).map(str) | st.just(""))
    | st.tuples(st.integers(0, 4), weeks, st.just("currency"), st.sampled_from(["USD", "EUR", "GBP"])),
    max_size=8,
)
STEPS_OUT = {"won", "lost", "deleted", "handed_over", "owner_out", "amount_down"}


@settings(laws, max_examples=15)
@given(busy_deals, worths, st.sampled_from(["at_event", "current"]))
def test_2_the_bridge_balances_in_count_and_money(given_deals: Deals, worth: list[Any], credit: str) -> None:
    """To the cent, for the company, each pipeline and each owner; it opens and closes with the open pipeline."""
    asked: dict[str, dict[str, Any]] = {}
    for measure in ("value", "count"):
        for per in ("company", "pipeline", "owner"):
            more = {"per": per, "options": {"measure": measure, "credit": credit}}
            asked[f"{measure} {per}"] = {"metric": "pipeline_bridge", **more}
            asked[f"{measure} {per} open"] = {"metric": "open_pipeline", **more}
    months = ["2024-12", "2025-01", "2025-02", "2025-03"]
    found = ask(filled(given_deals, worth=worth), periods=months, **asked)
    for name in [one for one in asked if not one.endswith("open")]:
        stocks = {(value.subject.key, value.period): Decimal(value.value or 0) for value in found[f"{name} open"]}
        steps: dict[tuple[str, str], dict[str, Decimal]] = {}
        for value in found[name]:
            step = steps.setdefault((value.subject.key, value.period), {})
            step[value.dimensions["step"]] = Decimal(value.value or 0)
        for (subject, month), step in steps.items():
            flow = sum(-part if word in STEPS_OUT else part for word, part in step.items() if word != "closing")
            assert flow == step.get("closing", 0) == stocks.get((subject, month), 0)
            if month != months[0]:
                assert step.get("opening", 0) == stocks.get((subject, months[months.index(month) - 1]), 0)


@laws
@given(busy_deals, worths)
def test_2_only_a_rate_of_exchange_revalues(given_deals: Deals, worth: list[Any]) -> None:
    """In the reporting currency alone the steps tell everything; also below the cent."""
    in_usd = [(moves_, amount, "USD", owners, shares) for moves_, amount, _, owners, shares in given_deals]
    amounts = [change for change in worth if change[2] == "amount"]
    found = ask(filled(in_usd, worth=amounts), bridge={"metric": "pipeline_bridge", "per": "owner"})["bridge"]
    assert {value.value for value in found if value.dimensions["step"] == "revalued"} <= {"0.00"}
    for month in {value.period for value in found}:
        step = {word: total([one for one in found if (one.period, one.dimensions["step"]) == (month, word)])
                for word in {one.dimensions["step"] for one in found}}
        assert step.get("closing", 0) == sum(
            -part if word in STEPS_OUT else part for word, part in step.items() if word != "closing"
        )


@laws
@given(deals, st.sampled_from(["at_event", "actor", "current", "split"]), st.sampled_from([None, 1, 30]))
def test_1_the_outcomes_of_a_stage_add_up_to_its_entries(
    given_deals: Deals, credit: str, horizon: int | None
) -> None:
    """Of each owner, month and stage; also at a horizon, where what came later is still to come."""
    outcomes = {"credit": credit, **({"horizon": horizon} if horizon else {})}
    found = ask(
        filled(given_deals), stage_entries={"per": "owner", "options": {"credit": credit}},
        stage_outcomes={"per": "owner", "options": outcomes},
    )
    entries = {cell(value): Decimal(value.value or 0) for value in found["stage_entries"]}
    added: dict[tuple[str, str, str], Decimal] = dict.fromkeys(entries, Decimal(0))
    for value in found["stage_outcomes"]:
        added[cell(value)] = added.get(cell(value), Decimal(0)) + Decimal(value.value or 0)
    assert added == entries
    assert {value.dimensions["outcome"] for value in found["stage_outcomes"]} == {
        "advanced", "won", "lost", "moved_back", "handed_over", "still_there",
    }


def cell(value: KpiValue) -> tuple[str, str, str]:
    """Whose value it is, of which stage, in which period."""
    return value.subject.key, value.dimensions["stage"], value.period


@laws
@given(deals)
def test_1_each_outcome_is_what_the_next_move_says(given_deals: Deals) -> None:
    """Read off the moves by the test itself: the order of STAGES, and another pipeline before all else (R6, R10)."""
    expected: Counter[tuple[str, str]] = Counter()
    for chain, *_ in given_deals:
        names = [stage for _, stage in sorted(chain, key=itemgetter(0))]
        visits = [stage for stage, before in zip(names, ["", *names], strict=False) if stage != before]
        for stage, after in zip(visits, [*visits[1:], ""], strict=True):
            expected[stage, outcome(stage, after)] += 1
    found = ask(filled(given_deals), stage_outcomes={"every": "all"})["stage_outcomes"]
    told = {(value.dimensions["stage"], value.dimensions["outcome"]): int(value.value or 0) for value in found}
    assert {key: number for key, number in told.items() if number} == dict(expected)


def outcome(stage: str, after: str) -> str:
    """What a visit of a stage came to, by the stage that came after it ('' for none)."""
    if not after:
        return "still_there"
    if pipeline_of(stage) != pipeline_of(after):
        return "handed_over"
    order = ["new", "offer", "won", "lost"]
    was, became = (name.removeprefix("r_") for name in (stage, after))
    if became in {"won", "lost"}:
        return became
    return "advanced" if order.index(became) > order.index(was) else "moved_back"


@laws
@given(deals, st.sampled_from(["at_event", "actor", "current", "split"]))
def test_3_the_owners_with_none_add_up_to_the_total(given_deals: Deals, credit: str) -> None:
    flows = ("won_count", "won_value", "lost_reasons", "stage_entries")
    stocks = ("open_pipeline", "weighted_pipeline")
    asked: dict[str, dict[str, Any]] = {}
    for metric in (*flows, *stocks):
        used = "at_event" if metric in stocks and credit == "actor" else credit
        asked[metric] = {"options": {"credit": used}}
        asked[f"{metric} of owners"] = {"metric": metric, "per": "owner", "options": {"credit": used}}
    found = ask(filled(given_deals), periods=["2025-01", "2025-02", "2025-03"], **asked)
    for metric in (*flows, *stocks):
        assert total(found[f"{metric} of owners"]) == total(found[metric])


@laws
@given(deals)
def test_4_reached_never_rises_along_the_order(given_deals: Deals) -> None:
    found = ask(filled(given_deals), stage_conversion={"every": "all"})["stage_conversion"]
    reached = {value.dimensions["stage"]: int(value.denominator or 0) for value in found}
    assert reached["new"] >= reached["offer"]
    assert reached["r_new"] >= reached["r_offer"]


@laws
@given(deals, st.integers(0, 99))
def test_5_the_order_of_the_rows_changes_nothing(given_deals: Deals, seed: int) -> None:
    asked = {"won_value": {"options": {"credit": "split"}}, "stage_conversion": {}, "stage_duration": {}}
    answers = [
        ask(filled(given_deals, shuffle=shuffle), **{name: {"per": "owner", **more} for name, more in asked.items()})
        for shuffle in (None, seed)
    ]
    assert answers[0] == answers[1]


ZONES = st.sampled_from(["Asia/Ho_Chi_Minh", "America/New_York", "Pacific/Apia"])


@laws
@given(deals, ZONES)
def test_7_the_zone_changes_no_total_over_all_time(given_deals: Deals, zone: str) -> None:
    url = filled(given_deals)
    asked = {f"{metric} {every}": {"metric": metric, "every": every}
             for metric in ("won_count", "stage_entries") for every in ("week", "month", "all")}
    here, there = (ask(url, where, **{name: dict(given) for name, given in asked.items()}) for where in ("UTC", zone))
    for metric in ("won_count", "stage_entries"):
        assert len({total(found[f"{metric} {every}"]) for found in (here, there)
                    for every in ("week", "month", "all")}) == 1


@laws
@given(deals, ZONES, st.sampled_from(["week", "month"]))
def test_7_the_zone_moves_records_between_neighbouring_periods_only(given_deals: Deals, zone: str, every: str) -> None:
    """Every entry into a stage has its period in either zone: the same, the one before, or the one after."""
    url = filled(given_deals)
    here, there = placed(url, "UTC", every), placed(url, zone, every)
    assert here.keys() == there.keys()
    assert {abs(there[entry] - here[entry]) for entry in here} <= {0, 1}


def placed(url: str, zone: str, every: str) -> dict[tuple[str, str, int | None], int]:
    """The number of the period that each entry (deal, stage, instant) counts in, from a fixed first one on."""
    calendar, found = Calendar(ZoneInfo(zone)), {}
    first, last = at("2024-12-16T12:00:00+00:00"), at("2025-04-16T12:00:00+00:00")
    with open_snapshot(url) as snapshot, kpi._engine(snapshot, calendar, "USD") as engine:
        periods = tuple(calendar.periods(every, first, last))
        for number, period in enumerate(periods):
            question = kpi._question(KpiDefinition("entries", "stage_entries"), (period,))
            for row in engine.members(question):
                (member,) = kpi._members(question, row[2 + len(question.by) :], "USD")
                found[member.id, member.stage, member.event_at] = number
    return found


# --- 8: a deal's time is spent in its visits, or closed --------------------------------------------------------------

LIVES = {  # moves (hour, stage) of a deal -> by hand: hours in open stages, closed before the last close, to the close
    "straight": ([(0, "new"), (7, "offer"), (31, "won")], (31, 0, 31)),
    "R5 skipped": ([(3, "new"), (33, "lost")], (30, 0, 30)),
    "R6 moved back": ([(0, "new"), (10, "offer"), (15, "new"), (40, "offer"), (50, "won")], (50, 0, 50)),
    "R7 lost, re-opened, won": ([(0, "new"), (10, "lost"), (41, "offer"), (51, "won")], (20, 31, 51)),
    "R7 re-opened twice": ([(0, "new"), (2, "won"), (5, "new"), (6, "lost"), (9, "offer"), (10, "lost")], (4, 6, 10)),
    "R7 the loss was a win": ([(0, "new"), (10, "lost"), (14, "won")], (10, 4, 14)),
    "R10 handed over": ([(0, "new"), (5, "r_offer"), (26, "r_won")], (26, 0, 26)),
    "R10 handed over once won": ([(0, "new"), (8, "won"), (20, "r_new"), (50, "r_lost")], (38, 12, 50)),
    "closed again in another stage": ([(0, "new"), (10, "won"), (20, "r_won")], (10, 0, 10)),
    "two moves at one instant": ([(0, "new"), (5, "offer"), (5, "won")], (5, 0, 5)),
    "told twice": ([(0, "new"), (5, "new"), (9, "won")], (9, 0, 9)),
    "closed from the beginning": ([(4, "won")], (0, 0, 0)),
    "R11 open": ([(0, "new"), (10, "offer")], None),
    "R11 open again": ([(0, "new"), (10, "won"), (12, "offer")], None),
}
ALIVE: Deals = [(chain, None, "USD", [], []) for chain, _ in LIVES.values()]


def spans(url: str) -> dict[str, Counter[str]]:
    """By deal, in microseconds: `open`, the sum of its members of stage_duration; `cycle`, its member of cycle_length;
    `life`, from its beginning (cohort) to its close (event) as its member of win_rate_count has them."""
    definitions = [
        KpiDefinition("open", "stage_duration", every="all"), KpiDefinition("cycle", "cycle_length", every="all"),
        KpiDefinition("life", "win_rate_count", every="all", options={"count_by": "cohort"}),
    ]
    calendar = Calendar(ZoneInfo("UTC"))
    found: dict[str, Counter[str]] = {}
    with open_snapshot(url) as snapshot, kpi.Reading(snapshot, calendar, "USD") as reading:
        told = reading.with_members(definitions, calendar.parse("all"))
    for value, members in told:
        for member in members:
            if member.side == "denominator":
                life = (member.event_at or 0) - (member.occurred_at or 0)
                spent = life if value.kpi == "life" else member.duration
                found.setdefault(member.id, Counter())[value.kpi] += spent or 0
    return found


def closed_hours(chain: list[tuple[int, str]]) -> tuple[str, int]:
    """How a deal stands after its moves (open, won, lost), and the hours it was closed before its last close.

    Read off the moves by the test itself: only a stage's own members tell how long it lasted, and closed stages have
    none. Moves of one hour stand in their order; of several won (or lost) stages in a row the first closed the deal.
    """
    kinds = {row["stage"]: {"closed_won": "won", "closed_lost": "lost"}.get(row["canonical"], "open") for row in STAGES}
    runs: list[tuple[str, int]] = []
    for hour, stage in sorted(chain, key=itemgetter(0)):
        if not runs or runs[-1][0] != kinds[stage]:
            runs.append((kinds[stage], hour))
    ends = [hour for _, hour in runs[1:]]
    return runs[-1][0], sum(end - hour for (kind, hour), end in zip(runs, ends, strict=False) if kind != "open")


@pytest.mark.parametrize("is_dated", [True, False], ids=["creation told", "creation is the first move"])
def test_8_the_spans_of_every_kind_of_life_by_hand(is_dated: bool) -> None:
    found = spans(filled(ALIVE, is_dated=is_dated))
    for number, (name, (chain, hours)) in enumerate(LIVES.items()):
        told = found.get(str(number), Counter())
        outcome, closed = closed_hours(chain)
        if hours is None:
            assert (outcome, told.keys() - {"open"}) == ("open", set()), name
            continue
        is_open, was_closed, life = hours
        assert (told["open"], closed, told["life"]) == (is_open * HOUR, was_closed, life * HOUR), name
        assert ("cycle" in told, told["cycle"]) == (outcome == "won", life * HOUR if outcome == "won" else 0), name


@settings(laws, max_examples=25)
@example(ALIVE, True)
@given(deals, st.booleans())
def test_8_the_visits_of_a_closed_deal_and_its_time_closed_before_make_up_its_life(
    given_deals: Deals, is_dated: bool
) -> None:
    """Exactly, to the microsecond (R17); of won and lost deals alike, and cycle_length has the same."""
    found = spans(filled(given_deals, is_dated=is_dated))
    for number, (chain, *_) in enumerate(given_deals):
        told, (outcome, closed) = found.get(str(number), Counter()), closed_hours(chain)
        if outcome == "open":
            assert told.keys() <= {"open"}, "no close yet (R11)"
            continue
        assert told["open"] + closed * HOUR == told["life"]
        if outcome == "won":
            assert told["cycle"] == told["life"]


@laws
@given(deals)
def test_10_a_ratio_of_a_union_lies_between_those_of_its_parts(given_deals: Deals) -> None:
    metrics = ("win_rate_count", "win_rate_value", "average_deal_value")
    asked = {f"{metric} {per}": {"metric": metric, "every": "all", "per": per}
             for metric in metrics for per in ("owner", "company")}
    found = ask(filled(given_deals), **asked)
    for metric in metrics:
        parts = [Decimal(value.value) for value in found[f"{metric} owner"] if value.value is not None]
        (whole,) = found[f"{metric} company"]
        if whole.value is not None:
            assert min(parts) <= Decimal(whole.value) <= max(parts)
