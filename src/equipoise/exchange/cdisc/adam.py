"""Analysis datasets of ADaM: ADSL from DM, and what the endpoints came to in ADTTE, ADQS, ADUSE and ADEFF.

Endpoints are derived where every analysis derives them; nothing is derived again here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import NOTHING, UNKNOWN, Lattice
from equipoise.exchange.cdisc.datasets import CdiscDataset, DatasetVariable, cut_to, unique_names
from equipoise.exchange.cdisc.study import SdtmStudy
from equipoise.foundation.calendar import study_day
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.schema import TABLES

_OF_USE = ("abstinence", "abstinent-days", "repeated-use", "use-by-day", "use-by-week", "pattern")
_OF_SCORES = ("score", "score-criterion", "report", "finding")
_LABELS = {
    "ADSL": "Subject-Level Analysis Dataset",
    "ADTTE": "Time-to-Event Analysis",
    "ADQS": "Questionnaire Analysis",
    "ADUSE": "Substance Use Analysis",
    "ADEFF": "Other Endpoints Analysis",
}
_DEFINITION = (
    "By the definition of the endpoint in the protocol, from the records that SDTM holds in the domains of SRCDOM."
)


@dataclass(frozen=True)
class AdamParts:
    """What analysis datasets are made of: endpoints as derived, the lattice of the first stage, members of sets."""

    derived: Mapping[str, Derived] = field(default_factory=dict)
    lattice: Lattice | None = None
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)


def make_adam(study: SdtmStudy, sdtm: Sequence[CdiscDataset], parts: AdamParts) -> list[CdiscDataset]:
    """The datasets, for a study whose SDTM is ``sdtm``; ``study.account`` says what was left out, and why.

    Without DM there is none. A cut that shows no arms has ADSL alone, without treatments: endpoints are derived by arm.
    """
    dm = next((dataset for dataset in sdtm if dataset.name == "DM"), None)
    account = study.account
    if dm is None:
        account.note("ADSL", f"left out: there is no DM: nothing says {'; '.join(study.blockers)}")
        return []
    adsl = _subjects(study, dm, parts)
    if not study.shows_arms or parts.lattice is None or not parts.derived:
        why = "the data cut shows no arms" if not study.shows_arms else "no arm is known of anybody"
        for name in ("ADTTE", "ADQS", "ADUSE", "ADEFF"):
            account.note(name, f"left out: {why}, and endpoints are derived for randomized participants by arm")
        return [adsl]
    codes = unique_names([*parts.derived, *(f"USE {name}" for name in study.protocol.model.use)])
    by_set: dict[str, list[pl.DataFrame]] = {name: [] for name in _LABELS if name != "ADSL"}
    for id, one in parts.derived.items():
        place = _place(one)
        if place is None:
            account.note("ADEFF", f"the endpoint {id} is a hierarchy of several values, and is in no dataset")
            continue
        by_set[place].append(_rows(study.protocol, one, codes[id]))
    by_set["ADUSE"] += _daily(parts.lattice, codes)
    return [adsl, *(_structured(study, name, rows, adsl) for name, rows in by_set.items() if rows)]


def _place(one: Derived) -> str | None:
    if one.shape == "time-to-event":
        return "ADTTE"
    if one.shape == "hierarchical":
        return None
    return "ADUSE" if one.kind in _OF_USE else "ADQS" if one.kind in _OF_SCORES else "ADEFF"


def sources_of(protocol: Protocol, id: str) -> str:
    """The SDTM domains that an endpoint looks at."""
    endpoint: Any = protocol.model.endpoints[id]
    found: list[str] = []
    for base in endpoint.made_of:
        found += sources_of(protocol, base).split(", ")
    named = [
        getattr(endpoint, "use", None),
        *(getattr(rule, "use", None) for rule in getattr(endpoint, "first_of", ())),
    ]
    for name in named:
        use = protocol.model.use.get(name) if isinstance(name, str) else None
        found += [{"urine": "LB", "self-report": "SU"}[source] for source in use.by] if use is not None else []
    if endpoint.kind in _OF_SCORES:
        found.append("QS")
    found += {"received": ["EX"], "event": ["CE", "DS"], "event-count": ["CE"]}.get(endpoint.kind, [])
    return ", ".join(dict.fromkeys(part for part in found if part))


def _subjects(study: SdtmStudy, dm: CdiscDataset, parts: AdamParts) -> CdiscDataset:
    """ADSL: everybody in DM, with planned and actual treatment, sets of analysis and baseline variables."""
    base = dm.frame
    kept = [v for v in dm.variables if v.name in _FROM_DM and base[v.name].null_count() < base.height]
    variables = [_from_dm(v) for v in kept]
    columns = [base[v.name] for v in kept]

    def add(variable: DatasetVariable, values: pl.Series) -> None:
        variables.append(variable)
        columns.append(values.alias(variable.name))

    subjects = base["SUBJID"].to_list()
    if study.shows_arms:
        numbers = {study.protocol.arm_label(arm): float(k) for k, arm in enumerate(study.protocol.arm_ids, start=1)}
        for source, letter, word in (("ARM", "P", "Planned"), ("ACTARM", "A", "Actual")):
            name = f"TRT01{letter}"
            label = f"{word} Treatment for Period 01"
            comment = "The arm; where several stages have arms, one after another."
            add(_variable(name, label, predecessor=f"DM.{source}", comment=comment), base[source])
            number = base[source].replace_strict(numbers, default=None, return_dtype=pl.Float64)
            add(_variable(f"{name}N", f"{label} (N)", "integer", method="Number of the arm in the protocol."), number)
    allocated = set(study.records["allocations"]["participant_id"].to_list())
    add(_flag("RANDFL", "Randomized Population Flag", "Allocated to an arm."), _yes(subjects, allocated))
    for id, name in unique_names(list(parts.sets), longest=6).items():
        words = study.protocol.model.analysis_sets[id].words
        add(_flag(f"{name}FL", cut_to(f"Set: {id.replace('-', ' ')}", 40)[0], words), _yes(subjects, parts.sets[id]))
    for variable, values in _baseline(study, [v.name for v in variables]):
        add(variable, values)
    return CdiscDataset(
        "ADSL",
        _LABELS["ADSL"],
        "SUBJECT LEVEL ANALYSIS DATASET",
        "One record per subject",
        ("STUDYID", "USUBJID"),
        tuple(variables),
        pl.DataFrame(columns),
    )


_FROM_DM = frozenset(
    (
        "STUDYID",
        "USUBJID",
        "SUBJID",
        "SITEID",
        "COUNTRY",
        "AGE",
        "AGEU",
        "SEX",
        "RACE",
        "ETHNIC",
        "DTHFL",
        "ARMCD",
        "ARM",
    )
) | {"ACTARMCD", "ACTARM", "ARMNRS", "RFSTDTC"}


def _from_dm(v: DatasetVariable) -> DatasetVariable:
    return DatasetVariable(
        v.name, v.label, v.type, core=v.core, codelist=v.codelist, terms=v.terms, predecessor=f"DM.{v.name}"
    )


def _variable(name: str, label: str, kind: str = "text", **more: str) -> DatasetVariable:
    return DatasetVariable(name, label, kind, origin="Derived", source="Sponsor", **more)  # type: ignore[arg-type]


def _flag(name: str, label: str, words: str) -> DatasetVariable:
    terms = {"N": "No", "Y": "Yes"}
    return DatasetVariable(
        name, label, origin="Derived", source="Sponsor", method=words, codelist="C66742", terms=terms
    )


def _yes(subjects: Sequence[str], chosen: set[str] | frozenset[str]) -> pl.Series:
    return pl.Series(["Y" if subject in chosen else "N" for subject in subjects], dtype=pl.String)


def _baseline(study: SdtmStudy, taken: list[str]) -> list[tuple[DatasetVariable, pl.Series]]:
    """Variables measured before randomization, those in DM left out."""
    used = {study.mapping.said(key, "from") for key in ("sex", "age", "race", "ethnicity")} - {None}
    skip = {*TABLES["participants"].polars_schema, *(name.replace("-", "_") for name in used)}
    own = [c for c in study.consented.columns if c not in skip]
    names = dict(list(unique_names([*taken, *own]).items())[len(taken) :])
    out = []
    for column, name in names.items():
        entry = study.protocol.model.baseline.get(column.replace("_", "-")) or study.protocol.model.baseline.get(column)
        words = (entry.label if entry is not None else None) or column.replace("_", " ")
        values = study.consented[column]
        is_number = values.dtype.is_numeric()
        made = values.cast(pl.Float64) if is_number else values.cast(pl.String)
        if not is_number:
            made = pl.Series([None if v is None else cut_to(v)[0] for v in made.to_list()], dtype=pl.String)
        predecessor = f"SUPPDM.QVAL where QNAM is {unique_names([column])[column]}"
        out.append((_variable(name, cut_to(words, 40)[0], "float" if is_number else "text", comment=predecessor), made))
    return out


def _rows(protocol: Protocol, one: Derived, code: str) -> pl.DataFrame:
    """What an endpoint came to: a row for each participant, or for each participant and visit."""
    people = one.participants.frame
    n = one.n
    label = protocol.endpoint_label(one.endpoint)
    base = {
        "participant_id": people["participant_id"].to_list(),
        "_arm": people["arm"].to_list(),
        "_received": people["arm_received"].to_list(),
    }
    said = {"PARAMCD": code, "SRCDOM": sources_of(protocol, one.endpoint) or None}
    if one.shape == "time-to-event":
        assert one.time is not None
        assert one.event is not None
        competing = one.competing if one.competing is not None else np.zeros(n, dtype=np.bool_)
        cause = one.cause.tolist() if one.cause is not None else [""] * n
        rows = []
        for k in range(n):
            known = not np.isnan(one.time[k])
            event, other = bool(one.event[k]), bool(competing[k])
            told = one.event_word if event else f"other event: {cause[k]}" if other else "censored"
            rows.append(
                (
                    float(one.time[k]) if known else None,
                    (0.0 if event else 2.0 if other else 1.0) if known else None,
                    told if known else None,
                )
            )
        more = {"AVAL": [r[0] for r in rows], "CNSR": [r[1] for r in rows], "EVNTDESC": [r[2] for r in rows]}
        return _frame({**base, **more}, {**said, "PARAM": cut_to(f"{label} (days)")[0]})
    if one.shape in ("binary", "number", "ordered"):
        assert one.value is not None
        values = [None if np.isnan(v) else float(v) for v in one.value]
        imputed = one.imputed if one.imputed is not None else np.zeros(n, dtype=np.bool_)
        ruled = ["RULE" if i and v is not None else None for i, v in zip(imputed.tolist(), values, strict=True)]
        words: list[str | None] = [None] * n
        if one.shape == "ordered":
            words = [None if v is None else one.categories[int(v)] for v in values]
        elif one.shape == "binary":
            words = [None if v is None else "Y" if v == 1 else "N" for v in values]
        return _frame({**base, "AVAL": values, "AVALC": words, "DTYPE": ruled}, {**said, "PARAM": cut_to(label)[0]})
    assert one.values is not None
    n_visits = len(one.visit_names)
    every = {name: [v for v in column for _ in range(n_visits)] for name, column in base.items()}
    values = [None if np.isnan(v) else float(v) for v in one.values.ravel()]
    visits = {"AVISIT": list(one.visit_names) * n, "AVISITN": [float(k + 1) for k in range(n_visits)] * n}
    words = (
        [None if v is None else "Y" if v == 1 else "N" for v in values]
        if one.shape == "repeated-binary"
        else [None] * len(values)
    )
    of = " (logarithm)" if one.logarithm else " (change from baseline)" if one.is_change else ""
    return _frame({**every, **visits, "AVAL": values, "AVALC": words}, {**said, "PARAM": cut_to(label + of)[0]})


_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("participant_id", "_arm", "_received", "PARAM", "PARAMCD", "AVISIT"), pl.String),
    "AVISITN": pl.Float64,
    "ADY": pl.Float64,
    "AVAL": pl.Float64,
    "AVALC": pl.String,
    "DTYPE": pl.String,
    "CNSR": pl.Float64,
    "EVNTDESC": pl.String,
    "SRCDOM": pl.String,
}


def _frame(columns: Mapping[str, Any], constants: Mapping[str, Any]) -> pl.DataFrame:
    made = pl.DataFrame({k: pl.Series(v, dtype=_SCHEMA[k]) for k, v in columns.items()})
    rest = {**dict.fromkeys(_SCHEMA), **constants}
    return made.with_columns(pl.lit(v, dtype=_SCHEMA[k]).alias(k) for k, v in rest.items() if k not in columns).select(
        list(_SCHEMA)
    )


def _daily(lattice: Lattice, codes: Mapping[str, str]) -> list[pl.DataFrame]:
    """Each day that some source told of, by each definition of use: used, not used, or not known."""
    out = []
    people = lattice.participants.frame
    for name, use in lattice.protocol.model.use.items():
        urine, told = lattice.use_by_source(name)
        unclear = lattice.days_without_amount(name)
        looked = (urine != NOTHING) | (told != NOTHING)
        known = ((urine != NOTHING) & (urine != UNKNOWN)) | ((told != NOTHING) & (told != UNKNOWN))
        if unclear is not None:
            looked, known = looked | unclear, known & ~unclear
        used = lattice.used(name)
        row, column = np.nonzero(looked)
        if not row.size:
            continue
        value = np.where(known[row, column], used[row, column].astype(np.float64), np.nan)
        sources = ", ".join({"urine": "LB", "self-report": "SU"}[source] for source in use.by)
        chosen = people[row.tolist()]
        out.append(
            _frame(
                {
                    "participant_id": chosen["participant_id"],
                    "_arm": chosen["arm"],
                    "_received": chosen["arm_received"],
                    "ADY": [float(study_day(int(c) + lattice.first)) for c in column],
                    "AVAL": pl.Series(value).fill_nan(None),
                    "AVALC": [None if np.isnan(v) else "Y" if v else "N" for v in value],
                },
                {
                    "PARAMCD": codes[f"USE {name}"],
                    "PARAM": cut_to(f"Day of use: {name.replace('-', ' ')}")[0],
                    "SRCDOM": sources,
                },
            )
        )
    return out


_WORDS: Mapping[str, tuple[str, str]] = {
    "PARAM": ("Parameter", "text"),
    "PARAMCD": ("Parameter Code", "text"),
    "AVISIT": ("Analysis Visit", "text"),
    "AVISITN": ("Analysis Visit (N)", "integer"),
    "ADY": ("Analysis Relative Day", "integer"),
    "AVAL": ("Analysis Value", "float"),
    "AVALC": ("Analysis Value (C)", "text"),
    "DTYPE": ("Derivation Type", "text"),
    "CNSR": ("Censor", "integer"),
    "EVNTDESC": ("Event or Censoring Description", "text"),
    "SRCDOM": ("Source Data", "text"),
}
_IDENTIFIERS = (
    ("STUDYID", "Study Identifier"),
    ("USUBJID", "Unique Subject Identifier"),
    ("SITEID", "Study Site Identifier"),
)
_COMMENTS = {
    "DTYPE": "RULE: the value rests on the endpoint's rule for what is missing.",
    "CNSR": "0: the event; 1: censored; 2: another event that ends the risk.",
    "SRCDOM": "The SDTM domains that the endpoint looks at.",
    "ADY": "Study day of the protocol, which is that of SDTM.",
}


def _structured(study: SdtmStudy, name: str, parts: list[pl.DataFrame], adsl: CdiscDataset) -> CdiscDataset:
    """A dataset in the basic data structure: treatment and sets from ADSL, then parameters and values."""
    whole = pl.concat(parts)
    labels = {arm: study.protocol.arm_label(arm) for arm in study.protocol.arm_ids}
    numbers = {arm: float(k) for k, arm in enumerate(study.protocol.arm_ids, start=1)}
    flags = [v for v in adsl.variables if v.name.endswith("FL") and v.name not in ("DTHFL", "RANDFL")]
    subject = adsl.frame.select(
        pl.col("SUBJID").alias("participant_id"), "STUDYID", "USUBJID", "SITEID", *(v.name for v in flags)
    )
    frame = whole.join(subject, on="participant_id", how="inner", maintain_order="left")
    lost = whole.height - frame.height
    if lost:
        study.account.note(name, "results are of people without consent, who are not in DM", lost)
    frame = frame.with_columns(
        pl.col("_arm").replace_strict(labels, default=None, return_dtype=pl.String).alias("TRTP"),
        pl.col("_arm").replace_strict(numbers, default=None, return_dtype=pl.Float64).alias("TRTPN"),
        pl.col("_received").replace_strict(labels, default=None, return_dtype=pl.String).alias("TRTA"),
        pl.col("_received").replace_strict(numbers, default=None, return_dtype=pl.Float64).alias("TRTAN"),
        pl.when(pl.col("AVAL").is_not_null()).then(pl.lit("Y")).alias("ANL01FL"),
    )
    keys = ["STUDYID", "USUBJID", "PARAMCD", *(c for c in ("AVISITN", "ADY") if frame[c].null_count() < frame.height)]
    variables = [
        *(_variable(n, label, predecessor=f"ADSL.{n}") for n, label in _IDENTIFIERS),
        _variable("TRTP", "Planned Treatment", method="The arm allocated in the endpoint's stage."),
        _variable("TRTPN", "Planned Treatment (N)", "integer", method="Number of the arm in the protocol."),
        _variable("TRTA", "Actual Treatment", method="The arm whose treatment was given in the endpoint's stage."),
        _variable("TRTAN", "Actual Treatment (N)", "integer", method="Number of the arm in the protocol."),
        *(replace(v, method="", predecessor=f"ADSL.{v.name}") for v in flags),
    ]
    for column, (label, kind) in _WORDS.items():
        if frame[column].null_count() < frame.height or column in ("AVAL", "PARAM", "PARAMCD"):
            terms = dict(frame.select(column, "PARAM").unique().sort(column).iter_rows()) if column == "PARAMCD" else {}
            method = _DEFINITION if column in ("AVAL", "CNSR") else ""
            variables.append(
                DatasetVariable(
                    column,
                    label,
                    kind,
                    origin="Derived",
                    source="Sponsor",
                    method=method,
                    terms=terms,
                    comment=_COMMENTS.get(column, ""),
                    core="Req" if column in ("PARAM", "PARAMCD") else "Perm",
                )
            )
    variables.append(
        DatasetVariable(
            "ANL01FL", "Analysis Flag 01", origin="Derived", source="Sponsor", method="Y where there is a value."
        )
    )
    return CdiscDataset(
        name,
        _LABELS[name],
        "BASIC DATA STRUCTURE",
        "One record per subject per parameter per analysis visit or day",
        tuple(keys),
        tuple(variables),
        frame.sort(keys, nulls_last=True, maintain_order=True).select([v.name for v in variables]),
        by_value=("PARAMCD", "AVAL"),
    )
