"""Adjusted p values by a second route: every intersection tested by itself, its weights found anew."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from equipoise.protocol.language.multiplicity import Multiplicity
from equipoise.stats.multiplicity import adjust_hochberg, adjust_hommel, graph_without, run_graph, run_in_series


def random_graph(rng):
    m = int(rng.integers(2, 6))
    weights = rng.dirichlet(np.ones(m)) * rng.choice([1.0, 0.9]) * (rng.random(m) < 0.7)
    transitions = rng.random((m, m)) * (rng.random((m, m)) < 0.6)
    np.fill_diagonal(transitions, 0.0)
    sums = transitions.sum(axis=1, keepdims=True)
    return weights, np.divide(transitions, sums, out=np.zeros_like(transitions), where=sums > 0)


def intersections(m):
    return [list(chosen) for size in range(1, m + 1) for chosen in combinations(range(m), size)]


@pytest.mark.parametrize("seed", range(25))
def test_a_graph_is_the_closed_test_with_its_weights(seed) -> None:
    rng = np.random.default_rng(seed)
    weights, transitions = random_graph(rng)
    m = weights.size
    p = np.where(rng.random((20, m)) < 0.6, rng.beta(0.3, 8, (20, m)), rng.random((20, m)))
    closed = np.zeros_like(p)
    for members in intersections(m):
        share, _ = graph_without(weights, transitions, [j for j in range(m) if j not in members])
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = np.where(share[members] > 0, p[:, members] / share[members], np.inf).min(axis=1)
        closed[:, members] = np.maximum(closed[:, members], np.minimum(whole, 1.0)[:, None])
    assert run_graph(weights, transitions, p).adjusted == pytest.approx(closed, abs=1e-9)


def test_what_is_left_does_not_depend_on_the_order() -> None:
    weights, transitions = random_graph(np.random.default_rng(4))
    removed = [0, 1, 2][: weights.size - 1]
    first = graph_without(weights, transitions, removed)
    for order in permutations(removed):
        again = graph_without(weights, transitions, order)
        assert again[0] == pytest.approx(first[0], abs=1e-12)
        assert again[1] == pytest.approx(first[1], abs=1e-12)


@pytest.mark.parametrize("m", [2, 3, 5, 7])
def test_hommel_is_the_closed_test_by_simes_and_rejects_what_hochberg_does(m) -> None:
    p = np.random.default_rng(m).beta(0.5, 4, (30, m))
    closed = np.zeros_like(p)
    for members in intersections(m):
        s = len(members)
        simes = (s * np.sort(p[:, members], axis=1) / np.arange(1, s + 1)).min(axis=1)
        closed[:, members] = np.maximum(closed[:, members], simes[:, None])
    hommel = adjust_hommel(p)
    assert hommel == pytest.approx(closed, abs=1e-12)
    assert (hommel <= adjust_hochberg(p) + 1e-12).all()


def plan(**more):
    return Multiplicity.model_validate({"alpha-two-sided": 0.05, **more})


def arrays(graph):
    return np.array(graph.weights), np.array(graph.transitions)


def test_the_short_names_are_the_procedures_that_they_name() -> None:
    names, p = ["a", "b", "c", "d"], np.random.default_rng(1).beta(0.3, 5, (50, 4))
    ordered = np.sort(p, axis=1)

    def adjusted(**more):
        [graph] = plan(hypotheses=names, **more).graphs
        return run_graph(*arrays(graph), p).adjusted

    holm = np.maximum.accumulate(np.minimum(ordered * [4, 3, 2, 1], 1.0), axis=1)
    assert np.sort(adjusted(method="holm"), axis=1) == pytest.approx(holm, abs=1e-12)
    assert adjusted(method="bonferroni") == pytest.approx(np.minimum(4 * p, 1.0), abs=1e-12)
    assert adjusted(method="fixed-sequence") == pytest.approx(np.maximum.accumulate(p, axis=1), abs=1e-12)


def test_weighted_holm_gives_the_rest_in_proportion_to_its_weights() -> None:
    [graph] = plan(method="holm", hypotheses=["a", "b", "c"], weights={"a": 0.5, "b": 0.3, "c": 0.2}).graphs
    weights, _ = graph_without(*arrays(graph), [0])
    assert weights == pytest.approx([0, 0.6, 0.4])


def test_two_hypotheses_behind_a_parallel_gate_are_the_truncated_holm() -> None:
    # Once one is rejected the other has (truncation + (1 - truncation) / 2) of the level.
    [graph] = plan(method="gatekeeping", gate="parallel", truncation=0.4, families=[["a", "b"], ["c", "d"]]).graphs
    weights, _ = graph_without(*arrays(graph), [0])
    assert weights == pytest.approx([0, 0.7, 0.15, 0.15])


def test_a_serial_gate_is_the_limit_of_graphs_with_thin_arrows() -> None:
    families = [["a", "b"], ["c", "d"]]
    serial = [arrays(graph) for graph in plan(method="gatekeeping", families=families).graphs]
    thin = 1e-9
    rows = {
        "a": {"b": 1 - thin, "c": thin / 2, "d": thin / 2},
        "b": {"a": 1 - thin, "c": thin / 2, "d": thin / 2},
        "c": {"d": 1},
        "d": {"c": 1},
    }
    [one] = plan(method="graph", hypotheses=[*"abcd"], weights={"a": 0.5, "b": 0.5}, transitions=rows).graphs
    p = np.random.default_rng(2).uniform(0.001, 0.2, (200, 4))
    assert run_in_series(serial, p) == pytest.approx(run_graph(*arrays(one), p).adjusted, abs=1e-6)
