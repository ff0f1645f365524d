"""The flagship simulated, driven whole through the actions, cut after lock: the records are those simulated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from equipoise.exchange.records_files import plain_frame
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.records.schema import TABLES
from equipoise.simulation.simulate import simulate
from equipoise.workflow.library import definitions_of, protocol_path

from .driven import Driver, hire, order_by_list


def flagship(per_arm: int | None) -> Protocol:
    """The flagship; with so many participants an arm, and then without the results of the larger trial."""
    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    if per_arm is not None:
        for number in (27, 28):
            text = text.replace(f"n: {{value: {number}, source: summary}}", f"n: {{value: {per_arm}, source: summary}}")
        text = re.sub(
            r"n: \{midazolam: \d+, ketamine: \d+\}", f"n: {{midazolam: {per_arm}, ketamine: {per_arm}}}", text
        )
        text = re.sub(r"\d+ of 2[78]\b", f"1 of {per_arm}", text)
        text = re.sub(r"(?ms)^(published|remarks|calibration):.*?(?=^[a-z])", "", text)
    protocol = read_protocol_text(text)
    return protocol.with_definitions(definitions_of(protocol))


def companion_for(staged_pharmacy: Path, protocol: Protocol) -> list[str]:
    from equipoise.conduct.store.slots import read_trial_companion

    lists = read_trial_companion(staged_pharmacy, protocol, "training")
    return list(lists.slots(lists.streams()[0], 60))


def drive(staged: Any, protocol: Protocol, seed: int) -> tuple[Any, Driver, list[str], Any]:
    """The first trial (by the seed of its list) whose list can give the simulated arms, and everything entered."""
    records = simulate(protocol, seed=seed)
    arms = dict(records["allocations"].select("participant_id", "arm").iter_rows())
    for attempt in range(20):
        trial = staged(protocol=protocol, seed=f"driven {attempt}", name=f"trial-{attempt}")
        order = order_by_list(companion_for(trial.pharmacy, protocol), arms)
        if order is not None:
            break
    assert order is not None
    hire(trial)
    driver = Driver(trial, records)
    driver.run(order)
    return trial, driver, order, records


def same(one: pl.DataFrame, other: pl.DataFrame, name: str) -> None:
    """Equal as files hold them; a whole number and a number with the same value are one value."""
    left, right = (plain_frame(name, frame, TABLES[name].key) for frame in (one, other))
    assert sorted(left.columns) == sorted(right.columns)
    right = right.select(left.columns)
    left = left.with_columns(pl.col(pl.Int64).cast(pl.Float64))
    right = right.with_columns(pl.col(pl.Int64).cast(pl.Float64))
    key = [*TABLES[name].key]
    left, right = (frame.sort([*key, *(c for c in left.columns if c not in key)]) for frame in (left, right))
    assert left.equals(right), f"{name}\n{left.join(right, on=left.columns, how='anti', nulls_equal=True)}\n" \
                               f"{right.join(left, on=left.columns, how='anti', nulls_equal=True)}"  # fmt: skip


def check(staged: Any, per_arm: int | None, seed: int) -> None:
    from equipoise.conduct.cut import cut_records

    protocol = flagship(per_arm)
    trial, driver, order, records = drive(staged, protocol, seed)
    driver.close(order)
    at = trial.clock.now()
    found = cut_records(trial.trial, at=at, edition="unblinded", pharmacy=trial.pharmacy, now=trial.clock.now())
    assert found.source.details["locked"] is True
    for name in TABLES:
        same(found[name], records[name], name)


def test_a_small_flagship_driven_through_every_action_gives_the_simulated_records(staged: Any) -> None:
    check(staged, per_arm=2, seed=11)


@pytest.mark.characteristics
def test_the_whole_flagship_driven_through_every_action_gives_the_simulated_records(staged: Any) -> None:
    check(staged, per_arm=None, seed=7)
