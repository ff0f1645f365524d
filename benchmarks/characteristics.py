"""Type I error and interval coverage of every estimator at n = 55 with dropout, by simulation.

    python benchmarks/characteristics.py [--json] [--write]

``--write`` renews the table of docs/methods/characteristics.md. The same rows are asserted by ``make
characteristics``. Each row says how often the test rejects where there is no effect, and how often the 95 % interval
holds the truth where there is one, each with 95 % Monte Carlo limits, and how many trials gave no answer (separation,
an empty cell): those are left out of both shares, never counted as not significant.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr
from scipy.stats import t as student

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _report import Report, finish
from equipoise.stats.competing_risks import estimate_cumulative_incidence, fit_fine_gray, gray_test
from equipoise.stats.counts import CountModel, fit_counts, profile_counts, robust_covariance
from equipoise.stats.cox import fit_cox
from equipoise.stats.exact import TwoByTwo, fisher_exact
from equipoise.stats.firth import fit_firth, penalised_likelihood_ratio, penalised_profile_limits
from equipoise.stats.gee import fit_gee
from equipoise.stats.kaplan_meier import fit_kaplan_meier
from equipoise.stats.linear_mixed import fit_linear_mixed
from equipoise.stats.logistic import fit_logistic, likelihood_ratio, profile_limits
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope
from equipoise.stats.logrank import log_rank
from equipoise.stats.mmrm import Covariance, Errors, fit_mmrm
from equipoise.stats.packing import offsets_from_sizes
from equipoise.stats.risk import (
    miettinen_nurminen_difference,
    miettinen_nurminen_ratio,
    newcombe_difference,
    newcombe_ratio,
    score_test,
    wilson,
)
from equipoise.stats.rmst import estimate_rmst_difference
from equipoise.stats.strata import (
    StratifiedTables,
    cochran_mantel_haenszel,
    count_strata,
    mantel_haenszel_difference,
    mantel_haenszel_odds_ratio,
    stratified_newcombe,
    stratified_score_difference,
)

Vector = NDArray[np.float64]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "methods" / "characteristics.md"
N_PARTICIPANTS, N_VISITS, DROPOUT, DAYS = 55, 13, 0.3, 84.0
# Many trials where a fit takes microseconds, fewer where it takes milliseconds.
MANY, SOME, FEW = 8000, 4000, 400
NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """How many of the trials that gave an answer did what is counted."""

    count: int
    n: int
    failed: int

    @property
    def percent(self) -> float:
        return 100.0 * self.count / self.n

    @property
    def limits(self) -> tuple[float, float]:
        """95 % Monte Carlo limits (Wilson), in percent."""
        found = wilson(np.array([self.count]), np.array([self.n]))
        return 100.0 * float(found.ci_lower[0]), 100.0 * float(found.ci_upper[0])


@dataclass(frozen=True)
class Row:
    """One estimator: rejections where there is no effect (None where it is no test), coverage where there is one.

    ``error`` is what its error rates, in percent, may truly be at this size (nominal: 5), and ``why``.
    """

    name: str
    type_one: Share | None
    coverage: Share | None
    error: tuple[float, float]
    why: str


def _share(flags: NDArray[np.bool_], usable: NDArray[np.bool_]) -> Share:
    return Share(int(flags[usable].sum()), int(usable.sum()), int((~usable).sum()))


def _rejected(p_value: Vector) -> Share:
    return _share(p_value < 0.05, ~np.isnan(p_value))


def _covered(lower: Vector, upper: Vector, truth: float, estimate: Vector | None = None) -> Share:
    """An absent limit beside an estimate is open on that side, as exact limits of an empty cell are."""
    usable = ~(np.isnan(lower) & np.isnan(upper)) if estimate is None else ~np.isnan(estimate)
    low, high = np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper)
    return _share((low <= truth) & (truth <= high), usable)


def _wald(estimate: Vector, error: Vector, truth: float, df: Vector | None = None) -> tuple[Share, Share]:
    """Rejections of zero, and coverage of ``truth``."""
    usable = np.isfinite(estimate) & np.isfinite(error)
    bound = NORMAL if df is None else student.ppf(0.975, df)
    with np.errstate(invalid="ignore", divide="ignore"):
        reject, cover = np.abs(estimate) / error > bound, np.abs(estimate - truth) / error <= bound
    return _share(reject, usable), _share(cover, usable)


# --- data


def _participants(rng: np.random.Generator, n_trials: int) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """Arm, baseline covariate, and who stays to the end."""
    n = n_trials * N_PARTICIPANTS
    return (np.arange(n) % N_PARTICIPANTS % 2).astype(float), rng.normal(size=n), rng.uniform(size=n) >= DROPOUT


def binary_trials(n_trials: int, risks: tuple[float, float], covariate: float, seed: int):  # type: ignore[no-untyped-def]
    """One outcome a participant who stayed; ``risks`` where the covariate is zero."""
    rng = np.random.default_rng(seed)
    arm, bc, stays = _participants(rng, n_trials)
    level = np.log(np.array(risks) / (1 - np.array(risks)))
    y = (rng.uniform(size=arm.size) < expit(level[arm.astype(int)] + covariate * bc)).astype(float)
    sizes = stays.reshape(n_trials, N_PARTICIPANTS).sum(axis=1)
    x = np.column_stack([np.ones_like(arm), arm, bc])[stays]
    return y[stays], x, offsets_from_sizes(sizes)


def survival_trials(n_trials: int, log_ratio: float, seed: int):  # type: ignore[no-untyped-def]
    """Days to an event at a constant rate (one in 60 days in the control arm), censored by dropout or on day 84."""
    rng = np.random.default_rng(seed)
    arm, bc, stays = _participants(rng, n_trials)
    days = rng.exponential(60.0 * np.exp(-log_ratio * arm))
    end = np.where(stays, DAYS, rng.uniform(1.0, DAYS, arm.size))
    return np.minimum(days, end), (days <= end).astype(float), arm, bc, np.arange(n_trials + 1) * N_PARTICIPANTS


def repeated_trials(n_trials: int, effect: float, sd: float, sd_slope: float, seed: int):  # type: ignore[no-untyped-def]
    """Linear predictor 0.4 + effect arm - 0.03 week + level + change, at up to 13 weekly visits."""
    rng = np.random.default_rng(seed)
    arm, _, stays = _participants(rng, n_trials)
    sizes = np.where(stays, N_VISITS, rng.integers(1, N_VISITS, arm.size))
    owner = np.repeat(np.arange(arm.size), sizes)
    week = np.concatenate([np.arange(k) for k in sizes]).astype(float)
    level, change = sd * rng.normal(size=arm.size), sd_slope * rng.normal(size=arm.size)
    eta = 0.4 + effect * arm[owner] - 0.03 * week + level[owner] + change[owner] * week
    x = np.column_stack([np.ones_like(week), arm[owner], week])
    people = np.arange(n_trials + 1) * N_PARTICIPANTS
    return eta, x, offsets_from_sizes(sizes), people, rng


def _outcomes(eta: Vector, rng: np.random.Generator) -> Vector:
    return (rng.uniform(size=eta.size) < expit(eta)).astype(float)


# --- families of estimators


def logistic_rows() -> Iterator[Row]:
    """Logistic and Firth, one covariate, conditional odds ratio 1 or 3."""
    truth = float(np.log(3.0))
    null = binary_trials(MANY, (0.4, 0.4), 0.4, 1)
    risk = float(expit(np.log(0.4 / 0.6) + truth))
    effect = binary_trials(MANY, (0.4, risk), 0.4, 2)
    fits, other = fit_logistic(*null), fit_logistic(*effect)
    reject, _ = _wald(fits.coefficients[:, 1], fits.standard_errors[:, 1], 0.0)
    _, cover = _wald(other.coefficients[:, 1], other.standard_errors[:, 1], truth)
    yield Row("logistic, Wald", reject, cover, (3, 6), "Wald on some 38 outcomes is conservative")
    limits = profile_limits(other, *effect, column=1)
    test = likelihood_ratio(fits, *null, column=1)
    cover = _covered(limits.ci_lower, limits.ci_upper, truth)
    yield Row("logistic, likelihood ratio", _rejected(test.p_value), cover, (5, 7), "chi-square on some 38 outcomes")
    firth, other_firth = fit_firth(*null), fit_firth(*effect)
    tests = penalised_likelihood_ratio(firth, *null, column=1)
    limits = penalised_profile_limits(other_firth, *effect, column=1)
    cover = _covered(limits.ci_lower, limits.ci_upper, truth)
    yield Row("Firth, penalised likelihood ratio", _rejected(tests.p_value), cover, (4, 6), "nominal, nearly")


def _counts(y: Vector, arm: Vector, offsets: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Of each trial: events and participants of the control arm, then of the experimental arm."""
    owner = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    each = (y * (1 - arm), 1 - arm, y * arm, arm)
    return [np.bincount(owner, weights=weights).astype(np.int64) for weights in each]


