"""`equipoise run` on the terminal: the answer first, on one screen of 80 columns; every row with --all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import equipoise
from equipoise.cli.answer_grid import print_grid
from equipoise.cli.answer_text import print_answer
from equipoise.cli.console import TimeLeft, duration, print_problems
from equipoise.cli.main import app
from equipoise.foundation.errors import Problem
from equipoise.reporting import format as fmt
from equipoise.workflow.verbs import Run

runner = CliRunner()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, list[dict[str, object]]]:
    out = tmp_path_factory.mktemp("run") / "out"
    command = ["run", "smoking-cessation", "--out", str(out), "--no-pdf", "--force"]
    short = runner.invoke(app, command, env={"COLUMNS": "80"}).stdout
    full = runner.invoke(app, [*command, "--all"], env={"COLUMNS": "200"}).stdout
    return short, full, json.loads((Path(out) / "results.json").read_text("utf-8"))["estimates"]


def test_the_answer_is_one_screen_of_80_columns_and_ends_with_the_report(run) -> None:
    short, _, _ = run
    lines = short.rstrip().splitlines()
    printed = [line for line in lines if not line.startswith("Report: ")]
    assert len(lines) <= 40
    assert max(map(len, printed)) <= 80
    assert lines[-1].startswith("Report: ")


def test_the_numbers_are_those_of_the_results(run) -> None:
    short, _, estimates = run
    relapse = next(e for e in estimates if e["id"] == "relapse")
    limits = fmt.Interval(relapse["estimate"], relapse["ci_lower"], relapse["ci_upper"], "hazard_ratio")
    assert f"HR {fmt.interval(limits)}" in short
    assert "52 (81%)" in short
    assert "37 (61%)" in short
    words = " ".join(short.split())
    assert "Relapse to smoking came later with triple combination; all 3 sensitivity analyses agree." in words


def test_every_row_is_printed_when_asked_for(run) -> None:
    short, full, estimates = run
    planned = [str(e["id"]) for e in estimates if "[" not in str(e["id"])]
    first_words = {line.split(" ")[0] for line in full.splitlines()}
    assert "relapse" in first_words
    assert len([id for id in planned if id in first_words]) > 5
    assert "more rows: --all" in short
    assert "more rows: --all" not in full


def test_a_simulated_trial_says_so_in_its_first_line(tmp_path: Path) -> None:
    command = ["run", "ketamine-mbrp-cocaine", "--seed", "7", "--out", str(tmp_path / "out"), "--no-pdf"]
    said = runner.invoke(app, command, env={"COLUMNS": "80"}).stdout
    assert said.startswith("SIMULATED  Fictional participants; no result here is evidence.")
    assert "imulated trial" in said
    assert max(len(line) for line in said.splitlines() if not line.startswith("Report: ")) <= 80


OTHERS = {  # what is no trial of two arms with a row an endpoint
    "kare": ["Saline", "ketamine v saline", "Abstinent days"],
    "ketamine-cocaine-crossover": ["Midazolam", "Choices of cocaine"],
    "ketamine-depression-course": ["Participants", "Goal", "40.0%", "35 of 60"],
    "biopsychosocial-programme": ["Participants", "enrolled", "9 of 40"],
}


@pytest.mark.parametrize("name", OTHERS)
def test_any_shape_of_trial_has_its_answer_on_one_screen(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    protocol = equipoise.read_protocol(name)
    records = equipoise.simulate(protocol, seed=7)
    made = Run(protocol, records, equipoise.analyse(protocol, records), Path("out"), (Path("out/report.html"),))
    assert print_answer(made)
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "Report: out/report.html"
    for text in OTHERS[name]:
        assert any(text in line for line in lines), text


def test_a_narrower_terminal_gets_the_long_table(monkeypatch: pytest.MonkeyPatch, run) -> None:
    short, _, _ = run
    assert "Does it hold?" in short
    protocol = equipoise.read_protocol("biopsychosocial-programme")
    records = equipoise.simulate(protocol, seed=7)
    made = Run(protocol, records, equipoise.analyse(protocol, records), Path("out"), ())
    monkeypatch.setenv("COLUMNS", "60")
    assert not print_answer(made)


def test_heads_break_after_hyphens_and_columns_stay_in_80(capsys: pytest.CaptureFixture[str]) -> None:
    heads = ["", "Buprenorphine-naloxone", "An arm of a very long name indeed", "Effect (95% CI)", "p"]
    rows = [
        ("Primary",),
        ("An endpoint whose name is long " * 2, "169 (59%)", "189 (67%)", "HR 1.35 (1.10 to 1.66)", "0.0044"),
    ]
    print_grid(heads, ["", "n=287", "n=283", "", ""], rows, right=(1, 2))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split()[0] == "Buprenorphine-" for line in lines if line.strip())
    assert sum("169 (59%)" in line for line in lines) == 1


def test_problems_keep_to_the_screen_and_one_kind_does_not_fill_it(capsys: pytest.CaptureFixture[str]) -> None:
    many = tuple(Problem("R051", f"row {k}", f"Day {k} is outside " + "word " * 30, "days 1 to 9") for k in range(60))
    print_problems(many, as_json=False)
    said = capsys.readouterr().err
    assert max(map(len, said.splitlines())) <= 80
    assert "52 more problems R051 of the same kind: --json lists them all." in said
    assert said.splitlines()[-1] == "60 problems."
    print_problems(many, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 60


def test_time_left_is_worked_out_from_what_was_done() -> None:
    now = [100.0]
    left = TimeLeft(lambda: now[0])
    assert left.after("records") == ""
    assert left.after("relapse, 0 of 20") == ""
    now[0] += 10.0
    assert left.after("craving, 5 of 20") == ", about 30 s left"  # 2 s each, 15 to go
    assert left.after("stress, 20 of 20") == ""
    assert left.after("another, 3 of 9") == ""  # it begins anew
    now[0] += 3.0
    assert left.after("another, 4 of 9") == ", about 15 s left"
    assert [duration(s) for s in (0.2, 89.4, 120, 5400)] == ["1 s", "89 s", "2 min", "1.5 h"]
