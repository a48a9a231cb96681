"""What a HubSpot account tells of itself: pipelines with their stages, properties, owners, currencies.

Pipelines: https://developers.hubspot.com/docs/api-reference/crm-pipelines-v3/guide; properties: .../crm-properties-v3/
guide; currencies: .../latest/account/account-information/get-account-details, for which any app may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Protocol, TypeVar

from connector.errors import Permanent
from connector.metadata import FieldInfo, FieldType, OwnerInfo, PipelineInfo, StageInfo

TYPES: Mapping[str, FieldType] = {
    "string": "text", "phone_number": "text", "number": "number", "date": "date", "datetime": "datetime",
    "bool": "boolean", "enumeration": "choice",
}
NOT_GIVEN = (403, 404)
T = TypeVar("T")


class Get(Protocol):
    """Asks a path for a stream and gives what `parse` makes of the decoded answer. Raises RemoteError."""

    def __call__(self, path: str, stream: str, parse: Callable[[Any], T]) -> T: ...


class Account:
    """Asks for it; what may not be read is left out. Raises RemoteError."""

    def __init__(self, get: Get) -> None:
        self._get = get

    def names(self, stream: str) -> set[str]:
        """The names of the properties that a type has; raises where they may not be read."""
        return self._get(f"properties/{stream}", stream, lambda answer: {str(row["name"]) for row in answer["results"]})

    def fields(self, stream: str, asked: Collection[str]) -> dict[str, FieldInfo] | None:
        """The properties of a type by name, None where they may not be read. `asked`: those that are in records."""
        def parse(answer: Any) -> dict[str, FieldInfo] | None:
            return {str(row["name"]): field(row, is_read=row["name"] in asked) for row in answer["results"]}

        return granted(lambda: self._get(f"properties/{stream}", stream, parse), None)

    def pipelines(self, kind: str) -> tuple[PipelineInfo, ...]:
        """The pipelines of `deals` or `leads`."""
        return granted(lambda: self._get(f"pipelines/{kind}", kind, lambda answer: pipelines(answer, kind)), ())

    def currencies(self) -> tuple[str | None, tuple[str, ...]]:
        """The account's own currency, and all that it works with, its own first."""
        none: tuple[str | None, tuple[str, ...]] = (None, ())
        return granted(lambda: self._get("account-info/details", "deals", currencies), none)


def granted(ask: Callable[[], T], otherwise: T) -> T:
    """What is asked for; `otherwise` where the app may not read it, or the account has no such thing."""
    try:
        return ask()
    except Permanent as refused:
        if refused.status not in NOT_GIVEN:
            raise
        return otherwise


def pipelines(answer: Any, stream: str) -> tuple[PipelineInfo, ...]:
    """The pipelines of a type in the order in which HubSpot shows them, and so their stages."""
    return tuple(
        PipelineInfo(
            str(row["id"]), str(row["label"]), tuple(_stage(one) for one in sorted(row["stages"], key=_place)), stream,
            archived=bool(row.get("archived")),
        )
        for row in sorted(answer["results"], key=_place)
    )


def field(row: Mapping[str, Any], *, is_read: bool) -> FieldInfo:
    """A property. What HubSpot keeps the values of elsewhere (owners, users) is a reference, and has no options."""
    type_: FieldType = TYPES.get(str(row.get("type")), "other")
    if type_ == "choice":
        is_elsewhere = row.get("externalOptions") or row.get("referencedObjectType")
        type_ = "reference" if is_elsewhere else "choices" if row.get("fieldType") == "checkbox" else "choice"
    options = sorted(row.get("options") or (), key=_place) if type_ in ("choice", "choices") else ()
    return FieldInfo(
        f"properties.{row['name']}", str(row.get("label") or ""), type_,
        {str(one["value"]): str(one["label"]) for one in options},
        own=row.get("hubspotDefined") is False, is_read=is_read,
    )


def owner(row: Mapping[str, Any]) -> OwnerInfo:
    """A user, also one who has left."""
    name = " ".join(str(part) for part in (row.get("firstName"), row.get("lastName")) if part)
    return OwnerInfo(str(row["id"]), str(row.get("email") or ""), name, active=not row.get("archived"))


def currencies(answer: Any) -> tuple[str | None, tuple[str, ...]]:
    own = answer.get("companyCurrency") or None
    return own, tuple(dict.fromkeys(code for code in (own, *(answer.get("additionalCurrencies") or ())) if code))


def _stage(row: Mapping[str, Any]) -> StageInfo:
    told = row.get("metadata") or {}
    probability = _share(told.get("probability"))
    return StageInfo(
        str(row["id"]), str(row["label"]), _outcome(str(told.get("isClosed")).lower(), probability), probability,
        archived=bool(row.get("archived")),
    )


def _outcome(is_closed: str, probability: Decimal | None) -> Literal["open", "won", "lost"] | None:
    """What HubSpot says of a deal in a stage: a closed one is won at 1 and lost at 0."""
    if is_closed == "true":
        return "won" if probability == 1 else "lost" if probability == 0 else None
    return "open" if is_closed == "false" else None


def _share(told: Any) -> Decimal | None:
    """0..1 of its text or number; None where it is none."""
    try:
        share = Decimal(str(told))
    except InvalidOperation:
        return None
    return share if share.is_finite() and 0 <= share <= 1 else None


def _place(row: Mapping[str, Any]) -> tuple[int, str]:
    """HubSpot shows what has the lowest number first, and what has the same by its label."""
    return int(row.get("displayOrder") or 0), str(row.get("label"))
