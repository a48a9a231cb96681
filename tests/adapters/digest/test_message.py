"""What a digest says: the whole text, written out."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from adapters._digest_chart import png
from adapters._digest_message import Bar, compose
from connector.model import KpiValue, Subject
from connector.ports import Delivery
from connector.testing import kpi_value


def told(*values: KpiValue, people: bool = False, lines: int = 10, link: str = "") -> Any:
    return compose(
        [Delivery(str(number), value.as_json()) for number, value in enumerate(values)],
        title="KPI digest", link=link, off_track=Decimal("0.8"), people=people, lines=lines,
    )


def value(kpi: str, subject: str, name: str, amount: str | None, **more: Any) -> KpiValue:
    made = kpi_value(kpi, subject, amount, **more)
    kind, _, key = subject.partition(":")
    object.__setattr__(made, "subject", Subject(kind, key, name))
    return made


def aimed(subject: str, name: str, amount: str, attainment: str) -> KpiValue:
    return value("won_value", subject, name, amount, target="20000.00", attainment=attainment)


def test_teams_are_named_with_their_figures_and_people_are_counted() -> None:
    message = told(
        aimed("team:north", "Miền Bắc", "19000.00", "0.950000"), aimed("team:south", "Miền Nam", "9000.00", "0.450000"),
        aimed("person:NV1", "An", "1000.00", "0.050000"), aimed("person:NV2", "Bình", "18000.00", "0.900000"),
        value("open_deals", "company:", "", "41", unit="deals", currency=None), link="https://sales.example.vn",
    )
    assert message.title == "KPI digest 2026-10"
    assert message.body == """5 values changed
1. won_value, Miền Bắc (2026-10): 19,000.00 USD, 95.0 % of 20,000.00 USD
2. won_value, Miền Nam (2026-10): 9,000.00 USD, 45.0 % of 20,000.00 USD
- open_deals, company (2026-10): 41 deals
- 2 values of 2 people, not named here

Off track (below 80.0 % of the target)
- won_value, Miền Nam (2026-10): 45.0 %
- 1 of 2 people

https://sales.example.vn"""
    assert message.bars == (Bar(1, Decimal("0.950000"), True), Bar(2, Decimal("0.450000"), False))


def test_people_are_named_where_the_config_says_so() -> None:
    message = told(aimed("person:NV1", "An", "1000.00", "0.050000"), people=True)
    assert message.body == """1 value changed
1. won_value, An (2026-10): 1,000.00 USD, 5.0 % of 20,000.00 USD

Off track (below 80.0 % of the target)
- won_value, An (2026-10): 5.0 %"""


@pytest.mark.parametrize("dimension", ["extra.sales_rep", "actor", "owner"])
def test_nobody_is_named_by_what_a_value_is_split_by(dimension: str) -> None:
    split = [
        value("won_value", subject, "Miền Bắc", "100.00", target="200.00", attainment="0.500000",
              dimensions={dimension: "Lan Nguyễn", "stage": "demo"})
        for subject in ("team:north", "pipeline:p")
    ]
    message = told(*split, value("bottleneck_score", "team:north", "Miền Bắc", "9.00", dimensions={dimension: "Lan"}))
    assert message.body == f"""3 values changed
- 3 values split by {dimension}, not shown here

Off track (below 80.0 % of the target)
- 2 values not shown here"""
    assert message.bars == ()
    assert "Lan Nguyễn" in told(*split, people=True).body


def test_what_tells_no_person_is_shown() -> None:
    message = told(value("won_value", "team:north", "Miền Bắc", "100.00", dimensions={"stage": "demo", "type": "new"}))
    assert message.body == "1 value changed\n- won_value, Miền Bắc, demo, new (2026-10): 100.00 USD"


def test_nobody_off_track_is_said_too() -> None:
    message = told(aimed("team:north", "North", "19000.00", "0.950000"))
    assert message.body.endswith("Nobody is off track (below 80.0 % of the target)")


def test_values_without_a_target_say_nothing_of_tracks_and_have_no_bar() -> None:
    message = told(value("calls", "team:north", "North", "1234", unit="calls", currency=None))
    assert message.body == "1 value changed\n- calls, North (2026-10): 1,234 calls"
    assert message.bars == ()


def test_the_bottleneck_is_the_stage_that_loses_most() -> None:
    stages = [
        value("lost", "company:", "", amount, metric="bottleneck_score", dimensions={"stage": stage})
        for stage, amount in (("Demo", "1500.00"), ("Offer", "90000.00"), ("Talk", None))
    ]
    waits = [value("wait", "company:", "", "99.000000", metric="bottleneck_wait", unit="deals",
                   dimensions={"stage": "Demo"})]
    assert "Bottleneck\n- lost, company, Offer (2026-10): 90,000.00 USD" in told(*stages, *waits).body
    assert "Bottleneck\n- wait, company, Demo (2026-10): 99 deals" in told(*waits).body


def test_long_lists_are_cut_and_say_by_how_many() -> None:
    teams = [aimed(f"team:{one}", f"T{one}", "1.00", "0.100000") for one in range(5)]
    body = told(*teams, lines=2).body.splitlines()
    assert body[3] == "- and 3 more"
    assert body[-1] == "- and 3 more"


def test_numbers_read_as_their_unit() -> None:
    shown = [
        value("a", "company:", "", "0.333333", unit="0..1", currency=None),
        value("b", "company:", "", "12.345678", unit="days", currency=None),
        value("c", "company:", "", None), value("d", "company:", "", "500.00", unit="money per day"),
        value("e", "company:", "", "1.250000", unit="ratio", currency=None),
    ]
    ends = [line.split(": ")[1] for line in told(*shown).body.splitlines()[1:]]
    assert ends == ["33.3 %", "12.3 days", "no data", "500.00 USD per day", "1.2 ratio"]


def test_a_name_is_no_mention_no_link_and_one_line() -> None:
    message = told(value("calls", "team:x", "<!channel> @all [x](http://evil)\n*b*", "1", unit="calls", currency=None))
    line = message.body.splitlines()[1]
    assert line == "- calls, ‹!channel› ＠all (x)(http://evil) ∗b∗ (2026-10): 1 calls"


def test_the_latest_periods_are_in_the_title() -> None:
    values = [value("a", "company:", "", "1", period=f"2026-{month:02}") for month in range(1, 6)]
    assert told(*values).title == "KPI digest 2026-03, 2026-04, 2026-05 and 2 more"


def test_the_picture_has_a_bar_for_each_and_is_the_same_for_the_same() -> None:
    bars = [Bar(1, Decimal("0.95"), True), Bar(2, Decimal("0.10"), False), Bar(3, Decimal(9), True)]
    image = Image.open(io.BytesIO(png(bars))).convert("RGB")
    assert image.size == (480, 86)
    middles = [10 + 22 * row + 11 for row in range(3)]
    assert [image.getpixel((40, middle)) for middle in middles] == [(43, 138, 62), (201, 42, 42), (43, 138, 62)]
    lengths = [
        sum(image.getpixel((x, middle)) not in ((255, 255, 255), (134, 142, 150)) for x in range(30, 420))
        for middle in middles
    ]
    assert lengths[0] > 8 * lengths[1]
    assert lengths[2] >= 389  # cut at one and a half times the target
    assert png(bars) == png(bars)
