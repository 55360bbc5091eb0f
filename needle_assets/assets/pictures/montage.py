"""Pictures beside the assets: stored rows of one object in, a figure out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from needle_assets.assets.stored_stamps import square
from needle_assets.figures.montage import Pair, stamp_montage


def stamps(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """Science and reference stamps of an object through time."""
    return stamp_montage([_pair(row) for row in frames["core.stamps"].sort("mjd").iter_rows(named=True)])


def _pair(row: Mapping[str, Any]) -> Pair:
    host = (row["host_x_px"], row["host_y_px"])
    return Pair(
        title=f"{row['band']}  {row['mjd']:.1f}",
        science=_image(row["science"]),
        reference=_image(row["reference"]),
        target_px=(row["target_x_px"], row["target_y_px"]),
        host_px=None if host[0] is None else host,
    )


def _image(pixels: Any) -> np.ndarray | None:
    return None if pixels is None else square(pixels)
