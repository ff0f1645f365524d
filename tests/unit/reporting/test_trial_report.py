"""The report of a trial, from records and results that the program itself made."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from demo import random_records

from equipoise.analysis.analyse import analyse_records
from equipoise.analysis.results import Results
from equipoise.exchange.ctn0094.read import import_ctn0094
from equipoise.exchange.own_tables.convert import import_table
from equipoise.foundation.errors import EquipoiseError
from equipoise.instruments.library import find_instrument
from equipoise.protocol import Protocol, read_protocol, read_protocol_text
from equipoise.records import Records
from equipoise.reporting import format as fmt
from equipoise.reporting.answer import build_answer
from equipoise.reporting.blinding import build_guesses_table
from equipoise.reporting.context import Material
from equipoise.reporting.document import Answer, Document, Figure, Heading, Table
from equipoise.reporting.layout import lay_out
from equipoise.reporting.shells import build_shells
from equipoise.reporting.trial_report import build_report
from equipoise.simulation.simulate import simulate

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "equipoise"
PROTOCOLS = PACKAGE / "protocols"

Trial = tuple[Protocol, Records, Results]


@pytest.fixture(scope="module")
def flagship() -> Trial:
    protocol = read_protocol(PROTOCOLS / "ketamine-mbrp-cocaine.yaml")
    records = simulate(protocol, seed=11)
    return protocol, records, analyse_records(protocol, records, version="0.0.test")


@pytest.fixture(scope="module")
def flagship_report(flagship: Trial) -> Document:
    return build_report(*flagship)


@pytest.fixture(scope="module")
def smoking() -> Trial:
    protocol = read_protocol(PROTOCOLS / "smoking-cessation.yaml")
    records = import_table(PACKAGE / "examples" / "smoking-cessation" / "mapping.yaml", protocol_hash=protocol.hash)
    return protocol, records, analyse_records(protocol, records)


@pytest.fixture(scope="module")
def xbot(shared_data: Path) -> Trial:
    protocol = read_protocol(PROTOCOLS / "xbot.yaml")
    records = import_ctn0094(shared_data / "ctn0094", 51, protocol_hash=protocol.hash)
    return protocol, records, analyse_records(protocol, records)


def headings(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Heading) and block.level == 1]


def flow(document: Document) -> Figure:
    return next(figure for figure in document.figures if figure.caption == "Flow of participants")


def table(document: Document, caption: str) -> Table:
    return next(b for b in document.blocks if isinstance(b, Table) and b.caption.startswith(caption))


def all_text(document: Document) -> str:
    """Every word of a document, figures' alternative texts included."""
    out: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, str):
            out.append(value)
        elif isinstance(value, dict):
            for part in value.values():
                walk(part)
        elif isinstance(value, (list, tuple)):
            for part in value:
                walk(part)

    walk(lay_out(document))
    return "\n".join(out)


def test_the_flagship_report_has_every_section_of_the_plan(flagship_report: Document):
    assert headings(flagship_report) == [
        "Results",
        "Participants",
        "Comparison with the published results",
        "Beside what is known",
        "Sensitivity to analysis choices",
        "Adherence",
        "Blinding",
        "Safety",
        "Missing data",
        "Methods",
        "Statements of the authors",
        "Unknown facts and assumptions",
        "How to reproduce this report",
        "References",
        "CONSORT 2025",
    ]
    captions = [figure.caption for figure in flagship_report.figures]
    for wanted in (
        "Flow of participants",
        "Schedule",
        "Time to",
        "Every effect",
        "Use at the visits",
        "Craving over time",
    ):
        assert any(caption.startswith(wanted) for caption in captions), wanted
    assert any(caption.startswith("Sessions delivered") for caption in captions)
    tables = [block for block in flagship_report.blocks if isinstance(block, Table)]
    guesses = next(table for table in tables if table.caption.startswith("Guesses of the arm"))
    assert [row.cells[0] for row in guesses.rows][:2] == ["Participants, discharge", "Asked"]
    assert sum(guesses.rows[1].cells[1:]) == sum(
        guesses.rows[k].cells[column].n for k in (2, 3, 4) for column in (1, 2)
    )


