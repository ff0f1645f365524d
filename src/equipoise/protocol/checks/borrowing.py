"""Whether a line of the plan may borrow: the studies' numbers fit its endpoint, each trial once, none of its own."""

from __future__ import annotations

import re
from itertools import combinations

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.borrowing import Borrow, EarlierStudy
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import Scale, scale_of_summary

CODES = {
    "P100": "A borrowing estimator without earlier studies to borrow from.",
    "P101": "An earlier study whose numbers are not those of the endpoint: counts for a mean, or a part missing.",
    "P102": "Two earlier studies that are one trial.",
    "P103": "The trial's own results among the earlier studies.",
    "P104": "Earlier studies that counted something else than the endpoint.",
    "P105": "A rule of success that is not one: a level beside a probability, or a limit on another scale.",
    "P106": "A question for which nothing can be borrowed: factors, logarithms, a margin in the estimand.",
}

# What a study states, by the estimator that borrows it, and how that is written.
NUMBERS = {
    "borrowed-risk-difference": (frozenset({"events"}), "events: 12 of 50"),
    "borrowed-mean-difference": (frozenset({"mean", "sd", "n"}), "mean, sd and n"),
    "borrowed-rate-ratio": (frozenset({"count", "days"}), "count and days"),
}


def check_borrowing(c: Checker, path: Path_, analysis: Analysis, estimand: Estimand, endpoint: Endpoint) -> None:
    """Every problem of what one line of the plan borrows."""
    if not ESTIMATORS[analysis.estimator].borrows:
        return  # a key `borrow` elsewhere is refused as any option of another estimator
    where: Path_ = (*path, "borrow")
    if analysis.borrow is None:
        c.add(
            "P100",
            path,
            f"{analysis.estimator} needs earlier studies, and borrow is not there.",
            "borrow: {studies: ...}",
            "Add borrow, or choose an estimator without it.",
        )
        return
    _question(c, path, estimand, endpoint)
    needed, example = NUMBERS[analysis.estimator]
    for id, study in analysis.borrow.studies.items():
        if study.stated != needed:
            stated = listed(sorted(study.stated), conjunction="and") if study.stated else "no numbers"
            c.add(
                "P101",
                (*where, "studies", id),
                f"The study states {stated}, and {analysis.estimator} takes {example}.",
                example,
                "Correct the study, or choose the estimator that fits its numbers.",
            )
    if needed == {"count", "days"} and all(study.count == 0 for study in analysis.borrow.studies.values()):
        c.add(
            "P101",
            (*where, "studies"),
            "No study has an event: nothing says where the rate lies.",
            "a study with at least one event",
            "Analyse without borrowing, for example by negative-binomial.",
        )
    _each_once(c, (*where, "studies"), analysis.borrow)
    _none_of_its_own(c, (*where, "studies"), analysis.borrow)
    _event(c, (*where, "event"), analysis.borrow, estimand, endpoint)
    _rule(c, path, analysis, estimand)


def _question(c: Checker, path: Path_, estimand: Estimand, endpoint: Endpoint) -> None:
    if c.protocol.is_within(estimand) or estimand.factor is not None or estimand.interaction is not None:
        c.add(
            "P106",
            (*path, "estimator"),
            "The question compares levels of a factor, or treatments within participants: no arm of an earlier study "
            "is either.",
            "an estimand that compares two arms, or is of one",
            "Choose an estimator without borrowing.",
        )
    if endpoint.analyses_logarithm:
        c.add(
            "P106",
            (*path, "estimator"),
            "The logarithm of the endpoint is analysed, and earlier studies state means of the values themselves.",
            "an endpoint without log",
            "Choose an estimator without borrowing.",
        )
    if estimand.margin is not None:
        c.add(
            "P106",
            (*path, "borrow"),
            "The estimand has a margin, which p values are held against; with borrowing the rule is a probability.",
            "an estimand without margin, and borrow: {more-than: the margin, with its sign}",
            "Write an estimand of its own for this line.",
        )


def _name(id: str, study: EarlierStudy) -> str:
    return re.sub(r"[^a-z0-9]", "", (study.label or id).lower())


def _number(study: EarlierStudy) -> str:
    return re.sub(r"[^A-Z0-9]", "", (study.registration or "").upper())


