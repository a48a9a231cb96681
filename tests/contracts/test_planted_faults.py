"""The contract works outside of this repository: a good adapter passes it, and each planted fault is caught by name."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BAD = Path(__file__).with_name("bad_adapters.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own folder: the example as it stands, and the adapters with faults."""
    for file in (ROOT / "examples" / "acme").glob("*.*"):
        shutil.copy(file, tmp_path)
    shutil.copy(BAD, tmp_path / "test_bad.py")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """pytest in that folder, as its owner runs it; its exit code and what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=540)
    return done.returncode, done.stdout + done.stderr


def caught() -> dict[str, str]:
    """Which check catches which fault, as bad_adapters.py says."""
    tree = ast.parse(BAD.read_text(encoding="utf-8"))
    (table,) = (
        node.value for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "CAUGHT"
    )
    assert isinstance(table, ast.Dict)
    pairs = zip(table.keys, table.values, strict=True)
    return {ast.unparse(key): ast.literal_eval(value) for key, value in pairs if key is not None}


def test_the_example_passes_every_check_that_applies_in_a_folder_of_its_own(folder: Path) -> None:
    code, said = run(folder, "-rs", "test_acme.py")
    assert code == 0, said[-6000:]
    passed = re.search(r"(\d+) passed, (\d+) skipped", said)
    assert passed, said[-2000:]
    assert int(passed[1]) >= 90
    reasons = sorted(set(re.findall(r"SKIPPED \[\d+\] \S+ (.*)", said)))
    assert reasons == [
        "Acme offers no stream that lists its ids", "TestAcme does not say how to hide a record of a complete stream",
    ]  # fmt: skip


def test_each_planted_fault_is_caught_by_the_check_that_names_it(folder: Path) -> None:
    faults = caught()
    assert len(faults) >= 12
    nodes = [f"test_bad.py::Test{adapter}::{check}" for adapter, check in faults.items()]
    _, said = run(folder, "-rfpE", *nodes)
    failed = set(re.findall(r"^FAILED test_bad.py::Test(\w+)::", said, re.M))
    assert failed == faults.keys(), f"not caught: {sorted(faults.keys() - failed)}\n{said[-6000:]}"


def test_the_checks_that_catch_them_pass_for_the_adapter_without_faults(folder: Path) -> None:
    """Each fault is caught for what it is, not because the check fails anyway; lists of ids the example has none of."""
    of_lists = {"test_listed_ids_are_those_of_the_reading", "test_a_listed_record_was_changed_when_a_reading_says_so"}
    checks = sorted(set(caught().values()) - of_lists)
    code, said = run(folder, *[f"test_acme.py::TestAcme::{check}" for check in checks])
    assert code == 0, said[-6000:]
    assert f"{len(checks)} passed" in said
