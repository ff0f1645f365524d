"""Mixed model for repeated measures: a second route on generated trials, and what must not change an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slow_mmrm import fit_slowly

from equipoise.stats.codes import FitCode
from equipoise.stats.mmrm import STRUCTURES, Covariance, MmrmFits, estimate_mmrm_contrast, fit_mmrm


def trial(seed: int, n: int = 40, t: int = 4, lost: float = 0.2):
    """One trial with dropout and gaps: outcome, design (arm by visit and a covariate), visits, sizes, arms."""
    rng = np.random.default_rng(seed)
    arm = (np.arange(n) % 2).astype(int)
    sd = rng.uniform(0.7, 1.6, t)
    corr = 0.6 ** np.abs(np.subtract.outer(np.arange(t), np.arange(t)))
    e = rng.multivariate_normal(np.zeros(t), corr * np.outer(sd, sd), size=n)
    covariate = rng.normal(size=n)
    y = 2.0 + e + 0.5 * covariate[:, None] + 0.4 * arm[:, None] * np.arange(t)
    seen = rng.uniform(size=(n, t)) > 0.05
    for i in range(n):
        last = np.flatnonzero(rng.uniform(size=t) < lost)
        if last.size:
            seen[i, max(int(last[0]), 1) :] = False
    seen[~seen.any(axis=1), 0] = True
    who, visit = np.nonzero(seen)
    late = [(visit == v).astype(float) for v in range(1, t)]
    x = np.column_stack([np.ones(who.size), arm[who], *late, *(arm[who] * one for one in late), covariate[who]])
    return y[seen], x, visit, seen.sum(axis=1), arm


def fit(one, t: int = 4, **more) -> MmrmFits:
    y, x, visit, sizes, arm = one
    people = np.concatenate([[0], np.cumsum(sizes)])
    return fit_mmrm(y, x, visit, people, [0, len(sizes)], n_visits=t, group=arm, **more)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(("by_group", "reml"), [(False, True), (True, True), (False, False)])
def test_whole_matrices_and_numerical_derivatives_say_the_same(structure: str, by_group: bool, reml: bool) -> None:
    one = trial(7 + len(structure), n=26, t=3, lost=0.15)
    fits = fit(one, t=3, covariance=Covariance(structure, by_group), reml=reml, fall_back=False)
    y, x, visit, sizes, arm = one
    slow = fit_slowly(y, x, visit, list(sizes), 3, structure, reml, list(arm) if by_group else None)
    assert fits.codes[0] == 0
    # The general optimizer stops where its numerical gradient ends, never above the maximum.
    assert slow.log_likelihood - 1e-7 < fits.log_likelihood[0] < slow.log_likelihood + 1e-3
    errors = np.sqrt(np.diag(slow.covariance))
    assert np.abs(fits.coefficients[0] - slow.coefficients) / errors == pytest.approx(np.zeros(errors.size), abs=2e-3)
    assert np.sqrt(np.diag(fits.covariance[0])) == pytest.approx(errors, rel=2e-3)
    assert fits.df[0] == pytest.approx(slow.df, rel=2e-2)
    if reml:
        adjusted = np.sqrt(np.diag(fits.covariance_kenward_roger[0]))
        assert adjusted == pytest.approx(np.sqrt(np.diag(slow.kenward_roger)), rel=2e-3)


def same_bits(a: MmrmFits, b: MmrmFits) -> bool:
    names = ("coefficients", "covariance", "covariance_kenward_roger", "df", "log_likelihood", "codes", "structure")
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in names)


def packed(trials):
    return (
        np.concatenate([one[0] for one in trials]),
        np.concatenate([one[1] for one in trials]),
        np.concatenate([one[2] for one in trials]),
        np.concatenate([[0], np.cumsum(np.concatenate([one[3] for one in trials]))]),
        np.concatenate([[0], np.cumsum([len(one[3]) for one in trials])]),
    )


def test_a_batch_is_the_loop_over_its_trials_and_threads_change_nothing() -> None:
    trials = [trial(seed, n, lost=lost) for seed, n, lost in [(1, 30, 0.2), (2, 8, 0.4), (3, 60, 0.1), (4, 9, 0.5)]]
    whole = packed(trials)
    batch = fit_mmrm(*whole, n_visits=4, threads=1)
    assert same_bits(batch, fit_mmrm(*whole, n_visits=4, threads=3))
    assert len(set(batch.structure)) > 1  # some fell back
    for k, one in enumerate(trials):
        alone = fit(one)
        assert alone.coefficients[0].tobytes() == batch.coefficients[k].tobytes()
        assert alone.df[0].tobytes() == batch.df[k].tobytes()
        assert (alone.structure[0], alone.codes[0]) == (batch.structure[k], batch.codes[k])


@pytest.mark.parametrize("structure", STRUCTURES)
def test_units_order_labels_and_origins_change_nothing(structure: str) -> None:
    one = trial(11)
    y, x, visit, sizes, arm = one
    base = fit(one, covariance=Covariance(structure))
    effect = estimate_mmrm_contrast(base, np.eye(9)[1])
    # another unit of the outcome
    scaled = fit((1e4 * y, *one[1:]), covariance=Covariance(structure))
    assert scaled.coefficients[0] == pytest.approx(1e4 * base.coefficients[0], rel=1e-6)
    assert scaled.df == pytest.approx(base.df, rel=1e-6)
    # a covariate far from zero
    moved = x.copy()
    moved[:, 8] = 20.0 * moved[:, 8] + 2020.0
    far = fit((y, moved, *one[2:]), covariance=Covariance(structure))
    assert far.coefficients[0, 1:8] == pytest.approx(base.coefficients[0, 1:8], abs=1e-7)
    assert far.covariance_kenward_roger[0, 1, 1] == pytest.approx(base.covariance_kenward_roger[0, 1, 1], rel=1e-6)
    assert far.df[0, 1:8] == pytest.approx(base.df[0, 1:8], rel=1e-5)
    # participants in another order
    order = np.random.default_rng(1).permutation(len(sizes))
    ends = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in order])
    turned = fit((y[rows], x[rows], visit[rows], sizes[order], arm[order]), covariance=Covariance(structure))
    assert turned.coefficients[0] == pytest.approx(base.coefficients[0], abs=1e-7)
    assert turned.df[0] == pytest.approx(base.df[0], rel=1e-6)
    # the arms the other way round: the effect changes its sign and nothing else
    other = x.copy()
    other[:, 1] = 1.0 - x[:, 1]
    other[:, 5:8] = other[:, 1:2] * x[:, 2:5]
    swapped = estimate_mmrm_contrast(fit((y, other, *one[2:]), covariance=Covariance(structure)), np.eye(9)[1])
    assert swapped.estimate[0] == pytest.approx(-effect.estimate[0], abs=1e-7)
    assert swapped.standard_error[0] == pytest.approx(effect.standard_error[0], rel=1e-6)
    assert swapped.df[0] == pytest.approx(effect.df[0], rel=1e-5)


def test_a_planned_visit_that_nobody_came_to_changes_nothing_where_distances_do_not_count() -> None:
    one = trial(5)
    y, x, visit, sizes, arm = one
    base = fit(one)
    later = fit((y, x, np.where(visit > 1, visit + 1, visit), sizes, arm), t=5)
    assert later.coefficients.tobytes() == base.coefficients.tobytes()
    assert np.isnan(later.visit_covariance[0, 0, 2]).all()
    assert np.isfinite(later.visit_covariance[0, 0, 3, 4])


def test_a_level_that_repeats_another_costs_its_own_coefficient_alone() -> None:
    one = trial(5)
    y, x, *rest = one
    base = fit(one)
    fits = fit((y, np.column_stack([x, x[:, 8]]), *rest))
    assert FitCode(int(fits.codes[0])) == FitCode.NUISANCE_LEFT_OUT
    assert fits.coefficients[0, :8] == pytest.approx(base.coefficients[0, :8], abs=1e-9)
    assert np.isnan(fits.coefficients[0, 8:]).all()
    assert estimate_mmrm_contrast(fits, np.eye(10)[1]).df[0] == pytest.approx(base.df[0, 1], rel=1e-9)


def test_an_arm_never_seen_at_a_visit_leaves_that_effect_alone_without_an_answer() -> None:
    y, x, visit, sizes, arm = trial(5)
    owner = np.repeat(arm, sizes)
    seen = ~((visit == 3) & (owner == 1))
    who = np.repeat(np.arange(len(sizes)), sizes)[seen]
    left = np.bincount(who, minlength=len(sizes))
    fits = fit((y[seen], x[seen], visit[seen], left, arm))
    assert np.isnan(fits.coefficients[0, 7])
    assert np.isfinite(fits.coefficients[0, [0, 1, 2, 3, 4, 5, 6, 8]]).all()
    pooled = fit((y[seen], x[seen], visit[seen], left, arm), covariance=Covariance("unstructured", by_group=True))
    assert np.isfinite(pooled.coefficients[0, 1])
    assert not pooled.tried[pooled.structure[0]].by_group


@pytest.mark.parametrize("wrong", ["falls", "twice", "beyond", "short"])
def test_arrays_that_do_not_fit_are_refused(wrong: str) -> None:
    y, x, visit, sizes, arm = trial(5)
    bad = visit.copy()
    if wrong == "falls":
        bad[1], bad[0] = 0, 1
    elif wrong == "twice":
        bad[1] = bad[0]
    elif wrong == "beyond":
        bad[-1] = 9
    else:
        bad = bad[:-1]
    with pytest.raises(ValueError):
        fit((y, x, bad, sizes, arm))


def test_without_derivatives_contrasts_are_refused_and_coefficients_stand() -> None:
    one = trial(5)
    fits, whole = fit(one, jacobian=False), fit(one)
    assert fits.df.tobytes() == whole.df.tobytes()
    with pytest.raises(ValueError, match="jacobian"):
        estimate_mmrm_contrast(fits, np.eye(9)[1])
    assert replace(fits).covariance_jacobian.shape[1] == 0


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_small_trial_holds_there_is_an_answer_or_a_reason(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(150):
        t, n = int(rng.integers(1, 6)), int(rng.integers(1, 14))
        kind = int(rng.integers(0, 7))
        arm = (np.arange(n) % 2) * (kind > 0)  # or one arm alone
        y = rng.normal(size=(n, t)) + rng.normal(size=(n, 1)) * rng.choice([0.0, 1.0, 100.0])
        if kind == 1:
            y = np.round(y)  # ties, and people who never change
        elif kind == 2:
            y[:] = y[:, :1]
        elif kind == 3:
            y = 1e8 * y + 1e6
        elif kind == 4:
            y[:, -1] = y[:, 0]
        seen = rng.random((n, t)) < rng.choice([1.0, 0.8, 0.5])
        who, visit = np.nonzero(seen)
        late = [(visit == v).astype(float) for v in range(1, t)]
        x = np.column_stack([np.ones(who.size), arm[who], *late, *(arm[who] * one for one in late)])
        fits = fit(
            (y[seen], x, visit, seen.sum(axis=1), arm),
            t=t,
            covariance=Covariance(str(rng.choice(list(STRUCTURES))), bool(rng.random() < 0.4)),
        )
        code = FitCode(int(fits.codes[0]))
        assert np.isfinite(fits.coefficients[0, 1]) == (FitCode.NOT_ESTIMABLE not in code)
        if FitCode.NOT_ESTIMABLE in code:
            assert code & ~FitCode.NOT_ESTIMABLE
            continue
        told = np.isfinite(fits.coefficients[0])
        assert (fits.standard_errors("satterthwaite")[0, told] > 0.0).all()
        assert (fits.standard_errors("kenward-roger")[0, told] > 0.0).all()
        assert (fits.df[0, told] > 0.0).all()
        # Limits of the sandwich are absent where nobody's results differ from the model's; never an error of rounding.
        robust = fits.standard_errors("sandwich")[0, told]
        assert (np.isnan(robust) | (robust > 1e-5 * fits.standard_errors("satterthwaite")[0, told])).all()
