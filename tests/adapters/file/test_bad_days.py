"""The file destination under seeded bad days: a disk that fails at any rename, and deaths."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from adapters._file_formats import FORMATS
from adapters.file import File, FileSettings
from connector.store.store import Store
from connector.testing import FakeClock, context
from tests.adapters.scripts import lived, settled


@pytest.mark.parametrize("seed", range(10))
def test_after_bad_days_the_files_hold_every_value_once_and_agree_with_their_manifest(
    seed: int, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    ending = tuple(FORMATS)[seed % 3]
    chance, real = random.Random(seed), os.replace

    def replace(one: Any, other: Any) -> None:
        fate = chance.random()
        if fate < 0.2:
            raise OSError(28, "No space left on device")
        real(one, other)
        if fate < 0.4:
            raise OSError(5, "Input/output error")

    def make() -> File:
        return File("out", FileSettings(path=f"out/{{kpi}}-{{period}}{ending}"), context(clock, folder=str(tmp_path)))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        wanted = lived(seed, store, make, clock)
    done = settled(store, make, clock, wanted)
    assert (done.owed, done.unanswered, done.refused, done.error) == (0, 0, 0, None)
    listed = json.loads((tmp_path / "out/out.manifest.json").read_text("utf-8"))["files"]
    held = []
    for name, entry in listed.items():
        content = (tmp_path / "out" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        held += [(row["kpi"], row["subject_key"], float(row["value"])) for row in FORMATS[ending].decode(content)]
    assert sorted(held) == sorted((one.kpi, one.subject.key, float(one.value or 0)) for one in wanted)
    assert sorted(path.name for path in (tmp_path / "out").glob(f"*{ending}") if path.name[0] != ".") == sorted(listed)
    store.close()
