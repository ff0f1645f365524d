"""The first screen: which sentence belongs to which situation, and that its numbers are those of the results."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import equipoise
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.results import Results
from equipoise.exchange.own_tables.convert import import_table
from equipoise.reporting.agreement import Sensitivity, direction, oriented, sensitivity_analyses, verdict
from equipoise.reporting.answer import build_answer
from equipoise.reporting.context import Material
from equipoise.reporting.document import Answer
from equipoise.reporting.figures.strip import strip_axis
from equipoise.reporting.trial_report import build_report

MISSING = "how missing results are counted"


@pytest.fixture(scope="module")
def smoking() -> Material:
    protocol = equipoise.read_protocol("smoking-cessation")
    mapping = Path(equipoise.__file__).parent / "examples" / "smoking-cessation" / "mapping.yaml"
    records = import_table(mapping, protocol_hash=protocol.hash)
    return Material(protocol, records, equipoise.analyse(protocol, records))


def estimate(material: Material, id: str, *limits: float | None) -> Estimate:
    return replace(material.results[id], estimate=limits[0], ci_lower=limits[1], ci_upper=limits[2])


def check(name: str, *limits: float | None, changed: str = MISSING, agrees: bool) -> Sensitivity:
    return Sensitivity(name, changed, "odds_ratio", (limits[0], limits[1], limits[2]), agrees)


UP = (5.7, 1.3, 25.1)
OPEN = (2.4, 0.7, 8.3)
DOWN = (0.4, 0.2, 0.8)


def test_an_interval_lies_above_below_or_about_no_difference():
    assert direction(UP, "odds_ratio") == 1
    assert direction(DOWN, "hazard_ratio") == -1
    assert direction(OPEN, "odds_ratio") == 0
    assert direction((0.1, 0.02, 0.2), "risk_difference") == 1
    assert direction((-3.0, -5.0, -1.0), "mean_difference") == -1
    assert direction((1.0, 1.0, 1.2), "odds_ratio") == 0  # touches it
    assert direction((None, 5.75, None), "odds_ratio") == 1  # infinite, with the limit that is known
    assert direction((None, None, None), "odds_ratio") == 0


def test_a_comparison_turned_round_is_the_inverse_ratio_or_the_negative_difference(material: Material):
    found = estimate(material, "abstinence", 4.0, 2.0, 8.0)
    assert oriented(found, found.arm) == (4.0, 2.0, 8.0)
    assert oriented(found, found.reference) == (0.25, 0.125, 0.5)
    difference = replace(found, scale="risk_difference", estimate=0.5, ci_lower=0.25, ci_upper=0.75)
    assert oriented(difference, found.reference) == (-0.5, -0.75, -0.25)


@pytest.mark.parametrize(
    ("limits", "checks", "wanted"),
    [
        (UP, [], "more participants were abstinent in the last two weeks with ketamine + MBRP."),
        (DOWN, [], "fewer participants were abstinent in the last two weeks with ketamine + MBRP."),
        (UP, [check("A", *UP, agrees=True)], "; the one sensitivity analysis agrees."),
        (UP, [check("A", *UP, agrees=True)] * 3, "; all 3 sensitivity analyses agree."),
        (
            UP,
            [check("A", *UP, agrees=True), check("Worst case", *OPEN, agrees=False)],
            "; only in the analysis “worst case” does the interval include no difference.",
        ),
        (
            UP,
            [check("A", *UP, agrees=True), check("Best case", *DOWN, agrees=False)],
            "; only in the analysis “best case” is the difference in the other direction.",
        ),
        (
            UP,
            [check("A", None, None, None, agrees=False)],
            "; only in the analysis “a” is the effect not estimable.",
        ),
        (
            UP,
            [check("A", *OPEN, agrees=False), check("B", *DOWN, agrees=False)],
            "; the difference depends on how missing results are counted.",
        ),
        (
            UP,
            [check("A", *OPEN, agrees=False), check("B", *OPEN, changed="the covariates", agrees=False)],
            "; 2 of 2 sensitivity analyses do not agree.",
        ),
        (
            OPEN,
            [check("A", *UP, agrees=False)],
            "; only in the analysis “a” does the interval exclude no difference.",
        ),
        (
            OPEN,
            [check("A", *UP, agrees=False), check("B", *UP, agrees=False)],
            "; whether there is a difference depends on how missing results are counted.",
        ),
    ],
)
def test_each_situation_has_its_sentence(material: Material, limits, checks, wanted):
    said = verdict(material, estimate(material, "abstinence", *limits), tuple(checks))
    assert said.endswith(wanted)
    assert said.startswith("In this simulated trial ") or limits == OPEN


def test_what_the_trial_leaves_open_is_said_of_both_arms(material: Material):
    said = verdict(material, estimate(material, "abstinence", *OPEN), ())
    assert said == (
        "The simulated trial does not settle whether more participants are abstinent in the last two weeks with "
        "ketamine + MBRP or with midazolam + MBRP."
    )
    said = verdict(material, estimate(material, "relapse", *OPEN), ())
    assert "first use or dropout comes sooner with ketamine + MBRP or with midazolam + MBRP" in said


def test_a_hazard_ratio_is_told_as_sooner_or_later_and_a_score_as_higher_or_lower(material: Material):
    assert "came later with ketamine" in verdict(material, estimate(material, "relapse", *DOWN), ())
    assert "came sooner with ketamine" in verdict(material, estimate(material, "relapse", *UP), ())
    assert "was lower with ketamine" in verdict(material, estimate(material, "craving", *DOWN), ())
    assert "was higher with ketamine" in verdict(material, estimate(material, "craving", *UP), ())
    # the plan compares midazolam with ketamine: told of ketamine all the same
    assert "was less frequent with ketamine" in verdict(material, estimate(material, "use-over-time", *UP), ())


def test_an_effect_that_is_not_estimable_is_called_so(material: Material):
    said = verdict(material, estimate(material, "abstinence", None, None, None), ())
    assert "is not estimable" in said


def test_sensitivity_analyses_are_those_of_the_plan_and_each_choice_taken_singly(material: Material):
    checks = sensitivity_analyses(material, material.results["relapse"])
    names = [c.name for c in checks]
    assert names == ["Not adjusted", "Time in visits", "Time in weeks", "Ties: Breslow"]
    planned = material.results["abstinence"]
    found = {c.name: c for c in sensitivity_analyses(material, planned)}
    assert len(found) == 6
    worst = material.results["abstinence-worst-case"]
    assert found["Worst case for missing results"].limits == (worst.estimate, worst.ci_lower, worst.ci_upper)
    assert [name for name, c in found.items() if not c.agrees] == ["Worst case for missing results"]


def test_relabelled_arms_tell_the_same_of_the_other_arm(material: Material):
    planned = material.results["abstinence"]
    turned = replace(
        planned,
        arm=planned.reference,
        reference=planned.arm,
        estimate=1 / planned.estimate,  # type: ignore[operator]
        ci_lower=1 / planned.ci_upper,  # type: ignore[operator]
        ci_upper=1 / planned.ci_lower,  # type: ignore[operator]
    )
    assert verdict(material, turned, ()) == verdict(material, planned, ())


def test_the_answers_numbers_are_those_of_the_results(material: Material):
    answer = build_answer(material)
    assert answer is not None
    rows = {row.label: row.cells for row in answer.rows}
    assert rows["Abstinent in the last two weeks"] == ("2 (7%)", "16 (59%)")
    assert rows["First use or dropout"] == ("27 (96%)", "13 (48%)")
    assert rows["odds ratio"] == ("13.9 (95% CI 2.60 to 73.9), p=0.0021",)
    assert rows["absolute difference"] == ("52.1 percentage points (95% CI 29.0 to 70.3)",)
    assert rows["median days (95% CI)"] == ("4 (2 to 7)", "not reached (6 to not reached)")
    assert [arm[1] for arm in answer.arms] == ["n=28", "n=27"]
    strip = {row.name: row.text for row in answer.strip}
    assert strip["Planned analysis"] == "13.9 (2.60 to 73.9)"
    assert strip["Worst case for missing results"] == "2.38 (0.68 to 8.31)"
    assert strip["5 that agree"] == "6.63 to 24.5"
    assert strip["Published, real trial"] == "5.70 (1.30 to 25.1)"


def test_one_caution_at_the_most_and_the_estimator_first(material: Material):
    assert build_answer(material).caution is None  # type: ignore[union-attr]
    relapse = material.results["relapse"]
    crossing = replace(relapse, level="primary", details={**relapse.details, "proportional_hazards_p_value": 0.001})
    others = tuple(crossing if e.id == "relapse" else e for e in material.results.estimates if e.id != "abstinence")
    changed = Material(material.protocol, material.records, replace_estimates(material.results, others))
    answer = build_answer(changed)
    assert answer is not None
    assert answer.caution is not None
    assert answer.caution.title == "Read the hazard ratio as an average."
    text = str(answer.caution.text)
    found = re.search(
        r"by study day (\d+), (.+) had occurred in (\d+)% with (.+) and (\d+)% with (.+); the ratio", text
    )
    assert found is not None, text
    derived = material.results.endpoints["relapse"]
    assert derived.time is not None
    assert derived.event is not None
    zero = material.protocol.model.endpoints["relapse"].time_zero.first  # type: ignore[union-attr]
    for share, arm in ((found[3], relapse.arm), (found[5], relapse.reference)):
        mine = derived.participants.arm == arm
        early = mine & (derived.time <= int(found[1]) - zero)
        assert not (early & (derived.event == 0)).any()  # nobody censored before it, so counts are the curve
        assert int(share) == round(100 * (early & (derived.event == 1)).sum() / mine.sum())


def test_no_shares_are_said_of_curves_of_other_people(material: Material):
    relapse = replace(material.results["relapse"], n_analysed=20)
    relapse = replace(relapse, level="primary", details={**relapse.details, "proportional_hazards_p_value": 0.001})
    others = tuple(relapse if e.id == "relapse" else e for e in material.results.estimates if e.id != "abstinence")
    answer = build_answer(Material(material.protocol, material.records, replace_estimates(material.results, others)))
    assert answer is not None
    assert answer.caution is not None
    assert "had occurred" not in str(answer.caution.text)


def replace_estimates(results: Results, estimates: tuple[Estimate, ...]) -> Results:
    return replace(results, estimates=estimates)


def test_a_real_trial_never_says_simulated(smoking: Material):
    answer = build_answer(smoking)
    assert answer is not None
    assert "imulated" not in answer.verdict + answer.subtitle
    assert answer.verdict.endswith(".")


def test_the_answer_comes_first_and_checksums_at_the_foot(material: Material):
    document = build_report(material.protocol, material.records, material.results)
    assert isinstance(document.blocks[0], Answer)
    page = document.to_html()
    assert page.index('class="verdict"') < page.index('aria-label="Contents"') < page.index("checksum")
    head = page[page.index("<header>") : page.index('aria-label="Contents"')]
    assert not re.search(r"[0-9a-f]{12}", head)


def test_every_estimate_lies_on_the_axis_of_the_strip():
    for rows, is_ratio in (
        ([(5.7, 1.3, 25.1), (0.02, 0.001, 0.4), (300.0, None, None)], True),
        ([(0.52, 0.29, 0.70), (-0.1, -0.4, 0.2)], False),
        ([(0.0, 0.0, 0.0)], False),
    ):
        axis = strip_axis(rows, is_ratio=is_ratio)
        for value, _, _ in rows:
            assert axis.low < value < axis.high
        assert axis.low < axis.null < axis.high
        assert axis.ticks
