"""YAML 1.2 read into plain values that remember their lines.

The text is composed into nodes by ruamel.yaml and resolved here, so that every key and value keeps its line, a key
given twice is a problem like any other, and nothing in a file can construct an object or expand without bound.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from equipoise.foundation.errors import Problem, ProtocolError

MAX_BYTES = 4_000_000
MAX_NODES = 200_000
MAX_DEPTH = 60

CODES = {
    "P001": "The file cannot be read.",
    "P002": "The text is not YAML.",
    "P003": "A key stands twice in one mapping.",
    "P004": "A key is not a plain name.",
    "P005": "The file is too large, too deep, or refers to itself.",
    "P006": "A tag or an alias that the language does not use.",
    "P007": "The file holds nothing, or not a mapping at the top.",
}

Path_ = tuple[str | int, ...]

# The YAML 1.2 core schema, less octal and hexadecimal (which nobody means in a protocol).
_INT = re.compile(r"^[-+]?[0-9]+$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_NULL = {"", "~", "null", "Null", "NULL"}
_CORE_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}


@dataclass(frozen=True, slots=True)
class Lines:
    """Where each value of a file stands: a path of keys and positions to its line (from 1)."""

    file: str
    keys: Mapping[Path_, int]

    def of(self, path: Path_) -> int | None:
        """The line of the value at ``path``, or of the nearest place around it that is in the file."""
        path = tuple(path)
        while path and path not in self.keys:
            path = path[:-1]
        return self.keys.get(path)


def place(path: Path_) -> str:
    """A path in the file's own words: ``endpoints.relapse.first-of[0]``; keys with blanks in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def read_yaml_file(path: Path) -> tuple[Any, Lines, str]:
    """Values, lines and text of a YAML file; raises :class:`ProtocolError` with every problem found."""
    name = str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ProtocolError(
            Problem("P001", "", "There is no such file.", "the path of a YAML file", "Check the path.", file=name)
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ProtocolError(Problem("P001", "", f"The file cannot be read: {reason}.", file=name)) from None
    if len(raw) > MAX_BYTES:
        raise ProtocolError(
            Problem("P005", "", f"The file has {len(raw):,} bytes.", f"at most {MAX_BYTES:,}", file=name)
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ProtocolError(
            Problem(
                "P001",
                "",
                f"Byte {error.start} is not UTF-8.",
                "text in UTF-8",
                "Save the file again with the encoding UTF-8.",
                file=name,
                line=line,
            )
        ) from None
    values, lines = read_yaml_text(text, name)
    return values, lines, text


def read_yaml_text(text: str, file: str = "<text>") -> tuple[Any, Lines]:
    """Values and lines of YAML text; raises :class:`ProtocolError` with every problem found."""
    yaml = YAML(typ="rt", pure=True)
    try:
        node = yaml.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(part) for part in (error.context, error.problem) if part)
        hint = ""
        all_lines = text.splitlines()
        if mark and mark.line < len(all_lines) and "\t" in all_lines[mark.line]:
            hint = "The line holds a tab: indent with blanks."
        elif "mapping values are not allowed" in said:
            hint = "Put text that holds a colon between quotes."
        raise ProtocolError(
            Problem(
                "P002",
                "",
                f"The text is not YAML here: {said}.",
                next_step=hint or "Check indentation, quotes and brackets on this line and the one above.",
                file=file,
                line=mark.line + 1 if mark else None,
            )
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        text_of = " ".join(str(error).split())[:200]
        raise ProtocolError(
            Problem("P002", "", f"The text is not YAML: {text_of or type(error).__name__}.", file=file)
        ) from None
    except Exception as error:  # the parser is outside code: whatever it trips over is a fault of the text
        raise ProtocolError(
            Problem("P002", "", f"The text is not YAML: the parser stopped ({type(error).__name__}).", file=file)
        ) from None
    if node is None:
        raise ProtocolError(
            Problem("P007", "", "The file is empty.", "a mapping with keys such as trial, arms, endpoints", file=file)
        )
    reader = _Reader(file)
    values = reader.value(node, (), 0)
    if reader.problems:
        raise ProtocolError(reader.problems)
    return values, Lines(file, reader.lines)


class _Reader:
    """Turns nodes into values, noting lines and problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        self.count = 0
        self.open: set[int] = set()

    def problem(self, code: str, path: Path_, node: Node, found: str, expected: str = "", step: str = "") -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(code, place(path), found, expected, step, self.file, line))

    def value(self, node: Node, path: Path_, depth: int) -> Any:
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH or id(node) in self.open:
            if not any(problem.code == "P005" for problem in self.problems):
                self.problem("P005", path, node, "The file is too large or too deep, or refers to itself here.")
            return None
        self.lines.setdefault(path, node.start_mark.line + 1)
        tag = str(node.tag) if node.tag is not None else ""
        if tag and tag not in _CORE_TAGS:
            self.problem("P006", path, node, f"The tag {tag} is not used in a protocol.", step="Remove it.")
            return None
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        self.open.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                return [self.value(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
            if isinstance(node, MappingNode):
                return self.mapping(node, path, depth)
        finally:
            self.open.discard(id(node))
        return None

    def mapping(self, node: MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self.problem("P004", path, key_node, "A key is a list or a mapping.", "a plain name as key")
                continue
            key = str(key_node.value)
            if key == "<<":
                self.problem("P006", path, key_node, "Merge keys (<<) are not used.", step="Write the values out.")
                continue
            line = key_node.start_mark.line + 1
            if key in out:
                self.problem(
                    "P003",
                    (*path, key),
                    key_node,
                    f"The key {key!r} stands here again; it stood first on line {first[key]}.",
                    step="Keep one of the two.",
                )
                continue
            first[key] = line
            self.lines[(*path, key)] = line
            out[key] = self.value(value_node, (*path, key), depth + 1)
        return out

    def scalar(self, node: ScalarNode) -> Any:
        text = str(node.value)
        if node.style in ("'", '"', "|", ">"):
            return text
        if text in _NULL:
            return None
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        if _INT.match(text) and len(text) < 19:
            return int(text)
        if _FLOAT.match(text) and len(text) < 40:
            return float(text)
        return text
