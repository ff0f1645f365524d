"""Checks copies of a trial's ledger with Python alone: python check_copy.py COPY [COPY ...] [--anchor 57-0123456789ab]

This one file needs nothing but Python 3.8 or newer: no equipoise, no network, no database. Take it from a release of
equipoise that you trust and keep it with the copy. It follows the chain of every copy from the first event, holds the
copies of different sites against one another, and against anchors as they are printed on receipts. It leaves with 0
when all agree, with 1 when not.

The rules, for a program of your own: a copy is a folder of files ledger-FIRST-LAST.jsonl, taken in the order of FIRST.
The first line of a file says whose it is; then comes one line an event; the last line holds the anchor and the SHA-256
of all lines before it. An event stands in full, as a list of 22 fields in the order of FIELDS, or as number, body and
hash. All texts are UTF-8, all hashes are SHA-256 in hexadecimal digits.

    genesis  hash of: equipoise 1, open, the trial, the mode, the instance; a line each, no line end after the last
    digest   hash of: a line with the lengths of salt, why and what in characters, then the three without anything
             between them; a redacted event has no salt, and its digest is taken as it stands
    body     hash of the fields in BODY as a JSON list of texts, without spaces, other letters than ASCII as they are
    hash     hash of: the hash of the event before (of event 1: genesis), line end, body
"""

from __future__ import annotations

import hashlib
import itertools
import json
import pathlib
import sys

FIELDS = [
    "number",
    "request",
    "step",
    "action",
    "at",
    "zone",
    "offset_minutes",
    "clock",
    "account",
    "role",
    "site",
    "device",
    "participant",
    "subject",
    "why",
    "what",
    "salt",
    "digest",
    "protocol_hash",
    "program_version",
    "previous",
    "hash",
]
BODY = [name for name in FIELDS if name not in ("why", "what", "salt", "previous", "hash")]


def sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class NotWhole(Exception):
    """A copy that is not as it was written."""


def check_event(line: str, number: int, previous: str) -> tuple[str, bool]:
    """Hash of the event in ``line``, which must be event ``number`` and follow ``previous``; whether it is in full."""
    values = json.loads(line)
    if values[0] != number:
        raise NotWhole(f"event {number} is missing")
    if len(values) == 3:
        body, said = values[1], values[2]
    else:
        event = dict(zip(FIELDS, values))
        if event["salt"]:
            why, what, salt = event["why"], event["what"], event["salt"]
            if sha256(f"{len(salt)} {len(why)} {len(what)}\n" + salt + why + what) != event["digest"]:
                raise NotWhole(f"the words of event {number} were changed")
        texts = [str(event[name]) for name in BODY]
        body, said = sha256(json.dumps(texts, separators=(",", ":"), ensure_ascii=False)), event["hash"]
        if event["previous"] != previous:
            raise NotWhole(f"event {number} does not follow the event before it")
    if sha256(previous + "\n" + body) != said:
        raise NotWhole(f"event {number} was changed, or does not follow the event before it")
    return said, len(values) > 3


def check_copy(folder: str | pathlib.Path) -> tuple[list[str], list[str], int]:
    """Hashes of all events of a copy in order, whose it is, and how many events stand in full."""
    files = sorted(pathlib.Path(folder).glob("ledger-*.jsonl"), key=lambda path: int(path.name.split("-")[1]))
    hashes: list[str] = []
    whose: list[str] = []
    in_full = 0
    for path in files:
        try:
            lines = path.read_bytes().decode("utf-8").split("\n")
            end = json.loads(lines[-2])
            if lines[-1] or sha256("\n".join(lines[:-2]) + "\n") != end["digest"]:
                raise NotWhole("its lines are not those that were written")
            head = json.loads(lines[0])
            owner = [head[name] for name in ("trial", "mode", "instance", "site")]
            whose = whose or owner
            if owner != whose:
                raise NotWhole("it belongs to another copy")
            for line in lines[1:-2]:
                before = hashes[-1] if hashes else sha256("\n".join(["equipoise 1", "open", *whose[:3]]))
                hash_, full = check_event(line, len(hashes) + 1, before)
                hashes.append(hash_)
                in_full += full
            if end["anchor"] != [len(hashes), hashes[-1]]:
                raise NotWhole("its anchor is not its last event")
        except (NotWhole, ValueError, KeyError, IndexError, TypeError) as error:
            raise NotWhole(f"{path.name}: {error}") from None
    if not hashes:
        raise NotWhole("there is no copy here")
    return hashes, whose, in_full


def main(arguments: list[str]) -> int:
    """Check every copy named, then all of them against one another and against the anchors."""
    anchors = [arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == "--anchor"]
    folders = [
        word for at, word in enumerate(arguments) if word != "--anchor" and arguments[at - 1 : at] != ["--anchor"]
    ]
    if not folders:
        print((__doc__ or "").splitlines()[0])
        return 1
    wrong, copies = 0, []
    for folder in folders:
        try:
            hashes, whose, in_full = check_copy(folder)
        except (NotWhole, OSError) as error:
            print(f"NOT WHOLE  {folder}: {error}")
            wrong += 1
            continue
        copies.append((folder, hashes, whose))
        site = f"site {whose[3]}" if whose[3] else "all sites"
        print(
            f"whole      {folder}: {whose[0]} ({whose[1]}), {site}, {len(hashes)} events, {in_full} in full, "
            f"anchor {len(hashes)}-{hashes[-1][:16]}"
        )
    for (first, one, whose), (second, two, others) in itertools.combinations(copies, 2):
        if whose[:3] != others[:3]:
            print(f"DIFFERENT  {first} and {second} are of different trials")
            wrong += 1
            continue
        differing = next((at for at, pair in enumerate(zip(one, two), 1) if pair[0] != pair[1]), 0)
        if differing:
            print(f"DIFFERENT  {first} and {second} differ from event {differing} on: one of them was made anew")
            wrong += 1
        else:
            print(f"agree      {first} and {second}, in {min(len(one), len(two))} events")
    for anchor in anchors:
        number, _, digits = anchor.partition("-")
        for folder, hashes, _ in copies:
            if not number.isdigit() or not digits or int(number) > len(hashes):
                print(f"no word    {folder} does not reach to anchor {anchor}")
            elif hashes[int(number) - 1].startswith(digits.lower()):
                print(f"agree      {folder} and anchor {anchor}")
            else:
                print(f"DIFFERENT  {folder} and anchor {anchor}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
