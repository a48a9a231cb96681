"""HubSpot as an installed app: tokens that end, are renewed once for all threads, and may change with each renewal."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from adapters.hubspot import HubSpot, HubSpotSettings, OAuthSettings
from connector.errors import AuthError
from connector.ports import HookRequest, Window
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.hubspot_oauth import OAuthApp
from tests.adapters.hubspot.account import asked, everything, hubspot
from tests.adapters.hubspot.test_hooks import EVENT, called

APP = OAuthSettings(
    client_id="twin-client", client_secret=SecretStr("twin-secret"), refresh_token=SecretStr("twin-refresh")
)


def installed(twin: HubSpotTwin, clock: FakeClock, **settings: Any) -> HubSpot:
    return hubspot(twin, clock, oauth=APP, **settings)


@pytest.mark.parametrize(("version", "address"), [("2026-03", "/oauth/2026-03/token"), ("v3", "/oauth/v1/token")])
def test_the_token_address_follows_the_version(
    twin: HubSpotTwin, clock: FakeClock, version: str, address: str
) -> None:
    assert len(everything(installed(twin, clock, api_version=version), "deals")) == 3
    assert asked(twin, address, "POST") == twin.oauth.grants == 1


@pytest.mark.parametrize("rotates", [False, True])
def test_a_token_is_renewed_before_it_ends_and_no_call_is_refused(
    twin: HubSpotTwin, clock: FakeClock, rotates: bool
) -> None:
    twin.oauth = OAuthApp(seconds=600, rotates=rotates)
    source = installed(twin, clock)
    for _ in range(6):
        everything(source, "deals")
        clock.advance(minutes=5)
    assert twin.oauth.grants == 3  # at 0, 10 and 20 minutes: each is taken for ended a minute early
    assert asked(twin, "/crm/") == 1 + 6 * 2  # none was asked twice


def test_a_token_that_ends_while_reading_is_renewed_once_and_nothing_is_lost(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    source = installed(twin, clock)
    source.now()
    twin.oauth.expire()
    assert len(everything(source, "deals")) == 3
    assert twin.oauth.grants == 2


def test_threads_share_one_renewal(twin: HubSpotTwin, clock: FakeClock) -> None:
    source = installed(twin, clock)
    everything_since = Window(None, clock.now())
    threads = [
        threading.Thread(target=lambda name=stream.name: list(source.read(name, everything_since)))
        for stream in source.streams()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twin.oauth.grants == 1


def test_an_app_that_was_removed_says_to_authorise_again(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.oauth.revoke()
    with pytest.raises(AuthError, match="authorise again") as caught:
        everything(installed(twin, clock), "deals")
    assert not re.search("twin-(secret|refresh)", f"{caught.value} {caught.value.__cause__}")
    assert clock.slept == []


def test_no_secret_is_in_what_is_landed_or_shown(twin: HubSpotTwin, clock: FakeClock) -> None:
    source = installed(twin, clock)
    pages = list(source.read("deals", Window(None, source.now())))
    assert not re.search("twin-(access|secret|refresh)", repr((pages, source.settings, source.client, source)))


@pytest.mark.parametrize("given", [
    {}, {"token": SecretStr("t"), "oauth": APP}, {"oauth": {"client_id": "x"}},
    {"oauth": {**APP.model_dump(), "scope": "x"}},
])  # fmt: skip
def test_token_and_oauth_are_two_ways_of_which_one_is_wanted(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HubSpotSettings(**given)


def test_an_apps_client_secret_checks_its_calls(twin: HubSpotTwin, clock: FakeClock) -> None:
    source = installed(twin, clock)
    request = called([EVENT], clock.now(), secret="twin-secret")
    assert isinstance(request, HookRequest)
    assert [event.key for event in source.hook(request)] == ["123"]
