"""Assurance cases: fictional participants with the endpoint values that a protocol says they must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from equipoise.analysis.dataset import _received
from equipoise.endpoints import derive_endpoint, read_lattice
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CAME
from equipoise.foundation.calendar import study_day
from equipoise.foundation.errors import Problem
from equipoise.instruments import find_instrument_of
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import AssuranceCase
from equipoise.protocol.text.yaml_lines import place
from equipoise.records import DataSource, Records
from equipoise.records.schema import ATTENDED, MISSED, NEGATIVE, NOT_EVALUABLE, NOT_EXPECTED, POSITIVE

CODES = {
    "P040": "An assurance case does not give the expected endpoint value.",
    "P041": "An assurance case is not in the expected analysis set.",
}
_RESULTS = {"+": POSITIVE, "-": NEGATIVE, "?": NOT_EVALUABLE}


def records_of_case(protocol: Protocol, case: AssuranceCase) -> Records:
    """The records that a case describes, one participant."""
    who = "case"
    arm = case.arm or protocol.arm_ids[-1]
    visits, urine = _visits(protocol, case, who)
    attended = [row["day"] for row in visits if row["state"] == ATTENDED]
    tables: dict[str, pl.DataFrame] = {
        "participants": pl.DataFrame(
            [{"participant_id": who, "consented": True, "eligible": True, **dict(case.baseline)}]
        ),
        "allocations": pl.DataFrame(
            [{"participant_id": who, "stage": 1, "day": protocol.model.calendar.randomization_day or 1, "arm": arm}]
        ),
    }
    if visits:
        tables["visits"] = pl.DataFrame(visits, infer_schema_length=None)
    if urine:
        tables["urine"] = pl.DataFrame(urine)
    told = _calendar(protocol, case, who, max(attended, default=None))
    if told:
        tables["daily_use"] = pl.DataFrame(told)
    answers = _answers(protocol, case, who)
    if answers:
        tables["assessments"] = pl.DataFrame(answers)
    given = case.received if case.received is not None else protocol.model.arms[arm].interventions
    doses = []
    for name in given:
        entry = protocol.model.interventions[name]
        if entry.type != "behavioural":
            day = entry.days[0].first if entry.days else 1
            doses.append({"participant_id": who, "intervention": name, "day": day})
    if doses:
        tables["exposure"] = pl.DataFrame(doses)
    source = DataSource("simulated", f"assurance case: {case.name}", protocol.id, protocol.hash)
    return Records(tables, source)


def _visits(protocol: Protocol, case: AssuranceCase, who: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    letters: dict[str, str] = {}
    for series, word in case.visits.items():
        letters.update(zip((visit.name for visit in protocol.series(series)), word, strict=True))
    first = min((v.target_day for v in protocol.planned_visits if v.name in letters), default=None)
    rows: list[dict[str, Any]] = []
    urine: list[dict[str, Any]] = []
    for visit in protocol.planned_visits:
        letter = letters.get(visit.name)
        if letter is None:
            # A visit that the case does not speak of took place when it lies before those it does, or has scores.
            came = visit.name in case.scores or (first is not None and visit.target_day < first)
            state = ATTENDED if came else MISSED
        else:
            state = {"o": MISSED, "_": NOT_EXPECTED}.get(letter, ATTENDED)
        day = visit.target_day if state == ATTENDED else None
        rows.append(
            {"participant_id": who, "visit": visit.name, "target_day": visit.target_day, "day": day, "state": state}
        )
        if letter in ("+", "-", "*"):
            for substance in _assayed(protocol, case, visit.assess):
                result = NEGATIVE if letter == "-" else POSITIVE
                sample = {"participant_id": who, "visit": visit.name, "day": visit.target_day, "substance": substance}
                urine.append({**sample, "result": result})
                if letter == "*":
                    urine.append({**urine[-1], "day": _before(visit.target_day), "result": NEGATIVE})
    for substance, samples in case.urine.items():
        urine += [
            {"participant_id": who, "visit": None, "day": day, "substance": substance, "result": _RESULTS[letter]}
            for day, letter in samples.items()
        ]
    return rows, urine


def _before(day: int) -> int:
    from equipoise.foundation.calendar import day_index

    return study_day(day_index(day) - 1)


def _assayed(protocol: Protocol, case: AssuranceCase, assess: tuple[str, ...]) -> list[str]:
    """Substance that a visit's letter speaks of: the case's, or the first that the visit's assays look for."""
    if case.substance is not None:
        return [case.substance]
    for name in assess:
        entry = protocol.model.assessments[name]
        if entry.type == "urine":
            return [entry.substances[0]]
    return []


