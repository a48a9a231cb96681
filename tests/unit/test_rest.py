"""The declarative source: declarations are requests, pages are rebuilt from landed bytes, positions go on exactly."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from connector.auth import Auth, Bearer
from connector.budget import Limit
from connector.errors import AuthError, UnexpectedShape
from connector.paging import CursorPages
from connector.ports import Exchange, Window
from connector.rest import RestSettings, RestSource, Stream, written
from connector.testing import FakeClock, context

LO, HI = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
EVERYTHING = Window(None, HI)


class AcmeSettings(RestSettings):
    token: SecretStr


class Acme(RestSource):
    Settings = AcmeSettings
    base_url = "https://api.acme.example/v2"
    deals = Stream(
        path="/deals", records="data", cursor="update_time", since="updated_since", until="updated_until",
        one="/deals/{id}", params={"limit": 2}, pages=CursorPages(reads="next", sends="cursor"),
    )  # fmt: skip
    people = deals.replace(path="/people", since="", one="", complete=True, passes=({}, {"archived": "yes"}))

    def credential(self) -> Auth:
        return Bearer(self.settings.token.get_secret_value())


def acme(vendor: Any, clock: FakeClock) -> Acme:
    settings = AcmeSettings(base_url=vendor.url, token=SecretStr("t-secret"))
    return Acme("acme", settings, context(clock))


def deal(number: int) -> dict[str, Any]:
    return {"id": number, "update_time": "2026-02-03T04:05:06Z", "amount": 0.1}


def serve(vendor: Any, answer: Any, **paths: list[int]) -> None:
    """The ids under each path, two a page by cursor; archived people are those from 100 on; one by its id."""

    def respond(asked: Any) -> Any:
        parts, query = urlsplit(asked.path), parse_qs(urlsplit(asked.path).query)
        _, collection, *one = parts.path.split("/")
        ids = paths[collection]
        if one:
            return answer(body=json.dumps(deal(int(one[0]))).encode()) if int(one[0]) in ids else answer(404)
        ids = [id_ for id_ in ids if (id_ >= 100) == ("archived" in query)]
        start = int(query.get("cursor", ["0"])[0])
        following = start + 2 if start + 2 < len(ids) else None
        rows = [deal(id_) for id_ in ids[start : start + 2]]
        return answer(body=json.dumps({"data": rows, "next": following}).encode())

    vendor.respond = respond


def keys(source: Acme, stream: str, pages: Any) -> list[str]:
    return [record.key for page in pages for record in source.records(stream, page.exchanges)]


def test_declared_streams_are_listed_in_order_with_what_they_can(vendor: Any, clock: FakeClock) -> None:
    deals, people = acme(vendor, clock).streams()
    assert (deals.name, deals.cursor, deals.by_id, deals.complete) == ("deals", True, True, False)
    assert (people.name, people.cursor, people.by_id, people.complete) == ("people", False, False, True)


def test_a_window_becomes_the_parameters_declared(vendor: Any, clock: FakeClock, answer: Any) -> None:
    serve(vendor, answer, deals=[1])
    list(acme(vendor, clock).read("deals", Window(LO, HI)))
    assert parse_qs(urlsplit(vendor.asked[0].path).query) == {
        "limit": ["2"],
        "updated_since": ["2026-02-01T00:00:00.000000Z"],
        "updated_until": ["2026-03-01T12:00:00.500000Z"],
    }
    assert vendor.asked[0].headers["Authorization"] == "Bearer t-secret"


def test_instants_are_written_as_the_vendor_takes_them_and_never_rounded_up() -> None:
    assert written(HI, "epoch") == "1772366400"
    assert written(HI, "epoch_ms") == "1772366400500"
    assert written(datetime(2026, 3, 1, 19, tzinfo=UTC), "iso") == "2026-03-01T19:00:00.000000Z"


def test_every_page_is_read_and_the_last_has_no_position(vendor: Any, clock: FakeClock, answer: Any) -> None:
    serve(vendor, answer, deals=[1, 2, 3, 4, 5])
    source = acme(vendor, clock)
    pages = list(source.read("deals", EVERYTHING))
    assert [page.position for page in pages] == [[0, 2], [0, 4], None]
    assert keys(source, "deals", pages) == ["1", "2", "3", "4", "5"]
    assert source.requests == 3


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_saved_position_goes_on_exactly_there(vendor: Any, clock: FakeClock, answer: Any, stop: int) -> None:
    serve(vendor, answer, people=[1, 2, 3, 100, 101, 102])
    source = acme(vendor, clock)
    first = list(source.read("people", EVERYTHING))[:stop]
    saved = json.loads(json.dumps(first[-1].position))
    rest = list(acme(vendor, clock).read("people", EVERYTHING, saved))
    assert keys(source, "people", [*first, *rest]) == ["1", "2", "3", "100", "101", "102"]


def test_records_come_from_the_landed_bytes_alone_with_exact_numbers(vendor: Any, clock: FakeClock) -> None:
    landed = Exchange("GET", "https://elsewhere/deals", None, 200, b'{"data": [{"id": 7, "amount": 0.10}]}')
    (record,) = acme(vendor, clock).records("deals", [landed])
    assert (record.key, record.modified, record.data["amount"]) == ("7", None, Decimal("0.10"))
    assert vendor.asked == []


def test_the_modified_stamp_is_microseconds(vendor: Any, clock: FakeClock) -> None:
    landed = Exchange("GET", "x", None, 200, b'{"data": [{"id": 7, "update_time": "2026-02-03T04:05:06.5+07:00"}]}')
    (record,) = acme(vendor, clock).records("deals", [landed])
    assert record.modified == 1_770_066_306_500_000  # 2026-02-02T21:05:06.5Z


def test_ids_are_asked_one_by_one_and_unknown_ones_are_absent(vendor: Any, clock: FakeClock, answer: Any) -> None:
    serve(vendor, answer, deals=[1, 2])
    source = acme(vendor, clock)
    assert keys(source, "deals", source.read_ids("deals", ["2", "9"])) == ["2"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "x"}', "expected a list at data, found NoneType"),
        (b'{"data": [{"name": "x"}]}', "without its key id"),
        (b'{"data": [{"id": 1, "update_time": "yesterday"}]}', "expected a date and time as ISO 8601"),
        (b"<html>Please log in</html>", "found application/json, expected JSON"),
    ],
)
def test_another_shape_is_refused_by_name(vendor: Any, clock: FakeClock, body: bytes, words: str) -> None:
    source = acme(vendor, clock)
    source_people = Exchange("GET", "x", None, 200, body)
    with pytest.raises(UnexpectedShape, match=words):
        list(source.records("people", [source_people]))


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b'{"data": [{"id"'])
def test_what_is_no_json_ends_a_reading_as_an_error_of_the_source(
    vendor: Any, clock: FakeClock, answer: Any, body: bytes
) -> None:
    vendor.respond = lambda asked: answer(body=body)
    with pytest.raises(UnexpectedShape, match="expected JSON"):
        list(acme(vendor, clock).read("people", EVERYTHING))


def test_an_id_given_twice_is_asked_once_and_one_that_names_the_collection_never(
    vendor: Any, clock: FakeClock, answer: Any
) -> None:
    serve(vendor, answer, deals=[1, 2])
    source = acme(vendor, clock)
    assert keys(source, "deals", source.read_ids("deals", ["2", "", ".", "..", "2"])) == ["2"]
    assert source.requests == 1


def test_check_says_for_each_stream_whether_it_may_be_read(vendor: Any, clock: FakeClock, answer: Any) -> None:
    vendor.respond = lambda asked: answer(403) if "people" in asked.path else answer(body=b'{"data": []}')
    checks = list(acme(vendor, clock).check())
    assert [(check.what, check.ok) for check in checks] == [("deals", True), ("people", False)]
    assert "status 403" in checks[1].detail


def test_check_stops_at_a_refused_credential(vendor: Any, clock: FakeClock, answer: Any) -> None:
    vendor.answers = [answer(401)]
    (check,) = acme(vendor, clock).check()
    assert (check.what, check.ok) == ("deals", False)
    assert "Renew the credential" in check.detail


def test_a_refused_credential_ends_a_reading(vendor: Any, clock: FakeClock, answer: Any) -> None:
    vendor.answers = [answer(401)]
    with pytest.raises(AuthError):
        list(acme(vendor, clock).read("deals", EVERYTHING))


def test_a_page_is_read_at_the_vendors_time(vendor: Any, clock: FakeClock, answer: Any) -> None:
    """The vendor's clock is an hour behind ours; its Date is cut to seconds, so up to one more may have passed."""
    vendor.answers = [answer(body=b'{"data": []}', headers={"Date": "Mon, 02 Mar 2026 07:00:00 GMT"})]
    source = acme(vendor, clock)
    (page,) = source.read("deals", EVERYTHING)
    assert source.now() == clock.now() - timedelta(hours=1)
    assert page.read_at == source.now() + timedelta(seconds=1)


