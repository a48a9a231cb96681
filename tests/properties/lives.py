"""Lives of deals over two months with changes of the clocks, as a vendor tells them: the ledger of the ten identities.

Deals skip stages, return, are closed and opened again, change pipelines, owners and amounts, are merged and deleted;
much of it at a period's border, or while the clocks change. Each state of a deal tells its whole past, in the record or
as rows of another stream; of some the vendor keeps no history. What is told after the first month was closed may have
happened long before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from connector.exact import NO_CURRENCY
from connector.model import micros, moment
from connector.ports import Page
from tests.properties.world import START, page

MAPPING = """\
pipelines:
  "P": {name: new, stages: {"A": {to: prospecting, probability: 0.1}, "B": {to: qualification, probability: 0.25},
    "C": {to: proposal, archived: true}, "D": negotiation, "W": closed_won, "L": closed_lost}}
  "Q": {name: renewal, stages: {"X": qualification, "Y": {to: negotiation, probability: 0.6}, "V": closed_won,
    "Z": closed_won, "K": closed_lost}}
entities:
  - entity: deal
    stream: deals
    key: id
    fields: {pipeline: pipeline, stage: stage, created_at: created, closed_at: closed, owner: owner,
      amount: {path: amount, currency: currency}, probability: chance, lost_reason: reason, deleted_at: deleted,
      merged_into: merged}
  - entity: stage_transition
    stream: deals
    each: history
    fields: {deal: record.id, to: item.to, at: item.at, sequence: item.place, by: item.by}
  - entity: deal_change
    stream: deals
    each: owners
    fields: {deal: record.id, field: {const: owner}, new: item.owner, at: item.at}
  - entity: deal_change
    stream: deals
    each: amounts
    fields: {deal: record.id, field: {const: amount}, new: item.amount, at: item.at}
  - entity: deal_owner
    stream: deals
    each: splits
    fields: {deal: record.id, owner: item.owner, share: item.share, from_at: item.from}
  - entity: stage_transition
    stream: moves
    fields: {deal: deal, to: to, at: at, sequence: place, by: by}
  - {entity: owner, stream: owners, key: id, fields: {name: name}}
