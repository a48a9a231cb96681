"""Every command in the README runs as written, in its order, against the real Tryton that it starts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


@pytest.mark.real
def test_every_command_of_the_readme_ends_well_as_written() -> None:
    script = "\n".join(f"{line} || {{ echo 'FAILED: {line}'; exit 9; }}" for line in "".join(BLOCKS).splitlines())
    try:
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=600)
    finally:
        subprocess.run([ROOT / "tests/real/tryton/stop"], cwd=ROOT, capture_output=True, timeout=60)
        example = ROOT / "docs/examples/tryton"
        for left in [*example.glob("connector.db*"), *example.glob("out/*.*")]:
            left.unlink()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Amira Haddad     2,940.00" in done.stdout


def test_the_readme_names_the_two_commands_and_every_documentation_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo\nmake test" in text
    for page in re.findall(r"\]\(([^)#]+)\)", text):
        if not page.startswith("http"):
            assert (ROOT / page).exists(), page


def test_every_metric_is_documented() -> None:
    from connector.metrics import catalogue

    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    assert [name for name in catalogue.CATALOGUE if f"`{name}`" not in text] == []
