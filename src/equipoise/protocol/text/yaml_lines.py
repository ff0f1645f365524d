"""YAML 1.2 read into plain values that remember their lines.

The text is composed into nodes by ruamel.yaml and resolved here, so that every key and value keeps its line, a key
given twice is a problem like any other, and nothing in a file can construct an object or expand without bound.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from equipoise.foundation.errors import Problem, ProtocolError

MAX_BYTES = 1_000_000
MAX_LINE = 100_000
MAX_NODES = 20_000
MAX_DEPTH = 60

CODES = {
    "P001": "The file cannot be read.",
    "P002": "The text is not YAML.",
    "P003": "A key appears twice in one mapping.",
    "P004": "A key is not a plain name.",
    "P005": "The file is too large, too deep, or refers to itself.",
    "P006": "The language does not use tags or aliases.",
    "P007": "The file is empty, or is not a mapping at the top level.",
}

Path_ = tuple[str | int, ...]

_BRACKET = re.compile(r"[\[\]{}]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")

# What the parser says, what is meant by it: (fragment, found, expected, next step).
_SYNTAX = (
    (
        "mapping values are not allowed",
        "A colon stands where none can.",
        "one key and its value on a line",
        "Put text that holds a colon and a blank between quotes; or check the indentation of the line above.",
    ),
    (
        "expected <block end>",
        "The line is indented otherwise than what it belongs to.",
        "the indentation of the lines around it",
        "Align it with the keys or dashes that it stands beside.",
    ),
    (
        "could not find expected ':'",
        "A line without a colon ends here.",
        "key: value",
        "Add the colon, or join the line with the one above.",
    ),
    (
        "found unexpected end of stream",
        "A quotation or a bracket is not closed.",
        "a closing quote or bracket",
        "Look upwards for the one that opens and close it.",
    ),
    (
        "while parsing a flow",
        "Something is wrong between brackets.",
        "entries separated by commas, and a closing bracket",
        "Check commas, quotes and the closing bracket here and above.",
    ),
    (
        "expected a single document",
        "A second document begins here (---).",
        "one protocol a file",
        "Remove the line ---, or put what follows into a file of its own.",
    ),
    (
        "undefined alias",
        "An alias (*name) stands for nothing.",
        "text or a value",
        "Write the value out; put text that begins with * between quotes.",
    ),
    (
        "found character",
        "A value begins with a character that has another meaning.",
        "text, a number or a list",
        "Put text that begins with @, `, % or | between quotes.",
    ),
)

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
    lost: frozenset[Path_] = frozenset()  # what stands here could not be read and was reported

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
    values, lines, problems, text = compose_file(path)
    if problems:
        raise ProtocolError(problems)
    return values, lines, text


def read_yaml_text(text: str, file: str = "<text>") -> tuple[Any, Lines]:
    """Values and lines of YAML text; raises :class:`ProtocolError` with every problem found."""
    values, lines, problems = compose_text(text, file)
    if problems:
        raise ProtocolError(problems)
    return values, lines


def compose_file(path: Path) -> tuple[Any, Lines, list[Problem], str]:
    """Values, lines, problems that leave the rest readable, and text of a YAML file.

    Raises :class:`ProtocolError` where nothing can be read.
    """
    name = str(path)

    def refuse(code: str, found: str, expected: str, step: str, line: int | None = None) -> ProtocolError:
        return ProtocolError(Problem(code, "the file", found, expected, step, name, line))

    try:
        if path.is_dir():
            raise refuse("P001", "This is a folder.", "the path of a YAML file", "Name the file in it.")
        if path.stat().st_size > MAX_BYTES:
            size = f"The file has {path.stat().st_size:,} bytes."
            raise refuse("P005", size, f"at most {MAX_BYTES:,}", "Is it a protocol? Data go into files of their own.")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise refuse("P001", "There is no such file.", "the path of a YAML file", "Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        found = f"The file cannot be read: {reason}."
        raise refuse("P001", found, "a file that may be read", "Check the path and its permissions.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        found = f"Byte {error.start:,} is not UTF-8."
        step = "Save the file again with the encoding UTF-8."
        raise refuse("P001", found, "text in UTF-8", step, line) from None
    values, lines, problems = compose_text(text, name)
    return values, lines, problems, text


def compose_text(text: str, file: str = "<text>") -> tuple[Any, Lines, list[Problem]]:
    """Values and lines of YAML text, and the problems that leave the rest readable (a key twice, a tag ...).

    Raises :class:`ProtocolError` where nothing can be read.
    """
    if len(text) > MAX_BYTES:
        expected = f"at most {MAX_BYTES:,}"
        step = "Is it a protocol? Data go into files of their own."
        raise ProtocolError(
            Problem("P005", "the file", f"The text has {len(text):,} characters.", expected, step, file, 1)
        )
    text = text.removeprefix("\ufeff")
    _require_flat(text, file)
    try:
        node = _compose(text)
    except Exception as error:  # the parser is outside code: whatever it trips over is a fault of the text
        raise ProtocolError(_syntax_problems(text, file, error)) from None
    if node is None:
        raise ProtocolError(
            Problem(
                "P007",
                "the file",
                "The file is empty.",
                "a mapping with keys such as trial, arms, endpoints",
                "Begin with equipoise: 1 and trial: (docs/writing-a-protocol.md shows a whole file).",
                file,
                1,
            )
        )
    reader = _Reader(file)
    values = reader.value(node, (), 0)
    if any(problem.code == "P005" for problem in reader.problems):
        raise ProtocolError(reader.problems)
    return values, Lines(file, reader.lines, frozenset(reader.lost)), reader.problems


def _compose(text: str) -> Node | None:
    """The nodes of a text; comments are not needed, and gathering them takes half the time.

    The compiled parser is seven times faster. What it trips over is read again by the other, whose words are translated
    and whose judgement stands.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for pure in (False, True):
            yaml = YAML(typ="safe", pure=pure)
            yaml.version = (1, 2)
            try:
                node: Node | None = yaml.compose(io.StringIO(text))
                return node
            except Exception:
                if pure:
                    raise
    raise AssertionError


