"""What stands around reading: the check, counting, threads, and closing."""

from __future__ import annotations

import gc
import io
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector.errors import RemoteError
from connector.ports import Window
from connector.testing.contract.bench import Bench


class SideChecks(Bench):
    """Of a vendor that can be asked."""

    def test_check_names_every_stream_and_all_is_well(self) -> None:
        """`connector check` says a line for each stream, so that a missing right is seen before a month is closed."""
        source = self.live()
        self.fill(source)
        lines = list(source.check())
        assert [line for line in lines if not line.ok] == []
        missing = [one.name for one in source.streams() if not any(one.name in line.what for line in lines)]
        assert not missing, f"no line says whether {', '.join(missing)} may be read"

    def test_check_changes_nothing(self) -> None:
        """It reads; what a reading shows before and after is the same."""
        source = self.live()
        self.fill(source)
        before = {one.name: self.whole(source, one.name) for one in source.streams()}
        list(source.check())
        assert {one.name: self.whole(source, one.name) for one in source.streams()} == before

    def test_requests_are_counted(self) -> None:
        """The summary of a run says what it cost the vendor."""
        source = self.live()
        self.fill(source)
        before = source.requests
        for stream in source.streams():
            self.pages(source, stream.name)
        assert source.requests > before
        if self.twin is not None:
            asked = len(self.twin.requests)
            counted = source.requests
            self.pages(source, source.streams()[0].name)
            assert source.requests - counted == len(self.twin.requests) - asked, "not every request is counted"

    def test_streams_side_by_side_show_the_same(self) -> None:
        """A run reads each stream in a thread of its own, by one instance."""
        source = self.live()
        self.fill(source)
        names = [one.name for one in source.streams()] * 2
        expected = [self.whole(source, name) for name in names]
        fresh = self.make()
        with ThreadPoolExecutor(len(names)) as pool:
            assert list(pool.map(lambda name: self.whole(fresh, name), names)) == expected

    def test_closing_leaves_nothing_open(self) -> None:
        """Also after a reading that was left in its middle; and closing twice does no harm."""
        source = self.live()
        self.fill(source)
        before = opened()
        for stream in source.streams():
            reading = source.read(stream.name, Window(None, source.now()))
            next(iter(reading), None)
            del reading
        source.close()
        source.close()
        left = opened() - before
        assert not left, f"still open: {', '.join(sorted(left))}"

    def test_another_instance_reads_after_one_was_closed(self) -> None:
        """What an instance holds is its own."""
        source, other = self.live(), self.make()
        self.fill(source)
        names = [one.name for one in source.streams()]
        before = {name: self.whole(source, name) for name in names}
        source.close()
        assert {name: self.whole(other, name) for name in names} == before

    def test_an_unknown_stream_is_refused(self) -> None:
        """Rather than read as empty."""
        source = self.live()
        with pytest.raises((RemoteError, LookupError, ValueError, NotImplementedError)):
            self.pages(source, "no such stream")


def opened() -> set[str]:
    """The open files and outgoing connections of this process; a twin's own side of a connection does not count."""
    gc.collect()
    found: set[str] = set()
    sockets = [one for one in gc.get_objects() if isinstance(one, socket.socket) and _is_of_the_net(one)]
    serving = {one.getsockname()[1] for one in sockets if _listens(one)}
    for one in sockets:
        try:
            here, there = one.getsockname(), one.getpeername()
        except OSError:
            continue
        if here[1] not in serving:
            found.add(f"connection {here} to {there}")
    files = [one for one in gc.get_objects() if isinstance(one, io.FileIO) and not one.closed]
    return found | {f"file {one.name}" for one in files if isinstance(one.name, str)}


def _is_of_the_net(one: socket.socket) -> bool:
    """Whether it is open and no pair within this machine, such as an event loop has for itself."""
    return one.fileno() != -1 and one.family in (socket.AF_INET, socket.AF_INET6)


def _listens(one: socket.socket) -> bool:
    try:
        return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) and one.family == socket.AF_INET
    except OSError:
        return False
