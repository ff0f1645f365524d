"""From the tables of CTN-0094 to ours, one function a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from equipoise.records.schema import ANY_SUBSTANCE, ATTENDED, MISSED, NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from equipoise.exchange.ctn0094.trials import Trial

__all__ = [
    "Context",
    "allocations",
    "choices_of",
    "context_of",
    "daily_use",
    "discontinuations",
    "disposition",
    "exposure",
    "participants",
    "urine",
    "visits",
]

RECALL_DAYS = 30  # the baseline interview asks about the 30 days before consent
EARLY_DAYS = 14  # how long before its planned day the last visit may be held
INJECTION_MG = 380.0  # one injection of extended-release naltrexone


def kebab(name: str) -> str:
    """A name of the source as an id: ``Muscle Relaxant`` is ``muscle-relaxant``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def visit_id(label: str) -> str:
    """A visit label of the source as ours: ``WK3`` is ``week-3``, ``P1Wk1A`` is ``phase-1-week-1a``."""
    if match := re.fullmatch(r"WK(\d+)", label):
        return f"week-{match[1]}"
    if match := re.fullmatch(r"P([12])Wk(\w+)", label):
        return f"phase-{match[1]}-week-{match[2].lower()}"
    special = {
        "EOT": "end-of-treatment",
        "P1Finl": "phase-1-final",
        "P2Finl": "phase-2-final",
        "P1Unsc": "phase-1-unscheduled",
        "P2Unsc": "phase-2-unscheduled",
    }
    return special.get(label, kebab(label))


def _day(elapsed: pl.Expr) -> pl.Expr:
    """Days since randomization as study days: 0 is day 1, -1 is day -1."""
    return pl.when(elapsed >= 0).then(elapsed + 1).otherwise(elapsed)


def _yes(column: str) -> pl.Expr:
    return pl.col(column).replace_strict({"Yes": True, "No": False}, default=None, return_dtype=pl.Boolean)


@dataclass(frozen=True)
class Context:
    """The tables of one trial, and everybody randomized with the day and arm of each stage."""

    tables: Mapping[str, pl.DataFrame]
    trial: Trial
    first: pl.DataFrame  # who, zero (source day of randomization), arm, second (source day of the second), arm_2

    def days(self, name: str) -> pl.DataFrame:
        """A table's rows of randomized persons with a day, with ``participant_id`` and the study ``day``."""
        frame = self.tables[name].filter(pl.col("when").is_not_null()).join(self.first, on="who")
        return frame.with_columns(participant_id=_id(), day=_day(pl.col("when") - pl.col("zero")))


def _id() -> pl.Expr:
    return pl.col("who").cast(pl.String)


def context_of(tables: Mapping[str, pl.DataFrame], trial: Trial) -> Context:
    """Who was randomized when to what; a second randomization is true only where the trial has two stages."""
    drawn = tables["randomization"].with_columns(
        arm=pl.col("treatment").replace_strict(dict(trial.arms), default=None, return_dtype=pl.String)
    )
    first = drawn.filter(pl.col("which") == 1).select("who", "arm", zero="when")
    second = drawn.filter((pl.col("which") == 2) & pl.col("when").is_not_null()).unique("who", keep="first")
    if trial.stages == 1:
        second = second.clear()
    first = first.join(second.select("who", arm_2="arm", second="when"), on="who", how="left").sort("who")
    return Context(tables, trial, first)


