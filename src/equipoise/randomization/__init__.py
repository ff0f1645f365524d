"""Who gets which arm: schemes, sealed lists, commitment, replay, and how much of a list can be guessed.

What a running trial uses, and what stays as it is::

    companion = read_companion(path, protocol)            # refuses training lists, changed files, other plans
    companion.commitment                                  # hexadecimal; published before the first participant
    stream = companion.stream_name({"site": "north"})     # of a participant; stage= in trials that randomize again
    companion.slots(stream, n)                            # the first n arms of a stream
    companion.length(stage)                               # slots of each stream, where the total is fixed; else None
    companion.next_arm(stream, history, profile)          # the next arm; needed for minimization, right for all
    companion.sham()                                      # dummy lists of the same kind, for sham editions
    replay(companion, rows, commitment=published)         # after lock: problems, empty when the list was kept

``history`` is a sequence of (profile, arm) in the order of slots; a profile maps the factors of
``companion.factors(stage)`` to levels. ``companion.uses_profile(stage)`` says whether arms go by the profile
(minimization): then ``slots`` is refused (L007), there is one stream a stage, and ``next_arm`` must be called under the
same lock that writes the slot. ``seal`` makes a companion, with ``kind="training"`` one that production refuses;
``write_companion`` writes it. Errors are :class:`~equipoise.foundation.errors.RandomizationError` (family L).
"""

from equipoise.randomization.companion import (
    Companion,
    ProductionCompanion,
    ShamCompanion,
    TrainingCompanion,
    each_stream,
)
from equipoise.randomization.companion_file import companion_text, read_companion, seal, write_companion
from equipoise.randomization.plan import PlannedRandomization, planned_randomizations
from equipoise.randomization.replay import Allocation, read_allocations, replay, require_commitment

__all__ = [
    "Allocation",
    "Companion",
    "PlannedRandomization",
    "ProductionCompanion",
    "ShamCompanion",
    "TrainingCompanion",
    "companion_text",
    "each_stream",
    "planned_randomizations",
    "read_allocations",
    "read_companion",
    "replay",
    "require_commitment",
    "seal",
    "write_companion",
]
