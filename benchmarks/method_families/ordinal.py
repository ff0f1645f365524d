"""Proportional odds and the rank sum test: the ordinal rows of ``proportions_ordinal.csv``."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.ordinal import ProportionalOdds, RankSums, fit_proportional_odds, rank_sum_test
from method_families.base import Answer, Ours, read_data

LEVELS = {
    "Sat": ("Low", "Medium", "High"),
    "Infl": ("Low", "Medium", "High"),
    "Type": ("Tower", "Apartment", "Atrium", "Terrace"),
    "Cont": ("Low", "High"),
}


@cache
def _fit(folder: Path, dataset: str, first: int) -> tuple[ProportionalOdds, list[str], list[str], RankSums | None]:
    """The fit with column ``first`` asked about, names of its columns and thresholds, and the ranks."""
    rows = read_data(folder, dataset)
    if "Sat" in rows[0]:
        times = [int(row["Freq"]) for row in rows]
        y = [LEVELS["Sat"].index(row["Sat"]) for row in rows]
        names = [f"{name}{level}" for name in ("Infl", "Type", "Cont") for level in LEVELS[name][1:]]
        x = np.array([[float(f"{n}{row[n]}" == name) for name in names for n in [name[:4]]] for row in rows])
        y_all, x_all = np.repeat(y, times), np.repeat(x, times, axis=0)
        thresholds, ranks = ["Low|Medium", "Medium|High"], None
    else:
        values = sorted({float(row["y"]) for row in rows})
        y_all = np.array([values.index(float(row["y"])) for row in rows])
        names = [name for name in rows[0] if name not in ("id", "y")]
        x_all = np.array([[float(row[name]) for name in names] for row in rows])
        thresholds = [f"{low:g}|{high:g}" for low, high in pairwise(values)]
        ranks = rank_sum_test(y_all, x_all[:, names.index("arm")], [0, len(rows)])
    order = [first, *(k for k in range(len(names)) if k != first)]
    columns: NDArray[np.float64] = x_all[:, order]
    return (
        fit_proportional_odds(y_all, columns, [0, y_all.shape[0]]),
        [names[k] for k in order],
        thresholds,
        ranks,
    )


def answers(folder: Path) -> Ours:
    """Our answer to a row; of the other methods in the file other modules answer."""

    def ours(row: Answer) -> float | str:
        is_ranks = row.model.startswith(("Wilcoxon rank sum", "probability that arm 1"))
        if not row.model.startswith("proportional odds") and not is_ranks:
            return "not of ordered categories"
        fits, names, thresholds, ranks = _fit(folder, row.dataset, 0)
        if is_ranks:
            assert ranks is not None
            pairs = ranks.u_statistic[0] / ranks.probability[0]
            of_first = {"p": ranks.p_value[0], "estimate": ranks.probability[0]}
            return float(of_first.get(row.quantity, pairs - ranks.u_statistic[0]))
        if row.quantity == "log likelihood":
            return float(fits.log_likelihood[0])
        if row.quantity == "threshold":
            return float(fits.thresholds[0, thresholds.index(row.index)])
        if row.quantity.startswith("likelihood ratio"):
            return float(_fit(folder, row.dataset, names.index("arm"))[0].chi_square[0])
        k = names.index(row.index)
        if row.quantity == "SE":
            return float(fits.standard_errors[0, k])
        return float(fits.coefficient[0] if k == 0 else fits.others[0, k - 1])

    return ours


FAMILIES = {"proportions_ordinal.csv": answers}
