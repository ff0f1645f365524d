"""What an import of a REDCap project says of a field: each code of a finding, from a dictionary of one field."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.redcap.small_project import field, imported

FIELDS: list[tuple[str, dict[str, str], str]] = [
    ("R334", field("ssn", validation="integer", identifier="y"), "marked as an identifier"),
    ("R335", field("remark", "notes"), "Free text may hold anything"),
    ("R336", field("when", validation="date_ymd"), ""),
    ("R337", field("n", validation="integer"), "The dictionary gives no limits"),
    ("R343", field("a", validation="integer", branching="[nobody] = '1'"), "nobody"),
    ("R344", field("q", "sql", choices="select 1"), "a query on the REDCap server"),
    ("R345", field("scan", "file"), "A file"),
    ("R346", field("odd", validation="shoe_size"), "shoe_size is not known here"),
    ("R347", field("b", "yesno", label="<b>Used</b>?"), "It holds HTML"),
    ("R347", field("b", "yesno", label="Used, [n]?"), "It holds piping"),
    ("R349", field("b", "yesno", tags="@HIDDEN"), "how the form behaves"),
    ("R349", field("d", validation="integer", tags="@DEFAULT='1'"), "@DEFAULT"),
    ("R351", field("d", validation="date_ymd", high="today"), "The limit is no constant."),
]


@pytest.mark.parametrize(
    ("code", "row", "says"), FIELDS, ids=[f"{code}-{row['field_name']}" for code, row, _ in FIELDS]
)
def test_a_field_brings_its_finding(code: str, row: dict[str, str], says: str, tmp_path: Path) -> None:
    got = imported(tmp_path, row, data=f"id,{row['field_name']}\n1,\n", answers={"consented": "all"})
    found = {one.code: one.why for one in got.findings if one.code == code}
    assert code in found, [(one.code, one.why) for one in got.findings]
    assert says in found[code]


def test_what_is_not_answered_is_asked(tmp_path: Path) -> None:
    got = imported(tmp_path, field("b", "yesno"), data="id,b\n1,1\n")
    assert "R331" in {one.code for one in got.findings if one.kind == "question"}


def test_an_empty_file_of_data_is_a_note(tmp_path: Path) -> None:
    got = imported(tmp_path, field("b", "yesno"), data="\n", answers={"consented": "all"})
    said = {one.code: one.found for one in got.notes}
    assert said["R319"] == "The file of data is empty: there are no records."
