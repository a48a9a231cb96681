"""Winning and losing."""

from __future__ import annotations

from connector.metrics.metric import BY_CLOSE, DURATION, Metric

METRICS = (
    Metric(
        "won_count", "deals", "C", "close", "o t", "0", "R4 R7 R15", "winning",
        "Deals whose last state is won, in the period of the move that won them.",
        "number of the deals won",
        BY_CLOSE,
    ),
    Metric(
        "won_value", "money", "V", "close", "o t", "0", "R13 R14 R15", "winning",
        "Amounts of the deals won, at each close day's rate; deals without amount or rate are left out and counted.",
        "sum of the amounts of the deals won",
        BY_CLOSE, money=True,
    ),
    Metric(
        "average_deal_value", "money", "R", "close", "", None, "R14", "winning",
        "Won value per won deal that has a value.",
        "won value / won deals that have a value",
        BY_CLOSE, money=True,
    ),
    Metric(
        "win_rate_count", "0..1", "R", "close", "", None, "R4 R7 R12 R16", "winning",
        "Won / (won + lost) of the deals closed in the period; open deals are in neither.",
        "won deals / (won + lost deals)",
        BY_CLOSE, adds_up=True,
    ),
    Metric(
        "win_rate_value", "0..1", "R", "close", "", None, "R13 R14 R16", "winning",
        "Won value / (won + lost value); deals without amount or rate are out of both and counted.",
        "won value / (won + lost value)",
        BY_CLOSE, money=True, adds_up=True,
    ),
    Metric(
        "cycle_length", "days", "D", "close", "", None, "R7 R11 R17", "winning",
        "Days from creation to the last close of the deals won.",
        "{stat} of the days from the beginning of a deal to its winning",
        DURATION, lower_is_better=True,
    ),
    Metric(
        "lost_reasons", "deals", "C", "final loss", "o t", "0", "R7", "winning",
        "Deals lost (or their value) by reason; no reason given is a row of its own.",
        "{measure} of the deals lost for the reason",
        {**BY_CLOSE, "measure": ("count", "value")}, money=True, always_by=("reason",), lower_is_better=True,
    ),
)
