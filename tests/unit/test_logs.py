"""Log lines: to standard error, as text or JSON, without secrets, and loaded only when there is one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from connector.cli.logs import configure


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is the process's; the next test finds it as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_librarys_line_is_json_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", lambda: ["hush-hush"])
    logging.getLogger("some.library").info("asked with %s", "hush-hush")
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert (out, line["event"], line["level"]) == ("", "asked with ***", "info")
    assert line["timestamp"].endswith("Z")


def test_without_a_form_only_warnings_are_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None, lambda: ["hush-hush"])
    logging.getLogger("some.library").info("nobody reads this")
    logging.getLogger("some.library").warning("slow: %s", "hush-hush")
    _, err = capsys.readouterr()
    assert "nobody" not in err
    assert "warning" in err
    assert "slow: ***" in err


def test_the_services_own_lines_take_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", lambda: ["hush-hush"], talkative=True)
    structlog.get_logger("connector.service").info("due", name="crm", token="hush-hush")
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert (out, line["event"], line["name"], line["token"]) == ("", "due", "crm", "***")
