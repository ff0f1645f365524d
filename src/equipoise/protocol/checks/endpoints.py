"""Whether baseline variables, definitions of use and endpoints name what the protocol collects, where and when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.checks.outcomes import check_first_of, check_outcome
from equipoise.protocol.checks.patterns import check_pattern
from equipoise.protocol.language.endpoints import TimeToEventEndpoint
from equipoise.protocol.language.notation import Days
from equipoise.protocol.language.protocol import baseline_is_used
from equipoise.protocol.text.yaml_lines import Path_


def check_baseline(c: Checker) -> None:
    """Baseline variables from an instrument or finding, at one visit before randomization that asks for it."""
    model = c.model
    for id, variable in model.baseline.items():
        if variable.from_ is None or variable.visit is None:
            continue
        path: Path_ = ("baseline", id)
        if c.ref((*path, "from"), variable.from_, model.assessments, "assessments"):
            kind = model.assessments[variable.from_].type
            if kind not in ("instrument", "finding"):
                c.add(
                    "P027",
                    (*path, "from"),
                    f"{variable.from_} is of type {kind}.",
                    "an assessment of type instrument or finding",
                    "Name an instrument or a finding of the assessments.",
                )
        if c.ref((*path, "visit"), variable.visit, model.schedule, "schedule"):
            baseline_visit(c, (*path, "visit"), variable.visit)
            if variable.from_ in model.assessments and variable.from_ not in model.schedule[variable.visit].assess:
                c.add(
                    "P027",
                    (*path, "visit"),
                    f"{variable.visit} does not assess {variable.from_}.",
                    f"a visit that assesses {variable.from_}",
                    f"Add it to schedule.{variable.visit}.assess.",
                )


def collected(c: Checker, source: str) -> set[str]:
    """Substances that some assessment of the schedule looks for by ``source``."""
    wanted = "urine" if source == "urine" else "daily-use"
    return {s for a in c.model.assessments.values() if a.type == wanted for s in a.substances}


def _every_arm(c: Checker, path: Path_, given: Collection[str], what: str) -> None:
    absent = [arm for arm in c.model.arms if arm not in given]
    if absent:
        c.add(
            "P023",
            path,
            f"{what} for {listed(absent, conjunction='and')}.",
            "an entry for each arm",
            f"Add {listed(absent, conjunction='and')}.",
        )


def check_use(c: Checker) -> None:
    """Substances that some assessment looks for by each source, and amounts that a calendar can tell."""
    for id, use in c.model.use.items():
        for field in ("substances", "self-report-substances"):
            value = use.substances if field == "substances" else use.self_report_substances
            if value is None:
                continue
            lists: Mapping[str | None, Iterable[str]] = (
                {**value} if isinstance(value, Mapping) else {None: value}  # type: ignore[dict-item]
            )
            for arm, names in lists.items():
                path: Path_ = ("use", id, field)
                if arm is not None:
                    path = (*path, arm)
                    c.ref(path, arm, c.model.arms, "arms")
                for source in use.by:
                    if (source == "urine") != (field == "substances") and use.self_report_substances is not None:
                        continue
                    have = collected(c, source)
                    for position, name in enumerate(names):
                        if name not in have:
                            c.add(
                                "P026",
                                (*path, position),
                                f"No assessment looks for {name} by {source}.",
                                listed(sorted(have)) if have else f"an assessment by {source}; there is none",
                                "Add it to the substances of an assessment, or take the source out of `by`.",
                            )
            if isinstance(value, Mapping):
                _every_arm(c, ("use", id, field), value, "No substances are named")
        if use.amount is not None:
            where: Path_ = ("use", id, "amount")
            if "self-report" not in use.by:
                c.add(
                    "P026",
                    where,
                    "An amount is asked of a urine sample.",
                    "self-report among the sources (by)",
                    "Add self-report to `by`, or remove the amount.",
                )
            of = use.amount.of
            if (
                of is not None
                and c.ref((*where, "of"), of, c.model.baseline, "baseline")
                and isinstance(use.amount.above, Mapping)
            ):
                for level in use.amount.above:
                    c.ref((*where, "above", level), level, c.model.baseline[of].levels, f"baseline.{of}")


def check_endpoints(c: Checker) -> None:
    """Every problem of reference of the endpoints."""
    model = c.model
    for id, endpoint in model.endpoints.items():
        path: Path_ = ("endpoints", id)
        if endpoint.kind in ("abstinence", "repeated-use", "abstinent-days", "use-by-day", "use-by-week"):
            c.ref((*path, "use"), endpoint.use, model.use, "use")
        if endpoint.kind in ("abstinence", "abstinent-days", "use-by-day", "use-by-week"):
            check_range(c, (*path, "days"), endpoint.days, "The window")
        if endpoint.kind == "abstinence":
            if endpoint.at is not None and c.ref((*path, "at"), endpoint.at, model.schedule, "schedule"):
                due = [v for v in c.protocol.series(endpoint.at) if v.target_day in endpoint.days.range]
                if not due:
                    days = listed((v.target_day for v in c.protocol.series(endpoint.at)), conjunction="and")
                    c.add(
                        "P027",
                        (*path, "days"),
                        f"No visit of {endpoint.at} is due in {endpoint.days}.",
                        f"a window with at least one of its days ({days})",
                        "Move the window, or name another series under at.",
                    )
            # Without visits, days of the window that nobody asked about are what can be missing.
        elif endpoint.kind in ("repeated-use", "score", "report"):
            known = c.ref((*path, "at"), endpoint.at, model.schedule, "schedule")
            series = known and model.schedule[endpoint.at].is_series
            if endpoint.kind == "repeated-use" and known and not series:
                c.add(
                    "P027",
                    (*path, "at"),
                    f"{endpoint.at} is one visit.",
                    "a series of visits (days, or every)",
                    "Name a series, or use kind: abstinence.",
                )
            if endpoint.kind == "report" and series:
                c.add("P027", (*path, "at"), f"{endpoint.at} is a series.", "one visit (day)", "Name one visit.")
        if endpoint.kind in ("score", "report") and c.ref(
            (*path, "assessment"), endpoint.assessment, model.assessments, "assessments"
        ):
            if model.assessments[endpoint.assessment].type not in ("instrument", "finding"):
                c.add(
                    "P027",
                    (*path, "assessment"),
                    f"{endpoint.assessment} is of type {model.assessments[endpoint.assessment].type}.",
                    "an assessment of type instrument, or finding",
                    "Name an instrument of the assessments.",
                )
            for key, name in (("at", endpoint.at), ("baseline", getattr(endpoint, "baseline", None))):
                visit = model.schedule.get(name) if name is not None else None
                if visit is not None and endpoint.assessment not in visit.assess:
                    c.add(
                        "P027",
                        (*path, key),
                        f"{name} does not assess {endpoint.assessment}.",
                        f"a visit that assesses {endpoint.assessment}",
                        f"Add it to schedule.{name}.assess.",
                    )
            if endpoint.kind == "score" and endpoint.baseline is not None:
                if c.ref((*path, "baseline"), endpoint.baseline, model.schedule, "schedule"):
                    baseline_visit(c, (*path, "baseline"), endpoint.baseline)
                if model.equipoise > 1 and not baseline_is_used(c.protocol, id):
                    c.add(
                        "P038",
                        (*path, "baseline"),
                        "Nothing is made of it: the value is the score itself, and not every analysis adjusts for it.",
                        "value: change, or a covariate of every analysis that is the score at this visit "
                        f"(under baseline: {{from: {endpoint.assessment}, visit: {endpoint.baseline}}})",
                        "Say what the baseline is for, or remove it.",
                    )
        elif endpoint.kind == "time-to-event":
            _time_to_event(c, path, endpoint)
        elif endpoint.kind in ("score-criterion", "finding", "event", "event-count"):
            check_outcome(c, path, endpoint)
        elif endpoint.kind == "pattern":
            check_pattern(c, path, endpoint)
        elif endpoint.kind == "received":
            for arm, intervention in endpoint.intervention.items():
                if c.ref((*path, "intervention", arm), arm, model.arms, "arms"):
                    c.ref((*path, "intervention", arm), intervention, model.interventions, "interventions")
            _every_arm(c, (*path, "intervention"), endpoint.intervention, "No intervention is named")
            if endpoint.within is not None:
                check_range(c, (*path, "within"), endpoint.within, "The time allowed")


def baseline_visit(c: Checker, path: Path_, name: str) -> None:
    """A baseline is one visit, not after randomization."""
    visit = c.model.schedule[name]
    if visit.is_series:
        c.add("P027", path, f"{name} is a series of visits.", "one visit (day)", "Name one visit.")
        return
    last = c.model.calendar.randomization_day or 1
    for planned in c.protocol.series(name):
        if day_index(planned.target_day) > day_index(last):
            c.add(
                "P027",
                path,
                f"{name} is on day {planned.target_day}, after randomization (day {last}).",
                "a visit up to the day of randomization",
                "Name a visit before randomization: what comes after it is a result.",
            )


def check_range(c: Checker, path: Path_, days: Days, what: str) -> None:
    """Both ends of a range are study days."""
    for day in dict.fromkeys((days.first, days.last)):
        c.day(path, day, what)


def _time_to_event(c: Checker, path: Path_, endpoint: TimeToEventEndpoint) -> None:
    zero, until = endpoint.time_zero, endpoint.until
    for key, value, what in (("time-zero", zero, "Time zero"), ("until", until, "The end of follow-up")):
        if value.first != value.last:
            c.add("P027", (*path, key), f"{what} is a range: {value}.", "one day", f"Write day {value.last}.")
        c.day((*path, key), value.first, what)
    if until.last <= zero.first:
        c.add(
            "P027",
            (*path, "until"),
            f"Follow-up ends on day {until.last}, not after time zero (day {zero.first}).",
            f"a day after {zero.first}",
            "Correct until, or time-zero.",
        )
    lists = (("first-of", endpoint.first_of), ("competing", endpoint.competing))
    for where, event in (((*path, key, n), event) for key, events in lists for n, event in enumerate(events)):
        check_first_of(c, where, event)
        use, dropout, start = (getattr(event, name, None) for name in ("use", "dropout", "from_"))
        if use is not None:
            c.ref((*where, "use"), use, c.model.use, "use")
        if dropout is not None:
            c.ref((*where, "dropout"), dropout, c.model.schedule, "schedule")
        if start is not None:
            c.day((*where, "from"), start, "The start")
    if endpoint.visits is not None:
        c.ref((*path, "visits"), endpoint.visits, c.model.schedule, "schedule")
    if endpoint.censored_at is not None:
        c.ref((*path, "censored-at"), endpoint.censored_at, c.model.schedule, "schedule")
    elif endpoint.censored == "last-contact":
        c.add(
            "P027",
            path,
            "Censoring at the last contact names no visits.",
            "censored-at: a visit series",
            "Add censored-at, or censored: end.",
        )
