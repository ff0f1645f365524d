"""The course of each participant, day by day: the compiled part of :mod:`equipoise.simulation.day_level`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from equipoise.simulation.purposes import Purpose
from equipoise.simulation.streams import uniform

# Letters of the field, as bytes: positive, negative, due but not given.
POSITIVE, NEGATIVE, MISSED = ord("+"), ord("-"), ord("o")

_USE = np.uint64(int(Purpose.USE) << 16)
_REPORT = np.uint64(int(Purpose.REPORT) << 16)
_DROPOUT = np.uint64(int(Purpose.DROPOUT) << 16)
_MISSED_VISIT = np.uint64(int(Purpose.MISSED_VISIT) << 16)
_URINE = np.uint64(int(Purpose.URINE) << 16)
_ONCE = np.uint64(0)  # of what stands once in a trial, the instance


@njit(  # type: ignore[untyped-decorator,unused-ignore]
    "void(int64, int64, uint64, uint64[::1], uint64, int8[:, ::1], float64[:, ::1], boolean[:, ::1], float64[::1],"
    "float64[::1], float64,"
    "int64[::1], float64, float64, float64[::1], float64, int64, float64, float64, float64[::1], float64, float64,"
    "uint8[:, :, ::1], uint8[:, :, ::1], uint8[:, :, ::1], boolean[:, :, ::1], int8[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def run_course(  # type: ignore[no-untyped-def]
    first,
    stop,
    seed,
    replicates,  # (n_replicates,)
    day_address,  # address of the first outpatient day
    arm,  # (n_replicates, n_participants)
    person_log_odds,  # (n_replicates, n_participants): alpha + bR (R - pR) + sb z - delta K
    responder,  # (n_replicates, n_participants): K
    day_log_odds,  # (n_days,): hot exp(-(t - 1) / decay)
    regained,  # (n_days,): delta (1 - exp(-(t - 1) / fade)), what a responder has lost of the effect; 0 if it lasts
    use_yesterday,  # gam
    visit_at,  # (n_visits,): index of the visit's day
    dropout_log_odds,  # d0
    dropout_use,  # dU
    dropout_arm,  # (n_arms,): dA
    dropout_early,  # dE
    n_early_visits,
    missed_without_use,
    missed_with_use,
    sensitivity,  # (n_back,), by days since use
    specificity,
    under_reporting,
    true_use,  # out (n_replicates, n_participants, n_days): 0 or 1
    calendar,  # out, same shape: letters
    urine,  # out (n_replicates, n_participants, n_visits): letters
    attended,  # out, same shape
    gone_from,  # out (n_replicates, n_participants): first visit after dropping out; n_visits if never
):
    """Fill the outputs for replicates ``first`` to ``stop - 1``; equations U, D, M, T and R of the methods page."""
    n_participants, n_days, n_visits = true_use.shape[1], true_use.shape[2], urine.shape[2]
    one, zero = np.uint8(1), np.uint8(0)
    positive, negative, missed_letter = np.uint8(POSITIVE), np.uint8(NEGATIVE), np.uint8(MISSED)
    for r in range(first, stop):
        replicate = replicates[r]
        for i in range(n_participants):
            participant = np.uint64(i)
            base = person_log_odds[r, i]
            responds = responder[r, i]
            yesterday = False
            used_since_planned = False
            is_gone = False
            v = 0
            asked_from = 0
            gone_from[r, i] = n_visits
            for t in range(n_days):
                day = day_address + np.uint64(t)
                eta = base + day_log_odds[t]
                if responds:
                    eta += regained[t]
                if yesterday:
                    eta += use_yesterday
                used = uniform(seed, replicate, participant, day, _USE, _ONCE) < 1.0 / (1.0 + math.exp(-eta))
                true_use[r, i, t] = one if used else zero
                calendar[r, i, t] = missed_letter
                yesterday = used
                used_since_planned = used_since_planned or used
                if v == n_visits or visit_at[v] != t:
                    continue
                urine[r, i, v] = missed_letter
                attended[r, i, v] = False
                if not is_gone:
                    eta = dropout_log_odds + dropout_arm[arm[r, i]]
                    if used_since_planned:
                        eta += dropout_use
                    if v < n_early_visits:
                        eta += dropout_early
                    is_gone = uniform(seed, replicate, participant, day, _DROPOUT, _ONCE) < 1.0 / (1.0 + math.exp(-eta))
                    if is_gone:
                        gone_from[r, i] = v
                if not is_gone:
                    chance = missed_with_use if used_since_planned else missed_without_use
                    # Who is still in the study always comes to the last visit.
                    if v == n_visits - 1 or uniform(seed, replicate, participant, day, _MISSED_VISIT, _ONCE) >= chance:
                        attended[r, i, v] = True
                        stays_negative = specificity
                        for k in range(min(sensitivity.shape[0], t + 1)):
                            if true_use[r, i, t - k]:
                                stays_negative *= 1.0 - sensitivity[k]
                        is_positive = uniform(seed, replicate, participant, day, _URINE, _ONCE) < 1.0 - stays_negative
                        urine[r, i, v] = positive if is_positive else negative
                        for d in range(asked_from, t + 1):
                            reported = False
                            if true_use[r, i, d]:
                                address = day_address + np.uint64(d)
                                draw = uniform(seed, replicate, participant, address, _REPORT, _ONCE)
                                reported = draw >= under_reporting
                            calendar[r, i, d] = positive if reported else negative
                        asked_from = t + 1
                used_since_planned = False
                v += 1
