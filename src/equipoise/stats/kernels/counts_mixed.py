"""Counts of one participant resembling one another: a random intercept, integrated by adaptive quadrature.

Equations (CM-1) to (CM-5) are in ``docs/methods/counts_mixed.md``. Score and information are posterior means over the
nodes (Fisher's and Louis's identities): those of the exact integral, to the accuracy of the quadrature itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Flags, Integers, Matrix, Vector, kernel, part
from equipoise.stats.kernels.count_terms import alpha_terms, count_terms, rows_above
from equipoise.stats.kernels.counts import (
    BOUNDARY,
    CONVERGED,
    GRADIENT,
    ITERATIONS,
    SCORE_FIXED,
    SMALLEST,
    STATUS,
    STOPPED,
    ClimbRoom,
    CountRows,
    CountsFound,
    go_to_tried,
    invert_negative_hessian,
    make_climb_room,
    maximise,
    smallest_share,
    start_at,
)
from equipoise.stats.kernels.newton import newton_step

_MAX_ITERATIONS = 100
_DECREMENT = 1e-16
# A standard deviation between participants below this is on its way to 0.
_NO_VARIANCE = 1e-4


class CountedPeople(NamedTuple):
    """The participants of one trial, and the rule by which their levels are integrated over."""

    offsets: Integers  # rows of each participant
    nodes: Vector
    log_weights: Vector


class RepeatedCounts(NamedTuple):
    """Counts of packed trials, participant by participant."""

    y: Vector
    design: Matrix  # (n_rows, p)
    log_exposure: Vector
    participant_offsets: Integers  # rows of each participant
    trial_offsets: Integers  # participants of each trial
    wanted: Flags  # the trials to fit


class ParticipantRoom(NamedTuple):
    """Room for the sums over one participant's rows and nodes."""

    eta: Vector  # linear predictor of each row
    bends: Vector  # posterior mean of the second derivative in eta
    crosses: Vector  # posterior mean of the derivative in eta and alpha
    scores: Matrix  # (n_nodes, q) score at each node
    logs: Vector  # of the weight of each node
    mean: Vector  # (q,) posterior mean of the score


@part("UniTuple(float64, 2)(float64[::1], float64[::1], float64, float64)")
def find_mode(y, eta, sigma, alpha):  # type: ignore[no-untyped-def]
    """Where a participant's level is likeliest, and the spread there: Newton's method with bounded steps, (CM-2)."""
    b, precision = 0.0, 1.0 / (sigma * sigma)
    h = precision
    for _ in range(200):
        g, h = -b * precision, precision
        for r in range(y.shape[0]):
            _, slope, bend, _, _, _ = count_terms(y[r], np.exp(min(eta[r] + b, 600.0)), alpha)
            g += slope
            h -= bend
        step = min(max(g / h, -1.5), 1.5)
        b += step
        if step * step * h < 1e-20:
            break
    return b, 1.0 / np.sqrt(h)


@part(
    "float64(CountRows, CountedPeople, boolean, float64[::1], float64[::1], float64[:, ::1])", CountRows, CountedPeople
)
def evaluate_mixed(rows, people, is_free, point, gradient, hessian):  # type: ignore[no-untyped-def]
    """Log-likelihood but for its constant, with derivatives in coefficients, log sigma, log alpha; (CM-3), (CM-4)."""
    y, x, log_exposure, above = rows
    offsets, nodes, _ = people
    p = x.shape[1]
    sigma, alpha = point[p], point[p + 1]
    q = p + 2
    n_nodes = nodes.shape[0]
    longest = 0
    for i in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    room = ParticipantRoom(
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty((n_nodes, q)),
        np.empty(n_nodes),
        np.empty(q),
    )
    for j in range(q):
        gradient[j] = 0.0
        for k in range(j + 1):
            hessian[j, k] = 0.0
    total = 0.0
    for i in range(offsets.shape[0] - 1):
        r0, r1 = offsets[i], offsets[i + 1]
        if r1 == r0:
            continue
        for r in range(r0, r1):
            eta = log_exposure[r]
            for j in range(p):
                eta += x[r, j] * point[j]
            if not eta < 300.0:
                return -np.inf
            room.eta[r - r0] = eta
        mode, spread = find_mode(y[r0:r1], room.eta[: r1 - r0], sigma, alpha)
        if not np.isfinite(mode + spread) or not mode < 300.0:
            return -np.inf
        total += add_participant(y[r0:r1], x[r0:r1], people, room, (mode, spread, sigma, alpha), gradient, hessian)
    value, slope, bend = alpha_terms(above, alpha)
    if is_free:
        gradient[p + 1] += alpha * slope
        hessian[p + 1, p + 1] += alpha * (alpha * bend + slope)
    else:
        gradient[p + 1] += slope  # in alpha itself: whether it would leave 0
    total += value
    return total if np.isfinite(total) else -np.inf


