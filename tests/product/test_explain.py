"""`explain` over tests/data/edge_cases and a small export: every number down to the row of the file it comes from.

Expected values are the files themselves, their ground truth, or worked out in the docstring.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from sqlalchemy import select

from connector.app import App
from connector.errors import ConfigError
from connector.metrics.catalogue import CATALOGUE
from connector.store import tables
from connector.testing import FakeClock
from tests.e2e.project import FILES, Project
from tests.product.asking import DATA, same, truth
from tests.product.edge_install import plain, staffed

PERIODS = ("2025-02", "all", "2025-01-31")
DEALS = {row["deal_id"]: row for row in truth("edge_cases/deals.csv")}
ENDINGS = {row["deal_id"]: row for row in truth("edge_cases/stage_transitions.csv")}
"""The last move of each deal."""
CLOSED = [row for row in truth("edge_cases/ground_truth/01_deals.csv") if row["status"] in ("won", "lost")]
MAPPING = (DATA / "edge_cases.yaml").read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def app(kept_store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The edge cases on either store, synced once."""
    with closing(plain(tmp_path_factory.mktemp("edge"), kept_store_url)) as made:
        assert made.sync().exit_code == 0
        yield made


def landed(app: App, page: int) -> list[str]:
    """The bodies of a landed page, read from the store by this test itself."""
    (row,) = app.here.store.rows(select(tables.page.c.exchanges).where(tables.page.c.id == page))
    hashes = [exchange["answer"] for exchange in json.loads(row.exchanges)]
    found = {
        row.hash: bytes(row.content)
        for row in app.here.store.rows(select(tables.body).where(tables.body.c.hash.in_(hashes)))
    }
    return [zstd.decompress(found[name]).decode() for name in hashes]


# --- the sums --------------------------------------------------------------------------------------------------------


def test_the_members_of_every_metric_add_up_to_its_numerator_and_denominator(app: App) -> None:
    """And the object is the one `kpi` gives, with keys added."""
    seen = set()
    for period in PERIODS:
        for value in app.kpi(period=period).value:
            found = app.explain(
                value["kpi"], subject=value["subject"]["key"], period=period, by=value["dimensions"]
            ).value
            assert {name: found[name] for name in value} == value
            adds_up(found)
            for member in found["members"]:
                assert member["page"] is not None
                assert member["mapping"]["line"] > 0
                if member["amount"] is not None:
                    converts(member)
            if found["members"]:
                seen.add(value["metric"])
    assert seen == {one.metric for one in app.here.config.kpis}


def ninth_decile(spans: list[Decimal]) -> Decimal:
    """By linear interpolation, rank 1 + (n - 1) p (R17)."""
    return statistics.quantiles(spans, n=10, method="inclusive")[8] if len(spans) > 1 else spans[0]


STATISTICS = {"mean": statistics.mean, "median": statistics.median, "p90": ninth_decile}


def adds_up(value: Mapping[str, Any]) -> None:
    metric = CATALOGUE[value["metric"]]
    sides = {side: [one for one in value["members"] if one["side"] == side] for side in ("numerator", "denominator")}
    if metric.is_duration:
        spans = [Decimal(member["duration"]) for member in sides["denominator"]]
        assert (value["denominator"], sides["numerator"]) == (str(len(spans)), [])
        assert (value["value"] is None) == (not spans)
        if spans:
            assert same(value["value"], str(STATISTICS[value["options"]["stat"]](spans)), places=4)
        return
    is_money = value["unit"] == "money" or (metric.money and metric.kind == "R")
    top = total(sides["numerator"], "amount" if is_money else "share")
    if metric.kind != "R":
        assert Decimal(value["value"]) == top
        assert sides["denominator"] == []
        return
    assert Decimal(value["numerator"]) == top
    assert Decimal(value["denominator"]) == total(
        sides["denominator"], "amount" if is_money and metric.unit != "money" else "share"
    )


def total(members: list[Mapping[str, Any]], field: str) -> Decimal:
    return sum((Decimal(member[field]) for member in members), Decimal(0))


def converts(member: Mapping[str, Any]) -> None:
    """R13: the own amount at the rate named (and by the probability) is the amount counted; no deal here is shared."""
    own = member["own"]
    weighed = Decimal(own["amount"]) * Decimal(own["rate"]) * Decimal(own["probability"] or 1)
    assert weighed.quantize(Decimal("0.01")) == Decimal(member["amount"])


