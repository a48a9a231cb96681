"""Ledger = replay(journal): after any history `rebuild` gives every row and every cell again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import quarantine, stops, sync
from connector.errors import StoreError
from connector.journal import rebuild
from connector.sync import Plan
from tests.properties.test_pages import pages
from tests.properties.world import LAW, MAPPING, SEARCH, World, deal, page, t
from tests.unit.accounts import Account

MAPPINGS = {
    "first": MAPPING,
    "one more stage": MAPPING.replace('"C": proposal', '"C": proposal, "?": negotiation'),
    "one stage less": MAPPING.replace('"C": proposal, ', ""),
    "other order": MAPPING.replace('"A": prospecting, "B": qualification', '"B": qualification, "A": prospecting'),
    "no owner": MAPPING.replace("owner: owner, amount", "amount"),
    "no splits": "\n".join(line for line in MAPPING.splitlines() if "deal_owner" not in line),
    "other calls": MAPPING.replace("only_if: at, fields: {type", "only_if: \"!at\", fields: {type"),
    "scores fill owner": MAPPING.replace("{probability: probability", "{owner: score, probability: probability"),
}

Step = tuple[str, Any]
STEPS = st.one_of(
    st.tuples(st.just("pages"), pages()),
    st.tuples(st.just("mapping"), st.sampled_from(sorted(MAPPINGS))),
    st.tuples(st.just("decide"), st.tuples(st.sampled_from(["accept", "drop", "retry"]), st.integers(0, 9))),
    st.tuples(st.just("retry all"), st.none()),
    st.tuples(st.just("full pass"), st.tuples(st.sets(st.sampled_from("abcdef")), st.sampled_from("NM"))),
    st.tuples(st.just("id pass"), st.tuples(st.sets(st.sampled_from("123456")), st.sets(st.sampled_from("123456")))),
    st.tuples(st.just("decide stop"), st.sampled_from([stops.accept, stops.refuse])),
)


def do(world: World, step: Step) -> None:
    """One thing that happens to a store."""
    what, given_ = step
    if what == "pages":
        for one in given_:
            world.take(one)
    elif what == "mapping":
        world.use(MAPPINGS[given_])
    elif what == "full pass":
        ids, name = given_
        rows = [{"id": one, "name": name} for one in sorted(ids)]
        world.pull(world.memory({"accounts": rows}, whole=["accounts"]))
    elif what == "id pass":
        id_pass(world, *given_)
    elif what == "decide stop":
        for stop in stops.list_stops(world.store):
            given_(world.store, stop["id"], actor="me", reason="because")
    elif what == "retry all":
        quarantine.retry(world.store, world.source, world.mapping)
    else:
        decision, number = given_
        items = [item["item"] for item in quarantine.list_items(world.store, state=None)]
        if items and decision == "retry":
            quarantine.retry(world.store, world.source, world.mapping, [items[number % len(items)]])
        elif items:
            getattr(quarantine, decision)(world.store, items[number % len(items)], reason="r")


def id_pass(world: World, listed: set[str], hidden: set[str]) -> None:
    """All ids of the deals are listed; those hidden only answer by id."""
    source = Account(world, [deal(one, number, "B") for number, one in enumerate(sorted(listed | hidden))])
    source.unlisted = hidden
    kept = sync.Settings(shrink=0.7)
    for plan in (Plan("accepted", ["deals"]), Plan("all_ids", ["deals"])):
        sync.pull(world.store, source, world.mapping, kept, run="run", plan=plan, clock=world.clock)


def rebuilds_to_itself(world: World, steps: list[Step]) -> None:
    world.fresh()
    for step in steps:
        do(world, step)
    before = world.dump()
    world.rebuild()
    after = world.dump()
    for table, rows in before.items():
        assert after[table] == rows, table


@LAW
@given(st.lists(STEPS, min_size=2, max_size=9))
def test_rebuild_gives_every_cell_again(world: World, steps: list[Step]) -> None:
    rebuilds_to_itself(world, steps)


@pytest.mark.long
@SEARCH
@given(st.lists(STEPS, min_size=3, max_size=20))
def test_rebuild_gives_every_cell_again_at_length(world: World, steps: list[Step]) -> None:
    rebuilds_to_itself(world, steps)


def test_rebuild_names_a_source_that_is_gone_and_changes_nothing(world: World) -> None:
    world.take(page("deals", [deal(1, 10)], 11))
    before = world.dump()
    with pytest.raises(StoreError, match="crm"):
        rebuild(world.store, {})
    assert world.dump() == before


def test_rebuild_that_breaks_half_way_changes_nothing(world: World) -> None:
    class Broken:
        def records(self, stream: str, exchanges: Any) -> Any:
            raise StoreError("broken")

    world.take(page("deals", [deal(1, 10)], 11))
    before = world.dump()
    with pytest.raises(StoreError, match="broken"):
        rebuild(world.store, {"crm": Broken()})
    assert world.dump() == before


# --- a mapping that changes ------------------------------------------------------------------------------------------


def test_a_new_mapping_version_writes_at_its_activation_and_never_back_dates(world: World) -> None:
    world.take(page("deals", [deal(1, 10, owner="7")], 11))
    before = world.dump()
    world.clock.advance(days=1)
    world.use(MAPPINGS["no owner"])
    old, new = sorted((row for row in world.dump()["deal"]), key=lambda row: row[2])
    assert old[:3] == before["deal"][0][:3]
    assert new[2] == world.store.rows(_activations())[-1].seen_at > old[2]


def _activations() -> Any:
    from sqlalchemy import select

    from connector.store.tables import file_version

    return select(file_version).order_by(file_version.c.seen_at)


def test_comments_and_layout_map_nothing_again(world: World) -> None:
    world.take(page("deals", [deal(1, 10)], 11))
    before, files = world.dump(), len(world.store.rows(_activations()))
    world.use("# a comment\n" + MAPPING.replace("fields: {name: name}", "fields: {name:   name}"))
    assert (world.dump(), len(world.store.rows(_activations()))) == (before, files)


def test_the_order_of_stages_is_part_of_the_meaning(world: World) -> None:
    world.use(MAPPINGS["other order"])
    places = {row["stage"]: row["position"] for row in world.current()["stage"] if row["pipeline"] == "P"}
    assert places == {"B": 1, "A": 2, "C": 3, "W": 4, "L": 5}


def test_a_stage_that_is_listed_no_longer_keeps_its_place_archived_and_comes_back(world: World) -> None:
    world.use(MAPPINGS["one stage less"])
    (stage,) = [row for row in world.current()["stage"] if row["stage"] == "C"]
    assert (stage["name"], stage["position"], stage["archived"]) == ("C", 3, 1)
    world.use(MAPPING)
    (stage,) = [row for row in world.current()["stage"] if row["stage"] == "C"]
    assert (stage["name"], stage["archived"]) == ("C", None)


def test_a_mapped_stage_does_not_keep_a_new_mapping_from_naming_it(world: World) -> None:
    """The vendor fills probability and archived, the file name and order, in either order of arrival."""
    text = MAPPING + "  - {entity: stage, stream: stages, key: [pipeline, id], fields: {probability: p, archived: a}}\n"
    world.use(text)
    world.take(page("stages", [{"id": "B", "pipeline": "P", "p": 0.25, "a": False}], 5))
    world.use(text.replace('"B": qualification', '"B": {to: qualification, name: Bee}'))
    (stage,) = [row for row in world.current()["stage"] if row["stage"] == "B"]
    assert (stage["name"], stage["probability"], stage["canonical"]) == ("Bee", 250_000, "qualification")


def test_a_new_mapping_maps_only_the_newest_landed_state(world: World) -> None:
    world.take(page("deals", [deal(1, 20, owner="8")], 21))
    world.take(page("deals", [deal(1, 10, owner="7")], 22))
    world.use(MAPPING.replace("name: name, pipeline", "name: owner, pipeline"))
    (found,) = world.current()["deal"]
    assert (found["name"], found["owner"]) == ("8", "crm:8")


def test_moves_of_several_pages_found_by_one_new_mapping_do_not_collide(world: World) -> None:
    """One activation applies many pages at one instant: what one adds, another may end."""
    first = MAPPING.replace("stage: stage, outcome", "outcome").replace("each: history\n", "each: none\n")
    world.fresh(first)
    world.take(page("deals", [deal(1, 10, "A", created=t(1))], 11))
    world.take(page("moves", [{"id": "m", "modified": t(30), "deal": "1", "to": "B", "at": t(30)}], 31))
    world.use(MAPPING)
    world.rebuild()
    assert world.reported()




def live(world: World, entity: str) -> set[str]:
    return {row["id"] for row in world.current()[entity]}


def test_a_new_mapping_does_not_bring_back_what_a_full_pass_deleted(world: World) -> None:
    for ids in ("abcdefgh", "abcdefg"):
        world.clock.advance(minutes=1)
        do(world, ("full pass", (set(ids), "N")))
    world.use(MAPPING.replace("fields: {name: name}}", "fields: {name: name, domain: name}}"))
    assert live(world, "account") == set("abcdefg")


def test_a_new_mapping_that_makes_rows_by_another_key_retracts_the_old_ones(world: World) -> None:
    world.take(page("deals", [deal(1, 10, name="x"), deal(2, 10, name="y")], 11))
    world.use(MAPPING.replace("stream: deals\n    key: id", "stream: deals\n    key: name"))
    assert live(world, "deal") == {"x", "y"}


def test_a_new_mapping_without_an_entry_retracts_what_it_made_and_nothing_else(world: World) -> None:
    world.take(page("deals", [deal(1, 10, name="x", splits=[{"owner": "7", "share": 0.5}])], 11))
    world.take(page("scores", [{"id": "1", "modified": t(12), "probability": 0.5}], 13))
    world.take(page("accounts", [{"id": "5", "name": "A"}], 14))
    kept = [line for line in MAPPING.splitlines() if not {"deal_owner,", "scores,", "accounts,"} & set(line.split())]
    world.use("\n".join(kept))
    (found,) = world.current()["deal"]
    assert (found["name"], found["probability"]) == ("x", None)
    assert (live(world, "deal_owner"), live(world, "account")) == (set(), set())
    world.use(MAPPING)
    assert (len(live(world, "deal_owner")), live(world, "account")) == (1, {"5"})
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_a_new_mapping_keeps_the_last_good_version_of_what_it_cannot_map(world: World) -> None:
    world.take(page("deals", [deal(1, 10, "C")], 11))
    world.use(MAPPINGS["one stage less"])
    assert live(world, "deal") == {"1"}
