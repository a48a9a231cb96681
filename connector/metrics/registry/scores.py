"""People: scores made of KPI values and of what the okrs and ask tables tell. They have no SQL."""

from __future__ import annotations

from connector.metrics.metric import Metric

METRICS = (
    Metric(
        "kpi_score", "score", "P", "P", "", None, "R15 R16", "scores",
        "How far somebody attains the targets of all KPIs of their scorecard; 1 is all of it. A KPI without attainment"
        " gives its weight to the others.",
        "sum of weight × attainment (capped) / sum of the weights of the KPIs that have one",
        is_staged=False,
    ),
    Metric(
        "okr_kr_progress", "0..1", "P", "as-of", "", None, "", "scores",
        "How much of the way from its start to its target a key result has gone, from 0 to 1; a target may lie below"
        " the start.",
        "(current − start) / (target − start), from 0 to 1; yes or no; milestones done; periods kept",
        always_by=("objective", "key_result"), is_staged=False,
    ),
    Metric(
        "okr_objective", "0..1", "P", "as-of", "", None, "", "scores",
        "How far an objective is reached: the weighted mean of its key results.",
        "sum of weight × progress / sum of the weights of the key results that have one",
        always_by=("objective",), is_staged=False,
    ),
    Metric(
        "ask_score", "0..1", "P", "review round", "", None, "", "scores",
        "Attitude, skill and knowledge as others rated them in a review round, from 0 to 1; what somebody says of"
        " themselves is shown apart.",
        "sum of weight × (mean of the group's items − 1) / 4 over attitude, skill and knowledge",
        is_staged=False,
    ),
)
