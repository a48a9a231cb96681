"""`connector run`: every source and destination with a schedule, and the close of periods, as jobs of the service;
between them what vendors call about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from connector import closing, files, hooks, jobs, runs, schedule, service
from connector.errors import Busy, ConfigError, Fault
from connector.schedule import Schedule
from connector.service import Job, Watch
from connector.wiring import Answer, Installation, Stop


def run(here: Installation, stop: Stop) -> Answer:
    """Sync and push on the config's schedules until asked to stop; 1 when work at hand had to be left.

    Raises ConfigError for faults and when nothing has a schedule, StoreError when the store does not answer at first.
    """
    files.checked(here)
    found = runner(here, stop)
    if not found.jobs:
        message = 'no source and no destination has one, so nothing would run; write one, such as "*/15 * * * *"'
        raise ConfigError([Fault(here.config.file, 0, "schedule", message)])
    all_ended = service.run(found, stop)
    return Answer({"state": "stopped", "all_ended": all_ended}, 0 if all_ended else 1)


def runner(here: Installation, stop: Stop) -> service.Runner:
    """The service's jobs, and where it was: a restart goes on with the first slot that is not done."""
    store = here.store
    made = [_job(name, one.schedule, _syncing(here, name, stop)) for name, one in here.config.sources.items()]
    if here.config.close:
        made.append(Job(closing.JOB, schedule.parse("@daily"), _closing(here, stop)))
    made += [_job(name, one.schedule, _pushing(here, name, stop)) for name, one in here.config.destinations.items()]
    return service.Runner(
        [job for job in made if job is not None],
        clock=here.clock,
        zone=here.zone,
        last_slot=lambda name: runs.last_slot(store, name),
        slot_done=lambda name, slot: runs.slot_done(store, name, slot),
        paused=lambda: runs.paused(store),
        watch=_called(here, stop),
    )


def _job(name: str, when: Schedule | None, work: Callable[[datetime], bool]) -> Job | None:
    return None if when is None else Job(name, when, work)


def _syncing(here: Installation, name: str, stop: Stop) -> Callable[[datetime], bool]:
    def work(_slot: datetime) -> bool:
        jobs.run_sync(here, [name], stop=stop)
        return not stop()

    return work


def _called(here: Installation, stop: Stop) -> Watch:
    """The records that vendors called about, of every source: read again soon, without waiting for its slot."""

    def waits() -> list[str]:
        return [name for name in hooks.counts(here.store) if name in here.config.sources]

    def run(name: str) -> bool:
        try:
            return jobs.run_hooks(here, name, stop=stop).exit_code in (0, 1)
        except Busy:  # somebody else is reading that source, and reads the inbox as well
            return True

    return Watch(waits, run)


def _pushing(here: Installation, name: str, stop: Stop) -> Callable[[datetime], bool]:
    def work(_slot: datetime) -> bool:
        jobs.run_push(here, [name], stop=stop)
        return not stop()

    return work


def _closing(here: Installation, stop: Stop) -> Callable[[datetime], bool]:
    """At each local midnight, since a close is set for 00:00 of a working day."""

    def work(_slot: datetime) -> bool:
        closing.close_due(here)
        return not stop()

    return work
