"""Base.vn: everything is a POST of a form with the token in it; no is code 0 in a 200; check-ins are appended."""

from __future__ import annotations

from typing import Any

from connector.twins.hr_vendors.vendor import KPIS, PEOPLE, HrVendor, form
from connector.twins.server import Refused, Reply, Request

KEY_RESULTS = {f"{kpi}/{code}": str(9000 + 10 * int(code[2:]) + number)
               for code in PEOPLE for number, kpi in enumerate(KPIS)}


class BaseTwin(HrVendor):
    """Takes check-ins of key results, and shows none."""

    preset = "base_vn"
    is_readable = False
    appends = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.route("POST", "/extapi/v1/checkin/kr", self._checkin)

    def given(self) -> dict[str, Any]:
        return {"token": "base-token", "usernames": {code: code.lower() for code in PEOPLE}, "key_results": KEY_RESULTS}

    def changes(self) -> dict[str, Any]:
        return {"base_url": self.url + "/extapi/v1", "requests_per_second": 50}

    def _checkin(self, request: Request) -> Any:
        given = form(request)
        if given.get("access_token_v2") != "base-token":
            raise Refused(Reply(200, {"code": 0, "message": "token_not_valid", "data": None}))
        known = {key: name.split("/") for name, key in KEY_RESULTS.items()}
        lacking = [name for name in ("username", "id", "date", "value") if not given.get(name)]
        if lacking or given["id"] not in known:
            message = f"{lacking[0]} is missing" if lacking else "key result not found"
            raise Refused(Reply(200, {"code": 0, "message": message, "data": None}))
        kpi, code = known[given["id"]]
        self.hold(kpi, code, given["value"])
        return {"code": 1, "message": "", "data": {"id": str(request.number)}}
