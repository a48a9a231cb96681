"""What the awkward cases give: first sights, re-opened wins, splits, tombstones, missing rates, unmapped stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.kpi import KpiDefinition
from connector.model import KpiValue, Subject
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .conftest import Ask, asking
from .fill import Filled, at, ref, stage_rows

STAGES = [
    {"pipeline": pipeline, "stage": f"{prefix}{stage}", "display_order": str(place), "canonical": canonical,
     "probability": probability, "archived": "0"}
    for pipeline, prefix in (("sales", ""), ("renewal", "r_"))
    for place, (stage, canonical, probability) in enumerate(
        [("new", "prospecting", "0.1"), ("offer", "proposal", "0.5"), ("won", "closed_won", "1"),
         ("lost", "closed_lost", "0")], 1,
    )
]
Move = tuple[str, str]
Build = Callable[..., Ask]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """build(deals={id: fields}, moves={id: [(day, stage, …)]}, **rows of other entities) -> ask."""
    return building(f"sqlite:///{tmp_path / 'store.db'}")


def building(url: str) -> Build:
    """The same for an empty store of either kind."""

    def make(
        deals: dict[str, dict[str, Any]], moves: dict[str, list[dict[str, Any]]], *,
        files: dict[str, str] | None = None, **others: list[dict[str, Any]],
    ) -> Ask:
        store = Filled(url)
        named = [{"id": name, "name": name} for name in ("sales", "renewal")]
        store.put("pipeline", others.pop("pipeline", named))
        store.put("stage", stage_rows(STAGES))
        store.put("deal", [
            {"id": id_, "created_at": day("01-01"), "amount": 1000_0000, "currency": "USD", "owner": ref("A"), **given}
            for id_, given in deals.items()
        ])
        store.put("stage_transition", [
            {"deal": id_, "sequence": number, "to_pipeline": pipeline_of(move["to_stage"]), **move}
            for id_, chain in moves.items() for number, move in enumerate(chain)
        ])
        for place, (kind, content) in enumerate((files or {}).items()):
            store.file(kind, f"{kind}.csv", content, seen_at=place)
        for entity, given in others.items():
            store.put(entity, given)
        store.known_until("2025-04-01T00:00:00+00:00")
        return asking(store.url, "UTC", "USD")

    return make


def pipeline_of(stage: str) -> str:
    """The pipeline a stage is in."""
    return "renewal" if stage.startswith("r_") else "sales"


def day(text: str) -> int:
    """Midnight UTC of a day of 2025, as MM-DD."""
    return at(f"2025-{text}T00:00:00+00:00")


def move(text: str, stage: str, **more: Any) -> dict[str, Any]:
    return {"occurred_at": day(text), "to_stage": stage, **more}


WON = [move("01-01", "new"), move("01-11", "won")]


def test_a_win_that_was_undone_counts_nowhere(build: Build) -> None:
    """R7: won, then back to offer: open. Its conversion from offer is undone too; offer stays reached (R6)."""
    ask = build({"1": {}}, {"1": [move("01-01", "new"), move("01-05", "won"), move("02-01", "offer")]})
    assert [value.value for value in ask("won_count")] == ["0"] * 4
    new, offer = (ask("stage_conversion", every="all", where={"stage": stage})[0] for stage in ("new", "offer"))
    assert (new.value, offer.value, offer.open_share) == ("1.000000", "0.000000", "1.000000")
    assert [value.value for value in ask("open_pipeline")] == ["0.00", "1000.00", "1000.00", "1000.00"]


def test_a_move_into_the_stage_already_held_is_no_move(build: Build) -> None:
    ask = build({"1": {}}, {"1": [move("01-01", "new"), move("01-03", "new"), move("01-11", "offer")]})
    (entries,) = ask("stage_entries", every="all", where={"stage": "new"})
    (days,) = ask("stage_duration", every="all", where={"stage": "new"})
    assert (entries.value, days.value) == ("1", "10.000000")


def test_a_second_won_stage_does_not_move_the_close(build: Build) -> None:
    ask = build({"1": {}}, {"1": [*WON, move("02-20", "r_won")]})
    assert [value.value for value in ask("won_count")][:2] == ["1", "0"]


def test_a_first_sight_is_open_from_creation_and_reached_but_no_entry_and_no_duration(build: Build) -> None:
    """Seen first on 10 February in offer, created in January; it left on 20 February."""
    chain = [move("02-10", "offer", origin="initial"), move("02-20", "won")]
    ask = build({"1": {}}, {"1": chain})
    assert ask("open_pipeline", periods=["2025-01"])[0].value == "1000.00"
    assert {value.dimensions["stage"]: value.value for value in ask("stage_entries", every="all")}["offer"] == "0"
    assert ask("stage_duration", every="all", where={"stage": "offer"})[0].value is None
    assert ask("stage_conversion", every="all", where={"stage": "offer"})[0].value == "1.000000"
    assert ask("cycle_length", every="all")[0].value == "50.000000"  # creation and close are both known


def test_a_deal_first_seen_won_without_a_date_is_in_no_period_and_not_open(build: Build) -> None:
    ask = build({"1": {}}, {"1": [move("02-10", "won", origin="initial")]})
    assert ask("won_count", every="all")[0].value == "0"
    assert {value.value for value in ask("open_pipeline")} == {"0.00"}


def test_a_deal_without_creation_begins_at_its_first_transition(build: Build) -> None:
    ask = build({"1": {"created_at": None}}, {"1": [move("01-05", "new"), move("01-11", "won")]})
    assert ask("cycle_length", every="all")[0].value == "6.000000"


def test_a_close_before_creation_is_left_out_and_counted(build: Build) -> None:
    """R17."""
    ask = build({"1": {"created_at": day("02-01")}, "2": {}}, {"1": WON, "2": WON})
    (value,) = ask("cycle_length", every="all")
    assert (value.value, value.denominator, value.left_out_duration) == ("10.000000", "1", 1)


@pytest.mark.parametrize("gone", [{"gone": "deleted"}, {"deleted_at": day("02-01")}, {"merged_into": "crm:2"}])
def test_deleted_and_merged_deals_are_out_of_all_periods(build: Build, gone: dict[str, Any]) -> None:
    """R8."""
    ask = build({"1": gone, "2": {}}, {"1": WON, "2": WON})
    assert ask("won_count", periods=["2025-01"])[0].value == "1"
    assert ask("stage_entries", every="all", where={"stage": "won"})[0].value == "1"


def test_shares_add_up_to_the_cent_and_the_rest_is_the_owner_s(build: Build) -> None:
    """R12 split, E: 40/60 of 12 000 is 4 800 and 7 200; three thirds of 100.00 add up to 100.00."""
    shares = [{"id": "1a", "deal": ref("1"), "owner": ref("B"), "share": 600_000},
              *({"id": f"2{owner}", "deal": ref("2"), "owner": ref(owner), "share": 333_333} for owner in "BC")]
    ask = build({"1": {"amount": 12_000_0000}, "2": {"amount": 100_0000}}, {"1": WON, "2": WON}, deal_owner=shares)
    split = {"per": "owner", "options": {"credit": "split"}, "periods": ["2025-01"]}
    money = {value.subject.key: value.value for value in ask("won_value", **split)}
    assert money == {"crm:A": "4833.33", "crm:B": "7233.33", "crm:C": "33.34"}
    counts = {value.subject.key: value.value for value in ask("won_count", **split)}
    assert counts == {"crm:A": "0.733334", "crm:B": "0.933333", "crm:C": "0.333333"}
    assert ask("won_value", options={"credit": "split"}, periods=["2025-01"])[0].value == "12100.00"


def test_before_the_first_known_change_the_first_known_owner_has_it(build: Build) -> None:
    changes = [
        {"deal": "1", "field": "owner", "occurred_at": day("01-20"), "new": ref("B")},
        {"deal": "1", "field": "owner", "occurred_at": day("02-20"), "new": ""},
    ]
    owners = [{"id": owner} for owner in "AB"]
    ask = build({"1": {"owner": None}}, {"1": WON}, deal_change=changes, owner=owners)
    assert {value.subject.key: value.value for value in ask("won_count", per="owner", periods=["2025-01"])} == {
        "crm:A": "0", "crm:B": "1",
    }
    later = ask("won_count", per="owner", periods=["2025-01"], options={"credit": "current"})
    assert {value.subject.key: value.value for value in later} == {"crm:A": "0", "crm:B": "0", "none": "1"}


def test_an_actor_is_matched_by_the_owner_s_user_before_its_id(build: Build) -> None:
    owners = [{"id": "A", "user": "77"}, {"id": "77"}, {"id": "C", "user": "9"}, {"id": "D", "user": "9"}]
    chains = {deal: [move("01-01", "new"), move("01-11", "won", actor=actor)]
              for deal, actor in (("1", "77"), ("2", "C"), ("3", "9"), ("4", "x"))}
    ask = build({deal: {} for deal in chains}, chains, owner=owners)
    values = ask("won_count", per="owner", periods=["2025-01"], options={"credit": "actor"})
    assert {value.subject.key: value.value for value in values if value.value != "0"} == {
        "crm:A": "1", "crm:C": "1", "none": "2",
    }


def test_an_amount_without_rate_is_left_out_of_sums_and_counted(build: Build) -> None:
    rates = "currency,valid_from,rate\nEUR,2025-01-12,2\nJPY,2025-01-01,0.0067\n"
    deals = {"1": {"currency": "EUR"}, "2": {"currency": "GBP"}, "3": {"currency": "JPY"}, "4": {}}
    ask = build(deals, dict.fromkeys(deals, WON), files={"fx": rates})
    (value,) = ask("won_value", periods=["2025-01"])
    assert (value.value, value.left_out_rate, value.left_out_amount) == ("1006.70", 2, 0)  # EUR's begins a day too late


def test_rates_may_come_from_the_ledger(build: Build) -> None:
    told = [{"id": "EUR|2025-01-01", "currency": "EUR", "valid_from_on": "2025-01-01", "rate": "1.105"}]
    ask = build({"1": {"currency": "EUR", "amount": 33_3300}}, {"1": WON}, fx_rate=told)
    assert ask("won_value", periods=["2025-01"])[0].value == "36.83"  # 36.82965


@pytest.mark.parametrize("emptied", [{"amount": 0}, {"amount": None, "currency": None}])
def test_a_lost_deal_whose_amount_was_zeroed_has_the_last_one_before(build: Build, emptied: dict[str, Any]) -> None:
    """win_rate_value: 1 000 won of 1 000 + 500; the amount of 900 was no longer true when it was lost."""
    told = (("01-01", "9000000"), ("01-05", "5000000"), ("01-11", ""))
    changes = [{"deal": "2", "field": "amount", "occurred_at": day(on), "new": new} for on, new in told]
    changes += [{"deal": "2", "field": "currency", "occurred_at": day(on), "new": new}
                for on, new in (("01-01", "USD"), ("01-11", ""))]
    ask = build({"1": {}, "2": emptied}, {"1": WON, "2": [move("01-01", "new"), move("01-11", "lost")]},
                deal_change=changes)
    (value,) = ask("win_rate_value", every="all")
    assert (value.value, value.denominator, value.left_out_amount) == ("0.666667", "1500.00", 0)


def test_the_deal_s_own_probability_comes_first(build: Build) -> None:
    ask = build({"1": {"probability": 250_000}, "2": {}}, {"1": [move("01-01", "new")], "2": [move("01-01", "offer")]})
    assert ask("weighted_pipeline", periods=["2025-01"])[0].value == "750.00"


def test_an_unmapped_stage_withholds_its_pipeline_and_totals_but_not_others(build: Build) -> None:
    ask = build({"1": {}, "2": {}}, {"1": WON, "2": [move("01-01", "r_new"), move("01-11", "r_won")]})
    withheld = [("crm", "renewal")]
    by_pipeline = ask("won_count", per="pipeline", periods=["2025-01"], withheld=withheld)
    assert {value.subject.key: (value.status, value.value) for value in by_pipeline} == {
        "sales": ("open", "1"), "renewal": ("withheld", None),
    }
    assert ask("won_count", periods=["2025-01"], withheld=withheld)[0].status == "withheld"
    assert ask("won_count", periods=["2025-01"], where={"pipeline": "sales"}, withheld=withheld)[0].status == "open"
    assert ask("lead_volume", periods=["2025-01"], withheld=withheld)[0].status == "open"
    stages = ask("stage_entries", periods=["2025-01"], withheld=withheld)
    assert {value.dimensions["stage"] for value in stages if value.status == "withheld"} == {
        "r_new", "r_offer", "r_won", "r_lost",
    }


def test_own_fields_split_and_filter(build: Build) -> None:
    deals = {"1": {"extra": '{"region":"north"}'}, "2": {"extra": '{"region":"south \\"x\\""}'}, "3": {}}
    ask = build(deals, dict.fromkeys(deals, WON))
    split = ask("won_count", by="extra.region", periods=["2025-01"])
    found = {value.dimensions["extra.region"]: value.value for value in split}
    assert found == {"north": "1", 'south "x"': "1", "": "1"}
    assert ask("won_count", where={"extra.region": ["north", ""]}, periods=["2025-01"])[0].value == "2"


def test_people_add_up_their_owners_and_everyone_employed_has_a_value(build: Build) -> None:
    staff = (
        "employee_code,owner,email,name,team,from,to,ignore\n"
        "007,crm:A,,An,north,2024-01-01,,\n"
        "007,crm:B,,,,,,\n"
        "008,,c@x.vn,Binh,south,2024-01-01,2025-02-28,\n"
        "009,,,Chi,north,2025-03-01,,\n"
        ",crm:E,,,,,,yes\n"
    )
    deals = {str(place): {"owner": ref(owner)} for place, owner in enumerate("ABCDE")}
    owners = [{"id": owner, "name": f"user {owner}", "email": f"{owner.lower()}@x.vn"} for owner in "ABCDE"]
    ask = build(deals, dict.fromkeys(deals, WON), owner=owners, files={"people": staff})
    january = ask("won_count", per="person", periods=["2025-01"])
    found = {(value.subject.kind, value.subject.key): value for value in january}
    assert {key: value.value for key, value in found.items()} == {
        ("person", "007"): "2", ("person", "008"): "1", ("owner", "crm:D"): "1",
    }
    assert (found["person", "007"].subject.name, found["owner", "crm:D"].subject.name) == ("An", "user D")
    march = ask("win_rate_count", per="person", periods=["2025-03"])
    assert {value.subject.key: value.value for value in march} == {"007": None, "009": None}
    teams = ask("won_count", per="team", periods=["2025-01"])
    assert {value.subject.key: value.value for value in teams} == {"north": "2", "south": "1", "none": "2"}
    assert [value.value for value in ask("won_count", per="person", periods=["2025-01"], subject="C@x.vn")] == ["1"]


def test_a_stock_of_a_future_period_is_unknown(build: Build) -> None:
    ask = build({"1": {}}, {"1": [move("01-01", "new")]})
    assert ask("open_pipeline", periods=["2025-05"])[0].value is None


def test_an_empty_store_has_zero_and_no_data(tmp_path: Path) -> None:
    store = Filled(f"sqlite:///{tmp_path / 'store.db'}").known_until("2025-04-01T00:00:00+00:00")
    ask = asking(store.url, "UTC", "VND")
    assert [(value.value, value.period) for value in ask("won_value")] == [("0", "2025-04")]
    assert ask("win_rate_count")[0].value is None
    assert ask("stage_conversion") == []


def test_the_pipeline_of_a_past_month_has_the_amount_and_probability_of_its_end(build: Build) -> None:
    """800 at 30 % until 10 February, then 1,000 at 60 %, won in March (100 %): a stock is of its instant."""
    changes = [
        {"deal": "1", "field": field, "occurred_at": day(text), "new": new}
        for field, text, new in (
            ("amount", "01-01", "8000000"), ("amount", "02-10", "10000000"), ("probability", "01-01", "300000"),
            ("probability", "02-10", "600000"), ("probability", "03-05", "1000000"),
        )
    ]
    ask = build(
        {"1": {"probability": 1_000_000}}, {"1": [move("01-01", "new"), move("03-05", "won")]}, deal_change=changes
    )
    assert [value.value for value in ask("open_pipeline")] == ["800.00", "1000.00", "0.00", "0.00"]
    assert [value.value for value in ask("weighted_pipeline")] == ["240.00", "600.00", "0.00", "0.00"]


def test_what_a_deal_was_worth_before_its_amount_was_emptied_is_in_the_currency_told_of_it(build: Build) -> None:
    """The currency was told once, and a deal without amount has none of its own: 800 until March, then nothing."""
    changes = [
        {"deal": "1", "field": field, "occurred_at": day(text), "new": new}
        for field, text, new in (("currency", "01-01", "USD"), ("amount", "01-01", "8000000"), ("amount", "03-05", ""))
    ]
    ask = build({"1": {"amount": None, "currency": None}}, {"1": [move("01-01", "new")]}, deal_change=changes)
    found = [(one.value, one.left_out_amount, one.left_out_rate) for one in ask("open_pipeline")]
    assert found == [("800.00", 0, 0), ("800.00", 0, 0), ("0.00", 1, 0), ("0.00", 1, 0)]


def test_without_history_a_deal_s_own_amount_and_probability_stand_for_every_month(build: Build) -> None:
    ask = build({"1": {"probability": 200_000}}, {"1": [move("01-01", "new")]})
    assert [value.value for value in ask("weighted_pipeline")] == ["200.00"] * 4


@pytest.mark.parametrize(
    ("withheld", "unknown", "now"),
    [
        ([], [], ("open", "0.00")),
        ([("crm", "renewal")], [], ("withheld", None)),
        ([], ["crm"], ("unknown_before", None)),
        ([], ["erp"], ("open", "0.00")),
    ],
)
def test_a_value_of_which_nothing_is_left_is_not_0_while_a_record_we_could_not_read_may_be_in_it(
    build: Build, tmp_path: Path, withheld: Any, unknown: Any, now: Any
) -> None:
    """B won 500 in January once; then the deal became A's."""
    build({"1": {}}, {"1": WON})
    before = KpiValue(
        "won", "won_value", Subject("owner", "crm:B", "B"), {}, "2025-01", "2025-01-01", "2025-01-31", "500.00",
        "money", "USD", None, None, 0,
    )
    with (
        open_snapshot(f"sqlite:///{tmp_path / 'store.db'}") as snapshot,
        kpi.Reading(snapshot, Calendar(ZoneInfo("UTC")), "USD", withheld=withheld, unknown=unknown) as reading,
    ):
        left = reading.emptied(KpiDefinition("won", "won_value", "owner"), before)
    assert left is not None
    assert (left.status, left.value) == now
