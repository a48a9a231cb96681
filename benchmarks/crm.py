"""A fake CRM so cheap that it is never what a benchmark measures: `python -m benchmarks.crm --port 0 --deals 100000`.

Deals are made from a seed and written to bytes once, at the start; an answer is a join of bytes. The port is printed
as one line. Paging is by keyset (updatedAt, id), so a position stays right within any window and after any change.
Its clock, told by the header `Date`, stands an hour after the last change: the data are as old as the CRM believes.

    GET  /deals?limit=100&after=CURSOR&updated_since=ISO&updated_until=ISO     both bounds included
    GET  /owners · /ping · /_stats (requests since the last reset)
    POST /_control {"latency_ms": 50, "touch": 0.01, "reset": true}
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs

SEED = 20260701
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, 23, 59, tzinfo=UTC)
OWNERS = 40
HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR

PIPELINES: dict[str, tuple[str, ...]] = {  # the last two stages are won and lost
    "default": ("appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "decisionmakerboughtin",
                "contractsent", "closedwon", "closedlost"),
    "75e28846": ("998876", "998877", "998878", "998879", "998880", "998881"),
}
PROPERTIES = (
    "dealname", "pipeline", "dealstage", "createdate", "amount", "deal_currency_code", "closedate",
    "hubspot_owner_id", "hs_lastmodifieddate", "dealtype", "description", "source", "campaign", "region",
    "product_line", "next_step", "industry", "country", "competitor", "lost_reason", "forecast_category",
    "contract_length", "payment_terms", "partner", "external_id",
)

_PHRASES = (
    "migration", "rollout of the new platform", "for all branches", "renewal with extended support", "training",
    "onboarding", "pilot in the northern plants", "price review after the audit", "request from procurement",
    "follow-up on the proposal", "with two options", "as agreed in spring",
)
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "dealtype": ("newbusiness", "existingbusiness", None),
    "source": ("ORGANIC_SEARCH", "PAID_SEARCH", "REFERRALS", "OFFLINE", "DIRECT_TRAFFIC"),
    "campaign": ("2025-q1-webinar-series", "trade-fair-hannover-2025", "partner-newsletter-spring", None, None),
    "region": ("Mien Bac", "Mien Trung", "Mien Nam", "DACH", "Benelux", "US East"),
    "product_line": ("Core Platform", "Analytics", "Field Service", "Support Plus"),
    "next_step": ("Send the revised offer", "Call procurement on Monday", "Arrange the site visit", None),
    "industry": ("Manufacturing", "Retail", "Logistics", "Public Sector", "Healthcare"),
    "country": ("Vietnam", "Germany", "Netherlands", "United States"),
    "competitor": ("Nordwind Systems", "Blue Harbour", None, None),
    "forecast_category": ("PIPELINE", "BEST_CASE", "COMMIT", "OMIT"),
    "contract_length": ("12 months", "24 months", "36 months"),
    "payment_terms": ("30 days net", "60 days net", "prepaid"),
    "partner": ("Saigon Software Partners", "Rheinland IT GmbH", None, None, None),
}
_LOST_REASONS = ("Price", "No budget this year", "Chose a competitor", "No decision")


class Move(NamedTuple):
    """A stage entered: its id, when (microseconds), and the user who moved the deal."""

    stage: str
    at: int
    by: int


@dataclass(slots=True)
class Deal:
    """The life of one deal; instants in microseconds, `moves` oldest first, `amount` as the CRM writes it."""

    number: int
    created_at: int
    updated_at: int
    closes_at: int
    pipeline: str
    owner: int
    amount: str | None
    currency: str
    moves: list[Move]


def iso(at: int) -> str:
    """Microseconds as the CRM writes instants."""
    return (EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds")[:26] + "Z"


def micros(moment: datetime) -> int:
    """Microseconds of an instant."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def read_iso(text: str) -> int:
    """Microseconds of an instant a client has written."""
    return micros(datetime.fromisoformat(text))


