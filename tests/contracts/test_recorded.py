"""An adapter whose vendor cannot be asked passes the checks of recorded pages; the others say why they are skipped."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.contracts.test_planted_faults import ROOT, run

TEST = """\
from pathlib import Path

import pytest
from acme import Acme
from acme_twin import AcmeTwin

from connector.testing import FakeClock, SourceContract, context
from connector.testing.recording import load, save

FILE = Path(__file__).parent / "pages.json"


def test_record(tmp_path):
    from datetime import UTC, datetime
    clock = FakeClock(datetime(2026, 3, 2, tzinfo=UTC))
    with AcmeTwin(clock=clock) as twin:
        for number in range(8):
            twin.put("deals", f"d{number}", title="A deal", value="1.5", currency="EUR", stage="new", user_id="u1")
        settings = Acme.Settings(base_url=twin.url + "/v2", token=twin.token)
        save(FILE, Acme("acme", settings, context(clock)))
    assert {name: len(pages) for name, pages in load(FILE).items()} == {"users": 1, "deals": 3}
    assert twin.token not in FILE.read_text()


class RECORDED(SourceContract):
    adapter = Acme
    mapping = Path(__file__).parent / "acme.yaml"
    recorded = load(FILE) if FILE.exists() else None

    @pytest.fixture
    def served(self):
        return {"token": "not-needed"}
"""


def test_recorded_pages_are_enough_for_the_checks_of_shape(tmp_path: Path) -> None:
    for file in (ROOT / "examples" / "acme").glob("*.*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "test_first.py").write_text(TEST.replace("RECORDED", "Recorded"), encoding="utf-8")
    code, said = run(tmp_path, "test_first.py::test_record")
    assert code == 0, said[-3000:]
    (tmp_path / "test_then.py").write_text(TEST.replace("RECORDED", "TestRecorded"), encoding="utf-8")
    code, said = run(tmp_path, "-rs", "test_then.py::TestRecorded")
    assert code == 0, said[-6000:]
    passed = re.search(r"(\d+) passed, (\d+) skipped", said)
    assert passed, said[-2000:]
    assert int(passed[1]) >= 15
    reasons = set(re.findall(r"SKIPPED \[\d+\] \S+ (.*)", said))
    assert reasons == {"only recorded pages are given: nothing is asked of the vendor"}