def table_rows() -> Iterator[Row]:
    """Two by two: risks 0.4 and 0.4, or 0.3 and 0.6."""

    null, effect = (
        _counts(y, x[:, 1], offsets)
        for y, x, offsets in (binary_trials(MANY, (0.4, 0.4), 0.0, 3), binary_trials(MANY, (0.3, 0.6), 0.0, 4))
    )
    test, other = fisher_exact(*null), fisher_exact(*effect)
    cover = _covered(other.ci_lower, other.ci_upper, (0.6 / 0.4) / (0.3 / 0.7), other.p_value)
    yield Row("Fisher, exact limits", _rejected(test.p_value), cover, (0, 5), "exact: never above nominal")
    score = "score interval averaged over a random number of outcomes: nominal, nearly"
    for name, method, truth, bounds in (
        ("risk difference, Miettinen-Nurminen", miettinen_nurminen_difference, 0.3, (4, 6)),
        ("risk difference, Newcombe", newcombe_difference, 0.3, (3, 6)),
        ("risk ratio, Miettinen-Nurminen", miettinen_nurminen_ratio, 2.0, (4, 6)),
        ("risk ratio, Newcombe", newcombe_ratio, 2.0, (3, 6)),
    ):
        found, of_effect = method(*null), method(*effect)
        nothing = 0.0 if truth < 1 else 1.0
        outside = _covered(found.ci_lower, found.ci_upper, nothing, found.estimate)
        reject = Share(outside.n - outside.count, outside.n, outside.failed)
        cover = _covered(of_effect.ci_lower, of_effect.ci_upper, truth, of_effect.estimate)
        yield Row(name, reject, cover, bounds, score)


