"""Competing risks, trial after trial: cumulative incidence, Gray's test, Fine and Gray's regression with its sandwich.

Rows of each trial come in ascending time. Cause 0 is censored (still at risk at that time), 1 the event of interest,
2 another event that ends the risk of it. Equations (CR-1) to (CR-9) are in ``docs/methods/competing_risks.md``.
"""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import kernel, part
from equipoise.stats.kernels.linear_algebra import cholesky, condition_number, invert_cholesky
from equipoise.stats.kernels.newton import newton_step

CONVERGED, STOPPED, RUNAWAY, SINGULAR = 0, 1, 2, 3
# Columns of ``quality``: distance to the maximum in standard errors, iterations, condition, how it ended.
GRADIENT, ITERATIONS, CONDITION, STATUS = 0, 1, 2, 3
N_QUALITY = 4
# Columns of a curve's table.
TIME, AT_RISK, EVENTS, OTHERS, INCIDENCE, VARIANCE, FREE = 0, 1, 2, 3, 4, 5, 6
N_COLUMNS = 7

_MAX_ITERATIONS = 80
_DECREMENT = 1e-18
# Along a direction without a maximum the decrement is about the distance to the supremum.
_DECREMENT_RUNAWAY = 1e-12
_PREDICTOR_RUNAWAY = 12.0

# Times, causes and groups of all rows, rows of each trial.
DATA = "Tuple((float64[::1], int64[::1], int64[::1], int64[::1]))"
# Times, causes and design of all rows, rows of each trial, the trials wanted.
DESIGNED = "Tuple((float64[::1], int64[::1], float64[:, ::1], int64[::1], boolean[::1]))"
# Times, causes and design of one trial, the share not yet censored just before each row's time.
ROWS = "Tuple((float64[::1], int64[::1], float64[:, ::1], float64[::1]))"
# Distinct times of events of interest: first row at or after each, how many there are, share not yet censored, weighted
# sum of exp(eta), weighted mean of the design.
EVENT_TIMES = "Tuple((int64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1]))"
# Coefficients, robust covariance, inverse information, log-likelihoods (there and at 0), quality.
OUT = "Tuple((float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, ::1]))"


@part("float64(float64, float64)")
def tie_factor(events, at_risk):  # type: ignore[no-untyped-def]
    """What the variance of several events at one time is, beside so many at times of their own."""
    return 1.0 - (events - 1.0) / (at_risk - 1.0) if events > 1.0 else 1.0


@kernel(f"void(int64, int64, {DATA}, int64[:, ::1], int64[:, ::1], float64[:, ::1])")
def incidence_range(first, stop, data, start, length, table):  # type: ignore[no-untyped-def]
    """Cumulative incidence of cause 1 in each group, with Aalen's variance, at each event time; (CR-1), (CR-2)."""
    time, cause, group, offsets = data
    for trial in range(first, stop):
        for g in range(start.shape[1]):
            at_risk = 0.0
            for i in range(offsets[trial], offsets[trial + 1]):
                at_risk += 1.0 if group[i] == g else 0.0
            free, incidence = 1.0, 0.0
            # Sums of the variance: of squares of (alpha - F beta) over the times so far.
            square, product, constant = 0.0, 0.0, 0.0
            place = start[trial, g]
            i = offsets[trial]
            while i < offsets[trial + 1]:
                now = time[i]
                events, others, censored = 0.0, 0.0, 0.0
                while i < offsets[trial + 1] and time[i] == now:
                    if group[i] == g:
                        events += 1.0 if cause[i] == 1 else 0.0
                        others += 1.0 if cause[i] == 2 else 0.0
                        censored += 1.0 if cause[i] == 0 else 0.0
                    i += 1
                if events + others > 0.0:
                    weight = free / at_risk
                    incidence += weight * events
                    free *= (at_risk - events - others) / at_risk
                    beta = 1.0 / free if free > 0.0 else 0.0
                    if events > 0.0:
                        a = tie_factor(events, at_risk) * events * weight * weight
                        alpha = 1.0 + incidence * beta
                        square += a * beta * beta
                        product += a * alpha * beta
                        constant += a * alpha * alpha
                    if others > 0.0:
                        a = tie_factor(others, at_risk) * others * weight * weight
                        square += a * beta * beta
                        product += a * incidence * beta * beta
                        constant += a * incidence * incidence * beta * beta
                    variance = constant - 2.0 * incidence * product + incidence * incidence * square
                    table[place, TIME] = now
                    table[place, AT_RISK] = at_risk
                    table[place, EVENTS] = events
                    table[place, OTHERS] = others
                    table[place, INCIDENCE] = incidence
                    table[place, VARIANCE] = max(variance, 0.0)
                    table[place, FREE] = free
                    place += 1
                at_risk -= events + others + censored
            length[trial, g] = place - start[trial, g]


