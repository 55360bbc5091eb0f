"""
Cutouts that lie as the camera did, turned so that north is up: pixels, their variance and where they are (Rubin's packets).

Such a cutout is an uncompressed FITS file: the image [nJy], its variance in the extension UNCERT, a PSF, and a linear WCS without
CTYPE. Its matrix is that of a tangent plane at the reference point: rows of real packets have 0.2 arcsec in both directions at
declination -48 deg. The reference point is the source. Columns of the turned image grow towards the west and rows towards the south,
as in every stamp here; the target is the middle pixel; one pixel is as large as before, so that fluxes stay.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import Unit, image_of, real, units_of

FloatArray = NDArray[np.float64]
Image = NDArray[np.float32]

_MATRIX = ("PC1_1", "PC1_2", "PC2_1", "PC2_2")
MAD_TO_SIGMA = 1.4826

# Interpolation loses a seam along the edges, 6.5 % of 30 x 30.
MOST_MISSING = 0.12
LEAST_NOISE_RATIO, MOST_NOISE_RATIO = 0.5, 2.0


@dataclass(frozen=True)
class SkyCutout:
    """
    A cutout and where it lies.

    Parameters
    ----------
    image, variance : ndarray, shape (ny, nx)
        Pixels [nJy] and their variance [nJy^2], all NaN where the file has none; NaN = missing in both.
    to_sky : ndarray, shape (2, 2)
        Offset towards east and north of one pixel along x and y [arcsec].
    target_x_px, target_y_px : float
        The source in the cutout [px from 0].
    """

    image: Image
    variance: Image
    to_sky: FloatArray
    target_x_px: float
    target_y_px: float

    @property
    def pixel_scale_arcsec(self) -> float:
        """Size of a pixel."""
        return float(math.sqrt(abs(np.linalg.det(self.to_sky))))

    @property
    def rotation_deg(self) -> float:
        """Position angle of the cutout's y axis, from north through east, -180 to 180."""
        return math.degrees(math.atan2(self.to_sky[0, 1], self.to_sky[1, 1]))

    @property
    def reach_arcsec(self) -> float:
        """Distance from the source to the nearest edge."""
        ny, nx = self.image.shape
        to_edges = (self.target_x_px + 0.5, nx - 0.5 - self.target_x_px, self.target_y_px + 0.5, ny - 0.5 - self.target_y_px)
        return self.pixel_scale_arcsec * max(0.0, min(to_edges))


def decode_sky_cutout(data: bytes) -> SkyCutout:
    """
    The image, variance and place in a cutout with a WCS, as Rubin's packets carry it.

    Raises
    ------
    Rejection
        If the bytes are no FITS file with an image and a usable WCS.
    """
    content, (first, *others) = units_of(data)
    image = image_of(content, first)
    noise = next((unit for unit in others if unit.name == "UNCERT"), None)
    variance = image_of(content, noise) if noise else np.full_like(image, np.nan)
    if variance.shape != image.shape:
        raise Rejection(f"the cutout's variance has {variance.shape} pixels, its image {image.shape}.")
    variance = np.where(variance >= 0, variance, np.float32(np.nan))
    # A pixel beyond the detector has an infinite variance, which is NaN by now.
    image = np.where(np.isfinite(variance), image, np.float32(np.nan)) if noise else image
    return SkyCutout(image, variance, _to_sky(first), *(real(first.header, f"CRPIX{k}", math.nan) - 1.0 for k in (1, 2)))


