"""Sealed envelopes: slots set aside for paper, opened and recorded afterwards, returned; nothing is given twice."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.conduct.cut.cut import cut_records
from equipoise.conduct.integrity.verify import verify
from equipoise.foundation.errors import ConductError, EquipoiseError
from equipoise.randomization import read_allocations, replay

from .conftest import PASSPHRASE
from .test_clinical_actions import Refused
from .test_randomization_running import close, companion_of, enrol, exported, flagship_text, made, sealed_file

BLOCKS = flagship_text("permuted-blocks", "[route]")


@pytest.fixture
def trial(staged: Any) -> Any:
    return staged(protocol=made(BLOCKS), slots=40)


def reserve(trial: Any, n: int, route: str = "intranasal", site: str = "main") -> list[str]:
    """Set envelopes aside; their codes."""
    done = trial.do(
        "phil", "envelopes-reserve", site=site, n=n, levels={"route": route}, sealed=True, why="Friday's power cut"
    )
    return [text.split()[1] for text in done.answer["envelopes"]]


def local(trial: Any, minutes: int = 0) -> str:
    return (trial.clock.at + timedelta(minutes=minutes)).isoformat()


def opened(trial: Any, id: str, code: str, *, why: str = "", minutes: int = 0) -> Any:
    return trial.do("carol", "envelope-opened", participant=id, envelope=code, at=local(trial, minutes), why=why)


def positions(trial: Any) -> dict[str, int]:
    return dict(trial.rows("SELECT participant, position FROM allocation"))


def people(trial: Any, *ids: str, route: str = "intranasal") -> None:
    for id in ids:
        enrol(trial, id, route=route)


def test_what_is_set_aside_is_given_to_nobody_else_and_what_comes_back_goes_first(trial: Any) -> None:
    people(trial, "P-1", "P-2", "P-3", "P-4", "P-5")
    trial.do("carol", "randomize", participant="P-1")
    codes = reserve(trial, 3)
    trial.do("carol", "randomize", participant="P-2")
    trial.clock.at += timedelta(hours=3)
    receipt = opened(trial, "P-3", codes[0].lower().replace("-", " "), minutes=-60)
    assert receipt.answer["receipt"] == 3
    assert (trial.trial.receipts / "receipt-00003.json").is_file()
    trial.do("phil", "envelopes-returned", envelopes=codes[1:], witness="ivan", sealed=True)
    for id in ("P-4", "P-5"):
        trial.do("carol", "randomize", participant=id)
    people(trial, "P-6")
    trial.do("carol", "randomize", participant="P-6")
    assert positions(trial) == {"P-1": 1, "P-2": 5, "P-3": 2, "P-4": 3, "P-5": 4, "P-6": 6}
    report = verify(trial.trial)
    assert report.findings == []
    assert not [note for note in report.notes if "envelope" in note]
    with Refused("C641"):  # it came back unopened, and its slot was given since
        opened(trial, "P-6", codes[1], why="found on a desk")


def test_a_list_with_envelopes_replays_after_the_lock(trial: Any, tmp_path: Path) -> None:
    people(trial, "P-1", "P-2", "P-3")
    codes = reserve(trial, 4)
    trial.clock.at += timedelta(hours=1)
    opened(trial, "P-1", codes[0], minutes=-30)
    opened(trial, "P-2", codes[2], minutes=-20, why="number 2 lay under number 3")
    with pytest.raises(ConductError) as error:
        trial.do("alice", "freeze")
    assert "2 envelopes are out" in error.value.problems[0].found
    trial.do("phil", "envelopes-returned", envelopes=[codes[3]], how="lost", why="not in the safe", sealed=True)
    trial.do("phil", "envelopes-returned", envelopes=[codes[1]], witness="ivan", sealed=True)
    trial.do("carol", "randomize", participant="P-3")  # takes the slot that came back
    enrol(trial, "P-4", route="intranasal")
    trial.do("carol", "randomize", participant="P-4")  # the lost one is given to nobody
    assert positions(trial) == {"P-1": 1, "P-2": 3, "P-3": 2, "P-4": 5}
    names = [note for note in verify(trial.trial).notes if "envelope" in note]
    assert any("lost" in note for note in names)
    close(trial)
    lists, path = companion_of(trial), exported(trial, tmp_path)
    found = read_allocations(path, lists)
    assert replay(lists, found, commitment=lists.commitment) == []
    assert [(row.slot, row.participant) for row in found] == [
        (1, "P-1"),
        (2, "P-3"),
        (3, "P-2"),
        (4, None),
        (5, "P-4"),
    ]


def test_verify_names_envelopes_that_are_out_and_those_opened_out_of_order(trial: Any) -> None:
    people(trial, "P-1", "P-2")
    codes = reserve(trial, 3)
    trial.clock.at += timedelta(hours=2)
    with Refused("C642"):
        opened(trial, "P-1", codes[1], minutes=-60)
    opened(trial, "P-1", codes[1], minutes=-60, why="taken from the wrong end")
    opened(trial, "P-2", codes[0], minutes=-10)
    report = verify(trial.trial)
    assert report.findings == []
    assert f"envelope main/2 {codes[1]} was opened before envelope main/1 {codes[0]}" in report.notes
    assert [note for note in report.notes if f"main/3 {codes[2]} is out since" in note]
    listed = trial.do("carol", "envelopes").told["envelopes"]
    assert [(row["number"], row["state"], row["participant"]) for row in listed] == [
        (1, "opened", "P-2"),
        (2, "opened", "P-1"),
        (3, "out", ""),
    ]


def test_the_time_on_an_envelope_lies_between_its_making_and_now(trial: Any) -> None:
    people(trial, "P-1")
    trial.clock.at += timedelta(days=1)
    codes = reserve(trial, 1)
    for minutes in (-60, 1):
        with Refused("C535"):
            opened(trial, "P-1", codes[0], minutes=minutes)
    with Refused("C641"):
        trial.do("carol", "envelope-opened", participant="P-1", envelope=codes[0], at="noon")
    trial.clock.at += timedelta(days=20)
    early = (trial.clock.at - timedelta(days=19)).isoformat()
    with Refused("C536"):  # more than two weeks ago: why so late
        trial.do("carol", "envelope-opened", participant="P-1", envelope=codes[0], at=early)
    done = trial.do("carol", "envelope-opened", participant="P-1", envelope=codes[0], at=early, why="the snow")
    assert done.answer["on"] == "2027-01-13"  # the date on the envelope, in the site's time


def test_what_happened_otherwise_than_planned_is_recorded_with_the_reason(trial: Any) -> None:
    """The allocation took place: an ineligible person, another stratum and a site's mix-up are told, never hidden."""
    codes = reserve(trial, 2, "smoked-or-injected")
    people(trial, "P-1")
    trial.do("carol", "screen", participant="P-2", site="main")
    trial.do("carol", "consent", participant="P-2", version="1")
    trial.do("carol", "baseline", participant="P-2", values={"route": "smoked-or-injected"})
    trial.do("carol", "screen", participant="P-3", site="main")
    trial.clock.at += timedelta(minutes=30)
    with pytest.raises(ConductError) as error:
        opened(trial, "P-1", codes[0], minutes=-5)
    assert "It is for route smoked-or-injected, the participant's is intranasal." in str(error.value)
    assert opened(trial, "P-1", codes[0], minutes=-5, why="misread").answer["unusual"]
    with Refused("C501"):
        opened(trial, "P-2", codes[1])
    assert opened(trial, "P-2", f"main/2 {codes[1]}", why="the criteria were judged afterwards").answer["in_error"]
    status = trial.rows("SELECT status, in_error FROM participant WHERE participant = 'P-2'")
    assert status == [("randomized", "the criteria were judged afterwards")]
    with Refused("C641"):
        opened(trial, "P-2", codes[1], why="once more")
    more = reserve(trial, 1)
    with Refused("C126"):
        opened(trial, "P-2", more[0], why="once more")
    with Refused("C501"):  # nobody who did not consent
        opened(trial, "P-3", more[0], why="in a hurry")
    assert verify(trial.trial).findings == []


