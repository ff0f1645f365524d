"""What stands around the numbers is true: directions, measures under their heads, words for what is not there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import equipoise
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.results import Results
from equipoise.exchange.bundled import bundled_records
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.records import Records
from equipoise.reporting import findings, words
from equipoise.reporting import format as fmt
from equipoise.reporting.by_arm import arm_result
from equipoise.reporting.context import Material
from equipoise.reporting.direction import as_planned, in_one_direction, turned_round
from equipoise.reporting.document import Bullets, Document, Table
from equipoise.reporting.trial_report import build_report

SISTERS = (
    "kare",
    "ketamine-cocaine-crossover",
    "ketamine-depression-course",
    "ketamine-depression-withdrawal",
    "ketamine-kpt-heroin-dose",
    "ketamine-kpt-heroin-repeated",
    "ketamine-mbrp-cocaine-replication",
    "ketamine-met-alcohol",
    "biopsychosocial-programme",
)
Told = tuple[Protocol, Records, Results, Document]


@pytest.fixture(scope="module", params=["ketamine-mbrp-cocaine", "smoking-cessation", *SISTERS])
def told(request: pytest.FixtureRequest) -> Told:
    """Each bundled trial that needs no outside file, with its report."""
    return report_of(request.param)


@pytest.fixture(scope="module", params=[("xbot", 51), ("start", 27), ("poats", 30)], ids=lambda found: found[0])
def published_trial(request: pytest.FixtureRequest, shared_data) -> Told:
    name, project = request.param
    return report_of(name, equipoise.import_records("ctn0094", shared_data / "ctn0094", project=project))


def report_of(name: str, records: Records | None = None) -> Told:
    protocol = equipoise.read_protocol(name)
    if records is None:
        mapping = bundled_records(name)
        records = (
            equipoise.simulate(protocol, seed=7) if mapping is None else equipoise.import_records("table", mapping)
        )
    results = equipoise.analyse(protocol, records)
    return protocol, records, results, build_report(protocol, records, results)


def tables(document: Document) -> list[Table]:
    return [block for block in document.blocks if isinstance(block, Table)]


def check_tables(document: Document) -> None:
    """No cell of any table is empty, and nobody is counted as none where nobody was asked."""
    for table in tables(document):
        for row in table.rows:
            if row.kind == "group":
                continue
            texts = [fmt.cell(cell) for cell in row.cells]
            assert all(texts), (table.caption, texts)
            assert not any(text.startswith(";") for text in texts), (table.caption, texts)


def test_no_cell_of_a_report_is_empty(told: Told):
    check_tables(told[3])


def test_no_cell_of_a_published_trials_report_is_empty(published_trial: Told):
    check_tables(published_trial[3])


def check_directions(told: Told) -> None:
    """Every comparison of two arms is of the later one in the protocol, in tables and figure alike."""
    protocol, records, results, document = told
    material = Material(protocol, records, in_one_direction(protocol, results))
    order = protocol.arm_ids
    for estimate in material.comparisons:
        if estimate.arm in order and estimate.reference in order:
            assert order.index(str(estimate.reference)) < order.index(str(estimate.arm)), estimate.id
    backwards = [
        f"{material.arm_label(a)} v {material.arm_label(b)}" for k, a in enumerate(order) for b in order[k + 1 :]
    ]
    for table in tables(document):
        if table.caption.startswith(("Primary and secondary", "All other analyses", "What the choices do")):
            for row in table.rows:
                assert not any(text in fmt.cell(cell) for cell in row.cells for text in backwards), table.caption


def test_every_row_has_one_direction(told: Told):
    check_directions(told)


def test_every_row_of_a_published_trial_has_one_direction(published_trial: Told):
    check_directions(published_trial)


def check_heads(told: Told) -> None:
    """A head that names a measure is over that measure alone, by one method."""
    protocol, records, results, document = told
    material = Material(protocol, records, in_one_direction(protocol, results))
    for table in tables(document):
        if not table.caption.startswith(("What the choices do", "Sensitivity to missing data")):
            continue
        heads = [column.head for column in table.columns]
        [effect] = [head for head in heads if head.endswith("(95% CI)")]
        shown = {cell.scale for row in table.rows for cell in row.cells if isinstance(cell, fmt.Interval)}
        if effect == "Effect (95% CI)":
            assert "Measure" in heads, table.caption
        else:
            assert len(shown) == 1, table.caption
    for table in tables(document):  # rows of one name under one head differ in what they measure
        if table.caption.startswith(("Primary and secondary", "All other analyses")):
            seen: set[tuple[str, ...]] = set()
            group = ""
            for row in table.rows:
                if row.kind == "group":
                    group = fmt.cell(row.cells[0])
                    continue
                key = (group, fmt.cell(row.cells[0]), *(fmt.cell(c) for c in row.cells if isinstance(c, str)))
                assert key not in seen, (table.caption, key)
                seen.add(key)
    assert material.comparisons or not tables(document) or len(material.arms) == 1


def test_a_head_names_what_stands_under_it(told: Told):
    check_heads(told)


def test_a_head_names_what_stands_under_it_in_published_trials(published_trial: Told):
    check_heads(published_trial)


def test_the_exact_rule_for_ties_gives_odds_ratios_and_says_so(published_trial: Told):
    protocol, _, _, document = published_trial
    if protocol.id != "xbot":
        pytest.skip("X:BOT varies the rule for ties")
    table = next(t for t in tables(document) if t.caption == "What the choices do: relapse")
    place = [column.head for column in table.columns].index("Measure")
    measures = {fmt.cell(row.cells[0]): fmt.cell(row.cells[place]) for row in table.rows}
    assert measures == {"Efron": "hazard ratio (Cox)", "Breslow": "hazard ratio (Cox)", "exact": "odds ratio (Cox)"}


# ---------------------------------------------------------------------------------------------------------------------
# One by one

ODDS = Estimate(
    id="use",
    endpoint="use",
    estimand="use",
    estimator="logistic",
    arm="placebo",
    reference="drug",
    event="use",
    scale="odds_ratio",
    estimate=8.0,
    ci_lower=2.0,
    ci_upper=32.0,
    p_value=0.01,
    monte_carlo_error=0.16,
)


def test_a_ratio_turned_round_by_hand():
    turned = turned_round(ODDS)
    assert (turned.arm, turned.reference) == ("drug", "placebo")
    assert turned.ends == (0.125, 1 / 32, 0.5)
    assert turned.p_value == 0.01
    assert turned.monte_carlo_error == pytest.approx(0.16 / 64)  # an error of 2% of 8 is one of 2% of 1/8
    assert as_planned(turned).ends == ODDS.ends
    assert as_planned(ODDS) is ODDS


def test_limits_whose_square_is_beyond_any_number_are_turned_round():
    wide = replace(
        ODDS, ci_lower=1e-200, ci_upper=1e200, monte_carlo_error_ci_lower=1e-201, monte_carlo_error_ci_upper=1e199
    )
    turned = turned_round(wide)
    assert turned.ends == (0.125, pytest.approx(1e-200), pytest.approx(1e200))
    assert turned.monte_carlo_error_ci_lower == pytest.approx(1e-201)  # a tenth of its limit, as before
    assert turned.monte_carlo_error_ci_upper == pytest.approx(1e199)


def test_a_difference_turned_round_by_hand():
    points = replace(ODDS, scale="risk_difference", estimate=0.2, ci_lower=-0.1, ci_upper=0.5, monte_carlo_error=0.01)
    assert turned_round(points).ends == (-0.2, -0.5, 0.1)
    assert turned_round(points).monte_carlo_error == 0.01


def test_an_infinite_ratio_becomes_nothing_and_back():
    infinite = replace(ODDS, estimate=None, ci_lower=5.0, ci_upper=None, warnings=("estimate-infinite", "other"))
    turned = turned_round(infinite)
    assert turned.ends == (0.0, 0.0, 0.2)
    assert turned.warnings == ("other", "estimate-zero")
    assert turned_round(turned).ends == (math.inf, 5.0, math.inf)
    assert fmt.interval(fmt.Interval(*turned.ends, "odds_ratio")) == "0 (0 to 0.20)"


def test_a_fallback_is_not_under_the_head_of_the_planned_method():
    firth = replace(ODDS, estimator="firth")
    material = None  # neither needs the trial
    assert findings.common_measure(material, [ODDS, ODDS]) == "Odds ratio"
    assert findings.common_measure(material, [ODDS, firth]) == ""
    assert findings.full_measure(material, firth) == f"odds ratio ({estimator_label('firth')})"


@pytest.mark.parametrize(
    ("n", "of", "text"), [(0, 287, "0%"), (1, 287, "<1%"), (3, 283, "1%"), (286, 287, ">99%"), (287, 287, "100%")]
)
def test_some_is_not_none_and_most_is_not_all(n: int, of: int, text: str):
    assert fmt.percent_of(n, of) == text
    assert fmt.count(fmt.Count(n, of)) == f"{n} ({text})"


def test_a_limit_in_a_sentence_is_not_rounded_onto_no_difference():
    near = replace(ODDS, estimate=1.4, ci_lower=0.998, ci_upper=1.97)
    assert "0.998 to 1.97" in words.effect_words(near)


def test_a_published_result_in_words_alone_stands_in_the_table(told: Told):
    protocol, _, _, document = told
    found = [table for table in tables(document) if table.caption.startswith("Published results")]
    for entry in protocol.model.published.values():
        if entry.words and not entry.printed and entry.effect is None:
            assert any(entry.words in row.cells for table in found for row in table.rows)


def test_methods_that_no_line_plans_are_cited_where_they_are_used(told: Told):
    _, _, _, document = told
    items = [block for block in document.blocks if isinstance(block, Bullets) and block.numbered]
    cited = " ".join(str(item) for block in items for item in block.items)
    has_guesses = any(table.caption.startswith("Guesses of the arm") for table in tables(document))
    assert ("Assessment of blinding in clinical trials" in cited) == has_guesses
    assert ("An index for assessing blindness" in cited) == has_guesses
    answer = document.answer
    if answer is not None and any("not planned" in cell for row in answer.rows for cell in row.cells):
        assert "Comparative analysis of two rates" in cited


def test_an_arm_of_which_nobody_has_a_result_is_not_nought_of_nought(told: Told):
    for table in tables(told[3]):
        for row in table.rows:
            assert not any(fmt.cell(cell).startswith("0/0") for cell in row.cells), table.caption
    for derived in told[2].endpoints.values():
        nobody = np.zeros(derived.n, dtype=bool)
        assert fmt.cell(arm_result(derived, nobody)) in ("no results", "not recorded")


def test_a_curve_of_some_is_not_of_everybody(told: Told):
    protocol, records, results, document = told
    n = records["allocations"]["participant_id"].n_unique()
    for figure in document.figures:
        if figure.caption.startswith("Time to "):
            known = [d for d in results.endpoints.values() if d.shape == "time-to-event" and d.time is not None]
            counts = {int((~np.isnan(d.time)).sum()) for d in known}
            assert f"n={n}" in figure.subtitle, protocol.id
            assert ("with a result" in figure.subtitle) or n in counts
