"""What a Tryton tells of itself, of definitions as its `fields_get` gives them; tests/workbench has a real server's."""

from __future__ import annotations

from adapters._tryton_metadata import Server, fields, owner, pipeline
from connector.errors import Permanent
from connector.metadata import FieldInfo, OwnerInfo

STATE = {"type": "selection", "string": "State", "selection": [["posted", "Posted"], ["paid", "Paid"]]}


def test_fields_have_the_servers_words_and_types() -> None:
    defined = {
        "id": {"type": "integer", "string": "ID"}, "amount": {"type": "numeric", "string": "Amount"},
        "currency": {"type": "many2one", "string": "Currency", "relation": "currency.currency"},
        "lines": {"type": "one2many", "string": "Lines"}, "origin": {"type": "reference", "selection": "get_origin"},
        "method": {"type": "selection", "string": "Method", "selection": "get_methods"},
    }
    asked = ("amount", "currency.code", "lines.type", "lines.amount", "origin", "method", "vanished")
    assert fields("parties", asked, defined) == {
        "id": FieldInfo("id", "ID", "number"), "amount": FieldInfo("amount", "Amount", "number"),
        "currency.code": FieldInfo("currency.code", "Currency", "text"), "lines": FieldInfo("lines", "Lines", "list"),
        "origin": FieldInfo("origin", "", "reference"), "method": FieldInfo("method", "Method", "text"),
    }


def test_what_the_adapter_adds_to_a_record_is_told_too() -> None:
    told = fields("invoices", ("state",), {"state": STATE})
    assert told["status"].options == {"posted": "Posted", "paid": "Paid", "credited": "Credited"}
    assert {told[name].type for name in ("kind", "status")} == {"choice"}
    assert (told["payments"].type, told["due"].type) == ("list", "date")


def test_a_server_that_does_not_tell_its_states_has_no_pipeline() -> None:
    assert pipeline({}) == ()
    assert pipeline({"state": {**STATE, "selection": "get_states"}}) == ()


def test_an_employee_without_an_e_mail_has_that_of_the_user() -> None:
    row = {"id": 3, "active": True, "party": {"name": "Amira", "email": None},
           "users": [{"email": None}, {"email": "amira@example.com"}]}
    assert owner(row) == OwnerInfo("3", "amira@example.com", "Amira")


def test_several_companies_with_several_currencies_have_no_home_currency() -> None:
    told = {"company.company": [{"currency": {"code": "USD"}}, {"currency": {"code": "EUR"}}],
            "currency.currency": [{"code": "USD"}, {"code": "GBP"}]}
    assert Server(lambda _stream, model, *_asked: told[model]).currencies() == (None, ("EUR", "USD", "GBP"))


def test_what_a_user_may_not_read_is_left_out() -> None:
    def refuse(*_asked: object) -> None:
        raise Permanent("refused (AccessError)")

    server = Server(refuse)
    assert (server.defined("sales", "sale.sale", ["state"]), server.currencies()) == ({}, (None, ()))
