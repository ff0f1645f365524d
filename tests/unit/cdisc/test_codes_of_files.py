"""Files beside an export to CDISC that cannot be used: each code, its line, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipoise.exchange.cdisc.mapping import read_sdtm_mapping
from equipoise.foundation.errors import RecordsError

MAPPINGS = [
    ("stduy: X\n", "R600", "Is 'study' meant?"),
    ("- a\n", "R601", ""),
]


@pytest.mark.parametrize(("text", "code", "says"), MAPPINGS)
def test_a_mapping_that_cannot_be_used(text: str, code: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "sdtm.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(RecordsError) as refused:
        read_sdtm_mapping(file)
    assert says in {problem.code: problem.render() for problem in refused.value.problems}[code]
