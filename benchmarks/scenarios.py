"""What is measured, scenario by scenario; commands take turns (A B A B), so that a busy minute hits them alike."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from benchmarks.contenders import HERE, OURS, PEERS, POSTGRES, SQLITE, STORES, Place, connector, prepare
from benchmarks.crm import OWNERS
from benchmarks.hashes import hashes
from benchmarks.measure import Case, Crm, Failed, Results, Server, expected, run
from benchmarks.ours.setup import METRICS as KPI_METRICS
from benchmarks.ours.setup import write_config
from connector.metrics.catalogue import CATALOGUE as METRICS

FULL, UNCHANGED, CHANGED = "full sync", "nothing changed", "1 % changed"
SCALE, LATENCY, LANDING, HELP, KPIS, AS_OF = "scale", "latency", "landing", "help", "kpis", "as of"
CATALOGUE, SHADOW = "catalogue", "shadow"
NOW, THEN = "now", "then"
SHARE = 0.01  # of the deals, in "1 % changed"
WINDOWS = 4
LATENCIES = (50, 200)  # milliseconds
HELPS = 5
QUESTIONS = 5  # how often each of "now" and "then" is asked
MAPPING = HERE / "ours" / "mapping.yaml"
EDITS = {  # of the mapping, what a shadow run is made of: a row of the stages, and a new version of every deal
    "a stage counts as won": ("{to: negotiation, name: Contract sent, probability: 0.8}", "{to: closed_won}"),
    "a field of every deal": ("      extra.external_id: properties.external_id\n", ""),
}


@dataclass(frozen=True)
class Sizes:
    """How many deals each scenario has."""

    pull: int = 100_000
    scale: tuple[int, int] = (10_000, 300_000)
    latency: int = 100_000
    landing: int = 10_000
    kpis: tuple[int, int, int] = (100_000, 300_000, 1_000_000)
    as_of: int = 100_000
    catalogue: int = 1_000_000
    shadow: int = 100_000

    @classmethod
    def quick(cls) -> Sizes:
        """So few that the harness itself is tried in minutes; no target can be judged by it."""
        return cls(
            pull=10_000, scale=(1_000, 5_000), latency=1_000, landing=1_000, kpis=(1_000, 3_000, 10_000), as_of=1_000,
            catalogue=10_000, shadow=1_000,
        )


@dataclass
class Bench:
    """One run of the benchmarks."""

    folder: Path
    rounds: int = 2
    sizes: Sizes = field(default_factory=Sizes)
    results: Results = field(default_factory=Results)

    @cached_property
    def server(self) -> Server:
        """The PostgreSQL, started when first needed."""
        return Server()

    def close(self) -> None:
        """Stop what was started."""
        if "server" in self.__dict__:
            self.server.close()

    def place(self, who: str, store: str, name: str) -> Place:
        """An empty store."""
        return Place.new(who, store, self.folder / name / who, self.server if store == POSTGRES else None)

    @contextmanager
    def placed(self, store: str, name: str) -> Iterator[Place]:
        """An empty store of ours, for as long as it is needed."""
        place = self.place(OURS, store, name)
        try:
            yield place
        finally:
            place.drop()


# --- pulling ---------------------------------------------------------------------------------------------------------


def pull(bench: Bench) -> None:
    """Everything, then nothing changed, then 1 % changed: everyone, on both stores."""
    prepare(list(PEERS))
    for store in STORES:
        with Crm(bench.sizes.pull) as crm:
            places = _full(bench, crm, store)
            for _ in range(bench.rounds):
                _turn(bench, crm, UNCHANGED, places)
            for _ in range(bench.rounds):
                crm.control(touch=SHARE)
                _turn(bench, crm, CHANGED, places)
            for place in places:
                place.drop()


def _full(bench: Bench, crm: Crm, store: str) -> list[Place]:
    """A full sync by everyone into fresh stores, round by round; the stores of the last round, the floor's apart."""
    kept: dict[str, Place] = {}
    for _ in range(bench.rounds):
        for who in (OURS, *(peer for peer, stores in PEERS.items() if store in stores)):
            if who in kept:
                kept.pop(who).drop()
            place = bench.place(who, store, f"pull-{store}")
            case = Case(FULL, who, store, crm.deals)
            with expected(bench.results, case):
                sample = run(place.sync(crm.url), place.folder, server=place.server, crm=crm)
                if place.deals() not in (None, crm.deals):
                    raise Failed(f"its store holds {place.deals()} deals")
                bench.results.add(case, sample)
                kept[who] = place
    floor = kept.pop("floor", None)
    if floor:
        floor.drop()
    return list(kept.values())


