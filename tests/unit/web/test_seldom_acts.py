"""Pages of what is done seldom: redaction, another site, later stages, envelopes, backups; without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conduct.conftest import Staged
from conduct.driven import hire
from conduct.test_randomization_running import POATS, flagship_text, made

from equipoise.conduct.integrity.backup import restore
from equipoise.conduct.integrity.verify import verify
from equipoise.foundation.errors import ConductError

from .conftest import PASSPHRASE, Desk, desk_of, key_of, post, require_accessible, signed_in, words_of


@pytest.fixture
def two_sites(staged: Callable[..., Staged]) -> Desk:
    """A trial of two sites in blocks by route, with staff, and nobody in it."""
    trial = staged(protocol=made(flagship_text("permuted-blocks", "[route]", sites=("north", "south"))), slots=20)
    hire(trial)
    desk = desk_of(trial)
    desk.served.safety = str(trial.safety)
    return desk


def eligible(desk: Desk, *participants: str) -> None:
    for who in participants:
        desk.do("carol", "screen", participant=who, site="north")
        desk.do("carol", "consent", participant=who, version="1")
        desk.do("carol", "baseline", participant=who, values={"age": 41, "route": "intranasal"})
        desk.do("ivan", "eligibility", participant=who, attested={"dependent": True, "seeking": True})
        desk.do("carol", "day-1", participant=who)


def test_envelopes_from_setting_aside_to_the_drawer(two_sites: Desk) -> None:
    desk = two_sites
    eligible(desk, "P-1")
    phil, carol, mona = desk.client("phil"), desk.client("carol"), desk.client("mona")
    assert "None was set aside" in words_of(mona.get("/envelopes/"))
    given = {"site": "north", "levels.route": "intranasal", "n": "2", "why": "the line is repaired on Friday"}
    assert post(phil, "/envelopes-reserve/", **given).status_code == 303
    listed = words_of(mona.get("/envelopes/"))
    assert "2 out" in listed
    codes = re.findall(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", listed)
    assert len(codes) == 2
    inside = phil.post("/envelopes-print/", {"site": "north", "what": "pages"})
    assert "attachment" in inside["Content-Disposition"]
    assert re.search("etamine|idazolam", inside.content.decode())
    outside = phil.post("/envelopes-print/", {"site": "north", "what": "list"}).content.decode()
    assert codes[0] in outside
    assert not re.search("etamine|idazolam", outside.replace("ketamine-mbrp-cocaine", ""))
    assert carol.post("/envelopes-print/", {"site": "north", "what": "pages"}).status_code == 403
    assert "An envelope was opened" in words_of(carol.get("/p/P-1/"))
    at = desk.staged.clock.at.replace(tzinfo=None).isoformat()
    wrong = post(carol, "/p/P-1/envelope-opened/", envelope="XXXX-XXXX-XXXX", at="2027-01-11T09:00")
    assert wrong.status_code == 422
    assert "There is no envelope" in words_of(wrong)
    done = post(carol, "/p/P-1/envelope-opened/", envelope=codes[0], at=f"{at}+00:00")
    assert done.status_code == 303, words_of(done)
    assert codes[0] in words_of(carol.get(done["Location"]))
    back = post(phil, "/envelopes-returned/", envelopes=codes[1], how="intact", witness="petra")
    assert back.status_code == 303, words_of(back)
    assert "1 opened and 1 back, unopened" in words_of(mona.get("/envelopes/"))
    assert verify(desk.staged.trial).ok


def test_a_participant_moves_to_another_site_and_is_there(two_sites: Desk) -> None:
    desk = two_sites
    eligible(desk, "P-1")
    told = desk.do("alice", "add-account", account="noor", person="Noor", roles=["coordinator"], sites=["south"]).told
    desk.staged.passphrases["noor"] = told["passphrase"]
    noor, carol = desk.client("noor"), desk.client("carol")
    assert noor.get("/p/P-1/").status_code == 404
    assert "Move to another site" in words_of(carol.get("/p/P-1/"))
    page = words_of(carol.get("/p/P-1/transfer/"))
    assert "From north to" in page
    assert post(carol, "/p/P-1/transfer/", to="south").status_code == 422  # without a reason
    assert post(carol, "/p/P-1/transfer/", to="south", why="moved house").status_code == 303
    assert noor.get("/p/P-1/").status_code == 200


def test_a_name_typed_by_mistake_is_taken_out_and_stands_on_no_receipt(two_sites: Desk) -> None:
    desk = two_sites
    eligible(desk, "P-1")
    event = {"participant": "P-1", "term": "fell over Mr Smith's dog", "onset": "2027-01-11", "severity": "mild"}
    desk.do("carol", "adverse-event", **event)
    alice = desk.client("alice")
    assert "Take personal data out" in words_of(alice.get("/verify/"))
    given = {"participant": "P-1", "text": "Mr Smith", "why": "a neighbour's name"}
    done = post(alice, "/redact/", **given)
    assert done.status_code == 303, words_of(done)
    receipt = words_of(alice.get(done["Location"]))
    assert "Smith" not in receipt
    assert "Smith" not in words_of(desk.client("carol").get("/p/P-1/events/"))
    nothing = post(alice, "/redact/", **given)
    assert nothing.status_code == 422
    assert "Nothing that was typed" in words_of(nothing)
    assert verify(desk.staged.trial).ok


def test_a_backup_is_made_by_a_page_and_brings_signed_consents_back(two_sites: Desk, tmp_path: Path) -> None:
    desk = two_sites
    folder = desk.staged.trial.directory / "consents"
    folder.mkdir(mode=0o700)
    (folder / "P-1-0123.html").write_text("<p>signed by Ann\n</p>", "utf-8")
    alice = desk.client("alice")
    assert "A trial without a backup" in words_of(alice.get("/backup/"))
    assert alice.post("/backup/", {"passphrase": "not hers"}).status_code == 422
    page = words_of(alice.post("/backup/", {"passphrase": PASSPHRASE}))
    assert "1 signed copy of a consent" in page
    assert "pharmacy’s folder" in page
    (file,) = (desk.staged.trial.directory / "backups").glob("*.backup")
    assert file.stat().st_mode & 0o077 == 0
    assert desk.staged.rows("SELECT account FROM event WHERE action = 'backup'") == [("alice",)]
    back = restore(file, tmp_path / "restored", clock=desk.staged.clock)
    kept = tmp_path / "restored" / "consents" / "P-1-0123.html"
    assert kept.read_text("utf-8") == "<p>signed by Ann\n</p>"
    assert kept.stat().st_mode & 0o077 == 0
    back.close()
    changed = file.read_bytes().replace(b"Ann", b"Eve")
    assert desk.client("carol").get("/backup/").status_code == 403
    broken = tmp_path / "changed.backup"
    broken.write_bytes(changed[:-40])
    with pytest.raises(ConductError):
        restore(broken, tmp_path / "none", clock=desk.staged.clock)


def test_a_later_stage_is_decided_on_and_randomized_by_pages(staged: Callable[..., Staged]) -> None:
    trial = staged(protocol=made(POATS.replace("  scheme: null\n", "  scheme: permuted-blocks\n")), slots=20)
    desk = desk_of(trial)
    trial.enrol("P-1")
    stages = list(trial.trial.protocol(trial.trial.protocol_hash).model.stages)
    trial.do("carol", "randomize", participant="P-1", why="not all covariates are there")
    ivan = desk.client("ivan")
    assert "Later stages" in words_of(ivan.get("/p/P-1/"))
    page = words_of(ivan.get("/p/P-1/stages/"))
    assert "not decided" in page
    at = f"/p/P-1/randomize/?stage={stages[1]}"
    early = post(ivan, at, participant="P-1", stage=stages[1])
    assert early.status_code == 422
    assert "enter" in words_of(early)
    assert post(ivan, "/p/P-1/enter-stage/", stage=stages[1], enters="yes").status_code == 303
    assert f"/p/P-1/randomize/?stage={stages[1]}" in ivan.get("/p/P-1/stages/").content.decode()
    done = post(ivan, at, participant="P-1", stage=stages[1])
    assert done.status_code == 303, words_of(done)
    assert trial.rows("SELECT randomization FROM allocation ORDER BY 1") == [(1,), (2,)]
    again = words_of(ivan.get("/p/P-1/stages/"))
    assert "yes" in again
    assert "Randomize…" not in again


def test_these_pages_break_no_rule_of_access(desk: Desk, browser: Any, address: str) -> None:
    desk.enrolled("P-1")
    event = {"participant": "P-1", "term": "ketamine?", "onset": "2027-03-09", "severity": "mild"}
    desk.do("carol", "adverse-event", **event, confirm="names-a-treatment")
    pages = {
        "alice": ("/backup/",),
        "sam": ("/held-texts/",),
        "phil": ("/envelopes/", "/envelopes-print/", "/envelopes-reserve/"),
        "ivan": ("/p/P-1/stages/",),
    }
    for who, addresses in pages.items():
        page = signed_in(browser, address, who, desk.passphrase(who))
        for at in addresses:
            page.goto(f"{address}{at}")
            require_accessible(page, at, widths=(390,))
        page.context.close()


def test_the_randomization_that_was_an_error_is_a_further_entry(desk: Desk) -> None:
    desk.enrolled("P-1")
    ivan = desk.client("ivan")
    assert "Randomized in error" in words_of(ivan.get("/p/P-1/"))
    assert post(ivan, "/p/P-1/randomized-in-error/", why="the consent was of another person").status_code == 303
    assert key_of(ivan.get("/p/P-1/randomized-in-error/"))
    assert desk.staged.rows("SELECT in_error FROM participant") == [("the consent was of another person",)]
