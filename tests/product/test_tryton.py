"""A real Tryton ERP through the whole product: what we hold and compute equals what the server itself answers.

Every expected value is asked of the server by the test (`tryton_server.Server`), with plain requests.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.product.tryton_install import BY_LOGIN, Installed, PocketBase, installed
from tests.product.tryton_server import Server, decimal, instant
from tests.real_servers import pocketbase_server, tryton_server

__all__ = ["pocketbase_server", "tryton_server"]

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
LOCAL = timezone(timedelta(hours=7))
STAGES = {"lead": "Lead", "opportunity": "Opportunity", "converted": "Converted", "won": "Won", "lost": "Lost",
          "cancelled": "Cancelled"}

OPEN = ("lead", "opportunity", "converted")


@dataclass
class Told:
    """What the server answered right after the first sync, before any test changed it."""

    opportunities: list[dict[str, Any]]
    history: dict[str, list[tuple[datetime, str]]]


@pytest.fixture(scope="module")
def server(tryton_server: dict[str, Any]) -> Server:
    return Server(tryton_server)


@pytest.fixture(scope="module")
def office(tryton_server: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Synced once, by key, and not again."""
    made = installed(tmp_path_factory.mktemp("tryton"), tryton_server)
    answer = made.run("sync")
    assert answer["status"] == "ok"
    return made


@pytest.fixture(scope="module")
def told(office: Installed, server: Server) -> Told:
    fields = ("state", "amount", "currency.code", "employee")
    return Told(server.rows("sale.opportunity", *fields), server.history())


# --- the same as the server says -------------------------------------------------------------------------------------


def test_counts_and_sums_per_state_and_currency_are_the_servers(office: Installed, told: Told, server: Server) -> None:
    theirs: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for row in told.opportunities:
        theirs[row["state"], row["currency."]["code"]].append(decimal(row["amount"]))
    ours = office.rows(
        "SELECT stage, currency, count(*), sum(amount) FROM deal WHERE replaced_at IS NULL GROUP BY 1, 2"
    )
    found = {(stage, currency): (count, Decimal(units) / 10_000) for stage, currency, count, units in ours}
    assert found == {key: (len(amounts), sum(amounts)) for key, amounts in theirs.items()}
    assert {currency for _, currency in found} == {"EUR", "USD", "GBP", "JPY"}


def test_each_opportunity_is_one_deal_and_one_lead_that_names_it(office: Installed, told: Told) -> None:
    ids = sorted(str(row["id"]) for row in told.opportunities)
    assert [id_ for (id_,) in office.rows("SELECT id FROM current_deal ORDER BY id")] == ids
    assert office.rows("SELECT id, deal FROM current_lead ORDER BY id") == [(id_, f"tryton:{id_}") for id_ in ids]


def test_stage_times_are_the_server_s_history(office: Installed, told: Told) -> None:
    """`history_revisions`, each revision read on its own, gives the same moves at the same microsecond."""
    ours: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for deal, stage, at, origin in office.rows(
        "SELECT deal, to_stage, occurred_at, origin FROM current_stage_transition ORDER BY deal, occurred_at, sequence"
    ):
        assert origin == "reported"
        ours[deal].append((datetime.fromisoformat(at), stage))
    assert ours == told.history


def test_orders_invoices_and_their_money_are_the_server_s(office: Installed, server: Server) -> None:
    sales = server.rows("sale.sale", "untaxed_amount", "origin", "state")
    assert office.rows("SELECT count(*) FROM current_sales_order") == [(server.count("sale.sale"),)]
    assert _sum(office, "sales_order") == sum(decimal(row["untaxed_amount"]) for row in sales)
    of_deals = sum((row["origin"] or "").startswith("sale.opportunity,") for row in sales)
    joined = "SELECT count(*) FROM current_sales_order JOIN current_deal ON deal = 'tryton:' || current_deal.id"
    assert office.rows(joined) == [(of_deals,)]
    out = ["type", "=", "out"]
    invoices = server.rows("account.invoice", "untaxed_amount", "state", domain=(out,))
    assert office.rows("SELECT count(*) FROM current_invoice") == [(server.count("account.invoice", out),)]
    assert _sum(office, "invoice") == sum(decimal(row["untaxed_amount"]) for row in invoices)
    states = Counter(row["state"] for row in invoices)
    assert dict(office.rows("SELECT state, count(*) FROM current_invoice GROUP BY 1")) == states


def _sum(office: Installed, table: str) -> Decimal:
    ((units,),) = office.rows(f"SELECT sum(amount) FROM {table} WHERE replaced_at IS NULL")
    return Decimal(units) / 10_000


