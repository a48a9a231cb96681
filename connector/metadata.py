"""What a source tells of itself while it runs: its pipelines and stages, its fields, its people, its currencies.

`connector init` writes a first mapping from it, `mapping lint` and each sync compare the mapping with it. Nothing here
is knowledge of a deal, and no KPI is computed from it. A source tells what it can; an empty part means "not told".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

FieldType = Literal["text", "number", "datetime", "date", "boolean", "choice", "choices", "reference", "list", "other"]
"""choice: one of `options`; choices: several of them; list: a nested list, such as a history."""


@dataclass(frozen=True, slots=True)
class StageInfo:
    """A stage as the source has it. `id` is what records hold. `outcome`: what the source itself says a deal in it is,
    None where it does not say; `probability` 0..1."""

    id: str
    name: str
    outcome: Literal["open", "won", "lost"] | None = None
    probability: Decimal | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class PipelineInfo:
    """A pipeline with its stages in the source's order. `stream` is the stream whose records go through it."""

    id: str
    name: str
    stages: Sequence[StageInfo]
    stream: str = "deals"
    archived: bool = False


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field of a stream's records. `path` is the dotted path to it in a record as a mapping writes it.

    `options`: for a choice, the words for people by the value that records hold. `own`: the customer's own field, not
    one that every account has. `is_read`: whether it is asked for with the source's settings as they are; one that is
    not has no value in any record. `is_guessed`: the type is what its values look like, which the next one may not.
    """

    path: str
    label: str = ""
    type: FieldType = "other"
    options: Mapping[str, str] = field(default_factory=dict)
    own: bool = False
    is_read: bool = True
    is_guessed: bool = False


@dataclass(frozen=True, slots=True)
class OwnerInfo:
    """One of the source's users who may own deals."""

    id: str
    email: str = ""
    name: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a source tells of itself; `currency` is its home currency, `currencies` all that amounts may be in.

    `fields` by stream and path; a stream that is absent tells none, which is not the same as having none.
    """

    pipelines: Sequence[PipelineInfo] = ()
    fields: Mapping[str, Mapping[str, FieldInfo]] = field(default_factory=dict)
    owners: Sequence[OwnerInfo] = ()
    currency: str | None = None
    currencies: Sequence[str] = ()
