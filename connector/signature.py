"""Whether a call to us is the vendor's: its age, and a keyed hash of what was sent. Pure; times are handed in."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from connector.errors import HookRefused

MOST = timedelta(minutes=5)


def check_age(sent_at: datetime, now: datetime, *, system: str = "", most: timedelta = MOST) -> None:
    """Raises HookRefused for a call that was sent longer ago than `most`, or as far in the future."""
    if abs(now - sent_at) > most:
        seconds = round((now - sent_at).total_seconds())
        said = f"{system}: a call sent {seconds} seconds ago, expected at most {most.seconds}"
        raise HookRefused(said, system=system)


def check_hmac_sha256(secret: str, texts: Iterable[bytes], given: str, *, system: str = "") -> None:
    """Raises HookRefused unless `given` is the base64 HMAC-SHA256 of one of the texts; takes as long either way.

    Nothing is signed with an empty secret, which everybody knows.
    """
    if not secret:
        raise HookRefused(f"{system}: a call, but the secret is empty to check it with", system=system)
    key, claimed = secret.encode(), given.encode("utf-8", "replace")
    matches = [
        hmac.compare_digest(base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()), claimed) for text in texts
    ]
    if not any(matches):
        raise HookRefused(f"{system}: a call whose signature is not the vendor's", system=system)
