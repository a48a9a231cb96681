"""The file destination."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.file import File, FileSettings
from connector import outbox
from connector.deliver import deliver
from connector.errors import Permanent, Transient
from connector.model import KpiValue, Subject
from connector.ports import Delivery
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value


def delivery(value: KpiValue) -> Delivery:
    return Delivery(outbox.key("out", value), value.as_json())


def make(folder: Path, clock: FakeClock, path: str = "out/kpi-{period}.csv") -> File:
    return File("out", FileSettings(path=path), context(clock, folder=str(folder)))


def put(out: File, *values: KpiValue) -> list[str]:
    return [receipt.outcome for receipt in out.send([delivery(value) for value in values])]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_period_has_a_file_whose_rows_are_sorted_by_key(tmp_path: Path, clock: FakeClock) -> None:
    values = [kpi_value(subject="person:B"), kpi_value(subject="person:A"), kpi_value(period="2026-11")]
    put(make(tmp_path, clock), *values)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "kpi-2026-10.csv", "kpi-2026-11.csv", "out.manifest.json",
    ]
    assert [row["subject_key"] for row in rows(tmp_path / "out/kpi-2026-10.csv")] == ["A", "B"]


def test_what_is_owed_is_merged_into_the_rows_that_are_there(tmp_path: Path, clock: FakeClock) -> None:
    out = make(tmp_path, clock)
    put(out, kpi_value(subject="person:A", value="1.00"), kpi_value(subject="person:B", value="2.00"))
    put(out, kpi_value(subject="person:B", value="3.00"))
    found = rows(tmp_path / "out/kpi-2026-10.csv")
    assert [(row["subject_key"], row["value"]) for row in found] == [("A", "1.00"), ("B", "3.00")]


def test_the_same_values_give_the_same_bytes_with_line_ends_of_rfc_4180(tmp_path: Path, clock: FakeClock) -> None:
    path, out = tmp_path / "out/kpi-2026-10.csv", make(tmp_path, clock)
    put(out, kpi_value(dimensions={"stage": 'the "big", one'}))
    before = path.read_bytes()
    put(out, kpi_value(dimensions={"stage": 'the "big", one'}))
    assert path.read_bytes() == before
    assert before.count(b"\r\n") == before.count(b"\n") == 2
    assert rows(path)[0]["dimensions"] == '{"stage":"the \\"big\\", one"}'


@pytest.mark.parametrize("name", ["=1+1", "+1", "-x", "@SUM(A1)", "\tx"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(tmp_path: Path, clock: FakeClock, name: str) -> None:
    value = kpi_value(value="-5.00")
    object.__setattr__(value, "subject", Subject("team", "north", name))
    out = make(tmp_path, clock)
    put(out, value)
    put(out, value)
    (row,) = rows(tmp_path / "out/kpi-2026-10.csv")
    assert (row["subject_name"], row["value"]) == (f"'{name}", "-5.00")


def test_reading_back_tells_whether_exactly_this_value_is_there(tmp_path: Path, clock: FakeClock) -> None:
    out = make(tmp_path, clock)
    assert out.find(delivery(kpi_value())).outcome == "retry"  # type: ignore[union-attr]
    put(out, kpi_value())
    assert out.find(delivery(kpi_value())).outcome == "confirmed"  # type: ignore[union-attr]
    assert out.find(delivery(kpi_value(value="7.00"))).outcome == "retry"  # type: ignore[union-attr]


def test_a_crash_before_the_rename_leaves_the_old_file_and_the_next_run_completes(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    path = tmp_path / "out/kpi-2026-10.csv"

    def push(value: str) -> None:
        deliver(store, make(tmp_path, clock), "out", [kpi_value(value=value)], {}, run="r", clock=clock)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    push("1.00")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            push("2.00")
    assert rows(path)[0]["value"] == "1.00"
    push("2.00")
    assert rows(path)[0]["value"] == "2.00"
    assert sorted(found.name for found in path.parent.iterdir()) == [path.name, "out.manifest.json"]
    store.close()


def test_a_file_somebody_took_away_is_written_again_in_full(tmp_path: Path, clock: FakeClock) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    values = [kpi_value(subject="person:A"), kpi_value(subject="person:B")]
    deliver(store, make(tmp_path, clock), "out", values, {}, run="r", clock=clock)
    (tmp_path / "out/kpi-2026-10.csv").unlink()
    done = deliver(store, make(tmp_path, clock), "out", values, {}, run="r", clock=clock)
    assert done.confirmed == 2
    assert len(rows(tmp_path / "out/kpi-2026-10.csv")) == 2
    store.close()


def test_a_file_that_is_not_ours_is_not_overwritten(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "payroll.csv"
    path.write_text("name;salary\nAn;1\n", encoding="utf-8")
    (receipt,) = make(tmp_path, clock, "payroll.csv").send([delivery(kpi_value())])
    assert (receipt.outcome, "no file of ours" in receipt.message) == ("refused", True)
    assert path.read_text(encoding="utf-8") == "name;salary\nAn;1\n"


def test_a_file_spoilt_by_hand_holds_up_no_other_and_the_manifest_agrees(tmp_path: Path, clock: FakeClock) -> None:
    """Somebody saved October from a spreadsheet with semicolons."""
    september = {"period": "2026-09", "period_start": "2026-09-01", "period_end": "2026-09-30"}
    put(make(tmp_path, clock), kpi_value(value="1.00", **september), kpi_value(value="1.00"))
    (tmp_path / "out/kpi-2026-10.csv").write_text("kpi;subject\nx;y\n", encoding="utf-8")
    values = [kpi_value(value="2.00"), kpi_value(value="2.00", **september)]
    assert put(make(tmp_path, clock), *values) == ["refused", "confirmed"]
    content = (tmp_path / "out/kpi-2026-09.csv").read_bytes()
    listed = json.loads((tmp_path / "out/out.manifest.json").read_bytes())["files"]
    assert listed["kpi-2026-09.csv"]["sha256"] == hashlib.sha256(content).hexdigest()
    found = make(tmp_path, clock).find_all([delivery(value) for value in values])
    assert [one and one.outcome for one in found] == [None, "confirmed"]
    taken = make(tmp_path, clock).withdraw([delivery(value) for value in values])
    assert [one.outcome for one in taken] == ["refused", "confirmed"]


def test_a_manifest_that_is_not_ours_is_said_before_any_file_is_replaced(tmp_path: Path, clock: FakeClock) -> None:
    put(make(tmp_path, clock), kpi_value(value="1.00"))
    before = (tmp_path / "out/kpi-2026-10.csv").read_bytes()
    (tmp_path / "out/out.manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(Permanent, match="no file of ours"):
        put(make(tmp_path, clock), kpi_value(value="2.00"))
    assert (tmp_path / "out/kpi-2026-10.csv").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(Transient, match=r"/out/.*check the folder"):
        put(make(tmp_path, clock), kpi_value())


def test_nothing_filled_into_the_path_leaves_the_folder(tmp_path: Path, clock: FakeClock) -> None:
    put(make(tmp_path, clock, "out/{subject_key}/{kpi}.csv"), kpi_value("a/b", "person:../.."))
    assert (tmp_path / "out/__..").parent == tmp_path / "out"
    assert [path.name for path in tmp_path.rglob("*.csv")] == ["a_b.csv"]


@pytest.mark.parametrize(
    ("path", "said"), [("kpi.xls", "expected .csv, .xlsx, .parquet"), ("{name}.csv", "there is no {name}")]
)
def test_a_path_that_cannot_be_is_a_fault_of_the_config(path: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FileSettings(path=path)
