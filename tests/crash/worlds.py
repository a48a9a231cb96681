"""What is synced while it changes: a CRM asked over HTTP, and a folder of exports; each as a list of steps."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.document import load
from connector.model import ENTITIES
from connector.twins.demo import OWN_PROPERTIES
from tests.crash.forks import ROOT, Fake, Forks

SYNC = ["sync", "--no-push"]
Truth = dict[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Step:
    """A command, run until it ends by itself, and what changes before it runs for the first time.

    settled: the source stands still from here on, so that what the store holds afterwards can be compared. cited,
    cited_facts: so can the pages that its rows, and its reported facts, came of. skippable: killed, the next step may
    come instead of another try.
    """

    arguments: list[str]
    prepare: Callable[[], None] = lambda: None
    settled: bool = False
    cited: bool = False
    cited_facts: bool = False
    skippable: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """One source of one installation.

    truth: what the source itself says now: of each deal the stage, and the stages it entered, in order. shows_gone:
    what is gone from it is the same however often one looked in between.
    """

    folder: Path
    steps: list[Step]
    truth: Callable[[], Truth]
    fake: Fake | None = None
    shows_gone: bool = True


def _install(folder: Path, store: str, source: dict[str, Any]) -> None:
    """A config with that one source, `crm`; JSON is YAML."""
    made = {
        "store": store, "timezone": "Asia/Ho_Chi_Minh", "currency": "EUR",
        "sources": {"crm": {"mapping": "mapping.yaml", **source}},
    }
    (folder / "config.yaml").write_text(json.dumps(made))


def _write_mapping(folder: Path, mapping: dict[str, Any], *, checked: bool = False) -> None:
    """The mapping; `checked` gives every row a field more, so that each gets a version of its record's last state."""
    entities = [
        {**entry, "fields": {**entry["fields"], "extra.checked": {"const": "yes"}}}
        if checked and not ENTITIES[entry["entity"]].facts else entry
        for entry in mapping["entities"]
    ]
    (folder / "mapping.yaml").write_text(json.dumps({**mapping, "entities": entities}))


# --- a CRM -----------------------------------------------------------------------------------------------------------


@contextmanager
def crm(forks: Forks, folder: Path, store: str, seed: int, *, quiet: bool, whole: bool) -> Iterator[World]:
    """A fake HubSpot of 120 deals, with 60 changes.

    quiet: they come between two syncs. Otherwise one comes with every second request, and the rest after the first
    sync. whole: after that everything is read once more, and a new mapping comes into force.
    """
    fake = forks.serve(folder, seed=seed, deals=120, mutate_every=0 if quiet else 2, mutations=60)
    settings = {"adapter": "hubspot", "base_url": fake.url, "token": "${TOKEN}", "properties": OWN_PROPERTIES}
    _install(folder, store, settings)
    path = ROOT / "mappings" / "demo.yaml"
    mapping = load(path.read_bytes(), str(path)).data
    _write_mapping(folder, mapping)
    steps = [
        Step(SYNC, settled=quiet, cited=quiet, cited_facts=quiet),
        Step(SYNC, lambda: fake.tell("settle"), settled=True, cited=quiet, cited_facts=quiet),
    ]
    if whole:
        steps += [
            Step(["resync", "crm", "--full"], settled=True),
            Step(SYNC, lambda: _write_mapping(folder, mapping, checked=True), settled=True, cited=True),
        ]
    try:
        yield World(folder, steps, lambda: _held_by(fake), fake)
    finally:
        forks.stop(fake)


def _held_by(fake: Fake) -> Truth:
    return {
        id_: (deal["properties"]["dealstage"], tuple(entry["value"] for entry in deal["history"]["dealstage"][::-1]))
        for id_, deal in fake.state()["deals"].items()
    }


# --- a folder of exports ---------------------------------------------------------------------------------------------

