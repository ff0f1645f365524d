"""What reports say of looks is true: decisions with their bound and side, probabilities never rounded to certainty."""

from __future__ import annotations

import math

import pytest

import equipoise
from equipoise.analysis.interim import LookDecision, looks_of
from equipoise.analysis.look_taken import LineAtLook, LookTaken
from equipoise.protocol.read import read_protocol_text
from equipoise.reporting import look_words
from equipoise.reporting.figures.boundaries import BoundPoint, LookPoint, draw_boundaries

PLAN = "looks: {analyses: [relapse], at: [0.25, 0.5, 1], planned: 358}"
PROTOCOL = read_protocol_text(f"{equipoise.read_protocol('xbot').text.rstrip()}\n\n{PLAN}\n")
LOOKS = looks_of(PROTOCOL)
NAMES = {"xr-ntx": "Arm B", "bup-nx": "Arm A"}


def look(
    z: float, outcome: str, critical: float = 2.963, futility: float | None = None, binding: bool = False
) -> LookTaken:
    decision = LookDecision(
        number=2,
        information=0.5,
        z=z,
        critical_z=critical,
        futility_z=futility,
        alpha_spent=0.003,
        decision=outcome,
        is_binding=binding,
    )
    lines = (LineAtLook(line="relapse", counted=179.0, z=z),)
    return LookTaken(
        number=2, counted="events", reached=179.0, planned=358.0, planned_now=179.0, lines=lines, z=z, decision=decision
    )


def said(taken: LookTaken) -> str:
    return look_words.said(taken, LOOKS, lambda arm: NAMES[arm or ""])


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (look(1.0, "continue"), "Z was 1.00, between the critical values of −2.96 and 2.96. The plan goes on."),
        (
            look(3.2, "efficacy"),
            "Z was 3.20 and reached the critical value of 2.96. The plan stops, in favour of Arm B.",
        ),
        (
            look(-3.2, "harm"),
            "Z was −3.20 and reached the critical value of −2.96. The plan stops, in favour of Arm A.",
        ),
        (
            look(-0.4, "futility", futility=0.1),
            "Z was −0.40, below the futility bound of 0.10. The plan stops. The stop is not binding: the level "
            "holds if the trial goes on.",
        ),
        (
            look(-0.4, "futility", futility=0.1, binding=True),
            "Z was −0.40, below the futility bound of 0.10. The plan stops. The stop is binding: the level relies "
            "on it.",
        ),
        (
            look(1.0, "continue", math.inf),
            "Z was 1.00. At this information nothing could be claimed. The plan goes on.",
        ),
    ],
)
def test_every_decision_names_its_bound_and_its_side(taken: LookTaken, words: str):
    assert said(taken) == words


def test_a_futility_stop_may_be_overruled_unless_it_binds():
    assert not look(-0.4, "futility", futility=0.1).is_binding
    assert look(-0.4, "futility", futility=0.1, binding=True).is_binding
    assert look(3.2, "efficacy").is_binding
    assert not look(1.0, "continue").ends


def test_what_was_reached_and_planned_is_said():
    assert look_words.reached(look(1.0, "continue"), LOOKS) == (
        "At look 2 of 3, 179 of 358 planned events were known (50%)."
    )
    assert look_words.of_plan(LOOKS) == (
        "2 interim analyses at 25% and 50% of 358 events; alpha spent as O'Brien and Fleming (Lan and DeMets), "
        "two-sided 0.05"
    )


def test_no_probability_is_rounded_to_never_or_always():
    assert look_words.chance(1e-9) == "<0.1%"
    assert look_words.chance(0.99999) == ">99.9%"
    assert look_words.chance(0.5) == "50%"
    assert look_words.chance(0.123) == "12.3%"


def test_names_of_the_figure_stay_on_the_paper():
    names = ("Extended-release naltrexone better", "Buprenorphine-naloxone, sublingual, better")
    bounds = [BoundPoint(0.5, 2.96), BoundPoint(1.0, 1.97)]
    drawing = draw_boundaries(
        bounds, [LookPoint(0.5, 1.0)], sides=2, axis="information", above=names[0], below=names[1]
    )
    text = drawing.svg()
    assert "Look 1" in text
    assert names[1] not in text  # too long for one line, and so on several
    assert "2.96 at 50%" in drawing.alt
