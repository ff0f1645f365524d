"""The shape of the language tried on trials that the flagship is not: each file must mean what its trial did.

Facts are those of ``../shared/trial-facts.md``; what no source states is null or assumed in the files.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from equipoise.protocol import Protocol, read_protocol
from equipoise.protocol.language.endpoints import AbstinentDaysEndpoint, UseByDayEndpoint
from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention
from equipoise.protocol.language.notation import Dose, Versus

FOLDER = Path(__file__).parent / "protocols"


def protocol(name: str) -> Protocol:
    return read_protocol(FOLDER / f"{name}.yaml")


def drug(trial: Protocol, name: str) -> DrugIntervention:
    given = trial.model.interventions[name]
    assert isinstance(given, DrugIntervention)
    return given


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shape_reads_and_is_named_after_its_file(path: Path) -> None:
    assert read_protocol(path).id == path.stem


def test_a_factorial_compares_levels_of_a_factor_over_all_four_cells() -> None:
    kare = protocol("kare-factorial")
    cells = {arm: (entry.factors["drug"], entry.factors["talk"]) for arm, entry in kare.model.arms.items()}
    assert cells == {
        "saline-education": ("saline", "education"),
        "saline-therapy": ("saline", "therapy"),
        "ketamine-education": ("ketamine", "education"),
        "ketamine-therapy": ("ketamine", "therapy"),
    }
    main = kare.model.estimands["drug"]
    assert (main.factor, main.treatments) == ("drug", Versus("ketamine", "saline"))
    on_ketamine = [arm for arm, (level, _) in cells.items() if level == main.treatments.experimental]
    assert on_ketamine == ["ketamine-education", "ketamine-therapy"]
    # The comparison of two single cells needs no factor.
    assert kare.model.estimands["combination"].factor is None


def test_a_factorial_with_repeated_infusions_keeps_what_the_registry_says_otherwise() -> None:
    kare = protocol("kare-factorial")
    ketamine = drug(kare, "ketamine-infusions")
    assert (str(ketamine.dose), ketamine.minutes, len(ketamine.days)) == ("0.8 mg/kg", Decimal(40), 3)
    assert ketamine.differs[0].says == "over 45 min"
    # Dose, length and cell sizes are facts; the cell sizes were not found.
    assert all(not arm.n.is_known for arm in kare.model.arms.values())
    assert "arms.saline-education.n" in [place for place, _ in kare.unknown()]
    assert "randomization" in [place for place, _ in kare.assumed()]


def test_percentage_of_abstinent_days_is_an_endpoint_with_a_difference_of_means() -> None:
    kare = protocol("kare-factorial")
    endpoint = kare.model.endpoints["abstinent-days"]
    assert isinstance(endpoint, AbstinentDaysEndpoint)
    assert (endpoint.as_, endpoint.days.first, endpoint.days.last) == ("percent", 1, 183)
    effect = kare.model.published["drug"].effect
    assert effect is not None
    assert (effect.value.value, effect.value.lower, effect.value.upper) == (
        Decimal("10.1"),
        Decimal("1.1"),
        Decimal("19.0"),
    )


def test_repeated_infusions_stand_in_one_arm_with_and_in_one_without_therapy() -> None:
    course = protocol("depression-infusion-course")
    alone, with_therapy = (course.model.arms[arm].interventions for arm in ("infusions-alone", "infusions-therapy"))
    assert set(with_therapy) - set(alone) == {"psychotherapy"}
    infusions = drug(course, "infusions")
    # Six infusions of 0.5 mg/kg: 3 mg/kg in all, 210 mg for somebody of 70 kg.
    assert infusions.total_dose == Dose(Decimal("0.5"), "mg/kg")
    assert len(infusions.days) * infusions.total_dose.amount * 70 == Decimal("210.0")
    assert course.model.randomization is not None
    assert dict(course.model.randomization.ratio) == {"infusions-alone": 1, "infusions-therapy": 2}
    assert [visit.name for visit in course.series("infusion")][-1] == "infusion-6"
    assert [visit.target_day for visit in course.series("weekly")] == [7, 14, 21, 28, 35, 42, 49]


def test_a_crossover_gives_both_treatments_to_everybody_and_compares_treatments_not_sequences() -> None:
    crossover = protocol("cocaine-crossover")
    given = {arm: entry.gives for arm, entry in crossover.model.arms.items()}
    assert given["ketamine-first"] == {"period-1": ("ketamine",), "period-2": ("midazolam",)}
    assert given["midazolam-first"] == {"period-1": ("midazolam",), "period-2": ("ketamine",)}
    assert all(set(entry.interventions) == {"ketamine", "midazolam"} for entry in crossover.model.arms.values())
    estimand = crossover.model.estimands["choices"]
    assert all(name in crossover.model.interventions for name in estimand.treatments.names)
    assert crossover.model.stages["period-2"].washout_days == 7
    assert str(drug(crossover, "ketamine").total_dose) == "0.71 mg/kg"
    effect = crossover.model.published["choices"].effect
    assert effect is not None
    assert effect.value.value == Decimal("1.61") - Decimal("4.33")


def test_a_second_phase_has_arms_a_ratio_and_days_of_its_own() -> None:
    poats = protocol("opioid-rerandomized")
    assert poats.model.randomization is not None
    assert set(poats.model.randomization.ratio) == {"smm-1", "emm-1"}
    second = poats.model.stages["phase-2"]
    assert (second.randomizes, second.arms, second.day_1) == (True, ("smm-2", "emm-2"), "the second randomization")
    # 12 weeks of treatment, 4 of taper, 8 of follow-up: 24 weeks, though the trial's own calendar ends after 12.
    assert (second.days.last, poats.model.calendar.last_day) == (24 * 7, 12 * 7)
    assert {visit.stage for visit in poats.series("phase-2-visit")} == {"phase-2"}
    assert {visit.stage for visit in poats.series("phase-1-visit")} == {None}
    assert sum(arm.n.value or 0 for arm in poats.model.arms.values()) == 653 + 360
    assert poats.model.estimands["phase-2"].stage == "phase-2"
    assert poats.model.analysis_sets["second"].stage == 2


def test_a_programme_of_one_arm_needs_no_randomization_and_its_estimand_no_reference() -> None:
    programme = protocol("biopsychosocial-programme")
    assert programme.model.randomization is None
    assert programme.model.trial.design == "single-arm"
    estimand = programme.model.estimands["abstinence"]
    assert estimand.treatments == Versus("programme", None)
    assert estimand.summary == "proportion"
    session = drug(programme, "ketamine-session")
    assert (session.dose, session.minutes, session.total_dose) == (None, None, None)
    integration = programme.model.interventions["integration"]
    assert isinstance(integration, BehaviouralIntervention)
    assert integration.session_days == (None,) * 6


def test_an_infusion_in_two_phases_adds_up_and_the_second_is_conditional() -> None:
    successor = protocol("two-infusion-adaptive")
    first, second = drug(successor, "ketamine-1"), drug(successor, "ketamine-2")
    # 0.11 + 0.60 = 0.71 mg/kg in 2 + 50 = 52 minutes; 49.7 mg for somebody of 70 kg.
    assert str(first.total_dose) == "0.71 mg/kg"
    assert first.minutes == 52
    assert first.total_dose is not None
    assert first.total_dose.amount * 70 == Decimal("49.70")
    assert first.only_if is None
    assert second.only_if is not None
    assert successor.model.trial.planned_n.value == 110


def test_sites_are_named_and_may_stratify() -> None:
    trial = protocol("several-sites")
    assert trial.model.sites == ("north", "south", "west")
    assert trial.model.randomization is not None
    assert trial.model.randomization.strata.value == ("site", "severity")
    assert trial.model.randomization.scheme.value == "permuted-blocks"
    assert str(drug(trial, "active").maximum) == "84 mg"
    visits = trial.series("weekly")
    assert [(visit.first_day, visit.last_day) for visit in visits] == [(1, 3), (8, 10), (15, 17), (22, 24)]


def test_drinking_by_day_and_heavy_drinking_by_sex_can_be_said() -> None:
    alcohol = protocol("alcohol-met")
    assert isinstance(alcohol.model.endpoints["daily-drinking"], UseByDayEndpoint)
    amount = alcohol.model.use["heavy-drinking"].amount
    assert amount is not None
    assert (amount.above, amount.unit, amount.of) == ({"male": 4, "female": 3}, "drinks", "sex")
    assert str(drug(alcohol, "ketamine-infusion").total_dose) == "0.71 mg/kg"
    # No sessions are stated, so none are counted; two weeks before the quit day are days -14 to -1.
    assert alcohol.model.calendar.first_day == -14
    counts = {arm: fact.value for arm, fact in alcohol.model.published["abstinence"].arms.items()}
    assert {arm: round(100 * c.count / c.total) for arm, c in counts.items() if c} == {"ketamine": 82, "midazolam": 65}


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ("[{dose: 0.1 mg/kg, over: 2 min, volume: 8 mL}, {dose: 0.6 mg/kg, over: 50 min}]", "volume"),
        ("[{dose: null, over: 2 min}, {dose: 0.6 mg/kg, over: 50 min}]", "volume"),
        ("[{dose: 0.1 mg/kg, over: 2 min, volume: 8 mg}, {dose: 0.6 mg/kg, over: 50 min, volume: 42 mL}]", "mL"),
        ("[{dose: null, over: 2 min, volume: 8 mL}, {dose: null, over: 50 min, volume: 42 mL}]", "dose"),
    ],
)
def test_steps_of_an_infusion_state_all_their_volumes_or_none(phases: str, words: str) -> None:
    from equipoise.foundation.errors import ProtocolError
    from equipoise.protocol.read import read_protocol_text

    text = (FOLDER / "cocaine-crossover.yaml").read_text("utf-8")
    old = "    dose: 0.71 mg/kg\n    over: 52 min\n"
    assert old in text
    with pytest.raises(ProtocolError) as error:
        read_protocol_text(text.replace(old, f"    phases: {phases}\n"), file="trial.yaml")
    assert words in str(error.value)
    assert ".phases" in str(error.value)
