"""Analysis datasets as arrays: the rows of one comparison, trials end to end, the design with its columns named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CAME, Lattice
from equipoise.foundation.errors import AnalysisError, Problem, listed
from equipoise.instruments import require_instrument_of
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.records.baseline_values import as_levels, as_numbers, impossible_cells, name_of_column
from equipoise.stats.packing import offsets_from_sizes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

CODES = {
    "A001": "One arm of the comparison has no participants in the analysis set.",
    "A002": "A covariate is not in the records.",
    "A003": "A covariate has a value that the protocol does not allow.",
}


@dataclass(frozen=True)
class Periods:
    """Of treatments compared within participants: the results that are compared, and what was given before each.

    ``treatment`` (n, n_periods) counts 0 reference, 1 experimental, then what else was given by its number; -1 where
    the sequence gives nothing in that period. It is the one allocated. ``visits`` are positions among the results.
    """

    visits: Ints  # (n_periods,)
    names: tuple[str, ...]
    treatment: Ints  # (n, n_periods)
    others: tuple[str, ...]  # treatments from number 2 on
    sequence: Ints  # (n,) number of the arm
    sequences: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Rows of one comparison: who is in, which arm (1 experimental, 0 reference), covariates, trials end to end."""

    rows: Ints  # rows of the lattice, in order
    experimental: Floats  # (n,) 1 or 0
    covariates: Floats  # (n, k)
    names: tuple[str, ...]  # (k,) names of the covariate columns
    offsets: Ints  # (n_trials + 1,)
    n_randomized: Ints  # (n_trials,)
    arm: str
    reference: str
    incomplete: Mask  # (n,) a covariate is missing
    factors: tuple[tuple[str, tuple[str, ...]], ...] = ()  # covariates in order, with the levels of categories
    levels: tuple[int, ...] | None = None  # of each covariate, where all are categories; their first has no column
    is_interaction: bool = False  # ``experimental`` is the product of two factors, whose own columns are covariates
    labels: Mapping[str, str] = field(default_factory=dict)  # of covariates and factors, where they have one
    n_strata_columns: int = 0  # of ``covariates``, the last ones: strata, or sites at random, and no terms of the model
    periods: Periods | None = None  # of a crossover; ``experimental`` is then who has the experimental one first

    @property
    def n_trials(self) -> int:
        """Trials in the batch."""
        return int(self.offsets.shape[0]) - 1

    def keep(self, chosen: Mask) -> tuple[Ints, Ints]:
        """Positions among ``rows`` that are chosen, and their offsets by trial."""
        return np.flatnonzero(chosen), offsets_of(chosen, self.offsets)

    @cached_property
    def pattern(self) -> Ints:
        """(n,) number of each row's combination of arm and levels of the covariates, where all are categories."""
        assert self.levels is not None
        number, scale = self.experimental.astype(np.int64), 2
        column = 0
        for n_levels in self.levels:
            for level in range(1, n_levels):
                number += scale * level * (self.covariates[:, column] == 1.0)
                column += 1
            scale *= n_levels
        return number

    @cached_property
    def pattern_rows(self) -> Floats:
        """(n_patterns, p) the row of the design, constant first, of each combination."""
        assert self.levels is not None
        columns = [np.ones(2 * int(np.prod(self.levels, dtype=np.int64)))]
        left = np.arange(columns[0].shape[0])
        for n_levels in (2, *self.levels):
            own, left = left % n_levels, left // n_levels
            columns += [(own == level).astype(np.float64) for level in range(1, n_levels)]
        return np.column_stack(columns)

    def design(self, chosen: Ints, *, intercept: bool = True) -> Floats:
        """(n, p) columns: constant where asked, arm, covariates."""
        columns = [np.ones(chosen.shape[0])] if intercept else []
        columns.append(self.experimental[chosen])
        return np.ascontiguousarray(np.column_stack([*columns, self.covariates[chosen]]))

    def within_strata(self) -> Comparison:
        """The comparison without the columns that make strata (or sites at random): what the model has as terms."""
        n = self.covariates.shape[1] - self.n_strata_columns
        own = {name.split(": ")[0] for name in self.names[:n]}
        return replace(
            self,
            covariates=self.covariates[:, :n],
            names=self.names[:n],
            n_strata_columns=0,
            factors=tuple(factor for factor in self.factors if factor[0] in own),
            levels=None,
        )

    def strata(self, chosen: Ints) -> Ints | None:
        """(n,) number of each chosen row's stratum, or random site; ``None`` where the plan names none."""
        if not self.n_strata_columns:
            return None
        return numbered(self.covariates[chosen, -self.n_strata_columns :])


