"""What is published beside a trial's estimate; the report of what is known."""

from __future__ import annotations

import csv
import math

import pytest
from scipy import stats
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.evidence.beside import QuestionAsked, chance_of_exclusion, published_beside
from equipoise.evidence.known import read_known
from equipoise.evidence.run_checks import check_evidence
from equipoise.reporting.document import Figure
from equipoise.reporting.evidence_report import build_evidence_report
from equipoise.reporting.figures.published_forest import draw_funnel
from equipoise.reporting.layout import lay_out

KETAMINE = frozenset({"ketamine"})
MIDAZOLAM = frozenset({"midazolam"})
COCAINE = frozenset({"cocaine"})


def test_an_estimate_at_p_005_has_one_chance_in_two():
    both, towards = chance_of_exclusion(1.959964, 1.0)
    assert towards == pytest.approx(0.5, abs=1e-6)
    assert both - towards == pytest.approx(stats.norm.sf(2 * 1.959964 / math.sqrt(2)), abs=1e-9)


def test_the_chance_by_simulation():
    rng = __import__("numpy").random.default_rng(1)
    truth = rng.normal(1.2, 0.5, 200_000)
    again = rng.normal(truth, 0.5)
    share = (abs(again) > 1.959964 * 0.5).mean()
    assert chance_of_exclusion(1.2, 0.5)[0] == pytest.approx(share, abs=0.004)  # four Monte Carlo errors


def beside(**more):
    asked = {
        "substances": COCAINE,
        "arm": KETAMINE,
        "reference": MIDAZOLAM,
        "outcome": "abstinence",
        "words": "",
        "scale": "odds_ratio",
    }
    return published_beside(read_known(), QuestionAsked(**{**asked, **more}))


def test_the_same_condition_comparison_outcome_and_time_and_nothing_else():
    (found,) = beside()
    assert (found.result.id, found.estimate, found.origin) == ("C1", 5.7, "printed")
    (found,) = beside(words="Abstinent at six months")
    assert (found.result.id, found.origin) == ("C6", "counts")
    assert not beside(substances=frozenset({"tobacco"}))
    assert not beside(reference=frozenset({"placebo"}))
    assert not beside(arm=MIDAZOLAM | KETAMINE, reference=MIDAZOLAM | KETAMINE)
    assert not beside(outcome="retention")
    assert [b.result.id for b in beside(substances=frozenset({"alcohol"}))] == ["A4"]


def test_a_result_is_turned_into_the_direction_of_the_estimate():
    (found,) = beside(arm=MIDAZOLAM, reference=KETAMINE)
    assert found.is_turned
    assert (found.estimate, found.lower, found.upper) == pytest.approx((1 / 5.7, 1 / 25.1, 1 / 1.3))
    # printed as midazolam v ketamine: as it is for that estimate, turned for the other
    assert beside(outcome="use over time", arm=MIDAZOLAM, reference=KETAMINE)[0].estimate == 7.8
    assert beside(outcome="use over time")[0].estimate == pytest.approx(1 / 7.8)


def test_the_report_tells_every_number_with_its_source():
    known = read_known()
    findings = check_evidence(known.results, known.statements, known.source_kinds)
    document = build_evidence_report(known, findings, version="test")
    heads = [b["text"] for b in lay_out(document)["contents"]]
    assert "What contradicts what" in heads
    assert "What is not known" in heads
    html = document.to_html()
    for result in known.results:
        estimate = result.number("estimate")
        if result.kind == "result" and estimate is not None:
            assert estimate.text in html
    # every row of the table of results ends with a source; every cited number is in the list
    table = next(b for b in document.blocks if getattr(b, "caption", "") == "Every published result")
    assert all(str(row.cells[-1]).startswith("[") for row in table.rows if row.kind == "body")
    assert "not estimable" not in html
    for tag in ("S0", "S1", "S3", "NOVA"):  # sources are numbers, not our tags
        assert f"({tag}" not in html


def test_unlike_studies_are_not_pooled_in_the_report():
    known = read_known()
    document = build_evidence_report(known, [])
    figures = [b for b in document.blocks if isinstance(b, Figure)]
    assert len(figures) == 2
    assert "random effects" not in document.to_html().casefold()


def test_the_command_writes_report_findings_and_figures(tmp_path):
    out = tmp_path / "evidence"
    done = CliRunner().invoke(app, ["evidence", "report", "--out", str(out), "--no-pdf"])
    assert done.exit_code == 0, done.output
    assert (out / "report.html").stat().st_size > 20_000
    with (out / "findings.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) > 30
    again = CliRunner().invoke(app, ["evidence", "report", "--out", str(out), "--no-pdf"])
    assert again.exit_code == 7  # nothing is written over unasked
    assert len(list((out / "figures").iterdir())) == 2


def test_a_synthesis_is_written_with_its_forest_and_funnel(tmp_path):
    rows = [part for id in ("C1", "A4", "H07", "H97") for part in ("--row", id)]
    out = tmp_path / "s"
    done = CliRunner().invoke(app, ["evidence", "synthesise", "all", *rows, "--pool", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert {p.name for p in out.iterdir()} >= {"synthesis.json", "forest.svg", "funnel.svg"}
    assert "Common effect" in (out / "forest.svg").read_text("utf-8")


def test_a_funnel_tells_its_studies_to_who_cannot_see_it():
    drawing = draw_funnel([0.1, 0.5], [0.2, 0.4], ["A", "B"], centre=0.2, is_ratio=True)
    assert "2 studies" in drawing.alt
    assert "B 0.50" in drawing.alt
