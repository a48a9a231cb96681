"""What the pages about sources and destinations say: every setting there is, in examples that load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from connector import config
from connector.config.adapters import load_adapter, shipped
from connector.ports import Destination, Source

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (DOCS / "sources.md").read_text("utf-8"), re.S)


def fields(model: type[BaseModel]) -> Iterator[str]:
    """The keys of a model and of the models in it."""
    for schema in (model.model_json_schema(), *model.model_json_schema().get("$defs", {}).values()):
        yield from schema.get("properties", {})


@pytest.mark.parametrize(("port", "page"), [(Source, "sources.md"), (Destination, "destinations.md")])
def test_every_setting_of_every_adapter_is_named_in_its_section(
    port: type[Source] | type[Destination], page: str
) -> None:
    text = (DOCS / page).read_text("utf-8")
    missing = []
    for name in shipped(port):
        section = re.search(rf"^## {name}$.*?(?=^## |\Z)", text, re.M | re.S)
        assert section, name
        found = set(re.findall(r"\w+", section[0]))
        missing += [f"{name} {key}" for key in fields(load_adapter(name, port).Settings) if key not in found]  # type: ignore[type-var]  # one of the two ports
    assert missing == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split()[1])
def test_the_examples_of_sources_load(tmp_path: Path, example: str) -> None:
    (tmp_path / "crm.yaml").write_text("entities: []\n")
    (tmp_path / "config.yaml").write_text(f"timezone: UTC\ncurrency: EUR\n{example}")
    loaded = config.load(str(tmp_path / "config.yaml"), {"TRYTON_KEY": "k", "HUBSPOT_TOKEN": "t"})
    assert len(loaded.sources) == 1