def test_only_the_pharmacy_is_told_what_an_envelope_holds(trial: Any) -> None:
    codes = reserve(trial, 4)
    for who in ("carol", "ivan", "mona", "alice", "sam"):
        with Refused("C013"):
            trial.do(who, "envelopes-print", site="main", sealed=True)
    told = trial.do("phil", "envelopes-print", site="main", sealed=True, key="p1").told
    assert all(code in told["list"] and code in told["pages"] for code in codes)
    labels = [arm.label or id for id, arm in trial.trial.protocol(trial.trial.protocol_hash).model.arms.items()]
    assert not any(label in told["list"] for label in labels)
    assert sum(told["pages"].count(f'<p class="big">{label}') for label in labels) == 4
    assert trial.do("phil", "envelopes-print", site="main", sealed=True, key="p1").told == told
    everything = "".join(text for row in trial.rows("SELECT what, subject, why FROM event") for text in row)
    assert '"arm"' not in everything
    with pytest.raises(ConductError) as error:
        trial.do("phil", "envelopes-reserve", site="main", n=1, levels={"route": "intranasal"}, why="no folder")
    assert error.value.problems[0].code == "C040"


@pytest.mark.parametrize(
    ("scheme", "parameters"),
    [("minimization", {}), ("random-allocation-rule", {"total": 6}), ("truncated-binomial", {"total": 6})],
)
def test_lists_that_envelopes_would_betray_have_none(
    staged: Any, tmp_path: Path, scheme: str, parameters: dict[str, Any]
) -> None:
    protocol = made(flagship_text(scheme, "[route]"))
    companion = sealed_file(protocol, parameters, tmp_path, "7") if parameters else None
    trial = staged(protocol=protocol, companion=companion, slots=10)
    with Refused("C640"):
        reserve(trial, 1)


