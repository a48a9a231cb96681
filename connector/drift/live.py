"""A mapping beside what its source tells of itself. Pure."""

from __future__ import annotations

from collections.abc import Collection

from connector.drift import fields, stages
from connector.drift.fields import Types
from connector.drift.finding import Finding
from connector.mapping import Mapping as SourceMapping
from connector.metadata import Metadata


def compare(
    source_mapping: SourceMapping, metadata: Metadata, known: Types | None = None, settings: Collection[str] = ()
) -> list[Finding]:
    """Everything in which the two differ, in no order; nothing of what the source does not tell.

    `known`: the types of fields as they once were. `settings`: the keys of the source's settings.
    """
    found = [
        *stages.compare(source_mapping, metadata),
        *fields.missing(source_mapping, metadata, known, settings),
        *fields.unreadable(source_mapping, metadata, known),
    ]
    return list({one.key: one for one in reversed(found)}.values())[::-1]
