"""What pydantic finds wrong with the shape of a file, said in the words of the file."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.protocol.language.facts import Fact
from equipoise.protocol.language.notation import Fault
from equipoise.protocol.language.protocol import LANGUAGE_VERSION, ProtocolModel
from equipoise.protocol.text.yaml_lines import Lines, Path_, place

_PLAIN_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping of names to values",
    "mapping_type": "a mapping of names to values",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "null",
    "finite_number": "a finite number",
}


def problems_of(error: ValidationError, values: Mapping[str, Any], lines: Lines) -> list[Problem]:
    """The problems of a validation error, each at its place; places that were lost in reading are left out."""
    out = []
    for item in error.errors(include_url=False):
        path = path_in(item["loc"], values, item["type"])
        if not any(path[: len(lost)] == lost for lost in lines.lost):
            out.append(_problem(item, path, values, lines))
    # A key that is absent because it is misspelt beside is one problem, not two.
    meant = {(path_of(p), p.next_step) for p in out if p.code == "P011"}
    return tidy(
        p for p in out if p.code != "P010" or (path_of(p), f"Did you mean {p.place.rsplit('.', 1)[-1]}?") not in meant
    )


def path_of(problem: Problem) -> str:
    """The place around a problem's own key."""
    return problem.place.rsplit(".", 1)[0] if "." in problem.place else ""


def misspelt(item: Any, path: Path_, values: Any) -> str | None:
    """The key of the language that an unknown key was probably meant to be."""
    here = values
    for part in path[:-1]:
        here = _under(here, part)
    return nearest(str(path[-1]), [key for key in _fields(_part_at(path[:-1], values)) if key not in (here or ())])


