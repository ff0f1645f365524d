"""The smallest trial with a wanted power, bracketed on the simulated curve. Methods: ``docs/methods/sample_size.md``.

The whole trial is simulated and analysed at a few sizes, with common random numbers. Near the target, power is close to
a straight line on the probit scale in the root of n; the line through the sizes tried says where to try next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from equipoise.analysis.plan import with_level
from equipoise.design.operating import Cell, OperatingCharacteristics, run_cells
from equipoise.design.scenarios import ScenarioSpec, build_scenario, is_null, scaled_sizes, with_sizes
from equipoise.design.summary import Share, primary_rows
from equipoise.foundation.errors import DesignError, Problem, listed, nearest, raise_if_any
from equipoise.protocol import Protocol
from equipoise.stats.packing import default_threads

CODES = {
    "D130": "No sample size up to the maximum reaches the target power.",
    "D131": "Invalid target power or maximum.",
    "D132": "The plan has no such analysis, or the analysis has no p value.",
    "D133": "Invalid allocation.",
}
MOST_STEPS = 12
# Rough sizes first: a tenth of the replicates is enough to know on which side of the target a size lies.
_ROUGH = 10
_FEWEST = 200


@dataclass(frozen=True)
class Tried:
    """One size that was simulated."""

    n_total: int
    arm_sizes: Mapping[str, int]
    power: Share
    characteristics: OperatingCharacteristics


@dataclass(frozen=True)
class SimulatedSize:
    """The smallest size found, and how well it is known.

    ``lower`` and ``upper``: the 95% Monte Carlo interval of the size, as if all sizes tried shared their error.
    ``tried`` in the order of size; ``at`` is the one at ``n_total``.
    """

    analysis: str
    target: float
    n_total: int
    lower: int
    upper: int
    at: Tried
    tried: tuple[Tried, ...]


def check_size_request(power: float, cap: int, n_arms: int) -> list[Problem]:
    """What cannot be of a target and a cap (D131)."""
    problems = []
    if isinstance(power, bool) or not isinstance(power, (int, float)) or not 0.0 < power < 1.0:
        problems.append(Problem("D131", "--power", f"Found {power!r}.", "a power above 0 and below 1, such as 0.8"))
    if isinstance(cap, bool) or not isinstance(cap, int) or cap < n_arms:
        problems.append(Problem("D131", "--cap", f"Found {cap!r}.", f"at least {n_arms}, one participant per arm"))
    return problems


def chosen_line(protocol: Protocol, analysis: str | None) -> str:
    """The line of the plan that the size is for: the one named, or the first primary (D132)."""
    lines = protocol.model.analyses
    if analysis is None:
        primary = [id for id, line in lines.items() if line.level == "primary"]
        if primary:
            return primary[0]
        raise DesignError(
            Problem(
                "D132", "--analysis", "The plan has no primary analysis.", listed(lines), "Name one: --analysis ID."
            )
        )
    if analysis not in lines:
        guess = nearest(analysis, lines)
        hint = f"Did you mean {guess}?" if guess else ""
        raise DesignError(Problem("D132", "--analysis", f"The plan has no analysis {analysis!r}.", listed(lines), hint))
    return analysis


def only_line(protocol: Protocol, line: str) -> Protocol:
    """The protocol with one line of its plan: simulated numbers of that line are the same, and come sooner."""
    chosen = protocol.model.analyses[line]
    update = {"analyses": {line: chosen.model_copy(update={"vary": None})}}
    return Protocol(protocol.model.model_copy(update=update), lines=protocol.lines, definitions=protocol.definitions)


def sized(protocol: Protocol, spec: ScenarioSpec, n: int, allocation: float | None) -> ScenarioSpec:
    """The scenario with ``n`` participants, in the scenario's proportions or experimental : control as stated."""
    if allocation is None:
        settings = scaled_sizes(protocol, dict(spec.settings), n)
    else:
        settings = with_sizes(protocol, dict(spec.settings), _split(protocol, n, allocation), "n")
    return spec.changed(f"n={n}", "", settings)