def test_how_many_and_of_which_stratum(trial: Any) -> None:
    for n in (0, 101, -1):
        with Refused("C643"):
            reserve(trial, n)
    with Refused("C050"):
        reserve(trial, 60)
    for levels in ({}, {"route": "oral"}):
        with pytest.raises(EquipoiseError) as error:
            trial.do("phil", "envelopes-reserve", site="main", n=1, levels=levels, sealed=True, why="x")
        assert error.value.problems[0].code == "L004"
    with Refused("C640"):
        trial.do(
            "phil",
            "envelopes-reserve",
            site="main",
            n=1,
            levels={"route": "intranasal", "moon": "full"},
            sealed=True,
            why="x",
        )
    assert trial.rows("SELECT count(*) FROM event WHERE action = 'envelopes-reserve'") == [(0,)]


def test_a_seal_is_seen_by_two_and_a_broken_one_has_a_reason(trial: Any) -> None:
    codes = reserve(trial, 2)
    for witness in ("", "phil", "nobody"):
        with Refused("C607"):
            trial.do("phil", "envelopes-returned", envelopes=codes, witness=witness, sealed=True)
    with Refused("C016"):
        trial.do("phil", "envelopes-returned", envelopes=codes, how="broken", sealed=True)
    with Refused("C641"):
        trial.do("phil", "envelopes-returned", envelopes=["AAAA-AAAA-AAAA"], witness="ivan", sealed=True)
    trial.do("phil", "envelopes-returned", envelopes=[*codes, codes[0]], witness="ivan", sealed=True)
    with Refused("C641"):
        trial.do("phil", "envelopes-returned", envelopes=codes, witness="ivan", sealed=True)
    # set aside once more, they are the newer envelopes
    assert reserve(trial, 2) == codes


def test_a_paused_trial_records_what_was_opened_and_sets_nothing_aside(trial: Any) -> None:
    people(trial, "P-1")
    codes = reserve(trial, 1)
    trial.do("sam", "pause", why="a serious event")
    with Refused("C017"):
        reserve(trial, 1)
    assert opened(trial, "P-1", codes[0]).answer["participant"] == "P-1"


