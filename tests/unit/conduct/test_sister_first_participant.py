"""A first participant of every bundled trial through the actions: in by the door, dosed where doses are given, seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from equipoise.conduct.rules import dose
from equipoise.protocol import Protocol
from equipoise.workflow.library import read_protocol

TRIALS = (
    "ketamine-mbrp-cocaine",
    "ketamine-met-alcohol",
    "kare",
    "ketamine-mbrp-cocaine-replication",
    "ketamine-cocaine-crossover",
    "ketamine-depression-withdrawal",
)


def people(trial: Any, protocol: Protocol) -> None:
    """Those whom the usual trial does not have, and drug on the shelf."""
    from equipoise.conduct.actions.sign_in import Session

    for name, roles in {"petra": ["pharmacist"], "nina": ["infusion"], "ruth": ["rater"]}.items():
        made = trial.do("alice", "add-account", account=name, person=name.title(), roles=roles)
        trial.sessions[name], trial.passphrases[name] = Session(name), made.told["passphrase"]
    drugs = {drug.drug for arm in protocol.arm_ids for drug in dose.infusions(protocol, arm).values()}
    for drug in sorted(drugs):
        trial.do("phil", "stock", drug=drug, movement="received", mg=9000, sealed=True)


@pytest.mark.parametrize("name", TRIALS)
def test_the_first_participant_of_a_bundled_trial_goes_through_the_actions(name: str, staged: Any) -> None:
    protocol = read_protocol(name)
    trial = staged(protocol=protocol)
    people(trial, protocol)
    calendar = protocol.model.calendar
    trial.enrol("P-1")
    if calendar.randomization_day is not None:
        trial.do("carol", "day-1", participant="P-1")
        trial.clock.at += timedelta(days=calendar.randomization_day - 1)
    trial.do("carol", "randomize", participant="P-1")
    today = calendar.randomization_day or 1
    infused = min(
        day for drug in dose.infusions(protocol, protocol.arm_ids[0]).values() for day in dose.infusion_days(drug)
    )
    trial.clock.at += timedelta(days=infused - today)
    trial.do("nina", "weight", participant="P-1", kg="70")
    told = trial.do("phil", "dose-sheet", participant="P-1", sealed=True).told
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.do("nina", "infusion-start", participant="P-1")
    sheet = dose.open_sheet(protocol, infused)
    for before, step in zip(sheet.steps, sheet.steps[1:], strict=False):
        trial.clock.at += timedelta(minutes=float(before.minutes))
        rate = dose.decimal_text(step.rate_ml_per_hour)
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=rate)
    trial.clock.at += timedelta(minutes=float(sheet.steps[-1].minutes))
    trial.do("nina", "infusion-stop", participant="P-1")
    visit = next(v for v in protocol.planned_visits if v.target_day > infused)
    trial.clock.at += timedelta(days=visit.target_day - infused)
    trial.do("carol", "visit", participant="P-1", visit=visit.name)
    from equipoise.conduct.cut.cut import cut_records

    trial.do("sam", "open-arms", why="the test looks")
    cut = cut_records(trial.trial, at=trial.clock.now(), edition="unblinded", pharmacy=trial.pharmacy)
    row = cut["exposure"].row(0, named=True)
    assert row["intervention"] in protocol.model.interventions
    assert row["delivered_mg"] == pytest.approx(row["planned_mg"], abs=0.011)
    assert f"{row['planned_mg']:g}" == f"{float(told['prepared_mg']):g}"
    assert cut["visits"].filter(pl.col("visit") == visit.name)["state"].to_list() == ["attended"]
    arm = cut["allocations"]["arm"].item()
    assert protocol.gives_on(arm, row["intervention"], infused)
