"""A closed month of a real Tryton explained: as it was frozen, and as it is today, each down to the server's answers.

April 2026 of the demo records: three opportunities won (USD, JPY, EUR), two lost, one cancelled. It is closed; then
the customer of the EUR one orders once more (Tryton takes the win back, and gives it again today, for both orders), a
lost one is picked up again, and April's dollar rate is corrected. Expected values are asked of the server by the test,
before and after, with the very fields that the landed request names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.product.tryton_install import Installed, installed
from tests.product.tryton_server import Server, decimal
from tests.real_servers import running

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
MAPPING = (ROOT / "mappings" / "tryton.yaml").read_text("utf-8").splitlines()
LOCAL = timezone(timedelta(hours=7))
MONTH, CORRECTED = "2026-04", {"__class__": "Decimal", "decimal": "1.2"}
KPIS = """\
kpis:
  - {id: month_won, metric: won_value, every: month}
  - {id: month_rate, metric: win_rate_count, every: month}
"""
CLOSED = ("won", "lost", "cancelled")
Row = dict[str, Any]


def month_of(moment: datetime) -> str:
    return f"{moment.astimezone(LOCAL):%Y-%m}"


@dataclass
class Said:
    """What the server said at one time: its own JSON of each record by stream and id, and each opportunity's moves."""

    records: dict[str, dict[str, Row]]
    history: dict[str, list[tuple[datetime, str]]]

    def closed(self, *states: str) -> set[str]:
        """The opportunities whose last move is one of April into one of these states."""
        last = {id_: moves[-1] for id_, moves in self.history.items()}
        return {id_ for id_, (at, state) in last.items() if state in states and month_of(at) == MONTH}

    def worth(self, id_: str) -> Decimal:
        """An opportunity's amount in euros, to the cent, at the rate of the day of its last move (R13)."""
        row, day = self.records["opportunities"][id_], self.history[id_][-1][0].astimezone(LOCAL).date()
        rates = self.records["currencies"][str(row["currency."]["id"])]["rates."]
        dated = [((one["date"]["year"], one["date"]["month"], one["date"]["day"]), one["rate"]) for one in rates]
        _, per_euro = max(one for one in dated if one[0] <= (day.year, day.month, day.day))
        return (decimal(row["amount"]) / decimal(per_euro)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)

    def of_currency(self, code: str) -> str:
        """The one opportunity won in April in that currency."""
        (found,) = (
            id_ for id_ in self.closed("won") if self.records["opportunities"][id_]["currency."]["code"] == code
        )
        return found


@dataclass
class Story:
    """The installation, and what the server said before the close and after the changes."""

    office: Installed
    before: Said
    after: Said
    again: str
    resumed: str
    corrected: str

    def explain(self, kpi: str, view: str | None = None, period: str = MONTH) -> Row:
        """What `connector explain` says of the company's value."""
        named = ["--view", view] if view else []
        found: Row = self.office.run("explain", kpi, "--period", period, *named)
        return found

    def landed(self, row: Row) -> Row:
        """The record at a cited place, in the server's own JSON."""
        found: Row = self.office.run("page", "show", str(row["page"]))["exchanges"][0]["answer"][row["record_index"]]
        return found

    def record(self, row: Row) -> Row:
        """The same as the mapping gets it."""
        shown = self.office.run("page", "show", str(row["page"]), "--record", str(row["record_index"]))
        found: Row = shown["record"]
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """With a server of its own: what is changed here, other tests count on."""
    with running("tryton") as found:
        server, office = Server(found), installed(tmp_path_factory.mktemp("closed"), found)
        office.replace("config.yaml", "kpis:\n", KPIS)
        office.run("sync")
        fields = {stream: named(office, stream) for stream in ("opportunities", "currencies")}
        before = said(server, fields)
        office.run("period", "close", MONTH)
        again, resumed = before.of_currency("EUR"), min(before.closed("lost"))
        order_again(server, again)
        server.change("lead", int(resumed))
        (rate,) = (
            row["id"] for row in server.rows("currency.currency.rate", "currency.code", "date")
            if (row["currency."]["code"], row["date"]["year"], row["date"]["month"]) == ("USD", 2026, 1)
        )
        server.change("write", rate, {"rate": CORRECTED}, model="currency.currency.rate")
        office.run("sync")
        yield Story(office, before, said(server, fields), again, resumed, before.of_currency("USD"))


def named(office: Installed, stream: str) -> list[str]:
    """The fields that the request of a landed page of that stream asks the server for."""
    ((page,),) = office.rows("SELECT max(id) FROM page WHERE stream = ?", stream)
    asked = json.loads(office.run("page", "show", str(page))["exchanges"][0]["body"])
    found: list[str] = asked["fields_names"]
    return found


def said(server: Server, fields: dict[str, list[str]]) -> Said:
    models = {"opportunities": "sale.opportunity", "currencies": "currency.currency"}
    records = {
        stream: {str(row["id"]): row for row in server.rows(models[stream], *names)} for stream, names in fields.items()
    }
    return Said(records, server.history())


def order_again(server: Server, opportunity: str) -> None:
    """The same sale once more, confirmed."""
    (sale,) = server.call("sale.sale", "search", [["origin", "=", f"sale.opportunity,{opportunity}"]], 0, None, None)
    (copy,) = server.call("sale.sale", "copy", [sale])
    server.call("sale.sale", "quote", [copy])
    server.change("confirm", copy, model="sale.sale")


