"""Combining published results, or refusing to: one comparison, one outcome, one event, each trial once.

What may be combined is what asks the same question. Results that differ in condition, comparison, outcome or time stand
side by side; they are pooled only when told to, and the answer says so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from equipoise.evidence.checks.effects import tables_of
from equipoise.evidence.results import RATIOS, PublishedResult
from equipoise.evidence.same_trial import one_trial_under_two_names
from equipoise.foundation.errors import EvidenceError, Problem, listed, raise_if_any
from equipoise.stats.meta.effect_sizes import (
    COUNT_SCALES,
    Effects,
    effect_of_interval,
    effects_of_counts,
    effects_of_means,
)
from equipoise.stats.meta.exact import EXACT_RANDOM, fit_exact, fit_exact_random
from equipoise.stats.meta.inverse_variance import (
    Heterogeneity,
    Pooled,
    SmallStudyTest,
    Tau2Method,
    egger,
    fit_common,
    fit_random,
    heterogeneity,
    leave_one_out,
    prediction_interval,
)
from equipoise.stats.meta.study_intercepts import fit_study_intercepts
from equipoise.stats.meta.tables import PooledTables, fit_mantel_haenszel, fit_peto, no_answer

CODES = {
    "E020": "A synthesis needs at least two studies.",
    "E021": "Results are on different scales.",
    "E022": "One trial is included twice.",
    "E023": "The arms of a result are reversed.",
    "E024": "Results are of different events.",
    "E025": "A result lacks what a synthesis needs: denominator, scale, event, reference or error.",
    "E026": "Unknown method or choice.",
    "E027": "The choice of outcome or measure leaves no result.",
}
SCALES = (*COUNT_SCALES, "hazard_ratio", "ratio_of_means", "mean_difference", "standardised_mean_difference")
METHODS = ("REML", "PM", "DL")
# What makes studies unlike: each of these differing keeps them side by side.
RandomFit = Callable[[list[int], list[int], list[int], list[int]], tuple[PooledTables, float]]
LIKENESS = ("condition", "experimental", "reference", "outcome", "time")


@dataclass(frozen=True, slots=True)
class StudyEffect:
    """One study in a synthesis: effect and standard error on the scale of analysis, counts where known."""

    result: PublishedResult
    effect: float
    standard_error: float
    origin: str  # counts, means, printed interval
    table: tuple[int, int, int, int] | None = None
    corrected: bool = False

    def limits(self, level: float = 0.95) -> tuple[float, float, float]:
        """Estimate and normal limits on the scale of analysis."""
        half = 1.959963984540054 * self.standard_error if level == 0.95 else math.nan
        return self.effect, self.effect - half, self.effect + half


@dataclass(frozen=True)
class Synthesis:
    """Studies side by side, and what they come to together where they were pooled. Log scale for ratios."""

    measure: str
    event: str
    studies: tuple[StudyEffect, ...]
    unlike: tuple[str, ...]  # in what the studies differ
    is_pooled: bool
    method: str
    common: Pooled | None = None
    random: Pooled | None = None
    spread: Heterogeneity | None = None
    prediction: tuple[float, float] | None = None
    without: tuple[Pooled, ...] = ()
    small_studies: SmallStudyTest | None = None
    tables: tuple[PooledTables, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_ratio(self) -> bool:
        """Whether effects are logarithms of ratios."""
        return self.measure in RATIOS

    def shown(self, value: float) -> float:
        """A value on the printed scale."""
        if self.is_ratio and value == -math.inf:
            return 0.0
        return math.exp(value) if self.is_ratio and math.isfinite(value) else value

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``: on the printed scale, unrounded; absent where not estimable."""
        show = self._plain
        out: dict[str, Any] = {
            "ok": True,
            "measure": self.measure,
            "event": self.event,
            "pooled": self.is_pooled,
            "unlike": list(self.unlike),
            "notes": list(self.notes),
            "studies": [
                {
                    "id": s.result.id,
                    "study": s.result.study,
                    "source": s.result.source,
                    "origin": s.origin,
                    "corrected": s.corrected,
                    **dict(zip(("estimate", "ci_lower", "ci_upper"), (show(v) for v in s.limits()))),
                    "standard_error": s.standard_error,
                }
                for s in self.studies
            ],
        }
        if self.common is not None:
            out["common_effect"] = self._pooled(self.common)
        if self.random is not None and self.spread is not None:
            s = self.spread
            out["random_effects"] = {**self._pooled(self.random), "method": self.method}
            out["heterogeneity"] = {
                "tau2": s.tau2,
                "tau2_lower": s.tau2_lower,
                "tau2_upper": s.tau2_upper,
                "i2": s.i2,
                "i2_lower": s.i2_lower,
                "i2_upper": s.i2_upper,
                "h2": s.h2,
                "h2_lower": s.h2_lower,
                "h2_upper": s.h2_upper,
                "q": self.random.q,
                "q_df": self.random.q_df,
                "q_p": self.random.q_p,
            }
            out["prediction_interval"] = None if self.prediction is None else [show(v) for v in self.prediction]
            out["leave_one_out"] = [
                {"without": study.result.study, **self._pooled(fit)} for study, fit in zip(self.studies, self.without)
            ]
        if self.small_studies is not None:
            out["egger"] = {"t": self.small_studies.statistic, "p": self.small_studies.p_value}
        out["tables"] = [
            {
                "method": t.method,
                "estimate": show(t.estimate),
                "ci_lower": show(t.ci_lower),
                "ci_upper": show(t.ci_upper),
                "p": t.p_value if math.isfinite(t.p_value) else None,
                "studies": t.k,
                **{key: value for key, value in (t.details or {}).items() if key == "tau2"},
            }
            for t in self.tables
        ]
        return out

    def _plain(self, value: float) -> float | None:
        found = self.shown(value)
        return found if math.isfinite(found) else None

    def _pooled(self, fit: Pooled) -> dict[str, Any]:
        show = self._plain
        return {
            "estimate": show(fit.estimate),
            "ci_lower": show(fit.ci_lower),
            "ci_upper": show(fit.ci_upper),
            "standard_error": fit.standard_error,
            "p": fit.p_value,
            "weights": [float(w) for w in fit.weights],
        }


