"""The file destination as Excel and Parquet, in a folder and in S3, and its manifest."""

from __future__ import annotations

import hashlib
import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from adapters.file import File, FileSettings
from connector import outbox
from connector.deliver import deliver
from connector.errors import AuthError, Transient
from connector.model import KpiValue, Subject
from connector.ports import Delivery
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value

ENDINGS = ("csv", "xlsx", "parquet")


def delivery(value: KpiValue) -> Delivery:
    return Delivery(outbox.key("out", value), value.as_json())


def make(folder: Path, clock: FakeClock, path: str, **more: Any) -> File:
    return File("out", FileSettings(path=path, **more), context(clock, folder=str(folder)))


def put(out: File, *values: KpiValue) -> list[str]:
    return [receipt.outcome for receipt in out.send([delivery(value) for value in values])]


def found(out: File, value: KpiValue) -> str:
    receipt = out.find(delivery(value))
    assert receipt is not None
    return receipt.outcome


def cells(content: bytes) -> list[tuple[Any, ...]]:
    """What Excel shows of kpi, subject_key and value, the head left out."""
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    heads = [cell.value for cell in next(sheet.iter_rows(max_row=1))]
    places = [heads.index(name) for name in ("kpi", "subject_key", "value")]
    return [tuple(row[place].value for place in places) for row in sheet.iter_rows(min_row=2)]


# --- what stands in the file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read_back_and_merged_with_what_is_owed_later(
    tmp_path: Path, clock: FakeClock, ending: str
) -> None:
    out = make(tmp_path, clock, f"kpi-{{period}}.{ending}")
    first = kpi_value(subject="person:A", value="19000.00", target="20000.00", dimensions={"stage": "Đàm phán"})
    assert put(out, first, kpi_value(subject="person:B", value="2.00")) == ["confirmed", "confirmed"]
    assert put(out, kpi_value(subject="person:B", value="3.00")) == ["confirmed"]
    assert found(out, first) == "confirmed"
    assert found(out, kpi_value(subject="person:B", value="3.00")) == "confirmed"
    assert found(out, kpi_value(subject="person:B", value="2.00")) == "retry"
    assert found(out, kpi_value(subject="person:C")) == "retry"


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_values_give_the_same_bytes_a_day_later(tmp_path: Path, clock: FakeClock, ending: str) -> None:
    values = [kpi_value(subject=f"person:{code}", value="0.333333") for code in "BA"]
    put(make(tmp_path, clock, f"one.{ending}"), *values)
    clock.advance(days=1)
    put(make(tmp_path, clock, f"two.{ending}"), *reversed(values))
    put(make(tmp_path, clock, f"two.{ending}"), values[0])
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_taking_back_removes_the_named_rows_and_no_others(tmp_path: Path, clock: FakeClock, ending: str) -> None:
    out, values = make(tmp_path, clock, f"kpi.{ending}"), [kpi_value(subject=f"person:{code}") for code in "ABC"]
    put(out, *values)
    for _ in range(2):
        assert [one.outcome for one in out.withdraw([delivery(value) for value in values[:2]])] == ["confirmed"] * 2
    assert [found(out, value) for value in values] == ["retry", "retry", "confirmed"]
    manifest = json.loads((tmp_path / "out.manifest.json").read_text("utf-8"))
    assert manifest["files"][f"kpi.{ending}"]["rows"] == 1


def test_excel_has_numbers_as_numbers_and_codes_as_they_are(tmp_path: Path, clock: FakeClock) -> None:
    put(make(tmp_path, clock, "kpi.xlsx"), kpi_value(subject="person:007", value="19000.50"),
        kpi_value("share", subject="person:=1+1", value="98765432109876543.21"))
    assert cells((tmp_path / "kpi.xlsx").read_bytes()) == [
        ("share", "=1+1", "98765432109876543.21"),  # more digits than Excel keeps
        ("won_value", "007", 19000.5),
    ]
    sheet = openpyxl.load_workbook(tmp_path / "kpi.xlsx").active
    assert sheet["E2"].data_type == sheet["D2"].data_type == "s"
    formats = {cell.value: cell.number_format for row in sheet.iter_rows(min_row=2) for cell in row}
    assert formats[19000.5] == "#,##0.00"


def test_parquet_is_typed_so_that_any_tool_sums_it_exactly(tmp_path: Path, clock: FakeClock) -> None:
    put(make(tmp_path, clock, "kpi.parquet"), kpi_value(value="98765432109876543.21"),
        kpi_value("win_rate", value=None, dimensions={"stage": "x"}))
    schema = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "kpi.parquet")}
    assert (schema["value"], schema["period_start"], schema["as_of"], schema["subject_key"]) == (
        "decimal128(38, 10)", "date32[day]", "timestamp[us, tz=UTC]", "string",
    )
    rows = duckdb.sql(f"SELECT kpi, value FROM '{tmp_path}/kpi.parquet' ORDER BY kpi").fetchall()
    assert rows == [("win_rate", None), ("won_value", Decimal("98765432109876543.21"))]


