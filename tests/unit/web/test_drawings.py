"""The drawing of a participant's way: nothing stands over its heads, and no row is drawn of what there is none."""

from __future__ import annotations

import re

from equipoise.web.drawings import _LEFT, DrawnWay, way


def test_what_lies_before_day_1_is_drawn_beside_the_heads_of_the_rows() -> None:
    planned = [("entry", -3, -3, -3), ("infusion-1", 0, 0, 0), ("day-28", 27, 27, 29)]
    drawn = way(DrawnWay(planned, {"Entry": -4}, [], {}, [(-2, "+")], 5, ("Urine",)))
    places = [float(x) for x in re.findall(r'(?:<rect class="bar" x|cx|<path class="aim" d)="M?([\d.-]+)', drawn)]
    assert len(places) == 7
    assert min(places) > _LEFT
    assert "Urine" in drawn
    assert "Sessions" not in drawn
    assert "Use reported" not in drawn


def test_rows_that_are_there_stand_one_below_the_other() -> None:
    drawn = way(DrawnWay([("day-9", 8, 8, 9)], {}, [("1", 3)], {2: "yes"}, [(8, "−")], 9))
    heads = re.findall(r'<text x="0" y="(\d+)" class="strong">([A-Z][a-z ]+)</text>', drawn)
    assert [name for _, name in heads] == ["Planned", "Happened", "Sessions", "Use reported", "Urine"]
    assert [int(y) for y, _ in heads] == [38, 64, 90, 116, 142]
    assert 'class="use"' in drawn
