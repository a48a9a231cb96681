"""Closing periods: complete or not, frozen and sealed as a whole, shown and delivered from then on, reopened."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import closing as ending
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import and_, create_engine, delete, insert, select, text, update

from connector import closing, directory, frozen, journal, workdays
from connector.app import App
from connector.computation import Computation, Reading
from connector.errors import Busy, ConfigError, LeaseLost
from connector.model import Member, iso, micros
from connector.period import Calendar
from connector.store import schema, tables
from connector.store.store import Store
from connector.testing import FakeClock
from tests.e2e.project import CONFIG, Project, make

KEY = ("won_value", "person", "NV001", "{}", "2026-01")
LATE_WIN = ("2,2,2026-01-06T02:00:00Z,700", "2,3,2026-01-06T02:00:00Z,700"), (
    "2,2,2026-01-09T02:00:00Z,o2\n", "2,2,2026-01-09T02:00:00Z,o2\n2,3,2026-01-25T02:00:00Z,o2\n",
)


class Office:
    """An installation whose clock stands in March 2026: three deals of January, two sellers, one CSV destination."""

    def __init__(self, project: Project, store_url: str, clock: FakeClock, more: str = "") -> None:
        self.project, self.clock = project, clock
        config = CONFIG.replace("adapter: file", "adapter: file\n    periods: all")
        project.write("config.yaml", f"store: {store_url}\n{more}{config}")
        self.app = App.load(str(project.folder / "config.yaml"), clock, {})

    def sync(self) -> None:
        self.clock.advance(minutes=1)
        answer = self.app.sync()
        assert answer.exit_code == 0, answer.value

    def late_win(self) -> None:
        """Deal 2, of Bình, turns out to have been won in January, for 700 USD."""
        (stage, won), (last, move) = LATE_WIN
        self.project.replace("export/deals.csv", stage, won)
        self.project.replace("export/history.csv", last, move)
        self.sync()

    def close(self, period: str = "2026-01", **options: Any) -> dict[str, Any]:
        self.clock.advance(minutes=1)
        answer = self.app.close_period(period, **options)
        assert answer.exit_code == (1 if answer.value["findings"] else 0)
        return dict(answer.value)

    def reopen(self, period: str = "2026-01") -> None:
        self.clock.advance(minutes=1)
        self.app.reopen_period(period, "a deal was forgotten")

    def won(self, period: str = "2026-01", **question: Any) -> dict[str, tuple[str | None, str, str | None]]:
        """Value, view and today's value by employee."""
        found = self.app.kpi("won_value", period=period, **question).value
        return {one["subject"]["key"]: (one["value"], one["view"], one["restated_value"]) for one in found}

    def delivered(self, period: str = "2026-01") -> dict[str, tuple[str, str]]:
        """What stands in the CSV destination: value and status by employee."""
        with (self.project.folder / f"out/kpi-{period}.csv").open(newline="", encoding="utf-8") as lines:
            return {row["subject_key"]: (row["value"], row["status"]) for row in csv.DictReader(lines)}

    def rows(self, table: Any) -> list[Any]:
        return self.app.here.store.rows(select(table))

    def change(self, statement: Any) -> None:
        """Change the store behind the program's back."""
        with self.app.here.store.writing() as writing:
            writing.execute(statement)


@pytest.fixture
def office(tmp_path: Path, store_url: str, clock: FakeClock) -> Iterator[Office]:
    made = Office(make(tmp_path), store_url, clock)
    made.sync()
    with ending(made.app):
        yield made


# --- freezing --------------------------------------------------------------------------------------------------------


def test_a_close_freezes_every_value_with_its_members_under_one_seal(office: Office) -> None:
    done = office.close()
    assert (done["state"], done["seal"], done["findings"]) == ("closed", 1, [])
    assert done["values"] == len(office.rows(tables.frozen_value)) == 6
    (sealed,) = office.rows(tables.seal)
    header = json.loads(sealed.header)
    assert (header["period"], header["number"], header["previous"], header["forced"]) == ("2026-01", 1, None, [])
    assert header["kpis"].keys() == {"won_value", "entries"}
    assert set(header["read_to"]["crm"]) == {"owners", "deals"}
    assert {one["kind"] for one in header["files"]} == {"calendar", "mapping", "people", "kpis", "rules"}
    assert done["hash"] == sealed.hash


