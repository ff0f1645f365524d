"""What SDTM has: the variables of its domains (implementation guide 3.4), and terms of its controlled terminology.

Both are tables beside this file. The terminology is a selection: of the lists that records can have values of, with the
codes that the US National Cancer Institute gives to lists and terms. Terms outside it are written as the sponsor's own.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

SDTM_GUIDE, SDTM_MODEL, ADAM_GUIDE = "3.4", "2.0", "1.3"
Core = Literal["Req", "Exp", "Perm"]


@dataclass(frozen=True, slots=True)
class DomainVariable:
    """A variable of an SDTM domain: its label, type, role, whether it is required, and its list of terms."""

    name: str
    label: str
    type: str
    role: str
    core: str
    codelist: str


@dataclass(frozen=True, slots=True)
class TermList:
    """A list of controlled terms: ``terms`` are the code and the preferred name by the value that data hold."""

    name: str
    code: str
    title: str
    is_extensible: bool
    terms: dict[str, tuple[str, str]]


@cache
def variables_of(domain: str) -> tuple[DomainVariable, ...]:
    """The variables of a domain in the order of the guide; SUPPQUAL for any SUPP--."""
    text = files(__package__).joinpath("sdtm_variables.csv").read_text("utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["domain"] == domain]
    return tuple(
        DomainVariable(row["variable"], row["label"], row["type"], row["role"], row["core"], row["codelist"])
        for row in rows
    )


@cache
def _terminology() -> dict[str, object]:
    text = files(__package__).joinpath("terminology.json").read_text("utf-8")
    said: dict[str, object] = json.loads(text)
    return said


def terminology_version() -> str:
    """Date of the package of terms."""
    return str(_terminology()["version"])


@cache
def term_lists() -> dict[str, TermList]:
    """Every list of the selection by its code."""
    rows: list[dict[str, object]] = _terminology()["codelists"]  # type: ignore[assignment]
    lists = {}
    for row in rows:
        terms: list[list[str]] = row["terms"]  # type: ignore[assignment]
        lists[str(row["code"])] = TermList(
            str(row["name"]),
            str(row["code"]),
            str(row["title"]),
            bool(row["extensible"]),
            {value: (code, name) for code, value, name in terms},
        )
    return lists


@cache
def names_of_codes(codes: str, names: str) -> dict[str, str]:
    """The test name of each test code: two lists of one another's terms, matched by the code of the term."""
    by_code = {code: value for value, (code, _) in _list(names).terms.items()}
    return {value: by_code[code] for value, (code, _) in _list(codes).terms.items() if code in by_code}


def _list(name: str) -> TermList:
    return next(one for one in term_lists().values() if one.name == name)


DATASET_LABELS = {
    "DM": "Demographics",
    "SE": "Subject Elements",
    "SV": "Subject Visits",
    "LB": "Laboratory Test Results",
    "SU": "Substance Use",
    "QS": "Questionnaires",
    "FT": "Functional Tests",
    "RS": "Disease Response and Clin Classification",
    "VS": "Vital Signs",
    "EX": "Exposure",
    "EC": "Exposure as Collected",
    "PR": "Procedures",
    "AE": "Adverse Events",
    "CE": "Clinical Events",
    "DS": "Disposition",
    "IE": "Inclusion/Exclusion Criteria Not Met",
    "TA": "Trial Arms",
    "TE": "Trial Elements",
    "TV": "Trial Visits",
    "TI": "Trial Inclusion/Exclusion Criteria",
    "TS": "Trial Summary",
}
CLASSES = {
    **dict.fromkeys(("DM", "SE", "SV"), "SPECIAL PURPOSE"),
    **dict.fromkeys(("LB", "QS", "FT", "RS", "VS", "IE"), "FINDINGS"),
    **dict.fromkeys(("SU", "EX", "EC", "PR"), "INTERVENTIONS"),
    **dict.fromkeys(("AE", "CE", "DS"), "EVENTS"),
    **dict.fromkeys(("TA", "TE", "TV", "TI", "TS"), "TRIAL DESIGN"),
}
# In the order in which Define-XML lists them.
ORDER = (
    *("TA", "TE", "TV", "TI", "TS"),
    *("DM", "SE", "SV", "EC", "EX", "PR", "SU", "AE", "CE", "DS", "IE"),
    *("FT", "LB", "QS", "RS", "VS"),
)
STRUCTURES = {
    "DM": "One record per subject",
    "SE": "One record per actual element per subject",
    "SV": "One record per actual or planned visit per subject",
    "LB": "One record per substance per sample per subject",
    "SU": "One record per substance per day per subject",
    "QS": "One record per item or score per visit per subject",
    "FT": "One record per item or score per visit per subject",
    "RS": "One record per item or score per visit per subject",
    "VS": "One record per sign per time point of an infusion per subject",
    "EX": "One record per dose per subject",
    "EC": "One record per planned or given dose per subject",
    "PR": "One record per therapy session per subject",
    "AE": "One record per adverse event per subject",
    "CE": "One record per clinical event, or day without it, per subject",
    "DS": "One record per disposition event or protocol milestone per subject",
    "IE": "One record per criterion not met per subject",
    "TA": "One record per planned element per arm",
    "TE": "One record per planned element",
    "TV": "One record per planned visit",
    "TI": "One record per criterion",
    "TS": "One record per trial summary parameter value",
}
