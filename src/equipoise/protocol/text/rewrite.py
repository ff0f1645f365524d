"""Change single values in the text of a protocol file and leave comments, layout and everything else as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

_PLAIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._/-]*$")
_TAKEN = {"null", "true", "false", "yes", "no", "on", "off"}


def flow(value: Any) -> str:
    """A value on one line of YAML: ``{low: -3, names: [a, b]}``; text in quotes where it would be read otherwise."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        short = f"{value:.10g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    numeric = re.fullmatch(r"[-+.0-9eE_]+", text) is not None
    is_plain = _PLAIN.match(text) and text == text.strip() and text.lower() not in _TAKEN and not numeric
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def block(value: Mapping[str, Any], indent: int) -> str:
    """A mapping as lines at ``indent`` blanks; mappings inside it go one deeper, everything else stands on its line."""
    pad = " " * indent
    lines = []
    for key, entry in value.items():
        if isinstance(entry, Mapping) and entry:
            lines += [f"{pad}{flow(key)}:", block(entry, indent + 2).rstrip("\n")]
        else:
            lines.append(f"{pad}{flow(key)}: {flow(entry)}")
    return "\n".join(lines) + "\n"


Change = tuple[Sequence[str], Any]


def set_values(text: str, changes: Sequence[Change], *, before: str | None = None) -> str:
    """The text with each value at its path: in place of what stands there, or as a new key of the mapping above it.

    A new key stands before the key ``before`` where that is there, and otherwise first; what does not exist above it
    is made. Raises ``KeyError`` where a path leads through something that is no mapping.
    """
    top = YAML(typ="rt").compose(text)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    edits = [_edit(text, top, starts, path, value, before) for path, value in changes]
    # From the end, so that offsets stay true; of two at one place the later change comes second in the text.
    order = sorted(range(len(edits)), key=lambda number: (-edits[number][0], -number))
    for start, stop, new in (edits[number] for number in order):
        text = text[:start] + new + text[stop:]
    return text


def set_value(text: str, path: Sequence[str], value: Any, *, before: str | None = None) -> str:
    """:func:`set_values` with one change."""
    return set_values(text, [(path, value)], before=before)


def _edit(
    text: str, node: Node, starts: list[int], path: Sequence[str], value: Any, before: str | None
) -> tuple[int, int, str]:
    """Where the text is cut, from and to, and what is set there."""
    for depth, key in enumerate(path):
        if not isinstance(node, MappingNode):
            raise KeyError(".".join(path[: depth + 1]))
        found = next((entry for name, entry in node.value if _text(name) == key), None)
        if found is None:
            for name in reversed(path[depth + 1 :]):
                value = {name: value}
            return _insertion(text, node, starts, key, value, before)
        node = found
    start, stop = _offset(starts, node.start_mark), _offset(starts, node.end_mark)
    # The end of a block reaches to the next key: blank lines, comments and indentation there are kept.
    lines = text[start:stop].split("\n")
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    new = flow(value)
    if isinstance(value, Mapping) and isinstance(node, MappingNode) and not node.flow_style:
        new = block(value, int(node.start_mark.column)).strip()
    return start, start + len("\n".join(lines).rstrip()), new


def _text(node: Node) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else ""


def _offset(starts: list[int], mark: Any) -> int:
    return int(starts[mark.line]) + int(mark.column)


def _insertion(
    text: str, node: MappingNode, starts: list[int], key: str, value: Any, before: str | None
) -> tuple[int, int, str]:
    if node.flow_style:
        stop = _offset(starts, node.end_mark) - 1
        kept = len(text[:stop].rstrip())
        return kept, kept, f"{', ' if node.value else ''}{flow(key)}: {flow(value)}"
    names = [name for name, _ in node.value]
    mark = next((name for name in names if _text(name) == before), names[0]).start_mark
    at = starts[mark.line]
    return at, at, block({key: value}, int(mark.column))
