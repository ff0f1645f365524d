"""Participants and their visits: DM, SV and SE."""

from __future__ import annotations

import polars as pl

from equipoise.exchange.cdisc.datasets import cut_to, unique_names
from equipoise.exchange.cdisc.domain import DomainRows
from equipoise.exchange.cdisc.mapping import coded_column
from equipoise.exchange.cdisc.study import (
    SdtmStudy,
    as_number,
    date_of,
    date_of_index,
    index_of,
    study_day_of,
    text_of_number,
)
from equipoise.exchange.cdisc.trial_design import ArmElement, arm_codes, elements_of_arms
from equipoise.exchange.cdisc.vocabulary import variables_of
from equipoise.foundation.calendar import day_index
from equipoise.records.baseline_values import name_of_column
from equipoise.records.schema import ATTENDED, DEATH, MISSED, NOT_EXPECTED, TABLES

BLINDED_ARMS = "Null for everybody: the data cut shows no arms."


def demographics(study: SdtmStudy) -> DomainRows:
    """DM: a row for each participant who gave consent."""
    account = study.account
    n_screened = study.records["participants"].height
    account.goes("participants", study.people.height, "DM")
    account.stays("participants", n_screened - study.people.height, "did not give consent")
    base = study.consented
    frame = study.people.with_columns(base["eligible"])
    arms = _arms(study)
    frame = frame.join(arms, on="participant_id", how="left", maintain_order="left")
    frame = frame.join(study.first_dose, on="participant_id", how="left", maintain_order="left")
    frame = frame.join(study.last_contact, on="participant_id", how="left", maintain_order="left")
    frame = frame.join(_deaths(study), on="participant_id", how="left", maintain_order="left")
    frame = frame.join(_ends(study), on="participant_id", how="left", maintain_order="left")
    consent = [study.dates[id].consent if id in study.dates else None for id in frame["participant_id"].to_list()]
    allocated = pl.col("_allocated").fill_null(False)
    reason = (
        pl.when(~allocated & (pl.col("eligible") == False))  # noqa: E712
        .then(pl.lit("SCREEN FAILURE"))
        .when(~allocated)
        .then(pl.lit("NOT ASSIGNED"))
        .when(pl.col("ARMCD").is_not_null() & pl.col("ACTARMCD").is_null())
        .then(pl.lit("ASSIGNED, NOT TREATED"))
    )
    frame = frame.with_columns(
        pl.col("participant_id").alias("SUBJID"),
        pl.col("_day_1").dt.to_string("%Y-%m-%d").alias("RFSTDTC"),
        date_of_index(pl.col("_end")).alias("RFENDTC"),
        date_of_index(pl.col("_first")).alias("RFXSTDTC"),
        date_of_index(pl.col("_last")).alias("RFXENDTC"),
        pl.Series("RFICDTC", [None if day is None else day.isoformat() for day in consent], dtype=pl.String),
        date_of_index(pl.col("_contact")).alias("RFPENDTC"),
        date_of_index(pl.col("_death")).alias("DTHDTC"),
        pl.when(pl.col("_died")).then(pl.lit("Y")).alias("DTHFL"),
        reason.alias("ARMNRS"),
    )
    sex, _ = coded_column(study.mapping, "sex", base)
    assert sex is not None
    frame = frame.with_columns(sex.alias("SEX"))
    used = {(study.mapping.said("sex") or {}).get("from")}
    for key, name in (("race", "RACE"), ("ethnicity", "ETHNIC")):
        column, words = coded_column(study.mapping, key, base)
        for said in words:
            account.note("DM", f"{name} is null: {said}", column=name)
        if column is not None and not words:
            frame = frame.with_columns(column.alias(name))
            used.add(study.mapping.said(key, "from"))
    frame = _age(study, frame, base, used)
    frame, supplements = _further(frame, base, study, {name.replace("-", "_") for name in used if name})
    comments = {"RFSTDTC": f"Study day 1: {study.protocol.model.calendar.day_1}."}
    if not study.shows_arms:
        comments |= dict.fromkeys(("ARMCD", "ARM", "ACTARMCD", "ACTARM", "ARMNRS"), BLINDED_ARMS)
        comments["ARMNRS"] = (
            "Of participants not randomized; null for the others, whose arms the data cut does not show."
        )
        account.note("DM", "ARMCD, ARM, ACTARMCD and ACTARM are null: the data cut shows no arms", column="ARM")
    hidden = int((frame["_allocated"].fill_null(False) & frame["ARMCD"].is_null()).sum())
    if hidden and study.shows_arms:
        account.note("DM", "participants are allocated, and the records do not hold their arm", hidden, "ARM")
    return DomainRows("DM", frame, ("USUBJID",), supplements, comments)


