"""Copies of the open ledger for sites and sponsor: files that are only ever added to, and can be checked alone.

A copy is a folder of increments, one file each time it is taken: a line that says what it is, a line an event, a line
with the anchor. Events of the copy's own site stand in full, every other one by its body and its hash, so the whole
chain can be followed and nobody gets another site's data. What blinded people may not see is in no copy in full:
quarantined values that were not sealed, texts that may name a treatment, and the words that keep a key.

The central ledger is held against a copy: what was cut off, or made anew, after the copy was taken is named, however
well its chain was made to fit.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.conduct.audit_trail.anchors import Anchor
from equipoise.conduct.audit_trail.canonical import canonical, genesis, linked
from equipoise.conduct.audit_trail.events import body_of_event, digest_of_words
from equipoise.conduct.integrity.replay import loaded
from equipoise.conduct.rows.statements import RowsOfTable, events_between
from equipoise.conduct.rows.tables import EventRow
from equipoise.foundation.errors import ConductError, OutputError, Problem

if TYPE_CHECKING:
    from equipoise.conduct.integrity.losses import Loss
    from equipoise.conduct.trial.held_texts import HeldTexts
    from equipoise.conduct.trial.trial import Config

CODES = {
    "C074": "A copy of the ledger cannot be read, is incomplete, or was changed.",
    "C075": "The ledger lacks what a copy of it holds.",
    "C076": "A copy of the ledger belongs to another trial, mode or site.",
    "O033": "A copy of the ledger cannot be written.",
}
ALL = ""  # the site of a copy that holds the events of every site in full
_NAME = re.compile(r"^ledger-(\d{8,})-(\d{8,})\.jsonl$")
# Words that keep a secret, under a passphrase or, after the lock, without one: not for copies that go to many hands.
_SECRETS = ("quarantine", "secret")


@dataclass(slots=True)
class Copy:
    """What a copy holds: ``hashes`` of events 1 to n, how many of them in full, the anchor of each increment."""

    folder: Path
    trial: str
    mode: str
    instance: str
    site: str
    hashes: list[str] = field(default_factory=list)
    n_full: int = 0
    anchors: list[Anchor] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The last event that it holds."""
        return len(self.hashes)

    @property
    def words(self) -> str:
        """What it is called."""
        return f"copy of site {self.site}" if self.site else "copy of all sites"


def _files(folder: Path) -> list[tuple[int, int, Path]]:
    found = []
    for path in folder.iterdir():
        match = _NAME.match(path.name)
        if match:
            found.append((int(match[1]), int(match[2]), path))
    return sorted(found)


def read_copy(folder: Path) -> Copy:
    """A copy, every line of it checked: hashes, words, the chain from the ledger's first event.

    Nothing outside the folder is looked at. C074 where it is not whole.
    """
    try:
        files = _files(folder)
    except OSError as error:
        raise ConductError(_broken(str(folder), f"It cannot be read: {error.strerror}")) from error
    if not files:
        raise ConductError(_broken(str(folder), "There is no copy of a ledger here"))
    copy: Copy | None = None
    for first, last, path in files:
        try:
            copy = _read(path, first, last, copy)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ConductError(_broken(path.name, f"It is not as it was written: {error}")) from error
    assert copy is not None
    return copy


def _broken(place: str, found: str) -> Problem:
    return Problem(
        "C074",
        place,
        f"{found}.",
        "a copy that `equipoise copy` wrote, whole and unchanged",
        "Look for another copy of it: only a copy that is whole can speak for the ledger.",
    )


