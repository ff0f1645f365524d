"""Whether the looks of a plan hold together: times, bounds, level, and what may be changed at them."""

from __future__ import annotations

import math
from itertools import pairwise

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.language.looks import PlannedLooks
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.estimators import ESTIMATORS

CODES = {
    "P080": "Looks, boundary, level or futility that contradict one another.",
    "P081": "An analysis that cannot be looked at before the end.",
    "P082": "More looks than there is information, or no number of which the looks are fractions.",
    "P083": "A rule to change the size or to drop arms that contradicts the looks.",
}
_HERE: Path_ = ("looks",)
# A test of an effect that tells which arm is better, and so has a Z with a sign.
SIGNED_TESTS = frozenset({"log-rank"})
# Boundary -> whether it needs a parameter; where it is not named it takes none.
_PARAMETERS = {"kim-demets": True, "hwang-shih-decani": True, "wang-tsiatis": True, "haybittle-peto": False}
MOST_ARMS = 8


def check_looks(c: Checker) -> None:
    """Every problem of ``looks``, where the protocol has them."""
    looks = c.model.looks
    if looks is None:
        return
    before = len(c.problems)
    known = [name for k, name in enumerate(looks.analyses) if _analysis(c, looks, k, name)]
    _keys(c, looks)
    if len(known) != len(looks.analyses):
        return
    _level(c, looks)
    _fractions(c, looks)
    if len(c.problems) == before:
        _rule(c, looks)
        _number(c, looks)
    _re_estimation(c, looks)
    _arms(c, looks)


def _analysis(c: Checker, looks: PlannedLooks, position: int, name: str) -> bool:
    """Whether an analysis can be looked at: one effect between two arms, with a sign."""
    path: Path_ = (*_HERE, "analyses", position)
    if not c.ref(path, name, c.model.analyses, "analyses"):
        return False
    if name in looks.analyses[:position]:
        c.add("P081", path, f"{name} stands here twice.", "each analysis once", "Remove one.")
        return False
    line = c.model.analyses[name]
    estimand = c.model.estimands.get(line.estimand)
    if estimand is None or estimand.endpoint not in c.model.endpoints:
        return False
    row, why = ESTIMATORS[line.estimator], ""
    if row.role == "arms" or estimand.treatments.reference is None:
        why = "describes arms and compares nothing"
    elif row.role == "test" and row.id not in SIGNED_TESTS:
        why = f"is a test ({row.id}) that does not say which arm is better"
    elif estimand.margin is not None and estimand.margin.objective == "equivalence":
        why = "asks for equivalence, which is two tests"
    elif c.protocol.is_within(estimand):
        why = "compares treatments within participants: a part of the participants is not a part of the results"
    elif row.borrows:
        why = "borrows from earlier studies: its success is a probability, for which no bounds are made"
    elif c.model.multiplicity is not None and name in c.model.multiplicity.names:
        why = "is one of several hypotheses of multiplicity, whose level is not shared out over looks"
    if why:
        c.add(
            "P081",
            path,
            f"{name} {why}.",
            "an analysis of an effect between two treatments, with a level of its own",
            "Name another analysis, or take it out of looks.",
        )
    return not why


def _keys(c: Checker, looks: PlannedLooks) -> None:
    """Keys that contradict each other by their presence."""
    if looks.alpha_spent is not None and (looks.boundary is not None or looks.boundary_parameter is not None):
        c.add(
            "P080",
            (*_HERE, "alpha-spent"),
            "alpha-spent and a boundary both stand here.",
            "one of the two",
            "Remove one.",
        )
    kind = looks.boundary or "lan-demets-obrien-fleming"
    if looks.boundary_parameter is not None and kind not in _PARAMETERS:
        c.add(
            "P080",
            (*_HERE, "boundary-parameter"),
            f"{kind} takes no parameter.",
            f"a parameter beside {listed(list(_PARAMETERS))}",
            "Remove it, or name another boundary.",
        )
    elif looks.alpha_spent is None and looks.boundary_parameter is None and _PARAMETERS.get(kind, False):
        c.add(
            "P080",
            (*_HERE, "boundary"),
            f"{kind} has no parameter here.",
            "boundary-parameter: a number",
            "Add it, as the statistical analysis plan states it.",
        )
    stop = looks.futility
    if stop is None:
        return
    path: Path_ = (*_HERE, "futility")
    by_beta = stop.rule == "beta-spending"
    if by_beta == (stop.below is not None):
        found = "beta-spending has bounds of its own." if by_beta else f"{stop.rule} does not say below what."
        c.add(
            "P080",
            (*path, "below") if by_beta else path,
            found,
            "below: for every rule but beta-spending",
            "Correct it.",
        )
    needs = stop.spending in ("kim-demets", "hwang-shih-decani")
    if by_beta and needs == (stop.spending_parameter is None):
        c.add(
            "P080",
            (*path, "spending"),
            f"{stop.spending} {'has no parameter here' if needs else 'takes no parameter'}.",
            "spending-parameter: a number with kim-demets and hwang-shih-decani alone",
            "Correct it.",
        )
    if stop.binding and stop.rule.endswith("power"):
        c.add(
            "P080",
            (*path, "binding"),
            f"{stop.rule} cannot be binding: it depends on critical values that follow.",
            "binding with beta-spending or z, or not binding",
            "Write binding: false; the level then holds whether the stop is obeyed or not.",
        )


