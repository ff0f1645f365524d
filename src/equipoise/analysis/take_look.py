"""One look at a trial, taken: the plan on what is known, the decision by the bounds, and what the rules say.

Looks are taken one after another. Each rests on those before it, which are read from where they were kept
(``exchange.looks_folder``) and never worked out anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from equipoise.analysis.analyse import estimate_planned
from equipoise.analysis.at_look import AtLook, plan_at_look
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.interim import LooksOfPlan
from equipoise.analysis.look_taken import LineAtLook, LookTaken
from equipoise.analysis.multiplicity import FALLBACKS
from equipoise.analysis.plan import planned_fits
from equipoise.foundation.errors import AnalysisError, Problem
from equipoise.foundation.hashing import sha256_value
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.stats.design.combination import stage_z

CODES = {
    "A053": "The number of results or events of a look is not known.",
    "A054": "The look has no more information than the one before, or comes after the last.",
}


def plan_hash(protocol: Protocol) -> str:
    """SHA-256 of what the looks rest on: looks, their analyses, estimands, endpoints, definitions of use and arms."""
    model = protocol.model
    assert model.looks is not None
    resolved = protocol.resolved
    lines = {name: resolved["analyses"][name] for name in model.looks.analyses}
    estimands = {model.analyses[name].estimand for name in model.looks.analyses}
    endpoints = {model.estimands[name].endpoint for name in estimands}
    endpoints |= {base for name in endpoints for base in model.endpoints[name].made_of}
    return sha256_value(
        {
            "looks": resolved["looks"],
            "analyses": lines,
            "estimands": {name: resolved["estimands"][name] for name in sorted(estimands)},
            "endpoints": {name: resolved["endpoints"][name] for name in sorted(endpoints)},
            "use": resolved.get("use", {}),
            "arms": list(protocol.arm_ids),
        }
    )


def answers_at(
    protocol: Protocol,
    looks: LooksOfPlan,
    records: Records,
    *,
    followed_to: Mapping[str, int] | None,
    all_followed: bool = False,
) -> dict[str, tuple[AtLook, Estimate, tuple[Estimate, ...]]]:
    """By analysis looked at: whose results are in, the row that answers, and every row of the fit."""
    fits = {fit.id: fit for fit in planned_fits(protocol)}
    out = {}
    for line in looks.analyses:
        at = plan_at_look(protocol, records, line, followed_to=followed_to, all_followed=all_followed)
        estimates = tuple(estimate_planned(protocol, at.plan, fits[line]))
        out[line] = at, answer_at(looks, estimates, line), estimates
    return out


def answers_of(estimates: Iterable[Estimate], line: str) -> tuple[Estimate, ...]:
    """The rows that answer an analysis: the planned one, and those that stand in for it."""
    found = [e for e in estimates if e.details.get("line", e.id) == line and not e.details.get("choices")]
    return tuple(e for e in found if e.id == line or e.id.removeprefix(f"{line}.") in FALLBACKS)


def answer_at(looks: LooksOfPlan, estimates: Iterable[Estimate], line: str) -> Estimate:
    """The row whose Z a look goes by: the planned one where it has a p value (an infinite effect has), or another."""
    rows = answers_of(estimates, line)
    if not rows:
        found = f"{line} has no result at this look."
        raise AnalysisError(Problem("A053", f"analyses.{line}", found, "an analysis that can be made", "Look later."))
    return next((row for row in rows if row.p_value is not None), rows[0])


def number_reached(looks: LooksOfPlan, answers: Mapping[str, tuple[AtLook, Estimate, tuple[Estimate, ...]]]) -> float:
    """What has been counted so far: of the one analysis; of several arms everybody whose result is in."""
    if len(answers) == 1:
        _, answer, _ = next(iter(answers.values()))
        return _counted(looks, answer)
    if looks.counted == "results":
        return float(max(at.seen.n_in for at, _, _ in answers.values()))
    return max(_counted(looks, answer) for _, answer, _ in answers.values())


def _counted(looks: LooksOfPlan, answer: Estimate) -> float:
    found = looks.information_of(answer)
    if found is None or not found > 0:
        line = str(answer.details.get("line", answer.id))
        said = f"{line} has no {'standard error' if looks.counted == 'information' else looks.counted} at this look."
        raise AnalysisError(Problem("A053", f"analyses.{line}", said, "a number above 0", "Look later."))
    return found


def take_look(
    protocol: Protocol,
    looks: LooksOfPlan,
    earlier: Sequence[LookTaken],
    answers: Mapping[str, tuple[AtLook, Estimate, tuple[Estimate, ...]]],
    *,
    is_last: bool = False,
) -> LookTaken:
    """The next look: bounds at the information that came, the decision, and what the rules for size and arms say.

    Raises A054 where information has not grown, or where the plan has no further look (its last is the final analysis).
    """
    number = len(earlier) + 1
    reached = number_reached(looks, answers)
    _require_next(looks, earlier, reached, is_last)
    gone = {name for look in earlier for name in looks.analyses if look.kept and name not in look.kept}
    lines = []
    for line, (_, answer, _) in answers.items():
        if line in gone:
            continue
        n_arm, n_reference = _sizes(answers[line][0], protocol, line)
        lines.append(
            LineAtLook(
                line=line,
                counted=_counted(looks, answer),
                z=looks.z_of(answer),
                n_arm=n_arm,
                n_reference=n_reference,
            )
        )
    now = looks.numbers[number - 1] if number <= len(looks.numbers) else looks.planned
    at = next(iter(answers.values()))[0]
    common: dict[str, Any] = {
        "number": number,
        "counted": looks.counted,
        "reached": reached,
        "planned": looks.planned,
        "planned_now": now,
        "lines": tuple(lines),
        "n_randomized": at.n_randomized,
        "n_known": at.seen.n_in,
        "n_provisional": at.provisional,
        "estimates": tuple(e for _, _, found in answers.values() for e in found),
    }
    if len(looks.analyses) > 1:
        claimed, kept = _of_arms(looks, earlier, lines, number)
        return LookTaken(**common, z=None, decision=None, claimed=claimed, kept=kept)
    counts = [look.lines[0].counted for look in earlier] + [lines[0].counted]
    plain = [look.lines[0].z for look in earlier] + [lines[0].z]
    z = plain
    if looks.stated.is_combined:
        z = [*(float(look.z or 0.0) for look in earlier), float(looks.combined(counts, plain)[-1])]
    decision = looks.decide(looks.fractions(counts), z, is_last=is_last)[-1]
    new_size = None
    if looks.stated.re_estimation is not None and number == looks.rule.n_looks - 1 and not decision.ends:
        new_size = looks.new_size(z[-1])
    return LookTaken(**common, z=z[-1], decision=decision, new_size=new_size)


def _require_next(looks: LooksOfPlan, earlier: Sequence[LookTaken], reached: float, is_last: bool) -> None:
    number = len(earlier) + 1
    if not is_last and reached >= looks.planned * (1.0 - 1e-9):
        found = f"{_plain(reached)} {looks.counted} are known, and the plan has {_plain(looks.planned)} at the end."
        hint = "Run the final analysis: `equipoise run P --records RECORDS --looks DIR`."
        raise AnalysisError(Problem("A054", "records", found, "fewer than at the last look", hint))
    if not is_last and number >= looks.rule.n_looks and (looks.stated.is_combined or not looks.rule.by_information):
        found = f"The plan has {looks.rule.n_looks - 1} interim looks, and {len(earlier)} were taken."
        raise AnalysisError(
            Problem(
                "A054", "looks.at", found, "no further look before the end", "Name the folder: analyse --looks DIR."
            )
        )
    if earlier and reached <= earlier[-1].reached:
        found = f"{_plain(reached)} {looks.counted} now, and {_plain(earlier[-1].reached)} at look {number - 1}."
        raise AnalysisError(
            Problem("A054", "records", found, "more than at the look before", "Take the look when more is known.")
        )


def _plain(number: float) -> str:
    return f"{number:.6g}"


def _sizes(at: AtLook, protocol: Protocol, line: str) -> tuple[int, int]:
    """Participants of the experimental side and of the reference whose result is in."""
    fit = next(fit for fit in planned_fits(protocol) if fit.id == line)
    experimental = at.plan.compared(fit).experimental
    return int((experimental == 1.0).sum()), int((experimental == 0.0).sum())


def _of_arms(
    looks: LooksOfPlan, earlier: Sequence[LookTaken], lines: Sequence[LineAtLook], number: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which arms the closed test claims after this look, and which go on."""
    stages = stages_of_arms(looks, [look.lines for look in earlier] + [tuple(lines)])
    shares = earlier[0].lines if earlier else lines
    sizes = {line.line: line for line in shares}
    closed = looks.closed_test(
        [float(max(sizes[name].n_arm, 1)) for name in looks.analyses],
        float(max(1, *(line.n_reference for line in shares))),
    )
    rejected = closed.rejects(stages)
    claimed = tuple(name for name, yes in zip(looks.analyses, rejected, strict=True) if yes)
    here = {line.line: line.z for line in lines}
    kept = tuple(name for name in looks.analyses if name in here)
    if looks.stated.drop_arms is not None and number == looks.stated.drop_arms.at:
        kept = looks.kept([here.get(name, math.nan) for name in looks.analyses])
    return claimed, kept


def stages_of_arms(looks: LooksOfPlan, taken: Sequence[Sequence[LineAtLook]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(n_looks, n_arms) Z of each stage's own data; NaN for an arm that was dropped."""
    out = np.full((len(taken), len(looks.analyses)), np.nan)
    for column, name in enumerate(looks.analyses):
        own = [line for look in taken for line in look if line.line == name]
        if own:
            out[: len(own), column] = stage_z([line.z for line in own], [line.counted for line in own])
    return out
