"""An electronic consent to what was agreed to already is refused, and a refusal leaves no signed copy behind."""

from __future__ import annotations

from typing import Any

import pytest

from equipoise.foundation.errors import ConductError

from .conftest import PASSPHRASE
from .driven import hire

TEXT = "# What taking part means\nYou can stop at any time.\n"
SIGNED = {"name": "Robin Doe", "answers": {}}


def copies(trial: Any) -> list[str]:
    folder = trial.trial.directory / "consents"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def given(trial: Any, version: str) -> dict[str, Any]:
    page = trial.do("carol", "read-consent", participant="P-1").told["page"]
    witness = {"account": "ivan", "passphrase": PASSPHRASE}
    signing = {"passphrase": PASSPHRASE, "signed": SIGNED, "witness": witness}
    return {"participant": "P-1", "version": version, "page": page, **signing}


def test_a_version_is_agreed_to_once_and_a_refusal_keeps_no_name(staged: Any) -> None:
    trial = staged()
    hire(trial)
    trial.do("alice", "consent-document", version="1.0", text=TEXT)
    trial.do("carol", "screen", participant="P-1", site="main")
    trial.do("alice", "consent-version", version="1.0")
    trial.do("ivan", "screening-failure", participant="P-1", why="no time")
    with pytest.raises(ConductError, match="C501"):
        trial.do("carol", "consent-electronic", **given(trial, "1.0"))
    assert copies(trial) == []
    trial.do("carol", "reopen-screening", participant="P-1", why="time after all")
    trial.do("carol", "consent-electronic", **given(trial, "1.0"))
    assert len(copies(trial)) == 1
    with pytest.raises(ConductError, match="C124"):
        trial.do("carol", "consent-electronic", **given(trial, "1.0"))
    assert len(copies(trial)) == 1
