"""A script being played: an account, our installation, and what happens to both."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters import hubspot
from adapters.hubspot import HISTORY
from connector import sync
from connector.errors import HookRefused
from connector.sync import Mode, Plan, StreamSummary
from connector.testing import FakeClock
from connector.twins.faults import Faults
from connector.twins.hubspot import HubSpotTwin
from connector.twins.hubspot_oauth import OAuthApp
from connector.twins.server import Request
from tests.convergence import compare
from tests.convergence.account import ACTIVITIES, Account, SkewedClock, TellingPortal, call
from tests.convergence.changes import CHANGES, LATE
from tests.convergence.mortal import Death
from tests.convergence.product import Product, settings_of
from tests.convergence.script import KINDS, Border, Call, Change, Decide, Hidden, Run, Script, Step, Torn, Wait

START = datetime(2026, 3, 10, 9, tzinfo=UTC)
OVERLAP = timedelta(minutes=15)
HISTORY_AFTER = 3
"""How many runs read no histories, where they come late."""
PAGES = {"LISTED": 8, "SEARCHED": 6, "LINKED": 6, "SPLIT": 8}
"""The adapter's page sizes, so that a small account has several pages of each kind."""


@contextmanager
def small_pages() -> Iterator[None]:
    before = {name: getattr(hubspot, name) for name in PAGES}
    for name, size in PAGES.items():
        setattr(hubspot, name, size)
    try:
        yield
    finally:
        for name, size in before.items():
            setattr(hubspot, name, size)


