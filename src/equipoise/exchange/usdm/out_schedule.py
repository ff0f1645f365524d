"""Visits, activities and timelines of a protocol as USDM has them, with days and windows as ISO 8601 durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from equipoise.exchange.usdm import codes
from equipoise.exchange.usdm.nodes import Node, UsdmNodes, link
from equipoise.exchange.usdm.out_design import plain, words
from equipoise.foundation.calendar import day_index
from equipoise.protocol import Protocol
from equipoise.protocol.language.protocol import PlannedVisit


@dataclass(frozen=True)
class UsdmSchedule:
    """What the schedule comes to."""

    encounters: list[Node]
    activities: list[Node]
    timelines: list[Node]


def make_schedule(
    protocol: Protocol, nodes: UsdmNodes, epochs: Mapping[str, Node], given: Mapping[str, Node]
) -> UsdmSchedule:
    """Encounters and activities, and a timeline for the trial and for each stage that counts days of its own."""
    activities = _activities(protocol, nodes, given)
    encounters: list[Node] = []
    timelines = []
    own = [id for id, stage in protocol.model.stages.items() if stage.day_1 is not None]
    for stage in (None, *own):
        visits = [v for v in protocol.planned_visits if (v.stage if v.stage in own else None) == stage]
        if stage is None or visits:
            timelines.append(_timeline(protocol, nodes, stage, visits, (epochs, activities, encounters)))
    link(encounters)
    named = list(activities.values())
    return UsdmSchedule(encounters, link(named), timelines)


def _activities(protocol: Protocol, nodes: UsdmNodes, given: Mapping[str, Node]) -> dict[str, Node]:
    """An activity for each assessment, then one for each intervention that a visit gives."""
    out = {}
    for id, entry in protocol.model.assessments.items():
        out[id] = nodes.make(
            "Activity",
            extensionAttributes=nodes.extension(definition=plain(entry, "label")),
            name=id,
            label=entry.label or words(id),
            description=entry.words,
        )
    scheduled = {one for visit in protocol.model.schedule.values() for one in visit.gives}
    for id in protocol.model.interventions:
        if id not in scheduled:
            continue
        label = f"Give {given[id]['label']}"
        procedure = nodes.make(
            "Procedure",
            name=f"give-{id}",
            label=label,
            procedureType="intervention",
            code=nodes.own(id, label),
            studyInterventionId=given[id]["id"],
        )
        out[f"gives {id}"] = nodes.make(
            "Activity",
            extensionAttributes=nodes.extension(gives=id),
            name=f"give-{id}",
            label=label,
            definedProcedures=[procedure],
        )
    return out


def _timeline(
    protocol: Protocol,
    nodes: UsdmNodes,
    stage: str | None,
    visits: Sequence[PlannedVisit],
    parts: tuple[Mapping[str, Node], Mapping[str, Node], list[Node]],
) -> Node:
    """One timeline: an instance per visit in the order of days, each timed from the anchor on day 1."""
    epochs, _, encounters = parts
    model = protocol.model
    day_1 = model.calendar.day_1 if stage is None else str(model.stages[stage].day_1)
    instances: list[tuple[int, Node, PlannedVisit | None]] = []
    for visit in visits:
        instances.append((day_index(visit.target_day), _instance(protocol, nodes, stage, visit, parts), visit))
    at_day_1 = [node for day, node, _ in instances if day == 0]
    if not at_day_1:
        epoch = _epoch_of(protocol, stage, 1, epochs)
        anchor = nodes.make(
            "ScheduledActivityInstance", name="anchor", label=f"Day 1: {day_1}", epochId=epoch, activityIds=[]
        )
        instances.append((0, anchor, None))
        at_day_1 = [anchor]
    instances.sort(key=lambda one: one[0])
    anchor = at_day_1[0]
    leave = nodes.make("ScheduleTimelineExit")
    for (_, one, _), (_, after, _) in pairwise(instances):
        one["defaultConditionId"] = after["id"]
    instances[-1][1]["timelineExitId"] = leave["id"]
    timings = [_timing(nodes, day, node, visit, anchor, day_1) for day, node, visit in instances]
    by_encounter = {
        node["encounterId"]: timing for (_, node, _), timing in zip(instances, timings) if "encounterId" in node
    }
    for encounter in encounters:
        if encounter["id"] in by_encounter:
            encounter["scheduledAtId"] = by_encounter[encounter["id"]]["id"]
    length = instances[-1][0] - instances[0][0] + 1
    return nodes.make(
        "ScheduleTimeline",
        extensionAttributes=nodes.extension(stage=stage),
        name="main" if stage is None else f"stage-{stage}",
        label="Schedule of the trial" if stage is None else f"Schedule of {words(stage)}",
        mainTimeline=stage is None,
        entryCondition=f"Study day 1: {day_1}",
        entryId=instances[0][1]["id"],
        exits=[leave],
        timings=timings,
        instances=[node for _, node, _ in instances],
        plannedDuration=nodes.make("Duration", text=f"P{length}D", durationWillVary=False),
    )


def _instance(
    protocol: Protocol,
    nodes: UsdmNodes,
    stage: str | None,
    visit: PlannedVisit,
    parts: tuple[Mapping[str, Node], Mapping[str, Node], list[Node]],
) -> Node:
    epochs, activities, encounters = parts
    entry = protocol.model.schedule[visit.series]
    name = visit.series if not entry.is_series else f"{visit.series}.{visit.name}"
    label = entry.label or words(visit.series)
    encounter = nodes.make(
        "Encounter",
        extensionAttributes=nodes.extension(
            series=visit.series if entry.is_series else None,
            every=None if entry.every is None else {"every": entry.every, "first": entry.first, "last": entry.last},
            definition=plain(entry, "label", "day", "days", "every", "first", "last", "window", "assess", "gives"),
        ),
        name=name,
        label=label if not entry.is_series else f"{label}, day {visit.target_day}",
        description=entry.note,
        type=nodes.code(codes.VISIT),
    )
    if entry.is_series:
        encounter["extensionAttributes"] += nodes.extension(series_label=entry.label)
    encounters.append(encounter)
    done = [activities[id]["id"] for id in entry.assess] + [activities[f"gives {id}"]["id"] for id in entry.gives]
    return nodes.make(
        "ScheduledActivityInstance",
        name=name,
        label=encounter["label"],
        epochId=_epoch_of(protocol, stage, visit.target_day, epochs),
        activityIds=done,
        encounterId=encounter["id"],
    )


def _epoch_of(protocol: Protocol, stage: str | None, day: int, epochs: Mapping[str, Node]) -> str | None:
    if stage is not None:
        return str(epochs[f"stage {stage}"]["id"])
    for id, epoch in protocol.model.calendar.epochs.items():
        if epoch.days.first <= day <= epoch.days.last:
            return str(epochs[id]["id"])
    return None


def _timing(nodes: UsdmNodes, day: int, node: Node, visit: PlannedVisit | None, anchor: Node, day_1: str) -> Node:
    """How far an instance stands from the anchor, and its window; the anchor itself is fixed and has none."""
    if node is anchor:
        return nodes.make(
            "Timing",
            name=f"at-{node['name']}",
            label=f"Day 1: {day_1}",
            type=nodes.code(codes.FIXED),
            value="P1D",
            valueLabel="Day 1",
            relativeToFrom=nodes.code(codes.START_TO_START),
            relativeFromScheduledInstanceId=node["id"],
            extensionAttributes=nodes.extension(window=_window_text(visit)),
        )
    before, after = (0, 0) if visit is None else _window(visit)
    window = {"windowLower": f"P{before}D", "windowUpper": f"P{after}D", "windowLabel": f"-{before}..{after} days"}
    return nodes.make(
        "Timing",
        name=f"at-{node['name']}",
        label=f"Day {visit.target_day}" if visit is not None else "Day 1",
        type=nodes.code(codes.BEFORE if day < 0 else codes.AFTER),
        value=f"P{abs(day)}D",
        valueLabel=f"{abs(day)} days {'before' if day < 0 else 'after'} day 1",
        relativeToFrom=nodes.code(codes.START_TO_START),
        relativeFromScheduledInstanceId=node["id"],
        relativeToScheduledInstanceId=anchor["id"],
        **(window if before or after else {}),
    )


def _window(visit: PlannedVisit) -> tuple[int, int]:
    target = day_index(visit.target_day)
    return target - day_index(visit.first_day), day_index(visit.last_day) - target


def _window_text(visit: PlannedVisit | None) -> str:
    """The window of the anchor's visit, for which a fixed timing has no place."""
    if visit is None:
        return ""
    before, after = _window(visit)
    return f"-{before}..{after}" if before or after else ""
