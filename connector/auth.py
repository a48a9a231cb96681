"""How a request proves who we are. Each class changes headers or parameters, and names the secrets it holds.

OAuth, whose tokens are renewed and kept, is in `tokens`; `connector.rest.oauth` makes one that asks over HTTP.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, MutableMapping
from typing import Annotated, Protocol

from pydantic import Field, SecretStr

from connector.errors import AuthError
from connector.tokens import OAuth

__all__ = ["ApiKey", "Auth", "Basic", "Bearer", "Header", "Login", "OAuth", "Secret"]

Secret = Annotated[SecretStr, Field(min_length=1)]
"""A setting that proves who somebody is: it is never shown, and an empty one is a fault, since everybody knows it."""


class Auth(Protocol):
    """What the client needs of a credential."""

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        """Put the credential on a request that is about to leave."""

    def refresh(self) -> bool:
        """After a refusal: whether there is a new credential, so that one more try is worth it."""

    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be seen anywhere."""


class _Fixed:
    """A credential that nothing renews."""

    _secret = ""

    def refresh(self) -> bool:
        return False

    def secrets(self) -> tuple[str, ...]:
        return (self._secret,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Header(_Fixed):
    """A secret in a header of its own: `X-Api-Key: …`."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._secret = name, value

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        headers[self._name] = self._secret


class Bearer(_Fixed):
    """A token: `Authorization: Bearer …`; `scheme` for those who call it otherwise."""

    def __init__(self, token: str, *, scheme: str = "Bearer") -> None:
        self._secret, self._scheme = token, scheme

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        headers["Authorization"] = f"{self._scheme} {self._secret}"


class Basic(_Fixed):
    """User and password in RFC 7617's form, UTF-8."""

    def __init__(self, user: str, password: str) -> None:
        self._secret = password
        self._encoded = base64.b64encode(f"{user}:{password}".encode()).decode()

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        headers["Authorization"] = f"Basic {self._encoded}"

    def secrets(self) -> tuple[str, ...]:
        return self._secret, self._encoded


class ApiKey(_Fixed):
    """A secret in the query string: `?api_key=…`."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._secret = name, value

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        params[self._name] = self._secret


class Login:
    """A session: `login` makes the call that opens it and returns the header's value, the first time one is needed.

    One thread logs in while the others wait for its session. A refused session is opened anew once, by whoever meets
    the refusal first; a refused password is not tried again, since vendors lock accounts over that. `login` makes its
    call with `Client.request(…, signed=False, safe=True)`, since a signed one would wait for itself.
    `known` are the secrets it logs in with.
    """

    def __init__(
        self, login: Callable[[], str], *, header: str = "Authorization", known: tuple[str, ...] = ()
    ) -> None:
        self._login, self._header, self._known = login, header, known
        self._lock = threading.Lock()
        self._value: str | None = None
        self._refused: AuthError | None = None
        self._used = threading.local()

    def __repr__(self) -> str:
        return "Login()"

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        with self._lock:
            value = self._value if self._value is not None else self._open()
        self._used.value = value
        headers[self._header] = value

    def refresh(self) -> bool:
        with self._lock:
            if self._value == getattr(self._used, "value", None):
                self._open()
            return True

    def secrets(self) -> tuple[str, ...]:
        value = self._value
        if value is None:
            return self._known
        return (*self._known, value, *value.split(" ", 1)[1:])  # with and without the scheme before it

    def _open(self) -> str:
        if self._refused is not None:
            raise self._refused
        try:
            self._value = self._login()
        except AuthError as refused:
            self._refused = refused
            raise
        return self._value
