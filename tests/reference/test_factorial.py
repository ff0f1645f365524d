"""The interaction of a 2x2 factorial against R 4.2.2 (lm, glm), and against the four cells by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from equipoise.analysis.plan import Plan, planned_fits
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.read import read_protocol_text
from equipoise.simulation.batches import simulate_batch
from equipoise.simulation.scenario import read_scenario

METHODS = Path(__file__).parents[3] / "shared" / "data" / "methods"
needs_data = pytest.mark.skipif(not METHODS.exists(), reason="the shared data folder is not beside the checkout")
TRIAL = """equipoise: 1
trial: {id: two-factors, title: Two factors, design: factorial}
calendar: {day-1: randomization, epochs: {all: {days: 1..28}}}
interventions: {care: {type: other, words: care}}
factors: {a: {levels: [a-no, a-yes]}, b: {levels: [b-no, b-yes]}}
arms:
  none: {role: active-control, gives: [care], factors: {a: a-no, b: b-no}, n: 2}
  b-only: {role: experimental, gives: [care], factors: {a: a-no, b: b-yes}, n: 2}
  a-only: {role: experimental, gives: [care], factors: {a: a-yes, b: b-no}, n: 2}
  both: {role: experimental, gives: [care], factors: {a: a-yes, b: b-yes}, n: 2}
eligibility: {include: null, exclude: null}
randomization: {ratio: {none: 1, b-only: 1, a-only: 1, both: 1}}
baseline: {centre: {type: category, levels: [S1, S2, S3]}}
assessments: {calendar: {type: daily-use, substances: [alcohol]}}
schedule: {visit: {days: [14, 28], assess: [calendar]}}
use: {drinking: {words: any, substances: [alcohol], by: [self-report]}}
endpoints:
  days: {kind: abstinent-days, words: dry days, use: drinking, days: 1..28, as: count}
  dry: {kind: abstinence, words: dry, use: drinking, days: 15..28, at: visit}
estimands:
  days: {endpoint: days, factor: a, interaction: b, treatments: a-yes v a-no, summary: mean-difference}
  dry: {endpoint: dry, factor: a, interaction: b, treatments: a-yes v a-no, summary: odds-ratio}
analyses:
  days: {estimand: days, estimator: linear, covariates: [centre], level: primary, alpha-two-sided: 0.05}
  dry: {estimand: dry, estimator: logistic, covariates: [centre]}
assumptions:
  simple:
    simple: {days: {reference: 14, a: 2, b: 1, sd: 6}, dry: {reference: 30 %, a: 10 points, b: 10 points}}
"""


class _Data:
    """A lattice that holds the reference data in place of drawn values."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        protocol = read_protocol_text(TRIAL, file="two-factors.yaml")
        base = simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=[0]).lattice
        import polars as pl

        from equipoise.endpoints.lattice import Participants

        cell = {("0", "0"): "none", ("0", "1"): "b-only", ("1", "0"): "a-only", ("1", "1"): "both"}
        arm = [cell[row["a"], row["b"]] for row in rows]
        base.participants = Participants(
            pl.DataFrame(
                {
                    "participant_id": [row["id"] for row in rows],
                    "arm": arm,
                    "arm_received": arm,
                    "centre": [row["site"] for row in rows],
                }
            )
        )
        values = {"days": [row["y"] for row in rows], "dry": [row["r"] for row in rows]}

        def derived(id: str, missed: str | None, floor: float | None) -> Derived:
            numbers = np.array([float(v) if v else np.nan for v in values[id]])
            shape = "number" if id == "days" else "binary"
            return Derived(
                endpoint=id,
                kind="abstinent-days" if id == "days" else "abstinence",
                shape=shape,  # type: ignore[arg-type]
                participants=base.participants,
                event_word=id,
                value=numbers,
            )

        base.derived_directly = derived  # type: ignore[method-assign]
        self.plan = Plan(protocol, base)
        self.fits = {fit.line: fit for fit in planned_fits(protocol)}


@needs_data
@pytest.mark.parametrize("dataset", ["factorial_one", "factorial_two"])
@pytest.mark.parametrize(("line", "model", "log"), [("days", "linear", False), ("dry", "logistic", True)])
def test_the_interaction_is_that_of_r(dataset: str, line: str, model: str, log: bool) -> None:
    with (METHODS / "data" / f"{dataset}.csv").open(encoding="utf-8") as file:
        data = _Data(list(csv.DictReader(file)))
    wanted: dict[str, tuple[float, float]] = {}
    with (METHODS / "factorial.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (
                row["dataset"] == dataset
                and row["model"].startswith(f"{model} : cell coding")
                and row["index"] == "a:b"
            ):
                wanted[row["quantity"]] = (float(row["value"]), float(row["tolerance"]))
    assert set(wanted) >= {"estimate", "SE"}
    main = data.plan.fit(data.fits[line])[0]
    found = np.log(main.estimate[0]) if log else main.estimate[0]
    assert found == pytest.approx(wanted["estimate"][0], abs=wanted["estimate"][1])
    assert main.standard_error[0] == pytest.approx(wanted["SE"][0], abs=wanted["SE"][1])


def test_the_interaction_of_four_cells_is_the_difference_of_their_differences() -> None:
    rows = [
        {"id": str(4 * k + 2 * int(a) + int(b)), "a": a, "b": b, "site": "S1", "y": str(y + k), "r": "0"}
        for k in range(3)
        for (a, b), y in {("0", "0"): 1.0, ("0", "1"): 4.0, ("1", "0"): 6.0, ("1", "1"): 20.0}.items()
    ]
    data = _Data(rows)
    fit = data.fits["days"]
    from dataclasses import replace

    plain = replace(fit, analysis=fit.analysis.model_copy(update={"covariates": ()}))
    assert data.plan.fit(plain)[0].estimate[0] == pytest.approx((20 - 4) - (6 - 1), abs=1e-12)
