"""Histories of a store whose months are closed: what is told of deals, in any order, and what people do meanwhile."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.properties.world import deal, t

DAY = 24 * 60  # minutes
NOW, LAST = 60, 85
"""Days from the first of January on: when we begin to be told, and the last one of which anything is told."""
BASE = """\
pipelines:
  "P": {name: new, stages: {"A": prospecting, "B": qualification, "V": negotiation, "W": closed_won, "L": closed_lost}}
entities:
  - {entity: owner, stream: owners, key: id, fields: {name: name}}
  - entity: deal
    stream: deals
    key: id
    fields: {name: name, pipeline: pipeline, stage: stage, created_at: created, closed_at: closed, owner: owner,
      amount: {path: amount, currency: currency}, deleted_at: deleted}
  - {entity: stage_transition, stream: deals, each: history, fields: {deal: record.id, to: item.to, at: item.at}}
  - entity: deal_change
    stream: deals
    each: owners
    fields: {deal: record.id, field: {const: owner}, new: item.owner, at: item.at}
  - entity: deal_owner
    stream: deals
    each: splits
    fields: {deal: record.id, owner: item.owner, share: item.share, from_at: item.from}
"""
MAPPINGS = {
    "base": BASE,
    "V wins too": BASE.replace('"V": negotiation', '"V": closed_won'),
    "L is open": BASE.replace('"L": closed_lost', '"L": prospecting, "X": closed_lost'),
    "no B": BASE.replace('"B": qualification, ', ""),  # withholds what stands in B
    "no shares": BASE[: BASE.index("  - entity: deal_owner")],
}


# --- what may happen -------------------------------------------------------------------------------------------------


class Credit(NamedTuple):
    """Whose a deal is: its owner, former ones as (owner, day), and shares as (owner, millionths, day or None)."""

    owner: str | None
    owners: tuple[tuple[str, int], ...]
    splits: tuple[tuple[str, int, int | None], ...]

    def fields(self) -> dict[str, Any]:
        return {
            "owner": self.owner,
            "owners": [{"owner": owner, "at": t(day * DAY)} for owner, day in self.owners],
            "splits": [
                {"owner": owner, "share": share / 1_000_000, "from": None if day is None else t(day * DAY)}
                for owner, share, day in self.splits
            ],
        }


class Told(NamedTuple):
    """A deal as the vendor had it on a day: its moves as (stage, day), told as a history or not, and the rest.

    `later`: minutes into the day, of what happened to it since it was first told as of that day.
    """

    number: int
    day: int
    moves: tuple[tuple[str, int], ...]
    has_history: bool
    amount: str | None
    currency: str
    is_deleted: bool
    credit: Credit
    later: int = 0

    def record(self, **more: Any) -> dict[str, Any]:
        stage, since = self.moves[-1]
        history = [(to, day * DAY + place) for place, (to, day) in enumerate(self.moves)] if self.has_history else None
        return deal(
            self.number, self.day * DAY + 60 + self.later, stage, created=t(0), amount=self.amount,
            currency=self.currency, closed=t(since * DAY) if stage in "WL" else None,
            deleted=t(self.day * DAY) if self.is_deleted else None,
            history=history, **{**self.credit.fields(), **more},
        )


class Owners(NamedTuple):
    """The vendor's users are told: from then on they have values without a win as well."""


class HandOver(NamedTuple):
    """One of the deals told changes hands, and nothing else of it."""

    place: int
    credit: Credit


class Close(NamedTuple):
    """The next month is closed, by force: nothing of it must be complete."""


class Reopen(NamedTuple):
    """The month closed last is opened again."""


class Decide(NamedTuple):
    """One of the open adjustments is accepted, rejected or deferred."""

    place: int
    decision: str


class Remap(NamedTuple):
    """Another mapping comes into force."""

    name: str


class History(NamedTuple):
    """How the KPIs of count and money are credited, which ratio stands beside them, and what happens."""

    count: str
    value: str
    ratio: str
    steps: list[Any]


