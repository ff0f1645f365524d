"""One SDTM domain from its rows: variables in the guide's order, sequence numbers, long texts and further variables in
SUPP--, and no domain in which a required variable is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from equipoise.exchange.cdisc.datasets import LONGEST_TEXT, CdiscDataset, DatasetVariable, cut_to, is_unique, pieces_of
from equipoise.exchange.cdisc.study import SdtmStudy
from equipoise.exchange.cdisc.vocabulary import (
    CLASSES,
    DATASET_LABELS,
    STRUCTURES,
    DomainVariable,
    term_lists,
    variables_of,
)

# What stands in SUPP--: by its name, its label and where it comes from.
Supplements = Mapping[str, tuple[str, str]]
NO_SUPPLEMENT = ("TA", "TE", "TV", "TI", "TS", "SE", "SV")


@dataclass
class DomainRows:
    """The rows of a domain before they are ordered: ``frame`` under SDTM names, and further columns for SUPP--."""

    name: str
    frame: pl.DataFrame
    keys: tuple[str, ...]
    supplements: Supplements = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)  # by variable; "" for the dataset
    decodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by variable, words for sponsor's codes


def make_domain(study: SdtmStudy, rows: DomainRows) -> list[CdiscDataset]:
    """The domain and its SUPP--; nothing, with the reason in the account, where a required variable is empty."""
    name, specs = rows.name, variables_of(rows.name)
    if not rows.frame.height:
        return []
    frame = rows.frame.with_columns(pl.lit(study.id).alias("STUDYID"))
    if any(spec.name == "DOMAIN" for spec in specs):
        frame = frame.with_columns(pl.lit(name).alias("DOMAIN"))
    keys = ["STUDYID", *rows.keys]
    frame = _sequenced(frame, name, keys, specs)
    empty = [
        s.name for s in specs if s.core == "Req" and (s.name not in frame.columns or frame[s.name].null_count() > 0)
    ]
    if empty:
        study.account.withdraw(name, f"{', '.join(empty)} may not be empty, and is for some rows")
        return []
    frame, longer = _split(frame, specs, study, name)
    kept = [s for s in specs if _is_kept(s, frame)]
    variables = tuple(_variable(s, frame, rows, study) for s in kept)
    columns = [
        frame[s.name].cast(pl.Float64 if s.type == "Num" else pl.String)
        if s.name in frame.columns
        else pl.Series(s.name, [None] * frame.height, dtype=pl.Float64 if s.type == "Num" else pl.String)
        for s in kept
    ]
    # a key that nobody has a value of is no variable of the dataset
    keys = [key for key in keys if any(key == s.name for s in kept)]
    if not is_unique(frame, keys) and f"{name}SEQ" in frame.columns:
        keys.append(f"{name}SEQ")
    dataset = CdiscDataset(
        name,
        DATASET_LABELS[name],
        CLASSES[name],
        STRUCTURES[name],
        tuple(keys),
        variables,
        pl.DataFrame(columns),
        is_reference=CLASSES[name] == "TRIAL DESIGN",
        comment=rows.comments.get("", ""),
    )
    further = _supplement(study, name, frame, {**rows.supplements, **longer})
    return [dataset, *([further] if further is not None else [])]


def _sequenced(frame: pl.DataFrame, name: str, keys: Sequence[str], specs: Sequence[DomainVariable]) -> pl.DataFrame:
    """Rows in a fixed order, numbered within participants: the same rows have the same numbers."""
    own = [s.name for s in specs if s.name in frame.columns and s.name not in keys]
    rest = [c for c in frame.columns if c not in keys and c not in own and not c.startswith("_")]
    frame = frame.sort([*keys, *own, *sorted(rest)], nulls_last=True, maintain_order=True)
    column = f"{name}SEQ"
    if not any(s.name == column for s in specs) or column in frame.columns:
        return frame
    by = "USUBJID" if "USUBJID" in frame.columns else "STUDYID"
    return frame.with_columns(pl.int_range(1, pl.len() + 1).over(by).cast(pl.Float64).alias(column))


def _is_kept(spec: DomainVariable, frame: pl.DataFrame) -> bool:
    if spec.core != "Perm":
        return True
    return spec.name in frame.columns and frame[spec.name].null_count() < frame.height


def _split(
    frame: pl.DataFrame, specs: Sequence[DomainVariable], study: SdtmStudy, name: str
) -> tuple[pl.DataFrame, dict[str, tuple[str, str]]]:
    """Texts of more than 200 bytes are cut there, and go on in SUPP-- (trial design has none: their end is lost)."""
    longer: dict[str, tuple[str, str]] = {}
    for spec in specs:
        if spec.type != "Char" or spec.name not in frame.columns:
            continue
        series = frame[spec.name].cast(pl.String)
        if not ((series.str.len_bytes() > LONGEST_TEXT).any()):
            continue
        texts = series.to_list()
        parts = [pieces_of(text) if text else [] for text in texts]
        frame = frame.with_columns(pl.Series(spec.name, [p[0] if p else t for p, t in zip(parts, texts, strict=True)]))
        if name in NO_SUPPLEMENT:
            n = sum(len(p) > 1 for p in parts)
            study.account.note(name, f"{n} texts are longer than {LONGEST_TEXT} bytes, and cut there", n, spec.name)
            continue
        for number in range(1, max(len(p) for p in parts)):
            qnam = f"{spec.name[: 8 - len(str(number))]}{number}"
            frame = frame.with_columns(
                pl.Series(qnam, [p[number] if len(p) > number else None for p in parts], dtype=pl.String)
            )
            longer[qnam] = (cut_to(f"{spec.label} {number}", 40)[0], "CRF")
    return frame, longer


def _supplement(study: SdtmStudy, name: str, frame: pl.DataFrame, named: Supplements) -> CdiscDataset | None:
    """SUPP--: a row for each further value of each row."""
    parts = []
    for qnam, (label, origin) in sorted(named.items()):
        if qnam not in frame.columns:
            continue
        some = frame.filter(pl.col(qnam).is_not_null())
        if not some.height:
            continue
        held = some[qnam].cast(pl.String).to_list()
        if any(len(text.encode("utf-8")) > LONGEST_TEXT for text in held):
            study.account.note(f"SUPP{name}", f"texts of {qnam} are cut at {LONGEST_TEXT} bytes", column=qnam)
            held = [cut_to(text)[0] for text in held]
        by_number = name != "DM"
        parts.append(
            some.select(
                pl.lit(study.id).alias("STUDYID"),
                pl.lit(name).alias("RDOMAIN"),
                "USUBJID",
                pl.lit(f"{name}SEQ" if by_number else None, dtype=pl.String).alias("IDVAR"),
                (
                    pl.col(f"{name}SEQ").cast(pl.Int64).cast(pl.String) if by_number else pl.lit(None, dtype=pl.String)
                ).alias("IDVARVAL"),
                pl.lit(qnam).alias("QNAM"),
                pl.lit(label).alias("QLABEL"),
                pl.Series("QVAL", held, dtype=pl.String),
                pl.lit(origin).alias("QORIG"),
                pl.lit(None, dtype=pl.String).alias("QEVAL"),
                (pl.col(f"{name}SEQ") if by_number else pl.lit(0.0)).alias("_order"),
            )
        )
    if not parts:
        return None
    whole = pl.concat(parts).sort("USUBJID", "_order", "QNAM").drop("_order")
    variables = tuple(
        DatasetVariable(s.name, s.label, role=s.role, core=s.core, origin="Assigned", source="Sponsor")
        for s in variables_of("SUPPQUAL")
    )
    return CdiscDataset(
        f"SUPP{name}",
        f"Supplemental Qualifiers for {name}",
        "RELATIONSHIP",
        "One record per supplemental qualifier per related parent record",
        ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM"),
        variables,
        whole.select([s.name for s in variables_of("SUPPQUAL")]),
        by_value=("QNAM", "QVAL"),
    )


_DERIVED = {
    "USUBJID": "STUDYID, SITEID and SUBJID, joined by dashes.",
    "SEQ": "Number of the record within the participant, in the order of the keys.",
    "DY": "Study day: day 1 is RFSTDTC, the day before is -1, there is no day 0.",
    "LOBXFL": "Y for the last result before the day of the first dose.",
    "EPOCH": "The epoch of the protocol's calendar that holds the day.",
    "STRESC": "As collected.",
    "STRESN": "As collected.",
    "ARMNRS": "From consent, eligibility, allocation and treatment received.",
    "RFPENDTC": "The last day on which a visit was kept or the participant left.",
}


def _variable(spec: DomainVariable, frame: pl.DataFrame, rows: DomainRows, study: SdtmStudy) -> DatasetVariable:
    """What Define-XML says of a variable."""
    name, domain = spec.name, rows.name
    stem = name.removeprefix(domain) if name.startswith(domain) and domain != "DM" else name
    is_dtc = stem.endswith("DTC")
    values = frame[name].drop_nulls() if name in frame.columns else pl.Series([], dtype=pl.String)
    if is_dtc:
        kind = "datetime" if values.cast(pl.String).str.contains("T").any() else "date"
    elif spec.type == "Num":
        kind = (
            "integer" if stem in ("SEQ", "DY", "STDY", "ENDY", "VISITDY", "TAETORD") or _is_whole(values) else "float"
        )
        kind = "float" if stem in ("VISITNUM", "STRESN", "DOSE", "TPTNUM") else kind
    else:
        kind = "duration" if stem in ("DUR", "ELTM") else "text"
    method = next(
        (words for end, words in _DERIVED.items() if stem == end or (end == "DY" and stem in ("STDY", "ENDY"))), ""
    )
    if method and domain not in ("TA", "TE", "TV", "TI", "TS"):
        origin, source = "Derived", "Sponsor"
    elif domain in ("TA", "TE", "TV", "TI", "TS") or stem == "VISITDY":
        origin, source, method = "Protocol", "Sponsor", ""
    elif spec.role == "Identifier" or stem in _ASSIGNED or spec.codelist == "C66734":
        origin, source = "Assigned", "Sponsor"
    else:
        origin, source = "Collected", "Subject" if domain in ("QS", "SU") else "Investigator"
    if not values.len():
        origin, source, method = "Not Available", "Sponsor", ""
    listed_terms = _terms(spec, values, rows)
    comment = rows.comments.get(name, "")
    if not values.len() and not comment:
        comment = "Not collected, or not known to the records that this was made from."
    if is_dtc and not values.len() and not study.dates:
        comment = "The records hold study days and no calendar dates; none is invented."
    return DatasetVariable(
        name, spec.label, kind, spec.role, spec.core, origin, source, comment, method, spec.codelist, listed_terms
    )


_ASSIGNED = frozenset(
    (
        "TESTCD",
        "TEST",
        "CAT",
        "SCAT",
        "DECOD",
        "PRESP",
        "VISITNUM",
        "TPT",
        "TPTNUM",
        "TPTREF",
        "SPEC",
        "METHOD",
        "MOOD",
        "ARM",
        "ARMCD",
        "ACTARM",
        "ACTARMCD",
    )
)


def _is_whole(values: pl.Series) -> bool:
    return bool(values.len()) and bool((values.cast(pl.Float64) == values.cast(pl.Float64).round(0)).all())


def _terms(spec: DomainVariable, values: pl.Series, rows: DomainRows) -> dict[str, str]:
    """The terms that occur, by value their words; of variables with a list, and of sponsor's codes."""
    own = rows.decodes.get(spec.name)
    if not values.len() or spec.type != "Char" or (not spec.codelist and own is None):
        return {}
    known = term_lists()[spec.codelist].terms if spec.codelist in term_lists() else {}
    found = sorted(values.cast(pl.String).unique().to_list())
    return {value: (own or {}).get(value) or known.get(value, ("", ""))[1] for value in found}