def test_streams_that_ask_for_the_time_at_once_all_get_the_vendors(vendor: Any, clock: FakeClock, answer: Any) -> None:
    class Probing(Acme):
        probe = "/me"

    vendor.answers = [answer(headers={"Date": "Mon, 02 Mar 2026 07:00:00 GMT"})]
    source = Probing("acme", AcmeSettings(base_url=vendor.url, token=SecretStr("t-secret")), context(clock))
    with ThreadPoolExecutor(5) as threads:
        times = list(threads.map(lambda _: source.now(), range(5)))
    assert times == [clock.now() - timedelta(hours=1)] * 5
    assert len(vendor.asked) == 1


def test_a_token_in_a_next_link_is_neither_stored_nor_sent_twice(vendor: Any, clock: FakeClock, answer: Any) -> None:
    from connector.auth import ApiKey
    from connector.paging import NextLink

    class Linked(Acme):
        deals = Stream(path="/deals", records="data", pages=NextLink(reads="next"))

        def credential(self) -> Auth:
            return ApiKey("token", self.settings.token.get_secret_value())

    more = json.dumps({"data": [], "next": f"{vendor.url}/deals?token=t-secret&page=2"}).encode()
    vendor.answers = [answer(body=more), answer(body=b'{"data": []}')]
    source = Linked("acme", AcmeSettings(base_url=vendor.url, token=SecretStr("t-secret")), context(clock))
    pages = list(source.read("deals", EVERYTHING))
    assert "t-secret" not in repr(pages)
    assert vendor.asked[1].path == "/deals?page=2&token=t-secret"


