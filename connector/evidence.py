"""Which rows of the ledger make a member count: its version, its moves, and what its amount was and at which rate.

A member comes from the metrics' SQL as an instant, a stage and an amount. Here the rows behind it are found again, as
known at the same as-of moment, so that each can be followed to its page and mapping line. Nothing is counted anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from operator import attrgetter

from connector.contacts import Contacts
from connector.documents import Documents
from connector.fx import Rate, Rates, convert
from connector.metrics.metric import Metric
from connector.model import RATIO_SCALE, Member
from connector.past import LAST, Past, Stages
from connector.period import Calendar, Period
from connector.purchases import Purchases, window
from connector.store.known import Key, KnownRows, Row

_OF_MOVES = {"stage_skips", "stage_regress_rate", "quality_moved_back", "quality_stage_skipped"}
"""Metrics of moves out of a stage."""

_BY_THE_END = {"stage_outcomes", "stage_duration", *_OF_MOVES}
"""Metrics of stages that also say how a visit ended."""

_QUALITY = {"quality", "quality_links", "quality_moves"}
"""Families of faults: each of a deal in the stage it was open in, or closed in."""

EARLIEST, ALWAYS = 1900, -(2**63)
"""A day before that year stands for all time."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A ledger row, and what it does for the member.

    role: deal, lead or another entity (its version) · won, lost, entered, left, reached, advanced, held (a move) ·
    call, touch (the activity that called or first answered a lead) · sales_order, delivery_note, invoice, payment,
    contract (what followed an order, began or won a deal, or is what a customer bought) ·
    amount, currency, probability (what it was then) · earlier (the deal's version that had it) · rate (a rate that the
    source told).
    """

    role: str
    row: Row


@dataclass(frozen=True, slots=True)
class Worth:
    """What a record was worth by itself: ten-thousandths of its own currency, the rate that converted it (None for an
    unknown one), and the probability (millionths) that weighed it."""

    amount: int
    currency: str
    rate: Rate | None
    probability: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The rows behind a member, the one it is named by first, and its worth where it counts with an amount."""

    cited: list[Cited]
    worth: Worth | None = None


