"""rest passes the contract of a destination, against connector.twins.hr: batches, and one value a call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from adapters.rest import Rest
from connector.model import KpiValue
from connector.testing import DestinationContract, FakeClock
from connector.testing.contract.destinations import PEOPLE, Bench
from connector.twins.hr import HrTwin
from connector.twins.server import Request

SETTINGS: Mapping[str, Any] = {
    "auth": {"login": {"post": "/login", "body": {"user": "connector", "password": "hr-password"}, "token": "token"},
             "header": "Token"},
    "employees": {"get": "/employees", "rows": "data", "code": "MaNhanVien", "email": "Email", "page": "page"},
    "find": {
        "get": "/kpi-results", "rows": "items", "id": "id",
        "query": {"employee": "{subject.employee_code}", "kpi": "{body.MaKPI}", "period": "{body.Ky}",
                  "dimensions": "{body.KichThuoc}"},
    },
    "send": {"post": "/kpi-results", "rows": "items", "batch": 20, "update": {"put": "/kpi-results/{remote_id}"}},
    "body": {
        "MaNhanVien": "subject.employee_code",
        "MaKPI": {"path": "kpi", "table": {"won_value": "DOANHSO"}},
        "Ky": {"path": "period_start", "as": {"date": {"format": "%m/%Y"}}},
        "KichThuoc": {"const": ""},
        "ThucHien": {"path": "value", "as": "number"},
        "ChiTieu": {"path": "target", "as": "number"},
    },
    "answer": {"ok": "code == `1`", "rows": "results", "row_ok": "success", "row_error": "message", "row_id": "id"},
    "read_back": {"get": "/kpi-results/{remote_id}"},
}


class Served(Bench):
    adapter = Rest
    ambiguous = "shared@example.vn"
    config: Mapping[str, Any] = SETTINGS

    @pytest.fixture
    def served(self, clock: FakeClock) -> Iterator[Mapping[str, Any]]:
        """An HR system with pages of five, and a result of the same people that a person typed in."""
        with HrTwin(clock=clock, page_size=5) as self.twin:
            for code, email, name in PEOPLE:
                self.twin.add_employee(code, email, name)
            for number in (1, 2):
                self.twin.add_employee(f"X{number}", "shared@example.vn", "Namesake")
            self.twin.results["r-own"] = {
                "id": "r-own", "MaNhanVien": "NV001", "MaKPI": "TAY", "Ky": "10/2026", "KichThuoc": "", "ThucHien": 5,
                "ChiTieu": 9, "CapNhat": "2026-10-01 08:00:00",
            }
            yield {"base_url": f"{self.twin.url}/api", **self.config}

    def hidden(self) -> Sequence[str]:
        """The login's body is kept as a secret, also the name of its user."""
        return ["hr-password"]

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        period = f"{value.period_start[5:7]}/{value.period_start[:4]}"
        return [
            None if row["ThucHien"] is None else Decimal(repr(row["ThucHien"])) for row in self.twin.results.values()
            if (row["MaNhanVien"], row["MaKPI"], row["Ky"]) == (value.subject.key, "DOANHSO", period)
        ]

    def everything(self) -> Any:
        return json.loads(json.dumps([self.twin.results, self.twin.goals], sort_keys=True))

    def foreign(self) -> Any:
        return [dict(self.twin.results["r-own"]), dict(self.twin.goals)]

    def is_write(self, request: Request) -> bool:
        return request.method != "GET" and not request.path.endswith("/login")

    def expire(self) -> None:
        self.twin._tokens.clear()


class TestRest(Served, DestinationContract):
    """Many values a call, with a verdict on each."""


class TestRestOneByOne(Served, DestinationContract):
    """A value a call, where the answer is of that value."""

    config: Mapping[str, Any] = {
        **SETTINGS,
        "send": {"post": "/kpi-results", "rows": "items", "batch": 1, "update": {"put": "/kpi-results/{remote_id}"}},
    }
