"""Files beside an export to CDISC that cannot be used: each code, its line, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipoise.exchange.cdisc.mapping import read_sdtm_mapping
from equipoise.exchange.cdisc.read_dataset_json import read_dataset_json
from equipoise.foundation.errors import RecordsError

MAPPINGS = [
    ("stduy-id: X\n", "R600", "Is 'study-id' meant?"),
    ("study-id: [1, 2]\n", "R601", "Expected a text."),
    ("arms: text\n", "R601", "keys with values, each on a line of its own"),
    ("treatments: {a: {placebo: maybe}}\n", "R601", "true or false"),
    ("sex: {values: {m: MAN}}\n", "R602", "'MAN' is not a term."),
    ("adverse-events: events.csv\n", "R603", "There is no column AEDECOD."),
]


@pytest.mark.parametrize(("text", "code", "says"), MAPPINGS)
def test_a_mapping_that_cannot_be_used(text: str, code: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "sdtm.yaml"
    file.write_text(text, "utf-8")
    (tmp_path / "events.csv").write_text("term\nheadache\n", "utf-8")
    with pytest.raises(RecordsError) as refused:
        read_sdtm_mapping(file)
    assert says in {problem.code: problem.render() for problem in refused.value.problems}[code]


def test_a_dataset_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordsError) as refused:
        read_dataset_json(tmp_path / "dm.json")
    assert [(problem.code, problem.found) for problem in refused.value.problems] == [("R610", "There is no such file.")]
