"""The tryton source against a real Tryton 8.2: what it reads equals the server's own answers, by key and by login."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.tryton import Tryton, TrytonSettings
from connector.errors import AuthError, ConnectorError, Permanent
from connector.model import micros
from connector.ports import Context, Record, SystemClock, Window
from connector.testing import FakeClock

pytestmark = pytest.mark.real


class Server:
    """The server's own JSON-RPC and REST, spoken without our code; as the administrator, who may change records."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found
        user, password = found["admin_user"], found["admin_password"]
        id_, session, _ = self._post("rpc/", "common.db.login", [user, {"password": password}, "en"], {})
        self._session = base64.b64encode(f"{user}:{id_}:{session}".encode()).decode()

    def call(self, model: str, method: str, *parameters: Any, **context: Any) -> Any:
        headers = {"Authorization": f"Session {self._session}"}
        return self._post("rpc/", f"model.{model}.{method}", [*parameters, {"company": 1, **context}], headers)

    def _post(self, path: str, method: str, parameters: list[Any], headers: dict[str, str]) -> Any:
        body = json.dumps({"id": 1, "method": method, "params": parameters}).encode()
        url = f"{self.found['base_url']}{self.found['database']}/{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # our own server
            content = json.load(answer)
        assert "error" not in content, content
        return content["result"]


@pytest.fixture(scope="session")
def server(tryton_server: dict[str, Any]) -> Server:
    return Server(tryton_server)


def source(found: dict[str, Any], **credential: str) -> Tryton:
    settings = {"base_url": found["base_url"], "database": found["database"], **credential}
    return Tryton("tryton", TrytonSettings.model_validate(settings), Context(SystemClock(), UTC))


@pytest.fixture(params=["key", "login"])
def tryton(request: pytest.FixtureRequest, tryton_server: dict[str, Any]) -> Tryton:
    """The source by REST key and by session login: every test holds for both."""
    if request.param == "key":
        return source(tryton_server, key=tryton_server["rest_key"])
    return source(tryton_server, user=tryton_server["user"], password=tryton_server["password"])


def read(tryton: Tryton, stream: str, lo: datetime | None = None) -> list[Record]:
    pages = list(tryton.read(stream, Window(lo, tryton.now())))
    return [record for page in pages for record in tryton.records(stream, page.exchanges)]


def instant(tag: dict[str, Any]) -> datetime:
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    year, month, day, *clock = (int(tag[part]) for part in parts)
    return datetime(year, month, day, *clock, tzinfo=UTC)  # type: ignore[misc,arg-type]  # seven ints


@pytest.mark.parametrize(
    ("stream", "model", "domain"),
    [
        ("opportunities", "sale.opportunity", []), ("sales", "sale.sale", []),
        ("invoices", "account.invoice", [["type", "=", "out"]]), ("employees", "company.employee", []),
        ("parties", "party.party", []), ("currencies", "currency.currency", []),
    ],
)
def test_each_stream_has_as_many_records_as_the_server_counts(
    tryton: Tryton, server: Server, stream: str, model: str, domain: list[Any]
) -> None:
    keys = [record.key for record in read(tryton, stream)]
    count = server.call(model, "search_count", domain, 0, None, active_test=False)  # archived ones too
    assert len(keys) == len(set(keys)) == count


def test_counts_and_sums_per_state_and_currency_are_the_servers(tryton: Tryton, server: Server) -> None:
    ours: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for record in read(tryton, "opportunities"):
        ours[record.data["state"], record.data["currency"]["code"]].append(Decimal(record.data["amount"]))
    theirs: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    fields = ["state", "amount", "currency.code"]
    for row in server.call("sale.opportunity", "search_read", [], 0, None, [["id", "ASC"]], fields):
        theirs[row["state"], row["currency."]["code"]].append(Decimal(row["amount"]["decimal"]))
    assert {key: (len(sums), sum(sums)) for key, sums in ours.items()} == {
        key: (len(sums), sum(sums)) for key, sums in theirs.items()
    }
    assert {code for _, code in ours} == {"EUR", "USD", "GBP", "JPY"}
    counts = Counter(state for state, code in ours for _ in ours[state, code])
    for state, count in counts.items():
        assert count == server.call("sale.opportunity", "search_count", [["state", "=", state]], 0, None)


