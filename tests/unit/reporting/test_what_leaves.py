"""What a run writes: every number of the report as data, every figure as files, and SIMULATED wherever it applies."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pandas
import pytest

import equipoise
from equipoise.reporting import format as fmt
from equipoise.reporting.document import Table
from equipoise.reporting.statistics import ARD_KEYS, LABELS, values_of


@pytest.fixture(scope="module")
def flagship(tmp_path_factory):
    return equipoise.run("ketamine-mbrp-cocaine", seed=7, out=tmp_path_factory.mktemp("out") / "flagship")


@pytest.fixture(scope="module")
def smoking(tmp_path_factory):
    return equipoise.run("smoking-cessation", out=tmp_path_factory.mktemp("out") / "smoking", pdf=False)


def results(run):
    return json.loads((run.folder / "results.json").read_text("utf-8"))


def ard(run):
    with (run.folder / "ard.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_of_a_simulated_trial_says_so(flagship):
    for path in flagship.folder.rglob("*"):
        if path.suffix in (".html", ".svg", ".json") and "records" not in path.parts and path.name[0] != ".":
            assert "SIMULATED" in path.read_text("utf-8"), path
    for name in ("results.csv", "ard.csv"):
        with (flagship.folder / name).open(encoding="utf-8", newline="") as file:
            assert {row["simulated"] for row in csv.DictReader(file)} == {"true"}
    captions = [t["caption"] for t in results(flagship)["tables"]] + [
        f["caption"] for f in results(flagship)["figures"]
    ]
    assert all(caption.endswith(", simulated") for caption in captions)


def test_no_file_of_a_real_trial_says_so(smoking):
    for path in smoking.folder.rglob("*"):
        if path.suffix in (".html", ".svg", ".json"):
            assert "SIMULATED" not in path.read_text("utf-8"), path
    assert results(smoking)["simulated"] is False
    assert {row["simulated"] for row in ard(smoking)} == {"false"}


def test_results_json_holds_the_whole_report(flagship):
    found = results(flagship)
    captions = [table["caption"] for table in found["tables"]]
    for part in (
        "Primary and secondary endpoints",
        "Baseline characteristics",
        "Adverse events",
        "Sensitivity to missing",
    ):
        assert any(caption.startswith(part) for caption in captions), part
    assert [arm["n_allocated"] for arm in found["flow"][0]["arms"]] == [28, 27]
    assert found["answer"]["verdict"].startswith("In this simulated trial")
    by_id = {e["id"]: e for e in found["estimates"]}
    assert 0 < by_id["relapse"]["details"]["proportional_hazards_p_value"] < 1
    assert by_id["relapse"]["method"]
    assert any("share_imputed" in e.get("details", {}) for e in found["estimates"])
    assert set(found["missed_visits"]) == {"midazolam", "ketamine"}


def test_a_number_of_the_data_set_is_the_number_of_the_estimate_and_of_the_table(flagship):
    rows = ard(flagship)
    assert tuple(rows[0]) == ARD_KEYS
    assert {row["stat_name"] for row in rows} <= set(LABELS)
    for estimate in flagship.results.estimates:
        mine = {r["stat_name"]: float(r["stat"]) for r in rows if r["analysis"] == estimate.id}
        assert mine.get("estimate") == estimate.estimate
        assert mine.get("conf.low") == estimate.ci_lower
        assert mine.get("p.value") == estimate.p_value
    report = equipoise.report(flagship.protocol, flagship.records, flagship.results)
    n = sum(
        value is not None
        for table in report.blocks
        if isinstance(table, Table)
        for row in table.rows
        if row.kind != "group"
        for cell in row.cells[1:]
        for value in values_of(cell).values()
    )
    assert sum(row["group1"] == "column" for row in rows) == n > 300
    analysed = [r for r in rows if r["context"] == "flow" and r["variable"] == "allocated"]
    assert [float(r["stat"]) for r in analysed] == [28, 27]


def test_cells_as_numbers():
    assert values_of(fmt.Count(13, 27)) == {"n": 13, "N": 27, "p": 13 / 27}
    assert values_of(fmt.Count(0, 0)) == {"n": 0, "N": 0, "p": None}
    assert values_of(fmt.Interval(float("inf"), 5.75, float("inf"))) == {
        "estimate": None,
        "conf.low": 5.75,
        "conf.high": None,
    }
    assert values_of(fmt.MeanSD(1.5, None, n=4)) == {"mean": 1.5, "sd": None, "N": 4}
    assert values_of("13 (48%)") == {}
    assert fmt.cell(fmt.MeanSD(1.5, 0.5, n=4)) == "1.5 (0.5); n=4"


def test_every_figure_is_a_drawing_and_a_picture_of_300_dots_to_the_inch(flagship):
    drawings = sorted((flagship.folder / "figures").glob("*.svg"))
    assert len(drawings) == len(results(flagship)["figures"]) > 5
    for drawing in drawings:
        text = drawing.read_text("utf-8")
        assert re.search(r"<title>Figure \d+\. .+, simulated</title>", text)
        picture = drawing.with_suffix(".png").read_bytes()
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        width = int.from_bytes(picture[16:20], "big")
        assert width == pytest.approx(170 / 25.4 * 300, abs=1)


def test_the_same_run_writes_the_same_files(flagship, tmp_path):
    again = equipoise.run("ketamine-mbrp-cocaine", seed=7, out=tmp_path / "again", pdf=False)
    for name in ("results.json", "results.csv", "ard.csv", "figures/figure-01-time-to-first-use-or-dropout.png"):
        assert (again.folder / name).read_bytes() == (flagship.folder / name).read_bytes(), name


def test_every_number_that_a_program_reads_from_the_page_is_that_of_the_results(flagship, smoking):
    """Tables of the page, read by pandas, are the tables of results.json: no digit is there for alignment alone."""
    for run in (flagship, smoking):
        tables = results(run)["tables"]
        html = (run.folder / "report.html").read_text("utf-8")
        html = re.sub(r'<details class="people">.*?</details>', "", html, flags=re.S)  # rows of people, not results
        frames = pandas.read_html(io.StringIO(html), keep_default_na=False, thousands=None)[-len(tables) :]
        n = 0
        for frame, table in zip(frames, tables, strict=True):
            assert frame.shape == (len(table["rows"]), len(table["columns"]))
            for values, row in zip(frame.to_numpy().tolist(), table["rows"], strict=True):
                cells = row["cells"] if row["kind"] != "group" else row["cells"][:1]
                for position, (value, cell) in enumerate(zip(values, cells, strict=row["kind"] != "group")):
                    marks = row["footnotes"] if position == 0 else ""
                    assert reads_as(value, cell["text"] + marks), (table["caption"], value, cell["text"])
                    n += any(c.isdigit() for c in cell["text"])
        assert n > 60


def reads_as(value, text: str) -> bool:
    """Whether a program's value is the text: as it stands, or as the number that it is."""
    plain = " ".join(text.split()).replace("\N{MINUS SIGN}", "-").replace("\N{NARROW NO-BREAK SPACE}", "")
    if isinstance(value, str):
        return " ".join(value.split()).replace("\N{MINUS SIGN}", "-").replace("\u202f", "") == plain
    return float(plain) == value


