"""A fake HR system over real HTTP, with the manners of real ones: most refusals come as status 200.

    python -m connector.twins.hr --port 0 --seed 7

prints `{"url": …, "user": …, "password": …}`. Below `/api`: POST /login gives a token, which goes into the header
`Token`; GET /employees (pages from 1) shows who is known by code; POST /kpi-results takes `{"items": [...]}` and
answers 200 with one verdict per row; a second result for the same employee, KPI, period and dimensions is refused, so
whoever wants to correct one must find it (GET /kpi-results?employee=&kpi=&period=) and PUT it; goals hold a percentage.
Money is a JSON number, a period is text `mm/YYYY`, dimensions are text in `KichThuoc`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from connector.ports import Clock
from connector.twins.server import Refused, Reply, Request, Twin, run_as_process

_PERIOD = re.compile(r"(0[1-9]|1[0-2])/\d{4}")
_KEY = ("MaNhanVien", "MaKPI", "Ky", "KichThuoc")
MAX_BATCH = 100


def refusal(message: str, status: int = 200, **more: Any) -> Refused:
    """A refusal in this system's way: `code` 0 and a message, mostly with status 200."""
    return Refused(Reply(status, {"code": 0, "message": message, **more}))


class HrTwin(Twin):
    """`employees` are rows with `code`, `email`, `name` and what else `add_employee` takes; `results` and `goals` are
    what it holds.

    A token is good for `token_seconds` of the twin's clock (None: for ever). `lists_duplicates` puts the id of the
    result already there into the refusal of a second one.
    """

    def __init__(self, employees: Sequence[Mapping[str, Any]] = (), *, clock: Clock | None = None, port: int = 0,
                 user: str = "connector", password: str = "hr-password", page_size: int = 50,  # noqa: S107 - a fake's
                 token_seconds: float | None = None, lists_duplicates: bool = False) -> None:
        super().__init__(clock=clock, port=port)
        self.user, self.password, self.page_size = user, password, page_size
        self.token_seconds, self.lists_duplicates = token_seconds, lists_duplicates
        self.employees: dict[str, dict[str, Any]] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.goals: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, float] = {}
        self._by_key: dict[tuple[str, ...], str] = {}
        for one in employees:
            self.add_employee(**one)
        self.route("POST", "/api/login", self._login)
        for method, path, handler in (
            ("GET", "/employees", self._employees), ("GET", "/kpi-results", self._find),
            ("POST", "/kpi-results", self._add), ("GET", "/kpi-results/{id}", self._one),
            ("PUT", "/kpi-results/{id}", self._change), ("GET", "/goals", self._goals),
            ("GET", "/goals/{id}", self._goal), ("PUT", "/goals/{id}", self._progress),
        ):
            self.route(method, "/api" + path, self._guard(handler))
        self.route("GET", "/", lambda _request: Reply(200, self.page()))
        self.route("GET", "/_twin/state", lambda _request: {"results": self.results, "goals": self.goals})

    def add_employee(self, code: str, email: str, name: str, *, active: bool = True, department: str | None = None,
                     manager: str | None = None, since: str | None = None, until: str | None = None) -> None:
        """Somebody results may be about, with one goal of their own. `since`, `until`: days as text."""
        self.employees[code] = {"MaNhanVien": code, "HoTen": name, "Email": email, "TrangThai": active,
                                "MaPhongBan": 1 + len(self.employees) % 2, "TenPhongBan": department,
                                "MaNhanVienQuanLy": manager, "NgayBatDauLam": since, "NgayNghiViec": until}
        number = str(501 + len(self.goals))
        self.goals[number] = {"id": number, "MaNhanVien": code, "Ten": "Revenue of the year", "DonVi": "%", "TienDo": 0}

    def page(self) -> str:
        """What it holds, as a small web page."""
        heads = ("Employee", "Name", "KPI", "Period", "Dimensions", "Actual", "Target")
        rows = [
            (one["MaNhanVien"], self.employees[one["MaNhanVien"]]["HoTen"], one["MaKPI"], one["Ky"], one["KichThuoc"],
             one["ThucHien"], one["ChiTieu"])
            for one in sorted(self.results.values(), key=lambda one: (one["Ky"][3:], one["Ky"], one["MaNhanVien"]))
        ]
        cells = "".join(
            "<tr>" + "".join(f"<td>{'' if cell is None else html.escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        return (f"<!doctype html><title>HR</title><h1>{len(rows)} KPI results of {len(self.employees)} employees</h1>"
                f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{cells}</table>")

    # --- the door ----------------------------------------------------------------------------------------------------

    def _login(self, request: Request) -> dict[str, Any]:
        given = _object(request)
        if (given.get("user"), given.get("password")) != (self.user, self.password):
            raise refusal("wrong user or password", 401)
        token = f"hr-{len(self._tokens) + 1:04d}-{request.number}"
        self._tokens[token] = self.clock.now().timestamp()
        return {"code": 1, "message": "ok", "token": token}

    def _guard(self, handler: Any) -> Any:
        def guarded(request: Request, **names: str) -> Any:
            since = self._tokens.get(request.headers.get("token", ""))
            now = self.clock.now().timestamp()
            if since is None or (self.token_seconds is not None and now - since > self.token_seconds):
                raise refusal("token missing or expired", 401)
            return handler(request, **names)

        return guarded

    # --- employees ---------------------------------------------------------------------------------------------------

    def _employees(self, request: Request) -> dict[str, Any]:
        return {"code": 1, **self._paged(request, list(self.employees.values()), "data")}

    def _paged(self, request: Request, rows: Sequence[Any], key: str) -> dict[str, Any]:
        page = int(request.one("page", "1")) if request.one("page", "1").isdigit() else 0
        if page < 1:
            raise refusal("page counts from 1")
        first = (page - 1) * self.page_size
        return {key: rows[first:first + self.page_size], "page": page, "total": len(rows),
                "pages": -(-len(rows) // self.page_size)}

    # --- KPI results -------------------------------------------------------------------------------------------------

    def _add(self, request: Request) -> dict[str, Any]:
        items = _object(request).get("items")
        if not isinstance(items, list) or not items:
            raise refusal("items: a list is expected")
        if len(items) > MAX_BATCH:
            raise refusal(f"at most {MAX_BATCH} items at once, not {len(items)}")
        return {"code": 1, "message": "received", "results": [self._add_one(item) for item in items]}

    def _add_one(self, item: Any) -> dict[str, Any]:
        if fault := self._fault(item):
            return {"success": False, "message": fault, "id": None}
        key = _key(item)
        if there := self._by_key.get(key):
            known = there if self.lists_duplicates else None
            return {"success": False, "message": "duplicate: a result for this employee, KPI and period exists",
                    "id": known}
        number = str(len(self.results) + 90_001)
        self._by_key[key] = number
        self._hold(number, item)
        return {"success": True, "message": None, "id": number}

    def _fault(self, item: Any) -> str:
        """Why a result is not taken; empty if it is."""
        if not isinstance(item, dict):
            return "an object is expected"
        faults = {
            "unknown employee": item.get("MaNhanVien") not in self.employees,
            "MaKPI is missing": not item.get("MaKPI") or not isinstance(item["MaKPI"], str),
            "Ky must be mm/YYYY": not isinstance(item.get("Ky"), str) or not _PERIOD.fullmatch(item["Ky"]),
            "ThucHien must be a number": not _is_number(item.get("ThucHien")),
            "ChiTieu must be a number": not _is_number(item.get("ChiTieu")),
            "KichThuoc must be text": not isinstance(item.get("KichThuoc"), str | None),
        }
        return next((message for message, holds in faults.items() if holds), "")

    def _hold(self, number: str, item: Mapping[str, Any]) -> None:
        row = {name: item.get(name) for name in (*_KEY, "ThucHien", "ChiTieu")}
        row["KichThuoc"] = row["KichThuoc"] or ""
        self.results[number] = {"id": number, **row, "CapNhat": f"{self.clock.now():%Y-%m-%d %H:%M:%S}"}

    def _find(self, request: Request) -> dict[str, Any]:
        wanted = {"MaNhanVien": "employee", "MaKPI": "kpi", "Ky": "period", "KichThuoc": "dimensions"}
        rows = [
            row for row in self.results.values()
            if all(name not in request.query or row[ours] == request.one(name) for ours, name in wanted.items())
        ]
        return {"code": 1, **self._paged(request, rows, "items")}

    def _one(self, request: Request, id: str) -> dict[str, Any]:
        if id not in self.results:
            raise refusal("no such result", 404)
        return {"code": 1, **self.results[id]}

    def _change(self, request: Request, id: str) -> dict[str, Any]:
        if id not in self.results:
            raise refusal("no such result", 404)
        row = {**self.results[id], **_object(request)}
        if fault := self._fault(row):
            raise refusal(fault)
        if _key(row) != _key(self.results[id]):
            raise refusal("employee, KPI, period and dimensions of a result cannot change")
        self._hold(id, row)
        return {"code": 1, "message": "changed", "id": id}

    # --- goals -------------------------------------------------------------------------------------------------------

    def _goals(self, request: Request) -> dict[str, Any]:
        rows = [row for row in self.goals.values() if request.one("employee", row["MaNhanVien"]) == row["MaNhanVien"]]
        return {"code": 1, **self._paged(request, rows, "items")}

    def _goal(self, request: Request, id: str) -> dict[str, Any]:
        if id not in self.goals:
            raise refusal("no such goal", 404)
        return {"code": 1, **self.goals[id]}

    def _progress(self, request: Request, id: str) -> dict[str, Any]:
        goal, progress = self._goal(request, id), _object(request).get("TienDo")
        if progress is None or not _is_number(progress) or not 0 <= progress <= 100:
            raise refusal("TienDo must be a number from 0 to 100")
        self.goals[goal["id"]]["TienDo"] = progress
        return {"code": 1, "message": "changed", "id": id}


def _key(item: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(item.get(name) or "") for name in _KEY)


def _is_number(value: Any) -> bool:
    """A number or nothing; true and false are none."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _object(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        raise refusal("a JSON object is expected")
    return body


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    from connector.twins.seeded import hr_process

    twin = hr_process(arguments)
    run_as_process(twin, user=twin.user, password=twin.password)


if __name__ == "__main__":
    main()
