"""Imputed data sets: whom a comparison imputes, by which model, and the sets as a batch of trials.

An imputed data set is one more trial in the batch: the same estimators serve it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.dataset import Comparison, covariate_columns, factors_of, sum_by_trial
from equipoise.analysis.gaps import Filled, ImputationDraws, Values
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.outcome import Floats
from equipoise.analysis.unfinished import AnyGaps
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.protocol.language.missing import Imputation
from equipoise.protocol.vocabulary.endpoint_kinds import ImputedAs
from equipoise.records.schema import REPLICATE
from equipoise.stats.codes import FitCode
from equipoise.stats.missing.designs import prepare_design
from equipoise.stats.packing import offsets_from_sizes


@dataclass(frozen=True)
class Completed:
    """Imputed data sets as a batch of trials: the endpoint and the comparison, set after set within each trial."""

    derived: Derived
    comparison: Comparison
    n_cells: int
    n_imputed: Values  # (n_trials,) cells
    share: dict[str, float]  # by arm, mean of the imputed results
    n_penalised: int
    sweeps: int
    codes: NDArray[np.uint32]  # (n_trials,)
    n_columns: Values  # (n_trials,) of the analysis's design, those that repeat others or that nobody has not counted
    left_out: tuple[str, ...]  # by the imputation model of the one trial
    imputed_as: ImputedAs
    n_short: Values | None = None  # (n_trials,) completed times that end before follow-up does


class Completions:
    """Imputed data sets kept for the next estimator of the same data, up to ``most`` bytes, the oldest given up first.

    What is imputed depends on the endpoint and its strategies, on whom is compared and on the covariates; not on the
    estimator. Of many trials at once nothing is kept: their plan imputes each endpoint once or twice.

    ``raise_sets`` lets one trial's analysis make more sets than the protocol names, until their Monte Carlo error is
    small beside what is concluded; (RU-8), (RU-9).
    """

    def __init__(self, most: int = 64_000_000, *, raise_sets: bool = False) -> None:
        self._most = most
        self.raise_sets = raise_sets
        self._kept: dict[Hashable, tuple[Completed, int]] = {}

    def get(self, key: Hashable) -> Completed | None:
        """What was kept under the key, if it still is."""
        if key not in self._kept:
            return None
        self._kept[key] = self._kept.pop(key)
        return self._kept[key][0]

    def keep(self, key: Hashable, completed: Completed) -> None:
        """Keep the data sets of one trial."""
        fields = [*vars(completed.derived).values(), *vars(completed.comparison).values()]
        size = sum(values.nbytes for values in fields if isinstance(values, np.ndarray))
        self._kept[key] = completed, size
        while sum(size for _, size in self._kept.values()) > self._most:
            del self._kept[next(iter(self._kept))]


def replicates_of(lattice: Lattice, rows: Values, bounds: Values) -> NDArray[np.int64]:
    """(n_trials,) the replicate that each trial is, so that its draws are the same alone and among others."""
    out = np.arange(bounds.shape[0] - 1, dtype=np.int64)
    filled = np.diff(bounds) > 0
    people = lattice.participants.baseline
    if REPLICATE in people.columns:
        out[filled] = people[REPLICATE].to_numpy()[rows[bounds[:-1][filled]]]
        return out
    alone = lattice.records.source.details.get("replicates")
    if isinstance(alone, list) and len(alone) == 1 and isinstance(alone[0], int):
        out[:] = alone[0]
    return out


@dataclass(frozen=True)
class ImputationModel:
    """Whom a comparison imputes, and the design of the model: constant, arm, the analysis's covariates and others."""

    kept: NDArray[np.int64]  # positions among the comparison's rows
    offsets: NDArray[np.int64]
    design: Floats
    n_columns: NDArray[np.int64]  # (n_trials,) of the analysis, less those that say nothing
    left_out: tuple[str, ...]
    """Of one trial, what the model goes without: covariates and levels that repeat others or that nobody has."""

    @classmethod
    def of(cls, lattice: Lattice, gaps: AnyGaps, comparison: Comparison, imputation: Imputation) -> ImputationModel:
        """The model of the comparison's trials."""
        given = {name.split(": ")[0] for name in comparison.names}  # columns of a category are named by its levels
        others = tuple(name for name in imputation.covariates if name not in given)
        extra, extra_names = covariate_columns(lattice, others, comparison.rows)
        kept, offsets = comparison.keep(~comparison.incomplete & ~np.isnan(extra).any(axis=1))
        design = np.column_stack([comparison.design(kept), extra[kept]])
        if gaps.experimental is not None:
            # The reference of reference-based rules goes by the arms' roles.
            design[:, 1] = gaps.experimental[comparison.rows[kept]]
        told_apart = prepare_design(design, offsets, always=1).kept
        left_out: tuple[str, ...] = ()
        if comparison.n_trials == 1:
            there = told_apart[0, 2:]
            names = (*comparison.names, *extra_names)
            left_out = tuple(name for name, here in zip(names, there, strict=True) if not here)
            if not comparison.is_interaction and left_out:
                everybody = np.ones(design.shape[0], dtype=np.bool_)
                factors = (*comparison.factors, *factors_of(lattice.protocol, others))
                silent = np.zeros(there.shape[0], dtype=np.bool_)
                left_out = name_left_out(factors, design[:, 2:], kept=there, informative=everybody, silent=silent)
        return cls(kept, offsets, design, told_apart[:, : 2 + len(comparison.names)].sum(axis=1), left_out)


