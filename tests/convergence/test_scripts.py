"""Convergence: after any finite series of changes, faults and crashes, and two more syncs, our store is the source.

Each seed is a script (`script.py`) over a small HubSpot account behind real HTTP: changes of every kind, also between
two requests of a running sync; late commits, a search index that lags, another clock at the vendor's; webhooks that are
lost, doubled and out of order; 429s, 5xx, cut and nonsense answers; processes that die before or after a named commit,
some of them by SIGKILL; manual resyncs and lists of ids. Then the faults end, and two more syncs, the second a full
one, must bring the store to what the account says of itself (`HubSpotTwin.state`):

- the live rows of every entity that the preset maps, field by field, and what was deleted or merged into what;
- the reported moves and changes of live deals, to the microsecond, with who made them, each once, and no others;
- KPI values worked out by hand (`oracle.py`);
- already after the first of them, what windows alone must show: every live record with what its modified date stands
  for, every move, and what was deleted or merged; and, with every other seed, after a list of all ids who is there;
- no pass has ever deleted what was live, however it was hidden;
- no lease, open window, held page or quarantined record is left; replay gives every tenth store again, cell for cell.

A failure names its seed, and prints the script and what happened. To run one again, whichever it is:

    pytest tests/convergence/test_scripts.py -k "sqlite-417"

Scripts whose head says `side_by_side True` run threads, which may take another order the next time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from connector import journal
from connector.twins import faults
from tests.convergence.changes import CHANGES, LATE
from tests.convergence.conftest import NewStore
from tests.convergence.life import Life
from tests.convergence.mortal import POINTS, SELDOM
from tests.convergence.product import SOURCE
from tests.convergence.script import KINDS, MODES, Border, Call, Change, Decide, Hidden, Run, Script, Torn, Wait, script
from tests.properties.world import dump

SHORT = [("sqlite", seed) for seed in range(50)] + [("postgresql", seed) for seed in range(50, 60)]
LONG = [("postgresql" if seed % 10 == 0 else "sqlite", seed) for seed in range(60, 1000)]


def converges(new_store: NewStore, kind: str, seed: int) -> Life:
    life = Life(script(seed), new_store(kind))
    try:
        found = life.play()
    except BaseException:
        print(life.story())
        raise
    if seed % 10 == 0:
        found += replayed(life)
    assert not found, "\n".join([*found, "", life.story()])
    return life


def replayed(life: Life) -> list[str]:
    """The tables that the journal gives otherwise than they were."""
    with life.product.opened() as store:
        before = dump(store)
        journal.rebuild(store, {SOURCE: life.product.source(store)})
        after = dump(store)
    return [f"replay gives another {name}" for name in before if before[name] != after[name]]


@pytest.mark.parametrize(("kind", "seed"), SHORT)
def test_a_script_converges(new_store: NewStore, kind: str, seed: int) -> None:
    converges(new_store, kind, seed)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "seed"), LONG)
def test_nearly_a_thousand_more_do(new_store: NewStore, kind: str, seed: int) -> None:
    converges(new_store, kind, seed)


# --- the scripts are not tame ----------------------------------------------------------------------------------------


def test_two_hundred_scripts_have_every_kind_of_change_fault_and_crash_at_least_five_times() -> None:
    seen = Counter[str]()
    for seed in range(200):
        seen.update(_kinds(script(seed)))
    wanted = {
        *CHANGES, *MODES, "call", "decide", "border", "hidden", "torn", "skewed", "lagging", "oauth", "shared",
        "threads", "guarded", "splits", "late history",
        *(f"fault {kind}" for kind in KINDS), *(f"during {name}" for name in CHANGES),
        *(f"{when} {point}" for points in POINTS.values() for point in points for when in ("before", "after")),
        "by SIGKILL", "found late", "at once",
    }
    assert {name: seen[name] for name in wanted if seen[name] < 5} == {}


def _kinds(told: Script) -> list[str]:
    """All that a script has, by kind; of the faults those of the first twenty requests of each run."""
    settings = {
        "skewed": told.skew, "lagging": told.lag, "oauth": told.oauth, "shared": told.shared, "splits": told.splits,
        "threads": told.side_by_side, "guarded": told.shrink < 0.5, "late history": told.late_history,
    }
    found = [name for name, is_so in settings.items() if is_so]
    for step in told.steps:
        if isinstance(step, Change):
            found.append(step.name)
        elif isinstance(step, Call):
            found.append("call")
        elif isinstance(step, Decide):
            found.append("decide")
        elif isinstance(step, Border):
            found.append("border")
        elif isinstance(step, Hidden):
            found.append("hidden")
        elif isinstance(step, Torn):
            found.append("torn")
        elif isinstance(step, Run):
            planned = faults.Faults(step.number, share=step.faults, kinds=KINDS)
            found += [step.mode, *(f"during {one.name}" for one in step.during)]
            found += [f"fault {kind}" for kind in map(planned.of, range(1, 21)) if kind is not None]
            if (death := step.death) is not None:
                found += [f"{death.when} {death.point}"]
                found.append("by SIGKILL" if death.killed else "at once" if death.found else "found late")
    return found


@pytest.mark.parametrize("steps", [(Wait(240), Wait(670)), (Torn(433),)], ids=["waits", "torn"])
def test_what_is_late_is_searchable_in_time_though_nobody_looks(
    new_store: NewStore, steps: Sequence[Wait | Torn]
) -> None:
    """700 seconds after it was made: 300 until it is seen, and 400 that search is behind. Later than the overlap it
    would be more than windows promise to show, and `compare.lost` would blame the product (seed 787)."""
    life = Life(Script(0, (), lag=400), new_store("sqlite"))
    portal = life.account.portal
    with life.open():
        made = portal.hold(portal.create, "contacts", {"lifecyclestage": "lead"}, seconds=max(LATE))
        for step in steps:
            life.take(step)
    assert made in {str(item.id) for item in portal.searchable("contacts")}


def test_a_run_opens_no_transaction_that_a_script_cannot_die_at(new_store: NewStore) -> None:
    """So that a new one is not forgotten here: every kind of run, on one account."""
    life = Life(Script(0, (), shared=True, ids_every=1, splits=True), new_store("sqlite"))
    known = {point for points in POINTS.values() for point in points} | SELDOM
    met = set[str]()
    with life.open():
        for mode in (*dict.fromkeys(MODES), "sync"):
            for name in CHANGES:
                life.take(Change(name, 7))
            life.clock.advance(days=2)
            life.take(Run(mode, 1))
            met |= life.product.points
    assert met <= known
    assert {point for points in POINTS.values() for point in points} <= met
