"""A small fictional trial for the tests of reports: two arms of 28 and 27, eight visits, one infusion, eight sessions.

It follows no model of anything; it only has every kind of record that a report shows.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from equipoise.instruments.library import find_instrument
from equipoise.protocol import Protocol
from equipoise.records.records import DataSource, Records
from equipoise.reporting.figures.kaplan_meier import DrawnCurve

ARMS = {"midazolam": "Midazolam", "ketamine": "Ketamine"}
VISIT_DAYS = (9, 12, 16, 19, 23, 26, 30, 33)


def demo_records(seed: int = 20190624) -> Records:
    """Records of the fictional trial: the same seed gives the same records."""
    rng = np.random.default_rng(seed)
    arms = ["midazolam"] * 28 + ["ketamine"] * 27
    ids = [f"P{k:03d}" for k in range(1, 79)]
    randomized = ids[:55]
    reasons = ["declined"] * 6 + ["heart disease"] * 5 + ["psychosis"] * 4 + ["not seeking treatment"] * 7 + [None]
    participants = pl.DataFrame(
        {
            "participant_id": ids,
            "site": ["main"] * 78,
            "screened_day": [-10] * 78,
            "consented": [True] * 78,
            "eligible": [True] * 55 + [False] * 23,
            "ineligible_reason": [None] * 55 + reasons,
            "age": [float(a) for a in rng.integers(24, 63, 77)] + [None],
            "sex": rng.choice(["female", "male"], 78, p=[0.3, 0.7]).tolist(),
            "route": rng.choice(["intranasal", "smoked-or-injected"], 78, p=[0.4, 0.6]).tolist(),
            "use_days_30": rng.integers(4, 28, 78).astype(float).tolist(),
        }
    )
    allocations = pl.DataFrame(
        {
            "participant_id": randomized,
            "stage": [1] * 55,
            "day": [2] * 55,
            "arm": arms,
            "arm_received": [None, *arms[1:]],
        }
    )
    visits, urine, assessments, sessions, disposition = [], [], [], [], []
    for pid, arm in zip(randomized, arms):
        responder = rng.random() < (0.46 if arm == "ketamine" else 0.05)
        p = 0.04 if responder else 0.62
        base = rng.normal(3.3 - 0.7 * (arm == "ketamine"), 0.8)
        gone = int(rng.integers(2, 8)) if rng.random() < (0.12 if arm == "ketamine" else 0.34) else 99
        for v, day in enumerate(VISIT_DAYS):
            name = f"day-{day}"
            if v >= gone or (rng.random() < 0.06 and v < 7):
                visits.append((pid, name, day, None, "missed"))
                urine.append((pid, name, day, "cocaine", "missed"))
                continue
            visits.append((pid, name, day, day, "attended"))
            positive = rng.random() < p
            urine.append((pid, name, day, "cocaine", "positive" if positive else "negative"))
            value = float(np.clip(np.round(np.exp(base - 0.03 * v + rng.normal(0, 0.5))), 0, 100))
            assessments.append((pid, name, day, "craving-vas", "score", value))
        for s in range(1, 9):
            planned = (2, 3, 4, 5, 12, 19, 26, 33)[s - 1]
            delivered = rng.random() < (0.97 if s <= 4 else 0.8) and not (s > 4 and gone < 2 * (s - 4))
            sessions.append(
                (
                    pid,
                    "mindfulness-based-relapse-prevention",
                    s,
                    planned,
                    planned if delivered else None,
                    bool(delivered),
                    60.0 if delivered else None,
                )
            )
        if gone < 99:
            event = "lost_to_follow_up" if rng.random() < 0.6 else "study_withdrawal"
            disposition.append((pid, event, VISIT_DAYS[gone], "moved away" if rng.random() < 0.3 else None))
        else:
            disposition.append((pid, "completion", 33, None))
    disposition.append(("P001", "treatment_discontinuation", 2, "declined infusion"))
    exposure = [
        (
            pid,
            f"{arm}-infusion",
            2,
            70 * dose,
            70 * dose * (0.6 if pid == "P030" else 1.0),
            dose,
            "intravenous",
            40.0,
            int(pid == "P030"),
        )
        for pid, arm, dose in zip(randomized[1:], arms[1:], [0.025] * 27 + [0.5] * 27)
    ]
    vitals = [
        (
            pid,
            f"{arm}-infusion",
            2,
            float(minute),
            122.0 + rise * (arm == "ketamine") + float(rng.normal(0, 6)),
            78.0,
            74.0 + float(rng.normal(0, 5)),
            98.0,
        )
        for pid, arm in zip(randomized[1:], arms[1:])
        for minute, rise in ((0, 0), (20, 22), (40, 18), (60, 4))
    ]
    dissociation = [
        (pid, "infusion", 2, "dissociation", "score", float(max(0, rng.normal(28 if arm == "ketamine" else 4, 8))))
        for pid, arm in zip(randomized[1:], arms[1:])
    ]
    terms = ["headache", "nausea", "sedation", "dizziness", "anxiety"]
    adverse = [
        (
            pid,
            1,
            terms[int(rng.integers(5))],
            2,
            2,
            "mild" if rng.random() < 0.8 else "moderate",
            False,
            True,
            "recovered",
        )
        for pid in randomized
        if rng.random() < 0.35
    ]
    adverse.append(("P040", 2, "syncope", 14, 14, "severe", True, False, "recovered"))

    def frame(rows: list[tuple[object, ...]], *names: str) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=list(names), orient="row", infer_schema_length=None)

    return Records(
        {
            "participants": participants,
            "allocations": allocations,
            "visits": frame(visits, "participant_id", "visit", "target_day", "day", "state"),
            "urine": frame(urine, "participant_id", "visit", "day", "substance", "result"),
            "assessments": frame(
                [*assessments, *dissociation], "participant_id", "visit", "day", "instrument", "item", "value"
            ),
            "sessions": frame(
                sessions, "participant_id", "intervention", "session", "planned_day", "day", "delivered", "minutes"
            ),
            "exposure": frame(
                exposure,
                "participant_id",
                "intervention",
                "day",
                "planned_mg",
                "delivered_mg",
                "delivered_mg_per_kg",
                "route",
                "minutes",
                "interruptions",
            ),
            "vitals": frame(
                vitals,
                "participant_id",
                "intervention",
                "day",
                "minute",
                "systolic",
                "diastolic",
                "pulse",
                "saturation",
            ),
            "adverse_events": frame(
                adverse,
                "participant_id",
                "event",
                "term",
                "onset_day",
                "end_day",
                "severity",
                "serious",
                "related",
                "outcome",
            ),
            "disposition": frame(disposition, "participant_id", "event", "day", "reason"),
        },
        DataSource(
            "simulated", "A fictional trial made by hand for tests of reports", "demo", "0" * 64, {"seed": seed}
        ),
    )


def demo_curve(label: str, followed: list[float], had_event: list[bool]) -> DrawnCurve:
    """A product-limit curve with plain Greenwood limits, by hand: enough to draw, compared with nothing."""
    times = sorted({t for t, e in zip(followed, had_event) if e})
    level, variance, out = 1.0, 0.0, []
    for t in times:
        n = sum(f >= t for f in followed)
        d = sum(f == t and e for f, e in zip(followed, had_event))
        level *= 1 - d / n
        variance += d / (n * (n - d)) if n > d else 0.0
        se = level * variance**0.5
        out.append((t, level, max(0.0, level - 1.96 * se), min(1.0, level + 1.96 * se)))
    t, s, lo, hi = (list(x) for x in zip(*out)) if out else ([], [], [], [])
    return DrawnCurve(label, t, s, lo, hi, followed, had_event)


def random_records(protocol: Protocol, *, n_per_arm: int = 9, seed: int = 5) -> Records:
    """Records with something in every table the protocol asks for, drawn without any model.

    For trials of shapes that nothing simulates: what matters is that every section of a report has data to show.
    """
    rng = np.random.default_rng(seed)
    model = protocol.model
    arms = [arm for arm in protocol.arm_ids for _ in range(n_per_arm)]
    ids = [f"R{k:03d}" for k in range(len(arms))]
    people: dict[str, list[object]] = {"participant_id": list(ids), "consented": [True] * len(ids)}
    for id, variable in model.baseline.items():
        draws: list[object] = (
            rng.normal(50, 10, len(ids)).round().tolist()
            if variable.type == "number"
            else rng.choice(list(variable.levels), len(ids)).tolist()
            if variable.type == "category"
            else rng.choice([True, False], len(ids)).tolist()
        )
        people[id.replace("-", "_")] = draws
    visits, urine, assessments, exposure, sessions = [], [], [], [], []
    for pid, arm in zip(ids, arms):
        for visit in protocol.planned_visits:
            came = rng.random() < 0.85
            day = visit.target_day if came else None
            visits.append((pid, visit.name, visit.target_day, day, "attended" if came else "missed"))
            for name in visit.assess if came else ():
                entry = model.assessments[name]
                if entry.type == "urine":
                    urine += [
                        (pid, visit.name, visit.target_day, s, "positive" if rng.random() < 0.4 else "negative")
                        for s in entry.substances
                    ]
                if entry.type == "instrument" and entry.instrument:
                    instrument = find_instrument(entry.instrument)
                    for item in instrument.items if instrument else ():
                        value = float(rng.integers(item.lowest, item.highest + 1))
                        assessments.append((pid, visit.name, day, entry.instrument, item.id, value))
        for id in model.arms[arm].interventions:
            intervention = model.interventions[id]
            if intervention.type == "behavioural":
                for s, planned in enumerate(intervention.session_days, 1):
                    sessions.append((pid, id, s, planned, planned, bool(rng.random() < 0.8)))
            elif intervention.type != "other":
                exposure.append((pid, id, 1, 50.0, 50.0))

    def frame(rows: list[tuple[object, ...]], *names: str) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=list(names), orient="row", infer_schema_length=None)

    tables = {
        "participants": pl.DataFrame(people),
        "allocations": pl.DataFrame(
            {"participant_id": ids, "stage": [1] * len(ids), "arm": arms, "arm_received": arms}
        ),
        "visits": frame(visits, "participant_id", "visit", "target_day", "day", "state"),
        "urine": frame(urine, "participant_id", "visit", "day", "substance", "result"),
        "assessments": frame(assessments, "participant_id", "visit", "day", "instrument", "item", "value"),
        "exposure": frame(exposure, "participant_id", "intervention", "day", "planned_mg", "delivered_mg"),
        "sessions": frame(sessions, "participant_id", "intervention", "session", "planned_day", "day", "delivered"),
    }
    source = DataSource("simulated", "Drawn at random for tests of reports", protocol.id, protocol.hash, {"seed": seed})
    return Records({name: table for name, table in tables.items() if table.height}, source)
