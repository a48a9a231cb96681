"""A value in a destination's own words."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from connector.outgoing import Body, OutgoingField, Template, Unusable, flat, known_path, view
from connector.ports import Delivery
from connector.testing import kpi_value


def scope(**more: Any) -> dict[str, Any]:
    value = kpi_value(**{"subject": "person:NV007", **more})
    return view(Delivery("hr/k", value.as_json(), {"email": "an@example.vn", "name": "An"}))


def said(spec: Any, **more: Any) -> Any:
    field = OutgoingField.model_validate({"path": spec} if isinstance(spec, str) else spec)
    return Body({"theirs": field}, ZoneInfo("Asia/Ho_Chi_Minh"))(scope(**more)).get("theirs", "left out")


def test_paths_address_the_kpi_object_and_the_person_behind_it() -> None:
    assert said("subject.employee_code") == "NV007"
    assert said("subject.email") == "an@example.vn"
    assert said("subject.name") == "An"
    assert said("value") == "100.00"
    assert said("dimensions.stage", dimensions={"stage": "demo"}) == "demo"
    assert said("key") == "hr/k"
    assert said("subject.employee_code", subject="team:north") is None


def test_a_dotted_name_of_theirs_makes_a_nested_object() -> None:
    body = Body({"a.b": OutgoingField(path="kpi"), "a.c": OutgoingField(const=1)}, UTC)
    assert body(scope()) == {"a": {"b": "won_value", "c": 1}}


def test_table_default_first_of_and_const() -> None:
    assert said({"path": "kpi", "table": {"won_value": "DOANHSO"}}) == "DOANHSO"
    assert said({"path": "kpi", "table": {"x": "y"}, "default": "KHAC"}) == "KHAC"
    assert said({"first_of": ["target", "dimensions.stage", "kpi"]}) == "won_value"
    assert said({"const": False}) is False
    assert said({"path": "target", "default": 0}) == 0
    with pytest.raises(Unusable, match=r"theirs from kpi: not in its table; the table has x"):
        said({"path": "kpi", "table": {"x": "y"}})


def test_a_value_there_is_not_is_sent_as_null_or_left_out() -> None:
    assert said("target") is None
    assert said({"path": "target", "omit_null": True}) == "left out"


@pytest.mark.parametrize(
    ("shape", "value", "sent"),
    [
        ("number", "19000.00", "19000.00"),
        ({"number": {"digits": 2}}, "0.125000", "0.12"),  # half-even
        ({"number": {"digits": 2}}, "0.135000", "0.14"),
        ({"number": {"digits": 1, "scale": 100}}, "0.666667", "66.7"),
        ({"number": {"scale": 100, "cap": 100}}, "1.25", "100"),
        ({"number": {"digits": 4}}, "98765432109876543.21", "98765432109876543.2100"),
    ],
)
def test_numbers_stay_exact(shape: Any, value: str, sent: str) -> None:
    found = said({"path": "value", "as": shape}, value=value)
    assert isinstance(found, Decimal | int)
    assert str(found) == sent


def test_a_number_without_digits_after_the_point_is_whole() -> None:
    assert repr(said({"path": "value", "as": {"number": {"digits": 0}}}, value="2.50")) == "2"


def test_dates_are_local_days_in_the_format_asked_for() -> None:
    assert said({"path": "period_start", "as": {"date": {"format": "%m/%Y"}}}) == "10/2026"
    evening = 1_793_469_600_000_000  # 2026-10-31 18:00 UTC is already November in Vietnam
    assert said({"path": "as_of", "as": {"date": {"format": "%d/%m/%Y"}}}, as_of=evening) == "01/11/2026"


def test_a_shape_that_does_not_fit_names_the_field_and_never_the_value() -> None:
    with pytest.raises(Unusable, match="theirs from kpi: expected a number, found text that is none") as raised:
        said({"path": "kpi", "as": "number"})
    assert "won_value" not in str(raised.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"path": "vlaue"}, "there is no 'vlaue' in a KPI value, expected one of: kpi, metric"),
        ({"path": "subject.code"}, "expected one of: subject.kind"),
        ({"path": "value["}, "not a JMESPath"),
        ({"path": "value", "const": 1}, "expected exactly one of path, first_of, template, const"),
        ({}, "expected exactly one of"),
        ({"path": "value", "as": "percent"}, "there is no 'percent', expected one of: number, date, text"),
        ({"path": "value", "as": {"number": {"places": 2}}},
         "number takes no 'places', expected digits, scale, cap, floor, rounding"),
        ({"path": "value", "as": {"number": {"digits": -1}}}, "expected a whole number from 0 to 12"),
        ({"path": "value", "tabel": {}}, "Extra inputs"),
    ],
)
def test_faults_of_the_language_are_found_when_the_config_is_read(spec: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("[", r"\[")):
        OutgoingField.model_validate(spec)


def test_an_expression_may_call_functions() -> None:
    known_path("join(',', values(dimensions))")
    assert said("join(',', values(dimensions))", dimensions={"stage": "demo"}) == "demo"


def test_what_a_template_fills_into_an_address_cannot_change_its_shape() -> None:
    template = Template("/staff/{subject.key}/results?ky={period}", for_url=True)
    assert template(scope(subject="person:a/b?c#d é")) == "/staff/a%2Fb%3Fc%23d%20%C3%A9/results?ky=2026-10"


def test_what_a_template_fills_in_between_quotes_cannot_end_them() -> None:
    template = Template("owner='{subject.key}' && name=\"{subject.key}\" && plain={subject.key}", for_url=False)
    filled = template(scope(subject="person:O'Brien \"x\\"))
    assert filled == "owner='O\\'Brien \"x\\\\' && name=\"O'Brien \\\"x\\\\\" && plain=O'Brien \"x\\"


def test_a_missing_value_fills_in_nothing() -> None:
    assert Template("stage='{dimensions.stage}'", for_url=False)(scope()) == "stage=''"


@given(some.text())
def test_no_value_whatever_ends_its_quotation(text: str) -> None:
    filled = unquote(Template("/x?f='{subject.key}'&y=1", for_url=True)({"subject": {"key": text}}), errors="strict")
    inside = filled.removeprefix("/x?f='").removesuffix("'&y=1")
    escaped = False
    for sign in inside:
        assert escaped or sign != "'"
        escaped = sign == "\\" and not escaped
    assert not escaped


def test_a_flat_row_has_the_subject_in_columns_and_objects_as_json_text() -> None:
    row = flat(kpi_value(dimensions={"stage": "x"}, catalogue_version=3, target=None).as_json())
    assert (row["subject_kind"], row["subject_key"], row["subject_name"]) == ("person", "NV001", "NV001")
    assert (row["dimensions"], row["options"]) == ('{"stage":"x"}', "{}")
    assert str(row["left_out"]).startswith('{"amount":"0",')
    assert (row["catalogue_version"], row["target"]) == ("3", None)
