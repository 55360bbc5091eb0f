"""Random streams keyed by what they are for, never by order, so that chunks and pools cannot change a result."""

import hashlib

import numpy as np


def rng_for(seed: int, *key: object) -> np.random.Generator:
    """A generator that depends only on ``seed`` and ``key`` (their text), for example the stage, the object and the packet."""
    text = "\x1f".join([str(seed), *(str(part) for part in key)])
    return np.random.default_rng(np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint64))