@kernel(f"void(int64, int64, {DATA}, float64[:, ::1], float64[:, :, ::1])")
def gray_range(first, stop, data, score, variance):  # type: ignore[no-untyped-def]
    """Gray's scores of each group and their covariance; (CR-3), (CR-4)."""
    time, cause, group, offsets = data
    k = score.shape[1]
    risk, events, others = np.empty(k), np.empty(k), np.empty(k)
    free, free_before, own, own_before = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    weight, a, c = np.empty(k), np.empty((k, k)), np.empty((k, k))
    crossed, squared, column = np.empty((k, k)), np.empty(k), np.empty(k)
    for trial in range(first, stop):
        for g in range(k):
            risk[g], free[g], own[g], squared[g], score[trial, g] = 0.0, 1.0, 0.0, 0.0, 0.0
            for h in range(k):
                c[g, h], crossed[g, h], variance[trial, g, h] = 0.0, 0.0, 0.0
        for i in range(offsets[trial], offsets[trial + 1]):
            risk[group[i]] += 1.0
        pooled = 0.0
        i = offsets[trial]
        while i < offsets[trial + 1]:
            now, j = time[i], i
            total, total_others = 0.0, 0.0
            for g in range(k):
                events[g], others[g] = 0.0, 0.0
            while j < offsets[trial + 1] and time[j] == now:
                if cause[j] == 1:
                    events[group[j]] += 1.0
                    total += 1.0
                elif cause[j] == 2:
                    others[group[j]] += 1.0
                    total_others += 1.0
                j += 1
            if total + total_others > 0.0:
                before = pooled
                inverse_free, at_risk = 0.0, 0.0
                for g in range(k):
                    free_before[g], own_before[g] = free[g], own[g]
                    weight[g] = risk[g] / free[g] if risk[g] > 0.0 else 0.0
                    if risk[g] > 0.0:
                        own[g] += free[g] * events[g] / risk[g]
                        free[g] *= (risk[g] - events[g] - others[g]) / risk[g]
                    inverse_free += weight[g]
                    at_risk += weight[g] * (1.0 - own_before[g])
                pooled = before + total / inverse_free
                for g in range(k):
                    if risk[g] > 0.0 and at_risk > 0.0:
                        score[trial, g] += events[g] - weight[g] * (1.0 - own_before[g]) * total / at_risk
                    for h in range(k):
                        a[g, h] = weight[g] * ((1.0 if g == h else 0.0) - weight[h] / inverse_free)
                        c[g, h] += a[g, h] * total / (inverse_free * (1.0 - before)) if before < 1.0 else 0.0
                for g in range(k):
                    if risk[g] == 0.0:
                        continue
                    left = (1.0 - pooled) / free[g] if free[g] > 0.0 else 0.0
                    if total > 0.0:
                        tied = 1.0 - (total - 1.0) / (inverse_free * free_before[g] - 1.0) if total > 1.0 else 1.0
                        factor, slope = tied * free_before[g] * total / (inverse_free * risk[g]), 1.0 - left
                        for h in range(k):
                            column[h] = a[h, g] - slope * c[h, g]
                            crossed[h, g] += column[h] * slope * factor
                        squared[g] += slope * slope * factor
                        for h in range(k):
                            for m in range(k):
                                variance[trial, h, m] += column[h] * column[m] * factor
                    if others[g] > 0.0 and free[g] > 0.0:
                        factor = tie_factor(others[g], risk[g]) * (free_before[g] / risk[g]) ** 2 * others[g]
                        for h in range(k):
                            column[h] = left * c[h, g]
                            crossed[h, g] -= column[h] * left * factor
                        squared[g] += left * left * factor
                        for h in range(k):
                            for m in range(k):
                                variance[trial, h, m] += column[h] * column[m] * factor
            while i < j:
                risk[group[i]] -= 1.0
                i += 1
        for g in range(k):
            for h in range(k):
                for m in range(k):
                    variance[trial, g, h] += c[g, m] * c[h, m] * squared[m]
                    variance[trial, g, h] += c[g, m] * crossed[h, m] + c[h, m] * crossed[g, m]


