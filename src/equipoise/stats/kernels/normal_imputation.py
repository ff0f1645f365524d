"""Data augmentation for repeated scores: one regression a visit on the visits before it, then what is missing.

Products of design and scores are summed once for participants whose scores do not change from sweep to sweep. What is
missing is drawn from the regressions themselves: their residuals, weighted by their precisions, are the exponent of the
joint density, so no covariance has to be inverted; what follows the last score seen comes from them in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import (
    Blocks,
    Cube,
    FlagMatrix,
    IntegerMatrix,
    Integers,
    Matrix,
    Vector,
    kernel,
    part,
)
from equipoise.stats.kernels.philox import DrawKeys, normal_quantile, uniform_at
from equipoise.stats.kernels.vector_math import exponential

MAX_VISITS = 4096
PURPOSE_REGRESSION = 1011
PURPOSE_SPREAD = 1012
PURPOSE_SCORE = 1013
# With fewer degrees of freedom than this a visit's regression is held by a ridge of one in a thousand of the spread.
FEW = 3
_RIDGE = 1e-3
_POOR = 1e-9
_TINY = 1e-200
# Tables of chi-square quantiles reach from this many standard deviations below the middle to as many above.
REACH = 8.4


class ScoredTrials(NamedTuple):
    """Packed trials whose scores are imputed."""

    y: Matrix  # (n, V) NaN where missing
    z: Matrix  # (n, q)
    offsets: Integers
    delta: Vector  # (n,) added to imputed scores at the end
    kind: IntegerMatrix  # (trials, V) the row of ``quantiles`` with the distribution of each residual variance
    quantiles: Matrix


class ScoredPlan(NamedTuple):
    """How the sets are made."""

    n_sets: int
    first: int  # number of the first set, for its random numbers
    seed: np.uint64
    replicates: Integers  # (trials,)
    n_sweeps: Integers  # (trials,)
    mix: Cube
    """(V + 1, V, 2 V) weights of own means and reference means by the last visit seen (-1 first), eq. (RB-1) to (RB-4);
    no entries where all is at random."""
    arm: int  # the column of the design that is not 0 for those whom ``mix`` is for


class ScoredSets(NamedTuple):
    """Outputs; those beside the scores are of the last sweep."""

    scores: Cube  # (n_sets, n, V)
    means: Blocks  # (trials, n_sets, q, V)
    covariance: Blocks  # (trials, n_sets, V, V)
    held: IntegerMatrix  # (trials, n_sets) whether a ridge held a regression


class ScoredPeople(NamedTuple):
    """The participants of one trial, and until when each was seen."""

    z: Matrix  # (n, q)
    missing: FlagMatrix  # (n, V)
    last: Integers  # (n,) the last visit seen, or -1
    first_gap: Integers  # (n,) the first visit missed that was followed by one seen, or the number of visits
    n_rows: Integers  # (V,) how many were last seen at each visit or later


class Sums(NamedTuple):
    """Products of design and scores."""

    fixed: Cube  # (V, w, w) of participants without gaps, by the visit last seen
    run: Matrix  # of the others, from the last visit back
    gram: Matrix
    row: Vector


class DrawnRegressions(NamedTuple):
    """One regression a visit, drawn, and what follows from them."""

    beta: Matrix  # (V, q + V)
    variance: Vector
    means: Matrix  # (q, V)


class Gap(NamedTuple):
    """Scratch of :func:`draw_scores`: one participant's levels, and what is missing between scores seen."""

    level: Vector
    centre: Vector
    precision: Matrix
    side: Matrix
    lost: Integers


@part("int64(float64[:, ::1], int64, boolean, float64[:, ::1], float64[::1])")
def regress(gram, p, is_held, factor, right):  # type: ignore[no-untyped-def]
    """Regression of column ``p`` on those before it, from their products; returns 1 if a ridge holds it, else 0.

    ``factor`` gets the Cholesky factor, ``right[:p]`` the coefficients times its transpose and ``right[p]`` the
    residual sum of squares. A pivot is poor, and the ridge large, against the column's own length.
    """
    held = is_held
    while True:
        is_poor = False
        for a in range(p):
            length = max(gram[a, a], 1e-12)
            for b in range(a):
                s = gram[a, b]
                for k in range(b):
                    s -= factor[a, k] * factor[b, k]
                factor[a, b] = s / factor[b, b]
            s = gram[a, a] + (_RIDGE * length if held else 0.0)
            for k in range(a):
                s -= factor[a, k] * factor[a, k]
            is_poor = is_poor or not s >= _POOR * length
            factor[a, a] = np.sqrt(max(s, 1e-3 * _POOR * length))
        if held or not is_poor:
            break
        held = True
    total = gram[p, p]
    for a in range(p):
        s = gram[p, a]
        for k in range(a):
            s -= factor[a, k] * right[k]
        right[a] = s / factor[a, a]
        total -= right[a] * right[a]
    if held:
        # Under a ridge what the factor explains is not what the coefficients do; ``factor``'s row p is free for them.
        total = gram[p, p]
        for back in range(p):
            a = p - 1 - back
            s = right[a]
            for k in range(a + 1, p):
                s -= factor[k, a] * factor[p, k]
            factor[p, a] = s / factor[a, a]
        for a in range(p):
            s = -2.0 * gram[p, a]
            for b in range(p):
                s += (gram[a, b] if b <= a else gram[b, a]) * factor[p, b]
            total += factor[p, a] * s
    right[p] = max(total, 0.0)
    return 1 if held else 0


