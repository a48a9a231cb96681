"""The ledger as it was known at one instant, read in bulk: one transaction over all tables, as Arrow.

ADBC gives columns instead of rows, which is what makes KPIs over 100,000 deals a matter of a second. Its SQLite driver
types a column by the first batch, so absent text is read as '' and every other column is an integer (design.md
section 10); the types a caller gets are always those of `store.tables`, also for an empty table.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote

from sqlalchemy import Connection, Table, Text, make_url, text
from sqlalchemy.engine import URL

from connector.errors import StoreError
from connector.store.tables import metadata

if TYPE_CHECKING:
    import pyarrow

    from connector.store.trial import Trial

_BATCH = 8192  # rows
_SQLITE_OPTIONS = {"adbc.sqlite.query.batch_rows": _BATCH}


class Document(NamedTuple):
    """A file as the journal keeps it: its path as configured, its content, and the settings it was read with (JSON)."""

    path: str
    content: bytes
    settings: str


class Reader(Protocol):
    """A way to read within one transaction, as Arrow."""

    def batches(
        self, statement: str, schema: pyarrow.Schema
    ) -> AbstractContextManager[Iterator[pyarrow.RecordBatch]]:
        """The rows of a query, batch by batch, in the types of that schema; one query at a time."""

    def rows(self, statement: str, **values: str) -> list[dict[str, Any]]:
        """All rows of a query with `:name` for each value."""


class Snapshot:
    """Rows known at `known_at`, for a question as of `as_of` (microseconds): mostly one moment."""

    def __init__(self, reader: Reader, as_of: int, known_at: int) -> None:
        self._reader, self.as_of, self.known_at = reader, as_of, known_at

    def table(self, name: str, columns: Sequence[str], where: str = "") -> pyarrow.Table:
        """These columns of the rows of a ledger table known at `known_at`, in no order.

        Text is '' where there is none, other columns are int64 and may be null. `where` is a further SQL condition of
        our own making, such as `field = 'owner'`.
        """
        with self.stream(name, columns, where) as rows:
            return rows.read_all()

    @contextmanager
    def stream(
        self, name: str, columns: Sequence[str], where: str = ""
    ) -> Iterator[pyarrow.RecordBatchReader]:
        """The rows of `table`, batch by batch; one stream at a time."""
        import pyarrow

        declared = metadata.tables[name]
        schema = _schema(declared, columns)
        known = f"seen_at <= {self.known_at} AND (replaced_at IS NULL OR replaced_at > {self.known_at})"
        condition = f"{known} AND ({where})" if where else known
        failed: list[Exception] = []

        def batches() -> Iterator[pyarrow.RecordBatch]:
            try:
                yield from found
            except Exception as error:
                failed.append(error)
                raise

        statement = f"SELECT {', '.join(_selected(declared, columns))} FROM {name} WHERE {condition}"
        with self._reader.batches(statement, schema) as found:
            try:
                yield pyarrow.RecordBatchReader.from_batches(schema, batches())
            except Exception:
                if failed:  # whoever reads the stream tells it in words of its own
                    raise failed[0] from None
                raise

    def document(self, kind: str, name: str = "") -> Document | None:
        """The file of that kind valid at `known_at`; before its first version that one holds.

        None if there never was one, or the config had stopped naming it (an empty version).

        Kinds: calendar, mapping (name = the source), directory (name = the destination), people, targets, fx, holidays,
        kpis, rules.
        """
        found = self._reader.rows(
            "SELECT path, content, settings, seen_at FROM file_version WHERE kind = :kind AND name = :name"
            f" ORDER BY CASE WHEN seen_at <= {self.known_at} THEN 0 ELSE 1 END,"
            f" CASE WHEN seen_at <= {self.known_at} THEN -seen_at ELSE seen_at END LIMIT 1",
            kind=kind, name=name,
        )
        if not found or not found[0]["content"]:
            return None
        return Document(found[0]["path"], bytes(found[0]["content"]), found[0]["settings"])

    def file(self, kind: str, name: str = "") -> bytes | None:
        """The content of `document`."""
        document = self.document(kind, name)
        return document.content if document else None


@contextmanager
def open_snapshot(url: str, as_of: int | None = None, *, reconstructed: bool = False) -> Iterator[Snapshot]:
    """One consistent view of the store at a SQLAlchemy URL, as of then (None: now). Raises StoreError.

    As it was known then, or `reconstructed`: from what is known now of what had happened by then. An instant after the
    last commit is that of the last commit.
    """
    with _reader(url) as reader:
        # The first read opens the transaction: everything later is read as of this moment.
        last = int(reader.rows("SELECT coalesce(max(last), 0) AS last FROM clock")[0]["last"])
        asked = last if as_of is None else min(as_of, last)
        yield Snapshot(reader, asked, last if reconstructed else asked)


@contextmanager
def open_trial(trial: Trial, as_of: int, known_at: int) -> Iterator[Snapshot]:
    """What a trial sees, with what it wrote so far; it must write nothing meanwhile. Raises StoreError."""
    if trial.url is None:
        yield snapshot_within(trial.connection, as_of, known_at)
        return
    trial.flush()
    with _reader(trial.url) as reader:
        yield Snapshot(reader, as_of, known_at)


@contextmanager
def _reader(url: str) -> Iterator[Reader]:
    """A transaction of its own that reads the store at a SQLAlchemy URL by ADBC. Raises StoreError."""
    import adbc_driver_manager

    address = make_url(url)
    try:
        with closing(_connect(address)) as connection:
            yield _Adbc(connection, _SQLITE_OPTIONS if address.get_backend_name() == "sqlite" else {})
    except adbc_driver_manager.Error as error:  # its text may hold the address with a password
        code = getattr(error, "sqlstate", None) or type(error).__name__
        place = address.render_as_string(hide_password=True)
        raise StoreError(f"the store at {place} cannot be read ({code}); run `connector db check`") from None


def snapshot_within(connection: Connection, as_of: int, known_at: int) -> Snapshot:
    """What a transaction of ours sees, also of what it has not committed yet; slower than `open_snapshot`."""
    return Snapshot(_Within(connection), as_of, known_at)


class _Adbc:
    """Reads by ADBC, in a transaction of its own."""

    def __init__(self, connection: Any, options: Mapping[str, int]) -> None:
        self._connection, self._options = connection, options

    @contextmanager
    def batches(self, statement: str, schema: pyarrow.Schema) -> Iterator[Iterator[pyarrow.RecordBatch]]:
        with closing(self._cursor()) as cursor:
            cursor.execute(statement)
            with cursor.fetch_record_batch() as found, closing(_one_ahead(found)) as batches:
                yield (batch.cast(schema) for batch in batches)

    def rows(self, statement: str, **values: str) -> list[dict[str, Any]]:
        for number, name in enumerate(values, start=1):
            statement = statement.replace(f":{name}", f"${number}")
        with closing(self._cursor()) as cursor:
            cursor.execute(statement, list(values.values()) or None)
            found: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
            return found

    def _cursor(self) -> Any:
        """A new cursor; to be closed, or it would pin an old snapshot."""
        cursor = self._connection.cursor()
        cursor.adbc_statement.set_options(**self._options)
        return cursor


def _one_ahead(batches: Iterator[pyarrow.RecordBatch]) -> Generator[pyarrow.RecordBatch, None, None]:
    """The same, the next one read by a thread while the caller is at this one; never two at once."""
    with ThreadPoolExecutor(1, "snapshot") as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch


class _Within:
    """Reads through a connection that is in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def batches(self, statement: str, schema: pyarrow.Schema) -> Iterator[Iterator[pyarrow.RecordBatch]]:
        import pyarrow

        def made() -> Iterator[pyarrow.RecordBatch]:
            for rows in found.partitions(_BATCH):  # without it all of them come at once
                columns = zip(schema, zip(*rows, strict=True), strict=True)
                arrays = [pyarrow.array(values, type=field.type) for field, values in columns]
                yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)

        with self._connection.execute(text(statement), execution_options={"yield_per": _BATCH}) as found:
            yield made()

    def rows(self, statement: str, **values: str) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.execute(text(statement), values).mappings()]


def _connect(address: URL) -> Any:
    """A connection whose first read opens the one transaction."""
    if address.get_backend_name() == "sqlite":
        import adbc_driver_sqlite.dbapi

        path = quote(address.database or "")
        return adbc_driver_sqlite.dbapi.connect(f"file:{path}?mode=ro")  # a missing file is an error, not a new store
    import adbc_driver_postgresql.dbapi

    connection = adbc_driver_postgresql.dbapi.connect(
        address.set(drivername="postgresql").render_as_string(hide_password=False)
    )
    with closing(connection.cursor()) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    return connection


def _selected(table: Table, columns: Sequence[str]) -> Iterator[str]:
    for name in columns:
        quoted = '"' + name + '"'  # `user` is a reserved word
        may_lack = isinstance(table.c[name].type, Text) and table.c[name].nullable
        yield f"coalesce({quoted}, '') AS {quoted}" if may_lack else quoted


def _schema(table: Table, columns: Sequence[str]) -> pyarrow.Schema:
    import pyarrow

    text, integer = pyarrow.string(), pyarrow.int64()
    return pyarrow.schema([(name, text if isinstance(table.c[name].type, Text) else integer) for name in columns])
