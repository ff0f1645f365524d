"""What can be asked of the audit trail: days of our time, whole numbers a database holds, every action of some kind."""

from __future__ import annotations

from typing import Any

import pytest

from equipoise.conduct.actions import all_actions
from equipoise.conduct.actions.administration.audit import KINDS, _is_of
from equipoise.conduct.audit_trail.masking import Viewer, line_of
from equipoise.foundation.errors import EquipoiseError


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"last": "9999-12-31"}, "C680"),
        ({"first": "0001-01-01"}, "C680"),
        ({"before": str(10**30)}, "U030"),
        ({"before": 2**63}, "U030"),
    ],
)
def test_what_no_clock_and_no_database_holds_is_refused(asked: dict[str, Any], code: str, staged: Any) -> None:
    trial = staged()
    with pytest.raises(EquipoiseError, match=code):
        trial.do("sam", "audit-trail", **asked)
    assert trial.do("sam", "audit-trail", last="2200-12-31", before=2**63 - 1).told["lines"]


def test_every_action_that_has_a_line_is_of_some_kind() -> None:
    """A filter that leaves out an action tells a reader that it was not done."""
    viewer = Viewer(frozenset({"safety"}), ())
    left_out = []
    for name, action in all_actions().items():
        of_somebody = {"participant", "query", "unblinding"} & set(action.parameters)
        event = {"action": name, "participant": "P-1" if of_somebody else "", "subject": "", "why": "", "content": {}}
        if line_of(event, viewer) is not None and not any(_is_of(kind, event, "") for kind in KINDS[1:]):
            left_out.append(name)
    assert left_out == []


def test_reading_is_no_record() -> None:
    reading = [name for name in all_actions() if name.startswith("read")]
    assert "read-consent" in reading
    for name in reading:
        event = {"action": name, "participant": "P-1"}
        assert _is_of("reading", event, ""), name
        assert not _is_of("records", event, ""), name
