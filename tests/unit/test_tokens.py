"""OAuth: when tokens are renewed, by whom, where they are kept, and that nobody sees them.

The vendor is a real HTTP server whose refresh tokens are good once: `refresh-0` gives `access-1` and `refresh-1`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from connector.auth import OAuth
from connector.errors import AuthError, StoreError, Transient, UnexpectedShape
from connector.http import Client
from connector.ports import MemoryShared, Shared
from connector.rest import oauth
from connector.store.shared import StoreShared
from connector.store.store import Store
from connector.testing import FakeClock, context

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="  # 32 bytes anybody can guess
OTHER_KEY = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="


class App:
    """A vendor's app: which tokens are good, and what was asked for. `rotates`: refresh tokens are good once."""

    def __init__(self, vendor: Any, answer: Any) -> None:
        self.url, self.answer = vendor.url, answer
        self.rotates, self.lives = True, 1800
        self.renewed, self.refresh, self.access = 0, "refresh-0", "none"
        self.forms: list[dict[str, str]] = []
        self.calls: list[str] = []
        self.instead: list[Any] = []  # answers of the token address before it works
        vendor.respond = self.respond

    def respond(self, asked: Any) -> Any:
        if asked.path == "/oauth/token":
            return self.renew({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        self.calls.append(asked.headers["Authorization"])
        good = asked.headers["Authorization"] == f"Bearer {self.access}"
        return self.answer(200 if good else 401)

    def renew(self, form: dict[str, str]) -> Any:
        self.forms.append(form)
        if self.instead:
            return self.instead.pop(0)
        if form["refresh_token"] != self.refresh:
            said = {"status": "BAD_REFRESH_TOKEN", "message": f"unknown refresh token {form['refresh_token']}"}
            return self.answer(400, json.dumps(said).encode())
        self.renewed += 1
        self.access = f"access-{self.renewed}"
        if self.rotates:
            self.refresh = f"refresh-{self.renewed}"
        given = {"access_token": self.access, "refresh_token": self.refresh, "token_type": "bearer"}
        if self.lives:
            given["expires_in"] = self.lives
        return self.answer(body=json.dumps(given).encode())


@pytest.fixture
def app(vendor: Any, answer: Any) -> App:
    return App(vendor, answer)


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    store = Store.open(store_url, clock)
    yield store
    store.close()


def user(
    app: App, clock: FakeClock, shared: Shared, refresh_token: str = "refresh-0"  # noqa: S107  # the server is ours
) -> Client:
    """A process that uses the app, as far as the vendor and the store can tell."""
    surroundings = replace(context(clock), shared=shared)
    auth = oauth(
        "crm", surroundings, app.url + "/oauth/token", client_id="app", client_secret="client-s3cr3t",
        refresh_token=refresh_token, fields={"redirect_uri": "https://example.com"},
    )
    return Client(app.url, system="crm", context=surroundings, auth=auth)


def test_the_first_request_asks_for_a_token_by_a_form(app: App, clock: FakeClock) -> None:
    client = user(app, clock, MemoryShared())
    assert app.forms == [], "nothing is asked before it is needed"
    assert client.get("deals").status == client.get("deals").status == 200
    assert app.forms == [{
        "grant_type": "refresh_token", "client_id": "app", "client_secret": "client-s3cr3t",
        "refresh_token": "refresh-0", "redirect_uri": "https://example.com",
    }]
    assert app.calls == ["Bearer access-1"] * 2


@pytest.mark.parametrize(("lives", "renewed_after"), [(1800, 1740), (60, 30)])
def test_a_token_is_renewed_a_minute_before_it_ends_or_at_half_its_life(
    app: App, clock: FakeClock, lives: int, renewed_after: int
) -> None:
    app.lives = lives
    client = user(app, clock, MemoryShared())
    client.get("deals")
    clock.advance(seconds=renewed_after - 1)
    client.get("deals")
    assert app.renewed == 1
    clock.advance(seconds=1)
    client.get("deals")
    assert app.renewed == 2
    assert "401" not in str(app.calls)


def test_a_token_whose_life_is_not_told_is_renewed_when_it_is_refused(app: App, clock: FakeClock) -> None:
    app.lives = 0
    client = user(app, clock, MemoryShared())
    client.get("deals")
    clock.advance(days=30)
    client.get("deals")
    assert app.renewed == 1
    app.access = "ended"
    client.get("deals")
    assert app.renewed == 2


def test_a_refused_token_is_renewed_once_and_a_second_refusal_is_final(
    app: App, vendor: Any, clock: FakeClock
) -> None:
    client = user(app, clock, MemoryShared())
    vendor.respond = lambda asked: app.respond(asked) if asked.path == "/oauth/token" else app.answer(401)
    with pytest.raises(AuthError):
        client.get("deals")
    assert app.renewed == 2


def test_threads_that_meet_one_refusal_renew_once(app: App, clock: FakeClock) -> None:
    client = user(app, clock, MemoryShared())
    client.get("deals")
    app.access = "ended"
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        client.get("deals")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert app.renewed == 2
    assert [form["refresh_token"] for form in app.forms] == ["refresh-0", "refresh-1"]


def test_what_one_process_renewed_another_uses(app: App, clock: FakeClock, store: Store) -> None:
    one, other = (user(app, clock, StoreShared(lambda: store, clock, KEY)) for _ in range(2))
    one.get("deals")
    other.get("deals")
    assert app.renewed == 1
    clock.advance(seconds=1745)
    other.get("deals")
    one.get("deals")
    assert [form["refresh_token"] for form in app.forms] == ["refresh-0", "refresh-1"]
    later = user(app, clock, StoreShared(lambda: store, clock, KEY))
    clock.advance(days=3)
    later.get("deals")
    assert app.forms[-1]["refresh_token"] == "refresh-2", "the next run goes on with the last one"


def test_who_meets_a_token_that_another_has_renewed_takes_the_new_one(
    app: App, clock: FakeClock, store: Store
) -> None:
    one, other = (user(app, clock, StoreShared(lambda: store, clock, KEY)) for _ in range(2))
    one.get("deals")
    other.get("deals")
    app.access = "ended"
    one.get("deals")
    other.get("deals")
    assert app.renewed == 2


def test_two_real_processes_renew_once(app: App, store: Store) -> None:
    """The vendor takes half a second for it, and each refresh token is good once."""
    slow = app.renew

    def renew(form: dict[str, str]) -> Any:
        time.sleep(0.5)  # the vendor is real, and so is its time
        return slow(form)

    app.renew = renew  # type: ignore[method-assign]
    told = {"store": store.engine.url.render_as_string(hide_password=False), "url": app.url, "key": KEY}
    script = Path(__file__).with_name("token_user.py")
    users = [subprocess.Popen([sys.executable, str(script), json.dumps(told)]) for _ in range(2)]
    assert [user.wait(300) for user in users] == [0, 0]
    assert app.renewed == 1
    assert app.calls == ["Bearer access-1"] * 10


def test_a_crash_between_the_vendors_answer_and_the_store_says_authorise_again(
    app: App, clock: FakeClock, store: Store
) -> None:
    """The vendor has given refresh-1 and takes refresh-0 no more; nobody has kept it."""

    class Crashing(StoreShared):
        def keep_token(self, account: str, content: str) -> bool:
            raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        user(app, clock, Crashing(lambda: store, clock, KEY)).get("deals")
    assert app.calls == [], "what is not kept is not used"
    with pytest.raises(AuthError, match="authorise again"):
        user(app, clock, StoreShared(lambda: store, clock, KEY)).get("deals")
    app.refresh = "refresh-new"  # somebody authorised again
    user(app, clock, StoreShared(lambda: store, clock, KEY), "refresh-new").get("deals")
    assert app.forms[-1]["refresh_token"] == "refresh-new"


class Failing(StoreShared):
    """A store that fails the next so many times when a token is to be kept; `kept_first`: it is kept all the same."""

    fails, kept_first = 0, False

    def keep_token(self, account: str, content: str) -> bool:
        if not self.fails:
            return super().keep_token(account, content)
        self.fails -= 1
        if self.kept_first:
            super().keep_token(account, content)
        raise StoreError("the database is locked")


@pytest.mark.parametrize(
    ("times", "kept_first"), [(1, False), (3, False), (1, True)],
    ids=["not kept", "not kept three times", "kept, and nobody told"],
)
def test_a_token_that_could_not_be_kept_is_kept_before_it_is_used_and_the_vendor_not_asked_again(
    app: App, clock: FakeClock, store: Store, times: int, kept_first: bool
) -> None:
    """The vendor gave refresh-1 and takes refresh-0 no more, so nothing else may be asked for with that."""
    shared = Failing(lambda: store, clock, KEY)
    shared.fails, shared.kept_first = times, kept_first
    client = user(app, clock, shared)
    for _ in range(times):
        with pytest.raises(StoreError):
            client.get("deals")
    assert app.calls == [], "what is not kept is not used"
    client.get("deals")
    clock.advance(hours=1)
    user(app, clock, StoreShared(lambda: store, clock, KEY)).get("deals")
    assert [form["refresh_token"] for form in app.forms] == ["refresh-0", "refresh-1"]
    assert app.calls == ["Bearer access-1", "Bearer access-2"]


def test_an_old_token_kept_before_is_not_taken_for_the_one_that_could_not_be_kept(
    app: App, clock: FakeClock, store: Store
) -> None:
    shared = Failing(lambda: store, clock, KEY)
    client = user(app, clock, shared)
    client.get("deals")
    clock.advance(hours=1)
    shared.fails = 2
    for _ in range(2):
        with pytest.raises(StoreError):
            client.get("deals")
    clock.advance(hours=1)  # so that what was got has ended as well
    client.get("deals")
    assert [form["refresh_token"] for form in app.forms] == ["refresh-0", "refresh-1", "refresh-2"]
    user(app, clock, StoreShared(lambda: store, clock, KEY)).get("deals")
    assert app.calls[-1] == "Bearer access-3"


def test_what_another_has_renewed_meanwhile_is_not_overwritten(app: App, clock: FakeClock, store: Store) -> None:
    """The store kept it and did not say so; another process went on with it."""
    shared = Failing(lambda: store, clock, KEY)
    shared.fails, shared.kept_first = 1, True
    client = user(app, clock, shared)
    with pytest.raises(StoreError):
        client.get("deals")
    clock.advance(hours=1)
    user(app, clock, StoreShared(lambda: store, clock, KEY)).get("deals")
    client.get("deals")
    assert [form["refresh_token"] for form in app.forms] == ["refresh-0", "refresh-1"]
    assert app.calls == ["Bearer access-2"] * 2


def test_a_token_changed_in_the_config_wins_over_the_kept_one(app: App, clock: FakeClock, store: Store) -> None:
    user(app, clock, StoreShared(lambda: store, clock, KEY)).get("deals")
    app.refresh = "refresh-new"
    user(app, clock, StoreShared(lambda: store, clock, KEY), "refresh-new").get("deals")
    assert [form["refresh_token"] for form in app.forms] == ["refresh-0", "refresh-new"]


def test_without_a_key_a_vendor_that_does_not_rotate_is_read(app: App, clock: FakeClock, store: Store) -> None:
    app.rotates = False
    for _ in range(2):
        user(app, clock, StoreShared(lambda: store, clock)).get("deals")
    assert app.renewed == 2


def test_without_a_key_a_rotated_token_is_an_error_that_says_what_to_set(
    app: App, clock: FakeClock, store: Store
) -> None:
    client = user(app, clock, StoreShared(lambda: store, clock))
    for _ in range(2):
        with pytest.raises(AuthError, match="set encryption_key"):
            client.get("deals")
    assert app.renewed == 1


def test_a_wrong_key_is_said(app: App, clock: FakeClock, store: Store) -> None:
    user(app, clock, StoreShared(lambda: store, clock, KEY)).get("deals")
    with pytest.raises(AuthError, match="cannot be read with this encryption_key"):
        user(app, clock, StoreShared(lambda: store, clock, OTHER_KEY)).get("deals")
    assert app.renewed == 1


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_refresh_is_tried_once_for_all_threads(app: App, clock: FakeClock, status: int) -> None:
    client = user(app, clock, MemoryShared())
    app.instead = [app.answer(status, b'{"error": "invalid_grant", "error_description": "no such refresh-0"}')] * 9
    for _ in range(3):
        with pytest.raises(AuthError, match="authorise again") as caught:
            client.get("deals")
    assert len(app.forms) == 1
    assert "refresh-0" not in str(caught.value)


def test_a_refusal_with_status_200_is_one_too(app: App, clock: FakeClock) -> None:
    app.instead = [app.answer(body=b'{"error": "invalid_code"}')]
    with pytest.raises(AuthError, match="invalid_code"):
        user(app, clock, MemoryShared()).get("deals")


def test_an_answer_that_holds_no_token_names_the_address(app: App, clock: FakeClock) -> None:
    app.instead = [app.answer(body=b"[]")]
    with pytest.raises(UnexpectedShape, match="address"):
        user(app, clock, MemoryShared()).get("deals")


def test_a_busy_token_address_is_asked_again(app: App, clock: FakeClock) -> None:
    app.instead = [app.answer(503), app.answer(429, headers={"Retry-After": "2"})]
    assert user(app, clock, MemoryShared()).get("deals").status == 200
    app.instead = [app.answer(503)] * 9
    with pytest.raises(Transient):
        user(app, clock, MemoryShared(), app.refresh).get("deals")
    assert len(app.instead) == 4, "five times, as any request"


def test_no_token_is_seen_in_the_store_in_errors_in_a_repr_or_in_landed_pages(
    tmp_path: Path, app: App, clock: FakeClock
) -> None:
    path = tmp_path / "connector.db"
    store = Store.open(f"sqlite:///{path}", clock)
    client = user(app, clock, StoreShared(lambda: store, clock, KEY))
    shown = [repr(client.auth), repr(client), repr(client.get("deals?token=access-1").exchange())]
    app.access = app.refresh = "ended"
    with pytest.raises(AuthError) as caught:
        client.get("deals")
    shown += [str(caught.value), repr(caught.value)]
    assert isinstance(client.auth, OAuth)
    secrets = [*client.auth.secrets(), "ended"][:-1]
    assert {"client-s3cr3t", "refresh-0", "access-1", "refresh-1"} <= set(secrets)
    store.close()
    with suppress(FileNotFoundError):
        shown.append(path.with_name("connector.db-wal").read_bytes().decode("latin-1"))
    shown.append(path.read_bytes().decode("latin-1"))
    assert [secret for secret in [*secrets, KEY] for text in shown if secret in text] == []
