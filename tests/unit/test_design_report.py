"""The design report: every part from the commands' own numbers, what is missing named, figures that say it."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.design.assurance import replication_table
from equipoise.design.grid import make_cells
from equipoise.design.operating import run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.foundation.errors import DesignError
from equipoise.protocol import Protocol
from equipoise.reporting.design_answer import size_for
from equipoise.reporting.document import Figure, Heading, Table
from equipoise.reporting.figures.heat_map import draw_heat_map
from equipoise.workflow import read_protocol
from equipoise.workflow.design_report import WORLDS, design_report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("design") / "report"
    command = [
        "design-report",
        "ketamine-mbrp-cocaine",
        "--scenario",
        "for-power",
        "-r",
        "8",
        "--out",
        str(out),
        "--no-pdf",
    ]
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.output
    return out


def test_the_report_holds_every_part_and_says_simulated(written):
    page = (written / "report.html").read_text("utf-8")
    for heading in (
        "What the trial can show, and what it cannot",
        "Over sizes and effects",
        "Robustness to the assumptions",
        "Probability that a replication succeeds",
        "Interim looks",
        "Stopping early without a planned rule",
        "Predictability of the allocation",
        "Where the assumptions come from",
        "How this was worked out",
    ):
        assert heading in page
    assert "SIMULATED" in page
    assert "running the final participants was unnecessary" in page.replace("\n", " ")
    # Distributions of estimates with the published value marked.
    assert "published 5.7" in page
    assert "published 0.47" in page


def test_the_numbers_are_those_of_the_power_run_and_of_the_replications(written):
    said = json.loads((written / "design.json").read_text("utf-8"))
    protocol = read_protocol("ketamine-mbrp-cocaine")
    names = [world["scenario"] for world in said["worlds"]]
    assert names == ["for-power", *(name if name == "null" else f"for-power+{name}" for name in WORLDS)]
    spec = resolve_scenario(protocol, "for-power")[0]
    [again] = run_cells(protocol, make_cells(protocol, [spec], {"n": (55.0,)}), replicates=8, seed=1)
    first = {row["row"]["id"]: row for row in said["worlds"][0]["rows"]}
    assert first["relapse"]["significant"]["value"] == again["relapse"].significant.value
    # The grid is run with the primaries alone; at the scenario's own size and effect its numbers are the whole plan's.
    here = next(cell for cell in said["grid"] if cell["grid"] == {"n": 55.0, "effect": 1.0})
    assert [row["row"]["id"] for row in here["rows"] if row["row"]["id"] == "relapse"]
    row = next(row for row in here["rows"] if row["row"]["id"] == "relapse")
    assert row["median"] == pytest.approx(again["relapse"].median, rel=1e-12)
    assert said["left_out"] == []
    page = (written / "report.html").read_text("utf-8")
    table = replication_table(protocol)
    chance = next(
        r.probability for r in table.rows if (r.published, r.prior, r.n_total) == ("craving", "sceptical", 200)
    )
    assert f"{100 * chance:.0f}" in page


def test_parts_that_a_protocol_has_nothing_for_are_left_out_and_named():
    protocol = read_protocol("ketamine-mbrp-cocaine")
    model = protocol.model.model_copy(update={"published": {}})
    run = design_report(Protocol(model, lines=protocol.lines, definitions=protocol.definitions), replicates=2)
    assert [section for section, _ in run.left_out] == ["replications"]
    assert run.left_out[0][1].startswith("D110")


def test_a_plan_without_a_primary_analysis_has_no_design_report():
    protocol = read_protocol("ketamine-mbrp-cocaine")
    lines = {id: line.model_copy(update={"level": "exploratory"}) for id, line in protocol.model.analyses.items()}
    model = protocol.model.model_copy(update={"analyses": lines})
    with pytest.raises(DesignError, match="D150"):
        design_report(Protocol(model), replicates=2)


def test_a_heat_map_writes_every_share_and_frames_those_that_reach_the_mark():
    shares = {(40.0, 0.5): 0.2, (40.0, 1.0): 0.5, (110.0, 0.5): None, (110.0, 1.0): 0.91}
    drawing = draw_heat_map(shares, x_axis="n", y_axis="effect", title="Power of x")
    svg = drawing.svg()
    for text in (">20<", ">50<", ">91<", "n 110, effect 1: 91.0%"):
        assert text in svg
    assert svg.count('stroke="#1B252D"') == 1
    assert "from 20% at 40 and 0.5 to 91% at 110 and 1; 1 of 3 cells reach 80%" in drawing.alt


def test_a_grid_of_two_axes_is_drawn_as_curves_and_maps():
    protocol = read_protocol("ketamine-mbrp-cocaine")
    from equipoise.reporting.power_report import build_power_report
    from equipoise.workflow.design_report import _only_primaries

    primaries = _only_primaries(protocol)
    spec = resolve_scenario(protocol, "for-power")[0]
    cells = run_cells(
        primaries, make_cells(primaries, [spec], {"n": (30.0, 60.0), "effect": (0.0, 1.0)}), replicates=4, seed=1
    )
    blocks = build_power_report(primaries, cells).blocks
    titles = [block.caption for block in blocks if isinstance(block, Figure)]
    assert "Power: first use or dropout, for power: n by effect" in titles
    assert "Power: first use or dropout by n" in titles
    assert any(isinstance(block, Table) for block in blocks)
    assert any(isinstance(block, Heading) for block in blocks)


def test_the_report_opens_with_a_paragraph_to_take_and_sizes_to_choose_from(written):
    page = (written / "report.html").read_text("utf-8")
    design = json.loads((written / "design.json").read_text("utf-8"))
    assert "Sample size, for a protocol or a grant" in page
    assert "in 100 such trials succeed on" in page
    assert "[For you to write: why this effect is worth finding]" in page
    found = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])["results"]
    for cell in design["grid"]:
        n, effect = round(cell["grid"]["n"]), cell["grid"]["effect"]
        sizes = sorted({round(c["grid"]["n"]) for c in design["grid"]})
        effects = sorted({c["grid"]["effect"] for c in design["grid"]})
        shown = found[f"{sizes.index(n)}.{effects.index(effect)}.0"][1]
        rows = {row["row"]["id"]: row for row in cell["rows"]}
        row = rows.get("abstinence.as-planned", rows["abstinence"])  # with the estimator that stands in
        assert shown.startswith(f"{100 * row['significant']['value']:.1f} (")


def test_the_page_that_a_grant_takes_holds_sizes_results_and_successes_and_no_id(written):
    page = (written / "report.html").read_text("utf-8")
    design = json.loads((written / "design.json").read_text("utf-8"))
    table = page[page.index("The design on a page") :]
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", table[: table.index("</table>")], re.S)
    rows = {row["row"]["id"]: row for row in design["worlds"][0]["rows"]}
    for arm in ("midazolam", "ketamine"):
        mean = rows[f"abstinence.proportion.{arm}"]["mean"]
        assert cells[cells.index(f"Result assumed, {arm} + MBRP") + 1] == f"{100 * mean:.0f}%"
    assert "Participants for 80% power" in cells
    assert sum(cell.startswith("Successful trials in 100, ") for cell in cells) == 3
    text = re.sub(r"<(style|script).*?</\1>", "", page, flags=re.S)
    for id in ("abstinence.as-planned", "for-power+", "abstinence-difference", "relapse-proportion"):
        assert id not in text, id


@pytest.mark.parametrize(
    ("powers", "said"),
    [
        ({40: 0.5, 90: 0.9}, "about 71 (between 40 and 90)"),  # root 6.325 + 0.8416 / 1.2816 * 3.162 = 8.401, squared
        ({40: 0.85, 90: 0.9}, "40 or fewer"),
        ({40: 0.5, 90: 0.7}, "more than 90"),
        ({}, ""),
    ],
)
def test_a_size_is_read_off_between_two_simulated_ones(powers, said):
    def cell(n, power):
        row = SimpleNamespace(significant=SimpleNamespace(value=power))
        grid = SimpleNamespace(grid={"n": n, "effect": 1.0})
        return type("Cell", (), {"cell": grid, "__getitem__": lambda self, id: row})()

    material = SimpleNamespace(grid=[cell(n, power) for n, power in powers.items()])
    assert size_for(material, "abstinence", 0.8) == said
