"""Commands that do the work: demo, sync, resync, rebuild, push, run."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from connector.cli.session import Session, cli, command

_Streams = Annotated[
    list[str] | None, typer.Option("--stream", metavar="STREAM", help="Only this stream; repeat for several.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write and send nothing.")]
_Wait = Annotated[
    str, typer.Option("--wait", metavar="TIME", help="How long to wait for another run of the same: 30s, 5m.")
]


@command(cli, "demo")
def demo(
    session: Session,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End after the summary instead of staying up.")] = False,
) -> int:
    """Show the whole job on a bundled CRM and HR: no account."""
    from connector.cli import demo as demonstration

    session.log()
    return demonstration.run(serve=not no_serve, json=session.json)


@command(cli, "sync")
def sync(
    session: Session,
    source: Annotated[list[str] | None, typer.Argument(help="Sources to pull; all when none is named.")] = None,
    stream: _Streams = None,
    no_push: Annotated[bool, typer.Option("--no-push", help="Do not deliver to destinations.")] = False,
    dry_run: _DryRun = False,
    wait: _Wait = "0s",
) -> int:
    """Pull what changed, compute the KPIs, deliver them."""
    from connector.cli.progress import Progress
    from connector.cli.tables import summary
    from connector.cli.values import duration

    seconds = duration(wait, "--wait")
    with Progress(session.json) as progress, session.stopping() as stop:
        answer = session.app.sync(
            source or [], streams=stream or None, push=not no_push, dry_run=dry_run, wait=seconds,
            progress=progress, stop=stop,
        )
    return session.show(answer, summary)


@command(cli, "rebuild")
def rebuild(session: Session) -> int:
    """Make the ledger again from the journal.

    The journal is the landed pages, the file versions and the decisions; no source is asked.
    """
    from connector.cli.progress import Progress
    from connector.cli.tables import counts

    with Progress(session.json) as progress:
        answer = session.app.rebuild(progress=progress)
    return session.show(answer, counts)


@command(cli, "push")
def push(
    session: Session,
    destination: Annotated[list[str] | None, typer.Argument(help="Destinations; all when none is named.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read back all that was confirmed: what somebody changed there.")
    ] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take back all that is no value any more, beyond guard.shrink too.")
    ] = False,
    dry_run: _DryRun = False,
) -> int:
    """Deliver what is owed."""
    from connector.cli.progress import Progress
    from connector.cli.tables import summary

    with Progress(session.json) as progress, session.stopping() as stop:
        answer = session.app.push(
            destination or [], dry_run=dry_run, verify=verify, withdraw=withdraw, progress=progress, stop=stop
        )
    return session.show(answer, summary)


@command(cli, "run")
def run(session: Session) -> int:
    """Sync and push on the schedules of the config.

    SIGTERM and Ctrl-C end it after the batch at hand, within 10 seconds.
    """
    from connector.cli.tables import decided

    app = session.app
    session.log(talkative=True)
    if not session.json:
        print("Running; Ctrl-C stops after the batch at hand.", file=sys.stderr)
    with session.stopping() as stop:
        return session.show(app.run(stop=stop), decided)
