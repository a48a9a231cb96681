"""The digest destination: posted by Apprise over real sockets, to a fake chat and a fake mail server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from adapters.digest import Digest, DigestSettings
from connector import outbox
from connector.deliver import deliver
from connector.errors import AuthError, Permanent, RateLimited, Transient
from connector.model import KpiValue
from connector.ports import Delivery
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from connector.twins.faults import Faults
from connector.twins.server import DROP, Reply, Request, Twin
from tests.adapters.digest.mailbox import mail_server
from tests.adapters.scripts import dying, lived, run, settled


class Chat(Twin):
    """A chat that posts whatever it is sent; `posts` are the texts, in order."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.posts: list[str] = []
        self.route("POST", "/s3cret-channel", self._post)

    def _post(self, request: Request) -> Reply:
        self.posts.append(json.loads(request.body)["message"])
        return Reply(200, {"ok": True})


@pytest.fixture
def chat(clock: FakeClock) -> Iterator[Chat]:
    with Chat(clock=clock) as made:
        yield made
    assert not made.crashes


def make(to: str, clock: FakeClock, **more: Any) -> Digest:
    return Digest("news", DigestSettings(to=SecretStr(to), **more), context(clock))


def address(chat: Chat) -> str:
    return chat.url.replace("http://", "json://") + "/s3cret-channel"


def deliveries(*values: KpiValue) -> list[Delivery]:
    return [Delivery(outbox.key("news", value), value.as_json()) for value in values]


def outcomes(digest: Digest, *values: KpiValue) -> list[str]:
    return [receipt.outcome for receipt in digest.send(deliveries(*values))]


TEAMS = [kpi_value(subject=f"team:{name}", target="200.00", attainment="0.500000") for name in ("north", "south")]


def test_everything_owed_is_one_message(chat: Chat, clock: FakeClock) -> None:
    assert outcomes(make(address(chat), clock), *TEAMS) == ["confirmed", "confirmed"]
    (post,) = chat.posts
    assert post.startswith("2 values changed\n1. won_value, north (2026-10): 100.00 USD, 50.0 % of 200.00 USD")


def test_a_mail_has_the_picture_with_it(clock: FakeClock) -> None:
    with mail_server() as (host, box):
        to = f"mailto://{host}?mode=insecure&from=kpi@example.vn&to=boss@example.vn"
        assert outcomes(make(to, clock, title="KPI của tuần"), *TEAMS) == ["confirmed", "confirmed"]
    (mail,) = box.mails
    assert mail["subject"] == "KPI của tuần 2026-10"
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture.get_payload(decode=True)[:8] == b"\x89PNG\r\n\x1a\n"
    body = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
    assert "won_value, south (2026-10): 50.0 %" in body.get_content()


def test_without_chart_there_is_no_picture(clock: FakeClock) -> None:
    with mail_server() as (host, box):
        to = f"mailto://{host}?mode=insecure&from=kpi@example.vn&to=boss@example.vn"
        outcomes(make(to, clock, chart=False), *TEAMS)
    assert [part.get_content_type() for part in box.mails[0].walk() if part.get_content_maintype() == "image"] == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, "refused"), (422, "refused"), (503, "unanswered"), (408, "retry"), (500, "unanswered"), (502, "unanswered")],
)
def test_only_a_status_tells_for_certain_that_a_message_is_not_there(
    chat: Chat, clock: FakeClock, status: int, outcome: str
) -> None:
    chat.disturb(Reply(status, {"message": "no"}))
    assert outcomes(make(address(chat), clock), *TEAMS) == [outcome, outcome]


@pytest.mark.parametrize(("status", "error"), [(401, AuthError), (403, AuthError), (404, AuthError), (410, AuthError),
                                               (429, RateLimited)])
def test_an_address_that_is_no_more_stops_the_destination_and_a_busy_one_the_run(
    chat: Chat, clock: FakeClock, status: int, error: type[Exception]
) -> None:
    chat.disturb(Reply(status, {"message": "no"}))
    with pytest.raises(error):
        outcomes(make(address(chat), clock), *TEAMS)


