"""What destinations are given of accepted adjustments, beside the values themselves.

    none       nothing: of closed periods the frozen values alone
    included   each value with the adjustments that are paid with its period (the view `payable`)
    separate   each adjustment by itself, as a value of the period it is paid with

An adjustment by itself is the difference alone. Its dimensions name it beside those of its KPI (`adjustment`, its id;
`origin`, the period it corrects; `seal`, the number of that period's seal), so under no key it stands for a value, and
it never changes once it is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from connector import adjustments
from connector.adjusting import POSTED
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue, Subject, micros
from connector.period import Calendar
from connector.store.store import Store
from connector.store.tables import adjustment

How = Literal["separate", "included", "none"]


def included(store: Store, values: Sequence[KpiValue], calendar: Calendar, kpis: Collection[str]) -> list[KpiValue]:
    """The values of these KPIs with what was accepted into their periods, also of those who have nothing else there."""
    return adjustments.payable(store, values, calendar, lambda key: key[0] in kpis)


def separate(store: Store, calendar: Calendar, metrics: Mapping[str, str]) -> Iterator[KpiValue]:
    """Every accepted adjustment of these KPIs as a value of its own; `metrics` by KPI."""
    wanted = (adjustment.c.state == "accepted", adjustment.c.kind.in_(sorted(POSTED)))
    for row in store.rows(select(adjustment).where(*wanted).order_by(adjustment.c.decided_at, adjustment.c.id)):
        metric = metrics.get(row.kpi)
        if metric is None or row.value is None:
            continue
        period = calendar.parse(row.posted_to)
        yield KpiValue(
            kpi=row.kpi, metric=metric, subject=Subject(row.subject_kind, row.subject_key, row.subject_name),
            dimensions={
                **json.loads(row.dimensions), "adjustment": row.id, "origin": row.period, "seal": str(row.seal),
            },
            period=row.posted_to, period_start=period.start_on.isoformat(), period_end=period.end_on.isoformat(),
            value=row.value, unit=row.unit, currency=row.currency, numerator=None, denominator=None,
            as_of=row.decided_at, view="payable", status="frozen", catalogue_version=METRICS[metric].version,
        )


def in_scope(
    found: Sequence[KpiValue], periods: str, closed: Collection[str], *, now: datetime, calendar: Calendar
) -> list[KpiValue]:
    """Those adjustments that a destination of such `periods` is given.

    closed, all: every one, as soon as it is accepted. open: those paid with a period that is not closed. current: those
    paid with the present one.
    """
    today = calendar.day_of(micros(now)).isoformat()
    if periods == "open":
        return [one for one in found if one.period not in closed]
    if periods == "current":
        return [one for one in found if one.period_start <= today <= one.period_end]
    return list(found)