# --- each deal -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", CLOSED, ids=lambda row: row["deal_id"])
def test_a_closed_deal_is_cited_with_its_own_row_and_the_row_of_the_move_that_closed_it(
    app: App, row: dict[str, str]
) -> None:
    """Page and record index lead to the very rows of deals.csv and stage_transitions.csv."""
    deal, month = row["deal_id"], row["closed_local_day"][:7]
    value = app.explain("rate", period=month).value
    sides = [one for one in value["members"] if one["id"] == deal]
    assert [one["side"] for one in sides] == (["numerator"] if row["status"] == "won" else []) + ["denominator"]
    version, move = sides[0]["rows"]
    assert (version["role"], move["role"]) == ("deal", row["status"])
    assert cells(landed(app, version["page"]), version) == DEALS[deal]
    assert cells(landed(app, move["page"]), move) == ENDINGS[deal]
    assert datetime.fromisoformat(move["occurred_at"]) == datetime.fromisoformat(ENDINGS[deal]["at"])
    assert datetime.fromisoformat(version["seen_at"]) == datetime.fromisoformat(DEALS[deal]["first_synced_at"])
    assert (move["by"], move["stage"]) == (ENDINGS[deal]["by"], {"won": "Won", "lost": "Lost"}[row["status"]])
    page = app.page(str(move["page"]), move["record_index"]).value
    assert page["record"]["transition_id"] == ENDINGS[deal]["transition_id"] == move["record_key"]


def cells(bodies: list[str], row: Mapping[str, Any]) -> dict[str, str]:
    """The row of a CSV file at that place of a landed page."""
    (body,) = bodies
    return list(csv.DictReader(body.splitlines()))[row["record_index"]]


@pytest.mark.parametrize(
    "row", [row for row in CLOSED if row["status"] == "won" and row["base_amount"]], ids=lambda row: row["deal_id"]
)
def test_money_is_shown_as_the_record_has_it_and_as_it_counts(app: App, row: dict[str, str]) -> None:
    """E: D02 EUR 5 000 closed on 1 February at 1.20 = 6 000.00 USD (R13)."""
    deal, day = row["deal_id"], row["closed_local_day"]
    (member,) = (one for one in app.explain("won_value", period=day[:7]).value["members"] if one["id"] == deal)
    assert (Decimal(member["amount"]), member["currency"]) == (Decimal(row["base_amount"]), "USD")
    own = DEALS[deal]["amount"], DEALS[deal]["currency"]
    assert (member["own"]["amount"], member["own"]["currency"]) == own
    valid = [
        (rate["valid_from"], rate["rate"]) for rate in truth("edge_cases/fx_rates.csv")
        if rate["currency"] == own[1] and rate["valid_from"] <= day
    ]
    since, rate = max(valid)
    assert Decimal(member["own"]["rate"]) == Decimal(rate)
    assert member["own"]["rate_valid_from"] == (None if own[1] == "USD" else since)


def test_the_mapping_line_is_the_entry_s(app: App) -> None:
    (member, *_) = app.explain("won_value", period="2025-01").value["members"]
    files = tables.file_version
    (version,) = app.here.store.rows(select(files.c.version).where(files.c.kind == "mapping"))
    deal, move = (row["mapping"] for row in member["rows"])
    assert MAPPING[deal["line"] - 1] == "  - entity: deal  # its stage is that of its last transition"
    assert MAPPING[move["line"] - 1] == "  - entity: stage_transition"
    assert Path(deal["file"]).name == "edge_cases.yaml"
    assert (deal["version"], deal["text"]) == (version.version, MAPPING[deal["line"] - 1].strip())


def test_a_lead_that_was_won_cites_the_deal_and_its_win(app: App) -> None:
    """E: the January cohort's wins are L01 by D01 and L02 by D02."""
    found = app.explain("lead_to_won", period="2025-01").value
    won = [member for member in found["members"] if member["side"] == "numerator"]
    assert [
        (one["id"], [(row["role"], row["record_key"]) for row in one["rows"]]) for one in won
    ] == [
        ("L01", [("lead", "L01"), ("deal", "D01"), ("won", "D01-5")]),
        ("L02", [("lead", "L02"), ("deal", "D02"), ("won", "D02-3")]),
    ]
    assert len(found["members"]) == 7, "five leads, two of them on both sides"


