"""An accountant at a Tryton server: posts invoices, takes money, credits, matches; every step by the server's own API.

The wizards are driven as its client drives them: each view's values start from the server's defaults, and a warning is
confirmed by the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tests.product.tryton_server import Server

Tag = Mapping[str, Any]


class Clerk:
    """What an accountant does; amounts in the invoice's currency, days as the documents say."""

    def __init__(self, server: Server) -> None:
        self.server = server
        (self.user,) = server.call("res.user", "search", [["login", "=", "admin"]], 0, None, None)
        (self.journal,) = server.call("account.journal", "search", [["type", "=", "cash"]], 0, None, None)
        self.bank, gains = (
            server.call("account.account", "search", [["name", "=", name]], 0, None, None)[0]
            for name in ("Cash and Cash Equivalents", "Foreign Currency Transaction Gain (Loss)")
        )
        exchange = {f"currency_exchange_{side}_account": gains for side in ("debit", "credit")}
        server.call("account.configuration", "write", [1], exchange)
        accounts = {"credit_account": self.bank, "debit_account": self.bank}
        method = {"name": "Bank", "company": 1, "journal": self.journal, **accounts}
        (self.method,) = server.call("account.invoice.payment.method", "create", [method])

    def sell_again(self, sale: int, on: date) -> int:
        """The same once more to the same customer, outside of any opportunity, confirmed: the draft of its invoice."""
        (copy,) = self.server.call("sale.sale", "copy", [sale], {"origin": None, "sale_date": tag(on)})
        for button in ("quote", "confirm", "process"):
            self.server.call("sale.sale", button, [copy])
        (row,) = self.server.rows("sale.sale", "invoices", domain=(["id", "=", copy],))
        (invoice,) = row["invoices"]
        return int(invoice)

    def post(self, invoice: int, on: date) -> None:
        dates = {"invoice_date": tag(on), "accounting_date": tag(on)}
        self.server.call("account.invoice", "write", [invoice], dates)
        self._confirmed("model.account.invoice.post", [invoice], {"company": 1})

    def pay(self, invoice: int, on: date, amount: str | None = None) -> None:
        """By the button of the invoice: all that is to be paid, or a part."""
        form = {"payment_method": self.method, "date": tag(on), **({"amount": number(amount)} if amount else {})}
        steps = [("choice", "start", form), *([("pay", "ask", {"type": "partial"})] if amount else [])]
        self._wizard("account.invoice.pay", "account.invoice", [invoice], *steps)

    def credit(self, invoice: int, on: date, refund: bool) -> int:
        """A credit note of the whole invoice: with `refund` posted, and the invoice cancelled by it."""
        form = {"with_refund": refund, "invoice_date": tag(on)}
        self._wizard("account.invoice.credit", "account.invoice", [invoice], ("credit", "start", form))
        (found,) = self.server.call("account.invoice", "search", [], 0, 1, [["id", "DESC"]])
        return int(found)

    def credit_part(self, invoice: int, on: date, quantity: float) -> int:
        """A posted credit note for that many units of the invoice's one line; nothing is settled by it yet."""
        note = self.credit(invoice, on, refund=False)
        (line,) = self.server.call("account.invoice.line", "search", [["invoice", "=", note]], 0, None, None)
        self.server.call("account.invoice.line", "write", [line], {"quantity": -quantity})
        self.post(note, on)
        return note

    def transfer(self, invoice: int, on: date, amount: str, euros: str) -> int:
        """Money that a bank statement brought: a move nobody links to an invoice. Its line of the customer."""
        fields = ("account", "party", "currency.code")
        (told,) = self.server.rows("account.invoice", *fields, domain=(["id", "=", invoice],))
        lines = []
        for sign, side in ((-1, "credit"), (1, "debit")):
            line = {"debit": number("0"), "credit": number("0"), side: number(euros)}
            if told["currency."]["code"] != "EUR":
                second = {"second_currency": told["currency."]["id"]}
                line |= {**second, "amount_second_currency": number(str(sign * Decimal(amount)))}
            customer = {"account": told["account"], "party": told["party"]}
            lines.append({**line, **(customer if side == "credit" else {"account": self.bank})})
        within = [["start_date", "<=", tag(on)], ["end_date", ">=", tag(on)], ["type", "=", "standard"]]
        (period,) = self.server.call("account.period", "search", within, 0, None, None)
        move = {"company": 1, "journal": self.journal, "period": period, "date": tag(on), "lines": [["create", lines]]}
        (made,) = self.server.call("account.move", "create", [move])
        self.server.call("account.move", "post", [made])
        ours = [["move", "=", made], ["account", "=", told["account"]]]
        (line_id,) = self.server.call("account.move.line", "search", ours, 0, None, None)
        return int(line_id)

    def match(self, invoices: list[int], lines: list[int]) -> None:
        """Reconcile what is due of these invoices, what was paid of them, and these lines, with one another."""
        told = self.server.rows("account.invoice", "lines_to_pay", "payment_lines", domain=(["id", "in", invoices],))
        due = [id_ for row in told for id_ in (*row["lines_to_pay"], *row["payment_lines"])]
        self._wizard("account.move.reconcile_lines", "account.move.line", [*due, *lines])

    def unmatch(self, line: int) -> None:
        """Take back the reconciliation that a line is in."""
        self._wizard("account.move.unreconcile_lines", "account.move.line", [line])

    def _wizard(self, name: str, model: str, ids: list[int], *steps: tuple[str, str, Mapping[str, Any]]) -> None:
        """Start a wizard on records and press its buttons: state, the view that is filled in, with what."""
        session, state, _ = self.server.post(f"wizard.{name}.create", [{"company": 1}])
        context = {"company": 1, "active_model": model, "active_id": ids[0], "active_ids": ids}
        data: dict[str, dict[str, Any]] = {}
        for button, view, values in ((state, "", {}), *steps):
            if view:
                data[view] |= values
            shown = self._confirmed(f"wizard.{name}.execute", session, data, button, context).get("view")
            if shown:
                defaults = {**shown.get("defaults", {}), **shown.get("values", {})}
                data[shown["state"]] = {key: value for key, value in defaults.items() if not key.endswith(".")}
        self.server.post(f"wizard.{name}.delete", [session, {"company": 1}])

    def _confirmed(self, method: str, *parameters: Any) -> Any:
        """The result of a call; each warning is confirmed for good, and the call made again."""
        while True:
            answer = self.server.answer(method, list(parameters))
            if "error" not in answer:
                return answer["result"]
            kind, (name, *_) = answer["error"]
            assert kind == "UserWarning", answer
            self.server.call("res.user.warning", "create", [{"user": self.user, "name": name, "always": True}])


def tag(on: date) -> Tag:
    return {"__class__": "date", "year": on.year, "month": on.month, "day": on.day}


def number(text: str) -> Tag:
    return {"__class__": "Decimal", "decimal": text}
