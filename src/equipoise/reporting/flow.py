"""Counts of the CONSORT 2025 flow diagram, from the records and the identities of those analysed.

Sums hold: screened = excluded + randomized; allocated = received + not received = analysed + not analysed. Records
that contradict themselves (somebody excluded and randomized) are counted by what happened: they were randomized.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from equipoise.records.records import Records

Reasons = Sequence[tuple[str, int]]
_WAYS_OF_LEAVING = frozenset({"lost_to_follow_up", "study_withdrawal", "treatment_discontinuation"})
NO_REASON = "reason not recorded"


@dataclass(frozen=True, slots=True)
class ArmFlow:
    """One arm's way through the trial; reasons are (words, how many), most frequent first."""

    arm: str
    label: str
    n_allocated: int
    n_received: int | None = None
    not_received: Reasons = ()
    lost: Reasons = ()
    withdrew: Reasons = ()
    died: Reasons = ()
    discontinued: Reasons = ()
    n_analysed: int | None = None
    not_analysed: Reasons = ()
    has_disposition: bool = True
    not_recorded: frozenset[str] = frozenset()  # ways of leaving that these records hold of nobody, and may not know


@dataclass(frozen=True, slots=True)
class FlowCounts:
    """The whole diagram; ``None`` means that the records do not say."""

    n_screened: int | None
    n_excluded: int | None
    excluded: Reasons
    n_randomized: int
    arms: Sequence[ArmFlow] = field(default=())
    primary: str = ""
    is_randomized: bool = True
    is_again: bool = False  # a later stage, entered from the one before


@dataclass(frozen=True, slots=True)
class PrimaryAnalysis:
    """Who entered the primary analysis, by arm."""

    analysed: Mapping[str, Collection[str]] | Mapping[str, int] | None = None  # who, or how many
    not_analysed: Mapping[str, Reasons] = field(default_factory=dict)  # why others did not
    name: str = ""


def count_flow(
    records: Records,
    arms: Mapping[str, str],
    primary: PrimaryAnalysis | None = None,
    *,
    reason_words: Mapping[str, str] | None = None,
    is_randomized: bool = True,
    is_again: bool = False,
    endings: Collection[str] | None = None,
) -> FlowCounts:
    """Count the diagram.

    ``arms`` maps arm ids to names, reference first; ``endings`` are ways of leaving that the records know of, where
    these are a part of them; ``reason_words`` puts coded reasons into words. The first stage of allocation is counted.
    """
    primary = primary or PrimaryAnalysis()
    words = reason_words or {}
    participants = records["participants"]
    allocations = records["allocations"]
    if allocations.height and allocations["stage"].n_unique() > 1:
        allocations = allocations.filter(pl.col("stage") == allocations["stage"].min())
    randomized = set(allocations["participant_id"].to_list())
    others = participants.filter(~pl.col("participant_id").is_in(list(randomized)))
    # Files of many trials hold the randomized only: then nothing is known of screening.
    has_screening = others.height > 0 or (participants["screened_day"].null_count() < participants.height > 0)
    excluded = _reasons(others["ineligible_reason"].to_list(), words)
    flows = []
    for arm, label in arms.items():
        members = allocations.filter(pl.col("arm") == arm)
        counted = _count_arm(records, arm, label, members, primary, words)
        flows.append(replace(counted, not_recorded=_not_recorded(records, endings)))
    return FlowCounts(
        n_screened=participants.height if has_screening else None,
        n_excluded=others.height if has_screening else None,
        excluded=excluded,
        n_randomized=len(randomized),
        arms=flows,
        primary=primary.name,
        is_randomized=is_randomized,
        is_again=is_again,
    )


def _count_arm(
    records: Records,
    arm: str,
    label: str,
    members: pl.DataFrame,
    primary: PrimaryAnalysis,
    words: Mapping[str, str],
) -> ArmFlow:
    ids = members["participant_id"].to_list()
    disposition = records["disposition"].filter(pl.col("participant_id").is_in(ids))
    is_recorded = members["arm_received"].null_count() < members.height or records["exposure"].height > 0
    n_received = int((members["arm_received"] == arm).fill_null(False).sum()) if is_recorded else None
    not_received: Reasons = ()
    if n_received is not None and n_received < len(ids):
        missing = members.filter(pl.col("arm_received").is_null() | (pl.col("arm_received") != arm))
        other_arm = missing["arm_received"].drop_nulls().len()
        why = dict(
            disposition.filter(
                pl.col("event").is_in(["treatment_discontinuation", "study_withdrawal", "randomized_in_error"])
            )
            .select("participant_id", "reason")
            .iter_rows()
        )
        texts = [why.get(pid) for pid in missing.filter(pl.col("arm_received").is_null())["participant_id"].to_list()]
        not_received = [
            *([("received another arm's treatment", other_arm)] if other_arm else []),
            *_reasons(texts, words),
        ]
    who = primary.analysed.get(arm) if primary.analysed is not None else None
    n_analysed = who if isinstance(who, int) else len(set(who)) if who is not None else None
    return ArmFlow(
        arm=arm,
        label=label,
        n_allocated=len(ids),
        n_received=n_received,
        not_received=not_received,
        lost=_event(disposition, "lost_to_follow_up", words),
        withdrew=_event(disposition, "study_withdrawal", words),
        died=_event(disposition, "death", words),
        discontinued=_event(disposition, "treatment_discontinuation", words),
        n_analysed=n_analysed,
        not_analysed=primary.not_analysed.get(arm, ()),
        has_disposition=records["disposition"].height > 0,
    )


def _not_recorded(records: Records, endings: Collection[str] | None) -> frozenset[str]:
    """Ways of leaving that imported files hold of nobody: whether they were looked for, nobody knows.

    In records of our own making (simulated, or of a trial run here) none recorded is none.
    """
    if records.source.origin != "imported":
        return frozenset()
    return _WAYS_OF_LEAVING - set(records["disposition"]["event"].to_list() if endings is None else endings)


def _event(disposition: pl.DataFrame, event: str, words: Mapping[str, str]) -> Reasons:
    rows = disposition.filter(pl.col("event") == event).unique("participant_id", maintain_order=True)
    reasons = _reasons(rows["reason"].to_list(), words)
    # one unstated reason says nothing beyond the count itself
    return [("" if text == NO_REASON and len(reasons) == 1 else text, n) for text, n in reasons]


def _reasons(texts: Sequence[str | None], words: Mapping[str, str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for text in texts:
        said = words.get(text, text).replace("_", " ") if text else NO_REASON
        counts[said] = counts.get(said, 0) + 1
    return sorted(counts.items(), key=lambda item: (item[0] == NO_REASON, -item[1], item[0]))
