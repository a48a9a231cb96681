"""Every metric by id, and what each family of metrics reads and needs.

To add a metric: a view in the family's SQL, a line in its registry, its words in `words/<family>.yaml`, a test. Raise
`version` when a metric's SQL or defaults change; each value keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.metrics.metric import Metric, Raw
from connector.metrics.registry import (
    activities,
    bottleneck,
    bridge,
    contracts,
    customers,
    forecast,
    leads,
    orders,
    pipeline,
    quality,
    recycling,
    scores,
    stages,
    standing,
    waiting,
    winning,
)

CATALOGUE: Mapping[str, Metric] = {
    metric.id: metric
    for family in (
        winning, leads, recycling, activities, stages, pipeline, standing, bridge, forecast, bottleneck, waiting,
        orders, contracts, customers, quality
    )
    for metric in family.METRICS
}
"""Every metric that is computed from the ledger, by id."""

METRICS: Mapping[str, Metric] = {**CATALOGUE, **{metric.id: metric for metric in scores.METRICS}}
"""Every metric by id, also the scores, which are made of values and tables."""

RAW: Mapping[str, Raw] = {
    name: raw
    for family in (leads, recycling, activities, forecast, orders, contracts, customers, quality)
    for name, raw in family.RAW.items()
}
"""What the families read of the ledger, by the name it has in their SQL."""

FIRST: Mapping[str, tuple[str, str]] = {
    "leads": ("lead", "created_at"),
    "activities": ("activity", "occurred_at"), "response": ("lead", "created_at"),
    "orders": ("order_history", "began_at"), "contracts": ("contract_history", "began_at"),
    "customers": ("purchase", "bought_at"), "quality_moves": ("quality_moment", "began_at"),
}
"""Where a family's history begins: the table and column of its SQL; of the others with the first visit of a deal."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "bridge": ("pipeline",), "forecast": ("days", "pipeline"), "bottleneck": ("stages",),
    "standing": ("pipeline", "forecast", "activities"), "slipping": ("pipeline", "forecast"),
    "recycling": ("leads",),
    "activities": ("leads",), "response": ("activities",), "touches": ("activities",),
    "orders": ("days",), "customers": ("orders",),
    "quality": ("pipeline", "forecast"), "quality_links": ("pipeline",), "quality_moves": ("pipeline", "stages"),
}
"""The families whose tables a family's SQL uses, in the order in which they are declared."""
