"""Objectives with their endpoints, and estimands with their intercurrent events, as USDM has them."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.exchange.usdm import codes
from equipoise.exchange.usdm.nodes import Node, UsdmNodes
from equipoise.exchange.usdm.out_design import plain, words
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.scales import scale_label

_LEVELS = ("primary", "secondary", "exploratory")


def make_objectives(protocol: Protocol, nodes: UsdmNodes) -> tuple[list[Node], dict[str, Node]]:
    """An objective for each endpoint, at the highest level at which the plan asks for it; endpoints by their name."""
    model = protocol.model
    highest: dict[str, str] = {}
    for line in model.analyses.values():
        endpoint = model.estimands[line.estimand].endpoint
        level: str = line.level if line.level in _LEVELS else ""
        known = highest.get(endpoint, "")
        if level and (not known or _LEVELS.index(level) < _LEVELS.index(known)):
            highest[endpoint] = level
    objectives, endpoints = [], {}
    for id, entry in model.endpoints.items():
        level = highest.get(id, "")
        if not level:
            nodes.note(
                f"endpoints.{id}", "no primary, secondary or exploratory analysis is about it; told as exploratory"
            )
            level = "exploratory"
        asked = [e.words for e in model.estimands.values() if e.endpoint == id and e.words]
        label = entry.label or words(id)
        endpoints[id] = nodes.make(
            "Endpoint",
            extensionAttributes=nodes.extension(definition=plain(entry, "label", "words")),
            name=id,
            label=label,
            text=entry.words,
            purpose="Efficacy" if id in highest else "Not stated",
            level=nodes.code(codes.ENDPOINTS[level]),
        )
        objectives.append(
            nodes.make(
                "Objective",
                name=f"objective-{id}",
                label=label,
                text=asked[0] if asked else f"To compare the arms: {label}.",
                level=nodes.code(codes.OBJECTIVES[level]),
                endpoints=[endpoints[id]],
            )
        )
    return objectives, endpoints


def make_estimands(
    protocol: Protocol, nodes: UsdmNodes, endpoints: Mapping[str, Node], given: Mapping[str, Node]
) -> tuple[list[Node], list[Node]]:
    """Estimands, and the populations that they name."""
    model = protocol.model
    populations: dict[str, Node] = {}
    estimands = []
    for id, entry in model.estimands.items():
        if entry.population not in populations:
            populations[entry.population] = nodes.make(
                "AnalysisPopulation", name=f"population-{len(populations) + 1}", text=entry.population
            )
        names = entry.treatments.names
        taken = dict.fromkeys(
            one
            for name in names
            for one in (
                [name]
                if name in model.interventions
                else [
                    i for a, arm in model.arms.items() if name in (a, *arm.factors.values()) for i in arm.interventions
                ]
            )
        )
        events = [
            nodes.make("IntercurrentEvent", name=event, text=words(event).capitalize(), strategy=words(strategy))
            for event, strategy in entry.intercurrent.items()
        ]
        estimands.append(
            nodes.make(
                "Estimand",
                extensionAttributes=nodes.extension(
                    definition=plain(entry, "endpoint", "population", "intercurrent", "words"),
                ),
                name=id,
                label=words(id),
                description=entry.words,
                populationSummary=scale_label(entry.summary.replace("-", "_")).removesuffix(", points"),
                analysisPopulationId=populations[entry.population]["id"],
                interventionIds=[given[one]["id"] for one in taken],
                variableOfInterestId=endpoints[entry.endpoint]["id"],
                intercurrentEvents=events,
            )
        )
    return estimands, list(populations.values())
