"""Data augmentation for a latent normal variable behind each yes-or-no result: coefficients given it, it given them.

Every regression has a residual variance of 1, which settles the scale that yes-or-no results leave open. So all that is
drawn has a distribution in closed form: coefficients are normal, and the latent variables normal or the half of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Cube, Integers, LetterCube, Letters, Matrix, Vector, kernel, part
from equipoise.stats.kernels.philox import DrawKeys, normal_quantile, uniform_at
from equipoise.stats.kernels.vector_math import exponential

# A cell of ``cells``: 0 or 1 seen, MISSING to be imputed, NOT_DUE never.
NOT_DUE = -2
MAX_VISITS = 4096
PURPOSE_COEFFICIENT, PURPOSE_LATENT, PURPOSE_IMPUTED, PURPOSE_COPIED = 1031, 1032, 1033, 1034
# Passes that move the latent variables of what was seen to other means, and where their number stands in an address.
_PASSES, _PASS = 10, 20
# A sweep's number has sixteen bits of an address; what exceeds them stands above the participant's.
_BITS, _ABOVE = 16, 24
_ROOT_HALF = 0.7071067811865476
_TINY = 1e-300


class LatentTrials(NamedTuple):
    """Packed trials whose results are imputed."""

    cells: Letters  # (n, V)
    z: Matrix  # (n, q)
    offsets: Integers
    delta: Vector  # (n,) added to the log odds of imputed cells
    precision: Matrix  # (trials, q) of the prior of each column's coefficients


class LatentPlan(NamedTuple):
    """How the sets are made: after ``burn`` sweeps one is taken in every ``thin``."""

    n_sets: int
    burn: int
    thin: int
    first: int  # number of the first set, for its random numbers
    seed: np.uint64
    replicates: Integers  # (trials,)
    history_precision: float  # of the prior of the coefficients on earlier visits
    mix: Cube
    """(V + 1, V, 2 V) weights of own means and reference means by the last visit seen (-1 first); no entries where all
    is at random."""
    arm: int  # the column of the design that is not 0 for those whom ``mix`` is for
    moves_seen: bool  # the rule's means differ where results were seen too: what lies behind these is drawn anew


class LatentSets(NamedTuple):
    """Outputs."""

    cells: LetterCube  # (n_sets, n, V)
    beta: Cube  # (n_sets, trials, V (q + V)) the coefficients that each set was drawn with


class LatentPeople(NamedTuple):
    """The participants of one trial."""

    cells: Letters  # (n, V)
    z: Matrix  # (n, q)
    delta: Vector  # (n,)


class SetRoom(NamedTuple):
    """Scratch of :func:`take_set`."""

    means: Matrix  # (q, V)
    whole: Vector  # (V,) one participant's latent variables


class LatentChain(NamedTuple):
    """Where the chain of one trial stands."""

    latent: Matrix  # (n, V) up to the last visit seen
    last: Integers  # (n,) the last visit seen, or -1
    beta: Matrix  # (V, q + V) one regression a visit, on the design and the visits before it
    factor: Matrix
    right: Vector
    level: Vector
    row: Vector


@part("float64(float64)")
def normal_share(x):  # type: ignore[no-untyped-def]
    """The standard normal distribution function, right to its last digits far out too."""
    return max(0.5 * math.erfc(-x * _ROOT_HALF), _TINY)


@part("void(float64[:, ::1], LatentChain, float64[::1], float64, DrawKeys)", LatentChain, DrawKeys)
def draw_coefficients(z, chain, precision, history_precision, stream):  # type: ignore[no-untyped-def]
    """Draw each visit's coefficients given the latent variables, eq. (LP-3); rows end at the last visit seen."""
    latent, last, beta, factor, right, _, row = chain
    seed, replicate, imputation, sweep = stream
    word = np.uint64(PURPOSE_COEFFICIENT << _BITS) | (sweep & np.uint64(0xFFFF))
    above = (sweep >> np.uint64(_BITS)) << np.uint64(_ABOVE)
    n, q = z.shape
    for v in range(latent.shape[1]):
        p = q + v
        for a in range(p):
            right[a] = 0.0
            for b in range(a):
                factor[a, b] = 0.0
            factor[a, a] = precision[a] if a < q else history_precision
        for i in range(n):
            if last[i] < v:
                continue
            for a in range(q):
                row[a] = z[i, a]
            for u in range(v):
                row[q + u] = latent[i, u]
            target = latent[i, v]
            for a in range(p):
                right[a] += row[a] * target
                for b in range(a + 1):
                    factor[a, b] += row[a] * row[b]
        for a in range(p):
            for b in range(a + 1):
                s = factor[a, b]
                for k in range(b):
                    s -= factor[a, k] * factor[b, k]
                factor[a, b] = s / factor[b, b] if b < a else np.sqrt(max(s, 1e-12))
        for a in range(p):
            s = right[a]
            for k in range(a):
                s -= factor[a, k] * right[k]
            right[a] = s / factor[a, a]
        address = imputation * np.uint64(MAX_VISITS) + np.uint64(v)
        for back in range(p):
            a = p - 1 - back
            s = right[a] + normal_quantile(uniform_at(seed, replicate, np.uint64(a) + above, address, word))
            for k in range(a + 1, p):
                s -= factor[k, a] * beta[v, k]
            beta[v, a] = s / factor[a, a]


