"""The command of people: who is an employee, and whose deals belong to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.cli.session import Session, cli, command
from connector.cli.tables import table

if TYPE_CHECKING:
    from rich.console import Console


@command(cli, "people")
def people(session: Session) -> int:
    """Employees with their owners, and owners that are nobody's, with their deals and money."""
    return session.show(session.app.people(), _listed)


def _listed(console: Console, found: dict[str, Any]) -> None:
    table(
        console, "People", ("code", "name", "team", "manager", "from", "to", "owners"),
        [
            (one["employee_code"], one["name"], one["team"], one["manager"], one["from"], one["to"],
             ", ".join(one["owners"]))
            for one in found["people"]
        ],
    )
    table(
        console, "Owners that are nobody's: in no person's numbers, and never pushed",
        ("owner", "name", "email", "open deals", f"open {found['currency']}", "won deals", f"won {found['currency']}",
         "closed deals"),
        [
            (one["owner"], one["name"], one["email"], *(_number(one[name]) for name in (
                "open_deals", "open_value", "won_deals", "won_value", "closed_deals")))
            for one in found["unmatched"]
        ],
    )
    if found["unmatched"]:
        console.print("Give each to an employee in the people file (column owner, or the e-mail), or ignore: yes.")


def _number(text: str | None) -> str:
    if text is None:
        return "no data"
    whole, point, part = text.partition(".")
    return f"{int(whole):,}{point}{part}"
