"""What tests of ours and of your own adapters are made of: a clock you move, a source and a destination in memory, and
`SourceContract` and `DestinationContract`, the checks that every adapter has to pass (they need pytest; the rest does
not)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from connector.testing.doubles import (
    FakeClock,
    Fault,
    MemoryDestination,
    MemorySource,
    context,
    kpi_value,
    same_value,
)

if TYPE_CHECKING:
    from connector.testing.contract import SourceContract
    from connector.testing.contract.destinations import DestinationContract

__all__ = [
    "DestinationContract", "FakeClock", "Fault", "MemoryDestination", "MemorySource", "SourceContract", "context",
    "kpi_value", "same_value",
]


def __getattr__(name: str) -> Any:
    """The contracts, imported when they are asked for, since only they need pytest."""
    if name not in ("SourceContract", "DestinationContract"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if "connector.testing.contract" not in sys.modules:
        import pytest

        pytest.register_assert_rewrite("connector.testing.contract")  # so that a failed check shows what it compared
    if name == "DestinationContract":
        from connector.testing.contract.destinations import DestinationContract

        return DestinationContract
    from connector.testing.contract import SourceContract

    return SourceContract
