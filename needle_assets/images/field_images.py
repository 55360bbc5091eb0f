"""
Images of the field around an object from other surveys, brought to a stamp's pixels, orientation and centre.

Such an image is a FITS cutout with a WCS of any projection, orientation and pixel size, deeper and older than the transient's packets.
It keeps its unit and its point spread: only pixels are made alike.
"""

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import image_of, units_of
from needle_assets.surveys.survey import Survey

FloatArray = NDArray[np.float64]

# A pixel goes in so many equal parts along each side to the pixels of the stamp.
PARTS = 5
# Less of a stamp's pixel, or of a stamp, than this is missing.
LEAST_OF_A_PIXEL, LEAST_OF_A_STAMP = 0.5, 0.9
# Stacks of Pan-STARRS are stored as inverse hyperbolic sines of fluxes, in magnitudes.
ASINH_MAG = 2.5 / np.log(10.0)

_OF_WCS = re.compile(r"(WCSAXES|CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA|CD|PC|PV|LONPOLE|LATPOLE|EQUINOX|RADESYS|[AB]P?_)[0-9A-Z_]*")


@dataclass(frozen=True)
class FieldImage:
    """
    A field as it is on the stamp's pixels.

    Parameters
    ----------
    image : ndarray, shape (n, n), float32
        Fluxes in the unit of the file; NaN = not covered. Columns grow towards the west, rows towards the south.
    pixel_scale_arcsec : float
        Size of the file's pixels.
    rotation_deg : float
        Position angle of the file's y axis, from north through east, -180 to 180.
    covered_fraction : float
        Share of the stamp's pixels that are not NaN.
    unit : str or None
        What the file calls its unit.
    """

    image: NDArray[np.float32]
    pixel_scale_arcsec: float
    rotation_deg: float
    covered_fraction: float
    unit: str | None


def field_image(data: bytes, ra_deg: float, dec_deg: float, survey: Survey) -> FieldImage:
    """
    A FITS cutout on the pixels of a survey's stamps, north up, with a position in the middle.

    Parameters
    ----------
    data : bytes
        A FITS file, gzipped or not, whose first unit is the image with its WCS.
    ra_deg, dec_deg : float
        Position of the object [deg].
    survey : Survey
        Whose stamps: their size and pixel scale.

    Raises
    ------
    Rejection
        If it is no such file, shows nothing, does not hold the position, or covers less than nine tenths of the stamp.

    Notes
    -----
    Each pixel's flux goes in 5 x 5 equal parts to the pixels of the stamp in which the parts' centres lie, so that what lies inside
    keeps its flux to the last digit and its place to 0.03 pixels. The WCS is taken as linear around the position, right to 1e-3
    pixels over a stamp.
    """
    content, (first, *_) = units_of(data)
    image = _linear(image_of(content, first), first.header)
    if not np.isfinite(image).any() or np.nanmax(image) == np.nanmin(image):
        what = "every pixel is missing" if not np.isfinite(image).any() else "every pixel is the same, as where nobody looked"
        raise Rejection(f"the image shows nothing: {what}.", n_pixels=int(image.size))
    x_px, y_px, to_sky = _place(first.header, ra_deg, dec_deg, image.shape)
    made = _resampled(image, (x_px, y_px), to_sky, survey.stamp_size_px, survey.pixel_scale_arcsec)
    covered_fraction = float(np.isfinite(made).mean())
    scale = float(np.sqrt(abs(np.linalg.det(to_sky))))
    if covered_fraction < LEAST_OF_A_STAMP:
        raise Rejection(
            f"the image of {image.shape[1]} x {image.shape[0]} pixels of {scale:.3f} arcsec covers {covered_fraction:.0%} of the "
            f"{survey.stamp_size_px * survey.pixel_scale_arcsec:.0f} arcsec around the object that a stamp shows; at least "
            f"{LEAST_OF_A_STAMP:.0%} are needed.",
            covered_fraction=covered_fraction,
            nx=image.shape[1],
            ny=image.shape[0],
        )
    rotation = float(np.degrees(np.arctan2(to_sky[0, 1], to_sky[1, 1])))
    unit = first.header.get("BUNIT", "").strip("' ") or None
    return FieldImage(made.astype(np.float32), scale, rotation, covered_fraction, unit)


