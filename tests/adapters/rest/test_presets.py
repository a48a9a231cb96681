"""Every preset against a twin with its vendor's manners: plainly, at its worst, and through seeded bad days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.rest import Rest
from connector import config
from connector.deliver import deliver
from connector.deliveries import list_deliveries
from connector.errors import ConfigError
from connector.model import KpiValue
from connector.ports import Context, MemoryShared
from connector.rest import presets
from connector.rest.grammar import RestSettings
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from connector.twins.faults import Faults
from connector.twins.hr_vendors import VENDORS, HrVendor
from connector.twins.hr_vendors.bamboohr import BambooTwin
from connector.twins.hr_vendors.base_vn import BaseTwin
from connector.twins.hr_vendors.coffeehr import CoffeeTwin
from connector.twins.hr_vendors.hibob import BobTwin
from connector.twins.hr_vendors.lattice import LatticeTwin
from connector.twins.hr_vendors.perdoo import GOALS, PerdooTwin
from connector.twins.hr_vendors.personio import PersonioTwin
from connector.twins.hr_vendors.successfactors import SuccessTwin
from connector.twins.server import DROP, Request
from tests.adapters import scripts

SHIPPED = sorted(path.stem for path in (Path(__file__).parents[3] / "presets").glob("*.yaml"))
TROUBLE = ("429", "429 retry after", "500", "502", "503", "423", "drop before", "drop after", "truncated", "html")
"""What may befall a call; none of it says no to a value that was taken."""

VALUES = [
    kpi_value(kpi, f"person:NV{number:03}", f"{number}.50", target="2.00", attainment="0.750000")
    for kpi in ("won_value", "win_rate") for number in (1, 2, 6)
]


@pytest.fixture
def store(clock: FakeClock) -> Iterator[Store]:
    opened = Store.open("sqlite://", clock)
    yield opened
    opened.close()


def destination(twin: HrVendor, surroundings: Context, **changes: Any) -> Rest:
    return Rest("out", RestSettings.model_validate({**twin.settings(), **changes}), surroundings)


def push(store: Store, twin: HrVendor, values: list[KpiValue], **changes: Any) -> Any:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    clock.advance(days=1)  # later than any wait of a refused value
    to = destination(twin, context(clock), **changes)
    try:
        return deliver(store, to, "out", values, {}, run="r", clock=clock)
    finally:
        to.close()


def wanted(values: list[KpiValue]) -> dict[tuple[str, str], list[Decimal]]:
    return {(value.kpi, value.subject.key): [Decimal(str(value.value))] for value in values}


def words(store: Store, state: str) -> set[str]:
    return {str(row["message"]) for row in list_deliveries(store, state=state)}


def test_every_preset_has_a_twin() -> None:
    assert sorted(VENDORS) == SHIPPED == presets.names()


@pytest.mark.parametrize("name", SHIPPED)
def test_values_arrive_once_and_a_changed_one_takes_its_place(store: Store, name: str) -> None:
    with VENDORS[name](clock=store.clock) as twin:
        assert push(store, twin, VALUES).confirmed == len(VALUES)
        assert twin.standing() == wanted(VALUES)
        before = len(twin.requests)
        assert push(store, twin, VALUES).is_clean
        assert len(twin.requests) == before
        changed = [replace(VALUES[0], value="9.25"), *VALUES[1:]]
        assert push(store, twin, changed).confirmed == 1
        held = twin.standing()
        assert held[VALUES[0].kpi, "NV001"][-1] == Decimal("9.25")
        assert sum(len(entries) for entries in held.values()) == len(VALUES) + (1 if twin.appends else 0)
        assert twin.crashes == []


@pytest.mark.parametrize("name", SHIPPED)
def test_somebody_unknown_there_is_a_refusal_and_holds_up_nobody(store: Store, name: str) -> None:
    stranger = kpi_value("won_value", "person:NV099", "1.00")
    with VENDORS[name](clock=store.clock) as twin:
        done = push(store, twin, [stranger, *VALUES])
        assert (done.confirmed, done.refused) == (len(VALUES), 1)
        assert twin.standing() == wanted(VALUES)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_lost_answer_is_settled_by_reading_or_held_for_a_person(store: Store, name: str) -> None:
    with VENDORS[name](clock=store.clock) as twin:
        push(store, twin, VALUES[:1])
        losing = [True]
        twin.on_request(lambda request: DROP if is_write(request) and losing and losing.pop() else None)
        changed = [replace(VALUES[0], value="9.25")]
        assert push(store, twin, changed).unanswered == 1
        second = push(store, twin, changed)
        assert twin.standing()[VALUES[0].kpi, "NV001"].count(Decimal("9.25")) == 1
        assert (second.is_clean, second.unanswered) == ((True, 0) if twin.is_readable else (False, 1))


def is_write(request: Request) -> bool:
    """Whether the call changes a value at one of the twins."""
    marks = ("tables", "progress", "upsert", "updates", "checkin", "logs")
    if request.method == "GET":
        return False
    said = any(mark in request.path for mark in marks) or request.method == "PATCH"
    return said or b"upsertCommit" in request.body or b"IN_KPI" in request.body


# --- their manners ---------------------------------------------------------------------------------------------------


def test_bamboohr_skips_a_field_without_a_word_and_that_is_no_confirmation(store: Store) -> None:
    with BambooTwin(clock=store.clock) as twin:
        push(store, twin, VALUES[:1])
        twin.skipped = {"actual"}
        done = push(store, twin, [replace(VALUES[0], value="9.25")])
        assert (done.confirmed, done.refused) == (0, 1)
        assert words(store, "refused") == {"the destination took it and holds another actual"}
        assert len(twin.rows) == 1


def test_bamboohr_with_two_equal_rows_is_left_to_a_person(store: Store) -> None:
    with BambooTwin(clock=store.clock) as twin:
        for number in ("1", "2"):
            twin.rows.append({"id": number, "employeeId": "101", "period": "2026-10", "metric": "won_value",
                              "actual": "1"})
        assert push(store, twin, VALUES[:1]).refused == 1
        assert "find gives 2 records" in next(iter(words(store, "refused")))


def test_hibob_lists_only_what_failed(store: Store) -> None:
    with BobTwin(clock=store.clock) as twin:
        twin.locked = {"kr-101-won_value"}
        done = push(store, twin, VALUES)
        assert (done.confirmed, done.refused, words(store, "refused")) == (5, 1, {"the key result is locked"})
        patches = [one for one in twin.requests if one.method == "PATCH"]
        assert len(patches) == 3  # a call for each goal


def test_personio_hides_an_attribute_and_the_value_is_never_called_confirmed(store: Store) -> None:
    with PersonioTwin(clock=store.clock) as twin:
        twin.hidden = {"attr-1"}
        done = push(store, twin, VALUES[:1])
        assert (done.confirmed, done.unanswered) == (0, 1)
        assert "check the credential's rights" in next(iter(words(store, "unanswered")))
        twin.hidden = set()
        assert push(store, twin, VALUES[:1]).is_clean


def test_successfactors_says_no_to_rows_in_a_200_in_any_order(store: Store) -> None:
    with SuccessTwin(clock=store.clock) as twin:
        twin.locked, twin.pending = {"u-NV001"}, {"u-NV002"}
        done = push(store, twin, VALUES)
        assert (done.confirmed, done.refused) == (2, 4)
        assert words(store, "refused") == {"the plan is locked", "not saved: another row failed"}
        assert twin.standing() == wanted([value for value in VALUES if value.subject.key == "NV006"])


def test_lattice_refuses_an_update_of_a_draft_in_its_own_words(store: Store) -> None:
    with LatticeTwin(clock=store.clock) as twin:
        twin.drafts = {"goal-won_value-NV001"}
        done = push(store, twin, VALUES)
        assert (done.confirmed, done.refused, words(store, "refused")) == (5, 1, {"a draft takes no updates"})


def test_perdoo_says_no_in_each_of_three_layers(store: Store) -> None:
    with PerdooTwin(clock=store.clock) as twin:
        twin.closed = {GOALS["won_value/NV001"]}
        done = push(store, twin, VALUES)
        assert (done.confirmed, done.refused, words(store, "refused")) == (5, 1, {"the goal is closed"})
        twin.broken = True
        done = push(store, twin, [replace(VALUES[1], value="8.00")])
        assert "internal error" in str(done.error)
        assert push(store, twin, VALUES, given={**twin.given(), "token": "wrong-token"}).error


def test_base_vn_says_no_with_status_200_and_its_token_is_seen_nowhere(store: Store) -> None:
    with BaseTwin(clock=store.clock) as twin:
        assert push(store, twin, VALUES[:1], given={**twin.given(), "token": "wrong-token"}).refused == 1
        assert words(store, "refused") == {"token_not_valid"}
        twin.disturb("drop", times=1)
        push(store, twin, VALUES[1:2])
        assert not any("base-token" in word for word in words(store, "unanswered"))


def test_coffeehr_is_the_directory_of_people_with_the_names_of_departments(clock: FakeClock) -> None:
    with CoffeeTwin(clock=clock) as twin:
        to = destination(twin, context(clock))
        found = list(to.employees())
        to.close()
        assert to.has_directory(to.settings)
        methods = [(one.method, one.body.partition(b"&")[0]) for one in twin.requests]
    assert dict(found[1].cells) == {
        "employee_code": "NV002", "email": "nv002@example.vn", "name": "Nhân viên 1", "team": "Kinh doanh Nam",
        "manager": "NV001", "from": "2024-03-01",
    }
    assert [one.faults for one in found] == [{}] * 6
    assert methods == [("GET", b"APICode=SYN_EL_PHONGBAN"), ("POST", b"APICode=SYN_EL_NHANVIEN")]


def test_coffeehr_without_the_code_for_writing_refuses_every_value(store: Store) -> None:
    with CoffeeTwin(clock=store.clock) as twin:
        given = {name: value for name, value in twin.given().items() if name != "write_code"}
        done = push(store, twin, VALUES, given=given)
        assert (done.confirmed, done.refused, twin.standing()) == (0, 6, {})


# --- bad days --------------------------------------------------------------------------------------------------------


def bad_days(name: str, seed: int) -> None:
    """Six runs in trouble and a few without: what can be read is ours exactly, else a value stands once or is held."""
    clock = FakeClock(datetime(2026, 11, 1, 8, tzinfo=UTC))
    store, shared = Store.open("sqlite://", clock), MemoryShared()
    with VENDORS[name](clock=clock) as twin:
        surroundings = Context(clock=clock, zone=context(clock).zone, shared=shared)
        faults = Faults(seed, share=0.3, kinds=TROUBLE).into(twin)

        def make() -> Rest:
            return destination(twin, surroundings)

        last = scripts.lived(seed, store, make, clock)
        faults.stop()
        done = scripts.settled(store, make, clock, last)
        held, expected = twin.standing(), wanted(last)
        for entries in held.values():
            assert all(one != other for one, other in pairwise(entries)), "written twice"
        if twin.is_readable:
            assert done.is_clean, done
            assert {key: entries[-1:] for key, entries in held.items()} == expected
            assert twin.appends or all(len(entries) == 1 for entries in held.values())
        else:
            waiting = {(str(row["kpi"]), str(row["subject"]["key"])) for row in
                       list_deliveries(store, state="unanswered")}
            assert (done.owed, done.refused, done.dead, done.error) == (0, 0, 0, None)
            assert {key: entries[-1:] for key, entries in held.items() if key not in waiting} == {
                key: entries for key, entries in expected.items() if key not in waiting}
        assert twin.crashes == []
    store.close()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", SHIPPED)
def test_every_value_once_and_equal_whatever_befalls(name: str, seed: int) -> None:
    bad_days(name, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 30))
@pytest.mark.parametrize("name", SHIPPED)
def test_every_value_once_and_equal_on_more_bad_days(name: str, seed: int) -> None:
    bad_days(name, seed)


# --- the grammar of presets ------------------------------------------------------------------------------------------


def faults(text: str, tmp_path: Path) -> list[str]:
    (tmp_path / "crm.yaml").write_text("entities: []\n")
    whole = ("timezone: UTC\ncurrency: EUR\n"
             "sources: {crm: {adapter: csv_folder, mapping: crm.yaml, folder: ., files: {d: {file: d.csv, key: id}}}}\n"
             f"destinations:\n  hr:\n    adapter: rest\n{text}")
    (tmp_path / "config.yaml").write_text(whole)
    try:
        config.load(str(tmp_path / "config.yaml"), {})
    except ConfigError as error:
        return [f"{fault.line}: {fault.key}: {fault.message}" for fault in error.faults
                if fault.key.startswith(("destinations", "kpis"))]
    return []


def test_slips_in_what_a_preset_asks_for_have_their_line(tmp_path: Path) -> None:
    assert faults("    preset: bambohr\n", tmp_path)[0].startswith(
        "7: destinations.hr.preset: there is no preset 'bambohr', expected one of: bamboohr, base_vn")
    found = faults("    preset: bamboohr\n    given: {compny: acme}\n", tmp_path)
    assert [one.partition(" (")[0] for one in found] == [
        "8: destinations.hr.given.compny: the preset bamboohr asks for no 'compny', expected of: company, api_key, "
        "table, period, metric, actual, target",
        "8: destinations.hr.given: the preset bamboohr asks for more, expected also company",
    ]
    assert faults("    preset: bamboohr\n    given: {company: acme, api_key: secret}\n", tmp_path) == []
    assert "unknown key" in faults(
        "    preset: bamboohr\n    given: {company: acme, api_key: secret}\n    sned: {}\n", tmp_path)[0]


def test_what_is_no_mapping_and_a_sign_of_no_date_are_faults_where_they_stand(tmp_path: Path) -> None:
    said = "    preset: base_vn\n    given: {token: t, usernames: NV1, key_results: {a: 1}}\n"
    assert faults(said, tmp_path) == [
        "8: destinations.hr.given.usernames: found str, expected a mapping from employee code to user name"]
    said = ("    base_url: https://x\n    send: {post: /k}\n"
            "    body: {d: {path: period_end, as: {date: {format: '%Q'}}}}\n")
    assert "format: there is no '%Q'" in faults(said, tmp_path)[0]


def test_what_a_destination_cannot_do_with_its_settings_is_a_fault(tmp_path: Path) -> None:
    plain = "    base_url: https://x\n    body: {v: value}\n    send: {post: /k}\n"
    assert faults(plain, tmp_path) == []
    assert faults(f"{plain}    withdraw: yes\n    verify: daily\n", tmp_path) == [
        "10: destinations.hr.withdraw: send.withdraw does not say how a value is taken back, expected it there, or no",
        "11: destinations.hr.verify: nothing can be read back, expected read_back or find beside it, or never",
    ]
    personio = ("    preset: personio\n    given: {client_id: a, client_secret: b, attributes: {k: x}, "
                "employee_number: n}\n")
    assert "periods: it has room for one period of a KPI, expected current" in faults(personio, tmp_path)[0]
    assert faults(f"{personio}    periods: current\n", tmp_path) == []


def test_coffeehr_without_a_code_for_writing_gives_people_and_takes_nothing(tmp_path: Path) -> None:
    directory = "    preset: coffeehr\n    given: {tenant: acme, token: t}\n"
    assert faults(directory, tmp_path) == []
    pushed = f"{directory}kpis:\n  - {{id: won_value, metric: won_value, push: [hr]}}\n"
    assert faults(pushed, tmp_path) == [
        "10: kpis[0].push[0]: nothing can be pushed to hr: expected given.write_code before anything is sent: the "
        "APICode for writing that CoffeeHR gave"]


def test_what_the_config_says_goes_before_the_preset_and_null_leaves_out() -> None:
    given = {"preset": "lattice", "given": {"api_key": "k"}}
    plain = RestSettings.model_validate(given)
    changed = RestSettings.model_validate({
        **given, "requests_per_second": 3, "body": {"comment": None, "note": "kpi"}, "read_back": None,
        "employees": {"page": "p", "overrides": {"NV001": "x"}}, "send": {"put": "/other"},
    })
    assert (plain.requests_per_second, changed.requests_per_second) == (1, 3)
    assert sorted(changed.body) == ["currentAmount", "note"]
    assert changed.read_back is None
    assert changed.employees is not None
    assert (changed.employees.page, changed.employees.pages, changed.employees.code) == ("p", None, "externalUserId")
    assert (changed.send.post, changed.send.put) == (None, "/other")


def test_no_secret_of_a_preset_is_shown() -> None:
    made = RestSettings.model_validate({"preset": "lattice", "given": {"api_key": "hidden-one"}})
    assert "hidden-one" not in repr(made)
    with pytest.raises(ValidationError) as raised:
        RestSettings.model_validate({"preset": "lattice", "given": {"api_key": "hidden-one", "extra": "hidden-two"}})
    assert "hidden" not in str(raised.value)
