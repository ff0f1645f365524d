"""The three trials of CTN-0094 that are read: what the tables call their arms, drugs and visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Trial:
    """What the import knows of one of the three trials.

    ``arms`` and ``drugs`` go from the treatment label of the source to our arm, and from the arm to intervention and
    route; ``weeks`` are the planned weekly visits; ``own`` names per arm the assay that finds the study drug.
    """

    project: int
    protocol: str
    name: str
    arms: Mapping[str, str]
    drugs: Mapping[str, tuple[str, str]]
    weeks: tuple[int, ...]
    completes: tuple[str, ...]
    without: tuple[str, ...] = ()
    stages: int = 1
    doses_until: int | None = None  # treatment by daily doses: who has none on this study day or later has stopped
    assayed_only_at: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


TRIALS: Mapping[int, Trial] = MappingProxyType(
    {
        51: Trial(
            51,
            "xbot",
            "CTN-0051 (X:BOT)",
            {"Inpatient BUP": "bup-nx", "Inpatient NR-NTX": "xr-ntx"},
            {
                "bup-nx": ("buprenorphine-naloxone", "sublingual"),
                "xr-ntx": ("extended-release-naltrexone", "intramuscular"),
            },
            tuple(range(1, 25)),
            ("week-24",),
            # the two follow-up visits carry no data at all: "MISSING" there is not a visit missed
            without=("M1F", "M3F"),
        ),
        27: Trial(
            27,
            "start",
            "CTN-0027 (START)",
            {"Outpatient BUP": "bup-nx", "Methadone": "methadone"},
            {"bup-nx": ("buprenorphine-naloxone", "sublingual"), "methadone": ("methadone", "oral")},
            (*range(1, 25), 28, 32),
            ("week-24",),
            # Week 23: a dose in it or later returns the published rates of completion.
            doses_until=155,
        ),
        30: Trial(
            30,
            "poats",
            "CTN-0030 (POATS)",
            {"Outpatient BUP + SMM": "smm", "Outpatient BUP + EMM": "emm"},
            {"smm": ("buprenorphine-naloxone", "sublingual"), "emm": ("buprenorphine-naloxone", "sublingual")},
            (),
            ("phase-1-week-12", "phase-1-final", "phase-2-week-24", "phase-2-final"),
            without=("Cross Active Study",),
            stages=2,
            assayed_only_at={
                "buprenorphine": (
                    "phase-1-week-10",
                    "phase-1-week-12",
                    "phase-1-final",
                    "phase-2-week-10",
                    "phase-2-week-12",
                    "phase-2-week-22",
                    "phase-2-week-24",
                    "phase-2-final",
                )
            },
        ),
    }
)
