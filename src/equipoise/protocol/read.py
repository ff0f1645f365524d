"""Read a protocol file: text to lines and values, values to the typed model, every problem at once.

Problems of shape do not hide those of reference: what cannot be read is left out, the rest is checked, and nothing is
said that could come from what was left out.
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from equipoise.foundation.errors import Problem, ProtocolError
from equipoise.protocol.checks.collector import Unread
from equipoise.protocol.checks.shape import misspelt, path_in, problems_of, tidy
from equipoise.protocol.language.protocol import Protocol, ProtocolModel
from equipoise.protocol.text.yaml_lines import Lines, Path_, compose_file, compose_text

CODES = {
    "P010": "A required key is absent.",
    "P011": "The language has no such key.",
    "P012": "A value has the wrong type.",
    "P013": "A value is not among the choices.",
    "P014": "A number or a list is outside its bounds.",
    "P015": "A notation cannot be read, or parts contradict one another.",
    "P016": "A name is not in kebab-case.",
}

# What stands in for a section that could not be read at all, while the others are checked.
_STAND_INS: dict[str, Any] = {
    "equipoise": 1,
    "trial": {"id": "x", "title": "x"},
    "calendar": {"day-1": "x", "epochs": {"x": {"days": "-1..1"}}},
    "interventions": {"x": {"type": "other", "words": "x"}},
    "arms": {"x": {"role": "single", "gives": []}},
    "eligibility": {"include": None, "exclude": None},
    "randomization": None,
    "schedule": {"x": {"day": 1}},
    "endpoints": {"x": {"kind": "received", "words": "x", "intervention": {}}},
}


def read_protocol(path: str | Path) -> Protocol:
    """The protocol in the YAML file at ``path``.

    Raises :class:`~equipoise.foundation.errors.ProtocolError` with every problem of text, shape, reference and
    arithmetic found in the file, each with its line.
    """
    where = Path(path)
    values, lines, problems, text = compose_file(where)
    return _protocol(values, lines, problems, text, where)


def read_protocol_text(text: str, *, file: str = "<text>") -> Protocol:
    """The protocol in ``text``; see :func:`read_protocol`."""
    values, lines, problems = compose_text(text, file)
    return _protocol(values, lines, problems, text, None)


def _protocol(values: Any, lines: Lines, problems: list[Problem], text: str, path: Path | None) -> Protocol:
    from equipoise.protocol.checks.references import check_model

    if not isinstance(values, dict):
        raise ProtocolError(
            [
                *problems,
                Problem(
                    "P007",
                    "the file",
                    "The file does not hold a mapping at its top.",
                    "keys such as trial, arms and endpoints",
                    "Begin with equipoise: 1 and trial: (docs/writing-a-protocol.md shows a whole file).",
                    lines.file,
                    lines.of(()) or 1,
                ),
            ]
        )
    model, unread = None, None
    try:
        model = ProtocolModel.model_validate(values)
    except ValidationError as error:
        problems = [*problems, *problems_of(error, values, lines)]
        model, unread = _readable_part(values, error)
    except RecursionError:
        problems = [*problems, Problem("P005", "the file", *_TOO_DEEP, lines.file, 1)]
    if model is not None:
        if lines.lost:
            removed = frozenset({*lines.lost, *(unread.removed if unread is not None else ())})
            unread = Unread(values, removed, unread.positions if unread is not None else {})
        protocol = Protocol(model, lines=lines, path=path, text=text)
        problems = [*problems, *check_model(protocol, unread)]
        if not problems:
            return protocol
    raise ProtocolError(tidy(problems))


_TOO_DEEP = ("The file is too deep, or refers to itself.", "a plain file", "Write it with fewer levels.")


def _readable_part(values: dict[str, Any], error: ValidationError) -> tuple[ProtocolModel | None, Unread | None]:
    """What of the file can be read when the places of ``error`` are left out, and what was left out."""
    removed: set[Path_] = {(name,) for name in _STAND_INS if name not in values}
    unread = Unread(values, frozenset(), {})
    for _ in range(12):
        before = len(removed)
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            path = unread.path(_within(values, item["loc"], item["type"], unread))
            path = path[:-1] if item["type"] == "missing" else path
            if item["type"] == "extra_forbidden" and (meant := misspelt(item, path, values)) is not None:
                # What stands under a misspelt key is there, only not read.
                removed.add((*path[:-1], meant))
            while path in removed and len(path) > 1:
                path = path[:-1]
            removed.add(path)
        if () in removed or len(removed) == before:
            return None, None
        positions: dict[Path_, tuple[int, ...]] = {}
        rest = _without(values, (), removed, positions)
        for name, stand_in in _STAND_INS.items():
            rest.setdefault(name, stand_in)
        unread = Unread(values, frozenset(removed), positions)
        try:
            return ProtocolModel.model_validate(rest), unread
        except ValidationError as next_error:
            error = next_error
    return None, None


def _within(values: Any, location: tuple[Any, ...], kind: str, unread: Unread) -> Path_:
    """The path in the pruned values of a location of pydantic's, found by walking the file's own values."""
    rest: dict[Path_, tuple[int, ...]] = {}
    pruned = _without(values, (), set(unread.removed), rest)
    if isinstance(pruned, dict):
        for name, stand_in in _STAND_INS.items():
            pruned.setdefault(name, stand_in)
    return path_in(location, pruned, kind)


def _without(value: Any, path: Path_, removed: set[Path_], positions: dict[Path_, tuple[int, ...]]) -> Any:
    """``value`` less what stands at ``removed``; notes which positions of a list are kept."""
    if isinstance(value, dict):
        return {
            key: _without(entry, (*path, key), removed, positions)
            for key, entry in value.items()
            if (*path, key) not in removed
        }
    if isinstance(value, list):
        kept = [n for n in range(len(value)) if (*path, n) not in removed]
        if len(kept) != len(value):
            positions[path] = tuple(kept)
        return [_without(value[n], (*path, n), removed, positions) for n in kept]
    return value


def _read_again(text: str, path: Path | None, file: str, definitions: Mapping[str, Any]) -> Protocol:
    protocol = read_protocol_text(text, file=file)
    protocol.path = path
    return protocol.with_definitions(definitions) if definitions else protocol


def _as_text(protocol: Protocol) -> tuple[Any, ...]:
    # Read again rather than copied: the text is the source, and the typed parts come out the same.
    file = protocol.lines.file if protocol.lines is not None else "<text>"
    return (_read_again, (protocol.text, protocol.path, file, protocol.definitions))


copyreg.pickle(Protocol, _as_text)
