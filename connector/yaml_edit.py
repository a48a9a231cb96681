"""A case put among the `tests:` of a mapping file, every other character of which stays as it is. Pure.

Only the place is found by the YAML parser; the text is cut and pasted, so comments, layout and quotes are untouched.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z_](?:[\w. -]*\w)?")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


class _Nulls(RoundTripRepresenter):
    """Writes null as `null`, not as nothing."""


_Nulls.add_representer(type(None), lambda self, _data: self.represent_scalar("tag:yaml.org,2002:null", "null"))


def put_case(text: str, case: Mapping[str, Any]) -> str:
    """The text of a mapping file with this case, in the place of the one of the same `name`, or as the last one.

    Raises ValueError where the file is not written in a way that has a place for it.
    """
    ends = "\r\n" if "\r\n" in text else "\n"
    root = YAML(typ="safe", pure=True).compose(text.removeprefix("\ufeff"))
    mark = len(text) - len(text.removeprefix("\ufeff"))
    if not isinstance(root, MappingNode) or root.flow_style:
        raise ValueError("expected a file with its keys at the beginning of lines")
    body = text[mark:]
    found = next((pair for pair in root.value if pair[0].value == "tests"), None)
    if found is None:
        made = body.rstrip() + "\n\ntests:\n" + written(case, 2) + "\n"
    elif not isinstance(found[1], SequenceNode) or not found[1].value:
        made = _first(body, found[0], found[1], case)
    elif found[1].flow_style:
        made = _flow(body, found[1], case)
    else:
        made = _block(body, found[1], case)
    return text[:mark] + (made.replace("\r\n", "\n").replace("\n", "\r\n") if ends == "\r\n" else made)


def written(case: Mapping[str, Any], indent: int) -> str:
    """The case as an item of a list whose dashes stand at that column, without the line end; small parts on one line.
    """
    yaml = YAML()
    yaml.Representer = _Nulls
    yaml.width = WIDTH - indent
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_styled(case), stream)
    lines = stream.getvalue().rstrip("\n").split("\n")
    pad = " " * indent
    return "\n".join(f"{pad}{'- ' if number == 0 else '  '}{line}".rstrip() for number, line in enumerate(lines))


def _styled(value: Any, depth: int = 0) -> Any:
    """Lists and mappings that hold plain values only are written on one line, unless they are the case itself; text
    stands in double quotes where it could be taken for something else."""
    if isinstance(value, str) and not (_PLAIN.fullmatch(value) and value.lower() not in _WORDS):
        return DoubleQuotedScalarString(value)
    if not isinstance(value, Mapping | list):
        return value
    made: CommentedMap | CommentedSeq
    if isinstance(value, Mapping):
        made = CommentedMap((key, _styled(inner, depth + 1)) for key, inner in value.items())
        inside = list(value.values())
    else:
        made = CommentedSeq(_styled(inner, depth + 1) for inner in value)
        inside = value
    if depth and not any(isinstance(inner, Mapping | list) and inner for inner in inside):
        made.fa.set_flow_style()
    return made


def _first(text: str, key: Node, value: Node, case: Mapping[str, Any]) -> str:
    """`tests:` is there and empty: null, or []."""
    is_null = isinstance(value, ScalarNode) and value.value in ("", "~", "null")
    is_empty = isinstance(value, SequenceNode) and not value.value
    if not (is_null or is_empty):
        raise ValueError("tests: is no list")
    end = key.end_mark.index
    colon = text.index(":", end) + 1
    after = value.end_mark.index if text[colon : value.end_mark.index].strip() else colon
    rest = text[after:]
    line, newline, more = rest.partition("\n")
    return text[:colon] + line.rstrip() + "\n" + written(case, 2) + (newline or "\n") + more


def _flow(text: str, tests: SequenceNode, case: Mapping[str, Any]) -> str:
    """`tests: [{…}, {…}]`: one more between the brackets."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 1 << 20
    yaml.Representer = _Nulls
    made = _styled(case)
    made.fa.set_flow_style()
    yaml.dump(made, stream)
    item = stream.getvalue().strip()
    for node in tests.value:
        if _name(node) == case["name"]:
            return text[: node.start_mark.index] + item + text[node.end_mark.index :]
    end = tests.value[-1].end_mark.index
    return text[:end] + ", " + item + text[end:]


def _block(text: str, tests: SequenceNode, case: Mapping[str, Any]) -> str:
    """A list with a dash for each item: its lines are replaced, or come after those of the last one."""
    lines = text.split("\n")
    column = tests.start_mark.column
    item = written(case, column).split("\n")
    starts = [node.start_mark.line for node in tests.value]
    ends = [*starts[1:], _end(text, tests)]
    for start, end, node in zip(starts, ends, tests.value, strict=True):
        if _name(node) == case["name"]:
            first = _dash(lines, start, column)
            last = _content(lines, first, _dash(lines, end, column) if end in starts else end)
            return "\n".join([*lines[:first], *item, *lines[last:]])
    last = _content(lines, starts[-1], ends[-1])
    return "\n".join([*lines[:last], *item, *(lines[last:] or [""])])


def _end(text: str, tests: SequenceNode) -> int:
    """The line on which what comes after the list begins."""
    mark = tests.end_mark
    return mark.line if mark.column == 0 and mark.index < len(text) else text.count("\n", 0, mark.index) + 1


def _dash(lines: list[str], line: int, column: int) -> int:
    """The line of an item's dash, which may stand above the item itself."""
    while line and lines[line][column : column + 1] != "-":
        line -= 1
    return line


def _content(lines: list[str], first: int, end: int) -> int:
    """The line after the last of an item that is neither empty nor a comment."""
    while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _name(node: Node) -> str | None:
    """The `name` of a test."""
    if not isinstance(node, MappingNode):
        return None
    return next((str(value.value) for key, value in node.value if key.value == "name"), None)
