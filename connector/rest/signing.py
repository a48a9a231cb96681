"""OAuth over HTTP: the token address is asked by a client of its own, since it may be another host than the API's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from connector.answer import Response
from connector.auth import OAuth
from connector.errors import AuthError, RemoteError
from connector.http import Client
from connector.ports import Context

TIMEOUT = 10, 60  # seconds; together less than a lease, so that nobody else begins to renew meanwhile


def oauth(
    system: str,
    context: Context,
    address: str,
    *,
    client_id: str,
    client_secret: str,
    refresh_token: str,
    fields: Mapping[str, str] | None = None,
) -> OAuth:
    """The credential of an app: what RestSource.credential gives where the settings have a refresh token.

    `address` is the whole token address, `fields` what a vendor wants in the form beside the usual ones. An empty
    `refresh_token`: the client asks for itself.
    """

    def ask(form: Mapping[str, str]) -> Any:
        with closing(
            Client(
                address, system=system, context=context, auth=made, timeout=TIMEOUT, attempts=1,
                judge=_refused if refresh_token else _client_refused,
            )
        ) as client:
            # The request that needs the token is tried again, and this with it, also when no answer came: for most
            # vendors the old token is good until the new one is used.
            return client.request("POST", "", data=form, body_text="(the refresh)", signed=False, safe=True).json()

    made = OAuth(
        ask, address=address, context=context, client_id=client_id, client_secret=client_secret,
        refresh_token=refresh_token, fields=fields,
    )
    return made


def _refused(response: Response) -> RemoteError | None:
    if response.status in (400, 401, 403):
        said = response.vendor_message() or f"status {response.status}"
        return response.error(
            AuthError,
            f"the refresh token was refused ({said}); authorise again and put the new refresh token in the config",
        )
    return None


def _client_refused(response: Response) -> RemoteError | None:
    if response.status in (400, 401, 403):
        said = response.vendor_message() or f"status {response.status}"
        return response.error(AuthError, f"the client was refused ({said}); check its id and secret in the config")
    return None
