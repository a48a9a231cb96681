"""Nothing that was accepted is lost, nothing is paid twice, and what is edited in files turns into no pay.

Found by a reviewer who tried to break it; each case is as small as it can be told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from connector import journal
from connector.computation import Reading
from connector.errors import Busy, ConfigError
from connector.job import Job
from connector.store import tables
from connector.sync import Plan
from connector.testing import FakeClock
from tests.product.books import Books

KPIS = "  - {id: lost, metric: lost_reasons, per: company, every: month}\n"
COHORT = "  - {id: cohort, metric: won_count, per: person, options: {count_by: cohort, horizon: 90}}\n"
WON_EARLIER = ('"2": proposal', '"2": closed_won')
Make = Callable[..., Books]


@pytest.fixture
def make_books(tmp_path: Path, store_url: str, clock: FakeClock) -> Iterator[Make]:
    made: list[Books] = []

    def make(**options: Any) -> Books:
        made.append(Books(tmp_path, store_url, clock, **options))
        made[0].sync()
        return made[0]

    yield make
    for one in made:
        one.app.close()


@pytest.fixture
def books(make_books: Make) -> Books:
    """January is closed: An won 1000.50 USD, Bình lost a deal and has one that is open."""
    made = make_books(kpis=KPIS)
    made.close()
    return made


# --- lost, or paid twice ---------------------------------------------------------------------------------------------


def test_who_left_is_paid_what_was_accepted_later(books: Books) -> None:
    books.project.write("people.csv", "employee_code,email,name,from,to\nNV001,an@example.vn,An,,\n"
                        "NV002,binh@example.vn,Binh,2025-01-01,2026-01-31\n")
    books.project.replace("export/history.csv", "2,2,2026-01-09T02:00:00Z,o2\n",
                          "2,2,2026-01-09T02:00:00Z,o2\n2,3,2026-01-25T02:00:00Z,o2\n")
    books.edit("2,2,2026-01-06T02:00:00Z,700", "2,3,2026-01-06T02:00:00Z,700")
    (late,) = books.adjustments()
    assert books.decide(late)["posted_to"] == "2026-02"
    for subject in (None, "NV002", "binh@example.vn"):
        paid = books.values(period="2026-02", view="payable", subject=subject)
        assert paid["NV002",] == "700.00"


def test_a_part_without_members_in_the_paid_period_is_shown_with_what_was_posted(books: Books) -> None:
    books.edit("3,4,2026-01-07T02:00:00Z,300,USD,o2\n", "")
    (gone,) = books.adjustments("lost")
    books.decide(gone)
    assert books.values("lost", period="2026-02", view="payable") == {("company", ""): "-1"}


def test_what_is_open_again_cannot_be_accepted(books: Books) -> None:
    """Its next close takes it in; with the adjustment it would be paid twice."""
    books.edit("1000.50", "1200.50")
    (one,) = books.adjustments()
    books.reopen()
    with pytest.raises(ConfigError, match="no adjustment"):
        books.decide(one)
    assert books.adjustments() == []


def test_small_amounts_of_an_opened_period_are_not_accepted_by_its_next_close(make_books: Make) -> None:
    books = make_books(top="adjustments: {auto_accept_below: 500}\n")
    books.close()
    books.edit("1000.50", "1200.50")
    books.reopen()
    books.close()
    assert books.values()["NV001",] == "1200.50"
    assert books.values(period="2026-02", view="payable")["NV001",] == "0.00"


def test_a_close_asks_about_what_nobody_has_computed_yet(books: Books) -> None:
    """+200 was accepted into February, then January was opened and closed with it: -200 has to be decided first."""
    books.edit("1000.50", "1200.50")
    books.decide(books.adjustments()[0])
    books.reopen()
    books.close()
    assert "wait for a decision: 1" in books.close("2026-02")["findings"][0]
    (back,) = books.adjustments(state="proposed")
    assert (back["value"], [(one["id"], one["change"]) for one in back["causes"]]) == ("-200.00", [("1", "sealed")])


def test_a_rate_corrected_before_a_close_is_asked_about_first(make_books: Make, tmp_path: Path) -> None:
    (tmp_path / "fx.csv").write_text("currency,valid_from,rate\nEUR,2020-01-01,1.1\n")
    books = make_books(top="fx: {file: fx.csv}\n")
    books.edit("1000.50,USD", "1000,EUR")
    books.close()
    books.project.replace("fx.csv", "1.1", "1.2")
    assert "wait for a decision: 1" in books.close("2026-02")["findings"][0]


def test_a_decision_made_while_a_run_computes_stands(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody accepts +200 while a run that has learnt of +300 looks for causes."""
    books.edit("1000.50", "1200.50")
    (one,) = books.adjustments()
    books.project.replace("export/deals.csv", "1200.50", "1300.50")
    found, answers = Reading.members_of, list[Any]()

    def members_of(self: Reading, name: str) -> Any:
        if not answers:
            books.decide(one)
            answers.append((moment := books.moment(), books.values(period="2026-02", view="payable", as_of=moment)))
        return found(self, name)

    monkeypatch.setattr(Reading, "members_of", members_of)
    books.sync()
    ((moment, then),) = answers
    assert then["NV001",] == "200.00"
    assert books.values(period="2026-02", view="payable", as_of=moment) == then
    assert sorted((one["value"], one["state"]) for one in books.adjustments()) == [
        ("100.00", "proposed"), ("200.00", "accepted")
    ]


