"""CoffeeHR: one gateway, the operation in a form field, a GET with a body, and `Data` as JSON in a text. What writing
does is not known: here a call with the write code is appended, and a wrong one answers 200 without `Data`."""

from __future__ import annotations

from typing import Any

import msgspec

from connector.twins.hr_vendors.vendor import PEOPLE, HrVendor, form
from connector.twins.server import Refused, Request

GATEWAY = "/API/CustomAPI/GetCustomAPI"
WRITE = "IN_KPI"


class CoffeeTwin(HrVendor):
    """Employees and departments can be read, KPI results cannot."""

    preset = "coffeehr"
    is_readable = False
    appends = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.departments = [{"MaPhongBan": 7, "MaPhongBanCha": None, "TenPhongBan": "Kinh doanh Bắc"},
                            {"MaPhongBan": 8, "MaPhongBanCha": 7, "TenPhongBan": "Kinh doanh Nam"}]
        self.employees = [
            {"MaNhanVien": code, "HoTen": f"Nhân viên {number}", "Email": f"{code.lower()}@example.vn",
             "MaPhongBan": 7 + number % 2, "MaNhanVienQuanLy": "NV001" if number else None,
             "NgayBatDauLam": "2024-03-01 00:00:00", "NgayNghiViec": None, "TrangThai": True}
            for number, code in enumerate(PEOPLE)
        ]
        for method in ("GET", "POST"):
            self.route(method, GATEWAY, self.signed(self._gateway, header="token", value="coffee-token"))

    def given(self) -> dict[str, Any]:
        return {"tenant": "acme", "token": "coffee-token", "write_code": WRITE,
                "taken": "Data == 'OK'"}

    def changes(self) -> dict[str, Any]:
        return {"base_url": self.url, "requests_per_second": 50}

    def _gateway(self, request: Request) -> Any:
        given = form(request)
        code = given.get("APICode")
        if (request.method, code) == ("GET", "SYN_EL_PHONGBAN"):
            return {"Data": msgspec.json.encode(self.departments).decode()}
        if (request.method, code) == ("POST", "SYN_EL_NHANVIEN"):
            if not (given.get("fromtime") and given.get("totime")):
                raise Refused(self.refusal(400))
            return {"Data": msgspec.json.encode(self.employees).decode()}
        if (request.method, code) != ("POST", WRITE) or given.get("MaNhanVien") not in PEOPLE:
            return {"Data": None, "Message": "Không hợp lệ"}
        self.hold(given["MaKPI"], given["MaNhanVien"], given["ThucHien"])
        return {"Data": '"OK"'}
