"""Paths into records: plain ones walk, the others are JMESPath, and both find the same."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.paths import compile_path, holds, steps

RECORDS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
)


@given(RECORDS, st.sampled_from(["a", "a.b", "a.b.c", '"a".b', "c.a"]))
def test_a_plain_path_finds_what_jmespath_finds(record: Any, path: str) -> None:
    assert compile_path(path)(record) == jmespath.search(path, record)


def test_only_plain_paths_walk() -> None:
    assert steps('a.b_1."c d"') == ("a", "b_1", "c d")
    assert steps("a[0]") is None
    assert compile_path("a[?x].y | [0]")({"a": [{"x": 1, "y": 2}]}) == 2


def test_a_path_that_is_none_says_so() -> None:
    with pytest.raises(ValueError, match="not a JMESPath"):
        compile_path("a[")


def test_a_function_jmespath_does_not_have_is_a_fault_of_the_path_and_not_of_every_record() -> None:
    with pytest.raises(ValueError, match=r"there is no function lenght; known: abs, .*; did you mean length\?"):
        compile_path("items[?lenght(name) > `1`].id | [0]")


def test_a_function_given_null_is_a_value_error_that_names_the_path() -> None:
    with pytest.raises(ValueError, match=r"JMESPath join\(',', a\): JMESPathTypeError"):
        compile_path("join(',', a)")({})


@pytest.mark.parametrize(("value", "true"), [(None, False), (False, False), ("", False), ([], False), ({}, False),
                                             (0, True), ("x", True), ([0], True), (True, True)])
def test_truth_is_jmespath_s(value: Any, true: bool) -> None:
    assert holds(value) is true
    assert bool(jmespath.search("[?@] | [0] != null", [value])) is (true if value is not None else False)