# --- what is edited in files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("metric: won_value, per: person", "metric: won_value, per: company"),
        ("metric: won_value, per: person", "metric: won_value, per: person, by: pipeline"),
        ("metric: won_value, per: person", "metric: won_count, per: person"),
        ("metric: won_value, per: person", "metric: won_value, per: person, where: {pipeline: other}"),
        ("currency: USD", "currency: VND\nfx: {file: fx.csv}"),
        ("timezone: Asia/Ho_Chi_Minh", "timezone: America/New_York"),
    ],
)
def test_another_definition_of_a_number_is_no_change_of_the_past(books: Books, old: str, new: str) -> None:
    books.project.write("fx.csv", "currency,valid_from,rate\nUSD,2020-01-01,25000\n")
    books.configured(old, new)
    assert books.adjustments() == []


def test_another_fiscal_year_is_no_change_of_the_past_and_no_crash(make_books: Make) -> None:
    quarter = "  - {id: q, metric: won_value, per: person, every: quarter}\n"
    books = make_books(top="fiscal_year_start: 4\nclose: {quarter: workday 2}\n", kpis=quarter + COHORT)
    books.clock.set(datetime(2026, 4, 10, tzinfo=UTC))
    books.sync()
    books.close("FY2026-Q4")
    books.edit("1000.50", "1200.50")
    assert [one["value"] for one in books.adjustments("q")] == ["200.00"]
    books.configured("fiscal_year_start: 4", "fiscal_year_start: 7")
    assert [one["value"] for one in books.adjustments("q")] == ["200.00"]
    assert books.close("2026-03")["state"] in {"open", "closed"}


def test_weeks_that_begin_on_another_day_are_no_change_of_the_past(make_books: Make) -> None:
    """Won on Sunday 25 January, in 2026-W04; of weeks that begin on Sundays that is in the next one."""
    books = make_books(kpis="  - {id: w, metric: won_value, per: person, every: week}\n")
    books.edit("1,3,2026-01-20T", "1,3,2026-01-25T", "export/history.csv")
    books.close("2026-W04")
    books.edit("1000.50", "1200.50")
    assert [one["value"] for one in books.adjustments("w")] == ["200.00"]
    books.configured("timezone: Asia/Ho_Chi_Minh", "timezone: Asia/Ho_Chi_Minh\nweek_start: sunday")
    assert [one["value"] for one in books.adjustments("w")] == ["200.00"]


