"""The variance of imputed analyses in repeated sampling, beside Rubin's. Methods: ``docs/methods/reference_based.md``.

Rubin's variance of a reference-based analysis is about information-anchored: the imputed data sets differ as if nothing
had been borrowed from the reference arm. How much the estimate would vary from trial to trial is asked of the data: by
the bootstrap of the whole imputation and analysis, or by the jackknife of conditional-mean imputation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.completed import ImputationModel, batch_of, codes_of_model, replicates_of, shift_of
from equipoise.analysis.dataset import Comparison, Floats, Ints, sum_by_trial
from equipoise.analysis.gaps import Gaps, ImputationDraws
from equipoise.analysis.imputed import Fit, analysis_of_sets, fit_imputed
from equipoise.analysis.missing_rules import experimental_rows
from equipoise.analysis.outcome import Outcome, from_coefficient
from equipoise.analysis.unfinished import AnyGaps, find_gaps
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.foundation.seeds import uniforms
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.missing import RESAMPLES, Imputation
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.stats.codes import FitCode
from equipoise.stats.missing.conditional_mean import fit_normal, impute_means, jackknife_error, leave_one_out
from equipoise.stats.missing.designs import prepare_design
from equipoise.stats.missing.normal_imputation import impute_normal
from equipoise.stats.missing.resampling import bootstrap_variance
from equipoise.stats.packing import offsets_from_sizes, single_trial

PURPOSE_RESAMPLE = 1021
# Imputed data sets of each resample: two tell the noise of imputing from the noise of sampling.
SETS_OF_A_RESAMPLE = 2


def fit_repeated_sampling(
    lattice: Lattice, comparison: Comparison, analysis: Analysis, estimand: Estimand, floor: float | None, fit: Fit
) -> list[Outcome]:
    """The outcome of an imputed analysis with its standard error in repeated sampling."""
    assert analysis.imputation is not None
    gaps = find_gaps(lattice, estimand, floor)
    gaps = replace(gaps, experimental=experimental_rows(lattice.protocol, estimand, lattice.participants.arm))
    if isinstance(gaps, Gaps) and not gaps.binary:
        people = _People.of(lattice, gaps, comparison, analysis.imputation)
        if analysis.imputation.variance == "jackknife":
            return [_jackknife(people, analysis, fit)]
        main = fit_imputed(lattice, comparison, analysis, estimand, floor, fit)[0]
        return [_bootstrap(people, analysis, fit, main)]
    main = fit_imputed(lattice, comparison, analysis, estimand, floor, fit)[0]
    return [_bootstrap_of_others(lattice, gaps, comparison, analysis, fit, main)]


@dataclass(frozen=True)
class _People:
    """Participants of a comparison with every covariate known: their scores, and what the imputation goes by."""

    comparison: Comparison
    base: Derived
    kept: Ints  # positions among the comparison's rows
    offsets: Ints
    scores: Floats  # (n, V)
    counted: NDArray[np.bool_]  # (n, V) whether a score there enters the analysis
    design: Floats  # (n, q)
    model: ImputationModel
    shift: Floats  # (n,)
    replicates: tuple[int, ...]

    @classmethod
    def of(cls, lattice: Lattice, gaps: Gaps, comparison: Comparison, imputation: Imputation) -> _People:
        """Those whom :func:`~equipoise.analysis.completed.complete` imputes, with the same design."""
        model = ImputationModel.of(lattice, gaps, comparison, imputation)
        kept, offsets = model.kept, model.offsets
        rows = comparison.rows[kept]
        delta = imputation.delta
        first, other = delta.get(comparison.arm, 0.0), delta.get(comparison.reference, 0.0)
        # Whatever the estimand's strategy leaves out comes back missing from a data set that misses nothing.
        counted = ~np.isnan(gaps.finish(np.zeros(gaps.cells.shape), np.arange(lattice.n))["values"])
        return cls(
            comparison=comparison,
            base=gaps.base,
            kept=kept,
            offsets=offsets,
            scores=gaps.cells[rows],
            counted=counted[rows],
            design=model.design,
            model=model,
            shift=np.where(comparison.experimental[kept] == 1.0, first, other),
            replicates=tuple(replicates_of(lattice, rows, offsets).tolist()),
        )

    def trial(self, number: int) -> slice:
        """Rows of one trial."""
        return slice(int(self.offsets[number]), int(self.offsets[number + 1]))

    def batch(self, place: Ints, values: Floats, sizes: Ints, n_randomized: Ints) -> tuple[Derived, Comparison]:
        """Completed scores as trials of their own: ``place`` (rows) says whose each row of ``values`` is."""
        masked = np.where(self.counted[place], values, np.nan)
        comparison = replace(
            self.comparison,
            rows=np.arange(place.shape[0]),
            experimental=self.comparison.experimental[self.kept][place],
            covariates=self.comparison.covariates[self.kept][place],
            offsets=offsets_from_sizes(sizes),
            n_randomized=n_randomized,
            incomplete=np.zeros(place.shape[0], dtype=np.bool_),
        )
        return replace(self.base, imputed=None, raw=None, cause=None, warnings=(), values=masked), comparison


def _on_pooled_scale(outcome: Outcome) -> Floats:
    """Estimates, ratios as logarithms."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(outcome.estimate) if SCALES[outcome.scale].is_ratio else outcome.estimate)


