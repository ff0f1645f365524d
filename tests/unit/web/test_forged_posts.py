"""Posts that no page would send: whatever is in them nothing breaks, and what is refused changes nothing."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.conduct.actions.permissions import COLUMNS
from equipoise.web.policy import OWN_PAGES, POLICY

from .conftest import Desk
from .test_policy import PEOPLE, address, pages

TABLES = ("participant", "visit", "form", "item", "query", "allocation", "account", "signature", "trial_state", "site")
NAMES = (
    "participant",
    "site",
    "result",
    "on",
    "by",
    "why",
    "act",
    "key",
    "version",
    "kg",
    "event",
    "term",
    "onset",
    "severity",
    "serious",
    "session",
    "delivered",
    "confirm",
    "values.age",
    "values.sex",
    "attested.adult",
    "urine.cocaine",
    "urine:why",
    "urine:not-done",
    "calendar.2027-03-13",
    "calendar.2027-99-99",
    "calendar:unit",
    "craving.score",
    "craving:leave",
    "mindfulness.1",
    "mindfulness.99",
    "mindfulness:confirm",
    "dissociation.score",
    "systolic",
    "ml_per_hour",
    "seen",
    "drawn",
    "mg",
    "bag",
    "witness",
    "stock.mg",
    "stock-reverse.line",
    "slots",
    "told",
    "unblinding",
    "unlock",
    "visit",
    "scope",
    "minute",
    "query",
    "text",
    "meaning",
    "passphrase",
    "account",
    "roles",
    "next",
    "old",
    "new",
    "again",
    "arm",
    "role",
    "status",
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("", "P-1", "main", "submit", "store", "draft", "continues", "person", "today", "1.0", "yes", "none"),
            *("-1", "0", "1e999", "NaN", "9" * 60, "=cmd|' /C calc'!A1", "<script>alert(1)</script>", "\u202e", "\x00"),
            *(
                "2027-02-30",
                "31 Feb 2027",
                "16 Mar 2027",
                "' OR 1=1 --",
                "../../etc/passwd",
                "{{ 7*7 }}",
                "%00",
                "make",
                "check",
                "reading",
                "start",
                "stop",
                "correct",
                "stock",
                "stock-reverse",
                "a\nb",
            ),
            "P-none",
        ]
    ),
    st.text(max_size=30),
)
POSTS = st.dictionaries(st.sampled_from(NAMES), st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=12)


# Pages after which others refuse more: tried last, so that what is posted before gets deep.
_ENDING = ("pause", "freeze", "lock", "close-site", "disable-account", "expire-account", "reset-passphrase")
_LEAVING = ("discontinue", "withdraw", "lost", "death", "complete", "screening-failure", "leave")
ELSEWHERE = {"sign-in", "sign-out", "passphrase", "home"}  # they have tests of their own
FIELD = re.compile(r"<(?:input|select|textarea)\b[^>]*\bname=\"([^\"]+)\"(?:[^>]*\bvalue=\"([^\"]*)\")?")


def standing(desk: Desk) -> list[Any]:
    tables = [f"SELECT * FROM {table} ORDER BY 1, 2" for table in TABLES if table != "account"]
    accounts = "SELECT account, roles, sites, state, credential FROM account ORDER BY account"
    return [desk.staged.rows(statement) for statement in [*tables, accounts]]


def own_fields(page: Any) -> dict[str, str]:
    """What the page itself would send, as it stands."""
    text = unescape(page.content.decode(errors="replace"))
    return {name: value for name, value in FIELD.findall(text) if not name.startswith("csrf")}


def forge(desk: Desk, client: Any, at: str, before: list[Any]) -> list[Any]:
    """Two forged posts to one page; what stands in the tables afterwards."""
    found = own_fields(client.get(at))
    names = st.sampled_from([*found, *NAMES])
    stood = [before]

    @settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.dictionaries(names, st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=12))
    def forged(post: dict[str, Any]) -> None:
        answered = client.post(at, {**found, **post})
        text = answered.content.decode(errors="replace")
        assert answered.status_code < 500, (at, post, text[:500])
        assert "<script>alert" not in text, at
        now = standing(desk)
        if answered.status_code >= 400:
            assert now == stood[0], (at, post)
        stood[0] = now

    forged()
    return stood[0]


def test_forged_posts_to_every_page_break_nothing_and_refusals_change_nothing(desk: Desk) -> None:
    """Each page of the table by one of its roles: what it would send itself, with some of it forged."""
    desk.enrolled()
    desk.at(9)
    clients = {role: desk.client(who) for role, who in PEOPLE.items()}
    every = {name: page for name, page in pages().items() if name not in OWN_PAGES | ELSEWHERE}
    stood, tried = standing(desk), set()
    for number, name in enumerate(sorted(every, key=lambda name: (name in _ENDING, name in _LEAVING, name))):
        roles = [role for role in COLUMNS if role in POLICY[name]]
        stood = forge(desk, clients[roles[number % len(roles)]], address(every[name]), stood)
        tried.add(name)
    assert tried | OWN_PAGES | ELSEWHERE == set(pages())
