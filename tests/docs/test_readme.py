"""The README tells the truth: its commands exist, its links lead somewhere, its numbers are what the program obtains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

import equipoise
from equipoise.analysis.results import Results
from equipoise.cli.main import app
from equipoise.cli.results_text import interval

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> set[str]:
    return set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?:^|`|/bin/)equipoise ([a-z][a-z-]+)", text, flags=re.MULTILINE))
    assert named <= commands() | {"protocols"}, named - commands()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_command_is_in_the_readme_or_in_the_status_page() -> None:
    text = README + (ROOT / "docs" / "status.md").read_text("utf-8")
    assert [name for name in sorted(commands()) if f"equipoise {name}" not in text] == []


def test_nothing_in_the_documents_names_a_machine_or_a_registry() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        assert not re.search(r"/(work|home|root|tmp)/\w", text), page


def test_the_readmes_python_example_runs() -> None:
    block = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert block is not None
    names: dict[str, object] = {}
    exec(compile(block[1], "README.md", "exec"), names)
    assert isinstance(names["results"], Results)


def xbot_table(results: Results) -> list[str]:
    """The README's table of X:BOT, from results."""
    rows = [
        ("relapsed, XR-naltrexone", "65 %", results["relapse-proportion.xr-ntx"]),
        ("relapsed, buprenorphine-naloxone", "57 %", results["relapse-proportion.bup-nx"]),
        ("hazard ratio of relapse", "1.36 (1.10 to 1.68)", results["relapse"]),
        ("odds ratio of relapse among those inducted", "0.87 (0.60 to 1.25)", results["relapse-odds-inducted"]),
        ("inducted, XR-naltrexone", "204 of 283", results["induction.proportion.xr-ntx"]),
        ("inducted, buprenorphine-naloxone", "270 of 287", results["induction.proportion.bup-nx"]),
        ("hazard ratio, a missing week counted as no use", "", results["relapse-missed-is-no-use"]),
    ]
    lines = ["| | published | obtained |", "| --- | --- | --- |"]
    for words, published, row in rows:
        obtained = interval(row)
        if row.scale == "proportion":
            assert row.estimate is not None
            obtained = f"{row.n_events} of {row.n_analysed} ({100 * row.estimate:.0f} %)"
        lines.append(f"| {words} | {published} | {obtained} |")
    return lines


def test_the_xbot_table_is_what_the_program_obtains(shared_data: Path) -> None:
    records = equipoise.import_records("ctn0094", shared_data / "ctn0094", project=51)
    for line in xbot_table(equipoise.analyse("xbot", records)):
        assert line in README, line
