"""Commands that are killed and stopped at random moments leave what undisturbed ones leave; `make faults` does it for much longer."""

import os
import time
from pathlib import Path

import pytest

from needle_assets_tests.disturbing import disturbed


@pytest.mark.slow
def test_commands_disturbed_at_random_leave_what_undisturbed_ones_leave(tmp_path: Path) -> None:
    seed = int(os.environ.get("NEEDLE_TEST_SEED", time.time_ns() % 10**9))
    print(f"NEEDLE_TEST_SEED={seed}")
    outcome = disturbed(n_kills=16, n_stops=12, seed=seed, folder=tmp_path)
    assert outcome.problems == []
    assert sum(outcome.n.values()) == 28
