"""Whether questions and answers hang together: use, endpoints, estimands, analyses, published results, assumptions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.checks.crossover import check_periods, check_within
from equipoise.protocol.checks.outcomes import check_first_of, check_outcome
from equipoise.protocol.checks.patterns import check_pattern
from equipoise.protocol.checks.repeated_measures import check_repeated_measures
from equipoise.protocol.language.analysis import Analysis, Estimand, TimeToEventEndpoint
from equipoise.protocol.language.notation import Days, Goal
from equipoise.protocol.language.protocol import baseline_is_used
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.endpoint_kinds import SHAPES
from equipoise.protocol.vocabulary.estimators import (
    ESTIMATORS,
    OPTIONS,
    Estimator,
    answers,
    estimators_for,
    measured,
    summaries_for,
    takers_of,
)
from equipoise.protocol.vocabulary.scales import SCALES

_VARIED = ("ties", "time-unit", "covariates")


def check_analysis(c: Checker) -> None:
    """Every problem of what is asked and how it is answered."""
    for step in (_baseline, _use, _endpoints, _estimands, _analyses, _published, _assumptions, _assurance):
        step(c)


def _baseline(c: Checker) -> None:
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


def _collected(c: Checker, source: str) -> set[str]:
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


def _use(c: Checker) -> None:
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
                    have = _collected(c, source)
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


def _endpoints(c: Checker) -> None:
    model = c.model
    for id, endpoint in model.endpoints.items():
        path: Path_ = ("endpoints", id)
        if endpoint.kind in ("abstinence", "repeated-use", "abstinent-days", "use-by-day", "use-by-week"):
            c.ref((*path, "use"), endpoint.use, model.use, "use")
        if endpoint.kind in ("abstinence", "abstinent-days", "use-by-day", "use-by-week"):
            _range(c, (*path, "days"), endpoint.days, "The window")
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
                _range(c, (*path, "within"), endpoint.within, "The time allowed")


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


def _range(c: Checker, path: Path_, days: Days, what: str) -> None:
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
    for position, event in enumerate(endpoint.first_of):
        where = (*path, "first-of", position)
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


def _estimands(c: Checker) -> None:
    model = c.model
    for id, estimand in model.estimands.items():
        path: Path_ = ("estimands", id)
        known = c.ref((*path, "endpoint"), estimand.endpoint, model.endpoints, "endpoints")
        levels: Collection[str] = model.arms
        kind = "arms"
        if estimand.stage is not None and c.ref((*path, "stage"), estimand.stage, model.stages, "stages"):
            levels = model.stages[estimand.stage].arms or levels
        if estimand.factor is not None:
            if not c.ref((*path, "factor"), estimand.factor, model.factors, "factors"):
                continue
            levels, kind = model.factors[estimand.factor].levels, f"factors.{estimand.factor}"
        elif c.protocol.is_within(estimand):
            levels, kind = model.interventions, "interventions"
            check_periods(c, path, estimand)
        for name in estimand.treatments.names:
            c.ref((*path, "treatments"), name, levels, kind)
        _interaction(c, path, estimand)
        for event, strategy in estimand.intercurrent.items():
            if strategy == "principal-stratum":
                c.add(
                    "P030",
                    (*path, "intercurrent", event),
                    "A principal stratum cannot be told from what is observed, and no estimator here claims to.",
                    "treatment-policy, hypothetical, composite or while-on-treatment",
                    "Choose one of these strategies.",
                )
        if not known:
            continue
        endpoint = model.endpoints[estimand.endpoint]
        alone = estimand.treatments.reference is None
        within = c.protocol.is_within(estimand)
        suits = summaries_for(endpoint.shape, alone=alone, logarithm=endpoint.analyses_logarithm, within=within)
        if estimand.summary not in suits:
            of = "one arm alone" if alone else f"two treatments compared{' within participants' if within else ''}"
            c.add(
                "P028",
                (*path, "summary"),
                f"{estimand.summary} does not suit {of} and an endpoint of kind {endpoint.kind} "
                f"({SHAPES[endpoint.shape]}).",
                listed(suits) if suits else f"an endpoint of another kind: no estimator here is for {of}",
                "Choose one of these, or correct treatments (experimental v reference).",
            )


def _interaction(c: Checker, path: Path_, estimand: Estimand) -> None:
    """The interaction of two factors of two levels."""
    factors = c.model.factors
    if estimand.interaction is None or not c.ref((*path, "interaction"), estimand.interaction, factors, "factors"):
        return
    if (
        estimand.factor is None
        or estimand.factor == estimand.interaction
        or len(factors[estimand.interaction].levels) != 2
    ):
        c.add(
            "P023",
            (*path, "interaction"),
            f"The interaction with {estimand.interaction} is asked, and the effect is of {estimand.factor or 'arms'}.",
            "factor: one factor, interaction: another, of two levels",
            "Correct factor or interaction.",
        )
    if estimand.treatments.reference is None:
        c.add("P023", (*path, "treatments"), "One level alone has no interaction.", "two levels", "Name both.")


def _analyses(c: Checker) -> None:
    model = c.model
    stated = c.protocol.lines.keys if c.protocol.lines is not None else {}
    for id, analysis in model.analyses.items():
        path: Path_ = ("analyses", id)
        if c.ref((*path, "estimand"), analysis.estimand, model.estimands, "estimands"):
            _answer(c, path, analysis, model.estimands[analysis.estimand])
        c.refs((*path, "covariates"), analysis.covariates, model.baseline, "baseline")
        if analysis.analysis_set is not None:
            c.ref((*path, "analysis-set"), analysis.analysis_set, model.analysis_sets, "analysis-sets")
        _effect_at(c, path, analysis)
        if analysis.estimator == "mmrm":
            check_repeated_measures(c, path, analysis)
        if analysis.visit is not None and analysis.estimand in model.estimands:
            endpoint = model.endpoints.get(model.estimands[analysis.estimand].endpoint)
            if endpoint is not None and endpoint.kind == "score" and endpoint.at in model.schedule:
                series = {visit.name: visit for visit in c.protocol.series(endpoint.at)}
                c.ref((*path, "visit"), analysis.visit, series, f"schedule.{endpoint.at}")
        known_methods = ESTIMATORS[analysis.estimator].variants
        if analysis.method is not None and known_methods and analysis.method not in known_methods:
            c.add(
                "P029",
                (*path, "method"),
                f"{analysis.estimator} has no method {analysis.method!r}.",
                listed(known_methods),
                "Choose one of these, or leave method out.",
            )
        if analysis.random_slope and (*path, "nodes") in stated and analysis.estimator == "logistic-mixed":
            c.add(
                "P029",
                (*path, "nodes"),
                "With a random slope the likelihood is Laplace's approximation, which has one node.",
                "nodes without random-slope, or random-slope alone",
                "Remove one of the two.",
            )
        if analysis.estimator == "cox" and analysis.if_separated == "fisher-exact":
            c.add(
                "P029",
                (*path, "if-separated"),
                "Fisher's exact test does not answer for a hazard ratio.",
                "firth or report",
                "Choose one of these, or leave if-separated out.",
            )
        options = [(option, (*path, option)) for option in OPTIONS]
        options += [(option, (*path, "vary", option)) for option in _VARIED]
        for option, where in options:
            if where in stated and option not in ESTIMATORS[analysis.estimator].options:
                c.add(
                    "P029",
                    where,
                    f"{option} does not belong to {analysis.estimator}.",
                    f"an analysis by {listed(takers_of(option))}",
                    "Remove it.",
                )
        if analysis.vary is not None:
            c.refs((*path, "vary", "endpoint"), analysis.vary.endpoint, model.endpoints, "endpoints")
            for position, names in enumerate(analysis.vary.covariates):
                c.refs((*path, "vary", "covariates", position), names, model.baseline, "baseline")
        if analysis.level == "primary" and analysis.alpha_two_sided is None and analysis.alpha_one_sided is None:
            c.add(
                "P033",
                path,
                "A primary analysis states its alpha and the number of sides.",
                "alpha-two-sided or alpha-one-sided",
                "Add alpha-two-sided: 0.05, or what the plan says.",
            )
    has_primary = any(analysis.level == "primary" for analysis in model.analyses.values())
    if model.analyses and not has_primary and model.trial.design != "single-arm":
        c.add(
            "P033",
            ("analyses",),
            "No analysis is primary.",
            "level: primary for one analysis at least",
            "Say which analysis answers the trial's main question.",
        )
    for id, group in model.analysis_sets.items():
        if group.attended is not None:
            c.ref(("analysis-sets", id, "attended"), group.attended, model.schedule, "schedule")
        if group.stage > max(1, len(model.stages)):
            c.add(
                "P023",
                ("analysis-sets", id, "stage"),
                f"There is no stage number {group.stage}.",
                f"a number up to {max(1, len(model.stages))}",
                "Correct the number, or define the stage under stages.",
            )


def _answer(c: Checker, path: Path_, analysis: Analysis, estimand: Estimand) -> None:
    """Whether an estimator suits the endpoint, and what it gives is what the estimand asks for."""
    row = ESTIMATORS[analysis.estimator]
    endpoint = c.model.endpoints.get(estimand.endpoint)
    if endpoint is None:
        return
    within = c.protocol.is_within(estimand)
    if row not in estimators_for(endpoint.shape, within=within):
        of = f"an endpoint of kind {endpoint.kind} ({SHAPES[endpoint.shape]})"
        suited = estimators_for(endpoint.shape, within=within)
        if endpoint.shape in row.needs:
            of = f"treatments compared within participants, of {of}" if within else "a comparison of arms"
        c.add(
            "P028",
            (*path, "estimator"),
            f"{row.id} does not suit {of}.",
            listed(sorted(row.id for row in suited)) if suited else "an endpoint with a result in each period",
            "Choose one of these, or another estimand." if suited else "Choose another endpoint.",
        )
        return
    if within:
        check_within(c, path, analysis)
    alone = estimand.treatments.reference is None
    how: dict[str, Any] = {"alone": alone, "logarithm": endpoint.analyses_logarithm}
    asked = summaries_for(endpoint.shape, **how, within=within)
    choice = analysis.ties if "ties" in row.options else None
    # A summary that the endpoint cannot have is named where the estimand stands.
    if estimand.summary in asked and not answers(row, estimand.summary, **how, choice=choice):
        suited = estimators_for(endpoint.shape, within=within)
        others = sorted(other.id for other in suited if answers(other, estimand.summary, **how))
        c.add(
            "P028",
            (*path, "estimator"),
            f"{row.id} {_gives(row, choice, **how)}, and the estimand {analysis.estimand} asks for {estimand.summary}.",
            f"an estimator of {estimand.summary}: {listed(others)}",
            "Choose one of these, or write an estimand of its own for what this estimator gives.",
        )
    if estimand.interaction is not None and ("covariates" not in row.options or row.stratifies or row.averages):
        c.add(
            "P028",
            (*path, "estimator"),
            f"{row.id} has no term for an interaction of factors.",
            f"a regression: {listed(takers_of('covariates'))}",
            "Choose one of these.",
        )
    if alone and analysis.covariates:
        c.add(
            "P029",
            (*path, "covariates"),
            "One arm alone is looked at: there is no comparison for covariates to adjust.",
            "no covariates, or two treatments",
            "Remove them.",
        )
    if analysis.goal is not None and "goal" in row.options:
        _goal(c, (*path, "goal"), analysis.goal, estimand)
    for position, name in enumerate(analysis.vary.endpoint if analysis.vary is not None else ()):
        other = c.model.endpoints.get(name)
        if other is not None and row not in estimators_for(other.shape, within=within):
            c.add(
                "P028",
                (*path, "vary", "endpoint", position),
                f"{row.id} does not suit {name}, of kind {other.kind} ({SHAPES[other.shape]}).",
                f"endpoints that {row.id} suits",
                "Choose another endpoint, or give this one a line of its own.",
            )
    _strata(c, path, analysis)


def _goal(c: Checker, path: Path_, goal: Goal, estimand: Estimand) -> None:
    """A performance goal is for one arm, and on the scale of what is asked."""
    if estimand.treatments.reference is not None:
        c.add(
            "P029",
            path,
            "Two treatments are compared; a performance goal is what one arm alone is held against.",
            "an estimand of one arm (treatments: one arm), or no goal",
            "Remove it, or write an estimand of one arm.",
        )
    elif estimand.summary == "proportion":
        if not goal.is_percent or not 0 < goal.amount < 100:
            c.add(
                "P029",
                path,
                f"A share is held against {goal}.",
                "per cent above 0 and below 100, for example 40 %",
                "Write the goal in per cent.",
            )
    elif goal.is_percent or (estimand.summary == "geometric-mean" and goal.amount <= 0):
        number = "a number above 0" if estimand.summary == "geometric-mean" else "a number in the unit of the endpoint"
        c.add("P029", path, f"A mean is held against {goal}.", number, "Write a number.")


def _effect_at(c: Checker, path: Path_, analysis: Analysis) -> None:
    """Whether the moment at which an interaction's effect holds is one of the endpoint's."""
    where = analysis.effect_at
    if where is None or not {"time", "effect-at"} <= ESTIMATORS[analysis.estimator].options:
        return
    if not analysis.has_interaction:
        c.add(
            "P029",
            (*path, "effect-at"),
            f"With time: {analysis.time} the effect of the arm is the same on every day.",
            "time: interaction or time: category-interaction beside it",
            "Remove effect-at, or choose an interaction.",
        )
        return
    estimand = c.model.estimands.get(analysis.estimand)
    endpoint = c.model.endpoints.get(estimand.endpoint) if estimand is not None else None
    if endpoint is None:
        return
    visits = c.protocol.result_days(endpoint)
    if not visits:
        return
    if isinstance(where, Days):
        days = sorted(visits.values(), key=day_index)
        outside = not day_index(days[0]) <= day_index(where.first) <= day_index(days[-1])
        if outside or (analysis.time == "category-interaction" and where.first not in days):
            c.add(
                "P022",
                (*path, "effect-at"),
                f"Day {where.first} is {'outside the visits' if outside else 'not the day of a visit'} of "
                f"{estimand.endpoint if estimand else ''}.",
                f"a day of {days[0]}..{days[-1]}" if outside else listed(days),
                "Name a visit or a day of the endpoint.",
            )
    elif where not in ("last", "midpoint"):
        c.ref((*path, "effect-at"), where, visits, f"the visits of {estimand.endpoint if estimand else ''}")


def _gives(row: Estimator, choice: str | None, *, alone: bool, logarithm: bool) -> str:
    """What an estimator gives, in words."""
    if row.role == "test":
        tested = sorted(SCALES[scale].summary for scale in row.tests)
        return f"tests {listed(tested, conjunction='or')}" + (" of two treatments" if alone else "")
    if alone and not row.alone:
        return "compares two treatments"
    if row.role == "arms":
        return f"gives {listed(sorted(SCALES[scale].summary for scale in row.alone), conjunction='and')}"
    by = f" with ties: {choice}" if choice in row.measures_choice else ""
    return f"gives {measured(row, logarithm=logarithm, alone=alone, choice=choice).summary}{by}"


def _strata(c: Checker, path: Path_, analysis: Analysis) -> None:
    """Covariates of a test are strata: a number would make a stratum of every value."""
    if not ESTIMATORS[analysis.estimator].stratifies:
        return
    given: list[tuple[Path_, str]] = [((*path, "covariates", i), name) for i, name in enumerate(analysis.covariates)]
    for i, names in enumerate(analysis.vary.covariates if analysis.vary is not None else ()):
        given += [((*path, "vary", "covariates", i, j), name) for j, name in enumerate(names)]
    for where, name in given:
        require_category(c, where, name, f"The {ESTIMATORS[analysis.estimator].name} is stratified by its covariates")


def require_category(c: Checker, path: Path_, name: str, why: str) -> None:
    """A baseline variable that sorts participants into groups is no number."""
    variable = c.model.baseline.get(name)
    if variable is not None and variable.type == "number":
        c.add(
            "P037",
            path,
            f"{why}, and {name} is a number: every value would be a group of its own.",
            "a variable of type category or yes-no",
            f"Name a category (classes of {name} can be one), or leave it out.",
        )


def _published(c: Checker) -> None:
    model = c.model
    for id, result in model.published.items():
        path: Path_ = ("published", id)
        c.ref((*path, "endpoint"), result.endpoint, model.endpoints, "endpoints")
        if result.analysis is not None:
            c.ref((*path, "analysis"), result.analysis, model.analyses, "analyses")
        levels = {*model.arms, *(level for factor in model.factors.values() for level in factor.levels)}
        if model.trial.design == "crossover":
            levels |= set(model.interventions)
        for arm, count in result.arms.items():
            c.ref((*path, "arms", arm), arm, levels, "arms")
            n = model.arms[arm].n.value if arm in model.arms else None
            if n is not None and count.value is not None and count.value.total > n:
                c.add(
                    "P034",
                    (*path, "arms", arm),
                    f"{count.value}, but {n} were randomized to {arm}.",
                    f"a total of at most {n}",
                    f"Correct the count, or arms.{arm}.n.",
                )
        if result.effect is not None and result.effect.treatments is not None:
            for name in result.effect.treatments.names:
                c.ref((*path, "effect", "treatments"), name, levels, "arms")
    known = {*model.endpoints, *model.analyses, *model.published, *model.estimands}
    for position, remark in enumerate(model.remarks):
        c.refs(("remarks", position, "about"), remark.about, known, "endpoints")


def _assumptions(c: Checker) -> None:
    model = c.model
    for id, start in model.assumptions.items():
        path: Path_ = ("assumptions", id)
        chosen, seen = start, [id]
        while chosen.extends is not None:
            if chosen.extends not in model.assumptions:
                if chosen is start:
                    c.ref((*path, "extends"), chosen.extends, model.assumptions, "assumptions")
                break
            if chosen.extends in seen:
                if chosen.extends == id:
                    c.add(
                        "P031",
                        (*path, "extends"),
                        f"The set extends itself: {' > '.join([*seen, id])}.",
                        "a set that does not come back to this one",
                        "Remove one extends of the circle.",
                    )
                break
            seen.append(chosen.extends)
            chosen = model.assumptions[chosen.extends]
        for arm, n in start.n.items():
            c.ref((*path, "n", arm), arm, model.arms, "arms")
            if n < 0:
                c.add("P014", (*path, "n", arm), f"{n} is out of bounds.", "0 or more participants", "Correct it.")
        for variable in start.baseline:
            c.ref((*path, "baseline", variable), variable, model.baseline, "baseline")


def _assurance(c: Checker) -> None:
    model = c.model
    names = [visit.name for visit in c.protocol.planned_visits]
    substances = {name for assessment in model.assessments.values() for name in assessment.substances}
    for position, case in enumerate(model.assurance):
        path: Path_ = ("assurance", position)
        if case.arm is not None:
            c.ref((*path, "arm"), case.arm, model.arms, "arms")
        for variable in case.baseline:
            c.ref((*path, "baseline", variable), variable, model.baseline, "baseline")
        for series, word in case.visits.items():
            if not c.ref((*path, "visits", series), series, model.schedule, "schedule"):
                continue
            where = (*path, "visits", series)
            n = len(c.protocol.series(series))
            strange = sorted(set(word) - set("+-o_"))
            if strange:
                c.add(
                    "P032",
                    where,
                    f"{listed(map(repr, strange), conjunction='and')} in {word!r} is not a letter of a use pattern.",
                    "+ (positive), - (negative), o (missed), _ (not due)",
                    "Write one of these for each visit.",
                )
            if len(word) != n:
                c.add(
                    "P032",
                    where,
                    f"{word!r} has {len(word)} letters, {series} has {n} visits.",
                    f"{n} letters, one a visit",
                    "Write one letter for each visit.",
                )
        if case.substance is not None:
            c.ref((*path, "substance"), case.substance, substances, "assessments")
        for substance, samples in case.urine.items():
            c.ref((*path, "urine", substance), substance, _collected(c, "urine"), "assessments")
            for day in samples:
                c.day((*path, "urine", substance, str(day)), day, "The sample")
        for at, days in enumerate(case.use_days):
            _range(c, (*path, "use-days", at), days, "The day of use")
        if case.asked_days is not None:
            _range(c, (*path, "asked-days"), case.asked_days, "The calendar")
        c.refs((*path, "received"), case.received or (), model.interventions, "interventions")
        for endpoint in case.expect:
            c.ref((*path, "expect", endpoint), endpoint, model.endpoints, "endpoints")
        for name in case.sets:
            c.ref((*path, "sets", name), name, model.analysis_sets, "analysis-sets")
        for visit in case.scores:
            c.ref((*path, "scores", visit), visit, names, "schedule")