@pytest.mark.parametrize(("old", "new"), [("NV001", "EMP001"), ("NV001,an@example.vn,An\n", "")])
def test_credit_does_not_move_because_the_people_file_does(books: Books, old: str, new: str) -> None:
    """What An was closed with stays An's, whatever he is called now, so nobody else is given it as well."""
    books.edit(old, new, "people.csv")
    assert books.adjustments() == []
    assert books.values()["NV001",] == "1000.50"


# --- as known then ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("metric: won_value, per: person,", "metric: won_value, per: person, where: {pipeline: other},"),
        ("currency: USD", "currency: VND\nfx: {file: fx.csv}"),
        ("timezone: Asia/Ho_Chi_Minh", "timezone: Asia/Ho_Chi_Minh\nfiscal_year_start: 4"),
    ],
)
def test_a_past_answer_is_by_the_config_of_then(make_books: Make, old: str, new: str) -> None:
    books = make_books()
    books.project.write("fx.csv", "currency,valid_from,rate\nUSD,2020-01-01,25000\n")
    moment = books.moment()

    def answer() -> Any:
        return {key: {**one, "as_of": None} for key, one in books.objects(as_of=moment).items()}

    before = answer()
    books.configured(old, new)
    assert answer() == before


def test_frozen_values_of_a_kpi_that_is_gone_are_still_shown(books: Books) -> None:
    books.configured("  - {id: won_value, metric: won_value, per: person, every: month, push: [table]}\n", "")
    assert books.values(view="frozen")["NV001",] == "1000.50"
    with pytest.raises(ConfigError, match="no KPI of that id"):
        books.values("nothing", view="frozen")


def test_a_part_of_which_nothing_is_left_is_nothing_today(books: Books) -> None:
    books.edit("3,4,2026-01-07T02:00:00Z,300,USD,o2\n", "")
    (one,) = books.objects("lost").values()
    assert (one["value"], one["restated_value"]) == ("1", "0")


# --- the report of edits ---------------------------------------------------------------------------------------------


def test_each_amount_is_told_once_however_it_was_decided(books: Books) -> None:
    """+200 accepted, then +100 more: 300 in all."""
    books.edit("1000.50", "1200.50")
    books.decide(books.adjustments()[0])
    books.edit("1200.50", "1300.50")
    (record,) = books.app.edits("2026-01").value
    assert sorted(one["money"] for one in record["moves"] if one["kpi"] == "won_value") == ["100.00", "200.00"]


def test_an_edit_that_was_put_back_is_told_and_moves_nothing(books: Books) -> None:
    books.edit("1000.50", "1200.50")
    books.edit("1200.50", "1000.50")
    (record,) = books.app.edits("2026-01").value
    assert [(one["old"], one["new"]) for one in record["edits"]] == [("1000.5", "1200.5"),
                                                                     ("1200.5", "1000.5")]
    assert record["moves"] == []


def test_edits_before_a_cohorts_own_seal_are_told(make_books: Make) -> None:
    books = make_books(kpis=COHORT)
    books.close()
    books.edit("1000.50", "1200.50")
    for one in books.adjustments():
        books.decide(one)
    books.clock.set(datetime(2026, 5, 3, tzinfo=UTC))
    books.sync()
    assert books.close()["seal"] == 2
    (record,) = books.app.edits("2026-01").value
    assert [one["what"] for one in record["edits"]] == ["amount"]


# --- mappings and seals ----------------------------------------------------------------------------------------------


