"""A system that says no to us: the right class of error, no further calls, and no secret in any word of it."""

from __future__ import annotations

import pytest

from connector.errors import AuthError, RemoteError
from connector.testing.contract.destinations.bench import Bench
from connector.testing.contract.destinations.spoiling import FAULTS

LASTING = 1_000_000


class RefusalChecks(Bench):
    """Needs a `twin`, or a `disturb` of the subclass's own."""

    def test_a_refused_credential_stops_the_destination(self) -> None:
        """AuthError at once: some systems lock the account or the address that tries again."""
        for reads in (True, False):
            to = self.make()
            before = self.asked()
            self.asked_to("disturb", "denied", times=LASTING, reads=reads)
            _, error = self.sent(to, self.values(5))
            self.calm()
            assert isinstance(error, AuthError), f"{error!r}, expected AuthError"
            refused = 0 if self.spoiler is None else self.spoiler.spoiled
            assert refused <= 3, f"a refused credential was sent {refused} times"
            assert self.asked() - before <= 30, "it goes on asking after the refusal"

    def test_a_refused_credential_leaves_nothing_behind(self) -> None:
        """What was not taken is not there, and is taken once the credential is good again."""
        values = self.values(3)
        self.asked_to("disturb", "denied", times=LASTING)
        self.sent(self.make(), values)
        self.calm()
        self.assert_none(*values)
        self.taken(self.make(), values)
        self.assert_once(*values)

    def test_a_session_that_ends_is_opened_again(self) -> None:
        """In the middle of a run, without losing or doubling a value."""
        to = self.make()
        self.taken(to, [self.value(0)])
        self.asked_to("expire")
        self.taken(to, [self.value(1)])
        self.assert_once(self.value(0), self.value(1))

    def test_no_secret_is_in_a_receipt_or_an_error(self) -> None:
        """The system repeats the credential in its refusal; what we keep of it does not."""
        if not self.secrets:
            pytest.skip(f"{self.adapter.__name__} takes no secret")
        for fault in FAULTS:
            for reads in (False, True):
                self.asked_to("disturb", fault, times=LASTING, reads=reads)
                receipts, error = self.sent(self.make(), self.values(2))
                self.calm()
                said = [*receipts.values(), error, repr(error), vars(error) if error else ""]
                assert not self.leaked(*said), f"a secret after {fault}: {said}"

    def test_errors_name_the_destination(self) -> None:
        """The sentence is all that the reader of a log has."""
        for fault in ("down", "denied"):
            self.asked_to("disturb", fault, times=LASTING, reads=True)
            self.asked_to("disturb", fault, times=LASTING, reads=False)
            _, error = self.sent(self.make(), [self.value()])
            self.calm()
            assert error is None or "contract" in f"{error.where} {error}", f"{error} names no place"

    def test_check_says_what_is_refused(self) -> None:
        """`connector check` gives a line that is not ok, rather than an error, and no secret in it."""
        self.asked_to("disturb", "denied", times=LASTING, reads=True)
        try:
            lines = list(self.make().check())
        except RemoteError as error:
            pytest.fail(f"check raised {error!r}, expected a line that is not ok")
        self.calm()
        assert any(not line.ok for line in lines), "a refused credential, and every line of the check is ok"
        assert all(line.detail for line in lines if not line.ok), "a line that is not ok says nothing"
        assert not self.leaked(*lines), "a secret in a line of the check"
