"""Our side of a script: one installation on one store, in one process after the other."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from pydantic import SecretStr

from adapters.hubspot import HookSettings, HubSpot, HubSpotSettings, OAuthSettings
from connector import document, hooks, journal, stops, sync
from connector.mapping import Mapping as SourceMapping
from connector.ports import Context, HookRequest
from connector.store.shared import StoreShared
from connector.sync import Plan, StreamSummary
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from tests.convergence.account import KINDS, STAGES
from tests.convergence.mortal import Death, Died, MortalStore
from tests.convergence.oracle import ZONE
from tests.convergence.script import Script

ROOT = Path(__file__).parents[2]
SOURCE = "hubspot"
KEPT = journal.mapping_settings(timezone=str(ZONE), sources=[SOURCE], history_import=False)
KEY = Fernet.generate_key().decode()
CANONICAL = ("prospecting", "qualification", "proposal", "negotiation")


@cache
def mapping_text() -> bytes:
    """The shipped preset, with the pipelines of the account; JSON is YAML."""
    path = ROOT / "mappings" / "hubspot.yaml"
    given: dict[str, Any] = document.load(path.read_bytes(), str(path)).data
    given["pipelines"] = {
        name: {"name": f"{name} sales", "stages": {
            stage: {"to": _canonical(stage, number), "name": label}
            for number, (stage, label, _) in enumerate(stages)
        }}
        for name, stages in STAGES.items()
    }
    return json.dumps({name: part for name, part in given.items() if name != "tests"}).encode()


def _canonical(stage: str, number: int) -> str:
    return {"won": "closed_won", "lost": "closed_lost"}.get(KINDS[stage]) or CANONICAL[number]


@cache
def load_mapping(_process: int = 0) -> SourceMapping:
    """The mapping as the process of that number loads it: after a death anew, else the one that is loaded."""
    return journal.load_mapping("mappings/hubspot.yaml", mapping_text(), SOURCE, KEPT)


def settings_of(twin: HubSpotTwin, plot: Script) -> HubSpotSettings:
    """The source's settings in the config."""
    app = twin.oauth
    if plot.oauth:  # calls to us are then signed with the app's secret
        return HubSpotSettings(base_url=twin.url, splits=plot.splits, oauth=OAuthSettings(
            client_id=app.client_id, client_secret=SecretStr(app.client_secret),
            refresh_token=SecretStr(app.refresh_token),
        ))
    return HubSpotSettings(
        base_url=twin.url, token=SecretStr(twin.token), splits=plot.splits,
        hooks=HookSettings(secret=SecretStr(app.client_secret)),
    )


@dataclass(slots=True)
class Product:
    """`connector sync` and `resync` without command line and config.

    A run reads its streams one after the other, so that a seed always does the same; `side_by_side` in threads, as the
    product does it. shared: the rate budget is counted in the store, for all processes. `points` are the functions that
    opened transactions, by name.
    """

    url: str
    clock: FakeClock
    settings: HubSpotSettings
    pull: sync.Settings
    shared: bool = False
    side_by_side: bool = False
    runs: int = 0
    deaths: int = 0
    points: set[str] = field(default_factory=set)

    @contextmanager
    def opened(self) -> Iterator[MortalStore]:
        """The store, as a process opens it."""
        store = MortalStore.open(self.url, self.clock)
        try:
            yield store
        finally:
            store.close()

    def run(
        self, plan: Plan, death: Death | None = None, *, until: datetime | None = None
    ) -> tuple[list[StreamSummary], str | None]:
        """One process: it starts, does this, and ends or dies; the summaries, and where it died.

        It lives no longer than `until`.
        """
        self.runs += 1
        if death is not None and death.killed:
            return [], self._killed(plan, death)
        return self._live(plan, death, until)

    def _live(
        self, plan: Plan, death: Death | None, until: datetime | None = None
    ) -> tuple[list[StreamSummary], str | None]:
        with self.opened() as store:
            store.death, store.kills, store.until = death, death is not None and death.killed, until
            source = self.source(store)
            try:
                return self._work(store, source, plan), None
            except Died:
                self.deaths = min(self.deaths + 1, 3)
                if death is None or death.found:
                    store.bury()
                return [], store.died_at
            finally:
                self.points.update(store.points)
                with suppress(Died):
                    source.close()

    def _killed(self, plan: Plan, death: Death) -> str | None:
        """A process of its own, ended by SIGKILL: nothing is tidied up, no `finally` runs. Its clock stops with it."""
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                self._live(plan, death)
                code = 0
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, -signal.SIGKILL), f"the process ended with {code}"
        self.clock.advance(seconds=60)  # about what it may have waited
        return f"{death.point} by SIGKILL" if code else None

    def receive(self, request: HookRequest) -> int:
        """A call of the vendor's, taken in by a process of its own."""
        with self.opened() as store:
            return hooks.receive(store, self.source(store), request)

    def accept(self) -> int:
        """A person accepts the stops there are; how many."""
        with self.opened() as store:
            waiting = stops.list_stops(store)
            for one in waiting:
                stops.accept(store, one["id"], actor="test")
            return len(waiting)

    def source(self, store: MortalStore) -> HubSpot:
        """A new source of a new process."""
        context = Context(clock=self.clock, zone=ZONE)
        if self.shared:
            context = replace(context, shared=StoreShared(lambda: store, self.clock, KEY))
        return HubSpot(SOURCE, self.settings, context)

    def _work(self, store: MortalStore, source: HubSpot, plan: Plan) -> list[StreamSummary]:
        mapping = load_mapping(self.deaths)
        journal.activate(store, source, mapping, mapping_text(), KEPT)
        found: list[StreamSummary] = []
        at_once = self.side_by_side or plan.mode in ("ids", "hooks")
        for part in [plan] if at_once else _one_by_one(plan, mapping, source):
            found += sync.pull(
                store, source, mapping, self.pull, run=f"run {self.runs}", plan=part, clock=self.clock
            )
        return found


def _one_by_one(plan: Plan, mapping: SourceMapping, source: HubSpot) -> list[Plan]:
    listing = {stream.name for stream in source.streams() if stream.ids}
    return [
        replace(plan, streams=[stream])
        for stream in plan.streams or mapping.streams() if plan.mode != "all_ids" or stream in listing
    ]