@part("void(int8[:, ::1], float64[:, ::1], LatentChain, DrawKeys)", LatentChain, DrawKeys)
def draw_latent(cells, z, chain, stream):  # type: ignore[no-untyped-def]
    """Draw the latent variables up to the last visit seen, one by one given the others, eq. (LP-4)."""
    latent, last, beta, _, _, level, _ = chain
    seed, replicate, imputation, sweep = stream
    word = np.uint64(PURPOSE_LATENT << _BITS) | (sweep & np.uint64(0xFFFF))
    above = (sweep >> np.uint64(_BITS)) << np.uint64(_ABOVE)
    q = z.shape[1]
    for i in range(cells.shape[0]):
        stop = last[i] + 1
        for v in range(stop):
            s = latent[i, v]
            for j in range(q):
                s -= z[i, j] * beta[v, j]
            for u in range(v):
                s -= beta[v, q + u] * latent[i, u]
            level[v] = s  # the residual of visit v
        for v in range(stop):
            pull, weight = level[v], 1.0
            for u in range(v + 1, stop):
                pull -= beta[u, q + v] * level[u]
                weight += beta[u, q + v] * beta[u, q + v]
            sd = 1.0 / np.sqrt(weight)
            centre = latent[i, v] - pull / weight
            address = imputation * np.uint64(MAX_VISITS) + np.uint64(v)
            u01 = uniform_at(seed, replicate, np.uint64(i) + above, address, word)
            if cells[i, v] == 1:
                new = centre - sd * normal_quantile(u01 * normal_share(centre / sd))
            elif cells[i, v] == 0:
                new = centre + sd * normal_quantile(u01 * normal_share(-centre / sd))
            else:
                new = centre + sd * normal_quantile(u01)
            moved = new - latent[i, v]
            latent[i, v] = new
            level[v] += moved
            for u in range(v + 1, stop):
                level[u] -= beta[u, q + v] * moved


@part("float64(float64, float64, float64)")
def shifted_draw(eta, odds_ratio, u01):  # type: ignore[no-untyped-def]
    """A latent variable around ``eta`` with variance 1, the odds of its being above 0 multiplied by ``odds_ratio``."""
    yes, no = normal_share(eta), normal_share(-eta)
    share = yes * odds_ratio / (no + yes * odds_ratio)
    if u01 < share:
        return eta - normal_quantile(max(u01 / share, _TINY) * yes)
    return eta + normal_quantile(max((1.0 - u01) / (1.0 - share), _TINY) * no)


