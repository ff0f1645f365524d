"""The looks of a trial as a folder: ``look-1``, ``look-2`` and so on, each with the hash of the one before.

``look-N/closed/look.json`` holds what the look came to, by arm: it is for the committee and its statistician.
``look-N/open`` holds what everybody may read. A look that was changed, left out or put in the place of another no
longer fits the hash in the one after it, nor the bounds worked out again from its numbers.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from equipoise.analysis.estimate import RESULT_KEYS, Estimate
from equipoise.analysis.interim import LookDecision, LooksOfPlan, NewSize
from equipoise.analysis.look_taken import LineAtLook, LookTaken
from equipoise.analysis.take_look import plan_hash
from equipoise.exchange.json_text import json_value
from equipoise.foundation.errors import OutputError, Problem, RecordsError, raise_if_any
from equipoise.protocol import Protocol

FORMAT = 1
FILE = "closed/look.json"

CODES = {
    "R143": "A look cannot be read.",
    "R144": "A look is missing between others.",
    "R145": "A look was changed, or does not follow the one before it.",
    "R146": "The looks are of another trial, or the plan of looks was changed after the first.",
    "R147": "The bounds worked out from a look's numbers are not those it holds.",
    "O063": "A look of this number is there already.",
}
_NAME = re.compile(r"^look-([1-9]\d*)$")
# Bounds are worked out again with the same arithmetic; another computer may round the last digits otherwise.
_SAME = 1e-6


@dataclass(frozen=True)
class KeptLook:
    """A look as its folder holds it: what it came to, its hash, and everything else that was written."""

    look: LookTaken
    hash: str
    value: Mapping[str, Any]
    folder: Path


def look_json(value: Mapping[str, Any]) -> str:
    """The text of ``look.json``; the hash of a look is that of these bytes."""
    return json.dumps({"equipoise_look": FORMAT, **value}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def hash_of(text: str) -> str:
    """SHA-256 of the text of a look, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class LooksFolder:
    """The looks of one trial, in order; the folder need not be there before the first."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def folder_of(self, number: int) -> Path:
        """Where a look is."""
        return self.path / f"look-{number}"

    def read(self, protocol: Protocol, looks: LooksOfPlan) -> list[KeptLook]:
        """The looks taken, checked: complete, each following the one before, of this plan, with bounds that hold.

        Raises R143 to R147.
        """
        numbers = self._numbers()
        problems = []
        absent = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
        for number in absent:
            found = f"look-{number} is missing, and a later one is there."
            problems.append(Problem("R144", f"look-{number}", found, "every look taken", "Restore it.", str(self.path)))
        raise_if_any(RecordsError, problems)
        kept: list[KeptLook] = []
        for number in sorted(numbers):
            kept.append(self._read_one(number, kept[-1].hash if kept else None, protocol))
        _check_bounds(looks, kept, str(self.path))
        return kept

    def _numbers(self) -> list[int]:
        if not self.path.exists():
            return []
        if not self.path.is_dir():
            raise OutputError(Problem("O003", "--out", f"{self.path} is a file.", "a folder", "Name another folder."))
        found = (_NAME.match(entry.name) for entry in self.path.iterdir() if entry.is_dir())
        return [int(match[1]) for match in found if match]

    def _read_one(self, number: int, previous: str | None, protocol: Protocol) -> KeptLook:
        folder = self.folder_of(number)
        file = folder / FILE
        try:
            text = file.read_bytes().decode("utf-8")
            value = json_value(text)
            if value["equipoise_look"] != FORMAT:
                raise ValueError(f"format {value['equipoise_look']}")
            look = _look_of(value)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = error.strerror if isinstance(error, OSError) else f"{type(error).__name__} {error}"
            raise RecordsError(
                Problem(
                    "R143",
                    f"look-{number}",
                    f"The file cannot be read as a look: {said}.",
                    "closed/look.json as equipoise wrote it",
                    "Restore it from a copy: without it no further look can be taken.",
                    file=str(file),
                )
            ) from None
        place = f"look-{number}"
        if value.get("protocol") != protocol.id:
            found = f"The look is of {value.get('protocol')!r}, the protocol is {protocol.id!r}."
            raise RecordsError(Problem("R146", place, found, f"looks of {protocol.id}", "Name its folder.", str(file)))
        if value.get("plan_hash") != plan_hash(protocol):
            raise RecordsError(
                Problem(
                    "R146",
                    place,
                    "Looks, their analysis, its estimand or endpoint differ from those of the plan at this look.",
                    "the plan as it was at the first look",
                    "Use the protocol of the first look: a plan of looks must not change once results were seen.",
                    file=str(file),
                )
            )
        if look.number != number or value.get("previous") != previous:
            before = "the first look" if previous is None else f"look-{number - 1} with hash {previous[:16]}"
            raise RecordsError(
                Problem(
                    "R145",
                    place,
                    f"It says that it follows {str(value.get('previous') or 'none')[:16]}, as number {look.number}.",
                    f"a look that follows {before}" if previous is not None else "a first look, which follows none",
                    "One of the two was changed or replaced: restore both from copies.",
                    file=str(file),
                )
            )
        return KeptLook(look, hash_of(text), value, folder)

    def require_free(self, number: int) -> None:
        """Refuse to write over a look (O063)."""
        folder = self.folder_of(number)
        if folder.exists():
            raise OutputError(
                Problem("O063", "--out", f"{folder} is there.", "a look that was not taken yet", "Move it away.")
            )

    def supersede(self, number: int) -> Path:
        """Give the folder of the last look another name, to keep it beside the one that takes its place."""
        count = 1
        while (target := self.path / f"look-{number}.superseded-{count}").exists():
            count += 1
        self.folder_of(number).rename(target)
        return target


def _look_of(value: Mapping[str, Any]) -> LookTaken:
    told = value["look"]
    lines = tuple(LineAtLook(**line) for line in told["lines"])
    decision = None
    if told["decision"] is not None:
        held = told["decision"]
        # A look at which nothing could be claimed has an infinite critical value, which JSON cannot hold.
        critical = float("inf") if held["critical_z"] is None else held["critical_z"]
        decision = LookDecision(**{**held, "critical_z": critical})
    size = None
    if told["new_size"] is not None:
        numbers = {**told["new_size"]}
        numbers["wanted"] = float("inf") if numbers["wanted"] is None else numbers["wanted"]
        size = NewSize(**numbers)
    rows = [
        {**{key: row[key] for key in RESULT_KEYS if key in row}, "warnings": tuple(row["warnings"])}
        for row in value["estimates"]
    ]
    same = {f.name for f in fields(LookTaken)} - {"lines", "decision", "new_size", "estimates", "claimed", "kept"}
    return LookTaken(
        **{name: told[name] for name in same},
        lines=lines,
        decision=decision,
        new_size=size,
        claimed=tuple(told["claimed"]),
        kept=tuple(told["kept"]),
        estimates=tuple(Estimate(**row) for row in rows),
    )


def _check_bounds(looks: LooksOfPlan, kept: Sequence[KeptLook], file: str) -> None:
    """Work the decisions out again from the numbers and Z of the looks."""
    if len(looks.analyses) > 1 or not kept:
        return
    fractions = looks.fractions([one.look.lines[0].counted for one in kept])
    z = [float(one.look.z or 0.0) for one in kept]
    problems = []
    for one, again in zip(kept, looks.decide(fractions, z), strict=True):
        held = one.look.decision
        if (
            held is None
            or held.decision != again.decision
            or _differ(held.critical_z, again.critical_z)
            or abs(held.information - again.information) > _SAME
            or held.z != one.look.z
        ):
            found = f"It holds a critical value of {held.critical_z if held else None}, and its numbers give another."
            problems.append(
                Problem(
                    "R147",
                    f"look-{one.look.number}",
                    found,
                    f"{again.critical_z:.6f} and the decision {again.decision}",
                    "Restore the look from a copy.",
                    file=file,
                )
            )
    raise_if_any(RecordsError, problems)


def _differ(held: float, again: float) -> bool:
    if math.isinf(held) or math.isinf(again):
        return held != again
    return abs(held - again) > _SAME * max(1.0, abs(again))
