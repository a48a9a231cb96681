"""Sending batches, several at once where the destination allows it, and keeping what came back.

One thread, the caller's, does all the writing in our store: whenever calls have ended, their receipts and the beginning
of the next ones are one transaction, so that many short calls cost few commits. What is about to leave is committed
before it does. The first batch goes alone: a credential that is refused is refused once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from connector.errors import RemoteError, Unanswered
from connector.outbox import Pending
from connector.ports import Destination, Receipt

SILENT_BATCHES = 3  # so many batches without a single answer, and the destination is left alone until the next run


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one batch: its receipts, what certainly never left, and what was wrong with the whole."""

    answers: Sequence[tuple[Pending, Receipt]]
    not_sent: Sequence[Pending] = ()
    error: str | None = None

    @property
    def is_answered(self) -> bool:
        """Whether anything came back."""
        return any(receipt.outcome != "unanswered" for _, receipt in self.answers)


@dataclass
class Sender:
    """Sends to one destination until there is nothing left, it fails, or it is asked to stop.

    `commit` is told what ended and what is about to leave, and keeps both at once.
    """

    name: str
    destination: Destination
    commit: Callable[[Sequence[Sent], Sequence[Sequence[Pending]]], None]
    stop: Callable[[], bool]
    parallel: int = 1
    error: str | None = None
    silent: int = field(default=0, init=False)

    def go(self, queue: Iterator[Sequence[Pending]]) -> str | None:
        """Send these batches; why it ended early, None if it did not."""
        with ThreadPoolExecutor(self.parallel) if self.parallel > 1 else _Here() as pool:
            flying: set[Future[Sent]] = set()
            finished: list[Sent] = []
            width = 1
            while True:
                is_over = self.error is not None or self.stop()
                leaving = [] if is_over else list(islice(queue, width - len(flying)))
                if finished or leaving:
                    self.commit(finished, leaving)
                flying |= {pool.submit(self._call, batch) for batch in leaving}
                if not flying:
                    return self.error
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                finished = [future.result() for future in done]
                for sent in finished:
                    self._judge(sent)
                    width = self.parallel if sent.is_answered else width

    def _judge(self, sent: Sent) -> None:
        self.silent = 0 if sent.is_answered else self.silent + 1
        if self.error is None:
            self.error = sent.error
        if self.error is None and self.silent >= SILENT_BATCHES:
            self.error = f"{self.name}: {self.silent} requests in a row had no answer; the rest stays owed"

    def _call(self, batch: Sequence[Pending]) -> Sent:
        waiting = {pending.delivery.key: pending for pending in batch}
        answers: list[tuple[Pending, Receipt]] = []
        call = self.destination.withdraw if batch[0].action == "withdraw" else self.destination.send
        error = None
        try:
            for receipt in call([pending.delivery for pending in batch]):
                self.destination.context.beat()
                pending = waiting.pop(receipt.key, None)
                if pending is not None:
                    answers.append((pending, receipt))
        except Unanswered as failure:
            error = str(failure)
        except RemoteError as failure:
            return Sent(answers, list(waiting.values()), str(failure))
        answers += [(pending, _no_receipt(pending, error)) for pending in waiting.values()]
        return Sent(answers, error=error)


def _no_receipt(pending: Pending, error: str | None) -> Receipt:
    return Receipt(pending.delivery.key, "unanswered", message=error or "the destination gave no verdict on this value")


class _Here(Executor):
    """Does it at once, in the caller's thread: many adapters expect no other."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
