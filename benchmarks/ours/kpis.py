"""The computation of `connector.computing.refresh`, for 18 months: `python -m benchmarks.ours.kpis --config FILE`.

With `--before-last` as of the moment before the last commit. Prints one JSON line: how many values, a hash of them all,
and the seconds (`cpu`: of CPU, of all threads) from opening the store to the last value.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time

from sqlalchemy import select

from connector import kpi
from connector.computation import gaps
from connector.model import canonical_json
from connector.store import tables
from connector.store.snapshot import open_snapshot
from connector.wiring import Installation

MONTHS = tuple(f"{2025 + number // 12}-{number % 12 + 1:02d}" for number in range(18))  # 2025-01 .. 2026-06


def main() -> None:
    """Compute, and say how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--before-last", action="store_true")
    given = parser.parse_args()
    here = Installation.load(given.config)
    started, worked = time.perf_counter(), time.process_time()
    as_of = here.store.rows(select(tables.clock.c.last))[0].last - 1 if given.before_last else None
    with open_snapshot(here.config.store, as_of) as snapshot:
        values = kpi.compute(
            here.config.kpis, snapshot, here.calendar, here.config.currency, periods=MONTHS,
            **gaps(here.store, snapshot.as_of),
        )
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    here.close()
    told = sorted(canonical_json({**value.as_json(), "as_of": None}) for value in values)
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    print(json.dumps({"values": len(values), "digest": digest, "seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
