"""The commands of periods: list, close, reopen, export, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.session import Session, command, group
from connector.cli.values import UsageError

if TYPE_CHECKING:
    from rich.console import Console

_period = group("period", "Periods: close them, and prove that they stay closed.")

_Name = Annotated[str, typer.Argument(metavar="P", help="2026-10, 2026-W41, 2026-Q4 or FY2027-Q3, 2026 or FY2027.")]


@command(_period)
def periods(session: Session) -> int:
    """Periods that were closed, and those that can be closed next."""
    return session.show(session.app.periods(), _list)


@command(_period, "list")
def periods_list(session: Session) -> int:
    """Periods that were closed, and those that can be closed next."""
    return periods(session)


@command(_period, "close")
def close(
    session: Session,
    period: _Name,
    force: Annotated[
        bool, typer.Option("--force", help="Close it although something is missing; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the seal.")] = None,
) -> int:
    """Freeze a period's values and seal them, if everything is in."""
    return session.show(session.app.close_period(period, force=force, reason=reason), _closed)


@command(_period, "reopen")
def reopen(
    session: Session,
    period: _Name,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")],
) -> int:
    """Open the latest closed period again.

    Its seal stays; closing it again makes the next one.
    """
    from connector.cli.tables import decided

    return session.show(session.app.reopen_period(period, reason), decided)


@command(_period, "edits")
def edits(session: Session, period: _Name) -> int:
    """What was edited in the CRM after the period was closed: by whom, when, and what it moves."""
    return session.show(session.app.edits(period), show_edits)


@command(_period, "export")
def export(
    session: Session,
    period: _Name,
    file: Annotated[str, typer.Argument(help="The file to write: all values, members and salts of the seal.")],
    seal: Annotated[int | None, typer.Option("--seal", min=1, help="An earlier seal than the latest.")] = None,
) -> int:
    """Write a sealed period to a file that can be verified without this installation."""
    from connector.cli.tables import decided

    return session.show(session.app.export_period(period, file, seal), decided)


@command(_period, "verify")
def verify(
    session: Session,
    period: Annotated[
        str | None, typer.Argument(metavar="[P]", help="Only this period's values; the chain in any case.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="An export; needs no config and no store.")
    ] = None,
) -> int:
    """Whether sealed values are still what was sealed, and the chain of seals is whole."""
    if file is None:
        return session.show(session.app.verify_period(period), _verified)
    if period is not None:
        raise UsageError("--file names the export, which says its period itself; leave the period out")
    from pathlib import Path

    from connector import seal
    from connector.config.beside import read_bytes
    from connector.wiring import Answer

    found = seal.verified(read_bytes(Path(file)))
    return session.show(Answer(found, 0 if found["status"] == "ok" else 1), _verified)


def _list(console: Console, found: Any) -> None:
    from connector.cli.tables import table, when

    def seal_at(one: Any) -> str:
        return when(one["seals"][-1]["sealed_at"]) if one["seals"] else ""

    table(
        console, "Periods", ("period", "every", "state", "seal", "sealed", "by force", "closes by itself"),
        [
            (one["period"], one["every"], one["state"], one["seal"], seal_at(one),
             "yes" if one["seals"] and one["seals"][-1]["forced"] else "", when(one["closes_at"]))
            for one in found
        ],
    )


def _closed(console: Console, done: Any) -> None:
    for finding in done["findings"]:
        console.print(finding)
    if done["state"] == "closed":
        forced = " by force" if done["findings"] else ""
        console.print(f"{done['period']} is closed{forced}: seal {done['seal']} over {done['values']} values")
        console.print(done["hash"])
        for kpi, at in done["waiting"].items():
            later = f"until its horizon is reached at {at}" if at else "and is never frozen, since it has no horizon"
            console.print(f"{kpi} stays open {later}")
    else:
        console.print(f"{done['period']} was not closed")


def show_edits(console: Console, found: Any) -> None:
    """Records edited after a close, each with its edits and what they move."""
    if not found:
        console.print("Nothing that counts was edited since.")
    for record in found:
        name = f" {record['name']}" if record["name"] else ""
        console.print(f"{record['entity']} {record['source']}:{record['id']}{name}")
        for edit in record["edits"]:
            change = f"{edit['what']}: {edit['old'] if edit['old'] is not None else '-'} → {edit['new']}"
            who = edit["by_name"] or edit["by"]
            happened = f", {edit['happened_at']}" if edit["happened_at"] else ""
            by = f", by {who}" if who else ""
            console.print(f"  {change}{happened}{by}; known since {edit['known_at']}, page {edit['page']}")
        for move in record["moves"]:
            whom = move["subject"]["name"] or move["subject"]["key"]
            money = f" {move['money']} {move['currency']}" if move["money"] else ""
            console.print(f"  moves {move['kpi']} of {whom}:{money} {move['change']} ({move['state']})")


def _verified(console: Console, found: Any) -> None:
    for fault in found["faults"]:
        console.print(fault)
    erased = f", {found['erased']} of them erased" if found["erased"] else ""
    verdict = "all of it holds" if found["status"] == "ok" else "BROKEN"
    console.print(f"seals: {found['seals']}, values: {found['values']}{erased}; {verdict}")
    if found.get("hash"):
        console.print(f"{found['period']} seal {found['number']} of {found['sealed_at']}, hash {found['hash']}")
