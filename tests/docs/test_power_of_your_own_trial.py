"""The page for people who power a trial of their own: its four trials run as they are printed, through the commands."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "power-of-your-own-trial.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEAD, *BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
TRIALS, PARTS = BLOCKS[:4], BLOCKS[4:]
NAMES = ["score", "count", "time", "urine"]
POWERS = [float(found) for found in re.findall(r"^Power (0\.\d+)\.$", TEXT, re.MULTILINE)]
REPLICATES = 1000
RUN = CliRunner()


def written(folder: Path, trial: str) -> str:
    path = folder / "my-trial.yaml"
    path.write_text(HEAD + trial, encoding="utf-8")
    return str(path)


def test_there_are_four_trials_each_with_its_power_in_ten_lines_of_assumptions() -> None:
    assert len(TRIALS) == len(POWERS) == len(PARTS) == 4
    for trial in BLOCKS:
        assert len(trial.split("assumptions:\n")[1].splitlines()) <= 10


@pytest.mark.parametrize(("trial", "power"), list(zip(TRIALS, POWERS, strict=True)), ids=NAMES)
def test_a_trial_of_the_page_is_right_and_has_the_power_printed(tmp_path: Path, trial: str, power: float) -> None:
    path = written(tmp_path, trial)
    checked = RUN.invoke(app, ["check", path])
    assert checked.exit_code == 0, checked.output
    arguments = ["--replicates", str(REPLICATES), "--scenario", "planning", "--scenario", "null", "--json"]
    run = RUN.invoke(app, ["power", path, *arguments])
    assert run.exit_code == 0, run.output
    planned, without_effect = (cell["rows"][0]["significant"] for cell in json.loads(run.stdout)["cells"])
    # 4 Monte Carlo standard errors of this run and of the page's 4,000 trials together.
    error = math.sqrt(power * (1 - power) * (1 / REPLICATES + 1 / 4000))
    assert planned["value"] == pytest.approx(power, abs=4 * error)
    assert without_effect["value"] < 0.05 + 4 * math.sqrt(0.0475 / REPLICATES)


@pytest.mark.parametrize("number", range(4), ids=NAMES)
def test_the_same_trial_from_parts_runs_to_its_report_and_holds_its_level(tmp_path: Path, number: int) -> None:
    path = written(tmp_path, TRIALS[number].split("assumptions:\n")[0] + PARTS[number])
    ran = RUN.invoke(app, ["run", path, "--seed", "7", "--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    arguments = ["--replicates", "300", "--scenario", "by-parts", "--scenario", "null", "--json"]
    run = RUN.invoke(app, ["power", path, *arguments])
    assert run.exit_code == 0, run.output
    planned, without_effect = (cell["rows"][0]["significant"]["value"] for cell in json.loads(run.stdout)["cells"])
    assert planned > 0.5  # 0.66 to 0.95 in 1,000 trials
    assert without_effect < 0.05 + 4 * math.sqrt(0.0475 / 300)


def test_the_next_step_that_size_names_is_one_that_runs(tmp_path: Path) -> None:
    path = written(tmp_path, TRIALS[0])
    run = RUN.invoke(app, ["size", path, "--power", "0.8", "--replicates", "100"])
    assert run.exit_code == 0, run.output
    assert f"design-report {path} --scenario planning" in " ".join(run.output.split())