def _with_error(outcome: Outcome, error: Floats, df: Floats, level: float, **more: Any) -> Outcome:
    """The outcome with another standard error, degrees of freedom, and the limits and p value that follow."""
    kept = {name: getattr(outcome, name) for name in ("estimator", "scale", "event", "arm", "reference", "suffix")}
    kept |= {name: getattr(outcome, name) for name in ("n_analysed", "n_events", "n_missed", "codes")}
    kept |= more
    return from_coefficient(coefficient=_on_pooled_scale(outcome), standard_error=error, df=df, level=level, **kept)


def _jackknife(people: _People, analysis: Analysis, fit: Fit) -> Outcome:
    """Conditional means in place of draws, (CM-1), one participant left out at a time, (CM-2)."""
    assert analysis.imputation is not None
    imputation, comparison = analysis.imputation, people.comparison
    n_trials, n_visits = comparison.n_trials, people.scores.shape[1]
    completed = np.full(people.scores.shape, np.nan)
    without: list[Floats] = []
    codes = np.zeros(n_trials, dtype=np.uint32)
    for trial in range(n_trials):
        part = people.trial(trial)
        ready = prepare_design(people.design[part], single_trial(part.stop - part.start), always=1)
        y, z = people.scores[part], np.ascontiguousarray(ready.z[:, ready.kept[0]])
        there = np.flatnonzero(~np.isnan(y).all(axis=0))
        left_out = np.full((y.shape[0], y.shape[0], n_visits), np.nan)
        if there.size:
            rule: dict[str, Any] = {
                "strategy": imputation.after_dropout,
                "arm_column": 1,
                "delta": people.shift[part],
            }
            model = fit_normal(y[:, there], z)
            completed[part, there] = impute_means(y[:, there], z, model, **rule)[0]
            models = fit_normal(y[:, there], z, weights=leave_one_out(y.shape[0]))
            left_out[:, :, there] = impute_means(y[:, there], z, models, **rule)
            codes[trial] = np.bitwise_or.reduce(model.codes)
        without.append(left_out)
    sizes = np.diff(people.offsets)
    everybody = np.arange(people.scores.shape[0])
    whole = fit(*people.batch(everybody, completed, sizes, comparison.n_randomized), analysis)[0]
    error = np.full(n_trials, np.nan)
    for trial, left_out in enumerate(without):
        start, n = int(people.offsets[trial]), int(sizes[trial])
        if n < 3 or not np.isfinite(whole.estimate[trial]):
            continue
        others = np.array([np.delete(np.arange(n), i) for i in range(n)])
        values = np.concatenate([left_out[i][others[i]] for i in range(n)])
        trials = people.batch(
            start + others.reshape(-1), values, np.full(n, n - 1), np.repeat(comparison.n_randomized[trial], n)
        )
        error[trial] = jackknife_error(_on_pooled_scale(fit(*trials, analysis)[0]))
    missing = np.isnan(people.scores)
    return _with_error(
        whole,
        error,
        whole.df,
        analysis.ci_level,
        codes=codes_of_model((whole.codes | codes).astype(np.uint32), people.model),
        left_out=tuple(dict.fromkeys((*people.model.left_out, *whole.left_out))),
        n_missed=sum_by_trial(missing.sum(axis=1), people.offsets),
        method=(
            f"conditional-mean imputation (multivariate normal scores{_rule_words(imputation)}), variance in repeated "
            f"sampling by the jackknife; {whole.method}"
        ),
        details={
            **whole.details,
            "variance": "jackknife",
            "n_imputed": int(missing.sum()),
            "n_cells": int(missing.size),
            "standard_error_as_if_observed": whole.standard_error,
        },
    )


