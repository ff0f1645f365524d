"""A logistic mixed model with a random slope as a line of the plan, on the drawn flagship."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from equipoise.analysis.dataset import long_rows
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.plan import Plan, planned_fits
from equipoise.endpoints import read_lattice
from equipoise.foundation.errors import ProtocolError
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.reporting.references import cited_by
from equipoise.stats.codes import FitCode
from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope
from equipoise.workflow import read_protocol, simulate

FLAGSHIP = "ketamine-mbrp-cocaine"
LINE = "sloped: {estimand: use-odds, estimator: logistic-mixed, random-slope: true, level: sensitivity"


def with_line(line: str) -> Protocol:
    text = (resources.files("equipoise") / "protocols" / f"{FLAGSHIP}.yaml").read_text("utf-8")
    return read_protocol_text(text.replace("\npublished:\n", f"\n  {line}\n\npublished:\n", 1))


def test_the_line_is_the_model_with_a_slope_of_weeks_and_has_no_marginal_row() -> None:
    protocol = with_line(f"{LINE}}}")
    records = simulate(read_protocol(FLAGSHIP), seed=2)
    plan = Plan(protocol, read_lattice(protocol, records))
    planned = next(planned for planned in planned_fits(protocol) if planned.id == "sloped")
    (row,) = plan.fit(planned)
    assert row.method.startswith("logistic mixed model, random intercept and slope of time in weeks, Laplace's")
    rows = long_rows(plan.derived_for(planned), plan.compared(planned))
    arm = plan.compared(planned).experimental[rows.who]
    design = np.column_stack([np.ones_like(arm), arm, rows.week])
    people = [0, rows.participant_offsets.size - 1]
    direct = fit_logistic_mixed_slope(rows.y, design, rows.participant_offsets, people, slope=rows.week)
    assert not FitCode(int(direct.codes[0])) & FitCode.NOT_ESTIMABLE
    assert direct.sd_slope[0] > 0
    assert np.log(row.estimate[0]) == pytest.approx(direct.coefficients[0, 1], rel=1e-6)
    assert row.standard_error[0] == pytest.approx(direct.standard_errors[0, 1], rel=1e-4)
    assert row.details["sd_slope"][0] == pytest.approx(direct.sd_slope[0], rel=1e-5)


@pytest.mark.parametrize(
    ("more", "cited"), [("", {"pinheiro-bates-1995"}), (", random-slope: true", {"breslow-clayton-1993"})]
)
def test_what_it_rests_on_is_cited_alone(more: str, cited: set[str]) -> None:
    protocol = with_line(f"sloped: {{estimand: use-odds, estimator: logistic-mixed{more}, level: sensitivity}}")
    row = Estimate(
        id="sloped",
        endpoint="use",
        estimand="use-odds",
        estimator="logistic-mixed",
        arm="a",
        reference="b",
        event="use",
        scale="odds_ratio",
        estimate=2.0,
    )
    assert cited_by(row, protocol.model.analyses["sloped"]) == cited


def test_nodes_beside_a_random_slope_are_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        with_line(f"{LINE}, nodes: 25}}")
    assert [(p.code, p.place) for p in caught.value.problems] == [("P029", "analyses.sloped.nodes")]
