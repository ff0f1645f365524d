"""Posts that no page would send: whatever is in them nothing breaks, and what is refused changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.conduct.actions.permissions import COLUMNS
from equipoise.web.policy import POLICY

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


def standing(desk: Desk) -> list[Any]:
    tables = [f"SELECT * FROM {table} ORDER BY 1, 2" for table in TABLES if table != "account"]
    accounts = "SELECT account, roles, sites, state, credential FROM account ORDER BY account"
    return [desk.staged.rows(statement) for statement in [*tables, accounts]]


def test_forged_posts_break_nothing_and_refusals_change_nothing(desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    every = pages()
    clients = {role: desk.client(who) for role, who in PEOPLE.items()}
    reachable = [(role, name) for role in COLUMNS for name in sorted(every) if role in POLICY[name]]
    skipped = {"sign-in", "sign-out", "passphrase", "home"}  # they have tests of their own

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.sampled_from([one for one in reachable if one[1] not in skipped]), POSTS)
    def forged(place: tuple[str, str], post: dict[str, Any]) -> None:
        role, name = place
        before = standing(desk)
        answered = clients[role].post(address(every[name]), post)
        assert answered.status_code < 500, (place, post, answered.content.decode()[:500])
        text = answered.content.decode()
        assert "<script>alert" not in text
        if answered.status_code >= 400:
            assert standing(desk) == before, (place, post)

    forged()