def _bootstrap(people: _People, analysis: Analysis, fit: Fit, main: Outcome) -> Outcome:
    """Imputation and analysis repeated on participants drawn again within their arms, (BS-1) to (BS-3)."""
    assert analysis.imputation is not None
    imputation, comparison = analysis.imputation, people.comparison
    n_resamples = imputation.resamples or RESAMPLES
    m, n_trials = SETS_OF_A_RESAMPLE, comparison.n_trials
    found: dict[int, tuple[Floats, Floats]] = {}
    for trial in range(n_trials):
        part = people.trial(trial)
        if part.stop == part.start or not np.isfinite(main.estimate[trial]):
            continue
        place = part.start + resampled(
            comparison.experimental[people.kept][part], n_resamples, imputation.seed, people.replicates[trial]
        )
        made = np.concatenate(
            [
                impute_normal(
                    people.scores[chosen],
                    people.design[chosen],
                    imputations=m,
                    first=imputation.sets + number * m,  # numbers of their own, after those of the main analysis
                    seed=imputation.seed,
                    replicate=people.replicates[trial],
                    delta=people.shift[chosen],
                    strategy=imputation.after_dropout,
                    arm_column=1,
                ).values.reshape(-1, people.scores.shape[1])
                for number, chosen in enumerate(place)
            ]
        )
        n, total = place.shape[1], n_resamples * m
        rows = np.repeat(place, m, axis=0).reshape(-1)
        trials = people.batch(rows, made, np.full(total, n), np.repeat(comparison.n_randomized[trial], total))
        fits = fit(*trials, analysis)[0]
        found[trial] = _on_pooled_scale(fits).reshape(n_resamples, m), fits.df
    return _with_bootstrap(main, found, analysis, n_resamples)


