"""What metrics are called and how they are explained, in English and in Vietnamese.

`<family>.yaml` says of each metric of the family its name and, where a simple one exists, an example; `choices.yaml`,
`rules.yaml` and `page.yaml` have the words of docs/metrics.md that are no metric's. Every text is a pair `{en, vi}`.
Description and formula are the registry's: the `en` that stands beside the Vietnamese is what was translated, so that
a translation whose English has changed since is told by `faults` and not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from connector import document

if TYPE_CHECKING:
    from connector.metrics.metric import Metric

LANGUAGES = ("en", "vi")
_FILES = {
    **dict.fromkeys(("options", "words", "dimensions", "meanings"), "choices"),
    **dict.fromkeys(("rules", "titles", "texts", "notes"), "rules"),
}
"""In which file a section of the page stands; the others in `page`."""

Read = Callable[[str], Mapping[str, Any]]
_Place = tuple[str, ...]  # file, then the keys in it, the pair's last


@cache
def read(name: str) -> Mapping[str, Any]:
    """The words of a family, or of the page; nothing where there are none. Raises ConfigError for a file amiss."""
    file = resources.files(__package__).joinpath(f"{name}.yaml")
    return document.load(file.read_bytes(), f"{name}.yaml").data or {} if file.is_file() else {}


def packaged() -> list[str]:
    """The name of every file of words."""
    files = (file.name for file in resources.files(__package__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


class Words:
    """The words of one language. It remembers what it was asked: `faults` tells what is missing, outdated, unused.

    What is missing is English, and of a metric without a name its id: a page can always be written.
    """

    def __init__(self, language: str, read: Read = read) -> None:
        self.language = language
        self._read = read
        self._asked: set[_Place] = set()
        self._faults: dict[str, None] = {}

    def name(self, metric: Metric) -> str:
        """What people call the metric."""
        return self._said((metric.family, metric.id, "name"), metric.id)

    def example(self, metric: Metric) -> str:
        """One worked example; '' where there is none."""
        place = metric.family, metric.id, "example"
        return self._said(place, "") if _at(self._read, place) else ""

    def description(self, metric: Metric) -> str:
        """What the metric tells."""
        return self._translated((metric.family, metric.id, "description"), metric.description)

    def formula(self, metric: Metric) -> str:
        """How its value comes out of its members; `{measure}` and `{stat}` stand for the words of the options."""
        return self._translated((metric.family, metric.id, "formula"), metric.formula)

    def page(self, *keys: str) -> str:
        """The text of the page at these keys; the last of them where it has none."""
        return self._said((_FILES.get(keys[0], "page"), *keys), keys[-1])

    def page_of(self, english: str, *keys: str) -> str:
        """The text of the page that says what this English of the registry says."""
        return self._translated((_FILES.get(keys[0], "page"), *keys), english)

    def faults(self, names: Iterable[str] | None = None) -> list[str]:
        """What was asked and is missing or outdated, and what these files (default: all) have that was never asked."""
        files = packaged() if names is None else names
        have = {place for name in files for place in _places(self._read(name), (name,))}
        unused = [f"{_where(place)}: nobody asks for it; take it out" for place in sorted(have - self._asked)]
        return [*self._faults, *unused]

    def _said(self, place: _Place, otherwise: str) -> str:
        self._asked.add(place)
        pair = _at(self._read, place)
        if said := pair.get(self.language):
            return str(said)
        self._faults[f"{_where(place)}: has no {self.language}"] = None
        return str(pair.get("en") or otherwise)

    def _translated(self, place: _Place, english: str) -> str:
        """The translation of that English; the English where there is none of it."""
        self._asked.add(place)
        pair = _at(self._read, place)
        if pair.get("en") != english:
            was = "is not there" if not pair else "was translated from another English"
            self._faults[f"{_where(place)}: {was}; it is now: {english}"] = None
            return english
        said = self._said(place, english)
        if _blanks(said) != _blanks(english):
            self._faults[f"{_where(place)}: {self.language} must keep {' '.join(_blanks(english))}"] = None
        return said


def _at(read: Read, place: _Place) -> Mapping[str, Any]:
    found: Any = read(place[0])
    for key in place[1:]:
        found = found.get(key, {})
    return found if isinstance(found, Mapping) else {}


def _places(data: Mapping[str, Any], place: _Place) -> Iterator[_Place]:
    """The place of every pair."""
    for key, value in data.items():
        if key in LANGUAGES:
            yield place
        else:
            yield from _places(value, (*place, str(key)))


def _where(place: _Place) -> str:
    return f"connector/metrics/words/{place[0]}.yaml: {'.'.join(place[1:])}"


def _blanks(text: str) -> list[str]:
    return sorted(re.findall(r"\{\w+\}", text))
