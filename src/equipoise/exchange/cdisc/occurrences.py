"""What happened: AE, CE, DS and IE."""

from __future__ import annotations

import polars as pl

from equipoise.exchange.cdisc.domain import DomainRows
from equipoise.exchange.cdisc.study import SdtmStudy, as_number, date_of, date_of_index, index_of, yes_no
from equipoise.exchange.cdisc.trial_design import criteria
from equipoise.exchange.cdisc.vocabulary import variables_of
from equipoise.foundation.errors import listed
from equipoise.records.schema import DEATH

_SEVERITY = {
    "mild": "MILD",
    "moderate": "MODERATE",
    "severe": "SEVERE",
    "life_threatening": "SEVERE",
    "fatal": "SEVERE",
}
OUTCOMES = {
    "recovered": "RECOVERED/RESOLVED",
    "resolved": "RECOVERED/RESOLVED",
    "recovered with sequelae": "RECOVERED/RESOLVED WITH SEQUELAE",
    "recovering": "RECOVERING/RESOLVING",
    "resolving": "RECOVERING/RESOLVING",
    "not recovered": "NOT RECOVERED/NOT RESOLVED",
    "not resolved": "NOT RECOVERED/NOT RESOLVED",
    "fatal": "FATAL",
    "not known": "UNKNOWN",
    "unknown": "UNKNOWN",
}


def adverse_events(study: SdtmStudy) -> DomainRows | None:
    """AE: only where every term has its code, which a licensed dictionary and a person give."""
    frame = study.rows("adverse_events")
    account = study.account
    if not frame.height:
        return None
    terms = frame["term"].unique().to_list()
    absent = sorted(t for t in terms if not study.mapping.codes.get(t, {}).get("AEDECOD"))
    if absent:
        account.stays("adverse_events", frame.height, "AE is left out: see there")
        many = f"{len(absent)} of {len(terms)} terms have no AEDECOD: {listed(absent, conjunction='and', limit=5)}"
        account.withdraw("AE", f"{many}; name a file of codes under adverse-events")
        return None
    account.goes("adverse_events", frame.height, "AE")
    outcomes = {**OUTCOMES, **study.mapping.names("outcomes")}
    strange = frame.filter(~pl.col("outcome").is_in(list(outcomes)))["outcome"].drop_nulls()
    for outcome in sorted(strange.unique().to_list()):
        n = int((strange == outcome).sum())
        account.stays("adverse_events", n, f"the outcome {outcome!r} has no term; name one under outcomes", "outcome")
    specs = {v.name: v for v in variables_of("AE")}
    named = sorted({name for row in study.mapping.codes.values() for name in row})
    coded = []
    for name in named:
        values = [study.mapping.codes[t].get(name) for t in frame["term"].to_list()]
        number = specs[name].type == "Num"
        cells = [None if v is None else float(v) for v in values] if number else values
        coded.append(pl.Series(name, cells, dtype=pl.Float64 if number else pl.String))
    related = pl.when(pl.col("related")).then(pl.lit("RELATED")).when(~pl.col("related")).then(pl.lit("NOT RELATED"))
    frame = frame.with_columns(coded).with_columns(
        pl.col("event").cast(pl.String).alias("AESPID"),
        pl.col("term").alias("AETERM"),
        pl.col("severity").replace_strict(_SEVERITY, default=None, return_dtype=pl.String).alias("AESEV"),
        yes_no("serious").alias("AESER"),
        related.alias("AEREL"),
        pl.col("outcome").replace_strict(outcomes, default=None, return_dtype=pl.String).alias("AEOUT"),
        pl.when(pl.col("severity") == "fatal").then(pl.lit("Y")).alias("AESDTH"),
        pl.when(pl.col("severity") == "life_threatening").then(pl.lit("Y")).alias("AESLIFE"),
        study.epoch_of("onset_day").alias("EPOCH"),
        pl.coalesce(date_of("onset_day"), _partial("onset")).alias("AESTDTC"),
        pl.coalesce(date_of("end_day"), _partial("end")).alias("AEENDTC"),
        as_number("onset_day").alias("AESTDY"),
        as_number("end_day").alias("AEENDY"),
    )
    ended = pl.col("end_day").is_not_null() | pl.col("end_latest_day").is_not_null()
    over = pl.col("AEOUT").is_in(["RECOVERED/RESOLVED", "RECOVERED/RESOLVED WITH SEQUELAE"])
    for words, wrong in (
        ("resolved, and without a day of resolution", over & ~ended),
        ("not resolved, and with a day of resolution", (pl.col("AEOUT") == "NOT RECOVERED/NOT RESOLVED") & ended),
        (
            "serious, and without a criterion of seriousness",
            (pl.col("AESER") == "Y") & pl.col("AESDTH").is_null() & pl.col("AESLIFE").is_null(),
        ),
    ):
        n = frame.filter(wrong.fill_null(False)).height
        if n:
            account.note("AE", f"events are {words}: checkers report them", n)
    comments = {"AESEV": "Life-threatening and fatal events are SEVERE here; AESLIFE and AESDTH tell them apart."}
    return DomainRows("AE", frame, ("USUBJID", "AEDECOD", "AESTDY", "AESPID"), comments=comments)


