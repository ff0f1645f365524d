"""Interventions, allocation and blinding, discontinuation: sections 6 and 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.document import Block, Column, DefinitionList, Paragraph, Row, Table, Text
from equipoise.reporting.protocol_document.draft import (
    ProtocolDraft,
    Writer,
    day_text,
    days_words,
    for_you,
    plain_value,
    sentence,
)
from equipoise.reporting.protocol_document.front import ROLES

_KINDS = {
    "infusion": "drug, infusion",
    "injection": "drug, injection",
    "spray": "drug, spray",
    "oral": "drug, by mouth",
    "patch": "drug, patch",
    "behavioural": "behavioural therapy",
    "other": "other",
}
_SCHEMES = {
    "permuted-blocks": "permuted blocks",
    "complete": "complete randomization",
    "big-stick": "the big stick design",
    "efron": "Efron's biased coin",
    "chen": "Chen's biased coin with imbalance tolerance",
    "wei-urn": "Wei's urn",
    "minimization": "minimization",
    "random-allocation-rule": "the random allocation rule",
    "truncated-binomial": "the truncated binomial design",
}


def _in_every_arm(draft: ProtocolDraft) -> list[str]:
    arms = [set(arm.interventions) for arm in draft.model.arms.values()]
    if len(arms) < 2 or draft.model.trial.design == "crossover":
        return []
    common = set.intersection(*arms)
    return [id for id in draft.model.interventions if id in common]


def _compared(draft: ProtocolDraft) -> list[str]:
    common = _in_every_arm(draft)
    return [id for id in draft.model.interventions if id not in common] or list(draft.model.interventions)


def dose_words(entry: DrugIntervention) -> str:
    """The dose of one administration with its length: ``0.5 mg/kg over 40 min``; steps one after another."""
    if entry.phases:
        steps = []
        for phase in entry.phases:
            dose = str(phase.dose) if phase.dose is not None else "no drug"
            volume = f" in {phase.volume}" if phase.volume is not None else ""
            steps.append(f"{dose}{volume} over {phase.over}")
        return ", then ".join(steps)
    dose = str(entry.dose) if entry.dose is not None else ""
    return f"{dose} over {entry.over}" if dose and entry.over is not None else dose


def regimen_words(entry: Any) -> str:
    """On which study days, or how often, an intervention is given; empty where the file does not say."""
    if isinstance(entry, BehaviouralIntervention):
        n = sum(block.count for block in entry.sessions)
        days = [day_text(day) for day in entry.session_days if day is not None]
        said = fmt.plural(n, "session") if n else ""
        return said + (f", study {'day' if len(days) == 1 else 'days'} {fmt.joined(days)}" if days else "")
    parts = [days_words(days) for days in getattr(entry, "days", ())]
    text = f"study {', '.join(parts)}" if parts else ""
    return "; ".join(part for part in (text, getattr(entry, "frequency", None) or "") if part)


def _overview(draft: ProtocolDraft) -> Block:
    rows = []
    for id, arm in draft.model.arms.items():
        rows.append(Row((f"{draft.treatment_label(id)}: {ROLES[arm.role]}",), "group"))
        for one in arm.interventions:
            entry = draft.model.interventions[one]
            dose = dose_words(entry) if isinstance(entry, DrugIntervention) else ""
            route = getattr(entry, "route", None) or ""
            rows.append(
                Row(
                    (
                        draft.intervention_label(one),
                        words.capitalized(_KINDS[entry.type]),
                        dose or "none" if isinstance(entry, DrugIntervention) else "no drug",
                        words.capitalized(route)
                        or ("not stated" if isinstance(entry, DrugIntervention) else "no drug"),
                        words.capitalized(regimen_words(entry)) or "not stated",
                    ),
                    indent=1,
                )
            )
    columns = (
        Column("Arm, intervention", wide=True),
        Column("Type"),
        Column("Dose"),
        Column("Route"),
        Column("Regimen", wide=True),
    )
    return Table("Arms and interventions", columns, tuple(rows))


def _chapter(draft: ProtocolDraft) -> Sequence[Block | None]:
    return [_overview(draft)]


def _tidier(draft: ProtocolDraft, entry: Any, *names: str) -> list[str]:
    said = []
    for name in names:
        fact = getattr(entry.tidier, name)
        if text := draft.told(fact):
            said.append(f"{name.replace('_', ' ')}: {text}" if name != "procedures" else text)
    return said


def _described(draft: ProtocolDraft, ids: Sequence[str]) -> list[Block]:
    items: list[tuple[str, Text]] = []
    for id in ids:
        entry = draft.model.interventions[id]
        if isinstance(entry, DrugIntervention):
            head = sentence(entry.drug, _KINDS[entry.type].removeprefix("drug, "), entry.route or "")
        elif isinstance(entry, BehaviouralIntervention):
            manual = draft.told(entry.manual)
            head = sentence(_KINDS[entry.type], f"manual: {manual}" if manual else "")
            if entry.titles:
                head += f" Sessions: {'; '.join(entry.titles)}."
        else:
            head = sentence(entry.words)
        rest = sentence(*_tidier(draft, entry, "materials", "procedures"))
        note = f" {words.capitalized(entry.note)}." if entry.note else ""
        cited = draft.cited(entry)
        items.append(
            (draft.intervention_label(id), f"{head}{cited}{' ' + rest if rest else ''}{note}{draft.differing(entry)}")
        )
    return [DefinitionList(tuple(items))] if items else []


def _description(draft: ProtocolDraft) -> Sequence[Block | None]:
    return _described(draft, _compared(draft))


def _administration(draft: ProtocolDraft) -> Sequence[Block | None]:
    items: list[tuple[str, Text]] = []
    for id in _compared(draft):
        entry = draft.model.interventions[id]
        parts = [regimen_words(entry)]
        if isinstance(entry, DrugIntervention):
            parts = [dose_words(entry), *parts, f"only if {entry.only_if}" if entry.only_if else ""]
        elif isinstance(entry, BehaviouralIntervention):
            minutes = draft.told(entry.minutes)
            practice = draft.told(entry.home_practice)
            parts += [
                f"minutes per session: {minutes}" if minutes else "",
                f"home practice: {practice}" if practice else "",
            ]
        parts += _tidier(draft, entry, "provider", "mode", "where")
        if text := sentence(*parts):
            items.append((draft.intervention_label(id), text))
    return [DefinitionList(tuple(items)) if items else None, _infusing(draft)]


def _infusing(draft: ProtocolDraft) -> Block | None:
    conduct = draft.model.conduct
    named = (
        ("Volume of the prepared bag", conduct.infusing.volume),
        ("Readings during the infusion, every", conduct.infusing.vitals_every),
        ("Readings go on after its end for", conduct.infusing.vitals_after),
        ("Readings after its end, every", conduct.infusing.vitals_after_every),
    )
    items: list[tuple[str, Text]] = [(label, told) for label, fact in named if (told := draft.told(fact))]
    return DefinitionList(tuple(items)) if items else None


def _modification(draft: ProtocolDraft) -> Sequence[Block | None]:
    items: list[tuple[str, Text]] = []
    for id, entry in draft.model.interventions.items():
        if not isinstance(entry, DrugIntervention):
            continue
        text = sentence(
            f"titration: {entry.titration}" if entry.titration else "",
            f"at most {entry.maximum} per administration" if entry.maximum is not None else "",
        )
        if text:
            items.append((draft.intervention_label(id), text))
    tailoring = [
        (draft.intervention_label(id), f"{words.capitalized(told)}")
        for id, entry in draft.model.interventions.items()
        if (told := draft.told(entry.tidier.tailoring))
    ]
    return [DefinitionList((*items, *tailoring))] if items or tailoring else []


def _preparation(draft: ProtocolDraft) -> Sequence[Block | None]:
    items: list[tuple[str, Text]] = []
    for id, entry in draft.model.interventions.items():
        if not isinstance(entry, DrugIntervention):
            continue
        rounding, strength = draft.told(entry.rounding), draft.told(entry.concentration)
        text = sentence(
            f"a dose is rounded to {rounding}" if rounding else "",
            f"strength of the solution {strength}" if strength else "",
        )
        if text:
            items.append((draft.intervention_label(id), text))
    weighing = draft.model.conduct.weighing
    named = (
        ("Weights below are measured again", weighing.lowest),
        ("Weights above are measured again", weighing.highest),
        ("Changes of weight above are measured again", weighing.change),
        ("A weight is valid for a dose for, in days", weighing.valid_days),
    )
    items += [(label, told) for label, fact in named if (told := draft.told(fact))]
    return [DefinitionList(tuple(items)), for_you("who prepares it, and from which product")] if items else []


def _assignment(draft: ProtocolDraft) -> Sequence[Block | None]:
    plan = draft.model.randomization
    if plan is None:
        return [Paragraph("The trial does not randomize: every participant receives the one arm.")]
    ratio = " : ".join(f"{draft.treatment_label(arm)} {part}" for arm, part in plan.ratio.items())
    concealment = draft.told(plan.concealment)
    blocks: list[Block] = [
        DefinitionList(
            (("Ratio", f"{ratio}{draft.cited(plan)}"), *([("Concealment", concealment)] if concealment else []))
        )
    ]
    if not concealment:
        blocks.append(
            for_you(
                "how the next allocation is concealed from those who enrol participants, and who enrols and allocates"
            )
        )
    return blocks


def _randomization(draft: ProtocolDraft) -> Sequence[Block | None]:
    plan = draft.model.randomization
    if plan is None:
        return []
    strata = "not stratified" if plan.strata.value == () else draft.told(plan.strata)
    items: list[tuple[str, Text]] = [("Stratified by", words.capitalized(strata))] if strata else []
    if draft.audience == "investigators":
        text = (
            "The method by which the sequence is drawn stands in the edition for the sponsor and the ethics committee, "
            "which people who enrol participants or allocate interventions do not see."
        )
        return [*([DefinitionList(tuple(items))] if items else []), Paragraph(text)]
    scheme = plan.scheme
    if scheme.usable is not None:
        basis = (
            f" (assumed{f', {scheme.basis}' if scheme.basis else ''}; no source gives it)"
            if scheme.value is None
            else draft.cited(scheme)
        )
        items.append(("Method", f"{words.capitalized(_SCHEMES[scheme.usable])}{basis}"))
    blocks: list[Block] = [DefinitionList(tuple(items))] if items else []
    if scheme.usable is None:
        blocks.append(for_you("the method of randomization"))
    blocks.append(
        Paragraph(
            "Block sizes, probabilities and seeds are in no edition of this document: the protocol file does not hold "
            "them."
        )
    )
    return blocks


def _blinding(draft: ProtocolDraft) -> Sequence[Block | None]:
    masking = draft.model.trial.masking
    if masking.value == ():
        return [Paragraph(f"Open label: nobody is blinded.{draft.cited(masking)}")]
    told = draft.told(masking)
    held = [a for a in draft.model.assessments.values() if a.blinding == "quarantined"]
    blocks: list[Block] = []
    if told:
        blocks.append(DefinitionList((("Blinded", words.capitalized(told)),)))
    else:
        blocks.append(for_you("who is blinded"))
    if held:
        labels = [
            draft.assessment_label(id) for id, a in draft.model.assessments.items() if a.blinding == "quarantined"
        ]
        blocks.append(
            Paragraph(
                "Because they may reveal the arm, the following are seen by the safety role only until the data are "
                f"locked: {fmt.joined([words.lowered(label) for label in labels])}."
            )
        )
    blocks.append(for_you("how the interventions are made alike in appearance and procedure"))
    return blocks


def _emergency(draft: ProtocolDraft) -> Sequence[Block | None]:
    masking = draft.model.trial.masking
    return (
        []
        if masking.value == () or draft.model.randomization is None
        else [for_you("who may unblind, when and how, and how it is recorded")]
    )


def _adherence(draft: ProtocolDraft) -> Sequence[Block | None]:
    items: list[tuple[str, Text]] = []
    for id, entry in draft.model.interventions.items():
        if told := draft.told(entry.tidier.fidelity_planned):
            items.append((draft.intervention_label(id), words.capitalized(told)))
    return [DefinitionList(tuple(items))] if items else []


def _background(draft: ProtocolDraft) -> Sequence[Block | None]:
    common = _in_every_arm(draft)
    if not common:
        return []
    items = []
    for id in common:
        entry = draft.model.interventions[id]
        items.append((draft.intervention_label(id), words.capitalized(regimen_words(entry)) or "Regimen not stated"))
    return [Paragraph("Every arm receives:"), *_described(draft, common), DefinitionList(tuple(items))]


def _noninvestigational(draft: ProtocolDraft) -> Sequence[Block | None]:
    return [Paragraph("What every arm receives stands below.")] if _in_every_arm(draft) else []


def _concomitant(draft: ProtocolDraft) -> Sequence[Block | None]:
    return draft.written("concomitant_care")


def _stop_rules(draft: ProtocolDraft) -> Sequence[Block | None]:
    rules = draft.model.conduct.infusing.stop
    if not rules:
        return []
    rows = []
    for id, rule in rules.items():
        when = str(rule.when).replace(">=", "≥").replace("<=", "≤")
        rows.append(
            Row(
                (
                    words.capitalized(id.replace("-", " ")),
                    words.capitalized(when) + draft.cited(rule),
                    rule.words or "the infusion is stopped",
                )
            )
        )
    units = "Pressures are in mmHg, pulse in beats/min, saturation in per cent."
    return [
        Table(
            "Readings at which an infusion is stopped",
            (Column("Rule"), Column("Reading", wide=True), Column("What is done", wide=True)),
            tuple(rows),
            footnotes=(units,),
        )
    ]


def _lost(draft: ProtocolDraft) -> Sequence[Block | None]:
    named = sorted({event for estimand in draft.model.estimands.values() for event in estimand.intercurrent})
    if not named:
        return []
    said = fmt.joined([plain_value(event) for event in named])
    return [
        Paragraph(f"How the analyses treat {said} is part of the estimands (section 3) and of section 10."),
        for_you("what is done to reach a participant, and when one counts as lost"),
    ]


WRITERS: dict[str, Writer] = {
    "6": _chapter,
    "6.1": _description,
    "6.3": _administration,
    "6.4": _modification,
    "6.6.1": _preparation,
    "6.7.1": _assignment,
    "6.7.2": _randomization,
    "6.7.3": _blinding,
    "6.7.4": _emergency,
    "6.8": _adherence,
    "6.9": _noninvestigational,
    "6.9.1": _background,
    "6.10": _concomitant,
    "7.1": _stop_rules,
    "7.3": _lost,
}
