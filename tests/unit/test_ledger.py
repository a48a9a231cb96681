"""What is new: versions, facts and retractions, rule by rule, without a store."""

from __future__ import annotations

from typing import Any

from tests.properties.world import MAPPING, Book, at, deal, move, t


def effects(changes: Any) -> tuple[int, int, int, int]:
    return changes.new, changes.changed, changes.unchanged, changes.deleted


def wrote(changes: Any) -> int:
    """How many rows the changes insert, end, touch or erase."""
    parts = ("rows", "ended", "erased", "touched", "facts", "ended_facts", "stamps")
    return sum(len(getattr(changes, part)) for part in parts)


# --- first sight, and what is said of it -----------------------------------------------------------------------------


def test_first_sight_without_history_is_an_initial_fact_at_creation() -> None:
    book = Book()
    changes = book.take("deals", deal(1, 10, "B", created=t(3)), read_at=11)
    assert book.told() == [("B", "initial", 3)]
    assert effects(changes) == (1, 0, 0, 0)


def test_first_sight_with_history_is_new_and_has_only_the_reported_chain() -> None:
    book = Book()
    changes = book.take("deals", deal(1, 10, "B", created=t(3), history=[("A", 3), ("B", 9)]), read_at=11)
    assert book.told() == [("A", "reported", 3), ("B", "reported", 9)]
    assert effects(changes) == (1, 0, 0, 0)


def test_first_sight_of_a_closed_deal_with_close_date_has_a_field_fact() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "W", created=t(3), closed=t(8)), read_at=11)
    assert book.told() == [("W", "field", 8)]


def test_a_close_date_gives_the_time_of_an_observed_closing() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "B", created=t(3)), read_at=11)
    book.take("deals", deal(1, 20, "W", created=t(3), closed=t(15)), read_at=21)
    assert book.told() == [("B", "initial", 3), ("W", "field", 15)]


def test_a_close_date_outside_the_window_of_two_reads_is_not_believed() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "B", created=t(3)), read_at=11)
    book.take("deals", deal(1, 20, "W", created=t(3), closed=t(5)), read_at=21)
    assert book.told() == [("B", "initial", 3), ("W", "observed", 20)]


# --- observed moves --------------------------------------------------------------------------------------------------


def test_the_difference_of_two_reads_is_an_observed_move_with_its_window() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "A"), read_at=11)
    book.take("deals", deal(1, 20, "C"), read_at=21)
    moved = book.past()[-1]
    assert (moved.origin, moved.occurred_after, moved.occurred_at) == ("observed", at(10), at(20))


def test_without_a_modified_stamp_the_time_of_reading_bounds_the_move() -> None:
    book = Book()
    book.take("deals", deal(1, None, "A"), read_at=11)
    book.take("deals", deal(1, None, "C"), read_at=21)
    assert book.told() == [("A", "initial", 11), ("C", "observed", 21)]


def test_two_moves_within_one_instant_of_reading_are_both_kept() -> None:
    """A vendor's clock behind ours, or stamps of whole seconds, must not lose a move for ever."""
    book = Book()
    for stage in ("A", "B", "C"):
        book.take("deals", deal(1, None, stage), read_at=11)
    assert [told[0] for told in book.told()] == ["A", "B", "C"]
    assert book.past()[-1].value == ("P", "C")


def test_a_row_of_a_stream_that_does_not_fill_the_stage_observes_no_move() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "A"), read_at=11)
    book.take("moves", move(1, "B", 12), read_at=13)
    book.take("scores", {"id": "1", "modified": t(14), "probability": 0.5}, read_at=15)
    assert book.told() == [("A", "initial", 10), ("B", "reported", 12)]


def test_a_field_the_record_does_not_fill_is_not_observed_as_cleared() -> None:
    text = MAPPING.replace("owner: owner, amount", "amount")
    book = Book(text)
    owners = [{"owner": "7", "at": t(5)}]
    book.take("deals", deal(1, 10, owners=owners), read_at=11)
    book.take("deals", deal(1, 20, "B", owners=owners), read_at=21)
    assert book.told(timeline="owner") == [("crm:7", "reported", 5)]


def test_an_observed_change_of_owner_keeps_the_owner_before() -> None:
    book = Book()
    book.take("deals", deal(1, 10, owner="7", created=t(3)), read_at=11)
    book.take("deals", deal(1, 20, owner="8", created=t(3)), read_at=21)
    assert book.told(timeline="owner") == [("crm:7", "initial", 3), ("crm:8", "observed", 20)]


