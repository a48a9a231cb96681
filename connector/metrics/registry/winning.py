"""Winning and losing."""

from __future__ import annotations

from connector.metrics.metric import BY_CLOSE, CREDITS, DURATION, STOCK, Metric

_WHOLE = {**BY_CLOSE, "credit": CREDITS[:3]}  # a share of a median means nothing

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
        "win_rate_cohort", "0..1", "R", "deal.created_at (cohort)", "", None, "R2 R7 R11 R16", "winning",
        "Of the deals created in the period, the share won so far, or within the horizon (days). Beside it stands the"
        " share still open: above 0.05 the cohort is too young to be judged.",
        "deals created that were won / deals created",
        {**STOCK, "horizon": None}, shows_open=True,
    ),
    Metric(
        "median_deal_value", "money", "R", "close", "", None, "R13 R14", "winning",
        "The middle one of the won deals' amounts: half of them are larger, and one huge deal does not move it.",
        "median of the amounts of the deals won",
        _WHOLE, money=True, is_median=True,
    ),
    Metric(
        "cycle_length", "days", "D", "close", "", None, "R7 R11 R17", "winning",
        "Days from creation to the last close of the deals won; option `outcome`: of those lost. Option `closed: net`"
        " takes out the time a deal was closed before it was re-opened. Option `start: pipeline` begins where a deal"
        " that came from another pipeline entered the one it was closed in.",
        "{stat} of the days from the beginning of a deal to its close",
        {**DURATION, "outcome": ("won", "lost"), "closed": ("in", "net"), "start": ("created", "pipeline")},
        lower_is_better=True, version=2,
    ),
    Metric(
        "km_time_to_decision", "days", "D", "deal.created_at (cohort)", "", "not reached", "R11 R17", "winning",
        "After how many days half of the deals created in the period are won or lost; deals still open count up to"
        " their age (Kaplan-Meier), so that it is not too short while many are open. No value: half is not reached.",
        "Kaplan-Meier median of the days from the beginning of a deal to its decision",
        {"credit": ("at_event", "current")}, is_survival=True, lower_is_better=True,
    ),
    Metric(
        "lost_reasons", "deals", "C", "final loss", "o t", "0", "R7", "winning",
        "Deals lost (or their value) by reason; no reason given is a row of its own.",
        "{measure} of the deals lost for the reason",
        {**BY_CLOSE, "measure": ("count", "value")}, money=True, always_by=("reason",), lower_is_better=True,
    ),
    Metric(
        "loss_stage", "deals", "C", "final loss", "o t", "0", "R7", "winning",
        "Deals lost (or their value) by the open stage they were in when they were lost.",
        "{measure} of the deals lost in the stage",
        {**BY_CLOSE, "measure": ("count", "value")}, money=True, always_by=("stage",), open_stages=True,
        lower_is_better=True,
    ),
)
