"""Whether a protocol hangs together: every name defined, every day inside the calendar, every sum right.

What needs to see another room (does this instrument exist, can this model be simulated) is checked by the workflow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.protocol.facts import Fact
from equipoise.protocol.model import Protocol, _walk_sourced
from equipoise.protocol.model_conduct import BehaviouralIntervention, DrugIntervention, OtherIntervention
from equipoise.protocol.yaml_nodes import Path_, place

CODES = {
    "P020": "A name that is not defined in the file.",
    "P021": "A name that stands for two things.",
    "P022": "A study day outside the calendar.",
    "P023": "Arms, ratio, stages or factors contradict one another.",
    "P024": "An assumption without a basis.",
    "P025": "A visit window overlaps the next.",
    "P026": "A substance that the protocol never collects from that source.",
    "P027": "An endpoint's window or time zero contradicts the schedule.",
    "P028": "An estimator or summary measure that does not suit the endpoint.",
    "P029": "An option that does not belong to the estimator.",
    "P030": "A strategy for intercurrent events that is refused.",
    "P031": "A set of assumptions that extends itself.",
    "P032": "An assurance case whose word does not fit the schedule.",
    "P033": "A primary analysis without alpha, or an analysis plan without a primary.",
    "P034": "Counts that do not add up.",
}

BINARY_ESTIMATORS = {"logistic", "firth", "fisher-exact", "risk-difference", "risk-ratio", "proportion"}
SUITS: dict[str, set[str]] = {
    "abstinence": BINARY_ESTIMATORS,
    "report": BINARY_ESTIMATORS,
    "received": BINARY_ESTIMATORS,
    "time-to-event": BINARY_ESTIMATORS | {"cox", "log-rank", "kaplan-meier", "rmst-difference"},
    "repeated-use": {"logistic-mixed"},
    "score": {"linear-mixed"},
}
OPTIONS: dict[str, set[str]] = {
    "ties": {"cox"},
    "nodes": {"logistic-mixed"},
    "random-slope": {"linear-mixed"},
    "horizon": {"rmst-difference", "kaplan-meier"},
    "time-unit": {"cox", "log-rank", "kaplan-meier", "rmst-difference"},
    "if-separated": {"logistic"},
    "time": {"logistic-mixed", "linear-mixed"},
    "method": {"risk-difference", "risk-ratio", "proportion", "log-rank"},
    "covariates": {"logistic", "firth", "cox", "logistic-mixed", "linear-mixed", "log-rank"},
}


def check_model(protocol: Protocol) -> list[Problem]:
    """Every problem of reference, calendar and arithmetic in a protocol that already has the right shape."""
    checker = _Checker(protocol)
    for step in (
        checker.sources,
        checker.arms,
        checker.interventions,
        checker.schedule,
        checker.use,
        checker.endpoints,
        checker.estimands,
        checker.analyses,
        checker.published,
        checker.assumptions,
        checker.assurance,
    ):
        step()
    return checker.problems


class _Checker:
    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.model = protocol.model
        self.problems: list[Problem] = []

    def add(self, code: str, path: Path_, found: str, expected: str = "", step: str = "") -> None:
        lines = self.protocol.lines
        file, line = (lines.file, lines.of(path)) if lines is not None else (None, None)
        self.problems.append(Problem(code, place(path), found, expected, step, file, line))

    def ref(self, path: Path_, name: str, known: Collection[str], kind: str) -> bool:
        """Whether ``name`` is among ``known``; a problem where it is not."""
        if name in known:
            return True
        guess = nearest(name, known)
        have = f"one of {listed(known, limit=20)}" if known else f"a name defined under {kind}; there is none"
        self.add(
            "P020", path, f"{name!r} is not defined under {kind}.", have, f"Did you mean {guess}?" if guess else ""
        )
        return False

    def refs(self, path: Path_, names: Iterable[str], known: Collection[str], kind: str) -> None:
        for position, name in enumerate(names):
            self.ref((*path, position), name, known, kind)

    def day(self, path: Path_, day: int, what: str = "The day") -> None:
        calendar = self.model.calendar
        if day == 0:
            self.add("P022", path, "There is no study day 0.", "a day from 1 on, or -1 and before")
        elif not calendar.first_day <= day <= calendar.last_day:
            self.add(
                "P022",
                path,
                f"{what} is study day {day}, outside the calendar ({calendar.first_day} to {calendar.last_day}).",
                step="Move it, or widen an epoch of the calendar.",
            )

    def sources(self) -> None:
        known = self.model.sources
        for path, part in _walk_sourced(self.model, ()):
            for source in part.source:
                self.ref((*path, "source"), source, known, "sources")
            for position, other in enumerate(part.differs):
                self.ref((*path, "differs", position, "source"), other.source, known, "sources")
            assumed = part.status == "assumed" or (isinstance(part, Fact) and part.assumed is not None)
            if assumed and not part.basis:
                self.add(
                    "P024", path, "Something is assumed here without a basis.", "basis: why", "Say what it rests on."
                )

    def arms(self) -> None:
        model = self.model
        for id, arm in model.arms.items():
            if isinstance(arm.gives, Mapping):
                for stage, names in arm.gives.items():
                    self.ref(("arms", id, "gives", stage), stage, model.stages, "stages")
                    self.refs(("arms", id, "gives", stage), names, model.interventions, "interventions")
            else:
                self.refs(("arms", id, "gives"), arm.gives, model.interventions, "interventions")
            for factor, level in arm.factors.items():
                if self.ref(("arms", id, "factors", factor), factor, model.factors, "factors"):
                    self.ref(("arms", id, "factors", factor), level, model.factors[factor].levels, f"factors.{factor}")
        randomization = model.randomization
        single = len(model.arms) == 1
        if single and randomization is not None:
            self.add("P023", ("randomization",), "There is one arm only, yet randomization is stated.", "null")
        if not single and randomization is None and model.trial.design != "single-arm":
            self.add("P023", ("randomization",), "Several arms, but no randomization.", "a ratio by arm")
        if single != (model.trial.design == "single-arm"):
            self.add(
                "P023",
                ("trial", "design"),
                f"The design is {model.trial.design}, but there are {len(model.arms)} arms.",
                step="A single-arm design has one arm; every other has at least two.",
            )
        if (model.trial.design == "factorial") != bool(model.factors):
            self.add("P023", ("trial", "design"), "A factorial design states its factors, and only that one does.")
        if model.factors:
            for id, arm in model.arms.items():
                missing = [factor for factor in model.factors if factor not in arm.factors]
                if missing:
                    self.add("P023", ("arms", id), f"The arm has no level of {listed(missing, conjunction='and')}.")
        if randomization is not None:
            for name in randomization.ratio:
                self.ref(("randomization", "ratio", name), name, model.arms, "arms")
            staged = {name for stage in model.stages.values() for name in stage.arms}
            absent = [name for name in model.arms if name not in randomization.ratio and name not in staged]
            if absent:
                self.add(
                    "P023", ("randomization", "ratio"), f"The ratio leaves out {listed(absent, conjunction='and')}."
                )
            self.refs(("randomization", "strata"), randomization.strata.usable or (), {*model.baseline, "site"}, "baseline")
        for id, phase in model.stages.items():
            self.refs(("stages", id, "arms"), phase.arms, model.arms, "arms")
            for day in (phase.days.first, phase.days.last):
                self.day(("stages", id, "days"), day, "The stage")
        if model.calendar.randomization_day is not None:
            self.day(("calendar", "randomization-day"), model.calendar.randomization_day)

    def interventions(self) -> None:
        for id, given in self.model.interventions.items():
            path: Path_ = ("interventions", id)
            if isinstance(given, BehaviouralIntervention):
                for b, block in enumerate(given.sessions):
                    for d, day in enumerate(block.days or ()):
                        self.day((*path, "sessions", b, "days", d), day, "The session")
                if given.titles and len(given.titles) != len(given.session_days):
                    self.add(
                        "P034",
                        (*path, "titles"),
                        f"There are {len(given.titles)} titles for {len(given.session_days)} sessions.",
                        step="Give each session a title, or none.",
                    )
            elif isinstance(given, (DrugIntervention, OtherIntervention)):
                for d, days in enumerate(given.days):
                    for day in {days.first, days.last}:
                        self.day((*path, "days", d), day, "The administration")
            if isinstance(given, DrugIntervention) and given.maximum is not None and given.maximum.is_per_kg:
                self.add("P015", (*path, "maximum"), "The cap goes by body weight.", "an amount such as 80 mg")

    def schedule(self) -> None:
        model = self.model
        seen: dict[str, str] = {}
        for id, visit in model.schedule.items():
            path: Path_ = ("schedule", id)
            self.refs((*path, "assess"), visit.assess, model.assessments, "assessments")
            self.refs((*path, "gives"), visit.gives, model.interventions, "interventions")
            for position, day in enumerate(visit.target_days):
                key = (*path, "day") if visit.day is not None else (*path, "days", position)
                self.day(key, day, "The visit")
            for name in visit.names(id):
                if name in seen:
                    self.add(
                        "P021", path, f"The visit {name!r} is also made by {seen[name]}.", step="Rename one (named)."
                    )
                seen[name] = f"schedule.{id}"
        for id in model.schedule:
            visits = self.protocol.series(id)
            for before, after in pairwise(visits):
                if before.last_day >= after.first_day:
                    self.add(
                        "P025",
                        ("schedule", id, "window"),
                        f"The window of {before.name} ends on study day {before.last_day}, "
                        f"that of {after.name} begins on day {after.first_day}.",
                        "windows of a series that do not meet",
                        "Narrow the window.",
                    )
                    break
            if visits and visits[-1].last_day > model.calendar.last_day:
                last = visits[-1]
                self.add(
                    "P022",
                    ("schedule", id, "window"),
                    f"The window of {last.name} ends on study day {last.last_day}, "
                    f"after the last study day ({model.calendar.last_day}).",
                    step=f"Set the last epoch to end on day {last.last_day}, or days after to "
                    f"{max(model.calendar.last_day - last.target_day, 0)}.",
                )

    def collected(self, source: str) -> set[str]:
        """Substances that some assessment of the schedule looks for by ``source``."""
        wanted = "urine" if source == "urine" else "daily-use"
        return {s for a in self.model.assessments.values() if a.type == wanted for s in a.substances}

    def use(self) -> None:
        for id, use in self.model.use.items():
            for field in ("substances", "self-report-substances"):
                value = use.substances if field == "substances" else use.self_report_substances
                if value is None:
                    continue
                lists = value if isinstance(value, Mapping) else {None: value}
                for arm, names in lists.items():
                    path: Path_ = ("use", id, field)
                    if arm is not None:
                        self.ref((*path, arm), arm, self.model.arms, "arms")
                    for source in use.by:
                        if (source == "urine") != (field == "substances") and use.self_report_substances is not None:
                            continue
                        have = self.collected(source)
                        for name in names:
                            if name not in have:
                                self.add(
                                    "P026",
                                    path if arm is None else (*path, arm),
                                    f"No assessment looks for {name} by {source}.",
                                    listed(sorted(have)) if have else f"an assessment by {source}; there is none",
                                    "Add it to an assessment, or take the source out of `by`.",
                                )
                if isinstance(value, Mapping):
                    absent = [arm for arm in self.model.arms if arm not in value]
                    if absent:
                        self.add("P023", ("use", id, field), f"No substances for {listed(absent, conjunction='and')}.")

    def endpoints(self) -> None:
        model = self.model
        for id, endpoint in model.endpoints.items():
            path: Path_ = ("endpoints", id)
            if endpoint.kind in ("abstinence", "repeated-use"):
                self.ref((*path, "use"), endpoint.use, model.use, "use")
            if endpoint.kind == "abstinence":
                for day in {endpoint.days.first, endpoint.days.last}:
                    self.day((*path, "days"), day, "The window")
                if endpoint.at is not None and self.ref((*path, "at"), endpoint.at, model.schedule, "schedule"):
                    due = [v for v in self.protocol.series(endpoint.at) if v.target_day in endpoint.days.range]
                    if not due:
                        self.add("P027", (*path, "days"), f"No visit of {endpoint.at} is due in {endpoint.days}.")
            elif endpoint.kind in ("repeated-use", "score", "report"):
                known = self.ref((*path, "at"), endpoint.at, model.schedule, "schedule")
                if endpoint.kind == "repeated-use" and known and not model.schedule[endpoint.at].is_series:
                    self.add("P027", (*path, "at"), f"{endpoint.at} is one visit, not a series.")
                if endpoint.kind == "report" and known and model.schedule[endpoint.at].is_series:
                    self.add("P027", (*path, "at"), f"{endpoint.at} is a series, not one visit.")
            if endpoint.kind in ("score", "report") and self.ref(
                (*path, "assessment"), endpoint.assessment, model.assessments, "assessments"
            ):
                if model.assessments[endpoint.assessment].type != "instrument":
                    self.add("P027", (*path, "assessment"), f"{endpoint.assessment} is not an instrument.")
                visit = model.schedule.get(endpoint.at)
                if visit is not None and endpoint.assessment not in visit.assess:
                    self.add(
                        "P027", (*path, "at"), f"{endpoint.at} does not assess {endpoint.assessment}.",
                        step=f"Add it to schedule.{endpoint.at}.assess.",
                    )  # fmt: skip
                if endpoint.kind == "score" and endpoint.baseline is not None:
                    self.ref((*path, "baseline"), endpoint.baseline, model.schedule, "schedule")
            elif endpoint.kind == "time-to-event":
                self.time_to_event(path, id)
            elif endpoint.kind == "received":
                for arm, intervention in endpoint.intervention.items():
                    self.ref((*path, "intervention", arm), arm, model.arms, "arms")
                    self.ref((*path, "intervention", arm), intervention, model.interventions, "interventions")
                absent = [arm for arm in model.arms if arm not in endpoint.intervention]
                if absent:
                    self.add(
                        "P023", (*path, "intervention"), f"Nothing is named for {listed(absent, conjunction='and')}."
                    )

    def time_to_event(self, path: Path_, id: str) -> None:
        endpoint = self.model.endpoints[id]
        assert endpoint.kind == "time-to-event"
        zero, until = endpoint.time_zero, endpoint.until
        if zero.first != zero.last:
            self.add("P027", (*path, "time-zero"), "Time zero is one day.", "for example day 5")
        if until.first != until.last:
            self.add("P027", (*path, "until"), "The end of follow-up is one day.", "for example day 33")
        if until.last <= zero.first:
            self.add(
                "P027", (*path, "until"), f"Follow-up ends on day {until.last}, not after time zero ({zero.first})."
            )
        for key, value in (("time-zero", zero), ("until", until)):
            self.day((*path, key), value.first, "It")
        for position, event in enumerate(endpoint.first_of):
            where = (*path, "first-of", position)
            use, dropout, start = (getattr(event, name, None) for name in ("use", "dropout", "from_"))
            if use is not None:
                self.ref((*where, "use"), use, self.model.use, "use")
            if dropout is not None:
                self.ref((*where, "dropout"), dropout, self.model.schedule, "schedule")
            if start is not None:
                self.day((*where, "from"), start)
        if endpoint.visits is not None:
            self.ref((*path, "visits"), endpoint.visits, self.model.schedule, "schedule")
        if endpoint.censored == "last-contact":
            if endpoint.censored_at is None:
                self.add("P027", path, "Censoring at the last contact needs a visit series.", "censored-at: a series")
            else:
                self.ref((*path, "censored-at"), endpoint.censored_at, self.model.schedule, "schedule")

    def estimands(self) -> None:
        model = self.model
        for id, estimand in model.estimands.items():
            path: Path_ = ("estimands", id)
            known = self.ref((*path, "endpoint"), estimand.endpoint, model.endpoints, "endpoints")
            levels: Collection[str] = model.arms
            kind = "arms"
            if estimand.factor is not None:
                if not self.ref((*path, "factor"), estimand.factor, model.factors, "factors"):
                    continue
                levels, kind = model.factors[estimand.factor].levels, f"factors.{estimand.factor}"
            for name in (estimand.treatments.experimental, estimand.treatments.reference):
                self.ref((*path, "treatments"), name, levels, kind)
            for event, strategy in estimand.intercurrent.items():
                if strategy == "principal-stratum":
                    self.add(
                        "P030",
                        (*path, "intercurrent", event),
                        "A principal stratum cannot be told from what is observed, and no estimator here claims to.",
                        "treatment-policy, hypothetical, composite or while-on-treatment",
                    )
            if known:
                kind = model.endpoints[estimand.endpoint].kind
                suits = {
                    "repeated-use": {"odds-ratio"},
                    "score": {"mean-difference", "ratio-of-means"},
                    "time-to-event": {
                        "hazard-ratio", "rmst-difference", "risk-difference", "risk-ratio", "odds-ratio",
                    },
                }.get(kind, {"odds-ratio", "risk-difference", "risk-ratio"})  # fmt: skip
                if estimand.summary not in suits:
                    self.add(
                        "P028",
                        (*path, "summary"),
                        f"{estimand.summary} does not suit an endpoint of kind {kind}.",
                        listed(sorted(suits)),
                    )

    def analyses(self) -> None:
        model = self.model
        stated = self.protocol.lines.keys if self.protocol.lines is not None else {}
        for id, analysis in model.analyses.items():
            path: Path_ = ("analyses", id)
            if self.ref((*path, "estimand"), analysis.estimand, model.estimands, "estimands"):
                endpoint = model.endpoints.get(model.estimands[analysis.estimand].endpoint)
                if endpoint is not None and analysis.estimator not in SUITS[endpoint.kind]:
                    self.add(
                        "P028",
                        (*path, "estimator"),
                        f"{analysis.estimator} does not suit an endpoint of kind {endpoint.kind}.",
                        listed(sorted(SUITS[endpoint.kind])),
                    )
            self.refs((*path, "covariates"), analysis.covariates, model.baseline, "baseline")
            if analysis.analysis_set is not None:
                self.ref((*path, "analysis-set"), analysis.analysis_set, model.analysis_sets, "analysis-sets")
            for option, estimators in OPTIONS.items():
                if (*path, option) in stated and analysis.estimator not in estimators:
                    self.add(
                        "P029",
                        (*path, option),
                        f"{option} does not belong to {analysis.estimator}.",
                        f"an analysis by {listed(sorted(estimators))}",
                        "Remove it.",
                    )
            if analysis.level == "primary" and analysis.alpha_two_sided is None and analysis.alpha_one_sided is None:
                self.add(
                    "P033",
                    path,
                    "A primary analysis states its alpha and the number of sides.",
                    "alpha-two-sided or alpha-one-sided",
                )
        for id, group in model.analysis_sets.items():
            if group.attended is not None:
                self.ref(("analysis-sets", id, "attended"), group.attended, model.schedule, "schedule")

    def published(self) -> None:
        model = self.model
        for id, result in model.published.items():
            path: Path_ = ("published", id)
            self.ref((*path, "endpoint"), result.endpoint, model.endpoints, "endpoints")
            if result.analysis is not None:
                self.ref((*path, "analysis"), result.analysis, model.analyses, "analyses")
            levels = {*model.arms, *(level for factor in model.factors.values() for level in factor.levels)}
            for arm in result.arms:
                self.ref((*path, "arms", arm), arm, levels, "arms")
            if result.effect is not None and result.effect.treatments is not None:
                for name in (result.effect.treatments.experimental, result.effect.treatments.reference):
                    self.ref((*path, "effect", "treatments"), name, levels, "arms")
        known = {*model.endpoints, *model.analyses, *model.published, *model.estimands}
        for position, remark in enumerate(model.remarks):
            self.refs(("remarks", position, "about"), remark.about, known, "endpoints or analyses")

    def assumptions(self) -> None:
        model = self.model
        for id, chosen in model.assumptions.items():
            path: Path_ = ("assumptions", id)
            seen = [id]
            while chosen.extends is not None:
                if not self.ref((*path, "extends"), chosen.extends, model.assumptions, "assumptions"):
                    break
                if chosen.extends in seen:
                    self.add(
                        "P031", (*path, "extends"), f"The set extends itself: {' > '.join([*seen, chosen.extends])}."
                    )
                    break
                seen.append(chosen.extends)
                chosen = model.assumptions[chosen.extends]
            for arm, n in model.assumptions[id].n.items():
                self.ref((*path, "n", arm), arm, model.arms, "arms")
                if n < 0:
                    self.add("P014", (*path, "n", arm), f"{n} participants.", "0 or more")
            for variable in model.assumptions[id].baseline:
                self.ref((*path, "baseline", variable), variable, model.baseline, "baseline")

    def assurance(self) -> None:
        model = self.model
        for position, case in enumerate(model.assurance):
            path: Path_ = ("assurance", position)
            if case.arm is not None:
                self.ref((*path, "arm"), case.arm, model.arms, "arms")
            for series, word in case.visits.items():
                if not self.ref((*path, "visits", series), series, model.schedule, "schedule"):
                    continue
                n = len(self.protocol.series(series))
                strange = sorted(set(word) - set("+-o*_"))
                if strange:
                    self.add(
                        "P032",
                        (*path, "visits", series),
                        f"{listed(strange)} is not a letter of a use pattern.",
                        "+ - o _",
                    )
                if len(word) != n:
                    self.add(
                        "P032", (*path, "visits", series), f"The word has {len(word)} letters, {series} has {n} visits."
                    )
            for endpoint in case.expect:
                self.ref((*path, "expect", endpoint), endpoint, model.endpoints, "endpoints")
            for name in case.sets:
                self.ref((*path, "sets", name), name, model.analysis_sets, "analysis-sets")
            for visit in case.scores:
                names = {v.name for v in self.protocol.planned_visits}
                self.ref((*path, "scores", visit), visit, names, "schedule")
