"""Adding lines to a YAML file somebody else may have written: everything that is there stays byte for byte.

The nodes of ruamel.yaml say where things stand; what is new is put between, as text.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from connector.document import load
from connector.errors import ConfigError


def scalar(text: str) -> str:
    """A text as YAML has it, in quotes where it needs them; it may stand inside braces."""
    if _says(f"[{text}]", text):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return quoted(text)


def block(value: Any, margin: int) -> list[str]:
    """The lines of a value under its key: keys each on a line of their own, the rest behind the key."""
    lines: list[str] = []
    for key, given in value.items():
        begin = f"{' ' * margin}{scalar(str(key))}:"
        if isinstance(given, dict) and given:
            lines += [begin, *block(given, margin + 2)]
        else:
            lines.append(f"{begin} {_behind(given)}")
    return lines


def _behind(value: Any) -> str:
    if isinstance(value, str):
        return value if _says(f"- {value}", value) else scalar(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{scalar(str(key))}: {_within(one)}' for key, one in value.items())}}}"
    return _within(value)


def _within(value: Any) -> str:
    """A value inside braces."""
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_within, value))}]"
    return _behind(value) if isinstance(value, dict) else json.dumps(value)


@lru_cache(maxsize=4096)
def _says(yaml: str, text: str) -> bool:
    """Whether this YAML is a list of that text alone."""
    if not text or not text.isprintable() or text != text.strip() or "#" in text:
        return False
    try:
        return bool(load(yaml, "").data == [text])
    except ConfigError:
        return False


def quoted(text: str) -> str:
    """A text in double quotes, as ids and codes are written."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def remark(text: str) -> str:
    """A text as it may stand in a comment: one line, without signs that YAML refuses."""
    return "".join(sign for sign in " ".join(text.split()) if unicodedata.category(sign)[0] != "C")


def remarked(lines: Iterable[tuple[str, str]], least: int = 0) -> list[str]:
    """Lines with their remarks in one column, two spaces behind the longest; an empty remark is left out."""
    given = list(lines)
    width = max([least, *(len(line) for line, said in given if said and len(line) <= 80)])
    return [f"{line:<{width}}  # {remark(said)}" if said else line for line, said in given]


@lru_cache(maxsize=32)  # a file is looked at again after each change, and most changes are none
def root(text: str) -> MappingNode | None:
    """The whole document; None where it is empty. Raises ConfigError where it is no YAML."""
    reads(text)
    found = YAML(typ="safe", pure=True).compose(text)
    return found if isinstance(found, MappingNode) else None


def entries(node: Node | None) -> dict[str, tuple[Node, Node]]:
    """The key and value nodes of a mapping by key; none of what is no mapping."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: (key, value) for key, value in node.value if isinstance(key, ScalarNode)}


def value(node: Node | None, *path: str) -> Node | None:
    """What stands under these keys."""
    for key in path:
        if key not in (held := entries(node)):
            return None
        node = held[key][1]
    return node


def items(node: Node | None) -> list[Node]:
    """The items of a list; none of what is no list."""
    return list(node.value) if isinstance(node, SequenceNode) else []


def text_of(node: Node | None) -> str | None:
    """The text of a scalar."""
    return node.value if isinstance(node, ScalarNode) else None


def first_line(node: Node) -> int:
    """The line a node begins on, counted from 0."""
    return int(node.start_mark.line)


def last_line(node: Node) -> int:
    """The last line that belongs to a node, counted from 0; comments behind it do not."""
    if isinstance(node, ScalarNode) or is_flow(node) or not node.value:
        mark = node.end_mark
        return int(mark.line) - (1 if mark.column == 0 and mark.line > node.start_mark.line else 0)
    last = node.value[-1]
    return last_line(last[1] if isinstance(node, MappingNode) else last)


def is_flow(node: Node) -> bool:
    """Whether it is written in braces or brackets."""
    return isinstance(node, (MappingNode, SequenceNode)) and bool(node.flow_style)


class Text:
    """A file's lines and what is to be done to them; `made` does it all at once, so that line numbers stay true."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self._cr = "\r" if "\r\n" in text else ""
        self._before: dict[int, list[str]] = {}
        self._instead: dict[int, str | None] = {}
        if self.lines[-1]:
            self.lines.append("")

    def insert(self, line: int, new: Iterable[str]) -> None:
        """New lines in front of that line (counted from 0), behind those put there before."""
        self._before.setdefault(line, []).extend(new)

    def drop(self, line: int) -> None:
        """Without this line."""
        self._instead[line] = None

    def comment(self, first: int, last: int, why: str = "") -> None:
        """Make comments of these lines, `why` behind the first."""
        margin = min(indent(self.lines[number]) for number in range(first, last + 1) if self.lines[number].strip())
        for number in range(first, last + 1):
            line = self.lines[number].removesuffix("\r")
            said = f"  # {remark(why)}" if why and number == first else ""
            self._instead[number] = f"{line[:margin]}# {line[margin:]}{said}{self._cr}" if line.strip() else line

    def made(self) -> str:
        """The text with all of it done."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for number, line in enumerate(self.lines):
            yield from (f"{new}{self._cr}" for new in self._before.get(number, ()))
            kept = self._instead.get(number, line)
            if kept is not None:
                yield kept


def indent(line: str) -> int:
    """How many spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))


def is_comment(line: str) -> bool:
    """Whether nothing but a comment stands on a line."""
    return line.lstrip().startswith("#")


@lru_cache(maxsize=32)
def reads(text: str) -> Any:
    """What a text says; not to be changed. Raises ConfigError where it is no YAML."""
    return load(text, "").data
