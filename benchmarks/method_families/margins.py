"""Two proportions, means and hazards against a margin: ``noninferiority.csv``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.analysis.margins import tails_of_wald
from equipoise.stats.cox import fit_cox
from equipoise.stats.cox_profile import cox_against, profile_cox
from equipoise.stats.exact import TwoByTwo, exact_tails, fisher_exact
from equipoise.stats.linear import fit_linear
from equipoise.stats.risk import newcombe_difference, score_comparison, score_test
from equipoise.stats.score import restricted_difference
from method_families.base import Answer, Ours, read_data

_SCALES = {"risk difference": "risk_difference", "risk ratio": "risk_ratio", "odds ratio": "odds_ratio"}
_OTHERS = "Wald's and Agresti-Caffo's intervals, in whose place score limits and Newcombe's stand"
_R_STOPS = "exact limits where fisher.test stops within 1.2e-4 of the ratio or its inverse; ours meet the tail exactly"
# Where fisher.test stops, on the scale of the odds ratio or of its inverse.
_STOP = 1.3e-4


def of_margins(folder: Path) -> Ours:
    """Our number for a row, or why there is none."""

    def answer(row: Answer) -> float | str | None:
        if " v " in row.dataset:
            return _of_table(row)
        rows = read_data(folder, row.dataset)
        columns = {key: np.array([float(line[key]) for line in rows]) for key in rows[0]}
        if row.model.startswith("hazard ratio"):
            return _of_hazards(row, columns)
        if "Welch" in row.model:
            return "Welch's t test: a linear model has one variance"
        return _of_means(row, columns) if row.model.startswith("mean difference") else None

    return answer


def _of_table(row: Answer) -> float | str | None:
    x1, n1, x0, n0 = map(int, re.findall(r"\d+", row.dataset))
    measure, _, method = row.model.partition(": ")
    if method in ("Wald", "Agresti-Caffo", "Wald on log"):
        return _OTHERS
    table = TwoByTwo.of(x0, n0, x1, n1)
    if method == "exact conditional":
        return _exact(row, table)
    if method.startswith("Newcombe"):
        return _end(newcombe_difference(x0, n0, x1, n1, level=_level(row)), row)
    scale, corrected = _SCALES[measure], method.startswith("Miettinen")
    if row.quantity.endswith(("lower", "upper")):
        return _end(score_comparison(table, scale, corrected=corrected, level=_level(row)), row)
    value = float(row.index)
    if row.quantity.startswith("restricted"):
        cells = (np.array([float(count)]) for count in (x0, n0, x1, n1))
        risks = restricted_difference(*cells, np.array([value]))
        return float(risks[row.quantity == "restricted p1"][0])
    test = score_test(table, scale, value, corrected=corrected)
    return float(test.statistic[0] if row.quantity == "z" else test.p_greater[0])


def _exact(row: Answer, table: TwoByTwo) -> float | str:
    """Fisher's test; a limit that R's search left before its tail was met is named and not compared."""
    counts = (table.events_control, table.n_control, table.events_experimental, table.n_experimental)
    if row.quantity == "p two-sided":
        return float(fisher_exact(*counts).p_value[0])
    if row.quantity.startswith("estimate"):
        ours = float(fisher_exact(*counts).odds_ratio[0])
        meets = True
    else:
        ours = _end(fisher_exact(*counts, level=_level(row)), row)
        tail = exact_tails(table, ours)[0 if row.quantity.endswith("lower") else 1][0] if 0 < ours < np.inf else np.nan
        meets = bool(abs(tail - (1.0 - _level(row)) / 2.0) < 1e-9)
    if abs(ours - row.value) > row.tolerance and meets:
        gap = min(abs(ours - row.value), abs(1.0 / ours - 1.0 / row.value))
        return _R_STOPS if gap < _STOP else ours
    return ours


def _level(row: Answer) -> float:
    return float(row.quantity.partition("%")[0]) / 100.0


def _end(fit: Any, row: Answer) -> float:
    return float((fit.ci_lower if row.quantity.endswith("lower") else fit.ci_upper)[0])


def _of_means(row: Answer, columns: dict[str, NDArray[np.float64]]) -> float:
    y, arm = columns["y"], columns["arm"]
    fit = fit_linear(y, np.column_stack([np.ones_like(y), arm]), [0, y.shape[0]])
    centre, error, df = float(fit.coefficients[0, 1]), float(fit.standard_errors[0, 1]), float(fit.df[0])
    if row.quantity in ("estimate", "SE", "df"):
        return {"estimate": centre, "SE": error, "df": df}[row.quantity]
    if row.quantity.endswith(("lower", "upper")):
        half = float(special.stdtrit(df, 0.5 + _level(row) / 2)) * error
        return centre - half if row.quantity.endswith("lower") else centre + half
    if row.quantity.startswith("p equivalence"):
        width = float(row.index.removeprefix("+-"))
        low, high = (tails_of_wald(centre, error, df, value) for value in (-width, width))
        return float(max(low[0], high[1]))
    margin = float(row.index)
    if row.quantity.startswith("t "):
        return (centre - margin) / error
    return float(tails_of_wald(centre, error, df, margin)[0])


def _of_hazards(row: Answer, columns: dict[str, NDArray[np.float64]]) -> float:
    time, event, arm = columns["time"], columns["status"], columns["arm"]
    ties: Any = row.model.rpartition(", ")[2]
    fit = fit_cox(time, event, arm, [0, time.shape[0]], ties=ties)
    centre, error = float(fit.coefficients[0, 0]), float(fit.standard_errors[0, 0])
    if row.quantity in ("log hazard ratio", "SE"):
        return error if row.quantity == "SE" else centre
    if row.quantity in ("95% lower", "95% upper"):
        return float(np.exp(centre + (-1 if row.quantity.endswith("lower") else 1) * special.ndtri(0.975) * error))
    if row.quantity.startswith("profile"):
        found = profile_cox(time, event, arm, ties=ties)
        return float(np.exp(found.ci_lower if row.quantity.endswith("lower") else found.ci_upper))
    margin = float(np.log(float(row.index)))
    if row.quantity.startswith(("likelihood", "score")):
        test = cox_against(time, event, arm, margin, ties=ties)
        return test.likelihood_ratio if row.quantity.startswith("likelihood") else test.score
    if row.quantity.startswith("z "):
        return (centre - margin) / error
    return float(tails_of_wald(centre, error, float("nan"), margin)[1])


FAMILIES = {"noninferiority.csv": of_margins}
