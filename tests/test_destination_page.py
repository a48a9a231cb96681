"""docs/writing-a-destination.md holds the example as it stands, and its commands run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real_servers import free_port

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "hr"
PAGE = (ROOT / "docs" / "writing-a-destination.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLE.glob("*.*")))
def test_the_page_shows_each_file_as_it_stands(name: str) -> None:
    content = (EXAMPLE / name).read_text("utf-8")
    assert f"```{Path(name).suffix[1:]}\n{content}```" in PAGE


def test_the_commands_of_the_page_run_as_written(tmp_path: Path) -> None:
    """In a copy of the folder, on a port that is free."""
    for file in EXAMPLE.glob("*.*"):
        shutil.copy(file, tmp_path)
    port = str(free_port())
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text("utf-8").replace("8898", port), "utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    waiting = f"until curl -s -o /dev/null http://127.0.0.1:{port}/; do sleep 0.1; done"
    commands = block.replace("8898", port).replace("sleep 3", waiting).replace("curl http", "curl -s http")
    script = "\n".join(["trap 'kill $(jobs -p)' EXIT", "set -e", commands])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for line in (" Lan Nguyen   150,500,000 ", " Minh Tran     99,000,000 "):
        assert line in done.stdout
        assert line in PAGE
    results = json.loads(done.stdout[done.stdout.rindex('{"results"'):])["results"].values()
    held = {row["MaNhanVien"]: row["ThucHien"] for row in results if row["Ky"] == "10/2026"}
    assert (held["NV0007"], held["NV0008"], sum(held.values())) == (150_500_000, 99_000_000, 249_500_000)
    assert len({(row["MaNhanVien"], row["Ky"]) for row in results}) == len(results)