def participants(context: Context) -> pl.DataFrame:
    """Everybody who consented, with what was known at baseline."""
    tables = context.tables
    out = tables["everybody"].select("who").unique().sort("who")
    people = tables["demographics"].unique("who", keep="first")
    out = out.join(people, on="who", how="left").join(context.first.select("who", "zero", "arm"), on="who", how="left")
    out = out.join(tables["site_masked"].unique("who", keep="first"), on="who", how="left")
    for name in ("screening_date", "asi", "fagerstrom", "psychiatric", "qol"):
        if name in tables:
            out = out.join(tables[name].unique("who", keep="first"), on="who", how="left")
    columns = [
        _id().alias("participant_id"),
        pl.concat_str(pl.lit("site-"), pl.col("site_masked")).alias("site"),
        _day(_screened(out) - pl.col("zero")).alias("screened_day"),
        pl.lit(True).alias("consented"),
        pl.when(pl.col("arm").is_not_null()).then(pl.lit(True)).alias("eligible"),
        pl.when(pl.col("arm").is_null()).then(pl.lit("not randomized")).alias("ineligible_reason"),
        pl.col("age"),
        pl.col("is_male")
        .replace_strict({"Yes": "male", "No": "female"}, default=None, return_dtype=pl.String)
        .alias("sex"),
        pl.when(pl.col("race") != "Refused/missing").then(pl.col("race").str.to_lowercase()).alias("race"),
        _yes("is_hispanic").alias("hispanic"),
        pl.col("education"),
        pl.col("job").alias("employment"),
        pl.col("marital"),
        _yes("is_living_stable").alias("stable_housing"),
    ]
    optional = {
        "used_iv": ("used_iv", True),
        "is_smoker": ("is_smoker", True),
        "ftnd": ("ftnd", False),
        "has_major_dep": ("major_depression", True),
        "has_bipolar": ("bipolar_disorder", True),
        "has_anx_pan": ("anxiety_or_panic", True),
        "is_homeless": ("homeless", True),
    }
    columns += [
        (_yes(source) if yes else pl.col(source)).alias(name)
        for source, (name, yes) in optional.items()
        if source in out.columns
    ]
    extra = _risk_behaviour(tables)
    if "detox" in tables:
        stays = (
            tables["detox"]
            .group_by("who")
            .agg(
                detox_admission=pl.col("when").filter(pl.col("what") == "admission").min(),
                detox_discharge=pl.col("when").filter(pl.col("what") == "discharge").max(),
            )
        )
        out = out.join(stays, on="who", how="left")
        columns += [
            _day(pl.col(name) - pl.col("zero")).alias(f"{name}_day") for name in ("detox_admission", "detox_discharge")
        ]
    if extra is not None:
        out = out.join(extra, on="who", how="left")
        columns += [pl.col(name) for name in extra.columns if name != "who"]
    return out.select(columns)


def _screened(frame: pl.DataFrame) -> pl.Expr:
    """The day of screening where it is known, else of consent, in the days of the source."""
    return pl.coalesce("screening_day", pl.lit(0)) if "screening_day" in frame.columns else pl.lit(0, pl.Int64)


