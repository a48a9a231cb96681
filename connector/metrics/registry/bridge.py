"""How the open pipeline grew and shrank from one period's end to the next."""

from __future__ import annotations

from connector.metrics.metric import CREDIT, MEASURES, Metric

WORDS = (
    "opening", "created", "reopened", "handed_in", "owner_in", "amount_up", "revalued",
    "won", "lost", "deleted", "handed_over", "owner_out", "amount_down", "closing",
)
"""The steps of the bridge, in the order in which it is read."""

METRICS = (
    Metric(
        "pipeline_created", "money", "V", "deal.created_at", "o t", "0", "R8 R13 R14", "bridge",
        "Value of the deals created in the period, in the pipeline they began in: at the amount they have now, or by"
        " option `amount: first` at the first one known; at the rate of the day of their creation.",
        "sum of the amounts of the deals created",
        {**CREDIT, "amount": ("now", "first")}, money=True,
    ),
    Metric(
        "pipeline_bridge", "money", "V", "each move", "o", "0", "R7 R8 R10 R13 R14", "bridge",
        "What made the open pipeline of the period's end out of that of its start: opening + created + reopened +"
        " handed_in + owner_in + amount_up + revalued - won - lost - deleted - handed_over - owner_out - amount_down"
        " = closing, to the cent, for the company, each pipeline and each owner. handed is to another pipeline, owner"
        " to another owner; revalued is what rates of exchange did. A deleted deal is out of all periods, so deleted"
        " is 0.",
        "{measure} of the step of the bridge",
        {"credit": ("at_event", "current"), "measure": MEASURES},
        money=True, always_by=("step",), words=WORDS, placed_by="counted_at",
    ),
)