def _require_flat(text: str, file: str) -> None:
    """Refuse what no protocol holds before the parser spends minutes on it: too many values, too deep, too long."""
    if text.count("\n") + text.count(",") > MAX_NODES:
        found = "The file holds more lines and entries than a protocol does."
        step = "Is it a protocol? Data go into files of their own."
        raise ProtocolError(Problem("P005", "the file", found, f"at most {MAX_NODES:,}", step, file, 1))
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        deepest = depth
        for bracket in _BRACKET.findall(line.split(" #")[0]):
            depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
            deepest = max(deepest, depth)
        indented = len(line) - len(line.lstrip(" -?:\t"))
        if deepest > MAX_DEPTH or indented > 20 * MAX_DEPTH or len(line) > MAX_LINE:
            found = "The line is too long." if len(line) > MAX_LINE else "Brackets or blanks nest too deep here."
            expected = f"at most {MAX_DEPTH} levels, and lines of at most {MAX_LINE:,} characters"
            step = "Write it with fewer levels, or on several lines."
            raise ProtocolError(Problem("P005", "the file", found, expected, step, file, number))


def _syntax_problems(text: str, file: str, error: Exception) -> list[Problem]:
    """What the parser says, in words; and every line that is indented by a tab, since each would stop it again."""
    every = text.split("\n")
    if isinstance(error, RecursionError):
        expected, step = f"at most {MAX_DEPTH} levels", "Write it with fewer levels."
        return [Problem("P005", "the file", "The text nests too deep.", expected, step, file, 1)]

    def make(found: str, expected: str, step: str, line: int | None) -> Problem:
        shown = every[line - 1].strip()[:60] if line is not None and line <= len(every) else ""
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
        return Problem("P002", shown or "the file", found, expected, step, file, line)

    tabs = [n for n, line in enumerate(every, 1) if "\t" in line[: len(line) - len(line.lstrip())]]
    if tabs:
        return [
            make("The line is indented by a tab.", "blanks", "Put blanks in place of the tab.", n) for n in tabs[:200]
        ]
    odd = [n for n, line in enumerate(every, 1) if _CONTROL.search(line)]
    if odd:
        found, step = "The line holds a control character.", "Remove it; perhaps the file is not text at all."
        return [make(found, "text", step, n) for n in odd[:20]]
    mark = None
    said = type(error).__name__
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(part) for part in (error.context, error.problem) if part)
    line = mark.line + 1 if mark else 1
    for fragment, found, expected, step in _SYNTAX:
        if fragment in said:
            return [make(found, expected, step, line)]
    step = "Check indentation, quotes and brackets on this line and the one above."
    return [make(f"The text is not YAML here: {said}.", "YAML", step, line)]


class _Reader:
    """Turns nodes into values, noting lines and problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        self.lost: set[Path_] = set()
        self.count = 0
        self.seen: set[int] = set()

    def problem(self, code: str, path: Path_, line: int, found: str, expected: str, step: str) -> None:
        self.problems.append(Problem(code, place(path) or "the file", found, expected, step, self.file, line))

    def value(self, node: Node, path: Path_, depth: int) -> Any:
        self.count += 1
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            if not any(problem.code == "P005" for problem in self.problems):
                expected = f"at most {MAX_NODES:,} values and {MAX_DEPTH} levels"
                step = "Is it a protocol? Data go into files of their own."
                self.problem("P005", path, line, "The file is too large or too deep here.", expected, step)
            return None
        if id(node) in self.seen:
            # The node carries the line of its anchor; the alias stands at its key.
            self.lose("P006", path, line, "An alias (*name) stands here.", "the value itself", "Write the value out.")
            return None
        self.seen.add(id(node))
        tag = str(node.tag) if node.tag is not None else ""
        if tag and tag not in _CORE_TAGS:
            found = f"The tag {tag} is not used in a protocol."
            self.lose("P006", path, line, found, "a plain value", "Remove the tag.")
            return None
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        if isinstance(node, SequenceNode):
            return [self.value(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
        if isinstance(node, MappingNode):
            return self.mapping(node, path, depth)
        return None

    def lose(self, code: str, path: Path_, line: int, found: str, expected: str, step: str) -> None:
        """Report something that leaves the value at ``path`` unread."""
        self.lost.add(path)
        self.problem(code, path, line, found, expected, step)

    def mapping(self, node: MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                step = "Put a text that begins with a bracket between quotes."
                self.problem("P004", path, line, "A key is a list or a mapping.", "a plain name as key", step)
                continue
            key = str(key_node.value)
            if key == "<<":
                found, step = "A merge key (<<) stands here.", "Write the values out."
                self.lose("P006", path, line, found, "the values themselves", step)
                continue
            if key in out:
                found = f"The key {key!r} stands here again; it stood first on line {first[key]}."
                step = "Keep one of the two, or rename one."
                self.problem("P003", (*path, key), line, found, "each key once", step)
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
        if _FLOAT.match(text) and len(text) < 40 and math.isfinite(float(text)):
            return float(text)
        return text
