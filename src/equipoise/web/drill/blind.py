"""The blind in the browser: two worlds with the arms exchanged are the same to the byte for everybody who is blinded.

Then leaks are planted, one for each channel by which an arm could be told, and each must be caught; a classifier that
is given all that is seen of a randomization must not guess the arm; and pages must take as long in both worlds.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.rows.tables import SiteRow
from equipoise.web.drill.worlds import CANARIES, World, fixed_tokens, make_world, masked_protocol, run_script

SIZE = 4  # people of the rehearsal in each world
GUESSES = 240  # randomizations that the classifier is tried on
ROUNDS = 40  # fetches a page and world, for the timings
_SHAM = "export sham"  # its arms are shuffled, and named


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many people are in each world."""
    n = SIZE if size is None else size
    report = DrillReport("blind", "sqlite")
    if database:
        report.notes.append("the worlds are kept in SQLite, whatever database is named")
    protocol = masked_protocol()
    one, two = (make_world(protocol, swapped=swapped, n=n) for swapped in (False, True))
    try:
        pages = [run_script(world) for world in (one, two)]
        exchanged = [one.arms[person] != two.arms[person] for person in one.arms]
        report.require(1, "participants whose arm is another in the second world", sum(exchanged), len(one.arms))
        report.require(2, "answers, files and logs that differ between the worlds", _listed(differing(one, two)), "")
        report.require(3, "answers that took another number of statements", _listed(statements(one, two)), "")
        report.require(4, "answers that hold the name of an arm or a drug", _listed(named(one) + named(two)), "")
        caught = planted(one, two)
        report.require(5, "planted leaks that were not caught", _listed(k for k, v in caught.items() if not v), "")
        seconds = timings(one, two)
        report.require(6, "pages that take longer in one world than noise allows", _listed(seconds), "")
        untaken = not_taken(one, two)
        report.note_value("pages looked at in each world", pages[0])
        report.note_value("answers and files compared", len(one.seen))
        report.note_value("leaks planted", len(LEAKS))
    finally:
        one.close()
        two.close()
    auc, error = guessed(GUESSES)
    report.require(7, "the next arm is guessed no better than by chance", abs(auc - 0.5) <= 3 * error, True)
    report.note_value("area under the curve of a classifier given all that is seen", round(auc, 3))
    report.note_value("its standard error under chance", round(error, 3))
    sure, _ = guessed(GUESSES, told=True)
    report.require(8, "the same classifier guesses it where it is told", sure > 0.9, True)
    report.require(9, "steps of the script that were not taken in both worlds", _listed(untaken), "")
    return report.close()


def _listed(names: Any) -> str:
    found = list(names)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


# ------------------------------------------------------------------ comparing


def differing(one: World, two: World) -> list[str]:
    """What was fetched in both worlds and is not the same to the byte, or in one of them alone."""
    return sorted(name for name in one.seen.keys() | two.seen.keys() if one.seen.get(name) != two.seen.get(name))


# What the comparison is worth only where it was done: the answer in both worlds.
_STEPS = {
    "carol POST /p/N-001/randomize/": b"303",
    "carol POST not hers": b"403",
    "participant POST pin": b"302",
    "participant GET ": b"200",
}


def not_taken(one: World, two: World) -> list[str]:
    """Steps of the script that were not answered as they are when they are taken."""
    return [name for name, status in _STEPS.items() for world in (one, two) if world.seen.get(name, b"")[:3] != status]


def statements(one: World, two: World) -> list[str]:
    """What took another number of SQL statements."""
    return sorted(name for name, count in one.statements.items() if two.statements.get(name) != count)


def spellings(word: str) -> Iterator[bytes]:
    """A word as it could be hidden: plain, reversed, in hexadecimal, in base64 at each offset."""
    yield word.encode()
    yield word[::-1].encode()
    yield word.encode().hex().encode()
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + word.encode())
        yield whole[(4 if offset else 0) : -4]


def named(world: World) -> list[str]:
    """Answers in which the name of an arm or a drug stands, however spelt; the protocol's own text is left out."""
    words = [spelt for word in CANARIES for spelt in spellings(word)]
    out = []
    for name, body in world.seen.items():
        if name.startswith((_SHAM, "export copy")) or "protocol" in name:
            continue  # the text of the protocol, which everybody knows, stands in the first event
        # a guess of the arm is asked by the names of all arms, to everybody alike
        body = re.sub(rb"<(fieldset|dd|tr) data-names-arms.*?</\1>", b"", body, flags=re.DOTALL)
        low = body.lower()
        if any(word.lower() in low for word in words[:3] + words[6:9]) or any(word in body for word in words):
            out.append(name)
    return out


# ------------------------------------------------------------------ planted leaks


