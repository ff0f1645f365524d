"""The title page, the synopsis, the trial schema and the schedule of activities."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.protocol.language.interventions import BehaviouralIntervention
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.document import Block, Callout, Column, DefinitionList, Figure, Row, Table, Text, code, strong
from equipoise.reporting.figures.trial_schema import SchemaArm, SchemaPeriod, TrialSchema, draw_trial_schema
from equipoise.reporting.protocol_document.draft import (
    AUDIENCES,
    MARK,
    ProtocolDraft,
    Writer,
    day_text,
    days_words,
    name_words,
)
from equipoise.reporting.trial_figures import schedule_figure

MODELS = {
    "parallel": "parallel arms",
    "factorial": "factorial",
    "crossover": "crossover: each participant receives several treatments in turn",
    "sequential": "sequential: participants are randomized again in a later stage",
    "single-arm": "single arm, without randomization",
}
ROLES = {
    "experimental": "experimental",
    "active-control": "active control",
    "placebo-control": "placebo control",
    "no-treatment": "no treatment",
    "single": "the only arm",
}


def title_page(draft: ProtocolDraft) -> list[Block]:
    """What stands before the contents: identification, edition, and what the marks mean."""
    trial = draft.model.trial
    empty: Text = (strong(MARK),)

    def said(text: str) -> Text:
        return text or empty

    items: list[tuple[str, Text]] = [
        ("Full title", trial.title),
        ("Trial acronym", said(trial.acronym or "")),
        ("Protocol identifier", trial.id),
        ("Version and date", empty),
        ("Original protocol or amendment", empty),
        ("Investigational interventions", said(fmt.joined(_experimental(draft)))),
        ("Trial phase", said(draft.told(trial.phase))),
        ("Sponsor", said(draft.told(trial.sponsor))),
        ("Registry identifier", said(draft.told(trial.registration))),
        ("Sponsor approval", empty),
        ("Medical expert contact", empty),
        ("Edition", AUDIENCES[draft.audience]),
        ("Checksum of the protocol", (code(draft.protocol.hash[:16]), " (the whole of it in section 12.5)")),
    ]
    blocks: list[Block] = [
        DefinitionList(tuple(items)),
        Callout(
            (
                "Everything here is taken from the protocol file. Where the file has nothing, ",
                strong(MARK),
                " says what belongs there. Numbers in square brackets are references of section 14: the source of a "
                "fact. What was assumed or inferred is marked as such.",
            )
        ),
    ]
    return [*blocks, draft.changes] if draft.changes is not None else blocks


def _experimental(draft: ProtocolDraft) -> list[str]:
    ids = [i for arm in draft.model.arms.values() if arm.role in ("experimental", "single") for i in arm.interventions]
    if draft.model.trial.design == "crossover":
        ids = [one for e in draft.model.estimands.values() for one in (e.treatments.experimental,)]
    known = [one for one in dict.fromkeys(ids) if one in draft.model.interventions]
    return [draft.intervention_label(one) for one in known]


def objectives_table(draft: ProtocolDraft) -> Sequence[Block | None]:
    """Objectives, endpoints and summary measures of the primary and secondary estimands, one row each."""
    from equipoise.protocol.vocabulary.scales import scale_label

    rows: list[Row] = []
    for level in ("primary", "secondary"):
        ids = draft.estimands_at(level)
        if ids:
            rows.append(Row((words.LEVEL_WORDS[level],), "group"))
        for id in ids:
            estimand = draft.model.estimands[id]
            scale = scale_label(estimand.summary.replace("-", "_")).removesuffix(", points")
            rows.append(
                Row(
                    (
                        draft.question(estimand),
                        draft.material.endpoint_label(estimand.endpoint),
                        words.capitalized(scale),
                    ),
                    indent=1,
                )
            )
    if not rows:
        return []
    columns = (Column("Objective", wide=True), Column("Endpoint"), Column("Summary measure"))
    return [Table("Primary and secondary objectives", columns, tuple(rows), "The estimands in full are in section 3")]


def design_facts(draft: ProtocolDraft) -> list[tuple[str, Text]]:
    """Term and text of the design, for the synopsis and section 4.1; what the file does not state is marked."""
    model, trial = draft.model, draft.model.trial
    empty: Text = (strong(MARK),)
    masking = (
        "nobody: open label" + draft.cited(trial.masking) if trial.masking.value == () else draft.told(trial.masking)
    )
    calendar = model.calendar
    items: list[tuple[str, Text]] = [
        ("Intervention model", words.capitalized(MODELS[trial.design])),
        ("Condition", trial.condition or empty),
        ("Arms", "; ".join(f"{draft.treatment_label(a)} ({ROLES[arm.role]})" for a, arm in model.arms.items())),
    ]
    for id, factor in model.factors.items():
        levels = fmt.joined([level.replace("-", " ") for level in factor.levels], "or")
        items.append((f"Factor {id.replace('-', ' ')}", f"{levels}{f'; {factor.words}' if factor.words else ''}"))
    items.append(("Allocation", _allocation(draft)))
    if model.randomization is not None:
        strata = model.randomization.strata
        said = "not stratified" + draft.cited(strata) if strata.value == () else draft.told(strata)
        items.append(("Stratification", words.capitalized(said) if said else empty))
    items += [
        ("Blinded", words.capitalized(masking) if masking else empty),
        ("Number of participants", draft.told(trial.planned_n) or empty),
        ("Setting", draft.told(trial.setting) or empty),
    ]
    if model.sites:
        items.append(("Sites", f"{len(model.sites)}: {fmt.joined([s.replace('-', ' ') for s in model.sites])}"))
    items += [
        (
            "Study day 1",
            f"{words.capitalized(calendar.day_1)}; the day before is day {day_text(-1)}, there is no day 0",
        ),
        (
            "Duration",
            "; ".join(
                f"{name_words(name)}: {days_words(epoch.days)}{draft.cited(epoch)}"
                for name, epoch in calendar.epochs.items()
            ),
        ),
    ]
    return items


def _allocation(draft: ProtocolDraft) -> str:
    plan = draft.model.randomization
    if plan is None:
        return "Not randomized"
    day = draft.model.calendar.randomization_day
    ratio = " : ".join(str(part) for part in plan.ratio.values())
    arms = " : ".join(draft.treatment_label(arm) for arm in plan.ratio)
    when = f", on study day {day_text(day)}" if day is not None else ""
    return f"Randomized {ratio} ({arms}){when}{draft.cited(plan)}"


def _overall_design(draft: ProtocolDraft) -> Sequence[Block | None]:
    return [DefinitionList(tuple(design_facts(draft)))]


def _schema(draft: ProtocolDraft) -> Sequence[Block | None]:
    schema = trial_schema(draft)
    return [
        Figure(
            "Trial schema",
            draw_trial_schema(schema),
            "Arms from left to right through the periods of the trial",
            "Interventions stand in the period in which the protocol gives them; those whose days it does not state, "
            "under the name of the arm.",
        )
    ]


def trial_schema(draft: ProtocolDraft) -> TrialSchema:
    """Periods and arms as they are drawn."""
    model = draft.model
    plan = model.randomization
    if model.stages:
        periods = [
            SchemaPeriod(name_words(id), _stage_days(stage), stage.randomizes) for id, stage in model.stages.items()
        ]
        arms = []
        for id, arm in model.arms.items():
            cells: list[tuple[str, ...] | None] = []
            for stage_id, stage in model.stages.items():
                if stage.arms and id not in stage.arms:
                    cells.append(None)
                    continue
                given = arm.gives.get(stage_id, ()) if isinstance(arm.gives, dict) else arm.gives
                cells.append(tuple(draft.intervention_label(one) for one in given))
            arms.append(SchemaArm(draft.treatment_label(id), (), tuple(cells)))
        return TrialSchema(None, tuple(periods), tuple(arms), plan is not None)
    day = model.calendar.randomization_day or 1
    epochs = sorted(model.calendar.epochs.items(), key=lambda item: item[1].days.first)
    before = [item for item in epochs if item[1].days.last < day]
    after = [item for item in epochs if item[1].days.last >= day] or epochs
    common = SchemaPeriod("; ".join(name_words(n) for n, _ in before), "") if before else None
    periods = [SchemaPeriod(name_words(n), days_words(e.days)) for n, e in after]
    arms = []
    for id, arm in model.arms.items():
        placed: dict[int, list[str]] = {k: [] for k in range(len(after))}
        loose = []
        for one in arm.interventions:
            days = _days_of(draft, one)
            found = [k for k, (_, e) in enumerate(after) if any(e.days.first <= d <= e.days.last for d in days)]
            for k in found:
                placed[k].append(draft.intervention_label(one))
            if not found:
                loose.append(draft.intervention_label(one))
        arms.append(SchemaArm(draft.treatment_label(id), tuple(loose), tuple(tuple(placed[k]) for k in placed)))
    return TrialSchema(common, tuple(periods), tuple(arms), plan is not None)


def _stage_days(stage: object) -> str:
    own = getattr(stage, "day_1", None)
    text = days_words(stage.days)  # type: ignore[attr-defined]
    return f"{text} from {own}" if own else text


def _days_of(draft: ProtocolDraft, id: str) -> list[int]:
    """Study days on which an intervention is given, as far as the protocol states them: its own, then its visits'."""
    entry = draft.model.interventions[id]
    if isinstance(entry, BehaviouralIntervention):
        days = [day for day in entry.session_days if day is not None]
    else:
        days = [day for part in getattr(entry, "days", ()) for day in (part.first, part.last)]
        for part in getattr(entry, "days", ()):
            days += list(part.range)
    if days:
        return days
    visits = draft.protocol.planned_visits
    return [visit.target_day for visit in visits if id in draft.model.schedule[visit.series].gives]


