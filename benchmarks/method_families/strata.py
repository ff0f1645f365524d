"""Two proportions combined over strata, and one proportion: those parts of ``proportions_ordinal.csv``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from equipoise.stats.goal import exact_goal_test
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.risk import clopper_pearson, wilson
from equipoise.stats.strata import (
    StratifiedTables,
    cochran_mantel_haenszel,
    greenland_robins_error,
    mantel_haenszel_difference,
    mantel_haenszel_odds_ratio,
    mantel_haenszel_ratio,
    square_and_add,
    stratified_newcombe,
    stratified_score,
    stratified_score_difference,
    stratified_wilson,
)
from equipoise.stats.wald import normal_quantile
from method_families.base import Answer, Ours, read_data

_GOAL = {
    "exact p one-sided greater": "p_greater",
    "exact p one-sided less": "p_less",
    "exact p two-sided (minimum likelihood)": "p_likelihood",
    "score z": "statistic",
}


def of_strata(folder: Path) -> Ours:
    """Our number for a row, or why there is none: strata, and single proportions of the same file."""

    def answer(row: Answer) -> float | str | None:
        if "/" in row.dataset:
            return _of_one(row)
        if not row.dataset.startswith("strata_"):
            return "ordinal results, which this program does not estimate"
        rows = read_data(folder, row.dataset)
        return _answer(row, {key: np.array([float(line[key]) for line in rows]) for key in ("x0", "n0", "x1", "n1")})

    return answer


def _of_one(row: Answer) -> float | str:
    """One proportion: its intervals, and its tests against a goal."""
    x, n = map(int, row.dataset.split("/"))
    if row.model.startswith("against goal"):
        test = exact_goal_test(x, n, float(row.model.split()[-1]))
        return float(getattr(test, _GOAL[row.quantity])[0])
    limits = {"Clopper-Pearson": clopper_pearson, "Wilson": wilson}.get(row.model)
    if limits is None:
        return "Jeffreys, mid-P and Blaker intervals, in whose place Clopper-Pearson's and Wilson's stand"
    level, end = row.quantity.split()
    fit = limits(x, n, level=float(level.rstrip("%")) / 100)
    return float(fit.ci_lower if end == "lower" else fit.ci_upper)


def _answer(row: Answer, columns: dict[str, Any]) -> float | str:
    tables = StratifiedTables.of(columns["x0"], columns["n0"], columns["x1"], columns["n1"])
    model, quantity = row.model, row.quantity
    if model.startswith("Cochran"):
        test = cochran_mantel_haenszel(tables, corrected="without" not in model)
        return float(test.statistic[0] if quantity == "chi-square" else test.p_value[0])
    if model.startswith("exact"):
        return "the exact conditional test over strata, in whose place Cochran, Mantel and Haenszel's stands"
    if model.startswith("odds ratio"):
        return _of(mantel_haenszel_odds_ratio(tables), quantity)
    if model.startswith("risk ratio"):
        return _of(mantel_haenszel_ratio(tables), quantity)
    if model == "risk difference Mantel-Haenszel":
        if quantity == "SE Greenland-Robins":
            return float(greenland_robins_error(tables)[0])
        return _of(mantel_haenszel_difference(tables), quantity)
    if "Newcombe" in model:
        return _of(stratified_newcombe(tables), quantity)
    if model.startswith("stratified Wilson"):
        arms = stratified_wilson(tables, normal_quantile(0.95))
        _, arm, end = row.index.split()
        return float(arms[int(arm)][1 if end == "lower" else 2][0])
    if "square-and-add" in model:
        return float(square_and_add(tables)[1 if "lower" in quantity else 2][0])
    if "Miettinen" in model:
        if quantity == "z":
            return float(stratified_score(tables, float(row.index))[0])
        return _of(stratified_score_difference(tables), quantity)
    return _logistic(columns, quantity)


def _of(fit: Any, quantity: str) -> float:
    if quantity == "estimate":
        return float(fit.estimate[0])
    if quantity.startswith("SE"):
        return float(fit.standard_error[0])
    return float((fit.ci_lower if "lower" in quantity else fit.ci_upper)[0])


def _logistic(columns: dict[str, Any], quantity: str) -> float:
    x0, n0, x1, n1 = (columns[name] for name in ("x0", "n0", "x1", "n1"))
    k = x0.shape[0]
    y = np.tile(np.repeat([1.0, 0.0], k), 2)
    arm = np.repeat([0.0, 1.0], 2 * k)
    stratum = np.tile(np.arange(k), 4)
    design = np.column_stack([np.ones(4 * k), arm, *((stratum == s).astype(float) for s in range(1, k))])
    fit = fit_logistic(y, design, [0, 4 * k], weights=np.concatenate([x0, n0 - x0, x1, n1 - x1]))
    return float(fit.standard_errors[0, 1] if quantity == "SE" else fit.coefficients[0, 1])


FAMILIES = {"proportions_ordinal.csv": of_strata}