def test_the_budget_is_our_share_of_the_declared_pace(vendor: Any, clock: FakeClock, answer: Any) -> None:
    class Slow(Acme):
        requests_per_second = 4

    serve(vendor, answer, deals=[1, 2, 3, 4, 5])
    settings = AcmeSettings(base_url=vendor.url, token=SecretStr("t-secret"))
    list(Slow("acme", settings, replace(context(clock), budget=0.5)).read("deals", EVERYTHING))
    assert sum(clock.slept) == pytest.approx(1, abs=0.15)  # three requests, 2 a second


def test_a_source_declares_its_limits(vendor: Any, clock: FakeClock, answer: Any) -> None:
    class Limited(Acme):
        limits = (Limit("general", 2, 10), Limit("daily", 1000, 86_400))

    serve(vendor, answer, deals=[1, 2, 3, 4, 5])
    settings = AcmeSettings(base_url=vendor.url, token=SecretStr("t-secret"))
    list(Limited("acme", settings, context(clock)).read("deals", EVERYTHING))
    assert sum(clock.slept) == pytest.approx(10.5)  # three requests, 2 in ten seconds


def test_an_address_begins_with_its_scheme() -> None:
    with pytest.raises(ValidationError, match="https://"):
        RestSettings(base_url="api.example.com")


@pytest.mark.parametrize("address", ["", "api.acme.example", "ftp://api.acme.example"])
def test_an_address_that_is_none_is_a_fault_and_not_the_vendor_s(address: str) -> None:
    """An unset variable with an empty default would send the token where nobody meant it to go."""
    with pytest.raises(ValueError, match="leave it out for the vendor's"):
        RestSettings(base_url=address)
    assert RestSettings().base_url == ""
