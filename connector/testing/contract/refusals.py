"""A vendor that says no, or something nobody understands: the right class of error, its place, and no secret in it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from connector.errors import AuthError, RemoteError, UnexpectedShape
from connector.ports import Source, Window
from connector.testing.contract.books import BookBench

LASTING = 1_000_000

class RefusalChecks(BookBench):
    """Needs a `twin`, or a `disturb` of the subclass's own."""

    def test_a_refused_credential_is_an_auth_error(self) -> None:
        """It switches the whole source off, and is not tried again and again: vendors lock accounts over that."""
        for stream in self.readable():
            source = self.make()
            error = self.failing(source, stream, "denied")
            assert isinstance(error, AuthError), f"{stream}: {type(error).__name__}, expected AuthError"
            assert source.requests <= 5, f"{stream}: a refused credential was sent {source.requests} times"

    def test_a_stream_one_may_not_read_stops_no_other(self) -> None:
        """403 on one collection is Permanent and no AuthError, which would switch the whole source off."""
        source = self.live()
        grown = self.grown(source, 2)
        if len(grown) < 2:
            pytest.skip("only one stream can be changed, so none is left that could go on")
        refused, *others = grown
        path = self._path_of(source, refused, others)
        with self.books(source, grown) as books:
            self.asked_to("disturb", "forbidden", times=LASTING, path=path)
            summaries = books.pull(self.make(), fails=True)
            self.calm()
        assert summaries[refused].status == "failed", f"{refused}: {summaries[refused].status}"
        assert [summaries[other].status for other in others] == ["ok"] * len(others)

    def test_a_page_for_people_is_no_answer(self) -> None:
        """HTML with status 200: a proxy, a log-in page."""
        self._unexpected("page")

    def test_half_an_answer_is_no_answer(self) -> None:
        """JSON that ends in its middle, with status 200."""
        self._unexpected("cut")

    def test_an_error_with_status_200_is_no_empty_list(self) -> None:
        """An answer of another shape must not read as "there is nothing": then all would seem deleted or unchanged."""
        for stream in self.readable():
            self.failing(self.make(), stream, "error")

    def test_errors_name_their_place(self) -> None:
        """The source or the address that was asked: the sentence is all that the reader of a log has."""
        for fault in ("forbidden", "down", "page"):
            for stream in self.readable():
                error = self.failing(self.make(), stream, fault)
                place = f"{error.where} {error}"
                assert "contract" in place or "/" in place, f"{stream}: {fault} gives an error without a place"

    def test_no_secret_is_in_an_error(self) -> None:
        """The vendor repeats the credential in its refusal; what we raise does not."""
        for fault in ("denied", "forbidden", "down", "error", "page"):
            for stream in self.readable():
                error = self.failing(self.make(), stream, fault)
                assert not self.leaked(str(error), repr(error), repr(vars(error))), f"{stream}: a secret after {fault}"

    def test_check_says_what_is_refused(self) -> None:
        """`connector check` gives a line that is not ok, rather than an error, and no secret in it."""
        self.live()
        self.asked_to("disturb", "denied", times=LASTING)
        lines = list(self.make().check())
        self.calm()
        assert any(not line.ok for line in lines), "a refused credential, and every line of the check is ok"
        assert all(line.detail for line in lines if not line.ok), "a line that is not ok says nothing"
        assert not self.leaked(*lines), "a secret in a line of the check"

    # --- how ---------------------------------------------------------------------------------------------------------

    def readable(self) -> list[str]:
        """The streams that have something to refuse."""
        return list(self.grown(self.live(), 2))

    def failing(self, source: Source, stream: str, fault: str) -> RemoteError:
        """The error of a reading while the vendor does this from the first request to the last."""
        self.asked_to("disturb", fault, times=LASTING)
        given = 0
        try:
            for page in source.read(stream, Window(None, self.own_clock.now())):
                given += len(list(source.records(stream, page.exchanges)))
        except RemoteError as error:
            assert not given, f"{stream}: {given} records were given of an answer that was none"
            return error
        finally:
            self.calm()
        pytest.fail(f"{stream}: {fault} is read as an answer, without an error")

    def _unexpected(self, fault: str) -> None:
        for stream in self.readable():
            error = self.failing(self.make(), stream, fault)
            named = type(error).__name__
            assert isinstance(error, UnexpectedShape), f"{stream}: {named}, expected UnexpectedShape: {error}"

    def _path_of(self, source: Source, stream: str, others: list[str]) -> str:
        """The first path that this stream asks and no other."""
        asked = {name: self._paths(source, name) for name in (stream, *others)}
        for path in asked[stream]:
            if not any(path in asked[other] for other in others):
                return path
        pytest.skip(f"{stream} asks no path of its own that could be refused")

    def _paths(self, source: Source, stream: str) -> list[str]:
        return [urlsplit(one.url).path for page in self.pages(source, stream) for one in page.exchanges]
