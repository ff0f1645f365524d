"""Figures: what they show, that they hold together, that they are the same each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from demo import demo_curve

from equipoise.reporting.figures.adherence import ArmSessions, draw_adherence
from equipoise.reporting.figures.forest import ForestPanel, ForestRow, draw_forest
from equipoise.reporting.figures.kaplan_meier import draw_kaplan_meier, time_ticks
from equipoise.reporting.figures.missingness import MissingRow, draw_missingness
from equipoise.reporting.figures.schedule import Schedule, ScheduleRow, ScheduleVisit, draw_schedule
from equipoise.reporting.figures.trajectory import ArmTrajectory, draw_trajectory
from equipoise.reporting.figures.use_pattern import (
    ArmPatterns,
    PatternAxis,
    draw_use_pattern,
    longest_abstinence,
    sort_patterns,
)
from equipoise.reporting.palette import colour
from equipoise.reporting.svg import Drawing, log_ticks, nice_ticks, shorten, text_width, wrap

SVG = "{http://www.w3.org/2000/svg}"


def kaplan_meier() -> Drawing:
    # five participants: events at 1 and 3, censored at 2, 4 and 5
    first = demo_curve("Placebo", [1, 2, 3, 4, 5], [True, False, True, False, False])
    second = demo_curve("Drug", [2, 4, 5, 5, 5], [False, False, False, False, True])
    return draw_kaplan_meier(
        [first, second], time_label="Days", survival_label="Without relapse", event_words="relapse"
    )


def use_pattern() -> Drawing:
    arms = [ArmPatterns("Placebo", ["++--", "----", "+o*_"]), ArmPatterns("Drug", ["----"])]
    return draw_use_pattern(arms, PatternAxis(["1", "2", "3", "4"], "Week", (2,)))


def trajectory() -> Drawing:
    arms = [
        ArmTrajectory("Placebo", [([1, 8], [50, 20]), ([1], [10])], [1, 8], [30, 20], [20, 12], [45, 33]),
        ArmTrajectory("Drug", [([1, 8], [40, 1])]),
    ]
    return draw_trajectory(arms, value_label="Craving", time_label="Study day", log=True, measure="craving")


def forest() -> Drawing:
    rows = [
        ForestRow("Abstinence", "odds_ratio", (5.1, 1.2, 22.0), (5.7, 1.3, 25.1)),
        ForestRow("Six months", "odds_ratio", (None, None, None)),
    ]
    difference = [ForestRow("Abstinence", "risk_difference", (0.37, 0.13, 0.58))]
    return draw_forest(
        [
            ForestPanel("Ratios", rows, "favours placebo", "favours drug"),
            ForestPanel("Differences", difference, "a", "b", False),
        ]
    )


def test_long_names_of_arms_stand_whole_under_the_axis():
    long = "favours extended-release naltrexone given monthly with counselling"
    drawing = draw_forest([ForestPanel("Ratios", [ForestRow("A", "odds_ratio", (2.0, 1.0, 4.0))], long, "favours b")])
    svg = drawing.svg()
    for word in long.split():
        assert word in svg
    assert "…" not in svg


def schedule() -> Drawing:
    visits = [
        ScheduleVisit("s", "Screening", "−28 to −1", "Screening"),
        *(ScheduleVisit(f"v{k}", f"Visit {k}", str(k), "Treatment") for k in range(1, 12)),
    ]
    return draw_schedule(Schedule(visits, [ScheduleRow("Urine " * 12, frozenset({"s", "v1"}), "Assessments", True)]))


def adherence() -> Drawing:
    return draw_adherence([ArmSessions("Placebo", [3, 3], [3, 2]), ArmSessions("Drug", [0, 0], [0, 0], 1)], ["1", "2"])


def missingness() -> Drawing:
    return draw_missingness([MissingRow("Urine", "Placebo", 0, [4, 0], [1, 0])], ["1", "2"], axis_title="Week")


ALL = [kaplan_meier, use_pattern, trajectory, forest, schedule, adherence, missingness]


@pytest.mark.parametrize("make", ALL)
def test_a_figure_is_well_formed_the_same_each_time_and_within_seven_inches(make):
    first, second = make().svg("SIMULATED"), make().svg("SIMULATED")
    assert first == second
    root = ET.fromstring(first)
    assert float(root.attrib["width"]) <= 672
    assert root.attrib["aria-label"].strip()
    assert "SIMULATED" in [node.text for node in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("make", ALL)
def test_text_and_shapes_stay_on_the_paper(make):
    drawing = make()
    root = ET.fromstring(drawing.svg())
    for node in root.iter(f"{SVG}text"):
        if "transform" in node.attrib:
            continue
        width = text_width(node.text or "", float(node.attrib["font-size"])) / 1.05
        x = float(node.attrib["x"])
        start = {"start": x, "middle": x - width / 2, "end": x - width}[node.attrib.get("text-anchor", "start")]
        # 6 px of grace: widths are those of a wide font
        assert start >= -6, node.text
        assert start + width <= 678, node.text
        assert 0 <= float(node.attrib["y"]) <= drawing.height + 1, node.text
    for node in root.iter(f"{SVG}rect"):
        if "x" in node.attrib:
            assert float(node.attrib["x"]) + float(node.attrib["width"]) <= 672.5


@pytest.mark.parametrize("make", ALL)
def test_texts_do_not_overlap(make):
    boxes = []
    for node in ET.fromstring(make().svg()).iter(f"{SVG}text"):
        if "transform" in node.attrib:
            continue
        size, x, y = float(node.attrib["font-size"]), float(node.attrib["x"]), float(node.attrib["y"])
        width = 0.9 * text_width(node.text or "", size) / 1.05
        start = {"start": x, "middle": x - width / 2, "end": x - width}[node.attrib.get("text-anchor", "start")]
        boxes.append((start, start + width, y - 0.7 * size, y, node.text))
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
            assert apart, (a[4], b[4])


def test_numbers_at_risk_count_those_followed_at_least_so_long():
    curve = demo_curve("A", [1, 2, 3, 4, 5], [True, False, True, False, False])
    assert [curve.n_at_risk(t) for t in (0, 1, 1.5, 3, 5, 6)] == [5, 5, 4, 3, 1, 0]
    # product-limit by hand: 4/5 after 1, times 2/3 after 3
    assert curve.at(0.5) == 1
    assert curve.at(1) == pytest.approx(0.8)
    assert curve.at(4) == pytest.approx(0.8 * 2 / 3)
    assert curve.median is None


def test_a_kaplan_meier_figure_says_its_result_in_words():
    alt = kaplan_meier().alt
    assert "Placebo: 2 of 5 had the relapse, median not reached" in alt
    assert "Drug: 1 of 5" in alt


def test_a_curve_that_drops_at_time_zero_starts_below_one():
    drawing = draw_kaplan_meier(
        [demo_curve("Patch", [0, 0, 10, 20], [True, True, False, True])],
        time_label="Days",
        survival_label="Without relapse",
    )
    line = next(e for e in drawing.elements if e.startswith("<polyline"))
    points = [tuple(map(float, p.split(","))) for p in re.search('points="([^"]+)"', line)[1].split()]
    assert points[0][0] == points[1][0] == points[2][0]
    assert points[2][1] - points[0][1] == pytest.approx(145, abs=0.1)  # half of the 290 px axis


def test_time_ticks_of_days_fall_on_whole_weeks():
    assert time_ticks(28, "days") == [0, 7, 14, 21, 28]
    assert time_ticks(182, "days")[:3] == [0, 28, 56]
    assert time_ticks(24, "weeks")[-1] <= 24


@pytest.mark.parametrize(
    ("pattern", "length"),
    [("++--", 2), ("----", 4), ("-_--", 3), ("-o--", 2), ("-*-", 1), ("++", 0), ("____", 0), ("", 0)],
)
def test_longest_abstinence(pattern: str, length: int):
    assert longest_abstinence(pattern) == length


def test_participants_are_sorted_by_longest_abstinence():
    assert sort_patterns(["++++", "--++", "----", "+---", "oooo"]) == ["----", "+---", "--++", "++++", "oooo"]


def test_every_cell_of_a_heat_map_is_drawn_in_its_state():
    drawing = use_pattern()
    text = "".join(drawing.elements)

    def cells(token: str) -> int:
        return sum(
            len(re.findall("z", re.search(' d="([^"]+)"', e)[1]))
            for e in drawing.elements
            if e.startswith("<path") and f'fill="{colour(token)}"' in e
        )

    # 3 positive, one mixed (a whole pale cell and half a vermilion one), 2 + 4 + 4 negative, 1 missed, 1 not due
    assert cells("positive") == 3 + 1
    assert cells("negative") == 10 + 1
    assert cells("paper") == 1
    assert "not expected" in text


def test_a_pattern_of_the_wrong_length_or_alphabet_is_refused():
    axis = PatternAxis(["1", "2"], "Week")
    with pytest.raises(ValueError, match="3 letters, the axis 2"):
        draw_use_pattern([ArmPatterns("A", ["+++"])], axis)
    with pytest.raises(ValueError, match="letters other than"):
        draw_use_pattern([ArmPatterns("A", ["+x"])], axis)


def test_a_large_trial_makes_a_small_heat_map():
    arms = [ArmPatterns(a, ["+-o+" * 6] * 287) for a in ("A", "B")]
    drawing = draw_use_pattern(arms, PatternAxis([str(k) for k in range(1, 25)], "Week"))
    assert len(drawing.svg()) < 600_000
    assert drawing.height < 700


def test_published_effects_are_black_diamonds_and_obtained_ones_circles():
    elements = "".join(forest().elements)
    assert elements.count("<circle") == 1 + 2  # the key, and two that can be estimated
    assert elements.count(f'fill="{colour("published")}"') == 2
    assert "not estimable" in elements
    assert "37.0 (13.0 to 58.0)" in elements


def test_nothing_to_draw_is_an_error_and_not_an_empty_figure():
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_trajectory([ArmTrajectory("A", [])], value_label="x", time_label="y")


def test_ticks_are_round_numbers_inside_the_axis():
    assert nice_ticks(0, 100, 6) == [0, 20, 40, 60, 80, 100]
    assert nice_ticks(5, 5) == [5]
    assert log_ticks(0.2, 6) == [0.2, 0.5, 1.0, 2.0, 5.0]
    assert log_ticks(0.001, 100) == [0.001, 0.01, 0.1, 1, 10, 100]


def test_long_words_are_cut_and_long_labels_shortened():
    assert all(text_width(line) <= 60 for line in wrap("Donaudampfschifffahrtsgesellschaft and more", 60))
    assert shorten("Mindfulness", 30).endswith("…")


def test_a_drawing_refuses_markup_in_path_data_and_infinite_coordinates():
    with pytest.raises(ValueError, match="path data"):
        Drawing(alt="x").path('M0 0"/><script>')
    with pytest.raises(ValueError, match="finite"):
        Drawing(alt="x").line(0, 0, float("nan"), 0)


def test_text_in_the_third_arms_colour_takes_its_darker_ink():
    drawing = Drawing(alt="x")
    drawing.text(0, 10, "Third arm", "arm2")
    assert colour("arm2-ink") in drawing.elements[0]


def test_a_forest_row_breaks_its_detail_and_cuts_none_of_it() -> None:
    detail = "odds ratio, Firth logistic, missed last observation, n = 50, Midazolam first"
    panel = ForestPanel("Ratios", [ForestRow("Use", "odds_ratio", (2.0, 1.0, 4.0), None, detail)], "a", "b")
    drawn = ET.fromstring(draw_forest([panel]).svg())
    texts = ["".join(element.itertext()) for element in drawn.iter(f"{SVG}text")]
    assert detail in " ".join(texts)