def synthesise(
    results: Sequence[PublishedResult],
    *,
    measure: str | None = None,
    outcome: str | None = None,
    rows: Sequence[str] = (),
    method: str = "REML",
    pool: bool = False,
) -> Synthesis:
    """Studies side by side, and pooled where they ask one question (or ``pool`` tells to): or every reason why not.

    ``rows`` are ids. Claims and baseline rows are left out, and refused where they were asked for by name. ``measure``
    is needed where rows have counts but no scale of their own; with it, counts are taken before printed estimates.
    Raises :class:`EvidenceError` with all problems at once.
    """
    _require_choices(measure, method)
    _require_rows(results, rows)
    asked = [r for r in results if (outcome is None or r.text("outcome") == outcome) and (not rows or r.id in rows)]
    chosen = [r for r in asked if r.kind == "result"]
    claims = [r for r in asked if r.kind != "result" and (outcome is not None or rows)]
    if not chosen and not claims:
        known = sorted({r.text("outcome") for r in results if r.text("outcome")})
        expected = f"an outcome of the table: {listed(known)}" if outcome else "rows of the kind result"
        raise EvidenceError(Problem("E027", "--outcome" if outcome else "", "No result is left to combine.", expected))
    scale = measure or _common_scale(chosen)
    problems = [*_incomplete(claims, scale), *_refusals(chosen, scale)]
    studies: list[StudyEffect] = []
    for result in chosen if scale else ():
        effect, problem = study_effect(result, scale)
        if problem is not None:
            problems.append(problem)
        elif effect is not None:
            studies.append(effect)
    if not problems and len(studies) < 2:
        silent = len(chosen) - len(studies)
        found = f"There is {len(studies)} study to combine" + (
            f"; {silent} had no event in either arm." if silent else "."
        )
        problems.append(Problem("E020", "", found, "two studies", "Read the one result as it stands.", chosen[0].file))
    raise_if_any(EvidenceError, problems)
    unlike = tuple(c for c in LIKENESS if len({s.result.text(c).casefold() for s in studies}) > 1)
    event = studies[0].result.text("event")
    notes = _notes(chosen, studies, unlike, pool)
    if unlike and not pool:
        return Synthesis(scale, event, tuple(studies), unlike, False, method, notes=tuple(notes))
    return _pooled_synthesis(scale, event, studies, unlike, method, notes)


