"""A simulated sky with known truth, written as a landing folder. For demonstration and measurement, never for training."""

from needle_assets.simulation.folder import SimulationError, SimulationSummary, simulate
from needle_assets.simulation.objects import DEFAULT_MIX, DEMO_MIX

__all__ = ["DEFAULT_MIX", "DEMO_MIX", "SimulationError", "SimulationSummary", "simulate"]
