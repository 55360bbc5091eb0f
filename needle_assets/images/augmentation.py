"""Turn and flip masked pairs; what leaves the frame empty is filled with noise (paper, section 3.4).

Used when training samples are rendered, not stored. One angle and one flip for the whole pair; mask and positions move along.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.images.noise import draw_noise
from needle_assets.shapes import require_images

Position = tuple[float, float]


class Pair(NamedTuple):
    """
    A masked pair.

    Parameters
    ----------
    science, reference : ndarray, shape (n, n), float
        Images [DN], on one scale.
    mask : ndarray of bool, shape (n, n)
        Pixels of the transient and its host.
    target_px : tuple of float
        Column and row of the transient.
    host_px : tuple of float or None
        The same of the host's centre; None for a hostless object.
    """

    science: NDArray[np.floating]
    reference: NDArray[np.floating]
    mask: NDArray[np.bool_]
    target_px: Position
    host_px: Position | None = None


class Orientation(NamedTuple):
    """How a pair is turned: flipped left to right or not, then rotated anticlockwise as seen with row 0 at the top [deg]."""

    angle_deg: float
    is_flipped: bool


def is_complete(pair: Pair) -> bool:
    """
    Whether the pair may be turned by any angle: the host's centre and every kept pixel stay in the frame all the way round.

    Paper, section 3.4: "images containing a complete view of the transient and its host". The authors' code asks whether any
    3-sigma pixel of science lies on the border, a neighbour's included, and so loses hosts in the corners.
    """
    middle = (pair.mask.shape[0] - 1) / 2.0
    rows, columns = np.nonzero(pair.mask)
    reach = float(np.hypot(columns - middle, rows - middle).max(initial=0.0))
    if pair.host_px is not None:
        reach = max(reach, float(np.hypot(pair.host_px[0] - middle, pair.host_px[1] - middle)))
    return reach <= middle - 1.0


def draw_orientation(pair: Pair, rng: np.random.Generator) -> Orientation:
    """A random orientation: any angle if the pair is complete, else a multiple of 90 degrees; flipped half the time."""
    angle = rng.uniform(0.0, 360.0) if is_complete(pair) else 90.0 * float(rng.integers(4))
    return Orientation(float(angle), bool(rng.random() < 0.5))


def oriented(
    pair: Pair,
    orientation: Orientation,
    *,
    science_noise: NDArray[np.floating],
    reference_noise: NDArray[np.floating],
    rng: np.random.Generator,
) -> Pair:
    """
    The pair in another orientation about the middle of the frame.

    Parameters
    ----------
    pair : Pair
        Masked pair.
    orientation : Orientation
        From :func:`draw_orientation`, or as recorded.
    science_noise, reference_noise : ndarray, shape (k,), float
        Background values of either image [DN] to fill corners with.
    rng : numpy.random.Generator
        Draws from them: first for science, then for the reference.

    Notes
    -----
    Multiples of 90 degrees move pixels and change none. At other angles only kept pixels are interpolated, by cubic splines;
    the rest is drawn anew from the noise sample, corners included. The authors' code interpolates everything linearly and fills
    only the corners: that smooths sky and point sources, and tells a turned (synthetic, rare) sample from an unturned one.
    """
    require_images(science=pair.science, reference=pair.reference, mask=pair.mask)
    if orientation.is_flipped:
        pair = _flipped(pair)
    quarters, rest = divmod(orientation.angle_deg % 360.0, 90.0)
    if rest == 0.0:
        return _quarter_turned(pair, int(quarters))
    turned_mask = _rotated(pair.mask.astype(np.float64), orientation.angle_deg, order=1) >= 0.5
    n = pair.mask.shape[0]
    return Pair(
        _turned_image(pair.science, turned_mask, orientation.angle_deg, science_noise, rng),
        _turned_image(pair.reference, turned_mask, orientation.angle_deg, reference_noise, rng),
        turned_mask,
        _turned_place(pair.target_px, orientation.angle_deg, n),
        None if pair.host_px is None else _turned_place(pair.host_px, orientation.angle_deg, n),
    )


def _flipped(pair: Pair) -> Pair:
    last = pair.mask.shape[1] - 1
    host = pair.host_px
    return Pair(
        pair.science[:, ::-1],
        pair.reference[:, ::-1],
        pair.mask[:, ::-1],
        (last - pair.target_px[0], pair.target_px[1]),
        None if host is None else (last - host[0], host[1]),
    )


def _quarter_turned(pair: Pair, quarters: int) -> Pair:
    last = pair.mask.shape[0] - 1

    def place(position: Position) -> Position:
        for _ in range(quarters):
            position = (position[1], last - position[0])
        return position

    return Pair(
        np.rot90(pair.science, quarters).copy(),
        np.rot90(pair.reference, quarters).copy(),
        np.rot90(pair.mask, quarters).copy(),
        place(pair.target_px),
        None if pair.host_px is None else place(pair.host_px),
    )


def _turned_image(
    image: NDArray[np.floating],
    turned_mask: NDArray[np.bool_],
    angle_deg: float,
    noise: NDArray[np.floating],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Kept pixels interpolated, everything else drawn from the noise."""
    turned = _rotated(image.astype(np.float64), angle_deg, order=3)
    turned[~turned_mask] = draw_noise(noise, int((~turned_mask).sum()), rng)
    return turned


def _rotated(image: NDArray[np.float64], angle_deg: float, *, order: int) -> NDArray[np.float64]:
    return np.asarray(ndimage.rotate(image, angle_deg, reshape=False, order=order, mode="constant", cval=0.0))


def _turned_place(place_px: Position, angle_deg: float, n: int) -> Position:
    middle = (n - 1) / 2.0
    x, y = place_px[0] - middle, place_px[1] - middle
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return float(middle + cos * x + sin * y), float(middle - sin * x + cos * y)
