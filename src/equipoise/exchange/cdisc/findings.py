"""What was measured and asked: LB, VS, and questionnaires and ratings in QS, FT and RS."""

from __future__ import annotations

import re

import polars as pl

from equipoise.exchange.cdisc.datasets import duration_of, number_text, unique_names
from equipoise.exchange.cdisc.domain import DomainRows
from equipoise.exchange.cdisc.study import SdtmStudy, as_number, date_of, index_of, text_of_number
from equipoise.exchange.cdisc.vocabulary import names_of_codes
from equipoise.foundation.errors import listed
from equipoise.instruments import instruments_of
from equipoise.records.schema import MISSED, NEGATIVE, NOT_EVALUABLE, NOT_EXPECTED, POSITIVE

# Test codes of substances that records call by these names; a group of substances is no test.
SUBSTANCES = {
    "opiates": "OPIATE",
    "opiate": "OPIATE",
    "cocaine": "COCAINE",
    "cannabis": "CANNAB",
    "benzodiazepines": "BNZDZPN",
    "benzodiazepine": "BNZDZPN",
    "amphetamine": "AMPHET",
    "amphetamines": "AMPHET",
    "methamphetamine": "METHAMPH",
    "barbiturates": "BARB",
    "barbiturate": "BARB",
    "methadone": "METHDN",
    "buprenorphine": "BUPREN",
    "oxycodone": "OXYCDN",
    "pcp": "PCP",
    "mdma": "MDMA",
    "ethanol": "ETHANOL",
    "alcohol": "ETHANOL",
    "cotinine": "COTININE",
}


def _last_before(study: SdtmStudy, frame: pl.DataFrame, prefix: str, by: list[str]) -> pl.DataFrame:
    """--LOBXFL: Y for the last result before the day of the first dose, one of each test."""
    first = study.first_dose.select("participant_id", "_first")
    frame = frame.join(first, on="participant_id", how="left", maintain_order="left").with_row_index("_row")
    has = pl.col(f"{prefix}STRESC").is_not_null() & pl.col("day").is_not_null() & (index_of("day") < pl.col("_first"))
    last = frame.filter(has.fill_null(False)).sort("day", "_row").group_by("USUBJID", *by).agg(pl.col("_row").last())
    chosen = pl.col("_row").is_in(last["_row"].to_list())
    return frame.with_columns(pl.when(chosen).then(pl.lit("Y")).alias(f"{prefix}LOBXFL")).drop("_first", "_row")


def laboratory(study: SdtmStudy) -> DomainRows:
    """LB: urine samples by substance, positive or negative. A missed sample is not done, and never positive here."""
    frame = study.rows("urine")
    account = study.account
    codes = {**SUBSTANCES, **study.mapping.names("substances")}
    tests = names_of_codes("LBTESTCD", "LBTEST")
    known = pl.col("substance").is_in(list(codes))
    not_due = pl.col("result") == NOT_EXPECTED
    for substance in sorted(frame.filter(~known)["substance"].unique().to_list()):
        n = frame.filter(pl.col("substance") == substance).height
        account.stays("urine", n, f"{substance!r} has no test code; name one under substances")
    account.stays("urine", frame.filter(known & not_due).height, "not expected: the protocol asked for nothing")
    frame = study.with_visits(frame.filter(known & ~not_due))
    account.goes("urine", frame.height, "LB")
    missed = pl.col("result") == MISSED
    results = {POSITIVE: "POSITIVE", NEGATIVE: "NEGATIVE"}
    result = pl.col("result").replace_strict(results, default=None, return_dtype=pl.String)
    code = pl.col("substance").replace_strict(codes, default=None, return_dtype=pl.String)
    own = {c: s.replace("-", " ").capitalize()[:40] for s, c in codes.items() if c not in tests}
    frame = frame.with_columns(code.alias("LBTESTCD"))
    # of two names of one substance in one sample (alcohol and ethanol) each keeps its row: --SEQ tells them apart
    frame = frame.with_columns(
        pl.col("LBTESTCD").replace_strict({**tests, **own}, default=None, return_dtype=pl.String).alias("LBTEST"),
        pl.lit("DRUG SCREEN").alias("LBCAT"),
        result.alias("LBORRES"),
        result.alias("LBSTRESC"),
        pl.when(missed | (pl.col("result") == NOT_EVALUABLE)).then(pl.lit("NOT DONE")).alias("LBSTAT"),
        pl.when(missed)
        .then(pl.lit("VISIT MISSED"))
        .when(pl.col("result") == NOT_EVALUABLE)
        .then(pl.lit("NOT EVALUABLE"))
        .alias("LBREASND"),
        pl.lit("URINE").alias("LBSPEC"),
        pl.lit(study.mapping.said("urine-method"), dtype=pl.String).alias("LBMETHOD"),
        pl.when(~missed).then(date_of("day")).alias("LBDTC"),
        pl.when(~missed).then(as_number("day")).alias("LBDY"),
        pl.when(missed).then(pl.coalesce("VISITDY", as_number("day"))).otherwise(pl.col("VISITDY")).alias("VISITDY"),
        pl.when(~missed).then(study.epoch_of("day")).alias("EPOCH"),
    )
    frame = _last_before(study, frame, "LB", ["LBTESTCD"])
    return DomainRows("LB", frame, ("USUBJID", "LBTESTCD", "VISITNUM", "LBDY"), decodes={"LBTESTCD": {**tests, **own}})