def test_a_completed_visit_cites_the_move_that_ended_it_and_the_one_that_began_it(app: App) -> None:
    """D03 was in hearing twice, for 3 days each: 7 to 10 and 12 to 15 January."""
    found = app.explain("days_median", period="all", by={"stage": "Hearing"}).value
    visits = [one["rows"] for one in found["members"] if one["id"] == "D03"]
    assert [[(row["role"], row["record_key"]) for row in rows] for rows in visits] == [
        [("left", "D03-3"), ("entered", "D03-2"), ("deal", "D03")],
        [("left", "D03-5"), ("entered", "D03-4"), ("deal", "D03")],
    ]


def test_who_skipped_a_stage_reached_it_by_the_move_beyond(app: App) -> None:
    """R5: D02 went from inquiry to proposal: hearing was reached, and passed, on 5 January by that one move."""
    found = app.explain("reached", period="all", by={"stage": "Hearing"}).value
    (one,) = (one for one in found["members"] if (one["id"], one["side"]) == ("D02", "numerator"))
    moves = [(row["role"], row["record_key"]) for row in one["rows"][:2]]
    assert moves == [("reached", "D02-2"), ("advanced", "D02-2")]


def test_an_open_deal_cites_the_move_into_the_stage_held_and_its_probability(app: App) -> None:
    """E: D06 7 000 x 0.3 = 2 100; the probability is the mapping file's, which is no page."""
    found = app.explain("weighted", period="2025-03").value
    (member,) = found["members"]
    assert [(row["role"], row["record_key"]) for row in member["rows"]] == [
        ("deal", "D06"), ("held", "D06-2"), ("probability", None),
    ]
    told = member["rows"][-1]
    assert (told["page"], told["without_page"]) == (None, "the mapping file itself says it")
    assert MAPPING[told["mapping"]["line"] - 1].strip().startswith('"hearing": ')
    assert (member["amount"], member["own"]["probability"]) == ("2100.00", "0.300000")


def test_a_probability_of_our_own_history_is_of_no_row(app: App) -> None:
    """3 of the 6 deals that entered hearing are won: 7 000 x 0.5; what somebody set for the stage is not cited."""
    found = app.explain("weighted", period="2025-03", options={"probability": "empirical"}).value
    (member,) = found["members"]
    assert [row["role"] for row in member["rows"]] == ["deal", "held"]
    assert (member["amount"], member["own"]["probability"]) == ("3500.00", "0.500000")


def test_a_deal_that_was_removed_cites_its_own_last_row(app: App) -> None:
    """Q9 E: D08 was deleted on 18 January, D09 merged into D01; both were A's, worth 6 000 and 10 000."""
    found = app.explain("removed", subject="crm:A", period="all").value
    assert found["value"] == "16000.00"
    assert sorted((one["id"], one["amount"]) for one in found["members"]) == [("D08", "6000.00"), ("D09", "10000.00")]
    for member in found["members"]:
        (row,) = member["rows"]
        assert (row["role"], row["entity"]) == ("deal", "deal")
        assert cells(landed(app, row["page"]), row) == DEALS[member["id"]]
        assert app.page(str(row["page"]), row["record_index"]).value["record"]["deal_id"] == member["id"]


def test_a_move_back_is_cited_first_and_a_missing_amount_by_the_deal_s_own_row(app: App) -> None:
    """Q4 E: D03 went from proposal back to hearing on 12 January. Q1 E: D07, won by B in February, has none."""
    (member,) = app.explain("moved_back", period="all").value["members"]
    assert [(row["role"], row["record_key"]) for row in member["rows"]] == [
        ("left", "D03-4"), ("entered", "D03-3"), ("deal", "D03"),
    ]
    (member,) = app.explain("no_amount", subject="crm:B", period="2025-02").value["members"]
    assert [(row["role"], row["record_key"]) for row in member["rows"]] == [("deal", "D07"), ("won", "D07-3")]
    assert cells(landed(app, member["page"]), member["rows"][0]) == DEALS["D07"]


