"""What tests of ours and of your own adapters are made of: a clock you move, a source and a destination in memory, and
`SourceContract`, the checks that every source adapter has to pass (it needs pytest; the rest does not)."""

from __future__ import annotations

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

__all__ = [
    "FakeClock", "Fault", "MemoryDestination", "MemorySource", "SourceContract", "context", "kpi_value", "same_value",
]


def __getattr__(name: str) -> Any:
    """SourceContract, imported when it is asked for, since only it needs pytest."""
    if name != "SourceContract":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    pytest.register_assert_rewrite("connector.testing.contract")  # so that a failed check shows what it compared
    from connector.testing.contract import SourceContract

    return SourceContract
