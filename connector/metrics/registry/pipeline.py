"""The open pipeline."""

from __future__ import annotations

from connector.metrics.metric import MEASURES, STOCK, Metric

METRICS = (
    Metric(
        "open_pipeline", "money", "S", "end of P", "o", "0", "R10 R13 R14", "pipeline",
        "Value (or count) of the deals open at the period's end; never added over periods.",
        "{measure} of the deals open at the end of the period",
        {**STOCK, "measure": MEASURES}, money=True, open_stages=True,
    ),
    Metric(
        "qualified_pipeline", "money", "S", "end of P", "o", "0", "R10 R13 R14", "pipeline",
        "Value (or count) of the deals open at the period's end that are past prospecting: somebody has looked at them"
        " and found them worth the work.",
        "{measure} of the deals open at the end of the period in a stage after prospecting",
        {**STOCK, "measure": MEASURES}, money=True, open_stages=True,
    ),
    Metric(
        "weighted_pipeline", "money", "S", "end of P", "o", "0", "R13 R14", "pipeline",
        "Open value x probability, the deal's own or else its stage's.",
        "sum of amount × probability of the deals open at the end of the period",
        STOCK, money=True, open_stages=True,
    ),
)