def test_frozen_values_and_members_are_found_by_the_value_s_key(office: Office) -> None:
    office.close()
    store = office.app.here.store
    assert frozen.closed(store).values[KEY].value == "1000.50"
    won = micros(datetime(2026, 1, 20, 2, tzinfo=UTC))
    assert frozen.members(store, KEY) == [
        Member("numerator", "deal", "crm", "1", won, 10_005_000, "USD", 1_000_000)
    ]
    assert frozen.members(store, (*KEY[:4], "2026-02")) is None


def test_what_is_learnt_later_stands_beside_the_frozen_value(office: Office) -> None:
    office.close()
    office.late_win()
    assert office.won() == {"NV001": ("1000.50", "frozen", "1000.50"), "NV002": ("0.00", "frozen", "700.00")}
    assert office.won(view="restated") == {
        "NV001": ("1000.50", "restated", None), "NV002": ("700.00", "restated", None)
    }
    assert office.won(view="frozen", subject="binh@example.vn") == {"NV002": ("0.00", "frozen", "700.00")}
    found = office.app.kpi("won_value", period="2026-01").value
    assert {one["status"] for one in found} == {"frozen"}


def test_an_open_period_has_no_frozen_view(office: Office) -> None:
    assert office.won()["NV001"] == ("1000.50", "open", None)
    with pytest.raises(ConfigError, match="2026-01 is not closed"):
        office.won(view="frozen")


def test_a_kpi_that_was_defined_after_the_close_is_not_frozen_and_not_delivered(office: Office) -> None:
    office.close()
    office.app.close()
    office.project.replace("config.yaml", "kpis:\n", "kpis:\n  - {id: new, metric: won_count, push: [table]}\n")
    with ending(App.load(str(office.project.folder / "config.yaml"), office.clock, {})) as app:
        assert app.sync().exit_code == 0
        (found,) = app.kpi("new", period="2026-01").value
        assert (found["value"], found["view"], found["status"]) == ("1", "restated", "open")
        delivered = frozen.to_deliver([], frozen.closed(app.here.store), {"new"})
        assert delivered == []


def test_another_option_of_a_metric_is_answered_as_it_is_today(office: Office) -> None:
    """What was frozen was computed with the KPI's own options."""
    office.close()
    office.late_win()
    assert office.won(options={"credit": "actor"})["NV002"] == ("700.00", "restated", None)


def test_a_value_of_which_nothing_was_left_is_frozen_as_zero(office: Office) -> None:
    """Its destination holds what it was told earlier, and would keep it for good (docs/decisions/0007)."""
    project = office.project
    project.replace("config.yaml", "kpis:\n", "kpis:\n  - {id: lost, metric: lost_reasons, push: [table]}\n")
    project.replace("export/deals.csv", "currency,owner\n", "currency,owner,reason\n")
    project.replace("export/deals.csv", "300,USD,o2", "300,USD,o2,pirce")
    project.replace("crm.yaml", "      owner: owner\n", "      owner: owner\n      lost_reason: reason\n")
    with ending(App.load(str(project.folder / "config.yaml"), office.clock, {})) as app:
        assert app.sync().exit_code == 0
        project.replace("export/deals.csv", "pirce", "price")
        assert app.sync(push=False).exit_code == 0
        assert app.close_period("2026-01").exit_code == 0
        values = frozen.closed(app.here.store).values
    kept = {value.dimensions["reason"]: value.value for value in values.values() if value.kpi == "lost"}
    assert kept == {"pirce": "0", "price": "1"}


# --- complete --------------------------------------------------------------------------------------------------------


def test_a_period_that_is_not_over_is_not_complete(office: Office) -> None:
    (finding, *_) = office.close("2026-03")["findings"]
    assert finding == "2026-03 is not over: 2026-03-31 is its last day; close it afterwards"
    assert office.rows(tables.seal) == []


def test_a_stream_that_was_not_read_up_to_the_end_of_the_period_is_named(office: Office) -> None:
    office.clock.set(datetime(2026, 4, 2, tzinfo=UTC))
    owners, deals = office.close("2026-03")["findings"]
    assert owners.startswith("crm owners was read up to 2026-03-02T08:0")
    assert deals.endswith("the period ends at 2026-03-31T17:00:00Z; run `connector sync crm`")
    office.sync()
    assert office.close("2026-03")["findings"] == []


