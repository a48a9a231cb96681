"""How many deals some records stand for, and their money: also of records that cannot be mapped."""

from __future__ import annotations

from typing import Any

from connector import affected
from connector.affected import Affected
from connector.journal import load_mapping, mapping_settings
from connector.ports import Record

MAPPING = """\
pipelines:
  "p": {name: sales, stages: {"open": prospecting, "won": closed_won, "lost": closed_lost}}
entities:
  - entity: deal
    stream: deals
    key: id
    only_if: "!archived"
    fields: {stage: stage, created_at: created, amount: {path: amount, currency: currency}}
  - {entity: deal, stream: deals, each: merged, key: item.id, fields: {merged_into: record.id}}
  - {entity: deal_change, stream: deals, each: history,
     fields: {deal: record.id, field: {const: owner}, new: item.owner, at: item.at}}
  - {entity: activity, stream: calls, key: id, fields: {type: {const: call}, at: at, deal: deal}}
"""


def of(stream: str, *rows: dict[str, Any]) -> Affected:
    settings = mapping_settings(timezone="UTC", sources=["crm", "erp"], history_import=False)
    mapping = load_mapping("m.yaml", MAPPING.encode(), "crm", settings)
    return affected.of_records(mapping, stream, [Record(str(row["id"]), None, row) for row in rows])


def test_the_money_of_deals_is_added_up_by_currency_and_a_deal_counts_once() -> None:
    found = of(
        "deals",
        {"id": 1, "amount": "10.50", "currency": "EUR"}, {"id": 2, "amount": 7, "currency": "VND"},
        {"id": 3, "amount": "1", "currency": "eur", "merged": [{"id": 9}]},
        {"id": 1, "amount": "20.50", "currency": "EUR"},  # a newer state of the first
    )
    assert found == Affected(4, 3, {"EUR": 215_000, "VND": 70_000})  # 20.50 + 1, and 7, in ten-thousandths
    assert list(found.money) == ["EUR", "VND"]
    assert found.as_json() == {
        "records": 4, "deals": 3,
        "money": [{"currency": "EUR", "amount": "21.50"}, {"currency": "VND", "amount": "7"}],
    }


def test_what_is_wrong_elsewhere_in_a_record_does_not_take_its_amount() -> None:
    row = {"id": 1, "stage": "nobody mapped it", "created": "yesterday", "amount": "5", "currency": "EUR", "history": 3}
    assert of("deals", row) == Affected(1, 1, {"EUR": 50_000})


def test_what_cannot_be_read_counts_without_money() -> None:
    rows = [{"id": 1, "amount": "a lot", "currency": "EUR"}, {"id": 2, "amount": "5"}, {"id": None}, {"id": {}}]
    assert of("deals", *rows) == Affected(4, 2, {})


def test_a_deal_that_is_not_made_is_no_deal() -> None:
    assert of("deals", {"id": 1, "archived": True, "amount": "5", "currency": "EUR"}) == Affected(1, 0, {})


def test_records_that_name_a_deal_belong_to_it() -> None:
    calls = [{"id": 1, "deal": 7}, {"id": 2, "deal": "7"}, {"id": 3}, {"id": 4, "deal": "erp:7"}]
    assert of("calls", *calls) == Affected(4, 2, {})


def test_a_stream_that_is_not_mapped_and_no_records_at_all() -> None:
    assert of("others", {"id": 1}) == Affected(1, 0, {})
    assert of("deals") == Affected()
