"""What HubSpot's answers and its calls to us mean; nothing here makes a call.

Errors: https://developers.hubspot.com/docs/api-reference/error-handling; limits: .../docs/developer-tooling/platform/
usage-guidelines; calls to us: .../docs/api-reference/latest/webhooks/guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from connector.answer import Response
from connector.errors import AuthError, HookRefused, Permanent, RateLimited, RemoteError, Transient, UnexpectedShape
from connector.model import EPOCH
from connector.ports import Exchange, HookEvent, HookRequest, decode
from connector.signature import check_age, check_hmac_sha256

WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}  # seconds, by the policy a 429 names
LOCKED = 2.0  # seconds to wait after a 423
DIGITS = 15  # of a number told as text; longer ones are none, and some not even numbers to Python
SMALL = 10_000  # bytes; no error is longer
LASTING = ("VALIDATION_ERROR", "OBJECT_NOT_FOUND", "MISSING_SCOPES")
UNKNOWN_TOKEN = ("EXPIRED_AUTHENTICATION", "INVALID_AUTHENTICATION")

# --- errors ----------------------------------------------------------------------------------------------------------


def verdict(response: Response) -> RemoteError | None:
    """The error in an answer, None where its status says all there is to say.

    A 429 names its policy and often no Retry-After, a 403 the scopes; a 207 names the records it could not give, and an
    answer of 200 may be an error.
    """
    told, status = _error(response), response.status
    category = str(told.get("category") or "an error")
    said = f"status {status}, {category}"
    if status == 207:
        failed = {_category(error) for error in _errors(told)} - {"OBJECT_NOT_FOUND"}
        said = f"status 207, not all records came ({', '.join(sorted(failed))})"
        return response.error(Transient, said) if failed else None  # else the batch were short, and nobody the wiser
    if status == 423:
        return response.error(Transient, said, retry_after=_longest(response, LOCKED))
    is_error = status < 300 and told.get("status") == "error"
    if status == 429 or (is_error and category == "RATE_LIMITS"):
        policy = str(told.get("policyName") or "of unknown name")
        said = f"status {status}, the limit {policy} is reached"
        return response.error(RateLimited, said, retry_after=_longest(response, WAITS.get(policy)))
    if category == "MISSING_SCOPES" and (scopes := _scopes(told)):
        return response.error(Permanent, f"{said}: the app needs {' or '.join(scopes)}; grant it in HubSpot")
    if not is_error:
        return None
    kind = AuthError if category in UNKNOWN_TOKEN else Permanent if category in LASTING else Transient
    return response.error(kind if "category" in told else UnexpectedShape, f"{said}, {response.vendor_message()}")


def _error(response: Response) -> Mapping[str, Any]:
    """The error an answer holds; empty where it holds none, as those of 200 do that are too large for one."""
    is_fine = response.status < 300 and response.status != 207
    if is_fine and (len(response.content) > SMALL or b'"error"' not in response.content):
        return {}
    try:
        told = decode(response.content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _errors(told: Mapping[str, Any]) -> list[Any]:
    """The parts of an error, which need not be of the documented shape."""
    errors = told.get("errors") or []
    return [error for error in (errors if isinstance(errors, list) else [errors]) if error is not None]


def _category(error: Any) -> str:
    category = error.get("category") if isinstance(error, dict) else None
    return category if isinstance(category, str) else "of unknown category"


def _longest(response: Response, seconds: float | None) -> float | None:
    """What an answer's Retry-After says, or this, whichever is longer: a header of 0 ends no limit. One with more
    digits than any length of time says nothing."""
    told = response.headers.get("Retry-After", "")
    is_told = told.isascii() and told.isdigit() and len(told) <= DIGITS
    return max(float(told), seconds or 0.0) if is_told else seconds


def _scopes(told: Mapping[str, Any]) -> list[str]:
    """The scopes of which an app lacks one, as HubSpot names them."""
    contexts = [one.get("context") for one in (told, *_errors(told)) if isinstance(one, dict)]
    names = ("requiredGranularScopes", "requiredScopes", "missingScopes")
    lists = [context.get(name) for context in contexts if isinstance(context, dict) for name in names]
    scopes = [scope for found in lists for scope in (found if isinstance(found, list) else [found])]
    return list(dict.fromkeys(scope for scope in scopes if isinstance(scope, str)))


# --- the parts of a page ---------------------------------------------------------------------------------------------


@contextmanager
def as_documented(what: str) -> Iterator[None]:
    """Raises UnexpectedShape where what is looked at inside is not as HubSpot documents it."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise UnexpectedShape(f"{what}: not the shape HubSpot documents ({type(fault).__name__} {fault})") from None