def _turn(bench: Bench, crm: Crm, scenario: str, places: list[Place]) -> None:
    for place in places:
        case = Case(scenario, place.who, place.store, crm.deals)
        with expected(bench.results, case):
            bench.results.add(case, run(place.sync(crm.url), place.folder, server=place.server, crm=crm))


def scale(bench: Bench) -> None:
    """Ours alone, small and large; and with no deal at all, which is what starting and ending costs."""
    for deals in (0, *bench.sizes.scale):
        with Crm(deals) as crm:
            for _ in range(bench.rounds):
                for store in STORES:
                    case = Case(SCALE, OURS, store, deals)
                    with bench.placed(store, "scale") as place, expected(bench.results, case):
                        bench.results.add(case, run(place.sync(crm.url), place.folder, server=place.server, crm=crm))


def latency(bench: Bench) -> None:
    """A CRM that takes its time over each answer: page after page, and four windows at once."""
    with Crm(bench.sizes.latency) as crm:
        for milliseconds in LATENCIES:  # once: what is waited for is the same each time
            for windows in (None, WINDOWS):
                who = f"{milliseconds} ms, {windows or 1} window{'s' if windows else ''}"
                case = Case(LATENCY, who, SQLITE, crm.deals)
                with bench.placed(SQLITE, "latency") as place, expected(bench.results, case):
                    crm.control(latency_ms=0)
                    command = place.sync(crm.url, windows=windows)
                    crm.control(latency_ms=milliseconds)
                    sample = run(command, place.folder, crm=crm)
                    if place.deals() != crm.deals:
                        raise Failed(f"its store holds {place.deals()} deals")
                    bench.results.add(case, sample)


# --- what is kept ----------------------------------------------------------------------------------------------------


def landing(bench: Bench) -> None:
    """How much a second full scan adds to the landing when nothing has changed."""
    with Crm(bench.sizes.landing) as crm, bench.placed(SQLITE, "landing") as place:
        first, again = (Case(LANDING, who, SQLITE, crm.deals) for who in ("first scan", "unchanged scan"))
        with expected(bench.results, first):
            sample = run(place.sync(crm.url), place.folder, crm=crm)
            before = landed(place.folder / "store.db")
            bench.results.add(first, replace(sample, bytes=before))
            command = [*connector(), "resync", "crm", "--full", "--json", "--config"]
            sample = run([*command, str(place.folder / "config.yaml")], place.folder, crm=crm)
            bench.results.add(again, replace(sample, bytes=landed(place.folder / "store.db") - before))