def _require_choices(measure: str | None, method: str) -> None:
    problems = []
    if measure is not None and measure not in SCALES:
        problems.append(
            Problem("E026", "--measure", f"{measure!r} is not a scale on which to combine.", listed(SCALES))
        )
    if method not in METHODS:
        problems.append(Problem("E026", "--method", f"{method!r} is not a method.", listed(METHODS)))
    raise_if_any(EvidenceError, problems)


def _require_rows(results: Sequence[PublishedResult], rows: Sequence[str]) -> None:
    known = {r.id for r in results}
    raise_if_any(
        EvidenceError,
        [Problem("E027", row, "There is no such row.", listed(sorted(known))) for row in rows if row not in known],
    )


def _common_scale(chosen: Sequence[PublishedResult]) -> str:
    """The scale of the rows; of counts alone the odds ratio. Mixed scales are refused later."""
    scales = {"ratio_of_means" if r.measure == "percent_reduction" else r.measure for r in chosen}
    scales -= {"proportion", "mean", "test", "other", ""}
    if len(scales) == 1:
        return next(iter(scales))
    if scales:
        return ""
    return "mean_difference" if all(r.arm(1).mean is not None for r in chosen) else "odds_ratio"


def _incomplete(claims: Sequence[PublishedResult], scale: str) -> list[Problem]:
    out = []
    for claim in claims:
        missing = claim.missing() or ["a result that it rests on"]
        found = f"A {claim.kind} cannot be combined: {listed(missing, conjunction='and')} not stated."
        out.append(
            Problem(
                "E025", claim.id, found, "a result", "Take the result that the claim is about.", claim.file, claim.line
            )
        )
    return out


def _refusals(chosen: Sequence[PublishedResult], scale: str) -> list[Problem]:
    problems: list[Problem] = []
    if not scale:
        told: dict[str, list[str]] = defaultdict(list)
        for r in chosen:
            told[r.measure or "none"].append(r.id)
        found = "; ".join(f"{name}: {listed(ids, conjunction='and')}" for name, ids in told.items())
        hint = "Name one with --measure: counts are turned into it; or choose rows by --outcome."
        problems.append(
            Problem("E021", "measure", f"Results are on different scales: {found}.", "one scale", hint, chosen[0].file)
        )
    by_study: dict[str, list[PublishedResult]] = defaultdict(list)
    for r in chosen:
        by_study[r.study.casefold()].append(r)
    for rows in by_study.values():
        if len(rows) > 1:
            ids = listed([r.id for r in rows], conjunction="and")
            found = f"{rows[0].study} stands {len(rows)} times: {ids}."
            comparisons = {(r.text("experimental"), r.text("reference")) for r in rows}
            if len(comparisons) > 1 and "" not in {name for pair in comparisons for name in pair}:
                hint = "Choose one of its comparisons with --row: an arm that they share cannot be counted twice."
            else:
                hint = "Keep the row of the best source with --row, or choose by --outcome."
            problems.append(Problem("E022", rows[0].study, found, "each trial once", hint, rows[0].file, rows[1].line))
    problems += one_trial_under_two_names(chosen)
    first = next((r for r in chosen if r.text("experimental") and r.text("reference")), None)
    for r in chosen:
        if first is None or r is first:
            continue
        mine, theirs = (
            (r.text("experimental"), r.text("reference")),
            (first.text("reference"), first.text("experimental")),
        )
        if any(a and a == b for a, b in zip(mine, theirs)):
            found = f"{r.id} is {mine[0]} versus {mine[1]}; {first.id} is {theirs[1]} versus {theirs[0]}."
            hint = "Turn one of them round: 1 over a ratio and its limits, exchanged."
            problems.append(Problem("E023", r.id, found, "one direction", hint, r.file, r.line))
    events = {r.text("event").casefold(): r for r in chosen if r.text("event")}
    if len(events) > 1 and scale != "mean_difference":
        found = f"Different events are counted: {listed(sorted(events), conjunction='and')}."
        problems.append(Problem("E024", "event", found, "one event", "Choose one with --outcome.", chosen[0].file))
    return problems