def test_history_is_every_revision_the_server_lists_with_its_state_then(tryton: Tryton, server: Server) -> None:
    records = {int(record.key): record.data for record in read(tryton, "opportunities")}
    listed = server.call("sale.opportunity", "history_revisions", sorted(records))
    assert sorted((id_, item["at"], item["by"]) for id_, data in records.items() for item in data["history"]) == sorted(
        (id_, instant(at).isoformat(timespec="microseconds").replace("+00:00", "Z"), by) for at, id_, by in listed
    )
    for id_ in (1, 17, 42):  # each revision asked for on its own, as the connector does not
        for item in records[id_]["history"]:
            parts = datetime.fromisoformat(item["at"])
            names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            tag = {"__class__": "datetime", **{name: getattr(parts, name) for name in names}}
            fields = ["state", "amount", "employee"]
            (then,) = server.call("sale.opportunity", "read", [id_], fields, _datetime=tag)
            assert (item["state"], item["amount"], item["employee"]) == (
                then["state"], then["amount"]["decimal"], then["employee"],
            )


def test_history_costs_far_fewer_calls_than_there_are_revisions(tryton: Tryton) -> None:
    """222 revisions, all at different times, of which the last of each deal is the deal itself: 162 to ask for."""
    (page,) = tryton.read("opportunities", Window(None, tryton.now()))
    revisions = sum(len(record.data["history"]) for record in tryton.records("opportunities", page.exchanges))
    assert revisions >= 222
    assert len(page.exchanges) <= 75  # 1 search, 1 list of revisions, 68 instants that see every version


def test_estimate_and_quotation_are_both_in_the_history_of_a_won_deal(tryton: Tryton) -> None:
    """Real/README: once converted, the amount follows the quotation (56900 -> 480.00 in record 1)."""
    (page,) = tryton.read_ids("opportunities", ["1"])
    (record,) = tryton.records("opportunities", page.exchanges)
    steps = [(item["state"], item["amount"]) for item in record.data["history"]]
    assert (steps[0], steps[-1]) == (("lead", "56900"), ("won", "480.00"))
    assert record.modified == micros(datetime(2025, 11, 28, 9, 0, 1, 1000, tzinfo=UTC))


