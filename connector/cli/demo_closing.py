"""The demo's last chapter: a month is closed, the CRM changes it afterwards, and nothing of what was paid on moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.model import micros, moment
from connector.twins.demo_plan import PIPELINES
from connector.twins.portal import Item, milliseconds

if TYPE_CHECKING:
    from rich.console import Console

    from connector.app import App
    from connector.cli.demo import Demo
    from connector.period import Period

_BEFORE_THE_END = timedelta(days=2)
_BEFORE_THE_WIN = 3_600_000  # milliseconds


class Edited(NamedTuple):
    """The deals that were edited after the close, by id, and the month that was closed before."""

    month: str
    late_win: str
    reopened: str
    moved: str


def close_and_edit(demo: Demo, app: App) -> Edited:
    """Close the last month that is over; the day after, three deals of it change in the CRM, and a sync follows.

    A win is entered late, a won deal is opened again, and one turns out to have been another seller's.
    """
    month = demo.months()[-1]
    app.close_period(month)
    period = app.here.calendar.parse(month)
    late, (reopened, moved) = _still_open(demo, period), _won(demo, period)
    demo.clock.sleep(86_400)
    end = milliseconds(moment(period.end) - _BEFORE_THE_END)
    _edit(demo, late, {"dealstage": _pipeline(late).won}, at=end)
    _edit(demo, reopened, {"dealstage": _pipeline(reopened).stages[-3].id})
    others = (one.owner for one in demo.plan.sellers
              if one.left_on is None and one.owner != moved.properties["hubspot_owner_id"])
    _edit(demo, moved, {"hubspot_owner_id": next(others)}, at=_entered(moved) - _BEFORE_THE_WIN)
    app.sync()
    return Edited(month, str(late.id), str(reopened.id), str(moved.id))


def show(out: Console, app: App, edited: Edited) -> None:
    """The closed month as it was, the adjustments with their causes, and one number explained."""
    from connector.cli import adjusting, closing, explaining

    out.print(f"\n{edited.month} is closed. The day after, three of its deals were edited in the CRM:")
    closing.show_edits(out, app.edits(edited.month).value)
    out.print("\nNothing of the closed month moved; what came of it waits for a decision:")
    waiting = [one for one in app.adjustments(period=edited.month).value if one["state"] == "proposed"]
    adjusting.show(out, waiting)
    money = [one for one in waiting if one["kpi"] == "won_value"]
    if money:
        key = money[0]["subject"]["key"]
        out.print(f"\nconnector explain won_value --subject {key} --period {edited.month}")
        explaining.show(out, app.explain("won_value", subject=key, period=edited.month).value, 2)


def _edit(demo: Demo, deal: Item, values: dict[str, str | None], at: int | None = None) -> None:
    """Change a deal, also at a past moment; the note shows it as modified now."""
    demo.portal.update("deals", deal.id, values, at=at)
    demo.portal.update("deals", deal.id, {"hs_next_step": f"put right on {demo.clock.now():%d %B}"})


def _won(demo: Demo, period: Period) -> tuple[Item, Item]:
    """Two deals that were won in the period, with an amount and without shares."""
    found = [deal for deal in _deals(demo) if deal.properties.get("hs_is_closed_won") == "true"
             and period.start <= _entered(deal) * 1000 < period.end and not deal.properties.get("split_owner_1")]
    return found[0], found[1]


def _still_open(demo: Demo, period: Period) -> Item:
    """A deal that is open and was in its present stage before the period's last days."""
    latest = micros(moment(period.end) - 2 * _BEFORE_THE_END)
    return next(deal for deal in _deals(demo) if deal.properties.get("hs_is_closed") == "false"
                and _entered(deal) * 1000 < latest and not deal.properties.get("split_owner_1"))


def _deals(demo: Demo) -> Iterator[Item]:
    for item in demo.portal.collections["deals"].from_id(0):
        if item.archived_at is None and item.properties.get("amount"):
            yield item


def _entered(deal: Item) -> int:
    """When it came into its present stage, in milliseconds."""
    return milliseconds(datetime.fromisoformat(deal.history["dealstage"][-1]["timestamp"]))


def _pipeline(deal: Item) -> Any:
    return PIPELINES[str(deal.properties["pipeline"])]
