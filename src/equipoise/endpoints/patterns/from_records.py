"""Use patterns made from the lattice of a trial, and endpoints of kind pattern derived on them."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints.coverage import Coverage, cover_days, window_of
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, MIXED, NOT_DUE, NOTHING, UNKNOWN, USED, Cells, Lattice, Mask
from equipoise.endpoints.patterns.evaluate import Scored, evaluate
from equipoise.endpoints.patterns.library import require_definition
from equipoise.endpoints.patterns.pattern import Pattern
from equipoise.endpoints.repeated_use import cells_since_last
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.endpoints import PatternEndpoint, PatternSource
from equipoise.protocol.language.formula import NESTED, Formula, Step
from equipoise.protocol.vocabulary.endpoint_kinds import Shape


def pattern_of(lattice: Lattice, source: PatternSource) -> Pattern:
    """The use pattern of every participant.

    Days: ``+`` use by the definition, ``-`` known to be free of it, ``o`` otherwise. Visits: as the endpoint of
    repeated use has them. Weeks: ``+`` any use; ``*`` where urine alone speaks and says both; ``-`` looked at and none;
    ``o`` not looked at (where urine is a source, without an evaluable sample); ``_`` with ``at``, no visit due.
    """
    key = (source.use, source.cells, str(source.days), str(source.at), str(source.counts_from))
    if key not in lattice.patterns:
        lattice.patterns[key] = _make_pattern(lattice, source)
    made: Pattern = lattice.patterns[key]
    return made


def _make_pattern(lattice: Lattice, source: PatternSource) -> Pattern:
    if source.cells == "visits":
        assert source.at is not None
        return Pattern.of(
            cells_since_last(lattice, source.use, lattice.visits(source.at), counts_from=source.counts_from)
        )
    assert source.days is not None
    window = window_of(lattice, source.days)
    used = lattice.used(source.use)[:, window]
    if source.cells == "days":
        known = cover_days(lattice, source.use, source.days).known
        return Pattern.of(np.where(used, USED, np.where(known, CLEAN, UNKNOWN)).astype(np.uint8))
    return Pattern.of(_weeks(lattice, source, used, window), days_per_cell=7)


def _weeks(lattice: Lattice, source: PatternSource, used: Mask, window: slice) -> Cells:
    n_weeks = used.shape[1] // 7
    shape = (lattice.n, n_weeks, 7)

    def any_day(mask: Mask) -> Mask:
        return np.asarray(mask[:, : 7 * n_weeks].reshape(shape).any(axis=2))

    urine, told = (cells[:, window] for cells in lattice.use_by_source(source.use))
    by_urine = "urine" in lattice.protocol.model.use[source.use].by
    week_used, clean_sample = any_day(used), any_day(urine == CLEAN)
    looked = any_day((urine == CLEAN) | (urine == USED)) if by_urine else any_day(told != NOTHING)
    cells = np.where(looked, CLEAN, UNKNOWN)
    cells = np.where(week_used, np.where(clean_sample & ~any_day(told == USED), MIXED, USED), cells)
    if source.at is not None:
        visits = lattice.visits(source.at)
        assert source.days is not None
        week_of = (visits.target - day_index(source.days.first)) // 7
        due = np.zeros((lattice.n, n_weeks), dtype=np.bool_)
        for visit in range(visits.state.shape[1]):
            if 0 <= week_of[visit] < n_weeks:
                due[:, week_of[visit]] |= visits.state[:, visit] != NOT_DUE
        cells = np.where(~due & (cells == UNKNOWN), NOTHING, cells)
    return cells.astype(np.uint8)


def formula_of(endpoint: PatternEndpoint) -> Formula:
    """The endpoint's formula, its own or the library's."""
    if endpoint.formula is not None:
        return endpoint.formula
    return require_definition(str(endpoint.definition)).formula


def has_missing_rule(formula: Formula) -> bool:
    """Whether a step of the formula, or of a part of it, says what a missed cell stands for."""
    own = any(step.verb == "missing" for step in formula.steps)
    return own or any(has_missing_rule(inner) for _, inner in formula.parts)


def with_missing_rule(formula: Formula, rule: str) -> Formula:
    """The formula with ``rule`` in place of each of its rules for missed cells, and at its beginning where it has none.

    Sensitivity analyses ask what another rule would have done; every other step stays. ``last-observation`` is the
    language's ``locf``.
    """
    step = Step.model_validate({"missing": "locf" if rule == "last-observation" else rule})

    def replaced(part: Formula) -> Formula:
        changed: dict[str, object] = {"steps": tuple(step if s.verb == "missing" else s for s in part.steps)}
        for name in NESTED:
            value = getattr(part, name)
            if isinstance(value, Formula):
                changed[name] = replaced(value)
            elif isinstance(value, tuple):
                changed[name] = tuple(replaced(entry) if isinstance(entry, Formula) else entry for entry in value)
        return part.model_copy(update=changed)

    if has_missing_rule(formula):
        return replaced(formula)
    return formula.model_copy(update={"steps": (step, *formula.steps)})


def derive_pattern(lattice: Lattice, id: str, endpoint: PatternEndpoint, missed: str | None = None) -> Derived:
    """The endpoint on every row. Times are days from the day before the pattern begins: its first day is day 1.

    An event in a cell falls on the cell's first day, and watching ends with a cell's last day.
    """
    formula = formula_of(endpoint)
    if missed is not None:
        formula = with_missing_rule(formula, missed)
    patterns = {name: pattern_of(lattice, source) for name, source in endpoint.patterns.items()}
    scored = evaluate(formula, patterns, endpoint.better)
    first = next(iter(patterns.values()))
    common = {
        "endpoint": id,
        "kind": endpoint.kind,
        "participants": lattice.participants,
        "event_word": endpoint.label or id,
        "imputed": np.asarray((first.cells == UNKNOWN).any(axis=1)),
        "warnings": scored.warnings,
    }
    if scored.type != "time-to-event":
        shape: Shape = "binary" if scored.type == "binary" else "number"
        # A count of letters passes over the cells that nobody knows: it is a bound, and says so.
        passed_over = (first.cells == UNKNOWN).any(axis=1) & ~np.isnan(scored.value)
        counts = shape == "number" and not has_missing_rule(formula) and passed_over.any()
        marks = {"cells-not-known": np.asarray(passed_over)} if counts else {}
        return Derived(shape=shape, value=scored.value, marks=marks, **common)  # type: ignore[arg-type]
    assert scored.event is not None
    time, visit_time = _days(lattice, endpoint, formula, scored)
    # Watched without an event beyond the last cell that was seen: the formula carries time forward.
    seen_to = Coverage(np.isin(first.cells, (CLEAN, USED, MIXED))).last + 1.0
    watched = scored.value / (first.days_per_cell if formula.first_of is not None else 1)
    watched = watched - (formula.time_to.plus if formula.time_to is not None else 0)
    carried = (scored.event == 0) & (seen_to < watched)
    return Derived(
        shape="time-to-event",
        time=time,
        event=np.asarray(scored.event == 1),
        cause=np.where(scored.event == 1, endpoint.label or id, ""),
        visit_time=visit_time,
        marks={"time-carried-forward": np.asarray(carried)} if carried.any() else {},
        **common,  # type: ignore[arg-type]
    )


def _days(
    lattice: Lattice, endpoint: PatternEndpoint, formula: Formula, scored: Scored
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None]:
    """Times in days; for a pattern of visits also in visits."""
    place, happened = scored.value, scored.event == 1
    if formula.first_of is not None and endpoint.cells != "visits":
        return place, None  # the earliest of several is in days already
    if endpoint.cells != "visits":
        days = 7 if endpoint.cells == "weeks" else 1
        return np.where(happened, (place - 1) * days + 1, place * days), None
    targets = lattice.visits(str(endpoint.at)).target
    position = np.clip(np.nan_to_num(place, nan=1.0).astype(np.int64), 1, len(targets)) - 1
    days_of = (targets[position] - targets[0] + 1).astype(np.float64)
    return np.where(np.isnan(place), np.nan, np.where(place < 1, 0.0, days_of)), place
