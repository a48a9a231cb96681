"""Made-up values in the place of people's: the same for the same value, of the same form, and nobody's. Pure.

Names and text become invented words, an e-mail an address at example.com, a phone number one of the country code 999,
which no country has. What a value becomes depends on a secret `salt` too, so nobody can tell it by trying out names.
"""

from __future__ import annotations

import hashlib
import hmac
import re

_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_SYLLABLES = [first + second for first in _CONSONANTS for second in _VOWELS]
_MOST_WORDS = 3

_EMAIL = re.compile(r"\s*[^\s@]+@[^\s@]+\s*")
_PHONE = re.compile(r"[+(]?\d[\d\s()./-]{5,}\d")
_ADDRESS = re.compile(r"(?P<scheme>https?://)?[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}(/\S*)?")


class MadeUp:
    """Makes values up; equal ones for equal ones."""

    def __init__(self, salt: str) -> None:
        self._salt = salt.encode()

    def number(self, value: int) -> int:
        """For a number that may be somebody's, such as a phone number."""
        return int("999" + self._digits(str(value)))

    def text(self, value: str) -> str:
        """For any text: of the form of an e-mail, a phone number, a web address, or up to three words."""
        if _EMAIL.fullmatch(value):
            return f"{self._word(value.strip().lower()).lower()}@example.com"
        if _PHONE.fullmatch(value.strip()):
            return f"+999 {self._digits(re.sub('[^0-9]', '', value))}"
        if found := _ADDRESS.fullmatch(value.strip()):
            return f"{found['scheme'] or ''}{self._word(value.strip().lower()).lower()}.example"
        words = value.split()[:_MOST_WORDS] or [value]
        return " ".join(self._word(word) for word in words)

    def _word(self, value: str) -> str:
        """An invented word of three syllables: one of 343,000."""
        number = self._hash(value)
        syllables = []
        for _ in range(3):
            number, place = divmod(number, len(_SYLLABLES))
            syllables.append(_SYLLABLES[place])
        return "".join(syllables).capitalize()

    def _digits(self, value: str) -> str:
        return f"{self._hash(value) % 100_000_000:08}"

    def _hash(self, value: str) -> int:
        return int.from_bytes(hmac.digest(self._salt, value.encode(), hashlib.sha256))
