"""The commands of adjustments: what closed periods have become since, and what a person decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.session import Session, command, group

if TYPE_CHECKING:
    from rich.console import Console

_adjustment = group("adjustment", "Adjustments: what closed periods have become since they were closed.")

_Id = Annotated[str, typer.Argument(help="Its id, as the list shows it.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")]
_OptionalReason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")]
_Period = Annotated[str | None, typer.Option("--period", metavar="P", help="Only those of this closed period.")]
_State = Annotated[
    str | None, typer.Option("--state", metavar="STATE", help="Only proposed, deferred, accepted, rejected or noted.")
]


@command(_adjustment)
def adjustments(session: Session, period: _Period = None, state: _State = None) -> int:
    """What closed periods have become since, with the records that caused it."""
    return session.show(session.app.adjustments(period=period, state=state), show)


@command(_adjustment, "list")
def adjustments_list(session: Session, period: _Period = None, state: _State = None) -> int:
    """What closed periods have become since, with the records that caused it."""
    return adjustments(session, period, state)


@command(_adjustment, "accept")
def accept(session: Session, id: _Id, reason: _OptionalReason = None) -> int:
    """It is right: it is paid with the next period that is not closed."""
    return _decide(session, id, "accept", reason)


@command(_adjustment, "reject")
def reject(session: Session, id: _Id, reason: _Reason) -> int:
    """It is not paid; the closed value stands as it was."""
    return _decide(session, id, "reject", reason)


@command(_adjustment, "defer")
def defer(session: Session, id: _Id, reason: _Reason) -> int:
    """Decide later: it follows what is known until then, and no close asks for it."""
    return _decide(session, id, "defer", reason)


def _decide(session: Session, id: str, decision: str, reason: str | None) -> int:
    from connector.cli.tables import decided

    return session.show(session.app.decide_adjustment(id, decision, reason), decided)


def show(console: Console, found: list[dict[str, Any]]) -> None:
    """Adjustments as a table."""
    from rich.table import Table

    if not found:
        console.print("No adjustment: every closed period is as it was closed, or settled.")
        return
    table = Table("id", "period", "KPI", "of whom", "difference", "state", "because of")
    for one in found:
        parts = [one["value"] or f"{one['numerator'] or 0} / {one['denominator'] or 0}", one["currency"] or ""]
        whom = one["subject"]["name"] or one["subject"]["key"]
        state = one["state"] + (f" for {one['posted_to']}" if one["posted_to"] else "")
        cut = ", ".join(one["dimensions"].values())
        kpi = one["kpi"] + (f" ({cut})" if cut else "")
        table.add_row(one["id"], one["period"], kpi, whom, " ".join(parts).strip(), state, _because(one["causes"]))
    console.print(table)


def _because(causes: list[dict[str, Any]]) -> str:
    """The heaviest causes in a line."""
    shown = list(dict.fromkeys(f"{one['entity']} {one['source']}:{one['id']} {one['change']}" for one in causes))
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more