def test_outcome_kept_apart_from_the_stage_moves_into_the_closing_stage() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "B", outcome="open", created=t(3)), read_at=11)
    book.take("deals", deal(1, 20, "B", outcome="won", created=t(3)), read_at=21)
    assert book.told() == [("B", "initial", 3), ("W", "observed", 20)]
    assert book.row("deal", 1)["stage"] == "B"


def test_a_won_outcome_at_first_sight_knows_the_last_open_stage_before_it() -> None:
    book = Book()
    won = {"outcome": "won", "closed": t(8)}
    book.take("deals", deal(1, 10, "B", **won), read_at=11)
    assert [told[:2] for told in book.told()] == [("B", "initial"), ("W", "field")]
    book.take("deals", deal(1, 12, "B", name="again", **won), read_at=13)
    assert [told[:2] for told in book.told()] == [("B", "initial"), ("W", "field")]


def test_a_won_outcome_without_any_date_is_still_known() -> None:
    book = Book()
    book.take("deals", deal(1, None, "B", outcome="won"), read_at=11)
    assert [told[:2] for told in book.told()] == [("B", "initial"), ("W", "observed")]


# --- reported history ------------------------------------------------------------------------------------------------


def test_reported_history_supersedes_the_observed_move_it_explains() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "A", created=t(5)), read_at=11)
    book.take("deals", deal(1, 20, "C", created=t(5)), read_at=21)
    changes = book.take("deals", deal(1, 20, "C", created=t(5), history=[("A", 5), ("B", 12), ("C", 18)]), read_at=30)
    assert book.told() == [("A", "reported", 5), ("B", "reported", 12), ("C", "reported", 18)]
    assert {fact.origin for fact in changes.ended_facts} == {"initial", "observed"}


def test_a_move_the_report_does_not_explain_stays_flagged() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "A", created=t(5)), read_at=11)
    book.take("deals", deal(1, 20, "C", created=t(5)), read_at=21)
    book.take("deals", deal(1, 30, "B", created=t(5), history=[("A", 5), ("B", 25)]), read_at=31)
    assert book.told() == [("A", "reported", 5), ("C", "observed!", 20), ("B", "reported", 25)]


def test_a_move_seen_beside_a_history_that_lacks_it_is_flagged_at_once() -> None:
    """So that the same page again has nothing left to flag."""
    book = Book()
    record = deal(1, 20, "C", created=t(5), history=[("A", 5), ("B", 12)])
    book.take("deals", record, read_at=21)
    assert book.told()[-1] == ("C", "observed!", 20)
    assert wrote(book.take("deals", record, read_at=21)) == 0


def test_a_history_that_comes_late_explains_a_move_that_was_shown_late() -> None:
    """A search that is behind shows it after a reading of everything that ended later than the move."""
    book = Book()
    book.take("deals", deal(1, 10, "A", created=t(5)), read_at=11)
    book.take("deals", deal(1, 20, "C", created=t(5)), read_at=21, known_until=15)
    (move,) = book.past()[1:]
    assert move.occurred_after == at(15)
    book.take("deals", deal(1, 20, "C", created=t(5), history=[("A", 5), ("C", 14)]), read_at=30)
    assert book.told() == [("A", "reported", 5), ("C", "reported", 14)]


def test_a_move_back_that_the_report_does_not_tell_stays_beside_the_one_away() -> None:
    book = Book()
    for minute, stage in ((10, "A"), (20, "C"), (30, "A")):
        book.take("deals", deal(1, minute, stage, created=t(5)), read_at=minute + 1)
    book.take("deals", deal(1, 30, "A", created=t(5), history=[("A", 5)]), read_at=40)
    assert book.told() == [("A", "reported", 5), ("C", "observed!", 20), ("A", "observed!", 30)]


def test_a_field_that_was_empty_at_first_was_so_until_the_oldest_item_of_its_list() -> None:
    book = Book()
    book.take("deals", deal(1, 10, created=t(3)), read_at=11)
    book.take("deals", deal(1, 20, owner="7", created=t(3)), read_at=21)
    assert book.told(timeline="owner") == [("", "initial", 3), ("crm:7", "observed", 20)]
    book.take("deals", deal(1, 20, owner="7", created=t(3), owners=[{"owner": "7", "at": t(15)}]), read_at=30)
    assert book.told(timeline="owner") == [("crm:7", "reported", 15)]