# --- the formula -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kpi", "period", "by", "words", "numbers"),
    [
        ("rate", "2025-01", {}, "won deals / (won + lost deals)", "2 / (2 + 1) = 0.666667"),
        ("rate", "2024-12", {}, "won deals / (won + lost deals)", "0 / (0 + 0): no data"),
        ("rate_value", "2025-01", {}, "won value / (won + lost value)",
         "19000.00 / (19000.00 + 4000.00) = 0.826087"),
        ("won_value", "2025-02", {}, "sum of the amounts of the deals won",
         "6000.00 + 12000.00 + 8000.00 = 26000.00"),
        ("average", "2025-02", {}, "won value / won deals that have a value", "26000.00 / 3 = 8666.67"),
        ("won_count", "2025-02", {}, "number of the deals won", "4"),
        ("lost_money", "2025-01", {"reason": "price"},
         "sum of the amounts of the deals lost for the reason", "4000.00"),
        ("open_count", "2025-01-31", {}, "number of the deals open at the end of the period", "4"),
        ("lead_to_won", "2025-01", {}, "leads created that were won / leads created", "2 / 5 = 0.400000"),
        ("days_mean", "all", {"stage": "Hearing"}, "mean of the days of the completed visits of the stage",
         "45.000000 / 7 = 6.428571"),
        ("days_median", "all", {"stage": "Hearing"}, "median of the days of the completed visits of the stage",
         "number 4 of 7 in order = 4.000000"),
        ("days_p90", "all", {"stage": "Hearing"}, "90th percentile of the days of the completed visits of the stage",
         "numbers 6 and 7 of 7 in order: 8.000000 + 0.4 × (21.000000 − 8.000000) = 13.200000"),
    ],
)
def test_the_formula_is_written_out_in_words_and_numbers(
    app: App, kpi: str, period: str, by: dict[str, str], words: str, numbers: str
) -> None:
    """Hearing visits 4, 3, 3, 4, 2, 8, 21 (metrics.md); the rest is of the ground truth."""
    found = app.explain(kpi, period=period, by=by).value
    assert (found["formula"], found["formula_numbers"]) == (words, numbers)


# --- as known then ---------------------------------------------------------------------------------------------------


def test_then_the_deal_was_lost_and_today_it_is_won(app: App) -> None:
    """R7: D04 lost 10 Jan, re-opened 10 Feb, won 20 Feb: on 9 February the loss is cited, today the win."""
    then = app.explain("lost", period="2025-01", by={"reason": ""}, as_of="2025-02-09").value
    assert [row["record_key"] for member in then["members"] for row in member["rows"]] == ["D04", "D04-3"]
    assert all(row["seen_at"] <= then["as_of"] for member in then["members"] for row in member["rows"])
    now = app.explain("won_count", period="2025-02").value
    assert ["D04", "D04-6"] in [[row["record_key"] for row in member["rows"]] for member in now["members"]]
    assert app.explain("lost", period="2025-01", by={"reason": "price"}).value["members"][0]["id"] == "D03"


def test_a_late_arrival_is_only_in_the_answer_of_who_knew_it(app: App) -> None:
    """R15: D12 was won on 28 January and arrived on 9 February."""
    then, now = (app.explain("won_count", period="2025-01", as_of=as_of).value for as_of in ("2025-02-04", None))
    assert [member["id"] for member in then["members"]] == ["D01"]
    assert [(member["id"], member["seen_at"]) for member in now["members"]][1:] == [("D12", "2025-02-09T03:00:00Z")]


CLOCK = datetime(2026, 2, 1, 3, tzinfo=UTC)


@pytest.fixture
def small(tmp_path: Path, store_url: str) -> Iterator[tuple[Project, App, FakeClock]]:
    """The three deals of tests/e2e/project.py on either store, not yet synced."""
    project, clock = Project(tmp_path), FakeClock(CLOCK)
    for name, content in FILES.items():
        project.write(name, content)
    project.replace("config.yaml", "timezone:", f"store: {store_url}\ntimezone:")
    with closing(App.load(str(tmp_path / "config.yaml"), clock, {})) as app:
        yield project, app, clock