EXPORTS_MAPPING: dict[str, Any] = {
    "pipelines": {"sales": {"name": "new", "stages": {
        "1": "prospecting", "2": "proposal", "3": "closed_won", "4": "closed_lost"}}},
    "entities": [
        {"entity": "owner", "stream": "owners", "key": "id", "fields": {"name": "name"}},
        {
            "entity": "deal", "stream": "deals", "key": "id",
            "fields": {"pipeline": {"const": "sales"}, "stage": "stage", "owner": "owner",
                       "amount": {"path": "amount", "currency": {"const": "EUR"}}},
        },
        {
            "entity": "stage_transition", "stream": "deals", "each": "history",
            "fields": {"deal": "record.id", "to": "item.stage", "at": "item.at"},
        },
    ],
}
EXPORTS = {
    "owners": {"file": "owners.csv", "key": "id"},
    "deals": {
        "file": "deals.csv", "key": "id", "complete": True,
        "nest": {"history": {"file": "history.csv", "on": {"id": "deal"}}},
    },
}


@contextmanager
def exports(folder: Path, store: str, seed: int) -> Iterator[World]:
    """CSV files of 80 deals of which each sync deletes what is missing; written three times.

    The second export may never be read to its end: what it alone shows is nothing that was there before and is gone
    in the third, since nobody could know of that.
    """
    _install(folder, store, {"adapter": "csv_folder", "folder": "export", "files": EXPORTS})
    _write_mapping(folder, EXPORTS_MAPPING)
    (folder / "export").mkdir()
    first, second, third = _three_exports(random.Random(seed))
    yield World(
        folder,
        [
            Step(SYNC, lambda: _export(folder, first), settled=True, cited=True, cited_facts=True),
            Step(SYNC, lambda: _export(folder, second), skippable=True),
            Step(SYNC, lambda: _export(folder, third), settled=True),
            Step(SYNC, lambda: _write_mapping(folder, EXPORTS_MAPPING, checked=True), settled=True, cited=True),
        ],
        lambda: _exported(folder),
        shows_gone=False,
    )


def _exported(folder: Path) -> Truth:
    moves: dict[str, list[str]] = {}
    for row in _read(folder, "history"):
        moves.setdefault(row["deal"], []).append(row["stage"])
    return {row["id"]: (row["stage"], tuple(moves[row["id"]])) for row in _read(folder, "deals")}


def _read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "export" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True, slots=True)
class _Deal:
    """One deal as exported: its amount, and the days of the year on which it entered stages."""

    amount: int
    moves: tuple[tuple[int, str], ...]

    def moved(self, rng: random.Random) -> _Deal:
        return _Deal(rng.randrange(100, 999), (*self.moves, (self.moves[-1][0] + 1, rng.choice("1234"))))


_Export = dict[int, _Deal]


def _three_exports(rng: random.Random) -> list[_Export]:
    """The second moves a third of the deals, drops five and brings five; the third does so with others, and brings back
    one of those dropped."""
    first = {number: _Deal(number, ((number, "1"),)) for number in range(1, 81)}
    numbers = list(first)
    rng.shuffle(numbers)
    dropped, moved, dropped_later = numbers[:5], numbers[5:30], numbers[30:35]
    second = {number: deal for number, deal in first.items() if number not in dropped}
    second |= {number: second[number].moved(rng) for number in moved}
    second |= {number: _Deal(number, ((number, "1"),)) for number in range(81, 86)}
    third = {number: deal for number, deal in second.items() if number not in dropped_later}
    third |= {number: third[number].moved(rng) for number in rng.sample(sorted(third), 25)}
    third |= {number: _Deal(number, ((number, "1"),)) for number in range(86, 91)}
    third[dropped[0]] = first[dropped[0]]
    return [first, second, third]


def _export(folder: Path, deals: _Export) -> None:
    rows = [{"id": n, "stage": one.moves[-1][1], "owner": n % 3, "amount": one.amount} for n, one in deals.items()]
    history = [
        {"deal": number, "stage": stage, "at": f"2026-{1 + day // 28:02}-{1 + day % 28:02}T09:00:00Z"}
        for number, one in deals.items() for day, stage in one.moves
    ]
    owners = [{"id": number, "name": f"Owner {number} of {len(deals)}"} for number in range(3)]
    for name, made in (("owners", owners), ("deals", rows), ("history", history)):
        with (folder / "export" / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(made[0]))
            writer.writeheader()
            writer.writerows(made)
