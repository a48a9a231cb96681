"""The pitfalls seen in public models (metrics.md, end of section 6), each with numbers worked out by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from connector.journal import load_mapping, mapping_settings
from connector.ports import Record

from .conftest import Ask
from .fill import ref
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

OPEN = [move("01-01", "new")]
WON, LOST = [*OPEN, move("01-11", "won")], [*OPEN, move("01-21", "lost")]
TEAM = [{"id": owner, "owner": ref(owner), "team": "north"} for owner in "ABC"]
OWNERS = [{"id": owner, "name": owner} for owner in "ABC"]


def test_who_lost_none_or_won_none_counts_in_the_team_s_win_rate(build: Build) -> None:
    """A won 2 and lost none, B lost 2 and won none, C won 1 and lost 1: the team won 3 of 6.

    Where nothing lost is null, null + 2 is null: A and B would fall out of the base, and the rate be 3 / 2 = 150 %."""
    whose = {"1": "A", "2": "A", "3": "B", "4": "B", "5": "C", "6": "C"}
    chains = {"1": WON, "2": WON, "3": LOST, "4": LOST, "5": WON, "6": LOST}
    ask = build({id_: {"owner": ref(owner)} for id_, owner in whose.items()}, chains, owner=OWNERS, owner_team=TEAM)
    for metric, numbers in (("win_rate_count", ("3", "6")), ("win_rate_value", ("3000.00", "6000.00"))):
        (team,) = ask(metric, per="team", periods=["2025-01"])
        assert (team.value, team.numerator, team.denominator) == ("0.500000", *numbers)
        owners = {value.subject.key: value.value for value in ask(metric, per="owner", periods=["2025-01"])}
        assert owners == {"crm:A": "1.000000", "crm:B": "0.000000", "crm:C": "0.500000"}


PROBABILITY = """\
pipelines:
  "P": {name: p, stages: {"a": proposal, "w": closed_won, "l": closed_lost}}
entities:
  - {entity: deal, stream: deals, key: id, fields: {probability: {path: p, as: percent}}}
