"""The rest destination against stateful fake systems over real HTTP, with lost answers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.rest import Rest
from connector.deliver import DestinationSummary, deliver
from connector.model import KpiValue
from connector.ports import Delivery
from connector.rest.grammar import RestSettings
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from connector.twins.hr import HrTwin
from connector.twins.server import DROP, Refused, Reply, Request, Twin

PERSONS = {
    "NV001": {"employee_code": "NV001", "email": "an@example.vn", "name": "An"},
    "NV002": {"employee_code": "NV002", "email": "binh@example.vn", "name": "Bình"},
    "NV003": {"employee_code": "NV003", "email": "chi@example.vn", "name": "Chi"},
}
STAFF = [{"code": code, "email": one["email"], "name": one["name"]} for code, one in PERSONS.items()]

HR = {
    "auth": {"login": {"post": "/login", "body": {"user": "connector", "password": "hr-password"}, "token": "token"},
             "header": "Token"},
    "employees": {"get": "/employees", "rows": "data", "code": "MaNhanVien", "email": "Email", "page": "page"},
    "body": {
        "MaNhanVien": "subject.employee_code",
        "MaKPI": {"path": "kpi", "table": {"won_value": "DOANHSO", "win_rate": "TYLETHANG"}},
        "Ky": {"path": "period_start", "as": {"date": {"format": "%m/%Y"}}},
        "KichThuoc": {"path": "join(',', values(dimensions))", "default": ""},
        "ThucHien": {"path": "value", "as": {"number": {"digits": 4}}},
        "ChiTieu": {"path": "target", "as": "number", "default": 0},
    },
    "find": {"get": "/kpi-results", "rows": "items", "id": "id", "query": {
        "employee": "{body.MaNhanVien}", "kpi": "{body.MaKPI}", "period": "{body.Ky}", "dimensions": "{body.KichThuoc}",
    }},
    "send": {"post": "/kpi-results", "rows": "items", "batch": 50, "update": {"put": ".../{remote_id}"}},
    "answer": {"ok": "code == `1`", "rows": "results", "row_ok": "success", "row_error": "message", "row_id": "id",
               "exists": "starts_with(message, 'duplicate')"},
    "read_back": {"get": "/kpi-results/{remote_id}", "compare": {"ThucHien": "0.01"}},
}


@pytest.fixture
def hr() -> Iterator[HrTwin]:
    with HrTwin(STAFF, page_size=2) as twin:
        yield twin


@pytest.fixture
def store(clock: FakeClock, tmp_path: Any) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    yield opened
    opened.close()


@contextmanager
def rest(url: str, clock: FakeClock, settings: dict[str, Any]) -> Iterator[Rest]:
    made = Rest("hr", RestSettings.model_validate({"base_url": url, **settings}), context(clock))
    yield made
    made.close()


def push(
    store: Store, url: str, *values: KpiValue, persons: Any = PERSONS, settings: dict[str, Any] = HR, **more: Any
) -> DestinationSummary:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    with rest(url, clock, settings) as to:
        return deliver(store, to, "hr", values, persons, run="r", clock=clock, **more)


VALUES = [kpi_value(subject=f"person:NV00{number}", value=f"{number}000.50") for number in (1, 2, 3)]


# --- batches, employees, verdicts in rows ----------------------------------------------------------------------------


def test_values_arrive_in_one_call_with_exact_numbers_and_local_words(store: Store, hr: HrTwin) -> None:
    assert push(store, hr.url + "/api", *VALUES) == DestinationSummary("hr", confirmed=3)
    held = sorted(hr.results.values(), key=lambda row: row["MaNhanVien"])
    assert [(row["MaNhanVien"], row["MaKPI"], row["Ky"]) for row in held] == [
        ("NV001", "DOANHSO", "10/2026"), ("NV002", "DOANHSO", "10/2026"), ("NV003", "DOANHSO", "10/2026"),
    ]
    posts = [request for request in hr.requests if request.method == "POST" and "results" in request.path]
    assert len(posts) == 1
    assert b'"ThucHien":1000.5000' in posts[0].body


def test_a_second_push_sends_nothing_and_a_changed_value_replaces_the_old_one(store: Store, hr: HrTwin) -> None:
    push(store, hr.url + "/api", *VALUES)
    before = len(hr.requests)
    push(store, hr.url + "/api", *VALUES)
    assert len(hr.requests) == before
    assert push(store, hr.url + "/api", replace(VALUES[0], value="7.00"), *VALUES[1:]).confirmed == 1
    assert sorted(row["ThucHien"] for row in hr.results.values()) == [7.0, 2000.5, 3000.5]


def test_a_refused_row_says_why_and_holds_up_no_other(store: Store, hr: HrTwin) -> None:
    bad = kpi_value(subject="person:NV001", value="1.00", period_start="2026-10-01", target=None, kpi="other")
    done = push(store, hr.url + "/api", *VALUES, bad)
    assert (done.confirmed, done.refused) == (3, 1)
    refused = refusals(store)
    assert refused == ["MaKPI from kpi: not in its table; the table has won_value, win_rate; add the word or a default"]


def refusals(store: Store) -> list[str]:
    from connector.deliveries import list_deliveries

    return [str(row["message"]) for row in list_deliveries(store, state="refused")]


def test_a_verdict_in_a_row_of_a_200_is_a_refusal(store: Store, hr: HrTwin) -> None:
    settings = {**HR, "body": {**HR["body"], "Ky": "period"}}
    done = push(store, hr.url + "/api", VALUES[0], settings=settings)
    assert (done.confirmed, done.refused, refusals(store)) == (0, 1, ["Ky must be mm/YYYY"])


def test_employees_are_found_by_code_else_by_mail_and_never_guessed(store: Store, hr: HrTwin) -> None:
    persons = {
        "A": {"employee_code": "A", "email": "AN@example.vn "},
        "B": {"employee_code": "B", "email": "nobody@example.vn"},
        "NV002": {"employee_code": "NV002", "email": "chi@example.vn"},
    }
    values = [kpi_value(subject=f"person:{code}") for code in persons]
    assert push(store, hr.url + "/api", *values, persons=persons).refused == 1
    assert sorted(row["MaNhanVien"] for row in hr.results.values()) == ["NV001", "NV002"]
    assert "no employee of this code or e-mail" in refusals(store)[0]


def test_two_employees_of_one_mail_are_a_refusal_of_that_value_only(store: Store, hr: HrTwin) -> None:
    hr.add_employee("NV009", "an@example.vn", "An the second")
    persons = {"X": {"employee_code": "X", "email": "an@example.vn"}, "NV002": PERSONS["NV002"]}
    done = push(store, hr.url + "/api", kpi_value(subject="person:X"), kpi_value(subject="person:NV002"),
                persons=persons)
    assert (done.confirmed, done.refused) == (1, 1)
    assert "2 employees there have this e-mail" in refusals(store)[0]


def test_an_employee_whose_code_or_mail_cannot_be_told_is_none_of_ours(store: Store, hr: HrTwin) -> None:
    """Expressions with a function fail on a null: of that row only."""
    hr.employees["NV001"]["MaNhanVien"] = None
    hr.employees["NV002"]["Email"] = None
    employees = {**HR["employees"], "code": "join('', [MaNhanVien])", "email": "join('', [Email])"}
    done = push(store, hr.url + "/api", *VALUES, settings={**HR, "employees": employees})
    assert (done.confirmed, done.refused) == (2, 1)
    assert "no employee of this code or e-mail" in refusals(store)[0]


def test_the_list_of_employees_is_read_once_a_run(store: Store, hr: HrTwin) -> None:
    push(store, hr.url + "/api", *VALUES)
    pages = [request.one("page") for request in hr.requests if request.path == "/api/employees"]
    assert pages == ["1", "2", "3"]


def test_a_lost_answer_is_settled_by_finding_the_record_and_nothing_stands_there_twice(
    store: Store, hr: HrTwin
) -> None:
    hr.disturb(DROP, path="/kpi-results", method="POST")
    assert push(store, hr.url + "/api", *VALUES).unanswered == 3
    assert push(store, hr.url + "/api", *VALUES) == DestinationSummary("hr", confirmed=3)
    assert len(hr.results) == 3


def test_an_answer_lost_on_a_change_is_settled_by_reading_back(store: Store, hr: HrTwin) -> None:
    push(store, hr.url + "/api", VALUES[0])
    hr.disturb(DROP, path="/kpi-results/", method="PUT")
    assert push(store, hr.url + "/api", replace(VALUES[0], value="9.00")).unanswered == 1
    puts = [request for request in hr.requests if request.method == "PUT"]
    assert push(store, hr.url + "/api", replace(VALUES[0], value="9.00")).is_clean
    assert len(puts) == len([request for request in hr.requests if request.method == "PUT"]) == 1


def test_a_record_somebody_deleted_there_is_created_again(store: Store, hr: HrTwin) -> None:
    push(store, hr.url + "/api", VALUES[0])
    hr.results.clear()
    hr._by_key.clear()
    assert push(store, hr.url + "/api", replace(VALUES[0], value="9.00")).is_clean
    assert [row["ThucHien"] for row in hr.results.values()] == [9.0]


def test_a_duplicate_refused_by_the_system_becomes_a_change_of_what_is_there(store: Store, hr: HrTwin) -> None:
    push(store, hr.url + "/api", VALUES[0])
    other = Store.open("sqlite://", store.clock)  # a new installation that knows nothing of the first
    blind = {**HR, "find": None, "answer": {**HR["answer"]}}
    hr.lists_duplicates = True
    assert push(other, hr.url + "/api", replace(VALUES[0], value="5.00"), settings=blind).is_clean
    assert [row["ThucHien"] for row in hr.results.values()] == [5.0]
    other.close()


def test_what_the_system_took_but_holds_otherwise_is_no_confirmation(store: Store, hr: HrTwin) -> None:
    hold = hr._hold
    hr._hold = lambda number, item: hold(number, {**item, "ThucHien": 100})  # type: ignore[method-assign]
    done = push(store, hr.url + "/api", VALUES[0])
    assert (done.refused, refusals(store)) == (1, ["the destination took it and holds another ThucHien"])


def test_a_tolerance_allows_their_rounding(store: Store, hr: HrTwin) -> None:
    hold = hr._hold
    hr._hold = lambda number, item: hold(number, {**item, "ThucHien": 1000.51})  # type: ignore[method-assign]
    assert push(store, hr.url + "/api", VALUES[0]).is_clean


def test_a_wrong_password_stops_the_destination_and_is_not_shown(store: Store, hr: HrTwin) -> None:
    login = {**HR["auth"]["login"], "body": {"user": "connector", "password": "not-the-one"}}
    settings = {**HR, "auth": {"login": login, "header": "Token"}}
    done = push(store, hr.url + "/api", *VALUES, settings=settings)
    assert done.owed == 3
    assert "refused" in str(done.error)
    assert "not-the-one" not in str(done.error) + repr(RestSettings.model_validate({"base_url": hr.url, **settings}))
    assert len(hr.requests) == 1


def test_an_expired_session_is_opened_anew(store: Store, hr: HrTwin) -> None:
    with rest(hr.url + "/api", store.clock, HR) as to:  # type: ignore[arg-type]
        deliver(store, to, "hr", VALUES[:1], PERSONS, run="r", clock=store.clock)
        hr._tokens.clear()
        assert deliver(store, to, "hr", VALUES, PERSONS, run="r", clock=store.clock).is_clean


def test_a_server_that_is_busy_is_asked_again_and_one_that_stays_away_leaves_the_rest_owed(
    store: Store, hr: HrTwin
) -> None:
    busy = Reply(503, {"message": "maintenance"}, {"Retry-After": "1"})
    hr.disturb(busy, path="/kpi-results", method="POST", times=2)
    assert push(store, hr.url + "/api", VALUES[0]).is_clean
    hr.disturb(busy, path="/kpi-results", method="POST", times=99)
    done = push(store, hr.url + "/api", *VALUES)
    assert (done.owed, "maintenance" in str(done.error)) == (2, True)


def test_a_dry_run_calls_nobody(store: Store, hr: HrTwin) -> None:
    assert push(store, hr.url + "/api", *VALUES, dry_run=True).owed == 3
    assert hr.requests == []


def test_a_change_of_the_mapping_owes_what_it_changes(store: Store, hr: HrTwin) -> None:
    push(store, hr.url + "/api", *VALUES)
    halved = {**HR["body"], "ThucHien": {"path": "value", "as": {"number": {"scale": 0.5}}}}
    assert push(store, hr.url + "/api", *VALUES, settings={**HR, "body": halved}).confirmed == 3
    assert sorted(row["ThucHien"] for row in hr.results.values()) == [500.25, 1000.25, 1500.25]


def test_a_field_that_is_not_sent_owes_nothing_when_it_changes(store: Store, hr: HrTwin) -> None:
    push(store, hr.url + "/api", *VALUES)
    assert push(store, hr.url + "/api", *[replace(value, denominator="9") for value in VALUES]).confirmed == 0


def test_every_value_stands_there_once_whatever_answers_are_lost(store: Store, hr: HrTwin) -> None:
    script = random.Random(7)
    hr.on_request(lambda request: DROP if request.method != "GET" and script.random() < 0.3 else None)
    for version in range(8):
        values = [replace(value, value=f"{version}.{number}0") for number, value in enumerate(VALUES)]
        push(store, hr.url + "/api", *values)
    hr._hooks.clear()
    for _ in range(3):
        done = push(store, hr.url + "/api", *values)
    assert done.is_clean
    held = {row["MaNhanVien"]: row["ThucHien"] for row in hr.results.values()}
    assert (len(hr.results), held) == (3, {"NV001": 7.0, "NV002": 7.1, "NV003": 7.2})


# --- one value a call, without verdicts ------------------------------------------------------------------------------


class Log(Twin):
    """A system that appends whatever it is sent, and shows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Any] = []
        self.route("POST", "/entries", self._append)
        self.route("POST", "/batch", self._append_all)

    def _append(self, request: Request) -> Reply:
        entry = request.json()
        if entry.get("value") == 13:
            raise Refused(Reply(422, {"message": "thirteen is refused"}))
        self.entries.append(entry)
        return Reply(204)

    def _append_all(self, request: Request) -> Reply:
        entries = request.json()
        if any(entry["value"] == 13 for entry in entries):
            raise Refused(Reply(400, {"message": "thirteen is refused"}))
        self.entries.extend(entries)
        return Reply(200, "taken", content_type="text/plain")


