"""Change the rule: what the page offers is what the plan's own code gives, and nothing but its script may run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest
from browser import a_browser

import equipoise
from equipoise.reporting import words
from equipoise.reporting.agreement import experimental, oriented
from equipoise.reporting.change_rule import change_rule
from equipoise.reporting.context import Material
from equipoise.reporting.document import ChangeRule, Document, RuleAxis, RuleResult
from equipoise.reporting.html import render_html
from equipoise.reporting.layout import lay_out


@pytest.fixture(scope="module")
def smoking(tmp_path_factory):
    return equipoise.run("smoking-cessation", out=tmp_path_factory.mktemp("out") / "smoking", pdf=False)


@pytest.fixture(scope="module")
def flagship(tmp_path_factory):
    return equipoise.run("ketamine-mbrp-cocaine", seed=7, out=tmp_path_factory.mktemp("out") / "flagship", pdf=False)


def offered(run) -> ChangeRule:
    block = change_rule(Material(run.protocol, run.records, run.results))
    assert block is not None
    return block


def text_of(run, estimate):
    arm, _ = experimental(Material(run.protocol, run.records, run.results), estimate)
    return words.limits_words(oriented(estimate, arm), estimate.scale, estimate.ci_level, estimate.p_value)


def test_the_planned_choices_give_the_planned_analysis_and_varied_ones_the_varied(smoking):
    block = offered(smoking)
    assert [axis.title for axis in block.axes] == ["Estimator", "Tied times", "Adjusted for"]
    results = smoking.results
    wanted = {
        "0.0.0": "relapse",
        "0.1.0": "relapse[ties=breslow,covariates=none]",
        "0.2.0": "relapse[ties=exact,covariates=none]",
        "0.0.1": "relapse[ties=efron,covariates=age]",
        "0.2.1": "relapse[ties=exact,covariates=age]",
        "1.0.0": "relapse-rmst",
    }
    for key, id in wanted.items():
        assert block.results[key].effect == text_of(smoking, results[id]), key
    assert "1.1.0" not in block.results, "ties are no choice of restricted mean times"
    assert block.results["0.2.0"].measure == "Odds ratio"


def test_rules_for_missing_results_by_every_estimator(flagship):
    block = offered(flagship)
    names = [axis.values for axis in block.axes]
    worst = names[0].index("Worst case for missing results")
    exact = next(k for k, name in enumerate(names[1]) if name.startswith("Fisher"))
    rule = next(
        id
        for id, a in flagship.protocol.model.analyses.items()
        if a.missed == "worst-case" and a.estimator == "logistic"
    )
    planned = Material(flagship.protocol, flagship.records, flagship.results).main_estimate(rule)
    assert block.results[f"{worst}.0"].effect == text_of(flagship, planned)
    assert block.results["0.0"].measure == "Odds ratio, by Firth's penalized likelihood"
    by_hand = flagship.results["abstinence-exact"]
    assert block.results[f"0.{exact}"].effect == text_of(flagship, by_hand)
    # In the worst case ketamine's missing results are use: it is never more often abstinent than planned.
    count = [int(block.results[key].by_arm[1].split(" ")[0].split("/")[0]) for key in ("0.0", f"{worst}.0")]
    assert count[1] <= count[0]


def test_one_script_may_run_and_it_is_named_by_its_hash(smoking):
    html = (smoking.folder / "report.html").read_text("utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy.replace("&#39;", "'")
    assert "unsafe-inline'; script" not in policy.split("style-src")[0]
    assert not re.search(r"\son[a-z]+=", html)


def test_a_report_without_choices_has_no_script():
    html = render_html(Document("t", ()))
    assert "<script" not in html
    assert "script-src" not in html


def test_names_of_strangers_end_no_script(smoking):
    block = offered(smoking)
    nasty = "</script><script>alert(1)</script><!--"
    first = {**block.results, "0.0.0": replace(block.results["0.0.0"], effect=nasty)}
    html = render_html(Document("t", (replace(block, results=first, title=nasty, lead=nasty),)))
    assert html.count("<script>") == 1
    data = re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1]
    assert json.loads(data)["results"]["0.0.0"][1] == nasty


def test_curves_of_a_rule_are_those_of_the_figure(smoking):
    block = offered(smoking)
    curves = {c.arm: c for c in smoking.results.survival_curves if c.endpoint == "relapse"}
    pair = block.curves[block.results["0.0.0"].curve]
    for mine, arm in zip(pair, smoking.protocol.arm_ids, strict=True):
        assert mine.survival == curves[arm].survival
        assert mine.time == curves[arm].time


def test_paper_and_word_leave_the_controls_out(smoking):
    report = equipoise.report(smoking.protocol, smoking.records, smoking.results)
    assert any(b["block"] == "change-rule" for b in lay_out(report)["blocks"])
    assert report.to_pdf()[:5] == b"%PDF-"


def test_a_slider_shows_the_result_of_its_place_with_mouse_and_keys(tmp_path):
    sizes = RuleAxis("Participants", ("20", "40", "60"), 1, slider=True)
    effects = RuleAxis("Effect", ("none", "as assumed"), 1, slider=True)
    results = {
        f"{i}.{j}": RuleResult("Successful trials in 100", f"{i} at {j}", ()) for i in range(3) for j in range(2)
    }
    del results["0.0"]
    block = ChangeRule("Size and effect", "Move.", (sizes, effects), results, {}, (), 0.0)
    file = tmp_path / "report.html"
    file.write_text(render_html(Document("t", (block,))), "utf-8")
    with a_browser() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 800})
        said = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri())
        box = page.locator(".change")
        first = box.get_by_role("slider", name="Participants")
        assert box.locator(".effect").inner_text() == "1 at 1"
        assert box.locator("output").first.inner_text() == "40 (planned)"
        first.focus()
        page.keyboard.press("ArrowRight")
        assert box.locator(".effect").inner_text() == "2 at 1"
        assert first.get_attribute("aria-valuetext") == "60"
        assert box.locator(".changed").inner_text() == "One choice changed from the plan"
        page.keyboard.press("Home")
        box.get_by_role("slider", name="Effect").fill("0")
        assert box.locator(".effect").inner_text() == "not computed"
        box.get_by_role("button", name="Back to the plan").click()
        assert box.locator(".effect").inner_text() == "1 at 1"
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert said == []


def test_in_a_browser_every_choice_shows_its_result(smoking):
    block = offered(smoking)
    with a_browser() as browser:
        page = browser.new_page(viewport={"width": 500, "height": 900})
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((smoking.folder / "report.html").as_uri())
        box = page.locator(".change")
        assert box.is_visible()
        for key, result in block.results.items():
            box.get_by_role("button", name="Back to the plan").click()
            for k, value in enumerate(key.split(".")):
                box.locator(f'input[name="rule-{k}"][value="{value}"]').check()
            assert box.locator(".effect").inner_text() == result.effect, key
            assert box.locator("dd").all_inner_texts() == list(result.by_arm)
            assert box.locator(".curve path").count() == 4
        assert page.evaluate("document.documentElement.scrollWidth") == 500
        without = browser.new_context(java_script_enabled=False).new_page()
        without.goto((smoking.folder / "report.html").as_uri())
        assert not without.locator(".change").is_visible()
        assert said == []