def _partial(what: str) -> pl.Expr:
    """A date known to the month or the year: what the earliest and the latest possible day have in common."""
    first, last = (date_of_index(index_of(f"{what}_{bound}_day")) for bound in ("earliest", "latest"))
    month = first.str.slice(0, 7)
    year = first.str.slice(0, 4)
    return pl.when(month == last.str.slice(0, 7)).then(month).when(year == last.str.slice(0, 4)).then(year)


def clinical_events(study: SdtmStudy) -> DomainRows:
    """CE: outcome events that happened on a day, or were known not to have happened up to one."""
    frame = study.rows("events")
    study.account.goes("events", frame.height, "CE")
    did = pl.col("happened")
    frame = frame.with_columns(
        pl.col("term").str.replace_all("-", " ").str.to_uppercase().alias("CETERM"),
        pl.lit("OUTCOME EVENT").alias("CECAT"),
        pl.lit("Y").alias("CEPRESP"),
        yes_no("happened").alias("CEOCCUR"),
        pl.when(~did).then(date_of("day")).alias("CEDTC"),
        pl.when(did).then(date_of("day")).alias("CESTDTC"),
        pl.when(~did).then(as_number("day")).alias("CEDY"),
        pl.when(did).then(as_number("day")).alias("CESTDY"),
        pl.col("certainty").alias("CERTAIN"),
        pl.col("source").alias("SOURCE"),
    )
    supplements = {
        "CERTAIN": ("How certain the event is", "CRF"),
        "SOURCE": ("Person or document that reports it", "CRF"),
    }
    return DomainRows("CE", frame, ("USUBJID", "CETERM", "CEDY", "CESTDY"), supplements)


_EVENTS = {
    "completion": ("DISPOSITION EVENT", "STUDY PARTICIPATION", "COMPLETED"),
    "treatment_discontinuation": ("DISPOSITION EVENT", "STUDY TREATMENT", None),
    "study_withdrawal": ("DISPOSITION EVENT", "STUDY PARTICIPATION", None),
    "lost_to_follow_up": ("DISPOSITION EVENT", "STUDY PARTICIPATION", "LOST TO FOLLOW-UP"),
    DEATH: ("DISPOSITION EVENT", "STUDY PARTICIPATION", "DEATH"),
    "administrative_end": ("DISPOSITION EVENT", "STUDY PARTICIPATION", None),
    "unblinding": ("OTHER EVENT", None, "TREATMENT UNBLINDED"),
    "randomized_in_error": ("OTHER EVENT", None, "RANDOMIZED IN ERROR"),
}


def disposition(study: SdtmStudy) -> DomainRows | None:
    """DS: consent, randomization, and how each participant left treatment and study."""
    frame = study.rows("disposition")
    account = study.account
    reasons = study.mapping.names("reasons")
    administrative = study.mapping.said("administrative-end")
    asked = frame.filter(pl.col("event").is_in(["treatment_discontinuation", "study_withdrawal"]))
    absent = sorted({reason or "(none)" for reason in asked["reason"].to_list() if (reason or "") not in reasons})
    stopped = bool((frame["event"] == "administrative_end").any()) and not administrative
    if absent or stopped:
        words = (
            [f"no term for the reasons {listed(absent, conjunction='and', limit=5)} (key reasons)"] if absent else []
        )
        words += ["nothing says who ended the study (key administrative-end)"] if stopped else []
        account.stays("disposition", frame.height, "DS is left out: see there")
        account.withdraw("DS", f"DSDECOD may not be empty, and there is {' and '.join(words)}")
        return None
    account.goes("disposition", frame.height, "DS")
    why = pl.col("reason").fill_null("").replace_strict(reasons, default=None, return_dtype=pl.String)
    fixed = pl.col("event").replace_strict({k: v[2] for k, v in _EVENTS.items()}, return_dtype=pl.String)
    events = frame.select(
        "USUBJID",
        pl.coalesce("reason", pl.col("event").str.replace_all("_", " ").str.to_uppercase()).alias("DSTERM"),
        pl.when(pl.col("event") == "administrative_end")
        .then(pl.lit(administrative, dtype=pl.String))
        .otherwise(pl.coalesce(fixed, why))
        .alias("DSDECOD"),
        pl.col("event").replace_strict({k: v[0] for k, v in _EVENTS.items()}, return_dtype=pl.String).alias("DSCAT"),
        pl.col("event").replace_strict({k: v[1] for k, v in _EVENTS.items()}, return_dtype=pl.String).alias("DSSCAT"),
        study.epoch_of("day").alias("EPOCH"),
        date_of("day").alias("DSSTDTC"),
        as_number("day").alias("DSSTDY"),
    )
    whole = pl.concat([_milestones(study), events], how="diagonal")
    return DomainRows("DS", whole, ("USUBJID", "DSDECOD", "DSSCAT", "DSSTDY", "DSTERM"))


