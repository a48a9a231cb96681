"""What stands around sending: settings, the check, counting, threads, and closing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from connector.testing.contract.destinations.bench import Bench
from connector.testing.contract.settings import ODD, SECRET, fields, is_model
from connector.testing.contract.sides import opened


class SideChecks(Bench):
    """Of a system that is well."""

    def test_an_unknown_key_is_a_fault(self) -> None:
        """A misspelt setting that is ignored is a setting that is not applied."""
        with pytest.raises(ValidationError, match=ODD):
            self.adapter.Settings.model_validate({**self.given, ODD: 1})

    def test_secrets_are_typed_as_such(self) -> None:
        """A setting whose name says that it is secret is a SecretStr, and neither repr nor JSON shows it."""
        settings = self.settings()
        for name, kind in fields(self.adapter.Settings):
            assert not SECRET.search(name) or "SecretStr" in str(kind) or is_model(kind), (
                f"the setting {name} is {kind}, expected SecretStr"
            )
        assert not self.leaked(repr(settings), str(settings), settings.model_dump_json())

    def test_no_secret_shows_in_the_instance(self) -> None:
        """Tracebacks and debuggers print what an object holds."""
        to = self.make()
        self.taken(to, self.values(1))
        assert not self.leaked(repr(to), repr(vars(to)))

    def test_check_is_well_and_writes_nothing(self) -> None:
        """`connector check` reads: before anything was sent, and after."""
        to = self.make()
        before = self.asked_to("everything")
        lines = list(to.check())
        assert lines, "check says nothing"
        assert [line for line in lines if not line.ok] == []
        assert self.everything() == before
        self.taken(to, self.values(2))
        before = self.everything()
        assert [line for line in self.make().check() if not line.ok] == []
        assert self.everything() == before

    def test_requests_are_counted(self) -> None:
        """The summary of a run says what it cost the system."""
        if self.twin is None:
            pytest.skip(f"{type(self).__name__} has no twin that counts")
        to = self.make()
        before = self.asked()
        self.taken(to, self.values(2))
        assert to.requests == self.asked() - before

    def test_several_threads_send_at_once(self) -> None:
        """Where the adapter says that it may: each value once, whoever sent it."""
        to = self.make()
        if not to.concurrent:
            pytest.skip(f"{self.adapter.__name__} is used by one thread at a time")
        values = self.values(12)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda value: self.send(to, [value]), values))
        assert [one.outcome for receipts in found for one in receipts] == ["confirmed"] * 12
        self.assert_once(*values)

    def test_closing_leaves_nothing_open(self) -> None:
        """Also closing twice, and one that was never used."""
        self.make().close()
        before = opened()
        to = self.make()
        self.taken(to, self.values(2))
        to.close()
        to.close()
        left = opened() - before
        assert not left, f"still open: {', '.join(sorted(left))}"
