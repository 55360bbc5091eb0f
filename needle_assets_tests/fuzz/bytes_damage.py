"""Damage to bytes: cut off, flipped, pieces lost, doubled or swapped."""

import numpy as np


def cut_off(rng: np.random.Generator, data: bytes) -> bytes:
    """The first part of ``data``."""
    return data[: int(rng.integers(0, len(data)))]


def flipped(rng: np.random.Generator, data: bytes) -> bytes:
    """``data`` with 1 to 30 bytes replaced, often near the start, where the structure is."""
    out = bytearray(data)
    reach = len(data) if rng.random() < 0.5 else min(len(data), 2000)
    for place in rng.integers(0, reach, int(rng.integers(1, 31))):
        out[place] = int(rng.integers(256))
    return bytes(out)


def spliced(rng: np.random.Generator, data: bytes) -> bytes:
    """``data`` with a piece lost, doubled, or replaced by other bytes."""
    start, end = sorted(int(place) for place in rng.integers(0, len(data), 2))
    end = min(end, start + 5000)
    fill = (b"", data[start:end] * 2, rng.bytes(int(rng.integers(0, 200))), b"\xff" * 9)[int(rng.integers(4))]
    return data[:start] + fill + data[end:]
