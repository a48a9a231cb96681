"""Commands by which a person decides: safety stops, deliveries, pausing; `quarantining` has those of the quarantine."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from connector.cli.session import Session, cli, command, group

_stops = group("stops", "Safety stops: answers too implausible to apply unseen.")
_deliveries = group("deliveries", "What is owed to destinations, and what became of it.")

_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")]
_OptionalReason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")]
_Id = Annotated[str, typer.Argument(help="Its id, as the list shows it.")]
_Delivery = Annotated[str, typer.Argument(help="The delivery's key, as the list shows it.")]
_DestinationName = Annotated[str | None, typer.Option("--destination", metavar="DEST", help="Only this destination.")]
_State = Annotated[str | None, typer.Option("--state", metavar="STATE", help="Only those in this state.")]


@command(_stops)
def stops(session: Session) -> int:
    """Safety stops that wait for a decision."""
    from connector.cli.tables import stops

    return session.show(session.app.stops(), stops)


@command(_stops, "list")
def stops_list(session: Session) -> int:
    """Safety stops that wait for a decision."""
    return stops(session)


@command(_stops, "accept")
def stops_accept(session: Session, id: _Id, reason: _OptionalReason = None) -> int:
    """The answer is right: apply it, with the deletions it means."""
    from connector.cli.tables import decided

    return session.show(session.app.accept_stop(id, reason), decided)


@command(_stops, "refuse")
def stops_refuse(session: Session, id: _Id, reason: _Reason) -> int:
    """The answer is wrong: apply nothing of it."""
    from connector.cli.tables import decided

    return session.show(session.app.refuse_stop(id, reason), decided)


@command(cli, "pause")
def pause(
    session: Session, name: Annotated[str, typer.Argument(help="A source or destination.")], reason: _Reason
) -> int:
    """Leave a source or destination out of every run, until resumed."""
    from connector.cli.tables import decided

    return session.show(session.app.pause(name, reason), decided)


@command(cli, "resume")
def resume(
    session: Session,
    name: Annotated[str, typer.Argument(help="A source or destination.")],
    reason: _OptionalReason = None,
) -> int:
    """Take a paused source or destination in again."""
    from connector.cli.tables import decided

    return session.show(session.app.resume(name, reason), decided)


@command(_deliveries)
def deliveries(session: Session, destination: _DestinationName = None, state: _State = None) -> int:
    """What is owed to each destination and in which state."""
    from connector.cli.tables import deliveries

    return session.show(session.app.deliveries(destination, state), deliveries)


@command(_deliveries, "list")
def deliveries_list(session: Session, destination: _DestinationName = None, state: _State = None) -> int:
    """What is owed to each destination and in which state."""
    return deliveries(session, destination, state)


@command(_deliveries, "show")
def deliveries_show(session: Session, key: _Delivery) -> int:
    """One delivery: what was sent and every answer to it."""
    from connector.cli.tables import document

    return session.show(session.app.delivery(key), document)


@command(_deliveries, "retry")
def deliveries_retry(
    session: Session,
    key: Annotated[list[str] | None, typer.Argument(help="Deliveries; all refused and dead ones when none.")] = None,
    destination: _DestinationName = None,
    state: _State = None,
) -> int:
    """Owe refused or dead deliveries again; the next push sends them."""
    from connector.cli.tables import counts

    return session.show(session.app.retry_deliveries(key or [], destination, state), counts)


@command(_deliveries, "resolve")
def deliveries_resolve(
    session: Session,
    key: Annotated[
        list[str] | None, typer.Argument(help="Deliveries; all unanswered ones of --destination when none.")
    ] = None,
    *,
    outcome: Annotated[
        Literal["confirmed", "owed"],
        typer.Argument(help="What you found at the destination: confirmed = the value is there, owed = it is not."),
    ],
    reason: _Reason,
    destination: _DestinationName = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="unanswered, or drifted: those changed there.")
    ] = None,
) -> int:
    """Say what became of unanswered deliveries."""
    from connector.cli.tables import decided

    return session.show(session.app.resolve_deliveries(key or [], outcome, reason, destination, state), decided)
