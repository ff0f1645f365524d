"""Our endpoint language against CTNote 0.1.3 (R package, commit cf421a0): values it computed, kept in ../shared."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.endpoints.patterns.evaluate import apply_steps, evaluate
from equipoise.endpoints.patterns.library import find_definition, reference_definitions
from equipoise.endpoints.patterns.pattern import read_words
from equipoise.endpoints.patterns.tables import published_columns
from equipoise.protocol.language.formula import Formula, Step

# The reference prints ten decimals; differences beyond that are not its own.
TOLERANCE = 1e-9


def _rows(shared_data: Path) -> list[dict[str, str]]:
    with gzip.open(shared_data / "ctnote" / "word_cases.csv.gz", "rt", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_every_word_has_the_same_62_values(shared_data: Path) -> None:
    rows = _rows(shared_data)
    names = list(rows[0])[4:]
    assert len(rows) == 1390
    assert len(names) == 62
    table, _ = published_columns(read_words([row["word"] for row in rows]))
    assert sorted(table.columns) == sorted(names)
    differences = []
    for name in names:
        ours = table[name].to_list()
        for row, value in zip(rows, ours, strict=True):
            expected = None if row[name] == "" else float(row[name])
            same = value is None if expected is None else value is not None and abs(value - expected) <= TOLERANCE
            if not same:
                differences.append((name, row["word"], expected, value))
    assert differences == []


def test_the_library_has_the_54_definitions_with_their_sources(shared_data: Path) -> None:
    with (shared_data / "ctnote" / "endpoints.csv").open(encoding="utf-8") as handle:
        listed = list(csv.DictReader(handle))
    ours = {definition.columns: definition for definition in reference_definitions()}
    assert len(ours) == len(listed) == 54
    for row in listed:
        definition = ours[tuple(row["columns"].split(";"))]
        assert definition.citation.doi == (row["doi"] or None), definition.name
        assert definition.type == {"bool": "binary", "time, event": "time-to-event"}.get(row["value"], "number")
        for column in definition.columns:
            assert find_definition(column) is definition


def test_each_debatable_place_of_the_reference_has_the_variant_held_right() -> None:
    # The numbered places of the reference's README; place 8 is about its words, not about a definition.
    places = {
        1: ("Rd_strain_1994", "Rd_strain_1999"),
        2: ("Rd_shufman_1994", "Rd_soyka_2008", "Rd_strain_1993", "Rd_strain_1996"),
        3: ("Ab_shufman_1994",),
        4: ("Rs_ctnNinetyFour_2023", "Dr_ctnNinetyFour_2023", "Rs_lee_2016", "Rs_schottenfeld_2008"),
        5: ("Ab_krupitskyA_2011", "Ab_krupitskyB_2011", "Rd_haight_2019", "Ab_ctnThirty_2011"),
        6: ("Rd_kostenB_1993", "Rd_lingA_1998"),
        7: ("Rs_ctnFiftyOne_2018",),
    }
    for names in places.values():
        for name in names:
            matching, held = find_definition(f"{name}--as-ctnote"), find_definition(f"{name}--held-right")
            assert matching is not None
            assert held is not None
            assert matching.formula != held.formula
            assert held.why


def _step(spec: dict[str, Any]) -> Step:
    return Step.model_validate(spec)


def _value(formula: dict[str, Any], word: str) -> Any:
    scored = evaluate(Formula.model_validate({"never-seen": "as-computed", **formula}), read_words([word]))
    return scored.value[0] if scored.event is None else (scored.value[0], scored.event[0])


def _window(args: dict[str, Any]) -> list[dict[str, Any]]:
    if "start" not in args:
        return []
    return [{"window": {"from": args["start"], "to": args["end"]}}]


def _primitive(function: str, args: dict[str, Any]) -> Any:
    """One call of a building block, said in the language."""
    word = args["use_pattern"]
    if function == "time_to_first_k_of_w_window":
        k, w = args["threshold"], args["window_width"]
        time_to = {
            "cells": args["match_is"],
            "at-least": k,
            "within": w,
            "time": "window-start",
            "plus": args.get("offset", w - k),
            "censored": "last-window",
            "too-short": "no-value",
        }
        time, event = _value({"time-to": time_to}, word)
        return None if np.isnan(time) else {"time": time, "event": event}
    if function == "count_matches":
        what = {"cells" if len(args["match_is"]) == 1 else "sequence": args["match_is"]}
        if "mixed_weight" in args:
            what["mixed-weight"] = args["mixed_weight"]
        measure = {"proportion": {**what, "if-none": 0}} if args["proportion"] else {"count": what}
        return _value({"steps": _window(args), **measure}, word)
    if function == "impute_missing":
        rule = {"locfD": "locf-to-last-seen", "kNV": "mean-of-neighbours"}.get(args["method"], args["method"])
        return apply_steps([_step({"missing": rule})], read_words([word])).words[0]
    if function == "recode":
        old, new = args["missing_is"], args["missing_becomes"]
        step = {"removed": old} if new == "" else {"recode": {old: new}}
        return apply_steps([_step(step)], read_words([word])).words[0]
    if function == "weeks_to_last_contact":
        return _value({"last-place": {"cells": "+-*"}}, word)
    if function == "longest_run_without_use":
        return _value({"longest-run": {"cells": "-"}}, word)
    if function == "contains_subpattern":
        return bool(_value({"steps": _window(args), "contains": {"any-of": [args["subpattern"]]}}, word))
    if function == "weighted_index_0_120":
        index: dict[str, Any] = {"weights": args.get("weights", {"+": 1, "*": 0.5, "o": 0.22, "-": 0})}
        if "pos_penalty" in args:
            index["escalation"] = args["pos_penalty"]
        if "miss_penalty" in args:
            index["missing-escalation"] = args["miss_penalty"]
        return _value({"weighted-index": index}, word)
    assert function == "view_by_schedule"
    parts, times = args["schedule_parts"], args["schedule_times"]
    schedule = {
        "parts": parts if isinstance(parts, list) else [parts],
        "times": times if isinstance(times, list) else [times],
    }
    step = _step({"schedule": schedule})
    assert step.schedule is not None
    return {"schedule": step.schedule.word, "viewed": apply_steps([step], read_words([word])).words[0]}


def test_all_516_calls_of_building_blocks_are_said_in_the_language_with_the_same_answer(shared_data: Path) -> None:
    cases = json.loads((shared_data / "ctnote" / "primitive_cases.json").read_text(encoding="utf-8"))
    assert len(cases) == 516
    wrong, asked = [], Counter(case["function"] for case in cases)
    for case in cases:
        ours, theirs = _primitive(case["function"], case["args"]), case["expected"]
        if isinstance(theirs, int | float) and not isinstance(theirs, bool):
            # Expected values are printed with eleven significant digits.
            same = ours == pytest.approx(theirs, abs=TOLERANCE)
        else:
            same = ours == theirs
        if not same:
            wrong.append((case["id"], case["function"], case["args"], theirs, ours))
    assert wrong == []
    assert len(asked) == 9
