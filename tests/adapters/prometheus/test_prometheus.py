"""The prometheus destination, against a twin of the Pushgateway and, where it is installed, the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr, ValidationError

from adapters.prometheus import Prometheus, PrometheusSettings
from connector import outbox
from connector.deliver import deliver
from connector.errors import AuthError, RateLimited, Transient, UnexpectedShape
from connector.model import KpiValue
from connector.ports import Delivery
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from connector.twins.faults import HEALING, Faults, fault
from connector.twins.server import DROP, Reply
from tests.adapters.prometheus.gateway import GatewayTwin, program, real
from tests.adapters.scripts import lived, settled


@pytest.fixture
def twin(clock: FakeClock) -> Iterator[GatewayTwin]:
    with GatewayTwin(clock=clock) as made:
        yield made
    assert not made.crashes


@pytest.fixture(params=["twin", "real"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty gateway of either kind."""
    if request.param == "twin":
        yield request.getfixturevalue("twin").url
        return
    if (path := program()) is None:
        pytest.skip("prometheus-pushgateway is not installed (Debian: apt-get install prometheus-pushgateway)")
    with real(path, tmp_path) as address:
        yield address


def make(url: str, clock: FakeClock, **more: Any) -> Prometheus:
    return Prometheus("prom", PrometheusSettings(url=url, **more), context(clock))


def delivery(value: KpiValue) -> Delivery:
    return Delivery(outbox.key("prom", value), value.as_json())


def put(prom: Prometheus, *values: KpiValue) -> list[str]:
    return [receipt.outcome for receipt in prom.send([delivery(value) for value in values])]


def groups(url: str) -> list[dict[str, Any]]:
    """The groups the gateway shows.

    It does as it is told in turn, and answers a PUT when that is done but a DELETE before: so first a PUT of nothing.
    """
    requests.put(f"{url}/metrics/job/nothing/a/b/c/d", data="", timeout=5).raise_for_status()
    found = requests.get(f"{url}/api/v1/metrics", timeout=5).json()["data"]
    return [group for group in found if group["labels"]["job"] != "nothing"]


def held(url: str) -> dict[tuple[str, ...], float]:
    """What the gateway shows: (metric, kpi, period, subject, and the labels that are no part of every series)."""
    common = ("job", "instance", "kpi", "period", "subject", "subject_kind", "currency", "unit")
    shown = {}
    for group in groups(url):
        for name, family in group.items():
            for one in family["metrics"] if name.startswith("crm_") else ():
                labels = one["labels"]
                rest = [f"{label}={text}" for label, text in sorted(labels.items()) if label not in common]
                shown[name, labels["kpi"], labels["period"], labels["subject"], *rest] = float(one["value"])
    return shown


def test_a_value_is_a_gauge_whose_labels_are_its_key(gateway: str, clock: FakeClock) -> None:
    value = kpi_value(value="125000000", currency="VND", target="100000000", attainment="1.250000",
                      dimensions={"stage": 'Đàm "phán"\\', "extra.region": "north"})
    assert put(make(gateway, clock), value) == ["confirmed"]
    rest = ("won_value", "2026-10", "NV001", "extra_2e_region=north", 'stage=Đàm "phán"\\')
    assert held(gateway) == {
        ("crm_kpi_value", *rest): 125_000_000.0, ("crm_kpi_target", *rest): 100_000_000.0,
        ("crm_kpi_attainment", *rest): 1.25,
    }


def test_what_is_owed_is_merged_into_what_its_group_holds(gateway: str, clock: FakeClock) -> None:
    put(make(gateway, clock), kpi_value(subject="person:A", value="1.00"), kpi_value(subject="person:B", value="2.00"))
    put(make(gateway, clock), kpi_value(subject="person:B", value="3.00"), kpi_value("calls", "person:A", "7"))
    assert held(gateway) == {
        ("crm_kpi_value", "won_value", "2026-10", "A"): 1.0, ("crm_kpi_value", "won_value", "2026-10", "B"): 3.0,
        ("crm_kpi_value", "calls", "2026-10", "A"): 7.0,
    }