def study_effect(result: PublishedResult, scale: str) -> tuple[StudyEffect | None, Problem | None]:
    """A result's effect on a scale: from its counts, its means, or its printed interval; or what it lacks.

    Neither where its counts say nothing of a ratio (no event in either arm).
    """

    def refuse(what: str) -> tuple[None, Problem]:
        hint = "Add it, or leave the row out."
        return None, Problem(
            "E025", result.id, f"Not stated: {what}.", "what a synthesis needs", hint, result.file, result.line
        )

    missing = result.missing()
    if scale not in ("mean_difference", "standardised_mean_difference", "ratio_of_means") and not result.text("event"):
        missing.append("the event that is counted")
    if not (result.text("experimental") and result.text("reference")):
        missing.append("which arm is compared with which")
    if missing:
        return refuse(listed(list(dict.fromkeys(missing)), conjunction="and"))
    tables = tables_of(result)
    if scale in COUNT_SCALES and len(tables) == 1:
        found = _effects_of_table(tables[0], scale)
        if not math.isfinite(found.effect[0]):
            return None, None
        error = math.sqrt(float(found.variance[0]))
        return StudyEffect(result, float(found.effect[0]), error, "counts", tables[0], bool(found.corrected[0])), None
    own = "ratio_of_means" if result.measure == "percent_reduction" else result.measure
    estimate, lower, upper = (result.value(c) for c in ("estimate", "lower", "upper"))
    if own == scale and estimate is not None:
        if lower is not None and upper is not None:
            values = [estimate, lower, upper]
            if result.measure == "percent_reduction":
                values = [1 - estimate / 100, 1 - upper / 100, 1 - lower / 100]
            elif scale == "risk_difference":
                values = [v / 100 for v in values]
            try:
                effect, variance = effect_of_interval(values[0], values[1], values[2], scale, level=result.level)
            except ValueError as error_:
                return refuse(f"an interval that holds its estimate ({error_})")
            return StudyEffect(result, effect, math.sqrt(variance), "printed interval"), None
        error_printed = result.value("error")
        if error_printed and error_printed > 0:
            ratio = scale in RATIOS
            if ratio and estimate <= 0:
                return refuse("a ratio above 0")
            return StudyEffect(result, math.log(estimate) if ratio else estimate, error_printed, "printed error"), None
    one, two = result.arm(1), result.arm(0)
    if scale in ("mean_difference", "standardised_mean_difference"):
        parts = [p for arm in (one, two) for p in (arm.mean, arm.sd, arm.n)]
        if all(p is not None for p in parts):
            m1, s1, n1, m0, s0, n0 = (p.value for p in parts if p is not None)
            if n1 >= 2 and n0 >= 2 and s1 > 0 and s0 > 0:
                found = effects_of_means([m1], [s1], [n1], [m0], [s0], [n0], scale)
                return StudyEffect(result, float(found.effect[0]), math.sqrt(float(found.variance[0])), "means"), None
    if own != scale and estimate is not None:
        return refuse(
            f"the {scale.replace('_', ' ')}, or counts to make it from (the row is a {own.replace('_', ' ')})"
        )
    return refuse("an interval, an error, or counts of both arms")


