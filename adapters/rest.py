"""REST, all in YAML: any HTTP API that takes KPI values, described by `connector.rest.grammar`."""

from __future__ import annotations

from connector.rest.destination import RestDestination


class Rest(RestDestination):
    """A REST destination with nothing of its own: everything particular to it stands in the config."""
