"""The final analysis of a trial with looks: the answer, its p value and limits, allowing for the looks taken.

Methods: ``docs/methods/interim.md``. The row of the plan gets the median unbiased estimate, the limits and the p value
of the stage-wise ordering; what an analysis without looks would have given is kept beside it. Other rows (sensitivity
analyses, other endpoints) are as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.interim import AdjustedEstimate, LooksOfPlan
from equipoise.analysis.look_taken import AfterLooks, LineAtLook, LookTaken
from equipoise.analysis.margins import margins_of, verdict_of
from equipoise.analysis.results import Results
from equipoise.analysis.take_look import answer_at, answers_of, stages_of_arms
from equipoise.foundation.errors import AnalysisError, Problem
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.scales import SCALES

CODES = {
    "A055": "The plan has looks, and none was given to the final analysis (a note, not an error).",
    "A056": "The final analysis has less information than a look before it.",
}


def not_given(protocol: Protocol) -> Problem:
    """The note that a plan has looks and none was given."""
    looks = protocol.model.looks
    assert looks is not None
    found = "The plan has interim looks, and none was given: results are not adjusted for looks that were taken."
    return Problem("A055", "looks", found, "the folder of the looks", "Name it with --looks DIR.")


def allow_for_looks(
    protocol: Protocol, looks: LooksOfPlan, taken: Sequence[LookTaken], hashes: Sequence[str], results: Results
) -> Results:
    """Results in which the analysis looked at allows for the looks; A056 where all data hold less than a look did."""
    answers = {line: answer_at(looks, results.estimates, line) for line in looks.analyses}
    plain = tuple(answers.values())
    if len(looks.analyses) > 1:
        found = _of_arms(looks, taken, hashes, answers, plain)
        return replace(results, after_looks=found)
    answer = plain[0]
    counted = _counted(looks, answer)
    if taken and counted < taken[-1].lines[0].counted:
        raise _less(looks, counted, taken[-1].lines[0].counted)
    # Whose bound ended the trial is left out: all data, over-running ones too, stand in its place. So is a look of
    # just these data.
    left_out = tuple(look.number for look in taken if look.is_binding or look.lines[0].counted >= counted)
    before = [look for look in taken if look.number not in left_out]
    counts = [*(look.lines[0].counted for look in before), counted]
    z = [*(look.lines[0].z for look in before), looks.z_of(answer)]
    errors = None
    if looks.stated.is_combined:
        z = [*(float(look.z or 0.0) for look in before), float(looks.combined(counts, z)[-1])]
        errors = _errors_of_stages(looks, before, answer)
    is_last = not looks.stated.is_combined or len(z) == looks.rule.n_looks
    information = looks.fractions(counts)
    final = looks.decide(information, z, is_last=is_last)[-1]
    level = answer.ci_level or 1.0 - 2.0 * looks.rule.alpha_one_sided
    adjusted = None
    rows: dict[str, Estimate] = {}
    for row in answers_of(results.estimates, looks.analyses[0]):
        if row.p_value is None:
            continue
        # Each row by its own Z: what it is adjusted for are the bounds of the looks before, which are the same.
        own = [*z[:-1], z[-1] if row is answer else _last_z(looks, before, counts, row)]
        told = row if errors is not None or not looks.stated.is_combined else None
        mine = looks.adjust(information, own, estimate=told, is_last=is_last, level=level, standard_errors=errors)
        rows[row.id] = _adjusted_row(protocol, row, mine)
        adjusted = mine if row is answer else adjusted
    estimates = tuple(rows.get(estimate.id, estimate) for estimate in results.estimates)
    after = AfterLooks(
        taken=tuple(taken),
        left_out=left_out,
        final=final,
        adjusted=adjusted,
        claimed=(),
        dropped=(),
        plain=plain,
        reached=counted,
        hashes=tuple(hashes),
    )
    return replace(results, estimates=estimates, after_looks=after)


def _last_z(looks: LooksOfPlan, before: Sequence[LookTaken], counts: Sequence[float], row: Estimate) -> float:
    """The Z of all data by a row, combined with the stages before where the plan combines them."""
    z = looks.z_of(row)
    if not looks.stated.is_combined:
        return z
    return float(looks.combined(counts, [*(look.lines[0].z for look in before), z])[-1])


def _counted(looks: LooksOfPlan, answer: Estimate) -> float:
    found = looks.information_of(answer)
    if found is None or not found > 0:
        said = f"{answer.id} counts no {looks.counted} in the end."
        raise AnalysisError(Problem("A053", f"analyses.{answer.id}", said, "a number above 0"))
    return found


def _less(looks: LooksOfPlan, counted: float, before: float) -> AnalysisError:
    found = f"{counted:.6g} {looks.counted} in all, and {before:.6g} at the last look."
    hint = "Name the records of the whole trial; if corrections took results away, take the look anew (--again)."
    return AnalysisError(Problem("A056", "records", found, "at least as many as at the last look", hint))


def _errors_of_stages(looks: LooksOfPlan, before: Sequence[LookTaken], answer: Estimate) -> list[float] | None:
    """Standard errors of the effects of each stage's own data, from those of all data so far; None where unknown."""
    line = looks.analyses[0]
    rows = [next(iter(answers_of(look.estimates, line)), None) for look in before] + [answer]
    known = [None if row is None or not row.standard_error else row.standard_error**-2 for row in rows]
    out, last = [], 0.0
    for information in known:
        if information is None or not information > last:
            return None
        out.append((information - last) ** -0.5)
        last = information
    return out


