"""The contract of a source: some eighty checks that an adapter gets by saying how its vendor is served.

    class TestAcme(SourceContract):
        adapter = Acme

        @pytest.fixture
        def served(self, clock):
            with AcmeTwin(clock=clock) as self.twin:
                yield {"base_url": self.twin.url, "token": self.twin.token}

        def add(self, stream):
            return self.twin.add(stream)

What a subclass may say is in `Bench`. A check that cannot apply is skipped, and the reason says what is not offered.
"""

from __future__ import annotations

from connector.testing.contract.bench import Bench
from connector.testing.contract.by_id import ByIdChecks
from connector.testing.contract.clocks import ClockChecks
from connector.testing.contract.deletes import DeleteChecks
from connector.testing.contract.faults import FaultChecks
from connector.testing.contract.positions import PositionChecks
from connector.testing.contract.product import ProductChecks
from connector.testing.contract.refusals import RefusalChecks
from connector.testing.contract.settings import SettingsChecks
from connector.testing.contract.shape import ShapeChecks
from connector.testing.contract.sides import SideChecks
from connector.testing.contract.telling import TellingChecks
from connector.testing.contract.windows import WindowChecks


class SourceContract(
    ShapeChecks, WindowChecks, PositionChecks, ByIdChecks, DeleteChecks, ClockChecks, FaultChecks, RefusalChecks,
    SettingsChecks, ProductChecks, SideChecks, TellingChecks,
):
    """All the checks. Subclass it once for each way in which the adapter is used."""


__all__ = ["Bench", "SourceContract"]
