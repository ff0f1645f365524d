"""The results by visit, week or call that can be imputed, and how completed ones make the endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.outcome import Floats
from equipoise.analysis.strategies import apply_strategies, cells_after
from equipoise.endpoints.coverage import days_known
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, NOT_DUE, STAYED_AWAY, USED, Lattice
from equipoise.endpoints.relapse import derive_time_to_event, weeks_of_use
from equipoise.endpoints.repeated_use import cells_since_last
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.analysis import Estimand
from equipoise.protocol.language.endpoints import AbstinenceEndpoint, RunOfUse, TimeToEventEndpoint
from equipoise.protocol.language.missing import Imputation
from equipoise.stats.codes import FitCode
from equipoise.stats.missing.latent_imputation import impute_latent
from equipoise.stats.missing.multiple_imputation import MISSING, impute_binary_trials
from equipoise.stats.missing.multiple_imputation import NOT_DUE as NEVER_DUE
from equipoise.stats.missing.normal_imputation import impute_normal_trials
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.packing import any_by_trial

Values = NDArray[Any]


@dataclass(frozen=True)
class ImputationDraws:
    """How data sets are drawn: the line's rules, how many sets from which number on, and the shift of each row."""

    imputation: Imputation
    sets: int
    replicates: Values  # (n_trials,)
    shift: Floats  # (n,)
    first: int = 0

    @property
    def to_make(self) -> SetsToMake:
        """The data sets as the imputations take them."""
        return SetsToMake(self.sets, self.imputation.seed, self.first, self.replicates)

    def rule_of(self, rows: Any) -> LeaversRule:
        """What is assumed of some of the rows."""
        return LeaversRule(self.imputation.after_dropout, self.shift[rows])


@dataclass(frozen=True)
class Filled:
    """M imputed data sets of some rows: what is imputed, and the fields of the endpoint that rest on it."""

    fields: dict[str, Values]  # (M, n, ...)
    values: Values  # (M, n, V)
    missing: NDArray[np.bool_]  # (n, V) which of the values are imputed
    n_cells: int
    codes: NDArray[np.uint32]  # (n_trials,)
    n_penalised: int = 0
    sweeps: int = 1
    n_short: Values | None = None  # (n_trials,) completed times that end before follow-up does


@dataclass(frozen=True)
class Gaps:
    """What of an endpoint is to be imputed, for every row of the lattice, and how completed results make the endpoint.

    ``cells`` (n, V): codes of the imputation for yes-or-no results, or scores with NaN. ``finish`` takes completed
    results of one data set for some rows of the lattice, (k, V) and (k,), and gives the fields of the endpoint that
    rest on them.
    """

    binary: bool
    cells: Values
    finish: Callable[[Values, Values], dict[str, Values]]
    base: Derived
    experimental: NDArray[np.bool_] | None = None
    """(n,) whom a reference-based rule makes go on as the others; by default the arm named first."""

    def impute(self, rows: Values, design: Floats, offsets: Values, draws: ImputationDraws) -> Filled:
        """Data sets of some rows of the lattice, in which one may stand more than once."""
        imputation, cells = draws.imputation, self.cells[rows]
        options: dict[str, Any] = {
            "imputations": draws.sets,
            "seed": imputation.seed,
            "delta": draws.shift,
            "replicates": draws.replicates,
            "first": draws.first,
        }
        made: Any
        n_penalised, rule = 0, imputation.after_dropout
        if not self.binary:
            made = impute_normal_trials(cells, design, offsets, strategy=rule, arm_column=1, **options)
            missing = np.isnan(cells)
        else:
            missing = cells == MISSING
            if imputation.is_latent:
                made = impute_latent(cells, design, offsets, sets=draws.to_make, rule=draws.rule_of(slice(None)))
            else:
                made = impute_binary_trials(cells, design, offsets, pooled=imputation.model == "pooled", **options)
                n_penalised = int((made.n_penalised > 0).sum())
        fields: dict[str, list[Values]] = {}
        for one in made.values:
            for name, values in self.finish(one, rows).items():
                fields.setdefault(name, []).append(values)
        return Filled(
            fields={name: np.stack(values) for name, values in fields.items()},
            values=made.values,
            missing=missing,
            n_cells=int((cells != NEVER_DUE).sum()) if self.binary else cells.size,
            codes=np.bitwise_or.reduce(made.codes, axis=1) | _unseen(cells, offsets, binary=self.binary),
            n_penalised=n_penalised,
            sweeps=int(np.max(made.sweeps, initial=1)),
        )

    def completed(self, fields: dict[str, Values]) -> Derived:
        """The endpoint of completed rows."""
        changed: dict[str, Any] = {**fields, "imputed": None, "raw": None, "cause": None, "warnings": ()}
        return replace(self.base, **changed)


