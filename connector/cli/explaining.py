"""`connector explain`: why a KPI value is what it is, down to the record the source sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from connector.cli.asking import AsOf, Basis, By, Option, Period
from connector.cli.session import Session, cli, command

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 20
"""Members printed without `--all`."""

_ROLES = {
    "deal": "deal", "lead": "lead", "won": "won", "lost": "lost", "entered": "entered", "left": "left for",
    "reached": "reached by", "advanced": "got on to", "held": "is in", "amount": "amount", "currency": "currency",
    "probability": "probability", "earlier": "earlier version", "rate": "rate", "sales_order": "order",
}
"""What a row does for the member, where it is not said as in the JSON."""

_Member = Mapping[str, Any]


@command(cli, "explain")
def explain(
    session: Session,
    id: Annotated[str, typer.Argument(help="The KPI.")],
    subject: Annotated[
        str | None,
        typer.Option(metavar="S", help="Employee code, e-mail, team, or source:owner id; not needed for the company."),
    ] = None,
    period: Period = None,
    by: By = None,
    as_of: AsOf = None,
    basis: Basis = "known",
    view: Annotated[
        Literal["frozen", "restated"] | None,
        typer.Option(help="Of a closed period: as it was closed (the default), or as it is today."),
    ] = None,
    option: Option = None,
    all: Annotated[bool, typer.Option("--all", help=f"Every member, not only the {SHOWN} most valuable.")] = False,
) -> int:
    """Why a KPI value is what it is: formula, members, and the page and mapping line each comes from."""
    from connector.cli.values import pairs

    answer = session.app.explain(
        id, subject=subject, period=period, by=pairs(by or [], "--by"), as_of=as_of, basis=basis,
        options=pairs(option or [], "--option"), view=view,
    )
    return session.show(answer, lambda console, value: show(console, value, None if all else SHOWN))


def show(console: Console, value: Mapping[str, Any], most: int | None) -> None:
    """The sentence, the formula, and the members, most valuable first, each with the commands that show its pages."""
    for line in _lines(value, most):
        console.print(line, soft_wrap=True)  # a command that is broken in two cannot be copied


def _lines(value: Mapping[str, Any], most: int | None) -> Iterator[str]:
    yield _sentence(value)
    yield f"  {value['formula']}"
    yield f"  {value['formula_numbers']}"
    if value["target"] is not None:
        yield f"  {_target(value)}"
    if "elapsed" in value:
        yield f"  {_pace(value)}"
    pages = {page["page"]: page for page in value["pages"]}
    members = _merged(value["members"])
    yield ""
    yield f"{len(members):,} members" if len(members) != 1 else "1 member"
    for number, (sides, member) in enumerate(members[:most], 1):
        yield ""
        yield f"{number}. {_part(member) if 'part' in member else _headline(member, sides, value)}"
        yield from (f"   {text}" for text in _rows(member, pages))
    if most is not None and len(members) > most:
        yield ""
        yield f"{len(members) - most:,} more; --all shows them"


def _sentence(value: Mapping[str, Any]) -> str:
    """`won_value of An (NV001) in 2026-01 is 1,000.50 USD, as known at 2026-02-01 10:00:00Z`."""
    from connector.cli.kpis import readable
    from connector.cli.tables import when

    subject = value["subject"]
    is_named = subject["name"] and subject["name"] != subject["key"]
    whose = f"{subject['name']} ({subject['key']})" if is_named else subject["key"]
    parts = "".join(f", {name} {word or 'none'}" for name, word in value["dimensions"].items())
    number = "no data" if value["value"] is None else f"{readable(value, 'value')} {_unit(value)}".rstrip()
    status = "" if value["status"] == "open" else f" ({value['status'].replace('_', ' ')})"
    known_at = f"as known at {when(value['as_of'])}"
    moved = value["restated_value"] not in (None, value["value"])
    today = f"; today it is {readable(value, 'restated_value')}" if moved else ""
    return f"{value['kpi']} of {whose}{parts} in {value['period']} is {number}{status}, {known_at}{today}"


def _target(value: Mapping[str, Any]) -> str:
    """`target 20,000.00 USD, attainment 95.0 %`; – where there is no data, or the target is 0."""
    from connector.cli.kpis import percent, readable

    said = f"{readable(value, 'target')} {_unit(value)}".rstrip()
    return f"target {said}, attainment {percent(value['attainment']) or '–'}"


def _pace(value: Mapping[str, Any]) -> str:
    """`amber; 62.0 % of the period has passed`."""
    from connector.cli.kpis import percent

    passed = f"{percent(value['elapsed'])} of the period has passed"
    return f"{value['colour']}; {passed}" if "colour" in value else passed


def _part(member: _Member) -> str:
    """`kpi won_value · weight 0.600000 · spread weight 1.000000 · level 0.950000 · attainment 0.950000 · …`."""
    said = [" ".join(filter(None, [member["entity"].replace("_", " "), member["source"], member["id"]]))]
    for name, told in member["part"].items():
        if isinstance(told, list):
            said += [", ".join(f"{key} {'–' if one is None else one}" for key, one in item.items()) for item in told]
        elif told is not None:
            said.append(f"{name.replace('_', ' ')} {told}")
    return " · ".join(said)


def _unit(value: Mapping[str, Any]) -> str:
    unit: str = value["currency"] or ("" if value["unit"] in ("0..1", "score") else value["unit"])
    return unit


def _merged(members: Iterable[_Member]) -> list[tuple[list[str], _Member]]:
    """Each member of a term once with its sides, the most valuable first, then the longest, then in order of time."""
    found: dict[tuple[Any, ...], tuple[list[str], _Member]] = {}
    for member in members:
        first = [(row["role"], row["occurred_at"]) for row in member["rows"] if row["role"] != "advanced"]
        names = ("source", "id", "occurred_at", "term", "amount", "share", "duration")
        key = *(member[name] for name in names), str(first)
        found.setdefault(key, ([], member))[0].append(member["side"])
    return sorted(found.values(), key=lambda one: (-_size(one[1], "amount"), -_size(one[1], "duration")))


def _size(member: _Member, field: str) -> Decimal:
    return Decimal(member[field] or 0)


def _headline(member: _Member, sides: Sequence[str], value: Mapping[str, Any]) -> str:
    from connector.cli.tables import when
    from connector.metrics.catalogue import METRICS

    kind = "deal" if member["entity"] == "stage_transition" else member["entity"].replace("_", " ")
    said = [f"{kind} {member['source']}:{member['id']}"]
    if member["name"]:
        said[0] += f" {member['name']!r}"
    if value["denominator"] is not None and value["numerator"] is not None:
        said.append("numerator and denominator" if len(sides) > 1 else f"{sides[0]} only")
    said.append(when(member["occurred_at"]))
    if member["amount"] is not None:
        said.append(f"{Decimal(member['amount']):,} {member['currency']}{_conversion(member)}")
    if member["duration"] is not None:
        said.append(f"{Decimal(member['duration']):,.2f} {METRICS[member['metric']].unit}")
    if member["term"]:
        said.append(f"{member['term']} ({member['metric']})")
    return " · ".join(said)


def _conversion(member: _Member) -> str:
    """` = 5,000.00 EUR × 1.20`, with the probability and share where they are less than the whole."""
    own, factors = member["own"], []
    if own is None:
        return ""
    if own["rate_valid_from"] is not None:
        factors.append(f"{own['rate']} (rate from {own['rate_valid_from']})")
    if own["probability"] is not None:
        factors.append(f"{Decimal(own['probability']).normalize():f} (probability)")
    if member["share"] != "1":
        factors.append(f"{Decimal(member['share']).normalize():f} (share)")
    whole = f"{Decimal(own['amount']):,} {own['currency']}"
    return f" = {' × '.join([whole, *factors])}" if factors else ""


def _rows(member: _Member, pages: Mapping[int, Mapping[str, Any]]) -> Iterator[str]:
    """Each row with the command that shows its record, and each page once with how it was read."""
    shown: set[int | None] = {None}
    for row in member["rows"]:
        yield _row(row)
        if row["page"] is None:
            yield f"   no page: {row['without_page']}"
        else:
            yield f"   connector page show {row['page']} --record {row['record_index']}"
        if row["page"] not in shown:
            yield from (f"   {text}" for text in _requests(pages[row["page"]]))
        shown.add(row["page"])


def _row(row: Mapping[str, Any]) -> str:
    """`won: Closed won, 2026-01-20 02:00:00Z, by o1 · known since … · crm.yaml:12 (version …)`."""
    from connector.cli.tables import when

    said = [str(row[name]) for name in ("stage", "new", "rate") if name in row]
    if row["occurred_at"]:
        said.append(when(row["occurred_at"]))
    if row.get("by"):
        said.append(f"by {row['by']}")
    if row.get("origin", "reported") != "reported":
        said.append(row["origin"])
    told = f": {', '.join(said)}" if said else ""
    mapping = row["mapping"]
    place = f"{mapping['file']}:{mapping['line']}" if mapping["line"] else mapping["file"] or "no mapping"
    role = _ROLES.get(row["role"], row["role"].replace("_", " "))
    return f"{role}{told} · known since {when(row['seen_at'])} · {place} (version {mapping['version']})"


def _requests(page: Mapping[str, Any]) -> Iterator[str]:
    from connector.cli.tables import when

    for request in page["requests"]:
        id_ = f", request id {request['request_id']}" if request["request_id"] else ""
        yield f"read {when(page['read_at'])} by {request['method']} {request['url']}{id_}"
