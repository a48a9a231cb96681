"""The formula of a metric made of others, with the numbers of its terms as their members add up to them.

    4 × (3 / 4) × (26000.00 / 3) / (75.000000 / 4)

Each is written so that its numbers make the value. Where the two sides of a value already do so, or where it has none,
nothing stands here (`connector.formula`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from connector.exact import decimal_text, money_text
from connector.metrics.catalogue import METRICS
from connector.metrics.registry.bottleneck import WEIGHT
from connector.metrics.value import PLACES, count_text, length_text
from connector.model import KpiValue, Member


class Terms:
    """The sums of the terms of one value; `days` of its period, and of the eleven before it."""

    def __init__(self, value: KpiValue, members: Sequence[Member], days: Sequence[Fraction]) -> None:
        self.value, self.days = value, days
        self._of: dict[tuple[str, str], list[Member]] = {}
        for member in members:
            self._of.setdefault((member.term, member.side), []).append(member)

    def of(self, term: str, side: str) -> Sequence[Member]:
        """The members of one side of a term."""
        return self._of.get((term, side), ())

    def count(self, term: str, side: str = "numerator") -> str:
        """How many records there are of a term."""
        return count_text(sum(member.share or 0 for member in self.of(term, side)))

    def settled(self, term: str) -> str:
        """How many records of its base are decided."""
        return count_text(sum(member.share or 0 for member in self.of(term, "denominator") if not member.is_open))

    def amount(self, term: str, side: str = "numerator") -> int:
        """What the records of a term come to, as stored money."""
        return sum(member.amount or 0 for member in self.of(term, side))

    def money(self, term: str, side: str = "numerator") -> str:
        """What the records of a term come to."""
        return self.shown(self.amount(term, side))

    def shown(self, amount: int) -> str:
        """Stored money in the value's currency."""
        return money_text(amount, self.value.currency or "")

    def mean_length(self, term: str) -> str:
        """Sum by number of the lengths of a term, in its unit."""
        spans = [member.duration for member in self.of(term, "denominator") if member.duration is not None]
        unit = METRICS[METRICS[self.value.metric].made_of[term].metric].unit
        return f"({length_text(sum(spans), unit)} / {len(spans)})"


def written(value: KpiValue, members: Sequence[Member], days: Sequence[Fraction]) -> str | None:
    """The formula's left side; None where it is not one of these, or has no value."""
    write = _WRITTEN.get(value.metric)
    is_told = value.value is not None and all(member.term for member in members)
    return None if write is None or not is_told else write(Terms(value, members, days))


def _velocity_open(terms: Terms) -> str:
    return _velocity(terms, terms.count("count"))


def _velocity_closed(terms: Terms) -> str:
    return _velocity(terms, terms.count("count", "denominator"))


def _velocity(terms: Terms, count: str) -> str:
    """Deals × win rate × average won value / mean won cycle."""
    rate = f"({terms.count('rate')} / {terms.count('rate', 'denominator')})"
    value = f"({terms.money('value')} / {terms.count('value', 'denominator')})"
    return f"{count} × {rate} × {value} / {terms.mean_length('cycle')}"


def _growth(terms: Terms) -> str:
    """Entries less departures, the earliest of the three periods first."""
    grown = [f"({terms.count(term)} − {terms.count(term, 'denominator')})" for term in ("earlier", "before", "now")]
    return " + ".join(grown) if terms.value.value != "0" else f"not grown in each of {', '.join(grown)}"


def _score(terms: Terms) -> str:
    """Deals × the fall of the conversion × the chance behind the stage × the average won value."""
    won, settled, before, settled_before = (
        terms.count("now"), terms.settled("now"), terms.count("before"), terms.settled("before")
    )
    pooled = f"({before} + {won}) / ({settled_before} + {settled})"
    reference = f"({before} + {WEIGHT} × {pooled}) / ({settled_before} + {WEIGHT})"
    behind = f"({terms.count('behind')} / {terms.count('behind', 'denominator')})"
    value = f"({terms.money('value')} / {terms.count('value', 'denominator')})"
    return f"{terms.count('now', 'denominator')} × ({reference} − {won} / {settled}) × {behind} × {value}"


def _accuracy(terms: Terms) -> str:
    won, forecast = terms.money("actual", "denominator"), terms.money("forecast")
    return f"({won} − |{won} − {forecast}|) / {won}"


def _bias(terms: Terms) -> str:
    won = terms.money("actual", "denominator")
    return f"({terms.money('forecast')} − {won}) / {won}"


def _dso(terms: Terms) -> str | None:
    """What is owed by what was invoiced, times days; counted back, the days of whole periods and a part of one."""
    if not terms.days:
        return None
    owed, days = terms.amount("receivables"), _days(terms.days[0])
    if (terms.value.options or {}).get("method") != "countback":
        return f"{terms.shown(owed)} / {terms.money('invoiced', 'denominator')} × {days}"
    parts: list[str] = []
    for steps, of_period in enumerate(terms.days):
        sold = max(terms.amount(f"invoiced_{steps}" if steps else "invoiced", "denominator"), 0)
        if owed <= sold:
            rest = f"{_days(of_period)} × {terms.shown(max(owed, 0))} / {terms.shown(sold)}"
            return " + ".join([*parts, rest] if sold else parts or ["0"])
        parts.append(_days(of_period))
        owed -= sold
    return None


def _days(days: Fraction) -> str:
    """A number of days: whole, or with six places."""
    return decimal_text(*days.as_integer_ratio(), PLACES if days.denominator > 1 else 0)


_WRITTEN: Mapping[str, Callable[[Terms], str | None]] = {
    "sales_velocity_open": _velocity_open, "sales_velocity_closed": _velocity_closed, "queue_growth": _growth,
    "bottleneck_score": _score, "forecast_accuracy": _accuracy, "forecast_bias": _bias, "dso": _dso,
}
