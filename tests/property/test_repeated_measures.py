"""What must hold of the mixed models whatever the data: generated trials, no outside program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from equipoise.stats.codes import FitCode
from equipoise.stats.linear_mixed import fit_linear_mixed
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope
from equipoise.stats.packing import canonical_order, offsets_from_sizes


def trials(seed: int, n_trials: int = 6):
    """Rows, participant offsets and trial offsets of trials of unequal size; some have a variance of zero."""
    rng = np.random.default_rng(seed)
    people = rng.integers(8, 80, n_trials)
    sizes = rng.integers(1, 14, people.sum())
    owner = np.repeat(np.repeat(np.arange(n_trials), people), sizes)
    week = np.concatenate([np.arange(k) for k in sizes]).astype(float)
    arm = np.repeat(rng.permutation(np.arange(people.sum()) % 2), sizes).astype(float)
    covariate = np.repeat(rng.normal(size=people.sum()), sizes)
    sd = rng.choice([0.0, 1.0, 2.5], n_trials)[owner]
    level = np.repeat(rng.normal(size=people.sum()), sizes) * sd
    p = expit(0.2 - 0.6 * arm + 0.05 * week + 0.4 * covariate + level)
    y = (rng.uniform(size=week.size) < p).astype(float)
    score = 3 + level - 0.2 * arm * week + rng.normal(size=week.size)
    x = np.column_stack([np.ones_like(week), arm, week, covariate])
    return y, score, x, offsets_from_sizes(sizes), offsets_from_sizes(people)


def same_bits(a, b) -> bool:
    fields = ("coefficients", "covariance", "log_likelihood", "sd_intercept", "codes", "condition")
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in fields)


def test_threads_and_chunks_change_nothing_bit_for_bit() -> None:
    y, score, x, participants, ends = trials(1, 40)
    assert same_bits(
        fit_logistic_mixed(y, x, participants, ends, threads=1), fit_logistic_mixed(y, x, participants, ends, threads=3)
    )
    week = x[:, 2].copy()
    assert same_bits(
        fit_linear_mixed(score, x, participants, ends, slope=week, threads=1),
        fit_linear_mixed(score, x, participants, ends, slope=week, threads=3),
    )


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_a_batch_is_the_loop_over_its_trials_bit_for_bit(seed: int) -> None:
    y, score, x, participants, ends = trials(seed)
    batch = fit_logistic_mixed(y, x, participants, ends)
    linear = fit_linear_mixed(score, x, participants, ends, slope=x[:, 2])
    for k in range(ends.size - 1):
        own = participants[ends[k] : ends[k + 1] + 1]
        part = slice(own[0], own[-1])
        one = fit_logistic_mixed(y[part], x[part], own - own[0], [0, own.size - 1])
        assert one.coefficients.tobytes() == batch.coefficients[k : k + 1].tobytes()
        assert one.joint_covariance.tobytes() == batch.joint_covariance[k : k + 1].tobytes()
        single = fit_linear_mixed(score[part], x[part], own - own[0], [0, own.size - 1], slope=x[part, 2])
        assert single.coefficients.tobytes() == linear.coefficients[k : k + 1].tobytes()
        assert single.df.tobytes() == linear.df[k : k + 1].tobytes()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_row_order_changes_nothing_bit_for_bit_after_the_canonical_sort(seed: int) -> None:
    y, score, x, participants, ends = trials(seed, 2)
    sizes = np.diff(participants)
    person = np.repeat(np.arange(sizes.size), sizes)
    shuffled = np.random.default_rng(seed + 1).permutation(y.size)
    rows = participants[ends]
    owner = np.repeat(np.arange(2), np.diff(rows))
    shuffled = shuffled[np.argsort(owner[shuffled], kind="stable")]
    order = shuffled[canonical_order(rows, person[shuffled], x[shuffled, 2])]
    assert same_bits(
        fit_logistic_mixed(y, x, participants, ends), fit_logistic_mixed(y[order], x[order], participants, ends)
    )
    assert same_bits(
        fit_linear_mixed(score, x, participants, ends), fit_linear_mixed(score[order], x[order], participants, ends)
    )


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_relabelling_the_arms_turns_the_sign_of_the_effect_and_nothing_else(seed: int) -> None:
    y, score, x, participants, ends = trials(seed)
    other = x.copy()
    other[:, 1] = 1 - other[:, 1]
    for a, b in (
        (fit_logistic_mixed(y, x, participants, ends), fit_logistic_mixed(y, other, participants, ends)),
        (fit_linear_mixed(score, x, participants, ends), fit_linear_mixed(score, other, participants, ends)),
    ):
        assert a.codes.tolist() == b.codes.tolist()
        good = (a.codes & FitCode.NOT_ESTIMABLE) == 0
        # Newton stops within 3e-5 of a standard error of the maximum, from either side.
        gap = np.abs(a.coefficients[good, 1] + b.coefficients[good, 1]) / a.standard_errors[good, 1]
        assert gap.max(initial=0.0) < 1e-4
        assert a.log_likelihood[good] == pytest.approx(b.log_likelihood[good], abs=1e-7)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_shifting_time_moves_the_intercept_alone(seed: int) -> None:
    y, score, x, participants, ends = trials(seed)
    later = x.copy()
    later[:, 2] += 5.0
    for a, b in (
        (fit_logistic_mixed(y, x, participants, ends), fit_logistic_mixed(y, later, participants, ends)),
        (fit_linear_mixed(score, x, participants, ends), fit_linear_mixed(score, later, participants, ends)),
    ):
        good = (a.codes & FitCode.NOT_ESTIMABLE) == 0
        gap = np.abs(a.coefficients - b.coefficients)[good, 1:] / a.standard_errors[good, 1:]
        assert gap.max(initial=0.0) < 1e-4


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_a_variance_of_zero_gives_exactly_the_pooled_logistic_fit(seed: int) -> None:
    y, _, x, participants, ends = trials(seed, 12)
    fits = fit_logistic_mixed(y, x, participants, ends)
    pooled = fit_logistic(y, x, offsets=participants[ends])
    on_boundary = (fits.codes & FitCode.BOUNDARY_VARIANCE) != 0
    assert (fits.sd_intercept[on_boundary] == 0.0).all()
    # Two programs for one maximum, both converged to the last digits.
    assert fits.coefficients[on_boundary] == pytest.approx(pooled.coefficients[on_boundary], abs=1e-9)
    assert fits.covariance[on_boundary] == pytest.approx(pooled.covariance[on_boundary], abs=1e-9)
    good = (fits.codes & FitCode.NOT_ESTIMABLE) == 0
    assert (fits.log_likelihood[good] >= pooled.log_lik[good] - 1e-9).all()


def test_a_trial_of_several_blocks_of_lanes_agrees_with_the_sum_of_participants_in_any_order() -> None:
    # 300 participants are five blocks; reversing them changes every block and only the rounding of the sums.
    rng = np.random.default_rng(5)
    sizes = rng.integers(2, 10, 300)
    week = np.concatenate([np.arange(k) for k in sizes]).astype(float)
    level = np.repeat(rng.normal(0, 1.5, 300), sizes)
    arm = np.repeat(np.arange(300) % 2, sizes).astype(float)
    y = (rng.uniform(size=week.size) < expit(level - 0.5 * arm)).astype(float)
    x = np.column_stack([np.ones_like(week), arm, week, arm * week])
    offsets = offsets_from_sizes(sizes)
    backwards = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in range(299, -1, -1)])
    a = fit_logistic_mixed(y, x, offsets, [0, 300])
    b = fit_logistic_mixed(y[backwards], x[backwards], offsets_from_sizes(sizes[::-1]), [0, 300])
    assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-9)
    assert a.coefficients == pytest.approx(b.coefficients, abs=1e-8)
    # One participant more at a time cannot raise the likelihood: blocks are counted once each.
    half = fit_logistic_mixed(y[: offsets[64]], x[: offsets[64]], offsets[:65], [0, 64])
    assert half.log_likelihood[0] > a.log_likelihood[0]


def test_read_only_arrays_as_frames_give_them_are_taken() -> None:
    y, score, x, participants, ends = trials(3)
    week = x[:, 2].copy()
    read_only = [array.copy() for array in (y, score, x, participants, ends, week)]
    for array in read_only:
        array.setflags(write=False)
    y_, score_, x_, participants_, ends_, week_ = read_only
    assert same_bits(fit_logistic_mixed(y, x, participants, ends), fit_logistic_mixed(y_, x_, participants_, ends_))
    assert same_bits(
        fit_linear_mixed(score, x, participants, ends, slope=week),
        fit_linear_mixed(score_, x_, participants_, ends_, slope=week_),
    )
    assert same_bits(
        fit_logistic_mixed_slope(y, x, participants, ends, slope=week),
        fit_logistic_mixed_slope(y_, x_, participants_, ends_, slope=week_),
    )
