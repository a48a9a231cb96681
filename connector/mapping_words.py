"""What each entity, field, stage and key of the mapping language means, in a sentence: for editors and docs."""

from __future__ import annotations

from collections.abc import Mapping

ENTITY_WORDS: Mapping[str, str] = {
    "owner": "A user of the source who may own deals; matched to an employee by the people file or by e-mail.",
    "owner_team": "Which team an owner belongs to, and from when to when.",
    "account": "A company or customer.",
    "lead": "Somebody who may buy, before there is a deal.",
    "deal": "A chance to sell that goes through the stages of a pipeline.",
    "deal_owner": "Whose share of a deal is how large; what is left is the deal's owner's.",
    "stage_transition": "A move of a deal into a stage, at a time: a fact that stays once it is reported.",
    "deal_change": "A change of one of a deal's fields, at a time: a fact that stays once it is reported.",
    "activity": "A call, mail, meeting or task.",
    "sales_order": "An order of a customer.",
    "delivery_note": "A delivery of an order.",
    "invoice": "An invoice or a credit note.",
    "payment": "Money that was paid for an invoice.",
    "contract": "A contract, sent and signed.",
    "target": "What somebody is to reach; a targets file wins over it.",
    "fx_rate": "What one unit of a currency is worth in base money; a rates file wins over it.",
    "pipeline": "A pipeline; `pipelines:` decides its name.",
    "stage": "A stage of a pipeline; `pipelines:` decides its name, order and canonical stage.",
}

FIELD_WORDS: Mapping[str, Mapping[str, str]] = {
    "owner": {
        "email": "The e-mail by which the owner is matched to an employee.", "name": "The name to show.",
        "active": "Whether the user still works there.",
        "user": "The vendor's user id, where histories name it instead of the owner's id.",
    },
    "owner_team": {
        "owner": "The owner's id.", "team": "The team's name.", "from_on": "The first day in it; empty: always.",
        "to_on": "The last day in it; empty: still.",
    },
    "account": {
        "name": "The customer's name.", "domain": "The customer's web domain.",
        "owner": "The id of who looks after it.",
        "created_at": "When it was made.",
    },
    "lead": {
        "created_at": "When the lead came in: it counts in that period.",
        "status": "The source's own word for its state.",
        "source": "Where it came from.", "owner": "The id of who works on it.", "account": "The id of its company.",
        "mql_at": "When marketing called it qualified.", "sql_at": "When sales called it qualified.",
        "disqualified_at": "When it was given up.", "reason": "Why it was given up.",
        "deal": "The id of the deal it became.", "recycled_from": "The id of the lost deal it comes back from.",
        "deleted_at": "When it was deleted at the source.", "merged_into": "The id of the lead it was merged into.",
    },
    "deal": {
        "name": "The deal's title.",
        "pipeline": "The source's pipeline id; may be left out where stage ids are unique.",
        "stage": "The source's stage id; has to be in `pipelines:`, else the record is set aside.",
        "outcome": "open, won or lost, where the source keeps it apart from the stage.",
        "created_at": "When the deal was made.", "amount": "What it is worth, always with `currency`.",
        "owner": "The id of who owns it now.", "account": "The id of its company.",
        "lead": "The id of the lead it began as.",
        "expected_close_on": "The day it is expected to close.", "closed_at": "When it was won or lost.",
        "forecast_category": "The source's forecast category.", "probability": "How likely it is to be won, 0 to 1.",
        "lost_reason": "Why it was lost.", "type": "New or repeat business, in the source's words.",
        "source": "Where the deal came from.", "next_step_at": "When the next step is planned.",
        "deleted_at": "When it was deleted at the source.", "merged_into": "The id of the deal it was merged into.",
        "recycled_from": "The id of the lost deal it comes back from.",
    },
    "deal_owner": {
        "deal": "The deal's id.", "owner": "The id of who shares it.", "share": "The share, 0 to 1.",
        "from_at": "Since when; empty: since the deal was made.",
    },
    "stage_transition": {
        "deal": "The deal's id.", "pipeline": "The pipeline id; may be left out where stage ids are unique.",
        "to": "The id of the stage it moved into.", "at": "When it moved.", "by": "The user id of who moved it.",
        "sequence": "The order of moves that have the same time.",
    },
    "deal_change": {
        "deal": "The deal's id.", "field": "Which field of the deal changed.", "new": "The value after the change.",
        "at": "When it changed.", "by": "The user id of who changed it.",
    },
    "activity": {
        "type": "What kind of activity it is.", "direction": "in or out.",
        "outcome": "What came of it; connected, automatic, no_show, planned and cancelled have a meaning.",
        "at": "When it took place; without it, it is not done yet.", "duration_seconds": "How long it took.",
        "owner": "The id of who did it.", "lead": "The id of its lead.", "deal": "The id of its deal.",
        "account": "The id of its company.",
    },
    "sales_order": {
        "deal": "The id of the deal it comes of.", "account": "The id of its customer.",
        "owner": "The id of who sold it.",
        "amount": "What it is worth, with `currency`.", "ordered_at": "When it was ordered.",
        "required_at": "When it has to be delivered.", "state": "Where it stands.",
    },
    "delivery_note": {
        "sales_order": "The id of its order.", "delivered_at": "When it was delivered.",
        "complete": "Whether the whole order is delivered with it.",
    },
    "invoice": {
        "sales_order": "The id of its order.", "account": "The id of its customer.", "owner": "The id of who sold it.",
        "kind": "invoice or credit_note.", "amount": "What it is over, with `currency`.",
        "invoiced_at": "When it was sent.", "due_at": "When it has to be paid.",
        "state": "Where it stands; draft, cancelled, paid and credited have a meaning.",
    },
    "payment": {"invoice": "The id of its invoice.", "amount": "What was paid, with `currency`.", "paid_at": "When."},
    "contract": {
        "deal": "The deal's id.", "account": "The id of its customer.", "amount": "What it is worth, with `currency`.",
        "sent_at": "When it was sent for signing.", "signed_at": "When everybody had signed.",
        "state": "Where it stands.",
    },
    "target": {
        "kpi": "The KPI's id.", "subject": "Whose: an employee code, a team, or company.",
        "period": "Which period: 2026-10, 2026-Q4.", "target": "What is to be reached.",
        "currency": "Of a target in money.",
    },
    "fx_rate": {
        "currency": "Of which currency.", "valid_from_on": "From which day on.",
        "rate": "Base money for one unit of it.",
    },
    "pipeline": {
        "name": "Decided by `pipelines:`.", "recycle": "Decided by `pipelines:`.", "starts": "Decided by `pipelines:`.",
        "won": "Decided by `pipelines:`.",
    },
    "stage": {
        "pipeline": "The pipeline's id.", "stage": "The stage's id.", "name": "Decided by `pipelines:`.",
        "order": "Decided by `pipelines:`.", "probability": "How likely a deal in it is won, 0 to 1.",
        "canonical": "Decided by `pipelines:`.", "archived": "Whether it is out of use.",
    },
}

