"""Stored stamps as arrays: what every stage on images starts from."""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import DTypeLike, NDArray

from needle_assets.assets.output import Product
from needle_assets.errors import Rejection

IMAGES = ("science", "reference")

Image = NDArray[np.float32]
# Object and packet.
Key = tuple[str, int]
# Rows of core.stamp_quality by object, packet and image.
Quality = Mapping[tuple[str, int, str], Mapping[str, Any]]


class Stamp(NamedTuple):
    """One packet's images by name, shape (n, n) (all NaN where the packet has none), and positions in them [px]."""

    object_id: str
    candid: int
    band: str
    mjd: float
    images: dict[str, Image]
    target_px: tuple[float, float]
    host_px: tuple[float, float] | None


class Pair(NamedTuple):
    """A stamp whose two images are good or repaired."""

    stamp: Stamp
    science: Image
    reference: Image
    is_restored: bool


def square(pixels: Any, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """One stored image, its pixels row by row, as an array of shape (side, side). Raises ValueError if it is no square."""
    flat = np.asarray(pixels, dtype=dtype).reshape(-1)
    side = math.isqrt(flat.size)
    return flat.reshape(side, side)


def pixel_rows(column: pl.Series) -> NDArray[Any]:
    """A column of square images as an array of shape (n, side, side): float (NaN where the cell is null) or bool (False there)."""
    if isinstance(column.dtype, pl.List):  # as a lake has them
        column = column.list.to_array(int(column.list.len().max() or 0))  # type: ignore[arg-type]
    array = column.rechunk().to_arrow()
    n_pixels = array.type.list_size
    side = math.isqrt(n_pixels)
    if len(array) == 0:
        return np.empty((0, side, side), dtype=np.float32)
    stored = array.values.slice(array.offset * n_pixels, len(array) * n_pixels)
    values = stored.to_numpy(zero_copy_only=False).reshape(-1, side, side)
    is_null = array.is_null().to_numpy(zero_copy_only=False)
    if is_null.any():
        values = values.copy()
        values[is_null] = False if values.dtype == bool else np.nan
    return values


def stamps_of(frames: Mapping[str, pl.DataFrame]) -> list[Stamp]:
    """The stamps in the table, with those of their columns that the stage reads."""
    frame = frames["core.stamps"]
    pixels = {name: pixel_rows(frame[name]) for name in IMAGES}
    return [
        Stamp(
            row["object_id"],
            row["candid"],
            row.get("band", ""),
            row.get("mjd", np.nan),
            {name: pixels[name][index] for name in IMAGES},
            (row.get("target_x_px", np.nan), row.get("target_y_px", np.nan)),
            None if row.get("host_x_px") is None else (row["host_x_px"], row["host_y_px"]),
        )
        for index, row in enumerate(frame.drop(*IMAGES).iter_rows(named=True))
    ]


def by_object(stamps: Sequence[Stamp]) -> dict[str, list[Stamp]]:
    """Stamps grouped by object, in the order given."""
    grouped: dict[str, list[Stamp]] = {}
    for stamp in stamps:
        grouped.setdefault(stamp.object_id, []).append(stamp)
    return grouped


def keep_before(
    product: Product,
    frames: Mapping[str, pl.DataFrame],
    table: str,
    vanished: Collection[Key],
    as_now: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row,
) -> set[Key]:
    """
    Add the rows (as ``as_now`` gives them back) and refusals that ``table`` had of packets that cannot be read now.

    Returns the packets of which it had neither.
    """
    if not vanished:
        return set()
    missing = set(vanished)
    for row in frames[table].iter_rows(named=True):
        key = (row["object_id"], row["candid"])
        if key in vanished:
            missing.discard(key)
            product.rows.append(as_now(row))
    for row in frames["core.rejections"].filter(pl.col("stage") == table).iter_rows(named=True):
        key = (row["object_id"], row["candid"])
        if key in vanished:
            missing.discard(key)
            measured = {**json.loads(row["measured"]), "object_id": row["object_id"]}
            product.rejections.append(Rejection(row["reason"], candid=row["candid"], **measured))
    return missing


def quality_rows(frames: Mapping[str, pl.DataFrame]) -> Quality:
    """Rows of ``core.stamp_quality`` by object, packet and image."""
    return {(row["object_id"], row["candid"], row["image"]): row for row in frames["core.stamp_quality"].iter_rows(named=True)}


def usable_pairs(frames: Mapping[str, pl.DataFrame]) -> list[Pair]:
    """Stamps of which each image is good, or repaired and accepted."""
    quality = quality_rows(frames)
    accepted = frames["core.restored_stamps"].filter(pl.col("is_accepted"))
    pixels = pixel_rows(accepted["pixels"])
    repaired = {(row["candid"], row["image"]): pixels[n] for n, row in enumerate(accepted.drop("pixels").iter_rows(named=True))}
    pairs = []
    for stamp in stamps_of(frames):
        is_good = {name: quality[stamp.object_id, stamp.candid, name]["is_good"] for name in IMAGES}
        science, reference = (stamp.images[name] if is_good[name] else repaired.get((stamp.candid, name)) for name in IMAGES)
        if science is not None and reference is not None:
            pairs.append(Pair(stamp, science, reference, not all(is_good.values())))
    return pairs
