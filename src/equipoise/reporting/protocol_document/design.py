"""Introduction, objectives and estimands, trial design, population: sections 2 to 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from equipoise.protocol.language.margins import bounds_of
from equipoise.protocol.vocabulary.scales import SCALES, is_better_above, scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.document import Block, Bullets, Column, DefinitionList, Heading, Paragraph, Row, Table, Text
from equipoise.reporting.margins import margin_words
from equipoise.reporting.protocol_document.draft import (
    ProtocolDraft,
    Writer,
    day_text,
    days_words,
    for_you,
    name_words,
    sentence,
)
from equipoise.reporting.protocol_document.front import ROLES, design_facts

_NEXT_LEVEL = {"primary": "3.1", "secondary": "3.2", "exploratory": "3.3"}


def _purpose(draft: ProtocolDraft) -> Sequence[Block | None]:
    rationale = draft.written("rationale")
    reasons = [
        (draft.intervention_label(id), draft.told(entry.tidier.why))
        for id, entry in draft.model.interventions.items()
        if draft.told(entry.tidier.why)
    ]
    blocks: list[Block] = [*rationale, *draft.written("objective")]
    if reasons:
        blocks.append(Paragraph("What the interventions are meant to do:"))
        blocks.append(DefinitionList(tuple(reasons)))
    if not rationale:
        blocks.append(for_you("background, what is known of benefits and harms, and why the trial is needed"))
    return blocks


def estimand_items(draft: ProtocolDraft, id: str) -> list[tuple[str, Text]]:
    """The five attributes of an estimand, its margin, and when its endpoint is measured."""
    model = draft.model
    estimand = model.estimands[id]
    endpoint = model.endpoints[estimand.endpoint]
    treatments = estimand.treatments
    compared = draft.treatment_label(treatments.experimental)
    if treatments.reference:
        compared += f" versus {draft.treatment_label(treatments.reference)}"
    if estimand.factor:
        compared += f" (levels of the factor {estimand.factor.replace('-', ' ')})"
    if estimand.interaction:
        compared += f", and how much the effect differs between the levels of {estimand.interaction.replace('-', ' ')}"
    stage = f", in {estimand.stage.replace('-', ' ')}" if estimand.stage else ""
    events = [
        f"{event.replace('-', ' ')}: {words.STRATEGY_WORDS.get(strategy, strategy)}"
        for event, strategy in estimand.intercurrent.items()
    ]
    scale = scale_label(estimand.summary.replace("-", "_")).removesuffix(", points")
    items: list[tuple[str, Text]] = [
        ("Population", words.capitalized(estimand.population) + stage),
        ("Treatments", compared),
        ("Variable", sentence(endpoint.words) + endpoint_days(endpoint) + draft.cited(endpoint)),
        ("Intercurrent events", words.capitalized("; ".join(events)) if events else "No intercurrent event is named"),
        ("Summary measure", words.capitalized(scale)),
    ]
    if estimand.margin is not None:
        row = SCALES[estimand.summary.replace("-", "_")]
        better = is_better_above(row.id, endpoint)
        bounds = bounds_of(estimand.margin, row, larger_is_better=better)
        said = margin_words(bounds.as_dict(), row.id)
        items.append(("Margin", words.capitalized(said) + draft.cited(estimand.margin)))
    return items


def endpoint_days(endpoint: Any) -> str:
    """Where an endpoint names a window of days, those days."""
    window = endpoint.window
    if window is None:
        return ""
    first, last = window
    return f" Study {'day' if first == last else 'days'} {day_text(first)}" + (
        f" to {day_text(last)}." if first != last else "."
    )


def _objectives(level: str) -> Writer:
    def write(draft: ProtocolDraft) -> Sequence[Block | None]:
        blocks: list[Block] = []
        if level == "primary":
            blocks += draft.written("objective")
        for number, id in enumerate(draft.estimands_at(level), 1):
            estimand = draft.model.estimands[id]
            label = words.lowered(draft.material.endpoint_label(estimand.endpoint))
            name = f"{words.LEVEL_WORDS[level]} objective {number}: {label}"
            blocks += [
                Heading(f"{_NEXT_LEVEL[level]}.{number} {name}", 3),
                Paragraph(draft.question(estimand) + draft.cited(estimand)),
                DefinitionList(tuple(estimand_items(draft, id))),
            ]
        return blocks

    return write


def _description(draft: ProtocolDraft) -> Sequence[Block | None]:
    return [DefinitionList(tuple(design_facts(draft))), _periods(draft), _stages(draft)]


def _periods(draft: ProtocolDraft) -> Block | None:
    rows = []
    for id, epoch in draft.model.calendar.epochs.items():
        note = f"{epoch.note}" if epoch.note else ""
        rows.append(
            Row(
                (
                    name_words(id),
                    words.capitalized(days_words(epoch.days)) + draft.cited(epoch),
                    note or "none",
                )
            )
        )
    return Table(
        "Periods of the trial",
        (Column("Period"), Column("Study days", wide=True), Column("Note", wide=True)),
        tuple(rows),
    )


def _stages(draft: ProtocolDraft) -> Block | None:
    if not draft.model.stages:
        return None
    rows = []
    for id, stage in draft.model.stages.items():
        day_1 = f"counted from {stage.day_1}" if stage.day_1 else "of the trial"
        facts = [
            "randomizes" if stage.randomizes else "",
            f"after {fmt.plural(stage.washout_days, 'day')} without treatment" if stage.washout_days else "",
            f"enters: {stage.entry}" if stage.entry else "",
        ]
        rows.append(
            Row(
                (
                    name_words(id),
                    f"{words.capitalized(days_words(stage.days))} {day_1}",
                    sentence(*facts) or "nothing further",
                )
            )
        )
    return Table(
        "Stages", (Column("Stage"), Column("Days", wide=True), Column("What is particular", wide=True)), tuple(rows)
    )


def _control(draft: ProtocolDraft) -> Sequence[Block | None]:
    roles = [
        (draft.treatment_label(id), words.capitalized(ROLES[arm.role]) + draft.cited(arm))
        for id, arm in draft.model.arms.items()
    ]
    return [DefinitionList(tuple(roles)), for_you("why this comparator, or why none")]


def _stopping(draft: ProtocolDraft) -> Sequence[Block | None]:
    known = draft.told(draft.model.trial.stopping)
    blocks: list[Block] = draft.written("interim")
    if known:
        blocks.append(Paragraph(f"How the trial ended, as its sources report it: {known}"))
        blocks.append(for_you("when the trial, an arm or a site is stopped early"))
    return blocks


def _start_and_end(draft: ProtocolDraft) -> Sequence[Block | None]:
    calendar = draft.model.calendar
    last = max((visit.target_day for visit in draft.protocol.planned_visits), default=None)
    items: list[tuple[str, Text]] = [("Study day 1 of a participant", words.capitalized(calendar.day_1))]
    if last is not None:
        items.append(("Last planned visit of a participant", f"Study day {day_text(last)}"))
    for name, fact in draft.model.trial.dates.items():
        if told := draft.told(fact):
            items.append((name_words(name), told))
    return [DefinitionList(tuple(items)), for_you("which events are the start and the end of the whole trial")]


def _population(draft: ProtocolDraft) -> Sequence[Block | None]:
    condition = draft.model.trial.condition
    if not condition:
        return []
    return [Paragraph(sentence(condition)), for_you("why these participants represent those who would be treated")]


def _criteria(which: str) -> Writer:
    def write(draft: ProtocolDraft) -> Sequence[Block | None]:
        eligibility = draft.model.eligibility
        found: Mapping[str, Any] | None = getattr(eligibility, which)
        if found:
            items = []
            for id, entry in found.items():
                said = str(entry.criterion) if entry.criterion is not None else ""
                text = said.replace(">=", "≥").replace("<=", "≤")
                if entry.words:
                    text = f"{entry.words} ({text})" if text else entry.words
                items.append(words.capitalized(text or id.replace("-", " ")) + draft.cited(entry))
            return [Bullets(tuple(items), numbered=True)]
        if found is not None:
            return [
                Paragraph(f"The protocol states no {'inclusion' if which == 'include' else 'exclusion'} criterion.")
            ]
        what = "inclusion" if which == "include" else "exclusion"
        blocks: list[Block] = [for_you(f"the {what} criteria: the protocol file does not know them")]
        return [*blocks, Paragraph(eligibility.note, "note")] if eligibility.note else blocks

    return write


def _involvement(draft: ProtocolDraft) -> Sequence[Block | None]:
    return draft.written("involvement")


WRITERS: dict[str, Writer] = {
    "2.1": _purpose,
    "3.1": _objectives("primary"),
    "3.2": _objectives("secondary"),
    "3.3": _objectives("exploratory"),
    "4.1": _description,
    "4.1.1": _involvement,
    "4.2.3": _control,
    "4.3": _stopping,
    "4.4": _start_and_end,
    "5.1": _population,
    "5.2": _criteria("include"),
    "5.3": _criteria("exclude"),
}
