"""Worst and best case: what is missing counts for one arm and against the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Estimand


def experimental_rows(protocol: Protocol, estimand: Estimand, arms: NDArray[np.str_]) -> NDArray[np.bool_]:
    """(n,) rows of the experimental treatment: by the arms' roles where these differ, else the one named first."""
    entries = protocol.model.arms
    first, second = estimand.treatments.experimental, estimand.treatments.reference or ""
    chosen = first
    if estimand.factor is None and first in entries and second in entries:
        swapped = entries[second].role == "experimental" and entries[first].role != "experimental"
        chosen = second if swapped else first
    if estimand.factor is not None:
        levels = {name: entry.factors.get(estimand.factor, "") for name, entry in entries.items()}
        return np.array([levels.get(str(arm), "") == chosen for arm in arms], dtype=np.bool_)
    return np.asarray(arms == chosen)


def combine_cases(unfavourable: Derived, favourable: Derived, worse: NDArray[np.bool_]) -> Derived:
    """The endpoint with missing taken as unfavourable in the rows ``worse`` and as favourable in the others."""
    changed: dict[str, Any] = {}
    for name in ("value", "time", "event", "competing", "cause", "visit_time", "values", "imputed"):
        bad, good = getattr(unfavourable, name), getattr(favourable, name)
        if bad is not None and good is not None:
            changed[name] = np.where(worse if bad.ndim == 1 else worse[:, None], bad, good)
    of_bad, of_good = unfavourable.tally, favourable.tally
    if of_bad is not None and of_good is not None:
        events = np.where(worse, of_bad.events, of_good.events)
        changed["tally"] = replace(of_good, events=events, days=np.where(worse, of_bad.days, of_good.days))
    nobody = np.zeros(len(worse), dtype=np.bool_)
    codes = {*unfavourable.marks, *favourable.marks}
    marks = {
        code: np.where(worse, unfavourable.marks.get(code, nobody), favourable.marks.get(code, nobody))
        for code in sorted(codes)
    }
    return replace(favourable, **changed, marks=marks)
