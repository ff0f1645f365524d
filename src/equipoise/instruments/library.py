"""The instruments that protocols may name, with the version of each scoring key.

Only item numbers, bounds and keys: most questionnaires are copyrighted, so nobody's wording is kept here. A short form
whose item map no source gave (the 15-item mindfulness questionnaire) is left out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from equipoise.foundation.errors import Problem, UsageError, listed, nearest
from equipoise.instruments.clinical_scales import CLINICAL_SCALES
from equipoise.instruments.instrument import Instrument, Item, MissingRule, SeverityBands

CODES = {"U501": "The library has no such instrument or version."}

_OURS = "our assumption: no source consulted gives a rule"
_THREE_QUARTERS = MissingRule(Fraction(3, 4), _OURS)
_ALL_NEEDED = MissingRule(Fraction(1), "a single value cannot be filled in")

_FACETS = {
    "observe": (1, 6, 11, 15, 20, 26, 31, 36),
    "describe": (2, 7, 12, 16, 22, 27, 32, 37),
    "act-with-awareness": (5, 8, 13, 18, 23, 28, 34, 38),
    "nonjudge": (3, 10, 14, 17, 25, 30, 35, 39),
    "nonreact": (4, 9, 19, 21, 24, 29, 33),
}
_FFMQ_REVERSED = {12, 16, 22, *_FACETS["act-with-awareness"], *_FACETS["nonjudge"]}


def _numbered(n: int, lowest: float, highest: float, reverse: Iterable[int] = ()) -> tuple[Item, ...]:
    turned = set(reverse)
    return tuple(Item(str(number), lowest, highest, number in turned) for number in range(1, n + 1))


def _line(id: str, highest: float, note: str) -> Instrument:
    return Instrument(
        id=id,
        version="1",
        name=f"Craving, mark on a line (0 to {highest:g})",
        kind="score",
        items=(Item("score", 0, highest, whole_numbers=False),),
        missing_rule=_ALL_NEEDED,
        licence="Generic; wording is each trial's own.",
        source=note,
        direction="higher is worse",
        unit="mm" if highest == 100 else "points",
    )


def _stress(n: int, reverse: tuple[int, ...]) -> Instrument:
    return Instrument(
        id=f"pss-{n}",
        version="1",
        name=f"Perceived Stress Scale, {n} items",
        kind="questionnaire",
        items=_numbered(n, 0, 4, reverse),
        missing_rule=_THREE_QUARTERS,
        licence="Recalled: free for non-profit academic use; use for profit needs permission.",
        source="Author's scoring page (psy.cmu.edu/~scohen/PSSscore.html)",
        direction="higher is worse",
    )


def _dissociation(n: int) -> Instrument:
    return Instrument(
        id=f"cadss-{n}",
        version="1",
        name=f"Clinician-Administered Dissociative States Scale, {n} items, total only",
        kind="score",
        items=(Item("score", 0, 4 * n),),
        missing_rule=_ALL_NEEDED,
        licence="No free licence found: only the total is stored.",
        source=f"Items score 0 to 4; the range 0 to {4 * n} is derived from that.",
        direction="higher is worse",
        note="23 items are usual where the drug is ketamine; the version of 1998 is recalled as having 27.",
    )


# Recalled: these eight items of the depression scale run from 0 to 2, the other nine from 0 to 4.
_HAMD_SHORT = {4, 5, 6, 12, 13, 14, 16, 17}

_LIBRARY = (
    Instrument(
        id="ffmq-39",
        version="1",
        name="Five Facet Mindfulness Questionnaire, 39 items",
        kind="questionnaire",
        items=_numbered(39, 1, 5, _FFMQ_REVERSED),
        subscales={facet: tuple(str(number) for number in numbers) for facet, numbers in _FACETS.items()},
        missing_rule=_THREE_QUARTERS,
        licence="Widely posted; no licence found.",
        source="Two independent public scoring keys agree (pubcompare.ai; report.stpatricks.ie).",
        direction="higher is better",
    ),
    _stress(10, (4, 5, 7, 8)),
    _stress(14, (4, 5, 6, 7, 9, 10, 13)),
    _line("craving-vas", 100, "0 to 100 mm is usual (recalled)."),
    _line("craving-vas-200", 200, "NCT01790490 records craving from 0 to 200."),
    Instrument(
        id="daily-use-calendar",
        version="1",
        name="Daily-use calendar",
        kind="calendar",
        items=(),
        missing_rule=MissingRule(Fraction(1), "our assumption: days not asked about are left out of every share"),
        has_total=False,
        licence="Our own plain calendar; it is not the protected interview and does not bear its name.",
        source="Derived: days asked, days of use, share of abstinent days, longest abstinent run.",
        direction="none",
        unit="days",
    ),
    Instrument(
        id="dissociation",
        version="1",
        name="Dissociation during an infusion, total of a 23-item scale",
        kind="score",
        items=(Item("score", 0, 92),),
        missing_rule=_ALL_NEEDED,
        licence="Only the total is stored.",
        source="As cadss-23; which scale the flagship trial used, if any, is not known.",
        direction="higher is worse",
    ),
    _dissociation(23),
    _dissociation(28),
    Instrument(
        id="cssa",
        version="1",
        name="Cocaine Selective Severity Assessment, 18 items, total only",
        kind="score",
        items=(Item("score", 0, 112),),
        missing_rule=_ALL_NEEDED,
        licence="No licence found: only the total is stored.",
        source="datashare.nida.nih.gov; openscholarship.wustl.edu/bsltests/12",
        direction="higher is worse",
        note="Eighteen items of 0 to 7 reach 112 and not 126: inferred, more and less appetite exclude each other, and "
        "so do more and less sleep.",
    ),
    Instrument(
        id="hamd-17",
        version="1",
        name="Hamilton Depression Rating Scale, 17 items",
        kind="questionnaire",
        items=tuple(Item(str(number), 0, 2 if number in _HAMD_SHORT else 4) for number in range(1, 18)),
        missing_rule=_THREE_QUARTERS,
        licence="Recalled: treated as public domain.",
        source="statistics.datanalysis.net; CamCOPS documentation. Which items run to 2 is recalled.",
        direction="higher is worse",
        bands=(
            SeverityBands(
                "five-bands",
                "shervanshahhian.com",
                (("none", 0, 7), ("mild", 8, 13), ("moderate", 14, 18), ("severe", 19, 22), ("very severe", 23, 52)),
            ),
            SeverityBands(
                "four-bands",
                "statistics.datanalysis.net",
                (("none", 0, 7), ("mild", 8, 16), ("moderate", 17, 23), ("severe", 24, 52)),
            ),
        ),
    ),
    Instrument(
        id="telephone-report",
        version="1",
        name="Telephone report of abstinence, unverified",
        kind="score",
        items=(Item("abstinent", 0, 1),),
        missing_rule=_ALL_NEEDED,
        licence="Our own.",
        source="1: says abstinent; 0: says not.",
        direction="higher is better",
        unit="yes = 1",
    ),
    Instrument(
        id="arm-guess",
        version="1",
        name="Guess of the arm",
        kind="score",
        items=(Item("participant", 0, 20), Item("clinician", 0, 20)),
        has_total=False,
        subscales={"participant": ("participant",), "clinician": ("clinician",)},
        missing_rule=_ALL_NEEDED,
        licence="Our own.",
        source="0: does not know; otherwise the number of the arm in the protocol's order, from 1.",
        direction="none",
        unit="arm number",
    ),
    *CLINICAL_SCALES,
)

INSTRUMENTS: dict[tuple[str, str], Instrument] = {(entry.id, entry.version): entry for entry in _LIBRARY}


def library_names() -> tuple[str, ...]:
    """Names of the library, in the order of the alphabet."""
    return tuple(sorted({entry.id for entry in _LIBRARY}))


def find_instrument(id: str, version: str | None = None) -> Instrument | None:
    """The instrument of that name, in that version or else its latest."""
    found = [entry for entry in _LIBRARY if entry.id == id and version in (None, entry.version)]
    return found[-1] if found else None


def require_instrument(id: str, version: str | None = None, also: Iterable[str] = ()) -> Instrument:
    """:func:`find_instrument`, or :class:`~equipoise.foundation.errors.UsageError` U501 with the nearest name.

    ``also`` are names that would have been right beside those of the library.
    """
    found = find_instrument(id, version)
    if found is not None:
        return found
    names = (*also, *library_names())
    guess = nearest(id, names)
    versions = [entry.version for entry in _LIBRARY if entry.id == id]
    raise UsageError(
        Problem(
            "U501",
            f"instrument {id}" + (f" version {version}" if version else ""),
            f"There is no version {version!r} of {id}." if versions else f"There is no instrument {id!r}.",
            listed(versions or names, limit=40),
            f"Did you mean {guess}?" if guess and not versions else "",
        )
    )


def instrument_table() -> list[dict[str, str]]:
    """The library as a table of itself: one row an instrument, plain text."""
    rows = []
    for entry in _LIBRARY:
        lowest, highest = entry.bounds() if entry.has_total else (None, None)
        rows.append(
            {
                "instrument": entry.id,
                "version": entry.version,
                "name": entry.name,
                "items": str(len(entry.items)),
                "reversed": ", ".join(entry.reversed_items),
                "scales": ", ".join(entry.scales),
                "range": "" if lowest is None else f"{lowest:g} to {highest:g}",
                "missing": entry.missing_rule.words if entry.kind == "questionnaire" else "",
                "missing_basis": entry.missing_rule.basis,
                "licence": entry.licence,
                "source": entry.source,
            }
        )
    return rows
