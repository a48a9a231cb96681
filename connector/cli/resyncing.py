"""The command that reads again: by hand, beside what the schedule does."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from connector.cli.session import Session, cli, command


@command(cli, "resync")
def resync(
    session: Session,
    source: Annotated[str, typer.Argument(help="The source to read again.")],
    stream: Annotated[
        list[str] | None, typer.Option("--stream", metavar="STREAM", help="Only this stream; repeat for several.")
    ] = None,
    id: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="[STREAM:]ID", help="A single record, by default a deal; repeat for several."),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="WHO", help="Of this owner: employee code, e-mail, or the vendor's id.")
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="PIPELINE", help="Deals of this pipeline: its name here, or the vendor's id.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="Changed from this local date on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Changed up to this local date, included.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Everything the source shows.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="The ids of all there is: what is gone, what was missed.")] = False,
    from_landing: Annotated[
        bool, typer.Option("--from-landing", help="Map the landed pages again; the source is not asked.")
    ] = False,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; kept in the audit and with the run.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say what it takes; make no request.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it takes, read, and say what would change; write nothing.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, also where the same was interrupted.")
    ] = False,
    wait: Annotated[
        str, typer.Option("--wait", metavar="TIME", help="How long to wait for another run of a stream: 30s, 5m.")
    ] = "0s",
) -> int:
    """Read an older window, named records, or everything again.

    Which one do I want? A record, an owner's or a pipeline's deals look wrong here and right there: --id, --owner,
    --pipeline. Something was repaired there, or we were blind for a while: --since and --until. Nobody knows what is
    amiss, or deletions are to be found: --full; only who is there: --ids. The mapping changed: --from-landing, which
    asks nobody. Records were set aside, and the mapping is mended: `connector quarantine retry`. The tables themselves
    are in doubt: `connector rebuild`, which makes them again from what was landed. --estimate and --dry-run say
    beforehand what comes of it. Where the next sync goes on is untouched.
    """
    from connector.cli.progress import Progress
    from connector.cli.tables_resync import answered, planned, said
    from connector.cli.values import duration

    asked: dict[str, Any] = {
        "streams": stream or None, "ids": id or [], "owner": owner, "pipeline": pipeline, "since": since,
        "until": until, "full": full, "all_ids": ids, "from_landing": from_landing,
    }
    if estimate:
        return session.show(session.app.plan_resync(source, **asked), planned)

    def announce(plan: dict[str, Any]) -> None:
        if not (session.json or dry_run or from_landing):
            print(f"{source}: {said(plan)}", file=sys.stderr, flush=True)

    seconds = duration(wait, "--wait")
    with Progress(session.json) as progress, session.stopping() as stop:
        answer = session.app.resync(
            source, **asked, restart=restart, reason=reason, dry_run=dry_run, wait=seconds, progress=progress,
            stop=stop, announce=announce,
        )
    return session.show(answer, answered)