def survival_rows() -> Iterator[Row]:
    """Hazard ratio 1 or 0.5; survival in the control arm on day 42; restricted mean to day 56."""
    truth = float(np.log(0.5))
    time, event, arm, bc, offsets = survival_trials(MANY, 0.0, 5)
    later, other_event, _, other_bc, _ = survival_trials(MANY, truth, 6)
    fits = fit_cox(time, event, np.column_stack([arm, bc]), offsets)
    other = fit_cox(later, other_event, np.column_stack([arm, other_bc]), offsets)
    reject, _ = _wald(fits.coefficients[:, 0], fits.standard_errors[:, 0], 0.0)
    _, cover = _wald(other.coefficients[:, 0], other.standard_errors[:, 0], truth)
    yield Row("Cox, Wald", reject, cover, (5, 6.5), "normal quantile on some 35 events")
    group = arm.astype(np.int64)
    test = log_rank(time, event, group, offsets)
    yield Row("log-rank", _rejected(test.p_value), None, (5, 6.5), "chi-square on some 35 events")
    curves, other_curves = (fit_kaplan_meier(*part, group, offsets) for part in ((time, event), (later, other_event)))
    lower, upper = np.full(MANY, np.nan), np.full(MANY, np.nan)
    limits = curves.limits
    for trial in range(MANY):
        first = curves.start[trial, 0]
        part = slice(first, first + curves.length[trial, 0])
        at = first + int(np.searchsorted(curves.time[part], 42.0, side="right")) - 1
        if at >= first:
            lower[trial], upper[trial] = limits[at]
    cover = _covered(lower, upper, float(np.exp(-42.0 / 60.0)))
    yield Row("Kaplan-Meier, log-log limits of a survival", None, cover, (4, 6), "27 participants in the arm")
    horizon = 56.0
    rates = 1 / 60.0, 0.5 / 60.0
    means = [(1 - np.exp(-rate * horizon)) / rate for rate in rates]
    found, effect = (estimate_rmst_difference(c, horizon) for c in (curves, other_curves))
    cover = _covered(effect.ci_lower, effect.ci_upper, float(means[1] - means[0]))
    yield Row("restricted mean difference", _rejected(found.p_value), cover, (5, 7.5), "plug-in variance, normal")