def test_guesses_are_told_in_the_order_of_days_participants_first(flagship: Trial) -> None:
    protocol, records, results = flagship
    assessments = records["assessments"]
    guesses = assessments.filter(pl.col("instrument") == "arm-guess")
    later = [visit.name for visit in protocol.planned_visits if visit.target_day > 5]
    again = [guesses.with_columns(visit=pl.lit(visit)) for visit in (later[-1], later[0])]
    tables = {**records.tables, "assessments": pl.concat([*again, assessments])}
    made = build_guesses_table(Material(protocol, replace(records, tables=tables), results))
    assert made is not None
    named = [row.cells[0] for row in made.rows if row.kind == "group"]
    visits = ["discharge", later[0], later[-1]]
    assert named == [f"{who}, {visit}" for who in ("Participants", "Clinicians") for visit in visits]
    assert sorted(visits) != visits


def test_a_simulated_trial_says_so_on_the_page_on_every_figure_and_in_the_findings(flagship_report: Document):
    blocks = lay_out(flagship_report)["blocks"]
    figures = [b for b in blocks if b["block"] == "figure"]
    assert len(figures) >= 9
    assert all(">SIMULATED</text>" in figure["svg"] for figure in figures)
    assert 'class="band"' in flagship_report.to_html()
    assert "simulated trial" in next(b for b in flagship_report.blocks if isinstance(b, Answer)).verdict


def test_a_real_trial_never_says_simulated(smoking: Trial):
    assert "SIMULATED" not in build_report(*smoking).to_html()


def test_the_flagship_stands_beside_its_published_results_without_a_chance(flagship_report: Document):
    found = next(f for f in flagship_report.figures if "Abstinent in the last two weeks: odds ratio" in f.alt)
    assert "Dakwar 2019 5.7 (1.3 to 25.1)" in found.alt
    assert "Dakwar 2019 0.47 (0.24 to 0.92)" in found.alt
    assert "not estimable" not in found.alt  # the fallback stands in where the planned fit has no finite answer
    assert not any("another trial of the same size" in getattr(b, "caption", "") for b in flagship_report.blocks)


def test_a_real_trial_without_published_company_says_so_and_gives_the_chance_of_a_second_one(smoking: Trial):
    report = build_report(*smoking)
    assert "No published result of the same condition, comparison and outcome is held." in all_text(report)
    chances = table(report, "Chance that another trial of the same size would exclude no difference")
    for row in chances.rows:
        assert str(row.cells[-1]).endswith("%")


def test_what_favours_whom_follows_the_direction_of_the_endpoint(flagship: Trial):
    protocol, records, results = flagship

    def note(line: str) -> str:
        primary = tuple(replace(e, level="primary") for e in results.estimates if e.id == line)
        answer = build_answer(Material(protocol, records, replace(results, estimates=primary)))
        assert answer is not None
        return answer.strip_note

    # an earlier relapse is worse, so a hazard ratio below one is to the advantage of ketamine; abstinence is good
    assert "to the left of the line favour ketamine + MBRP, to the right midazolam + MBRP" in note("relapse")
    assert "to the left of the line favour midazolam + MBRP, to the right ketamine + MBRP" in note("abstinence")


def test_every_table_and_figure_of_a_simulated_trial_says_so_in_its_title(flagship_report: Document, smoking: Trial):
    titled = [b for b in lay_out(flagship_report)["blocks"] if b["block"] in ("table", "figure")]
    assert len(titled) > 20
    assert all(block["caption"].endswith(", simulated") for block in titled)
    real = lay_out(build_report(*smoking))["blocks"]
    assert not [b for b in real if "simulated" in b.get("caption", "")]


