"""JSON over HTTP: the declarative base of most sources (`source`), and the destination all in YAML (`destination`)."""

from connector.rest.signing import oauth
from connector.rest.source import RestSettings, RestSource, Stream, written

__all__ = ["RestSettings", "RestSource", "Stream", "oauth", "written"]
