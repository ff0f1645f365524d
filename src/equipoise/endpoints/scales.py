"""Scores of instruments at visits, and single answers."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.endpoints.missing import carry_forward
from equipoise.instruments import require_instrument_of
from equipoise.protocol.language.endpoints import ReceivedEndpoint, ReportEndpoint, ScoreEndpoint
from equipoise.protocol.language.protocol import baseline_is_used


def derive_score(lattice: Lattice, id: str, endpoint: ScoreEndpoint, missed: str | None = None) -> Derived:
    """A scale at each visit, NaN where it was not given; its logarithm after the floor where the endpoint says so.

    A change is from the score at the baseline visit, NaN without one; in per cent of it also where that is 0. With
    ``missed`` ``last-observation`` the last score seen stands for each missing one after it. A baseline of which the
    file makes nothing is named in a warning.
    """
    instrument = require_instrument_of(lattice.protocol, endpoint.assessment)
    visits = lattice.visits(endpoint.at)
    raw = lattice.scale_values(instrument, endpoint.scale, visits.names)
    if missed == "last-observation":
        raw = carry_forward(raw)
    warnings: tuple[str, ...] = ()
    if endpoint.value != "score":
        before = lattice.scale_values(instrument, endpoint.scale, (str(endpoint.baseline),))
        raw = raw - before
        if endpoint.value == "percent-change":
            none = before == 0
            raw = np.where(none, np.nan, 100.0 * raw / np.where(none, 1.0, before))
            warnings = ("baseline-of-zero",) if bool(none.any()) else ()
    elif endpoint.baseline is not None and not baseline_is_used(lattice.protocol, id):
        warnings = ("baseline-not-used",)
    values = np.log(np.maximum(raw, endpoint.floor)) if endpoint.log and endpoint.floor is not None else raw
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="repeated-score",
        participants=lattice.participants,
        event_word=id,
        logarithm=endpoint.log,
        is_change=endpoint.value != "score",
        values=values,
        raw=raw,
        visit_names=visits.names,
        visit_weeks=(visits.target - visits.target[0]) / 7.0,
        first_visit_day=int(visits.target[0]),
        warnings=warnings,
    )


def derive_report(lattice: Lattice, id: str, endpoint: ReportEndpoint, missed: str | None = None) -> Derived:
    """1 where the answer is yes, 0 where it is no; no answer by the endpoint's rule.

    ``missed`` ``is-use`` takes no answer as the worse one, ``is-no-use`` as the better one.
    """
    instrument = require_instrument_of(lattice.protocol, endpoint.assessment)
    answer = lattice.item_values(instrument.id, endpoint.item, (endpoint.at,))[:, 0]
    missing = np.isnan(answer)
    better, worse = (1.0, 0.0) if endpoint.better == "higher" else (0.0, 1.0)
    stands_for = {"is-missing": np.nan, "is-no": 0.0, "is-use": worse, "is-no-use": better}[missed or endpoint.missed]
    value = np.where(missing, stands_for, (answer > 0).astype(np.float64))
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="binary",
        participants=lattice.participants,
        event_word="yes",
        value=value,
        imputed=missing,
        warnings=("never-seen-scored-success",) if stands_for == better and bool(missing.any()) else (),
    )


def derive_received(lattice: Lattice, id: str, endpoint: ReceivedEndpoint, missed: str | None = None) -> Derived:
    """1 where at least one dose of the arm's own treatment was given; nothing is missing for a rule to decide."""
    rows, interventions = lattice.doses(endpoint.within)
    value = np.zeros(lattice.n)
    wanted = np.array([endpoint.intervention.get(str(arm), "") for arm in lattice.participants.arm])
    value[rows[interventions == wanted[rows]]] = 1.0
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="binary",
        participants=lattice.participants,
        event_word="received",
        value=value,
    )
