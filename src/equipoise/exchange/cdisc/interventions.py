"""What was taken and given: SU, EX, EC and PR."""

from __future__ import annotations

import polars as pl

from equipoise.exchange.cdisc.datasets import duration_of
from equipoise.exchange.cdisc.domain import DomainRows
from equipoise.exchange.cdisc.study import SdtmStudy, as_number, date_of, text_of_number, yes_no
from equipoise.exchange.cdisc.trial_design import route_term
from equipoise.exchange.cdisc.vocabulary import term_lists
from equipoise.protocol.language.interventions import DrugIntervention
from equipoise.records.schema import ANY_SUBSTANCE


def substance_use(study: SdtmStudy) -> DomainRows:
    """SU: a row for each substance and day asked about."""
    frame = study.rows("daily_use")
    study.account.goes("daily_use", frame.height, "SU")
    asked = pl.col("asked").fill_null(False)
    units = {**{u: u for u in term_lists()["C71620"].terms}, **study.mapping.names("units")}
    own = sorted(set(frame["unit"].drop_nulls().unique().to_list()) - set(units))
    for unit in own:
        study.account.note(
            "SU", f"the unit {unit!r} is the sponsor's own: it is not in the list of units", column="SUDOSU"
        )
    category = study.mapping.said("daily-use-category") or "SELF-REPORTED DAILY USE"
    frame = frame.with_columns(
        pl.when(pl.col("substance") == ANY_SUBSTANCE)
        .then(pl.lit("ANY SUBSTANCE"))
        .otherwise(pl.col("substance").str.replace_all("-", " ").str.to_uppercase())
        .alias("SUTRT"),
        pl.lit(category).alias("SUCAT"),
        pl.lit("Y").alias("SUPRESP"),
        pl.when(asked).then(yes_no("used")).alias("SUOCCUR"),
        pl.when(~asked | pl.col("used").is_null()).then(pl.lit("NOT DONE")).alias("SUSTAT"),
        pl.when(~asked).then(pl.lit("NOT ASKED")).alias("SUREASND"),
        as_number("amount").alias("SUDOSE"),
        pl.when(pl.col("amount").is_not_null()).then(pl.col("unit").replace(units)).alias("SUDOSU"),
        study.epoch_of("day").alias("EPOCH"),
        date_of("day").alias("SUSTDTC"),
        date_of("day").alias("SUENDTC"),
        as_number("day").alias("SUSTDY"),
        as_number("day").alias("SUENDY"),
    )
    return DomainRows(
        "SU",
        frame,
        ("USUBJID", "SUTRT", "SUSTDY"),
        comments={
            "SUTRT": "ANY SUBSTANCE: the day was asked about as a whole; a substance without a row was not used."
        },
    )


def _treatments(study: SdtmStudy, names: list[str]) -> dict[str, dict[str, object]]:
    """Of each intervention: name, dose form, route and whether it is a placebo."""
    out: dict[str, dict[str, object]] = {}
    for name in names:
        entry = study.protocol.model.interventions.get(name)
        said = study.mapping.names("treatments", name)
        drug = entry.drug if isinstance(entry, DrugIntervention) else name.replace("-", " ")
        if not isinstance(entry, DrugIntervention) and entry is not None and entry.label:
            drug = entry.label
        placebo = bool(said.get("placebo")) or drug.lower() == "placebo"
        out[name] = {
            "name": "PLACEBO" if placebo else (said.get("name") or drug.upper()),
            "form": said.get("form"),
            "route": said.get("route"),
            "placebo": placebo,
        }
    return out


def _with_treatments(study: SdtmStudy, frame: pl.DataFrame) -> pl.DataFrame:
    names = sorted(frame["intervention"].unique().to_list())
    known = _treatments(study, names)
    table = pl.DataFrame(
        [
            {"intervention": n, "_name": k["name"], "_form": k["form"], "_said": k["route"], "_placebo": k["placebo"]}
            for n, k in known.items()
        ],
        schema={
            "intervention": pl.String,
            "_name": pl.String,
            "_form": pl.String,
            "_said": pl.String,
            "_placebo": pl.Boolean,
        },
    )
    frame = frame.join(table, on="intervention", how="left", maintain_order="left")
    routes = {r: route_term(r) for r in frame["route"].drop_nulls().unique().to_list()}
    strange = sorted(r for r, term in routes.items() if term is None)
    for route in strange:
        n = frame.filter((pl.col("route") == route) & pl.col("_said").is_null()).height
        study.account.stays("exposure", n, f"the route {route!r} has no term; name one under treatments", "route")
    mapped = pl.col("route").replace_strict(routes, default=None, return_dtype=pl.String)
    return frame.with_columns(pl.coalesce("_said", mapped).alias("_route"))


