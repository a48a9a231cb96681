"""When a job is due: crontab(5) or `every 10m`, in the config's time zone. Pure; the present is an argument.

A crontab line is read as crontab(5) has it: 0 and 7 are Sunday, names (`mon`, `jan`), ranges, steps and lists; where
both day of month and weekday are restricted, either one suffices (a field that begins with `*` is not restricted).
`every 10m` runs in elapsed time, on a grid from a local midnight (`every 1h` on the hour, `every 1d` at midnight).

When clocks change, as cron(8) does: a schedule for certain hours runs once for each of its times: at the first valid
moment after the gap when its time is skipped, at the first of the two when its time exists twice. A schedule for every
hour (`*/15 * * * *`) goes on as the clock shows it, through both hours and without a make-up run.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from croniter import croniter

MOST_COUNTED = 10_000  # missed slots beyond these are not counted one by one
LEAP_YEAR = 2024  # whose months are as long as they ever are
LONGEST_SHIFT = timedelta(hours=3)  # clock changes beyond it (a zone that moves over the date line) repeat no slot

_GRID = datetime(2024, 1, 1)  # noqa: DTZ001  # a local midnight, and a Monday, so that `every 7d` is a Monday
_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed schedule. `text` is what the user wrote; `cron` five fields of plain numbers, or `every` is set.

    either_day: day of month or weekday suffices. every_hour: it is for all 24 hours, so clock changes repeat nothing.
    """

    text: str
    cron: str = ""
    either_day: bool = False
    every_hour: bool = False
    every: timedelta | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Due:
    """One slot to run now, and how many earlier ones it stands for (`missed`)."""

    name: str
    slot: datetime
    missed: int


def parse(text: str) -> Schedule:
    """The schedule a text says. Raises ValueError with what was found and what is expected."""
    words = text.lower().split()
    if words[:1] == ["every"]:
        every = parse_duration("".join(words[1:]))
        return Schedule(text, every=every)
    if words and words[0] in _SHORTHANDS and len(words) == 1:
        words = _SHORTHANDS[words[0]].split()
    if len(words) != len(_FIELDS):
        raise ValueError(
            f'{len(words)} fields, expected five (minute, hour, day of month, month, weekday), "every 10m", or one of '
            + ", ".join(_SHORTHANDS)
        )
    minutes, hours, days, months, weekdays = (
        _numbers(word, *field) for word, field in zip(words, _FIELDS, strict=True)
    )
    weekdays = {day % 7 for day in weekdays}
    either_day = not words[2].startswith("*") and not words[4].startswith("*")
    if either_day and (len(days) == 31 or len(weekdays) == 7):
        days, weekdays = set(range(1, 32)), set(range(7))  # either one suffices, and one of them always holds
    cron = " ".join(
        "*" if len(numbers) == count else ",".join(map(str, sorted(numbers)))
        for numbers, count in ((minutes, 60), (hours, 24), (days, 31), (months, 12), (weekdays, 7))
    )
    if not either_day and min(days) > max(monthrange(LEAP_YEAR, month)[1] for month in months):
        raise ValueError("no such day ever comes, expected a day the month has")
    return Schedule(text, cron, either_day, every_hour=len(hours) == 24)


