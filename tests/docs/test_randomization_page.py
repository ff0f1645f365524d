"""The pages on randomization say what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from equipoise.randomization.generator import GENERATOR
from equipoise.randomization.predictability import predictability
from equipoise.randomization.registry import SCHEMES
from equipoise.workflow import read_protocol

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "methods" / "randomization.md").read_text("utf-8")
SPECIFICATION = (DOCS / "randomization-generator.md").read_text("utf-8")


def test_the_example_is_what_the_report_works_out():
    [part] = predictability(read_protocol("ketamine-mbrp-cocaine"), n=60, n_sites=3)
    table = PAGE[PAGE.index("## An example") : PAGE.index("## Recommendations")]
    for row in part.rows:
        e = row.expected
        assert e is not None
        said = [f"{100 * e.guess_rate:.1f}", f"{100 * e.certain_share:.1f}", f"{e.excess_guesses:.1f}"]
        more = ["" if v is None else f"{v:.2f}" for v in (e.mean_difference, e.sd_difference, e.unfinished_blocks)]
        assert f"| {row.words} | {' | '.join([*said, *more])} |" in table


def test_every_scheme_is_on_both_pages_and_no_other():
    for page in (PAGE, SPECIFICATION):
        named = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
        assert named == set(SCHEMES)


def test_the_specification_shows_the_first_word_of_the_vectors():
    vectors = json.loads((DOCS / "randomization-vectors.json").read_text("utf-8"))
    assert vectors["generator"] == GENERATOR
    assert f"`{GENERATOR}`" in SPECIFICATION
    assert vectors["words"][0]["message"] in SPECIFICATION
    assert f"hexkey:{vectors['keys'][0]['key']}" in SPECIFICATION
