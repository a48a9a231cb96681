"""Whose number it is when people have several owners, change teams, join and leave."""

from __future__ import annotations

from .test_rules import Build, build, move

__all__ = ["build"]  # the fixture

STAFF = (  # An has two owners and changes teams on 1 February; Binh joins on 10 February, Chi left on 31 January
    "employee_code,owner,name,team,from,to\n"
    "001,crm:A,An,north,2024-01-01,2025-01-31\n"
    "001,crm:A2,An,south,2025-02-01,\n"
    "002,crm:B,Binh,north,2025-02-10,\n"
    "003,crm:C,Chi,south,2024-01-01,2025-01-31\n"
)
WON = {  # day of the win and owner; each is worth 1,000
    "1": ("01-20", "A"), "2": ("02-20", "A2"), "3": ("02-25", "A"), "4": ("02-25", "B"), "5": ("01-25", "C"),
    "6": ("02-25", "D"), "7": ("02-25", ""),
}


def won(build: Build, per: str) -> dict[tuple[str, str, str], str | None]:
    """Won value by kind and key of the subject, and month."""
    ask = build(
        {id_: {"owner": f"crm:{owner}" if owner else None} for id_, (_, owner) in WON.items()},
        {id_: [move("01-01", "new"), move(on, "won")] for id_, (on, _) in WON.items()},
        files={"people": STAFF}, owner=[{"id": name, "name": name} for name in ("A", "A2", "B", "C", "D")],
    )
    found = ask("won_value", per=per, periods=["2025-01", "2025-02", "2025-03"])
    return {(one.subject.kind, one.subject.key, one.period): one.value for one in found}


def test_all_owners_of_a_person_add_up_and_who_is_nobody_s_stays_an_owner(build: Build) -> None:
    """An won 1 000 in January by one owner, and in February by both; D and no owner are nobody's."""
    found = won(build, "person")
    assert [found["person", "001", f"2025-0{month}"] for month in (1, 2, 3)] == ["1000.00", "2000.00", "0.00"]
    assert (found["owner", "crm:D", "2025-02"], found["owner", "none", "2025-02"]) == ("1000.00", "1000.00")


def test_who_has_joined_has_a_value_from_then_on_and_who_has_left_none_any_more(build: Build) -> None:
    found = won(build, "person")
    assert {month for kind, key, month in found if key == "002"} == {"2025-02", "2025-03"}
    assert {month for kind, key, month in found if key == "003"} == {"2025-01"}


def test_a_win_is_the_team_s_in_which_the_person_was_then(build: Build) -> None:
    """January: An for the north, Chi for the south. February: An twice for the south, Binh for the north."""
    found = won(build, "team")
    assert [found["team", team, "2025-01"] for team in ("north", "south")] == ["1000.00", "1000.00"]
    assert [found["team", team, "2025-02"] for team in ("north", "south")] == ["1000.00", "2000.00"]
    assert found["team", "none", "2025-02"] == "2000.00"
