"""The course of the trial as figures: flow, schedule, survival, use, scores, sessions, missing data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.endpoints.endpoint_values import Derived, Floats
from equipoise.endpoints.lattice import CAME, NOT_DUE, STAYED_AWAY
from equipoise.endpoints.repeated_use import visit_words
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.language.interventions import BehaviouralIntervention
from equipoise.protocol.language.protocol import PlannedVisit
from equipoise.records.schema import NEGATIVE, POSITIVE
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Column, Figure, ParticipantDays, Row, Table
from equipoise.reporting.figures.adherence import ArmSessions, draw_adherence
from equipoise.reporting.figures.consort import draw_consort
from equipoise.reporting.figures.kaplan_meier import DrawnCurve, draw_kaplan_meier
from equipoise.reporting.figures.missingness import MissingRow, draw_missingness
from equipoise.reporting.figures.schedule import Schedule, ScheduleRow, ScheduleVisit, draw_schedule
from equipoise.reporting.figures.trajectory import ArmTrajectory, draw_trajectory
from equipoise.reporting.figures.use_pattern import ArmPatterns, PatternAxis, draw_use_pattern
from equipoise.reporting.flow import FlowCounts, PrimaryAnalysis, count_flow
from equipoise.reporting.participant_days import participant_days

_KM_NOTE = "Bands: 95% pointwise limits on the log-log scale; upright ticks: censored."


Mask = NDArray[np.bool_]


def flow_counts(material: Material) -> FlowCounts:
    """The counts of the flow diagram; those analysed are those of the first primary analysis."""
    analyses = material.protocol.model.analyses
    estimands = material.protocol.model.estimands
    mine = {line: a for line, a in analyses.items() if material.is_of_stage(estimands[a.estimand].stage)}
    chosen = next((line for line, a in mine.items() if a.level == "primary"), next(iter(mine), None))
    analysed: dict[str, int] | None = None
    primary = ""
    reasons: dict[str, list[tuple[str, int]]] = {}
    if chosen is not None:
        endpoint = material.protocol.model.estimands[analyses[chosen].estimand].endpoint
        primary = words.lowered(material.endpoint_label(endpoint))
        shares = material.proportions(endpoint)
        if set(material.arms) <= set(shares):
            analysed = {arm: shares[arm].n_analysed or 0 for arm in material.arms}
        elif material.is_crossover:
            analysed = _with_a_result(material, endpoint)
        if analysed is not None:
            for arm in material.arms:
                missed = len(material.members[arm]) - analysed[arm]
                reasons[arm] = [("no value of the endpoint", missed)] if missed else []
    return count_flow(
        material.records,
        material.arms,
        PrimaryAnalysis(analysed, reasons, primary),
        is_randomized=material.protocol.model.randomization is not None,
        is_again=material.stage is not None and material.stage > 1,
        endings=material.endings,
    )


def _with_a_result(material: Material, endpoint: str) -> dict[str, int] | None:
    """By sequence, the participants with a result in any period."""
    derived = material.results.endpoints.get(endpoint)
    if derived is None or derived.values is None:
        return None
    seen = ~np.isnan(derived.values).all(axis=1)
    return {arm: int((seen & (derived.participants.arm == arm)).sum()) for arm in material.arms}


def flow_figure(material: Material) -> Figure:
    """The CONSORT 2025 flow diagram."""
    note = "Numbers are from the trial records."
    if material.stage is not None:
        note += " Who left after being randomized again is counted in that later stage."
    return Figure("Flow of participants", draw_consort(flow_counts(material)), "CONSORT 2025 flow diagram", note)


def schedule_figure(material: Material) -> Figure | None:
    """The schedule of activities as SPIRIT draws it; a series of many visits is drawn by its ends."""
    model = material.protocol.model
    planned = [v for v in material.protocol.planned_visits if material.is_of_stage(v.stage)]
    if not planned:
        return None
    shown = _shown_visits(planned)
    visits = [_schedule_visit(material, visit, shortened) for visit, shortened in shown]
    ids = [visit.name for visit, _ in shown]
    rows: list[ScheduleRow] = []
    if model.randomization is not None:
        day = 1 if _own_day_1(material) else model.calendar.randomization_day or 1
        at = [v.name for v, _ in shown if v.first_day <= day <= v.last_day]
        if at:
            rows.append(ScheduleRow("Randomization", frozenset(at[:1]), "Enrolment"))
    for id, intervention in model.interventions.items():
        at = [v.name for v, _ in shown if id in model.schedule[v.series].gives]
        days = intervention.session_days if isinstance(intervention, BehaviouralIntervention) else ()
        at += [v.name for v, _ in shown if any(d is not None and v.first_day <= d <= v.last_day for d in days)]
        label = getattr(intervention, "label", None) or id.replace("-", " ")
        if at:
            rows.append(
                ScheduleRow(label, frozenset(at), "Interventions", isinstance(intervention, BehaviouralIntervention))
            )
    for id, assessment in model.assessments.items():
        at = [v.name for v, _ in shown if id in v.assess]
        label = assessment.label or id.replace("-", " ")
        if assessment.blinding != "open":
            label += f" ({assessment.blinding})"
        if at:
            rows.append(ScheduleRow(label, frozenset(at), "Assessments"))
    if not rows:
        return None
    anchor = f"Study day 1: {_own_day_1(material) or model.calendar.day_1}."
    left_out = len(planned) - len(ids)
    if left_out:
        anchor += f" The {left_out} identical visits between the first and last of longer series are omitted."
    quarantined = any(a.blinding == "quarantined" for a in model.assessments.values())
    if quarantined:
        anchor += " Quarantined: seen by the safety role only until the data are locked."
    return Figure(
        "Schedule of activities", draw_schedule(Schedule(visits, rows)), "By visit, as SPIRIT 2025 draws it", anchor
    )


def _own_day_1(material: Material) -> str | None:
    """What happens on day 1 of the stage looked at, where it counts days of its own."""
    stage = material.protocol.model.stages.get(material.stage_id) if material.stage_id is not None else None
    return stage.day_1 if stage is not None else None


def _shown_visits(planned: Sequence[PlannedVisit], limit: int = 16) -> list[tuple[PlannedVisit, bool]]:
    """Every visit, or of each long series its first two and last one when there are too many for a page."""
    if len(planned) <= limit:
        return [(visit, False) for visit in planned]
    out = []
    for visit in planned:
        series = [v for v in planned if v.series == visit.series]
        if len(series) <= 4 or visit in (series[0], series[1], series[-1]):
            out.append((visit, len(series) > 4 and visit is series[-1]))
    return out


def _schedule_visit(material: Material, visit: PlannedVisit, shortened: bool) -> ScheduleVisit:
    model = material.protocol.model
    series = material.protocol.series(visit.series)
    entry = model.schedule[visit.series]
    label = entry.label or visit.series.replace("-", " ").capitalize()
    if len(series) > 1:
        place = _week_named(visit) or 1 + [v.name for v in series].index(visit.name)
        label = f"{'… ' if shortened else ''}{place}"
    before, after = (
        day_index(visit.target_day) - day_index(visit.first_day),
        day_index(visit.last_day) - day_index(visit.target_day),
    )
    day = str(visit.target_day).replace("-", fmt.MINUS)
    if before == after and before > 0 and len(series) == 1:
        day += f"\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{before}"
    epoch = next(
        (name for name, e in model.calendar.epochs.items() if e.days.first <= visit.target_day <= e.days.last), ""
    )
    return ScheduleVisit(visit.name, label, day, epoch.replace("-", " ").capitalize().replace("Follow up", "Follow-up"))


def survival_figures(material: Material) -> list[Figure]:
    """Kaplan-Meier curves of every time-to-event endpoint that an estimand asks about."""
    model = material.protocol.model
    asked = {estimand.endpoint for estimand in model.estimands.values()}
    figures = []
    for id, endpoint in model.endpoints.items():
        clock = clock_of(material, endpoint) if id in asked else None
        curves = [c for c in material.results.survival_curves if c.endpoint == id and c.arm in material.arms]
        if clock is None or not curves:
            continue
        time_label, until = clock
        label = endpoint.event_noun or words.lowered(material.endpoint_label(id))
        drawn = [
            DrawnCurve(
                material.arms[c.arm],
                c.time,
                c.survival,
                c.ci_lower,
                c.ci_upper,
                [*c.censored, *(t for t, n in zip(c.time, c.events) for _ in range(int(n)))],
                [False] * len(c.censored) + [True] * int(sum(c.events)),
            )
            for arm in material.arms
            for c in curves
            if c.arm == arm
        ]
        drawing = draw_kaplan_meier(
            drawn,
            time_label=time_label,
            survival_label=f"Share without {label}",
            end=float(until),
            event_words=label,
        )
        n = sum(c.n for c in curves)
        note = f"{words.capitalized(endpoint.words)}. {_KM_NOTE}"
        first = next(iter(model.stages), None)
        later = any(e.stage not in (None, first) for e in model.estimands.values() if e.endpoint == id)
        of_whom = f"{material.everybody}{' again' if later else ''}, n={fmt.thousands(n)}"
        if n < material.n_randomized and not later:
            of_whom = (
                f"{material.everybody}, n={fmt.thousands(material.n_randomized)}; {fmt.thousands(n)} with a result"
            )
        figures.append(Figure(f"Time to {label}", drawing, of_whom, note))
    return figures


def clock_of(material: Material, endpoint: Endpoint) -> tuple[str, int] | None:
    """What the days of a time to event are counted from, and how many there are; ``None`` for another endpoint."""
    if endpoint.kind == "time-to-event":
        start = endpoint.time_zero.first
        return f"Days since {_day_words(material, start)}", day_index(endpoint.until.last) - day_index(start)
    if endpoint.kind != "pattern" or endpoint.comes_to != "time-to-event":
        return None
    # The first day of a pattern is its day 1.
    if endpoint.days is not None:
        begins, ends = endpoint.days.first, endpoint.days.last
    else:
        visits = material.protocol.series(str(endpoint.at))
        begins, ends = visits[0].target_day, visits[-1].target_day
    return f"Day (day 1: {_day_words(material, begins)})", day_index(ends) - day_index(begins) + 1


def _day_words(material: Material, day: int) -> str:
    model = material.protocol.model
    if day == 1:
        return model.calendar.day_1
    label = next((v.label or id for id, v in model.schedule.items() if v.day == day), None)
    return f"{words.lowered(label)} (study day {day})" if label else f"study day {day}"


def _main_series(material: Material) -> list[PlannedVisit]:
    """The longest visit series at which use is looked for; empty where no series has two visits."""
    model = material.protocol.model
    looked = {id for id, a in model.assessments.items() if a.type in ("urine", "daily-use")}
    # another stage that counts its own days has other people
    own = {id for id, stage in model.stages.items() if stage.day_1 is not None and id != material.stage_id}
    found = [
        list(material.protocol.series(id))
        for id, v in model.schedule.items()
        if v.is_series and set(v.assess) & looked and v.stage not in own and material.is_of_stage(v.stage)
    ]
    # in a trial of several stages the lattice holds the days of the stage analysed
    n_days = material.lattice.n_days
    found = [series for series in found if all(0 <= material.lattice.column(v.target_day) < n_days for v in series)]
    return max(found, key=len, default=[])


def _week_named(visit: PlannedVisit) -> int | None:
    """The week that a visit is named after; a series may begin in another than the first."""
    found = re.search(r"(?:^|-)week-(\d+)$", visit.name)
    return int(found[1]) if found else None


def _axis(visits: Sequence[PlannedVisit]) -> tuple[list[str], str, list[int]]:
    """Labels, title and week rules of a series."""
    targets = [day_index(v.target_day) for v in visits]
    weeks = [(t - targets[0]) // 7 for t in targets]
    weekly = all(b - a == 7 for a, b in pairwise(targets)) and len(targets) > 2
    if weekly:
        return [str(_week_named(v) or k) for k, v in enumerate(visits, 1)], "Week", list(range(4, len(visits), 4))
    return (
        [str(v.target_day) for v in visits],
        "Study day",
        [k for k in range(1, len(visits)) if weeks[k] != weeks[k - 1]],
    )


def use_figure(material: Material) -> Figure | None:
    """The heat map of use at the visits of the main series, under the first definition of use of the plan."""
    visits = _main_series(material)
    model = material.protocol.model
    if len(visits) < 2 or not model.use:
        return None
    use = next(iter(model.use))
    patterns = visit_words(material.lattice, visits[0].series, use)
    labels, title, rules = _axis(visits)
    arms = [
        ArmPatterns(label, [w for w, a in zip(patterns, material.lattice.participants.arm) if a == arm])
        for arm, label in material.arms.items()
    ]
    if not set("".join(patterns)) - {"_", "o"}:
        return None
    drawing = draw_use_pattern(arms, PatternAxis(labels, title, rules), substance=use.replace("-", " "))
    definition = words.capitalized(model.use[use].words or "use by any source that is looked at")
    return Figure(
        "Use at the visits",
        drawing,
        "One row per participant, longest run without use first",
        f"A visit shows use since the last attended one: {words.lowered(definition)}. "
        "Bars above: share of due visits with use, and missed (hatched).",
    )


def use_days(material: Material) -> ParticipantDays | None:
    """The days behind the heat map of use, one participant at a time."""
    return participant_days(material, _main_series(material))


def score_figures(material: Material) -> list[Figure]:
    """Scores over time, one figure an endpoint that has values."""
    figures = []
    for id, endpoint in material.protocol.model.endpoints.items():
        if endpoint.kind != "score" or id not in material.results.endpoints:
            continue
        derived = material.results.endpoints[id]
        raw = derived.raw if derived.raw is not None else derived.values
        if raw is None or not np.isfinite(raw).any() or len(derived.visit_names) < 2:
            continue
        if endpoint.log and endpoint.floor is not None:
            raw = np.fmax(raw, np.where(np.isnan(raw), np.nan, endpoint.floor))
        by_name = {v.name: v.target_day for v in material.protocol.planned_visits}
        days = [float(by_name[name]) for name in derived.visit_names]
        arms = [_trajectory(material, id, arm, raw, days, derived) for arm in material.arms]
        label = material.endpoint_label(id)
        drawing = draw_trajectory(
            arms,
            value_label=f"{label}, {endpoint.unit or 'points'}",
            time_label="Study day",
            log=endpoint.log,
            ticks=days if len(days) <= 10 else None,
            measure=words.lowered(label),
        )
        n = int(np.isfinite(raw).any(axis=1).sum())
        has_model = any(arm.mean for arm in arms)
        note = "Faint lines: participants."
        if has_model:
            mean = "geometric mean" if endpoint.log else "mean"
            note += f" Heavy line: the model's {mean} with its 95% band, covariates at their averages."
            note += " Dashed: the other arm."
        if endpoint.log:
            note += f" Scores below {endpoint.floor:g} are drawn at {endpoint.floor:g}, as analysed."
        figures.append(Figure(f"{label} over time", drawing, f"Participants with at least one score, n={n}", note))
    return figures


def _trajectory(
    material: Material, id: str, arm: str, raw: Floats, days: list[float], derived: Derived
) -> ArmTrajectory:
    individuals = []
    for row in raw[derived.participants.arm == arm]:
        known = np.isfinite(row)
        if known.any():
            individuals.append(([d for d, k in zip(days, known) if k], [float(v) for v in row[known]]))
    curve = next((c for c in material.results.model_curves if c.endpoint == id and c.arm == arm), None)
    if curve is None:
        return ArmTrajectory(material.arms[arm], individuals)
    at = [days[0] + 7 * week for week in curve.week]
    return ArmTrajectory(material.arms[arm], individuals, at, curve.mean, curve.ci_lower, curve.ci_upper)


def session_figures(material: Material) -> list[Figure]:
    """Sessions delivered, one figure a behavioural intervention."""
    table = material.records["sessions"]
    figures = []
    for id in table["intervention"].unique(maintain_order=True).to_list():
        mine = table.filter(pl.col("intervention") == id)
        numbers = sorted(mine["session"].unique().to_list())
        arms = []
        for position, (arm, label) in enumerate(material.arms.items()):
            counts = (
                mine.filter(pl.col("participant_id").is_in(material.members[arm]))
                .group_by("session")
                .agg(pl.len().alias("planned"), pl.col("delivered").sum().alias("delivered"))
            )
            found = {number: (int(planned), int(delivered)) for number, planned, delivered in counts.iter_rows()}
            if found:  # an arm that the therapy is not planned for has no bars
                pairs = [found.get(number, (0, 0)) for number in numbers]
                arms.append(ArmSessions(label, [p for p, _ in pairs], [d for _, d in pairs], position))
        intervention = material.protocol.model.interventions.get(id)
        label = getattr(intervention, "label", None) or id.replace("-", " ")
        drawing = draw_adherence(arms, [str(s) for s in numbers])
        figures.append(
            Figure(f"Sessions delivered: {label}", drawing, f"Of those planned for {words.lowered(material.everybody)}")
        )
    return figures


def exposure_table(material: Material) -> Table | None:
    """Drug doses: how many received one, dose delivered against planned, interruptions, length."""
    exposure = material.records["exposure"]
    if exposure.height == 0:
        return None
    rows: list[Row] = []
    drugs = exposure["intervention"].unique(maintain_order=True).to_list()
    given = pl.col("delivered_mg").fill_null(1.0) > 0
    rows.append(Row(("Participants with at least one dose",), "group"))
    for id in drugs:
        cells: list[fmt.Cell] = []
        for arm in material.arms:
            mine = exposure.filter(
                given & (pl.col("intervention") == id) & pl.col("participant_id").is_in(material.members[arm])
            )
            gives = id in material.protocol.model.arms[arm].interventions
            n = mine["participant_id"].n_unique()
            cells.append(fmt.Count(n, len(material.members[arm])) if gives or n else "not planned")
        rows.append(Row((_drug_label(material, id), *cells), indent=1))
    for column, head, decimals in (
        ("delivered_mg_per_kg", "Dose delivered, mg/kg, median (quartiles)", 3),
        ("minutes", "Duration, minutes, median (quartiles)", 0),
    ):
        if exposure[column].null_count() < exposure.height:
            quartiles = [_quartiles(exposure, material.members[arm], column, decimals) for arm in material.arms]
            rows.append(Row((head, *quartiles)))
    if exposure["interruptions"].null_count() < exposure.height:
        interrupted = exposure.filter(pl.col("interruptions").fill_null(0) > 0)
        rows.append(Row(("Any interruption", *(_of(interrupted, material.members[arm]) for arm in material.arms))))
    columns = (
        Column("", wide=True),
        *(Column(label, "decimal", f"n={len(material.members[arm])}") for arm, label in material.arms.items()),
    )
    return Table("Study drug given", columns, tuple(rows), subtitle=material.everybody)


def _drug_label(material: Material, id: str) -> str:
    intervention = material.protocol.model.interventions.get(id)
    return words.capitalized(getattr(intervention, "label", None) or id.replace("-", " "))


def _of(frame: pl.DataFrame, members: list[str]) -> fmt.Cell:
    n = frame.filter(pl.col("participant_id").is_in(members))["participant_id"].n_unique()
    return fmt.Count(n, len(members))


def _quartiles(frame: pl.DataFrame, members: list[str], column: str, decimals: int) -> fmt.Cell:
    values = frame.filter(pl.col("participant_id").is_in(members))[column].drop_nulls()
    if values.len() == 0:
        return "no values"
    lower, median, upper = (values.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75))
    return fmt.Quartiles(median, lower, upper, decimals)


def missingness_figure(material: Material) -> Figure | None:
    """What was due and is not there, by kind, visit and arm, at the visits of the main series."""
    visits = _main_series(material)
    if len(visits) < 2:
        return None
    lattice = material.lattice
    state = lattice.visits(visits[0].series).state
    if not (state == CAME).any():
        return None
    arm_of = lattice.participants.arm
    kinds: list[tuple[str, Mask]] = [("Visits", state == STAYED_AWAY)]
    urine = _urine_missing(material, visits)
    if urine is not None:
        kinds.append(("Urine samples", urine))
    for id, endpoint in material.protocol.model.endpoints.items():
        derived = material.results.endpoints.get(id)
        if endpoint.kind == "score" and derived is not None and derived.values is not None:
            names = tuple(v.name for v in visits)
            if derived.visit_names == names and np.isfinite(derived.values).any():
                kinds.append((material.endpoint_label(id), np.isnan(derived.values)))
    due = state != NOT_DUE
    rows = []
    for kind, missing in _merged(kinds, due):
        for position, (arm, label) in enumerate(material.arms.items()):
            mine = arm_of == arm
            rows.append(
                MissingRow(
                    kind, label, position, due[mine].sum(axis=0).tolist(), (missing & due)[mine].sum(axis=0).tolist()
                )
            )
    labels, title, _ = _axis(visits)
    return Figure(
        "Missing data", draw_missingness(rows, labels, axis_title=title), "Per cent of what was due, by visit and arm"
    )


def _merged(kinds: Sequence[tuple[str, Mask]], due: Mask) -> list[tuple[str, Mask]]:
    """Kinds of data that are missing in exactly the same cells, as one."""
    out: list[tuple[list[str], Mask]] = []
    for kind, missing in kinds:
        same = next((names for names, other in out if np.array_equal(other & due, missing & due)), None)
        if same is None:
            out.append(([kind], missing))
        else:
            same.append(words.lowered(kind))
    return [(fmt.joined(names), missing) for names, missing in out]


def _urine_missing(material: Material, visits: Sequence[PlannedVisit]) -> Mask | None:
    """(n, n_visits) whether no sample of the visit could be judged."""
    lattice = material.lattice
    names = [v.name for v in visits]
    table = material.records["urine"].filter(pl.col("visit").is_in(names))
    if table.height == 0:
        return None
    judged = table.filter(pl.col("result").is_in([POSITIVE, NEGATIVE])).select("participant_id", "visit").unique()
    rows = judged.join(lattice.participants.keys, on="participant_id", how="inner")
    missing = np.ones((lattice.n, len(names)), dtype=np.bool_)
    position = {name: k for k, name in enumerate(names)}
    missing[rows["row"].to_numpy(), [position[v] for v in rows["visit"]]] = False
    return missing
