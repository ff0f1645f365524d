"""Several arms, changed sizes and over-running: what looks do beyond two arms of a fixed size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import special

import equipoise
from equipoise.analysis.after_looks import allow_for_looks
from equipoise.analysis.analyse import estimate_planned
from equipoise.analysis.at_look import plan_at_look
from equipoise.analysis.interim import LooksOfPlan, looks_of
from equipoise.analysis.look_taken import LookTaken
from equipoise.analysis.plan import planned_fits
from equipoise.analysis.results import Results
from equipoise.analysis.take_look import answers_at, take_look
from equipoise.foundation.errors import AnalysisError
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.records import DataSource, Records
from equipoise.reporting import look_words
from equipoise.reporting.after_looks import interim_blocks
from equipoise.reporting.context import Material
from equipoise.reporting.document import Paragraph, Table
from equipoise.stats.design.dropped_arms import dunnett_p

PLAN = """
looks:
  analyses: [abstinence]
  at: [0.5, 1]
  planned: 55
"""


def protocol_with(tmp_path: Path, plan: str, name: str = "ketamine-mbrp-cocaine") -> Protocol:
    file = tmp_path / f"{name}.yaml"
    file.write_text(equipoise.read_protocol(name).text.rstrip() + "\n" + plan, "utf-8")
    return equipoise.read_protocol(file)


def first(records: Records, n: int) -> Records:
    """The first participants, followed to the end."""
    ids = sorted(records["allocations"]["participant_id"].unique().to_list())[:n]
    kept = {k: f.filter(pl.col("participant_id").is_in(ids)) for k, f in records.tables.items() if f.height}
    return Records(kept, records.source)


def looked_at(protocol: Protocol, records: Records, looks: LooksOfPlan, sizes: list[int]) -> list[LookTaken]:
    """Looks at the first so many participants."""
    taken: list[LookTaken] = []
    for n in sizes:
        answers = answers_at(protocol, looks, first(records, n), followed_to=None, all_followed=True)
        taken.append(take_look(protocol, looks, taken, answers))
    return taken


def finished(protocol: Protocol, records: Records, taken: list[LookTaken], *, z: float | None = None):
    looks = looks_of(protocol)
    if z is not None:
        taken = [replace(look, decision=looks.decide([look.fraction], [z])[0], z=z) for look in taken]
    results = equipoise.analyse(protocol, records)
    return allow_for_looks(protocol, looks, taken, ["0" * 64] * len(taken), results)


def test_relabelled_arms_give_the_same_decision_on_the_other_side(tmp_path: Path):
    protocol = protocol_with(tmp_path, PLAN)
    records = equipoise.simulate(protocol, seed=3)
    swap = {"ketamine": "midazolam", "midazolam": "ketamine"}
    frame = records["allocations"].with_columns(pl.col("arm").replace(swap), pl.col("arm_received").replace(swap))
    mirrored = Records({**records.tables, "allocations": frame}, records.source)
    turned = Records({name: table.reverse() for name, table in records.tables.items()}, records.source)
    looks = looks_of(protocol)
    (one,), (other,), (same,) = (looked_at(protocol, r, looks, [30]) for r in (records, mirrored, turned))
    assert other.z == pytest.approx(-one.z, abs=1e-8)
    assert same.z == pytest.approx(one.z, abs=1e-9)
    assert same.decision.critical_z == one.decision.critical_z == other.decision.critical_z


def test_deleted_rows_of_missed_visits_give_the_same_decision(tmp_path: Path):
    protocol = protocol_with(tmp_path, PLAN)
    records = equipoise.simulate(protocol, seed=3)
    without = records["visits"].filter(pl.col("state") != "missed")
    assert without.height < records["visits"].height
    fewer = Records({**records.tables, "visits": without}, records.source)
    looks = looks_of(protocol)
    (one,), (other,) = (looked_at(protocol, r, looks, [30]) for r in (records, fewer))
    assert (other.z, other.reached, other.outcome) == (one.z, one.reached, one.outcome)


def test_results_after_a_look_that_stopped_the_trial_take_its_place(tmp_path: Path):
    protocol = protocol_with(tmp_path, PLAN)
    records = equipoise.simulate(protocol, seed=3)
    looks = looks_of(protocol)
    taken = looked_at(protocol, records, looks, [30])
    stopped = finished(protocol, records, taken, z=3.5)
    assert stopped.after_looks.left_out == (1,)
    assert stopped.after_looks.shown
    # one look is left: the answer is that of an analysis without looks
    plain = stopped.after_looks.plain[0]
    assert stopped["abstinence"].p_value == pytest.approx(plain.p_value, rel=1e-6)
    went_on = finished(protocol, records, taken)
    assert went_on.after_looks.left_out == ()
    text = look_words.at_the_end(stopped.after_looks, looks, {"abstinence": "K"}, ("K", "M"))
    assert "crossed at look 1, in favour of K" in text
    assert "look 1, which is left out of the adjustment" in text


def test_fewer_results_at_the_end_than_at_a_look_are_refused(tmp_path: Path):
    protocol = protocol_with(tmp_path, PLAN)
    records = equipoise.simulate(protocol, seed=3)
    taken = looked_at(protocol, records, looks_of(protocol), [40])
    few = first(records, 30)
    with pytest.raises(AnalysisError) as raised:
        allow_for_looks(protocol, looks_of(protocol), taken, ["0"], equipoise.analyse(protocol, few))
    assert [p.code for p in raised.value.problems] == ["A056"]


def test_a_changed_size_combines_the_stages_by_the_weights_of_the_plan(tmp_path: Path):
    plan = PLAN.rstrip() + "\n  re-estimation: {target-power: 0.9, most: 110}\n"
    protocol = protocol_with(tmp_path, plan)
    records = equipoise.simulate(protocol, seed=3)
    looks = looks_of(protocol)
    (look,) = looked_at(protocol, records, looks, [28])
    assert look.new_size is not None
    assert 55 <= look.new_size.number <= 110
    after = finished(protocol, records, [look]).after_looks
    z1, z = look.lines[0].z, looks.z_of(after.plain[0])
    own = (z * np.sqrt(55) - z1 * np.sqrt(28)) / np.sqrt(55 - 28)
    assert after.final.z == pytest.approx((z1 + own) / np.sqrt(2), abs=1e-9)  # weights of halves, as planned
    words = look_words.new_size(look.new_size, "results")
    assert "55" in words
    assert "conditional power" in words


SIMPLE = (Path(__file__).parents[1] / "docs" / "simple_trial.yaml").read_text("utf-8")
THREE = "looks: {analyses: [abstinence, abstinence-more], at: [0.5, 1], planned: 150, drop-arms: {keep: 1}}"
THIRD_ARM = (
    (
        "  experimental: {role: experimental, gives: [new], n: 50}",
        "  experimental: {role: experimental, gives: [new], n: 50}\n"
        "  more: {role: experimental, gives: [new, usual], n: 50}",
    ),
    ("{control: 1, experimental: 1}", "{control: 1, experimental: 1, more: 1}"),
    (
        "estimands:\n",
        "estimands:\n  abstinence-more: {endpoint: abstinence, treatments: more v control, summary: odds-ratio}\n",
    ),
    (
        "analyses:\n",
        "analyses:\n  abstinence-more: {estimand: abstinence-more, estimator: logistic, level: primary, "
        "alpha-two-sided: 0.05}\n",
    ),
)


def three_arms(protocol: Protocol) -> Records:
    """150 participants; abstinent are 15, 18 and 30 of 50 in the three arms, spread alike over the order of entry."""
    arms, good = ("control", "experimental", "more"), (15, 18, 30)
    people = [(f"P{k:03d}", arms[k % 3], (k // 3 * 29) % 50 < good[k % 3]) for k in range(150)]
    ids = [id for id, _, _ in people]
    visits = [(id, f"day-{day}", day) for id in ids for day in (21, 42, 63, 84)]
    tables = {
        "participants": pl.DataFrame({"participant_id": ids, "consented": True, "eligible": True}),
        "allocations": pl.DataFrame(
            {"participant_id": ids, "stage": 1, "day": 1, "arm": [a for _, a, _ in people]},
        ).with_columns(arm_received=pl.col("arm")),
        "visits": pl.DataFrame(
            [
                {"participant_id": id, "visit": name, "target_day": day, "day": day, "state": "attended"}
                for id, name, day in visits
            ]
        ),
        "daily_use": pl.DataFrame(
            [
                {"participant_id": id, "day": 80, "substance": "alcohol", "asked": True, "used": not dry}
                for id, _, dry in people
            ]
        ),
    }
    return Records(tables, DataSource("imported", "made by hand", "simple-trial", protocol.hash))


def test_an_arm_is_dropped_and_the_other_is_claimed_by_the_closed_test():
    text = SIMPLE
    for old, new in THIRD_ARM:
        assert old in text
        text = text.replace(old, new, 1)
    protocol = read_protocol_text(f"{text}\n{THREE}")
    records = three_arms(protocol)
    looks = looks_of(protocol)
    (look,) = looked_at(protocol, records, looks, [75])
    z1 = {line.line: line.z for line in look.lines}
    assert look.kept == (max(z1, key=lambda name: z1[name]),)
    assert look.decision is None
    kept = look.kept[0]
    plan = plan_at_look(protocol, records, kept, followed_to=None, all_followed=True).plan
    fits = [fit for fit in planned_fits(protocol) if fit.id in looks.analyses]
    rows = tuple(row for fit in fits for row in estimate_planned(protocol, plan, fit))
    results = Results(estimates=rows, provenance=None, endpoints={})  # type: ignore[arg-type]
    after = allow_for_looks(protocol, looks, [look], ["0" * 64], results).after_looks
    assert after.dropped == tuple(name for name in looks.analyses if name != kept)
    # by hand: the arm alone and both arms together, each combined with equal weights, must reach the last bound
    row = results[kept]
    counted = next(line.counted for line in look.lines if line.line == kept)
    own = (looks.z_of(row) * np.sqrt(row.n_analysed) - z1[kept] * np.sqrt(counted)) / np.sqrt(row.n_analysed - counted)
    shares = [line.n_arm / (line.n_arm + line.n_reference) for line in look.lines]
    both = -special.ndtri(float(dunnett_p(max(z1.values()), shares)))
    alone, together = (z1[kept] + own) / np.sqrt(2), (both + own) / np.sqrt(2)
    critical = looks.rule.design.critical_z[-1]
    assert (kept in after.claimed) == (min(alone, together) >= critical or kept in look.claimed)
    assert after.claimed == (kept,)
    assert after.adjusted is None
    words = look_words.arms(look, looks, {"abstinence": "New", "abstinence-more": "More"})
    assert words == "More goes on; New is dropped."


def test_blocks_of_a_report_hold_the_looks_and_both_answers(tmp_path: Path):
    protocol = protocol_with(tmp_path, PLAN)
    records = equipoise.simulate(protocol, seed=3)
    results = finished(protocol, records, looked_at(protocol, records, looks_of(protocol), [30]))
    blocks = interim_blocks(Material(protocol, records, results))
    tables = [block for block in blocks if isinstance(block, Table)]
    assert [table.caption for table in tables] == ["Looks taken", "The planned analysis, allowing for the looks"]
    said = " ".join(str(block.text) for block in blocks if isinstance(block, Paragraph))
    assert "1 look was taken, at 54.5%" in said
    assert "None" not in said
    for table in tables:
        for row in table.rows:
            assert all(cell is not None and cell != "" for cell in row.cells), row


def test_everybody_followed_is_the_plan_itself(tmp_path: Path):
    protocol = protocol_with(tmp_path, PLAN)
    records = equipoise.simulate(protocol, seed=3)
    look = plan_at_look(protocol, records, "abstinence", followed_to=None, all_followed=True)
    assert look.seen.n_waiting == 0
    answers = answers_at(protocol, looks_of(protocol), records, followed_to=None, all_followed=True)
    assert answers["abstinence"][1].p_value == equipoise.analyse(protocol, records)["abstinence"].p_value
