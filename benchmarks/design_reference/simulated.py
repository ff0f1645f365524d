"""rpact's simulated designs simulated by equipoise: mean and standard deviation of each quantity."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design_reference.analytic import survival_inputs
from design_reference.reading import Design, Unreadable
from equipoise.stats.design.group_sequential import efficacy_design
from equipoise.stats.logrank import log_rank

SEED = 20_261
# So many that our own Monte Carlo error is small beside that of rpact's 20,000.
N_REPLICATES = 400_000
N_SURVIVAL = 40_000


@dataclass(frozen=True)
class Simulated:
    """One quantity over replicates: its mean and the standard deviation of one replicate."""

    mean: float
    deviation: float
    n_replicates: int


def _of(values: NDArray[np.float64]) -> Simulated:
    return Simulated(float(values.mean()), float(values.std()), values.size)


def replicates_of(design: Design) -> int:
    """How many replicates rpact ran."""
    found = re.search(r"([\d,]+) replicates", design.inputs)
    if not found:
        raise Unreadable(f"no number of replicates in {design.inputs!r}")
    return int(found.group(1).replace(",", ""))


def simulate(design: Design) -> dict[tuple[str, int], Simulated]:
    """Quantities by scenario (index from 1)."""
    return _simulate_rates(design) if "pi_control=" in design.inputs else _simulate_survival(design)


def _summary(first: NDArray[np.int64], size: NDArray[np.float64], names: tuple[str, ...], index: int) -> dict:
    """``first``: look of rejection from 0, -1 for never; ``size`` (n_looks,) by look."""
    n_looks = size.shape[0]
    ended = np.where(first >= 0, first, n_looks - 1)
    out = {
        ("power", index): _of((first >= 0).astype(np.float64)),
        ("early_stop", index): _of(((first >= 0) & (first < n_looks - 1)).astype(np.float64)),
    }
    for name in names:
        out[name, index] = _of(size[ended])
    return out


def _simulate_rates(design: Design) -> dict[tuple[str, int], Simulated]:
    """Pooled z of cumulative counts, 1:1, reject when it reaches the critical value."""
    sizes = design.list_after(r"cumulative ")
    treatment = design.list_after(r"pi_treatment=")
    if not sizes or not treatment:
        raise Unreadable(f"no sizes or risks in {design.inputs!r}")
    totals = np.array(sizes)
    ratio = design.allocation_ratio
    n1 = np.rint(totals * ratio / (1.0 + ratio)).astype(np.int64)
    n0 = totals.astype(np.int64) - n1
    looks = efficacy_design(totals / totals[-1], alpha_one_sided=design.alpha_one_sided, boundary=design.boundary)
    out: dict[tuple[str, int], Simulated] = {}
    for index, risk in enumerate(treatment, start=1):
        rng = np.random.default_rng([SEED, index])
        x0 = np.zeros(N_REPLICATES, dtype=np.int64)
        x1 = np.zeros_like(x0)
        first = np.full(N_REPLICATES, -1)
        for k in range(totals.size):
            x0 += rng.binomial(n0[k] - (n0[k - 1] if k else 0), design.number(r"pi_control="), N_REPLICATES)
            x1 += rng.binomial(n1[k] - (n1[k - 1] if k else 0), risk, N_REPLICATES)
            pooled = (x0 + x1) / totals[k]
            with np.errstate(invalid="ignore", divide="ignore"):
                z = (x1 / n1[k] - x0 / n0[k]) / np.sqrt(pooled * (1.0 - pooled) * (1.0 / n0[k] + 1.0 / n1[k]))
            first = np.where((first < 0) & (np.nan_to_num(z) >= looks.critical_z[k]), k, first)
        out.update(_summary(first, totals, ("expected_n",), index))
    return out


def _simulate_survival(design: Design) -> dict[tuple[str, int], Simulated]:
    """Log-rank at the calendar time of each planned event; participants enter evenly, arms in turn."""
    hazard, _, accrual = survival_inputs(design)
    ratios = design.list_after(r"HR=") or design.list_after(r"hazard ratio=")
    events = design.list_after(r"(?:events[^,;]*?cumulative |events\s*=?\s*|cumulative )")
    if not ratios or not events:
        raise Unreadable(f"no events or hazard ratios in {design.inputs!r}")
    n = int(design.number(r"\bN=", r"\bn=", r"max(?:imum)? (?:N|subjects)\s*=?\s*"))
    planned = np.array(events)
    looks = efficacy_design(planned / planned[-1], alpha_one_sided=design.alpha_one_sided, boundary=design.boundary)
    entry = (np.arange(n) + 1.0) * accrual.accrual_time / n
    arm = np.arange(n) % 2
    out: dict[tuple[str, int], Simulated] = {}
    for index, ratio in enumerate(ratios, start=1):
        rng = np.random.default_rng([SEED, 100 + index])
        time = rng.exponential(size=(N_SURVIVAL, n)) / (hazard * np.where(arm == 1, ratio, 1.0))
        gone = np.full((N_SURVIVAL, n), np.inf)
        for side, rate in enumerate((accrual.dropout_hazard_control, accrual.dropout_hazard_experimental)):
            if rate > 0.0:
                gone[:, arm == side] = rng.exponential(size=(N_SURVIVAL, int((arm == side).sum()))) / rate
        happens = np.sort(np.where(time <= gone, entry + time, np.inf), axis=1)
        first = np.full(N_SURVIVAL, -1)
        entered = np.zeros((N_SURVIVAL, planned.size))
        times = np.zeros((N_SURVIVAL, planned.size))
        for k, n_events in enumerate(planned.astype(int)):
            now = happens[:, n_events - 1][:, None]
            # Events that never come are waited for until the last one that does.
            last = np.where(np.isfinite(happens), happens, 0.0).max(axis=1, keepdims=True)
            now = np.where(np.isfinite(now), now, last)
            seen = np.maximum(now - entry, 0.0)
            followed = np.minimum(np.minimum(time, gone), seen)
            test = log_rank(
                np.maximum(followed, 1e-9).ravel(),
                ((time <= gone) & (time <= seen) & (seen > 0.0)).ravel().astype(np.float64),
                np.tile(arm, N_SURVIVAL),
                offsets=np.arange(N_SURVIVAL + 1) * n,
            )
            towards = np.nan_to_num(-test.z if ratio <= 1.0 else test.z)
            first = np.where((first < 0) & (towards >= looks.critical_z[k]), k, first)
            entered[:, k] = (entry <= now).sum(axis=1)
            times[:, k] = now[:, 0]
        out.update(_summary(first, planned, ("expected_events", "events"), index))
        ended = np.where(first >= 0, first, planned.size - 1)[:, None]
        out["expected_n", index] = _of(np.take_along_axis(entered, ended, axis=1)[:, 0])
        for name in ("study_duration", "duration"):
            out[name, index] = _of(np.take_along_axis(times, ended, axis=1)[:, 0])
        for k in range(planned.size):
            out.setdefault(("analysis_time", k + 1), _of(times[:, k]))
    return out