LOG = {"body": {"who": "subject.key", "value": {"path": "value", "as": {"number": {"digits": 0}}}},
       "send": {"post": "/entries"}}


@pytest.fixture
def log() -> Iterator[Log]:
    with Log() as twin:
        yield twin


def numbered(*numbers: int) -> list[KpiValue]:
    return [kpi_value(subject=f"team:{number}", value=f"{number}.00") for number in numbers]


def test_without_rules_for_the_answer_the_status_decides(store: Store, log: Log) -> None:
    done = push(store, log.url, *numbered(11, 12, 13), settings=LOG)
    assert (done.confirmed, done.refused, refusals(store)) == (2, 1, ["thirteen is refused"])
    assert [entry["value"] for entry in log.entries] == [11, 12]


def test_what_cannot_be_read_back_is_held_for_a_person(store: Store, log: Log) -> None:
    log.disturb(DROP, path="/entries")
    push(store, log.url, *numbered(1, 2), settings=LOG)
    for _ in range(3):
        assert push(store, log.url, *numbered(1, 2), settings=LOG).unanswered == 1
    assert len(log.entries) == 2


def test_a_batch_refused_as_a_whole_is_halved_until_the_bad_value_is_found(store: Store, log: Log) -> None:
    settings = {**LOG, "send": {"post": "/batch", "rows": "@"}}
    done = push(store, log.url, *numbered(*range(10, 18)), settings=settings)
    assert (done.confirmed, done.refused) == (7, 1)
    assert sorted(entry["value"] for entry in log.entries) == [10, 11, 12, 14, 15, 16, 17]