_SIGNS = (
    ("systolic", "SYSBP", "mmHg"),
    ("diastolic", "DIABP", "mmHg"),
    ("pulse", "PULSE", "beats/min"),
    ("saturation", "OXYSAT", "%"),
)


def vital_signs(study: SdtmStudy) -> DomainRows:
    """VS: a row for each sign and minute of an infusion."""
    frame = study.rows("vitals")
    if study.edition == "sham":
        study.account.stays("vitals", frame.height, "of infusions named by dummy arms")
        study.account.withdraw("VS", "the infusions of a sham cut are named by dummy arms")
        return DomainRows("VS", frame.clear(), ())
    empty = pl.all_horizontal(pl.col(sign).is_null() for sign, _, _ in _SIGNS)
    study.account.stays("vitals", frame.filter(empty).height, "no sign was measured")
    frame = frame.filter(~empty)
    study.account.goes("vitals", frame.height, "VS")
    minutes = frame["minute"].to_list()
    base = frame.with_columns(
        pl.col("intervention").alias("VSGRPID"),
        pl.Series("VSTPT", [f"MINUTE {number_text(m)}" for m in minutes], dtype=pl.String),
        pl.col("minute").alias("VSTPTNUM"),
        pl.Series("VSELTM", [duration_of(m) for m in minutes], dtype=pl.String),
        pl.lit("START OF INFUSION").alias("VSTPTREF"),
        date_of("day").alias("VSRFTDTC"),
        date_of("day").alias("VSDTC"),
        as_number("day").alias("VSDY"),
        study.epoch_of("day").alias("EPOCH"),
        pl.lit(None, dtype=pl.Float64).alias("VISITNUM"),
    )
    tests = names_of_codes("VSTESTCD", "VSTEST")
    parts = [
        base.filter(pl.col(sign).is_not_null()).with_columns(
            pl.lit(code).alias("VSTESTCD"),
            pl.lit(tests[code]).alias("VSTEST"),
            text_of_number(sign).alias("VSORRES"),
            pl.lit(unit).alias("VSORRESU"),
            text_of_number(sign).alias("VSSTRESC"),
            pl.col(sign).alias("VSSTRESN"),
            pl.lit(unit).alias("VSSTRESU"),
        )
        for sign, code, unit in _SIGNS
    ]
    whole = _last_before(study, pl.concat(parts), "VS", ["VSTESTCD"])
    keys = ("USUBJID", "VSTESTCD", "VSGRPID", "VSDY", "VSTPTNUM")
    comments = {"VISITNUM": "Null: signs are recorded by infusion and minute."}
    return DomainRows("VS", whole, keys, comments=comments, decodes={"VSTESTCD": tests})


