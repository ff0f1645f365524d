"""The command line as people and scripts use it: real processes' work, in this process for speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import equipoise
from equipoise.cli.main import app

runner = CliRunner()
COMMANDS = ("protocols", "show", "check", "schema", "simulate", "import", "analyse", "report", "run", "warm-up")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert "equipoise" in result.stdout


def test_protocols_are_listed_for_people_and_for_machines() -> None:
    assert "ketamine-mbrp-cocaine" in runner.invoke(app, ["protocols"]).stdout
    listed = json.loads(runner.invoke(app, ["protocols", "--json"]).stdout)
    assert {"ketamine-mbrp-cocaine", "smoking-cessation", "xbot"} <= {row["name"] for row in listed["protocols"]}


def test_show_draws_the_schedule_as_a_grid() -> None:
    out = runner.invoke(app, ["show", "ketamine-mbrp-cocaine", "--all"]).stdout
    grid = out[out.index("Schedule of activities") : out.index("Endpoints")]
    urine = next(line for line in grid.splitlines() if line.startswith("Urine toxicology"))
    assert urine.count("X") == 2  # admission and the clinic visits
    assert "not known" in out.lower()


def test_check_says_that_a_bundled_protocol_is_right() -> None:
    result = runner.invoke(app, ["check", "smoking-cessation"])
    assert result.exit_code == 0
    assert "no problems. 2 endpoints, 8 analyses, 2 assurance cases (all hold)." in result.stdout


def test_check_prints_every_problem_and_leaves_with_the_family_code(tmp_path: Path) -> None:
    text = Path("src/equipoise/protocols/smoking-cessation.yaml").read_text("utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("ratio: {patch: 1", "ratio: {pach: 1").replace("estimator: cox", "estimator: coxx"))
    result = runner.invoke(app, ["check", str(broken)])
    assert result.exit_code == 3
    assert "coxx" in result.stderr
    found = json.loads(runner.invoke(app, ["check", str(broken), "--json"]).stdout)
    assert found["ok"] is False
    assert all(problem["line"] for problem in found["problems"])


def test_a_failing_assurance_case_is_a_problem_with_its_line(tmp_path: Path) -> None:
    text = Path("src/equipoise/protocols/smoking-cessation.yaml").read_text("utf-8")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("{event: true, time: 0}", "{event: true, time: 3}"))
    result = runner.invoke(app, ["check", str(wrong)])
    assert result.exit_code == 3
    assert "P040" in result.stderr
    assert "time: 0" in result.stderr


def test_the_schema_is_json() -> None:
    assert json.loads(runner.invoke(app, ["schema"]).stdout)["properties"]["endpoints"]


def test_simulated_records_are_written_read_and_analysed(tmp_path: Path) -> None:
    made = runner.invoke(
        app, ["simulate", "ketamine-mbrp-cocaine", "--seed", "3", "--out", str(tmp_path / "records"), "--json"]
    )
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout)["simulated"] is True
    again = runner.invoke(
        app, ["simulate", "ketamine-mbrp-cocaine", "--seed", "3", "--out", str(tmp_path / "again"), "--json"]
    )
    assert json.loads(again.stdout)["data_hash"] == json.loads(made.stdout)["data_hash"]
    result = runner.invoke(
        app,
        ["analyse", "ketamine-mbrp-cocaine", str(tmp_path / "records"), "--out", str(tmp_path / "out"), "--json"],
    )
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    written = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert written["estimates"] == told["estimates"]
    assert written["provenance"]["simulated"] is True
    assert written["provenance"]["seed"] == 3


def test_output_is_not_overwritten_without_force(tmp_path: Path) -> None:
    arguments = ["simulate", "ketamine-mbrp-cocaine", "--seed", "3", "--out", str(tmp_path / "records")]
    assert runner.invoke(app, arguments).exit_code == 0
    second = runner.invoke(app, arguments)
    assert second.exit_code == 7
    assert "--force" in second.stderr
    assert runner.invoke(app, [*arguments, "--force"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "no-such-trial", "--out", "x"], 3, "no bundled protocol"),
        (["run", "xbot", "--out", "x"], 2, "--records DIR"),
        (["run", "smoking-cessation", "--records", "nowhere", "--out", "x"], 4, "no such folder"),
        (["run", "smoking-cessation", "--records", "nowhere", "--seed", "1", "--out", "x"], 2, "either --records"),
        (["run", "smoking-cessation", "--seed", "1", "--out", "x"], 6, "no assumptions"),
        (["simulate", "ketamine-mbrp-cocaine", "--seed", "-1", "--out", "x"], 2, "whole number from 0"),
        (["simulate", "ketamine-mbrp-cocaine", "--seed", "1", "--scenario", "nul", "--out", "x"], 6, "null"),
        (["import", "ctn0094", "nowhere", "--project", "51", "--out", "x"], 4, "nowhere"),
        (["import", "ctn0094", "nowhere", "--out", "x"], 2, "--project"),
        (["import", "excel", "nowhere", "--out", "x"], 2, "ctn0094"),
        (["import", "spss", "nowhere", "--out", "x"], 4, "no such folder"),
        (["import", "table", "nowhere.yaml", "--out", "x"], 4, "nowhere.yaml"),
    ],
)
def test_a_mistake_gets_its_code_and_a_next_step_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, arguments)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_records_of_another_trial_are_refused(tmp_path: Path) -> None:
    runner.invoke(app, ["simulate", "ketamine-mbrp-cocaine", "--seed", "3", "--out", str(tmp_path / "records")])
    result = runner.invoke(
        app, ["analyse", "smoking-cessation", str(tmp_path / "records"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 4
    assert "R070" in result.stderr
    assert not (tmp_path / "out").exists()


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("django", "matplotlib", "numba", "polars", "statsmodels", "scipy")
    code = f"import sys, equipoise; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_changed_scoring_key_is_a_changed_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    import equipoise
    from equipoise.instruments import of_protocol as library

    before = equipoise.read_protocol("ketamine-mbrp-cocaine")
    assert any(name.startswith("instrument pss-10") for name in before.definitions)
    original = library.find_instrument

    def changed(id: str, version: str | None = None) -> object:
        found = original(id, version)
        if found is None or id != "pss-10":
            return found
        first = replace(found.items[0], is_reversed=not found.items[0].is_reversed)
        return replace(found, items=(first, *found.items[1:]))

    monkeypatch.setattr(library, "find_instrument", changed)
    assert equipoise.read_protocol("ketamine-mbrp-cocaine").hash != before.hash


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_narrow_terminal_breaks_no_word_and_no_number(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    analysed = runner.invoke(app, ["run", "smoking-cessation", "--out", str(tmp_path / "out"), "--no-pdf", "--all"])
    told = " ".join(analysed.stdout.split())
    assert "0.546 (0.358 to 0.834)" in told
    assert "relapse-curve.triple.median" in told
    shown = runner.invoke(app, ["show", "ketamine-mbrp-cocaine", "--all"]).stdout
    assert {"Telephone", "Admission", "quarantined", "intravenous"} <= {word.strip(";(),") for word in shown.split()}
    grid = shown[shown.index("Schedule of activities") : shown.index("Endpoints")]
    assert max(map(len, grid.splitlines())) <= width


def test_show_names_dose_and_day_of_what_is_given_between_visits(tmp_path: Path) -> None:
    tour = Path("docs/writing-a-protocol.md").read_text("utf-8")
    smallest = tmp_path / "my-trial.yaml"
    smallest.write_text(tour.split("```yaml\n")[1].split("```")[0], "utf-8")
    out = runner.invoke(app, ["show", str(smallest), "--all"]).stdout
    assert "ketamine 0.5 mg/kg, 40 min" in out
    assert "ketamine (day 1)" in out
    assert "1 endpoint, 1 analysis, no assurance cases." in runner.invoke(app, ["check", str(smallest)]).stdout


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    piped = subprocess.run(
        f"{sys.executable} -m equipoise.cli.main show ketamine-mbrp-cocaine | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (piped.returncode, piped.stderr) == (0, "")


PROTOCOLS = Path(equipoise.__file__).parent / "protocols"
BUNDLED = [path.stem for path in sorted(PROTOCOLS.glob("*.yaml"))]


@pytest.mark.parametrize("name", BUNDLED)
def test_show_fits_one_screen_and_says_where_the_rest_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = runner.invoke(app, ["show", name]).stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith("Everything: --all")
    assert any(line.startswith("Arms") for line in lines)


def test_problems_of_one_cause_are_one(tmp_path: Path) -> None:
    text = (PROTOCOLS / "xbot.yaml").read_text("utf-8").replace("estimator: cox", "estimator: coxx")
    path = tmp_path / "bad.yaml"
    path.write_text(text, "utf-8")
    result = runner.invoke(app, ["check", str(path)])
    assert result.exit_code == 3
    assert result.stderr.count("Did you mean cox?") == 1
    assert "The same on lines " in result.stderr
    n = len(json.loads(runner.invoke(app, ["check", str(path), "--json"]).stdout)["problems"])
    assert f"1 problem, in {n} places." in result.stderr


def test_open_finds_the_report_of_a_folder_or_says_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    out = tmp_path / "runs" / "smoking"
    assert runner.invoke(app, ["run", "smoking-cessation", "--out", str(out), "--no-pdf"]).exit_code == 0
    assert runner.invoke(app, ["open", str(out)]).exit_code == 0
    assert opened == [(out / "report.html").resolve().as_uri()]
    above = runner.invoke(app, ["open", str(tmp_path / "runs")])
    assert above.exit_code == 2
    assert str(out) in " ".join(above.stderr.split())
    assert "no such folder" in runner.invoke(app, ["open", str(tmp_path / "nowhere")]).stderr.lower()
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    assert "yourself" in runner.invoke(app, ["open", str(out)]).stderr


def test_a_folder_of_results_says_where_its_records_are(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert runner.invoke(app, ["run", "smoking-cessation", "--out", str(out), "--no-pdf"]).exit_code == 0
    result = runner.invoke(app, ["report", "smoking-cessation", str(out), "--out", str(tmp_path / "again")])
    assert result.exit_code != 0
    assert str(out / "records") in result.stderr