"""
AGAIN = MAPPING.replace("name: new", "name: new again").replace("name: renewal", "name: renewal again")
"""The same of another source, whose pipelines have names of their own."""
PIPELINE = {stage: "Q" if stage in "XYVZK" else "P" for stage in "ABCDWLXYVZK"}
ORDER = {"new": "ABCD", "renewal": "XY"}
"""The open stages of each pipeline."""
KINDS = {**dict.fromkeys("ABCDXY", "open"), **dict.fromkeys("WVZ", "won"), **dict.fromkeys("LK", "lost")}

CURRENCIES = ("VND", "USD", "KWD")  # of reporting: with none, two and three decimals
RATES = {  # base money for one unit; one of all time, and one that changes
    "VND": "currency,valid_from,rate\nUSD,2025-01-01,25431.5\nJPY,2025-01-01,170.3\nJPY,2026-03-29,168.77\n"
           "KWD,2026-01-01,82654.1\n",
    "USD": "currency,valid_from,rate\nVND,2025-01-01,0.0000393\nJPY,2025-01-01,0.0067\nJPY,2026-03-29,0.0066\n"
           "KWD,2026-03-01,3.2534\n",
    "KWD": "currency,valid_from,rate\nUSD,2025-01-01,0.3074\nJPY,2025-01-01,0.00206\nJPY,2026-03-29,0.00203\n"
           "VND,2026-04-01,0.0000121\n",
}
AMOUNTS = {"VND": "12500000", "JPY": "9991", "USD": "100.01", "KWD": "7.335", NO_CURRENCY: "5"}  # the last has no rate

ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe")
"""The last three change their clocks in spring or autumn: by an hour at night, at midnight, by half an hour."""
FIRST, _MARCH, _APRIL, _CLOSED, _LAST = (
    micros(datetime(2026, *day, tzinfo=UTC)) for day in ((2, 25), (3, 1), (4, 1), (4, 9), (4, 26))
)
READINGS = _CLOSED, _LAST
"""When the vendor is read: before March is closed, and after."""
HOUR = 3_600_000_000  # microseconds
Records = dict[str, list[dict[str, Any]]]
"""By stream, in the order in which the vendor gives them."""


class Move(NamedTuple):
    """A move into a stage: of two at one instant the one with the lower place was first."""

    at: int
    place: int
    stage: str


class Story(NamedTuple):
    """One example. `before`, `after`: the pages of the two readings; `again`: all of them cut in another way, in
    another order, some of them twice; the first `early` of them are told before the close. `zone` is that of the
    reports, `other` another one. `lives`: by id all moves of the deals whose history was told, but for deleted and
    merged ones."""

    zone: str
    other: str
    currency: str
    credit: str
    in_money: bool
    decision: str
    before: Sequence[Page]
    after: Sequence[Page]
    again: Sequence[Page]
    early: int
    lives: Mapping[str, Sequence[Move]]


# --- when ------------------------------------------------------------------------------------------------------------


def _edges() -> list[int]:
    """Where zones differ: borders of months, the days on which clocks change, and the changes themselves."""
    found = set()
    for name in ZONES:
        zone = ZoneInfo(name)
        days = [date(2026, 3, 1), date(2026, 4, 1), *(date(2026, 3, 1) + timedelta(days=one) for one in range(50))]
        for day in days:
            start, after = (
                datetime(one.year, one.month, one.day, tzinfo=zone) for one in (day, day + timedelta(days=1))
            )
            change = (after.utcoffset() or timedelta()) - (start.utcoffset() or timedelta())
            if change:
                hours = range(micros(start), micros(after), HOUR // 2)
                changed = next(one for one in hours if moment(one).astimezone(zone).utcoffset() == after.utcoffset())
                found |= {changed - 1, changed, changed + HOUR // 2, micros(after) - 1, micros(after)}
            if change or day.day == 1:
                found |= {micros(start) - 1, micros(start)}
    return sorted(found)


EDGES = _edges()


def instants(until: int) -> st.SearchStrategy[int]:
    """Any hour, mostly of March, and often an edge; before `until`."""
    def hours(first: int, last: int) -> st.SearchStrategy[int]:
        return st.integers(0, (last - first) // HOUR - 1).map(lambda hour: first + hour * HOUR)

    edges = st.sampled_from([one for one in EDGES if one < until])
    return st.one_of(hours(_MARCH, _APRIL), hours(FIRST, until), edges)


# --- what is told of a deal ------------------------------------------------------------------------------------------

USERS = ("7", "8", "9", None)
SHARES = st.sampled_from([(500_000, 500_000), (333_333, 333_333), (700_000, 100_001), (1_000_000, 0), (250_000, 0)])
STAGES = st.sampled_from([*"AABBCDD", *"WWLL", *"XYVZK"])
LAST_STAGES = st.sampled_from([*"WWWWLLVZK", *"ABCDXY"])
CREDITS = ("at_event", "actor", "current", "split")
READ_IN = st.sampled_from([(0, 1), (0, 1), (0, 1), (1,), (1,), (0,)])


class Deal(NamedTuple):
    """A deal as it was: its moves, and from when on who owned it and what it was worth; and what never changed."""

    moves: Sequence[Move]
    owners: Sequence[tuple[int, str | None]]
    amounts: Sequence[tuple[int, str | None]]
    fixed: Mapping[str, Any]

    def told(self, cut: int) -> dict[str, Any]:
        """Its record at an instant, with all that was before."""
        moves = [one for one in self.moves if one.at < cut]
        owners, amounts = ([one for one in known if one[0] < cut] for known in (self.owners, self.amounts))
        return {
            **self.fixed, **stands(moves[-1].stage), "modified": _iso(cut),
            "history": [_row(one) for one in moves],
            "owner": owners[-1][1], "owners": [{"owner": owner, "at": _iso(since)} for since, owner in owners],
            "amount": amounts[-1][1], "amounts": [{"amount": amount, "at": _iso(since)} for since, amount in amounts],
        }


def stands(stage: str) -> dict[str, str]:
    """Where a deal stands."""
    return {"pipeline": PIPELINE[stage], "stage": stage}


def _row(move: Move) -> dict[str, Any]:
    return {"to": move.stage, "at": _iso(move.at), "place": move.place, "by": (*USERS, "a robot")[move.place % 5]}


def _iso(instant: int | None) -> str | None:
    return None if instant is None else moment(instant).isoformat()


def _deal(draw: st.DrawFn, number: str, is_dated: bool) -> Deal:
    """A deal that begins with its first move; whether it says so itself is `is_dated`."""
    times = sorted(draw(instants(_LAST)) for _ in range(draw(st.sampled_from([1, 2, 2, 3, 3, 4, 5]))))
    times = sorted([*times, *draw(st.sampled_from([[], times[-1:], times[:1]]))])  # two moves at one instant
    moves = [Move(one, place, draw(STAGES)) for place, one in enumerate(times[:-1])]
    moves.append(Move(times[-1], len(moves), draw(LAST_STAGES)))
    currency = draw(st.sampled_from([*AMOUNTS, "JPY"]))
    worth = st.sampled_from([AMOUNTS[currency], AMOUNTS[currency], "3", "0", None])
    changes = st.lists(st.sampled_from(times) | instants(_LAST), min_size=1, max_size=2, unique=True)
    owned, priced = ([times[0], *(one for one in sorted(draw(changes)) if one > times[0])] for _ in range(2))
    shares, since = draw(SHARES), (None, draw(st.none() | instants(_LAST)))
    who = draw(st.lists(st.sampled_from(USERS[:3]), max_size=2, unique=True))
    fixed = {
        "id": number, "created": _iso(times[0]) if is_dated else None, "currency": currency,
        "chance": draw(st.sampled_from([None, 0.3])), "reason": draw(st.sampled_from([None, "price"])),
        "splits": [
            {"owner": owner, "share": shares[place] / 1_000_000, "from": _iso(since[place])}
            for place, owner in enumerate(who) if shares[place]
        ],
    }
    owners = [(one, draw(st.sampled_from(USERS))) for one in owned]
    return Deal(moves, owners, [(one, draw(worth)) for one in priced], fixed)


def _nested(draw: st.DrawFn, number: str) -> tuple[list[Records], Sequence[Move]]:
    """Records with their history: once or several times, in the first reading or only long after."""
    deal, read_in = _deal(draw, number, draw(st.booleans())), draw(READ_IN)
    first, told, last = deal.moves[0].at, _nothing(), _LAST
    for reading in read_in if first < _CLOSED else (1,):
        last = READINGS[reading]
        cuts = {last, *draw(st.lists(instants(last), max_size=1))}
        told[reading]["deals"] += [deal.told(cut) for cut in sorted(cuts) if cut > first]
    return told, [one for one in deal.moves if one.at < last]


def _streamed(draw: st.DrawFn, number: str) -> tuple[list[Records], Sequence[Move]]:
    """A record without a stage, told once; its moves are rows of another stream, and any of them may come late."""
    deal, told = _deal(draw, number, True), _nothing()
    reading = draw(st.integers(0, 1)) if deal.moves[0].at < _CLOSED else 1
    record = {**deal.told(READINGS[reading]), "pipeline": None, "stage": None, "history": None}
    told[reading]["deals"].append(record)
    for one in deal.moves:
        row = {**_row(one), "id": f"{number}-{one.place}", "modified": _iso(one.at), "deal": number}
        told[draw(st.integers(0, 1)) if one.at < _CLOSED else 1]["moves"].append(row)
    return told, deal.moves


def _quiet(draw: st.DrawFn, number: str) -> tuple[list[Records], Sequence[Move]]:
    """A record whose vendor keeps no history, told once: in the stage it happens to be in, closed some time ago."""
    deal, told = _deal(draw, number, True), _nothing()
    reading, (begun, *_), stage = draw(st.integers(0, 1)), deal.moves, draw(STAGES)
    reading = reading if begun.at < _CLOSED else 1
    closed = draw(st.sampled_from([begun.at, *(one.at for one in deal.moves if one.at < READINGS[reading]), None]))
    record = {**deal.told(READINGS[reading]), **stands(stage), "history": None, "owners": None, "amounts": None}
    told[reading]["deals"].append({**record, "closed": _iso(closed) if KINDS[stage] != "open" else None})
    return told, []


def _nothing() -> list[Records]:
    return [{"deals": [], "moves": []} for _ in READINGS]


# --- what is told of all ---------------------------------------------------------------------------------------------


def _pages(draw: st.DrawFn, reading: int, records: Records) -> list[Page]:
    """The records of each stream in pages, in their order."""
    found, read_at = [], (moment(READINGS[reading]) - START) / timedelta(minutes=1)
    for stream, rows in records.items():
        start = 0
        while start < len(rows):
            size = draw(st.integers(2, 6))
            found.append(page(stream, rows[start : start + size], read_at))
            start += size
    return found


@st.composite
def _story(draw: st.DrawFn, most: int) -> Story:
    zone = draw(st.sampled_from([ZONES[0], ZONES[0], *ZONES]))
    other = draw(st.sampled_from([one for one in ZONES if one != zone]))
    told: list[Records] = [{"owners": [{"id": "7", "name": "The only one told", "modified": _iso(FIRST)}]}, {}]
    lives: dict[str, Sequence[Move]] = {}
    numbers = [str(number) for number in range(1, draw(st.integers(4, most)) + 1)]
    for number in numbers:
        tell = draw(st.sampled_from([_nested, _nested, _nested, _streamed, _quiet]))
        given, moves = tell(draw, number)
        gone = draw(st.sampled_from([{}] * 6 + [{"deleted": _iso(_CLOSED)}, {"merged": numbers[0]}]))
        if gone and number != numbers[0]:
            (given[1]["deals"] or given[0]["deals"])[-1].update(gone)
        elif moves:
            lives[number] = moves
        for reading, records in enumerate(given):
            for stream, rows in records.items():
                told[reading].setdefault(stream, []).extend(rows)
    before, after = (_pages(draw, reading, records) for reading, records in enumerate(told))
    again = [one for reading, records in enumerate(told) for one in _pages(draw, reading, records)]
    again += draw(st.lists(st.sampled_from(again), max_size=2))
    return Story(
        zone, other, draw(st.sampled_from(CURRENCIES)), draw(st.sampled_from(CREDITS)), draw(st.booleans()),
        draw(st.sampled_from(["accept", "reject", "defer"])), before, after, draw(st.permutations(again)),
        draw(st.integers(0, len(again))), lives,
    )


def stories(most: int = 7) -> st.SearchStrategy[Story]:
    """Four to `most` deals in two readings. Drawn as the one element of a list without duplicates: see `histories`."""
    return st.lists(_story(most), min_size=1, max_size=1, unique_by=repr).map(lambda drawn: drawn[0])
