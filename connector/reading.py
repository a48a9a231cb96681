"""Reading values back, where one that cannot be read holds up no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connector.errors import AuthError, RemoteError, Transient
from connector.outbox import Pending
from connector.ports import Destination, Receipt

PASSING = 3  # so many failures that may pass, and nothing more is read in this run


class Reading:
    """Asks one destination in one run what it holds, and keeps what went wrong while it did."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._failures: list[str] = []
        self._passing = 0

    @property
    def is_over(self) -> bool:
        """Whether it failed so often that it is left alone until the next run."""
        return self._passing >= PASSING

    @property
    def note(self) -> str | None:
        """What went wrong, for the summary."""
        if not self._failures:
            return None
        return f"not everything was read back ({len(self._failures):,} failed): {self._failures[0]}"

    def read(self, batch: Sequence[Pending]) -> Iterator[tuple[Pending, Receipt | None]]:
        """What stands there of each, in order; None: it cannot be read. Raises AuthError.

        A value whose reading failed in a way that may pass is left out.
        """
        at = 0
        while at < len(batch) and not self.is_over:
            asked = [pending.delivery for pending in batch[at:]]
            try:
                for pending, receipt in zip(batch[at:], self._destination.find_all(asked), strict=True):
                    at += 1
                    yield pending, receipt
            except AuthError:
                raise
            except RemoteError as failure:
                self._failures.append(str(failure))
                if isinstance(failure, Transient):
                    self._passing += 1
                elif at < len(batch):
                    yield batch[at], None
                at += 1
