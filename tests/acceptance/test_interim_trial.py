"""A simulated trial with looks, from the first look to the report: interim 1, interim 2, final."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from scipy import special
from typer.testing import CliRunner

import equipoise
from equipoise.analysis.interim import looks_of
from equipoise.cli.main import app
from equipoise.exchange.looks_folder import LooksFolder, hash_of
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.records.known_on import assume_dates, records_known_on
from equipoise.reporting.committee_open import build_open_report, open_records
from equipoise.reporting.trial_report import build_report
from equipoise.stats.design.group_sequential import Boundary
from equipoise.stats.design.look_rules import LookRule
from equipoise.workflow.interim import LookRequest, interim

SPAN = (date(2027, 1, 1), date(2028, 12, 31))
ASKED = LookRequest(assume_entry=SPAN, entry_seed=2)
PLAN = """
looks:
  analyses: [abstinence]
  at: [0.4, 0.7, 1]
  planned: 55
"""


def protocol_with(folder: Path, plan: str, name: str = "ketamine-mbrp-cocaine") -> Protocol:
    file = folder / "protocol.yaml"
    file.write_text(equipoise.read_protocol(name).text.rstrip() + "\n" + plan, "utf-8")
    return equipoise.read_protocol(file)


class Course:
    """The trial of this file: two looks and the final analysis."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.protocol = protocol_with(folder, PLAN)
        self.records: Records = equipoise.simulate(self.protocol, seed=4)
        self.looks = folder / "looks"
        self.taken = [interim(self.protocol, self.records, out=self.looks, request=ASKED, pdf=False) for _ in range(2)]
        self.results = equipoise.analyse(self.protocol, self.records, looks=self.looks)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("interim"))


def codes(act) -> list[str]:
    with pytest.raises(EquipoiseError) as raised:
        act()
    return [problem.code for problem in raised.value.problems]


def test_each_look_is_taken_when_the_plans_number_is_reached(course: Course):
    assert [taken.look.reached for taken in course.taken] == [22.0, 39.0]  # 0.4 and 0.7 of 55, rounded up
    days = [taken.day for taken in course.taken]
    assert days[0] < days[1]
    for taken, day in zip(course.taken, days, strict=True):
        before = records_known_on(
            course.protocol,
            course.records,
            assume_dates(course.records, *SPAN, seed=2),
            date.fromordinal(day.toordinal() - 1),
        )
        assert before.records["allocations"].height <= taken.look.n_randomized


def test_the_bounds_are_those_of_the_spending_function_at_the_results_that_came(course: Course):
    rule = LookRule((0.4, 0.7, 1.0), 0.025, 2, Boundary("lan-demets-obrien-fleming"))
    bounds = rule.boundaries([22 / 55, 39 / 55, 1.0], is_last=True).critical_z
    after = course.results.after_looks
    held = [taken.look.decision.critical_z for taken in course.taken] + [after.final.critical_z]
    assert held == pytest.approx(list(bounds), abs=1e-9)


def test_z_is_that_of_the_plans_own_analysis(course: Course):
    for taken in course.taken:
        row = taken.look.estimates[0]
        p = row.p_value
        z = -special.ndtri(p / 2) if row.ends[0] > 1 else special.ndtri(p / 2)
        assert taken.look.z == pytest.approx(z, abs=1e-9)
        assert "ogistic" in row.method


def test_the_answer_allows_for_the_looks_and_keeps_what_it_was_without(course: Course):
    after, row = course.results.after_looks, course.results["abstinence"]
    plain = equipoise.analyse(course.protocol, course.records)["abstinence"]
    assert after.plain[0].p_value == plain.p_value
    assert row.details["unadjusted"]["p_value"] == plain.p_value
    assert row.p_value != plain.p_value
    assert "stage-wise" in row.method
    # stage-wise p of the same looks, worked out by the multivariate normal distribution
    from scipy.stats import multivariate_normal as normal

    t = [22 / 55, 39 / 55, 1.0]
    c = [taken.look.decision.critical_z for taken in course.taken]
    z = after.final.z
    correlation = [[(min(a, b) / max(a, b)) ** 0.5 for b in t] for a in t]
    second = normal(cov=[row[:2] for row in correlation[:2]], allow_singular=False)
    third = normal(cov=correlation)
    cross_1 = special.ndtr(-c[0])
    inside = lambda d, low, high: d.cdf(high, lower_limit=low)  # noqa: E731
    cross_2 = inside(second, [-c[0], c[1]], [c[0], 40.0])
    cross_3 = inside(third, [-c[0], -c[1], z], [c[0], c[1], 40.0])
    p = cross_1 + cross_2 + cross_3
    assert row.p_value == pytest.approx(2 * min(p, 1 - p), abs=2e-4)