def test_a_read_half_a_second_after_the_end_is_enough(office: Office) -> None:
    """Instants are compared, not their texts: `…00.5Z` sorts before `…00Z`."""
    end = datetime(2026, 1, 31, 17, tzinfo=UTC)
    table = tables.cursor
    office.change(update(table).values(state=json.dumps({"read_to": iso(micros(end) + 500_000)})))
    assert office.close()["findings"] == []


def test_a_stream_that_was_never_read_to_its_end_is_named(office: Office) -> None:
    office.change(delete(tables.cursor).where(tables.cursor.c.stream == "owners"))
    assert office.close()["findings"] == ["crm owners was never read to its end; run `connector sync crm`"]


def test_records_in_quarantine_keep_a_period_open_until_they_are_settled(office: Office) -> None:
    office.project.replace("export/deals.csv", "2026-01-07T02:00:00Z,300", "2026-01-07T02:00:00Z,many")
    office.clock.advance(minutes=1)
    assert office.app.sync().exit_code == 1
    (finding,) = office.close()["findings"]
    assert finding.startswith("crm: records in quarantine: 1, ")
    office.app.quarantine_decide("accept", ["all"])
    assert office.close()["findings"] == []


def test_a_record_in_a_stage_nobody_mapped_withholds_values_and_the_close(office: Office) -> None:
    office.project.replace("export/deals.csv", "3,4,2026-01-07", "3,9,2026-01-07")
    office.clock.advance(minutes=1)
    assert office.app.sync().exit_code == 1
    findings = office.close()["findings"]
    assert [one for one in findings if one.startswith("won_value: 2 of its values are withheld")]
    forced = office.close(force=True, reason="paid on Friday")
    assert forced["state"] == "closed"
    assert {one["status"] for one in office.app.kpi("won_value", period="2026-01").value} == {"withheld"}


def test_a_safety_stop_keeps_a_period_open_until_it_is_decided(office: Office) -> None:
    office.project.write("export/deals.csv", "id,stage,created_at,amount,currency,owner\n")
    office.clock.advance(minutes=1)
    assert office.app.sync().exit_code == 4
    (finding,) = office.close()["findings"]
    assert finding.startswith("crm deals: a safety stop waits for a decision; `connector stops list`")


def test_a_missing_exchange_rate_keeps_a_period_open(office: Office) -> None:
    office.project.replace("export/deals.csv", "1000.50,USD", "1000.50,EUR")
    office.sync()
    (finding,) = office.close()["findings"]
    assert finding.startswith("won_value: records without an exchange rate or probability are left out of 1 of")


def test_by_force_it_closes_and_the_seal_and_the_log_of_decisions_say_why(office: Office) -> None:
    office.change(delete(tables.cursor))
    with pytest.raises(ConfigError, match="needs --reason"):
        office.close(force=True)
    done = office.close(force=True, reason="the CRM is gone")
    assert (done["state"], len(done["findings"])) == ("closed", 2)
    header = json.loads(office.rows(tables.seal)[0].header)
    assert (header["reason"], header["forced"]) == ("the CRM is gone", done["findings"])
    (audit,) = [row for row in office.rows(tables.audit) if row.action == "period_close"]
    assert (audit.reason, json.loads(audit.subject)["forced"]) == ("the CRM is gone", done["findings"])


