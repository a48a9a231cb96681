"""A system that is unwell: what a receipt says is so, whatever happened on the way, and in the end each value once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from connector.errors import Transient, Unanswered
from connector.model import KpiValue
from connector.ports import Destination
from connector.testing.contract.destinations.bench import Bench
from connector.testing.contract.destinations.spoiling import NOT_DONE, UNCLEAR

LASTING = 1_000_000


class FaultChecks(Bench):
    """Needs a `twin`, or a `disturb` of the subclass's own."""

    @pytest.mark.parametrize("after", [0, 1])
    @pytest.mark.parametrize("fault", UNCLEAR)
    def test_an_unclear_answer_is_never_taken_for_a_clear_one(self, fault: str, after: int) -> None:
        """Confirmed stands there, retry does not, and whatever may be there is `unanswered`."""
        to = self.make()
        values = self.values(3)
        self.asked_to("disturb", fault, times=1, after=after)
        self.honest(to, values)
        self.calm()

    @pytest.mark.parametrize("fault", UNCLEAR)
    def test_after_an_unclear_answer_each_value_stands_once(self, fault: str) -> None:
        """Settled as a run does: read back, and sent again only what is certainly not there."""
        self.needs("state", "file")
        values = self.values(4)
        self.asked_to("disturb", fault, times=2)
        self.sent(self.make(), values)
        self.calm()
        self.settled(values)

    @pytest.mark.parametrize("fault", UNCLEAR)
    def test_an_unclear_answer_to_a_correction(self, fault: str) -> None:
        """The old value, or the new one, in one record; and in the end the new one."""
        self.needs("state", "file")
        self.taken(self.make(), self.values(3))
        corrected = self.values(3, cents=50)
        self.asked_to("disturb", fault, times=1)
        self.sent(self.make(), corrected)
        self.calm()
        for value in corrected:
            assert len(self.standing(value)) == 1
        self.settled(corrected)

    @pytest.mark.parametrize("fault", ["busy", "down"])
    def test_a_short_pause_is_waited_out(self, fault: str) -> None:
        """429 and 503 say that nothing was done, so it is asked again, after the time they name."""
        if not self.may_wait:
            pytest.skip(f"{self.adapter.__name__} leaves waiting to the next run")
        values = self.values(2)
        self.asked_to("disturb", fault, times=2)
        self.taken(self.make(), values)
        self.assert_once(*values)

    @pytest.mark.parametrize("fault", ["busy", "down", "gone"])
    def test_a_lasting_outage_ends_the_sending(self, fault: str) -> None:
        """After a few attempts: the next run tries again, this one does not wait for ever, and nothing is there."""
        to = self.make()
        value = self.value()
        self.asked_to("disturb", fault, times=LASTING)
        before = self.asked()
        receipts, error = self.sent(to, [value])
        self.calm()
        assert self.asked() - before <= 50, f"{self.asked() - before} requests to a system in need"
        outcome = receipts[self.key(value)].outcome if receipts else None
        assert isinstance(error, Transient) or outcome in ("retry", "unanswered"), (error, receipts)
        self.assert_none(value)

    @pytest.mark.parametrize("fault", NOT_DONE)
    def test_what_was_certainly_not_done_is_not_confirmed(self, fault: str) -> None:
        """Also in the middle of a batch: what was taken before keeps its receipt."""
        to = self.make()
        values = self.values(3)
        self.asked_to("disturb", fault, times=LASTING, after=1)
        self.honest(to, values)
        self.calm()

    @pytest.mark.parametrize("fault", ["down", "page", "lost"])
    def test_nothing_is_written_while_it_cannot_be_read(self, fault: str) -> None:
        """A look-up that fails is no "there is none": writing then would make duplicates."""
        self.needs("state", "file")
        to = self.readable()
        values = self.values(2)
        self.taken(to, values)
        corrected = self.values(2, cents=50)
        self.asked_to("disturb", fault, times=LASTING, reads=True)
        receipts, _ = self.sent(to, corrected)
        self.calm()
        for old, new in zip(values, corrected, strict=True):
            held, receipt = list(self.standing(new)), receipts.get(self.key(new))
            assert len(held) == 1, f"{fault} while looking: {held}"
            if receipt is None or receipt.outcome == "retry":
                assert held == [self.expected(old)], f"{receipt}, and the system holds {held}"
        self.settled(corrected)

    def test_two_who_send_the_same_make_one_record(self) -> None:
        """A run that was thought dead goes on: the later one finds the record, or the system refuses a second."""
        self.needs("state", "file")
        values = self.values(3)
        self.taken(self.make(), values)
        receipts, error = self.sent(self.make(), values)
        assert error is None
        assert {one.outcome for one in receipts.values()} == {"confirmed"}
        self.assert_once(*values)

    # --- how ---------------------------------------------------------------------------------------------------------

    def honest(self, to: Destination, values: Sequence[KpiValue]) -> None:
        """Send, and compare each receipt with what stands there. Values that have none after an error are not there."""
        receipts, error = self.sent(to, values)
        for value in values:
            receipt = receipts.get(self.key(value))
            held = list(self.asked_to("standing", value))
            assert len(held) <= 1, f"{self.key(value)}: {held}"
            if receipt is None:
                assert error is not None, f"{self.key(value)}: neither a receipt nor an error"
                assert not held or isinstance(error, Unanswered), f"{self.key(value)} is there, and {error!r} says not"
            elif receipt.outcome == "confirmed":
                assert held == [self.expected(value)], f"{receipt} but the system holds {held}"
            elif receipt.outcome in ("retry", "refused") and not receipt.written:
                assert not held, f"{receipt} but the system holds {held}"

    def settled(self, values: Sequence[KpiValue]) -> None:
        """Read back, send what is not there, and see each value once."""
        to = self.make()
        for found, value in zip(to.find_all([self.delivery(value) for value in values]), values, strict=True):
            assert found is not None, f"a {to.kind} that cannot be read back"
            if found.outcome == "retry":
                self.taken(to, [value])
        self.assert_once(*values)
