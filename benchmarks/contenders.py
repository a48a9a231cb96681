"""Who is measured: the connector, and the peers in their own environments."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Failed, Server
from benchmarks.ours.setup import write_config

HERE = Path(__file__).parent
SQLITE, POSTGRES = "SQLite", "PostgreSQL"
STORES = (SQLITE, POSTGRES)
OURS = "connector"
PEERS = {"dlt": STORES, "singer": (POSTGRES,), "afternoon": STORES, "floor": STORES}  # the stores each can fill
COUNTS = {  # what tells that a contender has done the work: the deals in its store
    OURS: "SELECT count(*) FROM deal WHERE replaced_at IS NULL",
    "dlt": "SELECT count(*) FROM crm.deals",
    "singer": "SELECT count(*) FROM melty.deals",
    "afternoon": "SELECT count(*) FROM deals",
}


@dataclass(frozen=True)
class Place:
    """One store of one contender, empty at first, with a folder for its config and state."""

    who: str
    store: str
    folder: Path
    database: str = ""
    server: Server | None = None

    @classmethod
    def new(cls, who: str, store: str, folder: Path, server: Server | None) -> Place:
        """An empty one; whatever was in the folder is gone."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if store == SQLITE:
            return cls(who, store, folder)
        if server is None:
            raise Failed("there is no PostgreSQL")
        return cls(who, store, folder, server.new(), server)

    @property
    def url(self) -> str:
        """Its address for SQLAlchemy."""
        if self.server is None:
            return f"sqlite:///{self.folder / 'store.db'}"
        return f"postgresql+psycopg://postgres@/{self.database}?host={self.server.socket}"

    def sync(self, crm_url: str, *, windows: int | None = None) -> list[str]:
        """The command that brings the store up to date with the CRM."""
        if self.who == OURS:
            config = write_config(self.folder, store=self.url, base_url=crm_url, windows=windows)
            return [*connector(), "sync", "--no-push", "--json", "--config", str(config)]
        store = self.url
        if self.who == "dlt" and self.server is not None:  # its credentials need a host and a password
            store = f"postgresql://postgres:unused@localhost/{self.database}?host={self.server.socket}"
        command = [str(python(self.who)), str(HERE / "peers" / self.who / "peer.py"), "--url", crm_url]
        return [*command, "--store", store, "--state", str(self.folder)]

    def deals(self) -> int | None:
        """How many deals the store holds; None for the floor, which stores nothing."""
        if self.who not in COUNTS:
            return None
        query = COUNTS[self.who]
        if self.server is not None:
            return int(self.server.execute(query, self.database)[0][0])
        connection = sqlite3.connect(self.folder / "store.db")
        if self.who == "dlt":  # a dataset is a file of its own
            connection.execute("ATTACH ? AS crm", (str(self.folder / "store__crm.db"),))
        try:
            return int(connection.execute(query).fetchone()[0])
        finally:
            connection.close()

    def drop(self) -> None:
        """Give the disk back."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.server is not None:
            self.server.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")


def connector() -> list[str]:
    """The installed command, as a user runs it."""
    return [str(Path(sys.executable).parent / "connector")]


def python(peer: str) -> Path:
    """The interpreter of a peer's environment."""
    return HERE / ".venvs" / peer / "bin" / "python"


def prepare(peers: list[str]) -> None:
    """Make the environments that are not there, or whose requirements have changed; and everybody's bytecode.

    Who installs with pip has bytecode; without it each start compiles hundreds of modules again.
    """
    _compile(Path(sys.executable), *(str(HERE.parent / name) for name in ("connector", "adapters", "benchmarks/ours")))
    for peer in peers:
        wanted = HERE / "peers" / peer / "requirements.txt"
        made = python(peer).parent.parent / "installed.txt"
        if made.is_file() and made.read_bytes() == wanted.read_bytes():
            continue
        print(f"making the environment of {peer}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(made.parent)], check=True)  # noqa: S603
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)]
        subprocess.run([str(python(peer)), *install], check=True)  # noqa: S603
        _compile(python(peer), str(HERE / "peers" / peer))
        shutil.copy(wanted, made)


def _compile(interpreter: Path, *folders: str) -> None:
    """Write the bytecode of an environment's packages, and of these folders."""
    where = [str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
    compiling = [str(interpreter), "-m", "compileall", "-q", "-j", "0", packages, *folders]
    subprocess.run(compiling, check=False, capture_output=True)  # noqa: S603  # some packages ship files for other Pythons
