"""One process of several that use one OAuth app; started by test_tokens.py. Its argument is JSON: store, url, key."""

from __future__ import annotations

import json
import sys
from datetime import UTC

from connector.http import Client
from connector.ports import Context, SystemClock
from connector.rest import oauth
from connector.store.shared import StoreShared
from connector.store.store import Store

given = json.loads(sys.argv[1])
clock = SystemClock()
store = Store.open(given["store"], clock)
context = Context(clock=clock, zone=UTC, shared=StoreShared(lambda: store, clock, given["key"]))
auth = oauth(
    "crm", context, given["url"] + "/oauth/token", client_id="app", client_secret="client-s3cr3t",
    refresh_token="refresh-0",
)
client = Client(given["url"], system="crm", context=context, auth=auth)
for number in range(5):
    client.get(f"deals/{number}")
client.close()
store.close()