def test_a_value_that_a_file_cannot_hold_is_refused_and_the_others_are_written(
    tmp_path: Path, clock: FakeClock
) -> None:
    out = make(tmp_path, clock, "kpi.parquet")
    receipts = list(out.send([delivery(kpi_value(subject="person:A", value="0.123456789012")),
                              delivery(kpi_value(subject="person:B"))]))
    assert [receipt.outcome for receipt in receipts] == ["refused", "confirmed"]
    assert receipts[0].message == "value has more digits than decimal(38,10) keeps"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_not_ours_is_not_overwritten(tmp_path: Path, clock: FakeClock, ending: str) -> None:
    path = tmp_path / f"payroll.{ending}"
    path.write_bytes(b"name;salary\nAn;1\n")
    (receipt,) = make(tmp_path, clock, path.name).send([delivery(kpi_value())])
    assert (receipt.outcome, "no file of ours" in receipt.message) == ("refused", True)
    assert path.read_bytes() == b"name;salary\nAn;1\n"


@pytest.mark.parametrize(("added", "said"), [
    ("sheet", "has the sheet Notes, which is not ours"), ("column", "has the column HR comment, which is not ours"),
    ("cell", "has a cell beside our columns, which is not ours"),
])
def test_what_a_person_added_to_a_workbook_is_not_lost(
    tmp_path: Path, clock: FakeClock, added: str, said: str
) -> None:
    put(make(tmp_path, clock, "kpi.xlsx"), kpi_value(value="1.00"))
    book = openpyxl.load_workbook(tmp_path / "kpi.xlsx")
    sheet = book.worksheets[0]
    if added == "sheet":
        book.create_sheet("Notes")["A1"] = "HR's own"
    else:
        row = 1 if added == "column" else 2
        sheet.cell(row, sheet.max_column + 1).value = "HR comment"
    book.save(tmp_path / "kpi.xlsx")
    before = (tmp_path / "kpi.xlsx").read_bytes()
    (receipt,) = make(tmp_path, clock, "kpi.xlsx").send([delivery(kpi_value(value="2.00"))])
    assert (receipt.outcome, said in receipt.message) == ("refused", True), receipt.message
    assert (tmp_path / "kpi.xlsx").read_bytes() == before


def test_a_column_that_a_person_added_to_a_csv_is_not_lost(tmp_path: Path, clock: FakeClock) -> None:
    put(make(tmp_path, clock, "kpi.csv"), kpi_value(value="1.00"))
    head, row, _ = (tmp_path / "kpi.csv").read_bytes().split(b"\r\n")
    (tmp_path / "kpi.csv").write_bytes(head + b",HR comment\r\n" + row + b",please check\r\n")
    (receipt,) = make(tmp_path, clock, "kpi.csv").send([delivery(kpi_value(value="2.00"))])
    assert (receipt.outcome, "the column HR comment" in receipt.message) == ("refused", True)


# --- the manifest ----------------------------------------------------------------------------------------------------


def test_the_manifest_names_each_file_with_its_rows_sums_and_hash(tmp_path: Path, clock: FakeClock) -> None:
    put(make(tmp_path, clock, "out/kpi-{period}.csv"), kpi_value(subject="person:A", value="1.25"),
        kpi_value(subject="person:B", value="2.50"), kpi_value(subject="person:C", value="7", currency="VND"),
        kpi_value("calls", subject="person:A", value="40", unit="count", currency=None),
        kpi_value(period="2026-11", value=None))
    manifest = json.loads((tmp_path / "out/out.manifest.json").read_text("utf-8"))
    content = (tmp_path / "out/kpi-2026-10.csv").read_bytes()
    assert manifest["destination"] == "out"
    assert manifest["files"]["kpi-2026-10.csv"] == {
        "rows": 4, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "sums": {"USD": "3.75", "VND": "7"},
    }
    assert manifest["files"]["kpi-2026-11.csv"]["sums"] == {}


