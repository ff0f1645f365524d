"""The answer on one screen of 80 columns: results by arm, whether they hold, what was published, the report."""

from __future__ import annotations

import textwrap

from rich.text import Text

from equipoise.analysis.estimate import Estimate
from equipoise.cli.answer_grid import WIDTH, print_grid
from equipoise.cli.console import AMBER, console, print_notes
from equipoise.foundation.printable import escaped
from equipoise.protocol.vocabulary.scales import is_share, scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.agreement import Sensitivity, sensitivity_analyses
from equipoise.reporting.answer import build_answer
from equipoise.reporting.by_arm import arm_result, results_of, what_is_shown
from equipoise.reporting.context import LEADING, Material
from equipoise.reporting.direction import in_one_direction
from equipoise.reporting.document import Answer, plain
from equipoise.reporting.findings import measure_words
from equipoise.workflow.verbs import Run

_SHORT = {
    "odds_ratio": "OR",
    "hazard_ratio": "HR",
    "subdistribution_hazard_ratio": "SHR",
    "risk_ratio": "RR",
    "ratio_of_means": "RM",
    "rate_ratio": "IRR",
    "risk_difference": "RD",
    "mean_difference": "MD",
    "rmst_difference": "RMTD",
}
_MEANING = {
    "OR": "OR odds ratio",
    "HR": "HR hazard ratio",
    "SHR": "SHR subdistribution hazard ratio",
    "RR": "RR risk ratio",
    "RM": "RM ratio of geometric means",
    "IRR": "IRR rate ratio",
    "RD": "RD risk difference in percentage points",
    "MD": "MD mean difference",
    "RMTD": "RMTD difference of restricted mean times",
}
_MOST_NAMED = 3
_MOST_ROWS = 9  # of results, so that the screen holds them
_MOST_ARMS = 4  # beside one another


def print_answer(run: Run) -> bool:
    """Print the answer; false, and nothing printed, where there is none, or the terminal has not 80 columns."""
    material = Material(run.protocol, run.records, in_one_direction(run.protocol, run.results))
    out = console()
    answer = build_answer(material) if out.width >= WIDTH else None
    if answer is None:
        return False
    lines = material.answers(*LEADING)
    shown = lines[:_MOST_ROWS] if lines else _of_arms(material)[:_MOST_ROWS]
    _opening(run, material)
    if not lines:
        _single_arms(material, shown)
    elif len(material.sides) == 2:
        _two_arms(material, shown)
    else:
        _many_arms(material, shown)
    out.print()
    _wrapped(answer.verdict, style="bold")
    _fields(material, answer, lines)
    out.print()
    if lines:
        _wrapped(_legend(material, shown))
    print_notes(run.results.provenance.notes)
    n_more = len(run.results.estimates) - len(shown)
    if n_more:
        _wrapped(f"{fmt.plural(n_more, 'more row')}: --all, or results.csv.")
    report = next((path for path in run.files if path.name == "report.html"), None)
    out.print(f"Report: {report}" if report else f"Results: {run.folder}")
    return True


def _opening(run: Run, material: Material) -> None:
    if run.records.is_simulated:
        text = "SIMULATED  Fictional participants; no result here is evidence."
        console().print(Text(text, style=f"bold {AMBER}"))
    randomized = "randomized" if run.protocol.model.randomization is not None else "enrolled"
    _wrapped(f"{run.protocol.model.trial.title}: {fmt.thousands(material.n_randomized)} {randomized}", style="bold")
    console().print()


# ---------------------------------------------------------------------------------------------------------------------
# Results


def _two_arms(material: Material, lines: list[Estimate]) -> None:
    """Results by arm with the effect beside them, a row an analysis."""
    arms = list(material.sides)
    ci = words.ci_words(lines)
    heads = ["", *material.sides.values(), f"Effect ({ci})", "p"]
    under = ["", *(f"n={fmt.thousands(material.n_by_side[arm])}" for arm in arms), "", ""]
    rows: list[tuple[str, ...]] = []
    level = ""
    for estimate in lines:
        if estimate.level != level:
            level = estimate.level
            rows.append((words.LEVEL_WORDS[level],))
        found = results_of(material, estimate)
        cells = (_brief(material, estimate.endpoint, fmt.cell(found.get(arm, "not planned"))) for arm in arms)
        rows.append((_label(material, estimate, lines), *cells, _effect(estimate, ci), _p(estimate)))
    print_grid(heads, under, rows, right=(1, 2))