def _linear(image: NDArray[np.float32], header: dict[str, str]) -> FloatArray:
    """Fluxes of a stack of Pan-STARRS that is stored as the survey stores it; others as they are."""
    pixels = image.astype(np.float64)
    try:
        soften, offset = float(header["BSOFTEN"]), float(header["BOFFSET"])
    except (KeyError, ValueError):
        return pixels
    return offset + 2.0 * soften * np.sinh(pixels / ASINH_MAG)


def _place(header: dict[str, str], ra_deg: float, dec_deg: float, shape: tuple[int, ...]) -> tuple[float, float, FloatArray]:
    """Where the position is [px from 0], and the offset towards east and north of one pixel along x and y there [arcsec]."""
    from astropy.io.fits import Header  # half a second, and only who has such images needs it
    from astropy.wcs import WCS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(Header({name: _value(text) for name, text in header.items() if _OF_WCS.fullmatch(name)}), naxis=2)
            x_px, y_px = (float(value) for value in wcs.wcs_world2pix(ra_deg, dec_deg, 0))
            around = wcs.wcs_pix2world([[x_px, y_px], [x_px + 1.0, y_px], [x_px, y_px + 1.0]], 0)
        except Exception as error:  # wcslib raises whatever a header provokes
            raise Rejection("the image's FITS header has no usable WCS; where it lies cannot be told.") from error
    if not wcs.has_celestial or not np.isfinite(around).all():
        raise Rejection("the image's FITS header has no usable WCS; where it lies cannot be told.")
    if not (-0.5 <= x_px < shape[1] - 0.5 and -0.5 <= y_px < shape[0] - 0.5):
        raise Rejection(
            f"the object, at {ra_deg:.5f} {dec_deg:+.5f}, is not in the image: it would be at column {x_px:.0f} and row {y_px:.0f} of "
            f"{shape[1]} x {shape[0]}.",
            x_px=x_px,
            y_px=y_px,
        )
    east = (np.remainder(around[1:, 0] - around[0, 0] + 180.0, 360.0) - 180.0) * np.cos(np.radians(dec_deg))
    return x_px, y_px, 3600.0 * np.stack([east, around[1:, 1] - around[0, 1]])


def _resampled(image: FloatArray, place: tuple[float, float], to_sky: FloatArray, n_px: int, scale_arcsec: float) -> FloatArray:
    """Fluxes on n_px x n_px pixels around a place; NaN where less than half of a pixel is covered."""
    ny, nx = image.shape
    parts = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    x = (np.arange(nx)[:, np.newaxis] + parts).ravel() - place[0]
    y = (np.arange(ny)[:, np.newaxis] + parts).ravel() - place[1]
    east, north = np.einsum("ij,jkl->ikl", to_sky, np.stack(np.meshgrid(x, y)))
    middle = 0.5 * n_px
    column, row = (np.floor(middle - offset / scale_arcsec).astype(int) for offset in (east, north))
    flux = np.repeat(np.repeat(image, PARTS, axis=0), PARTS, axis=1) / PARTS**2
    is_used = np.isfinite(flux) & (column >= 0) & (column < n_px) & (row >= 0) & (row < n_px)
    at = row[is_used] * n_px + column[is_used]
    area = abs(np.linalg.det(to_sky)) / (PARTS * scale_arcsec) ** 2
    covered = np.bincount(at, minlength=n_px * n_px).reshape(n_px, n_px) * area
    total = np.bincount(at, weights=flux[is_used], minlength=n_px * n_px).reshape(n_px, n_px)
    return np.where(covered >= LEAST_OF_A_PIXEL, total, np.nan)


def _value(text: str) -> Any:
    try:
        return float(text.replace("D", "E")) if not text.startswith("'") else text.strip("' ")
    except ValueError:
        return text
