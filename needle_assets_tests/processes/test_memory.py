"""Memory of large arrays is kept from one step to the next, and given back at the end."""

import resource

import numpy as np
import pytest

from needle_assets.processes import memory

# Huge ones, if the system has them: as few as a large array can be made of.
PAGES = 64 * 2**20 // (2 * 2**20)


def faults_of_a_large_array() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 * 2**20, dtype=np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not hasattr(memory.ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_a_large_array_takes_the_pages_of_the_one_before_while_inside_and_fresh_ones_after():
    with memory.kept_for_reuse():
        faults_of_a_large_array()
        assert faults_of_a_large_array() < PAGES / 4
        kept = np.ones(100_000)  # what stays behind them in memory
    assert kept.sum() == 100_000
    assert faults_of_a_large_array() > PAGES * 3 / 4


def test_where_the_c_library_knows_nothing_of_it_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    with memory.kept_for_reuse():
        assert np.ones(3).sum() == 3
