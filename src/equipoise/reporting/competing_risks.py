"""Endpoints with competing events in the report: curves, percentages by arm, hazards side by side."""

from __future__ import annotations

from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.language.endpoints import DispositionEvent, DropoutEvent, TimeToEventEndpoint
from equipoise.protocol.language.outcomes import OutcomeEvent, ScoreEvent
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Column, Figure, Row, Table
from equipoise.reporting.figures.cumulative_incidence import ArmIncidence, draw_cumulative_incidence
from equipoise.reporting.trial_figures import clock_of

_NOTE = (
    "Aalen-Johansen estimates; bands: 95% pointwise limits by Aalen's variance on the scale of log(-log). At any day "
    "the two curves of an arm and the percentage without either event add up to 100%. One minus Kaplan-Meier is not "
    "shown: it would be the risk if nobody had a competing event."
)


def competing_blocks(material: Material) -> list[Block]:
    """Of every endpoint with competing events that a question is about: the figure, then the tables of its lines."""
    asked = {estimand.endpoint for estimand in material.protocol.model.estimands.values()}
    out: list[Block] = []
    for id, endpoint in material.protocol.model.endpoints.items():
        if id in asked and isinstance(endpoint, TimeToEventEndpoint) and endpoint.competing:
            out += [*_figure(material, id, endpoint), *_incidences(material, id, endpoint)]
    for estimate in material.results.estimates:
        if estimate.details.get("cause_specific") and material.is_main(estimate) and not material.choices(estimate):
            out.append(_side_by_side(material, estimate))
    return out


def competing_words(endpoint: TimeToEventEndpoint) -> str:
    """The competing events as a sentence names them: ``death or dropout``."""
    names = []
    for event in endpoint.competing:
        if isinstance(event, OutcomeEvent):
            names.append(event.event.replace("-", " "))
        elif isinstance(event, DropoutEvent):
            names.append("dropout")
        elif isinstance(event, DispositionEvent):
            names += [name.replace("_", " ").replace("-", " ") for name in event.disposition]
        elif isinstance(event, ScoreEvent):
            names.append(f"{event.assessment.replace('-', ' ')} score")
        else:
            names.append("use")
    unique = list(dict.fromkeys(names))
    return " or ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)


def _event_words(material: Material, id: str, endpoint: TimeToEventEndpoint) -> str:
    return endpoint.event_noun or words.lowered(material.endpoint_label(id))


def _figure(material: Material, id: str, endpoint: TimeToEventEndpoint) -> list[Figure]:
    clock = clock_of(material, endpoint)
    curves = {c.arm: c for c in material.results.incidence_curves if c.endpoint == id and c.arm in material.arms}
    if clock is None or not curves:
        return []
    drawn = [
        ArmIncidence(material.arms[arm], c.time, c.incidence, c.ci_lower, c.ci_upper, c.competing, c.followed)
        for arm, c in ((arm, curves[arm]) for arm in material.arms if arm in curves)
    ]
    label = _event_words(material, id, endpoint)
    drawing = draw_cumulative_incidence(
        drawn,
        time_label=clock[0],
        event_label=label,
        competing_label=f"competing: {competing_words(endpoint)}",
        end=float(clock[1]),
    )
    n = sum(len(curve.followed) for curve in curves.values())
    note = f"{words.capitalized(endpoint.words)}. {_NOTE}"
    return [Figure(f"Cumulative incidence of {label}", drawing, f"{material.everybody}, n={fmt.thousands(n)}", note)]


def _incidences(material: Material, id: str, endpoint: TimeToEventEndpoint) -> list[Table]:
    """Cumulative incidences by arm of the lines that ask for them."""
    lines: dict[str, dict[tuple[str, str], Estimate]] = {}
    for estimate in material.results.of_endpoint(id):
        if (
            estimate.scale == "cumulative_incidence"
            and not material.choices(estimate)
            and estimate.arm in material.arms
        ):
            kind = estimate.id.rpartition(".")[2]
            lines.setdefault(material.line(estimate), {})[str(estimate.arm), kind] = estimate
    out = []
    for found in lines.values():
        names = {"incidence": _event_words(material, id, endpoint), "competing": competing_words(endpoint)}
        rows = []
        for kind, name in names.items():
            cells: list[fmt.Cell] = []
            for arm in material.arms:
                e = found.get((arm, kind))
                cells.append("" if e is None else fmt.interval(fmt.Interval(*e.ends, e.scale)))
            rows.append(Row((words.capitalized(name) + (" (competing)" if kind == "competing" else ""), *cells)))
        any_one = next(iter(found.values()))
        when = any_one.method.partition(" by ")[2].partition(" (")[0]
        columns = (Column("Event", wide=True), *(Column(label, "decimal") for label in material.arms.values()))
        out.append(
            Table(
                f"Cumulative incidence by {when}, %",
                columns,
                tuple(rows),
                footnotes=(words.capitalized(any_one.method),),
            )
        )
    return out


def _side_by_side(material: Material, estimate: Estimate) -> Table:
    endpoint = material.protocol.model.endpoints[estimate.endpoint]
    assert isinstance(endpoint, TimeToEventEndpoint)
    sides = [str(estimate.reference), str(estimate.arm)]
    names = {
        "event": _event_words(material, estimate.endpoint, endpoint),
        "competing": competing_words(endpoint),
    }
    specific: list[dict[str, Any]] = estimate.details["cause_specific"]
    rows = [
        Row(
            (
                f"{words.capitalized(names['event'])}: subdistribution",
                *(fmt.thousands(specific[0]["n_events"][arm]) for arm in sides),
                fmt.Interval(*estimate.ends, estimate.scale),
                fmt.PValue(estimate.p_value),
            )
        )
    ]
    for one in specific:
        limits = fmt.Interval(one["estimate"], one["ci_lower"], one["ci_upper"], "hazard_ratio")
        rows.append(
            Row(
                (
                    f"{words.capitalized(names[one['what']])}: cause-specific",
                    *(fmt.thousands(one["n_events"][arm]) for arm in sides),
                    fmt.NOT_ESTIMABLE if one["estimate"] is None else limits,
                    fmt.PValue(one["p_value"]),
                )
            )
        )
    columns = (
        Column("Hazard", wide=True),
        *(Column(f"{material.arm_label(arm)}, events", "decimal") for arm in sides),
        Column("Ratio (95% CI)" if estimate.ci_level in (None, 0.95) else "Ratio (CI)", "decimal"),
        Column("p", "decimal"),
    )
    notes = (
        "The ratio of the subdistribution is about how many have the event by each day: it also falls where more have "
        "a competing event first. The cause-specific ratios are about those still free of both. Read all three.",
        "Cause-specific: Cox regression of each event with the other as censoring, Efron's ties, the same covariates.",
    )
    label = material.endpoint_label(estimate.endpoint)
    return Table(f"Hazards side by side: {label[:1].lower() + label[1:]}", columns, tuple(rows), footnotes=notes)