def _effects_of_table(table: tuple[int, int, int, int], scale: str) -> Effects:
    x1, n1, x0, n0 = table
    return effects_of_counts([x1], [n1], [x0], [n0], scale)


def _notes(
    chosen: Sequence[PublishedResult], studies: Sequence[StudyEffect], unlike: Sequence[str], pool: bool
) -> list[str]:
    notes = []
    if unlike:
        text = f"The studies differ in {listed(unlike, conjunction='and')}"
        notes.append(f"{text}; they were pooled because it was asked for." if pool else f"{text}; they are not pooled.")
    silent = [r.study for r in chosen if r not in [s.result for s in studies]]
    if silent:
        notes.append(f"Left out, without an event in either arm: {listed(silent, conjunction='and')}.")
    corrected = [s.result.study for s in studies if s.corrected]
    if corrected:
        notes.append(f"0.5 added to each cell, one being empty: {listed(corrected, conjunction='and')}.")
    adjusted = [s.result.study for s in studies if s.origin == "counts" and s.result.text("adjusted") == "yes"]
    if adjusted:
        notes.append(
            f"Crude, from counts, where an adjusted estimate is printed: {listed(adjusted, conjunction='and')}."
        )
    derived = [s.result.study for s in studies if s.result.derived & {"events_1", "events_0", "n_1", "n_0"}]
    if derived:
        notes.append(f"Counts derived from percentages or from another source: {listed(derived, conjunction='and')}.")
    return notes


def _pooled_synthesis(
    scale: str, event: str, studies: Sequence[StudyEffect], unlike: tuple[str, ...], method: str, notes: list[str]
) -> Synthesis:
    y = np.array([s.effect for s in studies])
    v = np.array([s.standard_error for s in studies]) ** 2
    chosen = cast(Tau2Method, method)
    without = leave_one_out(lambda a, b: _mean_of(a, b, chosen), y, v)
    tables: list[PooledTables] = []
    if scale in COUNT_SCALES and all(s.table is not None for s in studies):
        x1, n1, x0, n0 = (list(column) for column in zip(*(s.table for s in studies if s.table is not None)))
        tables.append(fit_mantel_haenszel(x1, n1, x0, n0, scale))
        if scale == "odds_ratio":
            tables += [fit_peto(x1, n1, x0, n0), fit_exact(x1, n1, x0, n0)]
            tables += [_with_spread(fit, x1, n1, x0, n0) for fit in (fit_exact_random, fit_study_intercepts)]
    random = fit_random(y, v, method=chosen, test="hartung-knapp-guarded")
    return Synthesis(
        scale,
        event,
        tuple(studies),
        unlike,
        True,
        method,
        common=fit_common(y, v),
        random=random,
        spread=heterogeneity(y, v, method=chosen),
        prediction=prediction_interval(random),
        without=tuple(without),
        # Below ten studies the test says next to nothing (Sterne and others 2011).
        small_studies=egger(y, v) if len(studies) >= 10 else None,
        tables=tuple(tables),
        notes=tuple(notes),
    )


def _with_spread(fit: RandomFit, x1: list[int], n1: list[int], x0: list[int], n0: list[int]) -> PooledTables:
    """A random-effects analysis of the tables as they are, tau2 beside it; no answer where the tables hold none."""
    try:
        pooled, tau2 = fit(x1, n1, x0, n0)
    except ValueError:  # fewer than two tables say something
        return no_answer("odds_ratio", EXACT_RANDOM, 0.95)
    return replace(pooled, details={"tau2": tau2} if math.isfinite(tau2) else None)


def _mean_of(y: Any, v: Any, method: Tau2Method) -> Pooled:
    """The random-effects mean, or the study itself where one is left."""
    return fit_common(y, v) if len(y) == 1 else fit_random(y, v, method=method, test="hartung-knapp-guarded")
