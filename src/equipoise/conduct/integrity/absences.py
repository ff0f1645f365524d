"""What must lie outside the database and does not: receipts, anchors, their folder.

The ledger knows which receipts were given (1 to n) and after which events an anchor was noted. A disk that is not
mounted, or a folder that was moved, would otherwise pass for a trial in which nothing was given out, and after a
restore the same slot would be given twice.

Between the commit of an event and the writing of its receipt a program can die. So the receipt is laid ready before the
commit, under a name of its own, and put in its place after it, by whoever comes next if need be: only what was taken
away afterwards is missing.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.anchors import FILE as ANCHORS
from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor, read_anchors
from equipoise.conduct.audit_trail.canonical import canonical
from equipoise.conduct.rows.joined import LastOfRequest, events_that_gave, last_of_requests, receipts_of
from equipoise.conduct.rows.tables import AllocationRow, EventRow
from equipoise.conduct.trial.envelopes import kept_by_redactions
from equipoise.conduct.trial.receipts import GivenSlot, read_given, receipt_path, receipt_value, write_private
from equipoise.foundation.errors import Problem

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial

CODES = {"C077": "A receipt, an anchor, or the folder that holds them is missing."}

# Actions after which an anchor is noted in the receipts folder; a test holds the list against the actions themselves.
ANCHORED = frozenset(
    {
        "acknowledge-clock",
        "acknowledge-loss",
        "add-slots",
        "amend",
        "ask-unlock",
        "copy",
        "envelope-opened",
        "envelopes-reserve",
        "envelopes-returned",
        "export-allocations",
        "freeze",
        "lift-fence",
        "lock",
        "open-arms",
        "open-quarantine",
        "pause",
        "randomize",
        "randomized-in-error",
        "redact",
        "renew-receipts",
        "restored",
        "resume",
        "unblind",
        "unblind-for",
        "unblinded-by-accident",
        "unlock",
    }
)
_READY = "ready-"
_GIVE = ("randomize", "envelope-opened", "lift-fence")  # actions that give a slot


@dataclass(frozen=True, slots=True)
class Given:
    """A receipt as the ledger tells it: its number, what is printed on it, and the anchor after its event."""

    number: int
    value: dict[str, Any]
    anchor: Anchor


def _device(trial: Trial) -> str | None:
    """Whose receipts and anchors are kept on this machine: this machine's own where several write to one server, and
    (``None``) everybody's where the database is a file of it.
    """
    return None if trial.is_sqlite else platform.node()


def receipts_given(trial: Trial, numbers: Sequence[int] | None = None) -> Iterator[Given]:
    """Every receipt that the ledger knows (of ``numbers``), in the order of its events; of one given anew the last."""
    found: dict[int, Given] = {}
    kept: Mapping[int, str] | None = None
    for event in events_that_gave(trial, _GIVE, device=_device(trial)):
        what = event.what
        if not what:
            kept = kept_by_redactions(trial) if kept is None else kept
            what = kept.get(event.number, "")
        content = json.loads(what) if what else {}
        if not content.get("put", {}).get("allocation"):
            continue
        given, profile, randomization = _told(content, event.participant)
        anchor = Anchor(event.last, event.hash, event.at, f"receipt {given.number}")
        found[given.number] = Given(given.number, receipt_value(trial, given, randomization, profile, anchor), anchor)
    for one in sorted(found.values(), key=lambda one: one.number):
        if numbers is None or one.number in numbers:
            yield one


def _told(content: Mapping[str, Any], participant: str) -> tuple[GivenSlot, dict[str, str], int]:
    row = content["put"]["allocation"][0]
    if "receipt" in content:
        return read_given(content["receipt"]), content.get("profile", {}), row["randomization"]
    return (
        GivenSlot.of_answer({"participant": participant, **content["answer"]}),
        content["profile"],
        row["randomization"],
    )


def numbers_given(trial: Trial) -> list[int]:
    """Numbers of the receipts that must lie in this machine's folder."""
    if trial.is_sqlite:
        return sorted(trial.column(AllocationRow, "receipt"))
    return receipts_of(trial, device=_device(trial))


def anchors_noted(trial: Trial) -> dict[int, tuple[str, str, str]]:
    """After which events an anchor was noted in this folder: number of the event to its hash, time and occasion.

    A restored trial has a new folder: what was noted before the restore lies in the old one.
    """
    noted = last_of_requests(trial, sorted(ANCHORED), device=_device(trial))
    # the anchor of a new trial stands after the last event of its making
    made = trial.first(EventRow, action__in=("init", "lists-sealed"), order=("-number",))
    if made is not None:
        noted.append(LastOfRequest(made.number, made.hash, made.at, made.action))
    restored = max((last.number for last in noted if last.action == "restored"), default=0)
    return {last.number: (last.hash, last.at, last.action) for last in noted if last.number >= restored}


