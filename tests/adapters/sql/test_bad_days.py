"""The sql destination under seeded bad days, a third of them on each database: commits that are lost, answers that are,
deaths."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection

from adapters.sql import Sql, SqlSettings
from connector.errors import Unanswered
from connector.store.store import Store
from connector.testing import FakeClock, context
from tests.adapters.scripts import lived, settled
from tests.adapters.sql.helpers import rows


class Trouble(Sql):
    """Breaks the connection at a share of its commits, before or after they count."""

    chance = random.Random(0)
    share = 0.0

    def _commit(self, connection: Connection) -> None:
        fate = self.chance.random()
        if fate < self.share / 2:
            connection.rollback()
            raise Unanswered(f"{self.name}: broken before")
        super()._commit(connection)
        if fate < self.share:
            raise Unanswered(f"{self.name}: broken after")


@pytest.mark.parametrize("seed", range(10))
def test_after_bad_days_the_tables_hold_every_value_once(
    seed: int, request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path
) -> None:
    kinds = (f"sqlite:///{tmp_path}/bi.db", "postgres_url", "mariadb_url")
    database = kinds[seed % 3] if seed % 3 == 0 else str(request.getfixturevalue(kinds[seed % 3]))
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    is_star = seed % 2 == 1
    Trouble.chance, Trouble.share = random.Random(seed), 0.5

    def make() -> Trouble:
        return Trouble("bi", SqlSettings(url=SecretStr(database), star=is_star), context(clock))

    wanted = lived(seed, store, make, clock, name="bi")
    Trouble.share = 0.0
    done = settled(store, make, clock, wanted, name="bi")
    assert (done.owed, done.unanswered, done.refused, done.error) == (0, 0, 0, None)
    table = "fact_kpi_value" if is_star else "kpi_value"
    held = [(kpi, subject, float(value)) for kpi, subject, value in
            rows(database, f"SELECT kpi, subject_key, value FROM {table}")]
    assert sorted(held) == sorted((one.kpi, one.subject.key, float(one.value or 0)) for one in wanted)
    store.close()