def numbered(columns: Floats) -> Ints:
    """(n,) number of each row's combination of values."""
    return np.asarray(np.unique(columns, axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)


def offsets_of(chosen: Mask, offsets: Ints) -> Ints:
    """Offsets of the chosen rows, trial by trial."""
    before = np.concatenate([[0], np.cumsum(chosen)])
    return np.asarray(before[offsets], dtype=np.int64)


def sum_by_trial(values: NDArray[np.generic], offsets: Ints) -> Ints:
    """(n_trials,) sums of whole numbers."""
    before = np.concatenate([[0], np.cumsum(np.asarray(values, dtype=np.int64))])
    return np.asarray(np.diff(before[offsets]), dtype=np.int64)


def compare(protocol: Protocol, lattice: Lattice, analysis: Analysis, estimand: Estimand) -> Comparison:
    """The rows that an analysis compares, in the analysis set it names.

    Raises :class:`~equipoise.foundation.errors.AnalysisError` when a covariate is not in the records.
    """
    people = lattice.participants
    arm, reference = estimand.treatments.experimental, estimand.treatments.reference or ""
    if protocol.is_within(estimand):
        return _within(protocol, lattice, estimand)
    label = people.arm
    if estimand.factor is not None:
        levels = {name: entry.factors.get(estimand.factor, "") for name, entry in protocol.model.arms.items()}
        label = np.asarray([levels.get(str(name), "") for name in people.arm], dtype=np.str_)
    chosen = (label == arm) | (label == reference)
    n_randomized = sum_by_trial(chosen, people.offsets)
    if analysis.analysis_set:
        chosen &= in_analysis_set(lattice, analysis.analysis_set)
    rows = np.flatnonzero(chosen)
    variables = (*analysis.covariates, *analysis.grouping)
    covariates, names = covariate_columns(lattice, variables, rows)
    n_strata = sum(name.split(": ")[0] in analysis.grouping for name in names)
    if estimand.interaction is not None:
        made = _interaction(protocol, people.arm[rows], (label[rows] == arm).astype(np.float64), estimand)
        product, columns, labels, treatments = made
        covariates = np.column_stack([columns, covariates])
        return Comparison(
            rows=rows,
            experimental=product,
            covariates=covariates,
            names=(*labels, *names),
            offsets=offsets_of(chosen, people.offsets),
            n_randomized=n_randomized,
            arm=treatments[0],
            reference=treatments[1],
            incomplete=np.asarray(np.isnan(covariates).any(axis=1)),
            is_interaction=True,
            n_strata_columns=n_strata,
            labels=_labels(protocol),
        )
    return Comparison(
        rows=rows,
        experimental=(label[rows] == arm).astype(np.float64),
        covariates=covariates,
        names=names,
        offsets=offsets_of(chosen, people.offsets),
        n_randomized=n_randomized,
        arm=arm,
        reference=reference,
        incomplete=np.asarray(np.isnan(covariates).any(axis=1)),
        factors=factors_of(protocol, variables),
        levels=_levels(protocol, variables),
        n_strata_columns=n_strata,
        labels=_labels(protocol),
    )


def _within(protocol: Protocol, lattice: Lattice, estimand: Estimand) -> Comparison:
    """Everybody whose sequence gives one of the two treatments, with the treatment of each period."""
    model, people = protocol.model, lattice.participants
    arm, reference = estimand.treatments.experimental, str(estimand.treatments.reference)
    given = protocol.treatments_by_period(estimand)
    periods = [id for id in model.stages if any(row.get(id) in (arm, reference) for row in given.values())]
    days = protocol.result_days(model.endpoints[estimand.endpoint])
    places = {name: k for k, name in enumerate(days)}
    visits = [next(places[n] for n, day in days.items() if day in model.stages[id].days.range) for id in periods]
    labels = {label for row in given.values() for id, label in row.items() if id in periods and label}
    others = tuple(sorted(labels - {arm, reference}))
    number = {"": -1, reference: 0, arm: 1, **{label: k for k, label in enumerate(others, 2)}}
    sequences = tuple(id for id, row in given.items() if {arm, reference} & set(row.values()))
    table = np.array([[number[given[id].get(period, "")] for period in periods] for id in sequences], dtype=np.int64)
    place = {id: k for k, id in enumerate(sequences)}
    sequence = np.array([place.get(str(name), -1) for name in people.arm], dtype=np.int64)
    chosen = sequence >= 0
    rows = np.flatnonzero(chosen)
    treatment = table[sequence[rows]]
    offsets = offsets_of(chosen, people.offsets)
    first = np.where(treatment == 1, np.arange(len(periods)), len(periods)).min(axis=1, initial=len(periods))
    then = np.where(treatment == 0, np.arange(len(periods)), len(periods)).min(axis=1, initial=len(periods))
    return Comparison(
        rows=rows,
        experimental=(first < then).astype(np.float64),
        covariates=np.empty((rows.shape[0], 0)),
        names=(),
        offsets=offsets,
        n_randomized=np.diff(offsets),
        arm=arm,
        reference=reference,
        incomplete=np.zeros(rows.shape[0], dtype=np.bool_),
        periods=Periods(np.array(visits, dtype=np.int64), tuple(periods), treatment, others, sequence[rows], sequences),
    )


def _interaction(
    protocol: Protocol, arms: NDArray[np.str_], first: Floats, estimand: Estimand
) -> tuple[Floats, Floats, tuple[str, str], tuple[str, str]]:
    """The product of two factors, their own columns (0 and 1), their names, and what is compared in words.

    With both factors in the model the coefficient of the product is how much the effect of the first differs between
    the levels of the second, whatever the coding.
    """
    assert estimand.factor is not None
    assert estimand.interaction is not None
    low, high = protocol.model.factors[estimand.interaction].levels
    level = {name: entry.factors.get(estimand.interaction, "") for name, entry in protocol.model.arms.items()}
    second = np.array([level[str(arm)] == high for arm in arms], dtype=np.float64)
    names = (f"{estimand.factor}: {estimand.treatments.experimental}", f"{estimand.interaction}: {high}")
    effect = f"effect of {estimand.treatments.experimental}"
    return first * second, np.column_stack([first, second]), names, (f"{effect}, {high}", f"{effect}, {low}")


def factors_of(protocol: Protocol, names: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Covariates in order, with the levels of those that are categories."""
    variables = [protocol.model.baseline[name] for name in names]
    return tuple(
        (name, variable.levels if variable.type == "category" else ())
        for name, variable in zip(names, variables, strict=True)
    )


def _labels(protocol: Protocol) -> dict[str, str]:
    """What baseline variables are called in tables, where the protocol says so."""
    return {id: variable.label for id, variable in protocol.model.baseline.items() if variable.label}


def _levels(protocol: Protocol, names: tuple[str, ...]) -> tuple[int, ...] | None:
    """Numbers of levels of the covariates; ``None`` where one of them is no category."""
    variables = [protocol.model.baseline[name] for name in names]
    if any(variable.type != "category" for variable in variables):
        return None
    return tuple(len(variable.levels) for variable in variables)


def in_analysis_set(lattice: Lattice, name: str) -> Mask:
    """(n,) whether a participant belongs to an analysis set of the protocol."""
    group = lattice.protocol.model.analysis_sets[name]
    chosen = np.ones(lattice.n, dtype=np.bool_)
    if group.received:
        chosen &= _received(lattice)
    if group.attended is not None:
        chosen &= (lattice.visits(group.attended).state == CAME).any(axis=1)
    return chosen


def _received(lattice: Lattice) -> Mask:
    """(n,) whether any dose of the drug interventions of the arm was given."""
    protocol = lattice.protocol
    wanted = {
        arm: {i for i in entry.interventions if protocol.model.interventions[i].type not in ("behavioural", "other")}
        for arm, entry in protocol.model.arms.items()
    }
    rows, interventions = lattice.doses()
    out = np.zeros(lattice.n, dtype=np.bool_)
    arms = lattice.participants.arm[rows]
    for arm, names in wanted.items():
        out[rows[(arms == arm) & np.isin(interventions, sorted(names))]] = True
    return out


def covariate_columns(lattice: Lattice, names: tuple[str, ...], rows: Ints) -> tuple[Floats, tuple[str, ...]]:
    """(n, k) columns of baseline variables for some rows of the lattice, and their names; a category has several.

    A variable that is a score is read from the assessments. Raises
    :class:`~equipoise.foundation.errors.AnalysisError` when a variable is not in the records.
    """
    protocol, frame = lattice.protocol, lattice.participants.baseline
    columns: list[Floats] = []
    labels: list[str] = []
    problems: list[Problem] = []
    for name in names:
        variable = protocol.model.baseline[name]
        if variable.from_ is not None:
            instrument = require_instrument_of(protocol, variable.from_)
            scores = lattice.scale_values(
                instrument, variable.scale or str(instrument.main_scale), (str(variable.visit),)
            )
            columns.append(np.asarray(scores[rows, 0], dtype=np.float64))
            labels.append(name)
            continue
        column = name_of_column(frame.columns, name)
        if column is None:
            problems.append(
                Problem(
                    "A002",
                    f"baseline.{name}",
                    f"The participants table has no column {name!r}.",
                    "a column for each covariate of the analysis plan",
                    "Add the column to the records, or take the covariate out of the analysis.",
                )
            )
            continue
        values = frame[column]
        wrong, expected, step = impossible_cells(values, variable)
        if wrong.any():
            strange = sorted(map(str, values.filter(wrong).unique().to_list()))
            found = f"Values that the protocol does not allow: {listed(strange, conjunction='and', limit=5)}."
            problems.append(Problem("A003", f"participants.{column}", found, expected, step))
        elif variable.type == "category":
            values = as_levels(values)
            for level in variable.levels[1:]:
                indicator = (values == level).cast(pl.Float64).to_numpy()
                columns.append(np.asarray(indicator, dtype=np.float64)[rows])
                labels.append(f"{name}: {level}")
        else:
            columns.append(as_numbers(values).to_numpy().astype(np.float64)[rows])
            labels.append(name)
    if problems:
        raise AnalysisError(problems)
    matrix = np.column_stack(columns) if columns else np.empty((rows.shape[0], 0))
    return matrix, tuple(labels)


@dataclass(frozen=True)
class LongRows:
    """Rows of a repeated endpoint, by trial and participant, missing values left out."""

    y: Floats
    week: Floats
    visit: Ints  # (n_rows,) position of the visit
    who: Ints  # (n_rows,) position among the comparison's rows
    participant_offsets: Ints
    trial_offsets: Ints  # in participants
    n_missed: Ints  # (n_trials,) visits without a value, of participants in the comparison
    n_participants: Ints
    last_week: float  # of the planned series


def long_rows(derived: Derived, comparison: Comparison) -> LongRows:
    """Participant-visit rows with a value; participants without any are left out."""
    assert derived.values is not None
    assert derived.visit_weeks is not None
    values = derived.values[comparison.rows]
    n, n_visits = values.shape
    there = ~np.isnan(values) & ~comparison.incomplete[:, None]
    # Visit by visit: numpy adds up short rows one by one.
    counts = np.zeros(n, dtype=np.int64)
    for visit in range(n_visits):
        counts += there[:, visit]
    in_model = counts > 0
    cells = np.flatnonzero(there)
    who = np.repeat(np.arange(n), counts)
    return LongRows(
        y=values.ravel()[cells],
        week=derived.visit_weeks[cells - n_visits * who],
        visit=cells - n_visits * who,
        who=who,
        participant_offsets=offsets_from_sizes(counts[in_model]),
        trial_offsets=offsets_of(in_model, comparison.offsets),
        n_missed=sum_by_trial(n_visits - counts, comparison.offsets),
        n_participants=sum_by_trial(in_model, comparison.offsets),
        last_week=float(derived.visit_weeks[-1]),
    )