def test_the_version_of_then_is_cited_with_its_own_page(small: tuple[Project, App, FakeClock]) -> None:
    """Deal 1 was 1000.50 at first and was corrected to 2000: either answer leads to the row as it was read."""
    project, app, clock = small
    app.sync(push=False)
    then = app.explain("won_value", subject="an@example.vn", period="2026-01").value["as_of"]
    project.replace("export/deals.csv", "1,3,2026-01-05T02:00:00Z,1000.50", "1,3,2026-01-05T02:00:00Z,2000")
    clock.advance(days=1)
    app.sync(push=False)
    for as_of, amount in ((then, "1000.50"), (None, "2000")):
        found = app.explain("won_value", subject="an@example.vn", period="2026-01", as_of=as_of).value
        (member,) = found["members"]
        assert Decimal(member["own"]["amount"]) == Decimal(amount) == Decimal(found["value"])
        assert app.page(str(member["page"]), member["record_index"]).value["record"]["amount"] == amount
        (page,) = (one for one in found["pages"] if one["page"] == member["page"])
        assert page["read_at"][:10] == ("2026-02-01" if as_of else "2026-02-02")
        assert [request["url"] for request in page["requests"]] == [
            "file:deals.csv#rows=1-3", "file:history.csv#of=deals.csv:1-3",
        ]


def test_a_row_cites_the_mapping_that_made_it_also_after_the_file_has_changed(
    small: tuple[Project, App, FakeClock]
) -> None:
    """The deal's entry stood on line 5, then, three lines lower, on line 8 of a file that changes its row too."""
    project, app, clock = small
    app.sync(push=False)
    first = cited(app, None)
    assert (first["line"], first["text"]) == (5, "- entity: deal")
    moved = "  - {entity: account, stream: owners, key: id,\n     fields: {name: name}}\n  # a line more\n"
    project.replace("crm.yaml", "  - entity: deal\n", moved + "  - entity: deal\n")
    clock.advance(days=1)
    app.sync(push=False)
    assert cited(app, None) == first, "another meaning of the file, but this row stayed as it was"
    before = app.explain("won_value", subject="NV001", period="2026-01").value["as_of"]
    project.replace("crm.yaml", "      stage: stage\n", "      stage: stage\n      name: id\n")
    clock.advance(days=1)
    app.sync(push=False)
    last = cited(app, None)
    assert (last["line"], last["text"]) == (8, "- entity: deal")
    assert cited(app, before) == first
    versions = app.here.store.rows(
        select(tables.file_version.c.version).where(tables.file_version.c.kind == "mapping")
        .order_by(tables.file_version.c.seen_at)
    )
    assert [first["version"], last["version"]] == [versions[0].version, versions[-1].version]
    assert len(versions) == 3


def cited(app: App, as_of: str | None) -> dict[str, Any]:
    found = app.explain("won_value", subject="NV001", period="2026-01", as_of=as_of).value
    mapping: dict[str, Any] = found["members"][0]["mapping"]
    return mapping


def test_a_mapping_that_was_put_back_is_cited_as_it_stood_then(small: tuple[Project, App, FakeClock]) -> None:
    """The same meaning twice, with other lines: each row has the lines of the file that was in force."""
    project, app, clock = small
    app.sync(push=False)
    project.replace("crm.yaml", "      owner: owner\n", "      owner: owner\n      name: id\n")
    clock.advance(days=1)
    app.sync(push=False)
    project.replace("crm.yaml", "      owner: owner\n      name: id\n", "      owner: owner\n")
    project.replace("crm.yaml", "pipelines:\n", "# back again\npipelines:\n")
    clock.advance(days=1)
    app.sync(push=False)
    now, then = cited(app, None), cited(app, "2026-02-01")
    assert now["version"] == then["version"]
    assert (then["line"], now["line"]) == (5, 6)


# --- closed periods --------------------------------------------------------------------------------------------------


@pytest.fixture
def closed(small: tuple[Project, App, FakeClock]) -> tuple[Project, App, FakeClock]:
    """January is closed; then deal 1 is corrected to 2000 and deal 2 turns out to have been won for 700 on the 25th."""
    project, app, clock = small
    app.sync(push=False)
    assert app.close_period("2026-01").exit_code == 0
    project.replace("export/deals.csv", "1,3,2026-01-05T02:00:00Z,1000.50", "1,3,2026-01-05T02:00:00Z,2000")
    project.replace("export/deals.csv", "2,2,2026-01-06T02:00:00Z", "2,3,2026-01-06T02:00:00Z")
    moves = "2,2,2026-01-09T02:00:00Z,o2\n"
    project.replace("export/history.csv", moves, f"{moves}2,3,2026-01-25T02:00:00Z,o2\n")
    clock.advance(days=1)
    app.sync(push=False)
    return small