def mixed_rows() -> Iterator[Row]:
    """Logistic mixed: arm 0 or -0.9; linear mixed: arm by week 0 or -0.04."""
    shares = []
    for effect, seed in ((0.0, 7), (-0.9, 8)):
        eta, x, rows, people, rng = repeated_trials(SOME, effect, 1.5, 0.0, seed)
        fits = fit_logistic_mixed(_outcomes(eta, rng), x, rows, people)
        shares.append(_wald(fits.coefficients[:, 1], fits.standard_errors[:, 1], effect))
    why = "normal quantile; t with 53 degrees of freedom would miss 5.5"
    yield Row("logistic mixed, random intercept", shares[0][0], shares[1][1], (5, 6.5), why)
    shares = []
    for effect, seed in ((0.0, 9), (-0.9, 10)):
        eta, x, rows, people, rng = repeated_trials(FEW, effect, 1.5, 0.15, seed)
        slopes = fit_logistic_mixed_slope(_outcomes(eta, rng), x, rows, people, slope=x[:, 2])
        shares.append(_wald(slopes.coefficients[:, 1], slopes.standard_errors[:, 1], effect))
    yield Row("logistic mixed, random slope, Laplace", shares[0][0], shares[1][1], (4, 8), "Laplace; normal quantile")
    for name, has_slope, seed in (("random intercept", False, 11), ("random slope", True, 13)):
        shares = []
        for effect, offset in ((0.0, 0), (-0.04, 1)):
            eta, x, rows, people, rng = repeated_trials(SOME, 0.0, 0.45, 0.05 if has_slope else 0.0, seed + offset)
            design = np.column_stack([x, x[:, 1] * x[:, 2]])
            score = 3.5 + eta + effect * design[:, 3] + rng.normal(0, 0.35, eta.size)
            linear = fit_linear_mixed(score, design, rows, people, slope=x[:, 2].copy() if has_slope else None)
            shares.append(_wald(linear.coefficients[:, 3], linear.standard_errors[:, 3], effect, linear.df[:, 3]))
        title = f"linear mixed, {name}, Satterthwaite"
        yield Row(title, shares[0][0], shares[1][1], (4.5, 5.5), "the model is true: nominal")


def gee_rows() -> Iterator[Row]:
    """GEE, exchangeable, Mancl-DeRouen errors, t with participants minus coefficients; marginal effect of -0.9."""
    shares = []
    for effect, seed in ((0.0, 15), (-0.9, 16)):
        eta, x, rows, people, rng = repeated_trials(FEW, effect, 1.5, 0.0, seed)
        y = _outcomes(eta, rng)
        estimate, error = np.full(FEW, np.nan), np.full(FEW, np.nan)
        for k in range(FEW):
            own = rows[people[k] : people[k + 1] + 1]
            part = slice(own[0], own[-1])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fit = fit_gee(y[part], x[part], own - own[0])
            estimate[k], error[k] = fit.coefficients[1], np.sqrt(fit.covariance_mancl_derouen[1, 1])
        # The averaged log odds ratio at mid-trial; it hardly changes over the weeks.
        z, w = np.polynomial.hermite_e.hermegauss(60)
        risk = [float(expit(0.4 - 0.03 * 5 + e + 1.5 * z) @ w / w.sum()) for e in (0.0, effect)]
        truth = float(np.log(risk[1] / (1 - risk[1]) / (risk[0] / (1 - risk[0]))))
        df = np.full(FEW, float(N_PARTICIPANTS - x.shape[1]))
        shares.append(_wald(estimate, error, truth, df))
    yield Row("GEE, exchangeable, Mancl-DeRouen", shares[0][0], shares[1][1], (3, 6), "this sandwich is conservative")


def scores_by_visit(n_trials: int, n: int, effect: float, seed: int):  # type: ignore[no-untyped-def]
    """Scores at four visits, correlated 0.7 from one to the next and spreading, ``effect`` growing to the last.

    Whoever did badly at a visit is likelier not to come again: some 30 % have no last visit.
    """
    rng = np.random.default_rng(seed)
    sd = np.array([1.0, 1.1, 1.3, 1.5])
    covariance = 0.7 ** np.abs(np.subtract.outer(np.arange(4), np.arange(4))) * np.outer(sd, sd)
    people = n_trials * n
    arm, base = (np.arange(people) % n % 2).astype(float), rng.normal(size=people)
    y = 0.4 * base[:, None] + rng.multivariate_normal(np.zeros(4), covariance, size=people)
    y += effect * arm[:, None] * np.array([0.25, 0.5, 0.75, 1.0])
    stays = rng.uniform(size=(people, 3)) > expit(-2.2 + 0.6 * y[:, :3])
    seen = np.column_stack([np.ones(people, dtype=np.bool_), np.cumprod(stays, axis=1).astype(np.bool_)])
    who, visit = np.nonzero(seen)
    early = [(visit == v).astype(float) for v in range(3)]  # the arm's column is its effect at the last visit
    x = np.column_stack([np.ones(who.size), arm[who], *early, *(arm[who] * one for one in early), base[who]])
    return y[seen], x, visit, offsets_from_sizes(seen.sum(axis=1)), np.arange(n_trials + 1) * n


