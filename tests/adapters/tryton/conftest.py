"""One real Tryton for these tests."""

from tests.real_servers import tryton_server

__all__ = ["tryton_server"]
