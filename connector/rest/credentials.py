"""How a request of a REST destination proves who we are: nine kinds, and what each does to a request.

none · header · query · field (of the body) · basic · oauth with client credentials · oauth with a refresh token ·
login, whose answer holds a token · hmac, a signature of the request itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from pydantic import Field, SecretStr, model_validator

from connector.auth import ApiKey, Auth, Basic, Bearer, Header, Login, Secret
from connector.ports import Clock, Context
from connector.rest.parts import Expression, Part, one_of
from connector.rest.signing import oauth

SIGNED = ("method", "path", "query", "body", "body_hash", "timestamp", "nonce", "host")
"""What a text to be signed may be made of."""

KEY_LENGTH = 8  # a shorter value of a header is a version, a language or a name
_NO_KEYS = ("accept", "content-", "user-agent", "prefer", "odata-", "if-", "origin", "referer", "x-requested-with")

_HOLE = re.compile(r"\{(\w*)\}")


class LoginCall(Part):
    """A call that gives a token."""

    post: str = Field(description="Address of the login.", examples=["/auth/login"])
    body: dict[str, SecretStr] = Field(description="What it is sent.")
    as_: Literal["json", "form"] = Field("json", alias="as", description="How the body is written.")
    token: Expression = Field(description="Where the token stands in the answer.", examples=["token"])
    prefix: str = Field("", description="Put before the token in the header, such as 'Bearer '.")


class UserPassword(Part):
    """HTTP basic authentication."""

    user: str
    password: SecretStr


class OAuthKeys(Part):
    """OAuth 2: a token from the vendor's token address, renewed before it ends."""

    token_url: str = Field(description="The whole token address.", examples=["https://login.example/oauth2/token"])
    client_id: Secret
    client_secret: SecretStr = SecretStr("")
    refresh_token: Secret | None = Field(None, description="With one it is renewed; without, asked by client alone.")
    grant: str | None = Field(None, description="Another grant_type than client_credentials or refresh_token.")
    fields: dict[str, SecretStr] = Field(
        default_factory=dict, description="What they want in the form beside the usual.", examples=[{"scope": "kpi"}]
    )

    @model_validator(mode="after")
    def _one_grant(self) -> OAuthKeys:
        if self.grant and self.refresh_token:
            raise ValueError("a refresh token has its own grant, expected no grant beside it")
        if not re.match(r"https?://[^/\s]", self.token_url):
            raise ValueError("token_url: expected an address such as https://host/path")
        return self


class HmacKeys(Part):
    """A signature of each request, as it leaves: its text is put together from `sign`."""

    secret: Secret
    header: str = Field("X-Signature", description="Header of the signature.")
    prefix: str = Field("", description="Put before the signature, such as 'sha256='.")
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    sign: str = Field("{timestamp}.{body}", description=f"What is signed: text with {{{'}, {'.join(SIGNED)}}} in it.")
    timestamp: str | None = Field("X-Timestamp", description="Header of the moment of signing.")
    timestamp_format: Literal["epoch", "epoch_ms", "iso"] = "epoch"
    nonce: str | None = Field(None, description="Header of a text that is never sent twice.")

    @model_validator(mode="after")
    def _names(self) -> HmacKeys:
        unknown = [name for name in _HOLE.findall(self.sign) if name not in SIGNED]
        if unknown:
            raise ValueError(f"sign: there is no {unknown[0]!r}, expected of: {', '.join(SIGNED)}")
        if "{nonce}" in self.sign and not self.nonce:
            raise ValueError("sign names nonce, expected nonce: HEADER beside it")
        return self


class AuthSettings(Part):
    """How a request proves who we are; without it nothing is sent.

    A value or a login's token goes into a header, a parameter of the query or a field of the body.
    """

    header: str | None = Field(None, description="Name of the header that carries the value or the token.")
    query: str | None = Field(None, description="Name of the query parameter that carries it.")
    field: str | None = Field(None, description="Name of the field of the body that carries the value.")
    value: Secret | None = Field(None, description="The secret.")
    prefix: str = Field("", description="Put before the value in a header, such as 'Token '.")
    bearer: Secret | None = Field(None, description="Token sent as `Authorization: Bearer …`.")
    basic: UserPassword | None = None
    oauth: OAuthKeys | None = None
    login: LoginCall | None = None
    hmac: HmacKeys | None = None

    @model_validator(mode="after")
    def _one(self) -> AuthSettings:
        one_of(self, "value", "bearer", "basic", "oauth", "login", "hmac")
        places = [name for name in ("header", "query", "field") if getattr(self, name)]
        if self.value is not None and len(places) != 1:
            raise ValueError("a value needs its header, query or field: expected exactly one, such as header: NAME")
        if self.login is not None and (len(places) > 1 or self.field):
            raise ValueError("a login's token goes into a header or a parameter, expected header or query beside it")
        if self.value is None and self.login is None and places:
            raise ValueError("bearer, basic, oauth and hmac have their own place, expected no header, query or field")
        if self.prefix and not (self.value is not None and self.header):
            raise ValueError("prefix stands before the value of a header, expected value and header beside it")
        return self


