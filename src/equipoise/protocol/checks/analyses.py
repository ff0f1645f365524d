"""Whether questions and answers hang together: estimands, analyses, published results, assumptions, test cases."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import listed
from equipoise.protocol.checks.borrowing import check_borrowing
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.checks.crossover import check_periods, check_within
from equipoise.protocol.checks.endpoints import check_baseline, check_endpoints, check_range, check_use, collected
from equipoise.protocol.checks.margins import check_line_with_margin, check_margin
from equipoise.protocol.checks.repeated_measures import check_repeated_measures
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.notation import Days, Goal
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

_ASKED = {"counts": "events counted over days observed", "competing": "competing events (competing)"}
_SHUNNED = {"competing": "its competing events are no censoring, and one minus Kaplan-Meier is no probability"}
_VARIED = ("ties", "time-unit", "covariates")


def check_analysis(c: Checker) -> None:
    """Every problem of what is asked and how it is answered."""
    for step in (
        check_baseline,
        check_use,
        check_endpoints,
        _estimands,
        _analyses,
        _published,
        _assumptions,
        _assurance,
    ):
        step(c)


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
        suits = summaries_for(
            endpoint.shape, endpoint.traits, alone=alone, logarithm=endpoint.analyses_logarithm, within=within
        )
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
        check_margin(c, path, estimand, endpoint)


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
        c.refs((*path, "strata"), analysis.strata, model.baseline, "baseline")
        if analysis.random is not None:
            c.ref((*path, "random"), analysis.random, model.baseline, "baseline")
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
        has_level = analysis.alpha_two_sided is not None or analysis.alpha_one_sided is not None
        has_level |= ESTIMATORS[analysis.estimator].borrows  # success is then a probability
        if analysis.level == "primary" and not has_level and model.multiplicity is None:
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
    if row not in estimators_for(endpoint.shape, endpoint.traits, within=within):
        of = f"an endpoint of kind {endpoint.kind} ({SHAPES[endpoint.shape]})"
        suited = estimators_for(endpoint.shape, endpoint.traits, within=within)
        if not row.asks <= endpoint.traits:
            needed = listed((_ASKED[trait] for trait in sorted(row.asks - endpoint.traits)), conjunction="and")
            of = f"{of}: it needs {needed}"
        elif row.shuns & endpoint.traits:
            of = (
                f"{of}: {listed((_SHUNNED[trait] for trait in sorted(row.shuns & endpoint.traits)), conjunction='and')}"
            )
        elif endpoint.shape in row.needs:
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
    asked = summaries_for(endpoint.shape, endpoint.traits, **how, within=within)
    choice = analysis.ties if "ties" in row.options else None
    # A summary that the endpoint cannot have is named where the estimand stands.
    if estimand.summary in asked and not answers(row, estimand.summary, **how, choice=choice):
        suited = estimators_for(endpoint.shape, endpoint.traits, within=within)
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
    check_line_with_margin(c, path, analysis, estimand)
    check_borrowing(c, path, analysis, estimand, endpoint)
    if analysis.goal is not None and "goal" in row.options:
        _goal(c, (*path, "goal"), analysis.goal, estimand)
    for position, name in enumerate(analysis.vary.endpoint if analysis.vary is not None else ()):
        other = c.model.endpoints.get(name)
        if other is not None and row not in estimators_for(other.shape, other.traits, within=within):
            c.add(
                "P028",
                (*path, "vary", "endpoint", position),
                f"{row.id} does not suit {name}, of kind {other.kind} ({SHAPES[other.shape]}).",
                f"endpoints that {row.id} suits",
                "Choose another endpoint, or give this one a line of its own.",
            )
    _strata(c, path, analysis, alone=alone)


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


def _strata(c: Checker, path: Path_, analysis: Analysis, *, alone: bool) -> None:
    """Strata are categories: a number would make a stratum of every value. Of a test the covariates are strata."""
    for i, name in enumerate(analysis.strata):
        require_category(c, (*path, "strata", i), name, "Each value makes a stratum")
        varied = analysis.vary.covariates if analysis.vary is not None else ()
        if any(name in names for names in (analysis.covariates, *varied)):
            c.add(
                "P029",
                (*path, "strata", i),
                f"{name} is a covariate as well: within a stratum it does not differ.",
                "each variable once",
                "Leave it out of covariates, or out of strata.",
            )
    _random(c, path, analysis, alone=alone)
    if not ESTIMATORS[analysis.estimator].stratifies:
        return
    if ESTIMATORS[analysis.estimator].needs_strata and not analysis.covariates and not alone:
        c.add(
            "P029",
            (*path, "covariates"),
            f"{analysis.estimator} is over strata, and none are named.",
            "covariates: the categories that make the strata, for example [site]",
            "Name them, or choose an estimator without strata.",
        )
    given: list[tuple[Path_, str]] = [((*path, "covariates", i), name) for i, name in enumerate(analysis.covariates)]
    for i, names in enumerate(analysis.vary.covariates if analysis.vary is not None else ()):
        given += [((*path, "vary", "covariates", i, j), name) for j, name in enumerate(names)]
    for where, name in given:
        require_category(c, where, name, f"The {ESTIMATORS[analysis.estimator].name} is stratified by its covariates")


def _random(c: Checker, path: Path_, analysis: Analysis, *, alone: bool) -> None:
    """What is at random is a category, no covariate, and stands where the mixed model answers."""
    name = analysis.random
    if name is None:
        return
    require_category(c, (*path, "random"), name, "Each value makes a site")
    varied = analysis.vary.covariates if analysis.vary is not None else ()
    why = ""
    if any(name in names for names in (analysis.covariates, *varied)):
        why = f"{name} is a covariate as well: its levels are either terms of the model or at random"
    elif alone:
        why = "One arm alone is looked at, and the model with a random site compares two"
    elif analysis.imputation is not None:
        why = "Imputed sets are not analysed with a random site: the imputation models know no random site"
    elif analysis.estimator == "logistic" and "if_separated" in analysis.model_fields_set:
        why = "With a random site there is no other answer where the likelihood has no maximum"
    if why:
        c.add(
            "P029",
            (*path, "random"),
            f"{why}.",
            "random beside an estimand of two treatments, other covariates, no imputation and no if-separated",
            "Remove one of the two.",
        )


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
            c.ref((*path, "urine", substance), substance, collected(c, "urine"), "assessments")
            for day in samples:
                c.day((*path, "urine", substance, str(day)), day, "The sample")
        for at, days in enumerate(case.use_days):
            check_range(c, (*path, "use-days", at), days, "The day of use")
        if case.asked_days is not None:
            check_range(c, (*path, "asked-days"), case.asked_days, "The calendar")
        c.refs((*path, "received"), case.received or (), model.interventions, "interventions")
        for endpoint in case.expect:
            c.ref((*path, "expect", endpoint), endpoint, model.endpoints, "endpoints")
        for name in case.sets:
            c.ref((*path, "sets", name), name, model.analysis_sets, "analysis-sets")
        for visit in case.scores:
            c.ref((*path, "scores", visit), visit, names, "schedule")
