"""config.yaml: a first one, and another source in one that is there. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from connector.errors import ConfigError, Fault
from connector.metadata import Metadata, OwnerInfo
from connector.starting.writing import (
    Text,
    block,
    entries,
    first_line,
    indent,
    is_comment,
    is_flow,
    last_line,
    quoted,
    reads,
    remarked,
    root,
    scalar,
)

HEAD = """\
# yaml-language-server: $schema={schema}
# Written by `connector init`; a later one only adds. Every key is explained in docs/config.md and config.example.yaml.
# ${{VAR}} is filled in from the environment: no secret stands here. `connector check` tries it all.

"""
PEOPLE = "employee_code,email,owner,name"
EXAMPLE = "people.example.csv"


def source_lines(name: str, adapter: str, mapping: str, settings: Mapping[str, Any], *, schedule: str) -> list[str]:
    """A source under `sources:`."""
    common = {"adapter": adapter, "mapping": mapping}
    lines = block({name: {**common, **settings}}, 2)
    if "schedule" not in settings:
        lines.insert(3, f"    schedule: {quoted(schedule)}  # when `connector run` reads it: crontab, in `timezone`")
    return lines


def first(
    schema: str, timezone: str, currency: str, source: Sequence[str], kpis: Sequence[Mapping[str, Any]],
    destination: str, others: Sequence[str] = (),
) -> str:
    """A config with one source, KPIs and a destination for them. `others`: more currencies that amounts may be in.

    A zone or a currency that is not known is left out.
    """
    head = [(f"timezone: {scalar(timezone)}", "periods and schedules are in it")] if timezone else []
    if currency:
        head.append((f"currency: {scalar(currency)}", "reporting currency; every amount keeps its own as well"))
    head.append(("# people: people.csv", f"who sells: {EXAMPLE} with your employee codes in it; docs/config.md#people"))
    if others:
        said = f"rates of {', '.join(others)}: without one its money is left out of sums"
        head.append(("# fx: {file: fx.csv}", said))
    listed = [f"  - {_flow(one)}" for one in kpis]
    lines = [
        *remarked(head), "", "sources:", *source, "", "destinations:", f"  {destination}:", "    adapter: file",
        '    path: "out/kpi-{period}.csv"', "", *(["kpis:", *listed] if listed else ["# kpis: see docs/kpis.md"]),
    ]
    return HEAD.format(schema=schema) + "".join(f"{line}\n" for line in lines)


def with_source(text: str, lines: Sequence[str], file: str) -> str:
    """A config with one more source behind the last one. Raises ConfigError where its sources stand in braces."""
    sources = entries(root(text)).get("sources")
    inside = entries(sources[1]) if sources else {}
    if sources is None or not inside or is_flow(sources[1]):
        line = first_line(sources[0]) + 1 if sources else 0
        said = "stand in braces, expected one below the other; write them so, or add the new one by hand"
        raise ConfigError([Fault(file, line, "sources", said)])
    made, margin = Text(text), next(iter(inside.values()))[0].start_mark.column
    at = last_line(sources[1]) + 1
    while at < len(made.lines) and is_comment(made.lines[at]) and indent(made.lines[at]) >= margin:
        at += 1
    made.insert(at, [f"{' ' * (margin - 2)}{line}" for line in lines])
    return made.made()


def kpis(mapping: str, destination: str) -> list[dict[str, Any]]:
    """KPIs that work with what a mapping fills; none that it has nothing for."""
    filled: dict[str, set[str]] = {}
    for entry in reads(mapping).get("entities") or ():
        if isinstance(entry, dict):
            filled.setdefault(str(entry.get("entity")), set()).update(entry.get("fields") or ())
    deal, made = filled.get("deal", set()), list[dict[str, Any]]()
    whose = "person" if "owner" in deal else "company"
    if "stage" in deal or "outcome" in deal:
        value = "won_value" if "amount" in deal else "won_count"
        made.append({"id": value, "metric": value, "per": whose, "every": "month", "push": [destination]})
        rate = {"id": "win_rate", "metric": "win_rate_count", "per": whose, "every": "month", "push": [destination]}
        made.append(rate)
        pipeline = {"id": "open_pipeline", "metric": "open_pipeline", "per": "company", "every": "month"}
        made.append(pipeline if "amount" in deal else {**pipeline, "options": {"measure": "count"}})
    if "stage_transition" in filled or "stage" in deal:
        made.append({"id": "conversion", "metric": "stage_conversion", "per": "company", "every": "quarter"})
    if "created_at" in filled.get("lead", ()):
        made.append({"id": "leads", "metric": "lead_volume", "per": "company", "every": "month"})
    return made


def people(source: str, owners: Sequence[OwnerInfo], text: str = "") -> str:
    """A people table with the owners of a source, whose employee codes HR has to fill in; those in `text` stay."""
    known = {row.get("owner") for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))}
    new = [one for one in owners if one.active and f"{source}:{one.id}" not in known]
    if not new:
        return text
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerows(["", one.email, f"{source}:{one.id}", one.name] for one in new)
    before = text if text else f"{PEOPLE}\n"
    return f"{before}{'' if before.endswith(chr(10)) else chr(10)}{lines.getvalue()}"


def other_currencies(told: Metadata, currency: str) -> list[str]:
    """What amounts may be in beside the reporting currency."""
    return [one for one in told.currencies if one != currency]


def _flow(given: Mapping[str, Any]) -> str:
    said = (f"{key}: [{', '.join(value)}]" if isinstance(value, list) else f"{key}: {_inner(value)}"
            for key, value in given.items())
    return f"{{{', '.join(said)}}}"


def _inner(value: Any) -> str:
    return _flow(value) if isinstance(value, dict) else scalar(str(value))