def test_a_value_in_another_currency_takes_the_place_of_the_old(gateway: str, clock: FakeClock) -> None:
    prom = make(gateway, clock)
    put(prom, kpi_value(value="1.00", currency="USD"))
    put(prom, kpi_value(value="25000", currency="VND"))
    assert held(gateway) == {("crm_kpi_value", "won_value", "2026-10", "NV001"): 25_000.0}


def test_no_data_has_no_series(gateway: str, clock: FakeClock) -> None:
    prom = make(gateway, clock)
    put(prom, kpi_value("win_rate", value="0.500000"))
    assert put(prom, kpi_value("win_rate", value=None)) == ["confirmed"]
    assert held(gateway) == {}
    receipt = prom.find(delivery(kpi_value("win_rate", value=None)))
    assert receipt is not None
    assert receipt.outcome == "confirmed"
    assert not prom.lacks([delivery(kpi_value("win_rate", value=None))])


def test_reading_back_tells_what_stands_there(gateway: str, clock: FakeClock) -> None:
    prom = make(gateway, clock)
    wanted = kpi_value(value="98765432109876543.21", target="5")
    found = [prom.find(delivery(wanted))]
    put(prom, wanted)
    found += [prom.find(delivery(wanted)), prom.find(delivery(kpi_value(value="1.00", target="5")))]
    assert [(one.outcome, one.message) for one in found if one] == [
        ("retry", "value not there, target not there"), ("confirmed", "read back"),
        ("retry", "value 9.876543210987654e+16"),
    ]


def test_taking_back_removes_the_named_series_and_with_the_last_its_group(gateway: str, clock: FakeClock) -> None:
    prom, values = make(gateway, clock), [kpi_value(subject=f"person:{code}", target="1.00") for code in "AB"]
    put(prom, *values)
    assert [one.outcome for one in prom.withdraw([delivery(values[0])])] == ["confirmed"]
    assert {key[3] for key in held(gateway)} == {"B"}
    for _ in range(2):  # again after a lost answer is harmless
        assert [one.outcome for one in prom.withdraw([delivery(values[1])])] == ["confirmed"]
    assert groups(gateway) == []


def test_groups_of_others_are_left_alone(gateway: str, clock: FakeClock) -> None:
    theirs = f"{gateway}/metrics/job/backup/kpi/won_value/period/2026-10"
    requests.put(theirs, data='crm_kpi_value{subject="NV001"} 1\n', timeout=5)
    prom = make(gateway, clock)
    put(prom, kpi_value(value="5.00"))
    list(prom.withdraw([delivery(kpi_value())]))
    assert list(held(gateway).values()) == [1.0]


@pytest.mark.parametrize("name", ["a/b", "", "Đơn hàng", "a b%"], ids=["slash", "empty", "letters", "signs"])
def test_any_name_is_a_group_of_its_own(gateway: str, clock: FakeClock, name: str) -> None:
    prom, value = make(gateway, clock), kpi_value("won_value", period=name or "2026-10", subject="team:north")
    object.__setattr__(value, "kpi", name)
    put(prom, value)
    receipt = make(gateway, clock).find(delivery(value))
    assert receipt is not None
    assert receipt.outcome == "confirmed"