def test_a_message_whose_answer_is_lost_is_held_and_not_posted_again(
    chat: Chat, clock: FakeClock, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    chat.disturb(DROP)
    for _ in range(3):
        done = run(store, lambda: make(address(chat), clock), clock, TEAMS, "news")
        clock.advance(days=1)
    assert (done.unanswered, done.confirmed, len(chat.posts)) == (2, 0, 1)
    store.close()


def test_a_service_that_cannot_be_reached_has_certainly_not_posted_it(clock: FakeClock) -> None:
    with pytest.raises(Transient, match="cannot be reached"):
        outcomes(make("json://127.0.0.1:1/s3cret-channel", clock), *TEAMS)


def test_what_apprise_logs_of_a_failure_stays_with_us(
    chat: Chat, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    chat.disturb(Reply(500, {"message": "s3cret-channel"}))
    digest = make(address(chat), clock)
    receipts = list(digest.send(deliveries(*TEAMS)))
    assert "s3cret" not in f"{receipts}{digest.settings!r}"
    assert [record for record in caplog.records if record.name.startswith("apprise")] == []


def test_a_run_in_which_nothing_changed_posts_nothing(chat: Chat, clock: FakeClock, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    for _ in range(3):
        deliver(store, make(address(chat), clock), "news", TEAMS, {}, run="r", clock=clock)
    assert len(chat.posts) == 1
    changed = [kpi_value(subject="team:north", value="150.00", target="200.00", attainment="0.750000"), TEAMS[1]]
    deliver(store, make(address(chat), clock), "news", changed, {}, run="r", clock=clock)
    assert chat.posts[1].startswith("1 value changed\n1. won_value, north (2026-10): 150.00 USD, 75.0 %")
    store.close()


def test_a_check_posts_nothing(chat: Chat, clock: FakeClock) -> None:
    assert [check.ok for check in make(address(chat), clock).check()] == [True]
    assert [check.ok for check in make("nosuchservice://x", clock).check()] == [False]
    assert chat.requests == []


@pytest.mark.parametrize(
    "wrong", [{"to": "slack"}, {"to": "json://host/x?retry=3"}, {"off_track": 0}, {"lines": 0}, {"link": "ftp://x"}]
)
def test_settings_that_cannot_be_are_faults_of_the_config(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DigestSettings.model_validate({"to": "slack://a/b/c", **wrong})


@pytest.mark.parametrize("seed", range(10))
def test_after_bad_days_nothing_was_posted_twice_and_what_is_unclear_is_held(
    seed: int, chat: Chat, clock: FakeClock, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    kinds = ("429", "500", "503", "drop before", "drop after", "truncated")
    faults = Faults(seed, share=0.5, kinds=kinds, most_in_a_row=2).into(chat)
    at_hand = lambda: make(address(chat), clock, people=True, lines=40)  # noqa: E731
    wanted = lived(seed, store, at_hand, clock, name="news", is_new=True)
    faults.stop()
    done = settled(store, at_hand, clock, wanted, name="news")
    assert (done.owed, done.dead, done.refused, done.error) == (0, 0, 0, None)
    said = [line.split(". ", 1)[1] for post in chat.posts for line in post.splitlines() if ". won" in line]
    assert len(set(said)) == len(said) > 0  # each figure once
    held = {f"{one.kpi}, {one.subject.key} ({one.period}): {one.value} USD" for one in wanted if one.kpi == "won_value"}
    missing = [one for one in held if not any(line.startswith(one) for line in said)]
    assert len(missing) <= done.unanswered
    store.close()


def test_a_run_that_dies_while_posting_holds_the_message(chat: Chat, clock: FakeClock, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    at_hand = lambda: make(address(chat), clock)  # noqa: E731
    for commit in range(1, 9):
        before = len(chat.posts)
        values = [kpi_value(subject=f"team:{commit}")]
        with dying(store, commit, before=True):
            run(store, at_hand, clock, values, "news")
        run(store, at_hand, clock, values, "news")
        assert len(chat.posts) == before + 1 or _is_held(store)
    store.close()


def _is_held(store: Store) -> bool:
    with store.reading() as connection:
        return outbox.counts(connection, "news")["unanswered"] > 0

# --- one message is one message --------------------------------------------------------------------------------------

DISCORD = "discord://123456789012345678/" + "a" * 68


@pytest.mark.parametrize("status", [403, 413, 404, 429, 503])
def test_a_message_whose_picture_is_refused_is_not_posted_again(
    clock: FakeClock, tmp_path: Path, status: int
) -> None:
    """Discord takes the picture by a second call, when the text has been posted."""
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    with responses.RequestsMock() as discord:
        for answer in (200, status):
            discord.post(f"https://discord.com/api/webhooks/123456789012345678/{'a' * 68}", status=answer)
        for _ in range(3):
            done = run(store, lambda: make(DISCORD, clock), clock, TEAMS, "news")
            clock.advance(days=1)
    assert (done.unanswered, done.error) == (2, None)
    with store.reading() as connection:
        said = {one.message for one in connection.execute(select(tables.delivery))}
    assert said == {f"a part of it was posted, the rest was not (status {status}); without a picture: chart: false"}
    store.close()


@pytest.mark.parametrize(
    "to", ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23one/%23two",
           "mailto://u:p@example.vn?to=a@example.vn,b@example.vn", "json://a.example.vn/x, json://b.example.vn/x"],
    ids=["two channels", "two people", "two addresses"],
)
def test_an_address_of_several_is_refused_before_anything_is_posted(clock: FakeClock, to: str) -> None:
    """One of them may take the message while the other does not, and then nobody could say that it was posted."""
    with responses.RequestsMock(), pytest.raises(Permanent, match="2 places, expected one"):
        outcomes(make(to, clock), *TEAMS)
    assert [check.ok for check in make(to, clock).check()] == [False]
