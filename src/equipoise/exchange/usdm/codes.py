"""Codes of the CDISC terminology that are known for certain; whatever else needs one has a code of the sponsor's own.

Codes and names are those of the USDM terminology and of SDTM's lists of routes, units, phases, models and blinding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CDISC, CDISC_VERSION = "http://www.cdisc.org", "2025-03-28"
SPONSOR, SPONSOR_VERSION = "equipoise", "2"  # the protocol language, by its version

Known = tuple[str, str]  # code, name

MODELS: Mapping[str, Known] = {
    "parallel": ("C82639", "Parallel Study"),
    "factorial": ("C82638", "Factorial Study"),
    "crossover": ("C82637", "Crossover Study"),
    "single-arm": ("C82640", "Single Group Study"),
}
PHASES: Mapping[str, Known] = {
    "phase 1": ("C15600", "Phase I Trial"),
    "phase 1/2": ("C15693", "Phase I/II Trial"),
    "phase 2": ("C15601", "Phase II Trial"),
    "phase 2/3": ("C15694", "Phase II/III Trial"),
    "phase 3": ("C15602", "Phase III Trial"),
    "phase 4": ("C15603", "Phase IV Trial"),
}
ARM_TYPES: Mapping[str, Known] = {
    "experimental": ("C174266", "Investigational Arm"),
    "single": ("C174266", "Investigational Arm"),
    "active-control": ("C174267", "Active Comparator Arm"),
    "placebo-control": ("C174268", "Placebo Control Arm"),
}
EPOCH_TYPES: Mapping[str, Known] = {
    "screening": ("C202487", "Screening Epoch"),
    "baseline": ("C125938", "Baseline Epoch"),
    "treatment": ("C101526", "Treatment Epoch"),
    "follow-up": ("C202578", "Follow-Up Epoch"),
    "washout": ("C42872", "Washout Period"),
    "run-in": ("C98779", "Run-in Period"),
}
MASKED_ROLES: Mapping[str, Known] = {
    "participant": ("C41189", "Study Subject"),
    "care-provider": ("C17445", "Care Provider"),
    "investigator": ("C25936", "Investigator"),
    "outcome-assessor": ("C207599", "Outcomes Assessor"),
}
BLINDING: Mapping[str, Known] = {
    "open": ("C49659", "Open Label Study"),
    "single": ("C28233", "Single Blind Study"),
    "double": ("C15228", "Double Blind Study"),
}
INTERVENTION_ROLES: Mapping[str, Known] = {
    "experimental": ("C41161", "Experimental Intervention"),
    "active-control": ("C68609", "Active Comparator"),
    "placebo-control": ("C753", "Placebo"),
    "background": ("C165822", "Background Treatment"),
}
DRUG: Known = ("C1909", "Pharmacologic Substance")
ROUTES: Mapping[str, Known] = {
    "intravenous": ("C38276", "Intravenous Route of Administration"),
    "intramuscular": ("C28161", "Intramuscular Route of Administration"),
    "oral": ("C38288", "Oral Route of Administration"),
    "nasal": ("C38284", "Nasal Route of Administration"),
    "subcutaneous": ("C38299", "Subcutaneous Route of Administration"),
    "sublingual": ("C38300", "Sublingual Route of Administration"),
    "transdermal": ("C38305", "Transdermal Route of Administration"),
}
UNITS: Mapping[str, Known] = {
    "mg": ("C28253", "Milligram"),
    "mg/kg": ("C67401", "Milligram per Kilogram"),
    "mL": ("C28254", "Milliliter"),
    "g": ("C48155", "Gram"),
    "min": ("C48154", "Minute"),
    "h": ("C25529", "Hour"),
    "years": ("C29848", "Year"),
}
OBJECTIVES: Mapping[str, Known] = {
    "primary": ("C85826", "Primary Objective"),
    "secondary": ("C85827", "Secondary Objective"),
    "exploratory": ("C163559", "Exploratory Objective"),
}
ENDPOINTS: Mapping[str, Known] = {
    "primary": ("C94496", "Primary Endpoint"),
    "secondary": ("C139173", "Secondary Endpoint"),
    "exploratory": ("C170559", "Exploratory Endpoint"),
}
CRITERIA: Mapping[str, Known] = {
    "include": ("C25532", "Inclusion Criteria"),
    "exclude": ("C25370", "Exclusion Criteria"),
}
OFFICIAL_TITLE: Known = ("C207616", "Official Study Title")
ACRONYM: Known = ("C94108", "Study Acronym")
SPONSOR_ROLE: Known = ("C70793", "Sponsor")
REGISTRY: Known = ("C93453", "Clinical Study Registry")
INTERVENTIONAL: Known = ("C98388", "Interventional Study")
RANDOMIZED: Known = ("C46079", "Randomized")
STRATIFIED: Known = ("C147145", "Stratified Randomisation")
VISIT: Known = ("C25716", "Visit")
WITHIN_STUDY: Known = ("C188866", "Data Generated Within Study")
AFTER: Known = ("C201356", "After")
BEFORE: Known = ("C201357", "Before")
FIXED: Known = ("C201358", "Fixed Reference")
START_TO_START: Known = ("C201355", "Start to Start")


def key_of(table: Mapping[str, Known], code: Mapping[str, Any] | None) -> str | None:
    """The key of a table whose code, or whose name, a Code of a file has; ``None`` for another."""
    if not code:
        return None
    number, name = str(code.get("code", "")), str(code.get("decode", "")).strip().lower()
    for key, known in table.items():
        if known[0] == number or known[1].lower() == name:
            return key
    return None
