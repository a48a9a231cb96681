"""Seals of closed periods: what one commits to, how they are chained, and whether all of it still holds. Pure.

    commitment = SHA-256(salt, then the canonical JSON of {"members": […], "value": {…}})       one per frozen value
    hash       = SHA-256(the canonical JSON of the header, then the sorted commitments, each on a line of its own)

The header names the hash of the seal before it, whatever period that closed, so no seal can be altered or taken out
without breaking every later one. The salts (16 random bytes each) are what allows a value to be erased: its content and
its salt go, nobody can guess what they were, and the commitment that stays keeps the seal and the chain valid.

An export is one JSON object, and all that `read` and `faults` need:

    {"hash": …, "header": {…}, "values": [{"commitment": …, "salt": …, "value": {…}, "members": […]}, …]}
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from connector.exact import decimal_text
from connector.model import MONEY_SCALE, RATIO_SCALE, KpiValue, Member, canonical_json, iso

FORMAT = 1
"""Which rules a seal follows; stands in its header, so that an old one is always judged by its own."""

SALT_BYTES = 16

_SECOND = 1_000_000  # microseconds
_HEADER: Mapping[str, Any] = {"format": int, "number": int, "period": str, "previous": (str, type(None))}
"""What every header has, by type."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One frozen value in its seal; of an erased one only the commitment is left. The salt is hexadecimal."""

    commitment: str
    salt: str | None = None
    value: Mapping[str, Any] | None = None
    members: Sequence[Mapping[str, Any]] | None = None

    @property
    def is_erased(self) -> bool:
        return self.salt is None and self.value is None and self.members is None

    @property
    def holds(self) -> bool:
        """Whether the content is what was committed to; nothing can be said of an erased one."""
        if self.is_erased:
            return True
        if self.salt is None or self.value is None or self.members is None:
            return False
        try:
            return commitment(self.salt, self.value, self.members) == self.commitment
        except ValueError:  # the salt is no hexadecimal text any more
            return False


@dataclass(frozen=True, slots=True)
class Seal:
    """One seal with what it commits to."""

    header: Mapping[str, Any]
    hash: str
    entries: Sequence[Entry]

    @property
    def name(self) -> str:
        """How it is called in messages: `2026-10 seal 1`."""
        return f"{self.header.get('period')} seal {self.header.get('number')}"


# --- making ----------------------------------------------------------------------------------------------------------


def entry(value: KpiValue, members: Iterable[Member]) -> Entry:
    """Commit to a value and its members, with a salt of its own."""
    salt, told, rows = secrets.token_hex(SALT_BYTES), value.as_json(), [member_json(one) for one in members]
    return Entry(commitment(salt, told, rows), salt, told, rows)


