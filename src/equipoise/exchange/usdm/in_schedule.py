"""Visits, assessments and epochs of a USDM design: days by its timings, windows in whole days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.usdm.days import MINUTES_OF_A_DAY, day_index_of, minutes_of, offsets_of
from equipoise.exchange.usdm.names import UniqueNames
from equipoise.exchange.usdm.read_in import Node, UsdmStudy, extensions
from equipoise.foundation.calendar import day_index, study_day
from equipoise.protocol.language.design import Visit


@dataclass
class UsdmVisits:
    """What the timelines come to, in the words of a protocol file."""

    day_1: str = "day 1 of the main timeline"
    visits: dict[str, dict[str, Any]] = field(default_factory=dict)
    assessments: dict[str, dict[str, Any]] = field(default_factory=dict)
    epochs: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[ImportFinding] = field(default_factory=list)

    def say(self, kind: Any, code: str, place: str, text: str, why: str) -> None:
        """A line of the list of what was not taken over."""
        self.findings.append(ImportFinding(kind, code, place, "", text, why))


@dataclass
class _Met:
    """One contact: its day, its window, what is done, what is given, which epoch it lies in."""

    label: str
    day: int
    before: int = 0
    after: int = 0
    assess: list[str] = field(default_factory=list)
    gives: list[str] = field(default_factory=list)
    epoch: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    stage: str | None = None


def read_schedule(study: UsdmStudy, stages: set[str], interventions: Mapping[str, Node]) -> UsdmVisits:
    """The schedule of the main timeline, and in a file of this program those of its stages."""
    out = UsdmVisits()
    activities = _activities(study, out, interventions)
    met: dict[str, _Met] = {}
    names = UniqueNames()
    for timeline in study.design.get("scheduleTimelines") or ():
        stage = extensions(timeline).get("stage")
        if not timeline["mainTimeline"] and stage not in stages:
            out.say(
                "not translated",
                "R488",
                timeline["name"],
                timeline.get("description") or "",
                "A timeline beside the main one.",
            )
            continue
        if timeline["mainTimeline"]:
            out.day_1 = _day_1(timeline)
        _read_timeline(study, timeline, (activities, met, names), out)
    if not met:
        out.say(
            "not translated",
            "R490",
            "scheduleTimelines",
            "",
            "No visit has a day: one stands in the protocol to be replaced.",
        )
        met["to-be-written"] = _Met("To be written", 1)
    _write_visits(met, out)
    _write_epochs(study, met, out)
    used = {one for visit in out.visits.values() for one in visit.get("assess", ())}
    out.assessments = {
        id: entry
        for id, entry in out.assessments.items()
        if id in used or any(a == id and own for a, own in activities.values())
    }
    return out


def _activities(study: UsdmStudy, out: UsdmVisits, interventions: Mapping[str, Node]) -> dict[str, tuple[str, bool]]:
    """Activity -> the assessment it is (or ``gives`` and an intervention), and whether this program wrote it."""
    names, found = UniqueNames(), {}
    guessed = 0
    for one in study.design.get("activities") or ():
        own = extensions(one)
        if "gives" in own:
            found[one["id"]] = (f"gives {own['gives']}", True)
            continue
        id = names.of(one["name"], one.get("label"))
        label = study.text(one.get("label") or one["name"])
        if "definition" in own:
            shown = {} if label == id.replace("-", " ") else {"label": label}
            words = {"words": one["description"]} if one.get("description") else {}
            out.assessments[id] = {**own["definition"], **shown, **words}
        else:
            guessed += 1
            out.assessments[id] = {"type": "finding", "label": label, "yes": "done", "no": "not done"}
        found[one["id"]] = (id, "definition" in own)
        if one.get("timelineId"):
            out.say("not translated", "R488", f"assessments.{id}", "", "Its timeline within a visit is not taken over.")
    if guessed:
        why = "The file does not say what is recorded: each is a yes or no (done or not) until it has a type."
        out.say("caution", "R488", "assessments", f"{guessed} activities", why)
    return found


def _day_1(timeline: Node) -> str:
    """What happens on day 1, in the words of the file."""
    entry = str(timeline.get("entryCondition") or "")
    if entry.startswith("Study day 1: "):
        return entry.removeprefix("Study day 1: ")
    fixed = next((t for t in timeline.get("timings", ()) if t["type"]["code"] == "C201358"), None)
    at = None
    if fixed is not None:
        at = next(
            (i for i in timeline.get("instances") or () if i["id"] == fixed["relativeFromScheduledInstanceId"]), None
        )
    said = (at or {}).get("label") or (at or {}).get("name") or (fixed or {}).get("label")
    return f"{said}, the fixed reference of the main timeline" if said else "day 1 of the main timeline"


def _read_timeline(
    study: UsdmStudy,
    timeline: Node,
    parts: tuple[Mapping[str, tuple[str, bool]], dict[str, _Met], UniqueNames],
    out: UsdmVisits,
) -> None:
    activities, met, names = parts
    offsets, troubles = offsets_of(timeline)
    for place, text, why in troubles:
        out.say("not translated" if "count" not in why else "caution", "R489", place, text, why)
    timings = {t["relativeFromScheduledInstanceId"]: t for t in timeline.get("timings", ())}
    at: dict[tuple[str, int], str] = {}
    for instance in timeline.get("instances") or ():
        label = study.text(instance.get("label") or instance["name"])
        if instance["instanceType"] == "ScheduledDecisionInstance":
            out.say("not translated", "R488", instance["name"], label, "A decision within the schedule.")
            continue
        done = [activities[one][0] for one in instance.get("activityIds") or () if one in activities]
        encounter = study.by_id.get(instance.get("encounterId") or "")
        if encounter is None and not done:
            continue  # an anchor: nothing happens at it
        if instance["id"] not in offsets:
            out.say("not translated", "R490", instance["name"], label, "Its day does not follow from the timings.")
            continue
        day = day_index_of(offsets[instance["id"]])
        source = encounter if encounter is not None else instance
        key = (source["id"], day)
        if key not in at:
            name = source["name"] if "series" in extensions(source) else names.of(source["name"], source.get("label"))
            at[key] = name if name not in met else names.of(f"{name}-day-{study_day(day)}")
            shown = study.text(source.get("label") or source["name"])
            met[at[key]] = _Met(
                shown,
                day,
                epoch=instance.get("epochId"),
                own=extensions(source),
                stage=extensions(timeline).get("stage"),
            )
        one = met[at[key]]
        one.assess += [id for id in done if not id.startswith("gives ") and id not in one.assess]
        one.gives += [id.removeprefix("gives ") for id in done if id.startswith("gives ")]
        if instance.get("timelineId"):
            out.say(
                "not translated", "R488", f"schedule.{at[key]}", "", "A timeline within the visit is not taken over."
            )
        _window(one, timings.get(instance["id"]), at[key], out)


def _window(one: _Met, timing: Node | None, name: str, out: UsdmVisits) -> None:
    if timing is None:
        return
    own = extensions(timing).get("window")
    if own:
        before, after = own.split("..")
        one.before, one.after = -int(before), int(after)
        return
    sizes = [minutes_of(timing.get(side)) for side in ("windowLower", "windowUpper")]
    if timing.get("windowLower") is None and timing.get("windowUpper") is None:
        return
    said = f"{timing.get('windowLower')} to {timing.get('windowUpper')}"
    if None in sizes:
        out.say("not translated", "R489", f"schedule.{name}.window", said, "The window is no number of days.")
        return
    lower, upper = (size or 0 for size in sizes)
    if lower % MINUTES_OF_A_DAY or upper % MINUTES_OF_A_DAY:
        out.say("not translated", "R489", f"schedule.{name}.window", said, "A window of hours: windows are whole days.")
        return
    one.before, one.after = max(one.before, lower // MINUTES_OF_A_DAY), max(one.after, upper // MINUTES_OF_A_DAY)


def _write_visits(met: Mapping[str, _Met], out: UsdmVisits) -> None:
    """Visits in the order of days; those of one series of this program together again."""
    ordered = sorted(met.items(), key=lambda item: (item[1].stage or "", item[1].day))
    series: dict[str, list[_Met]] = {}
    for name, one in ordered:
        if "series" in one.own:
            series.setdefault(one.own["series"], []).append(one)
        else:
            out.visits[name] = {"day": study_day(one.day), **_rest(one, name, one.label)}
    for name, ones in series.items():
        days = [study_day(one.day) for one in ones]
        label = ones[0].own.get("series-label") or name.replace("-", " ")
        same = {(one.before, one.after, tuple(one.assess), tuple(one.gives)) for one in ones}
        if len(same) == 1:
            every: dict[str, Any] = ones[0].own.get("every") or {}
            is_every = bool(every) and Visit.model_validate(every).target_days == tuple(days)
            out.visits[name] = {**(every if is_every else {"days": days}), **_rest(ones[0], name, label)}
            continue
        names = UniqueNames()
        for day, one in zip(days, ones, strict=True):
            out.visits[names.of(f"{name}-{day}")] = {"day": day, **_rest(one, name, one.label)}
        out.say("caution", "R488", f"schedule.{name}", "", "Its visits are no longer alike, and stand by themselves.")
    first = {name: (entry.get("stage") or "", day_index(_first_day(entry))) for name, entry in out.visits.items()}
    out.visits = {name: out.visits[name] for name in sorted(out.visits, key=lambda name: first[name])}


def _first_day(entry: Mapping[str, Any]) -> int:
    return int(entry["days"][0] if "days" in entry else entry.get("day", entry.get("first", 1)))


def _rest(one: _Met, name: str, label: str) -> dict[str, Any]:
    entry = {"window": f"-{one.before}..{one.after}"} if one.before or one.after else {}
    shown = {} if label == name.replace("-", " ") else {"label": label}
    done: dict[str, Any] = {"assess": one.assess} if one.assess else {}
    if one.gives:
        done["gives"] = one.gives
    return {**shown, **entry, **done, **one.own.get("definition", {})}


def _write_epochs(study: UsdmStudy, met: Mapping[str, _Met], out: UsdmVisits) -> None:
    """Epochs with their days: those that the file says, else from the first visit to the last of each."""
    names = UniqueNames()
    spans: dict[str, tuple[str, int, int]] = {}
    order = [one for one in study.design["epochs"] if "stage" not in extensions(one)]
    if order and all("days" in extensions(one) for one in order):
        for one in order:
            note = {"note": one["description"]} if one.get("description") else {}
            own = extensions(one)
            out.epochs[names.of(one["name"], one.get("label"))] = {
                "days": own["days"],
                **own.get("definition", {}),
                **note,
            }
        return
    for one in order:
        days = [m for m in met.values() if m.epoch == one["id"]]
        id = names.of(one["name"], one.get("label"))
        if not days:
            out.say("not translated", "R490", f"calendar.epochs.{id}", "", "No visit with a day lies in it.")
            continue
        spans[id] = (
            str(one.get("label") or one["name"]),
            min(m.day - m.before for m in days),
            max(m.day + m.after for m in days),
        )
    rising = list(spans.values())
    if not rising or any(one[2] >= after[1] for one, after in pairwise(rising)):
        first = min((m.day - m.before for m in met.values()), default=0)
        last = max((m.day + m.after for m in met.values()), default=0)
        if rising:
            out.say(
                "caution",
                "R488",
                "calendar.epochs",
                ", ".join(spans),
                "They overlap by their visits: one epoch stands for all.",
            )
        spans = {"trial": ("trial", min(first, 0), max(last, 0))}
    for id, (_, first, last) in spans.items():
        basis = "from the first to the last day of its visits and their windows"
        out.epochs[id] = {"days": f"{study_day(first)}..{study_day(last)}", "status": "inferred", "basis": basis}
