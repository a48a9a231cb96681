"""Acme CRM, REST v2 (API token). Acme is invented: the example of docs/writing-an-adapter.md, run by the tests."""

from __future__ import annotations

from typing import ClassVar

from pydantic import SecretStr

from connector.auth import Auth, Bearer
from connector.paging import CursorPages
from connector.ports import AdapterSettings
from connector.rest import RestSettings, RestSource, Stream


class AcmeSettings(RestSettings):
    """What stands under the source in config.yaml, beside the common keys."""

    token: SecretStr


class Acme(RestSource):
    """Deals and their stage changes."""

    Settings: ClassVar[type[AdapterSettings]] = AcmeSettings
    base_url = "https://api.acme.example/v2"
    requests_per_second = 8  # documented ceiling 10, shared with the customer's own scripts: /v2/limits
    probe = "/ping"

    deals = Stream(
        path="/deals",
        records="data",
        key="id",
        cursor="update_time",  # vendor's clock, whole seconds; read with >=, so repeats are expected
        since="updated_since",
        pages=CursorPages(reads="meta.next", sends="cursor"),
        one="/deals/{id}",
    )
    stage_changes = Stream(
        path="/stage-changes",
        records="data",
        key="id",
        cursor="changed_at",
        since="changed_since",
        pages=CursorPages(reads="meta.next", sends="cursor"),
    )

    def credential(self) -> Auth:
        return Bearer(self.settings.token.get_secret_value())