@part("int64(ScoredPeople, float64[:, ::1], boolean, Sums, float64[:, :, ::1], float64[:, ::1])", ScoredPeople, Sums)
def fit_visits(people, state, is_new, sums, factor, right):  # type: ignore[no-untyped-def]
    """Regress each visit on design and earlier visits, over those last seen then or later; returns whether any is held.

    The products of participants without gaps are made where ``is_new``.
    """
    z, _, last, first_gap, n_rows = people
    fixed, run, gram, row = sums
    n, q, n_visits = z.shape[0], z.shape[1], state.shape[1]
    w = q + n_visits
    held = 0
    for a in range(w):
        for b in range(a + 1):
            run[a, b] = 0.0
    for back in range(n_visits):
        v = n_visits - 1 - back
        if is_new:
            for a in range(w):
                for b in range(a + 1):
                    fixed[v, a, b] = fixed[v + 1, a, b] if back > 0 else 0.0
        p = q + v
        for i in range(n):
            if last[i] != v or not (is_new or first_gap[i] < n_visits):
                continue
            for a in range(q):
                row[a] = z[i, a]
            for a in range(v + 1):
                row[q + a] = state[i, a]
            if first_gap[i] < n_visits:
                for a in range(p + 1):
                    for b in range(a + 1):
                        run[a, b] += row[a] * row[b]
            else:
                for a in range(p + 1):
                    for b in range(a + 1):
                        fixed[v, a, b] += row[a] * row[b]
        for a in range(p + 1):
            for b in range(a + 1):
                gram[a, b] = run[a, b] + fixed[v, a, b]
        held |= regress(gram, p, n_rows[v] - p < FEW, factor[v], right[v])
    return held


@part(
    "void(float64[:, :, ::1], float64[:, ::1], float64[:, ::1], int64[::1], DrawKeys, DrawnRegressions)",
    DrawKeys,
    DrawnRegressions,
)
def draw_regressions(factor, right, quantiles, kind, stream, drawn):  # type: ignore[no-untyped-def]
    """Draw residual variance and coefficients of each visit's regression, eq. (MI-7).

    ``quantiles`` (kinds, 1 + terms): how many terms there are, then the Chebyshev series of the logarithm of a
    chi-square quantile along the normal quantile of the same probability.
    """
    seed, replicate, imputation, sweep = stream
    beta, variance = drawn.beta, drawn.variance
    q = beta.shape[1] - beta.shape[0]
    word = np.uint64(PURPOSE_REGRESSION << 16) | sweep
    spread = np.uint64(PURPOSE_SPREAD << 16) | sweep
    total = 0.0
    for v in range(beta.shape[0]):
        p = q + v
        address = imputation * np.uint64(MAX_VISITS) + np.uint64(v)
        at = normal_quantile(uniform_at(seed, replicate, np.uint64(0), address, spread)) / REACH
        row = kind[v]
        above, here = 0.0, 0.0
        for back in range(int(quantiles[row, 0]) - 1):
            above, here = here, 2.0 * at * here - above + quantiles[row, int(quantiles[row, 0]) - back]
        variance[v] = right[v, p] / exponential(at * here - above + quantiles[row, 1])
        sd = np.sqrt(variance[v])
        total += variance[v]
        for back in range(p):
            a = p - 1 - back
            s = right[v, a] + sd * normal_quantile(uniform_at(seed, replicate, np.uint64(a), address, word))
            for k in range(a + 1, p):
                s -= factor[v, k, a] * beta[v, k]
            beta[v, a] = s / factor[v, a, a]
    # Scores that do not vary, or repeat an earlier visit's, leave a regression without a residual; a lift too small to
    # be seen elsewhere lets them be drawn too.
    for v in range(beta.shape[0]):
        variance[v] += 1e-12 * total + _TINY


