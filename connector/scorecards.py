"""Scorecards: one number for how far somebody attains the targets of several KPIs (metrics.md, `kpi_score`). Pure.

    score = sum of weight × attainment / sum of the weights of the KPIs that have an attainment

Each attainment counts up to the cap; as it was without the cap it stays with the KPI's own value, and is told beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from connector.exact import decimal_text
from connector.model import KpiValue
from connector.weighing import Part, text, weight

METRIC = "kpi_score"
FOR: Mapping[str, tuple[str, ...]] = {
    "person": ("team", "person"), "team": ("team",), "owner": ("team", "owner"), "pipeline": ("pipeline",),
    "company": (),
}
"""By whose numbers it weighs: what `for` may name."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What is weighed, and for whom. `weights` by KPI add to 1; `cap` is None where attainments count in full; `who`
    allows words by kind, and is empty where everybody has it."""

    weights: Mapping[str, Fraction]
    cap: Fraction | None = None
    who: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Mapping[str, Any]) -> Scorecard:
        """From the rules of a KPI definition, as `rules` wrote them."""
        return cls(
            {name: Fraction(one) for name, one in rules["weights"].items()},
            None if rules.get("cap") is None else Fraction(rules["cap"]), rules.get("for", {}),
        )

    def parts(self, values: Mapping[str, KpiValue]) -> list[Part]:
        """The KPIs as they count for somebody in a period; `values` by KPI."""
        return [self._part(name, one, values.get(name)) for name, one in self.weights.items()]

    def _part(self, name: str, weight: Fraction, value: KpiValue | None) -> Part:
        attained = None if value is None or value.attainment is None else Fraction(value.attainment)
        counted = attained if attained is None or self.cap is None else min(attained, self.cap)
        told = {
            "attainment": text(attained), "value": value.value if value else None,
            "target": value.target if value else None, "unit": value.unit if value else None,
            "currency": value.currency if value else None,
        }
        return Part("kpi", name, weight, counted, told=told)


def rules(
    weights: Mapping[str, object], cap: object = None, who: Mapping[str, str | Sequence[str]] | None = None
) -> dict[str, Any]:
    """What a KPI definition keeps of a scorecard: plain JSON. Raises ValueError for a weight that is none."""
    return {
        "weights": {name: str(weight(one)) for name, one in weights.items()},
        "cap": None if cap is None else str(Fraction(str(cap))),
        "for": {kind: [named] if isinstance(named, str) else list(named) for kind, named in (who or {}).items()},
    }


def shown(rules: Mapping[str, Any]) -> dict[str, str]:
    """The rules as options of the values: `weights` and, where there is one, `cap`."""
    told = {"weights": ", ".join(f"{name} {plain(Fraction(one))}" for name, one in rules["weights"].items())}
    return told | ({"cap": plain(Fraction(rules["cap"]))} if rules.get("cap") else {})


def plain(number: Fraction) -> str:
    """A weight as people write it: 0.6, or 1/3 where no decimal says it."""
    places = next((digits for digits in range(7) if (number * 10**digits).denominator == 1), None)
    if places is None:
        return str(number)
    return decimal_text(number.numerator, number.denominator, places)


def total_fault(weights: Iterable[Fraction]) -> str | None:
    """What is wrong where weights do not add to 1."""
    total = sum(weights, Fraction(0))
    return None if total == 1 else f"the weights add to {plain(total)}, expected 1"
