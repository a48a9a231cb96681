"""OAuth 2 with a refresh token (RFC 6749, section 6): access tokens renewed in time, by one of all who use them.

Whoever finds the token about to end renews it alone, of all threads and processes; the others then read what it kept. A
vendor may give a new refresh token with each answer, and take the old one no more: so the new one is kept, encrypted,
before anything is done with it. What is kept belongs to the refresh token of the config it began with; another one in
the config begins anew.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connector.account import account
from connector.errors import AuthError, UnexpectedShape
from connector.ports import Context

EARLY = timedelta(minutes=1)  # so long before its end a token is renewed; one that lives shortly, at its half

NOT_KEPT = (
    "the vendor gave a new refresh token, and without encryption_key in the config it cannot be kept for the next run; "
    "set encryption_key (docs/config.md makes one), authorise again and put the new refresh token in the config"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a vendor gave: `renew_at` is an ISO instant, None where it does not say when the access token ends."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    renew_at: str | None = None

    def is_fresh(self, now: datetime) -> bool:
        return self.renew_at is None or now < datetime.fromisoformat(self.renew_at)


class Unkept(NamedTuple):
    """Tokens the vendor gave and what was kept before them, None if nothing; `is_new`: the refresh token is another."""

    made: Tokens
    before: str | None
    is_new: bool


class OAuth:
    """`Authorization: Bearer …` with a token that is renewed a minute before it ends, or once after a refusal.

    `ask` posts a form to the vendor's token address and gives its decoded answer; it raises AuthError for a refusal,
    which is not tried again. `address` and the secrets name the account; `fields` are sent beside the usual ones, or
    instead (another `grant_type`). An empty `refresh_token`: the client asks for itself (section 4.4).
    """

    def __init__(
        self,
        ask: Callable[[Mapping[str, str]], Any],
        *,
        address: str,
        context: Context,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self._ask, self._context = ask, context
        grant = "refresh_token" if refresh_token else "client_credentials"
        self._form = {
            "grant_type": grant, "client_id": client_id, "client_secret": client_secret, **(fields or {}),
        }
        self._configured = refresh_token
        self._known = (client_secret, refresh_token)
        self._address = f"{address} {client_id}"
        self._lock = threading.Lock()
        self._tokens: Tokens | None = None
        self._unkept: Unkept | None = None
        self._seen: dict[str, None] = {}  # every token of this process, so that none is shown
        self._refused: AuthError | None = None
        self._used = threading.local()

    def __repr__(self) -> str:
        return "OAuth()"

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        """Sign with the token in force. Raises AuthError, Transient where it cannot be renewed now, StoreError."""
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if self._tokens is None or self._unkept or not self._tokens.is_fresh(self._context.clock.now()):
                self._renew()
            assert self._tokens is not None  # noqa: S101  # else an error was raised
            token = self._tokens.access
        self._used.token = token
        headers["Authorization"] = f"Bearer {token}"

    def refresh(self) -> bool:
        used = getattr(self._used, "token", None)
        with self._lock:
            if self._tokens is None or self._tokens.access == used:
                self._renew(refused=used)
        return True

    def secrets(self) -> tuple[str, ...]:
        return (*self._known, *self._seen)

    # --- inside the lock ---------------------------------------------------------------------------------------------

    def _renew(self, refused: str | None = None) -> None:
        """New tokens: those another user got meanwhile, unless `refused` is what they are, else the vendor's."""
        if self._refused is not None:
            raise self._refused
        shared, name = self._context.shared, account(self._address, self._known)
        if self._unkept is None and self._adopted(name, refused):
            return
        with shared.alone(name):
            self._keep(name)
            if self._adopted(name, refused):
                return
            refresh = self._tokens.refresh if self._tokens else self._configured
            before = shared.token(name)
            try:
                made = self._asked(refresh)
            except AuthError as error:
                self._refused = error
                raise
            self._tokens, self._unkept = made, Unkept(made, before, is_new=made.refresh != refresh)
            self._keep(name)

    def _keep(self, name: str) -> None:
        """Keep what the vendor gave, now if the store failed then: nothing else may be asked for before, since the
        vendor takes the old ones no more. If it was kept all the same, somebody may have gone on from there."""
        if self._unkept is None:
            return
        made, before, is_new = self._unkept
        shared = self._context.shared
        is_kept = shared.token(name) != before or shared.keep_token(name, json.dumps(asdict(made)))
        if is_new and not is_kept:
            self._refused = AuthError(NOT_KEPT)
            raise self._refused
        self._unkept = None

    def _adopted(self, name: str, refused: str | None) -> bool:
        """Take over what was kept last; whether its access token may be used."""
        kept = self._context.shared.token(name)
        if kept is None:
            return False
        self._tokens = self._saw(Tokens(**json.loads(kept)))
        return self._tokens.access != refused and self._tokens.is_fresh(self._context.clock.now())

    def _asked(self, refresh: str) -> Tokens:
        asked_at = self._context.clock.now()
        answer = self._ask({**self._form, **({"refresh_token": refresh} if refresh else {})})
        access = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(access, str) or not access:
            said = answer.get("error") if isinstance(answer, dict) else None
            if isinstance(said, str):  # some vendors refuse with status 200
                raise AuthError(f"the {'refresh token' if refresh else 'client'} was refused ({said}); authorise again")
            raise UnexpectedShape("the token address answered without access_token; check its address")
        renewed = answer.get("refresh_token")
        lives = _seconds(answer.get("expires_in"))
        return self._saw(
            Tokens(
                access,
                renewed if isinstance(renewed, str) and renewed and refresh else refresh,
                None if lives is None else (asked_at + lives - min(EARLY, lives / 2)).isoformat(),
            )
        )

    def _saw(self, tokens: Tokens) -> Tokens:
        self._seen = {**self._seen, tokens.access: None, tokens.refresh: None}  # others may be reading the old one
        return tokens


def _seconds(told: Any) -> timedelta | None:
    try:
        return timedelta(seconds=float(told)) if told is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
