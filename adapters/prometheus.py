"""Prometheus, by a Pushgateway (1.x): each KPI value as a gauge, for alerts and graphs of the present.

    crm_kpi_value{job="connector", kpi="won_value", period="2026-10", subject_kind="person", subject="NV001",
                  currency="VND", unit="money", stage="demo"} 125000000

and likewise crm_kpi_target and crm_kpi_attainment where there is one. The labels are the key; a person is the employee
code, never an address. One group of the gateway holds one KPI and period. A PUT replaces a whole group, so what is
owed is merged into what the group holds, read before. A value of null has no series.

The gateway never forgets: who left and what is past stays until it is taken back (`withdraw: yes`), which removes the
series, and with the last one its group. `push_time_seconds` of a group tells when it was last written. A gateway that
lost everything, being started without its file, is filled again by the next run.

Numbers are floats there: exact up to 2^53. Prometheus cannot correct the past; it is no ledger.
https://github.com/prometheus/pushgateway, read with 1.5.1.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from connector.auth import Auth, Basic, Bearer, Secret
from connector.errors import AuthError, Permanent, RateLimited, RemoteError, Transient, UnexpectedShape
from connector.http import Client
from connector.ports import AdapterSettings, Check, Context, Delivery, Destination, Receipt

FAMILIES = {"crm_kpi_value": "value", "crm_kpi_target": "target", "crm_kpi_attainment": "attainment"}
"""The metrics, and the field of a KPI object that each shows."""

_HELP = {
    "crm_kpi_value": "Value of a KPI", "crm_kpi_target": "Target of a KPI",
    "crm_kpi_attainment": "Attainment of a KPI's target, 1 is all of it",
}
_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_GROUP = ("job", "kpi", "period")  # what a group is named by; `instance` is added by the gateway, empty

_UNIT = ("currency", "unit")  # labels that say what a number is, and do not tell one series from another

Labels = tuple[tuple[str, str], ...]
Group = tuple[str, str]
Series = dict[tuple[str, Labels], tuple[Labels, float]]
"""By metric and the labels that tell it from others: all its labels, and its number."""


class PrometheusSettings(AdapterSettings):
    """Which gateway."""

    url: str = Field(description="The Pushgateway's address, such as http://pushgateway:9091.")
    job: str = Field("connector", min_length=1, description="The job label of every series.")
    user: str | None = Field(None, description="Basic authentication, with password.")
    password: Secret | None = Field(None, description="Basic authentication, with user.")
    token: Secret | None = Field(None, description="A bearer token instead.")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError("expected an address http://host:9091")
        return url

    @model_validator(mode="after")
    def _one_credential(self) -> PrometheusSettings:
        if (self.user is None) != (self.password is None) or (self.user is not None and self.token is not None):
            raise ValueError("expected user and password, or token, or none of them")
        return self


class Prometheus(Destination):
    """Merges what is owed into the groups it belongs to."""

    Settings = PrometheusSettings
    settings: PrometheusSettings
    batch = 1000
    kind = "state"
    idempotent = True
    withdraws = True

    def __init__(self, name: str, settings: PrometheusSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        self._client = Client(
            settings.url, system=name, context=context, auth=_auth(settings), timeout=(10, 30), forbidden_is_auth=True
        )
        self._held: dict[Group, Series] | None = None

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        for group, owed in _by_group(deliveries).items():
            series = dict(self._groups().get(group, {}))
            for delivery in owed:
                for family, field in FAMILIES.items():
                    _set(series, family, _labels(delivery), delivery.kpi[field])
            yield from self._replaced(group, series, owed)

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        for group, gone in _by_group(deliveries).items():
            series = dict(self._groups().get(group, {}))
            for delivery in gone:
                for family in FAMILIES:
                    _set(series, family, _labels(delivery), None)
            yield from self._replaced(group, series, gone)

    def _replaced(self, group: Group, series: Series, owed: Sequence[Delivery]) -> Iterator[Receipt]:
        """Put these series in place of the group's; with none the group goes. Raises what no value has to do with."""
        try:
            if series:
                self._client.request("PUT", self._path(group), data=_text(series).encode(), safe=True,
                                     headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
            elif group in self._groups():
                self._client.request("DELETE", self._path(group), safe=True)
        except (AuthError, RateLimited):
            raise
        except Transient as error:
            self._held = None
            if error.status is None:
                raise
            yield from _receipts(owed, "retry", error)
        except Permanent as error:
            self._held = None
            yield from _receipts(owed, "refused", error)
        else:
            self._groups()[group] = series
            for delivery in owed:
                yield Receipt(delivery.key, "confirmed")

    def find(self, delivery: Delivery) -> Receipt | None:
        return next(self.find_all([delivery]))

    def find_all(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt | None]:
        self._held = None  # what stands there now
        for delivery in deliveries:
            series = self._groups().get(_group(delivery), {})
            there = {field: _get(series, family, _labels(delivery)) for family, field in FAMILIES.items()}
            others = [field for field, found in there.items() if found != _number(delivery.kpi[field])]
            said = ", ".join(f"{field} {'not there' if there[field] is None else there[field]}" for field in others)
            yield Receipt(delivery.key, "retry" if others else "confirmed", message=said or "read back")

    def lacks(self, deliveries: Sequence[Delivery]) -> Collection[str]:
        """Those whose value has no series: the gateway keeps them in memory unless it is told to keep a file."""
        try:
            groups = self._groups()
        except RemoteError:
            return ()  # `send` says what is the matter
        return {
            delivery.key
            for delivery in deliveries
            if delivery.kpi["value"] is not None
            and _get(groups.get(_group(delivery), {}), "crm_kpi_value", _labels(delivery)) is None
        }

    def check(self) -> Iterator[Check]:
        try:
            groups = self._groups()
        except RemoteError as error:
            yield Check("the Pushgateway answers", False, str(error))
            return
        yield Check("the Pushgateway answers", True, f"{len(groups)} groups of the job {self.settings.job}")

    @property
    def requests(self) -> int:
        return self._client.requests

    def close(self) -> None:
        self._client.close()

    # --- what the gateway holds --------------------------------------------------------------------------------------

    def _groups(self) -> dict[Group, Series]:
        """Our groups as the gateway holds them, read once until something goes wrong."""
        if self._held is None:
            answer = self._client.get("/api/v1/metrics")
            try:
                groups = answer.json()["data"]
                self._held = dict(found for group in groups if (found := self._read(group)) is not None)
            except (AttributeError, KeyError, TypeError, ValueError):
                raise answer.error(
                    UnexpectedShape, "found no list of groups, expected a Pushgateway of version 1 or later"
                ) from None
        return self._held

    def _read(self, given: Mapping[str, Any]) -> tuple[Group, Series] | None:
        """One group of the answer, None for one that is not ours."""
        named = given["labels"]
        if named.get("job") != self.settings.job or named.keys() - {"job", "instance"} != {"kpi", "period"}:
            return None
        series: Series = {}
        for family in FAMILIES:
            for one in given.get(family, {}).get("metrics", ()):
                labels = {name: text for name, text in one["labels"].items() if name not in (*_GROUP, "instance")}
                everything = tuple(sorted(labels.items()))
                series[family, _telling(everything)] = everything, float(one["value"])
        return (named["kpi"], named["period"]), series

    def _path(self, group: Group) -> str:
        names = dict(zip(_GROUP, (self.settings.job, *group), strict=True))
        return "/metrics/" + "/".join(_step(name, text) for name, text in names.items())


def _auth(settings: PrometheusSettings) -> Auth | None:
    if settings.token is not None:
        return Bearer(settings.token.get_secret_value())
    if settings.user is not None and settings.password is not None:
        return Basic(settings.user, settings.password.get_secret_value())
    return None


def _step(name: str, text: str) -> str:
    """One label of a group in the address; base64 where a slash or nothing is in it, as the gateway asks for."""
    if text and "/" not in text:
        return f"{name}/{quote(text, safe='')}"
    return f"{name}@base64/{base64.urlsafe_b64encode(text.encode()).decode() or '='}"


def _by_group(deliveries: Sequence[Delivery]) -> dict[Group, list[Delivery]]:
    groups: dict[Group, list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault(_group(delivery), []).append(delivery)
    return groups


def _group(delivery: Delivery) -> Group:
    return str(delivery.kpi["kpi"]), str(delivery.kpi["period"])


def _labels(delivery: Delivery) -> Labels:
    """What tells a series from the others of its group, and its currency and unit; without empty ones, as there."""
    kpi = delivery.kpi
    told = {_label(name): text for name, text in kpi["dimensions"].items()}
    told |= {"subject_kind": kpi["subject"]["kind"], "subject": kpi["subject"]["key"]}
    told |= {"currency": kpi["currency"] or "", "unit": kpi["unit"]}
    return tuple(sorted((name, str(text)) for name, text in told.items() if text != ""))


def _label(name: str) -> str:
    """A dimension as the name of a label: `extra.region` is extra_2e_region, so that no two are one."""
    return _LABEL.sub(lambda sign: f"_{ord(sign[0]):x}_", name)


def _telling(labels: Labels) -> Labels:
    return tuple(label for label in labels if label[0] not in _UNIT)


def _set(series: Series, family: str, labels: Labels, text: str | None) -> None:
    series.pop((family, _telling(labels)), None)
    number = _number(text)
    if number is not None:
        series[family, _telling(labels)] = labels, number


def _get(series: Series, family: str, labels: Labels) -> float | None:
    """The number that stands there with exactly these labels."""
    found = series.get((family, _telling(labels)))
    return found[1] if found is not None and found[0] == labels else None


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _text(series: Series) -> str:
    """The text format 0.0.4, ordered: same series, same bytes."""
    lines = []
    for family in FAMILIES:
        ours = sorted(found for (name, _), found in series.items() if name == family)
        if ours:
            lines += [f"# HELP {family} {_HELP[family]}", f"# TYPE {family} gauge"]
            lines += [f"{family}{{{_told(labels)}}} {number!r}" for labels, number in ours]
    return "\n".join(lines) + "\n"


def _told(labels: Labels) -> str:
    escaped = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
    return ",".join(
        f'{name}="{"".join(escaped.get(sign, sign) for sign in text)}"' for name, text in labels
    )


def _receipts(owed: Sequence[Delivery], outcome: Any, error: RemoteError) -> Iterator[Receipt]:
    for delivery in owed:
        yield Receipt(delivery.key, outcome, message=str(error), status=error.status, request_id=error.request_id)