@part("void(DrawnRegressions, float64[:, ::1], float64[:, ::1])", DrawnRegressions)
def summarise(drawn, root, covariance):  # type: ignore[no-untyped-def]
    """From one regression a visit to means and covariance of them all, eq. (MI-8); ``root`` holds its diagonal."""
    beta, means = drawn.beta, drawn.means
    q, n_visits = means.shape
    for v in range(n_visits):
        for j in range(q):
            s = beta[v, j]
            for u in range(v):
                s += beta[v, q + u] * means[j, u]
            means[j, v] = s
        for w in range(v):
            s = 0.0
            for u in range(w, v):
                s += beta[v, q + u] * root[u, w]
            root[v, w] = s
        for u in range(v + 1):
            s = 0.0
            for w in range(u + 1):
                s += root[v, w] * root[u, w]
            covariance[v, u] = s
            covariance[u, v] = s


@part(
    "void(ScoredPeople, float64[:, ::1], boolean, DrawnRegressions, ScoredPlan, DrawKeys, Gap)",
    ScoredPeople,
    DrawnRegressions,
    ScoredPlan,
    DrawKeys,
    Gap,
)
def draw_scores(people, state, final, drawn, plan, stream, gap):  # type: ignore[no-untyped-def]
    """Draw what every participant missed between scores seen, and at the end what follows the last, eq. (MI-9).

    One loop without calls that take arrays: passing an array costs as much as several of its cells.
    """
    z, missing, last, first_gap, _ = people
    beta, variance, means = drawn
    mix, arm = plan.mix, plan.arm
    seed, replicate, imputation, sweep = stream
    level, centre, precision, side, lost = gap
    word = np.uint64(PURPOSE_SCORE << 16) | sweep
    n_visits, q = state.shape[1], z.shape[1]
    for i in range(z.shape[0]):
        begin, stop = min(first_gap[i], last[i] + 1), n_visits if final else last[i] + 1
        if begin >= (n_visits if final else last[i]):
            continue
        # The constant of each visit's regression: at random, or as the rule has it.
        for v in range(begin, stop):
            s = 0.0
            for j in range(q):
                s += z[i, j] * beta[v, j]
            level[v] = s
        if final and mix.shape[0] > 0 and z[i, arm] != 0.0:
            for v in range(n_visits):
                s = 0.0
                for u in range(n_visits):
                    own = 0.0
                    for j in range(q):
                        own += z[i, j] * means[j, u]
                    reference = own - z[i, arm] * means[arm, u]
                    s += mix[last[i] + 1, v, u] * own + mix[last[i] + 1, v, n_visits + u] * reference
                centre[v] = s
            for v in range(n_visits):
                s = centre[v]
                for u in range(v):
                    s -= beta[v, q + u] * centre[u]
                level[v] = s
        # Gaps given all scores seen: residuals of the regressions, weighted by their precisions, are the exponent.
        k = 0
        for v in range(begin, last[i]):
            if missing[i, v]:
                state[i, v] = 0.0
                lost[k] = v
                side[0, k] = 0.0
                for a in range(k + 1):
                    precision[k, a] = 0.0
                k += 1
        for v in range(begin, last[i] + 1 if k > 0 else begin):
            residual = state[i, v] - level[v]
            for u in range(v):
                residual -= beta[v, q + u] * state[i, u]
            weight = 1.0 / variance[v]
            for a in range(k):
                if lost[a] > v:
                    break
                slope = 1.0 if lost[a] == v else -beta[v, q + lost[a]]
                side[1, a] = slope
                side[0, a] -= slope * residual * weight
                for b in range(a + 1):
                    precision[a, b] += slope * side[1, b] * weight
        # precision = U U' with U upper triangular (kept in the lower triangle, transposed): then U^-T is the Cholesky
        # factor of the conditional covariance, and the draw is U^-T (U^-1 side + normal).
        for back in range(k):
            a = k - 1 - back
            for b in range(a + 1, k):
                precision[a, a] -= precision[b, a] * precision[b, a]
            precision[a, a] = np.sqrt(max(precision[a, a], 1e-290))
            for c in range(a):
                s = precision[a, c]
                for b in range(a + 1, k):
                    s -= precision[b, a] * precision[b, c]
                precision[a, c] = s / precision[a, a]
            s = side[0, a]
            for b in range(a + 1, k):
                s -= precision[b, a] * side[1, b]
            side[1, a] = s / precision[a, a]
        for a in range(k):
            address = imputation * np.uint64(MAX_VISITS) + np.uint64(lost[a])
            s = side[1, a] + normal_quantile(uniform_at(seed, replicate, np.uint64(i), address, word))
            for b in range(a):
                s -= precision[a, b] * state[i, lost[b]]
            state[i, lost[a]] = s / precision[a, a]
        # What follows the last score seen, in order.
        for v in range(last[i] + 1, stop):
            s = level[v]
            for u in range(v):
                s += beta[v, q + u] * state[i, u]
            address = imputation * np.uint64(MAX_VISITS) + np.uint64(v)
            noise = normal_quantile(uniform_at(seed, replicate, np.uint64(i), address, word))
            state[i, v] = s + np.sqrt(variance[v]) * noise


