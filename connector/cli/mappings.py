"""Commands over mapping files: how records become entities, tried before anything is applied."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.session import Session, command, group

mapping = group("mapping", "Mapping files: how records become entities.")


@command(mapping, "test")
def mapping_test(
    session: Session,
    source: Annotated[list[str] | None, typer.Argument(help="Sources; all when none is named.")] = None,
) -> int:
    """Run the `tests:` of the mapping files."""
    from connector.cli.tables import mapping_tests

    return session.show(session.app.mapping_tests(source or []), mapping_tests)