@dataclass(slots=True)
class Life:
    """`log` is what happened, in words; `seen` counts it by kind; `wrong` is what should not have.

    Steps are taken while it is `open`.
    """

    plot: Script
    url: str
    clock: FakeClock = field(init=False)
    twin: HubSpotTwin = field(init=False)
    account: Account = field(init=False)
    product: Product = field(init=False)
    log: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    asked: int = 0
    told: int = 0
    is_ending: bool = False

    def __post_init__(self) -> None:
        plot = self.plot
        self.clock = FakeClock(START)
        portal = TellingPortal(SkewedClock(self.clock, timedelta(minutes=plot.skew)))
        # An answer with a new refresh token that is lost locks us out, as anybody: it only rotates where none is.
        rotates = not any(isinstance(step, Run) and step.faults for step in plot.steps)
        self.twin = HubSpotTwin(portal, oauth=OAuthApp(rotates=rotates))
        self.account = Account(self.twin, random.Random(f"account {plot.seed}"))
        portal.index_lag = plot.lag
        pull = sync.Settings(
            overlap=OVERLAP, shrink=plot.shrink, ids_every=timedelta(days=plot.ids_every) if plot.ids_every else None
        )
        self.product = Product(
            self.url, self.clock, settings_of(self.twin, plot), pull, shared=plot.shared,
            side_by_side=plot.side_by_side,
        )

    @contextmanager
    def open(self) -> Iterator[None]:
        """The account answers, and the adapter takes small pages."""
        with small_pages(), self.twin:
            yield

    def play(self) -> list[str]:
        """Every step, and then the quiet end; in what store and account differ."""
        with self.open():
            for step in self.plot.steps:
                self.take(step)
            return self.end()

    def take(self, step: Step) -> None:
        if isinstance(step, Change):
            self._change(step)
        elif isinstance(step, Wait):
            self._go_by(step.seconds)
            self.note(f"{step.seconds} s go by")
        elif isinstance(step, Call):
            self._call(step)
        elif isinstance(step, Decide):
            self._decide()
        elif isinstance(step, Border):
            self._border(step)
        elif isinstance(step, Hidden):
            self._hidden(step)
        elif isinstance(step, Torn):
            self._torn(step)
        else:
            self._run(step)

    def end(self) -> list[str]:
        """Whatever was late is there by now, and the leases of the dead have ended: two more syncs, the second a full
        one. What a person has stopped or has not decided is accepted."""
        self.is_ending = True
        self.account.portal.release()
        self.clock.advance(seconds=2 * OVERLAP.total_seconds())
        self._decide()
        found = [*self.wrong, *self._quiet("sync")]
        if not self.plot.late_history:
            with self.product.opened() as store:
                found += compare.lost(store, self.account.state())
        if self.plot.seed % 2:
            found += self._quiet("all_ids")
            with self.product.opened() as store:
                found += compare.not_listed(store, self.account.state())
        found += self._quiet("full")
        found += [f"the twin itself failed: {error!r}" for error in self.twin.crashes]
        with self.product.opened() as store:
            now, state = self.twin.clock.now(), self.account.state()
            return found + compare.differences(store, state, now, splits=self.plot.splits)

    def _quiet(self, mode: Mode) -> list[str]:
        """A run that nothing disturbs; which of its streams did not end well."""
        summaries = self.pull(Plan(mode, restart=mode == "full"))  # one that was interrupted would show what was then
        if self._decide():
            summaries = self.pull(Plan("accepted"))
        self.clock.advance(seconds=60)
        return [f"{one.stream} ends {one.status}: {one.error}" for one in summaries if one.status != "ok"]

    # --- steps -------------------------------------------------------------------------------------------------------

    def _go_by(self, seconds: int) -> None:
        """Time goes by, and what is late is seen in its second, though nobody looks.

        Else it would be seen when somebody looks, with search behind from then on: later in all than the overlap, and
        a window that does not show it would break no promise.
        """
        watched = min(seconds, max(LATE))
        for span in (*[1] * watched, seconds - watched):
            self.clock.advance(seconds=span)
            self.account.portal.catch_up()

    def _change(self, step: Change) -> None:
        if step.number % 10:
            self.clock.advance(seconds=1)
        elif self.asked != len(self.twin.requests):  # two things may happen in one millisecond, but nobody looks then
            self.clock.advance(milliseconds=1)
        self.account.portal.catch_up()
        self.asked = len(self.twin.requests)
        said = CHANGES[step.name](self.account, random.Random(step.number))
        self.seen[step.name] += not said.startswith("no")
        self.note(said)

    def _call(self, step: Call) -> None:
        """About a tenth is lost, and a fifth comes twice; the order is another one."""
        rng = random.Random(step.number)
        news = self.account.portal.news[self.told:] if isinstance(self.account.portal, TellingPortal) else []
        self.told += len(news)
        events = [event for event in news for _ in range(rng.choice([0, *[1] * 7, 2, 2]))]
        rng.shuffle(events)
        if not events:
            return
        try:
            kept = self.product.receive(call(events, self.twin.clock.now(), self.twin.oauth.client_secret))
        except HookRefused as refused:  # the vendor's clock is another one
            self.seen["call refused"] += 1
            self.note(f"a call is refused: {refused}")
            return
        self.seen["call"] += 1
        self.note(f"called about {len(news)} things with {len(events)} events, {kept} of them new")

    def _border(self, step: Border) -> None:
        """A change is stamped, and seen only when a sync has just ended whose next window begins at that very stamp."""
        self.account.portal.release()
        self.clock.set(self.clock.now().replace(microsecond=0) + timedelta(seconds=1))
        deal, amount = self.account.pick(random.Random(step.number), "deals"), f"{step.number}.25"
        self.account.portal.hold(self.account.portal.update, "deals", deal, {"amount": amount})
        self.clock.advance(seconds=OVERLAP.total_seconds())
        self.note(f"deal {deal} is worth {amount} since {OVERLAP} ago, seen after the next sync")
        self.pull(Plan("sync", ["deals"]))
        self.seen["border"] += self.account.portal.release()

    def _hidden(self, step: Hidden) -> None:
        """The first deal comes back when the second page is asked for: no page shows it, and it is not deleted."""
        portal, deal, lists = self.account.portal, self.account.live("deals")[0], list[int]()
        portal.archive("deals", deal)
        self.clock.advance(seconds=1)

        def restore(request: Request) -> None:
            if request.method == "GET" and request.path.endswith("objects/2026-03/deals"):
                lists.append(request.number)
                if len(lists) == 2:
                    with self.twin.lock:
                        portal.restore("deals", deal)

        self.twin.on_request(restore)
        self.note(f"deal {deal} is archived, and restored while a pass reads")
        self.pull(Plan("full" if step.number % 2 else "all_ids", ["deals"]))
        self.twin._hooks.remove(restore)
        if len(lists) < 2:
            portal.restore("deals", deal)
            return
        self.seen["hidden"] += 1
        with self.product.opened() as store:
            self.wrong += compare.wrongly_deleted(store, self.account.state())

    def _torn(self, step: Torn) -> None:
        """Either its first page is lost with it, or it is there; the next one reads on, and the change is there."""
        rng = random.Random(step.number)
        deal, when = self.account.live("deals")[0], rng.choice(["before", "after"])
        for one in self.account.live("deals"):  # so that there are several pages, this one on the first
            self.account.write("deals", one, {"amount": f"{step.number}.75"})
        self._go_by(3600)
        self.note(f"every deal is worth {step.number}.75 since an hour ago")
        self.pull(Plan("sync", ["deals"]), Death("take", 1, "before" if when == "before" else "after"))
        self.pull(Plan("sync", ["deals"]))
        with self.product.opened() as store:
            held = compare.amount_of(store, deal)
        if held != step.number * 10_000 + 7_500:
            self.wrong.append(f"deal {deal}: worth {held} after a process died with its page, and not {step.number}.75")
        self.seen["torn"] += 1

    def _decide(self) -> int:
        count = self.product.accept()
        if count:
            self.seen["stop accepted"] += count
            self.note(f"{count} stops accepted")
        return count

    def _run(self, step: Run) -> None:
        plan, left = self._plan(step), list(step.during)

        def meanwhile(request: Request) -> None:
            with self.twin.lock:
                if left and request.number % step.every == 0:
                    self._change(left.pop(0))

        self.twin.on_request(meanwhile)
        spoiled = Faults(step.number, share=step.faults, kinds=KINDS).into(self.twin)
        self.seen[f"run {step.mode}"] += 1
        summaries = self.pull(plan, step.death)
        spoiled.stop()
        del self.twin._hooks[-2:]
        self.seen.update(f"fault {kind}" for _, kind in spoiled.given)
        self.seen.update(f"stream {one.status}" for one in summaries)
        if step.mode in ("full", "all_ids"):
            with self.product.opened() as store:
                self.wrong += compare.wrongly_deleted(store, self.account.state())
        for one in left:
            self._change(one)

    def _plan(self, step: Run) -> Plan:
        rng = random.Random(step.number)
        if step.mode == "since":
            return Plan("window", since=self.clock.now() - timedelta(days=rng.randrange(1, 40)))
        if step.mode == "id":
            kind = rng.choice(["deals", "contacts", "companies", *ACTIVITIES])
            collection = self.account.portal.collections[kind]
            ever = sorted(map(str, (*collection.ids, *collection.gone)))
            return Plan("ids", ids={kind: rng.sample(ever, min(3, len(ever)))}) if ever else Plan("sync")
        return Plan(step.mode)  # type: ignore[arg-type]  # one of MODES

    def pull(self, plan: Plan, death: Death | None = None) -> list[StreamSummary]:
        """One process of ours."""
        if self.plot.late_history:
            read = HISTORY if self.is_ending or self.product.runs >= HISTORY_AFTER else ()
            self.product.settings = self.product.settings.model_copy(update={"history": read})
        summaries, died = self.product.run(plan, death)
        if died is not None and death is not None:
            self.seen[f"died {death.when} {died}"] += 1
        said = "; ".join(_told(one) for one in summaries if one.records or one.status != "ok") or "nothing new"
        self.note(f"{plan.mode}: {f'DIED at {died}' if died else said}")
        return summaries

    def note(self, text: str) -> None:
        self.log.append(f"{self.clock.now():%m-%d %H:%M:%S} {text}")

    def story(self) -> str:
        """The script and what became of it, for a failure's message."""
        return f"{self.plot}\n\nwhat happened, by our clock:\n" + "\n".join(f"  {line}" for line in self.log)


def _told(one: StreamSummary) -> str:
    error = f" ({one.error})" if one.error else ""
    return f"{one.stream} {one.status}{error} +{one.new} ~{one.changed} -{one.deleted} !{one.quarantined}"
