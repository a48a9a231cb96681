"""The people file: who is employed, in which team, and whose owner is whose (design.md sections 4 and 6)."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pytest

from connector import people
from connector.errors import ConfigError
from connector.people import People, Stay

HEAD = "employee_code,email,owner,name,team,manager,from,to,ignore\n"


def parse(text: str) -> People:
    return people.parse((HEAD + text).encode(), "people.csv")


def test_a_row_for_each_owner_makes_one_person() -> None:
    staff = parse("007,an@x.vn,hubspot:1,An,north,,2025-01-01,,\n007,,tryton:4,,,,,,\n")
    (person,) = staff.persons
    assert (person.code, person.name, person.owners) == ("007", "An", {"hubspot:1", "tryton:4"})
    assert staff.person_of("tryton:4") is person
    assert person.stays == [Stay("north", date(2025, 1, 1), None)]


def test_an_owner_is_matched_by_its_column_then_by_email_and_never_guessed() -> None:
    staff = parse("1,an@x.vn,hubspot:1,An,,,,,\n2,Binh@X.vn,,Binh,,,,,\n")
    assert [person.code if (person := staff.person_of(owner, mail)) else None for owner, mail in (
        ("hubspot:1", "binh@x.vn"), ("hubspot:9", "BINH@x.vn "), ("hubspot:9", "an.nguyen@x.vn"), ("hubspot:9", ""),
    )] == ["1", "2", None, None]


def test_the_last_day_is_a_day_of_employment() -> None:
    (person,) = parse("1,,,An,,,2025-01-10,2025-02-28,\n").persons
    assert person.employed(date(2025, 2, 28), date(2025, 3, 31))
    assert not person.employed(date(2025, 3, 1), date(2025, 3, 31))
    assert not person.employed(date(2025, 1, 1), date(2025, 1, 9))


def test_without_dates_a_person_is_always_employed() -> None:
    assert parse("1,,,An,,,,,\n").persons[0].employed(date(1990, 1, 1), date(1990, 1, 1))


def test_teams_are_dated_and_the_ledger_s_fill_in() -> None:
    staff = parse(
        "1,,hubspot:1,An,south,,2025-02-01,,\n"
        "1,,hubspot:1,An,north,,2025-01-01,2025-01-31,\n"
        "2,b@x.vn,,B,,,,,\n"
    )
    ledger = [("hubspot:1", Stay("old")), ("hubspot:2", Stay("east"))]
    found = people.teams(staff, {"hubspot:1": "", "hubspot:2": "b@x.vn"}, ledger)
    assert [stay.team for stay in found["hubspot:1"]] == ["north", "south"]
    assert found["hubspot:2"] == [Stay("east")]


def test_teams_and_managers_are_those_of_the_day() -> None:
    (person,) = parse(
        "1,,hubspot:1,An,north,9,2025-01-01,2025-01-31,\n"
        "1,,tryton:7,,south,8,2025-02-01,,\n"
    ).persons
    days = [date(2025, 1, 31), date(2025, 2, 1), date(2024, 12, 31)]
    assert [person.team_on(day) for day in days] == ["north", "south", ""]
    assert [person.manager_on(day) for day in days] == ["9", "8", ""]


def test_a_manager_without_dates_is_the_one_of_every_other_day_and_employs_nobody() -> None:
    (person,) = parse("1,,hubspot:1,An,,,2025-02-01,,\n1,,tryton:7,,,9,,,\n").persons
    assert person.manager_on(date(2025, 3, 1)) == "9"
    assert not person.employed(date(2025, 1, 1), date(2025, 1, 31))


def test_two_managers_at_one_time_are_a_fault() -> None:
    with pytest.raises(ConfigError, match=r"people\.csv:3: manager: two managers at one time"):
        parse("1,,,An,north,9,2025-01-01,,\n1,,,,north,8,2025-05-01,,\n")


def test_an_ignored_owner_needs_no_code() -> None:
    staff = parse(",,hubspot:9,,,,,,yes\n,robot@x.vn,,,,,,,true\n")
    assert [person.is_ignored for person in staff.persons] == [True, True]
    assert staff.person_of("hubspot:8", "robot@x.vn") is not None


def test_all_faults_are_listed_with_their_rows() -> None:
    with pytest.raises(ConfigError) as raised:
        parse(
            "1,,12345,An,north,,,,\n"  # no source
            "2,,,B,,,2025-03-01,2025-02-01,\n"  # ends before it starts
            "3,,,C,,,31/01/2025,,maybe\n"
            ",,,D,,,,,\n"
            "4,e@x.vn,hubspot:4,E,,,,,\n"
            "5,E@x.vn,hubspot:4,F,,,,,\n"
            "6,,,G,north,,2025-01-01,,\n"
            "6,,,G,south,,2025-05-01,,\n"
        )
    assert sorted((fault.line, fault.key) for fault in raised.value.faults) == [
        (2, "owner"), (3, "to"), (4, "from"), (4, "ignore"), (5, "employee_code"), (7, "email"), (7, "owner"),
        (9, "team"),
    ]
    assert "x.vn" not in str(raised.value)


def test_a_number_where_a_code_belongs_has_lost_its_zeros() -> None:
    with pytest.raises(ConfigError, match=r"people.xlsx:2: .*employee_code: a number .* leading zeros may be lost"):
        people.parse(workbook([["employee_code", "name"], [7, "An"]]), "people.xlsx")
    (person,) = people.parse(workbook([["employee_code", "from"], ["007", date(2025, 1, 1)]]), "people.xlsx").persons
    assert (person.code, person.stays) == ("007", [Stay("", date(2025, 1, 1))])


def workbook(cells: list[list[Any]]) -> bytes:
    from openpyxl import Workbook

    book, content = Workbook(), io.BytesIO()
    for row in cells:
        book.active.append(row)
    book.save(content)
    return content.getvalue()