def _arms(study: SdtmStudy) -> pl.DataFrame:
    """Arms by participant: of the stages one after another, where there are several."""
    allocations = study.records["allocations"].sort("participant_id", "stage")
    account = study.account
    inside = allocations["participant_id"].is_in(study.people["participant_id"].to_list())
    account.goes("allocations", int(inside.sum()), "DM")
    account.stays("allocations", int((~inside).sum()), "of people without consent, who are not in DM")
    codes = arm_codes(study)
    show = study.shows_arms
    found = allocations.with_columns(
        pl.when(pl.lit(show)).then(pl.col("arm")).alias("arm"),
        pl.when(pl.lit(show)).then(pl.col("arm_received")).alias("arm_received"),
    )

    def joined(column: str, names: dict[str, str], sign: str) -> pl.Expr:
        return (
            pl.col(column)
            .drop_nulls()
            .replace(names)
            .str.join(sign)
            .alias(f"_{column}_{'code' if sign == '-' else 'name'}")
        )

    labels = {arm: study.protocol.arm_label(arm) for arm in codes}
    grouped = found.group_by("participant_id", maintain_order=True).agg(
        joined("arm", codes, "-"),
        joined("arm", labels, " / "),
        joined("arm_received", codes, "-"),
        joined("arm_received", labels, " / "),
        pl.col("stratum").drop_nulls().str.join("; ").alias("STRATUM"),
    )
    return grouped.select(
        "participant_id",
        *(
            pl.when(pl.col(source) != "").then(pl.col(source)).alias(target)
            for source, target in (
                ("_arm_code", "ARMCD"),
                ("_arm_name", "ARM"),
                ("_arm_received_code", "ACTARMCD"),
                ("_arm_received_name", "ACTARM"),
                ("STRATUM", "STRATUM"),
            )
        ),
        pl.lit(True).alias("_allocated"),
    )


def _deaths(study: SdtmStudy) -> pl.DataFrame:
    left = study.records["disposition"].filter(pl.col("event") == DEATH).select("participant_id", "day")
    told = (
        study.records["events"].filter((pl.col("term") == DEATH) & pl.col("happened")).select("participant_id", "day")
    )
    both = pl.concat([left, told])
    return both.group_by("participant_id").agg(
        index_of("day").min().alias("_death"), pl.lit(True).first().alias("_died")
    )


def _ends(study: SdtmStudy) -> pl.DataFrame:
    """Index of the day on which a participant completed or left the study."""
    names = ["completion", "study_withdrawal", "lost_to_follow_up", DEATH, "administrative_end"]
    ends = study.records["disposition"].filter(pl.col("event").is_in(names))
    return ends.group_by("participant_id").agg(index_of("day").max().alias("_end"))


def _age(study: SdtmStudy, frame: pl.DataFrame, base: pl.DataFrame, used: set[str | None]) -> pl.DataFrame:
    column = study.mapping.said("age", "from")
    if not column:
        return frame
    name = name_of_column(base.columns, column)
    if name is None or not base[name].dtype.is_numeric():
        study.account.note("DM", f"AGE is null: the records have no numbers in a column {column!r}", column="AGE")
        return frame
    used.add(column)
    age = base[name].cast(pl.Float64).alias("AGE")
    return frame.with_columns(age).with_columns(
        pl.when(pl.col("AGE").is_not_null()).then(pl.lit("YEARS")).alias("AGEU")
    )


def _further(
    frame: pl.DataFrame, base: pl.DataFrame, study: SdtmStudy, used: set[str]
) -> tuple[pl.DataFrame, dict[str, tuple[str, str]]]:
    """Baseline variables without a place in DM, for SUPPDM."""
    known = set(TABLES["participants"].polars_schema)
    own = [c for c in base.columns if c not in known and c not in used]
    taken = [*(v.name for v in variables_of("DM")), *("SCREENDY", "STRATUM")]
    names = dict(list(unique_names([*taken, *own]).items())[len(taken) :])
    out: dict[str, tuple[str, str]] = {}
    for column in own:
        variable = study.protocol.model.baseline.get(column) or study.protocol.model.baseline.get(
            column.replace("_", "-")
        )
        words = (variable.label if variable is not None else None) or column.replace("_", " ")
        unit = f" ({variable.unit})" if variable is not None and variable.unit else ""
        values = base[column]
        text = text_of_number(column) if values.dtype.is_numeric() else pl.col(column).cast(pl.String)
        frame = frame.with_columns(base.select(text.alias(names[column]))[names[column]])
        out[names[column]] = (cut_to(words + unit, 40)[0], "CRF")
    frame = frame.with_columns(base["screened_day"].cast(pl.String).alias("SCREENDY"))
    out |= {"SCREENDY": ("Study day of screening", "CRF"), "STRATUM": ("Stratum as randomized", "CRF")}
    return frame, out