def test_a_field_that_was_empty_at_first_stays_so_before_a_truncated_list() -> None:
    book = Book()
    book.take("deals", deal(1, 10, created=t(3)), read_at=11)
    book.take("deals", deal(1, 20, owner="7", created=t(3)), read_at=21)
    book.take("deals", deal(1, 30, owner="8", created=t(3), owners=[{"owner": "8", "at": t(25)}]), read_at=31)
    told = [("", "initial", 3), ("crm:7", "observed", 20), ("crm:8", "reported", 25)]
    assert book.told(timeline="owner") == told


def test_a_deal_that_gets_its_first_amount_has_not_changed_its_currency() -> None:
    book = Book()
    book.take("deals", deal(1, 10, created=t(3), currency="EUR"), read_at=11)
    book.take("deals", deal(1, 20, created=t(3), amount="5", currency="EUR"), read_at=21)
    assert book.told(timeline="amount") == [("", "initial", 3), ("50000", "observed", 20)]
    assert book.told(timeline="currency") == []


def test_a_deal_that_loses_its_amount_keeps_its_currency() -> None:
    """So what it was worth before is still money when only its amounts have a history."""
    book = Book()
    book.take("deals", deal(1, 10, created=t(3), amount="5", currency="EUR"), read_at=11)
    book.take("deals", deal(1, 20, created=t(3), currency="EUR"), read_at=21)
    assert (book.row("deal", "1")["amount"], book.row("deal", "1")["currency"]) == (None, "EUR")
    book.take("deals", deal(1, 30, created=t(3), currency="USD"), read_at=31)
    assert book.told(timeline="currency") == [("EUR", "initial", 3), ("USD", "observed", 30)]


def test_a_currency_that_is_told_only_with_an_amount_is_not_forgotten_without_one() -> None:
    book = Book()
    book.take("deals", deal(1, 10, created=t(3)), read_at=11)
    book.take("deals", deal(1, 20, created=t(3), amount="5", currency="EUR"), read_at=21)
    book.take("deals", deal(1, 30, created=t(3)), read_at=31)
    book.take("deals", deal(1, 40, created=t(3), amount="5", currency="USD"), read_at=41)
    assert book.told(timeline="currency") == [("EUR", "initial", 3), ("USD", "observed", 40)]


def test_a_truncated_history_removes_nothing_older_than_its_oldest_item() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "A", created=t(1)), read_at=11)
    book.take("deals", deal(1, 20, "B", created=t(1)), read_at=21)
    book.take("deals", deal(1, 30, "C", created=t(1), history=[("C", 25)]), read_at=31)
    assert book.told() == [("A", "initial", 1), ("B", "observed", 20), ("C", "reported", 25)]


def test_a_row_of_a_stream_of_its_own_covers_only_the_gap_before_it() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "A", created=t(1)), read_at=11)
    book.take("deals", deal(1, 20, "B", created=t(1)), read_at=21)
    book.take("deals", deal(1, 40, "L", created=t(1)), read_at=41)
    book.take("moves", move(1, "A", 1), move(1, "C", 30), read_at=50)
    assert book.told() == [
        ("A", "reported", 1), ("B", "observed!", 20), ("C", "reported", 30), ("L", "observed", 40),
    ]


def test_rows_of_a_stream_newest_first_end_the_same_as_oldest_first() -> None:
    """A page of transitions may list the newest first: a move it explains is not left flagged."""
    told = []
    for rows in ([move(1, "A", 1), move(1, "C", 18), move(1, "L", 30)],) * 2:
        book = Book()
        book.take("deals", deal(1, 10, "A", created=t(1)), read_at=11)
        book.take("deals", deal(1, 20, "C", created=t(1)), read_at=21)
        book.take("moves", *(rows if not told else reversed(rows)), read_at=50)
        told.append(book.told())
    assert told[0] == told[1] == [("A", "reported", 1), ("C", "reported", 18), ("L", "reported", 30)]


def test_an_older_record_with_an_older_history_flags_nothing_it_could_not_know() -> None:
    """A stale answer read late covers its history only up to its own modified stamp."""
    book = Book()
    book.take("deals", deal(1, 10, "A", created=t(5)), read_at=11)
    book.take("deals", deal(1, 20, "C", created=t(5)), read_at=21)
    book.take("deals", deal(1, 8, "A", created=t(5), history=[("A", 5)]), read_at=30)
    assert book.told() == [("A", "reported", 5), ("C", "observed", 20)]


