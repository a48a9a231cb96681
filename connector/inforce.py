"""By which terms KPIs are computed at a moment, as the journal has them, and what they are then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from connector import frozen, kpi
from connector.computation import gaps_of, terms_of
from connector.kpi import KpiDefinition
from connector.model import KpiValue
from connector.period import Calendar
from connector.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class InForce:
    """The KPIs, by which calendar their periods are named, and the currency they are told in."""

    definitions: Sequence[KpiDefinition]
    calendar: Calendar
    currency: str

    @property
    def terms(self) -> dict[str, frozen.Terms]:
        """By which each KPI is computed, to be compared with what a period was closed by."""
        return terms_of(self.definitions, self.calendar, self.currency)

    def reading(self, connection: Connection, snapshot: Snapshot) -> kpi.Reading:
        """A snapshot opened for questions, with what was known then not to be known; to be closed.

        `connection` sees what the snapshot sees.
        """
        return kpi.Reading(snapshot, self.calendar, self.currency, **gaps_of(connection, snapshot.known_at))

    def values(self, connection: Connection, snapshot: Snapshot) -> list[KpiValue]:
        """Every KPI for every period."""
        with self.reading(connection, snapshot) as reading:
            return reading.values(self.definitions)


def definitions(snapshot: Snapshot) -> list[KpiDefinition]:
    """The KPIs that were in force then, without those that are no longer possible."""
    told = snapshot.document("kpis")
    made = [kpi.from_json(one) for one in json.loads(told.content)] if told else []
    return [one for one in made if not kpi.validate(one)]


def at(snapshot: Snapshot) -> InForce | None:
    """What was in force then; None before the first run."""
    told = snapshot.document("calendar")
    if told is None:
        return None
    calendar = json.loads(told.content)
    zone = ZoneInfo(calendar["timezone"])
    return InForce(definitions(snapshot), Calendar(zone).told(calendar), calendar["currency"])
