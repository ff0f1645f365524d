"""Regressions of counts: ``counts.csv``, with data in ``data/<dataset>.csv``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.stats.counts import CountFits, CountModel, fit_counts, profile_counts, robust_covariance
from equipoise.stats.exact_rates import exact_rate_ratio
from equipoise.stats.goal import exact_goal_test
from equipoise.stats.wald import two_sided_p
from method_families.base import Answer, Ours, read_data

Vector = NDArray[np.float64]
_LAPLACE = "Laplace's approximation of the integral, which is given exactly here (its own rows are compared)"
_TOTALS = re.compile(r"(\d+) in (\d+)(?: days)? against (\d+) in (\d+)")


@dataclass(frozen=True)
class Fitted:
    """One model of the file, fitted."""

    fits: CountFits
    names: tuple[str, ...]
    y: Vector
    design: Vector
    exposure: Vector
    clusters: dict[str, Vector]

    @property
    def mu(self) -> Vector:
        """Expected counts."""
        return self.exposure * np.exp(self.design @ self.fits.coefficients[0])

    def covariance(self, kind: str) -> Vector:
        """Of the coefficients, by the words that follow SE or p in the file."""
        mu, alpha = self.mu, self.fits.alpha[0]
        model = np.linalg.inv((self.design.T * (mu / (1.0 + alpha * mu))) @ self.design)  # alpha held, as glm.nb's
        if kind in ("", "observed information"):
            return model if kind == "" and alpha > 0 and self.fits.model.participant_offsets is None else self.observed
        if kind.startswith("quasi"):
            return model * self.pearson()
        cluster = kind.removeprefix("cluster HC0 by ") if kind.startswith("cluster") else None
        hc: Any = "hc0" if cluster else kind.split()[0].lower()
        data = (self.y, self.design, [0, self.y.size])
        who = None if cluster is None else self.clusters[cluster]
        return robust_covariance(self.fits, *data, exposure=self.exposure, kind=hc, cluster=who)[0]

    @property
    def observed(self) -> Vector:
        """The package's own."""
        return self.fits.covariance[0]

    def pearson(self) -> float:
        """Pearson's chi-square over the residual degrees of freedom."""
        return float(((self.y - self.mu) ** 2 / self.mu).sum() / (self.y.size - self.design.shape[1]))

    def deviance(self) -> float:
        """Of a Poisson fit."""
        return float(2 * (special.xlogy(self.y, self.y / self.mu) - self.y + self.mu).sum())

    def theta_error(self) -> float:
        """glm.nb's: from the information on theta alone, the coefficients held."""
        theta, mu, y = self.fits.theta[0], self.mu, self.y
        information = special.polygamma(1, theta) - special.polygamma(1, theta + y) - 1 / theta
        information += 2 / (mu + theta) - (y + theta) / (mu + theta) ** 2
        return float(1 / np.sqrt(information.sum()))


def _columns(rows: list[dict[str, str]], term: str) -> list[tuple[str, Vector]]:
    values = [row[term] for row in rows]
    try:
        return [(term, np.array([float(value) for value in values]))]
    except ValueError:
        levels = sorted(set(values))
        return [(term + level, np.array([float(value == level) for value in values])) for level in levels[1:]]


@cache
def _fitted(folder: Path, dataset: str, model: str) -> Fitted:
    kind, _, formula = model.partition(": ")
    rows = list(read_data(folder, dataset))
    found = re.search(r"period (\d+) only", formula)
    if found:
        rows = [row for row in rows if row["period"] == found[1]]
    terms = re.split(r"\s*\+\s*", re.split(r",", formula)[0].split("~")[1].strip())
    group = next((term.strip("()").split("|")[1].strip() for term in terms if "|" in term), None)
    columns = [("(Intercept)", np.ones(len(rows)))]
    for term in terms:
        if "|" not in term:
            columns += _columns(rows, term)
    names = tuple(name for name, _ in columns)
    design = np.column_stack([values for _, values in columns])
    offset = re.search(r"offset log\((\w+)\)", formula)
    exposure = np.array([float(row[offset[1]]) for row in rows]) if offset else np.ones(len(rows))
    y = np.array([float(row["y"]) for row in rows])
    clusters = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    people = None
    if group is not None:
        order = np.argsort(clusters[group], kind="stable")
        y, design, exposure = y[order], design[order], exposure[order]
        people = np.concatenate([[0], np.cumsum(np.unique(clusters[group], return_counts=True)[1])])
    family: Any = "negative-binomial" if kind.startswith("NB2") else "poisson"
    counts = CountModel(family, people, 41)
    fits = fit_counts(y, design, [0, y.size], exposure=exposure, model=counts)
    return Fitted(fits, names, y, design, exposure, clusters)


