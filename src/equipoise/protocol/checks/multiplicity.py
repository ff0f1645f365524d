"""Whether hypotheses, weights and transitions make a procedure that holds its level, on analyses with a p value."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.foundation.errors import Problem, listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.multiplicity import Multiplicity
from equipoise.protocol.language.protocol import Protocol
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.estimators import ESTIMATORS

CODES = {
    "P045": "Hypotheses, weights or transitions that do not make a procedure of multiple testing.",
    "P046": "A hypothesis without a p value that the familywise level can be held against.",
    "P047": "A hypothesis that can never be rejected (a remark of `check`; the file is right all the same).",
}
# Weights written to four decimals may miss 1 by their rounding, and what is above by more is not a share.
_ROUNDING = 1e-9
_HERE: Path_ = ("multiplicity",)
# What each procedure takes beside its hypotheses.
_TAKES: Mapping[str, frozenset[str]] = {
    "graph": frozenset({"hypotheses", "weights", "transitions"}),
    "bonferroni": frozenset({"hypotheses", "weights"}),
    "holm": frozenset({"hypotheses", "weights"}),
    "fallback": frozenset({"hypotheses", "weights"}),
    "fixed-sequence": frozenset({"hypotheses"}),
    "gatekeeping": frozenset({"families", "gate", "truncation"}),
    "hochberg": frozenset({"hypotheses"}),
    "hommel": frozenset({"hypotheses"}),
}


def check_multiplicity(c: Checker) -> None:
    """Every problem of ``multiplicity``, where the protocol has it."""
    plan = c.model.multiplicity
    if plan is None:
        return
    _keys(c, plan)
    _names(c, plan)
    _weights(c, plan)
    _transitions(c, plan)
    for position, name in enumerate(plan.names):
        if name in c.model.analyses:
            _hypothesis(c, plan, name, _place_of(plan, position))
    outside = [
        name
        for name, line in c.model.analyses.items()
        if line.level == "primary" and name not in plan.names and plan.names
    ]
    if outside:
        c.add(
            "P045",
            (*_HERE, "families" if plan.method == "gatekeeping" else "hypotheses"),
            f"{listed(outside, conjunction='and')} {'is' if len(outside) == 1 else 'are'} primary and outside the "
            "familywise level.",
            "every primary analysis among the hypotheses",
            "Add it, or give it another level.",
        )


def never_rejected(protocol: Protocol) -> list[Problem]:
    """Hypotheses without any way to a part of the level: remarks, for the procedure holds its level all the same."""
    plan = protocol.model.multiplicity
    lost = [] if plan is None else [name for graph in plan.graphs for name in graph.unreachable()]
    lines = protocol.lines
    file, line = (lines.file, lines.of((*_HERE, "weights"))) if lines is not None else (None, None)
    return [
        Problem(
            "P047",
            "multiplicity.weights",
            f"{name} begins with no part of the level and no transition leads to it: it is never rejected.",
            "a weight above 0, or a transition from a hypothesis that can be rejected",
            "Give it a weight, or take it out of the hypotheses.",
            file,
            line,
        )
        for name in lost
    ]


def _place_of(plan: Multiplicity, position: int) -> Path_:
    """Where the hypothesis of a number stands in the file."""
    if plan.method != "gatekeeping":
        return (*_HERE, "hypotheses", position)
    for number, family in enumerate(plan.families):
        if position < len(family):
            return (*_HERE, "families", number, position)
        position -= len(family)
    raise IndexError(position)


def _keys(c: Checker, plan: Multiplicity) -> None:
    """Keys that belong to another procedure, and those without which there is nothing to test."""
    takes = _TAKES[plan.method]
    stated = c.protocol.lines.keys if c.protocol.lines is not None else {}
    for key in ("hypotheses", "weights", "transitions", "families", "gate", "truncation"):
        if (*_HERE, key) in stated and key not in takes:
            takers = [method for method, keys in _TAKES.items() if key in keys]
            c.add(
                "P045",
                (*_HERE, key),
                f"{key} does not belong to {plan.method}.",
                f"method: {listed(takers)}",
                "Remove it, or choose another method.",
            )
    if plan.method == "gatekeeping" and plan.gate == "serial" and (*_HERE, "truncation") in stated:
        c.add(
            "P045",
            (*_HERE, "truncation"),
            "A serial gate passes the level on whole: nothing is truncated.",
            "gate: parallel beside it",
            "Remove it, or choose the parallel gate.",
        )
    n, key = (len(plan.families), "families") if plan.method == "gatekeeping" else (len(plan.hypotheses), "hypotheses")
    if n < 2:
        c.add(
            "P045",
            (*_HERE, key) if (*_HERE, key) in stated else _HERE,
            f"There {'is one' if n == 1 else 'are no'} {key[:-3] + 'is' if key[0] == 'h' and n == 1 else key}.",
            "two or more",
            "Add the others, or take multiplicity out.",
        )
    for number, family in enumerate(plan.families):
        if not family:
            c.add("P045", (*_HERE, key, number), "The family is empty.", "one analysis or more", "Remove it.")


def _names(c: Checker, plan: Multiplicity) -> None:
    """Hypotheses are analyses of the file, each once, and no two answer one question."""
    names = list(plan.names)
    questions: dict[str, str] = {}
    for position, name in enumerate(names):
        where = _place_of(plan, position)
        if not c.ref(where, name, c.model.analyses, "analyses"):
            continue
        if name in names[:position]:
            c.add("P045", where, f"{name} stands here twice.", "each hypothesis once", "Remove one.")
            continue
        question = c.model.analyses[name].estimand
        if question in questions:
            c.add(
                "P045",
                where,
                f"{name} answers the estimand {question}, as {questions[question]} does: it is one hypothesis twice.",
                "one analysis of each estimand",
                "Take one out; it can stand beside as a sensitivity analysis.",
            )
        questions.setdefault(question, name)


def _weights(c: Checker, plan: Multiplicity) -> None:
    """Shares of one level: of hypotheses, none below 0, at most 1 in all."""
    if "weights" not in _TAKES[plan.method]:
        return
    for name, weight in plan.weights.items():
        c.ref((*_HERE, "weights", name), name, plan.names, "multiplicity.hypotheses")
        _share(c, (*_HERE, "weights", name), weight)
    total = sum(plan.weights.values())
    if total > 1 + _ROUNDING:
        c.add(
            "P045",
            (*_HERE, "weights"),
            f"The weights add up to {total:g}: together they would spend more than the level.",
            "weights that add up to 1 or less",
            "Correct the weights.",
        )
    absent = [name for name in plan.names if name not in plan.weights]
    if absent and plan.weights and plan.method != "graph":
        c.add(
            "P045",
            (*_HERE, "weights"),
            f"{listed(absent, conjunction='and')} {'has' if len(absent) == 1 else 'have'} no weight.",
            "a weight for each hypothesis, or none at all for equal ones",
            "Add it.",
        )
    if plan.method == "graph" and not total:
        c.add(
            "P045",
            (*_HERE, "weights") if plan.weights else _HERE,
            "No hypothesis begins with a part of the level: none can be rejected.",
            "weights above 0",
            "Add weights: {name: share}.",
        )


def _share(c: Checker, path: Path_, value: float) -> None:
    if not 0 <= value <= 1:
        c.add("P045", path, f"{value:g} is not a share.", "a number from 0 to 1", "Correct it.")


def _transitions(c: Checker, plan: Multiplicity) -> None:
    """Of each hypothesis, parts of its level to others, at most 1 in all; circles are fine."""
    if plan.method != "graph":
        return
    for name, row in plan.transitions.items():
        path: Path_ = (*_HERE, "transitions", name)
        c.ref(path, name, plan.names, "multiplicity.hypotheses")
        for other, part in row.items():
            if other == name:
                c.add("P045", (*path, other), f"{name} passes on to itself.", "another hypothesis", "Remove it.")
                continue
            c.ref((*path, other), other, plan.names, "multiplicity.hypotheses")
            _share(c, (*path, other), part)
        total = sum(row.values())
        if total > 1 + _ROUNDING:
            c.add(
                "P045",
                path,
                f"{name} passes on {total:g} of its level.",
                "transitions that add up to 1 or less",
                "Correct the transitions.",
            )


def _hypothesis(c: Checker, plan: Multiplicity, name: str, path: Path_) -> None:
    """An analysis with a p value, of the sides that the familywise level states."""
    line = c.model.analyses[name]
    row = ESTIMATORS[line.estimator]
    estimand = c.model.estimands.get(line.estimand)
    if estimand is not None and line.goal is None and (row.role == "arms" or estimand.treatments.reference is None):
        c.add(
            "P046",
            path,
            f"{name} describes arms and tests nothing: it has no p value.",
            "an analysis that compares two treatments, or holds one arm against a goal",
            "Name another analysis.",
        )
        return
    if row.borrows:
        c.add(
            "P046",
            path,
            f"{name} borrows from earlier studies: its success is a probability, and it has no p value.",
            "an analysis without borrowing",
            "Name another analysis; one that borrows may stand beside the procedure, and is no part of it.",
        )
        return
    if plan.is_one_sided and row.role == "test":
        c.add(
            "P046",
            path,
            f"{row.id} has a two-sided p value and no direction, and the familywise level is one-sided.",
            "an analysis that estimates an effect, or alpha-two-sided",
            "Choose an estimator of an effect, or state the level two-sided.",
        )
    for key, own, is_other in (
        ("alpha-one-sided", line.alpha_one_sided, not plan.is_one_sided),
        ("alpha-two-sided", line.alpha_two_sided, plan.is_one_sided),
    ):
        if own is None:
            continue
        said = f"alpha-{'one' if plan.is_one_sided else 'two'}-sided: {plan.alpha:g}"
        if is_other or float(own) != plan.alpha:
            c.add(
                "P046",
                ("analyses", name, key),
                f"{key}: {own:g} stands here, and multiplicity, which names {name}, says {said}.",
                f"no level of its own, or {said}",
                "Remove it: multiplicity says at which level the hypothesis is tested.",
            )