@part(
    "float64(float64[::1], float64[:, ::1], CountedPeople, ParticipantRoom, UniTuple(float64, 4), float64[::1], "
    "float64[:, ::1])",
    CountedPeople,
    ParticipantRoom,
)
def add_participant(y, x, people, room, place, gradient, hessian):  # type: ignore[no-untyped-def]
    """Add one participant's score and information over the nodes; returns the log-likelihood."""
    _, nodes, log_weights = people
    eta, bends, crosses, scores, logs, mean = room
    mode, spread, sigma, alpha = place
    n, p = x.shape
    q = p + 2
    precision = 1.0 / (sigma * sigma)
    scale = alpha if alpha > 0.0 else 1.0
    largest = -np.inf
    # First the weight of each node and its score; the second pass takes means with these weights.
    for k in range(nodes.shape[0]):
        b = mode + spread * nodes[k]
        g = -0.5 * b * b * precision
        for j in range(q):
            scores[k, j] = 0.0
        for r in range(n):
            value, slope, _, of_alpha, _, _ = count_terms(y[r], np.exp(eta[r] + b), alpha)
            g += value + (y[r] * (eta[r] + b) if y[r] > 0.0 else 0.0)
            for j in range(p):
                scores[k, j] += slope * x[r, j]
            scores[k, p + 1] += scale * of_alpha
        scores[k, p] = b * b * precision - 1.0
        logs[k] = log_weights[k] + g
        largest = max(largest, logs[k])
    mass = 0.0
    for k in range(nodes.shape[0]):
        logs[k] = np.exp(logs[k] - largest)
        mass += logs[k]
    for j in range(q):
        mean[j] = 0.0
    for r in range(n):
        bends[r] = 0.0
        crosses[r] = 0.0
    level, alpha_bend = 0.0, 0.0
    for k in range(nodes.shape[0]):
        weight = logs[k] / mass
        b = mode + spread * nodes[k]
        level += weight * b * b
        for j in range(q):
            mean[j] += weight * scores[k, j]
        for j in range(q):
            for m in range(j + 1):
                hessian[j, m] += weight * scores[k, j] * scores[k, m]
        for r in range(n):
            _, _, bend, of_alpha, bend_alpha, cross = count_terms(y[r], np.exp(eta[r] + b), alpha)
            bends[r] += weight * bend
            crosses[r] += weight * cross
            alpha_bend += weight * scale * (scale * bend_alpha + of_alpha)
    for j in range(q):
        gradient[j] += mean[j]
        for m in range(j + 1):
            hessian[j, m] -= mean[j] * mean[m]
    for r in range(n):
        for j in range(p):
            hessian[p + 1, j] += scale * crosses[r] * x[r, j]
            for m in range(j + 1):
                hessian[j, m] += bends[r] * x[r, j] * x[r, m]
    hessian[p, p] -= 2.0 * precision * level
    hessian[p + 1, p + 1] += alpha_bend
    return largest + np.log(mass) + np.log(spread / sigma)