def landed(store: Path) -> int:
    """Bytes of everything in the tables of the landing, `body` and `page`; numbers count 8."""
    connection = sqlite3.connect(store)
    total = 0
    for table in ("body", "page"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        sizes = " + ".join(
            f"CASE typeof({column}) WHEN 'null' THEN 0 WHEN 'integer' THEN 8 ELSE length(CAST({column} AS BLOB)) END"
            for column in (f'"{name}"' for name in columns)
        )
        total += connection.execute(f"SELECT coalesce(sum({sizes}), 0) FROM {table}").fetchone()[0]
    connection.close()
    return total


def help_(bench: Bench) -> None:
    """How long `connector --help` takes."""
    folder = bench.folder / "help"
    folder.mkdir(exist_ok=True)
    for _ in range(HELPS):
        case = Case(HELP, "connector --help", "-", 0)
        with expected(bench.results, case):
            bench.results.add(case, run([*connector(), "--help"], folder))


# --- KPIs ------------------------------------------------------------------------------------------------------------


def kpis(bench: Bench) -> None:
    """The 14 KPIs of every owner over 18 months, from ledgers that were filled beforehand."""
    for deals in bench.sizes.kpis:
        with _filled(bench, "kpis", deals) as places:
            _alike(bench, KPIS, deals, places)


def catalogue(bench: Bench) -> None:
    """Every metric of every person over 18 months, from ledgers with all that stands around the deals."""
    deals = bench.sizes.catalogue
    with _filled(bench, "catalogue", deals, "--around", kpis=tuple(METRICS), persons=OWNERS) as places:
        _alike(bench, CATALOGUE, deals, places)


def _alike(bench: Bench, scenario: str, deals: int, places: Mapping[str, Place]) -> None:
    """Both stores in turn, round by round; they must give the same values."""
    answers = set()
    for _ in range(bench.rounds):
        for store, place in places.items():
            case = Case(scenario, OURS, store, deals)
            with expected(bench.results, case):
                answers.add(_compute(bench, case, place))
    if len(answers) > 1:
        said = Failed("the two stores gave other values")
        bench.results.fail(Case(scenario, "both stores alike", "-", deals), said)


def as_of(bench: Bench) -> None:
    """The same as it is known now, and as it was known when half of the deals had their first version, in turn."""
    deals = bench.sizes.as_of
    with _filled(bench, "as-of", deals, "--changed") as places:
        answers: dict[str, set[str]] = {NOW: set(), THEN: set()}
        for _ in range(QUESTIONS):
            for store, place in places.items():
                for who, more in ((NOW, []), (THEN, ["--before-last"])):
                    case = Case(AS_OF, who, store, deals)
                    with expected(bench.results, case):
                        answers[who].add(_compute(bench, case, place, *more))
        if max(map(len, answers.values())) > 1 or answers[NOW] & answers[THEN]:
            said = Failed("each moment must have one answer of its own on both stores")
            bench.results.fail(Case(AS_OF, "one answer for each moment", "-", deals), said)


@contextmanager
def _filled(
    bench: Bench, name: str, deals: int, *more: str, kpis: Sequence[str] = KPI_METRICS, persons: int = 0
) -> Iterator[dict[str, Place]]:
    """A store of each kind with these KPIs, of persons or of owners, and the same filled ledger."""
    places = {store: bench.place(OURS, store, f"{name}-{store}") for store in STORES}
    try:
        with Crm(0) as crm:
            for place in places.values():
                write_config(place.folder, store=place.url, base_url=crm.url, kpis=kpis, persons=persons)
                config = str(place.folder / "config.yaml")
                run([*connector(), "sync", "--no-push", "--json", "--config", config], place.folder)
        filling = [sys.executable, "-m", "benchmarks.ledger", "--deals", str(deals), *more]
        stores = [word for place in places.values() for word in ("--store", place.url)]
        print(f"filling two ledgers with {deals} deals", flush=True)
        run([*filling, *stores], bench.folder)
        yield places
    finally:
        for place in places.values():
            place.drop()


def _compute(bench: Bench, case: Case, place: Place, *more: str) -> str:
    """Compute the KPIs in a process of its own; a hash of all values. Raises Failed."""
    command = [sys.executable, "-m", "benchmarks.ours.kpis", "--config", str(place.folder / "config.yaml"), *more]
    sample = run(command, place.folder, server=place.server)
    bench.results.add(case, sample)
    return str(json.loads(sample.output)["digest"])


def shadow(bench: Bench) -> None:
    """What a changed mapping would do to the 14 KPIs of every owner, tried on all that is landed; no row may change."""
    deals, mapping = bench.sizes.shadow, MAPPING.read_text(encoding="utf-8")
    for store in STORES:
        with Crm(deals) as crm, bench.placed(store, "shadow") as place:
            write_config(place.folder, store=place.url, base_url=crm.url, kpis=KPI_METRICS)
            config = ["--json", "--config", str(place.folder / "config.yaml")]
            run([*connector(), "sync", "--no-push", *config], place.folder)
            before = hashes(place)
            for who, (old, new) in EDITS.items():
                file = place.folder / "changed.yaml"
                file.write_text(mapping.replace(old, new), encoding="utf-8")
                for _ in range(bench.rounds):
                    case = Case(SHADOW, who, store, deals)
                    with expected(bench.results, case):
                        sample = run([*connector(), "mapping", "diff", str(file), *config], place.folder,
                                     server=place.server)
                        if not json.loads(sample.output)["changes"]:
                            raise Failed("the file changes nothing")
                        if hashes(place) != before:
                            raise Failed("the store is not what it was")
                        bench.results.add(case, sample)


SCENARIOS: dict[str, Callable[[Bench], None]] = {
    "help": help_, "landing": landing, "latency": latency, "pull": pull, "scale": scale, "kpis": kpis, "as-of": as_of,
    "catalogue": catalogue, "shadow": shadow,
}
"""By the name `--only` takes, in the order they run."""
