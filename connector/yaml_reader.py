"""YAML text to plain data by the core schema of YAML 1.2, with the place of every value; `document` is its face.

ruamel.yaml composes the nodes; the values are made here, because the lines, the text of unquoted keys and all duplicate
keys at once are wanted, and because dates, `0123` and `yes` must not become something else by the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.tokens import ScalarToken

from connector.errors import ConfigError, Fault

Place = tuple[str | int, ...]

MOST_VALUES = 200_000  # of one file, aliases written out: a file that says more is a mistake or an attack

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge")}
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ].*)?")


def compose(content: str | bytes, file: str) -> tuple[Any, YamlReader]:
    """The data in that text and the reader that knows the places. Raises ConfigError."""
    text = _decode(content, file) if isinstance(content, bytes) else content.removeprefix("\ufeff")
    reader = YamlReader(file)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        data = reader.value(root, ()) if root is not None else None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([_syntax(error, text, file)]) from None
    if reader.faults:
        raise ConfigError([*reader.faults, *reader.duplicates])
    return data, reader


class YamlReader:
    """Builds plain data from YAML nodes and writes down where everything stands.

    `faults` leave nothing to read; `duplicates` do, so that whoever reads the data can tell its other faults as well.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Place, int] = {}
        self.texts: dict[Place, str] = {}
        self.bare_keys: dict[Place, str] = {}
        self.faults: list[Fault] = []
        self.duplicates: list[Fault] = []
        self.lists: set[Place] = set()
        self.open: list[Node] = []
        self.count = 0

    def value(self, node: Node, path: Place) -> Any:
        self.count += 1
        if node.tag not in _PLAIN_TAGS:
            self.fault(node, path, f"the tag {node.tag} is not known here, expected plain YAML; remove it")
            return None
        if isinstance(node, ScalarNode):
            self.texts[path] = node.value
            return scalar(node)
        if self.count > MOST_VALUES or any(node is parent for parent in self.open):
            self.fault(node, path, "aliases repeat values without end, expected a tree; write the values out")
            raise ConfigError(self.faults)
        self.open.append(node)
        made = self.mapping(node, path) if isinstance(node, MappingNode) else self.sequence(node, path)
        self.open.pop()
        return made

    def sequence(self, node: Node, path: Place) -> list[Any]:
        self.lists.add(path)
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = item.start_mark.line + 1
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def mapping(self, node: MappingNode, path: Place) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, (key_node, value_node) in self.entries(node, path).items():
            place = (*path, key)
            self.lines[place] = key_node.start_mark.line + 1
            if not isinstance(key, str) or (not key_node.style and _DATE.fullmatch(key)):
                self.bare_keys[place] = key_node.value
            made[key] = self.value(value_node, place)
        return made

    def entries(self, node: MappingNode, path: Place) -> dict[Any, tuple[ScalarNode, Node]]:
        """Each key once with its nodes; of a key given twice the last, so that the rest of the file is read too."""
        found: dict[Any, tuple[ScalarNode, Node]] = {}
        firsts: dict[Any, int] = {}
        for key_node, value_node, inherited in self.pairs(node, path):
            if not isinstance(key_node, ScalarNode):
                self.fault(key_node, path, "a list or mapping stands as a key, expected text")
                continue
            key: Any = scalar(key_node)
            if key in found and inherited:
                continue
            first = firsts.setdefault(key, key_node.start_mark.line + 1)
            if key in found:
                message = f"the key is given twice, first on line {first}; expected it once"
                self.duplicates.append(self.found(key_node, (*path, key), message))
            found[key] = key_node, value_node
        return found

    def pairs(self, node: MappingNode, path: Place) -> list[tuple[Node, Node, bool]]:
        """Key, value and whether it comes of `<<: *defaults` (of older YAML, but expected to work); own ones first."""
        own, inherited = [], []
        for key, value in node.value:
            if key.tag != _TAG + "merge":
                own.append((key, value, False))
                continue
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                if isinstance(source, MappingNode) and not any(source is parent for parent in self.open):
                    inherited += [(key, value, True) for key, value, _ in self.pairs(source, path)]
                else:
                    self.fault(value, path, "<< merges what is no mapping, expected an alias of a mapping")
                    raise ConfigError(self.faults)
        return own + inherited

    def fault(self, node: Node, path: Place, message: str) -> None:
        self.faults.append(self.found(node, path, message))

    def found(self, node: Node, path: Place, message: str) -> Fault:
        key = dotted((step, path[:depth] in self.lists) for depth, step in enumerate(path))
        return Fault(self.file, node.start_mark.line + 1, key, message)


