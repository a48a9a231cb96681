"""What a stage stands for is guessed only where its name, its place in the order and the source's flags agree."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.metadata import PipelineInfo, StageInfo
from connector.model import Canonical
from connector.starting.stages import guess, place
from connector.starting.words import meaning

Told = tuple[str, str | None]


def stages(*told: Told) -> list[StageInfo]:
    """Stages of (name, probability as text or None); 1.0 and 0.0 are the closed ones."""
    outcomes = {"1.0": "won", "0.0": "lost"}
    return [
        StageInfo(str(number), name, outcomes.get(likely, "open") if likely else None,  # type: ignore[arg-type]
                  Decimal(likely) if likely else None)
        for number, (name, likely) in enumerate(told)
    ]


def guessed(*told: Told) -> list[str | None]:
    return [one.value if one else None for one in guess(stages(*told))]


@pytest.mark.parametrize(("name", "step"), [
    ("Qualified to buy", "qualification"), ("4. Đã chốt 🎉", "closed_won"), ("Da chot", "closed_won"),
    ("THƯƠNG LƯỢNG", "negotiation"), ("Gửi báo giá", "proposal"), ("Khách hàng tiềm năng", "prospecting"),
    ("Không thành công", "closed_lost"), ("Closed-Lost", "closed_lost"), ("Contract sent", "negotiation"),
    ("Decision maker bought-in", "proposal"), ("Not qualified", "closed_lost"),
    ("Chưa chốt", None), ("Not interested in a proposal", None), ("Proposal / negotiation", None),
    ("Legal review", None), ("", None), ("42", None), ("Mối quan hệ mới", "prospecting"),
])  # fmt: skip
def test_a_name_speaks_of_one_step_or_of_none(name: str, step: str | None) -> None:
    assert meaning(name) == (Canonical(step) if step else None)


def test_all_agree_in_english_and_in_vietnamese() -> None:
    steps = ["prospecting", "proposal", "negotiation", "closed_won", "closed_lost"]
    likely = ["0.1", "0.3", "0.8", "1.0", "0.0"]
    assert guessed(*zip(["New lead", "Quote sent", "Negotiation", "Won", "Lost"], likely, strict=True)) == steps
    assert guessed(*zip(["Tiềm năng", "Báo giá", "Thương lượng", "Đã chốt", "Thất bại"], likely, strict=True)) == steps


def test_without_flags_the_name_and_the_order_decide() -> None:
    assert guessed(("Qualification", None), ("Proposal", None), ("Won", None), ("Lost", None)) == [
        "qualification", "proposal", "closed_won", "closed_lost",
    ]


def test_a_closed_name_before_an_open_stage_is_not_believed_without_a_flag() -> None:
    assert guessed(("Won", None), ("Proposal", None), ("Lost", None)) == [None, "proposal", "closed_lost"]


def test_a_name_against_the_flag_is_not_guessed() -> None:
    """The source says that it is open, or not certain: then it is not won, whatever it is called."""
    assert guessed(("Proposal", "0.4"), ("Won", "0.9"), ("Lost", "1.0")) == ["proposal", None, None]


def test_one_stage_out_of_order_is_left_open_and_the_others_are_guessed() -> None:
    assert guessed(
        ("Prospecting", "0.1"), ("Qualification", "0.2"), ("Negotiation", "0.3"), ("Proposal", "0.5"), ("Won", "1.0"),
    ) == ["prospecting", "qualification", None, None, "closed_won"]
    assert guessed(
        ("Negotiation", "0.1"), ("Prospecting", "0.2"), ("Qualification", "0.3"), ("Proposal", "0.5"),
    ) == [None, "prospecting", "qualification", "proposal"]


def test_a_probability_that_falls_is_not_guessed() -> None:
    assert guessed(("Qualification", "0.6"), ("Proposal", "0.4")) == [None, None]


def test_what_the_source_says_is_won_needs_no_guess_and_a_shipped_stage_keeps_its_step() -> None:
    renewal = PipelineInfo("r", "Renewals", stages(("Umgewandelt", "0.5"), ("Verlängert", "1.0"), ("Lost", "1.0")))
    shipped = {("r", "0"): ("Umgewandelt", Canonical.NEGOTIATION), ("r", "1"): ("Other", Canonical.PROPOSAL)}
    found = place(renewal, shipped)
    assert [(one.to, one.state) for one in found] == [
        (Canonical.NEGOTIATION, "shipped"), (Canonical.CLOSED_WON, "told"), (None, "open"),
    ]
    assert found[2].why == "its name says closed_lost, the source says won"