def test_employees_and_parties_are_all_there(office: Installed, server: Server) -> None:
    assert office.rows("SELECT count(*) FROM current_owner") == [(server.count("company.employee"),)]
    assert office.rows("SELECT count(*) FROM current_account") == [(server.count("party.party"),)]


def test_what_each_employee_won_is_the_server_s_count_and_sum(office: Installed, told: Told, server: Server) -> None:
    """won_count is `search_count`; won_value converts each deal at the rate of its closing day, to the cent (R13)."""
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for row in told.opportunities:
        if row["state"] == "won":
            day = told.history[str(row["id"])][-1][0].astimezone(LOCAL).date()
            rate = _rate(server, row["currency."]["code"], str(day))
            expected[f"tryton:{row['employee']}"] += (decimal(row["amount"]) / rate).quantize(Decimal("0.01"))
    counts = {one["subject"]["key"]: one["value"] for one in office.run("kpi", "won_count", "--period", "all")}
    values = {one["subject"]["key"]: one["value"] for one in office.run("kpi", "won_value", "--period", "all")}
    assert set(counts) == {f"tryton:{row['id']}" for row in server.rows("company.employee")} | {"tryton:5"}
    for owner, count in counts.items():
        employee = int(owner.partition(":")[2])
        assert int(count) == server.count("sale.opportunity", ["state", "=", "won"], ["employee", "=", employee])
        assert Decimal(values[owner]) == expected.get(owner, 0)


_RATES: dict[str, list[tuple[str, Decimal]]] = {}


def _rate(server: Server, code: str, day: str) -> Decimal:
    """Units of the currency for one euro on that day, as the server lists its rates."""
    if not _RATES:
        for row in server.rows("currency.currency.rate", "currency.code", "date", "rate"):
            on = "{year:04}-{month:02}-{day:02}".format(**row["date"])
            _RATES.setdefault(row["currency."]["code"], []).append((on, decimal(row["rate"])))
    return max((on, rate) for on, rate in _RATES[code] if on <= day)[1]


def test_stage_metrics_are_those_of_the_server_s_history(office: Installed, told: Told) -> None:
    entries = Counter(STAGES[state] for states in told.history.values() for _, state in states)
    found = {one["dimensions"]["stage"]: int(one["value"]) for one in office.run("kpi", "entries", "--period", "all")}
    assert found == entries
    is_open = Counter(STAGES[row["state"]] for row in told.opportunities if row["state"] in OPEN)
    now = {one["dimensions"]["stage"]: int(one["value"]) for one in office.run("kpi", "open", "--period", "all")}
    assert now == is_open


def test_what_an_employee_won_is_explained_down_to_the_server_s_answers(
    office: Installed, told: Told, server: Server
) -> None:
    """Every won deal of the best seller: the page cited holds the server's record and the revision that won it, and its
    amount at the rate cited, which the server told too, is what counts."""
    won = [row for row in told.opportunities if row["state"] == "won"]
    ((employee, _),) = Counter(row["employee"] for row in won).most_common(1)
    found = office.run("explain", "won_value", "--subject", f"tryton:{employee}", "--period", "all")
    theirs = {str(row["id"]): row for row in won if row["employee"] == employee}
    assert {member["id"] for member in found["members"]} == set(theirs)
    entries = (ROOT / "mappings/tryton.yaml").read_text("utf-8").splitlines()
    pages = {page["page"]: page for page in found["pages"]}
    for member in found["members"]:
        row, (won_at, _) = theirs[member["id"]], told.history[member["id"]][-1]
        rows = {one["role"]: one for one in member["rows"]}
        deal, move, rate = rows["deal"], rows["won"], rows.get("rate")
        assert Decimal(member["own"]["amount"]) == decimal(row["amount"])
        record = _shown(office, deal)
        assert (record["id"], record["state"], record["employee"]) == (row["id"], "won", employee)
        item = _shown(office, move)["history"][move["item"]]
        assert (item["state"], datetime.fromisoformat(item["at"])) == ("won", won_at)
        assert datetime.fromisoformat(move["occurred_at"]) == won_at
        for one, entity in ((deal, "deal"), (move, "stage_transition")):
            assert entries[one["mapping"]["line"] - 1] == f"  - entity: {entity}"
            assert all(request["url"].startswith("http://127.0.0.1") for request in pages[one["page"]]["requests"])
        if member["own"]["currency"] != "EUR":
            assert rate is not None
            day = str(won_at.astimezone(LOCAL).date())
            per_euro = _rate(server, member["own"]["currency"], day)
            assert Decimal(_shown(office, rate)["rates"][rate["item"]]["rate"]) == per_euro
            euros = (Decimal(member["own"]["amount"]) / per_euro).quantize(Decimal("0.01"))
            assert Decimal(member["amount"]) == euros
            assert entries[rate["mapping"]["line"] - 1] == "  - entity: fx_rate"
    assert {member["own"]["currency"] for member in found["members"]} - {"EUR"}
    assert sum(Decimal(member["amount"]) for member in found["members"]) == Decimal(found["value"])