def test_the_report_says_what_was_looked_at(course: Course):
    document = build_report(course.protocol, course.records, course.results)
    html = document.to_html()
    assert "Interim analyses" in html
    assert "2 looks were taken, at 40% and 70.9%" in html
    assert "Allowing for the looks" in html
    captions = [table.caption for table in document.tables]
    assert any(caption.startswith("Looks taken") for caption in captions)


def test_a_plan_of_looks_without_its_folder_is_said(course: Course):
    results = equipoise.analyse(course.protocol, course.records)
    assert [note.code for note in results.provenance.notes] == ["A055"]
    assert results.after_looks is None
    assert codes(lambda: equipoise.analyse(course.protocol, course.records, looks=course.folder / "no")) == ["U003"]


def test_a_third_look_is_the_final_analysis(course: Course):
    assert codes(lambda: interim(course.protocol, course.records, out=course.looks, request=ASKED)) == ["U521"]
    late = replace(ASKED, at=date(2030, 1, 1))
    assert codes(lambda: interim(course.protocol, course.records, out=course.looks, request=late)) == ["A054"]


def copied(course: Course, tmp_path: Path) -> Path:
    out = tmp_path / "looks"
    shutil.copytree(course.looks, out)
    return out


def test_a_look_cannot_be_repeated_in_silence(course: Course, tmp_path: Path):
    out = copied(course, tmp_path)
    same = replace(ASKED, at=course.taken[1].day)
    assert codes(lambda: interim(course.protocol, course.records, out=out, request=same, pdf=False)) == ["U523"]
    again = replace(same, again="a form was corrected")
    taken = interim(course.protocol, course.records, out=out, request=again, pdf=False)
    assert taken.look.number == 2
    assert (out / "look-2.superseded-1" / "closed" / "look.json").exists()
    value = json.loads((out / "look-2" / "closed" / "look.json").read_text("utf-8"))
    assert value["supersedes"] == {"hash": course.taken[1].hash, "why": "a form was corrected"}
    assert "a form was corrected" in (out / "look-2" / "closed" / "report.html").read_text("utf-8")
    never = replace(ASKED, again="why")
    assert codes(lambda: interim(course.protocol, course.records, out=tmp_path / "none", request=never)) == ["U524"]


def test_a_changed_look_is_found(course: Course, tmp_path: Path):
    out = copied(course, tmp_path)
    file = out / "look-1" / "closed" / "look.json"
    text = file.read_text("utf-8")
    file.write_text(text.replace("assumed: at", "assumed : at"), "utf-8")  # nothing of the numbers
    assert codes(lambda: LooksFolder(out).read(course.protocol, looks_of(course.protocol))) == ["R145"]
    # the last look has none after it: its own bounds still give it away
    file.write_text(text, "utf-8")
    last = out / "look-2" / "closed" / "look.json"
    value = json.loads(last.read_text("utf-8"))
    value["look"]["decision"]["critical_z"] -= 0.5
    last.write_text(json.dumps(value), "utf-8")
    assert codes(lambda: equipoise.analyse(course.protocol, course.records, looks=out)) == ["R147"]
    last.write_text("{}", "utf-8")
    assert codes(lambda: equipoise.analyse(course.protocol, course.records, looks=out)) == ["R143"]


def test_a_look_left_out_or_of_another_plan_is_found(course: Course, tmp_path: Path):
    out = copied(course, tmp_path)
    shutil.rmtree(out / "look-1")
    assert codes(lambda: equipoise.analyse(course.protocol, course.records, looks=out)) == ["R144"]
    other = protocol_with(tmp_path, PLAN.replace("0.4, 0.7", "0.5, 0.7"))
    assert codes(lambda: equipoise.analyse(other, course.records, looks=course.looks)) == ["R146"]


def test_the_hash_of_a_look_is_that_of_its_file(course: Course):
    for taken in course.taken:
        text = (taken.folder / "closed" / "look.json").read_bytes().decode("utf-8")
        assert hash_of(text) == taken.hash
        assert taken.hash in (taken.folder / "closed" / "report.html").read_text("utf-8")