def commitment(salt: str, value: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> str:
    """The commitment to a value, hexadecimal. Raises ValueError for a salt that is not, or written another way."""
    salted = bytes.fromhex(salt)
    if salted.hex() != salt:
        raise ValueError("the salt is not written as it was made")
    return _sha256(salted + _bytes(canonical_json({"value": value, "members": members})))


def seal_hash(header: Mapping[str, Any], commitments: Iterable[str]) -> str:
    """The hash of a seal, hexadecimal."""
    return _sha256(_bytes("\n".join([canonical_json(header), *sorted(commitments)])))


def member_json(member: Member) -> dict[str, Any]:
    """A member as it is committed to and exported; decimal strings hold all its digits, so that each one counts.

    `amount` is base money after conversion, `share` 0..1, `duration_seconds` what it adds to a duration.
    """
    return {
        "side": member.side, "entity": member.entity, "source": member.source, "id": member.id,
        "occurred_at": iso(member.occurred_at), "amount": _decimal(member.amount, MONEY_SCALE, 4),
        "currency": member.currency, "share": _decimal(member.share, RATIO_SCALE, 6),
        "duration_seconds": _decimal(member.duration, _SECOND, 6),
    }


def _decimal(number: int | None, scale: int, digits: int) -> str | None:
    return None if number is None else decimal_text(number, scale, digits)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # half a character in a forged file is a fault of it, not an error


# --- exporting -------------------------------------------------------------------------------------------------------


def text(seal: Seal) -> str:
    """The export of a seal: JSON one can read, with all that is needed to verify it."""
    values = [
        {"commitment": one.commitment, "salt": one.salt, "value": one.value, "members": one.members}
        for one in sorted(seal.entries, key=lambda one: one.commitment)
    ]
    whole = {"hash": seal.hash, "header": seal.header, "values": values}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def read(content: bytes) -> Seal:
    """The seal of an export. Raises ValueError that says what is wrong with the file.

    Only the keys an export has are taken: what nothing commits to could say anything.
    """
    try:
        whole = json.loads(content, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the file is no export of a seal: {error}") from None
    _shape(whole, {"hash": str, "header": dict, "values": list}, "the file")
    for key, kind in _HEADER.items():
        if not isinstance(whole["header"].get(key), kind):
            raise ValueError(f"the header's {key} is not what a seal has there")
    if whole["header"]["format"] != FORMAT:
        found = whole["header"]["format"]
        raise ValueError(f"the seal follows format {found}, this program knows {FORMAT}; use the version that made it")
    kinds = {"commitment": str, "salt": (str, type(None)), "value": (dict, type(None)), "members": (list, type(None))}
    for place, one in enumerate(whole["values"]):
        _shape(one, kinds, f"value {place + 1}")
    return Seal(whole["header"], whole["hash"], [Entry(**one) for one in whole["values"]])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key that stands there twice could show one thing and commit to another."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _shape(found: object, kinds: Mapping[str, Any], what: str) -> None:
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        raise ValueError(f"{what} is not as exported, expected the keys {', '.join(kinds)}")
    for key, kind in kinds.items():
        if not isinstance(found[key], kind):
            raise ValueError(f"{what}: {key} is not as exported")


# --- verifying -------------------------------------------------------------------------------------------------------


def faults(seal: Seal) -> Iterator[str]:
    """What does not hold of one seal, each in a sentence; nothing when all of it does."""
    for one in seal.entries:
        if not one.holds:
            yield f"{seal.name}: {_named(one)} is not what was sealed (commitment {one.commitment[:16]}…)"
    if seal_hash(seal.header, (one.commitment for one in seal.entries)) != seal.hash:
        yield f"{seal.name}: its hash does not follow from its header and commitments"


def _named(one: Entry) -> str:
    """Which value it says it is; the content is in doubt, so anything may be missing."""
    value = one.value or {}
    subject = value.get("subject")
    key = subject.get("key") if isinstance(subject, dict) else None
    return f"{value.get('kpi') or 'a value'} of {key or 'somebody'}"


@dataclass(slots=True)
class Checked:
    """What was looked at, and what of it does not hold."""

    seals: int = 0
    values: int = 0
    erased: int = 0
    faults: list[str] = field(default_factory=list)

    def take(self, seal: Seal) -> None:
        """Look at one seal and all it commits to."""
        self.seals += 1
        self.values += len(seal.entries)
        self.erased += sum(one.is_erased for one in seal.entries)
        self.faults += faults(seal)

    def as_json(self) -> dict[str, Any]:
        return {"status": "broken" if self.faults else "ok", **asdict(self)}


def verified(content: bytes) -> dict[str, Any]:
    """Whether an export is what was sealed, with what its header says of itself; nothing else is needed."""
    checked = Checked()
    try:
        found = read(content)
    except ValueError as error:
        checked.faults.append(str(error))
        return checked.as_json()
    checked.take(found)
    told = ("period", "number", "sealed_at", "as_of", "actor", "reason", "previous")
    return {**checked.as_json(), **{key: found.header.get(key) for key in told}, "hash": found.hash}


def chain_break(seals: Iterable[Seal]) -> str | None:
    """The first place where the chain of all seals of a store, in the order they were made, does not hold."""
    before: Seal | None = None
    for one in seals:
        if one.header.get("previous") != (before.hash if before else None):
            after = f"after {before.name}" if before else "as the first"
            return f"{one.name} stands {after}, but was not sealed there: a seal was altered, added or taken out"
        if seal_hash(one.header, (entry.commitment for entry in one.entries)) != one.hash:
            return f"{one.name}: its hash does not follow from its header and commitments"
        before = one
    return None
