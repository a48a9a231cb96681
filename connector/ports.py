"""What an adapter must be: Source and Destination, and the plain values that pass through them.

An adapter is one module with one class: a `Source`, a `Destination`, or one of each. The config's `adapter: hubspot`
means the module `adapters.hubspot`; a dotted path means itself. The class declares its `Settings` (a pydantic model of
the keys it takes beside the common ones), and is made as `cls(name, settings, context)`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict

from connector.metadata import Metadata


class Clock(Protocol):
    """Where the time comes from; handed in, so tests and the demo have their own."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait; a simulated clock only moves on."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        import time

        time.sleep(seconds)


class Shared(Protocol):
    """What all users of one account have in common, over threads and processes: its rate budget and its tokens.

    `account` is a hash (`connector.account`), never a secret. Raises StoreError.
    """

    def budget(self, account: str, names: Sequence[str], change: Callable[[MutableMapping[str, str]], None]) -> None:
        """Let `change` look at the states of these limits and replace them, while nobody else can; JSON by name."""

    def alone(self, account: str) -> AbstractContextManager[object]:
        """While inside, nobody else is, in no process; it may last as long as a call. Raises Busy after two minutes."""

    def limits(self, account: str) -> Mapping[str, str]:
        """The states of an account's limits as they stand, by name; nobody is waited for, and nothing changes."""

    def token(self, account: str) -> str | None:
        """What was last kept of the account's tokens. Raises AuthError where it cannot be read with our key."""

    def keep_token(self, account: str, content: str) -> bool:
        """Keep the account's tokens for those who come after us; whether that was possible."""


class MemoryShared:
    """What is shared where there is no store: nothing beyond this process."""

    def __init__(self) -> None:
        self._lock, self._alone = threading.Lock(), threading.Lock()
        self._states: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, str] = {}

    def budget(self, account: str, names: Sequence[str], change: Callable[[MutableMapping[str, str]], None]) -> None:
        with self._lock:
            change(self._states.setdefault(account, {}))

    def limits(self, account: str) -> Mapping[str, str]:
        with self._lock:
            return dict(self._states.get(account, {}))

    def alone(self, account: str) -> AbstractContextManager[object]:
        return self._alone

    def token(self, account: str) -> str | None:
        return self._tokens.get(account)

    def keep_token(self, account: str, content: str) -> bool:
        self._tokens[account] = content
        return True


class Beat:
    """Called from time to time by whoever reads or waits long: who holds something meanwhile hears that work goes on.

    It may be called by many threads, and as often as one likes.
    """

    def __init__(self) -> None:
        self._hearing: list[Callable[[], None]] = []

    def __call__(self) -> None:
        for hear in tuple(self._hearing):
            hear()

    @contextmanager
    def heard_by(self, hear: Callable[[], None]) -> Iterator[None]:
        """While inside, each beat calls `hear`, which must not raise: it is called in the threads of others."""
        self._hearing.append(hear)
        try:
            yield
        finally:
            self._hearing.remove(hear)


@dataclass(frozen=True, slots=True)
class Context:
    """What every adapter is given: the clock, the reporting zone, and the folder relative paths start from.

    `stop` says whether the run is asked to end; long waits look at it. `budget` is our share (0..1) of the
    credential's rate limit; the rest is the customer's. `shared` is where all users of an account meet. `beat` is to be
    called now and then while a page or a send takes long, or the run loses the right to write it (`http.Client` does).
    """

    clock: Clock
    zone: tzinfo
    folder: str = "."
    stop: Callable[[], bool] = lambda: False
    budget: float = 1.0
    shared: Shared = field(default_factory=MemoryShared, repr=False, compare=False)
    beat: Beat = field(default_factory=Beat, repr=False, compare=False)


class AdapterSettings(BaseModel):
    """The keys an adapter takes; unknown ones are faults that list the known ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- sources ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stream:
    """One readable collection of a source.

    `cursor` is true when it can be read by time of change (else each sync reads the whole); `by_id` when single
    records can be asked for; `complete` when a finished whole read (each sync without cursor, else `resync --full`)
    shows every record there is, so that missing ones are deleted (guarded); `bounded` when a window's upper end limits
    what is read, so that the parts of a long window may be read at once; `ids` when `list_ids` can name all its records
    at little cost.
    """

    name: str
    cursor: bool = True
    by_id: bool = False
    complete: bool = False
    bounded: bool = False
    ids: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """A closed, inclusive range of change times on the vendor's clock; `lo` None reads from the beginning."""

    lo: datetime | None
    hi: datetime


_decoder = msgspec.json.Decoder(float_hook=Decimal)


def decode(content: bytes) -> Any:
    """The JSON value of some bytes; a number with a point is a Decimal, so money stays exact. Raises ValueError."""
    return _decoder.decode(content)