def _bootstrap_of_others(
    lattice: Lattice, gaps: AnyGaps, comparison: Comparison, analysis: Analysis, fit: Fit, main: Outcome
) -> Outcome:
    """As :func:`_bootstrap`, of yes-or-no results, counts and times."""
    assert analysis.imputation is not None
    imputation = analysis.imputation
    n_resamples, m = imputation.resamples or RESAMPLES, SETS_OF_A_RESAMPLE
    model = ImputationModel.of(lattice, gaps, comparison, imputation)
    rows = comparison.rows[model.kept]
    shift = shift_of(comparison, model.kept, imputation.delta)
    replicates = replicates_of(lattice, rows, model.offsets)
    found: dict[int, tuple[Floats, Floats]] = {}
    for trial in range(comparison.n_trials):
        start, stop = int(model.offsets[trial]), int(model.offsets[trial + 1])
        if start == stop or not np.isfinite(main.estimate[trial]):
            continue
        sides = comparison.experimental[model.kept[start:stop]]
        place = start + resampled(sides, n_resamples, imputation.seed, int(replicates[trial]))
        size = stop - start
        made = [
            gaps.impute(
                rows[chosen],
                model.design[chosen],
                single_trial(size),
                # Numbers of their own, after those of the main analysis.
                ImputationDraws(imputation, m, replicates[[trial]], shift[chosen], imputation.sets + number * m),
            )
            for number, chosen in enumerate(place)
        ]
        together = replace(
            made[0],
            fields={name: np.concatenate([one.fields[name] for one in made], axis=1) for name in made[0].fields},
            values=np.concatenate([one.values for one in made], axis=1),
        )
        bounds = size * np.arange(n_resamples + 1)
        randomized = np.repeat(comparison.n_randomized[trial], n_resamples)
        trials = batch_of(gaps, comparison, model.kept[place.reshape(-1)], together, bounds, randomized)
        fits = fit(*trials, analysis_of_sets(analysis))[0]
        df = fits.df
        if not np.isfinite(df).any():
            df = np.full(fits.estimate.shape, float(max(size - model.n_columns[trial], 1)))
        found[trial] = _on_pooled_scale(fits).reshape(n_resamples, m), df
    return _with_bootstrap(main, found, analysis, n_resamples)


def _with_bootstrap(
    main: Outcome, found: dict[int, tuple[Floats, Floats]], analysis: Analysis, n_resamples: int
) -> Outcome:
    """The pooled outcome with its error, and what follows, from the estimates of each trial's samples and their df."""
    assert analysis.imputation is not None
    error, df, used = (np.full(main.estimate.shape, np.nan) for _ in range(3))
    codes = main.codes.copy()
    for trial, (estimates, complete_df) in found.items():
        variance = bootstrap_variance(estimates, analysis.imputation.sets)
        used[trial] = variance.n_used
        if variance.n_used < n_resamples:
            codes[trial] |= np.uint32(FitCode.IMPUTATIONS_DROPPED)
        if variance.n_used >= 0.9 * n_resamples:
            error[trial] = np.sqrt(variance.variance)
            # The spread between samples is no better known than a trial of this size lets it be.
            df[trial] = 1.0 / (1.0 / variance.df + 1.0 / float(np.nanmean(complete_df)))
    return _with_error(
        main,
        error,
        df,
        analysis.ci_level,
        codes=codes,
        left_out=main.left_out,
        method=main.method.replace(
            "pooled by Rubin's rules with Barnard and Rubin's df",
            f"averaged, variance in repeated sampling by {n_resamples} bootstrap samples within arms of imputation and "
            "analysis together",
        ),
        details={
            **main.details,
            "variance": "bootstrap",
            "resamples": n_resamples,
            "resamples_used": used,
            "standard_error_rubin": main.standard_error,
        },
    )


def resampled(experimental: Floats, n_resamples: int, seed: int, replicate: int) -> Ints:
    """(resamples, n) participants drawn again with replacement, as many of each arm as there were."""
    out = np.empty((n_resamples, experimental.shape[0]), dtype=np.int64)
    number = np.arange(n_resamples)[:, None]
    for value in (0.0, 1.0):
        mine = np.flatnonzero(experimental == value)
        drawn = uniforms(seed, replicate, mine[None, :], number, PURPOSE_RESAMPLE)
        out[:, mine] = mine[(drawn * mine.size).astype(np.int64)]
    return out


def _rule_words(imputation: Imputation) -> str:
    words = (
        ""
        if imputation.after_dropout == "at-random"
        else f", {imputation.after_dropout.replace('-', ' ')} after dropout"
    )
    shifts = [f"{arm} {value:+g}" for arm, value in imputation.delta.items() if value]
    return words + (f", delta {', '.join(shifts)}" if shifts else "")
