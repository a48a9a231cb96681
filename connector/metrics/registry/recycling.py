"""Lost deals that go back to the marketing pipeline and are tried again."""

from __future__ import annotations

from connector.metrics.metric import BY_CLOSE, STATISTICS, STOCK, THERE, Metric, Raw

RAW = {
    "raw_recycle": Raw("pipeline", ("source", "id", "recycle"), THERE),
}

METRICS = (
    Metric(
        "recycled_leads", "deals", "C", "return time", "o t", "0", "R7", "recycling",
        "Lost deals given back to the marketing pipeline: a lead or a new deal was made of them. Re-opening is none.",
        "number of the times a lost deal was given back",
        STOCK,
    ),
    Metric(
        "retry_gap", "days", "D", "deal.created_at", "", None, "R7 R17", "recycling",
        "How many days lie between the loss of a deal and the new deal that tries it again.",
        "{stat} of the days from the loss to the retry",
        {"credit": ("at_event", "current"), "stat": STATISTICS},
    ),
    Metric(
        "recycled_win_rate", "0..1", "R", "close", "", None, "R7 R16", "recycling",
        "Won / (won + lost) of the retries of lost deals that were closed in the period.",
        "retries won / (retries won + retries lost)",
        BY_CLOSE, adds_up=True,
    ),
    Metric(
        "recycle_due", "deals", "S", "end of P", "o", "0", "R7 R13 R14", "recycling",
        "Lost deals (or their value) whose wait since the loss is over and that nobody has tried again: whom to call.",
        "{measure} of the lost deals that are due for a retry at the end of the period",
        {**STOCK, "measure": ("count", "value")}, money=True, lower_is_better=True,
    ),
)
