"""The files beside the demo's CRM: who is who, exchange rates, targets; as rows of text, ready for CSV."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from connector.twins.demo_plan import MONTHS, ZONE_OFFSET, Plan, months_before

CURRENCY = "EUR"


def people_rows(plan: Plan, source: str = "hubspot") -> list[dict[str, str]]:
    """The people file: a row for each stay in a team; `owner` only where the e-mail does not tell."""
    rows = []
    for seller in plan.sellers:
        for number, (team, since) in enumerate(seller.teams):
            later = seller.teams[number + 1][1] if number + 1 < len(seller.teams) else None
            until = later - timedelta(days=1) if later else seller.left_on
            rows.append({
                "employee_code": seller.code, "email": seller.email, "name": seller.name, "team": team,
                "owner": f"{source}:{seller.owner}" if seller.email.lower() != seller.crm_email.lower() else "",
                "from": since.isoformat(), "to": until.isoformat() if until else "",
            })
    return rows


def fx_rows(plan: Plan) -> list[dict[str, str]]:
    """Monthly rates: euros for one unit, from the month before the plan starts to a year after its end."""
    rng = random.Random(plan.seed + 2)  # noqa: S311 - made-up data, not secrets
    start = (plan.start - timedelta(days=20) + timedelta(milliseconds=ZONE_OFFSET)).date()
    rates = {"USD": Decimal("0.9200"), "GBP": Decimal("1.1640"), "VND": Decimal("0.0000350")}
    rows = []
    for month in range(MONTHS + 14):
        count = start.year * 12 + start.month - 1 + month
        first = date(count // 12, count % 12 + 1, 1).isoformat()
        for currency, rate in rates.items():
            rates[currency] = moved = (rate * Decimal(rng.randrange(985, 1016)) / 1000).quantize(rate)
            rows.append({"currency": currency, "valid_from": first, "rate": f"{moved:f}"})
    return rows


def target_rows(plan: Plan, kpi: str = "won_value") -> list[dict[str, str]]:
    """A monthly target in euros for every seller, in the long form."""
    rows = []
    for number, seller in enumerate(plan.sellers):
        for month in range(MONTHS + 2):
            first = months_before(plan.today, MONTHS - month) + timedelta(milliseconds=ZONE_OFFSET)
            if seller.left_on is None or first.date() <= seller.left_on:
                rows.append({"kpi": kpi, "subject": seller.code, "period": f"{first:%Y-%m}",
                             "target": str(52_000 + 4_000 * (number % 4)), "currency": CURRENCY})
    return rows


def hr_employees(plan: Plan) -> list[dict[str, str | bool]]:
    """Whom the fake HR system knows: every seller, also the one who left, and two people who sell nothing."""
    rows: list[dict[str, str | bool]] = [
        {"code": one.code, "email": one.email.title(), "name": one.name, "active": one.left_on is None}
        for one in plan.sellers
    ]
    return [
        *rows,
        {"code": "NV0001", "email": "An.Hoang@northwind.example", "name": "An Hoang", "active": True},
        {"code": "NV0002", "email": "Binh.Ngo@northwind.example", "name": "Binh Ngo", "active": True},
    ]
