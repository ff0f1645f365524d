"""Who opens what: the matrix is whole, every page has a row, and every page is tried by every role, and by nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipoise.conduct.actions.permissions import COLUMNS, read_matrix
from equipoise.web.policy import OWN_PAGES, POLICY, PUBLIC, may

from .conftest import Desk

PEOPLE = {
    "administrator": "alice",
    "coordinator": "carol",
    "investigator": "ivan",
    "infusion": "nina",
    "rater": "ruth",
    "pharmacist": "phil",
    "safety": "sam",
    "monitor": "mona",
    "data-manager": "dana",
    "statistician": "stan",
    "unblinded-statistician": "uma",
}


def pages() -> dict[str, Any]:
    from equipoise.web.application import set_up_pages
    from equipoise.web.page import PAGES

    set_up_pages()
    return dict(PAGES)


def address(page: Any) -> str:
    filled = {"participant": "P-1", "visit": "day-9", "key": "none-such", "query": "Q-0001", "day": "2"}
    filled |= {"link": "7-NO-SUCH-LINK", "name": "cut-1-blinded.zip"}
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: filled[found[1]], page.address)


def test_every_page_has_a_row_and_every_row_a_page() -> None:
    assert set(pages()) == set(POLICY)
    from equipoise.conduct.actions.permissions import ROLES

    assert set(COLUMNS) == set(ROLES)


@pytest.mark.parametrize("text", ["today Y", "today " + "? " * 11, "today " + "Y " * 11 + "\ntoday " + "Y " * 11])
def test_a_row_that_is_not_whole_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        read_matrix(text)


def test_a_page_without_a_row_is_nobodys() -> None:
    assert not may("no-such-page", COLUMNS)


def test_a_page_of_one_action_is_open_to_those_who_may_do_it_and_to_nobody_else() -> None:
    from equipoise.conduct.actions.permissions import MATRIX
    from equipoise.web.pages.acts import ACTS
    from equipoise.web.pages.office import OFFICE

    for one in (*ACTS, *OFFICE):
        assert POLICY[one.action] == MATRIX[one.action], one.action
    for page, action in {
        "today": "due",
        "participants": "participants",
        "participant": "read",
        "visit": "read-visit",
        "pharmacy": "dose-sheets",
        "dose": "dose-sheet-read",
        "bag-label": "dose-sheets",
        "register": "stock-register",
        "slots": "slots-read",
        "records": "read",
        "closing": "read-closing",
        "accounts": "review-accounts",
        "protocol": "amend",
        "progress": "progress",
        "schedule": "due",
        "audit": "audit-trail",
        "copy": "copy",
        "infusion": "read-infusion",
        "dose-given": "read-dose",
        "events": "read",
        "leave": "participants",
        "unblind": "unblind",
        "unblind-for": "unblind-for",
        "unblind-told": "unblind-told",
        "closed": "cut",
        "pooled": "cut",
        "held-texts": "held-texts",
        "stages": "read",
        "envelopes": "envelopes",
        "envelopes-print": "envelopes-print",
    }.items():
        assert POLICY[page] <= MATRIX[action], page
    assert POLICY["correct"] == MATRIX["correct"]
    assert POLICY["entered-in-error"] == MATRIX["entered-in-error"]
    assert POLICY["queries"] == MATRIX["queries"]
    for action in ("randomize", "enrol", "dose-given"):
        assert POLICY[action] == MATRIX[action], action
    assert POLICY["eligibility"] == MATRIX["read-eligibility"]


def test_every_page_by_every_role_and_by_nobody(desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    nobody = desk.client()
    every = {name: page for name, page in pages().items() if name not in OWN_PAGES}  # those have tests of their own
    for name, page in every.items():
        answered = nobody.get(address(page))
        assert answered.status_code == (200 if name in PUBLIC else 302), name
        if name not in PUBLIC:
            assert answered["Location"].startswith("/sign-in/?next="), name
    assert set(PEOPLE) == set(COLUMNS)
    for role, who in PEOPLE.items():
        client = desk.client(who)
        for name, page in every.items():
            answered = client.get(address(page))
            if name in ("receipt", "bag-label", "cut-file") and role in POLICY[name]:  # of what there is not yet
                assert answered.status_code == 404
            elif role in POLICY[name]:
                assert answered.status_code in (200, 204, 302), (name, role, answered.content.decode())
            else:
                assert answered.status_code == 403, (name, role)
            if role not in POLICY[name] and name not in PUBLIC:
                # what may not be opened may not be posted to either
                before = desk.events()
                assert client.post(address(page), {"participant": "P-1"}).status_code == 403, (name, role)
                assert desk.events() == before, (name, role)


def test_participants_of_other_sites_and_none_such_are_not_there_and_that_it_was_tried_is_in_the_ledger(
    staged: Any,
) -> None:
    from conduct.driven import hire

    from equipoise.conduct.actions.sign_in import Session
    from equipoise.protocol import read_protocol_text
    from equipoise.workflow.library import definitions_of, protocol_path

    from .conftest import desk_of

    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    protocol = read_protocol_text(text.replace("\ncalendar:", "\nsites: [north, south]\ncalendar:", 1))
    made = staged(protocol=protocol.with_definitions(definitions_of(protocol)))
    hire(made)
    desk = desk_of(made)
    made.do("carol", "screen", participant="P-S1", site="south")
    made.do("mona", "query", participant="P-S1", text="Where is the sheet?")
    bound: dict[str, Any] = {}
    for role in COLUMNS:
        name = f"{role}-north"
        told = made.do("alice", "add-account", account=name, person=name, roles=[role], sites=["north"])
        made.sessions[name], made.passphrases[name] = Session(name), told.told["passphrase"]
        bound[role] = desk.client(name)

    def tries() -> int:
        return int(made.rows("SELECT count(*) FROM event WHERE action = 'refused'")[0][0])

    for name, page in pages().items():
        roles = [role for role in COLUMNS if role in POLICY[name]]
        for role in roles if "<participant>" in page.address else ():
            for code in ("P-S1", "P-none"):
                at, before = address(page).replace("P-1", code), tries()
                got, posted = bound[role].get(at), bound[role].post(at, {"participant": code, "act": "submit"})
                assert (got.status_code, posted.status_code) == (404, 404), (role, at)
                assert tries() == before + 2, (role, at)
        for role in roles if "<" not in page.address else ():
            asked = {"participant": "P-S1", "query": "Q-0001", "site": "south", "state": "all"}
            assert "P-S1" not in bound[role].get(address(page)).content.decode(), (role, name)
            answered = bound[role].get(address(page), asked)
            assert answered.status_code < 500, (role, name)
            assert "Where is the sheet?" not in answered.content.decode(), (role, name)