def test_a_frozen_value_is_explained_by_what_was_known_at_its_close_and_a_restated_one_by_today(
    closed: tuple[Project, App, FakeClock]
) -> None:
    _, app, _ = closed
    for view, status, number, amount in (
        (None, "frozen", "1000.50", "1000.50"), ("frozen", "frozen", "1000.50", "1000.50"),
        ("restated", "open", "2000.00", "2000"),
    ):
        found = app.explain("won_value", subject="NV001", period="2026-01", view=view).value
        (member,) = found["members"]
        assert (found["status"], found["value"], member["amount"]) == (status, number, number)
        assert app.page(str(member["page"]), member["record_index"]).value["record"]["amount"] == amount
        won = member["rows"][1]
        assert (won["role"], won["item"], won["mapping"]["line"]) == ("won", 2, 14)
    late = [
        app.explain("won_value", subject="NV002", period="2026-01", view=view).value for view in ("frozen", "restated")
    ]
    assert [(one["value"], [member["id"] for member in one["members"]]) for one in late] == [
        ("0.00", []), ("700.00", ["2"]),
    ]
    assert late[0]["restated_value"] == "700.00"


def test_a_frozen_count_of_entries_cites_its_moves_also_when_the_kpi_was_defined_anew(
    closed: tuple[Project, App, FakeClock]
) -> None:
    """What was closed as visits of every deal is now only about won ones: the frozen members stay, with their moves."""
    project, _, clock = closed
    project.replace("config.yaml", "metric: stage_entries", "where: {stage: \"3\"}, metric: stage_entries")
    with closing(App.load(str(project.folder / "config.yaml"), clock, {})) as again:
        again.sync(push=False)
        found = again.explain("entries", period="2026-01", by={"stage": "1"}).value
    assert (found["status"], found["value"]) == ("frozen", "3")
    assert [
        (member["id"], [(row["role"], row["item"]) for row in member["rows"]]) for member in found["members"]
    ] == [(deal, [("entered", 0), ("deal", None)]) for deal in ("1", "2", "3")]


def test_what_is_paid_is_explained_in_its_two_parts(closed: tuple[Project, App, FakeClock]) -> None:
    _, app, _ = closed
    with pytest.raises(ConfigError, match="expected frozen or restated"):
        app.explain("won_value", subject="NV001", period="2026-01", view="payable")


# --- with employees --------------------------------------------------------------------------------------------------


def test_a_shared_deal_is_counted_by_its_share(tmp_path: Path) -> None:
    """R12 E: D05 12 000 split 40/60: A 4 800; beside it A has D02, EUR 5 000 at 1.20."""
    with closing(staffed(tmp_path, f"sqlite:///{tmp_path}/connector.db")) as app:
        app.sync()
        money = app.explain("split", subject="NV001", period="2025-02").value
        assert [(one["id"], one["amount"], one["share"], one["own"]["amount"]) for one in money["members"]] == [
            ("D02", "6000.00", "1", "5000.00"), ("D05", "4800.00", "0.400000", "12000.00"),
        ]
        assert money["formula_numbers"] == "6000.00 + 4800.00 = 10800.00"
        count = app.explain("split_count", subject="crm:A", period="2025-02").value
        assert (count["subject"]["key"], count["formula_numbers"]) == ("NV001", "1 + 0.400000 = 1.400000")


# --- what is not known -----------------------------------------------------------------------------------------------


def test_a_late_answer_before_the_first_sync_has_no_members(small: tuple[Project, App, FakeClock]) -> None:
    _, app, _ = small
    app.sync(push=False)
    found = app.explain("won_value", subject="NV001", period="2026-01", as_of=str((CLOCK - timedelta(days=3)).date()))
    assert (found.value["value"], found.value["status"], found.value["members"]) == (None, "unknown_before", [])
    assert found.value["formula_numbers"] == "no data: a source that it counts had not been read as a whole by then"
