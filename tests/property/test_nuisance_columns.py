"""What changes no effect of the arm: where a covariate has its zero, the order of rows, levels that say nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from equipoise.stats.codes import FitCode, has
from equipoise.stats.cox import fit_cox
from equipoise.stats.firth import fit_firth
from equipoise.stats.gee import fit_gee
from equipoise.stats.linear import fit_linear
from equipoise.stats.linear_mixed import fit_linear_mixed
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope

N, VISITS = 60, 4
Answer = tuple[float, float, int]


class Data:
    """One trial with everything the regressions ask for; visit rows are the participants' in order."""

    def __init__(self, seed: int, n: int = N) -> None:
        rng = np.random.default_rng(seed)
        self.arm = (np.arange(n) % 2).astype(float)
        self.x = np.round(rng.normal(size=n), 2)
        level = rng.normal(size=n)
        chance = 1 / (1 + np.exp(-(0.4 * self.arm + 0.6 * self.x - 0.2)))
        self.yes = (rng.random(n) < chance).astype(float)
        self.score = 0.5 * self.arm + self.x + rng.normal(size=n)
        self.time = np.ceil(rng.exponential(40, n) * np.exp(-0.3 * self.arm))
        self.event = (rng.random(n) < 0.7).astype(float)
        self.week = np.tile(np.arange(VISITS, dtype=float), n)
        who = np.repeat(np.arange(n), VISITS)
        eta = 0.3 * self.arm[who] + 0.5 * self.x[who] + level[who]
        self.visit_yes = (rng.random(n * VISITS) < 1 / (1 + np.exp(-eta))).astype(float)
        self.visit_score = eta + rng.normal(size=n * VISITS)

    def take(self, people: np.ndarray) -> Data:
        """The data of some people, in that order."""
        out = object.__new__(Data)
        rows = (people[:, None] * VISITS + np.arange(VISITS)).ravel()
        for name, values in vars(self).items():
            setattr(out, name, values[rows if values.size == self.arm.size * VISITS else people])
        return out


def answer(coefficient: float, error: float, codes: int) -> Answer:
    return float(coefficient), float(error), int(codes)


def design(data: Data, columns: list[np.ndarray]) -> np.ndarray:
    return np.column_stack([np.ones(data.arm.size), data.arm, *columns])


def logistic(data: Data, columns: list[np.ndarray]) -> Answer:
    f = fit_logistic(data.yes, design(data, columns), [0, data.arm.size])
    return answer(f.coefficients[0, 1], f.standard_errors[0, 1], f.codes[0])


def firth(data: Data, columns: list[np.ndarray]) -> Answer:
    f = fit_firth(data.yes, design(data, columns), [0, data.arm.size])
    return answer(f.coefficients[0, 1], f.standard_errors[0, 1], f.codes[0])


def cox(data: Data, columns: list[np.ndarray]) -> Answer:
    f = fit_cox(data.time, data.event, design(data, columns)[:, 1:], [0, data.arm.size])
    return answer(f.coefficients[0, 0], f.standard_errors[0, 0], f.codes[0])


def cox_breslow(data: Data, columns: list[np.ndarray]) -> Answer:
    f = fit_cox(data.time, data.event, design(data, columns)[:, 1:], [0, data.arm.size], ties="breslow")
    return answer(f.coefficients[0, 0], f.standard_errors[0, 0], f.codes[0])


def cox_exact(data: Data, columns: list[np.ndarray]) -> Answer:
    f = fit_cox(data.time, data.event, design(data, columns)[:, 1:], [0, data.arm.size], ties="exact")
    return answer(f.coefficients[0, 0], f.standard_errors[0, 0], f.codes[0])


def linear(data: Data, columns: list[np.ndarray]) -> Answer:
    f = fit_linear(data.score, design(data, columns), [0, data.arm.size])
    return answer(f.coefficients[0, 1], f.standard_errors[0, 1], f.codes[0])