@part("void(int8[::1], int64, int64, int64, LatentChain, DrawKeys, float64[::1])", LatentChain, DrawKeys)
def move_seen(results, i, stop, q, chain, stream, whole):  # type: ignore[no-untyped-def]
    """Draw one participant's latent variables up to ``stop`` again around ``level``, each of its result's sign."""
    beta, level, residual = chain.beta, chain.level, chain.right
    seed, replicate, imputation, sweep = stream
    word = np.uint64(PURPOSE_COPIED << _BITS) | (sweep & np.uint64(0xFFFF))
    above = (sweep >> np.uint64(_BITS)) << np.uint64(_ABOVE)
    for v in range(stop):
        residual[v] = whole[v] - level[v]
        for u in range(v):
            residual[v] -= beta[v, q + u] * whole[u]
    for number in range(_PASSES):
        for v in range(stop):
            pull, weight = residual[v], 1.0
            for u in range(v + 1, stop):
                pull -= beta[u, q + v] * residual[u]
                weight += beta[u, q + v] * beta[u, q + v]
            sd = 1.0 / np.sqrt(weight)
            centre = whole[v] - pull / weight
            who = np.uint64(i) + np.uint64(number << _PASS) + above
            u01 = uniform_at(seed, replicate, who, imputation * np.uint64(MAX_VISITS) + np.uint64(v), word)
            if results[v] == 1:
                new = centre - sd * normal_quantile(u01 * normal_share(centre / sd))
            elif results[v] == 0:
                new = centre + sd * normal_quantile(u01 * normal_share(-centre / sd))
            else:
                new = centre + sd * normal_quantile(u01)
            moved = new - whole[v]
            whole[v] = new
            residual[v] += moved
            for u in range(v + 1, stop):
                residual[u] -= beta[u, q + v] * moved


@part(
    "void(LatentPeople, LatentChain, LatentPlan, DrawKeys, SetRoom, int8[:, ::1])",
    LatentPeople,
    LatentChain,
    LatentPlan,
    DrawKeys,
    SetRoom,
)
def take_set(people, chain, plan, stream, room, out):  # type: ignore[no-untyped-def]
    """One completed data set from where the chain stands; the chain itself is left as it is.

    Gaps are drawn once more with the shift, what follows the last result seen in order around the means that the rule
    gives, eq. (LP-5).
    """
    cells, z, delta = people
    latent, last, beta, _, _, level, _ = chain
    means, whole = room
    mix, arm = plan.mix, plan.arm
    seed, replicate, imputation, sweep = stream
    word = np.uint64(PURPOSE_IMPUTED << _BITS) | (sweep & np.uint64(0xFFFF))
    above = (sweep >> np.uint64(_BITS)) << np.uint64(_ABOVE)
    n, n_visits, q = cells.shape[0], cells.shape[1], z.shape[1]
    for v in range(n_visits):
        for j in range(q):
            s = beta[v, j]
            for u in range(v):
                s += beta[v, q + u] * means[j, u]
            means[j, v] = s
    for i in range(n):
        shift = exponential(delta[i])
        for v in range(n_visits):
            s = 0.0
            for j in range(q):
                s += z[i, j] * beta[v, j]
            level[v] = s
        for v in range(last[i] + 1):
            whole[v] = latent[i, v]
        for v in range(last[i] + 1):
            if cells[i, v] >= 0:
                out[i, v] = cells[i, v]
                continue
            pull, weight = 0.0, 0.0
            for u in range(v, last[i] + 1):
                residual = whole[u] - level[u]
                for k in range(u):
                    residual -= beta[u, q + k] * whole[k]
                slope = 1.0 if u == v else -beta[u, q + v]
                pull += slope * residual
                weight += slope * slope
            root = np.sqrt(weight)
            address = imputation * np.uint64(MAX_VISITS) + np.uint64(v)
            u01 = uniform_at(seed, replicate, np.uint64(i) + above, address, word)
            due = cells[i, v] != NOT_DUE
            whole[v] = shifted_draw((whole[v] - pull / weight) * root, shift if due else 1.0, u01) / root
            out[i, v] = NOT_DUE if not due else (1 if whole[v] > 0.0 else 0)
        if mix.shape[0] > 0 and z[i, arm] != 0.0:
            # The constants that give the means of the rule, the regressions on earlier visits as they are.
            for v in range(n_visits):
                s = 0.0
                for u in range(n_visits):
                    own = 0.0
                    for j in range(q):
                        own += z[i, j] * means[j, u]
                    reference = own - z[i, arm] * means[arm, u]
                    s += mix[last[i] + 1, v, u] * own + mix[last[i] + 1, v, n_visits + u] * reference
                chain.row[v] = s
            for v in range(n_visits):
                s = chain.row[v]
                for u in range(v):
                    s -= beta[v, q + u] * chain.row[u]
                level[v] = s
            if plan.moves_seen:
                move_seen(out[i], i, last[i] + 1, q, chain, stream, whole)
        for v in range(last[i] + 1, n_visits):
            eta = level[v]
            for u in range(v):
                eta += beta[v, q + u] * whole[u]
            address = imputation * np.uint64(MAX_VISITS) + np.uint64(v)
            u01 = uniform_at(seed, replicate, np.uint64(i) + above, address, word)
            due = cells[i, v] != NOT_DUE
            whole[v] = shifted_draw(eta, shift if due else 1.0, u01)
            out[i, v] = NOT_DUE if not due else (1 if whole[v] > 0.0 else 0)