@part("void(float64[:, ::1], ScoredPeople, float64[:, ::1])", ScoredPeople)
def look_over(y, people, filled):  # type: ignore[no-untyped-def]
    """A start for the chain: the score before a gap, else the first after it. Notes who was seen until when."""
    _, missing, last, first_gap, n_rows = people
    n_visits = y.shape[1]
    for v in range(n_visits):
        n_rows[v] = 0
    for i in range(y.shape[0]):
        last[i], first_gap[i] = -1, n_visits
        known = 0.0
        for back in range(n_visits):
            v = n_visits - 1 - back
            missing[i, v] = np.isnan(y[i, v])
            if not missing[i, v]:
                known = y[i, v]
                if last[i] < 0:
                    last[i] = v
        for v in range(n_visits):
            if not missing[i, v]:
                known = y[i, v]
            elif v < last[i] and first_gap[i] == n_visits:
                first_gap[i] = v
            filled[i, v] = known
            if v <= last[i]:
                n_rows[v] += 1


@kernel("void(ScoredTrials, ScoredPlan, ScoredSets, int64, int64)", ScoredTrials, ScoredPlan, ScoredSets)
def impute_range(trials, plan, sets, begin, end):  # type: ignore[no-untyped-def]
    """Impute data sets ``begin:end``, counted through all trials: set ``m`` of trial ``t`` is ``t * n_sets + m``."""
    all_y, all_z, offsets, delta, kind, quantiles = trials
    n_sets, first, seed, replicates, n_sweeps = plan.n_sets, plan.first, plan.seed, plan.replicates, plan.n_sweeps
    out, out_means, out_covariance, out_held = sets
    n_visits, q = all_y.shape[1], all_z.shape[1]
    w = q + n_visits
    largest = 1
    for t in range(begin // n_sets, (end - 1) // n_sets + 1):
        largest = max(largest, offsets[t + 1] - offsets[t])
    filled, state = np.empty((largest, n_visits)), np.empty((largest, n_visits))
    missing = np.empty((largest, n_visits), np.bool_)
    last, first_gap, n_rows = np.empty(largest, np.int64), np.empty(largest, np.int64), np.empty(n_visits, np.int64)
    fixed, run, gram, row = np.empty((n_visits, w, w)), np.empty((w, w)), np.empty((w, w)), np.empty(w)
    first_factor, factor = np.empty((n_visits, w, w)), np.empty((n_visits, w, w))
    first_right, right = np.empty((n_visits, w)), np.empty((n_visits, w))
    beta, root = np.empty((n_visits, w)), np.empty((n_visits, n_visits))
    variance, level, centre = np.empty(n_visits), np.empty(n_visits), np.empty(n_visits)
    precision, side, lost = np.empty((n_visits, n_visits)), np.empty((2, n_visits)), np.empty(n_visits, np.int64)
    sums, gap = Sums(fixed, run, gram, row), Gap(level, centre, precision, side, lost)
    trial, first_held, held = -1, 0, 0
    for unit in range(begin, end):
        m = unit % n_sets
        start, n = offsets[unit // n_sets], offsets[unit // n_sets + 1] - offsets[unit // n_sets]
        if n == 0:
            continue
        people = ScoredPeople(all_z[start : start + n], missing, last, first_gap, n_rows)
        if unit // n_sets != trial:
            # What every data set of a trial begins with: its scores, gaps filled, and the regressions on them.
            trial = unit // n_sets
            look_over(all_y[start : start + n], people, filled)
            first_held = fit_visits(people, filled, True, sums, first_factor, first_right)
        replicate, imputation = np.uint64(replicates[trial]), np.uint64(first + m)
        drawn = DrawnRegressions(beta, variance, out_means[trial, m])
        for i in range(n):
            for v in range(n_visits):
                state[i, v] = filled[i, v]
        for sweep in range(n_sweeps[trial]):
            final = sweep == n_sweeps[trial] - 1
            held = first_held
            if sweep > 0:
                held = fit_visits(people, state, False, sums, factor, right)
            stream = DrawKeys(seed, replicate, imputation, np.uint64(sweep))
            draw_regressions(
                first_factor if sweep == 0 else factor,
                first_right if sweep == 0 else right,
                quantiles,
                kind[trial],
                stream,
                drawn,
            )
            if final:
                for v in range(n_visits):
                    root[v, v] = np.sqrt(variance[v])
                summarise(drawn, root, out_covariance[trial, m])
            draw_scores(people, state, final, drawn, plan, stream, gap)
        for i in range(n):
            for v in range(n_visits):
                out[m, start + i, v] = state[i, v] + (delta[start + i] if missing[i, v] else 0.0)
        out_held[trial, m] = held
