"""While the values of one KPI are made, a thread asks the engine for the next: in order, never two at once."""

from __future__ import annotations

import gc
import threading
from contextlib import closing

import pytest

from connector import scorecards
from connector.kpi import KpiDefinition, _one_ahead, _uncollected

FIRST, SECOND = KpiDefinition("first", "won_count"), KpiDefinition("second", "won_value")
SCORE = KpiDefinition("score", scorecards.METRIC, rules={"parts": {}})
PATIENCE = 30  # seconds, of a thread that hangs


def test_the_next_is_asked_while_the_caller_is_at_this_one():
    begun = threading.Event()

    def ask(definition):
        if definition is SECOND:
            begun.set()

    with closing(_one_ahead([FIRST, SECOND], ask)) as answers:
        next(answers)
        assert begun.wait(PATIENCE)


def test_a_score_asks_by_itself_so_nothing_is_asked_beside_it():
    told = []
    for _ in _one_ahead([FIRST, SCORE, SECOND], lambda definition: told.append(definition.id)):
        told.append("the caller")
    assert told == ["first", "the caller", "score", "the caller", "second", "the caller"]


def test_who_stops_early_waits_for_what_was_asked():
    """The store must not be closed under a thread that reads it."""
    go_on, ended = threading.Event(), []

    def ask(definition):
        if definition is SECOND:
            go_on.wait(PATIENCE)
            ended.append(definition.id)

    def stop_early():
        with closing(_one_ahead([FIRST, SECOND], ask)) as answers:
            next(answers)
            go_on.set()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stop_early()
    assert ended == ["second"]


def test_what_cannot_be_asked_is_told_at_its_place():
    def ask(definition):
        if definition is SECOND:
            raise ValueError("kpi second")

    answers = _one_ahead([FIRST, SECOND], ask)
    assert next(answers) is None
    with pytest.raises(ValueError, match="kpi second"):
        next(answers)


@pytest.mark.parametrize("was_enabled", [True, False])
def test_garbage_is_collected_again_afterwards_if_it_was_before(was_enabled):
    def fail():
        with _uncollected():
            assert not gc.isenabled()
            raise ZeroDivisionError

    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
