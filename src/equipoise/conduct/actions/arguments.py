"""Arguments of an action, from text as a command line gives it or from values, as the action's annotations say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from inspect import Parameter
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from equipoise.conduct.rules.partial_dates import PartialDate
from equipoise.foundation.errors import ConductError, Problem, UsageError, raise_if_any
from equipoise.foundation.printable import unseen

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Action

CODES = {"C028": "A text has control characters, line feeds or direction marks."}

_LARGEST = 2**63 - 1  # of a whole number in a database
_FILES = {"amend": ("text",), "wording": ("text",), "consent-document": ("text",)}


@cache
def _hints(run: Callable[..., None]) -> dict[str, Any]:
    return get_type_hints(run)


def converted(chosen: Action, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as the action's annotations say; U030 with everything that does not fit."""
    hints = _hints(chosen.run)
    out, problems = {}, []
    usage = ", ".join(chosen.parameters) or "nothing"
    for name in arguments:
        if name not in chosen.parameters:
            problems.append(Problem("U030", name, f"{chosen.name} does not take it.", usage))
    for name, parameter in chosen.parameters.items():
        if name not in arguments:
            if parameter.default is Parameter.empty:
                problems.append(Problem("U030", name, f"{chosen.name} needs it.", usage, f"Add {name}=..."))
            continue
        try:
            out[name] = _as(hints.get(name, str), arguments[name])
        except (ValueError, TypeError, KeyError, InvalidOperation):
            problems.append(Problem("U030", name, f"{arguments[name]!r} does not fit.", f"{_said(hints.get(name))}"))
    if problems:
        raise UsageError(problems)
    return out


def require_visible(chosen: Action, given: Mapping[str, Any], why: str, key: str) -> None:
    """Refuse control characters wherever text is typed (C028): in values and names of lists and mappings too.

    Arguments that bring a file (the protocol, the wording of a site) may have line feeds and tabs.
    """
    raise_if_any(
        ConductError,
        [
            Problem(
                "C028",
                name,
                f"The text contains an invisible character: {found}.",
                "one line of visible characters",
                "Type it again, without line feeds, tabs or marks copied from elsewhere.",
            )
            for name, value in {**given, "--why": why, "--key": key}.items()
            for found in _unseen(value, "\n\r\t" if name in _FILES.get(chosen.name, ()) else "")
        ],
    )


def _unseen(value: Any, allowed: str) -> Iterator[str]:
    """The first unseen character of each text in a value."""
    if isinstance(value, str):
        found = unseen(value, allowed=allowed)
        if found:
            yield found
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _unseen(str(name), allowed)
            yield from _unseen(entry, allowed)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _unseen(entry, allowed)


def _as(kind: Any, value: Any) -> Any:
    choices = [choice for choice in get_args(kind) if choice is not type(None)] if not isinstance(kind, type) else []
    if choices and getattr(kind, "__origin__", None) not in (list, dict):
        return None if value is None else _as(choices[0], value)
    base = getattr(kind, "__origin__", kind)
    if base in (dict, list) and isinstance(value, base):
        return _without_fractions(value)
    if base is PartialDate and isinstance(value, (str, date)):
        return PartialDate(value)
    if base is int and isinstance(value, (int, str)) and not isinstance(value, bool):
        return _whole(int(value))
    if isinstance(base, type) and isinstance(value, base) and base is not int:
        return value
    if base is str:
        raise ValueError(value)
    if isinstance(value, int) and base is Decimal and not isinstance(value, bool):
        return Decimal(value)
    if not isinstance(value, str):
        raise TypeError(value)
    if base is Decimal:
        number = Decimal(value)
        if not number.is_finite():
            raise ValueError(value)
        return number
    if base is bool:
        return {"yes": True, "true": True, "no": False, "false": False}[value.lower()]
    if base is date:
        return date.fromisoformat(value)
    if base is list and not value.lstrip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    made = json.loads(value, parse_float=Decimal)
    if not isinstance(made, base):
        raise ValueError(value)
    return made


def _whole(number: int) -> int:
    """The number, where a database can hold it; ``ValueError`` for a larger one."""
    if abs(number) > _LARGEST:
        raise ValueError(number)
    return number


def _without_fractions(value: Any) -> Any:
    """Binary fractions in a list or mapping as the decimals they were written as; ``ValueError`` for no number."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(value)
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {key: _without_fractions(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_fractions(entry) for entry in value]
    return value


def said_of(chosen: Action, name: str) -> str:
    """What an argument of an action takes, in words."""
    return _said(_hints(chosen.run).get(name))


def _said(kind: Any) -> str:
    choices = [choice for choice in get_args(kind) if choice is not type(None)] if not isinstance(kind, type) else []
    if choices and getattr(kind, "__origin__", None) not in (list, dict):
        return _said(choices[0])
    words = {
        PartialDate: "a date as far as it is known: 2027-03-14, 2027-03, 2027 or unknown",
        str: "text",
        int: "a whole number",
        Decimal: "a number",
        bool: "yes or no",
        date: "a date, 2027-01-31",
    }
    return words.get(kind, "a list, or a mapping, as JSON" if kind is not None else "text")
