"""A protocol as a USDM 4 document: one study with one version and one design."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.exchange.usdm import codes
from equipoise.exchange.usdm.model import check_document
from equipoise.exchange.usdm.nodes import Node, UsdmNodes
from equipoise.exchange.usdm.out_design import (
    blinding_of,
    make_arms,
    make_cells,
    make_criteria,
    make_epochs,
    make_interventions,
    make_roles,
    plain,
)
from equipoise.exchange.usdm.out_questions import make_estimands, make_objectives
from equipoise.exchange.usdm.out_schedule import make_schedule
from equipoise.foundation.errors import OutputError, Problem
from equipoise.protocol import Protocol

CODES = {"O085": "The USDM file exists already, cannot be written, or breaks a rule of USDM."}
_NOT_STATED = "Not stated in the protocol."
# Parts of the language that USDM 4 has no place for.
_ELSEWHERE = (
    "analyses",
    "multiplicity",
    "looks",
    "published",
    "assumptions",
    "remarks",
    "assurance",
    "conduct",
    "analysis-sets",
)


@dataclass(frozen=True)
class UsdmExport:
    """The document as plain values, and what it does not carry: place in the protocol, and why."""

    document: dict[str, Any]
    not_carried: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The file: JSON, the same for the same protocol."""
        return json.dumps(self.document, indent=1, ensure_ascii=False) + "\n"


def usdm_of(protocol: Protocol, *, version: str = "") -> UsdmExport:
    """The protocol in USDM 4; raises :class:`OutputError` (O085) should the document break a rule of the model."""
    nodes = UsdmNodes()
    study_version, design = "StudyVersion_1", "InterventionalStudyDesign_1"
    model, trial = protocol.model, protocol.model.trial
    given = make_interventions(protocol, nodes)
    roles, organizations, identifiers = make_roles(protocol, nodes, study_version, design)
    criteria, items = make_criteria(protocol, nodes)
    design_node = _design(protocol, nodes, given, criteria)
    titles = [nodes.make("StudyTitle", text=trial.title, type=nodes.code(codes.OFFICIAL_TITLE))]
    if trial.acronym:
        titles.append(nodes.make("StudyTitle", text=trial.acronym, type=nodes.code(codes.ACRONYM)))
    statements = trial.statements
    version_node = nodes.make(
        "StudyVersion",
        extensionAttributes=nodes.extension(
            **{
                key: {n: plain(e) for n, e in getattr(model, key).items()} for key in ("use", "baseline", "instruments")
            },
            sources={n: plain(e) for n, e in model.sources.items()},
            sites=list(model.sites),
            trial=plain(trial, "id", "title", "acronym", "design", "condition"),
            language=model.equipoise,
        ),
        versionIdentifier=protocol.hash[:12],
        rationale=(statements.rationale if statements else None) or _NOT_STATED,
        studyIdentifiers=identifiers,
        studyDesigns=[design_node],
        titles=titles,
        eligibilityCriterionItems=items,
        roles=roles,
        organizations=organizations,
        studyInterventions=list(given.values()),
    )
    for key in _ELSEWHERE:
        part = getattr(model, key.replace("-", "_"))
        if part and plain_or_all(part):
            nodes.note(key, "USDM has no place for it")
    study = {
        "name": trial.id,
        "label": trial.acronym or trial.title,
        "versions": [version_node],
        "instanceType": "Study",
    }
    document = {"study": {"id": "Study_1", **study}, "usdmVersion": "4.0.0", "systemName": "equipoise"}
    if version:
        document["systemVersion"] = version
    problems = check_document(document)
    if problems:
        raise OutputError([Problem("O085", one.place, one.found, one.expected) for one in problems])
    return UsdmExport(document, tuple(nodes.notes))


def plain_or_all(part: Any) -> bool:
    """Whether a part of the file says anything."""
    return bool(plain(part)) if hasattr(part, "model_dump") else bool(part)


def _design(protocol: Protocol, nodes: UsdmNodes, given: dict[str, Node], criteria: list[Node]) -> Node:
    model, trial = protocol.model, protocol.model.trial
    arms = make_arms(protocol, nodes)
    epochs = make_epochs(protocol, nodes)
    cells, elements = make_cells(protocol, nodes, arms, epochs, given)
    schedule = make_schedule(protocol, nodes, epochs, given)
    objectives, endpoints = make_objectives(protocol, nodes)
    estimands, populations = make_estimands(protocol, nodes, endpoints, given)
    plan = model.randomization
    characteristics = []
    if plan is not None:
        characteristics.append(nodes.code(codes.RANDOMIZED))
        if plan.strata.value:
            characteristics.append(nodes.code(codes.STRATIFIED))
    planned = trial.planned_n.value
    population = nodes.make(
        "StudyDesignPopulation",
        name="population",
        label=trial.condition or "Participants of the trial",
        includesHealthySubjects=False,
        plannedEnrollmentNumber=nodes.quantity(planned) if planned is not None else None,
        criterionIds=[one["id"] for one in criteria],
    )
    nodes.note("population", "whether healthy people take part is not in the language; the file says that they do not")
    phase = trial.phase.value
    known_phase = codes.PHASES.get(phase.lower()) if phase else None
    if trial.design not in codes.MODELS:
        nodes.note("trial.design", f"{trial.design!r} has no code that is known; ours stands there")
    return nodes.make(
        "InterventionalStudyDesign",
        extensionAttributes=nodes.extension(
            design=trial.design,
            day_1=model.calendar.day_1,
            randomization_day=model.calendar.randomization_day,
            randomization=None if plan is None else plain(plan),
            factors={id: plain(factor) for id, factor in model.factors.items()},
            stages={id: plain(stage) for id, stage in model.stages.items()},
            eligibility={w: None for w in ("include", "exclude") if getattr(model.eligibility, w) is None},
            eligibility_note=model.eligibility.note,
        ),
        name="design",
        label=trial.title,
        description=trial.condition,
        rationale=_NOT_STATED,
        studyType=nodes.code(codes.INTERVENTIONAL),
        studyPhase=nodes.alias(nodes.coded(known_phase, phase, phase)) if phase else None,
        characteristics=characteristics,
        encounters=schedule.encounters,
        activities=schedule.activities,
        arms=list(arms.values()),
        studyCells=cells,
        epochs=list(epochs.values()),
        elements=elements,
        estimands=estimands,
        indications=[nodes.make("Indication", name="condition", label=trial.condition, isRareDisease=False)]
        if trial.condition
        else [],
        studyInterventionIds=[one["id"] for one in given.values()],
        objectives=objectives,
        population=population,
        scheduleTimelines=schedule.timelines,
        eligibilityCriteria=criteria,
        analysisPopulations=populations,
        model=nodes.coded(codes.MODELS.get(trial.design), trial.design, trial.design.capitalize()),
        blindingSchema=blinding_of(protocol, nodes),
    )


def write_usdm(protocol: Protocol, out: Path, *, version: str = "", force: bool = False) -> UsdmExport:
    """Write the document as one file, whole or not at all; O085 where a file is there and ``force`` is off."""
    if out.is_dir():
        raise OutputError(Problem("O085", str(out), "There is a folder of that name.", "the name of a file"))
    if out.exists() and not force:
        found = "There is a file of that name."
        raise OutputError(Problem("O085", str(out), found, "a new name", "Choose another name, or add --force."))
    made = usdm_of(protocol, version=version)
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(made.text, "utf-8", newline="\n")
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputError(Problem("O085", str(out), f"The file cannot be written: {reason}.")) from None
    return made
