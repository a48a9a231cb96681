"""The commands that write: sync, resync, push, and the retry of what was set aside; each is one `job.Job`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from connector import activation, computing, files, journal, runs
from connector import quarantine as quarantine_
from connector.errors import Busy, ConfigError, Fault, SafetyStop
from connector.job import Asked, Job, SourceResult
from connector.sync import Plan
from connector.wiring import Answer, Installation, Progress, Stop, closing, never, silent


def run_sync(
    here: Installation, names: Sequence[str] = (), *, streams: Sequence[str] | None = None, push: bool = True,
    dry_run: bool = False, wait: float = 0, progress: Progress = silent, stop: Stop = never,
) -> Answer:
    """Pull what changed, compute, deliver to the destinations without a schedule of their own."""
    chosen = here.chosen_sources(names)
    with started(here, "sync", progress, stop, dry_run, wait) as job:
        plans = {}
        for name in unpaused(job, chosen, named=bool(names)):
            own = streams_of(here, name, streams)
            if own != []:
                plans[name] = Plan(streams=own, dry_run=dry_run)
        if streams and not plans:
            raise unknown_stream(here, chosen, streams)
        job.pull(plans)
        job.compute()
        if push:
            _deliver(job)
        return job.finish()


def run_resync(
    here: Installation, source: str, plan: Plan, *, asked: Mapping[str, Any], reason: str | None = None,
    wait: float = 0, progress: Progress = silent, stop: Stop = never,
) -> Answer:
    """Read that of one source again, compute, deliver; the source's cursor is untouched.

    What was asked, by whom and why is kept in the audit. Raises Busy when others hold all there is to read.
    """
    with started(here, "resync", progress, stop, plan.dry_run, wait) as job:
        names = unpaused(job, [source], named=True)
        _note(job, asked, reason)
        job.pull(dict.fromkeys(names, plan))
        job.compute()
        _deliver(job)
        return job.finish()


def run_hooks(here: Installation, source: str, *, stop: Stop = never) -> Answer:
    """Read again by id what a source's vendor called about, compute, deliver as a sync does."""
    with started(here, "hooks", silent, stop, dry_run=False) as job:
        job.pull({source: Plan("hooks")})
        job.compute()
        _deliver(job)
        return job.finish()


def run_accepted(here: Installation, source: str, stream: str) -> Answer:
    """Apply what a person accepted of a stopped pass, compute, deliver.

    The source is only asked, by id, for what the pass did not show.
    """
    with started(here, "stops", silent, never, dry_run=False) as job:
        job.pull({source: Plan("accepted", [stream])})
        job.compute()
        _deliver(job)
        return job.finish()


def run_from_landing(
    here: Installation, source: str, streams: Sequence[str] | None = None, *,
    asked: Mapping[str, Any] | None = None, reason: str | None = None, progress: Progress = silent, stop: Stop = never,
) -> Answer:
    """Map what is landed again, compute, deliver; the source is not asked.

    What is landed was mapped by the mapping in force, so only two things can come of it: a mapping that changed comes
    into force over everything landed, and records set aside may be usable now. Both are entries of the journal.
    """
    with started(here, "resync", progress, stop, dry_run=False) as job:
        names = unpaused(job, [source], named=True)
        if asked is not None:
            _note(job, asked, reason)
        for name in names:
            job.sources = [job.from_landing(name, streams)]
        job.compute()
        _deliver(job)
        return job.finish()


def foresee_landing(
    here: Installation, source: str, streams: Sequence[str] | None = None, *, asked: Mapping[str, Any],
    progress: Progress = silent, stop: Stop = never,
) -> Answer:
    """What mapping what is landed again would change, or that it would stop for a person; nothing is written."""
    from connector import diffing

    with started(here, "resync", progress, stop, dry_run=True) as job:
        unpaused(job, [source], named=True)
        _note(job, asked, None)
        found = diffing.from_landing(here, source, streams)
        for stream in found:
            if stream.would_stop is not None:
                stream.status, stream.error, stream.exit_code = "stopped", stream.would_stop, SafetyStop.exit_code
            elif stream.quarantined:
                stream.status, stream.exit_code = "findings", 1
        job.sources = [SourceResult(source, found)]
        return job.finish()


