"""The computation of `connector.computing.refresh`, for 18 months: `python -m benchmarks.ours.kpis --config FILE`.

Prints one JSON line: how many values, a hash of them all, and the seconds from opening the store to the last value.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time

from connector import kpi
from connector.computation import gaps
from connector.model import canonical_json
from connector.store.snapshot import open_snapshot
from connector.wiring import Installation

MONTHS = tuple(f"{2025 + number // 12}-{number % 12 + 1:02d}" for number in range(18))  # 2025-01 .. 2026-06


def main() -> None:
    """Compute, and say how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    here = Installation.load(parser.parse_args().config)
    started = time.perf_counter()
    with open_snapshot(here.config.store) as snapshot:
        values = kpi.compute(
            here.config.kpis, snapshot, here.calendar, here.config.currency, periods=MONTHS,
            **gaps(here.store, snapshot.as_of),
        )
    seconds = time.perf_counter() - started
    here.close()
    told = sorted(canonical_json({**value.as_json(), "as_of": None}) for value in values)
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    print(json.dumps({"values": len(values), "digest": digest, "seconds": seconds}))


if __name__ == "__main__":
    main()