def test_a_mapping_saved_while_a_run_begins_is_not_kept_under_another_version(books: Books) -> None:
    books.project.replace("crm.yaml", "name: new-business", "name: renamed")
    job = Job(books.app.here, "sync")
    books.project.replace("crm.yaml", "currency: currency, as: money", "currency: {const: EUR}, as: money")
    job.pull({"crm": Plan()})
    (result,) = job.sources
    assert isinstance(result.error, Busy)
    kept = books.app.here.store.rows(select(tables.file_version).where(tables.file_version.c.kind == "mapping"))
    for row in kept:
        made = journal.load_mapping(row.path, bytes(row.content), "crm", json.loads(row.settings))
        assert made.version == row.version


def test_a_refused_mapping_stays_refused_whatever_came_between(books: Books) -> None:
    books.edit(*WON_EARLIER, "crm.yaml", 4)
    books.app.refuse_stop(books.app.stops().value[0]["id"], "no")
    books.edit("as: money}", "as: {money: {decimal: ','}}}", "crm.yaml", 4)
    books.edit("as: {money: {decimal: ','}}}", "as: money}", "crm.yaml", 4)
    assert "refused" in books.sync(4)["sources"][0]["error"]


def test_an_accepted_mapping_that_was_put_back_is_asked_about_again(books: Books) -> None:
    books.edit(*WON_EARLIER, "crm.yaml", 4)
    books.project.replace("crm.yaml", *reversed(WON_EARLIER))
    books.app.accept_stop(books.app.stops().value[0]["id"], "yes")
    books.edit(*WON_EARLIER, "crm.yaml", 4)
    assert len(books.app.stops().value) == 1


def test_a_stop_of_a_paused_source_is_not_accepted(books: Books) -> None:
    books.edit(*WON_EARLIER, "crm.yaml", 4)
    books.app.pause("crm", "later")
    with pytest.raises(ConfigError, match="paused"):
        books.app.accept_stop(books.app.stops().value[0]["id"], "yes")
    assert len(books.app.stops().value) == 1


@pytest.mark.parametrize("what", ["reopened_at", "state"])
def test_a_seal_put_back_in_force_or_a_period_opened_by_hand_is_found(books: Books, what: str) -> None:
    books.edit("1000.50", "1200.50")
    books.reopen()
    books.close()
    seal, period = tables.seal, tables.period
    with books.app.here.store.writing() as writing:
        if what == "state":
            writing.execute(update(period).values(state="open"))
        else:
            writing.execute(update(seal).where(seal.c.number == 1).values(reopened_at=None))
            writing.execute(update(seal).where(seal.c.number == 2).values(reopened_at=1))
    assert books.app.verify_period().value["status"] == "broken"


def test_a_frozen_view_of_another_basis_is_a_fault(books: Books) -> None:
    with pytest.raises(ConfigError, match="basis"):
        books.values(view="frozen", basis="reconstructed")


def test_an_adjustment_of_a_kpi_without_such_periods_is_not_accepted(books: Books) -> None:
    books.edit("1000.50", "1200.50")
    books.configured("id: won_value, metric: won_value, per: person, every: month",
                     "id: won_value, metric: won_value, per: person, every: quarter")
    with pytest.raises(ConfigError, match="no month has a value of won_value"):
        books.decide(books.adjustments()[0])


def test_six_months_of_corrections_pay_the_last_amount(books: Books) -> None:
    """Whatever is corrected, posted and closed, what was paid adds up to what the deal is worth in the end."""
    amounts = ["1000.50", "1500", "300", "300.25", "2000", "1999.99", "750"]
    for month, (old, new) in enumerate(pairwise(amounts), start=2):
        books.edit(f"2026-01-05T02:00:00Z,{old},", f"2026-01-05T02:00:00Z,{new},")
        for one in books.adjustments(state="proposed"):
            books.decide(one)
        books.clock.advance(days=31)
        books.sync()
        assert books.close(f"2026-{month:02}")["state"] == "closed"
    months = [f"2026-{month:02}" for month in range(1, 8)]
    paid = sum(Decimal(books.values(period=month, view="payable")["NV001",]) for month in months)
    assert paid == Decimal("750")