def _split(protocol: Protocol, n: int, allocation: float) -> dict[str, int]:
    arms = protocol.arm_ids
    problems = []
    if len(arms) != 2:
        problems.append(Problem("D133", "--allocation", f"The trial has {len(arms)} arms.", "two arms"))
    if not 0.05 <= allocation <= 20.0:
        problems.append(Problem("D133", "--allocation", f"Found {allocation:g} to 1.", "from 1:20 to 20:1"))
    raise_if_any(DesignError, problems)
    experimental = min(max(1, round(n * allocation / (1.0 + allocation))), n - 1)
    return {arms[0]: n - experimental, arms[1]: experimental}


def find_size(
    protocol: Protocol,
    spec: ScenarioSpec,
    *,
    power: float = 0.8,
    analysis: str | None = None,
    allocation: float | None = None,
    cap: int = 1000,
    replicates: int = 2000,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> SimulatedSize:
    """The smallest n at which the analysis has ``power`` under the scenario.

    ``power`` counts failed fits as not significant, as everywhere. ``progress`` is told the size and the replicates of
    each step. Raises, before anything is simulated, D131 to D133 and D130 where no outcome depends on the arm; D130
    also once the cap has been tried.
    """
    line = chosen_line(protocol, analysis)
    n_arms = len(protocol.arm_ids)
    raise_if_any(DesignError, check_size_request(power, cap, n_arms))
    alone = only_line(protocol, line)
    if allocation is not None:
        _split(protocol, cap, allocation)
    alpha = _level(protocol, line)
    has_margin = protocol.model.estimands[protocol.model.analyses[line].estimand].margin is not None
    # Arms that do not differ are what a margin is usually planned with.
    if is_null(build_scenario(protocol, spec)) and power > alpha and not has_margin:
        raise DesignError(
            Problem(
                "D130",
                "--scenario",
                f"In {spec.name} no outcome depends on the arm: power is the level at any size.",
                "a scenario with an effect",
                "Name one with --scenario.",
            )
        )
    rough = max(_FEWEST, replicates // _ROUGH)
    known: dict[int, Tried] = {}

    def simulate(n: int, wanted: int) -> Tried:
        if n not in known or known[n].power.n < wanted:
            if progress is not None:
                progress(n, wanted)
            cell = Cell(sized(alone, spec, n, allocation), {"n": float(n)})
            made = run_cells(
                alone, [cell], replicates=wanted, seed=seed, workers=default_threads(), with_imputation=True
            )[0]
            known[n] = Tried(n, made.arm_sizes, _share(made, line), made)
        return known[n]

    n = min(max(sum(spec.settings["n"].values()), 2 * n_arms), cap)
    step = simulate(n, rough)
    # Doubling or halving until the target lies between two sizes.
    while step.power.value < power:
        if n >= cap:
            _refuse(simulate(cap, replicates), power, cap, line)
            break
        n = min(2 * n, cap)
        step = simulate(n, rough)
    while min(known) > 2 * n_arms and known[min(known)].power.value >= power:
        simulate(max(min(known) // 2, 2 * n_arms), rough)
    tried_whole = 0
    found = min(max(round(_crossing(known, power)), n_arms), cap)
    while tried_whole < MOST_STEPS:
        simulate(found, replicates)
        tried_whole += 1
        proposed = min(max(math.ceil(_crossing(known, power) - 1e-9), n_arms), cap)
        if proposed in known and known[proposed].power.n >= replicates:
            found = proposed
            break
        # A second size with all replicates, to a side, gives the line its slope.
        found = proposed
    at = simulate(found, replicates)
    # From the line to neighbours: the answer reaches the target, and one participant fewer does not.
    for _ in range(MOST_STEPS):
        if at.power.value < power and found < cap:
            found += 1
        elif found > n_arms and simulate(found - 1, replicates).power.value >= power:
            found -= 1
        else:
            break
        at = simulate(found, replicates)
    if found == cap:
        _refuse(at, power, cap, line)
    half = 1.959963984540054 * _size_error(known, power, found, replicates)
    return SimulatedSize(
        analysis=line,
        target=power,
        n_total=found,
        lower=max(n_arms, math.floor(found - half)),
        upper=math.ceil(found + half),
        at=at,
        tried=tuple(known[size] for size in sorted(known)),
    )


def _refuse(at_cap: Tried, power: float, cap: int, line: str) -> None:
    if at_cap.power.value >= power:
        return
    found = (
        f"At {cap} participants {line} has power {at_cap.power.value:.3f} "
        f"({at_cap.power.lower:.3f} to {at_cap.power.upper:.3f}), below {power:g}."
    )
    raise DesignError(Problem("D130", "--cap", found, "a target within reach", "Raise --cap, or lower --power."))


def _level(protocol: Protocol, line: str) -> float:
    analysis = with_level(protocol, line, protocol.model.analyses[line])
    if analysis.alpha_one_sided is not None:
        return 2.0 * float(analysis.alpha_one_sided)
    return float(analysis.alpha_two_sided) if analysis.alpha_two_sided is not None else 0.05


def target_row(made: OperatingCharacteristics, line: str) -> str:
    """The row that the decision on ``line`` rests on: as planned where it has a fallback."""
    rows = [summary.row for summary in made.rows]
    primary = [rows[k].id for k in primary_rows(tuple(rows)) if rows[k].line == line]
    if primary:
        return primary[0]
    compared = [row.id for row in rows if row.line == line and row.is_tested]
    planned = [id for id in compared if id.endswith(".as-planned")]
    return (planned or compared or [line])[0]


def _share(made: OperatingCharacteristics, line: str) -> Share:
    try:
        found = made[target_row(made, line)].significant
    except KeyError:
        found = None
    if found is None:
        raise DesignError(
            Problem("D132", "--analysis", f"The analysis {line} has no p value.", "an analysis that compares arms")
        )
    return found


def _line(known: Mapping[int, Tried], power: float) -> tuple[float, float]:
    """Intercept and slope of the probit of power in the root of n, the sizes near the target weighing most."""
    sizes = sorted(known)
    x = np.sqrt(np.array(sizes, dtype=np.float64))
    runs = np.array([known[n].power.n for n in sizes], dtype=np.float64)
    share = (np.array([known[n].power.value for n in sizes]) * runs + 0.5) / (runs + 1.0)
    z, wanted = special.ndtri(share), float(special.ndtri(power))
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    near = np.exp(-0.5 * ((z - wanted) / 0.5) ** 2) + 1e-4
    weight = runs * density**2 / (share * (1.0 - share)) * near
    mean = np.average(x, weights=weight)
    spread = float(weight @ (x - mean) ** 2)
    slope = float(weight @ ((x - mean) * z)) / spread if spread > 0.0 else 0.0
    if slope <= 1e-6:
        # A single size, or noise: through no power beyond the level at n = 0, a line with the slope that this implies.
        slope = max(float(np.average((z + 1.96) / x, weights=weight)), 1e-3)
    return float(np.average(z, weights=weight) - slope * mean), slope


def _crossing(known: Mapping[int, Tried], power: float) -> float:
    intercept, slope = _line(known, power)
    return max((float(special.ndtri(power)) - intercept) / slope, 0.0) ** 2


def _size_error(known: Mapping[int, Tried], power: float, n: int, replicates: int) -> float:
    """Standard error of the size: the Monte Carlo error of one power, on the probit scale, over the slope in n."""
    _, slope = _line(known, power)
    z = float(special.ndtri(power))
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return math.sqrt(power * (1.0 - power) / replicates) / density / (slope / (2.0 * math.sqrt(n)))
