"""Attitude, skill, knowledge: the score by hand, and the table with every fault at its row."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from connector import ask, people
from connector.ask import Rating
from connector.errors import ConfigError
from connector.period import Calendar

STAFF = people.parse(b"employee_code,email\nNV1,an@x.vn\nNV2,binh@x.vn\n", "people.csv")
HEAD = "person,group,item,rater,round,score,weight,required\n"


def rated(group: str, score: str, item: str = "all", rater: str = "NV2", weight: str = "1", **more: object) -> Rating:
    return Rating("NV1", group, item, rater, "2026-Q1", Decimal(score), Decimal(weight), **more)  # type: ignore[arg-type]


def score(*ratings: Rating, weights: dict[str, str] = ask.EQUAL) -> Fraction | None:
    return ask.score(ask.parts(ratings, weights))


def test_the_score_is_the_weighted_level_of_the_three_groups() -> None:
    """metrics.md: A 4.0, S 3.0, K 3.5: 0.75, 0.5, 0.625: 0.625."""
    ratings = rated("attitude", "4"), rated("skill", "3"), rated("knowledge", "3.5")
    assert score(*ratings) == Fraction("0.625")
    assert score(*ratings, weights={"attitude": "0.6", "skill": "0.2", "knowledge": "0.2"}) == Fraction("0.675")


def test_a_group_is_the_mean_of_its_items_however_many_rated_each() -> None:
    """Skill: items of 5 (three raters) and 3 (one): 4, not 4.5."""
    many = [rated("skill", "5", "a", rater) for rater in ("NV2", "NV3", "NV4")]
    found = ask.parts([*many, rated("skill", "3", "b")], ask.EQUAL)
    assert [(part.id, part.weight, part.level) for part in found] == [
        ("a", Fraction(1, 6), 1), ("b", Fraction(1, 6), Fraction(1, 2)),
    ]


def test_raters_are_weighed_and_what_people_say_of_themselves_is_apart() -> None:
    """The manager's 4 counts twice beside a colleague's 1: 3. The own 5 is shown; required 4.5: a gap of 1.5."""
    (part,) = ask.parts([
        rated("skill", "4", rater="NV2", weight="2"), rated("skill", "1", rater="NV3", required=Decimal("4.5")),
        rated("skill", "5", rater="self", is_self=True),
    ], ask.EQUAL)
    told = {name: part.told[name] for name in ("rated", "self", "required", "gap", "raters")}
    assert told == {"rated": "3.000000", "self": "5.000000", "required": "4.500000", "gap": "1.500000", "raters": 2}


def test_without_a_group_there_is_no_score() -> None:
    """Nor where only the person themselves rated it."""
    some = rated("attitude", "4"), rated("skill", "3")
    assert score(*some) is None
    assert score(*some, rated("knowledge", "5", rater="self", is_self=True)) is None


# --- the table -------------------------------------------------------------------------------------------------------


def parse(text: str, **given: object) -> list[Rating]:
    asked = {"staff": STAFF, **given}
    return ask.parse(text.encode(), "ask.csv", "quarter", Calendar(), **asked)  # type: ignore[arg-type]


def test_raters_are_known_by_code_or_e_mail_and_the_person_is_self() -> None:
    found = parse(HEAD + "an@x.vn,Skill,Asks,binh@x.vn,2026-Q1,4,2,5\nNV1,skill,Asks,an@x.vn,2026-Q1,5,,\n"
                  "NV1,skill,Asks,customer,2026-Q1,3,,\n")
    assert [(one.person, one.rater, one.is_self, one.weight) for one in found] == [
        ("NV1", "NV2", False, 2), ("NV1", "self", True, 1), ("NV1", "customer", False, 1),
    ]
    assert parse("person;group;item;rater;round;score\nNV1;skill;Asks;NV2;2026-Q1;3,5\n", decimal=",")[0].score \
        == Decimal("3.5")


def test_all_faults_of_a_table_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        parse(HEAD + "NV9,charm,,NV2,2026-01,6,0,9\n"
              "NV1,skill,Asks,NV2,2026-Q1,4,,4\n"
              "NV1,skill,Asks,binh@x.vn,2026-Q1,4,,\n"  # NV2 again
              "NV1,skill,Asks,NV3,2026-Q1,4,,5\n"  # another level required
              "NV1,skill,Tells,,2026-Q1,,,\n")
    assert [(fault.line, fault.key) for fault in raised.value.faults] == [
        (2, "group"), (2, "item"), (2, "round"), (2, "score"), (2, "weight"), (2, "required"), (2, "person"),
        (4, "rater"), (5, "required"), (6, "rater"), (6, "score"),
    ]
    with pytest.raises(ConfigError, match=r"ask\.csv:1: rater: no such column; expected person, group, item, rater"):
        parse("person,group,item,round,score\n")