def test_effects_and_published_values_stand_in_one_row_in_one_direction(flagship: Trial, flagship_report: Document):
    protocol, _, results = flagship
    effects = table(flagship_report, "Primary and secondary")
    row = next(r for r in effects.rows if str(r.cells[0]).startswith("First use or dropout"))
    estimate = results["relapse"]
    assert fmt.Interval(estimate.estimate, estimate.ci_lower, estimate.ci_upper, "hazard_ratio") in row.cells
    published = protocol.model.published["relapse"].effect
    assert published is not None
    assert fmt.cell(row.cells[-1]) == "0.47 (0.24 to 0.92)"
    use = next(r for r in effects.rows if str(r.cells[0]).startswith("Use at each visit"))
    assert fmt.cell(use.cells[-1]) == "0.13 (0.03 to 0.67)"  # printed as 7.8 of the other direction
    assert use.cells[3] == "conditional odds ratio"
    note = next(n for n in effects.footnotes if "Planned as" in n)
    assert "Planned as midazolam + MBRP versus ketamine + MBRP; inverted here" in note
    assert note.split(".")[0] in use.marks.split(", ")


def test_the_flow_diagram_counts_the_records(flagship: Trial, flagship_report: Document):
    _, records, _ = flagship
    alt = flow(flagship_report).alt
    assert f"{records['participants'].height} assessed for eligibility, 55 randomized" in alt
    assert "28 allocated" in alt
    assert "27 allocated" in alt


def test_choices_are_shown_with_their_effect_and_the_planned_one_first(flagship_report: Document):
    choices = table(flagship_report, "What the choices do: first use or dropout")
    assert choices.rows[0].kind == "total"
    assert choices.rows[0].cells[-1] == "as planned"
    # two rules for ties, three units of time, adjusted or not: twelve rows
    assert len(choices.rows) == 12
    assert len({row.cells[:3] for row in choices.rows}) == 12


def test_remarks_of_the_protocol_are_told_and_come_from_it_alone(flagship: Trial, flagship_report: Document):
    protocol, _, _ = flagship
    text = all_text(flagship_report)
    for remark in protocol.model.remarks:
        assert remark.title in text
        assert remark.words[:60] in text
    sources = "\n".join(p.read_text() for p in (PACKAGE / "reporting").rglob("*.py"))
    for word in ("ketamine", "midazolam", "cocaine", "naltrexone", "smoking", "X:BOT", "Dakwar"):
        assert word.lower() not in sources.lower(), f"the report's code knows of {word}"


def test_what_is_not_known_and_what_was_assumed_are_listed(flagship: Trial, flagship_report: Document):
    protocol, _, _ = flagship
    unknown = table(flagship_report, "What is not known")
    assert len(unknown.rows) == len(protocol.unknown())
    assert any("permuted blocks" in str(row.cells[1]) for row in unknown.rows)
    parameters = table(flagship_report, "Parameters of the generative model")
    assert len(parameters.rows) == len(flagship[1].source.details["parameters"])


def test_hashes_seed_and_version_can_be_read_off_the_report(flagship: Trial, flagship_report: Document):
    protocol, records, _ = flagship
    text = all_text(flagship_report)
    for wanted in (protocol.hash, protocol.file_hash, records.data_hash, "--seed 11", "0.0.test"):
        assert wanted in text
    assert protocol.hash[:12] in flagship_report.footer


def test_a_later_replicate_is_reproduced_by_its_number(flagship: Trial):
    protocol, _, results = flagship
    records = simulate(protocol, seed=11, replicates=[4])
    text = all_text(build_report(protocol, records, results))
    assert "--seed 11" in text
    assert "--replicate 4 --out records" in text
    assert "--replicate" not in all_text(build_report(*flagship))


def without_scripts(html: str) -> str:
    """The page without its one script and the data of it."""
    return re.sub(r"<script(?: type=\"application/json\")?>.*?</script>", "", html, flags=re.S)


