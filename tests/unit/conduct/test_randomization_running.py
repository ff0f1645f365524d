"""Every scheme through the running trial's own action: what is given is what the sealed list says, and replays."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.foundation.errors import ConductError, EquipoiseError
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.randomization import Companion, companion_text, read_allocations, replay, seal
from equipoise.workflow.library import definitions_of, protocol_path

from .conftest import PASSPHRASE

runner = CliRunner()
FLAGSHIP = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
POATS = protocol_path("poats").read_text("utf-8")
SCHEME = "  scheme: {value: null, assumed: permuted-blocks, basis: convention}\n  strata: null\n"
ROUTES = ("intranasal", "smoked-or-injected")
SITES = ("north", "south")


def made(text: str) -> Protocol:
    protocol = read_protocol_text(text)
    return protocol.with_definitions(definitions_of(protocol))


def flagship_text(scheme: str, strata: str = "null", ratio: int = 1, sites: tuple[str, ...] = ()) -> str:
    assert SCHEME in FLAGSHIP
    text = FLAGSHIP.replace(SCHEME, f"  scheme: {scheme}\n  strata: {strata}\n")
    text = text.replace("ratio: {midazolam: 1, ketamine: 1}", f"ratio: {{midazolam: 1, ketamine: {ratio}}}")
    return text.replace("\ncalendar:\n", f"\nsites: [{', '.join(sites)}]\n\ncalendar:\n", 1) if sites else text


def enrol(trial: Any, id: str, site: str = "main", route: str | None = None) -> None:
    trial.do("carol", "screen", participant=id, site=site)
    trial.do("carol", "consent", participant=id, version="1")
    if route is not None:
        trial.do("carol", "baseline", participant=id, values={"route": route})
    trial.make_eligible(id)


def companion_of(trial: Any) -> Companion:
    from equipoise.conduct.trial.slots import read_trial_companion

    return read_trial_companion(trial.pharmacy, trial.trial.protocol(trial.trial.protocol_hash), "training")


def close(trial: Any) -> None:
    trial.do("alice", "freeze")
    for (id,) in trial.rows("SELECT participant FROM participant WHERE status = 'randomized' ORDER BY participant"):
        trial.do("ivan", "sign-off", participant=id)
    trial.do("alice", "lock")


def exported(trial: Any, folder: Path) -> Path:
    path = folder / "allocations.csv"
    told = trial.do("phil", "export-allocations", sealed=True)
    path.write_text(told.told["csv"], "utf-8")
    return path


def check_replay(trial: Any, folder: Path) -> list[dict[str, str]]:
    """Lock, export, replay: yes; with one arm changed: no, and the slot is named."""
    close(trial)
    lists, path = companion_of(trial), exported(trial, folder)
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    assert rows
    assert replay(lists, read_allocations(path, lists), commitment=lists.commitment) == []
    arms = lists.arms(rows[0]["stream"].split(":")[0])
    changed = rows[len(rows) // 2]
    right = changed["arm"]
    changed["arm"] = next(arm for arm in arms if arm != right)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(changed))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(out.getvalue(), "utf-8")
    problems = replay(lists, read_allocations(path, lists), commitment=lists.commitment)
    assert [problem.code for problem in problems][:1] == ["L034"]
    assert problems[0].place == changed["stream"]
    assert f"Slot {changed['slot']} ({changed['participant_id']})" in problems[0].found
    changed["arm"] = right
    return rows


# (scheme, strata, ratio, parameters of the sealed companion)
DRAWN = [
    ("permuted-blocks", "null", 1, {"block-sizes": [2, 4]}),
    ("permuted-blocks", "[site]", 1, {}),
    ("permuted-blocks", "[route]", 2, {"block-sizes": [3, 6]}),
    ("permuted-blocks", "[site, route]", 1, {}),
    ("complete", "null", 3, {}),
    ("big-stick", "[route]", 1, {"limit": 2}),
    ("efron", "null", 1, {"probability": "3/4"}),
    ("chen", "[site]", 1, {}),
    ("wei-urn", "null", 1, {"alpha": 1, "beta": 1}),
    ("random-allocation-rule", "[route]", 2, {"total": 6}),
    ("truncated-binomial", "[site]", 1, {"total": 6}),
    ("minimization", "[site, route]", 1, {"weights": {"site": 2, "route": 1}, "probability": "1"}),
    ("minimization", "[site, route]", 1, {"measure": "variance"}),
]


def sealed_file(protocol: Protocol, parameters: dict[str, Any], folder: Path, seed: str) -> Path:
    from equipoise.conduct.entropy import SeededEntropy

    path = folder / "companion.yaml"
    lists = seal(protocol, entropy=SeededEntropy(seed).bytes, kind="training", parameters=parameters)
    path.write_text(companion_text(lists), "utf-8")
    return path


@pytest.mark.parametrize(
    ("scheme", "strata", "ratio", "parameters"), DRAWN, ids=[f"{row[0]} {row[1]} {row[2]}" for row in DRAWN]
)
def test_what_the_action_gives_is_what_the_sealed_list_says_and_the_export_replays(
    staged: Any, tmp_path: Path, scheme: str, strata: str, ratio: int, parameters: dict[str, Any]
) -> None:
    sites = SITES if "site" in strata else ()
    protocol = made(flagship_text(scheme, strata, ratio, sites))
    companion = sealed_file(protocol, parameters, tmp_path, f"{scheme} {strata}")
    trial = staged(protocol=protocol, slots=10, companion=companion)
    needs_key = scheme in ("minimization", "random-allocation-rule", "truncated-binomial")
    for number in range(7):
        site = SITES[number % 2] if sites else "main"
        enrol(trial, f"P-{number}", site, ROUTES[number // 3 % 2] if "route" in strata else None)
        if needs_key and number == 0:
            with pytest.raises(ConductError) as error:
                trial.do("carol", "randomize", participant="P-0")
            assert error.value.problems[0].code == "C040"
        trial.do("carol", "randomize", participant=f"P-{number}", sealed=needs_key)
    rows = check_replay(trial, tmp_path)
    assert {row["participant_id"] for row in rows} == {f"P-{number}" for number in range(7)}
    # what the pharmacist would be told of each participant is what the export says, and what the list gives
    lists = companion_of(trial)
    history: list[tuple[dict[str, str], str]] = []
    for row in rows:
        profile = {name: row[name] for name in ("site", "route") if name in row}
        if scheme == "minimization":
            assert row["arm"] == lists.next_arm(row["stream"], history, profile)
            history.append((profile, row["arm"]))
        else:
            assert row["arm"] == lists.slots(row["stream"], int(row["slot"]))[-1]
    told = trial.do("sam", "unblind", participant="P-3", why="checked after lock", sealed=True).told["arm"]
    assert told == protocol.arm_label(next(row["arm"] for row in rows if row["participant_id"] == "P-3"))


def test_a_scheme_that_would_break_an_unequal_ratio_is_refused_when_the_trial_is_made(staged: Any) -> None:
    for scheme in ("efron", "big-stick", "chen", "wei-urn", "truncated-binomial"):
        with pytest.raises(EquipoiseError) as error:
            staged(protocol=made(flagship_text(scheme, ratio=2)), name=f"refused-{scheme}")
        assert [problem.code for problem in error.value.problems] == ["L011"]
        assert "permuted-blocks" in error.value.problems[0].next_step


def test_a_list_of_a_fixed_total_ends_there_and_no_decoy_is_given(staged: Any, tmp_path: Path) -> None:
    protocol = made(flagship_text("random-allocation-rule"))
    trial = staged(protocol=protocol, slots=10, companion=sealed_file(protocol, {"total": 4}, tmp_path, "short"))
    for number in range(5):
        enrol(trial, f"P-{number}")
    for number in range(4):
        trial.do("carol", "randomize", participant=f"P-{number}", sealed=True)
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-4", sealed=True)
    assert error.value.problems[0].code == "C050"
    assert "fixed total" in error.value.problems[0].found
    assert trial.rows("SELECT count(*) FROM allocation") == [(4,)]


def test_a_list_that_runs_out_is_drawn_further_by_the_pharmacy_and_goes_on(staged: Any, tmp_path: Path) -> None:
    from equipoise.conduct.integrity.verify import verify

    trial = staged(slots=2, protocol=made(flagship_text("permuted-blocks")))
    (held,) = trial.rows("SELECT max(position) FROM slot")[0]
    for number in range(held + 2):
        enrol(trial, f"P-{number}")
    for number in range(held):
        trial.do("carol", "randomize", participant=f"P-{number}")
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant=f"P-{held}")
    assert (error.value.problems[0].code, "add-slots" in error.value.problems[0].next_step) == ("C050", True)
    with pytest.raises(ConductError) as error:  # every stream holds as many already
        trial.do("phil", "add-slots", sealed=True)
    assert error.value.problems[0].code == "C133"
    trial.do("phil", "add-slots", slots=8, sealed=True)
    for number in (held, held + 1):
        trial.do("carol", "randomize", participant=f"P-{number}")
    assert verify(trial.trial, vault=trial.trial.vault(trial.pharmacy)).findings == []
    check_replay(trial, tmp_path)


@pytest.mark.parametrize("scheme", ["permuted-blocks", "minimization"])
def test_a_site_that_opens_later_has_a_stream_of_its_own(staged: Any, tmp_path: Path, scheme: str) -> None:
    trial = staged(protocol=made(flagship_text(scheme, "[site]", sites=SITES)), slots=6)
    sealed = scheme == "minimization"
    for number, site in enumerate(SITES):
        enrol(trial, f"P-{number}", site)
        trial.do("carol", "randomize", participant=f"P-{number}", sealed=sealed)
    enrol(trial, "P-old", "south")
    with pytest.raises(ConductError) as error:
        trial.do("alice", "add-site", site="west", zone="America/Denver")
    assert "amend" in error.value.problems[0].next_step
    text = flagship_text(scheme, "[site]", sites=(*SITES, "west"))
    trial.do("alice", "amend", text=text, confirm=True, why="a third site")
    trial.do("alice", "activate-site", site="west", approval="IRB 9", zone="America/Denver")
    enrol(trial, "P-2", "west")
    if not sealed:
        with pytest.raises(ConductError) as error:
            trial.do("carol", "randomize", participant="P-2")
        assert error.value.problems[0].code == "C050"
        assert trial.do("phil", "add-slots", sealed=True).answer["new_streams"] == ["trial:site=west"]
    given = trial.do("carol", "randomize", participant="P-2", sealed=sealed).answer
    assert given["profile"] == {"site": "west"}
    # under the first version still, after somebody of the third site was allocated
    trial.do("carol", "randomize", participant="P-old", sealed=sealed)
    rows = check_replay(trial, tmp_path)
    assert len(rows) == 4


def test_an_amendment_of_the_strata_or_of_levels_is_still_refused(staged: Any) -> None:
    trial = staged(protocol=made(flagship_text("permuted-blocks", "[site]", sites=SITES)), slots=6)
    for text in (
        flagship_text("permuted-blocks", "[site]", sites=("north", "west")),
        flagship_text("permuted-blocks", "[site, route]", sites=SITES),
    ):
        with pytest.raises(ConductError) as error:
            trial.do("alice", "amend", text=text, confirm=True, why="why not")
        assert "sealed" in error.value.problems[0].found


# ---------------------------------------------------------------------- a second stage


def poats() -> Protocol:
    return made(POATS.replace("  scheme: null\n", "  scheme: permuted-blocks\n"))


def test_a_second_randomization_is_for_those_whom_the_protocol_sends_there(staged: Any, tmp_path: Path) -> None:
    from datetime import timedelta

    from equipoise.conduct.cut.cut import cut_records
    from equipoise.conduct.integrity.verify import verify

    protocol = poats()
    trial = staged(protocol=protocol, slots=8)
    for number in range(6):
        enrol(trial, f"P-{number}")
    with pytest.raises(ConductError) as error:
        trial.do("ivan", "enter-stage", participant="P-0", stage="phase-2", enters=True)
    assert error.value.problems[0].code == "C501"  # not randomized at all
    for number in range(6):
        trial.do("carol", "randomize", participant=f"P-{number}")
    first = trial.clock.at.date()
    with pytest.raises(ConductError) as error:  # it belongs to a stage that has not begun
        trial.do("carol", "visit", participant="P-0", visit="phase-2-week-1b")
    assert error.value.problems[0].code == "C614"
    trial.clock.at += timedelta(days=60)
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-0", stage="phase-2")
    assert error.value.problems[0].code == "C614"
    assert error.value.problems[0].expected == "who was not successful in the first phase"
    for number in range(6):
        trial.do("ivan", "enter-stage", participant=f"P-{number}", stage="phase-2", enters=number != 3)
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-3", stage="phase-2")
    assert error.value.problems[0].code == "C614"
    trial.do("ivan", "randomized-in-error", participant="P-4", why="consent was to another trial")
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-4", stage="phase-2")
    assert error.value.problems[0].code == "C501"
    for number in (0, 1, 2, 5):
        trial.do("carol", "randomize", participant=f"P-{number}", stage="phase-2")
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-5", stage="phase-2")
    assert error.value.problems[0].code == "C126"
    assert trial.clock.at.date() == first + timedelta(days=60)
    trial.clock.at += timedelta(days=6)
    answer = trial.do("carol", "visit", participant="P-0", visit="phase-2-week-1b", why="as it suited").answer
    assert answer["study_day"] == "67"
    assert verify(trial.trial).findings == []
    rows = check_replay(trial, tmp_path)
    assert {row["stream"] for row in rows} == {"phase-1:all", "phase-2:all"}
    records = cut_records(trial.trial, at=trial.clock.at, edition="unblinded", pharmacy=trial.pharmacy)
    allocations = records["allocations"].filter(participant_id="P-0").sort("stage")
    assert allocations["day"].to_list() == [1, 61]
    assert allocations["arm"].to_list() == [
        next(r["arm"] for r in rows if r["participant_id"] == "P-0" and r["stream"].startswith(stage))
        for stage in ("phase-1", "phase-2")
    ]
    held = records["visits"].filter(participant_id="P-0", visit="phase-2-week-1b")
    # days of the stage count from the second randomization: its day 1 is study day 61
    planned = next(visit for visit in protocol.planned_visits if visit.name == "phase-2-week-1b")
    assert held.select("target_day", "day", "state").row(0) == (60 + planned.target_day, 67, "attended")
    assert "phase-2-week-1b" not in records["visits"].filter(participant_id="P-3")["visit"]


# ---------------------------------------------------------------------- by command, and after a restore


def test_the_export_is_a_command_refused_before_lock_and_replayed_by_another(
    staged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = staged()
    for number in range(4):
        enrol(trial, f"P-{number}")
        trial.do("carol", "randomize", participant=f"P-{number}")
    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("EQUIPOISE_CLOCK", "2027-01-12T14:00Z")
    out = tmp_path / "allocations.csv"
    command = [
        "randomization",
        "export",
        str(trial.trial.directory),
        "--out",
        str(out),
        "--as",
        "phil",
        "--pharmacy",
        str(trial.pharmacy),
    ]
    early = runner.invoke(app, command)
    assert early.exit_code != 0
    assert "C017" in early.output
    assert not out.exists()
    close(trial)
    assert runner.invoke(app, [*command[:-2]]).exit_code != 0  # without the key
    assert runner.invoke(app, ["carol" if word == "phil" else word for word in command]).exit_code != 0
    done = runner.invoke(app, command)
    assert done.exit_code == 0, done.output
    assert (out.stat().st_mode & 0o777) == 0o600
    assert trial.rows("SELECT account FROM event WHERE action = 'export-allocations'") == [("phil",)]
    commitment = (trial.pharmacy / "commitment.txt").read_text().strip()
    again = [
        "randomization",
        "replay",
        "ketamine-mbrp-cocaine",
        str(trial.pharmacy / "companion.yaml"),
        str(out),
        "--commitment",
        commitment,
        "--training",
    ]
    said = runner.invoke(app, again)
    assert (said.exit_code, "4 allocations in 1 streams" in said.output) == (0, True), said.output
    text = out.read_text()
    first = text.splitlines()[1]
    other = first.replace("ketamine", "?").replace("midazolam", "ketamine").replace("?", "midazolam")
    out.write_text(text.replace(first, other))
    said = runner.invoke(app, again)
    assert said.exit_code != 0
    assert "Slot 1 (P-" in " ".join(said.output.split())


def test_a_cut_after_a_restore_knows_slots_by_their_receipts(staged: Any, tmp_path: Path) -> None:
    from equipoise.conduct.cut.cut import cut_records
    from equipoise.conduct.integrity.backup import back_up, restore

    from .test_restore import _receipts

    trial = staged(protocol=made(flagship_text("permuted-blocks", "[route]")))
    for number in range(2):
        enrol(trial, f"P-{number}", route=ROUTES[number])
        trial.do("carol", "day-1", participant=f"P-{number}")
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    enrol(trial, "P-new", route=ROUTES[0])
    for id in ("P-0", "P-1", "P-new"):
        trial.do("carol", "randomize", participant=id)
    since = _receipts(trial)
    assert all(" on=2027-01-11" in receipt for receipt in since)
    restored = restore(tmp_path / "b", tmp_path / "restored", clock=trial.clock, entropy=trial.entropy)
    old, trial.trial = trial.trial, restored
    trial.sessions.clear()
    trial.clock.at = trial.clock.at.replace(day=20)
    trial.do("alice", "lift-fence", receipts=since, last=3, why="both sites were telephoned")
    at = trial.clock.now()
    for edition in ("blinded", "sham"):
        records = cut_records(restored, at=at, edition=edition, pharmacy=trial.pharmacy)
        found = records["allocations"].sort("participant_id")
        assert found["participant_id"].to_list() == ["P-0", "P-1"]
        assert found["day"].to_list() == [1, 1]
        assert found["stratum"].to_list() == [f"route {level}" for level in ROUTES]
    old.close()
    restored.close()