def _deliver(job: Job) -> None:
    """Deliver to the destinations that have no schedule of their own."""
    unscheduled = [name for name, one in job.here.config.destinations.items() if one.schedule is None]
    job.deliver(unpaused(job, unscheduled, named=False))


def _note(job: Job, asked: Mapping[str, Any], reason: str | None) -> None:
    """Keep what was asked and why: with the run, and in the audit unless it is a dry run."""
    job.extra["asked"] = dict(asked)
    if reason:
        job.extra["reason"] = reason
    if not job.dry_run:
        with job.here.store.writing() as writing:
            journal.decide(writing, "resync", {**asked, "run": job.run}, actor=quarantine_.who(), reason=reason)


def run_push(
    here: Installation, names: Sequence[str] = (), *, dry_run: bool = False, progress: Progress = silent,
    stop: Stop = never, asked: Asked | None = None,
) -> Answer:
    """Compute, and deliver what is owed, also to destinations with a schedule; `asked`: by a person, who wants this."""
    chosen = here.chosen_destinations(names)
    with started(here, "push", progress, stop, dry_run) as job:
        job.compute()
        job.deliver(unpaused(job, chosen, named=bool(names)), asked)
        if job.busy and job.busy == {one.destination for one in job.destinations}:
            raise Busy(job.destinations[0].error or "another run is delivering")
        return job.finish()


@contextmanager
def started(
    here: Installation, command: str, progress: Progress, stop: Stop, dry_run: bool, wait: float = 0
) -> Iterator[Job]:
    """A job that is ended in the list of runs however it ends."""
    job = Job(here, command, progress, stop, dry_run, wait)
    try:
        yield job
    except BaseException as error:
        job.abandon(error)
        raise


def unpaused(job: Job, names: Sequence[str], *, named: bool) -> list[str]:
    """The names without the paused ones, each of which is noted. Raises ConfigError when a paused one was asked for."""
    paused = runs.paused(job.here.store, names)
    said = {
        name: f"{name} is paused since {found['since']}: {found['reason']}; `connector resume {name}` takes it in again"
        for name, found in paused.items()
    }
    if named and said:
        raise ConfigError(Fault("command line", 0, name, text) for name, text in said.items())
    if said:
        job.notes += said.values()
        job.codes.append(1)  # what is not read or delivered is a finding, also where a person wanted it so
    return [name for name in names if name not in paused]


def refuse_paused(here: Installation, source: str) -> None:
    """Raise ConfigError for a source that is paused."""
    if found := runs.paused(here.store, [source]):
        text = f"{source} is paused: {found[source]['reason']}; `connector resume {source}` takes it in again"
        raise ConfigError([Fault("command line", 0, source, text)])


def streams_of(here: Installation, name: str, wanted: Sequence[str] | None) -> list[str] | None:
    """Those of the wanted streams that the source's mapping reads; None for all."""
    return None if wanted is None else [stream for stream in wanted if stream in here.mapping(name).streams()]


def unknown_stream(here: Installation, names: Sequence[str], wanted: Sequence[str]) -> ConfigError:
    """The fault of streams that no mapping reads."""
    known = ", ".join(dict.fromkeys(stream for name in names for stream in here.mapping(name).streams()))
    return ConfigError(
        Fault("command line", 0, "--stream", f"no mapping reads {stream!r}, expected one of: {known}")
        for stream in wanted
    )


def retry_quarantined(here: Installation, items: Sequence[str]) -> Answer:
    """Map records set aside again with today's mapping, then compute; 1 while some cannot be mapped."""
    by_source: dict[str, list[str]] = {}
    for item in items:
        by_source.setdefault(here.chosen_sources([item.split("/", 1)[0]])[0], []).append(item)
    mappings = files.checked(here)
    total = {"tried": 0, "mended": 0}
    for name, own in by_source.items():
        source = here.source(name)
        with closing(source):
            activation.activate(here, source, mappings[name])
            done = quarantine_.retry(here.store, source, mappings[name], own)
        total = {key: total[key] + done[key] for key in total}
    files.register(here)
    computing.refresh(here)
    return Answer(total, 0 if total["tried"] == total["mended"] else 1)
