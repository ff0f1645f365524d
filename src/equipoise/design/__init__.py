"""What a trial can show before it starts: the whole analysis plan, simulated and analysed many times over."""

from equipoise.design.operating import Cell, OperatingCharacteristics, run_cells
from equipoise.design.scenarios import ScenarioSpec, resolve_scenario

__all__ = ["Cell", "OperatingCharacteristics", "ScenarioSpec", "resolve_scenario", "run_cells"]
