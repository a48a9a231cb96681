"""docs/metrics.md, written from the registry: `python -m connector.metrics.document > docs/metrics.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.metrics.catalogue import METRICS
from connector.metrics.metric import Metric

_CHAPTERS: Mapping[str, tuple[str, ...]] = {
    "Winning and losing": ("winning",),
    "Leads and what comes of them": ("leads", "response"),
    "Lost deals that come back": ("recycling",),
    "Calls, mails and meetings": ("activities", "touches"),
    "Through the stages": ("stages", "standing", "slipping", "bottleneck"),
    "Open pipeline and forecast": ("pipeline", "bridge", "forecast", "chances"),
    "Orders, cash, contracts": ("orders", "contracts"),
    "Customers": ("customers",),
    "People: scorecards, OKR, ASK": ("scores",),
}
_UNITS = {
    "0..1": "a share, 0 to 1", "money": "the reporting currency", "money per day": "the reporting currency, a day",
    "ratio": "a plain number", "min": "minutes",
}
_INTRODUCTION = """\
# Metrics

What each number means, written from the registry of the program (`python -m connector.metrics.document`). A KPI of the
config names one of them (`metric:`), says whose number it is (`per:`) and for which length of period (`every:`);
[kpis.md](kpis.md) shows how. Options and rules are explained in the last two chapters.

"""
_RULES = """\
## The options

| option | what it chooses |
| --- | --- |
| `credit` | `at_event`: who owned the deal then; `actor`: who did it; `current`: who owns it now; `split`: by shares |
| `count_by` | `event`: the period in which it happened; `cohort`: the one in which it began |
| `horizon` | each is followed for so many days; nothing later counts |
| `stat` | `median`, `mean`, or `p90`: nine of ten are shorter |
| `measure` | money, or how many |
| `base` | `all`, or only those that are `settled` by now |
| `span` | each `visit`, all visits of a deal together, or its `last` |
| `variant` | `complete`: all lines, all money; `first`: the first of them |
| `source` | what a purchase is: a deal `won`, an order, an invoice |

## The rules

| rule | in plain words |
| --- | --- |
| R1 | A period begins at midnight of its first day in your time zone; midnight between two belongs to the later one. |
| R2 | A number counts either what happened in the period, or what began in it and is followed; never both. |
| R3 | Quarters and years follow your fiscal year. |
| R4 | A deal is won when it is moved into a won stage, not on the date somebody typed. |
| R5 | A skipped stage counts as reached, not as entered; a lead that jumps ahead has passed the steps between. |
| R6 | Going back ends a stay; it is never a loss, and what was reached stays reached. |
| R7 | A deal that was opened again counts by its last state. |
| R8 | What was deleted or merged counts nowhere. |
| R9 | A stage that was removed keeps its place in old numbers. |
| R10 | A move into another pipeline is neither won nor lost. |
| R11 | What is still open is not left out and not taken as finished. |
| R12 | Credit goes to who owned the deal then, unless you choose otherwise; people who left keep theirs. |
| R13 | Money is exact, and converted at the rate of its own day. |
| R14 | A missing amount is no zero: it is left out of sums and counted beside them. |
| R15 | What was closed stays; later changes show beside it. |
| R16 | A share shows both its numbers; of nothing there is none. A team's is of all its deals, not a mean of shares. |
| R17 | Lengths of time are exact, not whole days. |
| R18 | The same thing told twice counts once. |
"""


def text() -> str:
    """The whole page."""
    return _INTRODUCTION + "\n".join(_chapter(title, families) for title, families in _CHAPTERS.items()) + "\n" + _RULES


def _chapter(title: str, families: tuple[str, ...]) -> str:
    own = [metric for metric in METRICS.values() if metric.family in families]
    return "\n".join([f"## {title}\n", *(_metric(metric) for metric in own)])


def _metric(metric: Metric) -> str:
    return f"### `{metric.id}`\n\n{metric.description}\n\n" + "".join(f"- {line}\n" for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    yield f"How: {_formula(metric)}."
    yield f"In: {_UNITS.get(metric.unit, metric.unit)}. Counts in the period of: {metric.period_by}."
    nothing = "no data" if metric.null is None else f"`{metric.null}`" if metric.null.isdigit() else metric.null
    adds = [words for mark, words in (("o", "people"), ("t", "periods")) if mark in metric.adds.split()]
    yield f"Of nothing it is {nothing}. Adds up over {' and '.join(adds) if adds else 'nothing: it is computed anew'}."
    if metric.lower_is_better:
        yield "Lower is better."
    if metric.always_by:
        words = f" ({', '.join(metric.words)})" if metric.words else ""
        yield f"Always split by {', '.join(metric.always_by)}{words}."
    for name, allowed in metric.options.items():
        yield _option(name, allowed)
    yield f"Rules: {metric.rules}."


def _formula(metric: Metric) -> str:
    return metric.formula.replace("{measure}", "value (or number)").replace("{stat}", "median (or mean, p90)")


def _option(name: str, words: tuple[str, ...] | int | None) -> str:
    if isinstance(words, tuple):
        others = f", or {', '.join(f'`{word}`' for word in words[1:])}" if words[1:] else ""
        return f"Option `{name}`: `{words[0]}`{others}."
    return f"Option `{name}`: a whole number, {'none' if words is None else words} unless given."


if __name__ == "__main__":
    print(text(), end="")
