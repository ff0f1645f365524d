"""The multiverse: every definition by every missing rule by every estimator that suits, the planned one marked.

What is varied is the discretion of an analyst, not the data. The rows are not independent tests, and their number
against a threshold proves nothing; they show how far the answer rests on choices.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from equipoise.analysis.analyse import estimate_planned
from equipoise.analysis.estimate import SCALES, Estimate
from equipoise.analysis.multiverse.definitions import LIBRARY, USE_KINDS, library_endpoints, main_line
from equipoise.analysis.plan import Plan, PlannedFit
from equipoise.endpoints.lattice import read_lattice
from equipoise.endpoints.patterns.library import require_definition
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.records_files import read_records
from equipoise.foundation.errors import EquipoiseError
from equipoise.foundation.hashing import sha256_value
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.protocol.checks.analyses import OPTIONS, SUITS
from equipoise.protocol.checks.missing import IMPUTED_ESTIMATORS, RULES, takes_rule, why_not_imputed
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.records import Records
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import Progress, require_records

# Estimators that give an effect, each with the summary measure it estimates.
MEASURE = {
    "logistic": "odds-ratio",
    "firth": "odds-ratio",
    "fisher-exact": "odds-ratio",
    "risk-difference": "risk-difference",
    "risk-ratio": "risk-ratio",
    "cox": "hazard-ratio",
    "rmst-difference": "rmst-difference",
    "logistic-mixed": "odds-ratio",
    "gee": "odds-ratio",
    "linear": "mean-difference",
}
# A definition of the library gets one estimator a measure that it was made for; the protocol's own get every one.
LIBRARY_ESTIMATORS = {
    "pattern-binary": {"logistic", "risk-difference"},
    "pattern-number": {"linear"},
    "pattern-time-to-event": {"cox"},
}
# What a definition comes to, by kind of endpoint.
KINDS = {
    "abstinence": "yes or no",
    "report": "yes or no",
    "pattern-binary": "yes or no",
    "abstinent-days": "number",
    "pattern-number": "number",
    "time-to-event": "time to event",
    "pattern-time-to-event": "time to event",
    "repeated-use": "repeated result",
    "use-by-day": "repeated result",
    "use-by-week": "repeated result",
}
OWN_RULE, IMPUTED = "own rule", "multiple imputation"
CAUTION = (
    "These rows are one data set looked at in many ways. They are not independent tests, most were not planned, and "
    "counting those below a threshold is no evidence. They show how far the answer rests on choices."
)


@dataclass(frozen=True)
class Universe:
    """One way of analysing: its choices, and what it gave."""

    id: str
    definition: str
    label: str
    kind: str
    library: bool
    rule: str
    estimator: str
    covariates: str
    scale: str | None
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    p_value: float | None
    arm: str
    reference: str
    favours: str | None
    n_analysed: int | None
    planned: str | None  # the line of the plan that it is, if it is one
    prespecified: bool
    published: bool
    warnings: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        """Plain values, warnings as a list."""
        return {**asdict(self), "warnings": list(self.warnings)}


@dataclass(frozen=True)
class Multiverse:
    """Every universe of a trial, in the order of choices."""

    protocol: str
    title: str
    arm: str
    reference: str
    origin: str
    provenance: dict[str, Any]
    universes: tuple[Universe, ...]
    left_out: tuple[tuple[str, str], ...]  # id and why there is no row
    not_applicable: tuple[tuple[str, str], ...] = ()  # definitions of the library and why they are not the trial's

    def count(self) -> dict[str, int]:
        """How many rows with an estimate favour each arm, and how many have limits on one side of no effect."""
        rows = [u for u in self.universes if u.estimate is not None]
        counted = Counter(u.favours for u in rows if u.favours)
        clear = Counter(u.favours for u in rows if u.favours and u.p_value is not None and u.p_value < 0.05)
        return {
            "rows": len(self.universes),
            "with_an_estimate": len(rows),
            "planned": sum(u.planned is not None for u in self.universes),
            "prespecified": sum(u.prespecified for u in self.universes),
            **{f"favours {name}": counted[name] for name in (self.arm, self.reference)},
            **{f"favours {name}, p < 0.05": clear[name] for name in (self.arm, self.reference)},
        }

    def count_definitions(self) -> dict[str, dict[str, int]]:
        """By kind of value: definitions, whom each favours under its own missing rule, and how many change sides.

        A definition is counted once, however many estimators it was tried with: for an arm where every one of them
        favours it. ``changes_side`` counts definitions for which another rule or estimator favours the other arm.
        """
        out: dict[str, dict[str, int]] = {}
        for kind in dict.fromkeys(KINDS.values()):
            mine = [u for u in self.universes if u.kind == kind]
            own: dict[str, set[str]] = {u.definition: set() for u in mine}
            every: dict[str, set[str]] = {u.definition: set() for u in mine}
            for u in mine:
                if u.favours is not None:
                    every[u.definition].add(u.favours)
                    if u.rule == OWN_RULE:
                        own[u.definition].add(u.favours)
            if mine:
                found = Counter(next(iter(side)) for side in own.values() if len(side) == 1)
                out[kind] = {
                    "definitions": len(own),
                    **{f"favours {name}": found[name] for name in (self.arm, self.reference)},
                    "changes_side": sum(len(side) == 2 for side in every.values()),
                }
        return out


def _suit(endpoint: Any) -> str:
    return f"pattern-{endpoint.comes_to}" if endpoint.kind == "pattern" else str(endpoint.kind)


def _group(protocol: Protocol, endpoint: str, main: Analysis) -> str | None:
    """The analysis set of an endpoint: the main analysis's, or that of the stage in which the plan analyses it."""
    for analysis in protocol.model.analyses.values():
        group = analysis.analysis_set
        if protocol.model.estimands[analysis.estimand].endpoint == endpoint:
            return group if group and protocol.model.analysis_sets[group].stage > 1 else main.analysis_set
    return main.analysis_set


