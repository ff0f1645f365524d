"""The results of one trial: estimates with what they rest on, curves and datasets for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from equipoise.analysis.estimate import RESULT_KEYS, Estimate
from equipoise.analysis.look_taken import AfterLooks
from equipoise.analysis.multiplicity import MultiplicityResult
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.foundation.errors import Problem
from equipoise.foundation.notebook import shown


@dataclass(frozen=True, kw_only=True)
class ArmCurve:
    """Kaplan-Meier curve of one arm: steps at the distinct times, limits on the log-log scale."""

    endpoint: str
    arm: str
    time: tuple[float, ...]
    at_risk: tuple[float, ...]
    events: tuple[float, ...]
    survival: tuple[float, ...]
    ci_lower: tuple[float | None, ...]
    ci_upper: tuple[float | None, ...]
    censored: tuple[float, ...]  # times of censoring, one a participant
    n: int


@dataclass(frozen=True, kw_only=True)
class IncidenceCurve:
    """Cumulative incidence of an event and of its competing events in one arm: steps at the times of either."""

    endpoint: str
    arm: str
    time: tuple[float, ...]
    incidence: tuple[float, ...]
    ci_lower: tuple[float | None, ...]
    ci_upper: tuple[float | None, ...]
    competing: tuple[float, ...]
    followed: tuple[float, ...]  # how long each participant was followed, until either event or censored
    n_events: int
    n_competing: int


@dataclass(frozen=True, kw_only=True)
class ModelCurve:
    """Fitted mean of a repeated score over weeks in one arm, on the scale shown (ratio models: geometric means)."""

    endpoint: str
    arm: str
    week: tuple[float, ...]
    mean: tuple[float, ...]
    ci_lower: tuple[float, ...]
    ci_upper: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What is needed to trace a number: protocol, data, seed, version."""

    protocol: str
    protocol_hash: str
    protocol_file_hash: str
    data_hash: str
    origin: str
    seed: int | None
    scenario: str | None
    version: str
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()  # what a reader must know of the data: changed files, visits without a row

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``results.json``."""
        return {
            "protocol": self.protocol,
            "protocol_hash": self.protocol_hash,
            "protocol_file_hash": self.protocol_file_hash,
            "data_hash": self.data_hash,
            "origin": self.origin,
            "simulated": self.origin == "simulated",
            "seed": self.seed,
            "scenario": self.scenario,
            "version": self.version,
            "versions": dict(self.versions),
            "notes": [{"code": note.code, "place": note.place, "found": note.found} for note in self.notes],
        }


@dataclass(frozen=True, kw_only=True)
class Results:
    """All estimates of a trial's plan, with the data and curves that the report draws.

    >>> [estimate.id for estimate in results.of_endpoint("relapse")][:2]
    ['relapse', 'relapse[ties=efron,covariates=age]']
    >>> results.table().height
    18
    """

    estimates: tuple[Estimate, ...]
    provenance: Provenance
    endpoints: Mapping[str, Derived]
    survival_curves: tuple[ArmCurve, ...] = ()
    incidence_curves: tuple[IncidenceCurve, ...] = ()
    model_curves: tuple[ModelCurve, ...] = ()
    lattice: Lattice | None = None
    multiplicity: MultiplicityResult | None = None
    after_looks: AfterLooks | None = None

    def __getitem__(self, id: str) -> Estimate:
        for estimate in self.estimates:
            if estimate.id == id:
                return estimate
        raise KeyError(id)

    def of_endpoint(self, endpoint: str) -> tuple[Estimate, ...]:
        """Estimates of one endpoint, in the order of the plan."""
        return tuple(estimate for estimate in self.estimates if estimate.endpoint == endpoint)

    def table(self) -> pl.DataFrame:
        """One row per estimate, with the columns of ``results.csv``; warnings are joined by semicolons."""
        rows = [
            {**{key: row[key] for key in RESULT_KEYS}, "warnings": ";".join(row["warnings"])}
            for row in (estimate.as_row() for estimate in self.estimates)
        ]
        text = {"id", "endpoint", "estimand", "estimator", "arm", "reference", "event", "scale", "level", "warnings"}
        whole = {"n_randomized", "n_analysed", "n_events", "n_missed", "imputed_sets"}
        schema = {
            key: pl.String
            if key in text
            else pl.Int64
            if key in whole
            else pl.Boolean
            if key in ("prespecified", "rejected")
            else pl.Float64
            for key in RESULT_KEYS
        }
        return pl.DataFrame(rows, schema=schema)

    def to_pandas(self) -> Any:
        """The table as a pandas frame."""
        from equipoise.records.frames import to_pandas

        return to_pandas(self.table())

    def __repr__(self) -> str:
        return f"<Results of {self.provenance.protocol} ({self.provenance.origin}): {len(self.estimates)} estimates>"

    def _repr_html_(self) -> str:
        return shown(self)
