"""Competing risks: ``competing_risks.csv``, with data in ``data/<dataset>.csv``."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.competing_risks import (
    FineGrayFits,
    GrayTests,
    estimate_cumulative_incidence,
    fit_fine_gray,
    gray_test,
)
from equipoise.stats.cox import CoxFits, fit_cox
from equipoise.stats.wald import two_sided_p
from method_families.base import Answer, Ours, read_answers, read_data

Vector = NDArray[np.float64]
_JACKKNIFE = "the infinitesimal jackknife is another estimate of the variance; Aalen's is given, and named (compared)"
_FINEGRAY = "weights taken as known, and another order of tied events and censorings: crr's are given (compared)"


@cache
def _columns(folder: Path, dataset: str) -> dict[str, Vector]:
    rows = read_data(folder, dataset)
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def _causes(data: dict[str, Vector], cause: int) -> NDArray[np.int64]:
    """Causes with the one asked for as 1 and every other as 2."""
    status = data["status"].astype(np.int64)
    return np.where(status == 0, 0, np.where(status == cause, 1, 2))


@cache
def _incidence(folder: Path, dataset: str, cause: int, group: float, time: float) -> tuple[float, float]:
    data = _columns(folder, dataset)
    groups = np.unique(data["group"])
    number = np.searchsorted(groups, data["group"])
    curves = estimate_cumulative_incidence(
        data["time"], _causes(data, cause), number, [0, number.size], n_groups=groups.size
    )
    place = int(np.searchsorted(groups, group))
    at = curves.at(time)
    return float(at.incidence[0, place]), float(at.standard_error[0, place] ** 2)


@cache
def _gray(folder: Path, dataset: str, cause: int) -> GrayTests:
    data = _columns(folder, dataset)
    groups = np.unique(data["group"])
    number = np.searchsorted(groups, data["group"])
    return gray_test(data["time"], _causes(data, cause), number, [0, number.size], n_groups=groups.size)


@cache
def _names(folder: Path, dataset: str) -> list[str]:
    """Covariates of the regressions of a dataset: those that its rows name."""
    rows = [row for row in read_answers(folder / "competing_risks.csv") if row.dataset == dataset]
    return list(dict.fromkeys(row.index for row in rows if row.model.startswith("Fine-Gray") and row.index))


@cache
def _fine_gray(folder: Path, dataset: str, cause: int) -> FineGrayFits:
    data = _columns(folder, dataset)
    design = np.column_stack([data[name] for name in _names(folder, dataset)])
    return fit_fine_gray(data["time"], _causes(data, cause), design, [0, design.shape[0]])


@cache
def _cox(folder: Path, dataset: str, cause: int) -> CoxFits:
    data = _columns(folder, dataset)
    design = np.column_stack([data[name] for name in _names(folder, dataset)])
    return fit_cox(data["time"], (data["status"] == cause).astype(float), design, [0, design.shape[0]], ties="efron")


def _of_regression(folder: Path, row: Answer, cause: int) -> float | None:
    if row.quantity.startswith("log pseudo-likelihood"):
        fits = _fine_gray(folder, row.dataset, cause)
        return float((fits.log_likelihood_null if "null" in row.quantity else fits.log_likelihood)[0])
    k = _names(folder, row.dataset).index(row.index)
    found = _fine_gray(folder, row.dataset, cause) if row.model.startswith("Fine") else _cox(folder, row.dataset, cause)
    estimate, error = float(found.coefficients[0, k]), float(found.standard_errors[0, k])
    if row.quantity.startswith("log "):
        return estimate
    if row.quantity == "p":
        return float(two_sided_p(np.array([estimate / error]))[0])
    if row.quantity == "SE from the inverse information":
        return float(np.sqrt(_fine_gray(folder, row.dataset, cause).inverse_information[0, k, k]))
    return error


def answers(folder: Path) -> Ours:
    """Our answer to a row."""

    def ours(row: Answer) -> float | str | None:
        if "jackknife" in row.quantity:
            return _JACKKNIFE
        if "finegray" in row.source:
            return _FINEGRAY
        if row.model.startswith("cumulative incidence"):
            pair = re.search(r"group and cause (\S+) (\d+)", row.model)
            if pair is not None:
                group, cause = float(pair[1]), int(pair[2])
                time = float(row.index.removeprefix("time "))
            else:
                at = re.fullmatch(r"group (\S+), time (\S+)", row.index)
                assert at is not None
                group, time = float(at[1]), float(at[2])
                cause = int(row.model.rpartition(" ")[2])
            estimate, variance = _incidence(folder, row.dataset, cause, group, time)
            return variance if row.quantity.startswith("variance") else estimate
        if row.model == "Gray test":
            test = _gray(folder, row.dataset, int(row.index.removeprefix("cause ")))
            return float({"chi-square": test.statistic, "p": test.p_value, "df": test.df}[row.quantity][0])
        return _of_regression(folder, row, int(row.model.rpartition(" ")[2]))

    return ours


FAMILIES = {"competing_risks.csv": answers}
