"""One process of several that ask a vendor under one rate limit; started by test_shared.py.

Its one argument is JSON: store, url, requests, threads, limits ([name, count, seconds]), budget, and whether the
vendor's answers tell the limit.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

from connector.budget import Limit
from connector.http import Client, Pace, RateHeaders
from connector.ports import Context, SystemClock
from connector.store.shared import StoreShared
from connector.store.store import Store

given = json.loads(sys.argv[1])
clock = SystemClock()
store = Store.open(given["store"], clock)
context = Context(clock=clock, zone=UTC, shared=StoreShared(lambda: store, clock))
pace = Pace(
    limits=[Limit(*one) for one in given["limits"]], budget=given["budget"],
    headers=RateHeaders("X-Max", "X-Left", "X-Interval-Ms") if given["learns"] else None,
)
client = Client(given["url"], system="crm", context=context, pace=pace)
with ThreadPoolExecutor(given["threads"]) as pool:
    list(pool.map(lambda number: client.get(str(number)), range(given["requests"])))
client.close()
store.close()
