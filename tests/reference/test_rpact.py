"""rpact 3.3.4 (R 4.2.2, Debian 12): every number of ../shared/data/rpact-reference, script in its README."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from equipoise.stats.design.group_sequential import Boundary, characterize, efficacy_design, futility_design
from equipoise.stats.design.sample_size import two_proportions_power
from equipoise.stats.design.spending import SpendingFunction

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "design_agreement.py"


def test_every_number_of_the_reference_agrees_within_its_tolerance(shared_data: Path) -> None:
    folder = shared_data / "rpact-reference"
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), "--json"], capture_output=True, text=True, check=False
    )
    body = json.loads(run.stdout)
    assert body["ok"], [row for row in body["rows"] if not row["ok"]]
    n_numbers = len((folder / "rpact.csv").read_text().splitlines()) - 1
    # Each line of the file is one row of the report; 8 classical constants and 2 summaries follow.
    assert len(body["rows"]) == n_numbers + 8 + 2


def test_a_changed_reference_is_named_and_fails(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "rpact-reference" / "rpact.csv").read_text()
    (tmp_path / "rpact.csv").write_text(text.replace("2.96258804273", "2.96259804273"))
    run = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "bound_OF_2_equal critical_z[1] disagrees: ours 2.9625880" in run.stdout


# The following values are printed here so that the suite knows them without the folder.


def test_five_equal_looks_obrien_fleming_spending() -> None:
    # bound_OF_5_equal: getDesignGroupSequential(typeOfDesign = "asOF"); 1e-6 is rpact's integration accuracy.
    design = efficacy_design(
        [0.2, 0.4, 0.6, 0.8, 1.0], alpha_one_sided=0.025, boundary=Boundary("lan-demets-obrien-fleming")
    )
    assert design.critical_z == pytest.approx(
        [4.87688494879, 3.3570119217, 2.68028006703, 2.28981677443, 2.03103206307], abs=1e-6
    )
    found = characterize(design, 0.8)
    assert found.inflation_factor == pytest.approx(1.02471989147, abs=1e-6)
    assert found.asn_h1 == pytest.approx(0.82366273752, abs=1e-6)
    assert found.asn_h0 == pytest.approx(1.02135582753, abs=1e-6)


def test_beta_spending_non_binding() -> None:
    # bound_OF_3_betaOF: typeOfDesign = "asOF", typeBetaSpending = "bsOF", bindingFutility = FALSE.
    family = SpendingFunction("lan-demets-obrien-fleming")
    design = futility_design(
        [1 / 3, 2 / 3, 1],
        alpha_one_sided=0.025,
        power=0.8,
        boundary=Boundary("lan-demets-obrien-fleming"),
        beta_spending=family,
    )
    assert design.futility_z[:2] == pytest.approx([-0.23614460988, 1.17037203116], abs=1e-6)
    assert characterize(design, 0.8).inflation_factor == pytest.approx(1.10433402287, abs=1e-6)


def test_rpacts_far_tail_is_an_option_and_differs_little() -> None:
    # binary_power_5 at N = 60: 0.337752022895 by rpact's convention.
    rpact = two_proportions_power(0.4, 0.6, 60, alpha_one_sided=0.025, sides=2, drop_far_scale=True)
    assert rpact == pytest.approx(0.337752022895, rel=1e-9)
    ours = two_proportions_power(0.4, 0.6, 60, alpha_one_sided=0.025, sides=2)
    assert abs(ours - rpact) < 1e-4


@pytest.mark.parametrize(
    ("kind", "printed"),
    [("pocock", (2.178, 2.289, 2.361, 2.413)), ("obrien-fleming", (1.977, 2.004, 2.024, 2.040))],
)
def test_classical_two_sided_constants(kind: str, printed: tuple[float, ...]) -> None:
    # Jennison and Turnbull (2000), tables 2.1 and 2.3, two to five looks, three decimals printed.
    for n_looks, constant in enumerate(printed, start=2):
        rates = [(k + 1) / n_looks for k in range(n_looks)]
        design = efficacy_design(rates, alpha_one_sided=0.025, boundary=Boundary(kind), sides=2)
        assert design.critical_z[-1] == pytest.approx(constant, abs=5e-4)
