"""What a resync will take, and what came of it, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connector.cli.tables import age, summary, table

if TYPE_CHECKING:
    from rich.console import Console

_WAYS = {
    "by_id": "single records", "window": "what changed in a window", "whole": "everything",
    "list_ids": "the ids of everything",
}


def planned(console: Console, answer: Mapping[str, Any]) -> None:
    """A plan: a line per stream, then the whole."""
    plan = answer["plan"]
    table(
        console, f"What a resync of {answer['source']} takes", ("stream", "reads", "records", "calls"),
        [(one["stream"], _WAYS[one["way"]], one["records"], one["calls"]) for one in plan["streams"]],
    )
    console.print(said(plan))


def answered(console: Console, answer: Mapping[str, Any]) -> None:
    """A run; of a dry one the plan first."""
    if "plan" in answer:
        planned(console, {"plan": answer["plan"], "source": answer["asked"]["source"]})
    summary(console, answer)


def said(plan: Mapping[str, Any]) -> str:
    """A plan in a sentence: `about 120 calls, 12 s; 0.02% of 520,000 a day, of which 519,000 are left`."""
    calls, quota = plan["calls"], plan["quota"]
    took = "" if plan["seconds"] is None else f", {age(plan['seconds'])}"
    told = "no daily limit known"
    if quota is not None:
        share = f"{quota['share']:.2%}" if quota["share"] >= 0.0001 else "under 0.01%"
        told = f"{share} of {quota['limit']:,} a day, of which {quota['left']:,} are left"
        if calls > quota["left"]:
            told += ": more than that"
    return f"about {calls:,} {'call' if calls == 1 else 'calls'}{took}; {told}"
