"""The README tells the truth: its commands exist, its links lead somewhere, its numbers are what is obtained."""

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
        ("relapsed, XR-naltrexone", "65%", results["relapse-proportion.xr-ntx"]),
        ("relapsed, buprenorphine-naloxone", "57%", results["relapse-proportion.bup-nx"]),
        ("hazard ratio of relapse", "1.36 (1.10 to 1.68)", results["relapse"]),
        ("odds ratio of relapse among those inducted", "0.87 (0.60 to 1.25)", results["relapse-odds-inducted"]),
        ("inducted, XR-naltrexone", "204 of 283", results["induction.proportion.xr-ntx"]),
        ("inducted, buprenorphine-naloxone", "270 of 287", results["induction.proportion.bup-nx"]),
        ("hazard ratio, buprenorphine in neither arm, Breslow", "", results["relapse-as-printed"]),
        ("odds ratio among those inducted, the same reading", "", results["relapse-odds-inducted-as-printed"]),
        ("hazard ratio, a missing week counted as no use", "", results["relapse-missed-is-no-use"]),
    ]
    lines = ["| | published | obtained |", "| --- | --- | --- |"]
    for words, published, row in rows:
        obtained = interval(row)
        if row.scale == "proportion":
            assert row.estimate is not None
            obtained = f"{row.n_events} of {row.n_analysed} ({100 * row.estimate:.0f}%)"
        lines.append(f"| {words} | {published} | {obtained} |")
    return lines


def test_the_xbot_table_is_what_the_program_obtains(shared_data: Path) -> None:
    records = equipoise.import_records("ctn0094", shared_data / "ctn0094", project=51)
    for line in xbot_table(equipoise.analyse("xbot", records)):
        assert line in README, line


def started_table(start: Results, poats: Results) -> list[str]:
    """The README's table of START and POATS, from results; both arms of POATS together, as the paper prints them."""

    def share(events: int, total: int) -> str:
        return f"{events} of {total} ({100 * events / total:.1f}%)"

    def together(line: str) -> str:
        arms = [poats[f"{line}.{arm}"] for arm in ("smm", "emm")]
        return share(sum(row.n_events or 0 for row in arms), sum(row.n_analysed or 0 for row in arms))

    def alone(name: str) -> str:
        return share(start[name].n_events or 0, start[name].n_analysed or 0)

    allowed = "follow-up-proportion[endpoint=follow-up-success-buprenorphine-allowed]"
    first = [poats[f"phase-1-proportion.{arm}"] for arm in ("smm", "emm")]
    rows = [
        ("START: completed, methadone", "74%", alone("completion.proportion.methadone")),
        ("START: completed, buprenorphine-naloxone", "46%", alone("completion.proportion.bup-nx")),
        (
            "START: opioid-positive while in treatment, weeks 1 to 9, odds ratio",
            "0.63 (0.52 to 0.76)",
            interval(start["opioid-positive-population"]),
        ),
        ("START: the same as the first, mixed model", "", interval(start["opioid-positive"])),
        (
            "START: everybody, a week without a sample is use, mixed model",
            "",
            interval(start["opioid-positive-missed-is-use"]),
        ),
        ("POATS: success, first phase", "43 of 653 (6.6%)", together("phase-1-proportion")),
        (
            "POATS: the same, standard management; added counselling",
            "24 of 324; 19 of 329",
            "; ".join(f"{row.n_events} of {row.n_analysed}" for row in first),
        ),
        ("POATS: success, end of treatment", "177 of 360 (49.2%)", together("phase-2-proportion")),
        ("POATS: success, week 24", "31 of 360 (8.6%)", together("follow-up-proportion")),
        ("POATS: the same, buprenorphine not counted", "", together(allowed)),
    ]
    return [f"| {words} | {published} | {obtained} |" for words, published, obtained in rows]


def test_the_table_of_start_and_poats_is_what_the_program_obtains(shared_data: Path) -> None:
    start, poats = (
        equipoise.analyse(name, equipoise.import_records("ctn0094", shared_data / "ctn0094", project=project))
        for name, project in (("start", 27), ("poats", 30))
    )
    for line in started_table(start, poats):
        assert line in README, line