@part("void(float64[::1], int64[::1], float64[::1])")
def share_uncensored(time, cause, share):  # type: ignore[no-untyped-def]
    """Kaplan-Meier of the censoring just before each row's time; events of any cause end the risk of it, (CR-5)."""
    n = time.shape[0]
    left = 1.0
    i = 0
    while i < n:
        j, censored = i, 0.0
        while j < n and time[j] == time[i]:
            share[j] = left
            censored += 1.0 if cause[j] == 0 else 0.0
            j += 1
        left *= 1.0 - censored / (n - i)
        i = j


@part(f"float64({ROWS}, {EVENT_TIMES}, float64[::1], float64[::1], float64[:, ::1])")
def evaluate(rows, times, beta, gradient, hessian):  # type: ignore[no-untyped-def]
    """Log pseudo-likelihood of the subdistribution, Breslow's ties, with derivatives; fills weights, means; (CR-6)."""
    _, cause, x, share = rows
    begin, count, _, weight, mean = times
    n, p = x.shape
    m = begin.shape[0]
    for j in range(p):
        gradient[j] = 0.0
        for k in range(j + 1):
            hessian[j, k] = 0.0
    first, second = np.zeros(p), np.zeros((p, p))
    total = 0.0
    risks = np.empty(n)
    moments = np.zeros((m, p, p))
    for i in range(n):
        eta = 0.0
        for j in range(p):
            eta += x[i, j] * beta[j]
        if not abs(eta) < 300.0:
            return -np.inf
        risks[i] = np.exp(eta)
    value = 0.0
    # From the last time back: those still at risk.
    zero = 0.0
    row = n
    for e in range(m - 1, -1, -1):
        while row > begin[e]:
            row -= 1
            zero += risks[row]
            for j in range(p):
                first[j] += risks[row] * x[row, j]
                for k in range(j + 1):
                    second[j, k] += risks[row] * x[row, j] * x[row, k]
        weight[e] = zero
        for j in range(p):
            mean[e, j] = first[j]
            for k in range(j + 1):
                moments[e, j, k] = second[j, k]
    # From the first time on: those whose other event came before, weighted by how many would still be followed.
    zero = 0.0
    for j in range(p):
        first[j] = 0.0
        for k in range(j + 1):
            second[j, k] = 0.0
    row = 0
    for e in range(m):
        while row < begin[e]:
            if cause[row] == 2:
                r = risks[row] / share[row]
                zero += r
                for j in range(p):
                    first[j] += r * x[row, j]
                    for k in range(j + 1):
                        second[j, k] += r * x[row, j] * x[row, k]
            row += 1
        g = share[begin[e]]
        total = weight[e] + g * zero
        weight[e] = total
        for j in range(p):
            mean[e, j] = (mean[e, j] + g * first[j]) / total
        for j in range(p):
            for k in range(j + 1):
                moment = (moments[e, j, k] + g * second[j, k]) / total
                hessian[j, k] -= count[e] * (moment - mean[e, j] * mean[e, k])
            gradient[j] -= count[e] * mean[e, j]
        value -= count[e] * np.log(total)
    for i in range(n):
        if cause[i] == 1:
            value += np.log(risks[i])
            for j in range(p):
                gradient[j] += x[i, j]
    return value


