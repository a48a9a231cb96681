"""`connector run`: every job at its slots, until asked to stop.

`Runner` decides, with the time as an argument: which slots are due, none twice, no job beside itself, what was missed
made up for by one run; and between the slots what is called for (`Watch`). `run` is the loop of real life around it.
When a slot's job has ended it is noted by `slot_done`, so a restart goes on where the last process was, and a slot
whose process died is run again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import structlog

from connector import schedule
from connector.errors import ConnectorError
from connector.ports import Clock
from connector.schedule import Due, Schedule

THREADS = 4  # jobs at work at one time; the others wait for a free place
PATIENCE_SECONDS = 10.0  # for jobs to end after a stop; what is not committed by then is read again next time
LONGEST_REST = timedelta(minutes=1)  # so that a `connector resume` is noticed, and a clock that was set
_LOOK_SECONDS = 0.2  # how often the loop looks whether it is asked to stop

_log = structlog.get_logger("connector.service")


@dataclass(frozen=True, slots=True)
class Job:
    """What is run at each slot. `run` gives False when it ended early, so that its slot is not done yet."""

    name: str
    schedule: Schedule
    run: Callable[[datetime], bool | None]


@dataclass(frozen=True, slots=True)
class Watch:
    """Work that is called for between the slots. `waits` looks for whom it waits, which must be cheap; `run` does that
    one's, beside no job of the same name, and gives False when it failed.

    `every`: how often is looked. `rest`: how long a name is left alone after its work, `pause` after a failure: what
    keeps coming is done in lots, and what keeps failing is not asked for all the time.
    """

    waits: Callable[[], Collection[str]]
    run: Callable[[str], bool | None]
    every: timedelta = timedelta(seconds=5)
    rest: timedelta = timedelta(minutes=1)
    pause: timedelta = timedelta(minutes=10)


def _in_thread(work: Callable[[], None], name: str) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


class Runner:
    """The jobs and how far each of them is.

    `last_slot` gives the last slot done (None: never, then the first slot from now on is the first), `slot_done` notes
    one; `paused` gives the names not to start. `start` runs work beside us; tests hand in one that runs it at once.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        *,
        clock: Clock,
        zone: tzinfo,
        last_slot: Callable[[str], datetime | None],
        slot_done: Callable[[str, datetime], None],
        paused: Callable[[], Container[str]] = tuple,
        watch: Watch | None = None,
        threads: int = THREADS,
        start: Callable[[Callable[[], None], str], None] = _in_thread,
    ) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.clock, self.zone = clock, zone
        self._slot_done, self._paused, self._threads, self._start = slot_done, paused, threads, start
        self._changed = threading.Condition()  # guards the two below; told when a job ends
        now = clock.now()
        self._last = {name: min(last_slot(name) or now, now) for name in self.jobs}
        self._running: set[str] = set()
        self._watch, self._look_at = watch, now
        self._rests: dict[str, datetime] = {}  # until when a watched name is left alone
        self.on_end: Callable[[], None] = lambda: None

    def tick(self, now: datetime) -> datetime:
        """Start what is due at that moment, and give the next moment at which something will be."""
        paused = self._paused()
        with self._changed:
            idle = {
                name: job.schedule
                for name, job in self.jobs.items()
                if name not in self._running and name not in paused
            }
            free = self._threads - len(self._running)
            ready = schedule.due(idle, self._last, now, self.zone)[:free]
            self._running |= {due.name for due in ready}
        for due in ready:
            self._begin(due)
        following = [schedule.next_due(job.schedule, now, self.zone) for job in self.jobs.values()]
        if self._watch is not None:
            following.append(self._look(self._watch, now, paused))
        return min(following, default=now + LONGEST_REST)

    def _look(self, watch: Watch, now: datetime, paused: Container[str]) -> datetime:
        """Start what is called for, where it is time to look; when to look again."""
        if now < self._look_at:
            return self._look_at
        self._look_at = now + watch.every
        called = [name for name in watch.waits() if name not in paused and self._rests.get(name, now) <= now]
        with self._changed:
            free = self._threads - len(self._running)
            ready = [name for name in called if name not in self._running][:free]
            self._running.update(ready)
        for name in ready:
            self._start(lambda name=name: self._serve(watch, name), f"called-{name}")  # type: ignore[misc]
        return self._look_at

    def _serve(self, watch: Watch, name: str) -> None:
        """Do what is called for of one name; the edge of a run, where every error ends."""
        well = False
        try:
            _log.info("called", job=name)
            well = watch.run(name) is not False
        except ConnectorError as error:
            _log.error("call failed", job=name, error=str(error), kind=type(error).__name__, remedy=error.remedy)
        except Exception:  # noqa: BLE001  # the service goes on, and the log says what it was
            _log.error("call failed by a fault of ours", job=name, exc_info=True)
        finally:
            with self._changed:
                self._rests[name] = self.clock.now() + (watch.rest if well else watch.pause)
                self._running.discard(name)
                self._changed.notify_all()
            self.on_end()

    def finish(self, seconds: float) -> list[str]:
        """Wait for the jobs at work, so long at most; give the names of those that are still at it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)
            return sorted(self._running)

    def _begin(self, due: Due) -> None:
        if due.missed:
            at_least = "at least " if due.missed >= schedule.MOST_COUNTED else ""
            _log.warning(
                "slots missed, this run stands for them too",
                job=due.name, slot=_text(due.slot), missed=f"{at_least}{due.missed}",
            )
        self._start(lambda: self._work(due), f"job-{due.name}")

    def _work(self, due: Due) -> None:
        """Run the job for its slot; the edge of a run, where every error ends."""
        ended = True
        try:
            _log.info("job begins", job=due.name, slot=_text(due.slot))
            ended = self.jobs[due.name].run(due.slot) is not False
            _log.info("job ended" if ended else "job ended early", job=due.name, slot=_text(due.slot))
        except ConnectorError as error:
            _log.error(
                "job failed", job=due.name, slot=_text(due.slot), error=str(error), kind=type(error).__name__,
                remedy=error.remedy,
            )
        except Exception:  # noqa: BLE001  # the service goes on, and the log says what it was
            _log.error("job failed by a fault of ours", job=due.name, slot=_text(due.slot), exc_info=True)
        finally:
            self._end(due, ended)

    def _end(self, due: Due, ended: bool) -> None:
        try:
            if ended:
                self._slot_done(due.name, due.slot)
        except ConnectorError as error:
            _log.error("the slot could not be noted; a restart will run it again", job=due.name, error=str(error))
        finally:
            with self._changed:
                if ended:
                    self._last[due.name] = due.slot
                self._running.discard(due.name)
                self._changed.notify_all()
            self.on_end()


def run(runner: Runner, stop: Callable[[], bool], *, patience: float = PATIENCE_SECONDS) -> bool:
    """Run the jobs at their slots until `stop` says so; then wait for those at work. Whether all of them ended.

    The jobs look at the same `stop` and end after their batch; one that does not within `patience` seconds is left: its
    thread ends with the process, and what it had not committed is undone.
    """
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.date import DateTrigger

    wake = threading.Event()
    runner.on_end = wake.set
    alarm = BackgroundScheduler(timezone=UTC)
    alarm.start()
    for job in runner.jobs.values():
        _log.info("scheduled", job=job.name, next=schedule.in_words(job.schedule, runner.clock.now(), runner.zone))
    try:
        wake.set()
        until = runner.clock.now()
        while not stop():
            if not wake.wait(_LOOK_SECONDS) and runner.clock.now() < until:
                continue
            wake.clear()
            until = min(_tick(runner), runner.clock.now() + LONGEST_REST)
            alarm.add_job(wake.set, DateTrigger(until), id="wake", replace_existing=True, misfire_grace_time=None)
    finally:
        alarm.shutdown(wait=False)
    _log.info("stopping after the batch at hand")
    left = runner.finish(patience)
    if left:
        _log.warning("left while still at work; the next run goes on where they were", jobs=", ".join(left))
    _log.info("stopped")
    return not left


def _tick(runner: Runner) -> datetime:
    """One tick; a store that does not answer is tried again."""
    try:
        return runner.tick(runner.clock.now())
    except ConnectorError as error:
        _log.error("cannot look what is due, trying again", error=str(error), remedy=error.remedy)
        return runner.clock.now() + LONGEST_REST


def _text(slot: datetime) -> str:
    return slot.isoformat().replace("+00:00", "Z")