def test_no_report_prints_nan_infinity_or_none(flagship_report: Document, smoking: Trial):
    for document in (flagship_report, build_report(*smoking)):
        words = set(re.findall(r"[A-Za-z]+", re.sub(r"<[^>]+>", " ", without_scripts(document.to_html()))))
        assert not words & {"nan", "NaN", "inf", "None", "null", "True", "False"}


def test_what_cannot_be_estimated_is_written_out(flagship: Trial):
    protocol, records, results = flagship
    gone = {"estimate": None, "ci_lower": None, "ci_upper": None, "p_value": None, "standard_error": None}
    estimates = tuple(
        replace(e, **gone, warnings=("separation-complete",)) if e.id == "abstinence" else e  # type: ignore[arg-type]
        for e in results.estimates
        if not e.id.startswith("abstinence.f")
    )
    document = build_report(protocol, records, replace(results, estimates=estimates))
    effects = table(document, "Primary and secondary")
    row = next(r for r in effects.rows if str(r.cells[0]).startswith("Abstinent in the last two weeks"))
    assert "not estimable" in [fmt.cell(cell) for cell in row.cells]
    assert row.marks
    assert any("complete separation" in note for note in effects.footnotes)
    document.to_html()
    document.to_pdf()


def test_a_trial_without_urine_scores_or_sessions_leaves_those_sections_out(smoking: Trial):
    document = build_report(*smoking)
    captions = [figure.caption for figure in document.figures]
    assert not any("over time" in c or "Use at" in c or "Sessions" in c or "Missing" in c for c in captions)
    text = all_text(document)
    assert "Adverse events were not collected" in text
    assert "Doses and sessions: not collected" in text
    assert "Missing data" not in headings(document)
    assert "not recorded" in flow(document).drawing.svg()


def test_the_report_of_xbot_stands_beside_its_publication(xbot: Trial):
    document = build_report(*xbot)
    effects = table(document, "Primary and secondary")
    row = next(r for r in effects.rows if str(r.cells[0]).startswith("Relapse"))
    # Lee and others 2018, Lancet 391:309, abstract
    assert fmt.cell(row.cells[-1]) == "1.36 (1.10 to 1.68)"
    alt = flow(document).alt
    assert "570 randomized" in alt
    # Lee and others 2018: 204 of 283 and 270 of 287 were inducted
    assert "283 allocated, 204 received it" in alt
    assert "287 allocated, 270 received it" in alt
    assert len(document.to_html()) < 1_500_000


def test_the_text_of_a_protocol_cannot_become_markup():
    text = (PROTOCOLS / "ketamine-mbrp-cocaine.yaml").read_text("utf-8")
    nasty = "<script>alert(1)</script> #panic() $x$ {{ 7 * 7 }}"
    text = text.replace("label: Ketamine + MBRP", f"label: '{nasty}'").replace(
        "title: A single ketamine infusion combined with", f"title: '{nasty}' #"
    )
    protocol = read_protocol_text(text)
    records = simulate(protocol, seed=1)
    document = build_report(protocol, records, analyse_records(protocol, records))
    html = document.to_html()
    assert "<script" not in without_scripts(html)
    assert "alert" not in "".join(re.findall(r"<script>.*?</script>", html, re.S))
    assert "&lt;script&gt;" in html
    assert document.to_pdf().startswith(b"%PDF")


def test_the_same_trial_gives_the_same_bytes(flagship: Trial):
    first, second = build_report(*flagship), build_report(*flagship)
    assert first.to_html() == second.to_html()
    assert first.to_pdf() == second.to_pdf()


def test_replicates_are_refused(flagship: Trial):
    protocol, _, results = flagship
    with pytest.raises(ValueError, match="one trial"):
        build_report(protocol, simulate(protocol, seed=1, replicates=2), results)


def test_every_figure_fits_a_page_and_says_something(flagship_report: Document):
    for block in flagship_report.blocks:
        if isinstance(block, Figure):
            assert block.drawing.width <= 672
            assert len(block.alt) > 40
            assert block.alt.endswith(".")


