"""The tour for people who write a protocol of their own: what it shows is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from equipoise.foundation.errors import ProtocolError
from equipoise.protocol import read_protocol, read_protocol_text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "writing-a-protocol.md"
TEXT = PAGE.read_text(encoding="utf-8")
SMALLEST, FACTS, ASSURANCE = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_smallest_trial_of_the_page_is_a_protocol() -> None:
    trial = read_protocol_text(SMALLEST)
    assert trial.arm_ids == ("control", "active")
    assert [(visit.first_day, visit.last_day) for visit in trial.series("weekly")] == [
        (7, 8),
        (14, 15),
        (21, 22),
        (28, 29),
    ]
    assert len([line for line in SMALLEST.splitlines() if line.strip()]) <= 40


def test_what_the_page_says_of_the_default_is_the_default() -> None:
    endpoint = read_protocol_text(SMALLEST).model.endpoints["abstinence"]
    assert endpoint.kind == "abstinence"
    assert endpoint.missed == "is-use"


def test_the_mistake_of_the_page_is_reported_as_the_page_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "my-trial.yaml"
    path.write_text(SMALLEST.replace("at: weekly", "at: weekley"), encoding="utf-8")
    with pytest.raises(ProtocolError) as caught:
        read_protocol(path)
    (printed,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert str(caught.value).replace(str(path), "my-trial.yaml") == printed.strip()


def test_facts_and_assurance_cases_of_the_page_fit_the_smallest_trial() -> None:
    text = SMALLEST.replace("randomization: {ratio: {control: 1, active: 1}}\n", "")
    facts = FACTS.replace("trial:\n  phase", "  phase")  # the page shows one key of a part that stands above
    phase, rest = facts.split("\n", 1)
    trial = read_protocol_text(text.replace("  id: my-trial\n", f"  id: my-trial\n{phase}\n") + rest + ASSURANCE)
    assert trial.model.randomization is not None
    assert trial.model.randomization.scheme.usable == "permuted-blocks"
    assert not trial.model.randomization.scheme.is_known
    assert [case.expect for case in trial.model.assurance] == [{"abstinence": True}, {"abstinence": False}]
