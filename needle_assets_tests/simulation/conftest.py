"""One small simulated survey for all tests of this folder."""

from pathlib import Path

import pytest

from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import read_packet
from needle_assets.simulation import DEMO_MIX, simulate
from needle_assets.simulation.objects import SimulatedObject, draw_object

SEED, N_OBJECTS = 11, 30


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a survey of 30 objects."""
    folder = tmp_path_factory.mktemp("simulated") / "survey"
    simulate(folder, objects=N_OBJECTS, seed=SEED, mix=DEMO_MIX, workers=1)
    return folder


@pytest.fixture(scope="session")
def packets(simulated: Path) -> list[Packet]:
    """Its packets, as the project reads them."""
    return [read_packet(path.read_bytes()) for path in sorted((simulated / "alerts").glob("*.avro"))]


@pytest.fixture(scope="session")
def objects() -> list[SimulatedObject]:
    """Its objects before pixels were made."""
    return [draw_object(SEED, index, DEMO_MIX) for index in range(N_OBJECTS)]
