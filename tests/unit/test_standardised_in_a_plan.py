"""Risks standardised over covariates, as a line of a plan."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol import Protocol
from equipoise.workflow import analyse, check_protocol, read_protocol, simulate

PROTOCOLS = Path(__file__).resolve().parents[2] / "src" / "equipoise" / "protocols"


def planned(tmp_path: Path, *lines: str) -> Protocol:
    """The bundled trial with further lines of its plan."""
    text = (PROTOCOLS / "ketamine-mbrp-cocaine.yaml").read_text("utf-8")
    at = "  abstinence-exact: {"
    assert text.count(at) == 1
    path = tmp_path / "trial.yaml"
    path.write_text(text.replace(at, "".join(f"  {line}\n" for line in lines) + at), "utf-8")
    return read_protocol(path)


def line(name: str, what: str, **more: str) -> str:
    """A line of the plan on abstinence in the last two weeks."""
    options = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{name}: {{estimand: abstinence-{what}, estimator: standardised-risk-{what}, level: supportive{options}}}"


def test_without_covariates_it_is_the_plain_difference_of_two_proportions(tmp_path: Path) -> None:
    protocol = planned(tmp_path, line("plain", "difference"), line("fixed", "difference", method="conditional"))
    found = analyse(protocol, simulate(protocol, seed=11))
    usual, mine, fixed = found["abstinence-difference"], found["plain"], found["fixed"]
    assert mine.estimate == pytest.approx(usual.estimate, abs=1e-9)
    p1, p0 = mine.details["risk_experimental"], mine.details["risk_reference"]
    # without covariates nothing of them is sampled: the two variances are one
    assert mine.standard_error == pytest.approx(fixed.standard_error, rel=1e-9)
    z = (mine.ci_upper - mine.ci_lower) / 2 / mine.standard_error
    assert z == pytest.approx(1.959964, rel=1e-6)
    assert p1 - p0 == pytest.approx(mine.estimate, abs=1e-12)


def test_difference_and_ratio_are_of_the_same_two_risks_and_adjusted(tmp_path: Path) -> None:
    protocol = planned(
        tmp_path,
        line("gap", "difference", covariates="[route, age]"),
        line("share", "ratio", covariates="[route, age]"),
    )
    found = analyse(protocol, simulate(protocol, seed=11))
    gap, share = found["gap"], found["share"]
    p1, p0 = gap.details["risk_experimental"], gap.details["risk_reference"]
    assert share.estimate == pytest.approx(p1 / p0, rel=1e-9)
    assert math.log(share.ci_upper) - math.log(share.estimate) == pytest.approx(
        1.959964 * share.standard_error, rel=1e-6
    )
    assert "standardised over" in gap.method
    assert "age" in gap.method
    assert gap.estimate != pytest.approx(found["abstinence-difference"].estimate, abs=1e-6)


def test_the_numbers_are_those_of_the_logistic_model_averaged_by_hand(tmp_path: Path) -> None:
    """Risks of everybody in either arm, from the coefficients of the same model by an outside program."""
    statsmodels = pytest.importorskip("statsmodels.api")
    import numpy as np

    from equipoise.stats.logistic import fit_logistic
    from equipoise.stats.standardised_risk import standardise_risks, with_column

    rng = np.random.default_rng(5)
    n = 120
    arm, age = np.repeat([0.0, 1.0], n // 2), rng.normal(40, 9, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(-3 + 0.9 * arm + 0.05 * age)))).astype(float)
    x = np.column_stack([np.ones(n), arm, age])
    fit = statsmodels.Logit(y, x).fit(disp=0, tol=1e-12)
    means, gradients = [], []
    for value in (0.0, 1.0):
        at = with_column(x, 1, value)
        p = fit.predict(at)
        means.append(p.mean())
        gradients.append((p * (1 - p)) @ at / n)
    difference = gradients[1] - gradients[0]
    error = math.sqrt(difference @ fit.cov_params() @ difference)
    risks = standardise_risks(
        fit_logistic(y, x, [0, n]), y, arm, with_column(x, 1, 0.0), with_column(x, 1, 1.0), [0, n]
    )
    assert risks.difference.estimate[0] == pytest.approx(means[1] - means[0], rel=1e-6)
    assert risks.difference.standard_error[0] == pytest.approx(error, rel=1e-5)


def test_what_does_not_suit_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EquipoiseError, match="P029"):
        planned(tmp_path, line("wrong", "difference", method="newcombe"))
    text = (PROTOCOLS / "kare.yaml").read_text("utf-8")
    text = text.replace(
        "  drug-relapse:\n    endpoint: relapse\n    factor: drug\n",
        "  drug-relapse:\n    endpoint: relapse\n    factor: drug\n    interaction: talk\n",
    ).replace("summary: odds-ratio", "summary: risk-difference")
    text = text.replace(
        "{estimand: drug-relapse, estimator: logistic",
        "{estimand: drug-relapse, estimator: standardised-risk-difference",
    )
    path = tmp_path / "kare.yaml"
    path.write_text(text, "utf-8")
    report = check_protocol(path)
    assert any("no term for an interaction" in problem.found for problem in report.problems)
