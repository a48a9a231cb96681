"""Every error of the product, sorted by what happens next.

ConnectorError
├── ConfigError        fix the file; nothing ran                exit 2
├── RecordError        this record is set aside, the run goes on
│   └── MappingError
├── RemoteError        a source or destination                  exit 3
│   ├── Transient      tried again
│   │   ├── RateLimited
│   │   └── Unanswered the request left, no answer came: it may have had its effect
│   └── Permanent      this stream stops, the others go on
│       ├── AuthError  the whole source or destination stops
│       ├── UnexpectedShape
│       └── HookRefused  a call to us is not the vendor's, or too old
├── SafetyStop         valid but implausible; a person decides   exit 4
├── StoreError         our own database: the run ends            exit 5
│   └── LeaseLost      another runner took this stream over
└── Busy               somebody else holds the lease            exit 75

The class says the remedy, the fields say the place, the docstring is the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class ConnectorError(Exception):
    """Something went wrong that we know how to name."""

    exit_code = 70
    remedy = "See the log."

    @property
    def where(self) -> str:
        """The place: file and line, source and stream, or destination; may be empty."""
        return ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one file: where (1-based line, 0 if unknown), the dotted key, and what is expected."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(ConnectorError):
    """A file has faults. All of them are listed at once; nothing ran."""

    exit_code = 2
    remedy = "Correct the lines named and start again; nothing ran."

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @property
    def where(self) -> str:
        first = self.faults[0] if self.faults else None
        return "" if first is None else f"{first.file}:{first.line}" if first.line else first.file


class RecordError(ConnectorError):
    """One record cannot be used; it is set aside and the run goes on."""

    exit_code = 1
    remedy = "See `connector quarantine list`."


class MappingError(RecordError):
    """A field of a record cannot be converted.

    `field` is ours, `path` the source's; `reason` names the converter, the type found and what was expected, never the
    customer's value.
    """

    def __init__(self, entity: str, field: str, path: str, reason: str) -> None:
        self.entity, self.field, self.path, self.reason = entity, field, path, reason
        super().__init__(f"{entity}.{field} from {path or 'the record'}: {reason}")


class RemoteError(ConnectorError):
    """A source or destination did not do what was asked."""

    exit_code = 3
    remedy = "Try `connector check`; the next run goes on where this one stopped."

    def __init__(
        self,
        message: str,
        *,
        system: str = "",
        stream: str = "",
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        self.system, self.stream, self.status, self.request_id = system, stream, status, request_id
        super().__init__(message)

    @property
    def where(self) -> str:
        return " ".join(part for part in (self.system, self.stream) if part)


class Transient(RemoteError):
    """The remote side is unwell or busy; the same request is worth another try."""

    def __init__(self, message: str, *, retry_after: float | None = None, **place: object) -> None:
        self.retry_after = retry_after
        super().__init__(message, **place)  # type: ignore[arg-type]  # place is RemoteError's own keywords


class RateLimited(Transient):
    """Too many requests; wait `retry_after` seconds (None: our own back-off)."""


class Unanswered(Transient):
    """The request was sent and no answer came: whether it took effect is unknown."""


class Permanent(RemoteError):
    """Asking again will not help."""


class AuthError(Permanent):
    """The credential was refused."""

    remedy = "Renew the credential the config names, then run `connector check`."


class UnexpectedShape(Permanent):
    """The answer is not what the vendor documents."""


class HookRefused(Permanent):
    """A call to us does not bear the vendor's signature, or is too old; nothing of it is used."""

    remedy = "Compare the secret in the config with the vendor's app, and this machine's clock with the time."


class SafetyStop(ConnectorError):
    """The answer is valid but implausible; it is stored, not applied, until a person decides."""

    exit_code = 4
    remedy = "See `connector stops list`, then accept or refuse it."

    def __init__(self, message: str, *, system: str = "", stream: str = "", stop: str = "") -> None:
        self.system, self.stream, self.stop = system, stream, stop
        super().__init__(message)

    @property
    def where(self) -> str:
        return f"{self.system} {self.stream}".strip()


class StoreError(ConnectorError):
    """Our own database failed; the last batch is not saved and its cursor has not moved."""

    exit_code = 5
    remedy = "Bring the store back (disk, address, rights), then run again."


class LeaseLost(StoreError):
    """Another runner holds this stream now; our late batch was not written."""


class Busy(ConnectorError):
    """Somebody else holds the lease; nothing was done."""

    exit_code = 75
    remedy = "Wait for the other run, or use --wait."
