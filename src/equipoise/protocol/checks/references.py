"""Whether a protocol hangs together: every name defined, every day inside the calendar, every sum right.

What needs to see another room (does this instrument exist, can this model be simulated) is checked by the workflow.
This module checks what is done; ``check_analysis`` what is asked and how it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from equipoise.foundation.errors import Problem, listed
from equipoise.protocol.checks.analyses import check_analysis, require_category
from equipoise.protocol.checks.collector import Checker, Unread
from equipoise.protocol.checks.composed import CODES as COMPOSED_CODES
from equipoise.protocol.checks.composed import check_composed
from equipoise.protocol.checks.instruments import check_own_instruments
from equipoise.protocol.checks.looks import CODES as LOOKS_CODES
from equipoise.protocol.checks.looks import check_looks
from equipoise.protocol.checks.margins import CODES as MARGIN_CODES
from equipoise.protocol.checks.missing import CODES as MISSING_CODES
from equipoise.protocol.checks.missing import check_missing
from equipoise.protocol.checks.multiplicity import CODES as MULTIPLICITY_CODES
from equipoise.protocol.checks.multiplicity import check_multiplicity
from equipoise.protocol.language.facts import Fact
from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention, OtherIntervention
from equipoise.protocol.language.protocol import Protocol, _walk_sourced
from equipoise.protocol.text.yaml_lines import Path_

__all__ = ["CODES", "check_model"]

CODES = {
    "P020": "A name is not defined in the file.",
    "P021": "A name is used for two things.",
    "P022": "A study day is outside the calendar.",
    "P023": "Arms, ratio, stages or factors contradict one another.",
    "P024": "An assumption has no basis.",
    "P025": "A visit window overlaps the next.",
    "P026": "The protocol never collects this substance from that source.",
    "P027": "An endpoint's window or time zero contradicts the schedule.",
    "P028": "The estimator or summary measure does not suit the endpoint.",
    "P029": "An option does not belong to the estimator.",
    "P030": "The strategy for an intercurrent event is refused.",
    "P031": "A set of assumptions extends itself.",
    "P032": "The pattern of an assurance case does not fit the schedule.",
    "P033": "A primary analysis has no alpha, or an analysis plan has no primary analysis.",
    "P034": "Counts do not add up.",
    "P037": "A number is used where participants would have to be grouped by it.",
    "P038": "A baseline is defined but not used.",
    **MARGIN_CODES,
    **COMPOSED_CODES,
    **MISSING_CODES,
    **MULTIPLICITY_CODES,
    **LOOKS_CODES,
}


def check_model(protocol: Protocol, unread: Unread | None = None) -> list[Problem]:
    """Every problem of reference, calendar and arithmetic in a protocol that has the right shape.

    Where part of the file could not be read, ``unread`` says which; what could come from that part is not reported.
    """
    c = Checker(protocol, unread)
    for step in (
        _sources,
        _arms,
        _randomization,
        _stages,
        _interventions,
        _schedule,
        check_own_instruments,
        check_composed,
        check_analysis,
        check_missing,
        check_multiplicity,
        check_looks,
    ):
        step(c)
    return c.problems


def _sources(c: Checker) -> None:
    known = c.model.sources
    for path, part in _walk_sourced(c.model, ()):
        for position, source in enumerate(part.source):
            c.ref((*path, "source", position), source, known, "sources")
        for position, other in enumerate(part.differs):
            c.ref((*path, "differs", position, "source"), other.source, known, "sources")
        assumed = part.status == "assumed" or (isinstance(part, Fact) and part.assumed is not None)
        if assumed and not part.basis:
            c.add(
                "P024",
                path,
                "Something is assumed here without a basis.",
                "basis: and what the assumption rests on, for example sister trial, or convention",
                "Add a basis, or a source instead of the assumption.",
            )


def _arms(c: Checker) -> None:
    model = c.model
    for id, arm in model.arms.items():
        if isinstance(arm.gives, Mapping):
            for stage, names in arm.gives.items():
                c.ref(("arms", id, "gives", stage), stage, model.stages, "stages")
                c.refs(("arms", id, "gives", stage), names, model.interventions, "interventions")
        else:
            c.refs(("arms", id, "gives"), arm.gives, model.interventions, "interventions")
        for factor, level in arm.factors.items():
            if c.ref(("arms", id, "factors", factor), factor, model.factors, "factors"):
                c.ref(("arms", id, "factors", factor), level, model.factors[factor].levels, f"factors.{factor}")
        missing = [factor for factor in model.factors if factor not in arm.factors]
        if missing:
            c.add(
                "P023",
                ("arms", id),
                f"The arm has no level of {listed(missing, conjunction='and')}.",
                "a level of each factor",
                "Add it under factors of this arm.",
            )
        if arm.n.value is not None and arm.n.value < 0:
            c.add("P034", ("arms", id, "n"), f"{arm.n.value} participants.", "0 or more", "Correct the number.")
    if (model.trial.design == "factorial") != bool(model.factors):
        c.add(
            "P023",
            ("trial", "design"),
            f"The design is {model.trial.design}, and {len(model.factors) or 'no'} factors are stated.",
            "factors in a factorial design, and in no other",
            "Set design to factorial, or state no factors."
            if model.factors
            else "State the factors, or another design.",
        )
    seen: dict[tuple[tuple[str, str], ...], str] = {}
    for id, arm in model.arms.items():
        cell = tuple(sorted(arm.factors.items()))
        if cell and seen.setdefault(cell, id) != id:
            c.add(
                "P023",
                ("arms", id, "factors"),
                f"The arm has the same levels as {seen[cell]}.",
                "a combination of levels of its own",
                "Correct the levels of one of the two.",
            )


def _randomization(c: Checker) -> None:
    model = c.model
    randomization = model.randomization
    design = model.trial.design
    single = len(model.arms) == 1
    if single and randomization is not None:
        c.add(
            "P023",
            ("randomization",),
            "There is one arm only, yet randomization is stated.",
            "null",
            "Write randomization: null, or add the other arm.",
        )
    if not single and randomization is None and design != "single-arm":
        c.add(
            "P023",
            ("randomization",),
            f"There are {len(model.arms)} arms, but no randomization.",
            "a ratio by arm",
            "Add randomization with its ratio.",
        )
    if single != (design == "single-arm"):
        c.add(
            "P023",
            ("trial", "design"),
            f"The design is {design}, and there {'is one arm' if single else f'are {len(model.arms)} arms'}.",
            "one arm in a single-arm design, two or more in any other",
            "Correct the design, or the arms.",
        )
    if randomization is not None:
        for name in randomization.ratio:
            c.ref(("randomization", "ratio", name), name, model.arms, "arms")
        staged = {name for stage in model.stages.values() for name in stage.arms}
        absent = [name for name in model.arms if name not in randomization.ratio and name not in staged]
        if absent:
            c.add(
                "P023",
                ("randomization", "ratio"),
                f"The ratio leaves out {listed(absent, conjunction='and')}.",
                "a part for each arm that is not the arm of a later stage",
                f"Add {listed((f'{name}: 1' for name in absent), conjunction='and')}.",
            )
        known = {*model.baseline, "site"}
        strata = randomization.strata
        where: Path_ = ("randomization", "strata")
        where = (*where, "value" if strata.value is not None else "assumed") if _as_fact(c, where) else where
        c.refs(where, strata.usable or (), known, "baseline")
        for position, name in enumerate(strata.usable or ()):
            require_category(c, (*where, position), name, "Randomization is within strata")
    if model.calendar.randomization_day is not None:
        c.day(("calendar", "randomization-day"), model.calendar.randomization_day)


def _as_fact(c: Checker, path: Path_) -> bool:
    """Whether a fact is written with its keys (``value:`` ...) rather than bare."""
    lines = c.protocol.lines
    return lines is not None and any((*path, key) in lines.keys for key in ("value", "assumed"))


def _stages(c: Checker) -> None:
    model = c.model
    for id, stage in model.stages.items():
        path: Path_ = ("stages", id)
        c.refs((*path, "arms"), stage.arms, model.arms, "arms")
        if stage.day_1 is None:
            for day in dict.fromkeys((stage.days.first, stage.days.last)):
                c.day((*path, "days"), day, "The stage")
        if stage.ratio and not stage.randomizes:
            c.add(
                "P023",
                (*path, "ratio"),
                "The stage has a ratio, but does not randomize.",
                "randomizes: true",
                "Add randomizes: true, or remove the ratio.",
            )
        for arm, part in stage.ratio.items():
            c.ref(
                (*path, "ratio", arm),
                arm,
                stage.arms or tuple(model.arms),
                f"stages.{id}.arms" * bool(stage.arms) or "arms",
            )
            if part < 1:
                c.add("P014", (*path, "ratio", arm), f"{part} is out of bounds.", "1 or more", "Correct the ratio.")
        absent = [arm for arm in stage.arms if stage.ratio and arm not in stage.ratio]
        if absent:
            c.add(
                "P023",
                (*path, "ratio"),
                f"The ratio leaves out {listed(absent, conjunction='and')}.",
                "a part for each arm of the stage",
                "Add what is absent.",
            )


def _interventions(c: Checker) -> None:
    for id, given in c.model.interventions.items():
        path: Path_ = ("interventions", id)
        if isinstance(given, BehaviouralIntervention):
            for b, block in enumerate(given.sessions):
                for d, day in enumerate(block.days or ()):
                    c.day((*path, "sessions", b, "days", d), day, "The session")
            if given.titles and len(given.titles) != len(given.session_days):
                c.add(
                    "P034",
                    (*path, "titles"),
                    f"There are {len(given.titles)} titles for {len(given.session_days)} sessions.",
                    "a title for each session, or none at all",
                    "Add or remove titles, or correct the sessions.",
                )
        elif isinstance(given, (DrugIntervention, OtherIntervention)):
            for d, days in enumerate(given.days):
                for day in dict.fromkeys((days.first, days.last)):
                    c.day((*path, "days", d), day, "The administration")


def _schedule(c: Checker) -> None:
    model = c.model
    seen: dict[str, str] = {}
    for id, visit in model.schedule.items():
        path: Path_ = ("schedule", id)
        c.refs((*path, "assess"), visit.assess, model.assessments, "assessments")
        c.refs((*path, "gives"), visit.gives, model.interventions, "interventions")
        stage = None
        if visit.stage is not None and c.ref((*path, "stage"), visit.stage, model.stages, "stages"):
            stage = visit.stage
            if model.stages[stage].day_1 is None:
                c.add(
                    "P022",
                    (*path, "stage"),
                    f"The stage {stage} does not count days of its own.",
                    f"a stage with day-1; the days of {stage} are study days",
                    "Remove stage here, or say under the stage what its day-1 is.",
                )
                stage = None
        if visit.every is not None:
            days: list[tuple[Path_, int]] = [(("first",), visit.target_days[0]), (("last",), visit.target_days[-1])]
        else:
            days = [(("day",) if visit.day is not None else ("days", n), d) for n, d in enumerate(visit.target_days)]
        for key, day in days:
            c.day((*path, *key), day, "The visit", stage)
        for name in dict.fromkeys(visit.names(id)):
            if name in seen:
                c.add(
                    "P021",
                    path,
                    f"The visit {name!r} is also made by {seen[name]}.",
                    "a name of its own for every visit",
                    "Rename the visit, or give one of the two series names of its own: named: x-day-{day}.",
                )
            seen[name] = f"schedule.{id}"
        _windows(c, id, stage)


def _windows(c: Checker, id: str, stage: str | None) -> None:
    model = c.model
    visits = c.protocol.series(id)
    if not visits:
        return
    where: Path_ = ("schedule", id, "window")
    for before, after in pairwise(visits):
        if before.last_day >= after.first_day:
            c.add(
                "P025",
                where,
                f"The window of {before.name} ends on study day {before.last_day}, "
                f"that of {after.name} begins on day {after.first_day}.",
                "windows of a series that do not meet",
                "Narrow the window.",
            )
            break
    first, last, whose = model.calendar.first_day, model.calendar.last_day, "the last study day"
    if stage is not None:
        first, last, whose = model.stages[stage].days.first, model.stages[stage].days.last, "the last day of the stage"
    final = visits[-1]
    if final.last_day > last >= final.target_day:
        c.add(
            "P022",
            where,
            f"The window of {final.name} ends on study day {final.last_day}, after {whose} ({last}).",
            f"a window that ends by day {last}",
            f"Let the last epoch end on day {final.last_day}, or set the days after to {last - final.target_day}.",
        )
    if visits[0].first_day < first <= visits[0].target_day:
        c.add(
            "P022",
            where,
            f"The window of {visits[0].name} begins on study day {visits[0].first_day}, before day {first}, the first.",
            f"a window that begins from day {first} on",
            "Narrow the window, or let an epoch begin earlier.",
        )
