"""Who the fake HubSpot account lets in, and how often: OAuth, limits, long addresses, the vendor's clock."""

from __future__ import annotations

from functools import partial

import pytest
import requests

from connector.twins.clock import SimulatedClock, SkewedClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.hubspot_oauth import OAuthApp
from tests.twins.accounts import NINE, serving

get, post = partial(requests.get, timeout=10), partial(requests.post, timeout=10)
FORM = {"grant_type": "refresh_token", "client_id": "twin-client", "client_secret": "twin-secret",
        "refresh_token": "twin-refresh"}


def granted(twin, path="/oauth/2026-03/token", **form):
    return post(twin.url + path, data={**FORM, **form})


def asked(twin, token):
    return get(twin.url + "/crm/v3/owners", headers={"Authorization": f"Bearer {token}"})


# --- OAuth -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/oauth/2026-03/token", "/oauth/v1/token"])
def test_an_access_token_is_good_until_its_time_is_over_on_the_twins_clock(path):
    with HubSpotTwin(clock=SimulatedClock(NINE)) as twin:
        given = granted(twin, path).json()
        assert (given["expires_in"], given["token_type"], given["refresh_token"]) == (1800, "bearer", "twin-refresh")
        twin.clock.sleep(1799)
        assert asked(twin, given["access_token"]).status_code == 200
        twin.clock.sleep(1)
        refused = asked(twin, given["access_token"])
    assert (refused.status_code, refused.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert refused.json()["context"] == {"expire time": ["2026-03-02T09:30:00.000Z"]}


def test_a_rotating_refresh_token_is_good_once():
    with HubSpotTwin(clock=SimulatedClock(NINE), oauth=OAuthApp(rotates=True)) as twin:
        first = granted(twin).json()
        assert granted(twin).json()["status"] == "BAD_REFRESH_TOKEN"
        second = granted(twin, refresh_token=first["refresh_token"]).json()
        assert asked(twin, second["access_token"]).status_code == 200
        assert twin.oauth.grants == 2


def test_tokens_may_be_ended_in_the_middle_of_a_run():
    with HubSpotTwin(clock=SimulatedClock(NINE)) as twin:
        token = granted(twin).json()["access_token"]
        twin.oauth.expire()
        assert asked(twin, token).json()["category"] == "EXPIRED_AUTHENTICATION"
        twin.oauth.revoke()
        assert asked(twin, token).json()["category"] == "INVALID_AUTHENTICATION"
        assert granted(twin).status_code == 400


@pytest.mark.parametrize(("name", "status"), [
    ("client_id", "BAD_CLIENT_ID"), ("client_secret", "BAD_CLIENT_SECRET"), ("grant_type", "BAD_GRANT_TYPE"),
    ("refresh_token", "BAD_REFRESH_TOKEN"),
])
def test_a_wrong_form_gets_no_token(name, status):
    with HubSpotTwin() as twin:
        answer = granted(twin, **{name: "wrong"})
    assert (answer.status_code, answer.json()["status"]) == (400, status)


# --- limits ----------------------------------------------------------------------------------------------------------


def test_searches_have_a_limit_of_their_own_per_second():
    with serving(rate=1, search_rate=2) as account:
        path = "/crm/v3/objects/deals/search"
        assert [account.post(path, {})["total"] for _ in range(2)] == [7, 7]
        assert account.post(path, {}, 429)["policyName"] == "SECONDLY"
        account.clock.sleep(1)
        account.post(path, {})
        assert account.ids() == account.deals


def test_the_limit_of_a_day_ends_at_midnight_of_the_accounts_zone():
    from zoneinfo import ZoneInfo

    with serving(daily=3, zone=ZoneInfo("Asia/Ho_Chi_Minh")) as account:
        account.ids()
        assert len(account.found()) == 7
        left = account.session.get(account.twin.url + "/crm/v3/owners").headers["X-HubSpot-RateLimit-Daily-Remaining"]
        assert (left, account.get("/crm/v3/owners", 429)["policyName"]) == ("0", "DAILY")
        account.clock.move_to(NINE.replace(hour=16, minute=59, second=59))
        account.get("/crm/v3/owners", 429)
        account.clock.sleep(1)
        account.get("/crm/v3/owners")


@pytest.mark.parametrize(("limits", "wait"), [({"rate": 1}, "10"), ({"daily": 1}, "53993")])
def test_a_429_says_how_long_to_wait_only_where_the_account_does(limits, wait):
    with serving(**limits) as account:
        account.ids()
        url = account.twin.url + "/crm/v3/owners"
        assert "Retry-After" not in account.session.get(url).headers
        account.twin.limits.retry_after = True
        assert account.session.get(url).headers["Retry-After"] == wait


def test_a_refused_call_counts_for_no_limit():
    with serving(rate=1) as account:
        account.ids()
        for _ in range(3):
            account.get("/crm/v3/owners", 429)
        account.clock.sleep(10)
        account.get("/crm/v3/owners")


def test_an_address_beyond_16000_characters_is_refused(account):
    names = ",".join(f"property_{n:05d}" for n in range(1200))
    answer = account.session.get(f"{account.twin.url}/crm/v3/objects/deals?properties={names}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (414, "text/html; charset=utf-8")
    shorter = names[:15_000]
    assert account.session.get(f"{account.twin.url}/crm/v3/objects/deals?properties={shorter}").status_code == 200


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "date", "stamp"), [
    (-20, "Mon, 02 Mar 2026 08:40:00 GMT", "2026-03-02T08:40:00.000Z"),
    (3, "Mon, 02 Mar 2026 09:03:00 GMT", "2026-03-02T09:03:00.000Z"),
])
def test_the_vendors_clock_may_differ_from_ours_in_its_dates_and_stamps(minutes, date, stamp):
    ours = SimulatedClock(NINE)
    with HubSpotTwin(clock=SkewedClock(ours, minutes=minutes)) as twin:
        twin.portal.create("companies", {"name": "x"})
        answer = get(twin.url + "/crm/v3/objects/companies", headers=twin.headers)
        ours.sleep(60)
        assert (twin.clock.now() - ours.now()).total_seconds() == minutes * 60
    assert (answer.headers["Date"], answer.json()["results"][0]["updatedAt"]) == (date, stamp)