def planned_universes(protocol: Protocol, *, sets: int = 20) -> Iterator[tuple[PlannedFit, str]]:
    """Every fit of the multiverse with its missing rule in words; ``protocol`` holds the library's endpoints too."""
    _, main = main_line(protocol)
    asked = protocol.model.estimands[main.estimand]
    horizons = [a.horizon for a in protocol.model.analyses.values() if a.horizon is not None]
    for id, endpoint in protocol.model.endpoints.items():
        if endpoint.kind not in USE_KINDS:
            continue
        rules = [OWN_RULE, *sorted(rule for rule in RULES.get(endpoint.kind, set()) if takes_rule(endpoint, rule))]
        own = getattr(endpoint, "missed", None)
        rules = [rule for rule in rules if rule != own]
        if endpoint.kind == "pattern" and endpoint.definition and require_definition(endpoint.definition).contact:
            rules = [OWN_RULE]  # who stayed in contact is not for a rule about use to say
        if why_not_imputed(endpoint) is None:
            rules.append(IMPUTED)
        # While-on-treatment and the like belong to the estimand of the plan, where this endpoint has one.
        mine = next((e for e in protocol.model.estimands.values() if e.endpoint == id), None)
        intercurrent = mine.intercurrent if mine is not None else {}
        group = _group(protocol, id, main)
        suit = _suit(endpoint)
        suited = LIBRARY_ESTIMATORS[suit] if id.startswith(LIBRARY) else SUITS[suit] & MEASURE.keys()
        for estimator in sorted(suited):
            sets_of_covariates: list[tuple[str, ...]] = [()]
            if main.covariates and estimator in OPTIONS["covariates"]:
                sets_of_covariates.append(main.covariates)
            for rule, covariates in itertools.product(rules, sets_of_covariates):
                if rule == IMPUTED and estimator not in IMPUTED_ESTIMATORS:
                    continue
                values: dict[str, Any] = {"estimand": main.estimand, "estimator": estimator, "covariates": covariates}
                if estimator in ("rmst-difference",):
                    if not horizons:
                        continue
                    values["horizon"] = min(horizons)
                if rule == IMPUTED:
                    values["imputation"] = {"sets": sets, "seed": 1, "model": "pooled"}
                elif rule != OWN_RULE:
                    values["missed"] = rule
                if group is not None:
                    values["analysis-set"] = group
                estimand = asked.model_copy(
                    update={
                        "endpoint": id,
                        "summary": MEASURE[estimator],
                        "intercurrent": intercurrent,
                        "stage": mine.stage if mine is not None else asked.stage,
                    }
                )
                words = "+".join(covariates) or "none"
                yield (
                    PlannedFit(
                        f"{id} | {rule} | {estimator} | {words}",
                        id,
                        Analysis.model_validate(values),
                        main.estimand,
                        estimand,
                    ),
                    rule,
                )


def _planned_line(protocol: Protocol, planned: PlannedFit) -> str | None:
    """The line of the plan that a universe is, if it is one."""
    for id, analysis in protocol.model.analyses.items():
        estimand = protocol.model.estimands[analysis.estimand]
        same = (
            estimand.endpoint == planned.estimand.endpoint
            and set(estimand.treatments.names) == set(planned.estimand.treatments.names)
            and analysis.estimator == planned.analysis.estimator
            and set(analysis.covariates) == set(planned.analysis.covariates)
            and analysis.missed == planned.analysis.missed
            and (analysis.imputation is None) == (planned.analysis.imputation is None)
            and not (analysis.imputation and any(analysis.imputation.delta.values()))
            and analysis.analysis_set == planned.analysis.analysis_set
        )
        if same:
            return id
    return None


def favoured(protocol: Protocol, estimand: Estimand, estimate: Estimate) -> str | None:
    """The arm that an estimate favours; ``None`` at no effect or without an estimate."""
    if estimate.estimate is None or estimate.reference is None:
        return None
    endpoint = protocol.model.endpoints[estimand.endpoint]
    higher_is_better = endpoint.better == "higher"
    timed = endpoint.kind == "time-to-event" or _suit(endpoint) == "pattern-time-to-event"
    if timed and estimate.scale != "rmst_difference":
        higher_is_better = not higher_is_better  # a later event is better: more of the event is worse
    none = 1.0 if SCALES[estimate.scale][1] else 0.0
    if estimate.estimate == none:
        return None
    return estimate.arm if (estimate.estimate > none) == higher_is_better else estimate.reference


