"""Flow through stages."""

from __future__ import annotations

from connector.metrics.metric import BY_CLOSE, CREDIT, DURATION, Metric

OUTCOMES = ("advanced", "won", "lost", "moved_back", "handed_over", "still_there")
"""What can become of a visit; each has one of them."""

_COHORT = {**CREDIT, "horizon": None}
_BASE = {**_COHORT, "base": ("all", "settled")}
_MOVER = {"credit": ("actor", "at_event", "current", "split")}

METRICS = (
    Metric(
        "stage_entries", "visits", "C", "entered_at", "o t", "0", "R5 R6 R10", "stages",
        "Entries into each stage; a deal that returns enters again.",
        "number of the entries into the stage",
        BY_CLOSE, entity="stage_transition", always_by=("stage",),
    ),
    Metric(
        "stage_entries_deals", "deals", "C", "first entered_at", "o t", "0", "R5 R6 R10", "stages",
        "Deals that entered each stage, counted when they first did; a deal that returns counts once.",
        "number of the deals that entered the stage for the first time",
        BY_CLOSE, entity="stage_transition", always_by=("stage",),
    ),
    Metric(
        "stage_outcomes", "visits", "C", "entered_at (cohort)", "o t", "0", "R6 R10 R11", "stages",
        "What became of the entries into each stage: advanced, won, lost, moved back, handed over to another pipeline, "
        "or still there (after the horizon in days, where one is given); together they are the entries.",
        "number of the entries into the stage that came to this",
        _COHORT, entity="stage_transition", always_by=("stage", "outcome"), words=OUTCOMES,
    ),
    Metric(
        "stage_conversion", "0..1", "R", "first reached (cohort)", "", None, "R5 R9 R11 R16", "stages",
        "Of the deals that first reached the stage in the period, the share that got further or was won; "
        "base: settled leaves out those that are still in it.",
        "deals that got further or were won / deals that reached the stage",
        _BASE, entity="stage_transition", always_by=("stage",), open_stages=True, shows_open=True, version=2,
    ),
    Metric(
        "stage_to_won", "0..1", "R", "first entered (cohort)", "", None, "R5 R7 R9 R11 R16", "stages",
        "Of the deals that first entered the stage in the period, the share won so far, or within the horizon (days); "
        "base: settled leaves out those that are still open.",
        "deals that were won / deals that entered the stage",
        _BASE, entity="stage_transition", always_by=("stage",), open_stages=True, shows_open=True,
    ),
    Metric(
        "stage_duration", "days", "D", "exited_at", "", None, "R6 R11 R17", "stages",
        "Days of each completed visit of an open stage; every visit counts. span: cumulative adds up the visits of a "
        "deal, last takes its last one, both once it has left the stage.",
        "{stat} of the days of the completed visits of the stage",
        {**DURATION, "span": ("visit", "cumulative", "last")},
        entity="stage_transition", always_by=("stage",), open_stages=True, lower_is_better=True,
    ),
    Metric(
        "stage_skips", "0..1", "R", "transition.at", "", None, "R5 R6 R9", "stages",
        "Of the moves forward in a pipeline, the share that jumped over at least one open stage in use.",
        "moves forward that jumped over a stage / moves forward",
        _MOVER, entity="stage_transition", lower_is_better=True,
    ),
    Metric(
        "stage_regress_rate", "0..1", "R", "transition.at", "", None, "R6 R9", "stages",
        "Of the deals that moved on to another open stage, the share that was moved back to an earlier one.",
        "deals that were moved back / deals that moved to another open stage",
        _MOVER, entity="stage_transition", distinct=True, lower_is_better=True,
    ),
    Metric(
        "queue_ratio", "ratio", "R", "entered_at / left_at", "", None, "R5 R6 R10 R16", "stages",
        "Entries into an open stage / departures from it, each in the period in which it happened. Above 1 the queue in"
        " it grows.",
        "entries into the stage / departures from it",
        CREDIT, entity="stage_transition", always_by=("stage",), open_stages=True, lower_is_better=True,
    ),
)