STAGE_WORDS: Mapping[str, str] = {
    "prospecting": "Somebody may buy: first contact, an appointment.",
    "qualification": "Need, money and time are looked into.",
    "proposal": "An offer, a quotation or a demonstration is made.",
    "negotiation": "Terms and contract are talked over.",
    "closed_won": "Bought.",
    "closed_lost": "Not bought.",
}

KIND_WORDS: Mapping[str, str] = {
    "text": "Text.", "reference": "An id.", "instant": "A time with its offset, or with `zone`.",
    "day": "A local day, never shifted.", "money": "An amount, exact to four decimals, with its `currency`.",
    "integer": "A whole number.", "ratio": "A share, 0 to 1.", "number": "An exact number.", "flag": "True or false.",
}

CONVERTER_WORDS: Mapping[str, str] = {
    "text": "Text as it is.", "money": "An amount, exact to four decimals; `decimal` is its decimal mark.",
    "currency": "A currency's three letters (ISO 4217).", "number": "An exact number; `decimal` is its decimal mark.",
    "integer": "A whole number.", "duration": "Seconds, of a number of `unit` (ms, s, min, h) or between two instants.",
    "ratio": "A share of 0 to 1.", "percent": "A share of 0 to 100.", "flag": "True or false.",
    "datetime": "An instant; `format` is strftime's, epoch or epoch_ms, `zone` holds where there is no offset.",
    "date": "A local day; of an instant the day it falls on in `zone`.",
}

SPEC_WORDS: Mapping[str, str] = {
    "path": "JMESPath of the value in the record; a plain dotted one is fastest.",
    "first_of": "Paths: the first that is not empty.", "const": "Always this value.",
    "default": "Instead of null, and of words that the table does not have.",
    "table": "The source's words to ours; a missing one sets the record aside, unless there is a default.",
    "currency": "Of an amount: a path, or a field of its own such as {const: EUR}.",
    "as": "A converter, {converter: {argument: value}}, or the dotted path of a function of your own.",
}
"""The keys of a field."""

ENTRY_WORDS: Mapping[str, str] = {
    "entity": "What a record makes.", "stream": "Which collection of the source.",
    "key": "Path of the record's id, or a list of paths.", "fields": "Our fields, each with its path or a mapping.",
    "each": "Path of a list: one row per item; paths then begin with `record.` or `item.`.",
    "only_if": "A JMESPath condition; a record for which it no longer holds retracts what it made.",
}
"""The keys of an entry."""
