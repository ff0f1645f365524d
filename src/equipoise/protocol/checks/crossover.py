"""Whether treatments can be compared within participants: periods, and one result in each."""

from __future__ import annotations

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.endpoint_kinds import REPEATED_BINARY


def check_periods(c: Checker, path: Path_, estimand: Estimand) -> None:
    """Two treatments, each given in a period, some participants having both; one result of the endpoint in each."""
    model, treatments = c.model, estimand.treatments
    given = c.protocol.treatments_by_period(estimand)
    named = [name for name in treatments.names if name in model.interventions]
    if treatments.reference is None:
        c.add(
            "P023",
            (*path, "treatments"),
            f"{treatments.experimental} stands alone, and a crossover compares treatments within participants.",
            "two treatments: experimental v reference",
            "Name both, or write an estimand of arms (sequences).",
        )
        return
    absent = [name for name in named if not any(name in row.values() for row in given.values())]
    if absent or len(named) < 2:
        if absent:
            c.add(
                "P023",
                (*path, "treatments"),
                f"No arm gives {listed(absent, conjunction='and')} in a period.",
                "arms that give by stage (gives: {period-1: [...], period-2: [...]})",
                "Write under each arm what it gives in each period.",
            )
        return
    if not any(set(named) <= set(row.values()) for row in given.values()):
        c.add(
            "P023",
            (*path, "treatments"),
            f"No arm gives {listed(named, conjunction='and')}, one after the other.",
            "arms that are sequences of both",
            "Compare arms, or write the sequences.",
        )
    endpoint = model.endpoints.get(estimand.endpoint)
    days = c.protocol.result_days(endpoint) if endpoint is not None else {}
    if endpoint is None or not days:
        return
    periods = [id for id in model.stages if any(row.get(id) in named for row in given.values())]
    for id in periods:
        here = [name for name, day in days.items() if day in model.stages[id].days.range]
        if len(here) != 1:
            c.add(
                "P027",
                (*path, "endpoint"),
                f"{estimand.endpoint} has {'no result' if not here else listed(here, conjunction='and')} in {id}.",
                "one result in each period",
                "Name a series with one visit a period, or correct the days of the stages.",
            )
    if endpoint.shape == REPEATED_BINARY and len(periods) != 2:
        c.add(
            "P027",
            (*path, "endpoint"),
            f"{estimand.endpoint} is yes or no, and the treatments are given in {len(periods)} periods.",
            "two periods: yes-or-no results are compared in pairs",
            "Compare a score, or two periods.",
        )


def check_within(c: Checker, path: Path_, analysis: Analysis) -> None:
    """Options that have no meaning where participants are their own controls and periods are the time."""
    estimand = c.model.estimands.get(analysis.estimand)
    n_periods = len({period for row in c.protocol.treatments_by_period(estimand).values() for period in row})
    if analysis.estimator == "koch" and n_periods != 2:
        c.add(
            "P029",
            (*path, "estimator"),
            f"koch compares differences of two periods, and the treatments are given in {n_periods}.",
            "two periods",
            "Use linear-mixed.",
        )
    stated = c.protocol.lines.keys if c.protocol.lines is not None else {}
    for option in ("covariates", "random-slope", "time", "effect-at", "imputation", "missed", "analysis-set", "vary"):
        value = getattr(analysis, option.replace("-", "_"))
        default = type(analysis).model_fields[option.replace("-", "_")].get_default()
        if value != default or ((*path, option) in stated and option not in ("missed", "vary", "imputation")):
            c.add(
                "P029",
                (*path, option),
                f"{option} stands with treatments compared within participants: each is compared with themselves, and "
                "the periods are terms of the model.",
                "an analysis without it",
                "Remove it.",
            )
