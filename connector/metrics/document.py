"""docs/metrics.md and docs/metrics.vi.md, written from the registry and the files in `words`:

    python -m connector.metrics.document > docs/metrics.md
    python -m connector.metrics.document vi > docs/metrics.vi.md

Words that are missing are told on standard error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping

from connector.metrics.catalogue import METRICS
from connector.metrics.metric import Metric
from connector.metrics.registry import quality
from connector.metrics.words import Words

_CHAPTERS: Mapping[str, tuple[str, ...]] = {
    "Winning and losing": ("winning",),
    "Leads and what comes of them": ("leads", "response"),
    "Lost deals that come back": ("recycling",),
    "Calls, mails and meetings": ("activities", "touches"),
    "Through the stages": ("stages", "standing", "slipping", "bottleneck", "waiting"),
    "Open pipeline and forecast": ("pipeline", "bridge", "forecast", "chances"),
    "Orders, cash, contracts": ("orders", "contracts"),
    "Customers": ("customers",),
    "Data quality": ("quality", "quality_links", "quality_moves"),
    "People: scorecards, OKR, ASK": ("scores",),
}
_RULES = tuple(f"R{number}" for number in range(1, 19))
_IN_WORDS = {"measure": ("value", "count"), "stat": ("median", "mean", "p90")}  # what a formula may leave open


def text(words: Words) -> str:
    """The whole page, in the language of the words."""
    page = words.page
    parts = [
        f"# {page('title')}", page("other_language"), page("introduction"), page("reading"),
        f"## {page('labels', 'all')}", "\n".join(_contents(words)),
        *(part for title, families in _CHAPTERS.items() for part in _chapter(words, title, families)),
        f"## {page('options', 'title')}", _table(page("options", "head"), _options(words)),
        f"## {page('dimensions', 'title')}", _table(page("dimensions", "head"), _dimensions(words)),
        f"## {page('rules', 'title')}",
        _table(page("rules", "head"), ((rule, _rule_text(words, rule)) for rule in _RULES)),
    ]
    return "\n\n".join(parts) + "\n"


def _contents(words: Words) -> Iterator[str]:
    """One line a chapter, with a link to each metric of it."""
    for title, families in _CHAPTERS.items():
        links = " · ".join(f"[{words.name(metric)}](#{metric.id})" for metric in _of(families))
        yield f"- **{words.page('chapters', title)}**: {links}"


def _chapter(words: Words, title: str, families: tuple[str, ...]) -> Iterator[str]:
    yield f"## {words.page('chapters', title)}"
    for metric in _of(families):
        yield f'<a id="{metric.id}"></a>'
        yield f"### {words.name(metric)} (`{metric.id}`)"
        yield words.description(metric)
        yield "\n".join(f"- {line}" for line in _lines(words, metric))
    if "quality" in families:
        yield words.page_of(quality.ELSEWHERE, "elsewhere").rstrip()


def _of(families: tuple[str, ...]) -> list[Metric]:
    return [metric for metric in METRICS.values() if metric.family in families]


def _lines(words: Words, metric: Metric) -> Iterator[str]:
    page = words.page
    yield _line(words, "how", _formula(words, metric))
    if example := words.example(metric):
        yield _line(words, "example", example)
    yield _line(words, "unit", ", ".join(_units(words, metric)))
    yield _line(words, "period", page("periods", metric.period_by))
    yield _line(words, "nothing", page("nothing", metric.null or "none"))
    yield _line(words, "adds", page("adds", metric.adds or "none"))
    if metric.lower_is_better:
        yield page("better", "lower")
    if metric.always_by:
        yield _line(words, "split", ", ".join(_split(words, metric)))
    if metric.options:
        yield _line(words, "options", " · ".join(_allowed(words, *option) for option in metric.options.items()))
    if metric.rules:
        yield _line(words, "rules", ", ".join(_rules(words, metric.rules)))


def _line(words: Words, label: str, said: str) -> str:
    return f"**{words.page('labels', label)}**: {said}{'' if said.endswith('.') else '.'}"


def _units(words: Words, metric: Metric) -> Iterator[str]:
    """The unit; where money or a number can be asked for, the other as well."""
    yield words.page("units", metric.unit)
    measures = metric.options.get("measure")
    if isinstance(measures, tuple):
        yield from (words.page("units", measure) for measure in measures[1:])


def _formula(words: Words, metric: Metric) -> str:
    """The formula, with all words of an option that it leaves open, the default first."""
    said = words.formula(metric)
    for name, usual in _IN_WORDS.items():
        allowed = metric.options.get(name)
        first, *others = [words.page("formula", word) for word in (allowed if isinstance(allowed, tuple) else usual)]
        either = f" ({words.page('labels', 'or')} {', '.join(others)})" if others else ""
        said = said.replace(f"{{{name}}}", first + either)
    return said


def _split(words: Words, metric: Metric) -> Iterator[str]:
    for dimension in metric.always_by:
        named = words.page("dimensions", dimension)
        own = ", ".join(f"`{word}`" for word in metric.words) if dimension == metric.word else ""
        yield f"{named} ({own})" if own else named


def _allowed(words: Words, name: str, allowed: tuple[str, ...] | int | None) -> str:
    if isinstance(allowed, tuple):
        return f"`{name}` {', '.join(allowed)}"
    return f"`{name}` {words.page('labels', 'number') if allowed is None else allowed}"


def _rules(words: Words, rules: str) -> Iterator[str]:
    """`R4 (moment of the win)` for each rule; what else a metric obeys in words."""
    note = []
    for told in rules.split():
        if told in _RULES:
            yield f"{told} ({words.page('titles', told)})"
        elif re.fullmatch(r"Q\d+(-Q\d+)?", told):  # a check of data quality, which the description explains
            yield told
        else:
            note.append(told)
    if note:
        yield words.page("notes", " ".join(note))


def _rule_text(words: Words, rule: str) -> str:
    return f"**{words.page('titles', rule)}**. {words.page('texts', rule)}"


def _options(words: Words) -> Iterator[tuple[str, str]]:
    """Each option of any metric, and what each of its words chooses."""
    found: dict[str, dict[str, None]] = {}
    for metric in METRICS.values():
        for name, allowed in metric.options.items():
            found.setdefault(name, {}).update(dict.fromkeys(allowed if isinstance(allowed, tuple) else ()))
    for name, own in found.items():
        yield f"`{name}`", _explained(words, words.page("options", name), "words", name, own)


def _dimensions(words: Words) -> Iterator[tuple[str, str]]:
    """The words of each dimension that members tell themselves."""
    found: dict[str, dict[str, None]] = {}
    for metric in METRICS.values():
        if metric.words:
            found.setdefault(metric.word, {}).update(dict.fromkeys(metric.words))
    for name, own in found.items():
        yield f"`{name}`", _explained(words, words.page("dimensions", name), "meanings", name, own)


def _explained(words: Words, what: str, section: str, name: str, own: Iterable[str]) -> str:
    meanings = "; ".join(f"`{word}`: {words.page(section, name, word)}" for word in own)
    return f"{what}. {meanings}" if meanings else what


def _table(head: str, rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join([head, "| --- | --- |", *(f"| {left} | {right} |" for left, right in rows)])


if __name__ == "__main__":
    told = Words(sys.argv[1] if sys.argv[1:] else "en")
    print(text(told), end="")
    print(*(f"{fault}\n" for fault in told.faults()), sep="", end="", file=sys.stderr)
