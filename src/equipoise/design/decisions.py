"""Decision rules over several hypotheses: when is the trial a success?

Inputs are p values, one row a hypothesis, one column a replicate. A p value that does not exist (NaN) rejects nothing.
The rules of this table are shown beside one another over the primary analyses; ``PLANNED`` is the protocol's own
procedure (``multiplicity``), over its hypotheses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.multiplicity import adjust
from equipoise.protocol.language.multiplicity import Multiplicity
from equipoise.stats.multiplicity import adjust_hochberg, is_rejected, run_graph

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

PLANNED = "planned"
# Rule -> what it is in words.
RULES = {
    "unadjusted": "each primary at its own level; with several, the chance of any false rejection exceeds it",
    "fixed-sequence": "primaries in the protocol's order, each at the full level, as long as all before are rejected",
    "holm": "Holm 1979: step down from the smallest p value",
    "hochberg": "Hochberg 1988: step up from the largest p value",
}


def reject(p_values: Floats, alpha: float, rule: str) -> Mask:
    """(n_primaries, n) which hypotheses a rule rejects at the familywise level ``alpha``, two-sided."""
    if rule == "unadjusted":
        with np.errstate(invalid="ignore"):
            return np.asarray(p_values < alpha)
    if rule not in RULES:
        raise ValueError(f"unknown decision rule {rule!r}")
    if rule == "hochberg":
        return is_rejected(adjust_hochberg(p_values.T), alpha).T
    m = p_values.shape[0]
    weights = np.eye(m)[0] if rule == "fixed-sequence" else np.full(m, 1.0 / m)
    transitions = np.eye(m, k=1) if rule == "fixed-sequence" else (1.0 - np.eye(m)) / max(1, m - 1)
    return run_graph(weights, transitions, p_values.T).rejected(alpha).T


def reject_as_planned(plan: Multiplicity, p_values: Floats) -> Mask:
    """(m, n) which hypotheses the protocol's procedure rejects; p values of its sides, in its order."""
    return is_rejected(adjust(plan, p_values.T), plan.alpha).T