def _level(c: Checker, looks: PlannedLooks) -> None:
    """One level for all analyses, with the sides that the rules need."""
    lines = {name: c.model.analyses[name] for name in looks.analyses}
    levels = {line.level_one_sided for line in lines.values()}
    if len(levels) > 1:
        c.add(
            "P080",
            (*_HERE, "analyses"),
            f"The analyses have levels of {listed([f'{x:g}' for x in sorted(levels)], conjunction='and')} a side.",
            "one familywise level, stated alike in each",
            "Write the familywise level in each: the closed test shares it out.",
        )
    if looks.stated_sides(c.model) != 2:
        return
    why = _one_sided_because(c, looks, lines)
    if why:
        c.add(
            "P080",
            (*_HERE, "sides"),
            f"The looks are two-sided, and {why}.",
            "sides: 1",
            "Write sides: 1; the level is then half of the two-sided one.",
        )


def _one_sided_because(c: Checker, looks: PlannedLooks, lines: dict[str, Analysis]) -> str:
    if looks.futility is not None:
        return "a stop for futility has one direction"
    if looks.is_combined:
        return "sizes and arms are changed in one direction"
    if any(line.alpha_one_sided is not None for line in lines.values()):
        return "the level of the analysis is one-sided"
    if any(c.model.estimands[line.estimand].margin is not None for line in lines.values()):
        return "a margin is tested on one side"
    return ""


def _fractions(c: Checker, looks: PlannedLooks) -> None:
    path: Path_ = (*_HERE, "at")
    at = [float(t) for t in looks.at]
    steps = [b - a for a, b in zip([0.0, *at], at, strict=False)]
    if min(steps) < 0.005 or not math.isclose(at[-1], 1.0, abs_tol=1e-9):
        c.add(
            "P080",
            path,
            f"Looks at {listed([f'{t:g}' for t in at], conjunction='and')}.",
            "fractions that rise by at least 0.005, the last 1",
            "Write them in order with the final analysis, for example [0.5, 1].",
        )
    for key, values, n in (
        ("alpha-spent", looks.alpha_spent, len(at)),
        ("futility", looks.futility.values if looks.futility is not None else None, len(at) - 1),
    ):
        if values is not None and len(values) > (0 if key == "alpha-spent" else 1) and len(values) != n:
            where: Path_ = (*_HERE, key) if key == "alpha-spent" else (*_HERE, key, "below")
            c.add("P080", where, f"{len(values)} numbers for {n} looks.", "one number a look", "Correct it.")
    if looks.futility is not None and len(at) == 1:
        c.add(
            "P080",
            (*_HERE, "futility"),
            "There is no look before the last.",
            "an interim look",
            "Add one, or remove it.",
        )


def _rule(c: Checker, looks: PlannedLooks) -> None:
    """What the arithmetic itself refuses."""
    try:
        _ = looks.rule(c.model).design
    except ValueError as error:
        c.add(
            "P080",
            _HERE,
            f"{str(error)[:1].upper()}{str(error)[1:]}.",
            "looks that can be carried out",
            "Correct them.",
        )