class Parts:
    """What the exchanges of a page hold: `rows` of records, and by record id what is said of them elsewhere."""

    def __init__(self, answers: Sequence[tuple[Exchange, Sequence[Any]]]) -> None:
        self.splits: dict[str, Any] = {}
        self._links: dict[str, dict[str, list[str]]] = {}
        self._inline: dict[str, dict[str, list[str]]] = {}
        self.rows: list[Any] = []
        is_read = any(_is_batch(exchange) for exchange, _ in answers)  # then a list was only asked for ids
        for exchange, found in answers:
            path = urlsplit(exchange.url).path
            with as_documented(path):
                if "/associations/" in path:
                    self._link(path.split("/")[-3], found)
                elif "/splits/" in path or "/deal-splits/" in path:
                    self.splits |= {str(row["id"]): row["splits"] for row in found}
                else:
                    self._inline |= {str(row["id"]): _ends(row) for row in found if row.get("associations")}
                    if _is_batch(exchange) or not is_read:
                        self.rows += found

    def associations(self, key: str) -> dict[str, list[str]]:
        """The ids of each type that a record is linked to, rising: answers promise no order, and a mapping may take the
        first. What was asked for by itself is whole."""
        ends = self._inline.get(key, {}) | {other: to[key] for other, to in self._links.items() if key in to}
        return {other: sorted(set(ids), key=lambda id_: (len(id_), id_)) for other, ids in ends.items()}

    def _link(self, other: str, rows: Sequence[Any]) -> None:
        to = self._links.setdefault(other, {})
        for row in rows:
            to.setdefault(str(row["from"]["id"]), []).extend(str(one["toObjectId"]) for one in row["to"])


def _is_batch(exchange: Exchange) -> bool:
    """Whether it holds records that were asked for by id."""
    path = urlsplit(exchange.url).path
    return path.endswith("/batch/read") and "/objects/" in path and "/splits/" not in path


def _ends(row: Any) -> dict[str, list[str]]:
    """The ids a listed record is linked to, by type."""
    return {other: [str(one["id"]) for one in held["results"]] for other, held in row["associations"].items()}


def cut_short(rows: Sequence[Any]) -> dict[str, list[str]]:
    """The ids of listed records of whose associations only the first are there, by the other type."""
    cut: dict[str, list[str]] = {}
    for row in rows:
        for other, held in (row.get("associations") or {}).items():
            if held.get("paging"):
                cut.setdefault(other, []).append(str(row["id"]))
    return cut


