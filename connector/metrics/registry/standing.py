"""Open deals that stand still, and expected closes that move away."""

from __future__ import annotations

from connector.metrics.metric import MEASURES, STATISTICS, STOCK, Metric

RULES = ("by_age", "no_activity", "overdue")
"""Why a deal is stalled: the first that holds."""

_AGE = {"credit": ("at_event", "current"), "stat": STATISTICS}  # a share of an age means nothing

METRICS = (
    Metric(
        "deal_age", "days", "S", "end of P", "", None, "R11 R17", "standing",
        "Days since the deals open at the period's end began.",
        "{stat} of the days since the beginning of the deals open at the end of the period",
        _AGE, open_stages=True, lower_is_better=True,
    ),
    Metric(
        "stage_age", "days", "S", "end of P", "", None, "R6 R11 R17", "standing",
        "Days that the deals open at the period's end have been in their stage.",
        "{stat} of the days since the deals open at the end of the period entered their stage",
        _AGE, always_by=("stage",), open_stages=True, lower_is_better=True,
    ),
    Metric(
        "stalled", "money", "S", "end of P", "o", "0", "R13 R14 R17", "standing",
        "Value (or count) of the open deals that no longer move, by the first rule that holds: in the stage for longer "
        "than three of four visits to it in the last 12 months and than 14 days; nothing done with it for 30 days; "
        "expected to close on a day that has passed.",
        "{measure} of the deals open at the end of the period that are stalled by the rule",
        {**STOCK, "measure": MEASURES}, money=True, open_stages=True, always_by=("rule",), words=RULES,
        lower_is_better=True,
    ),
    Metric(
        "slippage", "days", "D", "expected_close change", "", None, "R17", "slipping",
        "By how many days the expected close of an open deal was moved later, each time; how often beside it.",
        "{stat} of the days by which expected closes were moved later",
        _AGE, lower_is_better=True,
    ),
    Metric(
        "slippage_count", "times", "C", "expected_close change", "o t", "0", "R1 R12", "slipping",
        "How often the expected close of an open deal was moved later.",
        "number of times an expected close was moved later",
        STOCK, lower_is_better=True,
    ),
    Metric(
        "slipped_value", "0..1", "R", "start of P", "", None, "R13 R14 R16", "slipping",
        "Of the value expected at the period's start to close in it, the share neither closed in it nor still expected "
        "in it.",
        "value no longer expected in the period / value expected to close in it at its start",
        STOCK, money=True, open_stages=True, placed_by="counted_at", lower_is_better=True,
    ),
)
