"""A mapping file to fill in: every question that these records and this protocol raise, none of them answered."""

from __future__ import annotations

import json

from equipoise.exchange.cdisc.vocabulary import term_lists
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.records import Records
from equipoise.records.schema import ANY_SUBSTANCE


def mapping_template(protocol: Protocol, records: Records) -> str:
    """The text of a mapping file with a key for every name that occurs, and the terms to choose from as comments."""
    people = records["participants"]
    sites = sorted(people["site"].drop_nulls().unique().to_list())
    lines = [
        f"# What SDTM needs to know of {protocol.id}, and no program may guess. Fill in what you know; a key without",
        "# a value says nothing. The page docs/cdisc.md explains each key.",
        f"study-id:   # by default {protocol.id.upper()}",
    ]
    if people["site"].null_count() or not sites:
        lines += ["site:   # of participants without a site: its number, and its country in three capitals (ISO 3166)"]
        lines += ["  id:", "  country:"]
    if sites:
        lines += ["sites:"]
        for name in sites:
            lines += [f"  {_key(name)}:", "    id:", "    country:"]
    lines += _coded("sex", "C66731", protocol, "everybody: U, if nobody's sex was recorded")
    lines += ["age:   # in years", f"  from:   # one of {_columns(protocol, ('number',))}"]
    lines += _coded("race", "C74457", protocol)
    lines += _coded("ethnicity", "C66790", protocol)
    lines += _names("arms", protocol.arm_ids, "code of each arm, at most 20 capitals and digits; by default its name")
    lines += _names("epochs", protocol.model.calendar.epochs, f"such as {_terms('C99079')}; by default the name")
    tested = sorted(records["urine"]["substance"].unique().to_list())
    lines += _names("substances", tested, "test code of each substance looked for in urine; known ones need none")
    units = sorted(records["daily_use"]["unit"].drop_nulls().unique().to_list())
    lines += _names("units", units, f"units of amounts used, such as {_terms('C71620')}")
    lines += ["urine-method:   # how urine was tested, such as IMMUNOASSAY"]
    lines += ["daily-use-category:   # such as TIMELINE FOLLOW-BACK"]
    given = sorted({*records["exposure"]["intervention"].to_list(), *records["sessions"]["intervention"].to_list()})
    if given:
        lines += [
            "treatments:   # name of the drug or therapy; dose form and route of a drug; placebo: true for a placebo"
        ]
        for name in given:
            lines += [f"  {_key(name)}:", "    name:"]
            if name in set(records["exposure"]["intervention"].to_list()):
                lines += ["    form:", "    route:", "    placebo:"]
    asked = sorted(records["assessments"]["instrument"].unique().to_list())
    if asked:
        lines += ["instruments:   # domain QS, FT (functional test) or RS (clinician-rated); category; codes of items"]
        for name in asked:
            lines += [f"  {_key(name)}:", "    domain:", "    category:", "    items:"]
    if records["adverse_events"].height:
        n = records["adverse_events"]["term"].n_unique()
        lines += [f"adverse-events:   # a CSV file with columns term and AEDECOD (and other codes); {n} terms to code"]
        outcomes = sorted(records["adverse_events"]["outcome"].drop_nulls().unique().to_list())
        lines += _names("outcomes", outcomes, f"one of {_terms('C66768')}")
    left = records["disposition"].filter(
        records["disposition"]["event"].is_in(["treatment_discontinuation", "study_withdrawal"])
    )
    reasons = sorted({reason or "" for reason in left["reason"].to_list()})
    lines += _names("reasons", reasons, f"one of {_terms('C66727')}")
    if (records["disposition"]["event"] == "administrative_end").any():
        lines += ["administrative-end:   # STUDY TERMINATED BY SPONSOR or SITE TERMINATED BY SPONSOR"]
    why = sorted(people["ineligible_reason"].drop_nulls().unique().to_list())
    lines += _names("criteria", why, "the criterion of the protocol that was not met")
    lines += ["trial-summary:   # parameters that the protocol file does not state"]
    lines += [f"  {code}:   # {words}" for code, words in SUMMARY_QUESTIONS.items()]
    return "\n".join(lines) + "\n"


SUMMARY_QUESTIONS = {
    "TPHASE": "phase, such as PHASE II TRIAL",
    "TBLIND": "OPEN LABEL, SINGLE BLIND or DOUBLE BLIND",
    "TTYPE": "type, such as EFFICACY",
    "AGEMIN": "youngest age, such as P18Y",
    "AGEMAX": "oldest age, such as P60Y, or empty if there is none",
    "SEXPOP": "BOTH, F or M",
    "REGID": "registry number",
    "SPONSOR": "sponsor",
    "SSTDTC": "date of the first consent",
    "SENDTC": "date of the last contact",
}


def _terms(code: str) -> str:
    return ", ".join(list(term_lists()[code].terms)[:8])


def _columns(protocol: Protocol, types: tuple[str, ...]) -> str:
    found = [id for id, variable in protocol.model.recorded_baseline.items() if variable.type in types]
    return ", ".join(found) or "no variable of the protocol"


def _coded(key: str, code: str, protocol: Protocol, other: str = "") -> list[str]:
    lines = [f"{key}:   # {_terms(code)}" + (f"; or {other}" if other else "")]
    lines += [f"  from:   # one of {_columns(protocol, ('category', 'yes-no'))}"]
    return [*lines, "  values:   # each level of that variable, with its term", "  missing:"]


def _names(key: str, names: object, words: str) -> list[str]:
    found = [name for name in names if name != ANY_SUBSTANCE]  # type: ignore[attr-defined]
    return [f"{key}:   # {words}", *(f"  {_key(name)}:" for name in found)] if found else []


def _key(name: str) -> str:
    plain = name and all(c.isalnum() or c in "-_" for c in name) and name[0].isalpha()
    return (
        name
        if plain and name.lower() not in ("true", "false", "null", "yes", "no")
        else json.dumps(name, ensure_ascii=False)
    )
