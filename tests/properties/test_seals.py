"""Laws of seals: what holds verifies, whatever is altered shows, and a closed period stays as it was closed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from connector import frozen, seal
from connector.closing import LEASE, Closing
from connector.computation import Computation
from connector.kpi import KpiDefinition
from connector.model import KpiValue, Member, Subject
from connector.period import Calendar
from connector.seal import Entry, Seal
from connector.store import tables
from tests.properties.test_pages import pages
from tests.properties.world import LAW, SEARCH, World

# --- of the seal alone -----------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.none() | st.integers(-(10**12), 10**12)
MEMBERS = st.builds(
    Member, side=st.sampled_from(["numerator", "denominator"]), entity=st.just("deal"), source=TEXTS, id=TEXTS,
    occurred_at=st.none() | st.integers(0, 2 * 10**15), amount=NUMBERS, currency=st.none() | TEXTS, share=NUMBERS,
    duration=NUMBERS,
)
VALUES = st.builds(
    KpiValue, kpi=TEXTS, metric=TEXTS, subject=st.builds(Subject, st.just("person"), TEXTS, TEXTS),
    dimensions=st.dictionaries(TEXTS, TEXTS, max_size=2), period=st.just("2026-01"), period_start=st.just("2026-01-01"),
    period_end=st.just("2026-01-31"), value=st.none() | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    unit=TEXTS, currency=st.none(), numerator=st.none(), denominator=st.none(), as_of=st.integers(0, 2 * 10**15),
)
CONTENTS = st.lists(st.tuples(VALUES, st.lists(MEMBERS, max_size=3)), max_size=4)


def sealed(contents: Any, number: int = 1, previous: str | None = None, who: str = "An") -> Seal:
    entries = [seal.entry(value, members) for value, members in contents]
    header = {"format": seal.FORMAT, "period": "2026-01", "number": number, "previous": previous, "actor": who}
    return Seal(header, seal.seal_hash(header, (one.commitment for one in entries)), entries)


@LAW
@given(CONTENTS, TEXTS)
def test_a_seal_verifies_and_comes_back_from_its_export_as_it_was(contents: Any, who: str) -> None:
    made = sealed(contents, who=who)
    assert list(seal.faults(made)) == []
    back = seal.read(seal.text(made).encode())
    assert (back.header, back.hash) == (made.header, made.hash)
    assert sorted(one.commitment for one in back.entries) == sorted(one.commitment for one in made.entries)
    assert seal.verified(seal.text(made).encode())["status"] == "ok"


@settings(LAW, max_examples=400)
@given(CONTENTS, TEXTS, st.data())
def test_any_flipped_byte_of_an_export_is_found_or_says_the_same(contents: Any, who: str, data: st.DataObject) -> None:
    """Only what JSON itself reads alike (the kind of a blank between two keys) may be different and hold."""
    content = bytearray(seal.text(sealed(contents, who=who)).encode())
    before = json.loads(content)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    found = seal.verified(bytes(content))
    assert found["status"] == "broken" or json.dumps(json.loads(content)) == json.dumps(before)


@LAW
@given(st.lists(st.tuples(CONTENTS, st.sets(st.integers(0, 3))), min_size=1, max_size=4))
def test_a_chain_stays_valid_whatever_of_it_is_erased(periods: list[tuple[Any, set[int]]]) -> None:
    chain: list[Seal] = []
    for number, (contents, gone) in enumerate(periods, start=1):
        made = sealed(contents, number, chain[-1].hash if chain else None)
        left = [Entry(one.commitment) if place in gone else one for place, one in enumerate(made.entries)]
        chain.append(Seal(made.header, made.hash, left))
    assert seal.chain_break(chain) is None
    assert [fault for one in chain for fault in seal.faults(one)] == []


@LAW
@given(st.lists(CONTENTS, min_size=2, max_size=4), st.data())
def test_a_chain_with_a_seal_altered_taken_out_or_moved_is_broken(periods: list[Any], data: st.DataObject) -> None:
    chain: list[Seal] = []
    for number, contents in enumerate(periods, start=1):
        chain.append(sealed(contents, number, chain[-1].hash if chain else None))
    place = data.draw(st.integers(0, len(chain) - 2))
    how = data.draw(st.sampled_from(["altered", "resealed", "taken out", "moved"]))
    if how == "taken out":
        del chain[place]
    elif how == "moved":
        chain[place], chain[place + 1] = chain[place + 1], chain[place]
    else:
        one = chain[place]
        header = {**one.header, "actor": "somebody else"}
        commitments = (entry.commitment for entry in one.entries)
        hash_ = one.hash if how == "altered" else seal.seal_hash(header, commitments)
        chain[place] = Seal(header, hash_, one.entries)
    assert seal.chain_break(chain) is not None


# --- of a store ------------------------------------------------------------------------------------------------------

JANUARY = Calendar().parse("2026-01")
DEFINITIONS = [
    KpiDefinition("won", "won_count", per="owner"),
    KpiDefinition("value", "won_value"),
    KpiDefinition("entries", "stage_entries"),
    KpiDefinition("open", "open_pipeline", per="pipeline"),
    KpiDefinition("rate", "win_rate_count"),
]


def close(world: World) -> None:
    """Close January as it is known; the pages were taken without a read, so by force."""
    world.clock.advance(seconds=1)
    lease = world.store.acquire(LEASE)
    computation = Computation(world.store.url, DEFINITIONS, Calendar(), "USD", None, lease)
    outcome = Closing(computation, JANUARY, {"crm": ["deals"]}, "An", force=True, reason="law").run(world.store)
    assert outcome.seal is not None
    world.store.release(lease)


def reopen(world: World) -> None:
    with world.store.writing() as writing:
        frozen.reopen(writing, JANUARY.name, writing.stamp())


def kept(world: World, number: int) -> Any:
    """A seal with everything under it, as the store has it; nothing of it is at fault."""
    with world.store.reading() as connection:
        found = frozen.read(connection, JANUARY.name, number)
        assert found is not None
        assert seal.chain_break(frozen.seals(connection)) is None
        assert frozen.misfiled(connection, JANUARY.name, number) == []
    assert list(seal.faults(found)) == []
    return found.header, found.hash, sorted(found.entries, key=lambda one: one.commitment)


def stays_closed(world: World, parts: list[Any]) -> None:
    world.fresh()
    with world.store.writing() as writing:  # as if every stream had been read to its end before: else nothing is told
        writing.execute(insert(tables.known_since), {"source": "crm", "at": writing.stamp()})
    seals: dict[int, Any] = {}
    answers: dict[int, Any] = {}
    for number, part in enumerate(parts, start=1):
        for one in part:
            world.take(one)
        assert {earlier: kept(world, earlier) for earlier in seals} == seals
        if seals:
            reopen(world)
        close(world)
        seals[number] = kept(world, number)
        assert seals[number][0]["number"] == number
        moment = world.store.rows(select(tables.clock.c.last))[0].last
        answers[moment] = frozen.closed(world.store)
        values = answers[moment].values
        assert len(values) == len(seals[number][2])
        for key, value in values.items():
            told = frozen.members(world.store, key)
            assert told is not None
            assert value.status in ("frozen", "withheld")
            if value.status == "frozen" and value.metric in ("won_count", "stage_entries"):
                assert sum(member.share or 0 for member in told) == int(value.value or 0) * 1_000_000
    world.rebuild()
    assert {number: kept(world, number) for number in seals} == seals
    assert {moment: frozen.closed(world.store, as_of=moment) for moment in answers} == answers


PARTS = st.lists(pages(), min_size=2, max_size=3)


@settings(LAW, max_examples=15)
@given(PARTS)
def test_what_is_learnt_after_a_close_changes_no_seal_and_no_frozen_value(world: World, parts: list[Any]) -> None:
    """Also not a rebuild; and each close after a reopening is the next seal, while the earlier ones still verify."""
    stays_closed(world, parts)


@pytest.mark.long
@SEARCH
@given(st.lists(pages(), min_size=2, max_size=5))
def test_a_closed_period_stays_closed_at_length(world: World, parts: list[Any]) -> None:
    stays_closed(world, parts)
