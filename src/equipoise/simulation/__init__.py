"""Fictional participants, day by day: the trial that a protocol's assumptions would give."""

from equipoise.simulation.design import PlannedArm, PlannedInfusion, PlannedTherapy, SimulatedVisit, TrialDesign
from equipoise.simulation.parameters import DayLevelParameters, parameters_from_mapping

__all__ = [
    "DayLevelParameters",
    "PlannedArm",
    "PlannedInfusion",
    "PlannedTherapy",
    "SimulatedVisit",
    "TrialDesign",
    "parameters_from_mapping",
]