def test_pages_follow_each_other_and_a_position_goes_on_after_the_last(
    tryton: Tryton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.tryton.ROWS_PER_PAGE", 25)
    monkeypatch.setattr(Tryton._search, "__defaults__", (25,))
    window = Window(None, tryton.now())
    pages = list(tryton.read("opportunities", window))
    keys = [[record.key for record in tryton.records("opportunities", page.exchanges)] for page in pages]
    assert [len(page) for page in keys] == [25, 25, 10]
    assert [page.position for page in pages] == [25, 50, None]
    rest = list(tryton.read("opportunities", window, 50))
    assert [record.key for page in rest for record in tryton.records("opportunities", page.exchanges)] == keys[2]


def test_a_change_over_the_api_is_in_the_next_window_with_its_move(tryton: Tryton, server: Server) -> None:
    """One of the open leads with party and owner is taken up; nothing else is read again."""
    before = tryton.now()
    domain = [["state", "=", "lead"], ["party", "!=", None], ["employee", "!=", None]]
    chosen = server.call("sale.opportunity", "search", domain, 0, 1, [["id", "DESC"]])
    server.call("sale.opportunity", "opportunity", chosen)
    pages = list(tryton.read("opportunities", Window(before, before + timedelta(minutes=5))))
    records = [record for page in pages for record in tryton.records("opportunities", page.exchanges)]
    record = next(record for record in records if record.key == str(chosen[0]))
    assert len(records) < 5
    assert [item["state"] for item in record.data["history"]][-2:] == ["lead", "opportunity"]
    assert datetime.fromisoformat(record.data["history"][-1]["at"]) >= before
    assert all(micros(page.read_at) >= (record.modified or 0) for page in pages)


def test_a_record_never_changed_is_found_by_its_creation(tryton: Tryton, server: Server) -> None:
    """write_date is null until the first change."""
    before = tryton.now()
    fields = {"company": 1, "currency": 1, "amount": {"__class__": "Decimal", "decimal": "1200.50"}}
    (made,) = server.call("sale.opportunity", "create", [{**fields, "description": "Made by a test"}])
    pages = list(tryton.read("opportunities", Window(before, before + timedelta(minutes=5))))
    found = {record.key: record.data for page in pages for record in tryton.records("opportunities", page.exchanges)}
    assert found[str(made)]["write_date"] is None
    assert [(item["state"], item["amount"]) for item in found[str(made)]["history"]] == [("lead", "1200.50")]
    server.call("sale.opportunity", "cancel", [made])
    server.call("sale.opportunity", "delete", [made])


def test_single_records_are_read_by_id_and_unknown_ids_are_absent(tryton: Tryton) -> None:
    (page,) = tryton.read_ids("opportunities", ["3", "99999", "no number", "2"])
    records = list(tryton.records("opportunities", page.exchanges))
    assert [record.key for record in records] == ["2", "3"]
    assert all(record.data["history"] for record in records)


def test_owners_come_with_email_and_the_users_that_stand_in_the_history(tryton: Tryton) -> None:
    employees = {record.key: record.data for record in read(tryton, "employees")}
    assert employees["1"]["party"]["email"] == "amira@instruments.example"
    assert employees["1"]["users"] == [{"id": 2, "name": "Amira Haddad", "email": "amira@instruments.example"}]
    assert [data["active"] for data in employees.values()] == [True, True, True, True, False]  # Eva has left


def test_sales_invoices_and_rates_are_plain_values_that_join(tryton: Tryton) -> None:
    sale = next(record.data for record in read(tryton, "sales") if record.key == "1")
    assert (sale["opportunity"], sale["untaxed_amount"], sale["currency"]["code"]) == ("1", "480.00", "EUR")
    assert sum(Decimal(line["amount"]) for line in sale["lines"]) == Decimal("480.00")
    invoice = next(record.data for record in read(tryton, "invoices") if record.key == "1")
    assert (invoice["sales"], invoice["kind"]) == ([1], "invoice")
    rates = {record.data["code"]: record.data["rates"] for record in read(tryton, "currencies")}
    assert [(rate["date"], rate["inverse"]) for rate in rates["JPY"]] == [("2020-01-01", "0.00625")]
    assert ("2026-01-01", "0.862068965517") in [(rate["date"], rate["inverse"]) for rate in rates["USD"]]  # 1 / 1.16


def test_landed_exchanges_alone_make_the_records_and_hold_no_secret(
    tryton: Tryton, tryton_server: dict[str, Any]
) -> None:
    (page,) = tryton.read("opportunities", Window(None, tryton.now()))
    elsewhere = source({"base_url": "http://127.0.0.1:9/", "database": "none"}, key="another-key")
    assert list(elsewhere.records("opportunities", page.exchanges)) == list(
        tryton.records("opportunities", page.exchanges)
    )
    landed = repr(page.exchanges)
    for secret in ("rest_key", "password"):
        assert tryton_server[secret] not in landed


def test_check_says_that_each_stream_may_be_read(tryton: Tryton) -> None:
    assert [check.ok for check in tryton.check()] == [True] * 6


@pytest.mark.parametrize("credential", [{"key": "wrong-key-0001"}, {"user": "connector", "password": "wrong-one"}])
def test_a_wrong_credential_stops_the_source_and_is_not_said_aloud(
    tryton_server: dict[str, Any], credential: dict[str, str]
) -> None:
    refused = source(tryton_server, **credential)
    with pytest.raises(AuthError) as caught:
        refused.now()
    assert not any(secret in str(caught.value) for name, secret in credential.items() if name != "user")
    assert [check.ok for check in refused.check()] == [False]


def test_a_session_that_ended_is_opened_anew(tryton_server: dict[str, Any]) -> None:
    tryton = source(tryton_server, user=tryton_server["user"], password=tryton_server["password"])
    tryton.now()
    headers: dict[str, str] = {}
    assert tryton._client.auth is not None
    tryton._client.auth.apply(headers, {})
    server = Server(tryton_server)
    server._post("rpc/", "common.db.logout", [], headers)
    assert len(read(tryton, "currencies")) == 4


def test_a_field_the_server_does_not_have_is_said_at_once(tryton: Tryton) -> None:
    before = tryton.requests
    with pytest.raises(Permanent, match="this Tryton has no 'nope'"):
        tryton._search("parties", [["nope", "=", 1]], ("name",))
    assert tryton.requests - before <= 2  # the call, and perhaps the login


def test_an_unreachable_server_is_an_error_with_the_way_out() -> None:
    settings = TrytonSettings.model_validate({"base_url": "http://127.0.0.1:9/", "database": "crm", "key": "some-key"})
    made = Tryton("tryton", settings, Context(FakeClock(datetime(2026, 3, 2, tzinfo=UTC)), UTC))
    with pytest.raises(ConnectorError, match="check base_url"):
        made.now()


@pytest.mark.parametrize("credential", [{}, {"user": "a"}, {"key": "k", "user": "a", "password": "p"}])
def test_settings_want_one_credential(credential: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="set either `key`, or `user` and `password`"):
        TrytonSettings.model_validate({"base_url": "http://x/", "database": "d", **credential})