def _read(path: Path, first: int, last: int, copy: Copy | None) -> Copy:
    head, *lines, end = path.read_bytes().decode("utf-8").split("\n")[:-1]
    said, close = json.loads(head), json.loads(end)
    if sha256("\n".join([head, *lines, ""]).encode()).hexdigest() != close["digest"]:
        raise ValueError("its digest is not that of its lines")
    who = {name: said[name] for name in ("trial", "mode", "instance", "site")}
    if said["equipoise-copy"] != 1 or said["columns"] != list(EventRow._fields):
        raise ValueError("it is of a version that this program does not know")
    if copy is None:
        copy = Copy(path.parent, **who)
    elif who != {name: getattr(copy, name) for name in who}:
        raise ValueError("it belongs to another copy than the increment before it")
    previous = copy.hashes[-1] if copy.hashes else genesis("open", copy.trial, copy.mode, copy.instance)
    if first != copy.number + 1 or said["previous"] != previous or last - first + 1 != len(lines):
        raise ValueError(f"it does not follow event {copy.number}: an increment is missing")
    for number, line in enumerate(lines, first):
        row = json.loads(line)
        if len(row) == len(EventRow._fields):
            event = EventRow(*row)
            body, hash = body_of_event(event), event.hash
            if event.salt and digest_of_words(event) != event.digest:
                raise ValueError(f"the words of event {number} were changed")
            copy.n_full += 1
        else:
            _, body, hash = row
        if row[0] != number or linked(previous, body) != hash:
            raise ValueError(f"event {number} is not chained to the one before it")
        copy.hashes.append(hash)
        previous = hash
    if close["anchor"] != [last, previous]:
        raise ValueError("its anchor is not its last event")
    copy.anchors.append(Anchor(last, previous, said["at"], copy.words))
    return copy


def write_increment(
    source: RowsOfTable,
    config: Config,
    folder: Path,
    *,
    site: str,
    last: Anchor,
    participants: frozenset[str],
    held: HeldTexts | None = None,
) -> tuple[Path, int, int]:
    """Add to the copy in ``folder`` every event after those it holds, up to ``last``; its path, first event, how many
    stand in full.

    ``participants`` are those of ``site``. An event with a text that is ``held`` back stands there by its hash.
    The copy that is there must be whole (C074), of this trial and site (C076), and held by the ledger (C075): a ledger
    that lost what a copy holds writes no more into it.
    """
    copy, previous = None, genesis("open", config.trial, config.mode, config.instance)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _files(folder):
            copy = read_copy(folder)
            require_same(copy, config, site)
            upto = held_up_to(copy, lambda number: _hash_at(source, number), last.number)
            if upto < copy.number:
                raise ConductError(lacking(copy, upto, last.number))
            previous = copy.hashes[-1]
        first = (copy.number if copy else 0) + 1
        path = folder / f"ledger-{first:08d}-{last.number:08d}.jsonl"
        partial = folder / f".{path.name}.partial"
        head = {
            "equipoise-copy": 1,
            "trial": config.trial,
            "mode": config.mode,
            "instance": config.instance,
            "site": site,
            "first": first,
            "last": last.number,
            "previous": previous,
            "at": last.at,
            "columns": list(EventRow._fields),
        }
        digest, n_full = sha256(), 0
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            for text, is_full in _lines(source, canonical(head), first, last.number, site, participants, held):
                line = f"{text}\n".encode()
                digest.update(line)
                out.write(line)
                n_full += is_full
            end = {"anchor": [last.number, last.hash], "digest": digest.hexdigest()}
            out.write(f"{canonical(end)}\n".encode())
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, path)
        path.chmod(0o400)
    except OSError as error:
        raise OutputError(
            Problem("O033", str(folder), f"It cannot be written: {error.strerror}.", "a disk with room, of one's own")
        ) from error
    return path, first, n_full


def _lines(
    source: RowsOfTable,
    head: str,
    first: int,
    last: int,
    site: str,
    participants: frozenset[str],
    held: HeldTexts | None,
) -> Iterator[tuple[str, bool]]:
    yield head, False
    for event in events_between(source, first, last):
        own = site == ALL or event.site == site or event.participant in participants
        if own and not tells_too_much(event.what) and not (held and _tells_treatment(event, held)):
            yield json.dumps(event, separators=(",", ":"), ensure_ascii=False), True
        else:
            yield json.dumps([event.number, body_of_event(event), event.hash], separators=(",", ":")), False


