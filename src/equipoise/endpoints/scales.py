"""Scores of instruments at visits, and single answers."""

from __future__ import annotations

import numpy as np
import polars as pl

from equipoise.endpoints.derived import Derived, Floats
from equipoise.endpoints.lattice import Lattice
from equipoise.instruments.library import require_instrument
from equipoise.instruments.scoring import score_assessments
from equipoise.protocol.model_analysis import ReceivedEndpoint, ReportEndpoint, ScoreEndpoint


def _by_visit(lattice: Lattice, rows: pl.DataFrame, names: tuple[str, ...]) -> Floats:
    """(n, n_visits) of the ``value`` column, NaN where there is none."""
    out = np.full((lattice.n, len(names)), np.nan)
    found = lattice._rows(rows.filter(pl.col("visit").is_in(list(names)) & pl.col("value").is_not_null()))
    if found.height:
        position = {name: i for i, name in enumerate(names)}
        columns = np.array([position[name] for name in found["visit"]], dtype=np.int64)
        out[found["row"].to_numpy(), columns] = found["value"].to_numpy()
    return out


def derive_score(lattice: Lattice, id: str, endpoint: ScoreEndpoint, floor: float | None = None) -> Derived:
    """A scale at each visit, NaN where it was not given; its logarithm after the floor where the endpoint says so."""
    assessment = lattice.protocol.model.assessments[endpoint.assessment]
    assert assessment.instrument is not None
    instrument = require_instrument(assessment.instrument, assessment.version)
    scored = score_assessments(
        lattice.records["assessments"].filter(pl.col("instrument") == assessment.instrument), instrument
    ).filter(pl.col("scale") == endpoint.scale)
    visits = lattice.visits(endpoint.at)
    raw = _by_visit(lattice, scored, visits.names)
    lowest = floor if floor is not None else endpoint.floor
    values = np.log(np.maximum(raw, lowest)) if endpoint.log and lowest is not None else raw
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="repeated-score",
        participants=lattice.participants,
        event_word=id,
        values=values,
        raw=raw,
        visit_names=visits.names,
        visit_weeks=(visits.target - visits.target[0]) / 7.0,
    )


def derive_report(lattice: Lattice, id: str, endpoint: ReportEndpoint, missed: str | None = None) -> Derived:
    """1 where the answer is yes, 0 where it is no; no answer by the endpoint's rule."""
    assessment = lattice.protocol.model.assessments[endpoint.assessment]
    rows = lattice.records["assessments"].filter(
        (pl.col("instrument") == assessment.instrument) & (pl.col("item") == endpoint.item)
    )
    answer = _by_visit(lattice, rows, (endpoint.at,))[:, 0]
    missing = np.isnan(answer)
    open_ = endpoint.missed == "is-missing" if missed is None else missed == "is-missing"
    value = np.where(missing, np.nan if open_ else 0.0, (answer > 0).astype(np.float64))
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="binary",
        participants=lattice.participants,
        event_word="yes",
        value=value,
        imputed=missing,
    )


def derive_received(lattice: Lattice, id: str, endpoint: ReceivedEndpoint) -> Derived:
    """1 where at least one dose of the arm's own treatment was given."""
    table = lattice.records["exposure"].filter(pl.col("delivered_mg").fill_null(1.0) > 0)
    if endpoint.within is not None:
        table = table.filter(pl.col("day").is_between(endpoint.within.first, endpoint.within.last))
    rows = lattice._rows(table).select("row", "intervention").unique()
    value = np.zeros(lattice.n)
    wanted = np.array([endpoint.intervention.get(str(arm), "") for arm in lattice.participants.arm])
    if rows.height:
        at = rows["row"].to_numpy()
        own = np.asarray(rows["intervention"].to_list()) == wanted[at]
        value[at[own]] = 1.0
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="binary",
        participants=lattice.participants,
        event_word="received",
        value=value,
    )