"""


def test_a_probability_of_0_to_100_is_never_taken_as_one_of_0_to_1(build: Build) -> None:
    """7 000 at 30 % is 2 100, not 210 000. A source that has percents says so (`as: percent`); where the mapping does
    not, 30 sets the record aside. 1 % told as 1 cannot be noticed, hence the word."""
    settings = mapping_settings(timezone="UTC", sources=["crm"], history_import=False)
    said = {}
    for converter in ("percent", "ratio"):
        text = PROBABILITY.replace("percent", converter).encode()
        record = Record("1", None, {"id": "1", "p": 30})
        (said[converter],) = load_mapping("m.yaml", text, "crm", settings).apply("deals", [record])
    assert "expected a share from 0 to 1" in (said["ratio"].fault or "")
    assert not said["ratio"].entries
    (entry,) = said["percent"].entries
    assert entry.fields["probability"] == 300_000  # millionths
    deals = {"1": {"amount": 7000_0000, "probability": entry.fields["probability"]}}
    (weighted,) = build(deals, {"1": OPEN})("weighted_pipeline", periods=["2025-03"])
    assert weighted.value == "2100.00"


def test_most_likely_and_omitted_deals_are_open_as_any_other(build: Build) -> None:
    """Open are 100 commit, 50 most likely, 7 omitted and 10 of no category: 167 in 4 deals, 4 won 1 000 beside them.

    The columns are 100, 50 and 10; what is omitted is in none of them, and open all the same."""
    told = {"1": (100, "Commit"), "2": (50, "MostLikely"), "3": (7, "Omitted"), "4": (10, None)}
    deals = {
        id_: {"amount": amount * 10_000, "forecast_category": word, "expected_close_on": "2025-04-20"}
        for id_, (amount, word) in told.items()
    }
    ask = build({**deals, "5": {}}, {**dict.fromkeys(told, OPEN), "5": WON})
    assert ask("open_pipeline", periods=["2025-03"])[0].value == "167.00"
    assert ask("open_pipeline", periods=["2025-03"], options={"measure": "count"})[0].value == "4"
    columns = [ask(f"forecast_{word}", periods=["2025-04"])[0].value for word in ("commit", "best", "pipeline")]
    assert columns == ["100.00", "50.00", "10.00"]


def test_a_task_counts_once_it_is_completed(build: Build) -> None:
    """Of five tasks one was completed in January: one is planned, one was cancelled, one is due in the future, and one
    has no date at all."""
    told = [("completed", "01-10"), ("planned", "01-10"), ("cancelled", "01-10"), ("completed", "04-02"),
            ("completed", None)]
    tasks = [
        {"id": str(number), "type": "task", "outcome": outcome, "at": day(on) if on else None, "owner": ref("A")}
        for number, (outcome, on) in enumerate(told)
    ]
    ask = build({}, {}, activity=tasks, owner=OWNERS)
    january, *later = ask("activity_count", where={"type": "task"})
    assert (january.value, {value.value for value in later}) == ("1", {"0"})


def test_merged_deals_count_once(build: Build) -> None:
    """Deals 2 and 4 were merged into 1 and 3: one win of 1 000 and one open deal of 1 000, entered once each."""
    merged = {"2": {"merged_into": ref("1")}, "4": {"merged_into": ref("3")}}
    ask = build({"1": {}, "3": {}, **merged}, {"1": WON, "2": WON, "3": OPEN, "4": OPEN})
    found = {
        metric: ask(metric, periods=["2025-01"])[0].value
        for metric in ("won_count", "won_value", "open_pipeline", "pipeline_created", "win_rate_count")
    }
    assert found == {
        "won_count": "1", "won_value": "1000.00", "open_pipeline": "1000.00", "pipeline_created": "2000.00",
        "win_rate_count": "1.000000",
    }
    entries = ask("stage_entries", periods=["2025-01"], where={"pipeline": "sales"})
    assert {value.dimensions["stage"]: value.value for value in entries} == {
        "new": "2", "offer": "0", "won": "1", "lost": "0",
    }


def test_days_run_from_the_beginning_to_the_close(build: Build) -> None:
    """Created on 1 January and won on the 11th is 10 days, lost on the 21st 20, still open on 1 April 90: never less
    than 0. A deal closed before it was created is wrong somewhere: left out and counted (R17)."""
    ask = build({"1": {}, "2": {}, "3": {}, "4": {"created_at": day("02-01")}},
                {"1": WON, "2": LOST, "3": OPEN, "4": [move("01-11", "won")]})
    (won,) = ask("cycle_length", every="all")
    (lost,) = ask("cycle_length", every="all", options={"outcome": "lost"})
    (age,) = ask("deal_age", periods=["2025-04"])
    assert (won.value, won.denominator, won.left_out_duration) == ("10.000000", "1", 1)
    assert (lost.value, age.value) == ("20.000000", "90.000000")


def test_the_team_s_rate_is_no_mean_of_its_owners_rates(build: Build) -> None:
    """A won 1 of 1 in January, B 1 of 4 in February: the team 2 of 5 = 0.4, not (1 + 0.25) / 2 = 0.625; nor is the
    quarter's the mean of its months'."""
    late = [*OPEN, move("02-11", "lost")]
    whose = {"1": "A", **dict.fromkeys("2345", "B")}
    chains = {"1": WON, "2": [*OPEN, move("02-11", "won")], "3": late, "4": late, "5": late}
    ask = build({id_: {"owner": ref(owner)} for id_, owner in whose.items()}, chains, owner=OWNERS, owner_team=TEAM)
    (team,) = ask("win_rate_count", per="team", every="quarter", periods=["2025-Q1"])
    (company,) = ask("win_rate_count", every="quarter", periods=["2025-Q1"])
    assert [(one.value, one.numerator, one.denominator) for one in (team, company)] == [("0.400000", "2", "5")] * 2
    months = [value.value for value in ask("win_rate_count", per="team", periods=["2025-01", "2025-02"])]
    assert months == ["1.000000", "0.250000"]


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def server_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone this process believes it is in."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("server_zone")
def test_this_month_is_that_of_the_reports_zone_at_the_as_of_moment(edge: Ask) -> None:
    """D02 was won on 31 January at 18:00 UTC, which is 1 February in Ho Chi Minh City: asked as of then, this month is
    February with one win, whatever zone the server is in. Until 17:00 UTC this month was January, with D01 alone.

    It is asked years later: the server's clock is in no answer."""
    found = edge("won_count", as_of="2025-01-31T18:00:00+00:00")
    assert [(value.period, value.value) for value in found] == [("2025-01", "1"), ("2025-02", "1")]
    before = edge("won_count", as_of="2025-01-31T16:59:59.999999+00:00")
    assert [(value.period, value.value) for value in before] == [("2025-01", "1")]