def test_an_older_record_adds_unknown_reported_transitions_and_nothing_else() -> None:
    book = Book()
    book.take("deals", deal(1, 30, "C", history=[("C", 25)]), read_at=31)
    before = dict(book.row("deal", 1))
    changes = book.take("deals", deal(1, 20, "B", name="old", history=[("A", 5), ("B", 15)]), read_at=32)
    assert [told[0] for told in book.told()] == ["A", "B", "C"]
    assert book.row("deal", 1) == before
    assert (len(changes.rows), len(changes.facts)) == (0, 2)


def test_a_transition_of_an_unknown_deal_creates_the_deal() -> None:
    book = Book()
    book.take("moves", move(9, "A", 5), move(9, "B", 8), read_at=10)
    assert book.row("deal", 9)["gone"] is None
    assert book.told(9) == [("A", "reported", 5), ("B", "reported", 8)]
    assert book.take("deals", deal(9, 10, "B"), read_at=11).new == 1


def test_reported_transitions_survive_the_retraction_of_their_deal() -> None:
    book = Book(MAPPING.replace("stream: deals\n    key: id\n", "stream: deals\n    key: id\n    only_if: owner\n"))
    book.take("deals", deal(1, 10, "A", owner="7", history=[("A", 5)]), read_at=11)
    book.take("deals", deal(1, 20, "A", history=[("A", 5)]), read_at=21)
    assert book.row("deal", 1)["gone"] == "retracted"
    assert book.told() == [("A", "reported", 5)]


def test_moves_of_one_instant_keep_their_order_also_when_the_history_is_cut() -> None:
    book = Book()
    book.take("deals", deal(1, 10, "C", history=[("A", 5), ("B", 9), ("C", 9)]), read_at=11)
    book.take("deals", deal(1, 12, "C", name="x", history=[("C", 9)]), read_at=13)
    assert [told[0] for told in book.told()] == ["A", "B", "C"]


# --- old news, retraction, deletion ----------------------------------------------------------------------------------


def test_an_absent_record_seen_first_keeps_older_states_of_it_out() -> None:
    book = Book()
    book.take("calls", {"id": "5", "modified": t(30), "at": None}, read_at=31)
    book.take("calls", {"id": "5", "modified": t(20), "at": t(15)}, read_at=32)
    assert ("activity", "5") not in book.before.rows


def test_an_absent_record_seen_again_keeps_states_in_between_out() -> None:
    book = Book()
    book.take("calls", {"id": "5", "modified": t(10), "at": t(5)}, read_at=11)
    book.take("calls", {"id": "5", "modified": t(20), "at": None}, read_at=21)
    book.take("calls", {"id": "5", "modified": t(40), "at": None}, read_at=41)
    book.take("calls", {"id": "5", "modified": t(30), "at": t(5)}, read_at=42)
    assert book.row("activity", 5)["gone"] == "retracted"


def test_a_list_item_that_vanished_is_retracted() -> None:
    book = Book()
    two = [{"owner": "7", "share": 0.5}, {"owner": "8", "share": 0.5}]
    book.take("deals", deal(1, 10, splits=two), read_at=11)
    book.take("deals", deal(1, 20, splits=two[:1]), read_at=21)
    assert book.row("deal_owner", "crm:1|crm:7|")["gone"] is None
    assert book.row("deal_owner", "crm:1|crm:8|")["gone"] == "retracted"


def test_a_list_item_of_an_older_record_does_not_come_back() -> None:
    book = Book()
    two = [{"owner": "7", "share": 0.5}, {"owner": "8", "share": 0.5}]
    book.take("deals", deal(1, 20, splits=two[:1]), read_at=21)
    book.take("deals", deal(1, 10, splits=two), read_at=22)
    assert ("deal_owner", "crm:1|crm:8|") not in book.before.rows


def test_a_list_item_that_moved_to_another_record_lives_on() -> None:
    text = MAPPING.replace(
        "  - {entity: account, stream: accounts, key: id, fields: {name: name}}",
        "  - {entity: account, stream: accounts, each: sites, key: item.id, fields: {name: item.name}}",
    )
    book = Book(text)
    site = [{"id": "s", "name": "Hanoi"}]
    book.take("accounts", {"id": "1", "modified": t(30), "sites": site}, read_at=31)
    book.take("accounts", {"id": "1", "modified": t(40), "sites": []}, read_at=41)
    book.take("accounts", {"id": "2", "modified": t(35), "sites": site}, read_at=42)
    assert book.row("account", "s")["gone"] is None


def test_a_record_that_never_made_a_row_does_not_retract_it() -> None:
    text = MAPPING.replace("stream: accounts, key: id,", "stream: accounts, key: company, only_if: live,")
    book = Book(text)
    book.take("accounts", {"id": "1", "modified": t(10), "company": "x", "live": True, "name": "X"}, read_at=11)
    book.take("accounts", {"id": "2", "modified": t(12), "company": "x", "live": False}, read_at=13)
    assert book.row("account", "x")["gone"] is None


