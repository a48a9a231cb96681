"""`python -m benchmarks [--only SCENARIO] [--rounds 2] [--deals N] [--quick] [--write]`: measure, and print the tables.

Ends with 1 when a case could not be measured, and 0 otherwise, whether the targets are met or not.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import ROOT, Case, expected
from benchmarks.report import report
from benchmarks.scenarios import SCENARIOS, Bench, Sizes

PAGE = ROOT / "docs" / "performance.md"


def main() -> int:
    """Run the scenarios asked for; the exit code."""
    given = _arguments()
    sizes = Sizes.quick() if given.quick else Sizes()
    if given.deals:
        sizes = replace(sizes, pull=given.deals)
    rounds = given.rounds or (1 if given.quick else 2)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the CRM and PostgreSQL are stopped as well
    with tempfile.TemporaryDirectory(prefix="bench", dir=given.folder) as folder:
        bench = Bench(Path(folder), rounds, sizes)
        try:
            for name in given.only or SCENARIOS:
                print(f"--- {name}", flush=True)
                with expected(bench.results, Case(name, "preparation", "-", 0)):
                    SCENARIOS[name](bench)
            text = report(bench, time.monotonic() - started)
        finally:
            bench.close()
    print(f"\n{text}", flush=True)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    return 1 if bench.results.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The connector beside its peers.")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="only this scenario; repeat for several")
    parser.add_argument("--rounds", type=int, help="how often each command runs (2; with --quick 1)")
    parser.add_argument("--deals", type=int, help="deals of the comparison with the peers (100000)")
    parser.add_argument("--quick", action="store_true", help="few deals, one round: to try the harness itself")
    parser.add_argument("--folder", help="where stores are put while measuring (the system's temporary folder)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.write and (given.only or given.quick or given.deals):
        parser.error("--write needs a whole run: without --only, --quick and --deals")
    return given


if __name__ == "__main__":
    sys.exit(main())