def mmrm_rows() -> Iterator[Row]:
    """Mixed models for repeated measures with baseline, unstructured, effect at the last visit 0 or -1.2."""
    kinds: tuple[tuple[str, int, Errors, tuple[float, float], str], ...] = (
        ("Kenward-Roger", N_PARTICIPANTS, "kenward-roger", (4.5, 5.5), "the model is true: nominal"),
        ("Satterthwaite", N_PARTICIPANTS, "satterthwaite", (4.5, 6), "the estimated covariance is taken as known"),
        ("sandwich", N_PARTICIPANTS, "sandwich", (3.5, 6), "corrected for leverage; df participants less columns"),
        ("Kenward-Roger, 20 participants", 20, "kenward-roger", (4, 6.5), "some 14 at the last visit"),
    )
    for name, n, errors_of, bounds, why in kinds:
        shares = []
        for effect, seed in ((0.0, 21), (-1.2, 22)):
            fits = fit_mmrm(
                *scores_by_visit(SOME, n, effect, seed + n), n_visits=4, covariance=Covariance("unstructured")
            )
            error = np.sqrt(fits.errors(errors_of)[:, 1, 1])
            df = fits.df_sandwich if errors_of == "sandwich" else fits.df[:, 1]
            shares.append(_wald(fits.coefficients[:, 1], error, effect, df))
        yield Row(f"MMRM, unstructured, {name}", shares[0][0], shares[1][1], bounds, why)


def count_trials(n_trials: int, n: int, dispersion: float, effect: float, seed: int):  # type: ignore[no-untyped-def]
    """Counts over up to 12 weeks, 30 % leaving early: y, design with a covariate, offsets, weeks observed."""
    rng = np.random.default_rng(seed)
    size = n_trials * n
    arm, bc = (np.arange(size) % n % 2).astype(float), rng.normal(size=size)
    weeks = np.where(rng.uniform(size=size) < DROPOUT, rng.uniform(1, 12, size), 12.0)
    level = rng.gamma(1 / dispersion, dispersion, size) if dispersion else np.ones(size)
    y = rng.poisson(weeks * np.exp(-1.5 + effect * arm + 0.3 * bc) * level).astype(float)
    return y, np.column_stack([np.ones(size), arm, bc]), offsets_from_sizes(np.full(n_trials, n)), weeks


def count_rows() -> Iterator[Row]:
    """Rate ratios at 55 and 20 participants; 2.7 events expected of a reference participant, rate ratio 0.5."""
    few = "likelihood ratio with an estimated dispersion, few participants"
    for family, n, dispersion, bounds, why in (
        ("poisson", 55, 0.0, (4.5, 5.5), "exact but for discreteness"),
        ("negative-binomial", 55, 1.0, (4.5, 7.0), few),
        ("negative-binomial", 20, 1.0, (5.0, 11.0), few),
    ):
        model, shares = CountModel(family), []  # type: ignore[arg-type]
        for seed, effect in ((701, 0.0), (702, np.log(0.5))):
            y, design, offsets, weeks = count_trials(SOME, n, dispersion, effect, seed + n)
            fits = fit_counts(y, design, offsets, exposure=weeks, model=model)
            found = profile_counts(fits, y, design, offsets, exposure=weeks)
            shares.append((_rejected(found.p_value), _covered(found.ci_lower, found.ci_upper, effect)))
        name = f"{family.capitalize().replace('-', ' ')}, likelihood ratio, n = {n}"
        yield Row(name, shares[0][0], shares[1][1], bounds, why)
    shares = []
    for seed, effect in ((711, 0.0), (712, np.log(0.5))):
        y, design, offsets, weeks = count_trials(SOME, 55, 1.0, effect, seed)
        fits = fit_counts(y, design, offsets, exposure=weeks)
        error = np.sqrt(robust_covariance(fits, y, design, offsets, exposure=weeks)[:, 1, 1])
        shares.append(_wald(fits.coefficients[:, 1], error, effect))
    yield Row("Poisson, robust (HC0), n = 55", shares[0][0], shares[1][1], (5.0, 9.0), "sandwich of few participants")
    shares = []
    for seed, effect in ((721, 0.0), (722, np.log(0.5))):
        y, design, people, trials = count_series(FEW, effect, seed)
        fits = fit_counts(y, design, people[trials], model=CountModel("negative-binomial", people))
        shares.append(_wald(fits.coefficients[:, 1], fits.standard_errors[:, 1], effect))
    yield Row("Negative binomial mixed, n = 55", shares[0][0], shares[1][1], (4.5, 7.5), "Wald, few participants")


