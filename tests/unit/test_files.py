"""Files beside the config are kept in the journal as they change, and withdrawn when the config drops them."""

from __future__ import annotations

from pathlib import Path

from connector import files
from connector.store.snapshot import open_snapshot
from connector.testing import FakeClock
from connector.wiring import Installation

CONFIG = """
store: sqlite:///c.db
timezone: UTC
currency: EUR
{people}
sources: {{crm: {{adapter: csv_folder, mapping: m.yaml, folder: ., files: {{deals: {{file: d.csv, key: id}}}}}}}}
"""


def test_a_people_file_the_config_no_longer_names_is_withdrawn_from_then_on(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "people.csv").write_text("employee_code,email\nE1,a@x.example\n", encoding="utf-8")
    (tmp_path / "m.yaml").write_text("entities: []\n", encoding="utf-8")
    config = tmp_path / "config.yaml"
    for people in ("people: people.csv", ""):
        clock.advance(minutes=1)
        config.write_text(CONFIG.format(people=people), encoding="utf-8")
        here = Installation.load(str(config), clock, {})
        files.register(here)
        here.close()
    with open_snapshot(here.config.store) as now:
        assert now.file("people") is None
    with open_snapshot(here.config.store, now.as_of - 30_000_000) as before:
        assert before.file("people") == b"employee_code,email\nE1,a@x.example\n"
