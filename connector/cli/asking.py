"""Commands that only look: status, runs, kpi, page."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from connector.cli.session import Session, cli, command, group

_runs = group("runs", "What happened: past runs and what each did.")
_page = group("page", "Landed pages: what a source sent.")

_Limit = Annotated[int, typer.Option("--limit", min=1, help="How many runs, the newest first.")]


# What both `kpi` and `explain` ask.
Period = Annotated[
    str | None, typer.Option(metavar="P", help="2026-10, 2026-10-31, 2026-W41, FY2027-Q3; default the current one.")
]
By = Annotated[list[str] | None, typer.Option(metavar="K=V", help="Only this part; repeat for several.")]
AsOf = Annotated[
    str | None, typer.Option(metavar="T", help="As it was known then: a local date or time, or one with a zone.")
]
Basis = Annotated[
    Literal["known", "reconstructed"],
    typer.Option(help="What was known then, or what is known now of what had happened by then."),
]
Option = Annotated[
    list[str] | None, typer.Option(metavar="K=V", help="Another option of the metric, such as credit=split.")
]


@command(cli, "status")
def status(session: Session) -> int:
    """How fresh each source is, and what waits for somebody."""
    from connector.cli.tables import status

    return session.show(session.app.status(), status)


@command(_runs)
def runs(session: Session, limit: _Limit = 20) -> int:
    """What happened: past runs and what each did."""
    from connector.cli.tables import runs

    return session.show(session.app.runs(limit), runs)


@command(_runs, "list")
def runs_list(session: Session, limit: _Limit = 20) -> int:
    """The last runs."""
    return runs(session, limit)


@command(_runs, "show")
def runs_show(session: Session, id: Annotated[str, typer.Argument(help="The run's id.")]) -> int:
    """One run: each stream and destination, errors, the next step."""
    from connector.cli.tables import summary

    return session.show(session.app.show_run(id), summary)


@command(cli, "kpi")
def kpi(
    session: Session,
    id: Annotated[str | None, typer.Argument(help="The KPI; all when none is named.")] = None,
    period: Period = None,
    subject: Annotated[
        str | None, typer.Option(metavar="S", help="Employee code, e-mail, team, or source:owner id.")
    ] = None,
    by: By = None,
    as_of: AsOf = None,
    basis: Basis = "known",
    view: Annotated[
        Literal["frozen", "restated", "payable"] | None,
        typer.Option(help="As it was closed (the default), as it is today, or with the adjustments paid with it."),
    ] = None,
    option: Option = None,
    format: Annotated[Literal["table", "json", "csv"], typer.Option(help="How to print.")] = "table",
) -> int:
    """KPI values, now or as they were known at a past moment."""
    from connector.cli.kpis import csv_text, tables
    from connector.cli.values import pairs

    answer = session.app.kpi(
        id, period=period, subject=subject, by=pairs(by or [], "--by"), as_of=as_of, basis=basis,
        options=pairs(option or [], "--option"), view=view,
    )
    session.json = session.json or format == "json"
    return session.show(answer, csv_text if format == "csv" else tables)


@command(_page, "show")
def page_show(
    session: Session,
    id: Annotated[str, typer.Argument(help="The page's id.")],
    record: Annotated[int | None, typer.Option(min=0, help="Only the record at this place, counted from 0.")] = None,
) -> int:
    """A page as the source sent it, without secrets."""
    from connector.cli.tables import document

    return session.show(session.app.page(id, record), document)
