"""The drills hold at a small size on both databases, and fail where what they prove is taken away."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

SMALL = {
    "allocate": 40,
    "crash": 4,
    "restore": 6,
    "clock": 1,
    "decisions": 1,
    "dates": 1,
    "absence": 3,
    "causes": 1,
    "envelopes": 2,
}


@pytest.fixture
def server(postgres) -> str:
    return postgres()


@pytest.mark.parametrize("name", SMALL)
def test_every_requirement_holds_on_sqlite(name: str) -> None:
    report = import_module(f"equipoise.conduct.drill.{name}").run(None, SMALL[name])
    assert [row for row in report.rows if not row.ok] == []
    assert report.ok


@pytest.mark.parametrize("name", SMALL)
def test_every_requirement_holds_on_postgresql(name: str, server: str) -> None:
    report = import_module(f"equipoise.conduct.drill.{name}").run(server, SMALL[name])
    assert [row for row in report.rows if not row.ok] == []
    assert report.ok


@pytest.mark.parametrize(("name", "size"), [("tamper", 3), ("disk", 2000)])
def test_files_and_disks_of_sqlite(name: str, size: int) -> None:
    report = import_module(f"equipoise.conduct.drill.{name}").run(None, size)
    assert [row for row in report.rows if not row.ok] == []
    assert report.ok


def test_the_crash_drill_fails_where_answers_are_given_for_what_is_not_kept(monkeypatch) -> None:
    """A drill that cannot fail proves nothing: here the door's transactions are thrown away after the answer."""
    from contextlib import contextmanager

    from django.db import transaction

    from equipoise.conduct.actions import dispatch as door
    from equipoise.conduct.drill import crash
    from equipoise.conduct.trial.ledger import Writer

    @contextmanager
    def thrown_away(trial):
        with trial.use(), trial.turn(), transaction.atomic(using=trial.alias):
            yield Writer(trial, trial.connection)
            transaction.set_rollback(True, using=trial.alias)

    real = crash._worker

    def worker(stage, number, acks):
        monkeypatch.setattr(door, "writing", thrown_away)  # in the worker's own process
        real(stage, number, acks)

    monkeypatch.setattr(crash, "_worker", worker)
    report = crash.run(None, 1)
    assert [row.name.split()[0] for row in report.rows if not row.ok] == ["CRASH-1"]


def test_the_command_prints_the_one_form_of_measurements() -> None:
    from typer.testing import CliRunner

    from equipoise.cli.main import app

    done = CliRunner().invoke(app, ["drill", "clock", "--size", "1", "--json"])
    assert done.exit_code == 0, done.output
    body = json.loads(done.stdout)
    assert body["ok"] is True
    assert {"machine", "versions", "rows", "notes"} <= set(body)
    assert CliRunner().invoke(app, ["drill", "clok"]).exit_code == 2