def _doses(study: SdtmStudy, frame: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Columns that EX and EC have in common."""
    minutes = frame["minutes"].to_list()
    return frame.with_columns(
        pl.col("_name").alias(f"{prefix}TRT"),
        pl.col("intervention").alias(f"{prefix}SPID"),
        pl.col("_form").alias(f"{prefix}DOSFRM"),
        pl.lit("ONCE").alias(f"{prefix}DOSFRQ"),
        pl.col("_route").alias(f"{prefix}ROUTE"),
        study.epoch_of("day").alias("EPOCH"),
        date_of("day").alias(f"{prefix}STDTC"),
        date_of("day").alias(f"{prefix}ENDTC"),
        as_number("day").alias(f"{prefix}STDY"),
        as_number("day").alias(f"{prefix}ENDY"),
        pl.Series(f"{prefix}DUR", [None if m is None else duration_of(m) for m in minutes], dtype=pl.String),
    )


def exposure(study: SdtmStudy) -> list[DomainRows]:
    """EX: doses given; EC: doses as they were planned and given. A cut that shows no arms has EC alone."""
    frame = study.rows("exposure")
    account = study.account
    if study.edition == "sham":
        account.stays("exposure", frame.height, "doses of dummy arms")
        for name in ("EX", "EC"):
            account.withdraw(name, "the doses of a sham cut belong to dummy arms")
        return []
    if not frame.height:
        return []
    frame = _with_treatments(study, frame)
    given = ~(pl.col("delivered_mg") == 0).fill_null(False) | pl.col("_placebo")
    out = []
    if study.shows_arms:
        doses = _doses(study, frame.filter(given), "EX")
        by_weight = pl.col("delivered_mg").is_null() & pl.col("delivered_mg_per_kg").is_not_null()
        doses = doses.with_columns(
            pl.when(pl.col("_placebo"))
            .then(pl.lit(0.0))
            .when(by_weight)
            .then(pl.col("delivered_mg_per_kg"))
            .otherwise(pl.col("delivered_mg"))
            .alias("EXDOSE"),
            pl.when(by_weight & ~pl.col("_placebo")).then(pl.lit("mg/kg")).otherwise(pl.lit("mg")).alias("_unit"),
            pl.when(~by_weight).then(text_of_number("delivered_mg_per_kg")).alias("DOSEKG"),
            pl.col("interruptions").cast(pl.String).alias("INTERRUP"),
        ).with_columns(pl.when(pl.col("EXDOSE").is_not_null()).then(pl.col("_unit")).alias("EXDOSU"))
        account.goes("exposure", doses.height, "EX")
        account.stays("exposure", frame.filter(~given).height, "not given: an EC record says so, EX has none")
        supplements = {
            "DOSEKG": ("Dose by body weight (mg/kg)", "CRF"),
            "INTERRUP": ("Number of interruptions", "CRF"),
        }
        comments = {"EXDOSE": "0 for a placebo."}
        out.append(DomainRows("EX", doses, ("USUBJID", "EXTRT", "EXSPID", "EXSTDY"), supplements, comments))
    else:
        account.withdraw("EX", "what was given would tell the arm; EC holds what the blinded cut shows")
        account.goes("exposure", frame.height, "EC")
    out.append(_collected(study, frame, given))
    return out


def _collected(study: SdtmStudy, frame: pl.DataFrame, given: pl.Expr) -> DomainRows:
    """EC: a record of each planned dose, and one of whether and how it was given."""
    planned = _doses(study, frame.filter(pl.col("planned_mg").is_not_null()), "EC").with_columns(
        pl.lit("SCHEDULED").alias("ECMOOD"),
        pl.col("planned_mg").alias("ECDOSE"),
        pl.lit("mg").alias("ECDOSU"),
        *(pl.lit(None, dtype=pl.String).alias(name) for name in ("ECPRESP", "ECOCCUR", "ECDUR")),
    )
    performed = _doses(study, frame, "EC").with_columns(
        pl.lit("PERFORMED").alias("ECMOOD"),
        pl.lit("Y").alias("ECPRESP"),
        pl.when(given).then(pl.lit("Y")).otherwise(pl.lit("N")).alias("ECOCCUR"),
        pl.when(given).then(pl.col("delivered_mg")).alias("ECDOSE"),
        pl.when(given & pl.col("delivered_mg").is_not_null()).then(pl.lit("mg")).alias("ECDOSU"),
    )
    whole = pl.concat([planned, performed], how="diagonal")
    return DomainRows("EC", whole, ("USUBJID", "ECTRT", "ECSPID", "ECSTDY", "ECMOOD"))


def procedures(study: SdtmStudy) -> DomainRows:
    """PR: therapy sessions, held or not."""
    frame = study.rows("sessions")
    if study.edition == "sham":
        # in a sham cut, sessions that nobody held are those of the dummy arm
        study.account.stays("sessions", frame.filter(~pl.col("delivered")).height, "sessions due by dummy arms")
        frame = frame.filter(pl.col("delivered"))
    study.account.goes("sessions", frame.height, "PR")
    names = _treatments(study, sorted(frame["intervention"].unique().to_list()))
    minutes = frame["minutes"].to_list()
    held = pl.col("delivered").fill_null(False)
    frame = frame.with_columns(
        pl.col("intervention").replace({n: str(k["name"]).upper() for n, k in names.items()}).alias("PRTRT"),
        (pl.col("intervention") + "-" + pl.col("session").cast(pl.String)).alias("PRSPID"),
        pl.lit("Y").alias("PRPRESP"),
        yes_no("delivered").alias("PROCCUR"),
        as_number("planned_day").alias("VISITDY"),
        pl.when(held).then(date_of("day")).alias("PRSTDTC"),
        pl.when(held).then(as_number("day")).alias("PRSTDY"),
        pl.when(held).then(study.epoch_of("day")).alias("EPOCH"),
        pl.Series("PRDUR", [None if m is None else duration_of(m) for m in minutes], dtype=pl.String),
        text_of_number("home_practice_minutes").alias("HOMEPRAC"),
        text_of_number("fidelity").alias("FIDELITY"),
    )
    supplements = {
        "HOMEPRAC": ("Practice at home since the last, minutes", "CRF"),
        "FIDELITY": ("Rated fidelity, share", "CRF"),
    }
    return DomainRows("PR", frame, ("USUBJID", "PRTRT", "PRSPID"), supplements)
