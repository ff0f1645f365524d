"""The report's section on missing data: why people left, what each rule makes of it, and where the answer tips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.scales import is_share
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Column, Figure, Row, Table
from equipoise.reporting.figures.tipping_point import draw_tipping_point
from equipoise.reporting.findings import common_measure, full_measure
from equipoise.reporting.missing_rules import MISSING_RULES
from equipoise.reporting.palette import arm_token

# Whose standard error stands beside a reference-based estimate.
VARIANCES = {
    "rubin": "variance by Rubin's rules",
    "bootstrap": "variance in repeated sampling (bootstrap)",
    "jackknife": "variance in repeated sampling (jackknife)",
}
_LEFT = ("treatment_discontinuation", "study_withdrawal", "lost_to_follow_up", "death", "randomized_in_error")


def reasons_table(material: Material) -> Table | None:
    """Recorded discontinuations and withdrawals by arm, with their reasons."""
    members = [participant for arm in material.arms for participant in material.members[arm]]
    events = material.records["disposition"].filter(
        pl.col("event").is_in(list(_LEFT)) & pl.col("participant_id").is_in(members)
    )
    if not events.height:
        return None
    rows: list[Row] = []
    for event in _LEFT:
        of_event = events.filter(pl.col("event") == event)
        if not of_event.height:
            continue
        rows.append(Row((words.capitalized(event.replace("_", " ")), *_by_arm(material, of_event))))
        reasons = of_event["reason"].drop_nulls().unique().sort().to_list() if "reason" in of_event.columns else []
        for reason in reasons:
            rows.append(Row((str(reason), *_by_arm(material, of_event.filter(pl.col("reason") == reason))), indent=1))
    columns = (Column("Event, reason"), *(Column(label, "right") for label in material.arms.values()))
    return Table("Reasons for missing results", columns, tuple(rows), subtitle="Participants with an event recorded")


def _by_arm(material: Material, events: pl.DataFrame) -> list[fmt.Cell]:
    out: list[fmt.Cell] = []
    for arm in material.arms:
        n = events.filter(pl.col("participant_id").is_in(material.members[arm]))["participant_id"].n_unique()
        out.append(fmt.Count(n, len(material.members[arm]) or None))
    return out


def _rule_of(material: Material, estimate: Estimate) -> str | None:
    analysis = material.protocol.model.analyses.get(material.line(estimate))
    if analysis is None:
        return None
    if analysis.imputation is not None:
        kind = f"multiple imputation ({analysis.imputation.sets} sets)"
        if analysis.imputation.after_dropout != "at-random":
            kind += f", {analysis.imputation.after_dropout.replace('-', ' ')}"
        if analysis.imputation.variance == "jackknife":
            kind = kind.replace(f"multiple imputation ({analysis.imputation.sets} sets)", "conditional-mean imputation")
        shifts = [f"{material.arm_label(a)} {v:+g}" for a, v in analysis.imputation.delta.items() if v]
        kind += f", shifted: {', '.join(shifts)}" if shifts else ""
        if analysis.imputation.after_dropout != "at-random" or analysis.imputation.variance != "rubin":
            kind += f"; {VARIANCES[analysis.imputation.variance]}"
        return kind
    endpoint = material.protocol.model.endpoints[material.protocol.model.estimands[analysis.estimand].endpoint]
    if analysis.missed is None:
        return "as the endpoint says"
    rule = MISSING_RULES[analysis.missed]
    text = rule.becomes_of(about_use=endpoint.is_about_use)
    return f"{rule.name.split(' for ')[0]}: {text}" if analysis.missed.endswith("-case") else text


def _is_about_missing(material: Material, line: str) -> bool:
    analysis = material.protocol.model.analyses[line]
    return analysis.missed is not None or analysis.imputation is not None


def sensitivity_tables(material: Material) -> list[Table]:
    """For each endpoint with an analysis of what is missing: every rule beside the planned analysis."""
    analyses = material.protocol.model.analyses
    tables = []
    groups: dict[tuple[str, str, str], list[str]] = {}
    for line, analysis in analyses.items():
        estimand = material.protocol.model.estimands[analysis.estimand]
        if (
            analysis.estimator not in ("proportion", "kaplan-meier", "log-rank", "gray", "cumulative-incidence")
            and not analysis.analysis_set
        ):
            groups.setdefault((estimand.endpoint, analysis.estimand, analysis.estimator), []).append(line)
    for (endpoint, _, _), lines in groups.items():
        if len(lines) < 2 or not any(_is_about_missing(material, line) for line in lines):
            continue
        found = [(line, e) for line in lines if (e := material.main_estimate(line)) is not None]
        if found:
            tables.append(_sensitivity_table(material, endpoint, found))
    return tables


def _sensitivity_table(material: Material, endpoint: str, found: list[tuple[str, Estimate]]) -> Table:
    """The rules of one endpoint, the planned analysis among them; columns of imputation where something is imputed."""
    measure = common_measure(material, [estimate for _, estimate in found])
    has_sets = any(estimate.imputed_sets is not None for _, estimate in found)
    rows = []
    for line, estimate in found:
        cells: list[fmt.Cell] = [_rule_of(material, estimate) or ""]
        if not measure:
            cells.append(full_measure(material, estimate))
        cells.append(fmt.Interval(*estimate.ends, estimate.scale))
        cells.append(words.p_cell(estimate))
        if has_sets:
            cells += _imputation_cells(estimate)
        rows.append(Row(tuple(cells), "body" if _is_about_missing(material, line) else "total"))
    columns = [Column("A missing result", wide=True)]
    if not measure:
        columns.append(Column("Measure"))
    columns += [
        Column(f"{measure or 'Effect'} ({words.ci_words(e for _, e in found)})", "decimal"),
        Column("p", "decimal"),
    ]
    note = (
        "Information missing: fraction of missing information, by Rubin's rules. Monte Carlo error: how far the "
        "estimate, and p, would move from seed to seed by the imputation's random numbers alone."
    )
    if has_sets:
        columns += [Column(h, "right") for h in ("Imputed sets", "Information missing", "Monte Carlo error")]
    return Table(
        f"Sensitivity to missing data: {words.lowered(material.endpoint_label(endpoint))}",
        tuple(columns),
        tuple(rows),
        subtitle="Planned analysis, and the same under other rules for missing results",
        footnotes=(note,) if has_sets else (),
    )


def _imputation_cells(estimate: Estimate) -> list[fmt.Cell]:
    """Sets, the fraction of missing information and Monte Carlo errors; in words where nothing was imputed."""
    if estimate.imputed_sets is None:
        return ["none", "not imputed", "not imputed"]
    fraction = estimate.details.get("fraction_missing_information")
    return [
        estimate.imputed_sets,
        fmt.NOT_ESTIMABLE if fraction is None else fmt.percent(float(fraction)),
        _moved((estimate.monte_carlo_error, estimate.monte_carlo_error_p_value), estimate.scale),
    ]


def _moved(errors: tuple[float | None, float | None], scale: str) -> str:
    """``0.10; p 0.003``: Monte Carlo errors of an estimate and of its p value."""
    estimate, p = errors
    if estimate is None:
        return fmt.NOT_ESTIMABLE
    text = _one_error(100 * estimate if is_share(scale) else estimate)
    return text if p is None else f"{text}; p {_one_error(p)}"


def _one_error(error: float) -> str:
    """An error of the last digits: two figures, four decimals at most."""
    return "<0.0001" if 0 < error < 0.0001 else fmt.fixed(error, 4 if error < 0.01 else 3 if error < 0.1 else 2)


def _tip_error(found: Mapping[str, Any]) -> str:
    error = found.get("monte_carlo_error")
    return "" if error is None else f" (Monte Carlo error {error:.1g})"


def tipping_figures(material: Material) -> list[Figure]:
    """A figure for each analysis that searched for its tipping point."""
    figures = []
    arms = list(material.arms)
    for estimate in material.results.estimates:
        found = estimate.details.get("tipping_point")
        if not found:
            continue
        endpoint = material.protocol.model.endpoints[estimate.endpoint]
        derived = material.results.endpoints.get(estimate.endpoint)
        of = derived.event_word if derived is not None and not endpoint.is_about_use else "use"
        unit = {
            "scores": "points of the score",
            "counts": "logarithm of the rate",
            "times": "logarithm of the hazard",
            "yes-or-no": "log odds of yes" if endpoint.kind == "report" else f"log odds of {of}",
        }[endpoint.imputed_as]
        position = arms.index(found["arm"]) if found["arm"] in arms else 0
        drawing = draw_tipping_point(
            found, estimate.scale, arm=material.arm_label(found["arm"]), unit=unit, token=arm_token(position)
        )
        changes = (
            f"At a shift of {found['shift']:.2f}{_tip_error(found)} the conclusion ({found['conclusion']}) changes."
            if found["shift"] is not None
            else f"The conclusion ({found['conclusion']}) holds up to a shift of {found['up_to']:g}."
        )
        figures.append(
            Figure(
                f"Tipping point: {words.lowered(material.endpoint_label(estimate.endpoint))}",
                drawing,
                subtitle=f"Imputed results of {material.arm_label(found['arm'])} made progressively worse",
                note=f"{changes} {_level_of_tip(estimate, found['alpha_two_sided'])}",
            )
        )
    return figures


def _level_of_tip(estimate: Estimate, two_sided: float) -> str:
    margin = estimate.details.get("margin")
    if margin is not None:
        return f"Level {margin['alpha_one_sided']:g}, one-sided."
    return f"Level {two_sided:g}, two-sided."


def missing_data(material: Material) -> list[Block | None]:
    """The sensitivity of each endpoint, tipping points."""
    return [*sensitivity_tables(material), *tipping_figures(material)]
