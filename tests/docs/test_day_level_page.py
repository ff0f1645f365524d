"""The page on the day-level model says what the code does. Run as a program, this prints the page's tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import equipoise.simulation
from equipoise.simulation.accompanying import AccompanyingParameters, BaselineParameters
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.reading import parameter_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "methods" / "day_level_model.md"
FLAGSHIP = Path(equipoise.simulation.__file__).parent.parent / "protocols" / "ketamine-mbrp-cocaine.yaml"
NUMBERS = json.loads((ROOT / "tests" / "golden" / "day_level_numbers.json").read_text(encoding="utf-8"))
SCENARIOS = ("as-published", "for-power", "null")
# Name in the summary, words of the page, decimals, factor.
OBTAINED: tuple[tuple[str, str, str, int, float], ...] = (
    ("abstinent_experimental", "abstinent at the end, ketamine, %", "48.1", 1, 100),
    ("abstinent_reference", "abstinent at the end, midazolam, %", "10.7", 1, 100),
    ("abstinence_or_median", "adjusted odds ratio of abstinence, median of ML", "5.7", 2, 1),
    ("abstinence_or_firth", "the same, Firth, geometric mean", "", 2, 1),
    ("abstinence_or_crude", "crude odds ratio (half added to each cell), geometric mean", "", 2, 1),
    ("abstinence_se_median", "standard error of its log, median", "0.755", 3, 1),
    ("use_or_median", "odds ratio of use over time, median", "7.8", 2, 1),
    ("use_se_median", "standard error of its log, median", "0.837", 3, 1),
    ("relapsed_experimental", "first use or dropout, ketamine, %", "57.7", 1, 100),
    ("relapsed_reference", "first use or dropout, midazolam, %", "92.9", 1, 100),
    ("relapse_hr", "adjusted hazard ratio, days, Efron", "0.47", 3, 1),
    ("relapse_hr_crude", "crude hazard ratio, days, Efron", "", 3, 1),
    ("relapse_hr_visit_breslow", "adjusted hazard ratio, visits, Breslow", "", 3, 1),
    ("relapse_se_median", "standard error of the log (days), median", "0.343", 3, 1),
    ("craving_ratio", "craving ratio", "0.419", 3, 1),
    ("craving_se_median", "standard error of its log, median", "0.341", 3, 1),
    ("six_months_experimental", "abstinent at six months, ketamine, %", "44.4", 1, 100),
    ("six_months_reference", "abstinent at six months, midazolam, %", "0", 1, 100),
    ("nobody_at_six_months", "trials with nobody of midazolam, %", "", 1, 100),
    ("recovered_experimental", "lapsed, then abstinent, ketamine, %", "7 (inferred)", 1, 100),
    ("recovered_reference", "lapsed, then abstinent, midazolam, %", "4 (inferred)", 1, 100),
    ("gone_experimental", "dropped out, ketamine, %", "not found", 1, 100),
    ("gone_reference", "dropped out, midazolam, %", "not found", 1, 100),
    ("separated", "trials without a finite ML odds ratio, %", "", 1, 100),
    ("all_relapsed", "trials in which all of midazolam relapsed, %", "", 1, 100),
    ("use_sd_median", "SD between participants of use over time, median", "not found", 2, 1),
)


def parameter_rows() -> list[str]:
    return [
        f"| `{row['name']}` | {row['symbol']} | {row['meaning']} | {row['expected']} | {row['default']} |"
        for row in parameter_table(DayLevelParameters)
    ]


def assumed_rows(cls: Any) -> list[str]:
    def clean(text: str) -> str:
        return text.strip("{}").replace("'", "").replace("{", "(").replace("}", ")")

    return [
        f"| `{row['name']}` | {row['meaning']} | {clean(row['default'])} | {row['basis']} |"
        for row in parameter_table(cls)
    ]


def obtained_rows() -> list[str]:
    rows = []
    for key, words, published, decimals, factor in OBTAINED:
        values = [f"{NUMBERS[name]['means'][key] * factor:.{decimals}f}" for name in SCENARIOS]
        rows.append(f"| {words} | {published} | {' | '.join(values)} |")
    return rows


def assumptions_block() -> str:
    text = FLAGSHIP.read_text(encoding="utf-8")
    return text[text.index("\nassumptions:") + 1 : text.index("\nassurance:")].rstrip()


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "rows",
    [parameter_rows(), assumed_rows(BaselineParameters), assumed_rows(AccompanyingParameters), obtained_rows()],
    ids=["parameters", "baseline", "accompanying", "obtained"],
)
def test_the_tables_of_the_page_are_those_of_the_code(page, rows):
    assert [row for row in rows if row not in page] == []


def test_the_page_shows_the_flagship_s_assumptions_word_for_word(page):
    assert assumptions_block() in page


def test_the_page_lists_every_stream_of_the_published_quantities(page):
    assert [purpose.name for purpose in Purpose if purpose < 100 and f"`{purpose.name}`" not in page] == []


if __name__ == "__main__":
    for rows in (
        parameter_rows(),
        assumed_rows(BaselineParameters),
        assumed_rows(AccompanyingParameters),
        obtained_rows(),
    ):
        print("\n".join(rows), end="\n\n")
