"""What spoils stamps, at stated rates: missing pixels, chip edges, hot or dead columns, saturated stars. Arrays in and out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.surveys.ztf import ZTF

RealArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
StuckColumns = tuple[tuple[int, float], ...]

# Shares of reference images (object and band) with missing pixels, and of packets with the others.
NAN_BLOCK_RATE = 0.07
NAN_BLOB_RATE = 0.025
NAN_STRIP_RATE = 0.03
BAD_COLUMN_RATE = 0.012
CONTAMINATED_REFERENCE_RATE = 0.02

SATURATION_DN = 30000.0
SPIKE_FROM_DN = 60000.0
SPIKE_LEAST_DN = 1.0
CORE_GROWN_PX = 3


def draw_missing_pixels(rng: np.random.Generator) -> BoolArray:
    """
    Pixels without a value in one reference image, hence in every stamp made with it; shape (63, 63), mostly all False.

    Bad pixels of the chip appear as squares of 7 to 9 px (the width of the resampling), groups of them as
    blobs, chip edges as strips.
    """
    missing = np.zeros((ZTF.cutout_size_px, ZTF.cutout_size_px), dtype=bool)
    kind = rng.random()
    if kind < NAN_BLOCK_RATE:
        for _ in range(1 + rng.poisson(0.3)):
            _fill_box(missing, rng.integers(-5, ZTF.cutout_size_px, 2), rng.choice([7, 7, 8, 9], 2))
    elif kind < NAN_BLOCK_RATE + NAN_BLOB_RATE:
        corner = rng.integers(-10, ZTF.cutout_size_px - 4, 2)
        for _ in range(rng.integers(3, 12)):
            _fill_box(missing, corner + rng.integers(0, 12, 2), rng.integers(7, 12, 2))
    elif kind < NAN_BLOCK_RATE + NAN_BLOB_RATE + NAN_STRIP_RATE:
        missing |= _edge_strip(rng)
    return missing


def _fill_box(missing: BoolArray, corner: NDArray[np.int64], size: NDArray[np.int64]) -> None:
    begin, end = np.maximum(corner, 0), np.maximum(corner + size, 0)
    missing[begin[0] : end[0], begin[1] : end[1]] = True


def _edge_strip(rng: np.random.Generator) -> BoolArray:
    """A strip along one side whose edge steps by a pixel now and then, as a slightly rotated chip edge does."""
    along = np.arange(ZTF.cutout_size_px)
    depth = rng.integers(2, 22) + np.round(rng.uniform(-0.08, 0.08) * along)
    strip = along[None, :] < depth[:, None]
    return np.rot90(strip, k=int(rng.integers(0, 4)))


def draw_stuck_columns(rng: np.random.Generator) -> StuckColumns:
    """Columns of one science image that are stuck at a value [DN above the sky]; mostly none."""
    if rng.random() >= BAD_COLUMN_RATE:
        return ()
    first = int(rng.integers(0, ZTF.cutout_size_px - 2))
    level = float(rng.choice([-60.0, 400.0, 3000.0]))
    return tuple((first + i, level) for i in range(int(rng.integers(1, 3))))


def on_quadrant(position_px: float, quadrant_px: int) -> tuple[int, int]:
    """First and last index (excluded) of the 63 that lie on the readout quadrant, for a target at a column or row [px from 1]."""
    centre = int(np.floor(position_px + 0.5))
    half = ZTF.cutout_size_px // 2
    return max(0, half + 1 - centre), ZTF.cutout_size_px - max(0, centre + half - quadrant_px)


def stick_columns(science: RealArray, columns: StuckColumns, sky_dn: float) -> BoolArray:
    """Set the stuck columns of ``science`` in place; returns which pixels they are, shape (63, 63)."""
    stuck = np.zeros(science.shape, dtype=bool)
    for column, level in columns:
        science[:, column] = max(sky_dn + level, 0.0)
        stuck[:, column] = True
    return stuck


class Saturation(NamedTuple):
    """Where an image is saturated, shape (63, 63), bool: ``altered`` by trails and spikes, ``core`` without any usable value."""

    altered: BoolArray
    core: BoolArray


def saturate(image: RealArray) -> Saturation:
    """
    Clip an image at full well in place, with bleed trails along the columns and spikes from the brightest stars.

    The core of a saturated star, grown by ``CORE_GROWN_PX`` as resampling does, is to be set to NaN in every image of the packet.
    """
    full = image > SATURATION_DN
    if not full.any():
        return Saturation(full, full)
    excess = np.where(full, image - SATURATION_DN, 0.0).sum(axis=0)
    trail = np.zeros(image.shape, dtype=bool)
    rows = np.arange(len(image))
    for column in np.flatnonzero(excess > 0):
        middle = np.flatnonzero(full[:, column]).mean()
        trail[:, column] = np.abs(rows - middle) < 2.0 + excess[column] / SATURATION_DN * 1.5
    spikes = _spikes(image)
    image += spikes
    image[trail | full] = SATURATION_DN
    altered = trail | full | (spikes > SPIKE_LEAST_DN)
    return Saturation(altered, ndimage.maximum_filter(full, size=2 * CORE_GROWN_PX + 1))


def _spikes(image: RealArray) -> RealArray:
    """A cross of light through the brightest pixel, falling with distance; zero below ``SPIKE_FROM_DN``."""
    peak = float(image.max())
    if peak < SPIKE_FROM_DN:
        return np.zeros_like(image)
    y0, x0 = np.unravel_index(int(image.argmax()), image.shape)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    along = np.exp(-0.5 * (x - x0) ** 2) + np.exp(-0.5 * (y - y0) ** 2)
    return (along * np.float32(3e-3 * peak) / (1.0 + np.hypot(x - x0, y - y0) / 4.0) ** 2).astype(np.float32)