def test_a_deleted_record_that_is_shown_again_lives_again() -> None:
    book = Book()
    book.take("accounts", {"id": "1", "name": "X"}, read_at=11)
    changes = delete(book, ("account", "1"), "accounts")
    assert book.row("account", 1)["gone"] == "deleted"
    assert changes.deleted == 1
    assert book.take("accounts", {"id": "1", "name": "X"}, read_at=21).new == 1
    assert book.row("account", 1)["gone"] is None


def delete(book: Book, key: tuple[str, str], stream: str) -> Any:
    from connector.ledger import Entered, Ledger

    book.seen_at += 1
    entered = Entered("crm", stream, book.seen_at, None, book.seen_at, book.mapping.version)
    ledger = Ledger(book.before, entered, book.mapping.pipelines, book.mapping.columns)
    ledger.delete(key, key[1])
    return ledger.changes


# --- several streams, and mappings that change -----------------------------------------------------------------------


def test_two_streams_merge_field_by_field() -> None:
    book = Book()
    book.take("deals", deal(1, 10, name="N", region="north"), read_at=11)
    book.take("scores", {"id": "1", "modified": t(5), "probability": 0.5, "score": "9"}, read_at=12)
    row = book.row("deal", 1)
    assert (row["name"], row["probability"], row["extra"]) == ("N", 500_000, '{"region":"north","score":"9"}')


def test_a_stream_that_makes_its_part_no_longer_takes_its_own_fields_along() -> None:
    book = Book(MAPPING.replace("stream: scores, key: id,", "stream: scores, key: id, only_if: probability,"))
    book.take("deals", deal(1, 10, name="N", region="north"), read_at=11)
    book.take("scores", {"id": "1", "modified": t(5), "probability": 0.5, "score": "9"}, read_at=12)
    book.take("scores", {"id": "1", "modified": t(15), "score": "9"}, read_at=16)
    row = book.row("deal", 1)
    assert (row["name"], row["probability"], row["extra"], row["gone"]) == ("N", None, '{"region":"north"}', None)


def test_two_streams_that_fill_one_field_of_one_row_are_a_fault() -> None:
    book = Book(MAPPING.replace("probability: probability, extra.score", "name: name, extra.score"))
    book.take("deals", deal(1, 10, name="N"), read_at=11)
    changes = book.take("scores", {"id": "1", "modified": t(5), "name": "M"}, read_at=12)
    assert "deal name: filled by stream deals for the same row" in changes.rejected[0]


def test_two_streams_that_fill_one_own_field_are_a_fault() -> None:
    book = Book(MAPPING.replace("extra.score: score", "extra.region: score"))
    book.take("deals", deal(1, 10, region="north"), read_at=11)
    assert "extra.region" in book.take("scores", {"id": "1", "modified": t(5), "score": "2"}, read_at=12).rejected[0]


def test_a_field_the_mapping_no_longer_fills_is_cleared() -> None:
    book = Book()
    book.take("deals", deal(1, 10, name="N", owner="7", region="north"), read_at=11)
    book.mapping = Book(MAPPING.replace("owner: owner, amount", "amount").replace(", extra.region: region", "")).mapping
    book.take("deals", deal(1, 10, name="N", owner="7", region="north"), read_at=11)
    row = book.row("deal", 1)
    assert (row["name"], row["owner"], row["extra"]) == ("N", None, None)


# --- imported history ------------------------------------------------------------------------------------------------


def test_imported_versions_are_known_since_their_own_time_and_never_in_the_future() -> None:
    text = MAPPING.replace("{name: name}}", "{name: name, seen_at: known}}")
    book = Book(text, imported=True)
    book.take("accounts", {"id": "1", "modified": t(1), "name": "a", "known": t(2)}, read_at=9)
    book.take("accounts", {"id": "1", "modified": t(3), "name": "b", "known": t(4)}, read_at=9)
    assert book.row("account", 1)["seen_at"] == at(4)
    book.take("accounts", {"id": "1", "modified": t(3), "name": "c", "known": t(4)}, read_at=9)
    assert book.row("account", 1)["seen_at"] == book.seen_at  # an edit of what was imported is known from now on
    book.take("accounts", {"id": "2", "modified": t(1), "name": "a", "known": t(99_999)}, read_at=9)
    assert book.row("account", 2)["seen_at"] == book.seen_at