# --- what they do to a request ---------------------------------------------------------------------------------------


def credential(  # noqa: PLR0911  # one for each kind
    settings: AuthSettings | None, name: str, context: Context, log_in: Callable[[LoginCall], str]
) -> Auth | None:
    """What the client signs with; None where the body or the connection does (`field_of`, `session_of`)."""
    if settings is None:
        return None
    if settings.value is not None:
        value = settings.value.get_secret_value()
        if settings.query:
            return ApiKey(settings.query, value)
        return Prefixed(settings.header, value, settings.prefix) if settings.header else None
    if settings.bearer is not None:
        return Bearer(settings.bearer.get_secret_value())
    if settings.basic is not None:
        return Basic(settings.basic.user, settings.basic.password.get_secret_value())
    if settings.oauth is not None:
        return _oauth(settings.oauth, name, context)
    if settings.login is None:
        return None
    login = settings.login
    known = tuple(value.get_secret_value() for value in login.body.values())
    made = Login(lambda: log_in(login), header=settings.header or settings.query or "Authorization", known=known)
    return InQuery(made, settings.query) if settings.query else made


def _oauth(keys: OAuthKeys, name: str, context: Context) -> Auth:
    return oauth(
        name, context, keys.token_url, client_id=keys.client_id.get_secret_value(),
        client_secret=keys.client_secret.get_secret_value(),
        refresh_token=keys.refresh_token.get_secret_value() if keys.refresh_token else "",
        fields={name: value.get_secret_value() for name, value in keys.fields.items()}
        | ({"grant_type": keys.grant} if keys.grant else {}),
    )


def field_of(settings: AuthSettings | None) -> dict[str, str]:
    """The field that proves who we are in every body."""
    if settings is None or settings.value is None or not settings.field:
        return {}
    return {settings.field: settings.value.get_secret_value()}


def secrets_of(settings: AuthSettings | None) -> tuple[str, ...]:
    """The secrets that no Auth object holds."""
    if settings is None:
        return ()
    signed = (settings.hmac.secret.get_secret_value(),) if settings.hmac else ()
    return (*field_of(settings).values(), *signed)


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The values of headers that may be keys: of all but those that say how to talk."""
    return tuple(
        value for name, value in headers.items()
        if len(value) >= KEY_LENGTH and not name.lower().startswith(_NO_KEYS)
    )


class Prefixed(Header):
    """A secret in a header after a word of its own, such as `Token token=…`; the word is no secret."""

    def __init__(self, name: str, value: str, prefix: str) -> None:
        super().__init__(name, value)
        self._prefix = prefix

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        headers[self._name] = self._prefix + self._secret


class InQuery:
    """A login whose token is a parameter of the query."""

    def __init__(self, login: Login, name: str) -> None:
        self._login, self._name = login, name

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        carried: dict[str, str] = {}
        self._login.apply(carried, params)
        params[self._name] = carried[self._name]

    def refresh(self) -> bool:
        return self._login.refresh()

    def secrets(self) -> tuple[str, ...]:
        return self._login.secrets()


def session_of(settings: AuthSettings | None, clock: Clock) -> Callable[[], requests.Session] | None:
    """What makes the connections that sign each request as it leaves; None without hmac."""
    if settings is None or settings.hmac is None:
        return None
    keys = settings.hmac
    return lambda: _Signing(keys, clock)


class _Signing(requests.Session):
    """Signs what leaves, byte for byte; each attempt anew, since a signature grows old."""

    def __init__(self, keys: HmacKeys, clock: Clock) -> None:
        super().__init__()
        self._keys, self._clock = keys, clock

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        keys, parts = self._keys, urlsplit(str(request.url))
        body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")
        now = self._clock.now()
        stamp = {"epoch": str(int(now.timestamp())), "epoch_ms": str(int(now.timestamp() * 1000)),
                 "iso": now.isoformat().replace("+00:00", "Z")}[keys.timestamp_format]
        said = {
            "method": str(request.method), "path": parts.path, "query": parts.query, "host": parts.netloc,
            "body_hash": hashlib.new(keys.algorithm, body).hexdigest(), "timestamp": stamp,
        }
        if keys.nonce:
            said["nonce"] = secrets.token_hex(16)
            request.headers[keys.nonce] = said["nonce"]
        if keys.timestamp:
            request.headers[keys.timestamp] = stamp
        signed = b"".join(
            body if piece == "body" else said[piece].encode() if number % 2 else piece.encode()
            for number, piece in enumerate(_HOLE.split(keys.sign))
        )
        made = hmac.new(keys.secret.get_secret_value().encode(), signed, keys.algorithm).digest()
        text = made.hex() if keys.encoding == "hex" else base64.b64encode(made).decode()
        request.headers[keys.header] = keys.prefix + text
        return super().send(request, **kwargs)