# --- in which order --------------------------------------------------------------------------------------------------

OWNERS = st.sampled_from("123")
DAYS = st.integers(0, 58)  # in January or February
SHARES = st.sampled_from([(500_000, 500_000), (333_333, 333_333), (700_000, 100_001), (1_000_000, 0), (250_000, 0)])


@st.composite
def credits_of(draw: st.DrawFn, least: int = 0) -> Credit:
    """`least`: how many former owners are told."""
    owners = draw(st.lists(st.tuples(OWNERS, DAYS), min_size=least, max_size=2, unique_by=lambda told: told[1]))
    who = draw(st.lists(OWNERS, max_size=2, unique=True))
    shares = draw(SHARES)
    days = None, draw(st.none() | DAYS)
    splits = [(owner, shares[place], days[place]) for place, owner in enumerate(who)]
    return Credit(draw(st.sampled_from(["1", "2", "3", None])), tuple(owners), tuple(splits))


def tellings(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Told]:
    """A deal as it was some time after it had mostly been won, mostly in January."""

    @st.composite
    def made(draw: st.DrawFn) -> Told:
        closed = draw(st.integers(0, 30) | DAYS)
        moves = [(draw(st.sampled_from("AAB")), 0), (draw(st.sampled_from("WWWWWWLV")), closed)]
        day = draw(st.integers(closed, NOW)) if draw(st.integers(0, 11)) < 11 else draw(st.integers(NOW, LAST))
        if draw(st.integers(0, 4)) == 4:  # opened again, and it may be closed another time
            moves += [("A", draw(st.integers(closed, day))), (draw(st.sampled_from("WLB")), day)]
        return Told(
            draw(numbers), day, tuple(moves), draw(st.integers(0, 4)) > 0,
            draw(st.sampled_from(["100.01", "7.77", "33.35", "0.01", None])),
            draw(st.sampled_from(["USD"] * 7 + ["EUR"])), draw(st.integers(0, 7)) == 7, draw(credits_of()),
        )

    return made()


PAGE = st.lists(tellings(st.integers(1, 3)), min_size=1, max_size=2)
ALL = st.permutations([1, 2, 3]).flatmap(lambda order: st.tuples(*(tellings(st.just(one)) for one in order)).map(list))
STEPS = {  # what happens, and how often
    "page": (4, PAGE),
    "hand over": (3, st.builds(HandOver, st.integers(0, 9), credits_of(1))),
    "decide": (4, st.builds(Decide, st.integers(0, 9), st.sampled_from(["accept", "reject", "defer"]))),
    "remap": (2, st.builds(Remap, st.sampled_from([*MAPPINGS, "no B"]))),
    "close": (2, st.just(Close())),
    "reopen": (1, st.just(Reopen())),
}
STEP = st.sampled_from([name for name, (weight, _) in STEPS.items() for _ in range(weight)]).flatmap(
    lambda name: STEPS[name][1]
)
CREDITS = st.sampled_from(["at_event", "split", "current"])
RATIOS = st.sampled_from(["win_rate_count", "average_deal_value"])


@st.composite
def _history(draw: st.DrawFn) -> History:
    before = draw(st.lists(PAGE | st.just(Owners()), max_size=1))
    after = draw(st.lists(STEP, min_size=1, max_size=3))
    steps = [draw(ALL), *before, Close(), draw(ALL), *after]
    return History(draw(CREDITS), draw(CREDITS), draw(RATIOS), steps)


def histories() -> st.SearchStrategy[History]:
    """Deals are told, a month is closed, more is told of them, and then up to three things happen in any order.

    Drawn as the one element of a list without duplicates, since of anything else Hypothesis makes five examples of six
    by copying parts of the one before: here each history costs half a second, and should be a new one.
    """
    return st.lists(_history(), min_size=1, max_size=1, unique_by=repr).map(lambda drawn: drawn[0])