def _natural(text: str) -> tuple[object, ...]:
    """A key by which item 10 comes after item 9."""
    return tuple((1, part) if not part.isdigit() else (0, part.zfill(9)) for part in re.split(r"(\d+)", text) if part)


def codes_of_items(
    study: SdtmStudy, instruments: list[str], items: dict[str, list[str]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """By instrument and item, test code and test name: the mapping's, or the sponsor's own, the same for every export.

    A sponsor's code is of letters of the instrument and the number of the item among the instrument's own.
    """
    out: dict[tuple[str, str], tuple[str, str]] = {}
    known = instruments_of(study.protocol)
    sizes = {}
    for name in instruments:
        instrument = known.get(name)
        own = [item.id for item in instrument.items] if instrument is not None else []
        scales = sorted(instrument.scales, key=_natural) if instrument is not None else []
        order = [*own, *(s for s in scales if s not in own)]
        order += sorted((i for i in items[name] if i not in order), key=_natural)
        sizes[name] = order
    digits = {name: max(2, len(str(len(order)))) for name, order in sizes.items()}
    prefixes = unique_names(instruments, longest=min((8 - d for d in digits.values()), default=6), prefix="Q")
    for name, order in sizes.items():
        said = study.mapping.said("instruments", name, "items") or {}
        for number, item in enumerate(order, start=1):
            words = f"{name.upper()}-{'Item ' if item.isdigit() else ''}{item}"[:40]
            answer = said.get(item) or {}
            code = answer.get("code") or f"{prefixes[name]}{number:0{digits[name]}}"
            out[(name, item)] = (code, answer.get("name") or words)
    return out


def questionnaires(study: SdtmStudy) -> list[DomainRows]:
    """QS, FT and RS: the answers to items, and scores as they were recorded; an item left out is not done."""
    frame = study.rows("assessments")
    if not frame.height:
        return []
    instruments = sorted(frame["instrument"].unique().to_list())
    items = {name: frame.filter(pl.col("instrument") == name)["item"].unique().to_list() for name in instruments}
    codes = codes_of_items(study, instruments, items)
    used = [codes[(name, item)][0] for name in instruments for item in items[name]]
    twice = sorted({code for code in used if used.count(code) > 1})
    if twice:
        study.account.stays("assessments", frame.height, "see QS")
        study.account.withdraw("QS", f"the mapping gives one code to several items: {listed(twice, conjunction='and')}")
        return []
    table = pl.DataFrame(
        [
            {
                "instrument": name,
                "item": item,
                "_code": codes[(name, item)][0],
                "_test": codes[(name, item)][1],
                "_category": study.mapping.said("instruments", name, "category") or name.upper(),
                "_domain": study.mapping.said("instruments", name, "domain") or "QS",
            }
            for name in instruments
            for item in items[name]
        ]
    )
    frame = study.with_visits(frame.join(table, on=["instrument", "item"], how="left", maintain_order="left"))
    out = []
    for domain in ("QS", "FT", "RS"):
        part = frame.filter(pl.col("_domain") == domain)
        if not part.height:
            continue
        study.account.goes("assessments", part.height, domain)
        value = text_of_number("value")
        part = part.with_columns(
            pl.col("_code").alias(f"{domain}TESTCD"),
            pl.col("_test").alias(f"{domain}TEST"),
            pl.col("_category").alias(f"{domain}CAT"),
            value.alias(f"{domain}ORRES"),
            value.alias(f"{domain}STRESC"),
            pl.col("value").alias(f"{domain}STRESN"),
            pl.when(pl.col("value").is_null()).then(pl.lit("NOT DONE")).alias(f"{domain}STAT"),
            date_of("day").alias(f"{domain}DTC"),
            as_number("day").alias(f"{domain}DY"),
            study.epoch_of("day").alias("EPOCH"),
        )
        part = _last_before(study, part, domain, [f"{domain}TESTCD"])
        decodes = {f"{domain}TESTCD": dict(part.select("_code", "_test").unique().iter_rows())}
        keys = ("USUBJID", f"{domain}CAT", f"{domain}TESTCD", "VISITNUM")
        out.append(DomainRows(domain, part, keys, decodes=decodes))
    return out
