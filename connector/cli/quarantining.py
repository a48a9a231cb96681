"""The commands of the quarantine: what was set aside and why, and what a person decides about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.session import Session, command, group

if TYPE_CHECKING:
    from rich.console import Console

_quarantine = group("quarantine", "Records that could not be mapped.")

FIRST = 10
"""How many items are listed below their causes."""

_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")]
_OptionalReason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")]
_Item = Annotated[str, typer.Argument(help="SOURCE/STREAM/KEY, as the list shows it.")]
_Items = Annotated[
    list[str] | None, typer.Argument(help="SOURCE/STREAM/KEY, as the list shows it; several, or `all`.")
]
_Causes = Annotated[
    list[str] | None, typer.Option("--cause", metavar="ID", help="Every record of this cause; repeat for several.")
]


@command(_quarantine)
def quarantine(session: Session) -> int:
    """Records set aside: the causes first, with the deals and the money each holds up."""
    return _listed(session, causes=[], every=False)


@command(_quarantine, "list")
def quarantine_list(
    session: Session,
    cause: Annotated[
        list[str] | None, typer.Option("--cause", metavar="ID", help="The records of this cause; repeat for several.")
    ] = None,
    items: Annotated[bool, typer.Option("--items", help="Every record, without the causes.")] = False,
) -> int:
    """Records set aside: the causes first, with the deals and the money each holds up."""
    return _listed(session, causes=cause or [], every=items)


@command(_quarantine, "causes")
def quarantine_causes(session: Session) -> int:
    """Why records are set aside: each cause with its records, deals and money."""
    return session.show(session.app.quarantine_causes(), _causes)


@command(_quarantine, "show")
def quarantine_show(session: Session, item: _Item) -> int:
    """One record set aside: its reason, its page, its content."""
    from connector.cli.tables import document

    return session.show(session.app.quarantine_item(item), document)


@command(_quarantine, "retry")
def quarantine_retry(session: Session, item: _Items = None, cause: _Causes = None) -> int:
    """Map again, after the mapping was mended."""
    from connector.cli.tables import counts

    return session.show(session.app.quarantine_retry(item or [], cause or []), counts)


@command(_quarantine, "accept")
def quarantine_accept(
    session: Session, item: _Items = None, cause: _Causes = None, reason: _OptionalReason = None
) -> int:
    """Known and left as it is: no finding again until the record changes."""
    from connector.cli.tables import counts

    return session.show(session.app.quarantine_decide("accept", item or [], reason, cause or []), counts)


@command(_quarantine, "drop")
def quarantine_drop(session: Session, item: _Items = None, cause: _Causes = None, *, reason: _Reason) -> int:
    """Never wanted: forget the record, with the reason."""
    from connector.cli.tables import counts

    return session.show(session.app.quarantine_decide("drop", item or [], reason, cause or []), counts)


# --- shown -----------------------------------------------------------------------------------------------------------


def _listed(session: Session, *, causes: Sequence[str], every: bool) -> int:
    """The items as JSON; as tables the causes before the first of them, or the items that were asked for."""
    answer = session.app.quarantine(causes=causes)
    if every or causes or not answer.value:
        return session.show(answer, _items)
    why = [] if session.json else session.app.quarantine_causes().value

    def show(console: Console, items: Sequence[Mapping[str, Any]]) -> None:
        _causes(console, why)
        _first(console, items)

    return session.show(answer, show)


def _causes(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    from connector.cli.tables import table, when

    table(
        console, "Quarantine by cause",
        ("cause", "source", "stream", "reason", "pipeline", "stage", "records", "deals", "money", "since", "look at"),
        [
            (
                one["cause"], one["source"], one["stream"], one["reason"], one["pipeline_name"] or one["pipeline"],
                one["stage"], one["records"], one["deals"], money(one["money"]), when(one["since"]),
                f"{one['mapping']['file']}:{one['mapping']['line']}" if one["mapping"] else "",
            )
            for one in found
        ],
    )


def money(found: Sequence[Mapping[str, str]]) -> str:
    """`1,250.50 EUR, 700 VND`."""
    return ", ".join(f"{Decimal(one['amount']):,} {one['currency']}" for one in found)


def _first(console: Console, items: Sequence[Mapping[str, Any]]) -> None:
    from connector.cli.tables import table, when

    first = items[:FIRST]
    table(
        console, f"The first {len(first)} of {len(items):,}" if len(first) < len(items) else "The records",
        ("item", "cause", "since"), [(one["item"], one["cause"], when(one["first_seen_at"])) for one in first],
    )
    if len(first) < len(items):
        console.print("→ connector quarantine list --items  (all of them)")
    console.print(
        "→ mend the mapping: the next sync tries them again by itself. Or: "
        "connector quarantine accept --cause ID, connector quarantine drop --cause ID --reason TEXT"
    )


def _items(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    from connector.cli.tables import table, when

    table(
        console, "Quarantine", ("item", "state", "reason", "since"),
        [(one["item"], one["state"], one["reason"], when(one["first_seen_at"])) for one in found],
    )
