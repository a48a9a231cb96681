"""The computation of `connector.computing.refresh`, for 18 months: `python -m benchmarks.ours.kpis --config FILE`.

With `--before-last` as of the moment before the last commit. Prints one JSON line: how many values, a hash of them all,
and the seconds (`cpu`: of CPU, of all threads) from opening the store to the last value.

With `--by-metric` there is a line for each metric before it, the costliest first: seconds of CPU, how many values, and
their hash. What several metrics share is counted with the one that asked for it first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Sequence

from sqlalchemy import select

from benchmarks.ours.setup import MONTHS
from connector import kpi
from connector.computation import gaps
from connector.model import KpiValue, canonical_json
from connector.store import tables
from connector.store.snapshot import open_snapshot
from connector.wiring import Installation


def main() -> None:
    """Compute, and say how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--before-last", action="store_true")
    parser.add_argument("--by-metric", action="store_true")
    given = parser.parse_args()
    here = Installation.load(given.config)
    started, worked = time.perf_counter(), time.process_time()
    as_of = here.store.rows(select(tables.clock.c.last))[0].last - 1 if given.before_last else None
    with (
        open_snapshot(here.config.store, as_of) as snapshot,
        kpi.Reading(
            snapshot, here.calendar, here.config.currency, **gaps(here.store, snapshot.as_of)
        ) as reading,
    ):
        costs = [(time.process_time() - worked, "loading", list[KpiValue]())]
        if given.by_metric:
            costs += _each(here.config.kpis, reading)
            values = [value for _, _, found in costs for value in found]
        else:
            values = reading.values(here.config.kpis, periods=MONTHS)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    here.close()
    if given.by_metric:
        for spent, name, found in sorted(costs, key=lambda one: -one[0]):
            print(f"{spent:8.3f} {len(found):8} {_digest(found)} {name}")
    print(json.dumps({"values": len(values), "digest": _digest(values), "seconds": seconds, "cpu": cpu}))


def _each(
    definitions: Sequence[kpi.KpiDefinition], reading: kpi.Reading
) -> Iterator[tuple[float, str, list[KpiValue]]]:
    """Seconds of CPU, name and values of one KPI after the other."""
    for definition in definitions:
        worked = time.process_time()
        found = reading.values([definition], periods=MONTHS)
        yield time.process_time() - worked, definition.id, found


def _digest(values: Sequence[KpiValue]) -> str:
    """A hash of the values, whatever their order and whenever they were asked."""
    told = sorted(
        hashlib.sha256(canonical_json({**value.as_json(), "as_of": None}).encode()).digest() for value in values
    )
    return hashlib.sha256(b"".join(told)).hexdigest()[:16]


if __name__ == "__main__":
    main()
