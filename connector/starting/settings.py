"""What the command line says of a source, as the settings of a config; and a config's faults in its words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from connector.errors import ConfigError, Fault
from connector.ports import AdapterSettings
from connector.starting.writing import reads

COMMAND_LINE = "command line"
HARMLESS = "expected"  # stands where a secret should
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def settings(
    model: type[AdapterSettings], given: Sequence[str], secrets: Sequence[str], environment: Mapping[str, str]
) -> tuple[dict[str, Any], list[Fault]]:
    """The keys of a source: `KEY=VALUE` as YAML has them, and for each secret the variable that holds it; and what is
    wrong with them, then with something harmless in the place of what is.

    A key may lead deeper: `oauth.client_id=…`. A secret without key is the adapter's first.
    """
    made: dict[str, Any] = {}
    faults: list[Fault] = []
    known = secret_keys(model)
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            faults.append(fault(f"--set {text}", "expected KEY=VALUE, such as --set base_url=https://crm.example.vn"))
        elif key.strip() in known and "${" not in value:
            said = f"a secret never stands in a file; give the variable that holds it: --secret {key.strip()}=VARIABLE"
            faults.append(fault(f"--set {key.strip()}", said))
            _put(made, key.strip(), HARMLESS)
        else:
            _put(made, key.strip(), _value(model, key.strip(), value))
    for text in secrets:
        key, _, variable = text.rpartition("=")
        key = key.strip() or next((one for one in known if _missing(made, one)), "")
        if not key:
            said = "the adapter takes no secret of its own; say which setting it is: --secret KEY=VARIABLE"
            faults.append(fault(f"--secret {text}", said))
        elif not _VARIABLE.fullmatch(variable):
            said = "expected the name of an environment variable, such as HUBSPOT_TOKEN, never the secret itself"
            faults.append(fault("--secret", said))
            _put(made, key, HARMLESS)
        elif not environment.get(variable):
            said = f"the environment has no {variable}; set it, or name the variable that holds the secret"
            faults.append(fault(f"--secret {variable}", said))
            _put(made, key, HARMLESS)
        else:
            _put(made, key, f"${{{variable}}}")
    return made, faults


def in_words_of_the_command(
    error: ConfigError, source: str, model: type[AdapterSettings], secrets: Sequence[str]
) -> ConfigError:
    """The faults of a config that is not written yet, each with the option that gives what is expected."""
    place, known, found = f"sources.{source}", secret_keys(model), dict[str, Fault]()
    for one in error.faults:
        if one.key.startswith(f"{place}."):
            key = one.key.removeprefix(f"{place}.")
            option = f"--secret {key}=VARIABLE" if key in known else f"--set {key}=…"
        else:
            option = {"timezone": "--timezone", "currency": "--currency", place: "settings"}.get(one.key, one.key)
        found.setdefault(option, fault(option, one.message))
    if known and not secrets and any(f"{one.key}.".startswith(f"{place}.") for one in error.faults):
        said = f"no secret is given; expected the environment variable that holds one of: {', '.join(known)}"
        found["--secret"] = fault("--secret [KEY=]VARIABLE", said)
    return ConfigError(found.values())


def fault(key: str, message: str) -> Fault:
    """A fault of the command line."""
    return Fault(COMMAND_LINE, 0, key, message)


def secret_keys(model: type[BaseModel], above: str = "") -> list[str]:
    """The dotted keys of a model whose values are secrets; its own ones first."""
    own, deeper = list[str](), list[str]()
    for name, field in model.model_fields.items():
        for kind in _kinds(field.annotation):
            if kind is SecretStr:
                own.append(f"{above}{name}")
            elif issubclass(kind, BaseModel):
                deeper += secret_keys(kind, f"{above}{name}.")
    return [*own, *deeper]


def _kinds(annotation: Any) -> Iterator[type]:
    """The classes in an annotation such as `Secret | None`; those of lists and mappings are not gone into."""
    if isinstance(annotation, type):
        yield annotation
    elif getattr(annotation, "__origin__", None) not in (list, dict, tuple):
        for inner in get_args(annotation):
            yield from _kinds(inner)


def _put(made: dict[str, Any], key: str, value: Any) -> None:
    *above, last = key.split(".")
    for step in above:
        inner = made.setdefault(step, {})
        made = inner if isinstance(inner, dict) else made.setdefault(step, {})
    made[last] = value


def _missing(made: Mapping[str, Any], key: str) -> bool:
    return "." not in key and key not in made


def _value(model: type[AdapterSettings], key: str, text: str) -> Any:
    """What YAML makes of it; a number stays text where the setting is text, or YAML would lose some of it."""
    try:
        value = reads(text) if text.strip() else text
    except ConfigError:
        return text
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        field = model.model_fields.get(key)
        takes_text = field is not None and str in set(_kinds(field.annotation))
        return text if takes_text or str(value) != text else value
    return value