@part("void(float64[::1], float64[:, ::1], int64)")
def hold(gradient, hessian, fixed):  # type: ignore[no-untyped-def]
    """The coefficient that is held gets a step of nothing."""
    if fixed < 0:
        return
    gradient[fixed] = 0.0
    for j in range(gradient.shape[0]):
        hessian[max(fixed, j), min(fixed, j)] = 0.0
    hessian[fixed, fixed] = -1.0


@part(
    "float64(CountRows, CountedPeople, boolean, int64, float64[::1], ClimbRoom, float64[::1])",
    CountRows,
    ClimbRoom,
    CountedPeople,
)
def climb_mixed(rows, people, is_free, fixed, point, work, quality):  # type: ignore[no-untyped-def]
    """Move ``point`` to the maximum; a sigma or alpha that goes to nothing is put to exactly 0, for the caller."""
    gradient, hessian, factor, step, tried, tried_gradient, tried_hessian = work
    p = point.shape[0] - 2
    q = p + 2 if is_free else p + 1
    largest = 0.0
    for i in range(rows.y.shape[0]):
        largest = max(largest, rows.y[i])
    top = evaluate_mixed(rows, people, is_free, point, gradient, hessian)
    quality[STATUS] = STOPPED
    for iteration in range(_MAX_ITERATIONS):
        quality[ITERATIONS] = iteration + 1
        if top == -np.inf:
            break
        if fixed >= 0:
            quality[SCORE_FIXED] = gradient[fixed]
        hold(gradient, hessian, fixed)
        decrement = newton_step(hessian, gradient, step, factor, q)
        quality[GRADIENT] = np.sqrt(abs(decrement))
        if not np.isfinite(decrement):
            break
        last = 0.0 <= decrement < _DECREMENT
        shrink = 1.0
        for _ in range(40):
            for j in range(p):
                tried[j] = point[j] + shrink * step[j]
            for j in range(p, p + 2):
                tried[j] = point[j] * np.exp(min(max(shrink * step[j], -2.0), 2.0)) if j < q else point[j]
            value = evaluate_mixed(rows, people, is_free, tried, tried_gradient, tried_hessian)
            # Near the maximum the value's own error of quadrature may hide what little is gained.
            if value >= top or (abs(decrement) < 1e-5 and value > top - 1e-6 * (1.0 + abs(top))):
                break
            shrink *= 0.5
        else:
            break
        top = value
        go_to_tried(work, point)
        if last:
            quality[STATUS] = CONVERGED
            break
        if point[p] < _NO_VARIANCE:
            point[p] = 0.0
            break
        if is_free and point[p + 1] * (1.0 + largest) < BOUNDARY:
            point[p + 1] = 0.0
            break
    return top


@part("float64(CountRows, CountedPeople, float64[::1])", CountRows, CountedPeople)
def variance_score(rows, people, point):  # type: ignore[no-untyped-def]
    """Derivative of the log-likelihood in the variance between participants, at 0; (CM-5)."""
    y, x, log_exposure, _ = rows
    offsets = people.offsets
    p = x.shape[1]
    total = 0.0
    for i in range(offsets.shape[0] - 1):
        s, h = 0.0, 0.0
        for r in range(offsets[i], offsets[i + 1]):
            eta = log_exposure[r]
            for j in range(p):
                eta += x[r, j] * point[j]
            _, slope, bend, _, _, _ = count_terms(y[r], np.exp(eta), point[p])
            s += slope
            h += bend
        total += 0.5 * (s * s + h)
    return total


