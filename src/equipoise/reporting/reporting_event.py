"""``ars.json``: the analyses and their results as CDISC's Analysis Results Standard 1.0 has them.

A trial's results are one reporting event. An estimate is an analysis: its endpoint is the variable, its estimand's
people the analysis set, its estimator the method, each of its numbers the result of one of the method's operations.
Values are unrounded in ``rawValue``, and as reports print them in ``formattedValue``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.reporting import format as fmt
from equipoise.reporting.context import Material

# What an estimate holds: its field, the operation's name and label.
_OPERATIONS = (
    ("n_randomized", "Participants randomized", "N randomized"),
    ("n_analysed", "Participants analysed", "N"),
    ("n_events", "Events", "n events"),
    ("estimate", "Estimate", "Estimate"),
    ("standard_error", "Standard error", "SE"),
    ("ci_lower", "Lower confidence limit", "Lower limit"),
    ("ci_upper", "Upper confidence limit", "Upper limit"),
    ("ci_level", "Confidence level", "Level"),
    ("statistic", "Test statistic", "Statistic"),
    ("df", "Degrees of freedom", "df"),
    ("p_value", "P value", "P"),
    ("p_adjusted", "P value adjusted for multiplicity", "Adjusted P"),
)
_COUNTS = frozenset({"n_randomized", "n_analysed", "n_events"})
_PURPOSES = {"primary": "PRIMARY OUTCOME MEASURE", "secondary": "SECONDARY OUTCOME MEASURE"}
_ARMS = "AG_ARM"


def ars_json(material: Material) -> str:
    """The text of ``ars.json``, by CDISC's schema 1.0: one reporting event."""
    return json.dumps(reporting_event(material), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def reporting_event(material: Material) -> dict[str, Any]:
    """The reporting event as plain values: analysis sets, groupings, methods, analyses with results, list of contents.

    A quantity that could not be estimated has no result. Numbers that stand in tables alone are in ``ard.csv``.
    """
    estimates = material.results.estimates
    source, trial = material.records.source, material.protocol.model.trial
    simulated = "SIMULATED participants: " if source.is_simulated else ""
    sets = _sets(material)
    methods = {name: _method(number, name) for number, name in enumerate(_method_names(estimates), start=1)}
    groups = {id: f"{_ARMS}_{number}" for number, id in enumerate(_sides(material), start=1)}
    analyses = [_analysis(material, e, methods[_method_name(e)], sets, groups) for e in estimates]
    _number_twins(analyses)
    return {
        "id": f"{material.protocol.id}{'-simulated' if source.is_simulated else ''}",
        "version": 1,
        "name": f"{simulated}{trial.title or material.protocol.id}",
        "description": f"{source.description} Protocol {material.protocol.hash}, data {material.records.data_hash}.",
        "analysisSets": [
            {"id": id, "name": name, "label": name, "level": 1, "order": order}
            for order, (name, id) in enumerate(sets.items(), start=1)
        ],
        "analysisGroupings": [
            {
                "id": _ARMS,
                "name": "Treatment",
                "label": "Treatment",
                "dataDriven": False,
                "groupingVariable": "arm",
                "groups": [
                    {"id": id, "name": _label(material, side), "label": side, "level": 1, "order": order}
                    for order, (side, id) in enumerate(groups.items(), start=1)
                ],
            }
        ],
        "methods": list(methods.values()),
        "analyses": analyses,
        "referenceDocuments": [{"id": "PROTOCOL", "name": "Protocol", "location": "protocol.yaml"}],
        "mainListOfContents": {
            "name": "Analyses",
            "contentsList": {
                "listItems": [
                    {"name": analysis["name"], "level": 1, "order": order, "analysisId": analysis["id"]}
                    for order, analysis in enumerate(analyses, start=1)
                ]
            },
        },
    }


def _sides(material: Material) -> list[str]:
    """Whatever estimates are of or compare, the protocol's arms first: arms, levels of a factor, treatments."""
    named = [side for e in material.results.estimates for side in (e.reference, e.arm) if side]
    return list(dict.fromkeys([*material.arms, *named]))


def _label(material: Material, side: str) -> str:
    return material.arm_label(side) or side


def _set_name(material: Material, estimate: Estimate) -> str:
    """The people of the estimand, and the analysis set of the line where it has one of its own."""
    model = material.protocol.model
    estimand = model.estimands.get(estimate.estimand or "")
    people = estimand.population if estimand is not None else "everybody randomized"
    line = model.analyses.get(material.line(estimate))
    own = line.analysis_set if line is not None else None
    return f"{people}; analysis set {own}" if own is not None else people


def _sets(material: Material) -> dict[str, str]:
    names = dict.fromkeys(_set_name(material, estimate) for estimate in material.results.estimates)
    return {name: f"AS_{number}" for number, name in enumerate(names, start=1)}


def _method_name(estimate: Estimate) -> str:
    return estimate.method or estimate.estimator


def _method_names(estimates: tuple[Estimate, ...]) -> list[str]:
    return list(dict.fromkeys(_method_name(estimate) for estimate in estimates))


def _method(number: int, name: str) -> dict[str, Any]:
    id = f"M_{number}"
    operations = [
        {"id": f"{id}_{field.upper()}", "name": words, "label": label, "order": order}
        for order, (field, words, label) in enumerate(_OPERATIONS, start=1)
    ]
    return {"id": id, "name": name, "operations": operations}


def _analysis(
    material: Material,
    estimate: Estimate,
    method: Mapping[str, Any],
    sets: Mapping[str, str],
    groups: Mapping[str, str],
) -> dict[str, Any]:
    sides = [side for side in (estimate.reference, estimate.arm) if side]
    scale = SCALES[estimate.scale].label if estimate.scale in SCALES else estimate.scale.replace("_", " ")
    name = f"{material.endpoint_label(estimate.endpoint)}: {scale}"
    of = " versus ".join(_label(material, side) for side in reversed(sides))
    return {
        "id": _id(estimate.id),
        "version": 1,
        "name": f"{name}, {of}" if of else name,
        "label": estimate.id,
        "description": "; ".join(estimate.warnings) or "No warnings.",
        "reason": {"controlledTerm": "SPECIFIED IN PROTOCOL" if estimate.prespecified else "DATA DRIVEN"},
        "purpose": {"controlledTerm": _PURPOSES.get(estimate.level, "EXPLORATORY OUTCOME MEASURE")},
        "methodId": method["id"],
        "analysisSetId": sets[_set_name(material, estimate)],
        "dataset": "endpoints",
        "variable": estimate.endpoint,
        "orderedGroupings": [{"order": 1, "groupingId": _ARMS, "resultsByGroup": len(sides) == 1}] if sides else [],
        "results": [
            {
                "operationId": f"{method['id']}_{field.upper()}",
                "resultGroups": [{"groupingId": _ARMS, "groupId": groups[side]} for side in sides],
                "rawValue": repr(value),
                "formattedValue": _formatted(field, value),
            }
            for field, _, _ in _OPERATIONS
            if (value := getattr(estimate, field)) is not None
        ],
    }


def _formatted(field: str, value: float) -> str:
    if field in _COUNTS:
        return str(value)
    if field in ("p_value", "p_adjusted"):
        return fmt.cell(fmt.PValue(value))
    return f"{100 * value:g} %" if field == "ci_level" else f"{value:.3g}"


def _id(text: str) -> str:
    """An identifier without spaces and signs."""
    return "A_" + re.sub(r"[^A-Za-z0-9._=-]+", "_", text).strip("_")


def _number_twins(analyses: list[dict[str, Any]]) -> None:
    """Ids that became the same by leaving signs out get a number."""
    seen: dict[str, int] = {}
    for analysis in analyses:
        id = analysis["id"]
        seen[id] = seen.get(id, 0) + 1
        if seen[id] > 1:
            analysis["id"] = f"{id}.{seen[id]}"
