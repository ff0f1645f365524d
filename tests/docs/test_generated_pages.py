"""Pages made from the code say what the code says; error codes mean one thing each."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from equipoise.protocol.pages.reference import _parts, render_reference

ROOT = Path(__file__).resolve().parents[2]


def _generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generate()
RAISED = re.compile(r"""["']([UPRASOD]\d{3})["']""")


MADE: dict[Path, str] = GENERATE.pages()


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_the_committed_page_is_what_the_code_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == MADE[path], "stale: run python docs/generate.py"


def test_an_error_code_has_one_meaning() -> None:
    meanings = {(code, said) for table in GENERATE.codes_by_module().values() for code, said in table.items()}
    counts = Counter(code for code, _ in meanings)
    assert [code for code, count in counts.items() if count > 1] == []


def test_every_code_in_the_source_is_explained() -> None:
    explained = {code for table in GENERATE.codes_by_module().values() for code in table}
    used = {
        (code, path.name)
        for path in (ROOT / "src").rglob("*.py")
        for code in RAISED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(used) > 100
    assert sorted((code, name) for code, name in used if code not in explained) == []


def test_every_code_belongs_to_a_family_with_an_exit_code_of_its_own() -> None:
    families = GENERATE.families()
    assert {code[0] for table in GENERATE.codes_by_module().values() for code in table} <= set(families)
    exits = [exit_code for _, _, exit_code in families.values()]
    assert len(set(exits)) == len(exits)
    assert min(exits) >= 2  # 1 is any other failure


def test_a_protocol_error_code_is_raised_by_the_module_that_explains_it() -> None:
    for module in ("protocol.text.yaml_lines", "protocol.read", "protocol.checks.references"):
        table = GENERATE.codes_by_module()[module]
        rooms = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src/equipoise/protocol").rglob("*.py"))
        assert [code for code in table if rooms.count(f'"{code}"') < 2] == []


def test_every_key_of_the_language_has_a_meaning_on_the_reference_page() -> None:
    for part in _parts():
        for name, entry in part.model_fields.items():
            assert entry.description, f"{part.__name__}.{name} has no description"
    page = render_reference()
    assert "pydantic" not in page
    assert "typing." not in page
    links = set(re.findall(r"\]\(#([\w-]+)\)", page))
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    assert links <= titles


def test_every_warning_has_its_sentence() -> None:
    from equipoise.stats.codes import SENTENCES, FitCode

    assert [code.slug for code in FitCode if code and not SENTENCES.get(code)] == []
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_no_methods_page_names_a_warning_that_does_not_exist() -> None:
    from equipoise.stats.codes import FitCode

    known = {code.slug for code in FitCode}
    unknown, n_named = [], 0
    for path in (ROOT / "docs" / "methods").glob("*.md"):
        is_table_of_codes = False
        for line in path.read_text(encoding="utf-8").splitlines():
            is_table_of_codes = line.startswith("|") and (is_table_of_codes or line.endswith("| Code |"))
            if is_table_of_codes:
                found = re.findall(r"`([a-z]+(?:-[a-z]+)+)`", line.rstrip(" |").rsplit("|", 1)[-1])
                n_named += len(found)
                unknown += [(path.name, slug) for slug in found if slug not in known]
    assert n_named > 10
    assert unknown == []


def test_contributing_has_a_row_for_every_room() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", GENERATE.render_rooms(), re.MULTILINE)
    source = ROOT / "src" / "equipoise"
    folders = {path.parent.name for path in source.glob("*/__init__.py")} - {"protocols", "examples"}
    assert sorted(rows) == sorted(folders)


def test_an_endpoint_kind_without_a_derivation_makes_contributing_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    from equipoise.endpoints import derivation

    monkeypatch.setattr(derivation, "DERIVE", {k: v for k, v in derivation.DERIVE.items() if k != "finding"})
    with pytest.raises(KeyError, match="finding"):
        GENERATE.render_contributing()


def test_contributing_without_a_place_for_a_table_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("<!-- end: kinds -->", "")
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(GENERATE, "DOCS", tmp_path / "docs")
    with pytest.raises(ValueError, match="no place for the table kinds"):
        GENERATE.render_contributing()