@kernel("void(LatentTrials, LatentPlan, LatentSets, int64, int64)", LatentTrials, LatentPlan, LatentSets)
def impute_range(trials, plan, sets, begin, end):  # type: ignore[no-untyped-def]
    """Impute all data sets of trials ``begin:end``: one chain a trial."""
    all_cells, all_z, offsets, all_delta, precision = trials
    n_visits, q = all_cells.shape[1], all_z.shape[1]
    w = q + n_visits
    largest = 1
    for t in range(begin, end):
        largest = max(largest, offsets[t + 1] - offsets[t])
    latent, last = np.empty((largest, n_visits)), np.empty(largest, np.int64)
    beta, factor, means = np.zeros((n_visits, w)), np.empty((w, w)), np.empty((q, n_visits))
    right, level, row, whole = np.empty(w), np.empty(n_visits), np.empty(w), np.empty(n_visits)
    chain = LatentChain(latent, last, beta, factor, right, level, row)
    room = SetRoom(means, whole)
    for t in range(begin, end):
        start, stop = offsets[t], offsets[t + 1]
        if start == stop:
            continue
        cells, z, delta = all_cells[start:stop], all_z[start:stop], all_delta[start:stop]
        people = LatentPeople(cells, z, delta)
        for i in range(stop - start):
            last[i] = -1
            for v in range(n_visits):
                latent[i, v] = 0.5 if cells[i, v] == 1 else (-0.5 if cells[i, v] == 0 else 0.0)
                if cells[i, v] >= 0:
                    last[i] = v
        n_sweeps = plan.burn + plan.thin * (plan.n_sets - 1) + 1
        for sweep in range(n_sweeps):
            stream = DrawKeys(plan.seed, np.uint64(plan.replicates[t]), np.uint64(plan.first), np.uint64(sweep))
            draw_coefficients(z, chain, precision[t], plan.history_precision, stream)
            draw_latent(cells, z, chain, stream)
            if sweep < plan.burn or (sweep - plan.burn) % plan.thin != 0:
                continue
            m = (sweep - plan.burn) // plan.thin
            take_set(people, chain, plan, stream, room, sets.cells[m, start:stop])
            for v in range(n_visits):
                for a in range(w):
                    sets.beta[m, t, v * w + a] = beta[v, a] if a < q + v else 0.0