def complete(
    lattice: Lattice, gaps: AnyGaps, comparison: Comparison, imputation: Imputation, delta: dict[str, float]
) -> Completed:
    """Impute ``imputation.sets`` data sets of every trial in the comparison."""
    model = ImputationModel.of(lattice, gaps, comparison, imputation)
    kept, bounds = model.kept, model.offsets
    rows, experimental = comparison.rows[kept], comparison.experimental[kept]
    draws = ImputationDraws(
        imputation=imputation,
        sets=imputation.sets,
        replicates=replicates_of(lattice, rows, bounds),
        shift=shift_of(comparison, kept, delta),
    )
    filled = gaps.impute(rows, model.design, bounds, draws)
    share = {}
    for value, arm in ((1.0, comparison.arm), (0.0, comparison.reference)):
        people = experimental == value
        cells = filled.values[:, people][:, filled.missing[people]]
        share[arm] = float(cells.mean()) if cells.size else float("nan")
    derived, batch = batch_of(gaps, comparison, kept, filled, bounds, comparison.n_randomized)
    return Completed(
        derived=derived,
        comparison=batch,
        n_cells=filled.n_cells,
        n_imputed=sum_by_trial(filled.missing.sum(axis=1), bounds),
        share=share,
        n_penalised=filled.n_penalised,
        sweeps=filled.sweeps,
        codes=codes_of_model(filled.codes, model),
        n_columns=model.n_columns,
        left_out=model.left_out,
        n_short=filled.n_short,
        imputed_as=lattice.protocol.model.endpoints[gaps.base.endpoint].imputed_as,
    )


def shift_of(comparison: Comparison, kept: NDArray[np.int64], delta: Mapping[str, float]) -> Floats:
    """(n,) the delta of each participant's arm."""
    first, other = delta.get(comparison.arm, 0.0), delta.get(comparison.reference, 0.0)
    return np.where(comparison.experimental[kept] == 1.0, first, other)


def batch_of(
    gaps: AnyGaps,
    comparison: Comparison,
    place: NDArray[np.int64],
    filled: Filled,
    bounds: NDArray[np.int64],
    n_randomized: NDArray[np.int64],
) -> tuple[Derived, Comparison]:
    """Imputed data sets as trials, set after set within each, so that the sets of a trial lie side by side.

    ``place`` (n,) are positions among the comparison's rows, of trials that end at ``bounds``; they may repeat.
    """
    n_sets, n = filled.values.shape[:2]
    n_trials = bounds.shape[0] - 1
    order = np.concatenate(
        [m * n + np.arange(bounds[t], bounds[t + 1]) for t in range(n_trials) for m in range(n_sets)]
    ).astype(np.int64)
    tiled = {name: values.reshape(n_sets * n, *values.shape[2:])[order] for name, values in filled.fields.items()}
    of = place[order % n] if n else place
    batch = replace(
        comparison,
        rows=np.arange(order.shape[0]),
        experimental=comparison.experimental[of],
        covariates=comparison.covariates[of],
        offsets=offsets_from_sizes(np.repeat(np.diff(bounds), n_sets)),
        n_randomized=np.repeat(n_randomized, n_sets),
        incomplete=np.zeros(order.shape[0], dtype=np.bool_),
    )
    return gaps.completed(tiled), batch


def codes_of_model(codes: NDArray[np.uint32], model: ImputationModel) -> NDArray[np.uint32]:
    """Codes of trials, and that the model went without some columns."""
    return codes | np.uint32(FitCode.NUISANCE_LEFT_OUT) if model.left_out else codes