def _schedule(draft: ProtocolDraft) -> Sequence[Block | None]:
    return [schedule_figure(draft.material), schedule_table(draft)]


def schedule_table(draft: ProtocolDraft) -> Table:
    """One row per visit or series: its days, its window, what is given and what is assessed."""
    model = draft.model
    rows = []
    ordered = sorted(model.schedule.items(), key=lambda item: (item[1].stage or "", *item[1].target_days[:1]))
    for id, visit in ordered:
        days = visit.target_days
        text = ", ".join(day_text(day) for day in days)
        if len(days) > 10 and visit.every is not None:
            step = "day" if visit.every == 1 else f"{visit.every} days"
            text = f"every {step} from {day_text(days[0])} to {day_text(days[-1])}"
        window = "on the day"
        if visit.window is not None:
            window = f"{fmt.MINUS}{visit.window.days_before} to +{visit.window.days_after}"
        label = draft.visit_label(id) + (f" ({visit.stage.replace('-', ' ')})" if visit.stage else "")
        given = "; ".join(draft.intervention_label(one) for one in visit.gives)
        done = "; ".join(draft.assessment_label(one) for one in visit.assess)
        rows.append(Row((label + draft.cited(visit), text, window, given or "nothing", done or "nothing")))
    columns = (
        Column("Visit", wide=True),
        Column("Study days"),
        Column("Window", unit="days"),
        Column("Given", wide=True),
        Column("Assessed", wide=True),
    )
    notes = ["Window: days before and after the target day in which the visit counts, both ends included."]
    sessions = [
        f"{draft.intervention_label(id)}: {_sessions(entry)}."
        for id, entry in model.interventions.items()
        if isinstance(entry, BehaviouralIntervention) and any(day is not None for day in entry.session_days)
    ]
    return Table(
        "Schedule of activities: visits and their windows", columns, tuple(rows), footnotes=(*notes, *sessions)
    )


def _sessions(entry: BehaviouralIntervention) -> str:
    days = [day_text(day) for day in entry.session_days if day is not None]
    return f"sessions on study {'day' if len(days) == 1 else 'days'} {fmt.joined(days)}"


WRITERS: dict[str, Writer] = {
    "1.1.1": objectives_table,
    "1.1.2": _overall_design,
    "1.2": _schema,
    "1.3": _schedule,
}
