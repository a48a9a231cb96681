"""A real MariaDB for tests, where `mariadbd` is installed (Debian: mariadb-server): started once a session in a folder
of its own, by any user, listening on a socket there and nowhere else.

    from tests.mariadb import mariadb_socket, mariadb_url      # in a conftest.py; then a test asks for `mariadb_url`
"""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

_NUMBERS = itertools.count(1)
_LONGEST_START = 60  # seconds
_WHERE = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


@pytest.fixture(scope="session")
def mariadb_socket() -> Iterator[str]:
    """The socket of one real MariaDB; skipped, with the reason, where there is none."""
    server, installer = (shutil.which(name, path=_WHERE) for name in ("mariadbd", "mariadb-install-db"))
    if server is None or installer is None:
        pytest.skip("mariadbd is not installed (Debian: apt-get install mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix="my"))  # short: a socket's path has at most 107 bytes
    common = [f"--datadir={folder}/data", f"--user={getpass.getuser()}"]
    base = f"--basedir={Path(server).parent.parent}"
    made = subprocess.run(
        [installer, "--no-defaults", base, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        capture_output=True, text=True,
    )
    if made.returncode:
        pytest.fail(f"mariadb-install-db ended with {made.returncode}:\n{made.stdout}{made.stderr}")
    socket = str(folder / "s")
    # Nothing here outlives the tests, so no write has to reach the disk.
    quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", "--sync-binlog=0",
             "--innodb-flush-method=nosync"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [server, "--no-defaults", base, *common, *quick, "--skip-networking", f"--socket={socket}",
             f"--pid-file={folder}/pid"],
            stdout=log, stderr=log,
        )
    try:
        _answers(socket, running, folder / "log")
        yield socket
    finally:
        running.terminate()
        running.wait(_LONGEST_START)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(socket: str, running: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server takes connections."""
    until = time.monotonic() + _LONGEST_START
    while True:
        try:
            pymysql.connect(unix_socket=socket, user="root").close()
        except pymysql.err.OperationalError:
            if running.poll() is not None or time.monotonic() > until:
                pytest.fail(f"mariadbd does not answer:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)  # a server of another's has no event to wait for
        else:
            return


@pytest.fixture
def mariadb_url(mariadb_socket: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, dropped after the test."""
    name = f"t{next(_NUMBERS)}"
    run(mariadb_socket, f"CREATE DATABASE {name}")
    yield f"mariadb+pymysql://root@/{name}?unix_socket={mariadb_socket}"
    run(mariadb_socket, f"DROP DATABASE {name}")


def run(socket: str, *statements: str) -> None:
    """Run these as the server's administrator."""
    with pymysql.connect(unix_socket=socket, user="root", autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
