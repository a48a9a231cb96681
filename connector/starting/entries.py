"""A first mapping for a source that we ship none for: entries of the fields whose names leave no doubt. Pure.

Each is marked as guessed, and every other field stands below as a comment. A stage is only mapped where the source
tells its pipelines, or the words a stage field may hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.metadata import FieldInfo, Metadata, PipelineInfo, StageInfo
from connector.starting.fields import offers, slug
from connector.starting.pipelines import is_readable
from connector.starting.writing import remark, remarked, scalar

STREAMS: Mapping[str, tuple[str, ...]] = {
    "owner": ("owners", "owner", "users", "user", "employees", "sellers", "salespeople", "nhan_vien"),
    "account": ("accounts", "account", "companies", "company", "customers", "organizations", "khach_hang"),
    "lead": ("leads", "lead", "dau_moi"),
    "deal": ("deals", "deal", "opportunities", "opportunity", "co_hoi"),
}
"""What streams of each entity are called."""

NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "owner": {
        "email": ("email", "email_address", "work_email", "mail"), "name": ("name", "full_name", "display_name", "ten"),
        "active": ("active", "is_active"),
    },
    "account": {
        "name": ("name", "company_name", "ten"), "domain": ("domain",), "owner": ("owner", "owner_id"),
        "created_at": ("created_at", "createdat", "create_date", "createdate", "created_on", "date_created"),
    },
    "lead": {
        "created_at": ("created_at", "createdat", "create_date", "createdate", "created_on", "date_created"),
        "status": ("status", "trang_thai"), "source": ("source", "lead_source", "nguon"),
        "owner": ("owner", "owner_id"), "account": ("account", "account_id", "company_id"), "deal": ("deal_id",),
    },
    "deal": {
        "name": ("name", "title", "deal_name", "dealname", "subject", "ten"),
        "stage": ("stage", "stage_id", "deal_stage", "dealstage", "giai_doan"), "pipeline": ("pipeline", "pipeline_id"),
        "created_at": (
            "created_at", "createdat", "create_date", "createdate", "created_on", "date_created", "ngay_tao",
        ),
        "amount": ("amount", "value", "deal_value", "gia_tri"),
        "owner": ("owner", "owner_id", "nguoi_phu_trach"),
        "account": ("account", "account_id", "company", "company_id", "customer_id"),
        "closed_at": ("closed_at", "closedat", "closed_on", "date_closed", "ngay_dong"),
        "expected_close_on": ("expected_close_on", "expected_close", "expected_close_date"),
        "lost_reason": ("lost_reason", "loss_reason", "ly_do_mat"), "probability": ("probability",),
    },
}
"""What fields are called, in the small letters of `slug`. A field that two of the source's could be is left open."""

KEYS = ("id", "key", "{entity}_id", "ma")
CURRENCIES = ("currency", "currency_code", "deal_currency", "currency_id", "tien_te")
STATUSES = ("status", "trang_thai")


@dataclass(frozen=True, slots=True)
class Draft:
    """A mapping's entries, as lines, and the pipelines they lead through. `guessed`: (entity, stream, field, path)."""

    lines: list[str]
    pipelines: list[PipelineInfo]
    guessed: list[tuple[str, str, str, str]]
    left: list[tuple[str, str]]


def draft(told: Metadata, streams: Sequence[str]) -> Draft:
    """The entries for these streams of a source."""
    made = Draft([], list(told.pipelines), [], [])
    for stream in streams:
        fields = list(told.fields.get(stream, {}).values())
        entity = next((entity for entity, names in STREAMS.items() if slug(stream) in names), None)
        key = _one(fields, [one.format(entity=entity) for one in KEYS])
        made.lines.extend(["", *(_entry(made, told, entity, stream, key, fields) if entity and key else
                                 _unknown(made, entity, stream, fields))])
    return made


def _unknown(made: Draft, entity: str | None, stream: str, fields: Sequence[FieldInfo]) -> list[str]:
    """What is said of a stream that no entry is drafted for."""
    made.left.extend((stream, one.path) for one in fields)
    why = f"no field of it is surely the key of {entity}" if entity else "its name does not say what it holds"
    return [
        f"  # - entity: {entity or 'deal'}  # {why}; owner, account, lead, deal, activity, …: docs/mapping.md",
        f"  #   stream: {scalar(stream)}", "  #   key: ???", "  #   fields:",
        *(f"  #     {line}" for line in offers(fields, {})),
    ]


def _entry(
    made: Draft, told: Metadata, entity: str, stream: str, key: FieldInfo, fields: Sequence[FieldInfo]
) -> list[str]:
    """One entry: what is sure of it, and the rest as comments."""
    guessed = {name: one for name, names in NAMES[entity].items() if (one := _one(fields, names)) is not None}
    if entity == "deal" and "stage" not in guessed and (status := _one(fields, STATUSES)) is not None:
        guessed["stage"] = status
    lines, waiting, used = list[tuple[str, str]](), list[str](), {key.path}
    for name, one in guessed.items():
        text, lacks = f"{name}: {scalar(one.path)}", ""
        if entity == "deal":
            text, lacks = _rule(made, told, stream, name, one, fields, used)
        used.add(one.path)
        if lacks:
            waiting.append(f"# {text}  # {lacks}")
            made.left.append((stream, one.path))
        else:
            lines.append((text, f"guessed: {_words(one)}"))
            made.guessed.append((entity, stream, name, one.path))
    rest = [one for one in fields if one.path not in used]
    made.left.extend((stream, one.path) for one in rest)
    return [
        f"  - entity: {entity}", f"    stream: {scalar(stream)}",
        f"    key: {scalar(key.path)}  # guessed: {remark(_words(key))}",
        *([] if lines else ["    fields: {}"]), *(["    fields:"] if lines else []),
        *(f"      {line}" for line in remarked(lines)),
        *(f"      {line}" for line in (*waiting, *offers(rest, {}))),
    ]


def _rule(
    made: Draft, told: Metadata, stream: str, name: str, one: FieldInfo, fields: Sequence[FieldInfo], used: set[str]
) -> tuple[str, str]:
    """The line of a deal's field, and what it lacks: a comment until somebody has said it."""
    text = f"{name}: {scalar(one.path)}"
    if name == "amount":
        currency = _one(fields, CURRENCIES)
        inner = scalar(currency.path) if currency else f"{{const: {told.currency or '???'}}}"
        used |= {currency.path} if currency else set()
        said = "" if currency or told.currency else "say in which currency it is"
        return f"amount: {{path: {scalar(one.path)}, currency: {inner}}}", said
    if name not in ("stage", "pipeline"):
        return text, ""
    if name == "stage" and one.options and not any(each.stream == stream for each in made.pipelines):
        stages = [StageInfo(id_, label or id_) for id_, label in one.options.items()]
        made.pipelines.append(PipelineInfo(stream, stream, stages, stream))
    is_known = any(each.stream == stream and is_readable(each) for each in made.pipelines)
    return text, "" if is_known else "once pipelines: above says what its values stand for"


def _one(fields: Sequence[FieldInfo], names: Sequence[str]) -> FieldInfo | None:
    """The only field that is called so; the first of these names that any has decides."""
    for name in names:
        found = [one for one in fields if slug(one.path.rpartition(".")[2]) == name]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _words(one: FieldInfo) -> str:
    return f"{one.label} ({one.type})" if one.label else f"its name, {one.type}"