def _many_arms(material: Material, lines: list[Estimate]) -> None:
    """Results with a column an arm (a row an arm where they are many), then the comparisons."""
    endpoints = list(dict.fromkeys(estimate.endpoint for estimate in lines))
    table = {endpoint: _by_arm(material, endpoint) for endpoint in endpoints}
    table = {endpoint: cells for endpoint, cells in table.items() if cells}
    labels = {endpoint: _endpoint_label(material, endpoint) for endpoint in table}
    counts = [f"n={fmt.thousands(len(material.members[arm]))}" for arm in material.arms]
    if len(material.arms) <= _MOST_ARMS:
        rows = [(labels[endpoint], *cells) for endpoint, cells in table.items()]
        print_grid(["", *material.arms.values()], ["", *counts], rows, right=range(1, len(counts) + 1))
    else:
        chosen = list(table)[:3]
        rows = [
            (label, counts[k], *(table[endpoint][k] for endpoint in chosen))
            for k, label in enumerate(material.arms.values())
        ]
        print_grid(["", "", *(labels[e] for e in chosen)], [""] * (2 + len(chosen)), rows, right=range(1, 5))
    console().print()
    ci = words.ci_words(lines)
    comparisons: list[tuple[str, ...]] = []
    level = ""
    for estimate in lines:
        if estimate.level != level:
            level = estimate.level
            comparisons.append((words.LEVEL_WORDS[level],))
        pair = f"{_lowered(material, estimate.arm)} v {_lowered(material, estimate.reference)}"
        comparisons.append((f"{_label(material, estimate, lines)}: {pair}", _effect(estimate, ci), _p(estimate)))
    print_grid(["", f"Effect ({ci})", "p"], ["", "", ""], comparisons, right=())


def _single_arms(material: Material, shown: list[Estimate]) -> None:
    """Estimates of arms that nothing is compared with, each with its goal where it has one."""
    has_goal = any(estimate.details.get("goal") is not None for estimate in shown)
    rows = []
    for estimate in shown:
        label = material.endpoint_label(estimate.endpoint)
        planned = material.protocol.model.analyses.get(material.line(estimate))
        label = planned.label if planned is not None and planned.label else label
        label += f", {_lowered(material, estimate.arm)}" if len(material.arms) > 1 else ""
        unit = "%" if is_share(estimate.scale) else ""
        name = "" if estimate.scale == "proportion" else f", {scale_label(estimate.scale)}"
        count = f"{estimate.n_events} of {estimate.n_analysed}" if unit else f"n={estimate.n_analysed}"
        text = fmt.interval(fmt.Interval(*estimate.ends, estimate.scale)).replace(" (", f"{unit} (", 1)
        goal = estimate.details.get("goal")
        held = ["none set", "none"] if goal is None else [fmt.on_scale(goal, estimate.scale) + unit, _p(estimate)]
        rows.append((f"{label}{name}", count, text, *(held if has_goal else [])))
    heads = ["", "Participants", f"Estimate ({words.ci_words(shown)})", *(["Goal", "p"] if has_goal else [])]
    print_grid(heads, [""] * len(heads), rows, right=(1,))


def _of_arms(material: Material) -> list[Estimate]:
    """Estimates of single arms, as planned."""
    return [e for e in material.results.estimates if e.reference is None and not material.choices(e)]


def _by_arm(material: Material, endpoint: str) -> list[str]:
    derived = material.results.endpoints.get(endpoint)
    if derived is None:
        return []
    arm_of = derived.participants.arm
    return [_brief(material, endpoint, fmt.cell(arm_result(derived, arm_of == arm))) for arm in material.arms]


def _endpoint_label(material: Material, endpoint: str) -> str:
    derived = material.results.endpoints.get(endpoint)
    shown = "" if derived is None else what_is_shown(derived, within=material.is_crossover)
    return material.endpoint_label(endpoint) + _mean_words(shown)


def _mean_words(shown: str) -> str:
    """``, mean at day 33`` where means are shown, with the visit whose means they are; ``, events/days observed``."""
    return shown.replace("mean (SD)", "mean") if "mean" in shown or "events/days" in shown else ""