@pytest.mark.parametrize("name", ["ketamine-mbrp-cocaine", "xbot", "smoking-cessation"])
def test_shells_can_be_made_before_there_is_a_record(name: str):
    document = build_shells(read_protocol(PROTOCOLS / f"{name}.yaml"))
    html = document.to_html()
    assert "NO DATA YET" in html
    assert document.to_pdf().startswith(b"%PDF")
    effects = table(document, "Primary and secondary")
    assert all(cell == "…" for row in effects.rows if row.kind == "body" for cell in row.cells[1:])


def test_missing_cells_are_counted_from_the_visits(flagship: Trial, flagship_report: Document):
    _, records, _ = flagship
    visits = records["visits"].filter(pl.col("visit").str.starts_with("day-"))
    missed = visits.filter(pl.col("state") == "missed").height
    figure = next(f for f in flagship_report.figures if f.caption == "Missing data")
    counted = [int(n) for n in re.findall(r"(\d+) of \d+ missing", figure.alt)[:2]]
    assert sum(counted) == missed


def test_only_the_estimate_that_answers_the_question_stands_beside_the_published_one(flagship: Trial):
    protocol, records, results = flagship
    document = build_report(protocol, records, results)
    effects = table(document, "Primary and secondary")
    shown = [row for row in effects.rows if row.kind == "body" and fmt.cell(row.cells[-1]) != "none"]
    with_effect = [p for p in protocol.model.published.values() if p.effect is not None]
    assert len(shown) == len(with_effect)


def test_a_fallback_is_named_in_the_findings_when_the_planned_answer_is_infinite(flagship: Trial):
    protocol, _, _ = flagship
    # nobody abstinent at six months in the reference arm: the likelihood has no maximum
    for seed in range(3, 12):
        records = simulate(protocol, seed=seed)
        results = analyse_records(protocol, records)
        if results["six-months"].estimate is None:
            break
    else:
        pytest.fail("no seed gave an empty cell, although seven trials in ten have one")
    document = build_report(protocol, records, results)
    leading = table(document, "Primary and secondary")
    row = next(r for r in leading.rows if str(r.cells[0]).startswith("Abstinent at six months"))
    notes = dict(note.split(". ", 1) for note in leading.footnotes[1:])
    assert "Firth's penalized likelihood is shown." in notes[row.marks.split(", ")[0]]
    others = table(document, "All other analyses")
    planned = [r for r in others.rows if r.kind == "body" and fmt.cell(r.cells[2]).startswith(("not est", "infinite"))]
    assert planned


SKETCHES = sorted((Path(__file__).resolve().parents[2] / "spec" / "protocols").glob("*.yaml"))


@pytest.mark.parametrize("path", SKETCHES, ids=lambda path: path.stem)
def test_shells_hold_every_shape_of_trial(path: Path):
    # factorial, crossover, re-randomized, single-arm, adaptive, several sites
    document = build_shells(read_protocol(path))
    assert "NO DATA YET" in document.to_html()
    assert all(len(figure.alt) > 20 for figure in document.figures)


@pytest.mark.parametrize("path", SKETCHES, ids=lambda path: path.stem)
def test_a_report_can_be_made_of_every_shape_of_trial(path: Path):
    protocol = read_protocol(path)
    records = random_records(protocol)
    named = [(a.instrument, a.version) for a in protocol.model.assessments.values() if a.instrument]
    if any(find_instrument(*name) is None for name in named):
        # a sketch may name an instrument that the library does not hold: said by name, before any report
        with pytest.raises(EquipoiseError, match="no instrument"):
            analyse_records(protocol, records)
        return
    results = analyse_records(protocol, records)
    document = build_report(protocol, records, results)
    text = all_text(document)
    for arm in protocol.arm_ids:
        assert protocol.arm_label(arm) in text
    assert "Flow of participants" in [figure.caption for figure in document.figures]
    assert "SIMULATED" in document.to_html()
