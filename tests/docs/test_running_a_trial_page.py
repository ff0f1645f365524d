"""The page on running a trial: its practice trial is run command by command as it is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "running-a-trial.md").read_text("utf-8")
SECTION = PAGE.partition("## A whole trial in an afternoon")[2].partition("\n## ")[0]
runner = CliRunner()


def commands() -> list[list[str]]:
    """Every line of the section's blocks as a shell would split it."""
    blocks = re.findall(r"^```\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def test_the_practice_trial_of_the_page_goes_from_init_to_the_replay_of_its_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from equipoise.conduct.trial.django_settings import set_up

    set_up()
    from django.contrib.auth.hashers import ScryptPasswordHasher

    # Some forty sign-ins: the slow hash of a passphrase is not what is tried here.
    monkeypatch.setattr(ScryptPasswordHasher, "work_factor", 2)
    monkeypatch.chdir(tmp_path)
    for name in ("EQUIPOISE_PASSPHRASE", "EQUIPOISE_PHARMACY", "EQUIPOISE_CLOCK", "EQUIPOISE_SAFETY"):
        monkeypatch.delenv(name, raising=False)
    done = commands()
    assert len(done) > 40
    for words in done:
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            monkeypatch.setenv(name, value)
            continue
        assert words[0] == "equipoise"
        said = runner.invoke(app, words[1:])
        assert said.exit_code == 0, f"{shlex.join(words)}\n{said.output}"
    commitment = (tmp_path / "afternoon-pharmacy" / "commitment.txt").read_text().strip()
    said = runner.invoke(
        app,
        [
            "randomization",
            "replay",
            "ketamine-mbrp-cocaine",
            "afternoon-pharmacy/companion.yaml",
            "allocations.csv",
            "--training",
            "--commitment",
            commitment,
        ],
    )
    assert said.exit_code == 0, said.output
    assert "1 allocations in 1 streams" in said.output
    assert "TRAINING" in (tmp_path / "records" / "records.json").read_text("utf-8")


def test_a_clock_that_is_set_is_refused_where_the_trial_is_for_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_CLOCK", "2027-03-08T14:00Z")
    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", "four old clocks tick")
    said = runner.invoke(app, ["init", "ketamine-mbrp-cocaine", str(tmp_path / "real"), "--production"])
    assert said.exit_code != 0
    assert "C009" in said.output
    assert not (tmp_path / "real").exists()
    monkeypatch.setenv("EQUIPOISE_CLOCK", "yesterday")
    said = runner.invoke(app, ["init", "ketamine-mbrp-cocaine", str(tmp_path / "practice"), "--training"])
    assert "is not a time" in said.output