def turned(cutout: SkyCutout) -> tuple[Image, Image]:
    """
    Image and variance with north up and the source in the middle pixel, each of shape (n, n), n odd and large enough for every turn.

    Pixels between others are interpolated linearly, with the variance that follows for independent pixels; those outside the cutout
    or beside a missing one are NaN.
    """
    side = turned_side_px(cutout.image.shape)
    away = (side // 2 - np.arange(side)) * cutout.pixel_scale_arcsec
    north, east = np.meshgrid(away, away, indexing="ij")
    x_px, y_px = np.einsum("ij,jkl->ikl", np.linalg.inv(cutout.to_sky), np.stack([east, north]))
    # Rounded: a pixel that has no weight but for the last digit would spoil its neighbour where it is missing.
    place = (np.round(x_px + cutout.target_x_px, 6), np.round(y_px + cutout.target_y_px, 6))
    return _interpolated(cutout.image, *place), _interpolated(cutout.variance, *place, power=2)


def turned_side_px(shape: tuple[int, ...]) -> int:
    """Side of the square that holds a cutout whichever way it is turned: an odd number."""
    return 2 * math.ceil(max(shape) * math.sqrt(0.5)) + 1


def faults(science: Image, reference: Image, difference: Image, variance: Image, n_cutout_px: int) -> dict[str, float]:
    """
    What speaks against a turned stamp, each with what was measured; empty if nothing does.

    Parameters
    ----------
    science, reference, difference, variance : ndarray, shape (n, n)
        Turned images and the variance of the difference; NaN = missing or outside the cutout.
    n_cutout_px : int
        Pixels that the cutout had.

    Notes
    -----
    A turned cutout covers as many pixels as it had, without a seam (6 to 7 % of real ones). The scatter of the difference in units of
    its error was 0.86 to 1.09 in 23 real packets, and 1.5 in one at the detector's edge, so that the variance can be believed.
    """
    found: dict[str, float] = {}
    for name, image in (("science", science), ("reference", reference)):
        missing = 1.0 - np.isfinite(image).sum() / n_cutout_px
        middle = image[image.shape[0] // 2 - 1 : image.shape[0] // 2 + 2, image.shape[1] // 2 - 1 : image.shape[1] // 2 + 2]
        if missing > MOST_MISSING:
            found[f"{name} incomplete"] = float(missing)
        if not np.isfinite(middle).all():
            found[f"{name} missing at the target"] = float(np.isnan(middle).sum())
        if np.isfinite(image).any() and np.nanmax(image) == np.nanmin(image):
            found[f"{name} constant"] = float(np.nanmax(image))
    scatter = noise_ratio(difference, variance)
    if np.isfinite(scatter) and not LEAST_NOISE_RATIO < scatter < MOST_NOISE_RATIO:
        found["noise disagrees with the variance"] = scatter
    return found


def noise_ratio(difference: Image, variance: Image) -> float:
    """Robust scatter of a difference in units of its stated error; NaN without both."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = difference / np.sqrt(variance)
    scaled = scaled[np.isfinite(scaled)]
    return float(MAD_TO_SIGMA * np.median(np.abs(scaled - np.median(scaled)))) if len(scaled) else math.nan


def _to_sky(unit: Unit) -> FloatArray:
    given = [real(unit.header, name, math.nan) for name in _MATRIX] if all(name in unit.header for name in _MATRIX) else []
    steps = np.array([real(unit.header, f"CDELT{k}", 1.0) for k in (1, 2)])
    matrix = 3600.0 * steps[:, np.newaxis] * np.array(given).reshape(2, 2) if given else np.zeros((2, 2))
    if not abs(np.linalg.det(matrix)) > 0 or not {"CRPIX1", "CRPIX2"} <= unit.header.keys():
        raise Rejection(
            "the cutout's FITS header has no usable WCS (PC1_1 to PC2_2, CRPIX1, CRPIX2); how it lies cannot be told."
        )
    return matrix


def _interpolated(image: NDArray[Any], x_px: FloatArray, y_px: FloatArray, power: int = 1) -> Image:
    """Linear interpolation; ``power`` 2 weighs variances. NaN where a pixel with a weight is missing."""
    column, row = np.floor(x_px).astype(int), np.floor(y_px).astype(int)
    right, below = x_px - column, y_px - row
    padded = np.pad(image.astype(np.float64), 1, constant_values=np.nan)
    total = np.zeros(x_px.shape)
    for dy, weight_y in ((0, 1.0 - below), (1, below)):
        for dx, weight_x in ((0, 1.0 - right), (1, right)):
            weight = weight_y * weight_x
            at = tuple(np.clip(k + d + 1, 0, n + 1) for k, d, n in zip((row, column), (dy, dx), image.shape, strict=True))
            total += np.where(weight > 0, weight**power * padded[at], 0.0)
    return total.astype(np.float32)