def _risk_behaviour(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame | None:
    """Days of use of the last 30 at baseline, and days of injecting."""
    out: pl.DataFrame | None = None
    if "rbs" in tables:
        answers = tables["rbs"].filter(
            pl.col("what").is_in(["heroin", "opioid", "cocaine"]) & pl.col("days").is_between(0, 30)
        )
        out = answers.group_by("who").agg(
            [
                pl.col("days").filter(pl.col("what") == what).first().alias(f"{what}_days_30")
                for what in ("heroin", "opioid", "cocaine")
            ]
        )
    if "rbs_iv" in tables:
        injected = tables["rbs_iv"].filter(pl.col("days").is_between(0, 30)).unique("who", keep="first")
        injected = injected.select("who", injecting_days_30="days")
        out = injected if out is None else out.join(injected, on="who", how="full", coalesce=True)
    return out


def _doses(context: Context) -> pl.DataFrame:
    """One row per person and day with a dose; where two amounts stand on one day, the larger."""
    doses = context.days("treatment").filter(pl.col("amount") > 0)
    return doses.group_by("participant_id", "day", "when").agg(
        pl.col("amount").max(), pl.col("arm").first(), pl.col("arm_2").first(), pl.col("second").first()
    )


def allocations(context: Context) -> pl.DataFrame:
    """One row per randomization; the arm received is the arm allocated where its drug was given at least once."""
    doses = _doses(context)
    later = pl.col("second").is_not_null() & (pl.col("when") >= pl.col("second"))
    dosed = {1: doses.filter(~later), 2: doses.filter(later)}
    frames = []
    for stage in range(1, context.trial.stages + 1):
        arm = "arm" if stage == 1 else "arm_2"
        day = pl.lit(1, pl.Int64) if stage == 1 else _day(pl.col("second") - pl.col("zero"))
        rows = context.first.filter(pl.col(arm).is_not_null()).select(participant_id=_id(), day=day, arm=arm)
        received = dosed[stage].select("participant_id").unique().with_columns(_dosed=pl.lit(True))
        rows = rows.join(received, on="participant_id", how="left")
        frames.append(
            rows.select(
                "participant_id",
                pl.lit(stage, pl.Int64).alias("stage"),
                "day",
                pl.lit(None, pl.String).alias("stratum"),
                "arm",
                pl.when(pl.col("_dosed")).then(pl.col("arm")).alias("arm_received"),
            )
        )
    return pl.concat(frames)


def _target(visit: str, second: int | None) -> int | None:
    """Days from randomization to the planned day of a visit, where it has one."""
    if match := re.fullmatch(r"week-(\d+)", visit):
        return 7 * int(match[1])
    if match := re.fullmatch(r"phase-([12])-week-(\d+)([ab]?)", visit):
        weeks = int(match[2]) - (match[3] == "a")
        if match[1] == "1":
            # in the first phase week n ends on day 7n; in the second, visits fall on whole weeks
            return 0 if weeks == 0 else 7 * weeks - 1
        return None if second is None else second + 7 * weeks
    return None


def visits(context: Context) -> pl.DataFrame:
    """Planned visits kept and missed, and contacts beside the plan that took place."""
    trial, rows = context.trial, context.tables["visit"]
    rows = rows.filter(~pl.col("visit").is_in(trial.without)).join(context.first, on="who")
    names = {label: visit_id(label) for label in rows["visit"].unique().to_list()}
    beside = pl.col("visit").is_in(["baseline", "phase-1-unscheduled", "phase-2-unscheduled"])
    rows = rows.with_columns(visit=pl.col("visit").replace_strict(names, default=None, return_dtype=pl.String))
    # baseline and unscheduled contacts of project 30 say nothing in `what`; they have a day, so they took place
    kept = (pl.col("what").is_in(["visit", "final"]) | (beside & pl.col("what").is_null())) & pl.col(
        "when"
    ).is_not_null()
    rows = rows.with_columns(kept=kept.fill_null(False)).sort(
        "who", "visit", "kept", "when", descending=[False, False, True, False]
    )
    number = pl.int_range(pl.len()).over("who", "visit") + 1
    rows = rows.with_columns(number=number).with_columns(
        visit=pl.when(pl.col("visit").str.ends_with("unscheduled"))
        .then(pl.concat_str("visit", pl.lit("-"), "number"))
        .otherwise("visit")
    )
    rows = rows.unique(["who", "visit"], keep="first", maintain_order=True)
    planned = _planned(context, rows)
    rows = rows.filter(pl.col("kept") | _is_planned("visit")).select(
        "who", "visit", "kept", elapsed=pl.when(pl.col("kept")).then(pl.col("when") - pl.col("zero"))
    )
    absent = planned.join(rows, on=["who", "visit"], how="anti")
    rows = pl.concat([rows, absent.select("who", "visit", kept=pl.lit(False), elapsed=pl.lit(None, pl.Int64))]).join(
        context.first.select("who", _second=pl.col("second") - pl.col("zero")), on="who"
    )
    pairs = rows.select("visit", "_second").unique()
    targets = pairs.with_columns(target=pl.Series([_target(v, s) for v, s in pairs.iter_rows()], dtype=pl.Int64))
    rows = rows.join(targets, on=["visit", "_second"], how="left", nulls_equal=True)
    return rows.select(
        _id().alias("participant_id"),
        "visit",
        _day(pl.col("target")).alias("target_day"),
        _day(pl.col("elapsed")).alias("day"),
        pl.when("kept").then(pl.lit(ATTENDED)).otherwise(pl.lit(MISSED)).alias("state"),
    ).sort("participant_id", "target_day", "day", "visit", nulls_last=True)


def _is_planned(column: str) -> pl.Expr:
    """Whether a visit is one of the planned weeks; week 0 is the day of randomization, missed by nobody who has one."""
    return pl.col(column).str.contains(r"^(week|phase-[12]-week)-[1-9]")


def _planned(context: Context, rows: pl.DataFrame) -> pl.DataFrame:
    """Who was due for what: the weeks of the trial for everybody randomized.

    Project 30 plans by phase, and its first phase ends early for those who relapse: its weekly visits count as due
    where the source has a row for them, and no others.
    """
    if not context.trial.weeks:
        return rows.filter(_is_planned("visit")).select("who", "visit")
    weeks = pl.DataFrame({"visit": [f"week-{week}" for week in context.trial.weeks]})
    return context.first.select("who").join(weeks, how="cross")


def _assays(context: Context) -> list[str]:
    """Substances assayed throughout the trial, as the source groups them."""
    column = f"CTN-00{context.trial.project}"
    groups = context.tables["meta_substance_groups_uds"][column].drop_nulls().unique().to_list()
    # the source's list of assays calls barbiturates by name, its findings call them sedatives
    return sorted({"sedatives" if group == "Barbiturate" else kebab(group) for group in groups if group != "NO"})


def _study_drug_findings(context: Context) -> pl.DataFrame:
    """Positive assays of the drugs under study, from the ungrouped findings, whichever arm they were found in."""
    study = ("Buprenorphine", "Methadone")
    rows = context.days("all_drugs").filter(pl.col("source").str.starts_with("UDS") & pl.col("what").is_in(study))
    rows = rows.with_columns(substance=pl.col("what").str.to_lowercase())
    return rows.filter(pl.col("substance").is_in(_assays(context)))


def samples(context: Context) -> pl.DataFrame:
    """Sample days: days with a sample in the list of samples, or with a positive finding, which is as good as one."""
    keys = ["participant_id", "day"]
    listed = [context.days(name).select(keys) for name in ("uds_temp", "uds")]
    return pl.concat([*listed, _study_drug_findings(context).select(keys)]).unique().sort(keys)


def urine(context: Context) -> pl.DataFrame:
    """One row per sample day and substance assayed; nothing where no sample was given.

    The source's grouped findings leave out the study drug found in its own arm between first and last dose; the
    ungrouped ones do not, and fill in here, so that a result says what the assay found.
    """
    keys = ["participant_id", "day", "substance"]
    found = context.days("uds").with_columns(substance=pl.col("what").map_elements(kebab, return_dtype=pl.String))
    whole = _study_drug_findings(context)
    assays = _assays(context)
    positive = pl.concat([found.select(keys), whole.select(keys)]).unique().with_columns(_positive=pl.lit(True))
    attended = visits(context).filter(pl.col("state") == ATTENDED).select("participant_id", "day", "visit")
    attended = attended.with_columns(_beside=~_is_planned("visit")).sort("participant_id", "day", "_beside", "visit")
    attended = attended.unique(["participant_id", "day"], keep="first", maintain_order=True)
    given = samples(context).join(attended.drop("_beside"), on=["participant_id", "day"], how="left")
    due = given.join(pl.DataFrame({"substance": assays}, schema={"substance": pl.String}), how="cross")
    for substance, at in context.trial.assayed_only_at.items():
        due = due.filter((pl.col("substance") != substance) | pl.col("visit").is_in(at))
    # findings of an assay that the source does not list were made all the same
    more = positive.join(due, on=keys, how="anti").join(given, on=["participant_id", "day"], how="left")
    rows = pl.concat(
        [
            due.select("participant_id", "visit", "day", "substance"),
            more.select("participant_id", "visit", "day", "substance"),
        ]
    )
    rows = rows.join(positive, on=keys, how="left")
    result = pl.when(pl.col("_positive")).then(pl.lit(POSITIVE)).otherwise(pl.lit(NEGATIVE)).alias("result")
    return rows.with_columns(result).drop("_positive").sort(keys)


def coverage(context: Context) -> pl.DataFrame:
    """From which to which source day each person was asked about use.

    From the 30 days before consent, or the first day reported if earlier; to the last contact: the last visit kept,
    sample given or day reported. The source states no end of recall.
    """
    zero = context.first.select("who", "zero")
    reported = (
        context.tables["tlfb"]
        .join(zero, on="who")
        .group_by("who")
        .agg(lo=pl.col("when").min(), hi=pl.col("when").max())
    )
    kept = (
        context.tables["visit"]
        .filter(pl.col("what").is_in(["visit", "final"]))
        .group_by("who")
        .agg(kept=pl.col("when").max())
    )
    given = context.tables["uds_temp"].group_by("who").agg(given=pl.col("when").max())
    out = zero.join(reported, on="who", how="left").join(kept, on="who", how="left").join(given, on="who", how="left")
    return out.select(
        "who",
        "zero",
        first=pl.min_horizontal("lo", pl.lit(-RECALL_DAYS)),
        last=pl.max_horizontal("hi", "kept", "given", pl.lit(-1)),
    )


def daily_use(context: Context) -> pl.DataFrame:
    """Every reported day of use by substance, and one row ``any`` for every day asked about.

    ``any`` says that the day was asked about, and whether anything was reported; a substance without a row of its own
    on such a day was not used. (Rows of no use for each of 30 substances would be thirty times as many.)
    """
    used = context.days("tlfb").with_columns(substance=pl.col("what").map_elements(kebab, return_dtype=pl.String))
    used = used.select("participant_id", "day", "substance").unique().with_columns(used=pl.lit(True))
    asked = coverage(context).with_columns(when=pl.int_ranges("first", pl.col("last") + 1)).explode("when")
    asked = asked.select(participant_id=_id(), day=_day(pl.col("when") - pl.col("zero")))
    anything = used.select("participant_id", "day").unique().with_columns(used=pl.lit(True))
    asked = asked.join(anything, on=["participant_id", "day"], how="left")
    asked = asked.select(
        "participant_id", "day", pl.lit(ANY_SUBSTANCE).alias("substance"), pl.col("used").fill_null(False)
    )
    rows = pl.concat([used, asked]).with_columns(asked=pl.lit(True))
    return rows.select("participant_id", "day", "substance", "asked", "used").sort("participant_id", "day", "substance")


def exposure(context: Context) -> pl.DataFrame:
    """Doses by day, in milligrams; an injection of extended-release naltrexone is 380 mg."""
    doses = _doses(context)
    later = pl.col("second").is_not_null() & (pl.col("when") >= pl.col("second"))
    doses = doses.with_columns(now=pl.when(later).then("arm_2").otherwise("arm"))
    drugs = pl.DataFrame(
        [(arm, drug, route) for arm, (drug, route) in context.trial.drugs.items()],
        schema=["now", "intervention", "route"],
        orient="row",
    )
    doses = doses.join(drugs, on="now")
    injection = pl.col("intervention") == "extended-release-naltrexone"
    mg = pl.when(injection).then(pl.col("amount") * INJECTION_MG).otherwise(pl.col("amount"))
    rows = doses.select("participant_id", "intervention", "day", mg.alias("delivered_mg"), "route")
    return rows.sort("participant_id", "day")


def disposition(context: Context) -> pl.DataFrame:
    """How each randomized person ended: completed, died, left, was lost; where doses tell it, who stopped treatment.

    The source has no table of endings. Completed: the last planned visit of treatment was kept, at most 14 days early.
    Died and left: a visit was missed for that reason. Everybody else was lost after the last contact.
    """
    seen = visits(context).filter(pl.col("state") == ATTENDED)
    last = (
        pl.concat([seen.select("participant_id", "day"), samples(context)])
        .group_by("participant_id")
        .agg(pl.col("day").max())
    )
    # "week 24" and "final" were also held when somebody left early: such a visit completes nothing
    second = context.first.select(participant_id=_id(), second=_day(pl.col("second") - pl.col("zero")))
    final = pl.when(pl.col("visit") == "phase-1-final").then(7 * 12).otherwise(pl.col("second") + 7 * 24)
    in_time = pl.col("day") >= pl.coalesce("target_day", final) - EARLY_DAYS
    ending = seen.filter(pl.col("visit").is_in(context.trial.completes)).join(second, on="participant_id")
    went_on = pl.col("visit").str.starts_with("phase-1") & pl.col("second").is_not_null()  # and had a phase to complete
    done = ending.filter(in_time, ~went_on).group_by("participant_id").agg(done=pl.col("day").max())
    flags = (
        context.tables["visit"]
        .group_by("who")
        .agg(
            dead=(pl.col("is_dead") == 1).any(),
            left=(pl.col("is_left_study") == 1).any(),
            moved=(pl.col("is_moved") == 1).any(),
            jail=(pl.col("is_in_jail") == 1).any(),
        )
    )
    rows = context.first.select("who", participant_id=_id()).join(last, on="participant_id", how="left")
    rows = rows.join(done, on="participant_id", how="left").join(flags, on="who", how="left")
    ended = pl.when(pl.col("dead")).then(pl.lit("death")).when(pl.col("done").is_not_null()).then(pl.lit("completion"))
    event = ended.when(pl.col("left")).then(pl.lit("study_withdrawal")).otherwise(pl.lit("lost_to_follow_up"))
    why = pl.when(pl.col("done").is_not_null() | pl.col("dead")).then(None)
    known = why.when(pl.col("left")).then(pl.lit("left the study")).when(pl.col("jail")).then(pl.lit("in jail"))
    reason = known.when(pl.col("moved")).then(pl.lit("moved away")).otherwise(pl.lit("reason not recorded"))
    # the day of a death is not in the source: the last contact would be read as the day it happened
    day = pl.when(pl.col("dead")).then(None).when(pl.col("done").is_not_null()).then("done").otherwise("day")
    endings = rows.select("participant_id", event.alias("event"), day.alias("day"), reason.alias("reason"))
    return pl.concat([endings, discontinuations(context)]).sort("participant_id", "day", nulls_last=True)


def discontinuations(context: Context) -> pl.DataFrame:
    """Who stopped a treatment of daily doses before its end: the day after the last dose, day 1 for who never had one.

    Nothing where the trial's treatment is not of daily doses.
    """
    end = context.trial.doses_until
    everybody = context.first.select(participant_id=_id())
    if end is None:
        return everybody.head(0).with_columns(event=pl.lit(""), day=pl.lit(0, pl.Int64), reason=pl.lit(""))
    doses = exposure(context).filter(pl.col("delivered_mg") > 0)
    last = doses.group_by("participant_id").agg(last=pl.col("day").max())
    stopped = everybody.join(last, on="participant_id", how="left").filter(
        pl.col("last").is_null() | (pl.col("last") < end)
    )
    never = pl.col("last").is_null()
    # There is no day 0: the day after day -1 is day 1.
    after = pl.when(never | (pl.col("last") < 1)).then(1).otherwise(pl.col("last") + 1)
    return stopped.select(
        "participant_id",
        pl.lit("treatment_discontinuation").alias("event"),
        after.cast(pl.Int64).alias("day"),
        pl.when(never).then(pl.lit("never dosed")).otherwise(pl.lit("last dose")).alias("reason"),
    )


def choices_of(context: Context) -> dict[str, Any]:
    """What had to be chosen, counted, for the source's details: a report can print it."""
    days = context.days("uds_temp")
    twice = context.days("treatment").group_by("who", "when").len().filter(pl.col("len") > 1).height
    return {
        "consented": context.tables["everybody"]["who"].n_unique(),
        "randomized": context.first.height,
        "samples_outside_temperature_kept": days.filter(pl.col("was_temp_ok") == 0).height,
        "person_days_with_two_doses_larger_kept": twice,
        "randomized_without_any_visit_row": context.first.join(context.tables["visit"], on="who", how="anti").height,
    }
