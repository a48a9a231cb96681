"""A secret that is empty, as a variable may be that is set to nothing, is a fault of the config."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector import config
from connector.errors import ConfigError

HEAD = """\
timezone: UTC
currency: EUR
people: {{from: hr}}
sources:
  crm:
    adapter: {adapter}
    mapping: {adapter}
"""
SOURCES = [
    ("hubspot", "    token: ${NONE}", "token"),
    ("hubspot", "    token: ''", "token"),
    ("hubspot", "    token: ${T}\n    hooks: {secret: '${NONE}'}", "hooks.secret"),
    ("hubspot", "    oauth: {client_id: '${NONE}', client_secret: s, refresh_token: r}", "oauth.client_id"),
    ("hubspot", "    oauth: {client_id: a, client_secret: '${NONE}', refresh_token: r}", "oauth.client_secret"),
    ("hubspot", "    oauth: {client_id: a, client_secret: s, refresh_token: '${NONE}'}", "oauth.refresh_token"),
    ("tryton", "    base_url: https://x\n    database: d\n    key: ${NONE}", "key"),
    ("tryton", "    base_url: https://x\n    database: d\n    user: u\n    password: ${NONE}", "password"),
]
DESTINATIONS = [
    ("auth: {header: X-Key, value: '${NONE}'}", "auth.value"),
    ("auth: {bearer: '${NONE}'}", "auth.bearer"),
]


def faults(folder: Path, text: str) -> list[str]:
    """What is wrong with a config, by line."""
    path = folder / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(str(path), {"NONE": "", "T": "t0k3n"})
    return [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults]


@pytest.mark.parametrize(("adapter", "lines", "key"), SOURCES)
def test_an_empty_secret_of_a_source_is_a_fault_with_its_line(
    tmp_path: Path, adapter: str, lines: str, key: str
) -> None:
    text = HEAD.replace("people: {{from: hr}}\n", "").format(adapter=adapter) + lines + "\n"
    line = 1 + next(number for number, one in enumerate(text.splitlines()) if "NONE" in one or "''" in one)
    (fault,) = faults(tmp_path, text)
    assert fault.startswith(f"{line}: sources.crm.{key}: ")
    assert "empty" in fault


@pytest.mark.parametrize(("lines", "key"), DESTINATIONS)
def test_an_empty_secret_of_a_destination_is_a_fault_with_its_line(tmp_path: Path, lines: str, key: str) -> None:
    text = "timezone: UTC\ncurrency: EUR\ndestinations:\n  hr:\n    adapter: rest\n    base_url: https://hr\n"
    text += f"    {lines}\n    values:\n      create: {{post: /kpi}}\n      body: {{a: value}}\n"
    found = [fault for fault in faults(tmp_path, text) if ".auth" in fault]
    assert len(found) == 1
    assert found[0].startswith(f"7: destinations.hr.{key}: ")
    assert "empty" in found[0]


def test_a_password_beside_a_user_that_is_a_key_may_be_empty(tmp_path: Path) -> None:
    """Basic authentication with an API key as the user has none; so `basic` takes an empty password."""
    text = "timezone: UTC\ncurrency: EUR\ndestinations:\n  hr:\n    adapter: rest\n    base_url: https://hr\n"
    text += "    auth: {basic: {user: key, password: ''}}\n"
    assert not [fault for fault in faults(tmp_path, text) if ".auth" in fault]
