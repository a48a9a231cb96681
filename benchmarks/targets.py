"""The targets, each with the number that is held against it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.contenders import OURS, POSTGRES, SQLITE, STORES
from benchmarks.measure import Case, Results, Sample, cpu, fraction, peak, wall, worst
from benchmarks.scenarios import (
    AS_OF,
    CATALOGUE,
    CHANGED,
    EDITS,
    FULL,
    HELP,
    KPIS,
    LANDING,
    LATENCIES,
    LATENCY,
    NOW,
    SCALE,
    SHADOW,
    THEN,
    UNCHANGED,
    WINDOWS,
    Sizes,
)

STREAMS = 2  # deals and owners
PROBES = 1  # the one request of a run that asks for the vendor's clock
PAGE = 100  # deals


@dataclass(frozen=True)
class Target:
    """A promise: what, at most how much, and what was measured; None where it was not."""

    what: str
    limit: float
    measured: float | None
    unit: str = "×"
    digits: int = 2

    @property
    def is_met(self) -> bool | None:
        """None where nothing was measured."""
        return None if self.measured is None else self.measured <= self.limit


def targets(results: Results, sizes: Sizes) -> list[Target]:
    """Every target of the pull and of the KPIs, in the order of the tables."""
    return [
        *_full(results, sizes.pull), *_again(results, sizes.pull), *_memory(results, sizes), *_scale(results, sizes),
        *_latency(results, sizes.latency), *_kpis(results, sizes), *_as_of(results, sizes.as_of),
        *_catalogue(results, sizes.catalogue), *_shadow(results, sizes.shadow), *_rest(results, sizes),
    ]


def _ratio(results: Results, scenario: str, deals: int, peer: str, store: str,
           of: Callable[[Sample | None], float | None]) -> float | None:
    """Ours against a peer's, in the same scenario and store."""
    return fraction(of(results.median(scenario, OURS, store, deals)), of(results.median(scenario, peer, store, deals)))


def _full(results: Results, deals: int) -> Iterator[Target]:
    for store, against_dlt, against_floor in ((SQLITE, 1 / 10, 2), (POSTGRES, 1 / 7, 3.5)):
        yield Target(f"full sync into {store}: CPU of dlt's", against_dlt,
                     _ratio(results, FULL, deals, "dlt", store, cpu), digits=3)
        yield Target(f"full sync into {store}: CPU of the afternoon's script", 1 / 2,
                     _ratio(results, FULL, deals, "afternoon", store, cpu))
        yield Target(f"full sync into {store}: wall of the parse floor", against_floor,
                     _ratio(results, FULL, deals, "floor", store, wall))


def _again(results: Results, deals: int) -> Iterator[Target]:
    found = [results.median(UNCHANGED, OURS, store, deals) for store in STORES]
    asked = worst(None if one is None or one.requests is None else one.requests - PROBES for one in found)
    yield Target("nothing changed: requests per stream", 2, None if asked is None else asked / STREAMS, "", 1)
    for store in STORES:
        yield Target(f"nothing changed, {store}: CPU of dlt's", 0.35,
                     _ratio(results, UNCHANGED, deals, "dlt", store, cpu))
        yield Target(f"1 % changed, {store}: CPU of dlt's", 0.2, _ratio(results, CHANGED, deals, "dlt", store, cpu))


def _memory(results: Results, sizes: Sizes) -> Iterator[Target]:
    cases = [(FULL, sizes.pull), *((SCALE, deals) for deals in sizes.scale)]
    peaks = [results.median(scenario, OURS, store, deals) for scenario, deals in cases for store in STORES]
    yield Target("peak memory of a full sync", 120, worst(map(peak, peaks)), "MB", 0)


def _scale(results: Results, sizes: Sizes) -> Iterator[Target]:
    few, many = sizes.scale
    for store in STORES:
        none, small, large = (results.median(SCALE, OURS, store, deals) for deals in (0, few, many))
        yield Target(f"{store}: peak memory at {many:,} of that at {few:,} deals", 1.1,
                     fraction(peak(large), peak(small)))
        each = [_each(one, none, deals) for one, deals in ((small, few), (large, many))]
        yield Target(f"{store}: CPU per deal (start apart) at {many:,} of that at {few:,}", 1.1,
                     fraction(each[1], each[0]))


