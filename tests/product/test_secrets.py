"""A secret of the config leaves only for where it belongs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from urllib.parse import quote

from backports import zstd

from tests.e2e.project import Project
from tests.product.command import Command, add_source, rows
from tests.product.echo_server import HUBSPOT, SECRETS, echoing

DESTINATION = """\
  hr:
    adapter: rest
    base_url: {url}/api
    auth:
      login: {{post: /login, body: {{user: connector, password: "${{HR_PASSWORD}}"}}, token: token}}
      header: Token
    find: {{get: /find, query: {{q: "{{kpi}}"}}, rows: items}}
    send: {{post: /kpi-results}}
    body: {{kpi: kpi, value: value}}
"""


def test_a_secret_is_nowhere_not_even_when_the_vendor_repeats_it(command: Command) -> None:
    """Not in the store's bytes or landed bodies, not in files, outputs or logs (design.md section 3, promise 9)."""
    project = Project(command.folder)
    with echoing() as (url, heard):
        add_source(project, HUBSPOT.format(url=url))
        project.replace("config.yaml", "destinations:\n", "destinations:\n" + DESTINATION.format(url=url))
        project.replace("config.yaml", "push: [table]", "push: [table, hr]")
        said = [command("sync", "--json", "--log-format", "json", **SECRETS)]
        said += [project(*words, **SECRETS) for words in (
            ("check", "--json"), ("sync",), ("push", "--dry-run"), ("runs", "--json"), ("deliveries", "list", "--json"),
        )]
        pages = [id_ for (id_,) in rows(project, "SELECT id FROM page WHERE source = 'hub'")]
        assert pages, "a page with the secrets in it was landed"
        said += [project("page", "show", str(page), "--json", **SECRETS) for page in pages[:1]]
    forms = written_forms([*SECRETS.values(), "session-of-today-77"])
    assert any(form in one for form in forms for one in heard), "the secrets did leave for where they belong"
    shown = "\n".join(one.out + one.err for one in said)
    kept = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    with closing(sqlite3.connect(project.folder / "connector.db")) as connection:
        bodies = [content for (content,) in connection.execute("SELECT content FROM body")]
    for form in forms:
        assert form not in shown, form
        for path, content in kept.items():
            assert form.encode() not in content, (form, path)
        for content in bodies:
            assert form.encode() not in zstd.decompress(content), form


def written_forms(secrets: list[str]) -> list[str]:
    """Plain, escaped as in a query and as in a path, JSON-escaped."""
    made = [(secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1]) for secret in secrets]
    return [form for forms in made for form in dict.fromkeys(forms)]