def tidy(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of the file, each once; those of one place that say the same of several types joined."""
    unique: dict[tuple[Any, ...], Problem] = {}
    for problem in problems:
        if problem.code == "P012":
            key: tuple[Any, ...] = ("P012", problem.place, problem.line)
            old = unique.get(key)
            if old is not None and problem.expected not in old.expected:
                expected = f"{old.expected}, or {problem.expected}"
                shown = old.found.split(" is not ")[0]
                problem = replace(old, found=f"{shown} does not fit here.", expected=expected)
            elif old is not None:
                problem = old
        else:
            key = (problem.code, problem.place, problem.line, problem.found)
        unique[key] = problem
    return sorted(unique.values(), key=lambda problem: (problem.line or 0, problem.code, problem.place, problem.found))


def path_in(location: tuple[Any, ...], values: Any, kind: str) -> Path_:
    """The part of a location of pydantic's that stands in the file: labels of unions and of bare facts fall out."""
    out: list[str | int] = []
    here = values
    for position, part in enumerate(location):
        if (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        ):
            out.append(part)
            here = here[part]
        elif position == len(location) - 1 and isinstance(here, Mapping) and kind == "missing":
            out.append(part)
    return tuple(out)


def _problem(item: Any, path: Path_, values: Any, lines: Lines) -> Problem:
    kind, location, context = item["type"], item["loc"], item.get("ctx", {})
    given = item.get("input")
    name = str(path[-1]) if path else ""

    def make(code: str, found: str, expected: str, step: str) -> Problem:
        return Problem(code, place(path) or "the file", found, expected, step, lines.file, lines.of(path))

    if kind == "missing":
        entry = _fields(_part_at(path[:-1], values)).get(name)
        means = (entry.description if entry is not None else None) or "a value"
        step = "Add it."
        if entry is not None and type(None) in get_args(entry.annotation):
            step = "Add it; null where it is not known."
        return make("P010", f"The key {name} is absent.", f"{name}: {_lower(means.rstrip('.'))}", step)
    if kind == "extra_forbidden":
        here = values
        for part in path[:-1]:
            here = _under(here, part)
        known = [key for key in _fields(_part_at(path[:-1], values)) if key not in (here or ())]
        guess = misspelt(item, path, values)
        step = f"Did you mean {guess}?" if guess else "Remove it, or choose one of these keys."
        if not known:
            step = "Remove it."
        if given is None and " " in name:
            step = "Put text that holds a comma between quotes: inside { } a comma begins the next key."
        expected = f"one of {listed(sorted(known), limit=30)}" if known else "no further key"
        return make("P011", f"The language has no key {name!r} here.", expected, step)
    if path == ("equipoise",):
        step = f"Write equipoise: {LANGUAGE_VERSION}; a file of a later version needs a later equipoise."
        return make("P013", f"{_shown(given)} is not a version of the language.", f"1 or {LANGUAGE_VERSION}", step)
    if kind in ("literal_error", "union_tag_invalid"):
        allowed = str(context.get("expected") or context.get("expected_tags") or "")
        names = re.findall(r"'([^']*)'", allowed) or [allowed]
        key = str(context.get("discriminator", "")).strip("'")
        said = given.get(key) if kind == "union_tag_invalid" and isinstance(given, Mapping) else given
        guess = nearest(str(said), names)
        at = (*path, key) if key else path
        step = f"Did you mean {guess}?" if guess else "Choose one of these."
        return replace(
            make("P013", f"{_shown(said)} is not a choice here.", listed(names, limit=30), step),
            place=place(at),
            line=lines.of(at),
        )
    if kind == "union_tag_not_found":
        key = str(context.get("discriminator", "")).strip("'") or "type"
        found = f"The key {key} is absent: it says what kind of thing this is."
        if not isinstance(given, Mapping):
            found = f"{_shown(given)} stands where a mapping should."
        return make("P010", found, f"{key}: one of {listed(_choices(path, values, key), limit=30)}", f"Add {key}.")
    if kind == "string_pattern_mismatch" or (kind == "string_too_long" and "[key]" in location):
        return make(
            "P016",
            f"{_shown(given)} is not a name.",
            "lower-case letters, figures and hyphens, for example six-month-call (at most 80)",
            "Rename it here and where it is used.",
        )
    if kind == "event_kind":
        return make(
            "P015",
            f"{_shown(given)} is not an event." if not isinstance(given, Mapping) else f"{item['msg']}.".capitalize(),
            "use; or use, cells, from and length; or dropout; or disposition; or event; or assessment with a criterion",
            "Write for example {use: cocaine}.",
        )
    if kind in ("value_error", "assertion_error"):
        fault = context.get("error")
        if isinstance(fault, Fault):
            at = (*path, fault.key) if fault.key is not None and (*path, fault.key) in lines.keys else path
            problem = make("P015", fault.found + ".", fault.expected, fault.next_step)
            return replace(problem, place=place(at) or "the file", line=lines.of(at))
        return make("P015", str(fault or item["msg"]).rstrip(".") + ".", "another value", "Correct it.")
    if kind in _PLAIN_TYPES:
        expected = _PLAIN_TYPES[kind]
        if expected == "a mapping":
            expected = f"a mapping with the keys {listed(sorted(_fields(_part_at(path, values))), conjunction='and')}"
        return make("P012", f"{_shown(given)} is not {_PLAIN_TYPES[kind]}.", expected, _mend(expected, given))
    if kind.startswith(("greater_than", "less_than", "too_short", "too_long", "string_too", "multiple_of")):
        return make("P014", *_bound(kind, given, context))
    return make("P012", f"{_shown(given)} does not fit here.", _lower(str(item["msg"])), "Correct it.")


def _mend(expected: str, given: Any) -> str:
    """What to do about a value of the wrong type."""
    if given is None:
        return "Give a value; or remove the key, if it may be absent."
    if expected == "text" and isinstance(given, (bool, int, float)):
        return f'Put it between quotes: "{str(given).lower() if isinstance(given, bool) else given}".'
    if "number" in expected and isinstance(given, str) and re.fullmatch(r"\s*[-+]?[\d.]+\s*", given):
        return "Remove the quotes."
    if expected == "true or false" and str(given).lower() in ("yes", "no", "on", "off", "1", "0", "y", "n"):
        return f"Write {'true' if str(given).lower() in ('yes', 'on', '1', 'y') else 'false'}."
    if expected.startswith("a mapping"):
        return "Write one entry a line, name: value, indented."
    if expected == "a list":
        return "Put it in brackets: [ ... ]."
    return "Correct the value."


_BOUNDS = {"greater_than": "above {}", "greater_than_equal": "{} or more", "less_than": "below {}"}
_BOUNDS["less_than_equal"] = "at most {}"


def _bound(kind: str, given: Any, context: Mapping[str, Any]) -> tuple[str, str, str]:
    """What is said of a number or a list outside its bounds: found, expected, next step."""
    if kind in _BOUNDS:
        bound = next(iter(context.values()))
        share = isinstance(given, (int, float)) and kind == "less_than" and bound <= 1 < given <= 100
        step = f"Write {given / 100:g} for {given:g} %." if share else "Correct the number."
        return f"{_shown(given)} is out of bounds.", f"a number {_BOUNDS[kind].format(f'{bound:g}')}", step
    least = context.get("min_length")
    if least is None:
        return f"{_shown(given)} is too long.", f"at most {context.get('max_length')}", "Shorten it."
    if isinstance(given, str):
        return "The text is empty.", "text", "Write it."
    n = len(given) if hasattr(given, "__len__") else 0
    entries = "1 entry" if n == 1 else f"{n or 'no'} entries"
    return f"There {'is' if n == 1 else 'are'} {entries} here.", f"{least} or more", "Add what is absent."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _shown(value: Any) -> str:
    if value is None:
        return "Nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "A mapping"
    if isinstance(value, (list, tuple)):
        return "A list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


@lru_cache(maxsize=256)
def _fields(part: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """Keys of a part of the language as the file writes them."""
    if part is None or not issubclass(part, BaseModel):
        return {}
    return {entry.alias or name: entry for name, entry in part.model_fields.items()}


def _part_at(path: Path_, values: Any) -> type[BaseModel] | None:
    """The part of the language that a path of the file stands for."""
    annotation: Any = ProtocolModel
    here = values
    for step in path:
        annotation = _step(_chosen(annotation, here), step)
        here = _under(here, step)
    part = _chosen(annotation, here)
    return part if isinstance(part, type) and issubclass(part, BaseModel) else None


def _under(value: Any, step: str | int) -> Any:
    """What stands under a key or position; absent where nothing does."""
    if isinstance(value, list):
        return value[step] if isinstance(step, int) and step < len(value) else None
    return value.get(step) if isinstance(value, Mapping) else None


def _branches(annotation: Any) -> list[Any]:
    """The alternatives of a type, unions flattened and annotations taken off."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _branches(get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [branch for part in get_args(annotation) for branch in _branches(part)]
    return [annotation]


def _chosen(annotation: Any, value: Any) -> Any:
    """The alternative of a type that ``value`` was meant to be."""
    branches = [branch for branch in _branches(annotation) if branch is not type(None)]
    keys = set(value) if isinstance(value, Mapping) else set()
    best, score = None, -1
    for branch in branches:
        is_model = isinstance(branch, type) and issubclass(branch, BaseModel)
        fits = 0
        if is_model and isinstance(value, Mapping):
            fits = 1 + len(keys & set(_fields(branch)))
            for key in ("kind", "type"):
                entry = _fields(branch).get(key)
                if entry is not None and value.get(key) in get_args(entry.annotation):
                    fits += 1000
        elif isinstance(value, Mapping) and get_origin(branch) is not None and get_origin(branch) is not tuple:
            fits = 1
        elif isinstance(value, list):
            fits = int(get_origin(branch) is tuple)
        if fits > score:
            best, score = branch, fits
    return best


def _step(annotation: Any, step: str | int) -> Any:
    """The type that stands under a key or position of a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        entry = _fields(annotation).get(str(step))
        if entry is not None:
            return entry.annotation
        if issubclass(annotation, Fact):
            return _step(_chosen(annotation.model_fields["value"].annotation, {}), step)
        return None
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple and arguments:
        return arguments[0]
    return arguments[1] if len(arguments) == 2 else None


def _choices(path: Path_, values: Any, key: str) -> list[str]:
    """The values that ``key`` may have in the alternatives that stand at ``path``."""
    here, annotation = values, ProtocolModel
    for step in path:
        annotation = _step(_chosen(annotation, here), step)
        here = _under(here, step)
    out: list[str] = []
    for branch in _branches(annotation):
        entry = _fields(branch).get(key) if isinstance(branch, type) and issubclass(branch, BaseModel) else None
        out.extend(str(choice) for choice in get_args(entry.annotation)) if entry is not None else None
    return out