def _milestones(study: SdtmStudy) -> pl.DataFrame:
    """Consent, screening failure and randomization, from participants and allocations."""
    people = study.people.join(
        study.consented.select("participant_id", "eligible", "ineligible_reason"), on="participant_id", how="left"
    )
    consent = [study.dates[id].consent if id in study.dates else None for id in people["participant_id"].to_list()]
    first = people["_day_1"].to_list()
    days = [
        None if on is None or one is None else float((on - one).days + (1 if on >= one else 0))
        for on, one in zip(consent, first, strict=True)
    ]
    consented = people.select(
        "USUBJID",
        pl.lit("INFORMED CONSENT OBTAINED").alias("DSTERM"),
        pl.lit("INFORMED CONSENT OBTAINED").alias("DSDECOD"),
        pl.lit("PROTOCOL MILESTONE").alias("DSCAT"),
        pl.Series("DSSTDTC", [None if on is None else on.isoformat() for on in consent], dtype=pl.String),
        pl.Series("DSSTDY", days, dtype=pl.Float64),
    )
    allocated = study.records["allocations"].join(
        study.people.select("participant_id", "USUBJID", "_day_1"), on="participant_id", how="inner"
    )
    is_randomized = study.protocol.model.randomization is not None
    randomized = allocated.select(
        "USUBJID",
        pl.lit("RANDOMIZED" if is_randomized else "ENROLLED").alias("DSTERM"),
        pl.lit("RANDOMIZED" if is_randomized else "ENROLLED").alias("DSDECOD"),
        pl.lit("PROTOCOL MILESTONE").alias("DSCAT"),
        date_of("day").alias("DSSTDTC"),
        as_number("day").alias("DSSTDY"),
        study.epoch_of("day").alias("EPOCH"),
    )
    inside = pl.col("participant_id").is_in(allocated["participant_id"].unique().to_list())
    failed = people.filter((pl.col("eligible") == False) & ~inside).select(  # noqa: E712
        "USUBJID",
        pl.coalesce("ineligible_reason", pl.lit("SCREEN FAILURE")).alias("DSTERM"),
        pl.lit("SCREEN FAILURE").alias("DSDECOD"),
        pl.lit("DISPOSITION EVENT").alias("DSCAT"),
        pl.lit("STUDY PARTICIPATION").alias("DSSCAT"),
    )
    return pl.concat([consented, randomized, failed], how="diagonal")


def criteria_not_met(study: SdtmStudy) -> DomainRows | None:
    """IE: criteria not met, where the mapping says which criterion a reason is."""
    known = criteria(study)
    said = study.mapping.names("criteria")
    people = study.people.join(
        study.consented.select("participant_id", "eligible", "ineligible_reason"), on="participant_id", how="left"
    ).filter(pl.col("ineligible_reason").is_not_null() & (pl.col("eligible") == False))  # noqa: E712
    rows = []
    for usubjid, reason in people.select("USUBJID", "ineligible_reason").iter_rows():
        criterion = known.get(said.get(reason, ""))
        if criterion is None:
            continue
        code, words, category = criterion
        answer = "N" if category == "INCLUSION" else "Y"
        rows.append(
            {
                "USUBJID": usubjid,
                "IETESTCD": code,
                "IETEST": words,
                "IECAT": category,
                "IEORRES": answer,
                "IESTRESC": answer,
            }
        )
    for name in sorted({c for c in said.values() if c not in known}):
        study.account.note("IE", f"the protocol has no criterion {name!r}")
    left = people.height - len(rows)
    study.account.stays(
        "participants", left, "nothing says which criterion this is; DS holds the words", "ineligible_reason"
    )
    return DomainRows("IE", pl.DataFrame(rows), ("USUBJID", "IETESTCD")) if rows else None