@dataclass(frozen=True)
class Exchange:
    """One request and its answer as received: what landing keeps. No secret is in `url`, `body` or `answer`.

    `body` is the request's body text (None for GET); `request_id` the vendor's own id of the call, for their support.
    """

    method: str
    url: str
    body: str | None
    status: int
    answer: bytes
    request_id: str | None = None
    content_type: str = "application/json"

    @cached_property
    def json(self) -> Any:
        """The answer as `decode` has it, decoded once however many look at it; not to be changed. Raises ValueError."""
        return decode(self.answer)


@dataclass(frozen=True, slots=True)
class Record:
    """What the vendor sent, untouched, with its key in the stream.

    `modified` is the vendor's modified stamp in microseconds UTC, None where there is none.
    """

    key: str
    modified: int | None
    data: Mapping[str, Any]


class Listed(NamedTuple):
    """A record as a list of ids has it; `modified` as `Record.modified`, None where the list does not tell."""

    key: str
    modified: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A list of exchanges that make some records, and where reading goes on after it.

    `position` is JSON-able and understood only by the source; None after the last page. `read_at` is the vendor's
    time of reading: nothing that happened later can be in it.
    """

    stream: str
    exchanges: Sequence[Exchange]
    position: Any
    read_at: datetime


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A vendor's call to us as received: `url` in full as the vendor wrote it, header names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One thing a vendor called about: a record of a stream to be read again. `id` is the same when it calls twice."""

    id: str
    stream: str
    key: str
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `connector check`: what was tried, whether it held, and what to do when not."""

    what: str
    ok: bool
    detail: str = ""


Way = Literal["window", "whole", "by_id", "list_ids"]
"""How records are read: what changed in a window, everything, single ones by id, or only the ids of all there are."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A limit of an account as it stands: our share of it in any `seconds`, and what of that is left now."""

    name: str
    seconds: float
    limit: int
    left: int


class Source(ABC):
    """A system we read from."""

    Settings: ClassVar[type[AdapterSettings]] = AdapterSettings

    def __init__(self, name: str, settings: Any, context: Context) -> None:
        self.name, self.settings, self.context = name, settings, context

    @abstractmethod
    def streams(self) -> Sequence[Stream]:
        """The collections that can be read, in the order in which a person would."""

    @abstractmethod
    def now(self) -> datetime:
        """The vendor's present time, for the upper bound of a window."""

    @abstractmethod
    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        """The pages of everything changed in the window, both ends included, from `position` on.

        Rows may come twice; none may be missing. Raises RemoteError.
        """

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        """The pages of the records named; unknown ids are simply absent. Raises RemoteError."""
        raise NotImplementedError(f"{type(self).__name__} cannot read single records of {stream}")

    @abstractmethod
    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        """The records that a page's exchanges hold, in a fixed order. Pure: replay calls it on landed pages."""

    def list_ids(self, stream: str) -> Iterator[Sequence[Listed]]:
        """All records there are now, a page at a time; none that is hidden, deleted or merged away.

        Where the list tells when each was changed, as `records` would, a change that no window showed is found too.
        Raises RemoteError; only what came to its end may be trusted.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot list the ids of {stream}")

    def hook(self, request: HookRequest) -> Sequence[HookEvent]:
        """What a vendor's call is about, once its signature and its age are found right. Raises HookRefused."""
        raise NotImplementedError(f"{type(self).__name__} takes no calls")

    def metadata(self, streams: Collection[str]) -> Metadata:  # whoever has any looks at them
        """What the source tells of itself now, of these streams; empty where it tells nothing.

        A few requests, and no records are read. Raises RemoteError.
        """
        return Metadata()

    def requests_for(self, stream: str, way: Way, records: int) -> int | None:  # whoever can tell looks
        """How many requests it takes to read so many records, about; None: nobody knows better than the past."""
        return None

    def allowances(self) -> Sequence[Allowance]:
        """The limits of the account that every request counts for; empty where none is known. Makes no request."""
        return ()

    def check(self) -> Iterator[Check]:
        """Whether the source answers and each stream may be read; changes nothing there."""
        return iter(())

    @property
    def requests(self) -> int:
        """How many requests were made so far, for the summary."""
        return 0

    def close(self) -> None:
        """Release connections."""


