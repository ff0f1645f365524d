"""Whether a mixed model for repeated measures can be fitted: several planned visits, and options that go together."""

from __future__ import annotations

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.text.yaml_lines import Path_

MOST_VISITS = 100


def check_repeated_measures(c: Checker, path: Path_, analysis: Analysis) -> None:
    """Two to a hundred visits; slopes by visit of covariates that are in the model and visits that are."""
    estimand = c.model.estimands.get(analysis.estimand)
    endpoint = c.model.endpoints.get(estimand.endpoint) if estimand is not None else None
    if estimand is not None and endpoint is not None and endpoint.kind == "score":
        n = len(c.protocol.result_days(endpoint))
        if n and not 2 <= n <= MOST_VISITS:
            c.add(
                "P028",
                (*path, "estimator"),
                f"mmrm models how visits go together, and {estimand.endpoint} has {n}.",
                f"an endpoint of 2 to {MOST_VISITS} visits",
                "Choose linear for one visit, or linear-mixed for very many.",
            )
    if estimand is not None and estimand.interaction is not None and analysis.covariance_by_arm:
        c.add(
            "P029",
            (*path, "covariance-by-arm"),
            "The effect is an interaction of two factors: there are no two arms to have a covariance each.",
            "one covariance for all",
            "Remove covariance-by-arm.",
        )
    absent = [name for name in analysis.covariates_by_visit if name not in analysis.covariates]
    if absent:
        c.add(
            "P029",
            (*path, "covariates-by-visit"),
            f"{listed(absent, conjunction='and')} {'is' if len(absent) == 1 else 'are'} not among the covariates.",
            listed(analysis.covariates) if analysis.covariates else "covariates beside it",
            "Add it to covariates as well.",
        )
    if analysis.covariates_by_visit and analysis.time not in ("category", "category-interaction"):
        c.add(
            "P029",
            (*path, "covariates-by-visit"),
            f"With time: {analysis.time} visits have no columns that a slope could differ by.",
            "time: category or category-interaction",
            "Remove covariates-by-visit, or change time.",
        )