def _label(material: Material, estimate: Estimate, lines: list[Estimate]) -> str:
    """Endpoint and what sets the analysis apart: an analysis set, a rule; of two measures of one scale which it is."""
    derived = material.results.endpoints.get(estimate.endpoint)
    label = material.endpoint_label(estimate.endpoint)
    qualifier = material.qualifier(estimate)
    label += f" ({qualifier})" if qualifier else ""
    alike = [e for e in lines if e.endpoint == estimate.endpoint and e.scale == estimate.scale]
    kind = measure_words(material, estimate).partition(" ")[0]
    if len({measure_words(material, e) for e in alike}) > 1 and kind in ("conditional", "marginal"):
        label += f", {kind}"
    return label + ("" if derived is None else _mean_words(what_is_shown(derived, within=material.is_crossover)))


def _effect(estimate: Estimate, head: str) -> str:
    """Effect with its interval, and its level where the head of the column has none."""
    limits = fmt.Interval(*estimate.ends, estimate.scale)
    level = f", {fmt.level(estimate.ci_level)}" if head == "CI" and estimate.ci_level is not None else ""
    return f"{_SHORT.get(estimate.scale, estimate.scale)} {fmt.interval(limits)}{level}"


def _p(estimate: Estimate) -> str:
    return fmt.cell(words.p_cell(estimate)).replace(" one-sided", "*")


def _lowered(material: Material, arm: str | None) -> str:
    return words.lowered(material.arm_label(arm))


def _brief(material: Material, endpoint: str, result: str) -> str:
    """A result for the screen: a count with its percentage, the percentage of visits alone, a mean alone."""
    head, _, rest = result.partition(" (")
    if "%" not in rest:
        return head
    derived = material.results.endpoints.get(endpoint)
    of_visits = material.is_crossover or (derived is not None and derived.shape == "repeated-binary")
    return rest.rstrip(")") if of_visits and "/" in head else result


# ---------------------------------------------------------------------------------------------------------------------
# What stands below


def _fields(material: Material, answer: Answer, lines: list[Estimate]) -> None:
    """Whether it holds, what was missed, what was published, and the caution of the report."""
    if lines:
        checks = sensitivity_analyses(material, lines[0])
        if checks:
            _agreement(material, lines[0], checks)
    missed = next((row.cells for row in answer.rows if row.label == "Missed visits"), None)
    if missed is not None and len(missed) == len(material.arms):
        pairs = (f"{words.lowered(label)} {cell}" for label, cell in zip(material.arms.values(), missed, strict=True))
        _field("Missed visits", words.capitalized(", ".join(pairs)) + ".")
    published = [
        f"{words.lowered(material.endpoint_label(p.endpoint))} {p.effect.value}".replace(" -", f" {fmt.MINUS}")
        for p in (material.published_for(e) for e in lines if e.level == lines[0].level)
        if p is not None and p.effect is not None
    ]
    if published:
        _field("Published", words.capitalized("; ".join(published)) + ".")
    if answer.caution is not None:
        _field("Note", f"{answer.caution.title} {plain(answer.caution.text)}")


def _legend(material: Material, shown: list[Estimate]) -> str:
    """Which way effects go, and what their short names mean."""
    used = dict.fromkeys(_SHORT[e.scale] for e in shown if e.scale in _SHORT)
    meaning = f"{', '.join(_MEANING[s] for s in used)}."
    meaning += " * One-sided, against the margin." if any("margin" in e.details for e in shown) else ""
    if len(material.sides) != 2:
        return meaning
    arm, reference = (words.lowered(label) for label in reversed(list(material.sides.values())))
    return f"Effects are {arm} versus {reference}. {meaning}"


def _agreement(material: Material, planned: Estimate, checks: tuple[Sensitivity, ...]) -> None:
    bad = [check for check in checks if not check.agrees]
    label = words.lowered(material.endpoint_label(planned.endpoint))
    _field(
        "Does it hold?",
        f"{words.capitalized(label)}: {len(checks) - len(bad)} of {len(checks)} sensitivity "
        f"analyses agree.{' Not:' if bad else ''}",
    )
    for check in bad[:_MOST_NAMED]:
        text = fmt.interval(fmt.Interval(*check.limits, check.scale))
        name = fmt.shortened(check.name, 34).ljust(34)
        console().print(Text(escaped(f"{'':15}{name} {_SHORT.get(check.scale, '')} {text}")))
    if len(bad) > _MOST_NAMED:
        console().print(f"{'':15}and {len(bad) - _MOST_NAMED} more, in the report")


def _field(name: str, text: str) -> None:
    _wrapped(f"{name:<15}{text}", indent=15)


def _wrapped(text: str, *, indent: int = 0, style: str = "") -> None:
    for line in textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_long_words=False):
        console().print(Text(escaped(line), style=style))
