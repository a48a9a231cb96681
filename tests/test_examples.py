"""docs/writing-an-adapter.md holds the example as it stands, keeps to its hundred lines, and its commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real_servers import free_port

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "acme"
PAGE = (ROOT / "docs" / "writing-an-adapter.md").read_text("utf-8")
FILES = ["acme.py", "acme.yaml", "acme_twin.py", "test_acme.py", "config.yaml"]


@pytest.mark.parametrize("name", FILES)
def test_the_page_shows_each_file_as_it_stands(name: str) -> None:
    content = (EXAMPLE / name).read_text("utf-8")
    language = {".py": "python", ".yaml": "yaml"}[Path(name).suffix]
    assert f"```{language}\n{content}```" in PAGE


def test_adapter_mapping_and_test_are_under_a_hundred_lines() -> None:
    texts = [(EXAMPLE / name).read_text("utf-8") for name in ("acme.py", "acme.yaml", "test_acme.py")]
    assert sum(bool(line.strip()) for text in texts for line in text.splitlines()) < 100


def test_the_commands_of_the_page_run_as_written(tmp_path: Path) -> None:
    """In a copy of the folder, on a port that is free; the contract's run has a test of its own."""
    for file in EXAMPLE.glob("*.*"):
        shutil.copy(file, tmp_path)
    port = str(free_port())
    for name in ("acme_twin.py", "config.yaml"):
        (tmp_path / name).write_text((tmp_path / name).read_text("utf-8").replace("8899", port), "utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    commands = [line for line in block.splitlines() if not line.startswith("pytest")]
    script = "\n".join(["trap 'kill $(jobs -p)' EXIT", "set -e", *commands])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Ana Alvarez   4,200.50" in done.stdout
    assert "Ana Alvarez   4,200.50" in PAGE
