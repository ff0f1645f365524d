"""The flagship simulated, driven whole through the actions, cut after lock: the records are those simulated."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
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
    from equipoise.conduct.trial.slots import read_trial_companion

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
    assert left.equals(right), (
        f"{name}\n{left.join(right, on=left.columns, how='anti', nulls_equal=True)}\n"
        f"{right.join(left, on=left.columns, how='anti', nulls_equal=True)}"
    )


def check_calendar(trial: Any) -> None:
    """The ledger was written in the order of the calendar by several people, participants among one another."""
    events = trial.rows("SELECT at, clock, account, participant FROM event WHERE participant <> '' ORDER BY number")
    assert [at for at, *_ in events] == sorted(at for at, *_ in events)
    assert not any(clock for _, clock, *_ in events)
    assert len({account for _, _, account, _ in events}) >= 10
    turns = sum(1 for one, two in pairwise(events) if one[3] != two[3])
    people = {person for *_, person in events}
    assert turns > 10 * len(people), "participants came one after another"


def check(staged: Any, per_arm: int | None, seed: int, folder: Path) -> None:
    """Driven, closed and cut: records equal to those simulated, and the results of the plan with them."""
    from equipoise.conduct.cut.cut import take_cut
    from equipoise.exchange.records_files import read_records, write_records

    protocol = flagship(per_arm)
    trial, driver, order, records = drive(staged, protocol, seed)
    check_calendar(trial)
    driver.close(order)
    at = trial.clock.now().isoformat()
    take_cut(
        trial.trial,
        trial.session("uma"),
        at=at,
        edition="unblinded",
        out=folder / "cut",
        pharmacy=trial.pharmacy,
        clock=trial.clock,
        entropy=trial.entropy,
    )
    found = read_records(folder / "cut")
    assert found.source.details["locked"] is True
    for name in TABLES:
        same(found[name], records[name], name)
    write_records(records, folder / "simulated")
    (folder / "protocol.yaml").write_text(protocol.text, "utf-8")
    results = []
    for name in ("cut", "simulated"):
        told = CliRunner().invoke(
            app,
            [
                "run",
                str(folder / "protocol.yaml"),
                "--records",
                str(folder / name),
                "--out",
                str(folder / f"{name}-run"),
                "--no-pdf",
            ],
        )
        assert told.exit_code == 0, told.output
        results.append(json.loads((folder / f"{name}-run" / "results.json").read_text("utf-8")))
    assert results[0]["estimates"] == results[1]["estimates"]
    # only the simulated records know the seed and the set of assumptions that they were drawn from
    assert [result["provenance"].pop("seed") for result in results] == [None, seed]
    assert [result["provenance"].pop("scenario") for result in results] == [None, "as-published"]
    for result in results:  # the table of these assumptions too, after which the others count on
        parameters = "Parameters of the generative model, simulated"
        kept = [table for table in result["tables"] if table["caption"] != parameters]
        result["tables"] = [{**table, "number": 0} for table in kept]
    assert results[0] == results[1]


def test_a_small_flagship_driven_through_every_action_gives_the_simulated_records(staged: Any, tmp_path: Path) -> None:
    check(staged, per_arm=2, seed=11, folder=tmp_path)


@pytest.mark.characteristics
def test_the_whole_flagship_driven_through_every_action_gives_the_simulated_records(
    staged: Any, tmp_path: Path
) -> None:
    check(staged, per_arm=None, seed=7, folder=tmp_path)
