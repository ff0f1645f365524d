"""How many participants? The simulated answer beside the closed form, and why they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from equipoise.analysis.interim import looks_of
from equipoise.design.looks import sequential_design
from equipoise.design.operating import OperatingCharacteristics, check_request
from equipoise.design.scenarios import resolve_scenario
from equipoise.design.size_search import SimulatedSize, find_size, target_row
from equipoise.design.summary import RowSummary, missed_unit
from equipoise.foundation.errors import DesignError, Problem, listed, raise_if_any
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.stats.design.exact_power import exact_size, fisher_size, fisher_verdicts, pooled_z
from equipoise.stats.design.group_sequential import characterize
from equipoise.stats.design.sample_size import Size, log_rank_drift, margin_size, two_proportions_size, whole_arms
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import DEFAULT_SEED

# Fisher's test is enumerated up to this size of the trial.
_LARGEST_ENUMERATED = 600


@dataclass(frozen=True)
class ClosedForm:
    """A formula's answer, and what it was given."""

    method: str
    n_total: int | None  # None where the formula has no answer
    inputs: dict[str, float]
    words: str  # what the formula leaves out, for this plan


@dataclass(frozen=True)
class SizeAnswer:
    """One allocation: simulated size, closed forms, and the looks' inflation if any were asked for."""

    allocation: str
    simulated: SimulatedSize
    closed: tuple[ClosedForm, ...]
    differences: tuple[str, ...]
    inflation: float | None = None
    expected_share: float | None = None  # expected size under the effect over the maximum

    @property
    def n_maximum(self) -> int:
        """The simulated size, inflated for the looks."""
        return math.ceil(self.simulated.n_total * (self.inflation or 1.0) - 1e-9)


@dataclass(frozen=True)
class SizeRun:
    """Answers of `equipoise size`."""

    protocol: Protocol
    scenario: str
    power: float
    alpha_two_sided: float
    seed: int
    replicates: int
    answers: tuple[SizeAnswer, ...]
    level_in_words: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "ok": True,
            "simulated": True,
            "protocol": self.protocol.id,
            "protocol_hash": self.protocol.hash,
            "version": program_version(),
            "scenario": self.scenario,
            "power": self.power,
            "alpha_two_sided": self.alpha_two_sided,
            "level": self.level_in_words,
            "seed": self.seed,
            "replicates": self.replicates,
            "answers": [_plain(answer) for answer in self.answers],
        }


def _plain(answer: SizeAnswer) -> dict[str, Any]:
    found = answer.simulated
    return {
        "allocation": answer.allocation,
        "analysis": found.analysis,
        "n_total": found.n_total,
        "n_lower": found.lower,
        "n_upper": found.upper,
        "arm_sizes": dict(found.at.arm_sizes),
        "power": {"value": found.at.power.value, "lower": found.at.power.lower, "upper": found.at.power.upper},
        "tried": [
            {
                "n_total": t.n_total,
                "power": t.power.value,
                "lower": t.power.lower,
                "upper": t.power.upper,
                "replicates": t.power.n,
            }
            for t in found.tried
        ],
        "closed_forms": [
            {"method": c.method, "n_total": c.n_total, "inputs": c.inputs, "words": c.words} for c in answer.closed
        ],
        "differences": list(answer.differences),
        "inflation": answer.inflation,
        "n_maximum": answer.n_maximum,
        "expected_share": answer.expected_share,
    }


def read_allocation(text: str) -> float:
    """Experimental over control from ``2:1``; D133 where it is not one."""
    parts = text.split(":")
    try:
        experimental, control = (float(part) for part in parts)
        if experimental > 0.0 and control > 0.0 and math.isfinite(experimental / control):
            return experimental / control
    except ValueError:
        pass
    raise DesignError(
        Problem("D133", "--allocation", f"Found {text!r}.", "experimental to control, such as 1:1 or 2:1")
    )


