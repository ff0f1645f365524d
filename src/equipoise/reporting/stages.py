"""The stages of a trial that randomized again: for each one the material of its own participants, days and visits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import polars as pl

from equipoise.records import Records
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Heading

ENDINGS = ("lost_to_follow_up", "study_withdrawal", "death")  # nobody is randomized again after one of them
NOT_AGAIN = "not randomized again"


def stages_of(material: Material) -> tuple[Material, ...]:
    """The material itself where everybody was allocated once; else that of each stage with allocations of its own."""
    stages = material.records["allocations"]["stage"].drop_nulls().unique().sort().to_list()
    if len(stages) < 2:
        return (material,)
    endings = frozenset(material.records["disposition"]["event"].drop_nulls().to_list())
    return tuple(
        replace(material, records=_records_of(material.records, number), stage=number, endings=endings)
        for number in stages
    )


def _records_of(records: Records, number: int) -> Records:
    """What belongs to one stage: its allocations, those who could enter it, and how they left during it.

    Participants are those of the stage before, or everybody in the first. What ends taking part belongs to the last
    stage entered, though the day of the last contact may lie before it; anything else to the stage of its day.
    """
    allocations, participants = records["allocations"], records["participants"]
    mine = allocations.filter(pl.col("stage") == number)
    if number > 1:
        before = allocations.filter(pl.col("stage") < number)["participant_id"].unique()
        again = pl.col("participant_id").is_in(mine["participant_id"].to_list())
        # Who went no further was excluded from this stage, whatever a screening before the first one said of them.
        participants = participants.filter(pl.col("participant_id").is_in(before.to_list())).with_columns(
            ineligible_reason=pl.when(~again).then(pl.lit(NOT_AGAIN))
        )
    entered = mine.select("participant_id", entered="day")
    next_one = allocations.filter(pl.col("stage") > number).group_by("participant_id").agg(next_one=pl.col("day").min())
    went_on = pl.col("participant_id").is_in(next_one["participant_id"].to_list())
    is_end = pl.col("event").is_in(ENDINGS)
    disposition = (
        records["disposition"]
        .join(entered, on="participant_id", how="inner", maintain_order="left")
        .join(next_one, on="participant_id", how="left", maintain_order="left")
        .filter(
            (number == 1) | is_end | (pl.col("day") >= pl.col("entered")).fill_null(True),
            ~went_on | ~is_end & (pl.col("day") < pl.col("next_one")).fill_null(False),
        )
        .select(records["disposition"].columns)
    )
    tables = {"allocations": mine, "participants": participants, "disposition": disposition}
    return replace(records, tables={**records.tables, **tables}, truth={})


def stage_title(material: Material) -> str:
    """A stage's name and how many it randomized."""
    return f"{words.capitalized(str(material.stage_id).replace('-', ' '))}: {material.n_randomized} randomized"


def by_stage(material: Material, make: Callable[[Material], Iterable[Block | None]]) -> list[Block | None]:
    """The blocks of every stage, each under a heading of its own where there are several."""
    out: list[Block | None] = []
    stages = stages_of(material)
    for mine in stages:
        blocks = [block for block in make(mine) if block is not None]
        if len(stages) > 1 and blocks:
            out.append(Heading(stage_title(mine), 2))
        out += blocks
    return out
