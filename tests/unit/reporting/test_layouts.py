"""Trials of other shapes than two arms; results over time; every baseline variable recorded."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import equipoise
from equipoise.reporting import format as fmt
from equipoise.reporting.agreement import _counts_participants, _is_plural
from equipoise.reporting.baseline import column_label
from equipoise.reporting.context import Material
from equipoise.reporting.document import Table
from equipoise.reporting.several_arms import by_arm_table, factorial_tables, over_time_tables


@pytest.fixture(scope="module")
def kare():
    protocol = equipoise.read_protocol("kare")
    records = equipoise.simulate(protocol, seed=3)
    return Material(protocol, records, equipoise.analyse(protocol, records))


@pytest.fixture(scope="module")
def flagship():
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=7)
    return Material(protocol, records, equipoise.analyse(protocol, records))


def test_four_arms_have_a_column_each(kare):
    table = by_arm_table(kare)
    assert [c.head for c in table.columns[1:]] == [
        "Saline education",
        "Saline therapy",
        "Ketamine education",
        "Ketamine therapy",
    ]
    derived = kare.results.endpoints["abstinent-days"]
    for cell, arm in zip(table.rows[0].cells[1:], kare.arms, strict=True):
        values = derived.value[derived.participants.arm == arm]
        assert cell.mean == pytest.approx(np.nanmean(values))


def test_margins_of_a_factorial_are_what_the_effects_compare(kare):
    days, _ = factorial_tables(kare)
    saline, ketamine, either = days.rows
    effect = next(e for e in kare.results.estimates if e.id == "drug")
    means = [row.cells[-1].mean for row in (saline, ketamine)]
    assert means[1] - means[0] == pytest.approx(effect.estimate)
    assert saline.cells[-1].n + ketamine.cells[-1].n == either.cells[-1].n
    talk = next(e for e in kare.results.estimates if e.id == "talk")
    assert either.cells[2].mean - either.cells[1].mean == pytest.approx(talk.estimate)


def test_two_arms_have_neither(flagship):
    assert by_arm_table(flagship) is None
    assert factorial_tables(flagship) == []


def test_results_over_time_by_arm_add_up(flagship):
    tables = {t.caption: t for t in over_time_tables(flagship)}
    assert set(tables) == {
        "Over time: use at each visit",
        "Over time: craving",
        "Over time: mindfulness (FFMQ total)",
        "Over time: perceived stress",
    }
    use = tables["Over time: use at each visit"]
    derived = flagship.results.endpoints["use-over-time"]
    assert len(use.rows) == len(derived.visit_names)
    for position, arm in enumerate(flagship.arms, 1):
        cells = [row.cells[position] for row in use.rows if isinstance(row.cells[position], fmt.Count)]
        mine = derived.values[derived.participants.arm == arm]
        assert sum(c.n for c in cells) == np.nansum(mine)
        assert sum(c.of for c in cells) == np.isfinite(mine).sum()


def test_baseline_holds_what_was_recorded_and_the_protocol_does_not_name(flagship):
    assert column_label("heroin_days_30") == "Heroin, days of the last 30"
    assert column_label("used_iv") == "Has injected drugs"
    assert column_label("weight_kg") == "Weight, kg"
    assert column_label("opioid_iv") == "Opioid IV"
    assert column_label("stable_housing") == "In stable housing"
    assert column_label("needle_sharing") == "Needle sharing"
    assert column_label("is_smoker") == "Smoker"
    assert column_label("ftnd") == "Nicotine dependence (FTND, 0 to 10)"
    assert column_label("ghq") == "GHQ"
    protocol, records = flagship.protocol, flagship.records
    table = records["participants"]
    more = table.with_columns(years_of_use=np.arange(table.height))
    changed = type(records)(tables={**records.tables, "participants": more}, source=records.source)
    report = equipoise.report(protocol, changed, flagship.results)
    baseline = next(b for b in report.blocks if isinstance(b, Table) and b.caption == "Baseline characteristics")
    labels = [row.cells[0] for row in baseline.rows]
    assert "Years of use" in labels
    assert not {"Participant id", "Site", "Eligible", "Consented"} & set(labels)


def test_sentences_of_the_verdict_agree_in_number():
    assert _is_plural("abstinent days")
    assert _is_plural("choices of cocaine")
    assert not _is_plural("perceived stress")
    assert not _is_plural("relapse")
    assert _counts_participants("Abstinent at six months", "odds_ratio")
    assert not _counts_participants("Abstinent days", "mean_difference"), "days are higher, participants are not"


def test_an_interaction_favours_no_arm_and_says_which_effect_is_the_better(kare):
    from equipoise.reporting.figures.forest import ForestRow
    from equipoise.reporting.findings import _panel

    effect = next(e for e in kare.results.estimates if e.id == "interaction")
    row = ForestRow("x", effect.scale, effect.ends, None, "")
    panel = _panel(kare, "difference:points", str(effect.reference), str(effect.arm), [(effect, row)])
    assert panel.title == "Differences of effects: above 0, effect of ketamine, therapy more favourable"
    assert panel.favours_right == "effect of ketamine, therapy more favourable"
    assert panel.favours_left == "effect of ketamine, education more favourable"


def test_yes_or_no_of_days_is_counted_in_days():
    from equipoise.reporting.by_arm import what_is_shown

    protocol = equipoise.read_protocol("ketamine-met-alcohol")
    records = equipoise.simulate(protocol, seed=7)
    derived = equipoise.analyse(protocol, records).endpoints["daily-drinking"]
    assert what_is_shown(derived) == ", days with it/days with a result"


def test_the_verdict_where_nobody_is_randomized_does_not_speak_of_a_trial():
    from equipoise.reporting.answer import build_answer

    protocol = equipoise.read_protocol("biopsychosocial-programme")
    records = equipoise.simulate(protocol, seed=7)
    answer = build_answer(Material(protocol, records, equipoise.analyse(protocol, records)))
    assert answer is not None
    assert answer.verdict.startswith("In these simulated data: ")


def test_the_change_of_a_ratio_from_none_is_not_divided():
    """An arm without events has a ratio of 0: no per cent of it can be said."""
    from equipoise.reporting.findings import _shift

    none, half, two = (SimpleNamespace(estimate=value, scale="hazard_ratio") for value in (0.0, 0.5, 2.0))
    assert _shift(none, none) == "none"
    assert _shift(none, half) == "not comparable"
    assert _shift(half, two) == "+300%"
    assert _shift(half, none) == f"{fmt.MINUS}100%"
