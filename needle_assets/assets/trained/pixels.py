"""Files of pixels that training reads, mapped into memory: each pair under the key that it belongs to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from needle_assets.assets.trained.fold_models import TrainingError

Recipe = tuple[str, int, str, int]
Key = TypeVar("Key", str, Recipe)


class KeyedPixels(Generic[Key]):
    """
    Pairs of pixels, shape (n, n, 2), all of one size, in a file, each written and found under its key, in whatever order they come.

    Parameters
    ----------
    path : Path
        The ``.npy`` file, made anew.
    keys : sequence
        What each row belongs to: ids, or recipes as (model kind, fold, label, sample).
    """

    def __init__(self, path: Path, keys: Sequence[Key]) -> None:
        self.row_of: Mapping[Key, int] = {key: row for row, key in enumerate(keys)}
        self._missing: set[Key] = set(keys)
        self._path = path
        self._pixels: np.ndarray | None = None
        if not keys:  # an empty file cannot be mapped into memory
            np.save(path, np.zeros((0, 0, 0, 2), dtype=np.float32))

    def put(self, key: Key, pair: np.ndarray) -> None:
        """Write one pair. Raises KeyError for a key that was not named at the beginning."""
        row = self.row_of[key]
        if self._pixels is None:  # the first pair says how large they are
            shape = (len(self.row_of), *pair.shape)
            self._pixels = np.lib.format.open_memmap(self._path, mode="w+", dtype=np.float32, shape=shape)
        self._pixels[row] = pair
        self._missing.discard(key)

    def complete(self) -> Mapping[Key, int]:
        """Row by key, once every key has its pixels. Raises TrainingError naming those that have none."""
        if self._missing:
            first = ", ".join(str(key) for key in sorted(self._missing)[:5])
            raise TrainingError(
                f"{len(self._missing)} of {len(self.row_of)} stamps that training needs are not stored (the first: {first}); "
                "run `needle refresh`, then train again."
            )
        return self.row_of


@dataclass(frozen=True)
class Frozen:
    """Where the pixels lie: row of every object in the stamp files, and of every recipe in the rendered ones."""

    folder: Path
    row_of: Mapping[str, int]
    rendered: Mapping[Recipe, int]


def stamp_file(*, is_masked: bool) -> str:
    """Name of the file with every object's pair, masked or as observed."""
    return "masked" if is_masked else "unmasked"
