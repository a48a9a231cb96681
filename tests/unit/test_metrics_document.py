"""docs/metrics.md says what the registry says."""

from __future__ import annotations

from pathlib import Path

from connector.metrics.catalogue import METRICS
from connector.metrics.document import text

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_written_from_the_registry_of_today() -> None:
    """Else: python -m connector.metrics.document > docs/metrics.md"""
    assert PAGE.read_text("utf-8") == text()


def test_every_metric_has_its_paragraph() -> None:
    titles = [line.removeprefix("### ").strip("`") for line in text().splitlines() if line.startswith("### ")]
    assert sorted(titles) == sorted(METRICS)