def count_series(n_trials: int, effect: float, seed: int):  # type: ignore[no-untyped-def]
    """Counts in three periods, later ones gone where somebody leaves: y, design, offsets of participants and trials."""
    rng = np.random.default_rng(seed)
    n = n_trials * N_PARTICIPANTS
    arm = (np.arange(n) % N_PARTICIPANTS % 2).astype(float)
    stays = np.where(rng.uniform(size=n) < DROPOUT, rng.integers(1, 3, n), 3)
    who = np.repeat(np.arange(n), stays)
    level = rng.normal(0, 0.7, n)[who]
    period = np.concatenate([np.arange(k) for k in stays])
    y = rng.poisson(np.exp(0.6 + effect * arm[who] + level) * rng.gamma(3.0, 1 / 3.0, who.size)).astype(float)
    design = np.column_stack([np.ones(who.size), arm[who], period])
    return y, design, offsets_from_sizes(stays), np.arange(n_trials + 1) * N_PARTICIPANTS


def competing_rows() -> Iterator[Row]:
    """Fine and Gray, Gray's test and cumulative incidence at 55 and 20 participants, a third censored, ties by day."""
    for n, bounds in ((55, (2.5, 6.5)), (20, (1.0, 6.5))):
        shares = {}
        for seed, effect in ((801, 0.0), (802, np.log(0.5))):
            time, cause, arm, offsets = competing_trials(SOME, n, effect, seed + n)
            fits = fit_fine_gray(time, cause, arm[:, None], offsets)
            test = gray_test(time, cause, arm.astype(np.int64), offsets)
            curves = estimate_cumulative_incidence(time, cause, arm.astype(np.int64), offsets).at(12.0)
            wald = _wald(fits.coefficients[:, 0], fits.standard_errors[:, 0], effect)
            truth = 0.4 * (1 - np.exp(-0.08 * 12))
            shares[effect] = (
                wald,
                _rejected(test.p_value),
                _covered(curves.ci_lower[:, 0], curves.ci_upper[:, 0], truth),
            )
        null, other = shares.values()
        yield Row(f"Fine and Gray, n = {n}", null[0][0], other[0][1], bounds, "few events; ratios of 0 are left out")
        yield Row(f"Gray's test, n = {n}", null[1], None, (3.5, 6.5), "chi-square on few events")
        yield Row(f"Cumulative incidence at a time, n = {n}", None, null[2], (0.1, 6.5), "few events in an arm")


def competing_trials(n_trials: int, n: int, effect: float, seed: int):  # type: ignore[no-untyped-def]
    """Times by day, causes and arms with proportional subdistribution hazards: 0.4 have the event in the long run.

    The subdistribution of the reference is ``0.4 (1 - exp(-0.08 t))``; in the other arm its survival is raised to the
    power of the hazard ratio. Everybody else has the competing event, exponentially.
    """
    rng = np.random.default_rng(seed)
    size = n_trials * n
    arm = (np.arange(size) % n % 2).astype(float)
    ratio = np.exp(effect * arm)
    u = rng.uniform(size=size)
    has_event = u < 1 - 0.6**ratio
    inner = np.clip((1 - (1 - u) ** (1 / ratio)) / 0.4, 0.0, 1 - 1e-12)
    own = -np.log1p(-inner) / 0.08
    day = np.where(has_event, own, rng.exponential(12.0, size))
    gone = rng.uniform(6.0, 40.0, size)
    cause = np.where(gone < day, 0, np.where(has_event, 1, 2))
    return np.ceil(4 * np.minimum(day, gone)) / 4, cause, arm, offsets_from_sizes(np.full(n_trials, n))


# At the margin of a risk difference of which higher is better, of an odds ratio, and of a hazard ratio.
MARGIN_DIFFERENCE, MARGIN_ODDS, MARGIN_HAZARD = -0.15, 0.5, 1.4


