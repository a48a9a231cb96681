"""Whether what a question names is known: else the answer would be empty, and a slip would look like "no value"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from connector.errors import ConfigError, Fault
from connector.exact import NO_CURRENCY
from connector.metrics.engine import Engine
from connector.metrics.question import NOBODY
from connector.model import KpiValue
from connector.people import People
from connector.period import Calendar
from connector.store.snapshot import Snapshot

SHOWN = 8  # names in a message; who has more finds them with `connector kpi`


def check(
    snapshot: Snapshot, calendar: Calendar, staff: People, kinds: Iterable[str], subject: str | None,
    by: Mapping[str, str], every: Callable[[], Sequence[KpiValue]],
) -> None:
    """Raise ConfigError for a subject nobody knows, and for parts that no value has in any period.

    Where nothing is known yet, as before the first sync, nothing is a slip.
    `staff` is the people file as it stands; `kinds` are those of the KPIs asked for;
    `every` computes their values for all periods.
    """
    with Engine(snapshot, calendar, NO_CURRENCY, staff, ()) as engine:  # only names are asked
        faults = [*_of_subject(engine, set(kinds), subject), *_of_parts(engine, by, every)]
    if faults:
        raise ConfigError(faults)


def _of_subject(engine: Engine, kinds: set[str], subject: str | None) -> Iterator[Fault]:
    if subject is None:
        return
    known = _subjects(engine)
    mail = subject.strip().casefold()
    owners = (owner for owner in engine.owners if owner.email.casefold() == mail or owner.name == subject)
    if any(subject in names for names in known.values()) or engine.people.find(subject) or next(owners, None):
        return
    asked = [name for kind, names in known.items() if kind in kinds for name in names if name != NOBODY]
    if asked:
        yield Fault("command line", 0, "--subject", f"nobody is known as {subject!r}; known: {listed(asked)}")


def _subjects(engine: Engine) -> dict[str, list[str]]:
    """The keys a subject may have, by kind."""
    stays = (*engine.stays.values(), *(person.stays for person in engine.people.persons))
    return {
        "person": [person.code for person in engine.people.persons if person.code],
        "team": sorted({stay.team for group in stays for stay in group if stay.team} | {NOBODY}),
        "owner": [*(owner.key for owner in engine.owners), NOBODY],
        "pipeline": [*dict.fromkeys(stage.pipeline for stage in engine.stages), NOBODY],
        "company": ["company"],
    }


def _of_parts(engine: Engine, by: Mapping[str, str], every: Callable[[], Sequence[KpiValue]]) -> Iterator[Fault]:
    """Stages and pipelines are known by the mappings, other words by the values there are."""
    told = {"pipeline", "stage", "canonical_stage"}
    values = every() if by else ()
    for name, word in by.items():
        known = [str(getattr(stage, name)) for stage in engine.stages] if name in told else []
        known += [value.dimensions[name] for value in values if name in value.dimensions]
        if known and word not in known:
            yield Fault("command line", 0, "--by", f"no {name} is {word!r}; known: {listed(known)}")


def listed(names: Iterable[str]) -> str:
    """A few of the names, and how many more there are."""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - SHOWN} more" if len(unique) > SHOWN else ""
    return ", ".join(unique[:SHOWN]) + more
