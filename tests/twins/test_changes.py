"""A twin's data change while they are read, are seen late by search, or come late at all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.twins.hubspot_life import Life
from connector.twins.mutator import Mutator
from tests.twins.accounts import DEALS, NINE, serving


def read(account, limit=3):
    """The ids of all pages of a list."""
    seen, after = [], ""
    while True:
        page = account.get(DEALS, limit=limit, after=after)
        seen += [row["id"] for row in page["results"]]
        if "paging" not in page:
            return seen
        after = page["paging"]["next"]["after"]


# --- between two pages -----------------------------------------------------------------------------------------------


def test_actions_of_a_test_run_between_two_pages(account):
    first, *_, last = account.deals
    made = []
    Mutator([
        lambda: None, lambda: account.portal.archive("deals", last), lambda: made.append(account.deal(99)),
        lambda: account.portal.restore("deals", last),
    ]).into(account.twin)
    assert read(account) == [*account.deals[:-1], *made]
    assert read(account) == [*account.deals, *made]
    assert account.portal.item("deals", first).archived_at is None


def test_actions_come_after_every_so_many_requests_until_they_are_settled(account):
    done = []
    mutator = Mutator([lambda n=n: done.append(n) for n in range(4)], every=2, clock=account.clock).into(account.twin)
    for _ in range(5):
        account.ids()
    assert (done, account.clock.now()) == ([0, 1], NINE + timedelta(seconds=7 + 4))
    assert (mutator.settle(), done) == (2, [0, 1, 2, 3])
    assert mutator.settle() == 0


def test_a_seeded_life_does_the_same_whatever_was_asked_in_between():
    states, done = [], []
    for every in (1, 3, 0):
        with serving() as account:
            account.portal.add_owner("52", email="b@example.com", first="B", last="C", user=772)
            life = Life(account.portal, 5, weights=dict.fromkeys(Life(account.portal, 5).weights, 1))
            mutator = Mutator(life.actions(120), every=every, clock=account.clock).into(account.twin)
            for _ in range(30):
                account.ids()
            mutator.settle()
            life.end()
            states.append(account.twin.state())
            done.append(life.done)
    assert states[0] == states[1] == states[2]
    assert set(done[0]) == set(Life(account.portal, 5).weights)
    assert {one["status"] for one in states[0]["deals"].values()} == {"live", "archived", "merged", "purged"}


def test_a_life_may_be_of_some_kinds_of_changes_only(account):
    life = Life(account.portal, 5, weights={"archive": 1, "restore": 1})
    assert {life.step() for _ in range(20)} == {"archive", "restore", "create"}  # where nothing is left to restore


# --- search is behind ------------------------------------------------------------------------------------------------


def test_search_sees_changes_new_records_and_deletions_after_the_lag(account):
    changed, gone = account.deals[:2]
    account.portal.index_lag = 30
    account.portal.update("deals", changed, {"amount": "9"})
    account.portal.archive("deals", gone)
    new = account.portal.create("deals", {"dealname": "new", "dealstage": "contractsent", "pipeline": "default"})
    nine = {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "EQ", "value": "9"}]}]}
    account.clock.sleep(29)
    assert (account.found(), account.found(**nine)) == (account.deals, [])
    rows = account.post(f"{DEALS}/search", {"properties": ["amount"]})["results"]
    assert (rows[0]["properties"]["amount"], rows[0]["updatedAt"]) == ("000.50", "2026-03-02T09:00:01.000Z")
    account.clock.sleep(1)
    assert account.found() == [changed, *account.deals[2:], new]
    assert account.found(**nine) == [changed]


def test_lists_batch_and_single_reads_are_never_behind(account):
    changed, gone = account.deals[:2]
    account.portal.index_lag = 30
    account.portal.update("deals", changed, {"amount": "9"})
    account.portal.archive("deals", gone)
    assert account.ids() == [changed, *account.deals[2:]]
    assert account.ids(archived="true") == [gone]
    assert account.get(f"{DEALS}/{changed}")["properties"]["amount"] == "9"
    assert account.batch(changed)["results"][0]["properties"]["amount"] == "9"
    account.get(f"{DEALS}/{gone}", 404)


def test_a_record_changed_twice_is_seen_in_each_state_for_as_long_as_it_had_it(account):
    deal, shown = account.deals[0], []
    account.portal.index_lag = 30
    for amount in ("1", "2"):
        account.clock.sleep(10)
        account.portal.update("deals", deal, {"amount": amount})
    for _ in range(4):
        shown.append(account.post(f"{DEALS}/search", {})["results"][0]["properties"]["amount"])
        account.clock.sleep(10)
    assert shown == ["000.50", "000.50", "1", "2"]


@pytest.mark.parametrize("new_id", [False, True])
def test_search_still_finds_absorbed_and_purged_records_until_the_lag_is_over(account, new_id):
    kept, absorbed, purged = account.deals[:3]
    account.portal.archive("deals", purged)
    account.portal.index_lag = 30
    survivor = account.portal.merge("deals", kept, absorbed, new_id=new_id)
    account.portal.purge("deals", purged)
    assert account.found() == [kept, absorbed, *account.deals[3:]]
    account.clock.sleep(30)
    assert sorted(account.found()) == sorted([survivor, *account.deals[3:]])


def test_what_search_is_behind_with_is_forgotten_once_it_has_been_seen(account):
    for lag in (0, 5):
        account.portal.index_lag = lag
        for _ in range(3):
            account.portal.bulk_update("deals", account.deals, {"amount": str(lag)})
            account.clock.sleep(10)
        account.found()
        assert account.portal.index.size == 0


# --- late commits ----------------------------------------------------------------------------------------------------


def test_a_late_commit_is_stamped_earlier_than_what_was_seen_before_it(account):
    late, other = account.deals[:2]
    account.clock.sleep(60)
    account.portal.hold(account.portal.update, "deals", late, {"amount": "9"}, seconds=90)
    account.clock.sleep(60)
    account.portal.update("deals", other, {"amount": "8"})
    assert [row["updatedAt"][11:19] for row in account.get(DEALS)["results"][:2]] == ["09:00:01", "09:02:07"]
    account.clock.sleep(30)
    assert [row["updatedAt"][11:19] for row in account.get(DEALS)["results"][:2]] == ["09:01:07", "09:02:07"]


def test_a_late_record_has_its_id_from_the_start_and_is_seen_when_it_is_released(account):
    properties = {"dealname": "late", "dealstage": "contractsent", "pipeline": "default"}
    late = account.portal.hold(account.portal.create, "deals", properties)
    account.clock.sleep(60)
    newer = account.deal(8)
    assert (int(late) < int(newer), account.ids()) == (True, [*account.deals, newer])
    assert account.portal.release() == 1
    assert account.ids() == [*account.deals, late, newer]
    assert account.get(f"{DEALS}/{late}")["createdAt"] == "2026-03-02T09:00:07.000Z"


def test_a_late_entry_takes_its_place_in_the_history_and_changes_no_newer_value(account):
    deal = account.deals[0]
    account.portal.hold(account.portal.move_stage, deal, "qualifiedtobuy")
    account.clock.sleep(60)
    account.portal.move_stage(deal, "contractsent")
    account.portal.release()
    row = account.get(f"{DEALS}/{deal}", propertiesWithHistory="dealstage", properties="dealstage")
    assert row["properties"]["dealstage"] == "contractsent"
    assert row["updatedAt"] == "2026-03-02T09:01:07.000Z"
    assert [entry["value"] for entry in row["propertiesWithHistory"]["dealstage"]] == [
        "contractsent", "qualifiedtobuy", "appointmentscheduled",
    ]
