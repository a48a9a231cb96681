"""Two installations that have every metric of the catalogue as a KPI: the edge cases with documents, and northwind_erp.

tests/data/edge_cases has no customers and no documents, and little that is at fault. Here its deals have customers (K9
is only named by them), orders that were delivered, invoiced and paid in part, contracts and expected closes that moved;
and there are four more deals, E1 to E4, each with a fault of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from connector.app import App
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.metric import Metric
from connector.testing import FakeClock
from tests.product.asking import DATA, truth
from tests.product.edge_install import COMMON, NOW

CUSTOMERS = {"D01": "K1", "D02": "K2", "D05": "K1", "D07": "K2", "D12": "K1", "D13": "K9"}

DEALS = """\
deal_id,pipeline,amount,currency,created_at,owner,lead_id,lost_reason,expected_close,deleted_at,merged_into,recycled_from,first_synced_at,customer
E1,sales,1000.00,GBP,2025-03-05T03:00:00Z,Z,,,,,,,2025-03-05T03:00:00Z,
E2,sales,0.00,USD,2025-03-05T03:00:00Z,A,,,,,,,2025-03-05T03:00:00Z,K1
E3,sales,5000.00,USD,2025-03-04T03:00:00Z,A,,,,,,,2025-03-04T03:00:00Z,K9
E4,sales,400.00,USD,2025-03-20T03:00:00Z,B,,,,,,,2025-03-10T03:00:00Z,
"""
"""No rate and an unknown owner; worth nothing; the same as D13 of the same customer; won before it was created."""

MOVES = """\
E1-1,E1,,,sales,inquiry,2025-03-05T03:00:00Z,A,2025-03-05T03:00:00Z
E2-1,E2,,,sales,inquiry,2025-03-05T03:00:00Z,A,2025-03-05T03:00:00Z
E3-1,E3,,,sales,inquiry,2025-03-04T03:00:00Z,A,2025-03-04T03:00:00Z
E4-1,E4,,,sales,won,2025-03-10T03:00:00Z,B,2025-03-10T03:00:00Z
"""

FILES = {
    "accounts": "id,name,owner\nK1,Anh Ltd,A\nK2,Binh Ltd,B\n",
    "orders": """\
id,deal,account,amount,currency,at,required,state
S1,D01,K1,10000.00,USD,2025-01-21T03:00:00Z,2025-01-31T03:00:00Z,confirmed
S2,D02,K2,5000.00,EUR,2025-02-02T03:00:00Z,2025-02-05T03:00:00Z,confirmed
S3,D05,K1,7000.00,USD,2025-02-06T03:00:00Z,2025-02-20T03:00:00Z,done
S4,D05,K1,5000.00,USD,2025-03-06T03:00:00Z,,confirmed
S5,,K2,900.00,USD,2025-03-07T03:00:00Z,,draft
""",
    "deliveries": """\
id,order,at,complete
N1,S1,2025-01-25T03:00:00Z,no
N2,S1,2025-01-30T03:00:00Z,yes
N3,S2,2025-02-10T03:00:00Z,yes
N4,S3,2025-02-16T03:00:00Z,
""",
    "invoices": """\
id,order,account,kind,amount,currency,at,due,state
I1,S1,K1,invoice,10000.00,USD,2025-02-01T03:00:00Z,2025-02-15T03:00:00Z,posted
I2,S2,K2,invoice,5000.00,EUR,2025-02-12T03:00:00Z,2025-02-26T03:00:00Z,posted
I3,S3,K1,invoice,7000.00,USD,2025-03-01T03:00:00Z,2025-03-15T03:00:00Z,posted
I4,S3,K1,credit_note,500.00,USD,2025-03-05T03:00:00Z,,posted
""",
    "payments": """\
id,invoice,amount,currency,at
P1,I1,4000.00,USD,2025-02-10T03:00:00Z
P2,I1,6000.00,USD,2025-02-20T03:00:00Z
P3,I2,5000.00,EUR,2025-02-20T03:00:00Z
P4,I3,1000.00,USD,2025-03-10T03:00:00Z
""",
    "contracts": """\
id,deal,sent,signed
C1,D01,2025-01-19T03:00:00Z,2025-01-24T03:00:00Z
C2,D05,2025-02-04T03:00:00Z,
C3,D12,2025-01-26T03:00:00Z,2025-01-27T03:00:00Z
""",
    "closes": """\