@part(f"void({ROWS}, {EVENT_TIMES}, float64[::1], float64[:, ::1])")
def add_scores(rows, times, beta, meat):  # type: ignore[no-untyped-def]
    """Sum of squares of each participant's share in the score, the estimated censoring with it; (CR-7), (CR-8)."""
    time, cause, x, share = rows
    begin, count, share_at, weight, mean = times
    n, p = x.shape
    m = begin.shape[0]
    # Cumulative over event times: hazard and hazard times mean; the same weighted by the share, from the end back.
    hazard, drift = np.zeros(m + 1), np.zeros((m + 1, p))
    ahead, ahead_drift = np.zeros(m + 1), np.zeros((m + 1, p))
    for e in range(m):
        step = count[e] / weight[e]
        hazard[e + 1] = hazard[e] + step
        for j in range(p):
            drift[e + 1, j] = drift[e, j] + step * mean[e, j]
    for e in range(m - 1, -1, -1):
        step = share_at[e] * count[e] / weight[e]
        ahead[e] = ahead[e + 1] + step
        for j in range(p):
            ahead_drift[e, j] = ahead_drift[e + 1, j] + step * mean[e, j]
    # Of the censoring: what each time of it moves the score by, per participant at risk, and its running sum.
    others, others_x, moved, censoring = 0.0, np.zeros(p), np.zeros(p), np.zeros(p)
    scores = np.zeros(p)
    e = 0  # event times before the rows at hand
    i = 0
    while i < n:
        j = i
        censored = 0.0
        while j < n and time[j] == time[i]:
            censored += 1.0 if cause[j] == 0 else 0.0
            j += 1
        # It touches the weights, from this event time on, of those whose other event came before.
        at_risk = n - i
        for a in range(p):
            moved[a] = (others_x[a] * ahead[e] - others * ahead_drift[e, a]) / at_risk if censored > 0.0 else 0.0
            censoring[a] -= moved[a] * censored / at_risk
        is_event_time = e < m and time[begin[e]] == time[i]
        after = e + 1 if is_event_time else e
        for row in range(i, j):
            eta = 0.0
            for a in range(p):
                eta += x[row, a] * beta[a]
            r = np.exp(eta)
            for a in range(p):
                s = censoring[a] - r * (x[row, a] * hazard[after] - drift[after, a])
                if cause[row] == 1:
                    s += x[row, a] - mean[e, a]
                elif cause[row] == 2:
                    s -= r / share[row] * (x[row, a] * ahead[after] - ahead_drift[after, a])
                else:
                    s += moved[a]
                scores[a] = s
            if cause[row] == 2:
                others += r / share[row]
                for a in range(p):
                    others_x[a] += r / share[row] * x[row, a]
            for a in range(p):
                for b in range(a + 1):
                    meat[a, b] += scores[a] * scores[b]
        e = after
        i = j