@dataclass(frozen=True)
class _Leak:
    """A leak: the channel by which an arm is told, and how an answer is spoilt to tell it (0 or 1)."""

    channel: str
    spoil: Callable[[World, Any, int], None]


def _body(make: Callable[[int], str]) -> Callable[[World, Any, int], None]:
    def spoil(world: World, answered: Any, arm: int) -> None:
        answered.content = answered.content + make(arm).encode()

    return spoil


def _head(name: str, make: Callable[[int], str]) -> Callable[[World, Any, int], None]:
    def spoil(world: World, answered: Any, arm: int) -> None:
        answered[name] = make(arm)

    return spoil


def _status(world: World, answered: Any, arm: int) -> None:
    answered.status_code = 200 + arm


def _cookie(world: World, answered: Any, arm: int) -> None:
    answered.set_cookie("seen", str(arm))


def _statement(world: World, answered: Any, arm: int) -> None:
    for _ in range(arm):
        world.served.trial.count(SiteRow)


def _log(world: World, answered: Any, arm: int) -> None:
    world.seen["log"] = f"drawn up from shelf {arm}".encode()


def _file(world: World, answered: Any, arm: int) -> None:
    world.seen[f"export list-{'ab'[arm]}.csv"] = b""


def _rows_in_order(world: World, answered: Any, arm: int) -> None:
    rows = [b"<tr>P001</tr>", b"<tr>P002</tr>"]
    answered.content = answered.content + b"".join(rows[::-1] if arm else rows)


LEAKS = (
    _Leak("arm in the source of a page", _body(lambda arm: f"<p>{'AB'[arm]}</p>")),
    _Leak("hidden input", _body(lambda arm: f'<input type="hidden" name="g" value="{arm}">')),
    _Leak("data attribute", _body(lambda arm: f'<i data-g="{arm}"></i>')),
    _Leak("comment", _body(lambda arm: f"<!-- {arm} -->")),
    _Leak("class of an element", _body(lambda arm: f'<i class="g{arm}"></i>')),
    _Leak("JSON", _body(lambda arm: f'{{"g": {arm}}}')),
    _Leak("numbers of kits", _body(lambda arm: f"kit {100 + 100 * arm}")),
    _Leak("running numbers of rows of one arm", _body(lambda arm: f"row {17 + arm}")),
    _Leak("count by arm, slots left", _body(lambda arm: f"{20 - arm} left")),
    _Leak("stock of a drug", _body(lambda arm: f"{90 - arm} ampoules")),
    _Leak("part that is asked in one arm", _body(lambda arm: "<fieldset></fieldset>" * arm)),
    _Leak("bound of a dose, volume or rate", _body(lambda arm: f"{(75, 74)[arm]} mL/h")),
    _Leak("list of adverse events of one drug", _body(lambda arm: ("nausea", "drowsiness")[arm])),
    _Leak("order of rows", _rows_in_order),
    _Leak("words of a refusal", _body(lambda arm: ("No.", "Not.")[arm])),
    _Leak("text of a query", _body(lambda arm: ("Q-1: look", "Q-1: look again")[arm])),
    _Leak("view of the audit trail", _body(lambda arm: f"event {arm}")),
    _Leak("length of an answer", _body(lambda arm: " " * arm)),
    _Leak("status of an answer", _status),
    _Leak("ETag", _head("ETag", lambda arm: f'"{arm}"')),
    _Leak("another header", _head("X-Shelf", lambda arm: str(arm))),
    _Leak("compression", _head("Content-Encoding", lambda arm: ("gzip", "br")[arm])),
    _Leak("what a browser keeps", _head("Cache-Control", lambda arm: ("no-store", "private")[arm])),
    _Leak("name of a file sent", _head("Content-Disposition", lambda arm: f"attachment; filename=list-{arm}.csv")),
    _Leak("cookie", _cookie),
    _Leak("name of a file of an export", _file),
    _Leak("line of a log", _log),
    _Leak("name of the pharmacist on the page", _body(lambda arm: ("phil", "petra")[arm])),
    _Leak("number of statements", _statement),
    _Leak("name hidden in base64", _body(lambda arm: base64.b64encode(CANARIES[arm].encode()).decode())),
)


def planted(one: World, two: World) -> dict[str, bool]:
    """Each leak planted at one page of a participant, in both worlds; whether the comparison names it."""
    person = sorted(one.arms)[0]
    arms = sorted({one.arms[person], two.arms[person]})
    out = {}
    for leak in LEAKS:
        found: list[tuple[dict[str, bytes], dict[str, int]]] = []
        for world in (one, two):
            arm = arms.index(world.arms[person])
            kept = world.seen, world.statements, world.leak
            world.seen, world.statements = {}, {}
            world.leak = lambda at, name, answered, leak=leak, arm=arm: leak.spoil(at, answered, arm)
            _one_page(world)
            found.append((world.seen, world.statements))
            world.seen, world.statements, world.leak = kept
        out[leak.channel] = found[0] != found[1]
    out["nothing planted"] = _same_without(one, two)
    return out