def explore_multiverse(
    protocol: Protocol | str | Path,
    records: Records | str | Path,
    *,
    sets: int = 20,
    progress: Progress | None = None,
) -> Multiverse:
    """Carry out every universe on one trial's records.

    Definitions are the protocol's own endpoints of use and the library's that fit its pattern; ``sets`` are the
    imputed data sets of each universe with multiple imputation. A universe that cannot be fitted is named with the
    reason, not left out silently.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    data = records if isinstance(records, Records) else read_records(records)
    require_records(chosen, data)
    library, without = library_endpoints(chosen)
    wide = Protocol(
        chosen.model.model_copy(update={"endpoints": {**chosen.model.endpoints, **library}}),
        lines=chosen.lines,
        path=chosen.path,
        text=chosen.text,
    )
    _, main = main_line(chosen)
    asked = chosen.model.estimands[main.estimand]
    published = {entry.analysis for entry in chosen.model.published.values() if entry.analysis}
    plan = Plan(wide, read_lattice(wide, data))
    rows: list[Universe] = []
    left_out: list[tuple[str, str]] = []
    for planned, rule in planned_universes(wide, sets=sets):
        if progress is not None:
            progress(planned.id)
        try:
            answers = estimate_planned(wide, plan, planned)
            # Where the likelihood has no maximum, the penalised answer stands in, and says so.
            estimate = next((answer for answer in answers if answer.estimate is not None), answers[0])
        except EquipoiseError as error:
            left_out.append((planned.id, error.problems[0].found))
            continue
        line = _planned_line(chosen, planned)
        endpoint = wide.model.endpoints[planned.estimand.endpoint]
        rows.append(
            Universe(
                id=planned.id,
                definition=planned.estimand.endpoint,
                label=endpoint.label or planned.estimand.endpoint,
                kind=KINDS[_suit(endpoint)],
                library=planned.estimand.endpoint in library,
                rule=rule,
                estimator=estimate.estimator,
                covariates="+".join(planned.analysis.covariates) or "none",
                scale=estimate.scale,
                estimate=estimate.estimate,
                ci_lower=estimate.ci_lower,
                ci_upper=estimate.ci_upper,
                p_value=estimate.p_value,
                arm=str(estimate.arm),
                reference=str(estimate.reference),
                favours=favoured(wide, planned.estimand, estimate),
                n_analysed=estimate.n_analysed,
                planned=line,
                prespecified=bool(line and chosen.model.analyses[line].prespecified),
                published=line in published,
                warnings=estimate.warnings,
            )
        )
    return Multiverse(
        protocol=chosen.id,
        title=chosen.model.trial.title,
        arm=asked.treatments.experimental,
        reference=str(asked.treatments.reference),
        origin=data.source.origin,
        provenance={
            "protocol_hash": chosen.hash,
            "data_hash": data.data_hash,
            "version": program_version(),
            "choices_hash": sha256_value([row.id for row in rows]),
            "imputed_sets": sets,
        },
        universes=tuple(rows),
        left_out=tuple(left_out),
        not_applicable=without,
    )


def write_multiverse(found: Multiverse, out: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write ``multiverse.csv``, ``multiverse.json`` and a specification curve a scale; whole or not at all."""
    from equipoise.reporting.figures.specification_curve import draw_specification_curve, scales_of

    folder = OutputFolder(out, kind="multiverse", force=force)
    folder.require_free()
    names = []
    with folder as partial:
        where = Path(partial)
        text = io.StringIO()
        keys = list(found.universes[0].as_row()) if found.universes else []
        writer = csv.DictWriter(text, keys, lineterminator="\n")
        writer.writeheader()
        for row in found.universes:
            writer.writerow({**row.as_row(), "warnings": "; ".join(row.warnings)})
        (where / "multiverse.csv").write_text(text.getvalue(), "utf-8", newline="\n")
        body = {
            "protocol": found.protocol,
            "origin": found.origin,
            "provenance": found.provenance,
            "caution": CAUTION,
            "count": found.count(),
            "definitions": found.count_definitions(),
            "universes": [row.as_row() for row in found.universes],
            "left_out": [{"id": id, "why": why} for id, why in found.left_out],
            "not_applicable": [{"definition": name, "why": why} for name, why in found.not_applicable],
        }
        (where / "multiverse.json").write_text(
            json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8", newline="\n"
        )
        names = ["multiverse.csv", "multiverse.json"]
        stamp = "SIMULATED" if found.origin == "simulated" else None
        for scale in scales_of(found.universes):
            drawing = draw_specification_curve(
                [u for u in found.universes if u.scale == scale], scale, arm=found.arm, reference=found.reference
            )
            name = f"specification-curve-{scale.replace('_', '-')}.svg"
            (where / name).write_text(drawing.svg(stamp), "utf-8", newline="\n")
            names.append(name)
    return tuple(Path(out) / name for name in names)
