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
        "Open value x probability, the deal's own or else its stage's. `probability: empirical` takes what the stage"
        " has brought: of the deals that first entered it in the 12 months up to the period's end, the share won by"
        " then (stage_to_won as it stood; `base: settled` without those still open). What people set is usually too"
        " high: compare both. A deal in a stage that nobody entered in that time is left out and counted.",
        "sum of amount × probability of the deals open at the end of the period",
        {**STOCK, "probability": ("own", "empirical"), "base": ("all", "settled")}, money=True, open_stages=True,
    ),
)