def parse_duration(text: str) -> timedelta:
    """The length of time in `15m`, `1h30m`, `2d`, `45s`. Raises ValueError; zero is refused."""
    found = _DURATION.fullmatch(text.strip().lower())
    if not found or not any(found.groups()):
        raise ValueError("no length of time, expected a number with d, h, m or s, such as 15m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    try:
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        length = timedelta.max
    if not timedelta(0) < length <= timedelta(days=36_500):
        raise ValueError("expected more than zero and at most 36500d")
    return length


def next_due(schedule: Schedule, after: datetime, zone: tzinfo) -> datetime:
    """The first slot strictly after that moment, aware, UTC."""
    return next(slots(schedule, after, zone))


def slots(schedule: Schedule, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """All slots strictly after that moment, in order, each once, aware, UTC."""
    after = after.astimezone(UTC)
    if schedule.every:
        grid = _GRID.replace(tzinfo=zone).astimezone(UTC)
        slot = grid + ((after - grid) // schedule.every + 1) * schedule.every
        while True:
            yield slot
            slot += schedule.every
    local = after.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    shifts = zone.utcoffset(local - LONGEST_SHIFT) != zone.utcoffset(local + LONGEST_SHIFT)
    times = _cron(schedule, local - (LONGEST_SHIFT if shifts else timedelta(minutes=1)))
    second_pass: list[datetime] = []
    while True:
        moments = _moments(schedule, times.get_next(datetime), zone)
        ready = [moment for moment in second_pass if moments and moment < moments[0]]
        second_pass = second_pass[len(ready) :] + moments[1:]
        for moment in ready + moments[:1]:
            if moment > after:
                yield (after := moment)


def latest_due(schedule: Schedule, now: datetime, zone: tzinfo) -> datetime:
    """The last slot at or before that moment, aware, UTC."""
    back = timedelta(hours=1)
    while True:
        latest = None
        for slot in slots(schedule, now - back, zone):
            if slot > now:
                break
            latest = slot
        if latest:
            return latest
        back *= 6


def due(schedules: Mapping[str, Schedule], last: Mapping[str, datetime], now: datetime, zone: tzinfo) -> list[Due]:
    """The slots to run now, at most one a name, oldest first: the latest one since `last`, standing for all it missed.

    A name without a `last` has nothing to catch up with, so it is not due. `missed` counts to MOST_COUNTED.
    """
    found = []
    for name, schedule in schedules.items():
        since = last.get(name)
        if since is None or next_due(schedule, since, zone) > now:
            continue
        latest = latest_due(schedule, now, zone)
        missed = 0
        for slot in islice(slots(schedule, since, zone), MOST_COUNTED):
            if slot >= latest:
                break
            missed += 1
        found.append(Due(name, latest, missed))
    return sorted(found, key=lambda one: (one.slot, one.name))


def in_words(schedule: Schedule, now: datetime, zone: tzinfo, count: int = 3) -> str:
    """The next times as people say them: `today at 18:00, tomorrow at 06:00, Sat 28 Nov 2026 at 06:00`."""
    today = now.astimezone(zone).date()
    said = []
    for slot in islice(slots(schedule, now, zone), count):
        local = slot.astimezone(zone)
        days = (local.date() - today).days
        day = {0: "today", 1: "tomorrow"}.get(days) or f"{local:%a} {local.day} {local:%b %Y}"
        said.append(f"{day} at {local:%H:%M:%S}".removesuffix(":00"))
    return ", ".join(said)


def _cron(schedule: Schedule, start: datetime) -> croniter:
    """croniter over local clock times without a zone: what clock changes mean is decided here, not there."""
    from croniter import croniter

    return croniter(schedule.cron, start, day_or=schedule.either_day, max_years_between_matches=120)


def _moments(schedule: Schedule, local: datetime, zone: tzinfo) -> list[datetime]:
    """When that local time is: usually one instant, none or its make-up in a gap, one or two in a repeated hour."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return [first]
    if first < second:
        return [first, second] if schedule.every_hour else [first]
    return [] if schedule.every_hour else [_gap_end(second, first, zone)]


def _gap_end(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The instant between the two at which the zone's clock jumps, to the second."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _numbers(word: str, name: str, low: int, high: int) -> set[int]:
    """The numbers one crontab field means. Raises ValueError."""
    numbers: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        start, dash, end = span.partition("-")
        if part.endswith("/") or (step and not (step.isdecimal() and int(step))):
            raise ValueError(f"the step in {part} of the {name}, expected a whole number above 0")
        if span == "*":
            first, last = low, 6 if name == "weekday" else high
        else:
            first = last = _number(start, name, low, high)
            if dash:
                last = _number(end, name, low, high)
                last = 7 if name == "weekday" and last == 0 < first else last
            elif step:
                raise ValueError(f"the step in {part} of the {name}, expected a range before it, such as */{step}")
        if last < first:
            raise ValueError(f"the range {span} of the {name} runs backwards, expected the smaller number first")
        numbers.update(range(first, last + 1, int(step or 1)))
    return numbers


def _number(text: str, name: str, low: int, high: int) -> int:
    names = _NAMES.get(name, [])
    if text in names:
        return names.index(text) + low
    if text.isascii() and text.isdecimal() and low <= int(text) <= high:
        return int(text)
    expected = f"{low}-{high}" + (f" or {names[0]}-{names[-1]}" if names else "")
    raise ValueError(f"{text or 'nothing'} as {name}, expected {expected}, or *")