def test_texts_are_the_values_by_the_formatter(flagship):
    """What a table prints of a mean, a count or a p value is that number, rounded once."""
    n = 0
    for table in results(flagship)["tables"]:
        for cell in (cell for row in table["rows"] for cell in row["cells"]):
            values = cell.get("values", {})
            if set(values) == {"p.value"} and values["p.value"] is not None:
                assert cell["text"] == fmt.p_value(values["p.value"])
            elif set(values) == {"n", "N", "p"}:
                assert cell["text"] in (
                    fmt.count(fmt.Count(values["n"], values["N"], shown)) for shown in (True, False)
                )
            else:
                continue
            n += 1
    assert n > 100


def test_a_notebook_shows_tables_and_figures_as_the_report_does(flagship):
    report = equipoise.report(flagship.protocol, flagship.records, flagship.results)
    assert len(report.tables) == len(results(flagship)["tables"])
    for table, told in zip(report.tables, results(flagship)["tables"], strict=True):
        html = table._repr_html_()
        assert "simulated" in html
        frame = pandas.read_html(io.StringIO(html), keep_default_na=False, thousands=None)[0]
        assert frame.shape == (len(told["rows"]), len(told["columns"]))
        for values, row in zip(frame.to_numpy().tolist(), told["rows"], strict=True):
            for value, cell in list(zip(values, row["cells"]))[1:]:
                assert reads_as(value, cell["text"]) or row["kind"] == "group"
    for picture, figure in zip(report.pictures, report.figures, strict=True):
        assert picture._repr_svg_().startswith("<svg")
        assert "SIMULATED" in picture._repr_svg_()
        assert picture.title == f"{figure.caption}, simulated"
    assert "<script>" not in replace(report.tables[0], caption="<script>")._repr_html_()
