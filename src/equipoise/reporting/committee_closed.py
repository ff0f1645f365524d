"""The closed report of an interim analysis, for the data monitoring committee: results by arm beside the bounds.

Arms bear letters where the committee wants them masked; who is who is in ``look.json`` beside the report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from equipoise.analysis.interim import LookDecision
from equipoise.analysis.multiplicity import answer_of
from equipoise.analysis.survival import draw_curves
from equipoise.endpoints.endpoint_values import Derived
from equipoise.records import Records
from equipoise.records.known_on import DatesOfDay1
from equipoise.reporting import format as fmt
from equipoise.reporting import group_tables, look_words, words
from equipoise.reporting.by_arm import arm_result
from equipoise.reporting.committee_open import committee_tables, safety_was_recorded
from equipoise.reporting.document import (
    SIMULATED,
    Block,
    Bullets,
    Callout,
    Column,
    Document,
    Figure,
    Heading,
    KeyFigures,
    Paragraph,
    Row,
    Sections,
    Table,
    Text,
    code,
)
from equipoise.reporting.figures.kaplan_meier import DrawnCurve, draw_kaplan_meier
from equipoise.reporting.looks_shown import LooksShown, bounds_figure, looks_table
from equipoise.reporting.safety import build_adverse_events_table


@dataclass(frozen=True, kw_only=True)
class ClosedMaterial(LooksShown):
    """What a closed report is made of; ``taken`` ends with the look that it is of."""

    records: Records
    results: Mapping[str, Derived]  # by analysis, the endpoint of those whose result is in
    day: date | None = None
    entry: DatesOfDay1 | None = None
    hash: str = ""
    notes: tuple[str, ...] = ()
    version: str = ""


def build_closed_report(material: ClosedMaterial) -> Document:
    """The closed report as a document."""
    protocol, look = material.protocol, material.look
    sections = Sections()
    sections.add("Confidential", [Callout(_CONFIDENTIAL, "Closed report", "warning"), *_notes(material)])
    sections.add("What the plan says", _decision(material))
    sections.add("Looks taken", [looks_table(material), bounds_figure(material)])
    sections.add("Results by arm", _results(material))
    sections.add("What is ahead", _ahead(material))
    sections.add("Safety by arm", _safety(material))
    sections.add("How this look was taken", [Bullets(tuple(_methods(material)))])
    rows: list[tuple[str, Text]] = [("This look, SHA-256", (code(material.hash),))]
    if material.day is not None:
        rows.insert(0, ("Data as known on", fmt.dates_in_words(material.day.isoformat())))
    rows.append(("Records, SHA-256 (first 16 characters)", (code(material.records.data_hash[:16]),)))
    return Document(
        title=protocol.model.trial.title,
        blocks=tuple(sections.blocks),
        subtitle=f"{fmt.joined(list(material.names.values()))}; {look.n_randomized} participants randomized",
        kicker=f"Closed report · interim analysis {look.number} · confidential",
        banner=SIMULATED if material.records.is_simulated else None,
        provenance=tuple(rows),
        footer=f"{protocol.id} · CLOSED report of look {look.number} · {material.hash[:12]}"
        + (f" · equipoise {material.version}" if material.version else ""),
    )


_CONFIDENTIAL = (
    "For the data monitoring committee and its statistician alone. What the plan says at this look is stated here. "
    "What to recommend is the committee's to decide, on safety and everything else it knows."
)


def _notes(material: ClosedMaterial) -> list[Block | None]:
    out: list[Block | None] = []
    if material.entry is not None and material.entry.is_assumed:
        out.append(Callout(material.entry.basis, "Dates of entry are assumed", "warning"))
    out += [Callout(note, kind="warning") for note in material.notes]
    if material.letters:
        masked = "Arms bear letters, the same at every look. Who is who is in the file look.json beside this report."
        if material.looks.rule.sides == 1:
            masked += (
                " The plan claims in one direction only, so the side of the bound shows which arm is experimental."
            )
        out.append(Paragraph(masked, "note"))
    return out


def _decision(material: ClosedMaterial) -> list[Block | None]:
    look, looks = material.look, material.looks
    blocks: list[Block | None] = [Paragraph(look_words.reached(look, looks), "lead")]
    blocks.append(Paragraph(look_words.said(look, looks, material.name)))
    if look.decision is not None:
        blocks.append(_key_figures(look.decision))
    if look.new_size is not None:
        blocks.append(Paragraph(look_words.new_size(look.new_size, look.counted)))
    if look.kept and looks.stated.drop_arms is not None and look.number == looks.stated.drop_arms.at:
        blocks.append(Paragraph(look_words.arms(look, looks, material.arm_of)))
    return blocks


def _key_figures(decision: LookDecision) -> KeyFigures:
    bound = "none" if math.isinf(decision.critical_z) else fmt.fixed(decision.critical_z, 2)
    items = [
        (look_words.share(decision.information), "of the planned information", ""),
        (fmt.fixed(decision.z, 2), "Z", "positive where the experimental arm is better"),
        (bound, "critical value", "at this information"),
    ]
    if decision.conditional_power_trend is not None:
        power = look_words.chance(decision.conditional_power_trend)
        items.append((power, "conditional power", "of a claim that it is better, if the trend goes on"))
    return KeyFigures(tuple(items))


def _results(material: ClosedMaterial) -> list[Block | None]:
    blocks: list[Block | None] = []
    model = material.protocol.model
    seen: set[str] = set()
    for line, derived in material.results.items():
        if derived.endpoint in seen:
            continue
        seen.add(derived.endpoint)
        endpoint = model.endpoints[derived.endpoint]
        label = material.protocol.endpoint_label(derived.endpoint)
        cells: list[fmt.Cell] = []
        columns = [Column("", wide=True)]
        for arm, name in material.names.items():
            mine = derived.participants.arm == arm
            if not mine.any():
                continue
            columns.append(Column(name, "decimal", f"n={int(mine.sum())}"))
            cells.append(arm_result(derived, mine))
        note = f"{words.capitalized(endpoint.words)}. Of those whose result is known at this look."
        blocks.append(Table(label, tuple(columns), (Row((label, *cells)),), footnotes=(note,)))
        if derived.shape == "time-to-event" and derived.competing is None:
            blocks.append(_curves(material, derived))
        answer = answer_of(material.look.estimates, line)
        if answer is not None and answer.method:
            blocks.append(Paragraph(f"By the plan's own analysis: {answer.method}.", "note"))
    if material.look.n_provisional:
        n = material.look.n_provisional
        text = (
            f"{fmt.plural(n, 'participant')} counted as dropped out missed the last visit due and may still return: "
            "their events are provisional."
        )
        blocks.append(Callout(text, kind="warning"))
    return blocks


def _curves(material: ClosedMaterial, derived: Derived) -> Figure:
    arms = [arm for arm in material.names if (derived.participants.arm == arm).any()]
    curves = {curve.arm: curve for curve in draw_curves(derived, arms)}
    label = material.protocol.model.endpoints[derived.endpoint].event_noun or words.lowered(
        material.protocol.endpoint_label(derived.endpoint)
    )
    drawn = [
        DrawnCurve(
            material.names[arm],
            c.time,
            c.survival,
            c.ci_lower,
            c.ci_upper,
            [*c.censored, *(t for t, n in zip(c.time, c.events) for _ in range(int(n)))],
            [False] * len(c.censored) + [True] * int(sum(c.events)),
        )
        for arm in arms
        for c in [curves[arm]]
    ]
    drawing = draw_kaplan_meier(
        drawn,
        time_label="Days since time zero",
        survival_label=f"Share without {label}",
        end=derived.follow_up,
        event_words=label,
    )
    n = sum(c.n for c in curves.values())
    note = "Kaplan-Meier estimate with 95% limits; follow-up that goes on is censored at the data cut."
    return Figure(f"Time to {label}", drawing, f"Everybody with a time at this look, n={fmt.thousands(n)}", note)


def _ahead(material: ClosedMaterial) -> list[Block | None]:
    """Probability of a later claim, for either arm where the plan is two-sided."""
    decision, looks = material.look.decision, material.looks
    if decision is None or decision.conditional_power_planned is None:
        return []
    model = material.protocol.model
    treatments = model.estimands[model.analyses[looks.analyses[0]].estimand].treatments
    reached = [look.decision.information for look in material.taken if look.decision is not None]
    columns, sentences = [Column("", wide=True)], []
    cells: list[list[fmt.Cell]] = [[label] for label in _FUTURES]
    sides = [(treatments.experimental, 1.0)] + ([(treatments.reference, -1.0)] if looks.rule.sides == 2 else [])
    for arm, sign in sides:
        found = looks.rule.ahead(reached, sign * decision.z)
        if found is None:
            return []
        name = material.name(arm)
        columns.append(Column(f"Claim that {words.lowered(name)} is better", "right"))
        powers = (
            found.conditional_power(looks.rule.planned_drift),
            found.conditional_power_of_trend(),
            found.conditional_power(0.0),
            found.predictive_power(),
        )
        for row, power in zip(cells, powers, strict=True):
            row.append(look_words.chance(power))
        sentences.append(look_words.ahead(name, powers[0], powers[1]))
    note = (
        "Probability that Z crosses the critical value on that side at a later look or at the end. Stops for futility "
        "are not counted."
    )
    rows = tuple(Row(tuple(row)) for row in cells)
    return [
        Table("Probability of a later claim", tuple(columns), rows, footnotes=(note,)),
        Paragraph(" ".join(sentences)),
    ]


_FUTURES = (
    "Under the effect for which the trial was planned, in that arm's favour",
    "If the results so far are the truth",
    "Without any effect",
    "Averaged over what the results so far leave open (predictive power)",
)


def _safety(material: ClosedMaterial) -> list[Block | None]:
    records, protocol = material.records, material.protocol
    by_label = group_tables.arms_of(records, protocol)
    groups = {name: by_label[protocol.arm_label(arm)] for arm, name in material.names.items()}
    made = committee_tables(records, groups, doses=not material.letters, is_dated=material.entry is not None)
    serious = group_tables.serious_events(records, groups)
    blocks: list[Block | None] = [*made]
    blocks.append(build_adverse_events_table(records, material.names))
    blocks.append(Heading("Serious adverse events, line by line", 2))
    if not safety_was_recorded(records):
        return blocks[:-1]
    if not serious:
        blocks.append(Paragraph("No serious adverse event is recorded."))
        return blocks
    heads = ("Arm", "Participant", "Event", "Study day", "Severity", "Related", "Outcome")
    rows = tuple(
        Row(
            (
                row["arm"],
                row["participant_id"],
                row["term"],
                "not known" if row["onset_day"] is None else str(row["onset_day"]),
                (row["severity"] or "not recorded").replace("_", " "),
                "not judged" if row["related"] is None else "yes" if row["related"] else "no",
                row["outcome"] or "not recorded",
            )
        )
        for row in serious
    )
    blocks.append(Table("Serious adverse events", tuple(Column(head) for head in heads), rows))
    return blocks


def _methods(material: ClosedMaterial) -> list[Text]:
    look, looks = material.look, material.looks
    out: list[Text] = [look_words.of_plan(looks) + "."]
    waiting = look.n_randomized - look.n_known
    out.append(
        f"{look.n_known} of {look.n_randomized} participants randomized enter; of {waiting} no result is known yet. "
        "A result that is not due is not counted as missing."
    )
    if material.entry is not None:
        out.append(material.entry.basis)
    out.append(
        "Z is the normal quantile of the one-sided p value of the plan's own analysis. Bounds are worked out at the "
        "information that came, from those of the looks before."
    )
    before = [f"look {k}" for k in range(1, look.number)]
    out.append(f"It rests on {fmt.joined(before)}, whose files were checked." if before else "It is the first look.")
    out.append(("Keep the hash of this look where the trial's files cannot be changed: ", code(material.hash), "."))
    return out