def check(story: Story, found: Row, then: Said) -> None:
    """Every row of every member leads to what the server said then, and to the entry that made it."""
    for member in found["members"]:
        rows = {row["role"]: row for row in member["rows"]}
        state = then.history[member["id"]][-1][1]
        move = rows.get("won") or rows["lost"]
        for row in (rows["deal"], move):
            assert story.landed(row) == then.records["opportunities"][member["id"]]
        item = story.record(move)["history"][move["item"]]
        assert (datetime.fromisoformat(item["at"]), item["state"]) == then.history[member["id"]][-1]
        assert (datetime.fromisoformat(move["occurred_at"]), move["to"]) == then.history[member["id"]][-1]
        assert (move["role"] == "won") == (state == "won")
        if "rate" in rows:
            cited = story.record(rows["rate"])["rates"][rows["rate"]["item"]]
            theirs = then.records["currencies"][str(story.landed(rows["deal"])["currency."]["id"])]
            assert story.landed(rows["rate"]) == theirs
            assert Decimal(cited["rate"]) == decimal(theirs["rates."][rows["rate"]["item"]]["rate"])
        for row in member["rows"]:
            assert MAPPING[row["mapping"]["line"] - 1] == f"  - entity: {row['entity']}"
            assert row["mapping"]["text"] == f"- entity: {row['entity']}"
            assert Path(row["mapping"]["file"]).name == "tryton.yaml"


def ids(found: Row, side: str = "numerator") -> set[str]:
    return {member["id"] for member in found["members"] if member["side"] == side}


def rates(found: Row) -> dict[str, Row]:
    """The rate that each member was converted with, where it was."""
    return {member["id"]: row for member in found["members"] for row in member["rows"] if row["role"] == "rate"}


def test_the_frozen_value_still_ends_at_what_the_server_said_before_the_close(story: Story) -> None:
    """Its members, amounts, pages and mapping lines; asked for by name or, as the month is closed, by default."""
    found = story.explain("month_won", "frozen")
    assert story.explain("month_won") == found
    before = story.before
    assert (found["status"], ids(found)) == ("frozen", before.closed("won"))
    assert {member["id"]: Decimal(member["amount"]) for member in found["members"]} == {
        id_: before.worth(id_) for id_ in before.closed("won")
    }
    assert Decimal(found["value"]) == sum(before.worth(id_) for id_ in before.closed("won"))
    assert all(page["landed_at"] <= found["as_of"] for page in found["pages"])
    assert all(row["seen_at"] <= found["as_of"] for member in found["members"] for row in member["rows"])
    check(story, found, before)


def test_the_restated_value_ends_at_what_the_server_says_today(story: Story) -> None:
    """The opportunity that was won again today is not April's any more, and the dollars count at the new rate."""
    frozen, found = story.explain("month_won", "frozen"), story.explain("month_won", "restated")
    after = story.after
    assert ids(found) == after.closed("won") == ids(frozen) - {story.again}
    assert {member["id"]: Decimal(member["amount"]) for member in found["members"]} == {
        id_: after.worth(id_) for id_ in after.closed("won")
    }
    assert Decimal(found["value"]) == sum(after.worth(id_) for id_ in after.closed("won"))
    assert frozen["restated_value"] == found["value"] != frozen["value"]
    check(story, found, after)
    old, new = rates(frozen)[story.corrected], rates(found)[story.corrected]
    assert (old["rate"], new["rate"]) == ("0.862068965517", "0.833333333333")  # 1 / 1.16 and 1 / 1.2, 12 digits
    assert old["seen_at"] <= frozen["as_of"] < new["seen_at"]
    assert (story.landed(old), story.landed(new)) == (
        story.before.records["currencies"]["2"], story.after.records["currencies"]["2"],
    )


def test_what_did_not_change_is_cited_by_the_same_pages_in_both_views(story: Story) -> None:
    frozen, found = (story.explain("month_won", view) for view in ("frozen", "restated"))
    cited = [
        {member["id"]: [(row["role"], row["page"], row["record_index"]) for row in member["rows"]]
         for member in one["members"]}
        for one in (frozen, found)
    ]
    (same,) = ids(found) - {story.corrected}
    assert cited[0][same] == cited[1][same]


def test_the_deal_that_was_won_again_is_explained_where_it_counts_now(story: Story) -> None:
    """Both orders, by the move of today; and the frozen month has the one order by the move of April."""
    won_at, _ = story.after.history[story.again][-1]
    now = story.explain("month_won", period=month_of(won_at))
    (member,) = (member for member in now["members"] if member["id"] == story.again)
    (then,) = (one for one in story.explain("month_won", "frozen")["members"] if one["id"] == story.again)
    assert Decimal(member["amount"]) == story.after.worth(story.again) == 2 * Decimal(then["amount"])
    check(story, {"members": [member]}, story.after)
    assert {row["page"] for row in member["rows"]}.isdisjoint(row["page"] for row in then["rows"])


def test_a_loss_that_was_taken_back_is_only_in_the_frozen_rate(story: Story) -> None:
    """By hand: 3 won of 6 closed; now one of those wins is November's and one loss is open again: 2 of 4."""
    frozen, found = (story.explain("month_rate", view) for view in ("frozen", "restated"))
    assert (frozen["formula_numbers"], found["formula_numbers"]) == (
        "3 / (3 + 3) = 0.500000", "2 / (2 + 2) = 0.500000",
    )
    assert ids(frozen, "denominator") == story.before.closed(*CLOSED)
    assert ids(found, "denominator") == story.after.closed(*CLOSED) == ids(frozen, "denominator") - {
        story.again, story.resumed,
    }
    check(story, frozen, story.before)
    check(story, found, story.after)