# --- destinations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Employee:
    """One row of the employees a destination knows: text by column of the people table, a day as YYYY-MM-DD.

    A column that says nothing is absent; `faults` are those that cannot be read, each with what was expected.
    """

    cells: Mapping[str, str]
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One KPI value owed to one destination under one stable key.

    `kpi` is the KPI object of design.md section 8; `person` what the people file knows of the subject
    (`employee_code`, `email`, `name`), empty for other subjects. `attempt` counts from 1;
    0: it was confirmed and is only looked at. `remote_id` is what the
    destination called it when it was last confirmed, if it ever was. `revision` grows with each new content under the
    key and is the same in every attempt at it: an idempotency key of key and revision is new also when a value goes
    back to what it was.
    """

    key: str
    kpi: Mapping[str, Any]
    person: Mapping[str, str] = field(default_factory=dict)
    remote_id: str | None = None
    attempt: int = 1
    revision: int = 0


Outcome = Literal["confirmed", "refused", "unanswered", "retry"]
Kind = Literal["state", "log", "file"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one delivery.

    confirmed: the destination holds exactly this value. refused: it said no to this value; later runs ask again,
    unless something was `written` all the same, so that another try may write a second time. unanswered: it was sent
    and nothing came back, so it may or may not be there. retry: it certainly was not taken (busy, unreachable before
    sending). `message` is the destination's own words.
    """

    key: str
    outcome: Outcome
    remote_id: str | None = None
    message: str = ""
    status: int | None = None
    request_id: str | None = None
    written: bool = False


class Destination(ABC):
    """A system we push to."""

    Settings: ClassVar[type[AdapterSettings]] = AdapterSettings

    def __init__(self, name: str, settings: Any, context: Context) -> None:
        self.name, self.settings, self.context = name, settings, context

    kind: Kind = "log"
    """What sending a value a second time does there, and so what is done after a lost answer, once `find` cannot tell.

    state: it overwrites what stands there under the value's own key, so it is sent again. log: it appends a second
    entry, so it is held for a person (`on_unanswered`). file: the whole set is replaced, so it is written again.
    """

    idempotent: bool = False
    """Of a log: whether it knows a repeat by an idempotency key, so that sending again is harmless there too."""

    batch: int = 100
    """How many deliveries `send` takes at once."""

    concurrent: bool = False
    """Whether several threads may call `send` at once, so that the config may say `parallel`."""

    withdraws: bool = False
    """Whether `withdraw` can take back what we wrote."""

    @classmethod
    def cannot(cls, settings: Any) -> Mapping[str, str]:  # noqa: ARG003  # whoever is described by settings looks at them
        """What it cannot do with these settings, and why: `withdraw`, `verify`, `push`, `periods` but the current."""
        return {}

    @classmethod
    def takes(cls, settings: Any) -> Collection[str] | None:  # noqa: ARG003  # whoever names KPIs looks at them
        """The ids of the KPIs that these settings have a place for; None: of any."""
        return None

    @classmethod
    def has_directory(cls, settings: Any) -> bool:  # noqa: ARG003  # whoever has a list looks at them
        """Whether, with these settings, it knows who is an employee, so that `employees` may be asked."""
        return False

    def employees(self) -> Iterator[Employee]:
        """Everybody it knows, in its own order. Raises RemoteError; what came before is then not the whole."""
        raise NotImplementedError(f"{type(self).__name__} has no list of employees")

    @abstractmethod
    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """Send and give one receipt each, as soon as it is known. Raises AuthError (stops the destination)."""

    def content(self, delivery: Delivery) -> Any:
        """What of a delivery is written there, JSON-able and without I/O: it is owed again when this changes.

        Unless an adapter says otherwise everything but the moment of computing.
        """
        said = {name: value for name, value in delivery.kpi.items() if name != "as_of"}
        return {"kpi": said, "person": dict(delivery.person)}

    def fields(self, delivery: Delivery) -> Mapping[str, Any]:
        """What of a delivery is written there, by the destination's own names of fields, for people; without I/O.

        Unless an adapter says otherwise those of the KPI object.
        """
        return {name: value for name, value in delivery.kpi.items() if name != "as_of"}

    def find(self, delivery: Delivery) -> Receipt | None:
        """Read back: what the destination holds for this delivery.

        `confirmed` if it is exactly this value, `retry` if it certainly is not (`message` says what is there instead),
        `refused` never; None where the destination cannot be read.
        """
        return None

    def may_repeat(self, delivery: Delivery) -> bool:  # whoever changes a record known by its id looks at it
        """Whether sending this again is harmless, although nobody knows what became of the last time."""
        return self.kind != "log" or self.idempotent

    def find_all(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt | None]:
        """`find` of each, in order; for whoever can read many at once."""
        return map(self.find, deliveries)

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """Take back what we wrote under these keys, and nothing else; only called where `withdraws`.

        confirmed: it does not stand there (any more). Again after a lost answer is harmless. Raises AuthError.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot take anything back")

    def lacks(self, deliveries: Sequence[Delivery]) -> Collection[str]:
        """The keys of those confirmed values that are no longer there, where that is cheap to see (a file is gone)."""
        return ()

    def finish(self) -> None:
        """Called once after the last `send` or `withdraw` of a run."""

    @property
    def requests(self) -> int:
        """How many requests were made so far, for the summary."""
        return 0

    def check(self) -> Iterator[Check]:
        """Whether the destination answers and may be written; changes nothing there."""
        return iter(())

    def close(self) -> None:
        """Release connections."""
