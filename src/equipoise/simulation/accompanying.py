"""What accompanies the published quantities: who comes, what is infused and felt, what is practised, what is suffered.

Every value here is assumed; each field carries the basis. None of it feeds back on use, visits, craving or the
six-month call, and all of it is drawn from streams of its own, so changing it leaves the published quantities alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from equipoise.simulation.reading import parameter

# Stands for the substance that the trial follows, in words that reach records.
THE_SUBSTANCE = "[substance]"
_OURS = "ours: a plausible value, no source"
_SISTER = "sister trial NCT01790490 of the same team (21 to 52 years, four or more days of use a month)"
_PRESSURE = "0.5 mg/kg over 40 minutes raised systolic pressure by 20 to 30 and diastolic by 6 to 20 mmHg (CIIS)"
_TOLERATED = "the paper reports infusions well tolerated and nobody removed for adverse events; rates are ours"
_NULL_IN_PAPER = "the paper's results are not known; a modest effect, ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineParameters:
    """Who the participants are."""

    age_mean: float = parameter("positive", "mean age, years", 44.0, basis=_SISTER)
    age_sd: float = parameter("spread", "standard deviation of age, years", 8.0, basis=_OURS)
    age_lowest: float = parameter("positive", "youngest, years", 21.0, basis=_SISTER)
    age_highest: float = parameter("positive", "oldest, years", 60.0, basis=_OURS)
    female_share: float = parameter("share", "share of women", 0.25, basis=_OURS)
    use_days_mean: float = parameter("positive", "mean days of use in the last 30", 14.0, basis=_OURS)
    use_days_sd: float = parameter("spread", "its standard deviation", 6.0, basis=_OURS)
    use_days_propensity: float = parameter(
        "real", "its correlation with the propensity to use in the trial", 0.4, basis=_OURS
    )
    use_days_lowest: float = parameter("count", "fewest days of use in the last 30", 4, basis=_SISTER)
    weight_female: float = parameter("positive", "mean body weight of women, kg", 72.0, basis="convention")
    weight_male: float = parameter("positive", "mean body weight of men, kg", 82.0, basis="convention")
    weight_sd: float = parameter(
        "spread", "standard deviation of body weight within a sex, kg", 12.0, basis="convention"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccompanyingParameters:
    """What is recorded beside the published quantities; drugs and arms without an entry have none of it."""

    # Screening.
    screening_failure_share: float = parameter(
        "share", "share of people screened who are not randomized", 0.38, basis=_OURS
    )
    screening_reasons: Mapping[str, float] = parameter(
        "shares-by-name",
        "reasons for it, in proportion; a reason beginning with 'declined' means no consent",
        {
            "declined to take part": 0.28,
            "did not come back": 0.22,
            f"not {THE_SUBSTANCE} dependent": 0.12,
            "unstable physical illness": 0.16,
            "psychiatric exclusion": 0.14,
            "other substance dependence": 0.08,
        },
        basis="ours: the exclusion criteria are not known; kinds of reason follow the sister trials",
    )
    # Infusion.
    interruption_share: float = parameter("share", "share of infusions interrupted once", 0.04, basis=_OURS)
    cut_short_share: float = parameter("share", "share of infusions stopped before the full dose", 0.01, basis=_OURS)
    systolic_baseline: float = parameter("positive", "systolic pressure at the start, mmHg", 124.0, basis="convention")
    diastolic_baseline: float = parameter("positive", "diastolic pressure at the start, mmHg", 76.0, basis="convention")
    pulse_baseline: float = parameter("positive", "pulse at the start, 1/min", 72.0, basis="convention")
    saturation_baseline: float = parameter("positive", "oxygen saturation at the start, %", 98.3, basis="convention")
    systolic_rise: Mapping[str, float] = parameter(
        "reals-by-name",
        "rise at the end of the infusion by drug, mmHg",
        {"ketamine": 24.0, "midazolam": -5.0},
        basis=_PRESSURE,
    )
    diastolic_rise: Mapping[str, float] = parameter(
        "reals-by-name", "the same, diastolic, mmHg", {"ketamine": 13.0, "midazolam": -3.0}, basis=_PRESSURE
    )
    pulse_rise: Mapping[str, float] = parameter(
        "reals-by-name", "the same, pulse, 1/min", {"ketamine": 9.0, "midazolam": -2.0}, basis=_OURS
    )
    saturation_rise: Mapping[str, float] = parameter(
        "reals-by-name", "the same, oxygen saturation, %", {"ketamine": -0.3, "midazolam": -0.9}, basis=_OURS
    )
    dissociation_mean: Mapping[str, float] = parameter(
        "spreads-by-name",
        "mean dissociation score (0 to 92) at the end of the infusion, by drug",
        {"ketamine": 22.0, "midazolam": 4.0},
        basis="sister trials used a dissociation scale; values are ours",
    )
    guess_right: Mapping[str, float] = parameter(
        "shares-by-name",
        "probability that a participant given this drug guesses correctly",
        {"ketamine": 0.85, "midazolam": 0.60},
        basis="no blinding check is known; infusions with perceptible effects are often guessed; ours",
    )
    guess_none: float = parameter("share", "probability of no guess", 0.15, basis=_OURS)
    infusion_events: Mapping[str, Mapping[str, float]] = parameter(
        "shares-by-name-by-name",
        "probability of an adverse event on the day of the infusion, by drug and term",
        {
            "ketamine": {
                "dizziness": 0.22,
                "nausea": 0.15,
                "blurred vision": 0.11,
                "headache": 0.11,
                "somnolence": 0.11,
                "blood pressure increased": 0.07,
            },
            "midazolam": {"somnolence": 0.36, "dizziness": 0.11, "headache": 0.07},
        },
        basis=_TOLERATED,
    )
    other_events: Mapping[str, float] = parameter(
        "shares-by-name",
        "probability of an adverse event in the outpatient weeks, any arm",
        {"insomnia": 0.09, "headache": 0.07, "upper respiratory tract infection": 0.07, "anxiety": 0.05},
        basis=_TOLERATED,
    )
    moderate_share: float = parameter("share", "share of events that are moderate, not mild", 0.22, basis=_TOLERATED)
    # Questionnaires.
    mindfulness_item_mean: float = parameter(
        "positive", "mean of a mindfulness item (1 to 5) at admission", 3.1, basis=_OURS
    )
    mindfulness_person_sd: float = parameter("spread", "its standard deviation between participants", 0.45, basis=_OURS)
    mindfulness_item_sd: float = parameter("spread", "its standard deviation within a participant", 0.9, basis=_OURS)
    mindfulness_rise: float = parameter("real", "its rise from admission to the last visit", 0.25, basis=_OURS)
    mindfulness_arm: Mapping[str, float] = parameter(
        "reals-by-name", "added at every contact after the infusion, by arm", {"ketamine": 0.15}, basis=_NULL_IN_PAPER
    )
    stress_item_mean: float = parameter("positive", "mean of a stress item (0 to 4) at admission", 2.0, basis=_OURS)
    stress_person_sd: float = parameter("spread", "its standard deviation between participants", 0.5, basis=_OURS)
    stress_item_sd: float = parameter("spread", "its standard deviation within a participant", 0.8, basis=_OURS)
    stress_fall: float = parameter("real", "its fall from admission to the last visit", 0.3, basis=_OURS)
    stress_arm: Mapping[str, float] = parameter(
        "reals-by-name",
        "subtracted at every contact after the infusion, by arm",
        {"ketamine": 0.15},
        basis=_NULL_IN_PAPER,
    )
    stress_use: float = parameter("real", "added for use on all of the last four days, in proportion", 0.2, basis=_OURS)
    item_left_out: float = parameter("share", "probability that an item is left out", 0.004, basis=_OURS)
    admission_positive: float = parameter("share", "probability of a positive urine on admission", 0.85, basis=_OURS)
    admission_craving: float = parameter("real", "added to the logarithm of craving on admission", 0.6, basis=_OURS)
    score_mean: Mapping[str, float] = parameter(
        "reals-by-name",
        "mean of any other instrument's score, by instrument; the middle of its range where absent, and no effect",
        {},
        basis=_OURS,
    )
    score_sd: Mapping[str, float] = parameter(
        "spreads-by-name", "its standard deviation; a sixth of the range where absent", {}, basis=_OURS
    )
    # Therapy.
    session_inpatient: float = parameter("share", "probability that an inpatient session is held", 0.98, basis=_OURS)
    session_outpatient: float = parameter(
        "share", "probability that an outpatient session is held when the visit is attended", 0.94, basis=_OURS
    )
    session_minutes: float = parameter("positive", "mean length of a session, minutes", 60.0, basis="convention")
    session_minutes_sd: float = parameter("spread", "its standard deviation", 7.0, basis=_OURS)
    home_practice_daily: float = parameter("positive", "median practice at home, minutes a day", 9.0, basis=_OURS)
    home_practice_sd: float = parameter("spread", "standard deviation of its logarithm", 0.7, basis=_OURS)
    fidelity_mean: float = parameter("probability", "mean rated fidelity to the manual", 0.89, basis=_OURS)
    fidelity_sd: float = parameter("spread", "its standard deviation", 0.05, basis=_OURS)
    withdrawal_share: float = parameter(
        "share", "share of dropouts who said that they withdraw (others are lost to follow-up)", 0.3, basis=_OURS
    )