def _each(sample: Sample | None, start: Sample | None, deals: int) -> float | None:
    """CPU per deal, without what starting and ending costs."""
    return (sample.cpu - start.cpu) / deals if sample and start else None


def _latency(results: Results, deals: int) -> Iterator[Target]:
    milliseconds = LATENCIES[-1]
    least = deals / PAGE * milliseconds / 1000
    for windows, limit in ((1, 1.1), (WINDOWS, 0.3)):
        who = f"{milliseconds} ms, {windows} window{'s' if windows > 1 else ''}"
        yield Target(f"{who}: wall of pages x latency", limit,
                     fraction(wall(results.median(LATENCY, who, SQLITE, deals)), least))


def _kpis(results: Results, sizes: Sizes) -> Iterator[Target]:
    few, some, many = sizes.kpis
    for deals, seconds, megabytes in ((few, 2.0, None), (some, None, 400.0), (many, 15.0, 1536.0)):
        found = [results.median(KPIS, OURS, store, deals) for store in STORES]
        if seconds is not None:
            yield Target(f"14 KPIs of {deals:,} deals, the slower store", seconds,
                         worst(computing(results, store, deals) for store in STORES), "s")
        if megabytes is not None:
            yield Target(f"14 KPIs of {deals:,} deals: peak memory", megabytes,
                         worst(map(peak, found)), "MB", 0)


def _catalogue(results: Results, deals: int) -> Iterator[Target]:
    yield Target(f"all metrics of {deals:,} deals, the slower store", 40.0,
                 worst(computing(results, store, deals, CATALOGUE) for store in STORES), "s", 1)
    yield Target(f"all metrics of {deals:,} deals: peak memory", 3072.0,
                 worst(peak(results.median(CATALOGUE, OURS, store, deals)) for store in STORES), "MB", 0)


def _shadow(results: Results, deals: int) -> Iterator[Target]:
    found = [results.median(SHADOW, who, store, deals) for who in EDITS for store in STORES]
    yield Target(f"shadow run over {deals:,} landed deals, the slower store and change", 60.0,
                 worst(map(wall, found)), "s", 1)
    yield Target(f"shadow run over {deals:,} landed deals: peak memory", 500.0, worst(map(peak, found)), "MB", 0)


def computing(results: Results, store: str, deals: int, scenario: str = KPIS) -> float | None:
    """Seconds from opening the store to the last value, the median; starting Python is apart."""
    samples = results.samples.get(Case(scenario, OURS, store, deals), ())
    return statistics.median(json.loads(one.output)["seconds"] for one in samples) if samples else None


class Asking(NamedTuple):
    """What one question costs from opening the store to the last value: seconds, and seconds of CPU with the server's.

    Medians, each on its own; None where it was not measured.
    """

    wall: float | None
    cpu: float | None


def asking(results: Results, who: str, store: str, deals: int) -> Asking:
    """What the 14 KPIs cost as known now or as known then; starting Python is apart."""
    samples = results.samples.get(Case(AS_OF, who, store, deals), ())
    if not samples:
        return Asking(None, None)
    told = [(json.loads(one.output), one.server_cpu or 0.0) for one in samples]
    return Asking(
        statistics.median(own["seconds"] for own, _ in told),
        statistics.median(own["cpu"] + servers for own, servers in told),
    )


def _as_of(results: Results, deals: int) -> Iterator[Target]:
    for store in STORES:
        then, now = (asking(results, who, store, deals) for who in (THEN, NOW))
        for what, measured in (("wall", fraction(then.wall, now.wall)), ("CPU", fraction(then.cpu, now.cpu))):
            yield Target(f"{store}: 14 KPIs as known then, {what} of as known now", 1.5, measured)


def _rest(results: Results, sizes: Sizes) -> Iterator[Target]:
    first, again = (
        results.median(LANDING, who, SQLITE, sizes.landing) for who in ("first scan", "unchanged scan")
    )
    share = fraction(again.bytes if again else None, first.bytes if first else None)
    yield Target("landing of an unchanged full scan, of the first one's bytes", 1.0,
                 None if share is None else 100 * share, "%")
    yield Target("connector --help", 0.4, wall(results.median(HELP, "connector --help", "-", 0)), "s")
