"""`connector run`: each slot once, no overlap, missed slots made up for by one run, and a clean end."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import structlog

from connector import schedule, service
from connector.errors import StoreError, Transient
from connector.testing import FakeClock

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


class World:
    """A simulated clock, what was run at which slot, and the notes that outlive a process."""

    def __init__(self, now: datetime, zone: ZoneInfo | None = None) -> None:
        self.clock, self.zone = FakeClock(now), zone or ZoneInfo("UTC")
        self.made: list[tuple[str, datetime]] = []
        self.notes: dict[str, datetime] = {}
        self.paused: set[str] = set()

    def job(self, name: str, text: str, minutes: float = 0, error: Exception | None = None) -> service.Job:
        def work(slot: datetime) -> None:
            self.made.append((name, slot))
            self.clock.advance(minutes=minutes)
            if error:
                raise error

        return service.Job(name, schedule.parse(text), work)

    def runner(self, *jobs: service.Job, **more) -> service.Runner:
        more = {"start": lambda work, _name: work()} | more
        return service.Runner(
            jobs, clock=self.clock, zone=self.zone, last_slot=self.notes.get, slot_done=self.notes.__setitem__,
            paused=lambda: self.paused, **more,
        )

    def live(self, runner: service.Runner, **span: float) -> None:
        """Let so much time pass, its last moment included, with a tick whenever something is due."""
        end = self.clock.now() + timedelta(**span)
        while (following := runner.tick(self.clock.now())) <= end:
            self.clock.set(max(following, self.clock.now()))
        self.clock.set(max(end, self.clock.now()))

    def slots(self, name: str) -> list[datetime]:
        return [slot for made, slot in self.made if made == name]


JOBS = {"crm": "*/15 * * * *", "erp": "every 7m", "hr": "0 6 * * *", "night": "30 2 * * *", "weekly": "0 0 * * 1"}


@pytest.mark.parametrize("start", [datetime(2026, 3, 24, 11, 3, tzinfo=UTC), datetime(2026, 10, 20, 11, 3, tzinfo=UTC)])
def test_ten_simulated_days_make_each_slot_exactly_once(start):
    """Clocks change in the night of the fifth day, once forwards and once back; the process restarts every day."""
    world = World(start, BERLIN)
    for _ in range(10):
        world.live(world.runner(*(world.job(name, text) for name, text in JOBS.items())), days=1)
    for name, text in JOBS.items():
        expected = []
        for slot in schedule.slots(schedule.parse(text), start, BERLIN):
            if slot > world.notes[name]:
                break
            expected.append(slot)
        assert world.slots(name) == expected
        assert world.notes[name] + timedelta(days=7) > start + timedelta(days=10)
    assert len(world.slots("night")) == len(world.slots("hr")) == 10
    assert {slot.astimezone(BERLIN).strftime("%a") for slot in world.slots("weekly")} == {"Mon"}


def test_a_job_that_takes_long_is_not_started_beside_itself_and_makes_up_once():
    world = World(START)
    with structlog.testing.capture_logs() as logs:
        world.live(world.runner(world.job("crm", "*/10 * * * *", minutes=35)), hours=2)
    assert [f"{slot:%H:%M}" for slot in world.slots("crm")] == ["08:10", "08:40", "09:20", "09:50", "10:30"]
    missed = [(entry["slot"][11:16], entry["missed"]) for entry in logs if "missed" in entry["event"]]
    assert missed == [("08:40", "2"), ("09:20", "3"), ("09:50", "2"), ("10:30", "3")]


def test_slots_missed_while_nothing_ran_become_one():
    world = World(START)
    world.notes["crm"] = START - timedelta(days=2)
    with structlog.testing.capture_logs() as logs:
        world.runner(world.job("crm", "0 * * * *")).tick(START)
    assert world.made == [("crm", START)]
    assert [entry["missed"] for entry in logs if "missed" in entry["event"]] == ["47"]


def test_a_job_never_run_waits_for_its_first_slot():
    world = World(START)
    assert world.runner(world.job("hr", "0 6 * * *")).tick(START) == START + timedelta(hours=22)
    assert world.made == []


def test_a_failing_job_is_logged_and_the_service_goes_on():
    world = World(START)
    jobs = [world.job("crm", "every 10m", error=Transient("503")), world.job("erp", "every 10m", error=ValueError("x"))]
    with structlog.testing.capture_logs() as logs:
        world.live(world.runner(*jobs), minutes=25)
    assert len(world.slots("crm")) == len(world.slots("erp")) == 2
    failed = [entry for entry in logs if entry["log_level"] == "error"]
    assert {(entry["job"], entry.get("kind")) for entry in failed} == {("crm", "Transient"), ("erp", None)}


def test_a_paused_name_is_skipped_and_makes_up_once_when_it_is_resumed():
    world = World(START)
    world.paused.add("crm")
    runner = world.runner(world.job("crm", "every 10m"), world.job("erp", "every 10m"))
    world.live(runner, minutes=35)
    assert (len(world.slots("crm")), len(world.slots("erp"))) == (0, 3)
    world.paused.clear()
    runner.tick(world.clock.now())
    assert world.slots("crm") == [START + timedelta(minutes=30)]


def test_a_slot_whose_job_ended_early_is_run_again():
    world = World(START)
    job = service.Job("crm", schedule.parse("every 10m"), lambda slot: world.made.append(("crm", slot)) or False)
    runner = world.runner(job)
    world.clock.advance(minutes=10)
    runner.tick(world.clock.now())
    assert world.notes == {}
    runner.tick(world.clock.now())
    assert world.slots("crm") == [START + timedelta(minutes=10)] * 2


def test_a_slot_that_cannot_be_noted_is_not_run_twice_by_this_process():
    def fail(_name, _slot):
        raise StoreError("disk full")

    world = World(START)
    runner = service.Runner(
        [world.job("crm", "every 10m")], clock=world.clock, zone=UTC, last_slot=lambda _: None, slot_done=fail,
        start=lambda work, _name: work(),
    )
    world.live(runner, minutes=25)
    assert len(set(world.made)) == len(world.made) == 2


def test_jobs_of_different_names_run_beside_each_other_and_only_so_many():
    world, gate, both = World(START), threading.Event(), threading.Barrier(3)

    def work(slot: datetime) -> None:
        both.wait(10)
        gate.wait(10)
        world.made.append((threading.current_thread().name, slot))

    jobs = [service.Job(name, schedule.parse("every 10m"), work) for name in "abc"]
    runner = world.runner(*jobs, threads=2, start=service._in_thread)
    world.clock.advance(minutes=10)
    runner.tick(world.clock.now())
    both.wait(10)  # two are at work at the same time
    assert runner.finish(0) == ["a", "b"]
    runner.tick(world.clock.now())
    assert runner.finish(0) == ["a", "b"]
    gate.set()
    assert runner.finish(10) == []
    both = threading.Barrier(1)
    runner.tick(world.clock.now())
    assert runner.finish(10) == []
    assert sorted(name for name, _ in world.made) == ["job-a", "job-b", "job-c"]


def test_a_job_that_does_not_end_is_left_after_the_patience():
    world, gate, begun = World(START), threading.Event(), threading.Event()
    world.notes["crm"] = START - timedelta(hours=1)
    job = service.Job("crm", schedule.parse("every 10m"), lambda _slot: begun.set() or (gate.wait(10) and None))
    assert service.run(world.runner(job, start=service._in_thread), begun.is_set, patience=0.05) is False
    gate.set()


SCRIPT = """
import sys, time
from datetime import UTC
from connector import schedule, service
from connector.cli.session import Session
from connector.ports import SystemClock

with Session().stopping() as stop:
    def work(slot):
        print("batch begins", flush=True)
        while not stop():
            time.sleep(0.05)
        time.sleep(0.5)  # the batch at hand
        print("batch ends", flush=True)

    def done(name, slot):
        print("slot noted", flush=True)

    runner = service.Runner(
        [service.Job("crm", schedule.parse("every 1s"), work)], clock=SystemClock(), zone=UTC,
        last_slot=lambda name: None, slot_done=done,
    )
    print("all ended", service.run(runner, stop), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_real_process_after_the_batch_at_hand(number):
    """Within 10 seconds, with exit code 0."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    lines = iter(process.stdout.readline, "")
    assert "batch begins\n" in lines  # APScheduler woke us at the slot; log lines may come before
    process.send_signal(number)
    sent = time.monotonic()
    rest = process.communicate(timeout=20)[0]
    assert time.monotonic() - sent < 10
    assert process.returncode == 0
    assert [line for line in rest.splitlines() if "[" not in line] == ["batch ends", "slot noted", "all ended True"]
