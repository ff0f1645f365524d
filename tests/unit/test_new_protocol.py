"""`equipoise new`: five answers make a whole file with the power promised; nothing is overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.foundation.errors import UsageError
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.library import bundled_protocols
from equipoise.workflow.new_protocol import protocol_text, read_answers, write_new_protocol
from equipoise.workflow.power import power as run_power

runner = CliRunner()
DEFAULTS = [""] * 5


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        DEFAULTS,
        ['Nalmefene: "as needed", 18 mg # one', "placebo, nalmefene 18 mg", "Alcohol", "24", "15 %, 30%"],
        ["Übergang – no", "yes, no", "off", "2", "60, 97.5"],
        ["1e3", "on, n", "y", "52", "0.5, 3"],
    ],
)
def test_whatever_is_answered_the_file_passes_every_check(given: list[str]) -> None:
    file = write_new_protocol("a-trial", read_answers("a-trial", given))
    report = check_protocol(file)
    assert report.ok, report.problems
    assert report.n_assurance == 2
    assert report.protocol is not None
    assert report.protocol.model.trial.title == (given[0] or "A trial called a-trial")
    # An editor that follows the first line finds the schema, and the file valid under it.
    named = file.read_text("utf-8").splitlines()[0].partition("$schema=")[2]
    schema = json.loads(Path(named).read_text("utf-8"))
    values = YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(values)) == []


def test_piped_answers_give_a_trial_with_the_power_promised() -> None:
    said = runner.invoke(app, ["new", "my-trial"], input="A trial\nusual care, therapy\ncocaine\n8\n30, 50\n")
    assert said.exit_code == 0, said.output
    assert "93 participants per arm" in said.stdout
    run = run_power("my-trial.yaml", replicates=1000, seed=1)
    power = next(row.significant for row in run.cells[0].rows if row.row.kind == "main")
    assert power is not None
    # The formula says 0.80 of the pooled z test; the Wald test of a logistic coefficient is a little weaker. 4 Monte
    # Carlo standard errors of 1000 trials are 0.05.
    assert power.value == pytest.approx(0.79, abs=0.05)


def test_yes_takes_every_default() -> None:
    assert runner.invoke(app, ["new", "my-trial", "--yes"]).exit_code == 0
    assert Path("my-trial.yaml").read_text("utf-8") == protocol_text("my-trial", read_answers("my-trial", DEFAULTS))


def test_nothing_is_overwritten() -> None:
    Path("my-trial.yaml").write_text("mine\n")
    said = runner.invoke(app, ["new", "my-trial", "--yes"])
    assert said.exit_code != 0
    assert "O050" in said.output
    assert Path("my-trial.yaml").read_text() == "mine\n"
    Path("equipoise.schema.json").write_text('{"title": "of another program"}')
    said = runner.invoke(app, ["new", "second", "--yes"])
    assert "O050" in said.output
    assert not Path("second.yaml").exists()


def test_every_wrong_answer_is_named_at_once_and_nothing_is_written() -> None:
    said = runner.invoke(app, ["new", "my-trial", "--json"], input="a\u202eb\nplacebo, Placebo\na, b\n1\n40, 40\n")
    assert said.exit_code != 0
    problems = json.loads(said.stdout)["problems"]
    assert {problem["place"] for problem in problems} == {"title", "treatments", "substance", "weeks", "abstinent"}
    assert {problem["code"] for problem in problems} == {"U070"}
    assert not list(Path().iterdir())


@pytest.mark.parametrize("text", ["30", "30, 50, 70", "0, 50", "30, 100", "-5, 20", "30, 30.001", "nan, 50"])
def test_percentages_that_no_trial_can_be_planned_from_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="U070"):
        read_answers("a-trial", ["", "", "", "", text])


@pytest.mark.parametrize("text", ["one", "a, b, c", "methadone, 2024", "null, drug", "?, !", "a, A"])
def test_treatments_that_are_not_two_names_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="U070"):
        read_answers("a-trial", ["", text, "", "", ""])


@pytest.mark.parametrize(("piped", "code"), [("A trial\n", "U072"), ("\n" * 5 + "more\n", "U072"), ("", "U072")])
def test_too_few_or_too_many_piped_answers_are_refused(piped: str, code: str) -> None:
    said = runner.invoke(app, ["new", "my-trial"], input=piped)
    assert said.exit_code != 0
    assert code in said.output
    assert not Path("my-trial.yaml").exists()


@pytest.mark.parametrize("name", ["My Trial", "trial_1", "-x", "a" * 81, "2024", "null"])
def test_a_name_that_the_language_does_not_take_is_refused(name: str) -> None:
    said = runner.invoke(app, ["new", "--yes", "--", name])
    assert said.exit_code != 0
    assert "U071" in said.output
    assert not list(Path().iterdir())


def test_a_bundled_protocol_is_copied_to_change_and_nothing_is_overwritten() -> None:
    for name in ("xbot", "ketamine-mbrp-cocaine"):
        assert runner.invoke(app, ["new", f"my-{name}", "--from", name]).exit_code == 0
        file = Path(f"my-{name}.yaml")
        assert file.read_bytes() == bundled_protocols()[name].read_bytes()
        assert check_protocol(file).ok
    again = runner.invoke(app, ["new", "my-xbot", "--from", "kare"])
    assert (again.exit_code, "O050" in again.output) == (7, True)
    unknown = runner.invoke(app, ["new", "mine", "--from", "kara"])
    assert (unknown.exit_code, "U073" in unknown.output, "kare" in unknown.output) == (2, True, True)
    assert not Path("mine.yaml").exists()
