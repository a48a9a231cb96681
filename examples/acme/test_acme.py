"""Acme passes the contract of a source."""

from pathlib import Path

import pytest
from acme import Acme
from acme_twin import AcmeTwin

from connector.testing import SourceContract


class TestAcme(SourceContract):
    adapter = Acme
    mapping = Path(__file__).parent / "acme.yaml"

    @pytest.fixture
    def served(self, clock):
        with AcmeTwin(clock=clock) as self.twin:
            yield {"base_url": self.twin.url + "/v2", "token": self.twin.token}

    def add(self, stream):
        id_ = f"{stream}-{len(self.twin.rows[stream]) + 1}"
        self.twin.put(stream, id_, name="Ana", title="A deal", value="10.50", currency="EUR", stage="new", user_id="u1")
        return id_

    def edit(self, stream, key):
        self.twin.put(stream, key, name=self.twin.rows[stream][key]["name"] + "!", stage="offer", user_id="u1")

    def delete(self, stream, key):
        del self.twin.rows[stream][key]
