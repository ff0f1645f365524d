"""The models of ``../shared/data/methods/mmrm.csv`` fitted to their data, in the words of that file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from equipoise.stats.mmrm import Covariance, Errors, MmrmFits, check_contrasts_at_once, estimate_mmrm_contrast, fit_mmrm

METHODS = Path(__file__).parents[3] / "shared" / "data" / "methods"
STRUCTURES = {
    "us": "unstructured",
    "toeph": "toeplitz-heterogeneous",
    "toep": "toeplitz",
    "ar1h": "ar1-heterogeneous",
    "ar1": "ar1",
    "adh": "ante-dependence-heterogeneous",
    "ad": "ante-dependence",
    "csh": "compound-symmetry-heterogeneous",
    "cs": "compound-symmetry",
}
LEVELS = {
    "ARMCD": ("PBO", "TRT", "LOW", "HIGH"),
    "RACE": ("Asian", "Black or African American", "White"),
    "SEX": ("Male", "Female"),
    "SITE": ("S1", "S2", "S3"),
    "AVISIT": ("VIS1", "VIS2", "VIS3", "VIS4", "W1", "W2", "W3", "W4", "W8", "W12", "W16"),
}


@dataclass(frozen=True)
class Fitted:
    """One model on its data: the fit, the names of its columns, the levels that the data have."""

    fits: MmrmFits
    names: tuple[str, ...]
    levels: dict[str, list[str]]
    means: dict[str, float]

    def weights(self, index: str) -> NDArray[np.float64]:
        """Weights of ``coef NAME``, ``A minus B at V`` or ``mean A at V`` (levels equally, covariates at means)."""
        w = np.zeros(len(self.names))
        if index.startswith("coef "):
            w[self.names.index(index[5:])] = 1.0
        elif " minus " in index:
            pair, visit = index.split(" at ")
            arm, reference = pair.split(" minus ")
            w = self.weights(f"mean {arm} at {visit}") - self.weights(f"mean {reference} at {visit}")
        else:
            arm, visit = index.removeprefix("mean ").split(" at ")
            for place, name in enumerate(self.names):
                w[place] = self._value(name, arm, visit)
        return w

    def _value(self, name: str, arm: str, visit: str) -> float:
        if ":" in name:
            first, second = name.split(":")
            return self._value(first, arm, visit) * self._value(second, arm, visit)
        if name == "(Intercept)":
            return 1.0
        if name in self.means:
            return self.means[name]
        factor = next(f for f in LEVELS if name.startswith(f))
        chosen = {"ARMCD": arm, "AVISIT": visit}.get(factor)
        if chosen is None:
            return 1.0 / len(self.levels[factor])
        return float(name == factor + chosen)

    def answer(self, quantity: str, index: str) -> float | None:
        """The number that a row of the file asks for; ``None`` for those that are there for information only."""
        fits = self.fits
        errors: Errors = "kenward-roger" if "Kenward-Roger" in quantity else "satterthwaite"
        if "mmrm-default" in quantity or "second-derivative" in quantity or "parameter" in quantity:
            return None
        if quantity == "-2 log likelihood":
            return float(-2.0 * fits.log_likelihood[0])
        if quantity == "covariance":
            arm, _, pair = index.rpartition(":")
            j, k = (self.levels["AVISIT"].index(visit) for visit in pair.split(","))
            return float(fits.visit_covariance[0, self.levels["ARMCD"].index(arm) if arm else 0, j, k])
        if quantity.startswith(("F ", "numerator", "denominator")):
            test = check_contrasts_at_once(fits, self._joint(index), errors)
            if quantity.startswith("F p"):
                return test.p_value
            if quantity.startswith("F "):
                return test.statistic
            return test.numerator_df if quantity.startswith("numerator") else test.denominator_df
        if not quantity.startswith(("estimate", "SE", "df", "p ")):
            return None
        found = estimate_mmrm_contrast(fits, self.weights(index), errors)
        value, error, df = (float(part[0]) for part in (found.estimate, found.standard_error, found.df))
        return {"e": value, "S": error, "d": df, "p": 2.0 * stdtr(df, -abs(value / error))}[quantity[0]]

    def _joint(self, index: str) -> NDArray[np.float64]:
        if index == "any arm at the last visit":
            arms, last = self.levels["ARMCD"], self.levels["AVISIT"][-1]
            return np.array([self.weights(f"{arm} minus {arms[0]} at {last}") for arm in arms[1:]])
        wanted = [
            place
            for place, name in enumerate(self.names)
            if name.startswith("ARMCD") and (":" in name or index == "arm at every visit")
        ]
        return np.eye(len(self.names))[wanted]


def _columns(variable: str, rows: Sequence[dict[str, str]], levels: dict[str, list[str]]) -> list[tuple[str, NDArray]]:
    if variable == "1":
        return []
    if "*" in variable:
        first, second = (_columns(part, rows, levels) for part in variable.split(" * "))
        crossed = [(f"{a}:{b}", x * y) for b, y in second for a, x in first]
        return [*first, *second, *crossed]
    if variable in LEVELS:
        values = np.array([row[variable] for row in rows])
        return [(variable + level, (values == level).astype(float)) for level in levels[variable][1:]]
    return [(variable, np.array([float(row[variable]) for row in rows]))]


@cache
def fitted(dataset: str, model: str) -> Fitted:
    """The model of the file's words, ``FEV1 ~ ARMCD; us by arm REML``, fitted without a fallback."""
    formula, covariance = model.split("; ")
    outcome, right = formula.split(" ~ ")
    with (METHODS / "data" / f"{dataset}.csv").open(encoding="utf-8") as file:
        everybody = list(csv.DictReader(file))
    levels = {
        name: [level for level in order if any(row.get(name) == level for row in everybody)]
        for name, order in LEVELS.items()
    }
    rows = sorted(
        (row for row in everybody if row[outcome] != ""),
        key=lambda row: (row["USUBJID"], levels["AVISIT"].index(row["AVISIT"])),
    )
    columns = [("(Intercept)", np.ones(len(rows)))]
    crossed = []
    for term in right.split(" + "):
        for column in _columns(term, rows, levels):
            (crossed if ":" in column[0] else columns).append(column)
    columns += crossed
    people = [row["USUBJID"] for row in rows]
    first = [k for k, id in enumerate(people) if k == 0 or people[k - 1] != id]
    fits = fit_mmrm(
        np.array([float(row[outcome]) for row in rows]),
        np.column_stack([values for _, values in columns]),
        [levels["AVISIT"].index(row["AVISIT"]) for row in rows],
        [*first, len(rows)],
        [0, len(first)],
        n_visits=len(levels["AVISIT"]),
        covariance=Covariance(STRUCTURES[covariance.split()[0]], "by arm" in covariance),
        group=[levels["ARMCD"].index(rows[k]["ARMCD"]) for k in first],
        reml=covariance.endswith("REML"),
        fall_back=False,
    )
    means = {name: float(values.mean()) for name, values in columns if name in rows[0]}
    return Fitted(fits, tuple(name for name, _ in columns), levels, means)
