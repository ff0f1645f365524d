"""Editions of a cut: what each knows of arms and doses, the true ones, dummies or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from equipoise.conduct.rows.tables import SealedEventRow, SlotRow

if TYPE_CHECKING:
    from equipoise.conduct.cut.history import Ledger
    from equipoise.conduct.keys.vault import Vault
    from equipoise.conduct.trial.trial import Trial
    from equipoise.protocol import Protocol

Edition = Literal["blinded", "sham", "unblinded"]


@dataclass(frozen=True)
class Opened:
    """What a cut knows of arms and doses: the true ones, dummies, or nothing."""

    arms: Mapping[tuple[str, int], str]  # participant, number of the randomization
    doses: Mapping[tuple[str, int], tuple[str, Any]] | None  # participant, day: intervention, mg; None: work out


def open_true(trial: Trial, ledger: Ledger, vault: Vault) -> Opened:
    """Arms of the slots given by then, and the doses of the sealed sheets."""
    from decimal import Decimal

    from equipoise.conduct.trial.slots import open_event, open_slot

    last = ledger.events[-1].number
    with trial.use():
        slots = {slot.handle: slot for slot in trial.find(SlotRow)}
        sealed = trial.find(SealedEventRow, event_number__at_most=last, order=("number",))
    arms = {}
    for row in ledger.tables["allocation"]:
        arms[(row["participant"], row["randomization"])] = str(open_slot(vault, slots[row["handle"]])["arm"])
    doses: dict[tuple[str, int], tuple[str, Any]] = {}
    for one in sealed:
        entry = open_event(vault, one)
        if "dose" in entry:
            dose = entry["dose"]
            doses[(dose["participant"], dose["day"])] = (dose["intervention"], Decimal(dose["prepared_mg"]))
    return Opened(arms, doses)


def open_sham(trial: Trial, ledger: Ledger, pharmacy: Path, protocol: Protocol) -> Opened:
    """A dummy allocation: the same streams and places, arms from lists of a key of their own."""
    from equipoise.conduct.trial.slots import read_trial_companion

    lists = read_trial_companion(pharmacy, protocol, trial.mode).sham()
    profiles = {key: profile for key, (_, profile) in ledger.given.items()}
    arms: dict[tuple[str, int], str] = {}
    history: dict[str, list[tuple[Mapping[str, str], str]]] = {}
    for row in sorted(ledger.tables["allocation"], key=lambda row: (row["stream"], row["position"])):
        key = (row["participant"], row["randomization"])
        before = history.setdefault(row["stream"], [])
        arm = lists.next_arm(row["stream"], before, profiles.get(key, {}))
        before.append((profiles.get(key, {}), arm))
        arms[key] = arm
    return Opened(arms, None)
