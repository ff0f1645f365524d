"""Arms, epochs, elements, interventions, roles, population and criteria of a protocol as USDM has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from equipoise.exchange.usdm import codes
from equipoise.exchange.usdm.nodes import Node, UsdmNodes, link
from equipoise.foundation.calendar import day_index
from equipoise.protocol import Protocol
from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention
from equipoise.protocol.language.notation import Dose, Duration

_ISO = {"min": "PT{}M", "h": "PT{}H", "s": "PT{}S"}


def plain(part: Any, *without: str) -> dict[str, Any]:
    """A part of the protocol as its file states it, keys in kebab-case; what is carried elsewhere left out."""
    found = part.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {key: value for key, value in found.items() if key not in without}


def words(id: str) -> str:
    """An id as words."""
    return id.replace("-", " ")


def make_interventions(protocol: Protocol, nodes: UsdmNodes) -> dict[str, Node]:
    """Each intervention with its role and its administrations, by its name in the file."""
    out = {}
    for id, entry in protocol.model.interventions.items():
        label = getattr(entry, "label", None) or words(id)
        role = _role(protocol, id)
        known = codes.INTERVENTION_ROLES.get(role)
        if known is None:
            nodes.note(f"interventions.{id}", f"its role ({words(role)}) has no code that is known; ours stands there")
        is_drug = isinstance(entry, DrugIntervention)
        if not is_drug:
            nodes.note(f"interventions.{id}", f"its type ({entry.type}) has no code that is known; ours stands there")
        out[id] = nodes.make(
            "StudyIntervention",
            extensionAttributes=nodes.extension(definition=plain(entry, "label")),
            name=id,
            label=label,
            description=_described(entry),
            role=nodes.coded(known, role, words(role).capitalize()),
            type=nodes.coded(codes.DRUG if is_drug else None, entry.type, entry.type.capitalize()),
            codes=[nodes.own(entry.drug, entry.drug)] if isinstance(entry, DrugIntervention) else [],
            administrations=_administrations(id, entry, nodes) if isinstance(entry, DrugIntervention) else [],
        )
    return out


def _role(protocol: Protocol, id: str) -> str:
    """The role of an intervention by the arms that give it: background where all do."""
    giving = [arm for arm in protocol.model.arms.values() if id in arm.interventions]
    if len(giving) == len(protocol.model.arms) > 1 and protocol.model.trial.design != "crossover":
        return "background"
    roles = {arm.role for arm in giving}
    if roles & {"experimental", "single"} or not roles:
        return "experimental"
    return roles.pop() if len(roles) == 1 else "comparator"


def _described(entry: Any) -> str:
    if isinstance(entry, DrugIntervention):
        days = ", ".join(f"study days {d}" if d.first != d.last else f"study day {d}" for d in entry.days)
        parts = [entry.drug, entry.type, days, entry.frequency or "", entry.titration or "", entry.only_if or ""]
        return "; ".join(part for part in parts if part)
    if isinstance(entry, BehaviouralIntervention):
        n = sum(block.count for block in entry.sessions)
        return f"Behavioural therapy, {n} sessions" if n else "Behavioural therapy"
    return str(entry.words)


def _administrations(id: str, entry: DrugIntervention, nodes: UsdmNodes) -> list[Node]:
    steps: list[tuple[Dose | None, Duration | None]] = [(phase.dose, phase.over) for phase in entry.phases]
    steps = steps or [(entry.dose, entry.over)]
    out = []
    for number, (dose, over) in enumerate(steps, 1):
        route = codes.ROUTES.get((entry.route or "").lower())
        if entry.route and route is None:
            nodes.note(f"interventions.{id}.route", f"{entry.route!r} has no code that is known; ours stands there")
        duration = nodes.make("Duration", durationWillVary=False, text="not stated")
        if over is not None:
            unit = nodes.coded(codes.UNITS.get(over.unit), over.unit, over.unit)
            text = _ISO[over.unit].format(over.amount)
            duration = nodes.make(
                "Duration", durationWillVary=False, text=text, quantity=nodes.quantity(float(over.amount), unit)
            )
        amount = None
        if dose is not None:
            amount = nodes.quantity(float(dose.amount), nodes.coded(codes.UNITS.get(dose.unit), dose.unit, dose.unit))
        out.append(
            nodes.make(
                "Administration",
                name=f"{id}-{number}",
                label=f"{dose} over {over}" if dose is not None and over is not None else str(dose or words(id)),
                duration=duration,
                dose=amount,
                route=nodes.alias(nodes.coded(route, entry.route, entry.route)) if entry.route else None,
            )
        )
    return out


def make_epochs(protocol: Protocol, nodes: UsdmNodes) -> dict[str, Node]:
    """Epochs of the calendar in the order of their days, then stages that count days of their own."""
    model = protocol.model
    found = sorted(model.calendar.epochs.items(), key=lambda item: day_index(item[1].days.first))
    out = {}
    for id, epoch in found:
        known = codes.EPOCH_TYPES.get(id)
        if known is None:
            nodes.note(f"calendar.epochs.{id}", "its kind has no code that is known; ours stands there")
        out[id] = nodes.make(
            "StudyEpoch",
            extensionAttributes=nodes.extension(days=str(epoch.days), definition=plain(epoch, "days", "note")),
            name=id,
            label=words(id),
            description=epoch.note,
            type=nodes.coded(known, id, words(id)),
        )
    for id, stage in model.stages.items():
        if stage.day_1 is not None:
            out[f"stage {id}"] = nodes.make(
                "StudyEpoch",
                extensionAttributes=nodes.extension(stage=id, days=str(stage.days)),
                name=f"stage-{id}",
                label=words(id),
                description=f"Days count from {stage.day_1}",
                type=nodes.own("stage", "Stage with days of its own"),
            )
    link(list(out.values()))
    return out


def make_arms(protocol: Protocol, nodes: UsdmNodes) -> dict[str, Node]:
    """The arms, the reference first."""
    out = {}
    for id, arm in protocol.model.arms.items():
        known = codes.ARM_TYPES.get(arm.role)
        if known is None:
            nodes.note(f"arms.{id}", f"its role ({words(arm.role)}) has no code that is known; ours stands there")
        out[id] = nodes.make(
            "StudyArm",
            extensionAttributes=nodes.extension(definition=plain(arm, "label")),
            name=id,
            label=arm.label or words(id),
            type=nodes.coded(known, arm.role, words(arm.role).capitalize()),
            dataOriginDescription="Data of the participants of the trial",
            dataOriginType=nodes.code(codes.WITHIN_STUDY),
        )
    return out


def make_cells(
    protocol: Protocol,
    nodes: UsdmNodes,
    arms: Mapping[str, Node],
    epochs: Mapping[str, Node],
    given: Mapping[str, Node],
) -> tuple[list[Node], list[Node]]:
    """A cell for each arm and epoch, and the elements that they share: what is given in it, as far as days say so."""
    elements: dict[tuple[str, tuple[str, ...]], Node] = {}
    cells = []
    for arm, arm_node in arms.items():
        for epoch, epoch_node in epochs.items():
            names = tuple(id for id in protocol.model.arms[arm].interventions if _is_given(protocol, arm, id, epoch))
            if (epoch, names) not in elements:
                labels = ", ".join(given[name]["label"] for name in names) or "no intervention"
                elements[epoch, names] = nodes.make(
                    "StudyElement",
                    name=f"element-{len(elements) + 1}",
                    label=labels,
                    description=f"{epoch_node['label']}: {labels}",
                    studyInterventionIds=[given[name]["id"] for name in names],
                )
            element = elements[epoch, names]
            cells.append(
                nodes.make("StudyCell", armId=arm_node["id"], epochId=epoch_node["id"], elementIds=[element["id"]])
            )
    for id in protocol.model.interventions:
        if not _days_of(protocol, id) and not protocol.model.stages:
            nodes.note(f"interventions.{id}", "the file states no days for it, so that no element names it")
    return cells, list(elements.values())


def _is_given(protocol: Protocol, arm: str, id: str, epoch: str) -> bool:
    model = protocol.model
    if epoch.startswith("stage "):
        gives = model.arms[arm].gives
        return id in (gives.get(epoch.removeprefix("stage "), ()) if isinstance(gives, Mapping) else gives)
    span = model.calendar.epochs[epoch].days
    if isinstance(model.arms[arm].gives, Mapping):
        return any(protocol.gives_on(arm, id, day) for day in span.range)
    return any(span.first <= day <= span.last for day in _days_of(protocol, id))


def _days_of(protocol: Protocol, id: str) -> list[int]:
    """Study days of an intervention: its own, or those of the visits that give it."""
    entry = protocol.model.interventions[id]
    if isinstance(entry, BehaviouralIntervention):
        days = [day for day in entry.session_days if day is not None]
    else:
        days = [day for part in entry.days for day in part.range]
    visits = (visit for visit in protocol.planned_visits if id in protocol.model.schedule[visit.series].gives)
    return days or [visit.target_day for visit in visits]


def make_criteria(protocol: Protocol, nodes: UsdmNodes) -> tuple[list[Node], list[Node]]:
    """Criteria and the items that hold their texts."""
    criteria, items = [], []
    for which in ("include", "exclude"):
        found = getattr(protocol.model.eligibility, which)
        if found is None:
            nodes.note(f"eligibility.{which}", "not known")
        for number, (id, entry) in enumerate((found or {}).items(), 1):
            said = str(entry.criterion) if entry.criterion is not None else ""
            text = entry.words or said
            item = nodes.make("EligibilityCriterionItem", name=f"{which}-{id}", text=text)
            items.append(item)
            extra = nodes.extension(criterion=said, definition=plain(entry, "criterion", "words"))
            criteria.append(
                nodes.make(
                    "EligibilityCriterion",
                    extensionAttributes=[*extra, *nodes.extension(words=entry.words or "")],
                    name=id,
                    label=words(id),
                    category=nodes.code(codes.CRITERIA[which]),
                    identifier=f"{which[0].upper()}{number}",
                    criterionItemId=item["id"],
                )
            )
    return criteria, items


def make_roles(
    protocol: Protocol, nodes: UsdmNodes, version: str, design: str
) -> tuple[list[Node], list[Node], list[Node]]:
    """Roles, organizations and identifiers: the sponsor, the registry, and who does not know the arm."""
    trial = protocol.model.trial
    sponsor = nodes.make(
        "Organization",
        name="sponsor",
        label=trial.sponsor.value or "Not stated in the protocol",
        type=nodes.own("sponsor", "Sponsor"),
        identifierScheme="equipoise",
        identifier="sponsor",
    )
    if trial.sponsor.value is None:
        nodes.note("trial.sponsor", "not known")
    organizations = [sponsor]
    identifiers = [nodes.make("StudyIdentifier", text=trial.id, scopeId=sponsor["id"])]
    if trial.registration.value is not None:
        number = trial.registration.value
        is_ctgov = re.fullmatch(r"NCT\d{8}", number) is not None
        registry = nodes.make(
            "Organization",
            name="registry",
            label="ClinicalTrials.gov" if is_ctgov else "Registry of the trial",
            type=nodes.code(codes.REGISTRY),
            identifierScheme="equipoise",
            identifier="clinicaltrials.gov" if is_ctgov else "registry",
        )
        organizations.append(registry)
        identifiers.append(nodes.make("StudyIdentifier", text=number, scopeId=registry["id"]))
    roles = [
        nodes.make(
            "StudyRole",
            name="sponsor",
            label="Sponsor",
            code=nodes.code(codes.SPONSOR_ROLE),
            appliesToIds=[version],
            organizationIds=[sponsor["id"]],
        )
    ]
    for who in trial.masking.value or ():
        known = codes.MASKED_ROLES.get(who)
        roles.append(
            nodes.make(
                "StudyRole",
                name=who,
                label=words(who).capitalize(),
                code=nodes.coded(known, who, words(who).capitalize()),
                appliesToIds=[design],
                masking=nodes.make("Masking", text="Does not know the arm", isMasked=True),
            )
        )
    return roles, organizations, identifiers


def blinding_of(protocol: Protocol, nodes: UsdmNodes) -> Node | None:
    """The schema of blinding as far as who is masked decides it."""
    masking = protocol.model.trial.masking.value
    if masking is None:
        nodes.note("trial.masking", "not known")
        return None
    if not masking:
        return nodes.alias(nodes.code(codes.BLINDING["open"]))
    if set(masking) == {"participant"}:
        return nodes.alias(nodes.code(codes.BLINDING["single"]))
    if {"participant", "investigator"} <= set(masking):
        return nodes.alias(nodes.code(codes.BLINDING["double"]))
    return nodes.alias(nodes.own("partly", f"Masked: {', '.join(words(who) for who in masking)}"))