@part(f"int64({ROWS}, {EVENT_TIMES}, float64[::1], float64[::1], float64[::1])")
def climb(rows, times, beta, value, quality):  # type: ignore[no-untyped-def]
    """Newton's method from 0; ``value`` gets the log-likelihoods at the maximum and at 0. Returns how it ended."""
    p = beta.shape[0]
    gradient, hessian, factor, step = np.empty(p), np.empty((p, p)), np.empty((p, p)), np.empty(p)
    tried, tried_gradient, tried_hessian = np.empty(p), np.empty(p), np.empty((p, p))
    top = evaluate(rows, times, beta, gradient, hessian)
    value[1] = top
    for iteration in range(_MAX_ITERATIONS):
        quality[ITERATIONS] = iteration + 1
        decrement = newton_step(hessian, gradient, step, factor, p)
        quality[GRADIENT] = np.sqrt(abs(decrement))
        if not np.isfinite(decrement):
            return STOPPED
        largest = 0.0
        for i in range(rows[0].shape[0]):
            eta = 0.0
            for j in range(p):
                eta += rows[2][i, j] * beta[j]
            largest = max(largest, abs(eta))
        runs = largest > _PREDICTOR_RUNAWAY and 0.0 <= decrement < _DECREMENT_RUNAWAY
        shrink = 1.0
        found = -np.inf
        for _ in range(40):
            for j in range(p):
                tried[j] = beta[j] + shrink * step[j]
            found = evaluate(rows, times, tried, tried_gradient, tried_hessian)
            if found >= top or (abs(decrement) < 1e-9 and found > top - 1e-9 * (1.0 + abs(top))):
                break
            shrink *= 0.5
        else:
            return STOPPED
        top = found
        value[0] = top
        for j in range(p):
            beta[j] = tried[j]
            gradient[j] = tried_gradient[j]
            for k in range(j + 1):
                hessian[j, k] = tried_hessian[j, k]
        if runs:
            return RUNAWAY
        if 0.0 <= decrement < _DECREMENT:
            return CONVERGED
    return STOPPED


@kernel(f"void(int64, int64, {DESIGNED}, {OUT})")
def fit_range(first, stop, data, out):  # type: ignore[no-untyped-def]
    """Fit the wanted trials of ``first:stop``."""
    all_time, all_cause, all_x, offsets, wanted = data
    betas, robust, inverse, values, quality = out
    p = all_x.shape[1]
    for trial in range(first, stop):
        if not wanted[trial]:
            continue
        r0, r1 = offsets[trial], offsets[trial + 1]
        n = r1 - r0
        time, cause, x = all_time[r0:r1], all_cause[r0:r1], all_x[r0:r1]
        share = np.empty(n)
        share_uncensored(time, cause, share)
        begin, count = np.empty(n, dtype=np.int64), np.zeros(n)
        m, i = 0, 0
        while i < n:
            j, events = i, 0.0
            while j < n and time[j] == time[i]:
                events += 1.0 if cause[j] == 1 else 0.0
                j += 1
            if events > 0.0:
                begin[m], count[m] = i, events
                m += 1
            i = j
        share_at = np.empty(m)
        for e in range(m):
            share_at[e] = share[begin[e]]
        rows = (time, cause, x, share)
        times = (begin[:m], count[:m], share_at, np.empty(m), np.empty((m, p)))
        beta = betas[trial]
        quality[trial, STATUS] = climb(rows, times, beta, values[trial], quality[trial])
        if quality[trial, STATUS] == STOPPED:
            continue
        gradient, hessian = np.empty(p), np.empty((p, p))
        evaluate(rows, times, beta, gradient, hessian)
        information, factor, bread = np.empty((p, p)), np.empty((p, p)), np.empty((p, p))
        for j in range(p):
            for k in range(j + 1):
                information[j, k] = -hessian[j, k]
                factor[j, k] = -hessian[j, k]
        if cholesky(factor, p) >= 0:
            quality[trial, STATUS] = SINGULAR
            continue
        invert_cholesky(factor, bread, p)
        quality[trial, CONDITION] = condition_number(information, bread, p)
        meat = np.zeros((p, p))
        add_scores(rows, times, beta, meat)
        for j in range(p):
            for k in range(p):
                inverse[trial, j, k] = bread[j, k]
                s = 0.0
                for a in range(p):
                    for b in range(p):
                        s += bread[j, a] * (meat[a, b] if a >= b else meat[b, a]) * bread[b, k]
                robust[trial, j, k] = s