def _shown(office: Installed, row: dict[str, Any]) -> dict[str, Any]:
    """The record at a cited place, as `connector page show` gives it."""
    page = office.run("page", "show", str(row["page"]), "--record", str(row["record_index"]))
    record: dict[str, Any] = page["record"]
    return record


def test_by_session_login_the_same_is_read_as_by_key(
    office: Installed, tryton_server: dict[str, Any], tmp_path: Path
) -> None:
    by_login = installed(tmp_path, tryton_server, credential=BY_LOGIN)
    assert by_login.run("sync")["status"] == "ok"
    for table, columns in (("deal", "id, stage, amount, currency, owner, account, created_at, extra"),
                           ("stage_transition", "deal, to_stage, occurred_at, actor, sequence"),
                           ("deal_change", "deal, field, new, occurred_at"), ("owner", "id, email, name, active, user"),
                           ("sales_order", "id, deal, amount, currency, state"), ("fx_rate", "currency, rate")):
        query = f"SELECT {columns} FROM {table} WHERE replaced_at IS NULL AND seen_at > 0 ORDER BY {columns}"
        assert by_login.rows(query) == office.rows(query), table


# --- what changes afterwards -----------------------------------------------------------------------------------------


@pytest.fixture
def mine(tryton_server: dict[str, Any], tmp_path: Path) -> Installed:
    """An installation for this test alone, synced."""
    made = installed(tmp_path, tryton_server)
    made.run("sync")
    return made


@pytest.fixture
def lead(told: Told, server: Server) -> int:
    """An open lead with a party and an owner; asked for after `told`, which is of the time before any change."""
    domain = [["state", "=", "lead"], ["party", "!=", None], ["employee", "!=", None]]
    (found,) = server.call("sale.opportunity", "search", domain, 0, 1, [["id", "DESC"]])
    return int(found)


def test_a_button_pressed_in_tryton_is_picked_up_with_its_move_and_nothing_else_changes(
    mine: Installed, server: Server, lead: int
) -> None:
    before = mine.views()
    server.change("opportunity", lead)
    answer = mine.run("sync", apart=True)
    streams = {one["stream"]: one for one in answer["sources"][0]["streams"]}
    changed = {name: one["changed"] + one["new"] for name, one in streams.items()}
    assert {name: count for name, count in changed.items() if count} == {"opportunities": 1}
    (at, id_, _), *_ = server.call("sale.opportunity", "history_revisions", [lead])
    assert id_ == lead
    moves = mine.rows("SELECT to_stage, from_stage, origin, occurred_at FROM current_stage_transition WHERE deal = ? "
                      "ORDER BY occurred_at", str(lead))
    assert [move[0] for move in moves] == ["lead", "opportunity"]
    assert moves[-1][1:3] == ("lead", "reported")
    assert datetime.fromisoformat(moves[-1][3]) == instant(at)
    after = {name: len(rows) - len(before[name]) for name, rows in mine.views().items()}
    assert {name: count for name, count in after.items() if count} == {"current_stage_transition": 1}
    assert set(mine.views()["current_deal_change"]) == set(before["current_deal_change"])


def test_resync_of_one_id_reads_one_record_and_changes_nothing_the_second_time(
    mine: Installed, server: Server, lead: int
) -> None:
    cursors = mine.rows("SELECT stream, state FROM cursor ORDER BY 1")
    server.change("write", lead, {"description": f"Renamed {lead}"})
    first = mine.run("resync", "tryton", "--id", str(lead))
    (stream,) = first["sources"][0]["streams"]
    assert (stream["stream"], stream["records"], stream["changed"]) == ("opportunities", 1, 1)
    assert mine.rows("SELECT name FROM current_deal WHERE id = ?", str(lead)) == [(f"Renamed {lead}",)]
    ledger = mine.ledger()
    (again,) = mine.run("resync", "tryton", "--id", str(lead))["sources"][0]["streams"]
    assert (again["records"], again["changed"], again["unchanged"]) == (1, 0, 1)
    assert mine.ledger() == ledger
    assert mine.rows("SELECT stream, state FROM cursor ORDER BY 1") == cursors