def _adjusted_row(protocol: Protocol, answer: Estimate, adjusted: AdjustedEstimate) -> Estimate:
    """The answer with the numbers that allow for the looks."""
    details = {**answer.details, "unadjusted": {k: getattr(answer, k) for k in _REPLACED}}
    margin = answer.details.get("margin")
    p = min(1.0, 2.0 * min(adjusted.p_one_sided, 1.0 - adjusted.p_one_sided))
    if margin is not None:
        p = adjusted.p_one_sided
        estimand = protocol.model.estimands[str(answer.estimand)]
        bounds = margins_of(estimand, protocol.model.endpoints[estimand.endpoint])
        assert bounds is not None
        verdict = verdict_of(bounds, adjusted.ci_lower, adjusted.ci_upper)
        details["margin"] = {**margin, "p_one_sided": p, "verdict": verdict}
    method = f"{answer.method}; median unbiased estimate, limits and p value by the stage-wise ordering of the looks"
    if answer.scale == "test":
        method = f"{answer.method}; p value by the stage-wise ordering of the looks"
        return replace(answer, p_value=p, method=method, details=details)
    is_ratio = SCALES[answer.scale].is_ratio
    finite = [v if v is not None and math.isfinite(v) else None for v in (adjusted.ci_lower, adjusted.ci_upper)]
    value = adjusted.estimate
    if value is not None and is_ratio and value <= 0.0:
        value = None
    return replace(
        answer, estimate=value, ci_lower=finite[0], ci_upper=finite[1], p_value=p, method=method, details=details
    )


_REPLACED = ("estimate", "ci_lower", "ci_upper", "p_value")


def _of_arms(
    looks: LooksOfPlan,
    taken: Sequence[LookTaken],
    hashes: Sequence[str],
    answers: dict[str, Estimate],
    plain: tuple[Estimate, ...],
) -> AfterLooks:
    """Several arms: the closed test over the stages; estimates stay as they are."""
    gone = {name for look in taken for name in looks.analyses if look.kept and name not in look.kept}
    lines = []
    for name, answer in answers.items():
        if name in gone:
            continue
        lines.append(LineAtLook(line=name, counted=_counted(looks, answer), z=looks.z_of(answer)))
    if taken:
        held = {line.line: line.counted for line in taken[-1].lines}
        for line in lines:
            if line.counted < held.get(line.line, 0.0):
                raise _less(looks, line.counted, held[line.line])
    before = [look for look in taken if all(_of(look, one.line) < one.counted for one in lines)]
    left_out = tuple(look.number for look in taken if look not in before)
    claimed = {name for look in taken for name in look.claimed}
    first = taken[0].lines if taken else ()
    sizes = {line.line: float(max(line.n_arm, 1)) for line in first}
    reference = float(max([1, *(line.n_reference for line in first)]))
    closed = looks.closed_test([sizes.get(name, 1.0) for name in looks.analyses], reference)
    stages = stages_of_arms(looks, [*(look.lines for look in before), tuple(lines)])
    rejected = closed.rejects(stages)
    claimed |= {name for name, yes in zip(looks.analyses, rejected, strict=True) if yes}
    return AfterLooks(
        taken=tuple(taken),
        left_out=left_out,
        final=None,
        adjusted=None,
        claimed=tuple(name for name in looks.analyses if name in claimed),
        dropped=tuple(name for name in looks.analyses if name in gone),
        plain=plain,
        reached=max((line.counted for line in lines), default=0.0),
        hashes=tuple(hashes),
    )


def _of(look: LookTaken, name: str) -> float:
    return next((line.counted for line in look.lines if line.line == name), 0.0)