class Evidences:
    """The evidence of the members of one value; their rows are read at once."""

    def __init__(
        self, metric: Metric, members: Sequence[Member], known: KnownRows, rates: Rates, calendar: Calendar,
        options: Mapping[str, str] | None = None, period: Period | None = None,
    ) -> None:
        self.metric, self.known, self.rates, self.calendar = metric, known, rates, calendar
        self.stages = Stages(known.all("stage"))
        self._is_weighed = metric.id == "forecast_at_start" and (options or {}).get("forecast") == "weighted"
        self._is_by_history = (options or {}).get("probability") == "empirical"  # no row says how likely a deal is
        records = {(member.source, member.id) for member in members}
        self._leads = known.versions("lead", records) if metric.record == "lead" else {}
        self._others = known.versions(metric.entity, records) if metric.record not in {"deal", "lead"} else {}
        has_contacts = metric.record == "lead" and metric.family in {"activities", "response"}
        self._contacts = Contacts(known, self._leads if has_contacts else ())
        of_events = {
            (row["source"], row["id"]) for row in known.all("pipeline")
            if not row["gone"] and ((row["starts"] or "created") != "created" or row["won"])
        }
        self._by_events = {
            (member.source, member.id) for member in members if (member.source, member.pipeline) in of_events
        } if metric.record == "deal" else set()
        has_documents = metric.family == "orders" and metric.kind in {"D", "R", "S"}
        self._documents = Documents(known, metric.record, records if has_documents else self._by_events)
        source = (options or {}).get("source", "won")
        self._period = period or calendar.parse("all")
        self._bought = Purchases(known, self.stages, source, records if metric.record == "account" else ())
        self._deals_of_leads = self._linked()
        deals = records if metric.record == "deal" else {key for keys in self._deals_of_leads.values() for key in keys}
        versions, moves = known.versions("deal", deals), known.facts("stage_transition", deals)
        has_money = any(member.amount is not None for member in members)
        changes = known.facts("deal_change", deals) if has_money else {}
        self._pasts = {
            key: Past(versions.get(key), moves.get(key, ()), changes.get(key, ()), self.stages) for key in deals
        }
        told = known.all("fx_rate") if has_money and rates.file is None else []
        self._valid: dict[str, tuple[list[Rate], list[int]]] = {}
        self._told = {(row["currency"], row["valid_from_on"]): row for row in told if not row["gone"]}

    def of(self, member: Member) -> Evidence:
        """The rows that make it count."""
        if self.metric.record == "lead":
            return Evidence(self._of_lead(member))
        if self.metric.record == "account":
            return self._of_customer(member)
        if self.metric.record != "deal":
            return self._by_itself(member, self._others.get((member.source, member.id)))
        past = self._pasts[member.source, member.id]
        if self.metric.family in _QUALITY and (member.source, member.id) not in self._by_events:
            return self._of_fault(past, member)
        return self._of_deal(past, member)

    def _of_deal(self, past: Past, member: Member) -> Evidence:
        """The deal, the moves that count, and its worth then: while it was open, or at its close."""
        deal = _cited("deal", past.version)
        if (member.source, member.id) in self._by_events:
            return self._of_event(past, member, deal)
        if self.metric.family in {"stages", "waiting"}:
            return Evidence(self._of_stage(past, member) + deal)
        instant = member.occurred_at or 0 if member.event_at is None else member.event_at
        if self.metric.id in {"pipeline_bridge", "expected_won_by_month"}:  # amounts that are of no single row
            return Evidence(deal + _cited("held", past.held(instant)))
        ending = past.ending()
        is_at_close = ending is not None and ending["occurred_at"] == instant and self.metric.family == "forecast"
        if self.metric.family in {"pipeline", "standing", "slipping", "forecast"} and not is_at_close:
            held = past.held(instant)
            cited = deal + _cited("held", held)
            return self._priced(cited, *self._worth_then(past, member, held, instant)) if _counts_money(member) \
                else Evidence(cited)
        at_close = {"winning", "touches", "forecast", "bottleneck", "recycling", "customers"}
        if self.metric.family not in at_close or self.metric.id == "retry_gap":
            return self._by_itself(member, past.version)
        cited = deal + (_cited(self.stages.kind(ending), ending) if ending else [])
        return self._priced(cited, *self._worth_at_close(past, ending)) if ending and _counts_money(member) \
            else Evidence(cited)

    def _of_fault(self, past: Past, member: Member) -> Evidence:
        """A deal with a fault: as it closed, or as it stood then; of an odd move the one that left its stage, first."""
        if self.metric.id == "quality_duplicate":
            return self._by_itself(member, past.version)
        instant = member.occurred_at or 0 if member.event_at is None else member.event_at
        ending, held = past.ending(), past.held(instant)
        is_closed = self.stages.kind(_stage(member)) != "open" and self.metric.id != "quality_history_gap"
        cited = _cited("deal", past.version)
        if self.metric.id in _OF_MOVES:
            cited = self._of_stage(past, member) + cited
        elif ending and is_closed:
            cited += _cited(self.stages.kind(ending), ending)
        else:
            cited += _cited("held", held)
        if not _counts_money(member):
            return Evidence(cited)
        worth = self._worth_at_close(past, ending) if ending and is_closed \
            else self._worth_then(past, member, held, instant)
        return self._priced(cited, *worth)

    def _of_event(self, past: Past, member: Member, deal: list[Cited]) -> Evidence:
        """A deal of a pipeline that begins, or is won, at the event of a document: these documents, and its worth."""
        cited = deal + self._behind(member)
        instant = member.occurred_at or 0 if member.event_at is None else member.event_at
        if not _counts_money(member) or self.metric.id in {"pipeline_bridge", "expected_won_by_month"}:
            return Evidence(cited)
        stage = _stage(member)
        if self.stages.kind(stage) == "open" and self.metric.id != "quality_duplicate":
            return self._priced(cited, *self._worth_then(past, member, stage, instant))
        return self._priced(cited, self._worth(past.value("amount"), past.value("currency"), instant), [])

    def _by_itself(self, member: Member, row: Row | None) -> Evidence:
        """A record by its version, with its own amount at the rate of its day, and the documents that followed it."""
        cited = _cited(self.metric.entity, row) + self._behind(member)
        if row is None or member.amount is None or "amount" not in row or self.metric.id == "receivables":
            return Evidence(cited)
        instant = member.occurred_at or 0 if member.event_at is None else member.event_at
        amount = row["amount"]
        if row.get("kind") == "credit_note" and amount:
            amount = -abs(amount)
        return self._priced(cited, self._worth(amount, row["currency"], instant), [])

    def _of_customer(self, member: Member) -> Evidence:
        """The account, where a source tells of it, and what it bought in the time that counts."""
        account = _cited("account", self._others.get((member.source, member.id)))
        cited = account + self._purchases(member)
        return Evidence(cited or self._purchases(replace(member, side="denominator")))  # who buys no more bought before

    def _purchases(self, member: Member) -> list[Cited]:
        """What a customer bought in the time of that side."""
        time = window(self.metric, member, self._period, self.calendar)
        return [Cited(role, row) for role, row in self._bought.of((member.source, member.id), *time)]

    def _behind(self, member: Member) -> list[Cited]:
        """The documents that follow the member's record."""
        return [Cited(row["entity"], row) for row in self._documents.of((member.source, member.id))]

    # --- leads -------------------------------------------------------------------------------------------------------

    def _linked(self) -> dict[Key, list[Key]]:
        """The deals of each lead, named on either side."""
        found: dict[Key, set[Key]] = {key: set() for key in self._leads}
        for key, lead in self._leads.items():
            if lead["deal"]:
                found[key].add(_key(lead["deal"]))
        for deal in self.known.where("deal", "lead", {f"{source}:{id_}" for source, id_ in self._leads}):
            found[_key(deal["lead"])].add((deal["source"], deal["id"]))
        return {key: sorted(deals) for key, deals in found.items()}

    def _of_lead(self, member: Member) -> list[Cited]:
        """The lead and, for one that was won, the deal that was first and its win."""
        key = member.source, member.id
        cited = _cited("lead", self._leads.get(key))
        if self.metric.family == "activities":
            return _cited("call", self._contacts.call(key, member.event_at)) + cited
        if self.metric.family == "response":
            is_touched = member.side == "numerator" or member.duration is not None
            return cited + (_cited("touch", self._contacts.first_touch(key)) if is_touched else [])
        if member.side == "denominator" or not self.metric.id.endswith("_to_won"):
            return cited
        pasts = [self._pasts[deal] for deal in self._deals_of_leads.get(key, ())]
        endings = [(past.version, past.ending()) for past in pasts if past.version and self._counts(past.version)]
        won = [(deal, ending) for deal, ending in endings if ending and self.stages.kind(ending) == "won"]
        if won:
            deal, ending = min(won, key=lambda one: one[1]["occurred_at"])
            cited += [Cited("deal", deal), Cited("won", ending)]
        return cited

    def _counts(self, deal: Row) -> bool:
        """Whether a deal is in any number: not deleted, merged or retracted (R8)."""
        deleted = deal["deleted_at"] is not None and deal["deleted_at"] <= self.known.as_of
        return not deal["gone"] and not deal["merged_into"] and not deleted

    # --- stages ------------------------------------------------------------------------------------------------------

    def _of_stage(self, past: Past, member: Member) -> list[Cited]:
        """The move that began the visit; of one whose end counts also, and first, the move that ended it."""
        if self.metric.id == "stage_conversion":
            return self._advance(past, member)
        stage, at = (member.pipeline, member.stage), member.event_at or 0
        lasted = (member.duration or 0) if self.metric.id == "stage_duration" else 0
        begun = past.begun(stage, at - lasted)
        is_departure = self.metric.id == "queue_ratio" and member.side == "denominator"
        if self.metric.id in _OF_MOVES or is_departure:
            places = [place for place in past.of_stage(stage) if past.left_at(place) == at]
        elif begun is None and lasted:  # several visits of the deal, added up
            places = [place for place in past.of_stage(stage) if (past.left_at(place) or at + 1) <= at]
        else:
            places = [] if begun is None else [begun]
        cited: list[Cited] = []
        for place in places:
            is_over = self.metric.id == "stage_stay" and past.left_at(place) == at + (member.duration or 0)
            is_told = is_over or is_departure or self.metric.id in _BY_THE_END
            left = past.visits[place + 1 : place + 2] if is_told else []
            cited += [Cited("left", move) for move in left] + [Cited("entered", past.visits[place])]
        if self.metric.id == "stage_to_won" and member.side == "numerator":
            cited += _cited("won", past.won_in(member.pipeline))
        return cited

    def _advance(self, past: Past, member: Member) -> list[Cited]:
        """The move that first reached the stage and, for one that got further, the move that did."""
        stands = bool(past.visits) and self.stages.kind(past.visits[-1]) == "won"

        def rank(move: Row) -> int:
            """How far the move got in the member's pipeline: nowhere by a loss, or by a win that was undone."""
            kind = self.stages.kind(move)
            if move["to_pipeline"] != member.pipeline or kind == "lost" or (kind == "won" and not stands):
                return -1
            return LAST if kind == "won" else self.stages.place(move, -1)

        here = self.stages.place_of(member.source, member.pipeline, member.stage)
        reached = next((move for move in past.visits if rank(move) >= here), None)
        further = next((move for move in past.visits if rank(move) > here), None)
        return _cited("reached", reached) + (_cited("advanced", further) if member.side == "numerator" else [])

    # --- money -------------------------------------------------------------------------------------------------------

    def _worth_at_close(self, past: Past, ending: Row) -> tuple[Worth, list[Cited]]:
        """A closed deal's own amount; of a lost one that has none any more, the last one before the loss (R13)."""
        amount, currency, cited = past.value("amount"), past.value("currency"), list[Cited]()
        if not amount and self.stages.kind(ending) == "lost":
            was = {field: past.before(field, ending["occurred_at"]) for field in ("amount", "currency")}
            if was["amount"] and was["amount"]["new"]:
                amount = int(was["amount"]["new"])
                cited += self._told_by("amount", was["amount"])
            if was["currency"] and not currency:
                currency = was["currency"]["new"]
                cited += self._told_by("currency", was["currency"])
        return self._worth(amount, currency, ending["occurred_at"]), cited

    def _worth_then(self, past: Past, member: Member, held: Row | None, instant: int) -> tuple[Worth, list[Cited]]:
        """An open deal's amount, currency and probability at that instant: by its changes, else its own.

        A probability that no row says is the part of its worth that the member counts with.
        """
        is_weighed = self.metric.id == "weighted_pipeline" or self._is_weighed
        fields = ("amount", "currency", *(["probability"] if is_weighed and not self._is_by_history else []))
        told = {field: change for field in fields if (change := past.then(field, instant))}
        cited = [one for field, change in told.items() for one in self._told_by(field, change)]
        amount = _whole(told["amount"]["new"]) if "amount" in told else past.value("amount")
        currency = (told["currency"]["new"] if "currency" in told else None) or past.value("currency")
        if "probability" not in fields:
            worth = self._worth(amount, currency, instant)
            return replace(worth, probability=self._counted(worth, member)) if is_weighed else worth, cited
        probability = _whole(told["probability"]["new"]) if "probability" in told else past.value("probability")
        stage = self.stages.into(held) if held else None
        if probability is None and stage:
            probability, cited = stage["probability"], cited + _cited("probability", stage)
        return self._worth(amount, currency, instant, probability), cited

    def _counted(self, worth: Worth, member: Member) -> int | None:
        """The part of its worth (millionths) that a member, or its share of it, counts with; None of nothing."""
        whole = convert(worth.amount, worth.rate.rate, self.rates.base) if worth.rate else 0
        of_share = whole * (member.share or 0)
        return round(Fraction((member.amount or 0) * RATIO_SCALE**2, of_share)) if of_share else None

    def _told_by(self, field: str, change: Row) -> list[Cited]:
        """A change, and where it only says what a field was before the first one we saw, the version that had it."""
        key = change["source"], change["deal"]
        had = self.known.replaced("deal", key, change["seen_at"]) if change["origin"] == "initial" else None
        return [Cited(field, change), *_cited("earlier", had)]

    def _worth(self, amount: int | None, currency: str | None, instant: int, probability: int | None = None) -> Worth:
        return Worth(amount or 0, currency or "", self._rate(currency or "", instant), probability)

    def _rate(self, currency: str, instant: int) -> Rate | None:
        """The rate valid at that instant."""
        if currency not in self._valid:
            rates = sorted(self.rates.of(currency), key=attrgetter("valid_from"))
            self._valid[currency] = rates, [self._since(rate.valid_from) for rate in rates]
        rates, since = self._valid[currency]
        place = bisect_right(since, instant)
        return rates[place - 1] if place else None

    def _since(self, day: date) -> int:
        return ALWAYS if day.year < EARLIEST else self.calendar.start_of(day)

    def _priced(self, cited: list[Cited], worth: Worth, of_worth: list[Cited]) -> Evidence:
        told = self._told.get((worth.rate.currency, worth.rate.valid_from.isoformat())) if worth.rate else None
        return Evidence(cited + of_worth + _cited("rate", told), worth)


def _cited(role: str, row: Row | None) -> list[Cited]:
    return [] if row is None else [Cited(role, row)]


def _stage(member: Member) -> Row:
    """The member's stage, as a move into it names it."""
    return {"source": member.source, "to_pipeline": member.pipeline, "to_stage": member.stage}


def _counts_money(member: Member) -> bool:
    return member.amount is not None


def _key(reference: str) -> Key:
    source, _, id_ = reference.partition(":")
    return source, id_


def _whole(text: str) -> int | None:
    return int(text) if text else None
