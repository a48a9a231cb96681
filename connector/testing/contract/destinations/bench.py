"""What a destination's checks stand on: the system as the subclass serves it, and values to send there.

A subclass says `adapter`, the fixture `served` and `standing`; everything else has a default. What it does not say
skips the checks that need it, and their reason says so.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from connector import outbox
from connector.errors import RemoteError
from connector.model import KpiValue
from connector.ports import Context, Delivery, Destination, Receipt
from connector.redaction import Redactor
from connector.testing.contract.destinations.spoiling import FAULTS, Spoiler
from connector.testing.contract.secrets import secrets_of
from connector.testing.doubles import FakeClock, kpi_value
from connector.twins.server import Request, Twin

NAME = "contract"
PEOPLE = tuple(
    (f"NV{number:03d}", f"nv{number:03d}@example.vn", name)
    for number, name in enumerate((
        "Nguyễn Thị Ánh", "Trần Văn Đức", "Lê Hoàng Ỷ", "Zoë O'Brien", "José \"Pepe\" Núñez", "李小龙", "Владимир",
        "Ángel; DROP TABLE kpi", "Bo <b>Berg</b>", "Çelik & Söhne", "Anna\\Maria", "Đỗ 100%",
    ), start=1)
)
"""Code, e-mail and name of the people that `served` has to make known there."""


class Bench:
    """What a subclass of DestinationContract may say of its system.

    adapter: the class under test. kpi: the KPI whose values are sent. twin: the system, where it is a
    `connector.twins.server.Twin`; the fixture `served` may set it, and faults need it. knows_people: whether a value of
    a person nobody knows there is refused. locked_out: the code of somebody who is known there and can hold no value.
    ambiguous: an e-mail that two people have there. longest: how many values a long batch has (three batches of the
    adapter's, if that is less). may_wait: whether the adapter asks again by itself when the system is busy.
    """

    adapter: ClassVar[type[Destination]]
    kpi: ClassVar[str] = "won_value"
    knows_people: ClassVar[bool] = True
    locked_out: ClassVar[str | None] = None
    ambiguous: ClassVar[str | None] = None
    longest: ClassVar[int] = 130
    may_wait: ClassVar[bool] = True
    twin: Twin | None = None

    # --- what a subclass says ----------------------------------------------------------------------------------------

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The clock of system and adapter: it stands at 2026-10-15 08:00 UTC until it is moved."""
        return FakeClock(datetime(2026, 10, 15, 8, tzinfo=UTC))

    @pytest.fixture
    def served(self) -> Any:
        """Serve the system while a check runs; gives (or yields) the adapter's settings as the config has them."""
        return {}

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        """What the system holds for this value, by its own books and not by the adapter: one for each record."""
        raise NotImplementedError("standing")

    def expected(self, value: KpiValue) -> Decimal | None:
        """What should stand there for it: what `standing` shows once it was taken well."""
        return None if value.value is None else Decimal(value.value)

    def everything(self) -> Any:
        """All that the system holds, comparable; so that a check sees whether anything was written."""
        raise NotImplementedError("everything")

    def foreign(self) -> Any:
        """What people made there themselves, comparable; `served` begins with some, best about the people we know."""
        raise NotImplementedError("foreign")

    def is_write(self, request: Request) -> bool:
        """Whether a request to the twin is meant to change something."""
        return request.method != "GET"

    def expire(self) -> None:
        """End the session or token the adapter has got, as time does; the credential itself stays good."""
        raise NotImplementedError("expire")

    def disturb(self, fault: str, *, times: int = 1, after: int = 0, reads: bool = False) -> None:
        """A fault of `spoiling.FAULTS` for that many requests that write (or read), after `after` good ones."""
        if self.spoiler is None:
            raise NotImplementedError("twin")
        self.spoiler.begin(fault, times, after, reads)

    def calm(self) -> None:
        """Have the system behave again."""
        if self.spoiler is not None:
            self.spoiler.end()

    def hidden(self) -> Iterable[str]:
        """What nothing may show: every secret of the settings, unless some are typed so and are none here."""
        return secrets_of(self.settings())

    def settings(self) -> Any:
        """The adapter's settings, as the config makes them."""
        return self.adapter.Settings.model_validate(dict(self.given))

    def make(self) -> Destination:
        """A new instance of the adapter; the bench closes it when the check ends."""
        context = Context(clock=self.own_clock, zone=UTC, folder=str(self.folder))
        made = self.adapter(NAME, self.settings(), context)
        self._made.append(made)
        return made

    # --- set up ------------------------------------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def bench(self, clock: FakeClock, served: Mapping[str, Any], tmp_path: Any) -> Iterator[None]:
        """Everything a check needs, and afterwards nothing open."""
        self.own_clock, self.given, self.folder = clock, served, tmp_path
        self._made: list[Destination] = []
        self.secrets = tuple(self.hidden())
        self.spoiler = None if self.twin is None else Spoiler(self.twin, self.is_write, self.secrets)
        yield
        for made in self._made:
            made.close()
        crashed = [] if self.twin is None else self.twin.crashes
        assert not crashed, f"the twin itself failed: {crashed}"

    # --- values ------------------------------------------------------------------------------------------------------

    def value(self, number: int = 0, amount: str | None = "100.00", **more: Any) -> KpiValue:
        """A value of the person of that number; from the twelfth on the same people, a month earlier each time."""
        months = 2026 * 12 + 9 - number // len(PEOPLE)
        year, month = months // 12, months % 12 + 1
        last = calendar.monthrange(year, month)[1]
        code, _, name = PEOPLE[number % len(PEOPLE)]
        attained = None if amount is None else f"{Decimal(amount) / 1000:.6f}"
        fields: dict[str, Any] = {
            "period": f"{year}-{month:02d}", "period_start": f"{year}-{month:02d}-01",
            "period_end": f"{year}-{month:02d}-{last}", "target": "1000.00", "attainment": attained, **more,
        }
        made = kpi_value(self.kpi, f"person:{code}", amount, **fields)
        return replace(made, subject=replace(made.subject, name=name))

    def values(self, count: int, *, cents: int = 0) -> list[KpiValue]:
        """So many values, each with an amount of its own."""
        return [self.value(number, f"{number + 1}.{cents:02d}") for number in range(count)]

    def persons(self) -> dict[str, Mapping[str, str]]:
        """What the people file says of everybody, by code."""
        return {
            code: {"employee_code": code, "email": email, "name": name} for code, email, name in PEOPLE
        }

    def key(self, value: KpiValue) -> str:
        """The key under which a value is owed."""
        return outbox.key(NAME, value)

    def delivery(self, value: KpiValue, **more: Any) -> Delivery:
        """The value as it is owed; `more` as in `ports.Delivery`."""
        person = self.persons().get(value.subject.key, {"employee_code": value.subject.key})
        return Delivery(self.key(value), value.as_json(), **{"person": person, **more})

    # --- sending and looking -----------------------------------------------------------------------------------------

    def send(self, to: Destination, values: Sequence[KpiValue]) -> list[Receipt]:
        """The receipts of one call of `send`."""
        return list(to.send([self.delivery(value) for value in values]))

    def sent(self, to: Destination, values: Sequence[KpiValue]) -> tuple[dict[str, Receipt], RemoteError | None]:
        """The receipts by key, and the error that ended the sending, if one did; batch by batch, as a run does."""
        found: dict[str, Receipt] = {}
        for start in range(0, len(values), to.batch):
            try:
                for receipt in to.send([self.delivery(value) for value in values[start:start + to.batch]]):
                    assert receipt.key not in found, f"two receipts for {receipt.key}"
                    found[receipt.key] = receipt
            except RemoteError as error:
                return found, error
        return found, None

    def taken(self, to: Destination, values: Sequence[KpiValue]) -> dict[str, Receipt]:
        """Send values that have to be confirmed; their receipts by key."""
        found, error = self.sent(to, values)
        assert error is None, f"sending to a system that is well failed: {error}"
        wrong = [receipt for receipt in found.values() if receipt.outcome != "confirmed"]
        assert not wrong, f"not confirmed by a system that is well: {wrong[:3]}"
        assert found.keys() == {self.key(value) for value in values}
        return found

    def assert_once(self, *values: KpiValue) -> None:
        """Each of these stands there in one record, and is what it should be."""
        for value in values:
            held, expected = list(self.asked_to("standing", value)), self.expected(value)
            assert held == [expected], f"{self.key(value)}: the system holds {held}, expected one: {expected}"

    def assert_none(self, *values: KpiValue) -> None:
        """Nothing stands there for these."""
        for value in values:
            held = list(self.asked_to("standing", value))
            assert not held, f"{self.key(value)}: the system holds {held}, expected nothing"

    def needs(self, *kinds: str) -> Destination:
        """An instance, where the destination is of one of these kinds; skips where it is not."""
        made = self.make()
        if made.kind not in kinds:
            pytest.skip(f"{self.adapter.__name__} is a {made.kind}, not a {' or '.join(kinds)}")
        return made

    def readable(self) -> Destination:
        """An instance that reads back; skips where it cannot."""
        made = self.make()
        if made.find(self.delivery(self.value())) is None:
            pytest.skip(f"{self.adapter.__name__} cannot read back")
        return made

    def asked_to(self, what: str, *arguments: Any, **more: Any) -> Any:
        """Call a method of the subclass; skips where it does not say how."""
        try:
            return getattr(self, what)(*arguments, **more)
        except NotImplementedError:
            if what == "disturb":
                pytest.skip(f"{type(self).__name__} has no way to a system that answers: {FAULTS[arguments[0]]}")
            pytest.skip(f"{type(self).__name__} does not say `{what}`")

    def asked(self) -> int:
        """How many requests the twin has had; 0 where there is none."""
        return 0 if self.twin is None else len(self.twin.requests)

    def leaked(self, *values: Any) -> list[str]:
        """The secrets that stand in the text of these values, in whatever form."""
        forms = Redactor(lambda: self.secrets).forms()
        text = "\n".join(str(value) for value in values)
        return [form for form in forms if form in text]