def _each_once(c: Checker, path: Path_, borrow: Borrow) -> None:
    """One trial under two names would count twice."""
    for (id, study), (other, second) in combinations(borrow.studies.items(), 2):
        if _number(study) and _number(study) == _number(second):
            why = f"both have the registry number {study.registration}"
        elif _name(id, study) == _name(other, second):
            why = "both have one name"
        elif study.source and study.source == second.source and _numbers(study) == _numbers(second):
            why = f"both state the same numbers from {listed(study.source, conjunction='and')}"
        else:
            continue
        c.add(
            "P102",
            (*path, other),
            f"{id} and {other} are one trial: {why}.",
            "each trial once",
            "Remove one, or correct label, registration or source.",
        )


def _numbers(study: EarlierStudy) -> tuple[object, ...]:
    return (str(study.events), study.mean, study.sd, study.n, study.count, study.days)


def _none_of_its_own(c: Checker, path: Path_, borrow: Borrow) -> None:
    """A prior holds nothing of the trial that it is a prior of."""
    trial = c.model.trial
    own = re.sub(r"[^A-Z0-9]", "", str(trial.registration.value or "").upper())
    published = {source for result in c.model.published.values() for source in result.source}
    for id, study in borrow.studies.items():
        if own and _number(study) == own:
            why = f"it has the trial's own registry number {trial.registration.value}"
        elif published & set(study.source):
            why = f"its source {listed(sorted(published & set(study.source)))} is that of the trial's published results"
        else:
            continue
        c.add(
            "P103",
            (*path, id),
            f"{id} is this trial itself: {why}. Its participants would count twice.",
            "studies that ended before, of other participants",
            "Remove it.",
        )


def _event(c: Checker, path: Path_, borrow: Borrow, estimand: Estimand, endpoint: Endpoint) -> None:
    """Counts of use are no counts of abstinence: the studies' event is named, and is the endpoint's."""
    if endpoint.shape != "binary":
        return
    own = [estimand.endpoint, *(text for text in (endpoint.label, endpoint.event_noun) if text)]
    own += ["abstinence"] if endpoint.kind == "abstinence" else []
    plain = {re.sub(r"[^a-z0-9]", "", text.lower()) for text in own}
    if borrow.event is not None and re.sub(r"[^a-z0-9]", "", borrow.event.lower()) in plain:
        return
    found = (
        "What the studies counted is not said." if borrow.event is None else f"The studies counted {borrow.event!r}."
    )
    c.add(
        "P104",
        path if borrow.event is not None else path[:-1],
        f"{found} The endpoint counts {own[-1] if endpoint.kind == 'abstinence' else own[0]}.",
        f"event: {listed(list(dict.fromkeys(own)))}",
        "Say that the studies counted the same event; where they counted its opposite, turn the counts.",
    )


def _rule(c: Checker, path: Path_, analysis: Analysis, estimand: Estimand) -> None:
    borrow = analysis.borrow
    assert borrow is not None
    for key, level in (("alpha-one-sided", analysis.alpha_one_sided), ("alpha-two-sided", analysis.alpha_two_sided)):
        if level is not None:
            c.add(
                "P105",
                (*path, key),
                f"{key}: {level:g} stands beside a rule by probability, and there is no p value to hold against it.",
                f"borrow: {{probability: {1 - (level if 'one' in key else level / 2):g}}}",
                "Remove the level, and state the probability.",
            )
    alone = estimand.treatments.reference is None
    scale = scale_of_summary(estimand.summary)
    where: Path_ = (*path, "borrow", "more-than")
    if borrow.more_than is not None and scale is not None:
        _limit(c, where, borrow, scale)
    elif alone and estimand.summary == "proportion":
        c.add(
            "P105",
            (*path, "borrow"),
            "One arm alone is held against something, and more-than is not there.",
            "more-than: 40 %",
            "Add it.",
        )
    for position, weight in enumerate(borrow.sensitivity):
        if not 0.0 <= weight <= 1.0:
            c.add(
                "P105",
                (*path, "borrow", "sensitivity", position),
                f"{weight:g} is not a weight.",
                "0 to 1",
                "Correct it.",
            )


def _limit(c: Checker, path: Path_, borrow: Borrow, scale: Scale) -> None:
    given = borrow.more_than
    assert given is not None
    value = given.value
    low = 0.0 if scale.id == "proportion" else -1.0
    if given.is_percent and not scale.is_share:
        found, expected = f"{given} on a {scale.label}", "a number on the scale itself"
    elif scale.is_share and not low < value < 1.0:
        found, expected = f"{given}", f"per cent between {100 * low:g} and 100" if low else "per cent between 0 and 100"
    elif scale.is_ratio and value <= 0.0:
        found, expected = f"{given}, and a ratio is above 0", "a ratio above 0"
    else:
        return
    c.add("P105", path, f"more-than is {found}.", expected, "Correct it.")
