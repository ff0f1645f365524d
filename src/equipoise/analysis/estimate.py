"""What a fit returns: one number with all that it needs to be read rightly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from equipoise.foundation.notebook import shown

# The keys of a row of results.csv, in order.
RESULT_KEYS = (
    "id",
    "endpoint",
    "estimand",
    "estimator",
    "arm",
    "reference",
    "event",
    "scale",
    "estimate",
    "standard_error",
    "ci_lower",
    "ci_upper",
    "ci_level",
    "statistic",
    "df",
    "p_value",
    "n_randomized",
    "n_analysed",
    "n_events",
    "n_missed",
    "level",
    "prespecified",
    "warnings",
    "imputed_sets",
    "monte_carlo_error",
    "monte_carlo_error_ci_lower",
    "monte_carlo_error_ci_upper",
    "monte_carlo_error_p_value",
    "p_adjusted",
    "rejected",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One estimate, unrounded.

    ``standard_error`` is on the log of the scale for ratios. ``p_value`` is two-sided and of no effect; against the
    performance goal where there is one, and one-sided against the margin of the estimand, which ``details`` hold.
    ``reference`` is absent for an estimate of a single arm;
    ``event`` names what is counted (``abstinence``, ``use``): an odds ratio without it means nothing. A quantity that
    cannot be estimated is ``None`` with a coded warning, never NaN or infinity.

    >>> relapse = results["relapse"]
    >>> relapse.scale, relapse.arm, relapse.reference, relapse.n_analysed
    ('hazard_ratio', 'triple', 'patch', 125)
    >>> [round(value, 3) for value in relapse.ends]
    [0.546, 0.358, 0.834]
    """

    id: str
    endpoint: str
    estimand: str | None
    estimator: str
    arm: str | None
    reference: str | None
    event: str | None
    scale: str
    estimate: float | None
    standard_error: float | None = None
    ci_lower: float | None = None
    ci_upper: float | None = None
    ci_level: float | None = 0.95
    statistic: float | None = None
    df: float | None = None
    p_value: float | None = None
    n_randomized: int | None = None
    n_analysed: int | None = None
    n_events: int | None = None
    n_missed: int | None = None
    level: str = "exploratory"  # primary, secondary, supportive, sensitivity, exploratory
    prespecified: bool = False
    warnings: tuple[str, ...] = ()
    # Of an analysis with imputation: the sets made, and how far the numbers would move with other random numbers.
    imputed_sets: int | None = None
    monte_carlo_error: float | None = None
    monte_carlo_error_ci_lower: float | None = None
    monte_carlo_error_ci_upper: float | None = None
    monte_carlo_error_p_value: float | None = None
    # Of a hypothesis of `multiplicity`: the smallest familywise level at which it is rejected, and whether it is.
    p_adjusted: float | None = None
    rejected: bool | None = None
    # What the numbers above are not: method in words, covariates, diagnostics, the discretion varied.
    simulated: bool = False  # whether its participants are fictional
    method: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[float | None, float | None, float | None]:
        """Estimate and limits for readers: infinite ones are infinity, and unknown ones are ``None``."""
        if "estimate-infinite" in self.warnings and self.estimate is None:
            return math.inf, self.ci_lower, math.inf
        return self.estimate, self.ci_lower, self.ci_upper

    def __repr__(self) -> str:
        middle, lower, upper = self.ends
        value = "not estimable" if middle is None else f"{middle:.4g}"
        if self.scale == "test":
            value = "test"
        if lower is not None and upper is not None:
            value += f" ({lower:.4g} to {upper:.4g})"
        compared = f"{self.arm} v {self.reference}" if self.reference else str(self.arm)
        p = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        warned = f", {', '.join(self.warnings)}" if self.warnings else ""
        return f"<Estimate {self.id}: {self.scale} {value}{p}, {compared}, n = {self.n_analysed}{warned}>"

    def _repr_html_(self) -> str:
        return shown(self)

    def as_row(self) -> dict[str, Any]:
        """The keys of ``results.csv``, with warnings as a list, and margin and tipping point if there is one."""
        row = {key: getattr(self, key) for key in RESULT_KEYS}
        row["warnings"] = list(self.warnings)
        if "margin" in self.details:
            row["margin"] = dict(self.details["margin"])
        tip = self.details.get("tipping_point")
        if tip:
            row["tipping_point"] = {key: tip[key] for key in ("arm", "shift", "monte_carlo_error", "holds_at", "up_to")}
        return row
