"""Whether a formula of the endpoint language can mean anything on a pattern: types, windows, contradictory rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from equipoise.protocol.language.formula import Formula, PatternWindow, Step, ValueType, value_type

CODES = {
    "P060": "A window of a formula extends beyond the pattern, or contains no cell.",
    "P061": "Rules of a formula contradict each other: an earlier rule has already replaced a letter.",
    "P062": "Parts of a formula do not fit together: a time is judged like a number, or a yes or no is counted.",
    "P063": "The library has no such definition.",
    "P064": "Nothing supplies the pattern that a formula uses.",
}
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class FormulaProblem:
    """One thing wrong with a formula; ``path`` leads to it from the formula."""

    code: str
    path: Key
    found: str
    expected: str
    next_step: str


@dataclass(frozen=True)
class _View:
    """What is known of the cells at some point: the letters there can be, and how many cells at most."""

    letters: frozenset[str]
    width: int | None  # cells in view at most
    n_cells: int | None  # cells of the pattern, in which places are counted
    settled: tuple[tuple[str, str], ...] = ()  # letter, and the rule that took it away

    def without(self, letter: str, rule: str, becomes: str = "") -> _View:
        return replace(
            self,
            letters=(self.letters - {letter}) | frozenset(becomes),
            settled=(*self.settled, (letter, rule)),
        )


def patterns_of(formula: Formula) -> tuple[str | None, ...]:
    """The patterns a formula looks at, ``None`` for the first one."""
    found: dict[str | None, None] = {}

    def visit(part: Formula, above: str | None) -> None:
        name = part.on or above
        if not part.parts or part.steps:
            found[name] = None
        for _, inner in part.parts:
            visit(inner, name)

    visit(formula, None)
    return tuple(found)


def formula_problems(formula: Formula, cells: Mapping[str, int] | int | None = None) -> list[FormulaProblem]:
    """Everything wrong with a formula; ``cells``, the width of its pattern or of each, holds its windows."""
    out: list[FormulaProblem] = []
    whole = frozenset("+-o*_")

    def start(name: str | None, path: Key) -> _View:
        if cells is None or isinstance(cells, int):
            return _View(whole, cells, cells)
        if name is not None and name not in cells:
            out.append(
                FormulaProblem(
                    "P064",
                    path,
                    f"The formula looks at {name!r}, and nothing supplies that pattern.",
                    f"one of {', '.join(cells)}",
                    "Supply it, or correct on.",
                )
            )
            return _View(whole, None, None)
        n = cells[name] if name is not None else next(iter(cells.values()))
        return _View(whole, n, n)

    def visit(part: Formula, path: Key, view: _View | None) -> None:
        here = start(part.on, (*path, "on")) if view is None or part.on is not None else view
        for position, step in enumerate(part.steps):
            here = _after(step, here, (*path, "steps", position), out)
        _letters_asked(part, path, here, out)
        _widths(part, path, here, out)
        _types(part, path, out)
        for keys, inner in part.parts:
            if inner.never_seen is not None:
                out.append(
                    FormulaProblem(
                        "P061",
                        (*path, *keys, "never-seen"),
                        "never-seen is inside a formula.",
                        "never-seen at the top of the formula",
                        "Move it up.",
                    )
                )
            visit(inner, (*path, *keys), here if inner.on is None else None)

    visit(formula, (), None)
    return out


_TAKES = {
    "is-use": "+",
    "is-use-after-dropout": "+-",
    "is-no-use": "-",
    "removed": "",
}


def _after(step: Step, view: _View, path: Key, out: list[FormulaProblem]) -> _View:
    verb = step.verb
    if verb == "window":
        assert step.window is not None
        return _windowed(step.window, view, (*path, "window"), out)
    if verb == "schedule":
        assert step.schedule is not None
        n = len(step.schedule.word)
        if view.n_cells is not None and n > view.n_cells:
            out.append(
                FormulaProblem(
                    "P060",
                    (*path, "schedule"),
                    f"The schedule has {n} cells, and the pattern {view.n_cells}.",
                    f"at most {view.n_cells} cells",
                    "Shorten the schedule.",
                )
            )
        return replace(view, width=n, n_cells=n, letters=view.letters | {"_", "o"})
    letters = {
        "missing": "o",
        "mixed": "*",
        "not_due": "_",
        "removed": step.removed or "",
        "recode": "".join(step.recode or ()),
    }[verb]
    key = verb.replace("_", "-")
    for letter in letters:
        _still_there(letter, view, (*path, key), out)
    rule = f"{key}: {step.missing or step.mixed or step.not_due or ''}".rstrip(": ")
    if verb == "recode":
        assert step.recode is not None
        becomes = "".join(step.recode.values())
        for letter in step.recode:
            view = view.without(letter, "recode")
        return replace(view, letters=view.letters | frozenset(becomes))
    if verb == "missing":
        if step.missing in _TAKES:
            return view.without("o", rule, _TAKES[str(step.missing)])
        if step.missing == "mean-of-neighbours":
            return replace(view, letters=view.letters | {"*"})
        return view
    if verb == "mixed":
        becomes = {"is-use": "+", "is-no-use": "-", "is-missing": "o", "removed": ""}[str(step.mixed)]
        return view.without("*", rule, becomes)
    for letter in letters:
        view = view.without(letter, rule)
    return view


def _still_there(letter: str, view: _View, path: Key, out: list[FormulaProblem]) -> None:
    if letter in view.letters:
        return
    rule = next((rule for gone, rule in reversed(view.settled) if gone == letter), "an earlier step")
    out.append(
        FormulaProblem(
            "P061",
            path,
            f"The letter {letter} is asked for after {rule} has settled it: there is none left.",
            "one rule for each letter",
            "Remove one of the two rules, or put them in another order.",
        )
    )


def _letters_asked(part: Formula, path: Key, view: _View, out: list[FormulaProblem]) -> None:
    for name in ("count", "proportion", "longest_run", "last_place", "time_to"):
        measure = getattr(part, name)
        if measure is None:
            continue
        where = (*path, name.replace("_", "-"))
        for letter in (measure.cells or "") + (getattr(measure, "sequence", None) or ""):
            _still_there(letter, view, where, out)
        if getattr(measure, "censored", "") == "last-contact":
            _still_there("o", view, (*where, "censored"), out)
        if getattr(measure, "mixed_weight", 0.0) > 0:
            _still_there("*", view, (*where, "mixed-weight"), out)
    if part.contains is not None:
        for position, sequence in enumerate(part.contains.any_of):
            for letter in sorted(set(sequence)):
                _still_there(letter, view, (*path, "contains", "any-of", position), out)


def _windowed(window: PatternWindow, view: _View, path: Key, out: list[FormulaProblem]) -> _View:
    n, width = view.n_cells, view.width
    for key, end in (("from", window.from_), ("to", window.to)):
        if end == "last-contact":
            # Once missed cells are settled, the last cell is always "seen".
            _still_there("o", view, (*path, key), out)
    start = window.after + 1 if window.after is not None else window.from_
    for key, place in (("from", start), ("to", window.to)):
        if n is not None and isinstance(place, int) and abs(place) > n:
            out.append(
                FormulaProblem(
                    "P060",
                    (*path, "after" if key == "from" and window.after is not None else key),
                    f"The window reaches place {abs(place)}, and the pattern has {n} cells.",
                    f"a place from 1 to {n}",
                    "Shorten the window, or choose a definition for so short a pattern.",
                )
            )
    for key, size in (("first", window.first), ("last", window.last)):
        if size is not None and width is not None and size > width:
            out.append(
                FormulaProblem(
                    "P060",
                    (*path, key),
                    f"The window asks for {size} cells, and {width} are in view.",
                    f"at most {width}",
                    "Shorten the window, or choose a definition for so short a pattern.",
                )
            )
    size = window.first or window.last
    if isinstance(start, int) and isinstance(window.to, int) and start * window.to > 0:
        size = window.to - start + 1
    elif isinstance(window.to, int) and window.to > 0 and start is None:
        size = window.to
    elif isinstance(start, int) and start < 0 and window.to is None:
        size = -start
    elif isinstance(start, int) and start > 0 and n is not None:
        size = n - start + 1
    known = [value for value in (size, width) if value is not None]
    return replace(view, width=max(min(known), 0) if known else None)


def _widths(part: Formula, path: Key, view: _View, out: list[FormulaProblem]) -> None:
    if view.width is None:
        return
    needs: list[tuple[Key, int, str]] = []
    if part.time_to is not None:
        needs.append((("time-to",), part.time_to.width, "a window"))
    if part.contains is not None:
        needs += [(("contains", "any-of", i), len(s), "a sequence") for i, s in enumerate(part.contains.any_of)]
    if part.weighted_index is not None and isinstance(part.weighted_index.escalation, tuple):
        needs.append((("weighted-index", "escalation"), len(part.weighted_index.escalation), "an escalation"))
    if part.judgement in ("at_least", "equals"):
        value = part.at_least or part.equals
        assert value is not None
        if part.count is not None or part.longest_run is not None:
            needs.append(((str(part.judgement).replace("_", "-"),), -int(-value.value // 1), "a count"))
    for keys, needed, what in needs:
        if needed > view.width:
            out.append(
                FormulaProblem(
                    "P060",
                    (*path, *keys),
                    f"{what.capitalize()} of {needed} cells is asked for, and {view.width} are in view.",
                    f"at most {view.width}",
                    "Shorten it, or widen the window.",
                )
            )


def _types(part: Formula, path: Key, out: list[FormulaProblem]) -> None:
    def must(keys: Key, inner: Formula, wanted: tuple[ValueType, ...]) -> None:
        found = value_type(inner)
        if found not in wanted:
            out.append(
                FormulaProblem(
                    "P062",
                    (*path, *keys),
                    f"The part comes to {_WORDS[found]}.",
                    " or ".join(_WORDS[name] for name in wanted),
                    "Judge it (at-least, above ...), or take another measure.",
                )
            )

    for keys, inner in part.parts:
        if keys[0] in ("all", "any", "not", "if"):
            must(keys, inner, ("binary",))
        elif keys[0] in ("difference", "ratio"):
            must(keys, inner, ("number", "binary"))
        elif keys[0] == "first-of":
            must(keys, inner, ("time-to-event",))
        else:
            must(keys, inner, ("number", "binary"))
    bare = value_type(
        part.model_copy(update=dict.fromkeys(("at_least", "at_most", "above", "below", "equals", "bands")))
    )
    if part.judgement is not None and bare != "number":
        out.append(
            FormulaProblem(
                "P062",
                (*path, part.judgement.replace("_", "-")),
                f"{_WORDS[bare].capitalize()} is compared with a bound.",
                "a number",
                "Remove the bound.",
            )
        )
    share = part.proportion is not None and part.judgement is not None and part.judgement != "bands"
    if share:
        bound = getattr(part, str(part.judgement))
        if not 0 <= bound.value <= 1:
            out.append(
                FormulaProblem(
                    "P062",
                    (*path, str(part.judgement).replace("_", "-")),
                    f"A proportion is compared with {bound}.",
                    "a bound from 0 to 1",
                    "Write 0.75 for 75 per cent.",
                )
            )


_WORDS = {"binary": "yes or no", "number": "a number", "time-to-event": "a time with its event"}