def test_a_gateway_that_forgot_everything_is_filled_again(twin: GatewayTwin, clock: FakeClock, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    values = [kpi_value(subject="person:A", value="1.00"), kpi_value("win_rate", value=None)]
    for _ in range(2):
        twin.groups.clear()
        assert deliver(store, make(twin.url, clock), "prom", values, {}, run="r", clock=clock).is_clean
        assert list(held(twin.url).values()) == [1.0]
    store.close()


def test_the_same_series_are_the_same_bytes(twin: GatewayTwin, clock: FakeClock) -> None:
    values = [kpi_value(subject=f"person:{code}", target="1.00") for code in "CAB"]
    put(make(twin.url, clock), *values)
    twin.groups.clear()
    put(make(twin.url, clock), *reversed(values))
    one, two = [request.body for request in twin.requests if request.method == "PUT"]
    assert one == two
    assert one.decode().splitlines()[:3] == [
        "# HELP crm_kpi_value Value of a KPI", "# TYPE crm_kpi_value gauge",
        'crm_kpi_value{currency="USD",subject="A",subject_kind="person",unit="money"} 100.0',
    ]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_group_that_is_refused_says_why_and_the_others_are_written(twin: GatewayTwin, clock: FakeClock) -> None:
    twin.disturb(Reply(400, "text format parsing error in line 1", {}), path="/calls/")
    receipts = list(make(twin.url, clock).send([delivery(kpi_value("calls")), delivery(kpi_value())]))
    assert [receipt.outcome for receipt in receipts] == ["refused", "confirmed"]
    assert receipts[0].status == 400


def test_a_lost_answer_is_simply_asked_for_again(twin: GatewayTwin, clock: FakeClock) -> None:
    twin.disturb(DROP, method="PUT")
    assert put(make(twin.url, clock), kpi_value()) == ["confirmed"]


@pytest.mark.parametrize(("kind", "error"), [("401", AuthError), ("429 retry after", RateLimited)])
def test_a_refused_credential_or_a_limit_stops_the_run(
    twin: GatewayTwin, clock: FakeClock, kind: str, error: type[Exception]
) -> None:
    twin.disturb(fault(twin, kind), times=99)
    with pytest.raises(error):
        put(make(twin.url, clock), kpi_value())


def test_a_credential_is_sent_and_not_shown(twin: GatewayTwin, clock: FakeClock) -> None:
    prom = make(twin.url, clock, user="pusher", password=SecretStr("s3cret-word"))
    put(prom, kpi_value())
    assert {request.headers["authorization"][:6] for request in twin.requests} == {"Basic "}
    assert "s3cret-word" not in repr(prom.settings)


def test_a_gateway_that_is_away_is_worth_another_try(clock: FakeClock) -> None:
    prom = make("http://127.0.0.1:1", clock)
    with pytest.raises(Transient):
        put(prom, kpi_value())
    assert not prom.lacks([delivery(kpi_value())])
    assert [check.ok for check in prom.check()] == [False]


def test_an_address_that_is_no_gateway_is_said(twin: GatewayTwin, clock: FakeClock) -> None:
    twin.disturb(Reply(200, {"hello": "world"}), times=2)
    (check,) = make(twin.url, clock).check()
    assert not check.ok
    assert "expected a Pushgateway" in check.detail


@pytest.mark.parametrize("group", [
    {"labels": []}, {"labels": {"job": "connector", "kpi": "won_value", "period": "2026-10"}, "crm_kpi_value": None},
    7, None,
], ids=["labels", "family", "number", "nothing"])
def test_a_group_that_is_none_is_said(twin: GatewayTwin, clock: FakeClock, group: Any) -> None:
    twin.disturb(Reply(200, {"data": [group]}), times=2)
    with pytest.raises(UnexpectedShape, match="expected a Pushgateway"):
        put(make(twin.url, clock), kpi_value())


def test_a_check_writes_nothing(gateway: str, clock: FakeClock) -> None:
    assert [check.ok for check in make(gateway, clock).check()] == [True]
    assert held(gateway) == {}


@pytest.mark.parametrize(
    "wrong", [{"url": "gateway:9091"}, {"user": "a"}, {"user": "a", "password": "b", "token": "c"}, {"job": ""}]
)
def test_an_address_or_credential_that_cannot_be_is_a_fault_of_the_config(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PrometheusSettings.model_validate({"url": "http://gateway:9091", **wrong})


@pytest.mark.parametrize("seed", range(10))
def test_after_bad_days_the_gateway_shows_every_value_once(
    seed: int, twin: GatewayTwin, clock: FakeClock, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    faults = Faults(seed, share=0.35, kinds=(*HEALING, "wrong shape"), most_in_a_row=7).into(twin)
    wanted = lived(seed, store, lambda: make(twin.url, clock), clock, name="prom")
    faults.stop()
    done = settled(store, lambda: make(twin.url, clock), clock, wanted, name="prom")
    assert (done.owed, done.unanswered, done.refused, done.error) == (0, 0, 0, None)
    shown = {key[1:]: number for key, number in held(twin.url).items() if key[0] == "crm_kpi_value"}
    assert shown == {(one.kpi, "2026-10", one.subject.key): float(one.value or 0) for one in wanted}
    store.close()