def absences(trial: Trial) -> list[Problem]:
    """Every receipt and anchor that the ledger knows of and the folder does not hold; the folder if that is gone."""
    folder = trial.receipts
    given, noted = numbers_given(trial), anchors_noted(trial)
    if not given and not noted:
        return []
    step = (
        "Is its disk mounted, and was the folder moved? Put it back. What is lost for good an administrator writes "
        "again from the ledger, with the number of the last receipt that any site has: renew-receipts."
    )
    try:
        there = _whole(folder)
    except OSError as error:
        found = f"The folder of receipts and anchors cannot be read ({(error.strerror or 'not there').lower()})."
        return [Problem("C077", str(folder), found, "the folder with every receipt and anchor", step)]
    ready_anchors, ready_receipts = _laid_ready(folder, there, noted)
    out = []
    if ANCHORS not in there:
        found = "The file of anchors is not there."
        out.append(Problem("C077", str(folder / ANCHORS), found, f"an anchor after {len(noted)} events", step))
    out += [
        Problem("C077", name, f"Receipt {number} was given, and is not in {folder}.", "every receipt", step)
        for number in given
        if (name := receipt_path(folder, number).name) not in there and number not in ready_receipts
    ]
    if ANCHORS in there:
        known = {anchor.number for anchor in read_anchors(folder)} | ready_anchors
        lost = sorted(noted.keys() - known)
        if lost:
            on_receipts = set(_anchors_of_receipts(folder, there))
            out += [
                Problem(
                    "C077",
                    f"anchor {number}-{noted[number][0][:16]}",
                    f"It was noted ({noted[number][2]}), and is not in {ANCHORS}.",
                    "every anchor",
                    step,
                )
                for number in lost
                if number not in on_receipts
            ]
    return out


_LEAST = 100  # bytes of a receipt; one that holds less was cut short


def _whole(folder: Path) -> set[str]:
    """Names of the files in the folder; a receipt that is empty or cut short is as good as none."""
    with os.scandir(folder) as entries:
        return {
            entry.name
            for entry in entries
            if not entry.name.startswith("receipt-") or (entry.is_file() and entry.stat().st_size >= _LEAST)
        }


def _laid_ready(folder: Path, names: set[str], noted: Mapping[int, tuple[str, str, str]]) -> tuple[set[int], set[int]]:
    """Anchors and receipts of kept events that lie ready and were not put in their place yet."""
    anchors, receipts = set(), set()
    for name in names:
        if name.startswith(_READY) and name.endswith(".json"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                said = json.loads((folder / name).read_text("utf-8"))
                if noted.get(said["number"], ("",))[0] == said["hash"]:
                    anchors.add(said["number"])
                    if said["receipt"]:
                        receipts.add(int(said["receipt"]["receipt"].split()[0]))
    return anchors, receipts


def _anchors_of_receipts(folder: Path, names: set[str]) -> Iterator[int]:
    for name in names:
        if name.startswith("receipt-") and name.endswith(".json"):
            with suppress(OSError, ValueError, KeyError, AttributeError, IndexError):
                yield int(json.loads((folder / name).read_text("utf-8"))["anchor"].split()[0])


# ---------------------------------------------------------------------- laid ready before the commit


def lay_ready(trial: Trial, anchor: Anchor, receipt: Mapping[str, Any] | None) -> Path:
    """Write what will lie outside once the event is kept; ``receipt`` is what :func:`receipt_value` makes."""
    path = trial.receipts / f"{_READY}{anchor.number}.json"
    said = {"number": anchor.number, "hash": anchor.hash, "at": anchor.at, "for": anchor.occasion, "receipt": receipt}
    write_private(path, canonical(said) + "\n")
    return path


def put_in_place(trial: Trial) -> None:
    """Put what was laid ready in its place where its event was kept, else away; under the write lock."""
    try:
        names = [name for name in os.listdir(trial.receipts) if name.startswith(_READY) and name.endswith(".json")]
    except OSError:
        return
    for name in sorted(names):
        path = trial.receipts / name
        try:
            said = json.loads(path.read_text("utf-8"))
            number, hash = int(said["number"]), str(said["hash"])
        except FileNotFoundError:  # done by the one who laid it there
            continue
        except (ValueError, KeyError, TypeError):  # half written, before a commit that never came
            path.unlink(missing_ok=True)
            continue
        if trial.has(EventRow, number=number, hash=hash):
            place(trial, Anchor(number, hash, said["at"], said["for"]), said["receipt"])
        path.unlink(missing_ok=True)


def place(trial: Trial, anchor: Anchor, receipt: Mapping[str, Any] | None) -> None:
    """Write a receipt and its anchor to the folder, where they are not there yet."""
    if receipt is not None:
        path = receipt_path(trial.receipts, int(str(receipt["receipt"]).split()[0]))
        text = canonical(dict(receipt)) + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            write_private(path, text)
    if all(noted.number != anchor.number or noted.hash != anchor.hash for noted in read_anchors(trial.receipts)):
        add_anchor(trial.receipts, anchor)


def renew(trial: Trial) -> tuple[list[int], list[int]]:
    """What :func:`renewed` will write again: numbers of receipts, and of events whose anchors are missing."""
    folder = trial.receipts
    there = _whole(folder) if folder.is_dir() else set()
    receipts = [number for number in numbers_given(trial) if receipt_path(folder, number).name not in there]
    known = {anchor.number for anchor in read_anchors(folder)} | set(_anchors_of_receipts(folder, there))
    anchors = sorted(anchors_noted(trial).keys() - known)
    return receipts, anchors


def renewed(trial: Trial, receipts: Sequence[int], anchors: Sequence[int]) -> None:
    """Write receipts and anchors again from the ledger; the folder is made where it is gone."""
    trial.receipts.mkdir(parents=True, exist_ok=True, mode=0o700)
    for one in receipts_given(trial, receipts):
        write_private(receipt_path(trial.receipts, one.number), canonical(one.value) + "\n")
    noted = anchors_noted(trial)
    for number in anchors:
        hash, at, action = noted[number]
        add_anchor(trial.receipts, Anchor(number, hash, at, f"{action} (written again)"))