@pytest.mark.parametrize("before", [True, False], ids=["set aside before the backup", "set aside after it"])
def test_after_a_restore_no_envelope_is_given_twice(
    staged: Any, database: str, tmp_path: Path, request: Any, before: bool
) -> None:
    from equipoise.conduct.integrity.backup import back_up, restore

    trial = staged(database=database, protocol=made(BLOCKS), slots=40)
    people(trial, "P-1", "P-2", "P-3", "P-4")
    trial.do("carol", "randomize", participant="P-1")
    codes = reserve(trial, 3) if before else []
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    trial.clock.at += timedelta(minutes=10)
    codes = codes or reserve(trial, 3)
    trial.do("carol", "randomize", participant="P-2")  # slot 5
    opened(trial, "P-3", codes[0])  # slot 2
    held = positions(trial)
    since = [json.loads(path.read_text())["receipt"] for path in sorted(trial.trial.receipts.glob("receipt-*.json"))]
    anchors = trial.trial.receipts / "anchors.txt"
    again = "sqlite" if database == "sqlite" else request.getfixturevalue("postgres")()
    restored = restore(tmp_path / "b", tmp_path / "restored", database=again, clock=trial.clock, entropy=trial.entropy)
    with (restored.receipts / "anchors.txt").open("a") as file:  # the old folder is at hand
        file.write(anchors.read_text())
    old, trial.trial = trial.trial, restored
    trial.sessions.clear()
    texts = [f"main/{number} {code}" for number, code in enumerate(codes, 1)]
    asked = {"receipts": since[1:], "last": 3, "why": "all sites were telephoned"}
    if before:
        trial.do("alice", "lift-fence", **asked)
    else:
        for wrong in (None, ["main/1 AAAA-AAAA-AAAA"], ["1 " + codes[0]], [texts[0], texts[0]]):
            with Refused("C136"):
                trial.do("alice", "lift-fence", envelopes=wrong, **asked)
        trial.do("alice", "lift-fence", envelopes=texts, **asked)
    assert positions(trial) == held
    trial.do("carol", "randomize", participant="P-4")
    assert positions(trial)["P-4"] == 6  # 3 and 4 are in envelopes
    states = {row["number"]: row["state"] for row in trial.do("carol", "envelopes").told["envelopes"]}
    assert states == {1: "opened", 2: "out", 3: "out"}
    assert verify(restored).findings == []
    old.close()
    restored.close()


def test_the_terminal_writes_the_list_and_the_pages_for_the_pharmacy_alone(
    trial: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = reserve(trial, 2)
    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("EQUIPOISE_CLOCK", "2027-01-11T15:00Z")
    out = tmp_path / "printed"
    given = ["envelopes", str(trial.trial.directory), "--site", "main", "--out", str(out), "--as", "phil"]
    said = CliRunner().invoke(app, [*given, "--pharmacy", str(trial.pharmacy)])
    assert said.exit_code == 0, said.output
    shown = {path.name: path.read_text("utf-8") for path in out.glob("*.html")}
    assert set(shown) == {"list.html", "pages.html"}
    assert all(code in text for code in codes for text in shown.values())
    assert "Ketamine" not in shown["list.html"]
    assert "TRAINING" in shown["list.html"]
    assert [path for path in (out, *out.rglob("*")) if path.stat().st_mode & 0o077] == []
    assert CliRunner().invoke(app, given).exit_code != 0  # without the pharmacy's folder, and a folder that is there


def test_a_cut_dates_an_allocation_on_paper_by_the_envelope(trial: Any) -> None:
    people(trial, "P-1")
    trial.do("carol", "day-1", participant="P-1")
    codes = reserve(trial, 1)
    opened_at = trial.clock.at + timedelta(hours=1)
    trial.clock.at += timedelta(days=3)
    trial.do("carol", "envelope-opened", participant="P-1", envelope=codes[0], at=opened_at.isoformat())
    trial.clock.at += timedelta(minutes=1)
    found = cut_records(trial.trial, at=trial.clock.at, edition="sham", pharmacy=trial.pharmacy)["allocations"]
    (row,) = found.to_dicts()
    assert (row["participant_id"], row["day"], row["stratum"]) == ("P-1", 1, "route intranasal")
