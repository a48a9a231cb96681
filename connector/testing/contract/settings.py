"""The adapter's settings: faults at once and in words, and secrets that nothing shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from connector import config
from connector.errors import ConfigError
from connector.testing.contract.bench import Bench

SECRET = re.compile(r"token|password|passphrase|secret|api_?key|credential|private_key")
ODD = "no_such_key"


class SettingsChecks(Bench):
    """What stands under the source in config.yaml, beside the common keys."""

    def test_an_unknown_key_is_a_fault(self) -> None:
        """A misspelt setting that is ignored is a setting that is not applied."""
        with pytest.raises(ValidationError, match=ODD):
            self.adapter.Settings.model_validate({**self.given, ODD: 1})

    def test_an_unknown_key_is_answered_with_the_known_ones(self) -> None:
        """As a user meets it: in a config file, with its line."""
        file = self.folder / "config.yaml"
        (self.folder / "mapping.yaml").write_text("entities: []\n", encoding="utf-8")
        name = f"{self.adapter.__module__}:{self.adapter.__qualname__}"
        source = {"adapter": name, "mapping": "mapping.yaml", **json.loads(json.dumps(dict(self.given))), ODD: 1}
        content = {"timezone": "UTC", "currency": "EUR", "sources": {"crm": source}}
        file.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
        with pytest.raises(ConfigError) as caught:
            config.load(str(file), {})
        told = str(caught.value)
        if "cannot be imported" in told or "<locals>" in name:
            pytest.skip(f"{name} cannot be named in a config")
        assert ODD in told
        missing = [field for field in self.adapter.Settings.model_fields if field not in told]
        assert not missing, f"the fault does not name {', '.join(missing)}: {told}"
        assert not self.leaked(told), "a secret in a fault of the config"

    def test_secrets_are_typed_as_such(self) -> None:
        """A setting whose name says that it is secret is a SecretStr, which hides itself."""
        self._needs_secrets()
        for name, kind in fields(self.adapter.Settings):
            assert not SECRET.search(name) or "SecretStr" in str(kind) or is_model(kind), (
                f"the setting {name} is {kind}, expected SecretStr"
            )

    def test_secrets_do_not_show_in_settings(self) -> None:
        """Neither by repr nor by str, nor when they are dumped as JSON."""
        self._needs_secrets()
        settings = self.settings()
        assert not self.leaked(repr(settings), str(settings), settings.model_dump_json())

    def _needs_secrets(self) -> None:
        if not self.secrets and not any(SECRET.search(name) for name, _ in fields(self.adapter.Settings)):
            pytest.skip(f"{self.adapter.__name__} takes no secret")


def fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """The name and type of each setting, also of those within others."""
    for name, field in model.model_fields.items():
        yield name, field.annotation
        if is_model(field.annotation):
            yield from fields(field.annotation)  # type: ignore[arg-type]  # a model, as was just found


def is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


