"""Records set aside: what a person sees and decides, and that nothing else is held up."""

from __future__ import annotations

from typing import Any

import pytest

from connector import quarantine
from connector.errors import ConfigError
from tests.properties.world import MAPPING, World, deal, page, t

ITEM = "crm/deals/2"
MENDED = MAPPING.replace('"C": proposal', '"C": proposal, "?": negotiation')


def items(world: World, state: str | None = "open") -> dict[str, str]:
    return {item["item"]: item["state"] for item in quarantine.list_items(world.store, state=state)}


def set_aside(world: World, modified: float = 20, **more: Any) -> None:
    world.take(page("deals", [deal(1, modified), deal(2, modified, "?", **more), deal(3, modified)], modified + 1))


def deals(world: World) -> dict[str, Any]:
    return {row["id"]: row["stage"] for row in world.current()["deal"]}


def test_an_unmapped_stage_is_set_aside_with_its_pipeline_and_the_rest_is_applied(world: World) -> None:
    set_aside(world)
    (item,) = quarantine.list_items(world.store)
    assert (item["item"], item["pipeline"], item["state"]) == (ITEM, "P", "open")
    assert "stage '?' is not among the stages of pipeline 'P'" in item["reason"]
    assert deals(world) == {"1": "A", "3": "A"}


def test_a_record_set_aside_keeps_its_last_good_version(world: World) -> None:
    world.take(page("deals", [deal(2, 10, "B")], 11))
    set_aside(world)
    assert deals(world)["2"] == "B"


def test_show_gives_the_record_as_landed(world: World) -> None:
    set_aside(world)
    assert quarantine.show(world.store, world.source, ITEM)["record"]["stage"] == "?"


def test_retry_without_a_cure_changes_nothing(world: World) -> None:
    set_aside(world)
    assert quarantine.retry(world.store, world.source, world.mapping) == {"tried": 1, "mended": 0}
    assert items(world) == {ITEM: "open"}


def test_a_new_mapping_version_tries_again_by_itself(world: World) -> None:
    set_aside(world)
    world.use(MENDED)
    assert (items(world, None), deals(world)["2"]) == ({ITEM: "mended"}, "?")


def test_a_good_record_mends(world: World) -> None:
    set_aside(world)
    world.take(page("deals", [deal(2, 30, "C")], 31))
    assert (items(world, None), deals(world)["2"]) == ({ITEM: "mended"}, "C")


@pytest.mark.parametrize("decision", ["accept", "drop"])
def test_a_settled_record_is_no_finding_until_it_changes(world: World, decision: str) -> None:
    rows = {"deals": [deal(2, 43_190, "?")]}
    assert world.pull(world.memory(rows))["deals"].exit_code == 1
    decided = getattr(quarantine, decision)(world.store, ITEM, reason="not ours")
    assert decided["state"] in ("accepted", "dropped")
    world.clock.advance(minutes=1)
    again = world.pull(world.memory(rows))["deals"]
    assert (again.records, again.quarantined, again.exit_code) == (1, 0, 0)
    assert items(world) == {}
    world.clock.advance(minutes=1)
    rows["deals"] = [deal(2, 43_201, "?", name="changed")]
    assert world.pull(world.memory(rows))["deals"].exit_code == 1
    assert items(world) == {ITEM: "open"}


def test_a_record_refused_for_two_streams_is_open_again_when_it_changes(world: World) -> None:
    """Such a fault shows only in the ledger, where the record's own text is no longer at hand."""
    world.use(MAPPING.replace("probability: probability, extra.score", "name: name, extra.score"))
    world.take(page("deals", [deal(1, 10, name="N")], 11))
    world.take(page("scores", [{"id": "1", "modified": t(5), "name": "M"}], 12))
    assert items(world) == {"crm/scores/1": "open"}
    quarantine.accept(world.store, "crm/scores/1")
    world.take(page("scores", [{"id": "1", "modified": t(5), "name": "M"}], 13))
    assert items(world) == {}
    world.take(page("scores", [{"id": "1", "modified": t(6), "name": "O"}], 14))
    assert items(world) == {"crm/scores/1": "open"}


def test_an_older_good_state_does_not_mend_a_newer_fault(world: World) -> None:
    set_aside(world)
    world.take(page("deals", [deal(2, 10, "B")], 40))
    assert (items(world), deals(world)["2"]) == ({ITEM: "open"}, "B")


def test_an_older_fault_after_a_newer_good_state_is_no_finding(world: World) -> None:
    world.take(page("deals", [deal(2, 30, "B")], 31))
    set_aside(world)
    assert (items(world, None), deals(world)["2"]) == ({}, "B")


def test_a_fault_and_its_cure_on_one_page_leave_it_mended(world: World) -> None:
    world.take(page("deals", [deal(2, 20, "?"), deal(2, 30, "B")], 31))
    assert (items(world, None), deals(world)["2"]) == ({ITEM: "mended"}, "B")


def test_retrying_a_mended_record_does_not_bring_its_old_state_back(world: World) -> None:
    world.take(page("deals", [deal(2, None, "?")], 21))
    world.take(page("deals", [deal(2, None, "B")], 31))
    world.use(MENDED)
    quarantine.retry(world.store, world.source, world.mapping, [ITEM])
    assert deals(world)["2"] == "B"


def test_the_same_fault_again_changes_no_row(world: World) -> None:
    set_aside(world)
    before = world.dump()
    set_aside(world)
    assert world.dump() == before


def test_decisions_are_in_the_journal_and_survive_a_rebuild(world: World) -> None:
    set_aside(world)
    quarantine.drop(world.store, ITEM, reason="a test record")
    before = world.dump()
    world.rebuild()
    assert world.dump() == before
    assert items(world, None) == {ITEM: "dropped"}


@pytest.mark.parametrize("item", ["crm/deals/404", "nonsense"])
def test_an_unknown_item_is_a_fault_that_says_how_items_are_named(world: World, item: str) -> None:
    for act in (
        lambda: quarantine.show(world.store, world.source, item),
        lambda: quarantine.accept(world.store, item),
        lambda: quarantine.retry(world.store, world.source, world.mapping, [item]),
    ):
        with pytest.raises(ConfigError, match="SOURCE/STREAM/KEY"):
            act()
