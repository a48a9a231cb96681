"""The contract of a destination works outside of this repository: each planted fault is caught by name."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BAD = HERE / "bad_destinations.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own folder: a destination as it should be, and those with faults."""
    shutil.copy(HERE / "shelf.py", tmp_path)
    shutil.copy(HERE / "shelf.py", tmp_path / "test_shelf.py")
    shutil.copy(BAD, tmp_path / "test_bad.py")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """pytest in that folder, as its owner runs it; its exit code and what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    return done.returncode, done.stdout + done.stderr


def caught() -> dict[str, str]:
    """Which check catches which fault, as bad_destinations.py says."""
    tree = ast.parse(BAD.read_text(encoding="utf-8"))
    (table,) = (
        node.value for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "CAUGHT"
    )
    assert isinstance(table, ast.Dict)
    pairs = zip(table.keys, table.values, strict=True)
    return {ast.unparse(key): ast.literal_eval(value) for key, value in pairs if key is not None}


def test_a_destination_without_faults_passes_every_check_that_applies(folder: Path) -> None:
    code, said = run(folder, "-rs", "test_shelf.py")
    assert code == 0, said[-6000:]
    passed = re.search(r"(\d+) passed", said)
    assert passed, said[-2000:]
    assert int(passed[1]) >= 90
    reasons = set(re.findall(r"SKIPPED \[\d+\] \S+ (.*)", said))
    assert reasons == {
        "Shelf is used by one thread at a time", "TestShelf does not say `expire`",
        "TestShelf names nobody as `locked_out`",
    }


def test_each_planted_fault_is_caught_by_the_check_that_names_it(folder: Path) -> None:
    faults = caught()
    assert len(faults) >= 20
    nodes = [f"test_bad.py::Test{adapter}::{check}" for adapter, check in faults.items()]
    _, said = run(folder, "-rfpE", *nodes)
    failed = set(re.findall(r"^FAILED test_bad.py::Test(\w+)::", said, re.M))
    assert failed == faults.keys(), f"not caught: {sorted(faults.keys() - failed)}\n{said[-6000:]}"