def margin_rows() -> Iterator[Row]:
    """One-sided tests at 2.5 % of not being worse than a margin, where the truth is the margin, at 110 and at 40."""
    for n in (110, 40):
        arm, offsets, rng = _equal_arms(SOME, n, 900 + n)
        risk = np.where(arm == 1, 0.6 + MARGIN_DIFFERENCE, 0.6)
        tables = TwoByTwo.of(*_counts((rng.uniform(size=arm.size) < risk).astype(float), arm, offsets))
        for name, corrected in (("Farrington-Manning", False), ("Miettinen-Nurminen", True)):
            test = score_test(tables, "risk_difference", MARGIN_DIFFERENCE, corrected=corrected)
            yield _one_sided(f"margin of a risk difference, {name}", test.p_greater, n, (1.5, 3.5), "score test")
        odds = 1.5 * np.where(arm == 1, MARGIN_ODDS, 1.0)
        y = (rng.uniform(size=arm.size) < odds / (1 + odds)).astype(float)
        fits = fit_logistic(y, np.column_stack([np.ones_like(arm), arm]), offsets)
        p = _above(fits.coefficients[:, 1] - np.log(MARGIN_ODDS), fits.standard_errors[:, 1])
        yield _one_sided(
            "margin of an odds ratio, logistic, Wald", p, n, (1.0, 3.5), "normal quantile, few participants"
        )
        days = rng.exponential(60.0 / np.where(arm == 1, MARGIN_HAZARD, 1.0))
        end = rng.uniform(28.0, DAYS, arm.size)
        hazards = fit_cox(np.minimum(days, end), (days <= end).astype(float), arm[:, None], offsets)
        p = _above(np.log(MARGIN_HAZARD) - hazards.coefficients[:, 0], hazards.standard_errors[:, 0])
        yield _one_sided("margin of a hazard ratio, Cox, Wald", p, n, (1.0, 3.5), "normal quantile on few events")


def _above(distance: Vector, error: Vector) -> Vector:
    """One-sided p of a distance from the margin, in the direction that is better."""
    usable = np.isfinite(distance) & np.isfinite(error)
    return np.where(usable, ndtr(-distance / np.where(usable, error, 1.0)), np.nan)


def _one_sided(name: str, p: Vector, n: int, bounds: tuple[float, float], why: str) -> Row:
    reject = _share(p < 0.025, ~np.isnan(p))
    return Row(f"{name}, n = {n}, one-sided at 2.5%", reject, None, bounds, why)


def strata_rows() -> Iterator[Row]:
    """Effects over four unequal strata, at 110 and at 40 participants; a difference of 0.25, an odds ratio of 3."""
    difference, ratio = 0.25, 3.0
    for n, wide in ((110, 0.0), (40, 1.5)):
        null = strata_trials(n, lambda risk: risk, 950 + n)
        added = strata_trials(n, lambda risk: risk + difference, 960 + n)
        odds = strata_trials(n, lambda risk: ratio * risk / (1 - risk + ratio * risk), 970 + n)
        test = cochran_mantel_haenszel(null)
        yield Row(f"Cochran-Mantel-Haenszel, n = {n}", _rejected(test.p_value), None, (4, 6), "chi-square")
        for name, fit, bounds in (
            ("Mantel-Haenszel difference, Sato", mantel_haenszel_difference, (4, 6.5 + wide)),
            ("stratified Newcombe", stratified_newcombe, (2.5, 6)),
            ("stratified Miettinen-Nurminen", stratified_score_difference, (4, 6)),
        ):
            found, none = fit(added), fit(null)
            usable = ~np.isnan(none.ci_lower)
            reject = _share((none.ci_lower > 0) | (none.ci_upper < 0), usable)
            cover = _covered(found.ci_lower, found.ci_upper, difference)
            yield Row(f"{name}, n = {n}", reject, cover, bounds, "large-sample limits over small strata")
        found, none = mantel_haenszel_odds_ratio(odds), mantel_haenszel_odds_ratio(null)
        cover = _covered(found.ci_lower, found.ci_upper, ratio)
        why = "normal limits of the logarithm; ratios of 0 and infinity are left out"
        yield Row(f"Mantel-Haenszel odds ratio, n = {n}", _rejected(none.p_value), cover, (2.5, 6.5), why)


