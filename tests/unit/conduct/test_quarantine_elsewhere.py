"""What is quarantined beyond the infusion: urine and calendars, and the safety role's key at the terminal."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .driven import hire
from .test_clinical_actions import Refused, infusing


def laboratory() -> Any:
    """The flagship with urine tested for the study drugs and a second calendar, both quarantined."""
    from equipoise.protocol import read_protocol_text
    from equipoise.workflow.library import definitions_of, protocol_path

    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    more = (
        "  urine-study-drugs: {type: urine, substances: [ketamine, benzodiazepines], label: Study drugs,"
        " blinding: quarantined, status: assumed, basis: a test}\n"
        "  ketamine-days: {type: daily-use, substances: [ketamine], label: Ketamine, blinding: quarantined,"
        " status: assumed, basis: a test}\n"
    )
    text = text.replace("\n  dissociation: {", f"\n{more}  dissociation: {{")
    text = text.replace(
        "assess: [infusion-vitals, dissociation", "assess: [infusion-vitals, urine-study-drugs, dissociation"
    )
    protocol = read_protocol_text(text)
    return protocol.with_definitions(definitions_of(protocol))


def test_urine_for_the_study_drugs_and_a_quarantined_calendar_are_sealed_like_the_rest(staged: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records
    from equipoise.conduct.integrity.verify import verify

    trial = staged(protocol=laboratory())
    hire(trial)
    infusing(trial)
    trial.do("carol", "visit", participant="P-1", visit="infusion")
    urine = {"participant": "P-1", "visit": "infusion", "form": "urine-study-drugs"}
    results = {"ketamine": "positive", "benzodiazepines": "negative"}
    with Refused("C600"):
        trial.do("ruth", "record", **urine, answers=results)
    trial.do("sam", "record", **urine, answers=results)
    with Refused("C600"):  # and no other form
        trial.do("sam", "calendar", participant="P-1", first="2027-01-09", last="2027-01-11")
    days = {"participant": "P-1", "first": "2027-01-09", "last": "2027-01-11", "form": "ketamine-days"}
    with Refused("C600"):
        trial.do("ruth", "calendar", **days, used="2027-01-10")
    done = trial.do("sam", "calendar", **days, used="2027-01-10", amounts={"2027-01-10": "0.5"}, unit="g")
    assert done.answer == {"participant": "P-1", "days": 3}
    with Refused("C601"):
        trial.do("sam", "calendar", **days)
    rows = trial.rows("SELECT repeat, item, missing, length(value) FROM item WHERE form = 'ketamine-days'")
    per_day = Counter(row[0] for row in rows)
    assert set(per_day.values()) == {4}  # used, amount, unit, what was confirmed: on every day, used or not
    assert len({row[2:] for row in rows}) == 1
    assert verify(trial.trial, key=trial.trial.quarantine(trial.safety)).findings == []
    trial.do("sam", "open-arms", why="the test looks")
    sources: dict[str, Any] = {"at": trial.clock.now(), "edition": "unblinded", "pharmacy": trial.pharmacy}
    records = cut_records(trial.trial, **sources, safety=trial.safety)
    found = records["urine"].filter(records["urine"]["substance"].is_in(list(results)))
    assert dict(found.select("substance", "result").rows()) == results
    use = records["daily_use"].filter((records["daily_use"]["substance"] == "ketamine") & records["daily_use"]["asked"])
    assert use.select("day", "used", "amount").rows() == [(-2, False, None), (-1, True, 0.5), (1, False, None)]
    day = {"participant": "P-1", "visit": "calendar", "form": "ketamine-days", "on": "2027-01-10"}
    corrected = trial.do("sam", "correct", **day, answers={"ketamine": "no"}, why="misheard")
    unknown = trial.do("sam", "correct", **day, answers={"ketamine": None}, why="nobody knows after all")
    assert unknown.answer == corrected.answer  # nothing open tells the one from the other
    puts = trial.rows("SELECT what FROM event WHERE action = 'correct' ORDER BY number")
    shapes = [[(row["item"], len(row["value"])) for row in json.loads(what)["put"]["item"]] for (what,) in puts]
    assert sorted(shapes[0]) == sorted(shapes[1])
    records = cut_records(trial.trial, **{**sources, "at": trial.clock.now()}, safety=trial.safety)
    use = records["daily_use"].filter((records["daily_use"]["substance"] == "ketamine") & records["daily_use"]["asked"])
    assert use.select("day", "used").rows() == [(-2, False), (1, False)]
    trial.do("sam", "correct", **day, answers={"ketamine": "yes"}, why="the diary turned up")
    for edition in ("blinded", "unblinded"):
        less = cut_records(trial.trial, **{**sources, "edition": edition}, without_quarantined=True)
        assert not set(results) & set(less["urine"]["substance"].to_list())
        assert "ketamine" not in less["daily_use"]["substance"].to_list()


def test_at_the_terminal_the_key_is_made_again_with_what_init_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from equipoise.cli.main import app

    def run(*arguments: Any, code: int = 0) -> Any:
        found = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert found.exit_code == code, found.output
        return json.loads(found.stdout)

    folder, again = tmp_path / "trial", tmp_path / "again"
    people = [
        part for who, role in (("admin", "administrator"), ("sam", "safety")) for part in ("--account", f"{who}:{role}")
    ]
    made = run("init", "ketamine-mbrp-cocaine", folder, "--training", *people)
    key = (tmp_path / "trial-safety" / "key.json").read_bytes()
    assert made["safety"] == str(tmp_path / "trial-safety")
    assert key not in (folder / "trial.sqlite3").read_bytes()
    assert json.loads(key)["secret"].encode() not in (folder / "trial.sqlite3").read_bytes()
    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", "0000-0000-0000-0000-0000-0000")
    assert run("safety-key", folder, again, code=10)["problems"][0]["code"] == "C046"
    assert not again.exists()
    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", made["safety_copy"].upper().replace("-", " "))
    run("safety-key", folder, again)
    assert (again / "key.json").read_bytes() == key
    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", made["passphrases"]["sam"])
    assert run("verify", folder, "--safety", again)["ok"]
    assert run("queries", folder, "--as", "sam", "--safety", again)["queries"] == []
    other = tmp_path / "trial-pharmacy"  # the other key is no help
    assert "C043" in json.dumps(run("verify", folder, "--safety", other, code=10))
