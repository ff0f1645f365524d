"""p values of replicates in the terms of rules with two-sided levels: a result in the wrong direction is no success."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.analysis.multiplicity import one_sided
from equipoise.analysis.outcome import Outcome
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.vocabulary.scales import SCALES, is_better_above


def as_two_sided(outcome: Outcome, analysis: Analysis, endpoint: Endpoint, *, is_hypothesis: bool) -> Outcome:
    """The outcome with twice the p value of its own question, at most 1, to be compared with twice its level.

    Of a margin that is the one-sided p value against it; of a borrowing line one less the probability of success; of a
    line with a one-sided level the one-sided p value in the direction that is better. A test without an estimate has no
    direction and stays as it is, and so does a hypothesis of ``multiplicity``, which enters by its own rule.
    """
    if outcome.margin is not None:
        return replace(outcome, p_value=np.minimum(1.0, 2.0 * outcome.p_value))
    if outcome.posterior is not None:
        return replace(outcome, p_value=np.minimum(1.0, 2.0 * (1.0 - outcome.posterior.probability)))
    if not is_directed(outcome, analysis) or is_hypothesis:
        return outcome
    null = float(outcome.details.get("goal", SCALES[outcome.scale].no_effect))
    # An estimate beyond any number lies on its own side all the same.
    estimate = np.where(np.isposinf(outcome.estimate), np.finfo(np.float64).max, outcome.estimate)
    p = one_sided(
        outcome.p_value, estimate, outcome.ci_lower, outcome.ci_upper, null, is_better_above(outcome.scale, endpoint)
    )
    return replace(outcome, p_value=np.minimum(1.0, 2.0 * p))


def is_directed(outcome: Outcome, analysis: Analysis) -> bool:
    """Whether a line has a one-sided level, and a row of it a direction that the level is about."""
    return analysis.alpha_one_sided is not None and outcome.scale != "test"
