"""Take an interim look at a trial: records up to the look, the plan on them, the decision, the committee's reports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from equipoise.analysis.at_look import AtLook
from equipoise.analysis.interim import LooksOfPlan, looks_of
from equipoise.analysis.look_taken import LookTaken
from equipoise.analysis.plan import planned_fits
from equipoise.analysis.take_look import answers_at, number_reached, plan_hash, take_look
from equipoise.endpoints.endpoint_values import Derived
from equipoise.exchange.entry_dates import read_entry_dates
from equipoise.exchange.looks_folder import FILE, KeptLook, LooksFolder, hash_of, look_json
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.records_files import read_records
from equipoise.exchange.results_files import result_row
from equipoise.foundation.errors import EquipoiseError, Problem, UsageError
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.records.known_on import DatesOfDay1, RecordsOnDay, assume_dates, records_known_on
from equipoise.records.trial_facts import facts_of
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import Progress, require_records

CODES = {
    "U520": "Dates and days of a look that do not go together.",
    "U521": "The records never hold as much as the next look needs.",
    "U522": "The last look ended the trial.",
    "U523": "These records were looked at before.",
    "U524": "A look that is to be taken again was never taken.",
    "U525": "The records hold no arms.",
}
Arms = Literal["masked", "named"]


@dataclass(frozen=True, kw_only=True)
class LookRequest:
    """How a look is to be taken.

    ``day_1``: a file of dates of study day 1. ``assume_entry``: first and last assumed date, ``entry_seed`` for a
    random order. ``at``: the day of the look; with dates and without it, the first day on which the plan's number is
    reached. ``delay_days``: how late data are. ``all_followed``: nobody's follow-up goes on. ``although``: why the
    trial goes on after a look that ended it. ``again``: why the last look is taken anew. ``arms``: how the closed
    report names arms.
    """

    day_1: Path | None = None
    assume_entry: tuple[date, date] | None = None
    entry_seed: int | None = None
    at: date | None = None
    delay_days: int = 0
    all_followed: bool = False
    although: str | None = None
    again: str | None = None
    arms: Arms = "masked"


@dataclass(frozen=True)
class TakenLook:
    """A look that was taken and written: what it came to, its hash, its folder, the day and where days come from."""

    protocol: Protocol
    looks: LooksOfPlan
    look: LookTaken
    earlier: tuple[KeptLook, ...]
    hash: str
    folder: Path
    day: date | None
    entry: DatesOfDay1 | None
    simulated: bool


def interim(
    protocol: Protocol | str | Path,
    records: Records | str | Path,
    *,
    out: str | Path,
    request: LookRequest | None = None,
    pdf: bool = True,
    progress: Progress | None = None,
) -> TakenLook:
    """Take the next look of a trial and write ``look-N`` with an open and a closed report into ``out``.

    Looks taken before are read from ``out`` and checked; the bounds rest on them. Nothing is written where the look
    cannot be taken.
    """
    say = progress or (lambda what: None)
    asked = request or LookRequest()
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    looks = looks_of(chosen)
    _require_together(asked)
    data = records if isinstance(records, Records) else read_records(records, facts=facts_of(chosen))
    require_records(chosen, data)
    if not data["allocations"]["arm"].drop_nulls().len():
        hint = "Cut the trial with --edition unblinded: before the lock that needs an unblinding for analysis."
        raise UsageError(Problem("U525", "RECORDS", "No participant has an arm.", "records with arms", hint))
    folder = LooksFolder(out)
    kept = folder.read(chosen, looks)
    supersedes = None
    if asked.again is not None:
        if not kept:
            raise UsageError(
                Problem("U524", "--again", "No look has been taken yet.", "a look to take anew", "Leave it out.")
            )
        supersedes = {"hash": kept[-1].hash, "why": asked.again}
        kept = kept[:-1]
    _require_going_on(kept, asked)
    say("looking for the day" if asked.at is None else f"records as known on {asked.at}")
    entry = _entry(data, asked)
    day, known = _records_at_look(chosen, looks, data, entry, asked, kept)
    at_look = data if known is None else known.records
    _require_new(kept, at_look)
    say("analysing")
    answers = answers_at(
        chosen,
        looks,
        at_look,
        followed_to=None if known is None else known.followed_to,
        all_followed=asked.all_followed,
    )
    look = take_look(chosen, looks, [one.look for one in kept], answers)
    letters = _letters(chosen, kept, at_look)
    value = {
        **({"data": "SIMULATED: fictional participants; no result here is evidence"} if data.is_simulated else {}),
        "simulated": data.is_simulated,
        "protocol": chosen.id,
        "protocol_hash": chosen.hash,
        "plan_hash": plan_hash(chosen),
        "previous": kept[-1].hash if kept else None,
        "records": {
            "data_hash": at_look.data_hash,
            "origin": at_look.source.origin,
            "description": at_look.source.description,
        },
        "on": None if day is None else day.isoformat(),
        "entry": None if entry is None else {"basis": entry.basis, "is_assumed": entry.is_assumed},
        "look": look.as_dict(),
        "although": asked.although if kept and kept[-1].look.ends else None,
        "supersedes": supersedes,
        "letters": letters,
        "estimates": [result_row(estimate) for estimate in look.estimates],
        "version": program_version(),
    }
    text = look_json(value)
    taken = TakenLook(
        chosen,
        looks,
        look,
        tuple(kept),
        hash_of(text),
        folder.folder_of(look.number),
        day,
        entry,
        data.is_simulated,
    )
    say("reports")
    results = {line: _results_of(chosen, line, answer[0]) for line, answer in answers.items()}
    followed = None if known is None else known.followed_to
    _write(folder, taken, at_look, text, (letters, asked, supersedes is not None, pdf, results, followed))
    return taken


def _results_of(protocol: Protocol, line: str, at: AtLook) -> Derived:
    fit = next(fit for fit in planned_fits(protocol) if fit.id == line)
    return at.plan.derived_for(fit)


def _require_together(asked: LookRequest) -> None:
    problems = []
    dated = asked.day_1 is not None or asked.assume_entry is not None
    if asked.day_1 is not None and asked.assume_entry is not None:
        problems.append(("--assume-entry", "Dates are given and assumed.", "one of --day-1 and --assume-entry"))
    if asked.all_followed and (dated or asked.at is not None):
        problems.append(("--all-followed", "A day of the look is asked for as well.", "one of the two"))
    if asked.at is not None and not dated:
        problems.append(("--at", "The day of the look is given without dates.", "--day-1 FILE or --assume-entry"))
    if asked.entry_seed is not None and asked.assume_entry is None:
        problems.append(("--entry-seed", "No entry is assumed.", "--assume-entry FIRST..LAST beside it"))
    if asked.delay_days < 0 or (asked.delay_days and not dated):
        problems.append(("--delay", f"A delay of {asked.delay_days} days.", "0 or more days, beside dates"))
    for name, why in (("--although", asked.although), ("--again", asked.again)):
        if why is not None and not why.strip():
            problems.append((name, "No reason is given.", "the reason in a few words"))
    if problems:
        raise UsageError([Problem("U520", *problem, "Correct the command.") for problem in problems])


def _require_going_on(kept: list[KeptLook], asked: LookRequest) -> None:
    """A look after one that ended the trial needs a reason; a futility stop that is not binding needs none."""
    if kept and kept[-1].look.is_binding and asked.although is None:
        raise UsageError(
            Problem(
                "U522",
                f"look-{kept[-1].look.number}",
                f"By the plan the trial ended at look {kept[-1].look.number}.",
                "the final analysis, or a reason to go on",
                "Run `equipoise analyse P RECORDS --looks DIR`; or add --although WHY, which is kept with the look.",
            )
        )


def _require_new(kept: list[KeptLook], records: Records) -> None:
    for one in kept:
        if one.value["records"]["data_hash"] == records.data_hash:
            found = f"Look {one.look.number} was taken of exactly these records."
            hint = "Take the look when more is known; to take the last one anew, say --again WHY."
            raise UsageError(Problem("U523", "RECORDS", found, "records that hold more", hint))


def _entry(records: Records, asked: LookRequest) -> DatesOfDay1 | None:
    if asked.day_1 is not None:
        return read_entry_dates(asked.day_1)
    if asked.assume_entry is not None:
        return assume_dates(records, *asked.assume_entry, seed=asked.entry_seed)
    return None


def _records_at_look(
    protocol: Protocol,
    looks: LooksOfPlan,
    records: Records,
    entry: DatesOfDay1 | None,
    asked: LookRequest,
    kept: list[KeptLook],
) -> tuple[date | None, RecordsOnDay | None]:
    """The day of the look and the records as known then; neither without dates."""
    if entry is None:
        return None, None
    if asked.at is not None:
        return asked.at, records_known_on(protocol, records, entry, asked.at, delay_days=asked.delay_days)
    number = len(kept) + 1
    if number >= looks.rule.n_looks:
        found = f"Look {len(kept)} was taken, and the plan has {looks.rule.n_looks - 1} before the end."
        hint = "Run `equipoise run P --records RECORDS --looks DIR`; for a look beside the plan name its day with --at."
        raise UsageError(Problem("U521", "RECORDS", found, "the final analysis", hint))
    wanted = looks.numbers[number - 1]
    day, most = day_reached(protocol, looks, records, entry, wanted, delay_days=asked.delay_days)
    if day is None:
        found = f"At the end of the records {most:g} {looks.counted} are known; look {number} needs {wanted:g}."
        hint = "Run the final analysis with --looks DIR, or name a day with --at."
        raise UsageError(Problem("U521", "RECORDS", found, "as many as the plan has at the look", hint))
    return day, records_known_on(protocol, records, entry, day, delay_days=asked.delay_days)


def day_reached(
    protocol: Protocol, looks: LooksOfPlan, records: Records, entry: DatesOfDay1, wanted: float, *, delay_days: int = 0
) -> tuple[date | None, float]:
    """The first day on which so many results (or events) are known, and how many are known in the end.

    No day where the records never hold so many.
    """

    def reached(day: date) -> float:
        known = records_known_on(protocol, records, entry, day, delay_days=delay_days)
        with suppress(EquipoiseError):
            answers = answers_at(protocol, looks, known.records, followed_to=known.followed_to)
            return number_reached(looks, answers)
        return 0.0

    low = entry.first
    longest = protocol.planned_visits[-1].last_day if protocol.planned_visits else 0
    high = entry.last + timedelta(days=max(longest, protocol.model.calendar.last_day) + delay_days + 1)
    most = reached(high)
    if most < wanted:
        return None, most
    while (high - low).days > 1:
        middle = low + (high - low) // 2
        low, high = (low, middle) if reached(middle) >= wanted else (middle, high)
    return high, most


def _letters(protocol: Protocol, kept: list[KeptLook], records: Records) -> dict[str, str]:
    """Arm by letter, the same at every look: drawn from the records of the first, which only the committee holds."""
    if kept:
        return dict(kept[0].value["letters"])
    order = sorted(protocol.arm_ids, key=lambda arm: hashlib.sha256(f"{records.data_hash} {arm}".encode()).hexdigest())
    return {chr(ord("A") + k): arm for k, arm in enumerate(order)}


def _write(
    folder: LooksFolder,
    taken: TakenLook,
    records: Records,
    text: str,
    how: tuple[Mapping[str, str], LookRequest, bool, bool, Mapping[str, Derived], Mapping[str, int] | None],
) -> None:
    """The look's folder: ``closed`` with look.json and the closed report, ``open`` with the open one."""
    from equipoise.reporting.committee_closed import ClosedMaterial, build_closed_report
    from equipoise.reporting.committee_open import build_open_report, open_records

    letters, asked, is_again, pdf, results, followed_to = how
    closed = build_closed_report(
        ClosedMaterial(
            protocol=taken.protocol,
            looks=taken.looks,
            records=records,
            taken=(*(one.look for one in taken.earlier), taken.look),
            results=results,
            letters=letters if asked.arms == "masked" else {},
            day=taken.day,
            entry=taken.entry,
            hash=taken.hash,
            notes=_notes(taken, asked, is_again),
            version=program_version(),
        )
    )
    open_ = build_open_report(
        taken.protocol,
        open_records(records),
        number=taken.look.number,
        day=taken.day,
        entry=taken.entry,
        followed_to=followed_to,
        version=program_version(),
    )
    number = taken.look.number
    moved = folder.supersede(number) if is_again else None
    try:
        folder.require_free(number)
        target = OutputFolder(folder.folder_of(number), kind="look", private=records.source.is_private)
        target.require_free()
        with target as made:
            for name, document in (("open", open_), ("closed", closed)):
                (made / name).mkdir()
                _write_document(made / name, document, pdf)
            (made / FILE).write_text(text, "utf-8", newline="\n")
    except BaseException:
        if moved is not None:
            moved.rename(folder.folder_of(number))
        raise


def _write_document(folder: Path, document: Any, pdf: bool) -> None:
    from equipoise.reporting.docx_file import render_docx

    (folder / "report.html").write_text(document.to_html(), "utf-8", newline="\n")
    (folder / "report.docx").write_bytes(render_docx(document))
    if pdf:
        (folder / "report.pdf").write_bytes(document.to_pdf())


def _notes(taken: TakenLook, asked: LookRequest, is_again: bool) -> tuple[str, ...]:
    """What a reader of the closed report must know of how the look was taken."""
    out = []
    if taken.earlier and taken.earlier[-1].look.ends and asked.although:
        out.append(f"The plan ended the trial at look {taken.earlier[-1].look.number}; it went on: {asked.although}.")
    if is_again:
        out.append(f"This look takes the place of one taken before, which is kept beside it: {asked.again}.")
    return tuple(out)