def test_a_rebuild_gives_the_same_rows_cell_for_cell(mine: Installed, server: Server, lead: int) -> None:
    """After a change, so that there are versions of several syncs."""
    server.change("write", lead, {"description": f"Rebuilt {lead}"})
    mine.run("sync")
    before = mine.ledger()
    assert len([row for row in before["deal"] if str(lead) in row]) == 2, "the deal has two versions"
    counts = mine.run("rebuild")
    assert mine.ledger() == before
    assert counts


def test_an_amount_corrected_in_tryton_moves_its_owner_s_number_and_the_past_answer_stays(
    mine: Installed, server: Server, lead: int
) -> None:
    """As known before the correction the open pipeline is the old one."""
    def probability_and_amount(*more: str) -> list[tuple[str, str]]:
        found = mine.run("kpi", "open", "--period", "all", "--option", "measure=value", *more)
        return [(one["dimensions"]["stage"], one["value"]) for one in found]

    known_at = mine.run("kpi", "open", "--period", "all")[0]["as_of"]
    before = probability_and_amount()
    tag = {"__class__": "Decimal", "decimal": "987654.32"}
    server.change("write", lead, {"amount": tag, "currency": 1})
    mine.run("sync")
    assert probability_and_amount() != before
    assert probability_and_amount("--as-of", known_at) == before


# --- to a real PocketBase --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pushed(
    tryton_server: dict[str, Any], pocketbase_server: dict[str, Any], tmp_path_factory: pytest.TempPathFactory,
    told: Told,
) -> Installed:
    """Synced and pushed once."""
    made = installed(tmp_path_factory.mktemp("pushed"), tryton_server, pocketbase_server)
    answer = made.run("sync")
    (destination,) = answer["destinations"]
    assert destination["confirmed"] > 20
    left = [destination[name] for name in ("owed", "refused", "unanswered", "dead", "error")]
    assert left == [0, 0, 0, 0, None]
    return made


def stored(office: Installed) -> dict[tuple[str, str, str, str], tuple[str, str]]:
    """What must stand there: the stored values, exactly as text."""
    rows = office.rows("SELECT kpi, coalesce(json_extract(dimensions, '$.stage'), ''), subject_key, period, "
                       "coalesce(value, ''), coalesce(currency, '') FROM current_kpi_value WHERE kpi <> 'leads'")
    return {row[:4]: row[4:] for row in rows}


def held(pocketbase: dict[str, Any]) -> dict[tuple[str, str, str, str], tuple[str, str]]:
    return {key: (one["exact"], one["currency"]) for key, one in PocketBase(pocketbase).held().items()}


def test_kpi_and_stage_values_stand_in_pocketbase_with_their_exact_text(
    pushed: Installed, pocketbase_server: dict[str, Any]
) -> None:
    there = held(pocketbase_server)
    assert there == stored(pushed)
    assert {"won_value", "won_count", "entries", "conversion", "open"} == {metric for metric, *_ in there}


def test_pushed_twice_each_stands_there_once(pushed: Installed, pocketbase_server: dict[str, Any]) -> None:
    before = PocketBase(pocketbase_server).held()
    (again,) = pushed.run("push")["destinations"]
    assert (again["confirmed"], again["owed"]) == (0, 0)
    assert PocketBase(pocketbase_server).held() == before, "not even `updated` moved"


def test_without_our_own_memory_of_it_each_still_stands_there_once(
    pushed: Installed, pocketbase_server: dict[str, Any]
) -> None:
    """The delivery rows are gone, as after a restore: each value is found before it is sent."""
    before = PocketBase(pocketbase_server).held()
    pushed.rows("DELETE FROM delivery")
    (again,) = pushed.run("push")["destinations"]
    assert (again["confirmed"], again["refused"], again["owed"]) == (len(before), 0, 0)
    after = PocketBase(pocketbase_server).held()
    assert {key: one["id"] for key, one in after.items()} == {key: one["id"] for key, one in before.items()}
    assert held(pocketbase_server) == stored(pushed)


def test_a_changed_value_is_changed_in_place(
    pushed: Installed, pocketbase_server: dict[str, Any], server: Server, lead: int
) -> None:
    before = PocketBase(pocketbase_server).held()
    server.change("cancel", lead)
    (done,) = pushed.run("sync")["destinations"]
    after = PocketBase(pocketbase_server).held()
    assert {key: one["id"] for key, one in after.items()} == {key: one["id"] for key, one in before.items()}
    cancelled = ("entries", "Cancelled", "company", "all")
    assert int(after[cancelled]["exact"]) == int(before[cancelled]["exact"]) + 1
    assert done["confirmed"] >= 2
    assert held(pocketbase_server) == stored(pushed)
