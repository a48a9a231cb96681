"""A YAML 1.2 file as plain data that still knows on which line each value stands.

Config, mapping, people and all other YAML files are read here. A `Path` names a value: mapping keys and list positions
from the root. Keys are kept as YAML reads them, so an id that lost its quotes (`75:`, `0123:`, `true:`) stays visible
and the reader of the file can say "quote it" (`Document.unquoted`, `Document.quote_it`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from connector.errors import ConfigError, Fault
from connector.yaml_reader import Place, compose, dotted

Path = Sequence[str | int]

_KINDS = {bool: "a boolean", int: "a number", float: "a number", type(None): "null", str: "a date"}


@dataclass(frozen=True)
class Document:
    """One YAML file: `data` of dict, list, str, int, float, bool and None, and the place of each value.

    Dates are text (YAML 1.2 has no dates). An empty file is None. `faults` are the keys given twice, of which the last
    one is in `data`: whoever reads the document adds its own and raises them together.
    """

    data: Any = field(repr=False)  # may hold secrets once they are filled in
    file: str
    lines: Mapping[Place, int] = field(repr=False)
    texts: Mapping[Place, str] = field(repr=False)
    bare_keys: Mapping[Place, str] = field(repr=False)
    faults: tuple[Fault, ...] = ()

    def line(self, path: Path = ()) -> int:
        """The 1-based line of the value's key (or list item); of its deepest ancestor in the file when it is absent."""
        for length in range(len(path), 0, -1):
            if found := self.lines.get(tuple(path[:length])):
                return found
        return 1

    def get(self, path: Path, default: Any = None) -> Any:
        """The value at the path, or the default."""
        value = self.data
        for step in path:
            in_list = isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
            if in_list or (isinstance(value, dict) and step in value):
                value = value[step]
            else:
                return default
        return value

    def fault(self, path: Path, message: str) -> Fault:
        """The fault at that place, ready to be raised in a ConfigError."""
        return Fault(self.file, self.line(path), self.key(path), message)

    def key(self, path: Path) -> str:
        """The path as people write it: `kpis[2].where.pipeline`."""
        return dotted((step, isinstance(self.get(path[:depth]), list)) for depth, step in enumerate(path))

    def written(self, path: Path) -> str | None:
        """The characters of a scalar value as they stand in the file (`0123`, `1.50`); None for lists and mappings."""
        return self.texts.get(tuple(path))

    def unquoted(self, path: Path = ()) -> list[Place]:
        """The paths, at or below `path`, whose key is no text because its quotes are missing: `75`, `true`, a date."""
        length = len(path)
        return [bare for bare in self.bare_keys if bare[:length] == tuple(path)]

    def quote_it(self, path: Path) -> Fault:
        """The fault of a key or value that must be text and lost its quotes."""
        place = tuple(path)
        if place in self.bare_keys:
            text, kind, what = self.bare_keys[place], _kind(place[-1]), "key"
        else:
            value = self.get(path)
            text, kind, what = self.written(path) or "", _kind(value), "value"
        return self.fault(path, f'the {what} {text} is read as {kind}, expected text; quote it: "{text}"')


class Substituted(NamedTuple):
    """A document with its `${…}` filled in, what was filled in (path and text), and what could not be."""

    document: Document
    filled: list[tuple[Place, str]]
    faults: list[Fault]

    @property
    def secrets(self) -> frozenset[str]:
        """Every text that came from the environment or a file: what must not be shown."""
        return frozenset(text for _, text in self.filled if text)


def load(content: str | bytes, file: str) -> Document:
    """The document in that text; `file` is the name shown in faults.

    Raises ConfigError: for syntax the first fault, for unknown tags all of them. Duplicate keys are its `faults`.
    """
    data, places = compose(content, file)
    return Document(data, file, places.lines, places.texts, places.bare_keys, tuple(places.duplicates))


def read(path: str) -> Document:
    """The document in that file. Raises ConfigError, also when it cannot be read."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise ConfigError([Fault(path, 0, "", f"cannot be read ({error.strerror}); expected a YAML file")]) from None
    return load(content, path)


def substitute(
    document: Document, environment: Mapping[str, str], read_file: Callable[[str], str]
) -> Substituted:
    """The document with `${VAR}`, `${VAR:-default}` and `${file:/run/secrets/x}` replaced; `$$` is a dollar.

    In values only, and after parsing: what is filled in is never read as YAML, nor searched for `${` again. A default
    stands for an unset or empty variable. A file gives its text without the line end. `read_file` raises OSError.
    """
    filled: list[tuple[Place, str]] = []
    faults: list[Fault] = []

    def walk(value: Any, path: Place) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*path, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        try:
            pieces = list(_pieces(value, environment, read_file))
        except LookupError as error:
            faults.append(document.fault(path, str(error.args[0])))
            return value
        filled.extend((path, text) for text, is_filled in pieces if is_filled)
        return "".join(text for text, _ in pieces)

    return Substituted(replace(document, data=walk(document.data, ())), filled, faults)


_REFERENCE = re.compile(r"\$\$|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)


def _pieces(
    text: str, environment: Mapping[str, str], read_file: Callable[[str], str]
) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it was filled in. Raises LookupError with the fault's message."""
    done = 0
    for found in _REFERENCE.finditer(text):
        yield text[done : found.start()], False
        done = found.end()
        inside = found["inside"]
        if inside is None:
            yield "$", False
        elif not found["end"]:
            raise LookupError("${ is never closed, expected ${NAME}; a dollar itself is written $$")
        elif inside.startswith("file:"):
            yield _file_text(inside.removeprefix("file:"), read_file), True
        elif variable := _VARIABLE.fullmatch(inside):
            name, default = variable["name"], variable["default"]
            if default is not None and not environment.get(name):
                yield default[2:], False
            elif name in environment:
                yield environment[name], True
            else:
                raise LookupError(f"${{{name}}} is not set in the environment, expected a value; set {name}")
        else:
            raise LookupError(
                "${…} is not understood, expected ${NAME}, ${NAME:-default} or ${file:/path}; a dollar itself is $$"
            )
    yield text[done:], False


def _file_text(path: str, read_file: Callable[[str], str]) -> str:
    try:
        return read_file(path).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise LookupError(f"the file {path} cannot be read ({reason}), expected a readable text file") from None


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a list or mapping")