def permuted(records: Records) -> Records:
    """The same trial with its arms exchanged at random."""
    frame = records["allocations"]
    order = pl.Series([*range(1, frame.height), 0])
    arms = frame.select("arm", "arm_received")[order]
    mixed = frame.with_columns(arms["arm"], arms["arm_received"])
    assert mixed["arm"].to_list() != frame["arm"].to_list()
    return Records({**records.tables, "allocations": mixed}, records.source)


def test_no_byte_of_the_open_report_depends_on_the_arms(course: Course, tmp_path: Path):
    asked = replace(ASKED, at=course.taken[0].day)
    first = interim(course.protocol, course.records, out=tmp_path / "a", request=asked)
    other = interim(course.protocol, permuted(course.records), out=tmp_path / "b", request=asked)
    for name in ("report.html", "report.docx", "report.pdf"):
        mine, theirs = ((one.folder / "open" / name).read_bytes() for one in (first, other))
        assert mine == theirs, name
    assert (first.folder / "closed" / "report.html").read_bytes() != (
        other.folder / "closed" / "report.html"
    ).read_bytes()


def test_the_open_report_names_no_arm_no_z_and_no_decision(course: Course):
    for taken in course.taken:
        html = (taken.folder / "open" / "report.html").read_text("utf-8")
        text = re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|script).*?</\1>", " ", html)).lower()
        for word in ("arm a", "arm b", "ketamine + mbrp", "midazolam +", "critical", "efficacy", "futility", "go on."):
            assert word not in text, word
        assert "simulated" in text
        assert "assumed" in text


def test_open_records_hold_nothing_by_arm(course: Course):
    told = open_records(course.records)
    assert told["allocations"]["arm"].n_unique() == 1
    for column in ("planned_mg", "delivered_mg", "delivered_mg_per_kg"):
        assert told["exposure"][column].null_count() == told["exposure"].height
    assert told["vitals"].height == told["assessments"].height == 0
    assert told["adverse_events"]["term"].n_unique() <= 1


def test_few_participants_have_no_pooled_safety(course: Course):
    entry = assume_dates(course.records, *SPAN, seed=2)
    known = records_known_on(course.protocol, course.records, entry, date(2027, 3, 1))
    told = open_records(known.records)
    assert told["allocations"].height < 10
    document = build_open_report(course.protocol, told, number=1, day=date(2027, 3, 1), entry=entry)
    assert not [table for table in document.tables if "dverse" in table.caption]


def test_arms_are_masked_or_named(course: Course, tmp_path: Path):
    html = (course.taken[0].folder / "closed" / "report.html").read_text("utf-8")
    assert "Arm A" in html
    for label in course.protocol.model.arms.values():
        assert str(label.label) not in html
    named = replace(ASKED, at=course.taken[0].day, arms="named")
    taken = interim(course.protocol, course.records, out=tmp_path / "named", request=named, pdf=False)
    html = (taken.folder / "closed" / "report.html").read_text("utf-8")
    assert "Arm A" not in html
    assert "Ketamine + MBRP" in html


def test_the_command_shows_no_result_on_the_screen(course: Course, tmp_path: Path):
    equipoise.write_records(course.records, tmp_path / "records")
    args = [
        "interim",
        str(course.folder / "protocol.yaml"),
        str(tmp_path / "records"),
        "--out",
        str(tmp_path / "looks"),
    ]
    dates = ["--assume-entry", "2027-01-01..2028-12-31", "--entry-seed", "2", "--no-pdf"]
    done = CliRunner().invoke(app, [*args, *dates])
    assert done.exit_code == 0, done.output
    assert "Look 1 of 3" in done.output
    assert "SIMULATED" in done.output
    assert not re.search(r"\bZ\b|critical|continue|efficacy|odds", done.output)
    assert course.taken[0].hash in done.output  # the same look, whether the records came from files or memory
    wrong = CliRunner().invoke(app, [*args, "--at", "tomorrow", "--assume-entry", "2027"])
    assert wrong.exit_code == 2
    assert wrong.output.count("U526") == 2
    both = CliRunner().invoke(app, [*args, "--at", "2027-05-01"])
    assert both.exit_code == 2
    assert "U520" in both.output
    run = [
        "run",
        args[1],
        "--records",
        args[2],
        "--looks",
        str(tmp_path / "looks"),
        "--out",
        str(tmp_path / "out"),
        "--no-pdf",
    ]
    ran = CliRunner().invoke(app, run)
    assert ran.exit_code == 0, ran.output
    kept = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["interim"]
    assert [look["number"] for look in kept["looks"]] == [1]
    assert kept["looks"][0]["hash"] == course.taken[0].hash