def following(rows: Sequence[Any], asked: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    """The inputs that go on with associations of which a batch read gave only a part; `asked` are its own, by id."""
    found = []
    for row in rows:
        if after := ((row.get("paging") or {}).get("next") or {}).get("after"):
            more = {"id": str(row["from"]["id"]), "after": str(after)}
            if more == asked.get(more["id"]):
                raise ValueError("associations that go on where they began")
            found.append(more)
    return found


# --- calls to us -----------------------------------------------------------------------------------------------------

TYPES = {
    "0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-136": "leads", "0-48": "calls", "0-47": "meetings",
    "0-49": "emails", "0-27": "tasks",
}
"""Our streams by the number of the type of object, as newer apps are told; older ones by its name."""
NAMES = {
    "contact": "contacts", "company": "companies", "deal": "deals", "lead": "leads", "call": "calls",
    "meeting_event": "meetings", "email": "emails", "task": "tasks",
}
LAX = "utf-8", "replace"  # anybody may call, with an address that no encoding writes
SINGLE = frozenset({"creation", "propertyChange", "deletion", "privacyDeletion", "restore"})
# What HubSpot signs has these characters of an address as themselves: .../authentication/request-validation
PLAIN = {f"%{ord(character):02X}": character for character in ":/?@!$'()*,;"}


def events(request: HookRequest, secret: str, now: datetime, system: str) -> list[HookEvent]:
    """What a call is about; kinds we do not know are left out. Raises HookRefused, and UnexpectedShape for no JSON."""
    headers = request.headers
    sent = headers.get("x-hubspot-request-timestamp", "")
    if not (sent.isascii() and sent.isdigit() and len(sent) < DIGITS):  # else after the year 5000
        raise HookRefused(f"{system}: a call without X-HubSpot-Request-Timestamp", system=system)
    check_age(EPOCH + timedelta(milliseconds=int(sent)), now, system=system)
    texts = [
        b"".join([request.method.upper().encode(*LAX), url.encode(*LAX), request.body, sent.encode()])
        for url in dict.fromkeys((_plain(request.url), request.url))
    ]
    check_hmac_sha256(secret, texts, headers.get("x-hubspot-signature-v3", ""), system=system)
    try:
        told = decode(request.body)
    except ValueError:
        raise UnexpectedShape(f"{system}: a call that is signed but no JSON", system=system) from None
    found = [event for one in (told if isinstance(told, list) else [told]) for event in _events(one)]
    return list({event.id: event for event in found}.values())


def _plain(url: str) -> str:
    for code, character in PLAIN.items():
        url = url.replace(code, character).replace(code.lower(), character)
    return url


def _events(told: Any) -> Iterator[HookEvent]:
    if not isinstance(told, dict):
        return
    type_, _, kind = str(told.get("subscriptionType", "")).partition(".")
    at = told.get("occurredAt")
    occurred_at = _instant(at)
    for stream, key in _records(told, type_, kind):
        if stream and isinstance(key, (int, str)) and not isinstance(key, bool):
            # An eventId alone may come twice, says HubSpot; and one call may be about several records.
            parts = (told.get("subscriptionId"), told.get("eventId"), at, stream, key)
            yield HookEvent("-".join(map(str, parts)), stream, str(key), occurred_at)


def _instant(told: Any) -> datetime | None:
    """Of milliseconds; None where they are none, or beyond the years there are."""
    is_one = isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 10 ** (DIGITS - 1)
    return EPOCH + timedelta(milliseconds=told) if is_one else None


def _records(told: Mapping[str, Any], type_: str, kind: str) -> Iterator[tuple[str | None, Any]]:
    """The stream and the id of every record an event is about, None for what we do not read or are not told."""
    stream = TYPES.get(str(told.get("objectTypeId"))) if type_ == "object" else NAMES.get(type_)
    if kind in SINGLE:
        yield stream, told.get("objectId")
    elif kind == "merge":
        merged = told.get("mergedObjectIds")
        ids = (told.get("newObjectId"), told.get("primaryObjectId"), *(merged if isinstance(merged, list) else ()))
        yield from ((stream, id_) for id_ in ids)
    elif kind == "associationChange":
        one, _, other = str(told.get("associationType", "")).lower().partition("_to_")
        for end, name in (("from", one), ("to", other)):
            there = TYPES.get(str(told.get(f"{end}ObjectTypeId"))) or NAMES.get(name)
            yield there or (stream if end == "from" else None), told.get(f"{end}ObjectId")
