"""`equipoise cut` and `equipoise lock` at the terminal, on a trial made and scripted there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app

PEOPLE = {
    "admin": "administrator",
    "carol": "coordinator",
    "ivan": "investigator",
    "stan": "statistician",
    "uma": "unblinded-statistician",
}


def run(*arguments: Any, code: int = 0) -> dict[str, Any]:
    found = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert found.exit_code == code, found.output
    return dict(json.loads(found.stdout))


class Terminal:
    """A practice trial with one person screened, made by the program's own clock and entropy; people who type."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        accounts = [part for who, role in PEOPLE.items() for part in ("--account", f"{who}:{role}")]
        made = run("init", "ketamine-mbrp-cocaine", folder, "--training", *accounts)
        self.passphrases = made["passphrases"]
        self.act("admin", "do", folder, "activate-site", "site=main", "approval=IRB")
        self.act("carol", "do", folder, "screen", "participant=P-1", "site=main")

    def act(self, who: str, *arguments: Any, code: int = 0) -> dict[str, Any]:
        self.patch.setenv("EQUIPOISE_PASSPHRASE", self.passphrases[who])
        return run(*arguments, "--as", who, code=code)


def test_the_same_moment_gives_the_same_bytes_and_arms_are_refused_before_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = tmp_path / "trial"
    act = Terminal(trial, monkeypatch).act
    at = datetime.now(UTC).isoformat()
    for name in ("one", "two"):
        cut = act("stan", "cut", trial, "--at", at, "--edition", "blinded", "--out", tmp_path / name)
        assert cut["tables"] == {"participants": 1}
    for file in ("records.json", "participants.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    everything = [tmp_path / "one", *(tmp_path / "one").rglob("*")]
    assert len(everything) > 3
    assert [path for path in everything if path.stat().st_mode & 0o077] == []  # nobody else may look
    pharmacy = trial.with_name("trial-pharmacy")
    refused = act(
        "uma",
        "cut",
        trial,
        "--at",
        at,
        "--edition",
        "unblinded",
        "--out",
        tmp_path / "no",
        "--pharmacy",
        pharmacy,
        code=10,
    )
    assert refused["problems"][0]["code"] == "C623"
    assert not (tmp_path / "no").exists()
    assert act("admin", "lock", trial, code=10)["problems"][0]["code"] == "C017"
    act("admin", "do", trial, "freeze")
    act("admin", "lock", trial)
    at = datetime.now(UTC).isoformat()
    assert act(
        "uma", "cut", trial, "--at", at, "--edition", "unblinded", "--out", tmp_path / "true", "--pharmacy", pharmacy
    )["source"]["details"]["locked"]


def test_calendar_dates_stand_in_a_file_of_their_own_that_nobody_else_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, dates = tmp_path / "trial", tmp_path / "dates.csv"
    act = Terminal(trial, monkeypatch).act
    given = ("cut", trial, "--at", datetime.now(UTC).isoformat(), "--edition", "blinded", "--dates", dates)
    act("stan", *given, "--out", tmp_path / "one")
    assert dates.read_text("utf-8") == "participant_id,day_1,informed_consent\nP-1,,\n"
    assert dates.stat().st_mode & 0o077 == 0
    act("stan", *given, "--out", tmp_path / "two", code=7)
    assert not (tmp_path / "two").exists()