def _number(c: Checker, looks: PlannedLooks) -> None:
    """The numbers at the looks: whole, distinct, and not more than there are participants."""
    counted, planned = looks.counts(c.model), looks.planned_number(c.model)
    shape = c.model.endpoints[c.model.estimands[c.model.analyses[looks.analyses[0]].estimand].endpoint].shape
    if counted == "events" and shape not in ("time-to-event", "binary"):
        c.add(
            "P082",
            (*_HERE, "counted"),
            f"The endpoint is no event ({shape}).",
            "counted: results or information",
            "Correct it.",
        )
        return
    if planned is None:
        c.add(
            "P082",
            (*_HERE, "planned") if looks.planned is not None else _HERE,
            f"How many {counted} are planned for the last look stands nowhere.",
            f"planned: the number of {counted} at the last look",
            "Add planned.",
        )
        return
    if counted == "information":
        return
    whole = [math.ceil(t * planned - 1e-9) for t in looks.at]
    if whole[0] < 2 or any(b <= a for a, b in pairwise(whole)):
        c.add(
            "P082",
            (*_HERE, "at"),
            f"{planned:g} {counted} give looks at {listed([str(n) for n in whole], conjunction='and')}.",
            "each look later than the one before, the first at 2 or more",
            "Take fewer looks, or plan more.",
        )
    people = looks.planned_participants(c.model)
    if people is not None and planned > people:
        c.add(
            "P082",
            (*_HERE, "planned"),
            f"{planned:g} {counted} are planned, and {people:g} participants in what is compared.",
            f"at most {people:g}",
            "Correct planned, or the planned number of participants.",
        )


def _re_estimation(c: Checker, looks: PlannedLooks) -> None:
    rule = looks.re_estimation
    if rule is None:
        return
    path: Path_ = (*_HERE, "re-estimation")
    if len(looks.at) < 2:
        c.add("P083", path, "There is no look before the last.", "an interim look", "Add one to `at`.")
        return
    if looks.drop_arms is not None:
        c.add("P083", path, "Sizes and arms are both changed.", "one of the two", "Remove re-estimation or drop-arms.")
    planned = looks.planned_number(c.model)
    if planned is not None:
        least = planned if rule.least is None else float(rule.least)
        reached = float(looks.at[-2]) * planned
        if not reached < least <= rule.most:
            c.add(
                "P083",
                path,
                f"The size may lie from {least:g} to {rule.most:g}, and {reached:g} are there at the look before.",
                f"more than {reached:g}, and least not above most",
                "Correct least and most: they are numbers at the last look, not of its own stage.",
            )
    if rule.promising is not None and not 0 <= rule.promising[0] < rule.promising[1] <= 1:
        c.add("P083", (*path, "promising"), "The range does not rise.", "two probabilities in order", "Correct it.")


def _arms(c: Checker, looks: PlannedLooks) -> None:
    rule = looks.drop_arms
    if rule is None:
        if len(looks.analyses) > 1:
            c.add(
                "P083",
                (*_HERE, "analyses"),
                f"{len(looks.analyses)} analyses are looked at, and no rule drops arms.",
                "one analysis, or drop-arms",
                "Name one analysis, or add drop-arms.",
            )
        return
    path: Path_ = (*_HERE, "drop-arms")
    if not 2 <= len(looks.analyses) <= MOST_ARMS:
        c.add(
            "P083",
            (*_HERE, "analyses"),
            f"{len(looks.analyses)} analyses: arms are dropped among several.",
            f"from 2 to {MOST_ARMS} analyses, each of another arm against one reference",
            "Name an analysis for each arm.",
        )
    if not rule.at < len(looks.at):
        c.add(
            "P083",
            (*path, "at"),
            f"Arms are dropped at look {rule.at} of {len(looks.at)}.",
            "an interim look",
            "Correct it.",
        )
    if rule.keep is not None and rule.keep > len(looks.analyses):
        c.add("P083", (*path, "keep"), f"{rule.keep} arms of {len(looks.analyses)} are kept.", "fewer", "Correct it.")
    lines = [c.model.analyses[name] for name in looks.analyses]
    estimands = [c.model.estimands[line.estimand] for line in lines]
    if len({(e.endpoint, e.treatments.reference, e.factor) for e in estimands}) > 1 or len(
        {e.treatments.experimental for e in estimands}
    ) != len(estimands):
        c.add(
            "P083",
            (*_HERE, "analyses"),
            "The analyses differ in more than the arm that is compared.",
            "one endpoint and one reference, each arm once",
            "Correct the estimands.",
        )
    if looks.futility is not None:
        c.add(
            "P083",
            (*_HERE, "futility"),
            "Futility and drop-arms both stand here.",
            "drop-arms with `below`, which ends the trial where no arm is left",
            "Remove futility.",
        )
