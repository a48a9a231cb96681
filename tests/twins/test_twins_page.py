"""docs/twins.md: its code runs, and it names every fault, every kind of change and every option there is."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import requests

from connector.twins.demo import TODAY
from connector.twins.faults import KINDS
from connector.twins.hubspot_life import Life
from connector.twins.portal import Portal

PAGE = (Path(__file__).parents[2] / "docs" / "twins.md").read_text(encoding="utf-8")
get, post = partial(requests.get, timeout=10), partial(requests.post, timeout=10)


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), ids=["in a test", "changes"])
def test_the_pages_examples_run(code):
    exec(compile(code, "docs/twins.md", "exec"), {})  # noqa: S102 - our own page


def test_the_page_names_every_fault_and_every_kind_of_change(account):
    table = PAGE.split("## Faults")[1].split("## Data")[0]
    assert [kind for kind in KINDS if f"`{kind}`" not in table] == []
    listed = re.search(r"`Life` draws them from a seed: (.*?)\.\n", PAGE, re.DOTALL)
    assert set(listed[1].replace("\n", " ").split(", ")) == set(Life(account.portal, 1).weights)


def test_the_page_names_what_can_be_done_to_an_account():
    inner = {"item", "linked", "searchable", "catch_up", "pipelines_of", "stages_of", "add_owner", "add_pipeline",
             "pipelines", "properties_of", "index_lag"}
    done = {name for name in dir(Portal) if not name.startswith("_")} - inner
    assert [name for name in sorted(done) if f"`{name}" not in PAGE] == []


@pytest.fixture
def process():
    started = []

    def start(*arguments):
        one = subprocess.Popen([sys.executable, "-m", "connector.twins.hubspot", "--deals", "20", *arguments],
                               stdout=subprocess.PIPE, text=True)
        started.append(one)
        said = json.loads(one.stdout.readline())
        return said["url"], {"Authorization": f"Bearer {said['token']}"}

    yield start
    for one in started:
        one.send_signal(signal.SIGTERM)
        assert one.wait(10) == 0
        one.stdout.close()


def test_faults_and_limits_are_had_from_another_process_too(process):
    url, headers = process("--faults", "3", "--fault-share", "1", "--search-rate", "1", "--retry-after",
                           "--index-lag", "5")
    for _ in range(3):
        with suppress(requests.RequestException):
            get(url + "/crm/v3/owners", headers=headers)
    assert len(post(url + "/_twin/calm").json()["given"]) == 3
    assert post(url + "/_twin/disturb?fault=503&times=1&path=/owners").json() == {"fault": "503", "times": 1}
    assert get(url + "/crm/v3/owners", headers=headers).status_code == 503
    assert get(url + "/crm/v3/owners", headers=headers).status_code == 200
    assert post(url + "/_twin/disturb?fault=gremlin").status_code == 400
    answers = [post(url + "/crm/v3/objects/deals/search", json={}, headers=headers) for _ in range(2)]
    assert ([one.status_code for one in answers], answers[1].headers["Retry-After"]) == ([200, 429], "1")
    shown = subprocess.run([sys.executable, "-m", "connector.twins.hubspot", "--help"], capture_output=True, text=True)
    options = set(re.findall(r"--[a-z-]+", shown.stdout)) - {"--help"}
    assert [one for one in sorted(options) if f"`{one}" not in PAGE and f" {one} " not in PAGE] == []


def test_the_twins_clock_stands_where_the_page_says_or_runs_on_from_there(process):
    assert f"{TODAY:%-d %B %Y, %H:%M} UTC" in PAGE
    for option, standing in ((), True), (("--running-clock",), False):
        url, headers = process(*option)
        path = url + "/crm/v3/objects/companies"
        made = post(path, json={"properties": {"name": "x"}}, headers=headers).json()["createdAt"]
        assert (made == "2026-11-03T01:00:00.000Z") == standing
        assert made[:15] == "2026-11-03T01:0"
