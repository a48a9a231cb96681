"""Commands over mapping files: how records become entities, tried before anything is applied."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from connector.cli.session import Session, command, group

mapping = group("mapping", "Mapping files: how records become entities.")

MOST_MOVED = 20  # values that `diff` prints unless asked for all


@command(mapping, "test")
def mapping_test(
    session: Session,
    source: Annotated[list[str] | None, typer.Argument(help="Sources; all when none is named.")] = None,
    record: Annotated[
        list[str] | None,
        typer.Option("--record", metavar="[STREAM:]ID", help="Write this landed record into the file first, as a case "
                     "without personal data; repeat for several."),
    ] = None,
) -> int:
    """Run the `tests:` of the mapping files."""
    from connector.cli.tables import mapping_tests

    return session.show(session.app.mapping_tests(source or [], record or []), mapping_tests)


@command(mapping, "preview")
def mapping_preview(
    session: Session,
    source: Annotated[str, typer.Argument(help="Whose records.")],
    stream: Annotated[str | None, typer.Option("--stream", metavar="S", help="Of this stream; else of deals.")] = None,
    id: Annotated[
        list[str] | None, typer.Option("--id", metavar="[STREAM:]X", help="This record; repeat for several.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest.")] = 5,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="By this mapping file, not by the one of the config.")
    ] = None,
) -> int:
    """Landed records beside what they become, with the line that did it; nothing is asked and nothing is written."""
    from connector.cli.previewing import show

    return session.show(session.app.mapping_preview(source, stream=stream, ids=id or [], limit=limit, file=file), show)


@command(mapping, "lint")
def mapping_lint(
    session: Session,
    source: Annotated[list[str] | None, typer.Argument(help="Sources; all when none is named.")] = None,
    from_landing: Annotated[
        bool, typer.Option("--from-landing", help="Ask no source: what is landed, and what it last told.")
    ] = False,
) -> int:
    """What mappings and sources differ in: stages, values and fields, with the deals, money and KPIs concerned."""
    from connector.cli.drifts import show

    return session.show(session.app.mapping_lint(source or [], from_landing=from_landing), show)


@command(mapping, "diff")
def mapping_diff(
    session: Session,
    new: Annotated[str, typer.Argument(metavar="NEW", help="A mapping, a config, or a table beside it.")],
    source: Annotated[str | None, typer.Option("--source", metavar="S", help="Whose mapping it is.")] = None,
    kind: Annotated[
        Literal["mapping", "config", "people", "targets", "fx", "holidays", "okrs", "ask"] | None,
        typer.Option("--as", help="What it is, where its keys or columns do not tell."),
    ] = None,
    max_shift: Annotated[
        str | None, typer.Option("--max-shift", metavar="SHARE", help="Exit 1 if a KPI moves by more, such as 1%.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", help=f"Every value, not only the {MOST_MOVED} that move most.")] = False,
) -> int:
    """What a changed file would do to every KPI value, open and closed; nothing of it is applied."""
    from functools import partial

    from connector.cli.diffs import show
    from connector.cli.values import share

    limit = None if max_shift is None else share(max_shift, "--max-shift")
    answer = session.app.mapping_diff(new, source=source, kind=kind, limit=limit)
    return session.show(answer, partial(show, most=None if all else MOST_MOVED))


@command(mapping, "schema")
def mapping_schema(_session: Session) -> int:
    """The JSON Schema of mapping files, for editors."""
    from connector.app import mapping_schema
    from connector.cli.session import print_json

    print_json(mapping_schema())
    return 0
