"""Free text that may name a treatment: asked about, kept, and held back from blinded people."""

from __future__ import annotations

import pytest

from equipoise.conduct.rules.telling_texts import HELD, TellingNames, telling_names
from equipoise.foundation.errors import ConductError
from equipoise.workflow.library import read_protocol

TOLD = "took ketamine at a party"


@pytest.fixture(scope="module")
def flagship():
    return TellingNames(telling_names(read_protocol("ketamine-mbrp-cocaine")))


@pytest.mark.parametrize(
    "text",
    [
        *("ketamine", "KETAMINE?", "took Ketamin at a party", "esketamine spray", "k\u00e9tamine"),
        *("midazolam-like sleep", "on placebo, says the wife", "was unblinded", "0.5 mg/kg", "the active drug"),
    ],
)
def test_a_text_that_names_a_treatment_is_found(flagship, text):
    assert flagship.tells(text)
    assert flagship.found(text)


@pytest.mark.parametrize("text", ["", "nausea", "mindfulness went well", "took a pill", "control of anger", "cocaine"])
def test_what_all_arms_have_and_words_of_every_day_tell_nothing(flagship, text):
    assert not flagship.tells(text)
    assert flagship.found(text) == []


def test_names_go_by_the_protocol(tmp_path):
    """No arms to tell apart, nobody masked: no names. One drug in two doses: the doses, not the drug."""
    assert telling_names(read_protocol("xbot")) == telling_names(read_protocol("ketamine-depression-course")) == set()
    doses = TellingNames(telling_names(read_protocol("ketamine-kpt-heroin-dose")))
    assert not doses.tells("ketamine was given")
    assert not doses.tells("high blood pressure")
    assert doses.tells("had the high dose")
    assert doses.tells("2.0 mg/kg")
    assert doses.tells("arm low")
    crossover = TellingNames(telling_names(read_protocol("ketamine-cocaine-crossover")))
    assert crossover.tells("it was ketamine")


def test_a_brand_name_that_the_protocol_gives_is_one(tmp_path):
    from importlib.resources import files

    text = files("equipoise.protocols").joinpath("ketamine-mbrp-cocaine.yaml").read_text("utf-8")
    before = read_protocol("ketamine-mbrp-cocaine")
    changed = tmp_path / "p.yaml"
    changed.write_text(
        text.replace("    drug: ketamine\n", "    drug: ketamine\n    also-called: [Ketanest, KET]\n", 1)
    )
    protocol = read_protocol(str(changed))
    names = TellingNames(telling_names(protocol))
    assert names.tells("ketanest?")
    assert names.tells("KET, I think")
    assert not names.tells("ketchup")
    assert protocol.hash != before.hash


def event_with_term(staged, who="carol", **given):
    return staged.do(who, "adverse-event", participant="P-1", term=TOLD, onset="2027-01-11", severity="mild", **given)


def test_it_is_asked_about_kept_and_held_back_until_released(staged):
    made = staged()
    made.do("carol", "screen", participant="P-1", site="main")
    made.do("carol", "consent", participant="P-1", version="1.0")
    with pytest.raises(ConductError, match="may tell which treatment") as refused:
        event_with_term(made)
    assert [(p.code, p.place) for p in refused.value.problems] == [("C685", "term")]
    event_with_term(made, confirm="names-a-treatment")

    def term(who, **more):
        return made.do(who, "read", participant="P-1", **more).told["forms"]["adverse-event adverse-event 1"]["term"]

    assert term("carol") == term("mona") == term("ivan") == HELD
    assert term("sam") == TOLD
    trail = str(made.do("carol", "audit-trail", participant="P-1").told)
    assert HELD in trail
    assert "party" not in trail
    (row,) = made.do("sam", "held-texts").told["held"]
    assert row["texts"] == [TOLD]
    assert row["names"] == ["ketamine"]
    with pytest.raises(ConductError, match="names a treatment itself"):
        made.do("sam", "release-text", event=row["number"], why="ketamine from the street")
    made.do("sam", "release-text", event=row["number"], why="of the street, not of the trial")
    assert term("carol") == TOLD
    assert made.do("sam", "held-texts").told["held"] == []
    assert "party" in str(made.do("carol", "audit-trail", participant="P-1").told)
    with pytest.raises(ConductError, match="Nothing of it is held back"):
        made.do("sam", "release-text", event=row["number"], why="again")


# Arguments that are texts, by what they hold: free words, which are held back, or codes, names and files.
FREE = {"term", "reference", "reason", "text", "learned_by", "impact", "approval", "against", "where"}
CODED = {
    *("participant", "site", "visit", "form", "item", "query", "stage", "envelope", "account", "unblinding", "again"),
    *("version", "consent_version", "edition", "meaning", "scope", "severity", "outcome", "result", "state", "report"),
    *("kind", "who", "by", "how", "movement", "drug", "bag", "therapy", "substance", "unit", "to", "told", "zone"),
    *("at", "aware", "made", "person", "witness", "page", "link", "pin", "name", "new", "passphrase"),
}


def test_every_argument_that_is_a_text_is_known_to_be_free_words_or_a_code():
    """A new action says here which of its texts are free; those must stand where texts are looked for."""
    from equipoise.conduct.actions import all_actions
    from equipoise.conduct.actions.arguments import said_of

    texts = {name for one in all_actions().values() for name in one.parameters if said_of(one, name) == "text"}
    assert texts - FREE - CODED == set()
    assert texts >= FREE


def test_where_a_dose_was_given_is_held_back_from_the_nurse_too(staged):
    from .test_sister_first_participant import enter, people

    protocol = read_protocol("ketamine-kpt-heroin-dose")
    made = staged(protocol=protocol)
    people(made, protocol)
    enter(made, protocol, "P-1")
    made.do("nina", "weight", participant="P-1", kg="70")
    made.do("phil", "dose-sheet", participant="P-1", sealed=True)
    made.do("petra", "dose-check", participant="P-1", sealed=True)
    told = {"participant": "P-1", "where": "left arm, the high dose"}
    with pytest.raises(ConductError, match="C685"):
        made.do("nina", "dose-given", **told)
    made.do("nina", "dose-given", **told, confirm=["names-a-treatment"])
    assert [row["where"] for row in made.do("nina", "read-dose", participant="P-1").told["given"]] == [HELD]
    assert "high dose" not in str(made.do("carol", "read", participant="P-1").told)