def _of_coefficient(fitted: Fitted, quantity: str, k: int) -> float | None:
    estimate = float(fitted.fits.coefficients[0, k])
    if quantity == "estimate":
        return estimate
    if quantity == "estimable (1 yes, 0 no)":
        return float(np.isfinite(estimate))
    for what in ("SE", "p"):
        if quantity == what or quantity.startswith(f"{what} "):
            error = float(np.sqrt(fitted.covariance(quantity.removeprefix(what).strip())[k, k]))
            return error if what == "SE" else float(two_sided_p(np.array([estimate / error]))[0])
    level = 0.90 if quantity.startswith("one-sided") else 0.95
    data = (fitted.y, fitted.design, [0, fitted.y.size])
    profile = profile_counts(fitted.fits, *data, exposure=fitted.exposure, column=k, level=level)
    if "lower" in quantity:
        return float(profile.ci_lower[0])
    if "upper" in quantity:
        return float(profile.ci_upper[0])
    return float(profile.statistic[0]) if quantity == "likelihood ratio chi-square" else None


def _of_model(fitted: Fitted, quantity: str) -> float | None:
    fits = fitted.fits
    if quantity == "log likelihood, no arm effect":
        null = fit_counts(
            fitted.y, fitted.design[:, :1], [0, fitted.y.size], exposure=fitted.exposure, model=fits.model, column=None
        )
        return float(null.log_likelihood[0])
    plain = {
        "log likelihood": fits.log_likelihood,
        "log likelihood limit": fits.log_likelihood,
        "theta": fits.theta,
        "sd intercept": fits.sd_intercept,
        "SE log theta observed information": fits.log_alpha_error,
    }
    if quantity in plain:
        return float(plain[quantity][0])
    made = {
        "deviance": fitted.deviance,
        "Pearson chi-square / residual df": fitted.pearson,
        "SE theta": fitted.theta_error,
    }
    return made[quantity]() if quantity in made else None


def _of_totals(row: Answer, found: re.Match[str]) -> float | None:
    """Two totals over two times: arm 0 against arm 1."""
    b, t, a, s = (float(value) for value in found.groups())
    exact = exact_rate_ratio(a, s, b, t, level=0.95)
    if row.model.startswith("exact"):
        one_sided = exact_rate_ratio(a, s, b, t, level=0.90)
        minimum = exact_goal_test([int(a)], [int(a + b)], s / (s + t)).p_likelihood
        known = {
            "estimate": exact.rate_ratio,
            "exact 95% lower": exact.ci_lower,
            "exact 95% upper": exact.ci_upper,
            "exact one-sided 95% upper": one_sided.ci_upper,
            "p one-sided (arm 1 lower)": exact.p_lower,
            "p two-sided (twice the smaller tail)": exact.p_value,
            "p two-sided (minimum likelihood)": minimum,
        }
        return float(known[row.quantity][0]) if row.quantity in known else None
    y, design, exposure = np.array([b, a]), np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([t, s])
    fits = fit_counts(y, design, [0, 2], exposure=exposure)
    profile = profile_counts(fits, y, design, [0, 2], exposure=exposure)
    if row.quantity == "likelihood ratio chi-square":
        return float(profile.statistic[0])
    return float(np.exp(profile.ci_upper[0])) if row.quantity.startswith("profile 95% upper") else None


def answers(folder: Path) -> Ours:
    """Our answer to a row."""

    def ours(row: Answer) -> float | str | None:
        found = _TOTALS.search(row.dataset) or _TOTALS.search(row.dataset.replace("zero arm: ", ""))
        if found:
            return _of_totals(row, found)
        if row.model.startswith("Wilcoxon"):
            return "a rank test is no estimator of this package"
        if "random intercept:" in row.model:
            return _LAPLACE
        fitted = _fitted(folder, row.dataset, row.model)
        if row.index:
            return _of_coefficient(fitted, row.quantity, fitted.names.index(row.index))
        return _of_model(fitted, row.quantity)

    return ours


FAMILIES = {"counts.csv": answers}
