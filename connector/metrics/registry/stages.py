"""Flow through stages."""

from __future__ import annotations

from connector.metrics.metric import BY_CLOSE, CREDIT, DURATION, Metric

METRICS = (
    Metric(
        "stage_entries", "visits", "C", "entered_at", "o t", "0", "R5 R6 R10", "stages",
        "Entries into each stage; a deal that returns enters again.",
        "number of the entries into the stage",
        BY_CLOSE, entity="stage_transition", always_by=("stage",),
    ),
    Metric(
        "stage_conversion", "0..1", "R", "first reached (cohort)", "", None, "R5 R9 R11 R16", "stages",
        "Of the deals that first reached the stage in the period, the share that got further or was won.",
        "deals that got further or were won / deals that reached the stage",
        {**CREDIT, "horizon": None}, entity="stage_transition", always_by=("stage",), open_stages=True, shows_open=True,
    ),
    Metric(
        "stage_duration", "days", "D", "exited_at", "", None, "R6 R11 R17", "stages",
        "Days of each completed visit of an open stage; every visit counts.",
        "{stat} of the days of the completed visits of the stage",
        DURATION, entity="stage_transition", always_by=("stage",), open_stages=True, lower_is_better=True,
    ),
)
