"""What all users of an account share, in the store: its rate budget, and its tokens, encrypted.

A change of the budget is one short transaction that locks nothing but its rows (SQLite: the database). Tokens are
renewed under a lease, since that takes a call; nobody's transaction waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, select, text, update

from connector.errors import AuthError, Busy
from connector.model import micros
from connector.ports import Clock
from connector.store import tables
from connector.store.store import LEASE_SECONDS, Lease, Store

LOOKED_AGAIN = 0.2  # seconds between two tries for a lease that somebody else holds


class StoreShared:
    """`connector.ports.Shared` for all processes of one installation.

    `store` opens it when something is to be shared. Without `key` (a Fernet key) no token is kept.
    """

    def __init__(self, store: Callable[[], Store], clock: Clock, key: str | None = None) -> None:
        self._store, self._clock, self._key = store, clock, key

    def __repr__(self) -> str:
        return "StoreShared()"

    # --- the rate budget ---------------------------------------------------------------------------------------------

    def budget(self, account: str, names: Sequence[str], change: Callable[[MutableMapping[str, str]], None]) -> None:
        table = tables.rate_budget
        query = select(table.c.name, table.c.state).where(table.c.account == account, table.c.name.in_(names))
        query = query.order_by(table.c.name).with_for_update()  # always in one order, so that none waits for another
        with self._store().apart(durable=False) as connection:
            before = {row.name: row.state for row in connection.execute(query)}
            if len(before) < len(names):
                _insert_missing(connection, account, names)
                before = {row.name: row.state for row in connection.execute(query)}
            states = dict(before)
            change(states)
            for name, state in states.items():
                if before.get(name) != state:
                    mine = (table.c.account == account, table.c.name == name)
                    connection.execute(update(table).where(*mine).values(state=state))

    def limits(self, account: str) -> Mapping[str, str]:
        table = tables.rate_budget
        rows = self._store().rows(select(table.c.name, table.c.state).where(table.c.account == account))
        return {row.name: row.state for row in rows}

    # --- tokens ------------------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self, account: str) -> Iterator[None]:
        store, lease = self._store(), self._lease(f"token/{account}")
        try:
            yield
        finally:
            store.release(lease)

    def token(self, account: str) -> str | None:
        if self._key is None:
            return None
        table = tables.token
        rows = self._store().rows(select(table.c.content).where(table.c.account == account))
        return self._cipher().opened(rows[0].content) if rows else None

    def keep_token(self, account: str, content: str) -> bool:
        if self._key is None:
            return False
        table = tables.token
        values = {"content": self._cipher().closed(content), "changed_at": micros(self._clock.now())}
        with self._store().apart() as connection:
            done = connection.execute(update(table).where(table.c.account == account).values(**values))
            if not done.rowcount:
                connection.execute(table.insert(), {"account": account, **values})
        return True

    def _lease(self, name: str) -> Lease:
        waited = 0.0
        while True:
            try:
                return self._store().acquire(name)
            except Busy:
                if waited > LEASE_SECONDS:
                    raise
            self._clock.sleep(LOOKED_AGAIN)
            waited += LOOKED_AGAIN

    def _cipher(self) -> _Cipher:
        assert self._key is not None  # noqa: S101  # asked by the callers
        return _Cipher(self._key)


class _Cipher:
    """Fernet: AES-128-CBC with HMAC-SHA256, https://github.com/fernet/spec."""

    def __init__(self, key: str) -> None:
        from cryptography.fernet import Fernet

        self._fernet = Fernet(key)

    def closed(self, content: str) -> str:
        return self._fernet.encrypt(content.encode()).decode()

    def opened(self, content: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(content.encode()).decode()
        except InvalidToken:
            raise AuthError(
                "the token kept in the store cannot be read with this encryption_key; put back the key it was kept "
                "with, or authorise again and put the new refresh token in the config"
            ) from None


def _insert_missing(connection: Connection, account: str, names: Sequence[str]) -> None:
    """Rows to lock, for those who come first; two who do so at once make them once."""
    statement = "INSERT INTO rate_budget (account, name, state) VALUES (:account, :name, '') ON CONFLICT DO NOTHING"
    connection.execute(text(statement), [{"account": account, "name": name} for name in sorted(names)])
