"""docs/metrics.md and docs/metrics.vi.md say what the registry says, and every word of it is translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.metrics.catalogue import METRICS
from connector.metrics.document import text
from connector.metrics.words import LANGUAGES, Words

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"en": DOCS / "metrics.md", "vi": DOCS / "metrics.vi.md"}
WON = replace(METRICS["won_count"], description="Deals won.", formula="{measure} of the deals won", family="winning")
TOLD = {
    "name": {"en": "Deals won", "vi": "Số cơ hội thắng"},
    "description": {"en": "Deals won.", "vi": "Các cơ hội thắng."},
    "formula": {"en": "{measure} of the deals won", "vi": "{measure} của các cơ hội thắng"},
}
HERE = "connector/metrics/words/winning.yaml"


def words(**changed: Any) -> Words:
    """The Vietnamese words of won_count, some of them changed; None takes one away."""
    own = {name: pair for name, pair in {**TOLD, **changed}.items() if pair is not None}
    files: Mapping[str, Mapping[str, Any]] = {"winning": {"won_count": own}}
    return Words("vi", lambda name: files.get(name, {}))


def asked(told: Words) -> tuple[str, str, str]:
    return told.name(WON), told.description(WON), told.formula(WON)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_written_from_the_registry_of_today(language: str) -> None:
    """Else: python -m connector.metrics.document > docs/metrics.md, and the same with vi > docs/metrics.vi.md"""
    assert PAGES[language].read_text("utf-8") == text(Words(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_missing_or_outdated_or_of_no_use(language: str) -> None:
    told = Words(language)
    text(told)
    assert told.faults() == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_metric_has_its_paragraph_and_a_link_to_it(language: str) -> None:
    page = text(Words(language))
    assert [name for name in METRICS if f'<a id="{name}"></a>\n\n### ' not in page or f"](#{name})" not in page] == []
    assert page.count("\n### ") == len(METRICS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_metrics_have_the_same_name(language: str) -> None:
    told = Words(language)
    assert len({told.name(metric) for metric in METRICS.values()}) == len(METRICS)


def test_the_translation_is_shown() -> None:
    told = words()
    assert asked(told) == ("Số cơ hội thắng", "Các cơ hội thắng.", "{measure} của các cơ hội thắng")
    assert told.faults(["winning"]) == []


def test_what_was_translated_from_another_english_is_told_and_not_shown() -> None:
    told = words(description={"en": "Deals won or lost.", "vi": "Các cơ hội thắng hoặc thua."})
    assert asked(told)[1] == "Deals won."
    was = f"{HERE}: won_count.description: was translated from another English; it is now: Deals won."
    assert told.faults(["winning"]) == [was]


def test_what_is_not_translated_is_told_and_english() -> None:
    told = words(name=None, description=None, formula={"en": "{measure} of the deals won"})
    assert asked(told) == ("won_count", "Deals won.", "{measure} of the deals won")
    assert told.faults(["winning"]) == [
        f"{HERE}: won_count.name: has no vi",
        f"{HERE}: won_count.description: is not there; it is now: Deals won.",
        f"{HERE}: won_count.formula: has no vi",
    ]


def test_a_translation_keeps_what_the_options_fill_in() -> None:
    told = words(formula={"en": "{measure} of the deals won", "vi": "số cơ hội thắng"})
    asked(told)
    assert told.faults(["winning"]) == [f"{HERE}: won_count.formula: vi must keep {{measure}}"]


def test_words_that_nobody_asks_for_are_told() -> None:
    """As of a metric that is gone."""
    told = words(example={"en": "One.", "vi": "Một."})
    asked(told)
    assert told.faults(["winning"]) == [f"{HERE}: won_count.example: nobody asks for it; take it out"]
    assert told.example(WON) == "Một."
    assert told.faults(["winning"]) == []