def make_deals(count: int, seed: int = SEED) -> Iterator[Deal]:
    """Deals in the order of their last change, spread evenly over `FIRST` .. `LAST`; the same for the same arguments.

    A deal's history has 1 to 7 entries, 4 on average. It begins when the deal is made, goes forward through its
    pipeline with a step back now and then, and about every second deal ends in won or lost.
    """
    chance = random.Random(f"{seed}/{count}")  # noqa: S311  # nothing is secret here
    first, span = micros(FIRST), micros(LAST) - micros(FIRST)
    for place in range(count):
        yield _deal(chance, place + 1, first + span * place // max(count - 1, 1))


def _deal(chance: random.Random, number: int, updated_at: int) -> Deal:
    def below(limit: int) -> int:  # ten times as fast as randrange; there are millions of draws
        return int(chance.random() * limit)

    pipeline = "default" if chance.random() < 0.7 else "75e28846"
    owner = 1 + below(OWNERS)
    length = 1 + below(7)
    newest = updated_at - below(2 * DAY)  # a record may change without a move
    times = [newest]
    for _ in range(length - 1):
        times.append(times[-1] - HOUR - below(20 * DAY))
    created_at = times[-1]
    moves = [
        Move(stage, at, owner if chance.random() < 0.9 else 1 + below(OWNERS))
        for stage, at in zip(_path(chance, pipeline, length), reversed(times), strict=True)
    ]
    currency = ("USD", "USD", "EUR", "VND")[below(4)]
    amount = None
    if chance.random() < 0.92:
        cents = 100_000 + below(24_900_000)
        amount = str(cents * 250) if currency == "VND" else f"{cents // 100}.{cents % 100:02d}"
    return Deal(
        number, created_at, updated_at, newest + below(90 * DAY), pipeline, owner, amount, currency, moves
    )


def _path(chance: random.Random, pipeline: str, length: int) -> list[str]:
    """So many stages one after the other, no two neighbours alike."""
    *steps, won, lost = PIPELINES[pipeline]
    closes = length > 1 and chance.random() < 0.6
    path, place = [steps[0]], 0
    while len(path) < length - closes:
        back = place == len(steps) - 1 or (place > 0 and chance.random() < 0.15)
        place += -1 if back else 1
        path.append(steps[place])
    if closes:
        path.append(won if chance.random() < 0.45 else lost)
    return path


def properties(deal: Deal) -> dict[str, str | None]:
    """The 25 properties, in the order of `PROPERTIES`. What no history tells depends on the deal's number alone."""
    draws = deal.number * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF  # 64 bits that look random
    chosen: dict[str, str | None] = {}
    for name, words in _CHOICES.items():
        draws, place = divmod(draws, len(words))
        chosen[name] = words[place]
    first = deal.number % len(_PHRASES)
    told = {
        "dealname": f"{chosen['industry']} {chosen['product_line']} {deal.number}",
        "pipeline": deal.pipeline,
        "dealstage": deal.moves[-1].stage,
        "createdate": iso(deal.created_at),
        "amount": deal.amount,
        "deal_currency_code": deal.currency,
        "closedate": iso(deal.closes_at),
        "hubspot_owner_id": str(deal.owner),
        "hs_lastmodifieddate": iso(deal.updated_at),
        "description": ", ".join(_PHRASES[(first + step * step) % len(_PHRASES)] for step in range(4)),
        "lost_reason": lost_reason(deal),
        "external_id": f"ERP-{deal.number:08d}",
        **chosen,
    }
    return {name: told[name] for name in PROPERTIES}


def lost_reason(deal: Deal) -> str | None:
    """Why a lost deal was lost."""
    is_lost = deal.moves[-1].stage == PIPELINES[deal.pipeline][-1]
    return _LOST_REASONS[deal.number % len(_LOST_REASONS)] if is_lost else None


def written(deal: Deal) -> bytes:
    """A deal as the CRM sends it; its history is newest first."""
    history = [
        {"value": move.stage, "timestamp": iso(move.at), "sourceType": "CRM_UI", "updatedByUserId": move.by}
        for move in reversed(deal.moves)
    ]
    record = {
        "id": str(deal.number),
        "updatedAt": iso(deal.updated_at),
        "properties": properties(deal),
        "propertiesWithHistory": {"dealstage": history},
    }
    return json.dumps(record, separators=(",", ":")).encode()


def owners() -> list[dict[str, str]]:
    """The 40 users who own deals."""
    return [
        {"id": str(number), "email": f"seller{number:02d}@example.com", "firstName": "Seller",
         "lastName": f"No. {number:02d}"}
        for number in range(1, OWNERS + 1)
    ]


class Crm:
    """The account: every deal's bytes in the order of (updatedAt, id), and what the control may change."""

    def __init__(self, count: int, seed: int = SEED) -> None:
        self._lock = threading.Lock()
        self._seed, self._touches = seed, 0
        deals = list(make_deals(count, seed))
        self._keys: list[tuple[int, int]] = [(deal.updated_at, deal.number) for deal in deals]
        self._records: list[bytes] = [written(deal) for deal in deals]
        self.owners = json.dumps({"results": owners()}).encode()
        self.clock = micros(LAST) + HOUR
        self.latency = 0.0  # seconds per request for data
        self.requests = 0

    def page(self, asked: dict[str, str]) -> bytes:
        """The answer to /deals."""
        limit = max(1, min(int(asked.get("limit", "100")), 1000))
        with self._lock:
            start, end = 0, len(self._keys)
            if since := asked.get("updated_since"):
                start = bisect_left(self._keys, (read_iso(since), 0))
            if until := asked.get("updated_until"):
                end = bisect_left(self._keys, (read_iso(until) + 1, 0))
            if after := asked.get("after"):
                at, number = after.split("-")
                start = max(start, bisect_right(self._keys, (int(at), int(number))))
            stop = min(start + limit, end)
            body = b'{"results":[' + b",".join(self._records[start:stop]) + b"]"
            if start < stop < end:
                body += b',"paging":{"next":{"after":"%d-%d"}}' % self._keys[stop - 1]
        return body + b"}"

    def control(self, asked: dict[str, Any]) -> None:
        """Set the latency, change a share of the deals, begin to count anew."""
        if "latency_ms" in asked:
            self.latency = asked["latency_ms"] / 1000
        if asked.get("touch"):
            self._touch(float(asked["touch"]))
        if asked.get("reset"):
            self.requests = 0

    def _touch(self, share: float) -> None:
        """Give that share of the deals a new amount and a change later than all others, a second apart."""
        with self._lock:
            self._touches += 1
            chance = random.Random(f"{self._seed}/touch/{self._touches}")  # noqa: S311
            count = round(len(self._keys) * share)
            chosen = sorted(chance.sample(range(len(self._keys)), count))
            at = self.clock
            changed = []
            for place in chosen:
                at += 1_000_000
                record = json.loads(self._records[place])
                record["updatedAt"] = record["properties"]["hs_lastmodifieddate"] = iso(at)
                record["properties"]["amount"] = str(chance.randrange(1_000, 250_000))
                changed.append(((at, self._keys[place][1]), json.dumps(record, separators=(",", ":")).encode()))
            for place in reversed(chosen):
                del self._keys[place], self._records[place]
            self._keys += [key for key, _ in changed]
            self._records += [record for _, record in changed]
            self.clock = at + HOUR


class Handler(BaseHTTPRequestHandler):
    """One connection, kept open; each answer leaves in one write."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        crm = self.server.crm
        if path == "/_stats":
            return self._send(json.dumps({"requests": crm.requests}).encode())
        crm.requests += 1
        if path == "/ping":
            return self._send(b"{}")
        if path not in {"/deals", "/owners"}:
            return self._send(b'{"message":"not found"}', 404)
        if crm.latency:
            time.sleep(crm.latency)
        if path == "/owners":
            return self._send(crm.owners)
        try:
            return self._send(crm.page({name: values[0] for name, values in parse_qs(query).items()}))
        except ValueError:
            return self._send(b'{"message":"a parameter cannot be read"}', 400)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/_control":
            return self._send(b'{"message":"not found"}', 404)
        self.server.crm.control(json.loads(body))
        return self._send(b"{}")

    def _send(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The header Date: the CRM's clock."""
        return super().date_time_string(self.server.crm.clock // 1_000_000)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """On the loopback only."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, crm: Crm, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.crm = crm


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crm", description="A fake CRM for benchmarks.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--deals", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    server = Server(Crm(given.deals, given.seed), given.port)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
