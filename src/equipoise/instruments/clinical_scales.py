"""Scales of drinking, mood, anxiety, global impression, suicidality and health status: keys, without any wording.

Answers and arithmetic are facts of the published scales; bands and thresholds are their authors'. Where no text of a
source was at hand when a key was written down, it says *recalled*.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from equipoise.instruments.instrument import Instrument, Item, MissingRule, ScoreThreshold, SeverityBands

_EVERY_ITEM = MissingRule(Fraction(1), "our assumption: no source consulted gives a rule")
_ALONE = MissingRule(Fraction(1), "a single value cannot be filled in")
_BY_SOURCE = "the instruction manual of the questionnaires, recalled"
_NO_LICENCE = "No free licence found: only the total is stored."


def _numbered(n: int, lowest: float, highest: float) -> tuple[Item, ...]:
    return tuple(Item(str(number), lowest, highest) for number in range(1, n + 1))


def _numbers(first: int, last: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(first, last + 1))


def _bands(id: str, source: str, *bands: tuple[str, float, float]) -> SeverityBands:
    return SeverityBands(id, source, bands)


_AUDIT_MANUAL = "Babor and others, AUDIT, second edition, World Health Organization 2001 (WHO/MSD/MSB/01.6a)"

_DRINKING = (
    Instrument(
        id="audit",
        version="1",
        name="Alcohol Use Disorders Identification Test, 10 items",
        kind="questionnaire",
        items=(
            *_numbered(8, 0, 4),
            *(Item(number, 0, 4, levels=(0.0, 2.0, 4.0)) for number in ("9", "10")),
        ),
        missing_rule=_EVERY_ITEM,
        licence="Free of charge with reference to the source; the wording is in the manual.",
        source=f"{_AUDIT_MANUAL}; items 9 and 10 are answered 0, 2 or 4.",
        direction="higher is worse",
        bands=(
            _bands(
                "zones", _AUDIT_MANUAL, ("zone I", 0, 7), ("zone II", 8, 15), ("zone III", 16, 19), ("zone IV", 20, 40)
            ),
        ),
        thresholds=(ScoreThreshold("hazardous", "hazardous or harmful drinking is likely", _AUDIT_MANUAL, at_least=8),),
    ),
    Instrument(
        id="audit-c",
        version="1",
        name="Alcohol Use Disorders Identification Test, consumption items 1 to 3",
        kind="questionnaire",
        items=_numbered(3, 0, 4),
        missing_rule=_EVERY_ITEM,
        licence="As the AUDIT, whose first three items these are.",
        source="Bush and others 1998, Arch Intern Med 158:1789-1795; thresholds by sex: Bradley and others 2007, "
        "Alcohol Clin Exp Res 31:1208-1217 (recalled).",
        direction="higher is worse",
        thresholds=(
            ScoreThreshold(
                "positive",
                "positive screen",
                "Bradley and others 2007, recalled",
                at_least=(("female", 3.0), ("male", 4.0)),
                of="sex",
            ),
        ),
    ),
    Instrument(
        id="ocds",
        version="1",
        name="Obsessive Compulsive Drinking Scale, 14 items, simple sums",
        kind="questionnaire",
        items=_numbered(14, 0, 4),
        subscales={"obsessive": _numbers(1, 6), "compulsive": _numbers(7, 14)},
        missing_rule=_EVERY_ITEM,
        licence="No free licence found; no wording is kept.",
        source="Anton, Moak and Latham 1995, Alcohol Clin Exp Res 19:92-99; items of the subscales: "
        "farmacodependencia.com.",
        direction="higher is worse",
        note="The authors' own total (0 to 40) takes the higher of items 1 and 2, 7 and 8, 9 and 10, 13 and 14: record "
        "it as ocds-40. Trials use both, and rarely say which.",
    ),
    Instrument(
        id="ocds-40",
        version="1",
        name="Obsessive Compulsive Drinking Scale, total of the authors' scoring",
        kind="score",
        items=(Item("total", 0, 40),),
        missing_rule=_ALONE,
        licence=_NO_LICENCE,
        source="Ten values of 0 to 4, four of them the higher of a pair (farmacodependencia.com).",
        direction="higher is worse",
    ),
)

_PHQ = "Kroenke, Spitzer and Williams 2001, J Gen Intern Med 16:606-613"
_GAD = "Spitzer and others 2006, Arch Intern Med 166:1092-1097"
_SNAITH = "Snaith and others 1986, Br J Psychiatry 148:599-601"
_BDI = "Beck, Steer and Brown 1996, manual of the second edition, recalled"

# Recalled: these items of the depression scale run from 0 to 2 and item 20 from 0 to 3, the others from 0 to 4.
_HAMD_TO_TWO = {4, 5, 6, 12, 13, 14, 16, 17, 18, 21}
_GUY = "Guy 1976, ECDEU Assessment Manual for Psychopharmacology, recalled"


def _hamilton(n: int, note: str) -> Instrument:
    highest = {number: 2 if number in _HAMD_TO_TWO else 3 if number == 20 else 4 for number in range(1, n + 1)}
    return Instrument(
        id=f"hamd-{n}",
        version="1",
        name=f"Hamilton Depression Rating Scale, {n} items",
        kind="questionnaire",
        items=tuple(Item(str(number), 0, top) for number, top in highest.items()),
        missing_rule=_EVERY_ITEM,
        licence="Recalled: treated as public domain.",
        source=f"{_GUY}; items 1 to 17 as hamd-17.",
        direction="higher is worse",
        note=note,
    )


_MOOD = (
    Instrument(
        id="phq-9",
        version="1",
        name="Patient Health Questionnaire, 9 items of depression",
        kind="questionnaire",
        items=_numbered(9, 0, 3),
        missing_rule=MissingRule(Fraction(1), _BY_SOURCE, left_out=2),
        licence="Public domain (phqscreeners.com, as CamCOPS quotes it).",
        source=_PHQ,
        direction="higher is worse",
        bands=(
            _bands(
                "kroenke",
                _PHQ,
                ("minimal", 0, 4),
                ("mild", 5, 9),
                ("moderate", 10, 14),
                ("moderately severe", 15, 19),
                ("severe", 20, 27),
            ),
        ),
        thresholds=(
            ScoreThreshold("depression", "major depression is likely", _PHQ, at_least=10),
            ScoreThreshold("remission", "remission", "score below 5; Kroenke and others, recalled", at_most=4),
        ),
    ),
    Instrument(
        id="gad-7",
        version="1",
        name="Generalized Anxiety Disorder scale, 7 items",
        kind="questionnaire",
        items=_numbered(7, 0, 3),
        missing_rule=MissingRule(Fraction(1), _BY_SOURCE, left_out=2),
        licence="Public domain (phqscreeners.com, as CamCOPS quotes it).",
        source=_GAD,
        direction="higher is worse",
        bands=(_bands("spitzer", _GAD, ("minimal", 0, 4), ("mild", 5, 9), ("moderate", 10, 14), ("severe", 15, 21)),),
        thresholds=(ScoreThreshold("anxiety", "generalized anxiety disorder is likely", _GAD, at_least=10),),
    ),
    Instrument(
        id="madrs",
        version="1",
        name="Montgomery-Asberg Depression Rating Scale, 10 items",
        kind="questionnaire",
        items=_numbered(10, 0, 6),
        missing_rule=_EVERY_ITEM,
        licence="Wording under copyright; none is kept.",
        source="Montgomery and Asberg 1979, Br J Psychiatry 134:382-389.",
        direction="higher is worse",
        bands=(_bands("snaith", _SNAITH, ("none", 0, 6), ("mild", 7, 19), ("moderate", 20, 34), ("severe", 35, 60)),),
        thresholds=(
            ScoreThreshold("remission", "remission, the broader definition", "PMID 15101563", at_most=9),
            ScoreThreshold("remission-narrow", "remission, the narrow definition", "PMID 15101563", at_most=4),
        ),
    ),
    Instrument(
        id="bdi-ii",
        version="1",
        name="Beck Depression Inventory, second edition, total only",
        kind="score",
        items=(Item("total", 0, 63),),
        missing_rule=_ALONE,
        licence="The inventory is sold by its publisher: only the total is stored.",
        source="21 items of 0 to 3 reach 63.",
        direction="higher is worse",
        bands=(_bands("manual", _BDI, ("minimal", 0, 13), ("mild", 14, 19), ("moderate", 20, 28), ("severe", 29, 63)),),
    ),
    _hamilton(21, "Items 18 to 21 describe the illness; Hamilton's own total is of the first 17 (hamd-17)."),
    _hamilton(
        24, "Items 22 to 24 follow the 21; forms that number the items otherwise must be put into this order before."
    ),
)


def _impression(id: str, name: str, thresholds: tuple[ScoreThreshold, ...] = ()) -> Instrument:
    return Instrument(
        id=id,
        version="1",
        name=name,
        kind="score",
        items=(Item("score", 1, 7),),
        missing_rule=_ALONE,
        licence="Public domain (recalled).",
        source=f"{_GUY}; 0, not assessed, is left empty.",
        direction="higher is worse",
        thresholds=thresholds,
    )


def _health(id: str, levels: int) -> Instrument:
    dimensions = ("mobility", "self-care", "usual-activities", "pain", "anxiety")
    items = (*(Item(name, 1, levels) for name in dimensions), Item("vas", 0, 100))
    return Instrument(
        id=id,
        version="1",
        name=f"EQ-5D-{levels}L, five dimensions of {levels} levels and the visual analogue scale: inputs of an index",
        kind="questionnaire",
        items=items,
        subscales={item.id: (item.id,) for item in items},
        has_total=False,
        missing_rule=_EVERY_ITEM,
        licence="Use needs registration with the EuroQol Research Foundation; no wording is kept.",
        source="EuroQol Research Foundation, user guides (recalled).",
        direction="none",
        note="Levels do not add up to anything published; the index needs the value set of a country, which is not "
        "part of the key: record the index as eq-5d-index. Of the dimensions lower is better, of the visual analogue "
        "scale higher.",
    )


_IDEATION = tuple(f"ideation-{level}" for level in range(1, 6))
_BEHAVIOUR = ("preparatory", "aborted", "interrupted", "attempt")
_POSNER = (
    "Posner and others 2011, Am J Psychiatry 168:1266-1277; the composite flags: FDA draft guidance 2012 (recalled)"
)

_OTHERS = (
    _impression("cgi-s", "Clinical Global Impression, severity"),
    _impression(
        "cgi-i",
        "Clinical Global Impression, improvement",
        (ScoreThreshold("responder", "much or very much improved", _GUY, scale="score", at_most=2),),
    ),
    Instrument(
        id="c-ssrs",
        version="1",
        name="Columbia-Suicide Severity Rating Scale, yes-or-no flags",
        kind="questionnaire",
        items=tuple(Item(name, 0, 1) for name in (*_IDEATION, *_BEHAVIOUR, "self-injury")),
        subscales={"ideation": _IDEATION, "behaviour": _BEHAVIOUR, "self-injury": ("self-injury",)},
        has_total=False,
        missing_rule=_EVERY_ITEM,
        licence="The wording is free to use with permission of the Columbia Lighthouse Project; none is kept.",
        source=_POSNER,
        direction="higher is worse",
        note="1 is yes, 0 is no. A scale counts its flags; self-injury without suicidal intent is kept apart.",
        thresholds=(
            ScoreThreshold("suicidal-ideation", "any suicidal ideation", _POSNER, scale="ideation", at_least=1),
            ScoreThreshold("suicidal-behaviour", "any suicidal behaviour", _POSNER, scale="behaviour", at_least=1),
        ),
    ),
    _health("eq-5d-3l", 3),
    _health("eq-5d-5l", 5),
    Instrument(
        id="eq-5d-index",
        version="1",
        name="EQ-5D index by the value set that the trial names",
        kind="score",
        items=(Item("index", -1, 1, whole_numbers=False),),
        missing_rule=_ALONE,
        licence="Only the index is stored.",
        source="1 is full health, 0 as bad as death; no published value set goes below -1 (recalled).",
        direction="higher is better",
        unit="index",
    ),
)

CLINICAL_SCALES: Iterable[Instrument] = (*_DRINKING, *_MOOD, *_OTHERS)
