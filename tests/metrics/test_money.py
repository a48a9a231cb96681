"""The conversion on a column (base.sql) is the conversion in Python (fx.convert), to the unit."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector import fx, kpi
from connector.exact import half_even
from connector.kpi import KpiDefinition
from connector.model import Subject
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import Filled, at, stage_rows
from .test_rules import STAGES

RATES = {"EUR": "1.0832", "VND": "0.0000393512345678", "KWD": "3.25", "JPY": "0.5", "GBP": "123456.789012345678"}
AMOUNTS = [0, 1, -1, 49, 50, 51, 150, 250, -50, -150, 12345, 10**15 + 1, -(10**15), 10**18 + 7]


@pytest.mark.parametrize("base", ["USD", "VND", "BHD", "CLF"])
def test_every_record_is_converted_exactly(tmp_path: Path, base: str) -> None:
    numbers = random.Random(7)
    amounts = AMOUNTS + [numbers.randrange(-(10**12), 10**12) for _ in range(300)]
    rates = {**{code: rate for code, rate in RATES.items() if code != base}, base: "1"}
    store = Filled(f"sqlite:///{tmp_path / 'store.db'}").put("stage", stage_rows(STAGES))
    deals = {f"{place} {code}": (amount, code) for place, amount in enumerate(amounts) for code in rates
             if abs(amount * Decimal(rates[code])) < 9 * 10**18}
    start = at("2025-01-01T00:00:00+00:00")
    store.put("deal", [{"id": id_, "created_at": start, "amount": amount, "currency": code}
                       for id_, (amount, code) in deals.items()])
    store.put("stage_transition", [{"deal": id_, "occurred_at": start, "to_pipeline": "sales", "to_stage": "won"}
                                   for id_ in deals])
    store.file("fx", "fx.csv", "currency,valid_from,rate\n" + "".join(
        f"{code},2024-01-01,{rate}\n" for code, rate in rates.items()
    ))
    store.known_until("2025-02-01T00:00:00+00:00")
    with open_snapshot(store.url) as snapshot, kpi.Reading(snapshot, Calendar(ZoneInfo("UTC")), base) as reading:
        found = reading.members(KpiDefinition("k", "won_value"), Subject("company", "company"), "2025-01")
    assert {member.id: member.amount for member in found} == {
        id_: fx.convert(amount, Decimal(rates[code]), base) for id_, (amount, code) in deals.items()
    }


@pytest.mark.parametrize(("tenths", "whole"), [(5, 0), (15, 2), (25, 2), (-5, 0), (-15, -2), (26, 3)])
def test_a_tie_goes_to_the_even_number(tenths: int, whole: int) -> None:
    assert half_even(tenths, 10) == whole