def size(
    protocol: Protocol | str | Path,
    *,
    power: float = 0.8,
    analysis: str | None = None,
    scenario: str | None = None,
    allocations: Sequence[str] = (),
    cap: int = 1000,
    replicates: int = 2000,
    seed: int = DEFAULT_SEED,
    looks: Sequence[float] = (),
    boundary: str = "lan-demets-obrien-fleming",
    boundary_parameter: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SizeRun:
    """The smallest trial in which an analysis of the plan has the power wanted, under one scenario.

    By default the first primary analysis, the protocol's first set of assumptions and its allocation. ``looks``
    (information fractions; by default those that the protocol states) inflate the size by normal theory. Everything
    that is wrong with the request is raised before anything is simulated; a target out of reach (D130) once the cap has
    been tried.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    problems = check_request(replicates, seed, None)
    raise_if_any(DesignError, problems)
    spec = resolve_scenario(chosen, scenario)[0]
    ratios: list[tuple[str, float | None]] = [(text, read_allocation(text)) for text in allocations]
    inflation = expected = None
    design = None
    if looks:
        design = sequential_design(looks, kind=boundary, parameter=boundary_parameter, sides=2)
    elif chosen.model.looks is not None and not chosen.model.looks.is_combined:
        stated = looks_of(chosen)
        design = stated.rule.design if analysis is None or analysis in stated.analyses else None
    if design is not None:
        c = characterize(design, power)
        inflation, expected = c.inflation_factor, c.under_h1.expected_information
    answers = []
    for text, ratio in ratios or [("as in the scenario", None)]:
        found = find_size(
            chosen,
            spec,
            power=power,
            analysis=analysis,
            allocation=ratio,
            cap=cap,
            replicates=replicates,
            seed=seed,
            progress=progress,
        )
        closed = closed_forms(chosen, found)
        answers.append(SizeAnswer(text, found, closed, _differences(chosen, found, closed), inflation, expected))
    first = answers[0].simulated
    row = first.at.characteristics[target_row(first.at.characteristics, first.analysis)].row
    level = row.level_in_words
    return SizeRun(chosen, spec.name, power, row.alpha_two_sided, seed, replicates, tuple(answers), level)


def closed_forms(protocol: Protocol, found: SimulatedSize) -> tuple[ClosedForm, ...]:
    """The formulas that apply to the analysis, fed with what the simulated trials show on average."""
    made = found.at.characteristics
    target = made[target_row(made, found.analysis)]
    sizes = list(made.arm_sizes.values())
    if len(sizes) != 2:
        return ()
    ratio = sizes[1] / sizes[0]
    alpha = 0.5 * target.row.alpha_two_sided
    out: list[ClosedForm] = []
    kind = protocol.model.endpoints[target.row.endpoint].kind
    risks = _risks(protocol, made, target.row.endpoint)
    line = protocol.model.analyses[found.analysis]
    if target.row.margin is not None:
        return _against_margin(target, found, risks, alpha, ratio)
    adjusted = f"; the plan adjusts for {listed(line.covariates, conjunction='and')}" if line.covariates else ""
    adjusted += f"; the plan is stratified by {listed(line.strata, conjunction='and')}" if line.strata else ""
    adjusted += f"; the plan has {line.random} at random, this formula has not" if line.random is not None else ""
    if kind != "time-to-event" and risks is not None and min(risks) > 0.0 and max(risks) < 1.0:
        out += _two_proportions(risks, found.target, alpha, ratio, adjusted)
    elif line.estimator in ("cox", "log-rank") and risks is not None:
        out += _schoenfeld(target, risks, found.target, alpha, ratio, adjusted)
    if out:
        return tuple(out)
    scaled = _by_standard_error(target, found, alpha)
    return (scaled,) if scaled is not None else ()


def _against_margin(
    target: RowSummary, found: SimulatedSize, risks: tuple[float, float] | None, alpha: float, ratio: float
) -> tuple[ClosedForm, ...]:
    """Farrington and Manning's size of the nearer margin; of other scales, from effect and standard error."""
    margin, scale = target.row.margin, target.row.scale
    assert margin is not None
    bounds = [float(margin[key]) for key in ("lower", "upper") if margin[key] is not None]
    low, high = (margin[key] for key in ("lower", "upper"))
    if (
        target.median is None
        or (low is not None and target.median <= low)
        or (high is not None and target.median >= high)
    ):
        return ()  # the effect lies beyond its margin: no size shows what is not so
    is_equivalence = len(bounds) == 2
    power = 1.0 - (1.0 - found.target) / 2.0 if is_equivalence else found.target
    note = "the larger of the sizes for the two margins, each at half the lack of power" if is_equivalence else ""
    if scale in ("risk_difference", "risk_ratio") and risks is not None and min(risks) > 0.0 and max(risks) < 1.0:
        how: dict[str, Any] = {"power": power, "alpha_one_sided": alpha, "allocation_ratio": ratio, "scale": scale}
        sizes = [margin_size(*risks, bound, **how) for bound in bounds]
        largest = max(sizes, key=lambda size: size.n_total)
        if not math.isfinite(largest.n_total):
            return ()
        inputs = {"risk_control": risks[0], "risk_experimental": risks[1], "margin": bounds[sizes.index(largest)]}
        words = "no covariate, normal theory" + (f"; {note}" if note else "")
        n = sum(whole_arms(largest))
        return (ClosedForm("two proportions against a margin, Farrington and Manning", n, inputs, words),)
    forms = [_by_standard_error(target, found, alpha, null=bound, power=power) for bound in bounds]
    there = [form for form in forms if form is not None and form.n_total is not None]
    return (max(there, key=lambda form: form.n_total or 0),) if there else ()


def _two_proportions(
    risks: tuple[float, float], power: float, alpha: float, ratio: float, adjusted: str
) -> list[ClosedForm]:
    """Pooled z by formula and Fisher by enumeration, each with the level it really has at its size."""
    p0, p1 = risks
    inputs = {"risk_control": p0, "risk_experimental": p1}
    n = two_proportions_size(p0, p1, power=power, alpha_one_sided=alpha, allocation_ratio=ratio)
    out = []
    if math.isfinite(n.n_total):
        arms = whole_arms(n)
        words = "no covariate, normal theory"
        if sum(arms) <= _LARGEST_ENUMERATED:
            level = exact_size(np.abs(pooled_z(*arms)) >= -float(special.ndtri(alpha))).size
            words += f", real level at this size up to {level:.3f} where {2 * alpha:g} is claimed"
        out.append(ClosedForm("two proportions, pooled z test", sum(arms), inputs, words + adjusted))
    exact = fisher_size(p0, p1, power=power, alpha=2 * alpha, allocation_ratio=ratio, cap=_LARGEST_ENUMERATED)
    if exact is not None:
        level = exact_size(fisher_verdicts(int(exact.n_control), int(exact.n_experimental), alpha=2 * alpha)).size
        words = f"no covariate, real level at most {level:.3f} where {2 * alpha:g} is allowed, which costs power"
        out.append(ClosedForm("two proportions, Fisher's exact test", int(exact.n_total), inputs, words + adjusted))
    return out


def _risks(protocol: Protocol, made: OperatingCharacteristics, endpoint: str) -> tuple[float, float] | None:
    """Mean share of each arm with the event, control first, from the rows of single arms."""
    by_arm: dict[str, float] = {}
    for summary in made.rows:
        row = summary.row
        if row.kind == "arm" and row.endpoint == endpoint and row.scale == "proportion" and summary.mean is not None:
            by_arm.setdefault(row.arm or "", summary.mean)
    arms = protocol.arm_ids
    return (by_arm[arms[0]], by_arm[arms[1]]) if set(arms) <= set(by_arm) else None


def _schoenfeld(
    target: RowSummary, risks: tuple[float, float], power: float, alpha: float, r: float, adjusted: str
) -> list[ClosedForm]:
    """Events for the hazard ratio, over the share of participants with one."""
    wanted = float(special.ndtri(power) - special.ndtri(alpha))
    share = (risks[0] + r * risks[1]) / (1.0 + r)
    implied = math.log1p(-risks[1]) / math.log1p(-risks[0]) if min(risks) > 0.0 and max(risks) < 1.0 else None
    median = target.median if target.row.scale == "hazard_ratio" else implied
    if median is None or median <= 0.0 or median == 1.0:
        return []
    events = (wanted / log_rank_drift(median, 1.0, allocation_ratio=r)) ** 2
    words = "proportional hazards near 1; accrual and dropout enter through the share with an event"
    if implied is not None and abs(math.log(implied / median)) > 0.05:
        words += f"; the shares with an event alone would imply a hazard ratio of {implied:.2f}, not {median:.2f}"
    inputs = {"hazard_ratio": median, "events": events, "risk_control": risks[0], "risk_experimental": risks[1]}
    n = sum(whole_arms(Size.split(events / share, r)))
    return [ClosedForm("log-rank by Schoenfeld", n, inputs, words + adjusted)]


def _by_standard_error(
    target: RowSummary, found: SimulatedSize, alpha: float, *, null: float | None = None, power: float | None = None
) -> ClosedForm | None:
    """n such that the mean effect is as many of its standard errors from no effect (``null``) as the power needs."""
    error, centre = target.model_standard_error, target.median
    if error is None or centre is None or target.row.scale == "test":
        return None
    is_ratio = SCALES[target.row.scale].is_ratio
    if is_ratio and centre <= 0.0:
        return None
    goal = target.row.null if null is None else null
    effect = math.log(centre / (goal or 1.0)) if is_ratio else centre - (goal or 0.0)
    if effect == 0.0:
        return None
    wanted = float(special.ndtri(power or found.target) - special.ndtri(alpha))
    n = found.n_total * (wanted * error / effect) ** 2
    is_mean = target.row.scale in ("mean_difference", "ratio_of_means")
    return ClosedForm(
        "two means, normal" if is_mean else "normal theory from effect and standard error",
        math.ceil(n - 1e-9),
        {"effect": centre, "standard_error": error, "at_n": float(found.n_total)} | ({"margin": null} if null else {}),
        "median effect and mean standard error as simulated; a normal test, and errors that fall as the root of n",
    )


def _missed_words(protocol: Protocol, target: RowSummary) -> str:
    """What has no outcome, in its own unit: a repeated endpoint misses visits, days or weeks, another participants."""
    unit = missed_unit(protocol, target.row)
    if unit == "participants":
        return f"On average {target.n_missed:.1f} participants have no outcome and no part in the analysis."
    return (
        f"On average {target.n_missed:.1f} {unit} have no outcome, over {target.n_analysed:.1f} participants analysed."
    )


def _differences(protocol: Protocol, found: SimulatedSize, closed: Sequence[ClosedForm]) -> tuple[str, ...]:
    """In words, how far each formula is from the simulated plan and what it leaves out."""
    out = []
    made = found.at.characteristics
    target = made[target_row(made, found.analysis)]
    for form in closed:
        if form.n_total is None:
            out.append(f"{form.method}: no answer.")
            continue
        gap = form.n_total - found.n_total
        inside = found.lower <= form.n_total <= found.upper
        how = "within Monte Carlo error of" if inside else f"{abs(gap)} {'above' if gap > 0 else 'below'}"
        out.append(f"{form.method}: {form.n_total}, {how} the simulated {found.n_total} ({form.words}).")
    lost = (target.power_upper or 0.0) - (target.power_lower or 0.0)
    if lost > 0.0005:
        out.append(
            f"Failed or doubtful fits leave power between {target.power_lower:.3f} and {target.power_upper:.3f}."
        )
    if target.n_missed > 0.05:
        out.append(_missed_words(protocol, target))
    return tuple(out)
