"""Whose call it is: the age and the keyed hash of what was sent."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from connector.errors import HookRefused
from connector.signature import check_hmac_sha256


def signed(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def test_one_of_the_texts_has_to_be_signed_with_the_secret() -> None:
    check_hmac_sha256("secret", [b"other", b"text"], signed(b"secret", b"text"))
    for given in (signed(b"secret", b"third"), signed(b"another", b"text"), "", "²"):
        with pytest.raises(HookRefused, match="crm: a call whose signature"):
            check_hmac_sha256("secret", [b"other", b"text"], given, system="crm")


def test_nothing_is_signed_with_an_empty_secret_since_anybody_can() -> None:
    with pytest.raises(HookRefused, match="secret is empty"):
        check_hmac_sha256("", [b"text"], signed(b"", b"text"))
