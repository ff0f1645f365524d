"""Ordered categories and hierarchies in a plan: what is derived, refused, estimated, shown, and simulated."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from equipoise.design.operating import Cell, run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.lattice import read_lattice
from equipoise.foundation.errors import ProtocolError
from equipoise.protocol.read import read_protocol_text
from equipoise.reporting.trial_report import build_report
from equipoise.workflow import analyse

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
import outcome_trial

MOOD = "mood: {kind: score, words: mood, assessment: mood, at: weekly}"
DEATH = "death: {kind: time-to-event, words: survival, time-zero: day 1, first-of: [{event: death}], until: day 85}"
ORDERED = (
    "{kind: ordered, words: depression, of: mood, categories: [none, mild, severe], from: [10, 20], better: lower}"
)
LEVELS = "{kind: hierarchical, words: 'death, then mood', levels: [{endpoint: death}, {endpoint: mood, margin: 2}]}"


def text_of(endpoint, summary, estimator):
    text = outcome_trial.text_of(endpoint, summary, estimator)
    return text.replace("endpoints:\n", f"endpoints:\n  {MOOD}\n  {DEATH}\n", 1)


def people():
    """Two dead of six in the arm usual, one in active, whose moods are lower; one mood is missing at the end."""
    moods = [(20, 21, 25), (18, 19, None), (30, 9, 10), (22, 20, 19), (25, 28, 22), (15, 12, 11)]
    better = [(20, 9, 3), (18, 12, 9), (30, 22, 20), (22, 11, 12), (25, 8, 5), (15, 12, 10)]
    out = {}
    for n, row in enumerate([*moods, *better]):
        out[str(n)] = {"sex": "female", "mood": [24, *row], "events": [("death", 85, False)]}
        if n in (0, 1, 6):
            out[str(n)]["events"] = [("death", 78 + n, True)]
    return out


def test_numbers_are_sorted_into_the_categories_of_the_protocol() -> None:
    protocol = read_protocol_text(text_of(ORDERED, "common-odds-ratio", "ordinal-logistic"))
    derived = derive_endpoint(read_lattice(protocol, outcome_trial.records_of(people())), "it")
    # Last moods 25, none, 10, 19, 22, 11: a number on a limit is in the category that begins there.
    assert outcome_trial.plain(derived.value)[:6] == [2, None, 1, 1, 2, 1]
    assert derived.table()["category"].to_list()[:3] == ["severe", None, "mild"]


def test_a_visit_can_be_named() -> None:
    named = ORDERED.replace("of: mood", "of: mood, visit: day-29")
    protocol = read_protocol_text(text_of(named, "common-odds-ratio", "ordinal-logistic"))
    derived = derive_endpoint(read_lattice(protocol, outcome_trial.records_of(people())), "it")
    assert outcome_trial.plain(derived.value)[:6] == [2, 1, 2, 2, 2, 1]


@pytest.mark.parametrize(
    ("endpoint", "code", "place"),
    [
        (ORDERED.replace(", better: lower", ""), "P048", "endpoints.it.better"),
        (ORDERED.replace("of: mood", "of: death"), "P048", "endpoints.it.of"),
        (ORDERED.replace("of: mood", "of: it"), "P048", "endpoints.it.of"),
        (ORDERED.replace("of: mood", "of: nothing"), "P020", "endpoints.it.of"),
        (ORDERED.replace("of: mood", "of: mood, visit: never"), "P020", "endpoints.it.visit"),
        (ORDERED.replace("[10, 20]", "[20, 10]"), "P015", "endpoints.it.from"),
        (ORDERED.replace("[10, 20]", "[10]"), "P015", "endpoints.it.from"),
        (ORDERED.replace("[none, mild, severe]", "[none, none, severe]"), "P015", "endpoints.it.categories"),
        (LEVELS.replace("{endpoint: death}", "{endpoint: it}"), "P048", "endpoints.it.levels[0].endpoint"),
        (LEVELS.replace("}]", "}], better: lower"), "P048", "endpoints.it.better"),
        (
            LEVELS.replace("{endpoint: death}", "{endpoint: death, visit: day-29}"),
            "P048",
            "endpoints.it.levels[0].visit",
        ),
        (LEVELS.replace("margin: 2}", "margin: 2}, {endpoint: mood, margin: 2}"), "P048", "endpoints.it.levels[2]"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(endpoint, code, place) -> None:
    is_levels = "hierarchical" in endpoint
    asked = ("win-ratio", "win-ratio") if is_levels else ("common-odds-ratio", "ordinal-logistic")
    with pytest.raises(ProtocolError) as raised:
        read_protocol_text(text_of(endpoint, *asked))
    assert (code, place) in [(problem.code, problem.place) for problem in raised.value.problems]


def test_neither_is_imputed() -> None:
    for endpoint, summary, estimator in (
        (ORDERED, "common-odds-ratio", "ordinal-logistic"),
        (LEVELS, "win-ratio", "win-ratio"),
    ):
        text = text_of(endpoint, summary, estimator).replace("level: primary", "imputation: {sets: 5}, level: primary")
        with pytest.raises(ProtocolError) as raised:
            read_protocol_text(text)
        assert {problem.code for problem in raised.value.problems} == {"P035"}


def test_ordered_categories_through_results_and_report() -> None:
    protocol = read_protocol_text(text_of(ORDERED, "common-odds-ratio", "ordinal-logistic"))
    records = outcome_trial.records_of(people())
    results = analyse(protocol, records)
    it = results["it"]
    assert it.n_analysed == 11
    assert it.n_missed == 1
    assert it.estimate < 1  # fewer in higher categories, and lower is better
    assert it.details["counts"] == {"usual": [0, 3, 2], "active": [3, 2, 1]}
    document = build_report(protocol, records, results)
    captions = [getattr(block, "caption", "") for block in document.blocks]
    assert "Categories by arm: it" in captions
    [table] = [b for b in document.blocks if getattr(b, "caption", "") == "Cumulative percentages: it"]
    assert [row.cells[0] for row in table.rows] == ["Mild or higher", "Severe"]
    assert any("Mann-Whitney" in note for note in table.footnotes)
    assert "McCullagh P" in document.to_html()


def test_a_hierarchy_through_results_and_report() -> None:
    protocol = read_protocol_text(text_of(LEVELS, "net-benefit", "net-benefit"))
    records = outcome_trial.records_of(people())
    results = analyse(protocol, records)
    it = results["it"]
    pairs = it.details["pairs"]
    # Of 36 pairs, the two dead of usual lose to the five living of active, and the one dead of active loses to the
    # four living of usual; the two against the one go by the day: 78 and 79 before 84.
    assert (pairs[0]["won"], pairs[0]["lost"], pairs[0]["tied"]) == (12, 4, 20)
    assert it.details["n_pairs"] == 36
    # Alive: 10, 19, 22, 11 against 9, 20, 12, 5, 10, lower better, decided by more than 2.
    usual, active = [10, 19, 22, 11], [9, 20, 12, 5, 10]
    won = sum(b < a - 2 for a in usual for b in active)
    lost = sum(a < b - 2 for a in usual for b in active)
    assert (pairs[1]["won"], pairs[1]["lost"]) == (won, lost)
    assert it.estimate == pytest.approx((12 + won - 4 - lost) / 36)
    document = build_report(protocol, records, results)
    [table] = [b for b in document.blocks if getattr(b, "caption", "") == "Pairs by level: it"]
    assert table.rows[-1].kind == "total"
    assert "better" in document.answer.verdict


SIMPLE = (Path(__file__).parents[1] / "docs" / "simple_trial.yaml").read_text(encoding="utf-8")


def test_power_of_both_from_what_a_simple_set_draws() -> None:
    text = SIMPLE.replace(
        "endpoints:\n",
        "endpoints:\n"
        "  class: {kind: ordered, words: mood in classes, of: mood, categories: [low, middle, high], from: [8, 16],"
        " better: lower}\n"
        "  wins: {kind: hierarchical, words: abstinence then mood, levels: [{endpoint: abstinence},"
        " {endpoint: mood, margin: 1}]}\n",
        1,
    )
    text = text.replace(
        "estimands:\n",
        "estimands:\n"
        "  class: {endpoint: class, treatments: experimental v control, summary: common-odds-ratio}\n"
        "  wins: {endpoint: wins, treatments: experimental v control, summary: win-odds}\n",
        1,
    )
    text = text.replace(
        "analyses:\n",
        "analyses:\n"
        "  class: {estimand: class, estimator: ordinal-logistic, level: secondary}\n"
        "  wins: {estimand: wins, estimator: win-odds, level: secondary}\n",
        1,
    )
    text += (
        "assumptions:\n  planned:\n    basis: made up\n    attrition: 0.1\n    simple:\n"
        "      abstinence: {control: 0.3, experimental: 0.55}\n      mood: {control: 14, experimental: 10, sd: 6}\n"
    )
    protocol = read_protocol_text(text)

    def run(name, n):
        [made] = run_cells(protocol, [Cell(resolve_scenario(protocol, name)[0], {})], replicates=n, seed=3, workers=1)
        return made

    made, null = run("planned", 200), run("planned+null", 400)
    assert made["class"].significant.value > 0.5
    assert made["wins"].significant.value > 0.5
    assert made["class"].median < 1 < made["wins"].median
    for id in ("class", "wins"):
        assert null[id].is_type_i_error
        assert null[id].significant.value < 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 400)
        assert null[id].coverage.value > 0.91


@pytest.mark.parametrize(
    ("endpoint", "summary", "estimator", "margin"),
    [
        (ORDERED, "common-odds-ratio", "ordinal-logistic", "1.5"),
        (LEVELS, "win-ratio", "win-ratio", "0.8"),
        (LEVELS, "win-odds", "win-odds", "0.8"),
        (LEVELS, "net-benefit", "net-benefit", "10 %"),
    ],
)
def test_a_margin_is_tested_as_the_limits_are(endpoint, summary, estimator, margin) -> None:
    held = f"summary: {summary}, margin: {{objective: non-inferiority, margin: {margin}}}"
    text = text_of(endpoint, summary, estimator).replace(f"summary: {summary}", held)
    text = text.replace("alpha-two-sided: 0.05", "alpha-one-sided: 0.025")
    records = outcome_trial.records_of(people())
    it = analyse(read_protocol_text(text), records)["it"]
    p = it.details["margin"]["p_one_sided"]
    assert 0 < p < 0.5
    # At the level of its p value the limit lies on the margin.
    at = text.replace("alpha-one-sided: 0.025", f"alpha-one-sided: {p}, ci-level: {1 - 2 * p}")
    limit = analyse(read_protocol_text(at), records)["it"]
    bound = it.details["margin"]["upper"] if it.details["margin"]["lower"] is None else it.details["margin"]["lower"]
    edge = limit.ci_upper if it.details["margin"]["lower"] is None else limit.ci_lower
    assert edge == pytest.approx(bound, rel=1e-6)
