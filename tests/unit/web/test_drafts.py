"""Drafts as one types: stored by field, what is then asked comes back with them; what was not stored is said."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipoise.web.sealed_drafts import DraftKey
from equipoise.web.sessions import IDLE

from .conftest import PASSPHRASE, Desk, desk_of, signed_in
from .test_in_a_browser import VISIT
from .test_visits import AT


@pytest.fixture
def branched(staged: Any) -> Desk:
    """A trial whose urine is asked about where craving is above none."""
    from conduct.driven import hire

    from equipoise.protocol import read_protocol_text
    from equipoise.workflow.library import definitions_of, protocol_path

    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    changed = text.replace("\n  urine: {type", "\n  urine: {asked-when: {heroin: craving.score > 0}, type", 1)
    changed = changed.replace(
        "label: Urine toxicology, substances: [cocaine]", "label: Urine, substances: [cocaine, heroin]", 1
    )
    assert changed != text
    protocol = read_protocol_text(changed)
    made = staged(protocol=protocol.with_definitions(definitions_of(protocol)), slots=20)
    hire(made)
    desk = desk_of(made)
    desk.enrolled()
    desk.at(9)
    return desk


def is_hidden(page: str) -> bool:
    found = re.search(r'<div id="w-f-urine-heroin"[^>]*>', page)
    assert found is not None
    return "hidden" in found[0]


def test_what_is_asked_under_other_answers_comes_back_with_the_field(branched: Desk) -> None:
    client = branched.client("carol")
    assert is_hidden(client.get(AT).content.decode())
    stored = client.post(AT, {"act": "store", "changed": "craving.score", "craving.score": "40"}).content.decode()
    assert not is_hidden(stored)
    assert 'hx-swap-oob="true"' in stored
    # nothing turned: nothing comes back but the line
    stored = client.post(AT, {"act": "store", "changed": "craving.score", "craving.score": "41"}).content.decode()
    assert "w-f-urine" not in stored
    stored = client.post(AT, {"act": "store", "changed": "craving.score", "craving.score": "0"}).content.decode()
    assert is_hidden(stored)
    # without a script the button keeps the draft and shows what follows
    page = client.get(AT).content.decode()
    assert "Show what follows" in page
    assert not is_hidden(client.post(AT, {"act": "draft", "craving.score": "40"}).content.decode())
    # what is filled in though it is not asked stays to be seen
    shown = client.post(AT, {"act": "draft", "craving.score": "0", "urine.heroin": "positive"}).content.decode()
    assert not is_hidden(shown)


def test_a_seal_opens_with_the_pass_phrase_of_its_author_for_its_page_alone() -> None:
    key = DraftKey.of("i", "nina", "words of hers")
    sealed = key.seal({"dissociation.score": ["41"]}, "P-1 infusion")
    assert DraftKey.of("i", "nina", "words of hers").open(sealed, "P-1 infusion") == {"dissociation.score": ["41"]}
    for other in (
        DraftKey.of("i", "nina", "other words"),
        DraftKey.of("i", "noel", "words of hers"),
        key.without_secret(),
    ):
        assert other.open(sealed, "P-1 infusion") is None
    assert key.open(sealed, "P-2 infusion") is None
    assert key.open("no seal", "P-1 infusion") is None
    assert len(sealed) == len(key.seal({"dissociation.score": ["4"]}, "P-1 infusion"))


def test_what_is_typed_is_stored_as_it_is_typed_and_said_so_only_then(
    browser: Any, address: str, at_day_16: Desk
) -> None:
    page = signed_in(browser, address)
    page.goto(address + VISIT)
    page.fill("[name='craving.score']", "41")
    page.keyboard.press("Tab")
    page.wait_for_selector("#draft-line:has-text('1 field stored')")
    assert "not yet in the record" in page.inner_text("#draft-line")
    page.context.set_offline(True)
    page.fill("[name='craving.score']", "42")
    page.keyboard.press("Tab")
    page.wait_for_selector("#lost:has-text('1 field is on this screen alone')")
    page.context.set_offline(False)
    page.wait_for_selector("#lost", state="hidden", timeout=20000)
    # the session ends: what was typed is kept, and the page asks for the passphrase in its place
    at_day_16.ticks[0] += IDLE
    page.fill("[name='craving.score']", "43")
    page.keyboard.press("Tab")
    page.wait_for_selector("#again[open]")
    page.fill("#again-pp", PASSPHRASE)
    page.click("#again button")
    page.wait_for_selector("#draft-line:has-text('1 field stored')")
    assert page.url == address + VISIT
    assert page.input_value("[name='craving.score']") == "43"
    assert at_day_16.staged.rows("SELECT count(*) FROM item WHERE form = 'craving'") == [(0,)]
    assert page.complaints == []
    page.context.close()