def _visits(data: Data, columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    n = data.arm.size
    who = np.repeat(np.arange(n), VISITS)
    x = design(data, columns)[who]
    return np.column_stack([x[:, :2], data.week, x[:, 2:]]), np.arange(n + 1) * VISITS


def gee(data: Data, columns: list[np.ndarray]) -> Answer:
    x, people = _visits(data, columns)
    f = fit_gee(data.visit_yes, x, people)
    return answer(f.coefficients[1], np.sqrt(f.covariance_mancl_derouen[1, 1]), f.codes)


def logistic_mixed(data: Data, columns: list[np.ndarray]) -> Answer:
    x, people = _visits(data, columns)
    f = fit_logistic_mixed(data.visit_yes, x, people, [0, data.arm.size])
    return answer(f.coefficients[0, 1], f.standard_errors[0, 1], f.codes[0])


def logistic_mixed_slope(data: Data, columns: list[np.ndarray]) -> Answer:
    x, people = _visits(data, columns)
    f = fit_logistic_mixed_slope(data.visit_yes, x, people, [0, data.arm.size], slope=data.week)
    return answer(f.coefficients[0, 1], np.sqrt(f.covariance[0, 1, 1]), f.codes[0])


def linear_mixed(data: Data, columns: list[np.ndarray]) -> Answer:
    x, people = _visits(data, columns)
    f = fit_linear_mixed(data.visit_score, x, people, [0, data.arm.size])
    return answer(f.coefficients[0, 1], f.standard_errors[0, 1], f.codes[0])


def linear_mixed_slope(data: Data, columns: list[np.ndarray]) -> Answer:
    x, people = _visits(data, columns)
    f = fit_linear_mixed(data.visit_score, x, people, [0, data.arm.size], slope=data.week)
    return answer(f.coefficients[0, 1], f.df[0, 1], f.codes[0])


Fit = Callable[[Data, list[np.ndarray]], Answer]
BY_LIKELIHOOD: list[Fit] = [logistic, cox, cox_breslow, cox_exact]
ALL: list[Fit] = [
    *BY_LIKELIHOOD,
    firth,
    linear,
    gee,
    logistic_mixed,
    logistic_mixed_slope,
    linear_mixed,
    linear_mixed_slope,
]
named = pytest.mark.parametrize("fit", ALL, ids=lambda fit: fit.__name__)


def close(got: Answer, want: Answer, tolerance: float = 1e-6) -> bool:
    """To rounding: a covariate a million of its spreads from zero has lost six digits before it comes here."""
    return bool(np.allclose(got[:2], want[:2], rtol=tolerance, atol=tolerance))


@named
@pytest.mark.parametrize(
    ("shift", "scale"), [(0, 0.1), (2020, 1), (1e5, 1), (1e6, 1), (-1e6, 1), (2020, 1e-2), (0, -1e4)]
)
def test_where_a_covariate_has_its_zero_and_its_unit_changes_nothing(fit: Fit, shift: float, scale: float) -> None:
    data = Data(5)
    assert close(fit(data, [shift + scale * data.x]), fit(data, [data.x]))


@named
def test_the_order_of_participants_changes_nothing(fit: Fit) -> None:
    data = Data(6)
    turned = data.take(np.random.default_rng(1).permutation(N))
    assert close(fit(turned, [2020 + turned.x]), fit(data, [2020 + data.x]), 1e-8)


@named
def test_a_level_that_nobody_has_and_a_covariate_alike_for_all_change_nothing(fit: Fit) -> None:
    data = Data(7)
    want = fit(data, [data.x])
    for silent in (np.zeros(N), np.full(N, 2020.0), 3.0 - 2.0 * data.x):
        got = fit(data, [silent, data.x])
        assert close(got, want, 1e-8)
        assert FitCode(got[2]) & FitCode.NUISANCE_LEFT_OUT
        assert not FitCode(got[2]) & FitCode.NOT_ESTIMABLE


@named
def test_more_levels_than_people_can_tell_apart_leave_an_identified_arm_alone(fit: Fit) -> None:
    data = Data(8)
    got = fit(data, [data.x, *(np.zeros(N) for _ in range(N))])
    assert close(got, fit(data, [data.x]), 1e-8)


@named
def test_a_covariate_that_is_the_arm_itself_is_not_left_out_without_a_word(fit: Fit) -> None:
    data = Data(9)
    for twin in (data.arm, 1.0 - data.arm):
        got = fit(data, [twin, data.x])
        assert np.isnan(got[0])
        assert FitCode(got[2]) & FitCode.RANK_DEFICIENT
        assert FitCode(got[2]) & FitCode.NOT_ESTIMABLE


def _with_silent_people(data: Data, arms: list[int], event: float) -> tuple[Data, np.ndarray]:
    """The data with more people, all with the same outcome, at a place of their own."""
    n, more = data.arm.size, len(arms)
    out = data.take(np.append(np.arange(n), np.zeros(more, dtype=np.int64)))
    out.arm[n:] = arms
    out.yes[n:] = out.event[n:] = event
    out.visit_yes[n * VISITS :] = event
    place = np.zeros(n + more)
    place[n:] = 1.0
    return out, place


@pytest.mark.parametrize("fit", [*BY_LIKELIHOOD, logistic_mixed], ids=lambda fit: fit.__name__)
@pytest.mark.parametrize("arms", [[0, 1], [1], [0], [0, 1, 1, 0, 1]])
def test_a_place_without_events_adds_nothing_to_the_likelihood(fit: Fit, arms: list[int]) -> None:
    data = Data(10)
    larger, place = _with_silent_people(data, arms, 0.0)
    got = fit(larger, [place, larger.x])
    assert close(got, fit(data, [data.x]), 1e-7)
    assert not FitCode(got[2]) & FitCode.NOT_ESTIMABLE
    # The same with the silent place as the level that has no column of its own.
    others = (np.arange(N) % 3 == 0).astype(float)
    known = np.append(others, np.zeros(len(arms)))
    turned = fit(larger, [(1.0 - place) * known, (1.0 - place) * (1.0 - known), larger.x])
    assert close(turned, fit(data, [others, data.x]), 1e-7)


@pytest.mark.parametrize("fit", BY_LIKELIHOOD, ids=lambda fit: fit.__name__)
@pytest.mark.parametrize("event", [0.0, 1.0])
def test_a_level_of_one_person_is_as_if_that_person_were_not_there(fit: Fit, event: float) -> None:
    data = Data(11)
    if fit is not logistic and event == 1.0:
        data.time += 1.0
    larger, place = _with_silent_people(data, [1], event)
    if fit is not logistic and event == 1.0:
        larger.time[-1] = 1.0  # the first of all to fail, so that it outranks everybody
    got = fit(larger, [place, larger.x])
    assert close(got, fit(data, [data.x]), 1e-7)
    assert FitCode(got[2]) & FitCode.NUISANCE_LEFT_OUT


def test_where_the_arm_itself_runs_off_beside_a_silent_place_it_says_so() -> None:
    data = Data(12)
    data.yes[data.arm == 1] = 1.0
    larger, place = _with_silent_people(data, [0, 1], 0.0)
    larger.yes[-1] = 1.0  # at the silent place too the arm foretells all
    f = fit_logistic(larger.yes, design(larger, [place, np.zeros(N + 2)]), [0, N + 2])
    assert np.isnan(f.coefficients).all()
    assert has(f.codes, FitCode.SEPARATION_QUASI)[0]
    assert f.infinite[0, 1]
    assert f.direction[0, 1] == 1


def test_a_batch_with_silent_places_is_its_trials_one_by_one() -> None:
    trials = [Data(20 + k, 12) for k in range(30)]
    rng = np.random.default_rng(3)
    levels = [rng.integers(0, 5, 12) for _ in trials]
    columns = [np.column_stack([(level == k).astype(float) for k in range(1, 5)]) for level in levels]
    x = np.concatenate([design(t, list(c.T)) for t, c in zip(trials, columns, strict=True)])
    offsets = np.arange(31) * 12
    y = np.concatenate([t.yes for t in trials])
    time, event = np.concatenate([t.time for t in trials]), np.concatenate([t.event for t in trials])
    whole, hazards = fit_logistic(y, x, offsets), fit_cox(time, event, x[:, 1:], offsets)
    assert has(whole.codes, FitCode.NUISANCE_LEFT_OUT).sum() > 5
    for k in range(30):
        rows = slice(12 * k, 12 * (k + 1))
        alone = fit_logistic(y[rows], x[rows], [0, 12])
        np.testing.assert_array_equal(alone.coefficients[0], whole.coefficients[k])
        assert alone.codes[0] == whole.codes[k]
        alone_cox = fit_cox(time[rows], event[rows], x[rows, 1:], [0, 12])
        np.testing.assert_array_equal(alone_cox.coefficients[0], hazards.coefficients[k])