id,deal,expected,at
M1,D06,2025-02-20,2025-02-01T03:00:00Z
M2,D06,2025-02-28,2025-02-10T03:00:00Z
M3,D06,2025-03-15,2025-02-25T03:00:00Z
M4,D04,2025-01-10,2025-01-05T03:00:00Z
M5,D04,2025-02-18,2025-02-10T03:00:00Z
""",
}

ENTITIES = """\
  - entity: account
    stream: accounts
    key: id
    fields: {name: name, owner: owner, seen_at: {const: "2025-01-01T00:00:00Z"}}
  - entity: sales_order
    stream: orders
    key: id
    fields: {deal: deal, account: account, amount: {path: amount, currency: currency}, ordered_at: at,
      required_at: required, state: state, seen_at: at}
  - entity: delivery_note
    stream: deliveries
    key: id
    fields: {sales_order: order, delivered_at: at, complete: {path: complete, table: {"yes": true, "no": false}},
      seen_at: at}
  - entity: invoice
    stream: invoices
    key: id
    fields: {sales_order: order, account: account, kind: kind, amount: {path: amount, currency: currency},
      invoiced_at: at, due_at: due, state: state, seen_at: at}
  - entity: payment
    stream: payments
    key: id
    fields: {invoice: invoice, amount: {path: amount, currency: currency}, paid_at: at, seen_at: at}
  - entity: contract
    stream: contracts
    key: id
    fields: {deal: deal, sent_at: sent, signed_at: signed, seen_at: sent}
  - entity: deal_change
    stream: closes
    fields: {deal: deal, field: {const: expected_close_on}, new: expected, at: at, seen_at: at}

tests:
"""

_WORDS = {"measure", "source", "forecast", "method", "cumulative", "check", "outcome", "closed", "variant", "missing",
          "probability"}
"""The options of which every word is a KPI of its own; the others change which members count, not what they say."""


def kpis(every: Iterable[str], metrics: Iterable[Metric] = CATALOGUE.values()) -> str:
    """The config's `kpis`: each metric for periods of these lengths, and by month with each word of its options."""
    lines = ["kpis:\n"]
    for metric in metrics:
        chosen = [""] + [
            f"{name}: {word}" for name, words in metric.options.items() if name in _WORDS
            for word in (words[1:] if isinstance(words, tuple) else ())
        ]
        for length in every:
            lines += [
                f"  - {{id: '{metric.id}_{length}{place or ''}', metric: {metric.id}, every: {length},"
                f" options: {{{option}}}}}\n"
                for place, option in enumerate(chosen if length == "month" else chosen[:1])
            ]
    return "".join(lines)


def edge(folder: Path) -> App:
    """The edge cases with documents, and every metric by month and of all time."""
    data = DATA / "edge_cases"
    for name, content in FILES.items():
        (folder / f"{name}.csv").write_text(content, "utf-8")
    _write(folder / "deals.csv", [
        *({**row, "customer": CUSTOMERS.get(row["deal_id"], "")} for row in truth("edge_cases/deals.csv")),
        *csv.DictReader(DEALS.splitlines()),
    ])
    moves = (data / "stage_transitions.csv").read_text("utf-8")
    (folder / "stage_transitions.csv").write_text(moves + MOVES, "utf-8")
    (folder / "fx.csv").write_text((data / "fx_rates.csv").read_text("utf-8"), "utf-8")
    (folder / "targets.csv").write_text(
        "kpi,subject,period,target\ncoverage_month,company,2025-03,15000\n", "utf-8"
    )
    mapping = (DATA / "edge_cases.yaml").read_text("utf-8").replace("\ntests:\n", "\n" + ENTITIES)
    merged = "      merged_into: merged_into\n"
    mapping = mapping.replace(merged, f"{merged}      account: customer\n")
    mapping = mapping.replace("    name: sales\n", "    name: sales\n    recycle: {default: 30d}\n")
    (folder / "edge_cases.yaml").write_text(mapping, "utf-8")
    common = COMMON.replace("deals.csv", f"{folder}/deals.csv")
    common = common.replace("file: stage_transitions.csv", f"file: {folder}/stage_transitions.csv")
    streams = "".join(f"      {name}: {{{{file: {folder}/{name}.csv, key: id}}}}\n" for name in FILES)
    made = (common + streams + "targets: targets.csv\n").format(store=f"sqlite:///{folder}/connector.db", data=data)
    (folder / "config.yaml").write_text(made + kpis(("month", "all")), "utf-8")
    return App.load(str(folder / "config.yaml"), FakeClock(NOW), {})


def _write(file: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """A CSV file of these rows."""
    rows = list(rows)
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
