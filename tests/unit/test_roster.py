"""What is kept of a list of employees: it tells of today, the people table tells of all days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import people, roster
from connector.errors import ConfigError
from connector.ports import Employee
from connector.tabular import Row, read_table

TODAY = date(2026, 3, 10)
AN = {"employee_code": "007", "name": "An", "email": "an@x.vn", "team": "north", "from": "2025-01-01"}
BINH = {"employee_code": "008", "name": "Bình", "email": "binh@x.vn", "team": "north", "manager": "007"}


def listed(*cells: dict[str, str]) -> list[Row]:
    return roster.listed([Employee(one) for one in cells], "hr employees")


def kept(cells: list[dict[str, str]], before: list[Row], today: date = TODAY) -> list[Row]:
    return roster.kept(listed(*cells), before, today)


def told(rows: list[Row]) -> list[dict[str, object]]:
    return [dict(row.cells) for row in rows]


def own(text: str) -> list[Row]:
    return list(read_table(("employee_code,email,owner,name,team,manager,from,to,ignore\n" + text).encode(), "p.csv"))


def test_a_first_list_is_kept_as_it_is_in_the_order_of_codes() -> None:
    assert told(kept([BINH, AN], [])) == [AN, BINH]


def test_the_same_list_again_is_the_same_on_another_day() -> None:
    once = kept([AN, BINH], [])
    moved = kept([{**AN, "team": "south"}, BINH], once)
    assert roster.content(kept([{**AN, "team": "south"}, BINH], moved, date(2026, 9, 9))) == roster.content(moved)


def test_who_moves_was_in_the_old_team_until_yesterday() -> None:
    assert told(kept([{**AN, "team": "south"}], kept([AN], []))) == [
        {"employee_code": "007", "team": "north", "from": "2025-01-01", "to": "2026-03-09"},
        {**AN, "team": "south", "from": "2026-03-10"},
    ]


def test_a_new_first_day_on_the_list_is_the_day_of_the_move() -> None:
    moved = {**AN, "team": "south", "from": "2026-02-01"}
    assert told(kept([moved], kept([AN], []))) == [
        {"employee_code": "007", "team": "north", "from": "2025-01-01", "to": "2026-01-31"}, moved,
    ]


def test_another_manager_is_a_move_too() -> None:
    first, second = kept([{**BINH, "manager": "009"}], kept([BINH], []))
    assert (first.cells["manager"], first.cells["to"]) == ("007", "2026-03-09")
    assert (second.cells["manager"], second.cells["from"]) == ("009", "2026-03-10")


def test_two_moves_on_one_day_are_one() -> None:
    once = kept([{**AN, "team": "south"}], kept([AN], []))
    rows = kept([{**AN, "team": "west"}], once)
    assert [(row.cells["team"], row.cells["from"]) for row in rows] == [("north", "2025-01-01"), ("west", "2026-03-10")]


def test_who_is_listed_no_longer_was_employed_until_that_was_seen_and_stays_known() -> None:
    left = kept([BINH], kept([AN, BINH], []))
    assert told(left) == [{**AN, "to": "2026-03-10"}, BINH]
    assert told(kept([BINH], left, date(2026, 4, 1))) == told(left)
    assert told(kept([AN, BINH], left, date(2026, 4, 1))) == [AN, BINH]  # listed again: never left


def test_a_last_day_that_was_told_is_the_last_day() -> None:
    gone = {**AN, "to": "2026-02-28"}
    assert told(kept([BINH], kept([gone, BINH], []))) == [gone, BINH]


def test_who_never_began_was_never_employed() -> None:
    assert told(kept([BINH], kept([{**AN, "from": "2026-04-01"}, BINH], []))) == [BINH]


def test_the_mail_of_who_left_may_be_given_to_another() -> None:
    rows = kept([BINH, {"employee_code": "009", "email": "AN@x.vn"}], kept([AN, BINH], []))
    assert "email" not in rows[0].cells
    assert people.of_rows(rows).find("an@x.vn") is not None


def test_a_move_among_the_leavers_after_the_last_day_changes_no_team() -> None:
    rows = kept([{**AN, "team": "former", "to": "2026-02-28"}], kept([AN], []))
    assert told(rows) == [{**AN, "to": "2026-02-28"}]


def test_who_is_employed_again_has_two_stays() -> None:
    again = {**AN, "from": "2026-03-01"}
    rows = kept([again], kept([{**AN, "to": "2025-12-31"}], []))
    assert [(row.cells["from"], row.cells.get("to")) for row in rows] == [
        ("2025-01-01", "2025-12-31"), ("2026-03-01", None),
    ]


def test_a_list_of_dated_stays_is_taken_as_it_is() -> None:
    stays = [{**AN, "to": "2025-12-31"}, {**AN, "team": "south", "from": "2026-01-01"}]
    assert told(kept(stays, kept([{**AN, "team": "west"}], []))) == stays


def test_a_row_that_stands_there_twice_counts_once_and_one_without_code_not_at_all() -> None:
    assert told(listed(AN, AN, {"name": "Nobody yet"})) == [AN]


def test_all_faults_name_the_row_of_the_list() -> None:
    """Row 3 has the code of row 1 with another name and e-mail; of row 2 a day cannot be read."""
    rows = [Employee(AN), Employee({"employee_code": "008"}, {"to": "expected a date as ISO 8601"}),
            Employee({**BINH, "employee_code": "007"})]
    with pytest.raises(ConfigError) as raised:
        roster.listed(rows, "hr employees")
    assert [(fault.line, fault.key) for fault in raised.value.faults] == [(2, "to"), (3, "name"), (3, "email")]
    assert "row 1 has another for the same employee_code; expected one person for each" in str(raised.value)


def test_what_is_missing_is_counted_among_those_employed() -> None:
    before = kept([AN, BINH, {"employee_code": "009", "to": "2026-01-31"}], [])
    assert roster.gone(listed(BINH), before, TODAY) == (["007"], 2)


def test_a_file_adds_and_overrides_by_code() -> None:
    """An gets an owner, Bình another team since February, Chi is only in the file."""
    rows = roster.merged(
        kept([AN, BINH], []),
        own("007,,hubspot:1,,,,,,\n008,b@x.vn,,Binh,south,,2026-02-01,,\n010,chi@x.vn,,Chi,,,,,\n"),
    )
    staff = people.of_rows(rows)
    an, binh, chi = (staff.find(code) for code in ("007", "008", "010"))
    assert an is not None
    assert binh is not None
    assert chi is not None
    assert (an.owners, an.emails, an.team_on(TODAY)) == ({"hubspot:1"}, {"an@x.vn"}, "north")
    assert (binh.name, binh.emails) == ("Binh", {"b@x.vn", "binh@x.vn"})
    assert (binh.team_on(date(2026, 1, 31)), binh.team_on(TODAY), binh.manager_on(TODAY)) == ("", "south", "")


def test_what_the_file_gives_to_another_is_not_taken_from_the_list() -> None:
    """A mailbox that two have on the list is settled by ignoring it; the list alone would be at fault."""
    both = kept([{**AN, "email": "sales@x.vn"}, {**BINH, "email": "Sales@x.vn"}], [])
    with pytest.raises(ConfigError, match="stands at another employee_code too"):
        people.of_rows(roster.merged(both, []))
    staff = people.of_rows(roster.merged(both, own(",sales@x.vn,,,,,,,yes\n")))
    assert (person := staff.find("sales@x.vn")) is not None
    assert person.is_ignored
    assert sorted(one.code for one in staff.persons if not one.is_ignored) == ["007", "008"]


def test_what_is_kept_reads_back_as_the_same_people() -> None:
    moved = kept([{**AN, "team": "south"}, BINH], kept([AN, BINH], []))
    rows = roster.merged(moved, own('0010,,a:1,"X, Y",,,,,yes\n'))
    again = people.parse(roster.content(rows), "hr/employees.csv")
    assert again.persons == people.of_rows(rows).persons


# --- laws, over lists that change in any way from day to day ---------------------------------------------------------

DAYS = st.integers(0, 12).map(lambda number: TODAY + timedelta(days=number - 6))


@st.composite
def lists(draw: st.DrawFn) -> list[dict[str, str]]:
    """Some of three employees, each with a team, a manager and days, or without."""
    found = []
    for code in ("1", "2", "3"):
        first, last = sorted((draw(DAYS), draw(DAYS)))
        cells = {"employee_code": code, "email": f"{code}@x.vn", "team": draw(st.sampled_from(["", "north", "south"])),
                 "manager": draw(st.sampled_from(["", "9"])), "from": draw(st.sampled_from(["", first.isoformat()])),
                 "to": draw(st.sampled_from(["", last.isoformat()]))}
        if draw(st.booleans()):
            found.append({name: cell for name, cell in cells.items() if cell})
    return found


@given(st.lists(st.tuples(lists(), st.integers(0, 2)), max_size=6))
def test_whatever_a_list_becomes_what_is_kept_is_sound_stands_still_and_loses_nobody(
    days: list[tuple[list[dict[str, str]], int]]
) -> None:
    rows: list[Row] = []
    today = TODAY - timedelta(days=6)
    begun: set[str] = set()
    for cells, passed in days:
        today += timedelta(days=passed)
        rows = kept(cells, rows, today)
        staff = people.of_rows(rows)
        assert roster.content(kept(cells, rows, today)) == roster.content(rows)
        for one in cells:
            person = staff.find(one["employee_code"])
            assert person is not None
            if one.get("from", "") > today.isoformat():
                begun.discard(person.code)  # by the list's own word
            if one.get("from", "") <= today.isoformat() <= one.get("to", "9999-12-31"):
                begun.add(person.code)
                assert (person.team_on(today), person.manager_on(today)) == (
                    one.get("team", ""), one.get("manager", ""),
                )
        assert begun <= {person.code for person in staff.persons}
