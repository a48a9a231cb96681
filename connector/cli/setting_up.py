"""Commands around the installation: init, check, config, db, version."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.session import Session, cli, command, group, print_json

_config = group("config", "The config file.")
_db = group("db", "Our own database.")


@command(cli, "init")
def init(
    session: Session,
    adapter: Annotated[str, typer.Argument(help="One of ours, such as hubspot, or a dotted path of your own.")],
    name: Annotated[str | None, typer.Option(help="The source's name in the config; the adapter's without.")] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="[KEY=]VARIABLE", help="The environment variable that holds a secret."),
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the source, such as base_url.")
    ] = None,
    folder: Annotated[str, typer.Option("--dir", metavar="FOLDER", help="Where the files are written.")] = ".",
    timezone: Annotated[str | None, typer.Option(help="Of periods and schedules: Asia/Ho_Chi_Minh.")] = None,
    currency: Annotated[
        str | None, typer.Option(help="The reporting currency: VND; the source's own where it tells one.")
    ] = None,
) -> int:
    """Write a config and a mapping from what a source has, or add to them what is new there."""
    from connector.app import init
    from connector.cli.tables_starting import started

    session.log()
    answer = init(
        session.config, adapter, name=name, secrets=secret or [], settings=given or [], folder=folder,
        timezone=timezone, currency=currency, clock=session.clock,
    )
    return session.show(answer, started)


@command(cli, "check")
def check(
    session: Session,
    name: Annotated[list[str] | None, typer.Argument(help="Sources and destinations; all when none is named.")] = None,
) -> int:
    """Try sources, destinations and mappings; changes nothing.

    Says when each schedule is due next. Its requests count in the rate budget; a token that was renewed is kept.
    """
    from connector.cli.tables import checks

    return session.show(session.app.check(name or []), checks)


@command(_config, "schema")
def config_schema(_session: Session) -> int:
    """The JSON Schema of config.yaml, for editors."""
    from connector.app import config_schema

    print_json(config_schema())
    return 0


@command(_db, "upgrade")
def db_upgrade(session: Session) -> int:
    """Make the tables, or bring them up to this version."""
    from connector.cli.tables import decided

    return session.show(session.app.upgrade_database(), decided)


@command(_db, "check")
def db_check(session: Session) -> int:
    """Whether the database answers and is of this version; changes nothing."""
    from connector.cli.tables import decided

    return session.show(session.app.check_database(), decided)


@command(cli, "version")
def version(session: Session) -> int:
    """The version of this program."""
    from connector import __version__

    if session.json:
        print_json({"version": __version__})
    else:
        print(f"connector {__version__}")
    return 0