def _unseen(cells: Values, offsets: Values, *, binary: bool) -> NDArray[np.uint32]:
    """(n_trials,) a code where nobody has a result at any visit: what is then drawn is a prior alone."""
    seen = (cells >= 0) if binary else ~np.isnan(cells)
    code = np.uint32(int(FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE))
    nobody = ~any_by_trial(seen, offsets) & (np.diff(offsets) > 0)
    return np.where(nobody, code, np.uint32(0)).astype(np.uint32)


def results_to_impute(lattice: Lattice, estimand: Estimand, floor: float | None) -> Gaps:
    """The results by visit, week or call that can be imputed."""
    id = estimand.endpoint
    endpoint = lattice.protocol.model.endpoints[id]
    if endpoint.kind == "abstinence":
        return _abstinence_gaps(lattice, id, endpoint)
    if endpoint.kind == "time-to-event":
        return _run_gaps(lattice, id, endpoint, estimand)
    base = derive_endpoint(lattice, id, missed="is-missing" if endpoint.kind != "score" else None, floor=floor)
    if base.value is not None:
        single = _coded(base.value[:, None])
        return Gaps(True, single, lambda done, rows: {"value": done[:, 0].astype(np.float64)}, base)
    base = apply_strategies(base, lattice, estimand)
    assert base.values is not None
    while_on = cells_after(lattice, endpoint, estimand, base.values.shape[1], "while-on-treatment")
    left_out = np.zeros(base.values.shape, dtype=np.bool_) if while_on is None else while_on
    if base.shape == "repeated-score":
        return Gaps(False, base.values, lambda done, rows: {"values": np.where(left_out[rows], np.nan, done)}, base)
    cells = _coded(base.values)
    if endpoint.kind in ("repeated-use", "finding") and endpoint.at is not None:
        cells[lattice.visits(endpoint.at).state == NOT_DUE] = NEVER_DUE
    cells[left_out] = NEVER_DUE
    return Gaps(True, cells, lambda done, rows: {"values": np.where(done < 0, np.nan, done.astype(np.float64))}, base)


def _coded(values: Floats) -> NDArray[np.int8]:
    return np.where(np.isnan(values), MISSING, np.nan_to_num(values)).astype(np.int8)


def _abstinence_gaps(lattice: Lattice, id: str, endpoint: AbstinenceEndpoint) -> Gaps:
    """Visits of the whole series are imputed; those missed in the window decide, where the calendar does not.

    A missed visit all of whose days (since the visit planned before it) were told afterwards is not missing.
    """
    assert endpoint.at is not None
    visits = lattice.visits(endpoint.at)
    codes = cells_since_last(lattice, endpoint.use, visits)
    cells = np.where(codes == USED, 1, np.where(codes == CLEAN, 0, MISSING)).astype(np.int8)
    cells[visits.state == NOT_DUE] = NEVER_DUE
    known, used = days_known(lattice, endpoint.use), lattice.used(endpoint.use)
    for v, target in enumerate(visits.target):
        begin = max(int(visits.target[v - 1] if v else target - 1) + 1 - lattice.first, 0)
        span = slice(begin, int(target) - lattice.first + 1)
        told = (cells[:, v] == MISSING) & known[:, span].all(axis=1)
        cells[told, v] = used[told, span].any(axis=1)
    first, last = lattice.column(endpoint.days.first), lattice.column(endpoint.days.last)
    seen_used = np.asarray(used[:, first : last + 1].any(axis=1))
    due = (visits.target >= first + lattice.first) & (visits.target <= last + lattice.first)
    open_ = np.asarray((visits.state == STAYED_AWAY) & due & (cells == MISSING))
    base = derive_endpoint(lattice, id, missed="is-missing")

    def finish(done: Values, rows: Values) -> dict[str, Values]:
        return {"value": np.where(seen_used[rows] | ((done == 1) & open_[rows]).any(axis=1), 0.0, 1.0)}

    return Gaps(True, cells, finish, base)


def _run_gaps(lattice: Lattice, id: str, endpoint: TimeToEventEndpoint, estimand: Estimand) -> Gaps:
    """Weeks without a sample are imputed; the run of weeks is looked for in the completed weeks."""
    event = next(e for e in endpoint.first_of if isinstance(e, RunOfUse) and e.cells == "weeks")
    start, until = day_index(event.from_), day_index(endpoint.until.last)
    used, open_, _ = weeks_of_use(lattice, event.use, start, until, "is-missing")
    base = derive_endpoint(lattice, id)

    cells = np.where(open_, MISSING, used).astype(np.int8)

    def finish(done: Values, rows: Values) -> dict[str, Values]:
        whole = cells.copy()
        whole[rows] = done
        derived = apply_strategies(
            derive_time_to_event(lattice, id, endpoint, weeks=np.asarray(whole == 1)), lattice, estimand
        )
        return {
            name: getattr(derived, name)[rows]
            for name in ("time", "event", "visit_time")
            if getattr(derived, name) is not None
        }

    return Gaps(True, cells, finish, base)
