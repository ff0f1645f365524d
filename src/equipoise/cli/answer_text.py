"""The answer on one screen of 80 columns: results by arm, whether they hold, what was published, the report."""

from __future__ import annotations

import textwrap

from rich.text import Text

from equipoise.analysis.estimate import Estimate
from equipoise.cli.console import AMBER, console, print_notes
from equipoise.foundation.printable import escaped
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.agreement import Sensitivity, sensitivity_analyses, verdict
from equipoise.reporting.by_arm import results_of, what_is_shown
from equipoise.reporting.context import LEADING, Material
from equipoise.reporting.direction import in_one_direction
from equipoise.workflow.verbs import Run

_WIDTH = 80
_SHORT = {
    "odds_ratio": "OR",
    "hazard_ratio": "HR",
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
    "RR": "RR risk ratio",
    "RM": "RM ratio of geometric means",
    "IRR": "IRR rate ratio",
    "RD": "RD risk difference in percentage points",
    "MD": "MD mean difference",
    "RMTD": "RMTD difference of restricted mean times",
}
_MOST_NAMED = 3


def print_answer(run: Run) -> bool:
    """Print the answer; false, and nothing printed, where it does not fit: more arms than two, none to compare, or
    a terminal narrower than 80 columns.
    """
    material = Material(run.protocol, run.records, in_one_direction(run.protocol, run.results))
    lines = material.answers(*LEADING)
    out = console()
    if len(material.sides) != 2 or not lines or out.width < _WIDTH:
        return False
    if run.records.is_simulated:
        out.print(Text("SIMULATED  Fictional participants; no result here is evidence.", style=f"bold {AMBER}"))
    randomized = "randomized" if run.protocol.model.randomization is not None else "enrolled"
    _wrapped(f"{run.protocol.model.trial.title}: {fmt.thousands(material.n_randomized)} {randomized}", style="bold")
    out.print()
    _table(material, lines)
    first = lines[0]
    checks = sensitivity_analyses(material, first)
    out.print()
    _wrapped(verdict(material, first, checks), style="bold")
    if checks:
        _agreement(material, first, checks)
    published = [
        f"{words.lowered(material.endpoint_label(p.endpoint))} {p.effect.value}"
        for p in (material.published_for(e) for e in lines if e.level == first.level)
        if p is not None and p.effect is not None
    ]
    if published:
        _field("Published", "; ".join(published) + ".")
    used = dict.fromkeys(_SHORT[e.scale] for e in lines if e.scale in _SHORT)
    arm, reference = (words.lowered(label) for label in reversed(list(material.sides.values())))
    out.print()
    _wrapped(f"Effects are {arm} versus {reference} unless said. {', '.join(_MEANING[s] for s in used)}.")
    print_notes(run.results.provenance.notes)
    n_more = len(run.results.estimates) - len(lines)
    if n_more:
        _wrapped(f"{n_more} more {'row' if n_more == 1 else 'rows'}: --all, or results.csv.")
    report = next((path for path in run.files if path.name == "report.html"), None)
    out.print(f"Report: {report}" if report else f"Results: {run.folder}")
    return True


def _table(material: Material, lines: list[Estimate]) -> None:
    arms = list(material.sides)
    rows: list[tuple[str, ...]] = []
    heads = ["", *(material.sides[arm] for arm in arms), "Effect (95% CI)", "p"]
    counts = ["", *(f"n={fmt.thousands(material.n_by_side[arm])}" for arm in arms), "", ""]
    level = ""
    for estimate in lines:
        if estimate.level != level:
            level = estimate.level
            rows.append((words.LEVEL_WORDS[level],))
        found = results_of(material, estimate)
        derived = material.results.endpoints.get(estimate.endpoint)
        label = material.endpoint_label(estimate.endpoint)
        qualifier = material.qualifier(estimate)
        label += f" ({qualifier})" if qualifier else ""
        label += (
            ", mean" if derived is not None and "mean" in what_is_shown(derived, within=material.is_crossover) else ""
        )
        limits = fmt.Interval(estimate.estimate, estimate.ci_lower, estimate.ci_upper, estimate.scale)
        effect = f"{_SHORT.get(estimate.scale, estimate.scale)} {fmt.interval(limits)}"
        if (estimate.reference, estimate.arm) != (arms[0], arms[1]):
            effect += " *"
        cells = (_brief(fmt.cell(found.get(arm, "not planned"))) for arm in arms)
        p = "none" if estimate.p_value is None else fmt.p_value(estimate.p_value)
        rows.append((f" {label}", *cells, effect, p))
    _print_columns(heads, counts, rows)
    if any(row[-2].endswith(" *") for row in rows if len(row) > 1):
        _wrapped(f"* {material.sides[arms[0]]} versus {words.lowered(material.sides[arms[1]])}.")


def _brief(result: str) -> str:
    """A result for the screen: a count with its percentage, the percentage of visits alone, a mean alone."""
    head, _, rest = result.partition(" (")
    if "%" not in rest:
        return head
    return rest.rstrip(")") if "/" in head else result


def _print_columns(heads: list[str], counts: list[str], rows: list[tuple[str, ...]]) -> None:
    """Columns that fit the screen: names of arms and endpoints are broken between words."""
    full = [row for row in rows if len(row) > 1]
    widths = [0, *(max(len(row[k]) for row in [*full, counts]) for k in range(1, 5))]
    for k in (1, 2):
        widths[k] = max(widths[k], min(len(heads[k]), 12))
    widths[3], widths[4] = max(widths[3], 15), max(widths[4], 6)
    widths[0] = max(_WIDTH - sum(widths) - 8, 16)
    out = console()

    def line(cells: list[str]) -> str:
        arms = (cells[k].rjust(widths[k]) for k in (1, 2))
        return "  ".join([cells[0].ljust(widths[0]), *arms, cells[3].ljust(widths[3]), cells[4]]).rstrip()

    named = [textwrap.wrap(heads[k], widths[k]) for k in (1, 2)]
    for at in range(max(map(len, named))):
        last = at == max(map(len, named)) - 1
        arms = [words_[at] if at < len(words_) else "" for words_ in named]
        out.print(Text(escaped(line(["", *arms, *(heads[3:] if last else ["", ""])]))))
    out.print(Text(line(counts)))
    out.print("-" * _WIDTH)
    for row in rows:
        if len(row) == 1:
            out.print(Text(row[0]))
            continue
        first, *others = textwrap.wrap(row[0].strip(), widths[0] - 1, initial_indent=" ", subsequent_indent="   ")
        out.print(Text(escaped(line([first, *row[1:]]))))
        for rest in others:
            out.print(Text(escaped(rest)))


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
    for line in textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent, break_long_words=False):
        console().print(Text(escaped(line), style=style))
