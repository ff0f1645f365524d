"""Terms of a model as a report says them: labels, no ids, each term once."""

from __future__ import annotations

import equipoise
from equipoise.analysis.model_words import joined, term_words


def test_levels_of_a_category_and_visits_are_one_term_each():
    names = (
        "arm",
        "week-2",
        "week-4",
        "arm x week-2",
        "arm x week-4",
        "route: smoked",
        "route: other",
        "first-use-age",
    )
    words = term_words(names, {"route": "Route of use"}, ("week-2", "week-4"))
    assert words == ["arm", "visit", "arm by visit", "route of use", "first use age"]
    assert term_words(("arm", "week", "arm x week"), {}) == ["arm", "week", "arm by week"]
    assert term_words(("asi",), {"asi": "ASI composite"}) == ["ASI composite"]


def test_parts_are_joined_as_in_a_sentence():
    assert joined([]) == ""
    assert joined(["arm"]) == "arm"
    assert joined(["arm", "week"]) == "arm and week"
    assert joined(["arm", "week", "age"]) == "arm, week and age"


def test_methods_of_the_flagship_hold_no_id():
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    results = equipoise.analyse(protocol, equipoise.simulate(protocol, seed=7))
    methods = {e.method for e in results.estimates if e.method}
    assert any("adjusted for route of cocaine use" in method for method in methods)
    assert any("; terms: arm, week and route of cocaine use" in method for method in methods)
    assert not [method for method in methods if "smoked-or-injected" in method or "columns" in method]
