"""By what the users of one account find each other, without saying how they sign in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache


def account(address: str, secrets: Iterable[str]) -> str:
    """A hash of an address and a credential, 32 hexadecimal digits; the same in every process.

    By scrypt, since a credential may be a password that somebody chose, and whose fast hash could be guessed.
    """
    return _hash(address.rstrip("/"), tuple(sorted(set(secrets))))


@lru_cache(maxsize=256)
def _hash(address: str, secrets: tuple[str, ...]) -> str:
    given = "\x00".join(secrets).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(given, salt=address.encode(), n=2**13, r=8, p=1, dklen=16).hex()