@part(
    "float64(CountRows, CountedPeople, boolean, int64, float64[::1], ClimbRoom, float64[::1])",
    CountRows,
    ClimbRoom,
    CountedPeople,
)
def maximise_mixed(rows, people, is_negative_binomial, fixed, point, work, quality):  # type: ignore[no-untyped-def]
    """The maximum over coefficients, sigma >= 0 and alpha >= 0: the best of the inside and its edges."""
    p = point.shape[0] - 2
    # The edge without variance between participants.
    pooled = np.empty(p + 1)
    pooled[:p] = point[:p]
    best = maximise(rows, is_negative_binomial, fixed, pooled, work, quality)
    found = np.empty(p + 2)
    found[:p] = pooled[:p]
    found[p], found[p + 1] = 0.0, pooled[p]
    if quality[STATUS] != CONVERGED:
        point[:] = found
        return best
    best_quality = quality.copy()
    start = pooled.copy()
    if is_negative_binomial and pooled[p] > 0.0:
        start[p] = 0.0
        maximise(rows, False, fixed, start, work, quality)
    if variance_score(rows, people, start) > 0.0 or is_negative_binomial:
        inside = np.empty(p + 2)
        inside[:p] = start[:p]
        inside[p], inside[p + 1] = 0.5, 0.0
        top = climb_mixed(rows, people, False, fixed, inside, work, quality)
        if quality[STATUS] == CONVERGED and top > best:
            best = top
            found[:] = inside
            best_quality[:] = quality
        elif quality[STATUS] != CONVERGED and inside[p] > 0.0:
            best_quality[:] = quality
        if is_negative_binomial:
            if not inside[p] > 0.0:
                inside[:p], inside[p] = start[:p], 0.5
            inside[p + 1] = 0.1
            top = climb_mixed(rows, people, True, fixed, inside, work, quality)
            if quality[STATUS] == CONVERGED and top > best:
                best = top
                found[:] = inside
                best_quality[:] = quality
            elif quality[STATUS] != CONVERGED and inside[p] > 0.0 and inside[p + 1] > 0.0:
                best_quality[STATUS] = STOPPED
    point[:] = found
    quality[:] = best_quality
    return best


@part(
    "void(CountRows, CountedPeople, float64[::1], ClimbRoom, float64[:, ::1], float64[::1])",
    CountRows,
    ClimbRoom,
    CountedPeople,
)
def invert_mixed(rows, people, point, work, covariance, quality):  # type: ignore[no-untyped-def]
    """Covariance of the coefficients and of the logarithms of sigma and alpha, those that are not at 0."""
    p = point.shape[0] - 2
    evaluate_mixed(rows, people, point[p + 1] > 0.0, point, work.gradient, work.hessian)
    q = p + 2 if point[p + 1] > 0.0 else p + 1
    invert_negative_hessian(work, q, covariance, quality)


@kernel(
    "void(int64, int64, RepeatedCounts, UniTuple(float64[::1], 2), UniTuple(int64, 2), CountsFound)",
    RepeatedCounts,
    CountsFound,
)
def fit_range(first, stop, trials, quadrature, model, found):  # type: ignore[no-untyped-def]
    """Fit the wanted trials of ``first:stop``; ``model`` is whether negative binomial, and the column held or -1.

    Covariances are written where none is held and there is variance between participants: without, the fit is the
    pooled one, and the caller's.
    """
    points, covariance, log_likelihood, quality = found
    p = trials.design.shape[1]
    work = make_climb_room(p + 2)
    fixed = model[1]
    for trial in range(first, stop):
        if not trials.wanted[trial]:
            continue
        offsets = trials.participant_offsets[trials.trial_offsets[trial] : trials.trial_offsets[trial + 1] + 1].copy()
        r0, r1 = offsets[0], offsets[-1]
        offsets -= r0
        y = trials.y[r0:r1]
        rows = CountRows(y, trials.design[r0:r1], trials.log_exposure[r0:r1], rows_above(y))
        people = CountedPeople(offsets, quadrature[0], quadrature[1])
        start_at(rows, fixed, points[trial, : p + 1], work)
        log_likelihood[trial] = maximise_mixed(rows, people, model[0] == 1, fixed, points[trial], work, quality[trial])
        if fixed < 0:
            quality[trial, SMALLEST] = smallest_share(rows, points[trial, : p + 1])
            if quality[trial, STATUS] == CONVERGED and points[trial, p] > 0.0:
                invert_mixed(rows, people, points[trial], work, covariance[trial], quality[trial])