def _calendar(protocol: Protocol, case: AssuranceCase, who: str, last_contact: int | None) -> list[dict[str, Any]]:
    substances = [s for a in protocol.model.assessments.values() if a.type == "daily-use" for s in a.substances]
    if not substances:
        return []
    substance = case.substance if case.substance in substances else substances[0]
    used = {day for days in case.use_days for day in days.range}
    if case.asked_days is not None:
        asked = set(case.asked_days.range)
    else:
        last = max([*used, *([last_contact] if last_contact is not None else [])], default=0)
        asked = set(range(1, last + 1)) | used
    return [
        {"participant_id": who, "day": day, "substance": substance, "asked": True, "used": day in used}
        for day in sorted(asked | used)
        if day != 0
    ]


def _answers(protocol: Protocol, case: AssuranceCase, who: str) -> list[dict[str, Any]]:
    days = {visit.name: visit.target_day for visit in protocol.planned_visits}
    rows = []
    for visit, values in case.scores.items():
        for name, value in values.items():
            instrument = find_instrument_of(protocol, name)
            alone = instrument.item_ids[0] if instrument is not None and len(instrument.items) == 1 else "score"
            items = value if isinstance(value, Mapping) else {alone: value}
            rows += [
                {
                    "participant_id": who,
                    "visit": visit,
                    "day": days.get(visit),
                    "instrument": instrument.id if instrument is not None else name,
                    "item": str(item),
                    "value": None if answer is None else float(answer),
                }
                for item, answer in items.items()
            ]
    return rows


def obtained(derived: Derived) -> Any:
    """The value of an endpoint for one participant, as an assurance case would write it."""

    def plain(value: float) -> Any:
        return None if np.isnan(value) else (int(value) if float(value).is_integer() else float(value))

    if derived.shape == "ordered":
        assert derived.value is not None
        return None if np.isnan(derived.value[0]) else derived.categories[int(derived.value[0])]
    if derived.shape == "hierarchical":
        return None  # one participant alone neither wins nor loses
    if derived.shape == "number":
        assert derived.value is not None
        return plain(derived.value[0])
    if derived.shape == "binary":
        assert derived.value is not None
        value = float(derived.value[0])
        return None if np.isnan(value) else bool(value)
    if derived.shape == "time-to-event":
        assert derived.time is not None
        assert derived.event is not None
        return {"event": bool(derived.event[0]), "time": plain(derived.time[0])}
    assert derived.values is not None
    values = derived.raw if derived.raw is not None else derived.values
    row = [plain(value) for value in values[0]]
    return row if len(row) > 1 else row[0]


def _agrees(expected: Any, found: Any) -> bool:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return all(key in found and _agrees(value, found[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_agrees, expected, found))
    if expected is None or found is None:
        return expected is None and found is None
    if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
        return abs(float(expected) - float(found)) < 1e-9
    return bool(expected == found)


def check_assurance(protocol: Protocol) -> list[Problem]:
    """Every assurance case whose endpoint values or analysis sets do not come out as it says."""
    problems: list[Problem] = []
    for position, case in enumerate(protocol.model.assurance):
        records = records_of_case(protocol, case)
        lattice = read_lattice(protocol, records)

        def problem(code: str, keys: tuple[str, ...], found: str, expected: str, position: int = position) -> None:
            path: tuple[str | int, ...] = ("assurance", position, *keys)
            lines = protocol.lines
            file, line = (lines.file, lines.of(path)) if lines is not None else (None, None)
            name = protocol.model.assurance[position].name
            problems.append(
                Problem(
                    code,
                    place(path),
                    f"Case {name!r}: {found}",
                    expected,
                    "Correct the endpoint's definition, or the case.",
                    file,
                    line,
                )
            )

        for endpoint, expected in case.expect.items():
            found = obtained(derive_endpoint(lattice, endpoint))
            if not _agrees(expected, found):
                problem("P040", ("expect", endpoint), f"{endpoint} came out as {_words(found)}.", _words(expected))
        for name, expected in case.sets.items():
            group = protocol.model.analysis_sets[name]
            inside = True
            if group.received:
                inside = inside and bool(_received(lattice)[0])
            if group.attended is not None:
                inside = inside and bool((lattice.visits(group.attended).state == CAME).any())
            if inside != expected:
                word = "belongs" if inside else "does not belong"
                problem("P041", ("sets", name), f"the participant {word} to {name}.", "yes" if expected else "no")
    return problems


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_words(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_words, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
