"""Decision rules over several primary analyses: when is the trial a success?

Inputs are p values, one row a primary analysis in the order of the protocol, one column a replicate. A p value that
does not exist (NaN) rejects nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

# Rule -> what it is in words.
RULES = {
    "unadjusted": "each primary at its own level; with several, the chance of any false rejection exceeds it",
    "fixed-sequence": "primaries in the protocol's order, each at the full level, as long as all before are rejected",
    "holm": "Holm 1979: step down from the smallest p value",
    "hochberg": "Hochberg 1988: step up from the largest p value",
}


def reject(p_values: Floats, alpha: float, rule: str) -> Mask:
    """(n_primaries, n) which hypotheses a rule rejects at the familywise level ``alpha``, two-sided."""
    p = np.where(np.isnan(p_values), np.inf, p_values)
    if rule == "unadjusted":
        return np.asarray(p < alpha)
    if rule == "fixed-sequence":
        return np.asarray(np.logical_and.accumulate(p < alpha, axis=0))
    m = p.shape[0]
    order = np.argsort(p, axis=0, kind="stable")
    ordered = np.take_along_axis(p, order, axis=0)
    passes = ordered < (alpha / (m - np.arange(m)))[:, None]
    if rule == "holm":
        stepped = np.logical_and.accumulate(passes, axis=0)
    elif rule == "hochberg":
        stepped = np.logical_or.accumulate(passes[::-1], axis=0)[::-1]
    else:
        raise ValueError(f"unknown decision rule {rule!r}")
    out = np.empty_like(stepped)
    np.put_along_axis(out, order, stepped, axis=0)
    return np.asarray(out)
