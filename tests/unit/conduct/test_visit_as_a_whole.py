"""A visit submitted as one: the contact, its forms, its days; read again as pages show it; who is in the trial."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from equipoise.foundation.errors import ConductError

from .test_what_is_due import DAY_1, _set, trial  # noqa: F401  (a fixture)


def _days(first: date, said: str) -> dict[str, str]:
    words = {"n": "no", "y": "yes", "?": "not-known"}
    return {(first + timedelta(days=k)).isoformat(): words[one] for k, one in enumerate(said)}


@pytest.fixture
def treated(trial: Any) -> Any:  # noqa: F811
    _set(trial, DAY_1 + timedelta(days=1))
    trial.do("carol", "randomize", participant="P-1")
    _set(trial, DAY_1 + timedelta(days=8))
    return trial


WHOLE: dict[str, Any] = {
    "urine": {"cocaine": "positive"},
    "craving": {"score": "38"},
    "adverse-events": {"asked": "yes", "any": "no"},
    "stress": {"not-done": "no time"},
}


def test_contact_forms_and_days_are_one_submission(treated: Any) -> None:
    days = _days(DAY_1 + timedelta(days=5), "nyn?")
    forms = {**WHOLE, "calendar": {"days": days, "amounts": {"2027-03-14": "2"}, "unit": "g"}}
    given = {"participant": "P-1", "visit": "day-9", "forms": forms, "by": "person"}
    made = treated.do("carol", "visit-forms", **given, key="V")
    assert treated.do("carol", "visit-forms", **given, key="V").events == made.events
    assert treated.rows("SELECT state, date, note FROM visit WHERE visit = 'day-9'") == [
        ("attended", "2027-03-16", "person")
    ]
    told = treated.rows(
        "SELECT f.date, i.item, i.value, i.missing FROM form f JOIN item i USING (participant, visit, form, repeat)"
        " WHERE f.form = 'calendar' ORDER BY f.date, i.item"
    )
    assert told == [
        ("2027-03-13", "cocaine", "no", ""),
        ("2027-03-14", "cocaine", "yes", ""),
        ("2027-03-14", "cocaine.amount", "2", ""),
        ("2027-03-14", "cocaine.unit", "g", ""),
        ("2027-03-15", "cocaine", "no", ""),
        ("2027-03-16", "cocaine", "", "not-known"),
    ]
    seen = treated.do("carol", "read-visit", participant="P-1", visit="day-9").told
    assert [seen[name] for name in ("state", "timing", "by", "may_hold")] == ["attended", "on_target", "person", False]
    states = {form["form"]: form["state"] for form in seen["forms"]}
    assert states["urine"] == "recorded"
    assert states["stress"] == "not-done"
    assert states["mindfulness"] == ""
    calendar = next(form for form in seen["forms"] if form["form"] == "calendar")
    assert [(day["used"], day["amount"], day["missing"]) for day in calendar["days"]][-4:] == [
        ("no", "", ""),
        ("yes", "2", ""),
        ("no", "", ""),
        ("", "", "not-known"),
    ]


def test_everything_that_is_wrong_with_any_form_is_told_at_once_and_nothing_is_kept(treated: Any) -> None:
    before = treated.rows("SELECT number, hash FROM ledger_head ORDER BY ledger")
    forms = {
        "urine": {"cocaine": "blue"},
        "craving": {"score": "162"},
        "adverse-events": {"asked": "yes", "any": "no"},
        "calendar": {"days": _days(DAY_1 + timedelta(days=5), "n"), "amounts": {"2027-03-13": "1"}, "unit": "g"},
        "sleep": {"hours": "5"},
    }
    with pytest.raises(ConductError) as caught:
        treated.do("carol", "visit-forms", participant="P-1", visit="day-9", forms=forms, by="person")
    found = [(problem.code, problem.place) for problem in caught.value.problems]
    assert found == [
        ("C572", "urine.cocaine"),
        ("C572", "craving.score"),
        ("C611", "calendar.2027-03-13"),
        ("C577", "sleep"),
    ]
    assert treated.rows("SELECT number, hash FROM ledger_head ORDER BY ledger") == before


@pytest.mark.parametrize(
    ("days", "code"),
    [
        ({"days": {"2027-03-13": "perhaps"}}, "C611"),
        ({"days": {"13 March": "no"}}, "C611"),
        ({"days": {}}, "C611"),
        ({"days": {"2027-03-13": "no"}, "colour": "red"}, "C571"),
        ({"days": {"2027-04-13": "no"}}, "C611"),
    ],
)
def test_days_that_cannot_be_are_refused(treated: Any, days: dict[str, Any], code: str) -> None:
    with pytest.raises(ConductError) as caught:
        treated.do("carol", "visit-forms", participant="P-1", visit="day-9", forms={"calendar": days}, by="person")
    assert caught.value.problems[0].code == code
    assert treated.rows("SELECT count(*) FROM visit WHERE visit = 'day-9'") == [(0,)]


def test_parts_of_a_submission_are_nobodys_who_may_not_do_them_alone(treated: Any) -> None:
    with pytest.raises(ConductError) as caught:
        treated.do("nina", "visit-forms", participant="P-1", visit="day-9", forms={}, by="person")
    assert caught.value.problems[0].code == "C013"
    treated.do("carol", "visit", participant="P-1", visit="day-9")
    days = {"calendar": {"days": _days(DAY_1 + timedelta(days=5), "n")}}
    with pytest.raises(ConductError) as caught:
        treated.do("nina", "visit-forms", participant="P-1", visit="day-9", forms=days)
    assert caught.value.problems[0].code == "C013"


def test_a_late_visit_needs_its_reason_and_its_forms_do_not(treated: Any) -> None:
    _set(treated, DAY_1 + timedelta(days=10))
    given = {"participant": "P-1", "visit": "day-9", "forms": {"urine": {"cocaine": "negative"}}, "by": "person"}
    with pytest.raises(ConductError) as caught:
        treated.do("carol", "visit-forms", **given)
    assert caught.value.problems[0].code == "C531"
    made = treated.do("carol", "visit-forms", **given, why="bus strike")
    whys = treated.rows("SELECT why FROM event WHERE request = ? ORDER BY step".replace("?", "%s"), made.request)
    assert whys == [("bus strike",), ("",), ("bus strike",)]


def test_who_rates_sees_nothing_of_the_infusion_and_quarantined_forms_stay_one_line(treated: Any) -> None:
    _set(treated, DAY_1 + timedelta(days=1), 15)
    treated.do("carol", "visit", participant="P-1", visit="infusion", on=DAY_1 + timedelta(days=1), why="x")
    treated.do("nina", "record", participant="P-1", visit="infusion", form="dissociation", answers={"score": 41})
    rater = treated.do("ruth", "read-visit", participant="P-1", visit="infusion").told
    assert [form["form"] for form in rater["forms"]] == ["adverse-events"]
    carol = treated.do("carol", "read-visit", participant="P-1", visit="infusion").told
    sealed = next(form for form in carol["forms"] if form["form"] == "dissociation")
    assert not sealed["may"]
    assert "values" not in sealed
    nurse = treated.do("nina", "read-visit", participant="P-1", visit="infusion").told
    assert next(form for form in nurse["forms"] if form["form"] == "dissociation")["may"]


def test_participants_are_those_of_the_accounts_sites(staged: Any) -> None:
    from equipoise.protocol import read_protocol_text
    from equipoise.workflow.library import definitions_of, protocol_path

    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    protocol = read_protocol_text(text.replace("\ncalendar:", "\nsites: [north, south]\ncalendar:", 1))
    made = staged(protocol=protocol.with_definitions(definitions_of(protocol)))
    for site in ("north", "south"):
        made.do("carol", "screen", participant=f"P-{site[0].upper()}1", site=site)
    told = made.do("alice", "add-account", account="noor", person="Noor", roles=["coordinator"], sites=["north"])
    from equipoise.conduct.actions.sign_in import Session

    made.sessions["noor"], made.passphrases["noor"] = Session("noor"), told.told["passphrase"]
    assert [row["participant"] for row in made.do("carol", "participants").told["participants"]] == ["P-N1", "P-S1"]
    assert [row["participant"] for row in made.do("noor", "participants").told["participants"]] == ["P-N1"]
    with pytest.raises(ConductError) as caught:
        made.do("noor", "read-visit", participant="P-S1", visit="day-9")
    assert caught.value.problems[0].code == "C014"


def test_a_pass_phrase_hashed_as_before_is_hashed_anew_at_the_next_sign_in(
    staged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.conf import settings
    from django.contrib.auth import hashers

    from equipoise.conduct.actions.sign_in import sign_in
    from equipoise.conduct.integrity.verify import verify

    made = staged()
    passphrase = "nine lamps under rain"

    def hasher(*names: str) -> None:
        monkeypatch.setattr(settings, "PASSWORD_HASHERS", [f"django.contrib.auth.hashers.{name}" for name in names])
        hashers.get_hashers.cache_clear()
        hashers.get_hashers_by_algorithm.cache_clear()

    def kept() -> str:
        return str(made.rows("SELECT encoded FROM credential WHERE account = 'carol'")[0][0])

    made.session("carol")
    hasher("ScryptPasswordHasher")
    made.do("carol", "passphrase", new=passphrase)
    assert kept().startswith("scrypt$")
    hasher("Argon2PasswordHasher", "ScryptPasswordHasher")
    sources = {"clock": made.clock, "entropy": made.entropy}
    with pytest.raises(ConductError):
        sign_in(made.trial, "carol", "another passphrase", **sources)
    assert kept().startswith("scrypt$")
    sign_in(made.trial, "carol", passphrase, **sources)
    assert kept().startswith("argon2$argon2id$")
    events = made.rows("SELECT count(*) FROM event WHERE action = 'sign-in' AND what LIKE '%credential%'")
    sign_in(made.trial, "carol", passphrase, **sources)
    assert events == made.rows("SELECT count(*) FROM event WHERE action = 'sign-in' AND what LIKE '%credential%'")
    assert verify(made.trial).ok
    monkeypatch.undo()
    hashers.get_hashers.cache_clear()
    hashers.get_hashers_by_algorithm.cache_clear()
