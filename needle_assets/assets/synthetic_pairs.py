"""Synthetic pairs of stamps from their recipes: the image parent's masked pair, turned, as networks see it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.stored_stamps import square
from needle_assets.images.augmentation import Orientation, Pair
from needle_assets.samples.crossmatch import rendered_pair
from needle_assets.samples.scaling import normalised_pair


def synthetic_pairs(row: Mapping[str, Any], recipes: pl.DataFrame) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Each recipe of one image parent with its pair between 0 and 1, shape (n, n, 2), from the parent's row of core.masked_stamps."""
    host = None if row["host_x_px"] is None else (row["host_x_px"], row["host_y_px"])
    science, reference, mask = square(row["science"]), square(row["reference"]), square(row["mask"], bool)
    pair = Pair(science, reference, mask, (row["target_x_px"], row["target_y_px"]), host)
    noise = {name: np.asarray(row[name], dtype=np.float64) for name in ("science_noise", "reference_noise")}
    for recipe in recipes.iter_rows(named=True):
        turned = rendered_pair(pair, Orientation(recipe["rotation_deg"], recipe["flip"]), recipe["seed"], **noise)
        yield recipe, np.moveaxis(normalised_pair(turned.science, turned.reference), 0, -1)
