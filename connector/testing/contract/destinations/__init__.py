"""The contract of a destination: some fifty checks that an adapter gets by saying how its system is served.

    class TestAcme(DestinationContract):
        adapter = AcmeGoals

        @pytest.fixture
        def served(self, clock):
            with AcmeTwin(PEOPLE, clock=clock) as self.twin:
                yield {"base_url": self.twin.url, "token": self.twin.token}

        def standing(self, value):
            return [Decimal(row["amount"]) for row in self.twin.rows if row["key"] == self.key(value)]

What a subclass may say is in `Bench`. A check that cannot apply is skipped, and the reason says what is not offered.
"""

from __future__ import annotations

from connector.testing.contract.destinations.bench import PEOPLE, Bench
from connector.testing.contract.destinations.contents import ContentChecks
from connector.testing.contract.destinations.faults import FaultChecks
from connector.testing.contract.destinations.finding import FindingChecks
from connector.testing.contract.destinations.persons import PersonChecks
from connector.testing.contract.destinations.product import ProductChecks
from connector.testing.contract.destinations.receipts import ReceiptChecks
from connector.testing.contract.destinations.refusals import RefusalChecks
from connector.testing.contract.destinations.sides import SideChecks
from connector.testing.contract.destinations.values import ValueChecks
from connector.testing.contract.destinations.withdrawals import WithdrawalChecks


class DestinationContract(
    ReceiptChecks, ContentChecks, ValueChecks, FindingChecks, PersonChecks, FaultChecks, RefusalChecks,
    WithdrawalChecks, SideChecks, ProductChecks,
):
    """All the checks. Subclass it once for each way in which the adapter is used."""


__all__ = ["PEOPLE", "Bench", "DestinationContract"]