def _tells_treatment(event: EventRow, held: HeldTexts) -> bool:
    """Whether an event holds a text that may name a treatment; the names are looked for before it is taken apart."""
    if not held.names.tells(f"{event.what} {event.why}"):
        return False
    return held.tells(loaded(event.what) if event.what else {}, event.why, event.participant)


def tells_too_much(what: str) -> bool:
    """Whether the words of an event hold what blinded people may not see: a quarantined value in plain, or a key."""
    marks = ('"blinding":"quarantined"', '"blinding":"sealed"', *(f'"{name}"' for name in _SECRETS))
    if not any(mark in what for mark in marks):
        return False
    content = loaded(what)
    if any(name in content for name in _SECRETS):
        return True
    rows = [row for table in content.get("put", {}).values() for row in table]
    return any(row.get("blinding", "open") != "open" and not _is_sealed(row.get("value", "")) for row in rows)


def _is_sealed(value: str) -> bool:
    return value == "" or value.startswith("q1:")


def _hash_at(source: RowsOfTable, number: int) -> str:
    return next(iter(source.column(EventRow, "hash", number=number)), "")


def require_same(copy: Copy, config: Config, site: str) -> None:
    """Refuse a copy of another trial, mode or site (C076)."""
    if (copy.trial, copy.mode, copy.instance, copy.site) != (config.trial, config.mode, config.instance, site):
        whose = f"{copy.trial} ({copy.mode}), {copy.words}"
        raise ConductError(
            Problem(
                "C076",
                str(copy.folder),
                f"It is of {whose}.",
                f"a copy of {config.trial} ({config.mode}), {f'site {site}' if site else 'all sites'}",
                "Name another folder.",
            )
        )


def held_up_to(copy: Copy, hash_at: Callable[[int], str], count: int) -> int:
    """Up to which event a ledger of ``count`` events, whole in itself, holds a copy; found by halving."""
    low, high = 0, min(copy.number, count)
    while low < high:
        middle = (low + high + 1) // 2
        if hash_at(middle) == copy.hashes[middle - 1]:
            low = middle
        else:
            high = middle - 1
    return low


def lacking(copy: Copy, upto: int, count: int) -> Problem:
    """What a ledger of ``count`` events lacks that holds a copy up to event ``upto`` only."""
    place, taken = f"{copy.words} in {copy.folder.name}", copy.anchors[-1].at[:16]
    if upto == count:
        found = f"The ledger ends at event {count}; the copy, taken {taken}Z, holds {copy.number}."
        return Problem(
            "C075",
            place,
            found,
            "every event of the copy",
            "The end of the ledger was cut off. Keep the copy, and restore from a backup.",
        )
    found = f"From event {upto + 1} on the ledger holds others than the copy, taken {taken}Z."
    return Problem(
        "C075",
        place,
        found,
        "every event of the copy",
        "One of the two was made anew: compare with other sites' copies and printed anchors.",
    )


def compare(
    folder: Path, config: Config, hashes: Sequence[str], acknowledged: Sequence[Loss]
) -> tuple[Problem | None, str, int]:
    """A ledger (its hashes, the genesis first) held against a copy: what it lacks, a note, the last event vouched for.

    Raises what is wrong with the copy itself (C074, C076).
    """
    copy = read_copy(folder)
    require_same(copy, config, copy.site)
    count = len(hashes) - 1
    upto = next((at for at, hash in enumerate(copy.hashes) if at >= count or hashes[at + 1] != hash), copy.number)
    name = f"{copy.words} in {folder.name}"
    if upto == copy.number:
        return None, f"{name}: its {copy.number:,} events stand in the ledger, {copy.n_full:,} compared in full", upto
    loss = next((loss for loss in acknowledged if loss.covers(copy.anchors[-1]) and loss.backup <= upto), None)
    if loss is None:
        return lacking(copy, upto, count), "", 0
    return (
        None,
        (
            f"{name}: its events {upto + 1} to {copy.number} were lost with a restore, "
            f"as event {loss.event} acknowledges; the copy still holds them"
        ),
        0,
    )
