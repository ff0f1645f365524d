"""Graphs and step-up procedures on a few hypotheses, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.multiplicity import adjust_hochberg, adjust_hommel, graph_without, run_graph, run_in_series

HOLM = (np.array([0.5, 0.5]), np.array([[0.0, 1.0], [1.0, 0.0]]))


def test_holm_of_two() -> None:
    # 0.01 / 0.5 = 0.02; then the other has the whole level: 0.04.
    tests = run_graph(*HOLM, [0.04, 0.01])
    assert tests.adjusted[0] == pytest.approx([0.04, 0.02])
    assert tests.order[0].tolist() == [2, 1]
    assert tests.weight[0].tolist() == [1.0, 0.5]


def test_adjusted_p_never_falls_with_the_steps() -> None:
    # Fallback 0.5, 0.3, 0.2: 0.012 / 0.3 = 0.04 is the smallest; third then holds 0.5: 0.011 / 0.5 = 0.022, below 0.04.
    tests = run_graph([0.5, 0.3, 0.2], [[0, 1, 0], [0, 0, 1], [0, 0, 0]], [0.04, 0.012, 0.011])
    assert tests.adjusted[0] == pytest.approx([0.08, 0.04, 0.04])
    assert tests.order[0].tolist() == [3, 1, 2]


def test_two_doses_and_two_endpoints() -> None:
    # Without the first, its half of 0.5 goes to the second, the other to the third. Ways through it: second to third
    # (0 + 0.5 * 0.5) / (1 - 0.5 * 0.5) = 1/3, second to fourth 0.5 / (1 - 0.25) = 2/3, third to second 1 * 0.5 = 0.5,
    # which is divided by 1 - 1 * 0.5: 1.
    graph = ([0.5, 0.5, 0, 0], [[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0], [1, 0, 0, 0]])
    weights, transitions = graph_without(*graph, [0])
    assert weights.tolist() == [0, 0.75, 0.25, 0]
    assert transitions[1] == pytest.approx([0, 0, 1 / 3, 2 / 3])
    assert transitions[2] == pytest.approx([0, 1, 0, 0])
    assert transitions[3] == pytest.approx([0, 0.5, 0.5, 0])


def test_a_p_value_equal_to_its_level_is_rejected() -> None:
    # 0.1 + 0.2 is more than 0.3 in floating point; the guard makes nothing of that.
    tests = run_graph([0.3, 0.7], [[0, 1], [1, 0]], [0.3 * 0.025, 0.025])
    assert tests.rejected(0.025)[0].tolist() == [True, True]
    assert not run_graph([0.3, 0.7], [[0, 1], [1, 0]], [0.0076, 0.5]).rejected(0.025).any()


def test_without_weight_and_way_nothing_is_ever_rejected() -> None:
    tests = run_graph([0.6, 0.4, 0], [[0, 1, 0], [1, 0, 0], [0, 0, 0]], [0.001, 0.002, 1e-9])
    assert tests.adjusted[0] == pytest.approx([0.001 / 0.6, 0.002, 1.0])
    assert tests.order[0].tolist() == [1, 2, 0]


def test_an_absent_p_value_passes_nothing_on() -> None:
    tests = run_graph([1, 0], [[0, 1], [0, 0]], [[np.nan, 0.001], [0.001, np.nan]])
    assert np.isnan(tests.adjusted[0, 0])
    assert tests.adjusted[0, 1] == 1.0
    assert tests.adjusted[1, 0] == pytest.approx(0.001)
    assert not tests.rejected(0.05)[0].any()


def test_all_p_values_at_their_ends() -> None:
    assert run_graph(*HOLM, [0.0, 1.0]).adjusted[0].tolist() == [0.0, 1.0]
    assert run_graph([1.0], [[0.0]], [0.03]).adjusted.tolist() == [[0.03]]


def test_a_serial_gate_opens_when_all_before_are_rejected() -> None:
    # Holm of 0.02 and 0.04: 0.04, 0.04. The second family cannot be below the largest of these.
    assert run_in_series([HOLM, HOLM], [0.02, 0.04, 0.001, 0.03])[0] == pytest.approx([0.04, 0.04, 0.04, 0.04])
    assert run_in_series([HOLM, HOLM], [0.02, 0.2, 0.001, 0.03])[0] == pytest.approx([0.04, 0.2, 0.2, 0.2])
    assert run_in_series([HOLM, HOLM], [np.nan, 0.2, 0.001, 0.03])[0, 2:].tolist() == [1.0, 1.0]


def test_hochberg_steps_up() -> None:
    # In order 0.01, 0.03, 0.04: 3 * 0.01 = 0.03, 2 * 0.03 = 0.06, 0.04; from the largest down: 0.04, 0.04, 0.03.
    assert adjust_hochberg([0.04, 0.01, 0.03])[0] == pytest.approx([0.04, 0.03, 0.04])


def test_hommel_of_three() -> None:
    # 0.01: alone 0.01; pairs with the larger of the rest min(2 * 0.01, 0.04) = 0.02; all three
    # min(0.03, 1.5 * 0.03, 0.04) = 0.03. 0.03: pairs min(2 * 0.03, 0.04) = 0.04. 0.04: the same pair, 0.04.
    assert adjust_hommel([0.04, 0.01, 0.03])[0] == pytest.approx([0.04, 0.03, 0.04])
    # 0.013, 0.024, 0.024, 0.5: of the first, all four give 4/3 * 0.024 = 0.032, the worst three (0.013, 0.024, 0.5)
    # give 1.5 * 0.024 = 0.036, the worst pair 0.026. Hochberg has no more to offer than 2 * 0.024.
    assert adjust_hochberg([0.013, 0.024, 0.024, 0.5])[0, 0] == pytest.approx(0.048)
    assert adjust_hommel([0.013, 0.024, 0.024, 0.5])[0, 0] == pytest.approx(0.036)


def test_what_is_no_graph_is_refused() -> None:
    for weights, transitions, p in (
        ([0.6, 0.5], [[0, 1], [1, 0]], [0.1, 0.1]),
        ([0.5, 0.5], [[0, 1.1], [1, 0]], [0.1, 0.1]),
        ([0.5, 0.5], [[0.1, 0.5], [1, 0]], [0.1, 0.1]),
        ([0.5, -0.1], [[0, 1], [1, 0]], [0.1, 0.1]),
        ([0.5, 0.5], [[0, 1], [1, 0]], [0.1, 1.1]),
        ([0.5, 0.5], [[0, 1], [1, 0]], [0.1]),
    ):
        with pytest.raises(ValueError):
            run_graph(weights, transitions, p)
