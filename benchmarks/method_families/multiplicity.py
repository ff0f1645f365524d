"""Graphs and stepwise procedures: ``multiplicity.csv``, with inputs in ``data/multiplicity_inputs.csv``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.multiplicity import adjust_hochberg, adjust_hommel, graph_without, run_graph
from method_families.base import Answer, Ours, read_data

GRAPH = "sequentially rejective weighted Bonferroni graph"
NOT_OFFERED = {
    "BH": "holds the false discovery rate, not the familywise error that a confirmatory trial claims",
    "BY": "holds the false discovery rate, not the familywise error that a confirmatory trial claims",
    "Sidak": "needs independent tests, and gains little where they are: not offered",
    "Sidak-Holm": "needs independent tests, and gains little where they are: not offered",
}


@cache
def _inputs(folder: Path) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in read_data(folder, "multiplicity_inputs"):
        found.setdefault(row["dataset"], []).append(row)
    return found


def _stepwise(model: str, p: NDArray[np.float64]) -> NDArray[np.float64]:
    m = p.shape[0]
    none, equal = np.zeros((m, m)), np.full(m, 1.0 / m)
    if model == "hochberg":
        return adjust_hochberg(p)[0]
    if model == "hommel":
        return adjust_hommel(p)[0]
    if model == "bonferroni":
        return run_graph(equal, none, p).adjusted[0]
    if model == "holm":
        return run_graph(equal, (1.0 - np.eye(m)) / max(1, m - 1), p).adjusted[0]
    return run_graph(np.eye(m)[0], np.eye(m, k=1), p).adjusted[0]  # a fixed sequence


def answers(folder: Path) -> Ours:
    """Our answer to a row."""

    def ours(row: Answer) -> float | str | None:
        rows = _inputs(folder)[row.dataset]
        names = [one["hypothesis"] for one in rows]
        p = np.array([float(one["p"]) for one in rows])
        if row.model in NOT_OFFERED:
            return f"{row.model} {NOT_OFFERED[row.model]}"
        if row.model != GRAPH:
            return float(_stepwise(row.model, p)[names.index(row.index)])
        weights = np.array([float(one["weight"]) for one in rows])
        transitions = np.array([[float(one[f"to_H{k + 1}"]) for k in range(len(rows))] for one in rows])
        tests = run_graph(weights, transitions, p)
        rejected = tests.rejected(float(rows[0]["alpha"]))[0]
        if row.quantity == "transition left":
            one, other = (names.index(name) for name in row.index.split())
            return float(graph_without(weights, transitions, np.flatnonzero(rejected))[1][one, other])
        k = names.index(row.index)
        if row.quantity == "weight left":
            return float(graph_without(weights, transitions, np.flatnonzero(rejected))[0][k])
        if row.quantity == "adjusted p":
            return float(tests.adjusted[0, k])
        return float(rejected[k]) * (float(tests.order[0, k]) if row.quantity == "rejection order" else 1.0)

    return ours


FAMILIES = {"multiplicity.csv": answers}