def visits(study: SdtmStudy) -> DomainRows:
    """SV: planned visits kept or missed, and unscheduled ones."""
    frame = study.rows("visits")
    account = study.account
    planned = pl.col("visit").is_in(list(study.planned))
    not_due = (pl.col("state") == NOT_EXPECTED).fill_null(False)
    lost = (~planned) & (pl.col("state") == MISSED)
    account.stays("visits", frame.filter(not_due).height, "not expected: the protocol asked for nothing")
    account.stays("visits", frame.filter(lost).height, "an unscheduled visit that did not take place")
    frame = study.with_visits(frame.filter(~not_due & ~lost))
    account.goes("visits", frame.height, "SV")
    came = pl.col("state") == ATTENDED
    planned_day = pl.col("VISITDY").fill_null(as_number("target_day"))
    frame = frame.with_columns(
        pl.when(planned).then(pl.lit("Y")).alias("SVPRESP"),
        pl.when(planned & came).then(pl.lit("Y")).when(planned).then(pl.lit("N")).alias("SVOCCUR"),
        pl.when(planned).then(planned_day).alias("VISITDY"),
        pl.when(came).then(date_of("day")).alias("SVSTDTC"),
        pl.when(came).then(date_of("day")).alias("SVENDTC"),
        pl.when(came).then(as_number("day")).alias("SVSTDY"),
        pl.when(came).then(as_number("day")).alias("SVENDY"),
        pl.when(~planned).then(pl.col("visit")).alias("SVUPDES"),
    )
    return DomainRows("SV", frame, ("USUBJID", "VISITNUM"))


def elements(study: SdtmStudy) -> DomainRows | None:
    """SE: the elements that each participant entered, in order and without gaps; only where dates are known."""
    account = study.account
    if not study.shows_arms:
        account.withdraw("SE", "elements go by arm, and the data cut shows no arms")
        return None
    if study.people["_day_1"].null_count() == study.people.height:
        account.withdraw("SE", "SESTDTC may not be empty, and no calendar dates are known (--dates)")
        return None
    contacts = dict(study.last_contact.iter_rows())
    first = (
        study.records["allocations"]
        .filter(pl.col("arm").is_not_null())
        .sort("stage")
        .unique("participant_id", keep="first")
    )
    arms = dict(first.select("participant_id", "arm").iter_rows())
    by_arm = elements_of_arms(study)
    screened = dict(study.consented.select("participant_id", index_of("screened_day")).iter_rows())
    rows = []
    for subject, usubjid, day_1 in study.people.select("participant_id", "USUBJID", "_day_1").iter_rows():
        arm, last = arms.get(subject), contacts.get(subject)
        if arm not in by_arm or last is None or day_1 is None:
            continue
        known = study.dates.get(subject)
        consent = (known.consent - day_1).days if known is not None and known.consent is not None else None
        entered = _entered(by_arm[arm], screened.get(subject) if consent is None else consent, last)
        for k, (element, start) in enumerate(entered):
            end = entered[k + 1][1] if k + 1 < len(entered) else max(last, start)
            rows.append(
                {
                    "USUBJID": usubjid,
                    "_day_1": day_1,
                    "ETCD": element.code,
                    "ELEMENT": element.name,
                    "TAETORD": float(element.order),
                    "EPOCH": element.epoch,
                    "_start": start,
                    "_end": end,
                }
            )
    left = study.people.height - len({row["USUBJID"] for row in rows})
    if left:
        account.note("SE", "participants without arm, date of day 1 or visit have no elements", left)
    if not rows:
        account.withdraw("SE", "no participant with an arm has a date of day 1 and a visit")
        return None
    frame = pl.DataFrame(rows).with_columns(
        date_of_index(pl.col("_start")).alias("SESTDTC"),
        date_of_index(pl.col("_end")).alias("SEENDTC"),
        study_day_of("_start").alias("SESTDY"),
        study_day_of("_end").alias("SEENDY"),
    )
    return DomainRows(
        "SE",
        frame,
        ("USUBJID", "TAETORD"),
        comments={"": _HOW_ELEMENTS_BEGIN},
    )


_HOW_ELEMENTS_BEGIN = (
    "From day 1 on an element begins on its first study day by the calendar of the protocol; before day 1 the first "
    "one begins with consent, or with screening where the date of consent is not known."
)


def _entered(elements: list[ArmElement], begin: int | None, last: int) -> list[tuple[ArmElement, int]]:
    """The elements that a participant entered, with the index of the day; those before day 1 only from ``begin`` on."""
    starts = [(e, day_index(e.first)) for e in elements]
    before = [
        (e, max(start, begin)) for e, start in starts if begin is not None and start < 0 and day_index(e.last) >= begin
    ]
    if before and begin is not None:
        before[0] = (before[0][0], begin)
    return [*before, *((e, start) for e, start in starts if 0 <= start <= last)]
