"""Acme CRM, REST v2, by an API token. Acme is invented: docs/writing-an-adapter.md builds this file."""

from collections.abc import Collection

from pydantic import SecretStr

from connector.auth import Auth, Bearer
from connector.metadata import Metadata, PipelineInfo, StageInfo
from connector.paging import CursorPages
from connector.rest import RestSettings, RestSource, Stream


class AcmeSettings(RestSettings):
    """What stands under the source in config.yaml, beside the common keys."""

    token: SecretStr


class Acme(RestSource):
    """Users, and deals with the history of their stages."""

    Settings = AcmeSettings
    base_url = "https://api.acme.example/v2"
    requests_per_second = 8  # its documented ceiling is 10, shared with the customer's own scripts
    probe = "/users"  # cheap, and its Date header tells Acme's time

    users = Stream(path="/users", records="data", complete=True)
    deals = Stream(
        path="/deals", records="data", one="/deals/{id}",
        cursor="updated_at", since="updated_from", until="updated_to",  # both ends are included
        pages=CursorPages(reads="next", sends="after"),
    )

    def credential(self) -> Auth:
        return Bearer(self.settings.token.get_secret_value())

    def metadata(self, streams: Collection[str]) -> Metadata:
        """The stages of deals, in their order."""
        if "deals" not in streams:
            return Metadata()
        rows = self.client.get("/stages", stream="deals").json()["data"]
        stages = tuple(StageInfo(row["id"], row["name"], row["outcome"]) for row in rows)
        return Metadata(pipelines=(PipelineInfo("sales", "Sales", stages),))
