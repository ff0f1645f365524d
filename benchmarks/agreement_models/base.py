"""What comparers share: the folder of reference answers, and the record of how far ours are from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

# Classes of disagreement. Only OTHER speaks against us.
SEPARATION, BOUNDARY, R_STOPPED_SHORT, OTHER = "separation", "boundary", "R stopped short", "other"


@dataclass(frozen=True)
class Folder:
    """A folder laid out as ``../shared/data/r-reference`` (see its README)."""

    path: Path

    def _read(self, name: str) -> pl.DataFrame:
        return pl.read_csv(self.path / name, infer_schema_length=None)

    @cached_property
    def participants(self) -> pl.DataFrame:
        return self._read("participants.csv").sort("trial", "id", maintain_order=True)

    @cached_property
    def visits(self) -> pl.DataFrame:
        return self._read("visits.csv").sort("trial", "id", "visit", maintain_order=True)

    @cached_property
    def fits(self) -> pl.DataFrame:
        return self._read("fits.csv")

    @cached_property
    def results(self) -> pl.DataFrame:
        return self._read("results.csv")

    @cached_property
    def curves(self) -> pl.DataFrame:
        return self._read("survival_curve.csv")

    @cached_property
    def trials(self) -> list[int]:
        return self.participants["trial"].unique(maintain_order=True).to_list()

    def has_model(self, model: str) -> bool:
        return bool((self.fits["model"] == model).any())

    def fit_column(self, model: str, column: str) -> NDArray[np.float64]:
        """One number a trial from fits.csv, in the order of ``trials``; NaN where R has none."""
        rows = self.fits.filter(pl.col("model") == model)
        found = dict(zip(rows["trial"].to_list(), rows[column].to_list(), strict=True))
        return np.array([_number(found.get(trial)) for trial in self.trials])

    def terms(self, model: str, terms: Sequence[str], column: str) -> NDArray[np.float64]:
        """(n_trials, n_terms) of a column of results.csv; NaN where R has none."""
        rows = self.results.filter(pl.col("model") == model)
        found = {
            (t, k): v
            for t, k, v in zip(rows["trial"].to_list(), rows["term"].to_list(), rows[column].to_list(), strict=True)
        }
        return np.array([[_number(found.get((trial, term))) for term in terms] for trial in self.trials])


def _number(value: object) -> float:
    if value is None or value == "" or value == "NA":
        return float("nan")
    return float(value)  # type: ignore[arg-type]


@dataclass
class Agreement:
    """How one model's fits compare: deviations by quantity, and each disagreement with its class."""

    model: str
    n_trials: int
    deviations: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    tolerances: dict[str, float] = field(default_factory=dict)
    disagreements: list[tuple[int, str, str]] = field(default_factory=list)  # trial, class, what

    def compare(
        self,
        folder: Folder,
        quantity: str,
        ours: ArrayLike,
        theirs: ArrayLike,
        tolerance: float,
        *,
        relative: bool = True,
        skip: NDArray[np.bool_] | None = None,
        explain: Callable[[int], str | None] | None = None,
    ) -> None:
        """Deviation of one quantity in each trial (the largest over terms); beyond tolerance it is a disagreement.

        ``relative`` divides by the reference value, or by 1e-6 if that is larger (its files keep twelve digits).
        ``skip`` trials are classified already. ``explain`` may name a class for a trial; without it the class is
        OTHER. A number on one side only is a disagreement.
        """
        a = np.asarray(ours, dtype=np.float64).reshape(self.n_trials, -1)
        b = np.asarray(theirs, dtype=np.float64).reshape(self.n_trials, -1)
        scale = np.maximum(np.abs(b), 1e-6) if relative else np.ones_like(b)
        with np.errstate(invalid="ignore"):
            gap = np.abs(a - b) / scale
        gap[np.isnan(a) & np.isnan(b)] = 0.0
        gap[(a == b) & np.isinf(a)] = 0.0
        gap[np.isnan(gap)] = np.inf
        worst = gap.max(axis=1)
        if skip is not None:
            worst = np.where(skip, np.nan, worst)
        self.deviations[quantity] = worst
        self.tolerances[quantity] = tolerance
        for index in np.flatnonzero(worst > tolerance):
            cause = explain(int(index)) if explain is not None else None
            self.disagreements.append((folder.trials[index], cause or OTHER, f"{quantity} {worst[index]:.2g}"))

    def classify(self, folder: Folder, which: NDArray[np.bool_], cause: str, what: Sequence[str]) -> None:
        """Record trials whose fit is not comparable, with the reason."""
        for index in np.flatnonzero(which):
            self.disagreements.append((folder.trials[index], cause, what[index]))

    @property
    def n_other(self) -> int:
        return sum(cause == OTHER for _, cause, _ in self.disagreements)