_INTEGER = re.compile(r"[-+]?[0-9]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def scalar(node: ScalarNode) -> str | int | float | bool | None:
    """The value of one scalar by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)."""
    text: str = node.value
    if _SURROGATE.search(text):  # JSON pasted into YAML writes 😀 as two escapes
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if node.style or node.tag == _TAG + "str":
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < 1000:
        return int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) and len(text) < 1000 else text


def dotted(steps: Iterable[tuple[str | int, bool]]) -> str:
    """A path as people write it; each step comes with whether it is a position in a list."""
    text = "".join(f"[{step}]" if in_list else f".{step}" for step, in_list in steps)
    return text.removeprefix(".")


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(file, line, "", "the text is not UTF-8, expected UTF-8; save it so")]) from None


def _syntax(error: Exception, text: str, file: str) -> Fault:
    """One sentence for what the YAML scanner found."""
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Fault(file, line, "", "a control character stands here, expected text; remove it")
    if not isinstance(error, MarkedYAMLError):
        return Fault(file, 0, "", "nested too deeply or not YAML, expected a YAML document")
    problem = error.problem or "not understood"
    unfinished = "stream end" in problem or "end of stream" in problem
    mark = (error.context_mark if unfinished else None) or error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    if "'\\t'" in problem or "tab" in problem:
        return Fault(file, line, "", "a tab stands where YAML wants spaces; expected spaces for indentation")
    if "single document" in (error.context or ""):
        return Fault(file, line, "", "a second document begins here (---), expected one document in the file")
    if quoted := _open_quote(text, line):
        opens, closes = quoted
        line, words = opens, f"the quote that opens here closes only on line {closes}, {_ITS_OWN}"
    else:
        context = f", {error.context} from line {error.context_mark.line + 1}" if error.context_mark else ""
        raw = f"{problem}{context}; expected YAML 1.2"
        words = next((words for part, words in _IN_WORDS.items() if part in problem), raw)
    return Fault(file, line, "", f"not valid YAML: {words}")


_ITS_OWN = "expected it to close on its own line"
_IN_WORDS = {  # of ruamel.yaml's problems, the first that fits
    "unexpected end of stream": f"the quote that opens here never closes, {_ITS_OWN}",
    "mapping values are not allowed": "a colon too many, or a line that does not begin in the column of its "
    "neighbours; expected `key: value`, and quotes around text that holds a colon",
    "cannot start any token": "no text begins with this character, expected quotes around it",
    "undefined alias": "no text begins with *, expected quotes around it",
    "but found '<scalar>'": "text goes on behind a closing quote, expected the other kind of quotes around text that "
    "holds one",
    "expected <block end>": "the line does not begin in the column of its neighbours, expected the same number of "
    "spaces",
    "expected ',' or": "a comma or a closing bracket is missing here or on a line before, expected each [ and { to "
    "close",
}


def _open_quote(text: str, line: int) -> tuple[int, int] | None:
    """The lines on which a quoted text opens and closes that reaches into that faulty line; None where none does."""
    found = None
    with suppress(YAMLError):
        for token in YAML(typ="safe", pure=True).scan(text):
            first, last = token.start_mark.line + 1, token.end_mark.line + 1
            if isinstance(token, ScalarToken) and token.style in ("'", '"') and first < last == line:
                found = first, last
    return found