def _one_page(world: World) -> None:
    """A page fetched with the same tokens each time."""
    from django.test import Client

    with fixed_tokens("one page"):
        client = Client(headers={"host": "localhost"}, **{"equipoise.served": world.served})
        world.keep("a page", lambda: client.get("/sign-in/"))


def _same_without(one: World, two: World) -> bool:
    """The control: the very page, with nothing planted, is the same in both worlds."""
    found = []
    for world in (one, two):
        kept = world.seen, world.statements
        world.seen, world.statements = {}, {}
        _one_page(world)
        found.append((world.seen, world.statements))
        world.seen, world.statements = kept
    return found[0] == found[1]


# ------------------------------------------------------------------ timings


def timings(one: World, two: World, rounds: int = ROUNDS) -> list[str]:
    """Pages of participants fetched in turn in both worlds; those whose medians lie further apart than noise allows.

    Noise is what the same page in the same world shows: five times the standard error of a median by the spread of the
    middle half, and half a millisecond.
    """
    out = []
    people = sorted(one.arms)
    clients = [(world, world.client("carol")) for world in (one, two)]
    for at in ["/today/", *(f"/p/{person}/" for person in people[:2])]:
        spent: list[list[float]] = [[], []]
        for turn in range(rounds):
            for side in (0, 1) if turn % 2 else (1, 0):
                begin = time.perf_counter()
                clients[side][1].get(at)
                spent[side].append(time.perf_counter() - begin)
        spread = max(float(np.subtract(*np.percentile(row, [75, 25]))) for row in spent)
        allowed = 5 * 1.25 * spread / 1.35 * (2 / rounds) ** 0.5 + 0.0005
        if abs(median(spent[0]) - median(spent[1])) > allowed:
            out.append(at)
    return out


# ------------------------------------------------------------------ guessing


def guessed(n: int, *, told: bool = False) -> tuple[float, float]:
    """How well the arm is guessed from all that is seen of a randomization: area under the curve, and its standard
    error under chance.

    Half of the randomizations teach a linear classifier, the other half tries it. ``told`` adds the arm itself, to see
    that it can learn.
    """
    from equipoise.conduct.drill.stage import staged
    from equipoise.conduct.trial.slots import arm_of

    seen, arms = [], []
    with staged(None, slots=n + 10) as stage:
        people = [f"P-{number:04d}" for number in range(n)]
        stage.enter(people)
        vault = stage.trial.vault(stage.pharmacy)
        for number, person in enumerate(people):
            receipt = stage.do("randomize", participant=person)
            seen.append(_features(number, receipt))
            with stage.trial.use():
                arms.append(arm_of(stage.trial, vault, person, 1))
    labels = np.array([arm == sorted(set(arms))[0] for arm in arms], dtype=float)
    features = np.array(seen)
    if told:
        features = np.column_stack([features, labels])
    half = n // 2
    centre, scale = features[:half].mean(0), features[:half].std(0) + 1e-9
    design = np.column_stack([np.ones(n), (features - centre) / scale])
    penalty = np.eye(design.shape[1]) * 10.0
    taught = design[:half]
    weights = np.linalg.solve(taught.T @ taught + penalty, taught.T @ (labels[:half] - labels[:half].mean()))
    return _area(design[half:] @ weights, labels[half:])


def _features(number: int, receipt: Any) -> list[float]:
    """What a blinded person sees: order, handle, anchor, number of the event, length of the answer, second."""
    handle = receipt.answer["handle"].replace("-", "")
    shown = f"{receipt.answer}{receipt.anchor.text}{receipt.warnings}"
    return [
        float(number),
        float(number % 2),
        float(number % 4),
        float(receipt.events[0]),
        float(len(shown)),
        float(receipt.anchor.at[17:19]),
        *(float(ord(letter)) for letter in handle),
        *(float(int(digit, 16)) for digit in receipt.anchor.text.rpartition("-")[2][:12]),
    ]


def _area(scores: Any, labels: Any) -> tuple[float, float]:
    """Area under the curve by ranks, and its standard error under chance."""
    order = scores.argsort()
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    n_1, n_0 = labels.sum(), (1 - labels).sum()
    area = (ranks[labels == 1].sum() - n_1 * (n_1 + 1) / 2) / (n_1 * n_0)
    return float(area), float(((n_1 + n_0 + 1) / (12 * n_1 * n_0)) ** 0.5)
