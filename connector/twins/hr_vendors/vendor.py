"""What the small fake HR vendors share: six people, two KPIs of one period, and what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qs

from connector.ports import Clock, decode
from connector.twins.server import Refused, Reply, Request, Twin

PEOPLE = tuple(f"NV{number:03}" for number in range(1, 7))
KPIS = ("won_value", "win_rate")
PERIOD = "2026-10"


class HrVendor(Twin):
    """`preset` is the file that describes it. `is_readable`: whether a value can be read back; `appends`: whether a
    value sent twice stands there twice."""

    preset: ClassVar[str] = ""
    is_readable: ClassVar[bool] = True
    appends: ClassVar[bool] = False

    def __init__(self, *, clock: Clock | None = None, port: int = 0) -> None:
        super().__init__(clock=clock, port=port)
        self.values: dict[tuple[str, str], list[Decimal]] = {}
        self.tokens: list[str] = []

    def given(self) -> dict[str, Any]:
        """What its preset asks for."""
        return {}

    def changes(self) -> dict[str, Any]:
        """What is said beside the preset: at least where the twin is."""
        return {"base_url": self.url}

    def settings(self) -> dict[str, Any]:
        """The settings of a destination that is this twin."""
        return {"preset": self.preset, "given": self.given(), **self.changes()}

    def standing(self) -> Mapping[tuple[str, str], list[Decimal]]:
        """What stands there by KPI and employee code; of one that appends every entry, the oldest first."""
        return {key: list(values) for key, values in self.values.items() if values}

    def hold(self, kpi: str, code: str, value: Any) -> None:
        """Keep a value: beside the earlier ones where this vendor appends, else instead of them."""
        entries = self.values.setdefault((kpi, code), [])
        if not self.appends:
            entries.clear()
        entries.append(Decimal(str(value)))

    def last(self, kpi: str, code: str) -> Decimal | None:
        """The value in force."""
        entries = self.values.get((kpi, code))
        return entries[-1] if entries else None

    def grant(self, request: Request) -> dict[str, Any]:
        """A new access token; those before it are refused from now on."""
        self.tokens.append(f"token-{request.number}")
        return {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3600}

    def signed(self, handler: Any, header: str = "authorization", value: str | None = None) -> Any:
        """The handler for those who bring the header; without `value` the last token granted counts."""

        def guarded(request: Request, **names: str) -> Any:
            wanted = value if value is not None else f"Bearer {self.tokens[-1]}" if self.tokens else None
            if request.headers.get(header) != wanted:
                raise Refused(self.refusal(401))
            return handler(request, **names)

        return guarded


def form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    return {name: values[-1] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def body(request: Request) -> Any:
    """The decoded JSON, its numbers exact. Raises Refused with 400 for what is none."""
    try:
        return decode(request.body)
    except ValueError:
        raise Refused(Reply(400, {"message": "JSON is expected"})) from None


def number_of(code: str) -> int:
    """The inner number of an employee."""
    return 100 + int(code[2:])


def code_of(number: int | str) -> str:
    """The employee of an inner number. Raises Refused with 404 when there is none."""
    code = f"NV{int(number) - 100:03}"
    if code not in PEOPLE:
        raise Refused(Reply(404, {"message": "no such employee"}))
    return code


def page(rows: list[Any], request: Request, *, size_name: str = "limit") -> list[Any]:
    """Rows by offset and size."""
    first, size = int(request.one("offset", "0")), int(request.one(size_name, "50"))
    return rows[first:first + size]