def test_a_set_that_was_half_written_disagrees_with_its_manifest_and_the_next_run_completes_it(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    manifest = tmp_path / "out/out.manifest.json"

    def push(amount: str) -> None:
        out = make(tmp_path, clock, "out/kpi-{period}.csv")
        values = [kpi_value(value=amount), kpi_value(value=amount, period="2026-11")]
        deliver(store, out, "out", values, {}, run="r", clock=clock)

    def agrees() -> list[bool]:
        listed = json.loads(manifest.read_text("utf-8"))["files"]
        return [hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == entry["sha256"]
                for name, entry in sorted(listed.items())]

    push("1.00")
    for crash_at in (2, 3):  # at the second file, and at the manifest
        replaced = []

        def replace(one: Any, other: Any, *, last: int = crash_at, seen: list[Any] = replaced,
                    real: Any = os.replace) -> None:
            seen.append(one)
            if len(seen) == last:
                raise KeyboardInterrupt
            real(one, other)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            with pytest.raises(KeyboardInterrupt):
                push(f"{crash_at}.00")
        assert False in agrees()
        push(f"{crash_at}.00")
        assert agrees() == [True, True]
    store.close()


def test_a_manifest_somebody_took_away_is_written_again_whole(tmp_path: Path, clock: FakeClock) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    values = [kpi_value(), kpi_value(period="2026-11")]
    for _ in range(2):
        (tmp_path / "out.manifest.json").unlink(missing_ok=True)
        deliver(store, make(tmp_path, clock, "kpi-{period}.csv"), "out", values, {}, run="r", clock=clock)
        assert len(json.loads((tmp_path / "out.manifest.json").read_text("utf-8"))["files"]) == 2
    store.close()


def test_without_a_manifest_there_is_none(tmp_path: Path, clock: FakeClock) -> None:
    out = make(tmp_path, clock, "kpi.csv", manifest=False)
    put(out, kpi_value())
    assert [path.name for path in tmp_path.iterdir()] == ["kpi.csv"]
    assert found(out, kpi_value()) == "confirmed"
    assert not out.lacks([delivery(kpi_value())])


# --- S3 --------------------------------------------------------------------------------------------------------------


def objects(bucket: dict[str, Any]) -> dict[str, bytes]:
    client = boto3.client("s3", endpoint_url=bucket["endpoint_url"], aws_access_key_id=bucket["key"],
                          aws_secret_access_key=bucket["secret"], region_name="us-east-1")
    listed = client.list_objects_v2(Bucket="reports").get("Contents", [])
    return {one["Key"]: client.get_object(Bucket="reports", Key=one["Key"])["Body"].read() for one in listed}


@pytest.mark.parametrize("ending", ENDINGS)
def test_s3_holds_the_files_and_then_the_manifest(
    tmp_path: Path, clock: FakeClock, bucket: dict[str, Any], ending: str
) -> None:
    out = make(tmp_path, clock, f"s3://reports/hr/kpi-{{period}}.{ending}", storage=bucket)
    assert [check.ok for check in out.check()] == [True]
    assert objects(bucket) == {}  # a check writes nothing
    assert out.lacks([delivery(kpi_value())]) == {delivery(kpi_value()).key}
    put(out, kpi_value(subject="person:A"), kpi_value(period="2026-11"))
    put(out, kpi_value(subject="person:B"))
    held = objects(bucket)
    assert sorted(held) == [f"hr/kpi-2026-10.{ending}", f"hr/kpi-2026-11.{ending}", "hr/out.manifest.json"]
    listed = json.loads(held["hr/out.manifest.json"])["files"]
    assert {name: entry["rows"] for name, entry in listed.items()} == {
        f"kpi-2026-10.{ending}": 2, f"kpi-2026-11.{ending}": 1,
    }
    assert [hashlib.sha256(held[f"hr/{name}"]).hexdigest() == entry["sha256"] for name, entry in listed.items()] == [
        True, True,
    ]
    assert found(out, kpi_value(subject="person:A")) == "confirmed"
    assert not out.lacks([delivery(kpi_value())])


def test_a_bucket_that_is_not_there_is_named(tmp_path: Path, clock: FakeClock, bucket: dict[str, Any]) -> None:
    out = make(tmp_path, clock, "s3://absent/kpi.csv", storage=bucket)
    with pytest.raises(Transient, match=r"s3://absent/kpi\.csv"):
        put(out, kpi_value())


def test_a_store_of_objects_without_a_credential_says_so(
    tmp_path: Path, clock: FakeClock, bucket: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    storage = {"endpoint_url": bucket["endpoint_url"], "anon": False}
    out = make(tmp_path, clock, "s3://reports/kpi.csv", storage=storage)
    with pytest.raises(AuthError, match="check the credential"):
        put(out, kpi_value())


def test_a_store_that_is_away_is_worth_another_try_and_no_secret_is_said(tmp_path: Path, clock: FakeClock) -> None:
    quick = {"connect_timeout": 1, "retries": {"total_max_attempts": 1}}
    storage = {"key": "k", "secret": "s3cret-word", "endpoint_url": "http://127.0.0.1:1", "config_kwargs": quick}
    out = make(tmp_path, clock, "s3://reports/kpi.csv", storage=storage)
    with pytest.raises(Transient) as raised:
        put(out, kpi_value())
    assert "s3cret-word" not in f"{raised.value}{out.settings!r}"
    assert [check.ok for check in out.check()] == [False]


def test_a_name_in_another_alphabet_is_the_same_in_every_kind_of_file(tmp_path: Path, clock: FakeClock) -> None:
    value = kpi_value(subject="team:Miền Bắc")
    object.__setattr__(value, "subject", Subject("team", "Miền Bắc", "Miền Bắc\x0b"))
    for ending in ENDINGS:
        out = make(tmp_path, clock, f"kpi.{ending}")
        put(out, value)
        assert found(out, value) == "confirmed", ending


@pytest.mark.parametrize(
    ("path", "said"),
    [("s4://reports/kpi.csv", "there is no s4://"), ("s3://{period}/kpi.csv", "expected a bucket without")],
)
def test_an_address_that_cannot_be_is_a_fault_of_the_config(path: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FileSettings(path=path)
