"""What a config says of scorecards, OKR and ASK, as KPI definitions: what is wrong is noted with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from connector import ask, okrs, scorecards
from connector.config import faults as key_faults
from connector.config.keys import AskKeys, ConfigKeys, OkrsKeys, ProfileKeys, ScorecardKeys
from connector.yaml_reader import Place

if TYPE_CHECKING:
    from connector.config import Reader
    from connector.kpi import KpiDefinition


def _profile(keys: ProfileKeys) -> dict[str, Any]:
    weights: Mapping[str, Fraction] = {str(group): one for group, one in keys.weights.items()}
    return scorecards.rules({group: str(one) for group, one in weights.items()}, None, keys.for_)


class ScoreReader:
    """Reads the three keys. `kpis` are those of the config, some of which may be at fault."""

    def __init__(self, reader: Reader, kpis: Sequence[KpiDefinition], destinations: list[str]) -> None:
        from connector import kpi

        self.reader, self.document, self.destinations = reader, reader.document, destinations
        self.sound: dict[str, KpiDefinition] = {}
        for one in kpis:
            if not kpi.validate(one):
                self.sound.setdefault(one.id, one)  # of two of one id the first
        listed = self.document.get(("kpis",))
        ids = [self.document.get(("kpis", number, "id")) for number in range(len(listed or ()))] \
            if isinstance(listed, list) else []
        self.lines: dict[str, int] = {}
        for number, name in enumerate(ids):
            if isinstance(name, str):
                self.lines.setdefault(name, self.document.line(("kpis", number)))

    def definitions(self, keys: ConfigKeys | None) -> list[KpiDefinition]:
        """The scores of the config; those of keys at fault are left out."""
        whole = tuple(one for one in self.sound.values() if not one.dimensions)
        found = [*self._ask(keys.ask), *self._okrs(keys.okrs, whole)] if keys else []
        self.sound |= {one.id: one for one in found}
        listed = self.document.get(("scorecards",))
        cards = [self._scorecard(("scorecards", number)) for number in range(len(listed or ()))] \
            if isinstance(listed, list) else []
        return [*found, *(one for one in cards if one is not None)]

    # --- scorecards --------------------------------------------------------------------------------------------------

    def _scorecard(self, place: Place) -> KpiDefinition | None:
        from connector.kpi import KpiDefinition

        keys = self.reader.model(ScorecardKeys, self.document.get(place), place)
        self.reader.pushed(place, self.destinations)
        if keys is None:
            return None
        before = len(self.reader.faults)
        self._unique(place, keys.id)
        if fault := scorecards.total_fault(keys.weights.values()):
            self.reader.fault((*place, "weights"), fault)
        parts = list(self._parts((*place, "weights"), keys.weights))
        if parts:
            self._for((*place, "for"), parts[0].per, keys.for_)
        if len(self.reader.faults) > before or len(parts) < len(keys.weights):
            return None
        first = parts[0]
        return KpiDefinition(
            id=keys.id, metric=scorecards.METRIC, per=first.per, every=first.every, push=tuple(keys.push),
            rules=scorecards.rules({name: str(one) for name, one in keys.weights.items()}, keys.cap, keys.for_),
            parts=tuple(parts),
        )

    def _parts(self, place: Place, weights: Mapping[str, Fraction]) -> Iterator[KpiDefinition]:
        """The KPIs weighed, which have no parts and are alike; nothing is said of one that is at fault itself."""
        first: KpiDefinition | None = None
        for name in weights:
            at = (*place, name)
            if name not in self.sound:
                if name not in self.lines:
                    known = [one.id for one in self.sound.values() if one.metric != scorecards.METRIC]
                    self.reader.faults.append(key_faults.unknown_name(self.document, at, name, known, "KPI"))
                continue
            one = self.sound[name]
            first = first or one
            if one.metric == scorecards.METRIC:
                self.reader.fault(at, "is a scorecard itself, expected a KPI")
            elif one.dimensions:
                split = ", ".join(one.dimensions)
                self.reader.fault(at, f"is split by {split}, and only a whole value has a target; expected another KPI")
            elif (one.per, one.every) != (first.per, first.every):
                self.reader.fault(at, f"is per {one.per} and {one.every}, and {first.id} is per {first.per} and "
                                      f"{first.every}; expected KPIs that are alike")
            else:
                yield one

    def _for(self, place: Place, per: str, who: Mapping[str, Any]) -> None:
        known = scorecards.FOR[per]
        for kind in who:
            if kind not in known:
                message = f"a scorecard per {per} cannot be for a {kind}, expected {' or '.join(known) or 'none'}"
                self.reader.fault((*place, kind), message)

    def _unique(self, place: Place, name: str) -> None:
        if name in self.lines:
            self.reader.fault((*place, "id"), f"is the id of the KPI on line {self.lines[name]} too, expected another")
        self.lines.setdefault(name, self.document.line(place))

    # --- tables ------------------------------------------------------------------------------------------------------

    def _okrs(self, keys: OkrsKeys | None, parts: Sequence[KpiDefinition]) -> list[KpiDefinition]:
        from connector.kpi import KpiDefinition

        if keys is None:
            return []
        if keys.amber >= keys.green:
            self.reader.fault(("okrs",), "amber is not below green, expected amber: 0.4 and green: 0.7, say")
        self.reader.pushed(("okrs",), self.destinations)
        rules = {"green": format(keys.green, "f"), "amber": format(keys.amber, "f")}
        for name in (okrs.OBJECTIVE, okrs.KEY_RESULT):
            self._taken(("okrs",), name)
        return [
            KpiDefinition(
                id=name, metric=name, per="person", every=keys.every, push=tuple(keys.push), rules=rules,
                parts=tuple(parts),
            )
            for name in (okrs.OBJECTIVE, okrs.KEY_RESULT)
        ]

    def _ask(self, keys: AskKeys | None) -> list[KpiDefinition]:
        from connector.kpi import KpiDefinition

        if keys is None:
            return []
        self._taken(("ask",), ask.METRIC)
        self.reader.pushed(("ask",), self.destinations)
        if keys.weights:
            self._groups(("ask", "weights"), keys.weights)
        for number, profile in enumerate(keys.profiles):
            at: Place = ("ask", "profiles", number)
            self._groups((*at, "weights"), profile.weights)
            self._for((*at, "for"), "person", profile.for_)
        profiles = [_profile(one) for one in keys.profiles]
        usual = {name: str(one) for name, one in keys.weights.items()} or ask.EQUAL
        return [KpiDefinition(
            id=ask.METRIC, metric=ask.METRIC, per="person", every=keys.every, push=tuple(keys.push),
            rules={"weights": dict(usual), "profiles": profiles},
        )]

    def _groups(self, place: Place, weights: Mapping[Any, Fraction]) -> None:
        """The weights of all three groups, which add to 1."""
        missing = [group for group in ask.GROUPS if group not in weights]
        if missing:
            self.reader.fault(place, f"has no {', '.join(missing)}, expected all of {', '.join(ask.GROUPS)}")
        elif fault := scorecards.total_fault(weights.values()):
            self.reader.fault(place, fault)

    def _taken(self, place: Place, name: str) -> None:
        """Note that a KPI of the config has the id of the table's own."""
        if name in self.lines:
            self.reader.fault(place, f"is the KPI {name}, and so is the one on line {self.lines[name]}; expected "
                                     "another id there")
        self.lines[name] = self.document.line(place)