def strata_trials(n: int, treated: Callable[[Vector], Vector], seed: int) -> StratifiedTables:
    """Tables of trials: strata of 40, 30, 20 and 10 in 100, with risks of 0.2, 0.3, 0.45 and 0.6 in the control arm."""
    arm, offsets, rng = _equal_arms(SOME, n, seed)
    stratum = rng.choice(4, size=arm.size, p=[0.4, 0.3, 0.2, 0.1])
    risk = np.array([0.2, 0.3, 0.45, 0.6])[stratum]
    y = (rng.uniform(size=arm.size) < np.where(arm == 1, treated(risk), risk)).astype(float)
    return count_strata(y, arm, stratum, offsets)


def _equal_arms(n_trials: int, n: int, seed: int):  # type: ignore[no-untyped-def]
    """Arms in turn, where each trial ends, and random numbers."""
    arm = (np.arange(n_trials * n) % n % 2).astype(float)
    return arm, np.arange(n_trials + 1) * n, np.random.default_rng(seed)


FAMILIES: tuple[Callable[[], Iterator[Row]], ...] = (
    logistic_rows,
    table_rows,
    survival_rows,
    mixed_rows,
    gee_rows,
    mmrm_rows,
    count_rows,
    competing_rows,
    margin_rows,
    strata_rows,
)

TITLE = """# Type I error and coverage

Made by `python benchmarks/characteristics.py --write`; checked by `make characteristics`. Simulated trials of 55
participants of whom 30% drop out. *Type I error*: how often the test at 5% rejects if there is no effect.
*Coverage*: how often the 95% interval contains the truth if there is an effect (odds ratio 3; risks 0.3 and 0.6;
hazard ratio 0.5; conditional log odds ratio -0.9; -0.04 per week; -1.2 at the last visit; rate ratio 0.5). In brackets
95% Monte Carlo limits. *No answer*: trials of both scenarios that were not estimable (separated, an empty cell) and
are in neither percentage. Rows that name a margin test at 2.5% whether the experimental arm is worse by no more than
the margin (-0.15 from a risk of 0.6; an odds ratio of 0.5; a hazard ratio of 1.4), and the truth is the margin. Rows
over strata have four of unequal size and risk (difference 0.25, odds ratio 3); in both, n participants of whom nobody
drops out. *May be*: the true error rate that is accepted at this size, with the reason; the tests allow
three Monte Carlo standard errors beyond it.

| Estimator | Trials | Type I error, % | Coverage, % | No answer | Error may be, % | Because |
| --- | --- | --- | --- | --- | --- | --- |
"""


def _words(share: Share | None) -> str:
    if share is None:
        return "-"
    low, high = share.limits
    return f"{share.percent:.1f} ({low:.1f} to {high:.1f})"


def render(rows: list[Row]) -> str:
    """The page."""
    lines = []
    for row in rows:
        shares = [share for share in (row.type_one, row.coverage) if share is not None]
        trials = max(share.n + share.failed for share in shares)
        failed = sum(share.failed for share in shares)
        bounds = f"{row.error[0]:g} to {row.error[1]:g}"
        cells = (row.name, trials, _words(row.type_one), _words(row.coverage), failed, bounds, row.why)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return TITLE + "\n".join(lines) + "\n"


def errors(row: Row) -> Iterator[tuple[str, float, float, float]]:
    """What the row's error rates are, in percent, and between which bounds they must lie: what, rate, low, high."""
    for what, share in (("type I error", row.type_one), ("non-coverage", row.coverage)):
        if share is not None:
            rate = share.percent if what == "type I error" else 100.0 - share.percent
            low, high = (
                bound + sign * 300.0 * np.sqrt(bound / 100 * (1 - bound / 100) / share.n)
                for bound, sign in zip(row.error, (-1, 1), strict=True)
            )
            yield what, rate, low, high


def main() -> int:
    """Simulate and print; exit code 0 only if every rate lies where it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="renew docs/methods/characteristics.md")
    arguments = parser.parse_args()
    rows = [row for family in FAMILIES for row in family()]
    report = Report()
    for row in rows:
        for what, rate, low, high in errors(row):
            report.add(f"{row.name}: {what}", rate, "%", at_most=high)
            report.add(f"{row.name}: {what}, not below", rate, "%", at_least=low)
    if arguments.write:
        PAGE.write_text(render(rows), encoding="utf-8")
    return finish(report, as_json=arguments.json, title="type I error and coverage at n = 55 with dropout")


if __name__ == "__main__":
    sys.exit(main())
