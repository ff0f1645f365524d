"""Data augmentation for repeated yes-or-no results: coefficients given cells, cells given coefficients, in turn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.binary_imputation_rows import (
    FROM_ZERO,
    MISSING,
    NEARBY,
    NOT_DUE,
    PENALISED,
    FirstFits,
    ModelRows,
    People,
    add_rows,
    fit_rows,
    gather_rows,
    renew_rows,
)
from equipoise.stats.kernels.compile import (
    Blocks,
    IntegerMatrix,
    Integers,
    LetterCube,
    Letters,
    Matrix,
    Vector,
    kernel,
    part,
)
from equipoise.stats.kernels.philox import DrawKeys, fill_normals, uniform_at
from equipoise.stats.kernels.vector_math import exponential

# Words of the addresses: a purpose and the number of the sweep.
PURPOSE_COEFFICIENT = 1001
PURPOSE_CELL = 1002
MAX_VISITS = 4096
# Stages of :func:`draw_coefficients`: the number of the sweep, up to 1.
PREPARE, FIRST, LATER = -1, 0, 1
# Visits up to which the factors of all shares are laid out in a table.
_TABLE = 16
# Odds beyond these are certainty; products of odds are brought back to a ratio before they leave the second range.
_CERTAIN = 1e60
_HUGE = 1e120


class Chances(NamedTuple):
    """What the odds of a cell are made of: coefficients, and factors for the results before it."""

    beta: Matrix  # (n_models, columns)
    step: Vector  # (n_models,) after a result that was use
    slope: Vector  # (n_models,) the coefficient of the share of earlier results
    shares: Matrix  # [n, k] the factor for k of n results, where there is a table
    odds: Vector  # (V,) room


class BinaryTrials(NamedTuple):
    """Packed trials whose results are imputed."""

    cells: Letters  # (n, V)
    z: Matrix  # (n, q)
    offsets: Integers
    delta: Vector  # (n,) added to the log odds of imputed cells in the last sweep only


class BinaryPlan(NamedTuple):
    """How the sets are made."""

    n_sets: int
    first: int  # number of the first set, for its random numbers
    seed: np.uint64
    replicates: Integers  # (trials,)
    n_sweeps: Integers  # (trials,)
    pooled: bool


class BinarySets(NamedTuple):
    """Outputs."""

    cells: LetterCube  # (n_sets, n, V)
    n_penalised: IntegerMatrix  # (trials, n_sets) fits held by the prior
    drawn: Blocks  # (trials, n_sets, n_models, columns) the last coefficients


@part("void(People, Chances)", People, Chances)
def weigh_history(people, chances):  # type: ignore[no-untyped-def]
    """Fill the factors of ``chances`` from its coefficients."""
    beta, step, slope, shares, _ = chances
    n_visits, q, pooled = people.cells.shape[1], people.z.shape[1], people.pooled
    at = q + 1 if pooled else q
    n_models = step.shape[0]
    for model in range(n_models):
        step[model] = exponential(beta[model, at]) if pooled or model > 0 else 1.0
        slope[model] = beta[model, at + 1] if n_visits >= 3 and (pooled or model > 1) else 0.0
    for n in range(shares.shape[0]):
        for k in range(n + 1):
            shares[n, k] = exponential(slope[0] * (k / n)) if n > 0 else 1.0


@part("void(People, int8[:, ::1], Chances, float64[::1], boolean, DrawKeys)", People, Chances, DrawKeys)
def draw_cells(people, state, chances, delta, final, stream):  # type: ignore[no-untyped-def]
    """Draw the missing cells of every participant: those between results seen, and at the end what follows the last.

    One loop without calls that take arrays: passing an array costs as much as several of its cells.
    """
    cells, z, last, first_gap, pooled = people
    beta, step, slope, shares, odds = chances
    seed, replicate, imputation, sweep = stream
    word = np.uint64(PURPOSE_CELL << 16) | sweep
    n_visits = cells.shape[1]
    q = z.shape[1]
    has_table = shares.shape[0] > 0
    for i in range(cells.shape[0]):
        begin, stop = min(first_gap[i], last[i] + 1), n_visits if final else last[i] + 1
        if begin >= (n_visits if final else last[i]):
            continue
        # The odds as they would be without a history.
        for v in range(begin, stop):
            model = 0 if pooled else v
            eta = 0.0
            for j in range(q):
                eta += z[i, j] * beta[model, j]
            if pooled:
                if v == 0:
                    eta += beta[0, q]
                if n_visits >= 3:
                    eta += v / n_visits * beta[0, q + 3]
            odds[v] = eta
        for v in range(begin, stop):
            odds[v] = exponential(odds[v])
        shift = exponential(delta[i]) if final else 1.0
        previous, total, n = 0, 0, 0
        for v in range(stop):
            result = int(state[i, v])
            if result == NOT_DUE:
                continue
            if cells[i, v] == MISSING:
                model = 0 if pooled else v
                ratio = odds[v] * shift
                if previous == 1:
                    ratio *= step[model]
                if has_table:
                    ratio *= shares[n, total]
                elif n > 0:
                    ratio *= exponential(slope[model] * (total / n))
                if v < last[i]:
                    # The results seen later speak too: how many times as likely they are if this one was use, (MI-4).
                    previous1, previous0 = 1, 0
                    total1, total0 = total + 1, total
                    above, below = 1.0, 1.0
                    count = n
                    for u in range(v + 1, last[i] + 1):
                        later = int(state[i, u])
                        if later < 0:
                            continue
                        count += 1
                        model = 0 if pooled else u
                        e1 = odds[u] * step[model] if previous1 == 1 else odds[u]
                        e0 = odds[u] * step[model] if previous0 == 1 else odds[u]
                        if has_table:
                            e1 *= shares[count, total1]
                            e0 *= shares[count, total0]
                        else:
                            e1 *= exponential(slope[model] * (total1 / count))
                            e0 *= exponential(slope[model] * (total0 / count))
                        e1 = min(max(e1, 1.0 / _CERTAIN), _CERTAIN)
                        e0 = min(max(e0, 1.0 / _CERTAIN), _CERTAIN)
                        above *= (1.0 + e0) * (e1 if later == 1 else 1.0)
                        below *= (1.0 + e1) * (e0 if later == 1 else 1.0)
                        previous1 = previous0 = later
                        total1 += later
                        total0 += later
                        if not (1.0 / _HUGE < above < _HUGE and 1.0 / _HUGE < below < _HUGE):
                            above /= below
                            below = 1.0
                    ratio *= above / below
                u = uniform_at(seed, replicate, np.uint64(i), imputation * np.uint64(MAX_VISITS) + np.uint64(v), word)
                result = 1 if u < ratio * (1.0 - u) else 0
                state[i, v] = result
            previous = result
            total += result
            n += 1


@part("void(People, int8[:, ::1])", People)
def fill_first(people, filled):  # type: ignore[no-untyped-def]
    """A start for the chain: the result before a gap, after it where there is none. Notes where gaps begin and end."""
    cells, last, first_gap = people.cells, people.last, people.first_gap
    n_visits = cells.shape[1]
    for i in range(cells.shape[0]):
        last[i], first_gap[i] = -1, n_visits
        known = 0
        for back in range(n_visits):
            v = n_visits - 1 - back
            if cells[i, v] >= 0:
                known = cells[i, v]
                if last[i] < 0:
                    last[i] = v
        for v in range(n_visits):
            filled[i, v] = cells[i, v]
            if cells[i, v] >= 0:
                known = cells[i, v]
            elif cells[i, v] == MISSING:
                filled[i, v] = known
                if v < last[i] and first_gap[i] == n_visits:
                    first_gap[i] = v


class Room(NamedTuple):
    """Scratch of :func:`draw_coefficients`."""

    work: Matrix
    mode: Vector
    factor: Matrix
    noise: Vector


@part("int64(ModelRows, int64, FirstFits, DrawKeys, Room, float64[:, ::1])", ModelRows, FirstFits, DrawKeys, Room)
def draw_coefficients(rows, stage, firsts, stream, room, beta):  # type: ignore[no-untyped-def]
    """Draw the coefficients of each model around its maximum, eq. (MI-3); returns how many the prior had to hold.

    Stages: PREPARE fits the models to the first fill, keeps their maxima and what the rows that never change give
    there, and draws nothing; FIRST draws around these maxima; LATER around those of the rows as they are now.
    """
    bounds = rows.bounds
    base_mode, base_factor, fixed_score, fixed_information, failed = firsts
    seed, replicate, imputation, sweep = stream
    work, mode, factor, noise = room
    n_held = 0
    for model in range(bounds.shape[0]):
        a, b, c, p = bounds[model, 0], bounds[model, 1], bounds[model, 2], bounds[model, 3]
        held = stage != PREPARE and failed[model] != 0
        if stage == FIRST or (stage == LATER and b == c):
            for j in range(p):
                mode[j] = base_mode[model, j]
                for k in range(j + 1):
                    factor[j, k] = base_factor[model, j, k]
        else:
            how = NEARBY if stage == LATER and not held else FROM_ZERO
            while how <= PENALISED:
                status = 1
                if how == PENALISED or a < c:
                    status = fit_rows(rows, model, how, firsts, work, mode, factor)
                held = how == PENALISED
                if status == 0:
                    break
                how += 1
        if stage == PREPARE:
            failed[model] = 1 if held else 0
            for j in range(p):
                base_mode[model, j] = mode[j]
                fixed_score[model, j] = 0.0
                for k in range(j + 1):
                    base_factor[model, j, k] = factor[j, k]
                    fixed_information[model, j, k] = 0.0
            if not held and b < c:
                add_rows(rows, a, b, mode[:p], work, fixed_score[model], fixed_information[model])
            continue
        n_held += 1 if held else 0
        # mode + L^-T normal has the inverse information as its covariance.
        address = imputation * np.uint64(MAX_VISITS) + np.uint64(model)
        fill_normals(seed, replicate, address, np.uint64(PURPOSE_COEFFICIENT << 16) | sweep, p, noise)
        for back in range(p):
            i = p - 1 - back
            s = noise[i]
            for k in range(i + 1, p):
                s -= factor[k, i] * beta[model, k]
            beta[model, i] = s / factor[i, i]
        for j in range(p):
            beta[model, j] += mode[j]
    return n_held


@kernel("void(BinaryTrials, BinaryPlan, BinarySets, int64, int64)", BinaryTrials, BinaryPlan, BinarySets)
def impute_range(trials, plan, sets, begin, end):  # type: ignore[no-untyped-def]
    """Impute data sets ``begin:end``, counted through all trials: set ``m`` of trial ``t`` is ``t * n_sets + m``.

    Each is a chain of its own of ``n_sweeps[t]`` sweeps.
    """
    all_cells, all_z, offsets, delta = trials
    n_sets, first, seed, replicates, n_sweeps, pooled = plan
    out, n_penalised, drawn = sets
    n_visits = all_cells.shape[1]
    q = all_z.shape[1]
    width = q + 4
    n_models = drawn.shape[2]
    largest = 1
    for t in range(begin // n_sets, (end - 1) // n_sets + 1):
        largest = max(largest, offsets[t + 1] - offsets[t])
    n_rows = largest * n_visits
    size = 16
    while size < 2 * n_rows:
        size *= 2
    table, last, first_gap = np.empty(size, np.int64), np.empty(largest, np.int64), np.empty(largest, np.int64)
    failed = np.empty(n_models, np.int64)
    row_of, bounds = np.empty((largest, n_visits), np.int64), np.empty((n_models, 4), np.int64)
    filled, state = np.empty((largest, n_visits), np.int8), np.empty((largest, n_visits), np.int8)
    x, work, factor = np.empty((width, n_rows)), np.empty((3, n_rows)), np.empty((width, width))
    count, events = np.empty(n_rows), np.empty(n_rows)
    base_mode, fixed_score, beta = (
        np.empty((n_models, width)),
        np.empty((n_models, width)),
        np.empty((n_models, width)),
    )
    base_factor, fixed_information = np.empty((n_models, width, width)), np.empty((n_models, width, width))
    mode, noise, odds = np.empty(width), np.empty(width), np.empty(n_visits)
    n_table = n_visits if pooled and n_visits <= _TABLE else 0
    chances = Chances(beta, np.empty(n_models), np.empty(n_models), np.empty((n_table, n_table)), odds)
    rows = ModelRows(x, count, events, row_of, bounds)
    firsts = FirstFits(base_mode, base_factor, fixed_score, fixed_information, failed)
    room = Room(work, mode, factor, noise)
    trial = -1
    for unit in range(begin, end):
        m = unit % n_sets
        start, n = offsets[unit // n_sets], offsets[unit // n_sets + 1] - offsets[unit // n_sets]
        if n == 0:
            continue
        people = People(all_cells[start : start + n], all_z[start : start + n], last, first_gap, pooled)
        is_new = unit // n_sets != trial
        if is_new:
            # What every data set of a trial begins with: its rows under the first fill, and the fits to them.
            trial = unit // n_sets
            fill_first(people, filled)
            gather_rows(people, filled, rows, table)
        replicate, imputation = np.uint64(replicates[trial]), np.uint64(first + m)
        for i in range(n):
            for v in range(n_visits):
                state[i, v] = filled[i, v]
        for sweep in range(-1 if is_new else 0, n_sweeps[trial]):
            final = sweep == n_sweeps[trial] - 1
            if sweep > 0:
                renew_rows(people, state, rows)
            stream = DrawKeys(seed, replicate, imputation, np.uint64(max(sweep, 0)))
            n_penalised[trial, m] += draw_coefficients(rows, min(sweep, LATER), firsts, stream, room, beta)
            if sweep < 0:
                continue
            weigh_history(people, chances)
            draw_cells(people, state, chances, delta[start : start + n], final, stream)
        for i in range(n):
            for v in range(n_visits):
                out[m, start + i, v] = state[i, v]
        for model in range(n_models):
            for j in range(width):
                drawn[trial, m, model, j] = beta[model, j] if j < bounds[model, 3] else 0.0