def test_a_wrong_address_stops_the_destination_instead_of_refusing_every_value(store: Store, log: Log) -> None:
    done = push(store, log.url + "/nowhere", *numbered(1, 2, 3), settings=LOG)
    assert (done.owed, done.refused) == (3, 0)
    assert "check base_url and send.post" in str(done.error)


def test_verdicts_that_do_not_match_the_values_leave_them_unanswered(store: Store, hr: HrTwin) -> None:
    hr.disturb(Reply(200, {"code": 1, "results": [{"success": True}]}), path="/kpi-results", method="POST")
    assert push(store, hr.url + "/api", *VALUES, settings={**HR, "find": None}).unanswered == 3


# --- the grammar -----------------------------------------------------------------------------------------------------


def faults(**changes: Any) -> list[str]:
    given = {"base_url": "https://hr.example.vn", **HR, **changes}
    with pytest.raises(ValidationError) as raised:
        RestSettings.model_validate({key: value for key, value in given.items() if value is not None})
    return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in raised.value.errors()]


def test_every_fault_of_the_grammar_is_found_at_once_with_its_key() -> None:
    found = faults(
        base_url="hr.example.vn", auth={"header": "Token"}, send={"rows": "items"},
        body={"a": "vlaue", "b": {"path": "value", "as": "percent"}}, find={"get": "/x", "query": {"q": "{nope}"}},
    )
    places = [one.split(":")[0] for one in found]
    assert places == ["base_url", "auth", "body.a.path", "body.b.as", "find.query.q", "send"]
    assert "expected exactly one of value, bearer, basic, oauth, login, hmac" in found[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"read_back": {"get": "/x", "compare": {"Nope": 1}}}, "compare names 'Nope', expected fields of body"),
        ({"read_back": {"compare": {"ThucHien": 1}}, "find": None}, "nothing is read, expected get here"),
        ({"answer": {"row_ok": "x"}}, "read in rows, expected rows as well"),
        ({"send": {"post": "/x", "update": {"put": "/y"}}, "find": None, "answer": None}, "needs the record's id"),
        ({"answer": {"rows": "results"}, "send": {"post": "/x"}}, "expected send.rows as well"),
        ({"auth": {"value": "x"}}, "a value needs its header"),
        ({"answer": {"ok": "code =="}}, "not a JMESPath"),
        ({"employees": {"get": "/e", "code": "c", "next": "n", "page": "p"}}, "two ways of paging"),
    ],
)
def test_parts_that_do_not_fit_together_are_faults(changes: dict[str, Any], said: str) -> None:
    assert said in " ".join(faults(**changes))


def test_a_value_that_cannot_be_said_has_a_content_all_the_same(clock: FakeClock) -> None:
    with rest("http://127.0.0.1:1", clock, HR) as to:
        value = kpi_value("unknown")
        assert to.content(Delivery("k", value.as_json()))["body"]["kpi"]["kpi"] == "unknown"


def test_check_reads_and_writes_nothing(hr: HrTwin, clock: FakeClock) -> None:
    with rest(hr.url + "/api", clock, HR) as to:
        assert [(check.what, check.ok) for check in to.check()] == [("GET /employees", True)]
    assert hr.results == {}
    with rest("http://127.0.0.1:1", clock, HR) as to:
        assert [check.ok for check in to.check()] == [False]
