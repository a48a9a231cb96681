"""Contracts and their signatures."""

from __future__ import annotations

from connector.metrics.metric import DURATION, THERE, Metric, Raw

RAW = {
    "raw_contract": Raw("contract", ("source", "id", "deal", "sent_at", "signed_at", "state"), THERE),
}

_STEP = {name: words for name, words in DURATION.items() if name != "credit"}

METRICS = (
    Metric(
        "contract_signed_lag", "days", "D", "signed_at", "", None, "may be negative", "contracts",
        "Days from winning a deal until its contract is signed by all; signed before the win gives a negative number.",
        "{stat} of the days from the winning of the deal to the signed contract",
        _STEP, record="contract", entity="contract", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "e_sign_turnaround", "days", "D", "signed_at", "", None, "R17", "contracts",
        "Days from sending a contract to its last signature.",
        "{stat} of the days from sending the contract to its signing",
        _STEP, record="contract", entity="contract", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "contracts_unsigned", "contracts", "S", "end of P", "o", "0", "R17", "contracts",
        "Contracts still unsigned at the period's end, 14 days (settable) or longer after the win or the sending.",
        "number of the contracts unsigned at the end of the period, that many days after the win",
        {"days": 14}, record="contract", entity="contract", is_staged=False, lower_is_better=True,
    ),
)
