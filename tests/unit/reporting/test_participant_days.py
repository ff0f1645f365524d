"""A participant's days on the page: they are the records', the definitions' values are those derived, and keys work."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from browser import a_browser

import equipoise
from equipoise.endpoints.lattice import CLEAN, NOTHING, UNKNOWN, USED
from equipoise.reporting.context import Material
from equipoise.reporting.document import Document, ParticipantDays
from equipoise.reporting.participant_days import run_lengths, told
from equipoise.reporting.trial_report import build_report


@pytest.fixture(scope="module")
def flagship():
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=7)
    return protocol, records, equipoise.analyse(protocol, records)


@pytest.fixture(scope="module")
def report(flagship) -> Document:
    return build_report(*flagship)


def block_of(document: Document) -> ParticipantDays:
    [block] = [block for block in document.blocks if isinstance(block, ParticipantDays)]
    return block


def unpacked(text: str) -> str:
    return "".join(letter * int(n or 1) for letter, n in re.findall(r"([_+o-])(\d*)", text))


def test_runs_by_hand():
    cells = np.array([NOTHING, NOTHING, CLEAN, USED, USED, UNKNOWN], dtype=np.uint8)
    assert run_lengths(cells) == "_2 - +2 o"
    assert unpacked("_2 - +2 o") == "__-++o"
    assert run_lengths(cells[:0]) == ""


def test_days_are_those_of_the_records(flagship, report):
    """Each positive sample and reported day of use, read off the raw tables, stands on its day and nowhere else."""
    _, records, _ = flagship
    block = block_of(report)
    people = {one.name: one for arm in block.arms for one in arm.people}
    assert set(people) == set(records["allocations"]["participant_id"])
    n_days = len(unpacked(next(iter(people.values())).days[0]))
    asked = {
        "Urine": records["urine"].filter((pl.col("substance") == "cocaine") & (pl.col("result") == "positive")),
        "Self-report": records["daily_use"].filter((pl.col("substance") == "cocaine") & pl.col("used")),
    }
    assert block.sources == tuple(asked)
    n = 0
    for source, table in enumerate(asked.values()):
        days: dict[str, set[int]] = {}
        for name, day in table.select("participant_id", "day").iter_rows():
            if block.first_day <= day < block.first_day + n_days:
                days.setdefault(name, set()).add(day)
        for name, one in people.items():
            shown = {block.first_day + k for k, c in enumerate(unpacked(one.days[source])) if c == "+"}
            assert shown == days.get(name, set()), (name, block.sources[source])
            n += len(shown)
    assert n > 100


def test_what_definitions_say_is_what_was_derived(flagship, report):
    protocol, records, results = flagship
    block = block_of(report)
    material = Material(protocol, records, results)
    ids = [id for label in block.definitions for id in results.endpoints if material.endpoint_label(id) == label]
    place = {name: k for k, name in enumerate(results.lattice.participants.frame["participant_id"])}
    assert len(ids) >= 4
    for arm in block.arms:
        for one in arm.people:
            assert one.told == tuple(told(results.endpoints[id], place[one.name]) for id in ids)
    counted = sum(one.told[0].startswith("yes") for arm in block.arms for one in arm.people)
    assert counted == int(np.nansum(results.endpoints[ids[0]].value))


def test_of_imported_files_nobody_is_named_and_of_a_running_trial_nobody_shown(flagship):
    protocol, records, results = flagship
    imported = replace(records, source=replace(records.source, origin="imported"))
    block = block_of(build_report(protocol, imported, results))
    assert {one.name for arm in block.arms for one in arm.people} == {""}
    html = Document("t", (block,)).to_html()
    assert not re.search(r">P\d{3}<", html)
    captured = replace(records, source=replace(records.source, origin="captured"))
    blocks = build_report(protocol, captured, results).blocks
    assert not any(isinstance(block, ParticipantDays) for block in blocks)


def test_every_row_is_there_without_a_script(report):
    block = block_of(report)
    html = report.to_html()
    assert html.count('<details class="people">') == 1
    for arm in block.arms:
        for one in arm.people:
            assert f"<td>{one.name}</td><td>{one.pattern}</td>" in html
    assert report.to_pdf()[:5] == b"%PDF-"


def test_pointing_and_keys_show_the_same_row(report, tmp_path):
    block = block_of(report)
    file = tmp_path / "report.html"
    file.write_text(report.to_html(), "utf-8")
    with a_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri())
        box = page.locator(".days")
        field = page.locator(".field-1")
        field.scroll_into_view_if_needed()
        area, n = field.bounding_box(), len(block.arms[1].people)
        page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] * 4.5 / n)
        one = block.arms[1].people[4]
        assert box.locator(".who").inner_text().startswith(f"{block.arms[1].label}, row 5 of {n} ({one.name}): ")
        assert box.locator(".look dd").all_inner_texts() == list(one.told)
        assert box.locator(".calendar .frame").count() == len(unpacked(one.days[0]))
        box.get_by_role("slider").focus()
        page.keyboard.press("ArrowRight")
        following = block.arms[1].people[5]
        assert f"row 6 of {n} ({following.name})" in box.locator(".who").inner_text()
        assert box.locator(".look dd").all_inner_texts() == list(following.told)
        assert said == []
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
        without = browser.new_context(java_script_enabled=False).new_page()
        without.goto(file.as_uri())
        assert not without.locator(".look").is_visible()
        without.locator("details.people summary").click()
        assert without.locator("details.people tbody tr").last.is_visible()
