"""Every metric by id, and what each family of metrics reads and needs.

To add a metric: a view in the family's SQL, a line in its registry, a test. Raise `version` when a metric's SQL or
defaults change; each value keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.metrics.metric import Metric, Raw
from connector.metrics.registry import leads, pipeline, stages, winning

CATALOGUE: Mapping[str, Metric] = {
    metric.id: metric for family in (winning, leads, stages, pipeline) for metric in family.METRICS
}
"""Every metric by id."""

RAW: Mapping[str, Raw] = {name: raw for family in (leads,) for name, raw in family.RAW.items()}
"""What the families read of the ledger, by the name it has in their SQL."""

FIRST: Mapping[str, tuple[str, str]] = {"leads": ("lead", "created_at")}
"""Where a family's history begins: the table and column of its SQL; of the others with the first visit of a deal."""

NEEDS: Mapping[str, tuple[str, ...]] = {}
"""The families whose tables a family's SQL uses, in the order in which they are declared."""