@pytest.mark.parametrize(
    ("name", "said"),
    [("2026-13", "not in the calendar"), ("soon", "is no period"), ("all", "never ends"), ("2026-04", "has not begun"),
     ("2026-W05", "is a week; the KPIs of the config have a value every: month")],
)
def test_what_cannot_be_closed_at_all_is_a_fault(office: Office, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        office.close(name, force=True, reason="r")


# --- as a whole ------------------------------------------------------------------------------------------------------


def test_closing_twice_is_refused(office: Office) -> None:
    office.close()
    again = office.close()
    assert "2026-01 is already closed (seal 1)" in again["findings"][0]
    assert len(office.rows(tables.seal)) == 1


def test_two_cannot_close_at_once(office: Office) -> None:
    lease = office.app.here.store.acquire(closing.LEASE)
    with pytest.raises(Busy):
        closing.close(office.app.here, "2026-01", actor="An", wait=0)
    office.app.here.store.release(lease)


def test_a_close_that_lost_its_lease_writes_nothing_at_all(office: Office) -> None:
    here = office.app.here
    stale = here.store.acquire(closing.LEASE)
    here.store.release(stale)
    here.store.acquire(closing.LEASE)
    config = here.config
    late = closing.Closing(
        Computation(config.store, config.kpis, here.calendar, config.currency, directory.table(here), stale),
        here.calendar.parse("2026-01"), {"crm": ["owners", "deals"]}, "An",
    )
    with pytest.raises(LeaseLost):
        late.run(here.store)
    tables_ = (tables.period, tables.seal, tables.frozen_value, tables.kpi_member)
    assert [len(office.rows(table)) for table in tables_] == [0, 0, 0, 0]


def test_what_comes_in_while_the_values_are_computed_does_not_make_them_complete(office: Office) -> None:
    """The snapshot came first, so the values lack it; the next close has it."""
    here = office.app.here
    table = tables.cursor
    read = {(row.source, row.stream): row.state for row in office.rows(table)}

    class Slow(Computation):
        """During which a sync ends."""

        @contextmanager
        def reading(self, store: Store) -> Iterator[Reading]:
            with super().reading(store) as reading:
                yield reading
            with store.writing() as writing:
                for (_, stream), state in read.items():
                    writing.execute(update(table).where(table.c.stream == stream).values(state=state))

    office.change(update(table).values(state="{}"))
    config, lease = here.config, here.store.acquire(closing.LEASE)
    slow = Slow(config.store, config.kpis, here.calendar, config.currency, directory.table(here), lease)
    streams = {"crm": ["owners", "deals"]}
    outcome = closing.Closing(slow, here.calendar.parse("2026-01"), streams, "An").run(here.store)
    assert outcome.seal is None
    assert ["was never read" in finding for finding in outcome.findings] == [True, True]
    here.store.release(lease)
    assert office.close()["findings"] == []


# --- reopening -------------------------------------------------------------------------------------------------------


def test_a_reopened_period_is_open_again_and_its_next_close_makes_the_next_seal(office: Office) -> None:
    office.close()
    office.reopen()
    office.late_win()
    assert office.won()["NV002"] == ("700.00", "open", None)
    done = office.close()
    assert done["seal"] == 2
    assert office.won()["NV002"] == ("700.00", "frozen", "700.00")
    first, second = office.rows(tables.seal)
    assert json.loads(second.header)["previous"] == first.hash
    assert office.app.verify_period().value == {
        "status": "ok", "seals": 2, "values": 12, "erased": 0, "faults": []
    }


def test_as_of_a_moment_a_period_is_as_closed_as_it_was_then(office: Office) -> None:
    def now() -> str:
        office.clock.advance(minutes=1)
        return office.clock.now().isoformat()

    before = now()
    office.close()
    sealed = now()
    office.reopen()
    reopened = now()
    office.late_win()
    office.close()
    views = [office.won(as_of=moment)["NV002"][:2] for moment in (before, sealed, reopened, now())]
    assert views == [("0.00", "open"), ("0.00", "frozen"), ("0.00", "open"), ("700.00", "frozen")]


def test_only_the_latest_closed_period_of_its_length_is_reopened(office: Office) -> None:
    office.close("2026-01")
    with pytest.raises(ConfigError, match="2026-02 is not closed"):
        office.reopen("2026-02")
    office.close("2026-02")
    with pytest.raises(ConfigError, match="latest closed month can be reopened, which is 2026-02"):
        office.reopen("2026-01")
    office.reopen("2026-02")
    office.reopen("2026-01")
    reasons = [row.reason for row in office.rows(tables.audit) if row.action == "period_reopen"]
    assert reasons == ["a deal was forgotten"] * 2


def test_seals_are_chained_across_periods(office: Office) -> None:
    hashes = [office.close(period)["hash"] for period in ("2026-02", "2026-01")]
    chain = sorted(office.rows(tables.seal), key=lambda row: row.seen_at)
    assert [(row.previous, row.hash) for row in chain] == [(None, hashes[0]), (hashes[0], hashes[1])]


# --- delivering ------------------------------------------------------------------------------------------------------


def test_destinations_get_the_frozen_value_of_a_closed_period_and_nothing_computed_later(office: Office) -> None:
    office.late_win()
    assert office.delivered() == {"NV001": ("1000.50", "open"), "NV002": ("700.00", "open")}
    office.close()
    office.sync()
    assert office.delivered() == {"NV001": ("1000.50", "frozen"), "NV002": ("700.00", "frozen")}
    office.project.replace("export/deals.csv", "700,USD", "900,USD")
    office.sync()
    assert office.won()["NV002"] == ("700.00", "frozen", "900.00")
    assert office.delivered()["NV002"] == ("700.00", "frozen")
    office.reopen()
    office.sync()
    assert office.delivered()["NV002"] == ("900.00", "open")


# --- verifying -------------------------------------------------------------------------------------------------------

VALUE = tables.frozen_value
ONE = and_(VALUE.c.subject_key == "NV001", VALUE.c.period == "2026-01")
TAMPERED = {
    "value": update(VALUE).where(ONE).values(object="{}"),
    "unreadable": update(VALUE).where(ONE).values(object="{"),
    "key": update(VALUE).where(ONE).values(subject_key="NV002"),
    "salt": update(VALUE).where(ONE).values(salt="00" * 16),
    "salt gone": update(VALUE).where(ONE).values(salt=None),
    "commitment": update(VALUE).where(ONE).values(commitment="x"),
    "value gone": delete(VALUE).where(ONE),
    "everything but the salt": update(VALUE).where(ONE).values(object=None),
    "member": update(tables.kpi_member).where(tables.kpi_member.c.amount.is_not(None)).values(amount=10_005_001),
    "instant": update(tables.kpi_member).values(occurred_at=2**62),
    "member gone": delete(tables.kpi_member),
    "header": update(tables.seal).values(header='{"number":1}'),
    "no header": update(tables.seal).values(header="?"),
    "hash": update(tables.seal).values(hash="00" * 32),
    "number": update(tables.seal).where(tables.seal.c.period == "2026-01").values(number=7),
    "stamp": update(tables.seal).where(tables.seal.c.period == "2026-01").values(seen_at=7),
    "previous": update(tables.seal).where(tables.seal.c.period == "2026-01").values(previous="00" * 32),
    "the last seal": delete(tables.seal).where(tables.seal.c.period == "2026-02"),
    "the first seal": delete(tables.seal).where(tables.seal.c.period == "2026-01"),
}


SEALED = (tables.seal, tables.frozen_value, tables.kpi_member)


def test_what_was_changed_in_the_store_is_found(office: Office) -> None:
    """Each change is made behind the program's back, looked for, and taken back."""
    office.close("2026-01")
    office.close("2026-02")
    assert office.app.verify_period().exit_code == 0
    sound = {table: [dict(row._mapping) for row in office.rows(table)] for table in SEALED}
    unfound = []
    for what, statement in TAMPERED.items():
        office.change(statement)
        answer = office.app.verify_period()
        if (answer.exit_code, answer.value["status"]) != (1, "broken") or not answer.value["faults"]:
            unfound.append(what)
        for table, rows in sound.items():
            office.change(delete(table))
            with office.app.here.store.writing() as writing:
                writing.execute(insert(table), rows)
    assert unfound == []
    assert office.app.verify_period().exit_code == 0


def test_the_chain_is_walked_also_where_one_period_is_verified(office: Office) -> None:
    office.close("2026-01")
    office.close("2026-02")
    office.change(update(tables.seal).where(tables.seal.c.period == "2026-01").values(hash="00" * 32))
    answer = office.app.verify_period("2026-02")
    assert "2026-01 seal 1: its hash does not follow" in answer.value["faults"][0]
    with pytest.raises(ConfigError, match="2025-12 was never closed"):
        office.app.verify_period("2025-12")


def test_an_erased_person_leaves_every_seal_and_the_chain_valid(office: Office) -> None:
    office.close("2026-01")
    office.close("2026-02")
    with office.app.here.store.writing() as writing:
        assert frozen.erase(writing, "person", "NV001") == 2
    assert office.app.verify_period().value == {"status": "ok", "seals": 2, "values": 12, "erased": 2, "faults": []}
    assert "NV001" not in office.won()
    stored = repr(office.rows(tables.frozen_value))
    assert "NV001" not in stored
    assert "NV002" in stored


def test_an_export_of_the_latest_or_an_earlier_seal_verifies(office: Office, tmp_path: Path) -> None:
    office.close()
    office.reopen()
    office.late_win()
    office.close()
    for number, won in ((None, "700.00"), (1, "0.00")):
        told = office.app.export_period("2026-01", str(tmp_path / "e.json"), number)
        whole = json.loads((tmp_path / "e.json").read_text("utf-8"))
        assert told.value["hash"] == whole["hash"]
        values = [one["value"] for one in whole["values"] if one["value"]["subject"]["key"] == "NV002"]
        assert [value["value"] for value in values if value["kpi"] == "won_value"] == [won]
    with pytest.raises(ConfigError, match="2026-01 has no seal 3"):
        office.app.export_period("2026-01", "e.json", 3)
    with pytest.raises(ConfigError, match="cannot be written"):
        office.app.export_period("2026-01", str(tmp_path / "none" / "e.json"))


# --- by itself -------------------------------------------------------------------------------------------------------

VIETNAM = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
NEW_YEAR = frozenset({date(2026, 1, 1), date(2026, 1, 2)})


@pytest.mark.parametrize(
    ("number", "period", "day"),
    [
        (1, "2026-02", date(2026, 3, 2)),  # 1 March is a Sunday
        (5, "2026-02", date(2026, 3, 6)),
        (6, "2026-02", date(2026, 3, 9)),
        (1, "2025-12", date(2026, 1, 5)),  # two holidays, then a weekend
        (8, "2025-Q4", date(2026, 1, 14)),
    ],
)
def test_a_working_day_is_no_saturday_sunday_or_holiday(number: int, period: str, day: date) -> None:
    off = workdays.DaysOff(NEW_YEAR)
    assert workdays.begins(number, VIETNAM.parse(period), VIETNAM, off) == VIETNAM.start_of(day)


def test_a_saturday_may_be_worked() -> None:
    """1 March 2026 is a Sunday: the fifth working day is Friday the 6th, the sixth the Saturday after it."""
    off = workdays.DaysOff(NEW_YEAR, (*workdays.WORKED, "saturday"))
    begins = [workdays.begins(number, VIETNAM.parse("2026-02"), VIETNAM, off) for number in (5, 6, 7)]
    assert begins == [VIETNAM.start_of(date(2026, 3, day)) for day in (6, 7, 9)]


def test_what_is_due_goes_on_after_the_last_close_or_begins_with_the_last_period() -> None:
    def due(moment: datetime, after: str | None) -> list[str]:
        ends = None if after is None else VIETNAM.parse(after).end
        return [one.name for one in workdays.due(5, "month", VIETNAM, workdays.DaysOff(), micros(moment), ends)]

    fifth = datetime(2026, 3, 5, 17, tzinfo=UTC)  # midnight of Friday 6 March in Vietnam
    assert due(fifth, None) == ["2026-02"]
    assert due(fifth, "2025-12") == ["2026-01", "2026-02"]
    assert due(fifth, "2026-02") == []
    assert due(fifth.replace(hour=16, minute=59), "2026-01") == []
    assert due(fifth.replace(hour=16, minute=59), None) == ["2026-01"]


@pytest.mark.parametrize("text_", ["workday 0", "workday 61", "5", "workday", "Monday", "workday five"])
def test_what_is_no_working_day_is_said(text_: str) -> None:
    with pytest.raises(ValueError, match="expected a working day"):
        workdays.parse(text_)


def test_every_fault_of_a_holidays_file_is_said_with_its_row() -> None:
    with pytest.raises(ConfigError) as raised:
        workdays.holidays(b"date,name\n2026-01-01,New Year\nsoon,Tet\n,None\n", "holidays.csv")
    assert [(fault.line, fault.key) for fault in raised.value.faults] == [(3, "date"), (4, "date")]
    with pytest.raises(ConfigError, match=r"holidays\.csv:1: date: no such column"):
        workdays.holidays(b"day\n2026-01-01\n", "holidays.csv")


@pytest.fixture
def closing_office(tmp_path: Path, store_url: str, clock: FakeClock) -> Iterator[Office]:
    project = make(tmp_path)
    project.write("holidays.csv", "date,name\n2026-03-03,a holiday\n")
    made = Office(project, store_url, clock, "close: {month: workday 2, week: workday 1}\nholidays: holidays.csv\n")
    made.sync()
    with ending(made.app):
        yield made


def test_a_complete_period_closes_by_itself_once_on_its_working_day(closing_office: Office) -> None:
    office, here = closing_office, closing_office.app.here
    office.clock.set(datetime(2026, 3, 3, 16, 59, tzinfo=UTC))  # a minute before Wednesday 4 March in Vietnam
    assert [one.name for one in closing.due(here)] == ["2026-01"]
    office.clock.set(datetime(2026, 3, 3, 17, tzinfo=UTC))
    assert [one.name for one in closing.due(here)] == ["2026-02"]
    (outcome,) = closing.close_due(here)
    assert (outcome.findings, outcome.seal.header["actor"]) == ((), "connector run")
    office.clock.advance(days=1)
    assert closing.close_due(here) == []
    office.reopen("2026-02")
    assert closing.close_due(here) == []  # a person opened it, and closes it
    kinds = {row.kind for row in office.rows(tables.file_version)}
    assert "holidays" in kinds


def test_an_incomplete_period_is_a_finding_each_day_until_it_closes(closing_office: Office) -> None:
    office, here = closing_office, closing_office.app.here
    office.clock.set(datetime(2026, 4, 3, tzinfo=UTC))
    for _ in range(2):
        (outcome,) = closing.close_due(here)
        assert (outcome.seal, len(outcome.findings)) == (None, 2)
        office.clock.advance(days=1)
    found = [json.loads(row.subject) for row in office.rows(tables.audit) if row.action == "period_incomplete"]
    assert [one["period"] for one in found] == ["2026-03", "2026-03"]
    assert "was read up to" in found[0]["findings"][0]
    office.sync()
    assert [one.seal.name for one in closing.close_due(here)] == ["2026-03 seal 1"]


def test_a_later_period_waits_for_an_earlier_one_that_is_not_complete(closing_office: Office) -> None:
    """Else the earlier one would be left behind for good."""
    office, here = closing_office, closing_office.app.here
    office.project.replace("export/deals.csv", "1000.50,USD", "1000.50,EUR")
    office.sync()
    office.close("2025-12")
    office.clock.set(datetime(2026, 3, 5, tzinfo=UTC))
    assert [one.name for one in closing.due(here)] == ["2026-01", "2026-02"]
    (outcome,) = closing.close_due(here)
    assert "exchange rate" in outcome.findings[0]
    office.project.replace("export/deals.csv", "1000.50,EUR", "1000.50,USD")
    office.sync()
    assert [one.seal.name for one in closing.close_due(here)] == ["2026-01 seal 1", "2026-02 seal 1"]


def test_the_list_has_what_was_closed_and_what_can_be_closed_next_and_when(closing_office: Office) -> None:
    office = closing_office
    assert [(one["period"], one["state"], one["closes_at"]) for one in office.app.periods().value] == [
        ("2026-02", "open", "2026-03-03T17:00:00Z"), ("2026-03", "open", "2026-04-01T17:00:00Z"),
    ]
    office.close("2026-02")
    closed, running = office.app.periods().value
    assert (closed["period"], closed["state"], closed["seal"], len(closed["seals"])) == ("2026-02", "closed", 1, 1)
    assert (closed["period_start"], closed["period_end"]) == ("2026-02-01", "2026-02-28")
    assert running["period"] == "2026-03"


# --- the tables ------------------------------------------------------------------------------------------------------


def test_a_store_of_the_first_version_gets_the_tables_and_keeps_its_rows(database_url: str, clock: FakeClock) -> None:
    from alembic import command

    engine = create_engine(database_url)
    with engine.begin() as connection:
        command.upgrade(schema.configuration(connection), "0001")
        connection.execute(insert(tables.clock), {"one": 1, "last": 5})
    engine.dispose()
    store = Store.open(database_url, clock)
    with store.writing() as writing:
        journal.decide(writing, "pause", "crm", actor="An")
    assert [len(store.rows(select(one))) for one in (tables.period, tables.seal, tables.kpi_member)] == [0, 0, 0]
    assert store.rows(select(tables.audit.c.seen_at))[0].seen_at > 5
    assert store.rows(text("SELECT * FROM current_frozen_value")) == []
    store.close()
