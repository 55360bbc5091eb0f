"""Cutouts of alert packets made into stamps: placed in one frame, with the target and the host in it (§3.2).

How ZTF cuts (these numbers are its own; another survey's stand in ``surveys``). ``xpos`` and ``ypos`` of a packet are the
detection's column and row on a readout quadrant of 3072 x 3080 pixels, the first pixel being 1. The cutout is the 63 x 63 pixels
around the *rounded* position, so the target lies at pixel 31 (counted from 0) plus what rounding took away, between -0.5 and 0.5.
At an edge of the quadrant the cutout is simply smaller: pixels are missing on the side of that edge. Measured on 45 bright real
differences: centroid minus this position 0.00 +- 0.01 px in x and 0.01 +- 0.02 px in y; and all 17 incomplete cutouts of the same
survey have exactly the size that follows from it.

How the sky lies in it. Columns grow towards the west and rows towards the south (row 0 is the northernmost), at 1.01 arcsec a
pixel; a fit to 122 pairs of detections that share an exposure gives -1.012 and -1.014 arcsec a pixel for east and north, and a
rotation of 0.1 deg. The authors' code turns and flips such images in several places and disagrees with itself; here nothing is
flipped, and positions follow the pixels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from needle_assets.errors import Rejection
from needle_assets.surveys.survey import Survey


@dataclass(frozen=True)
class PlacedCutout:
    """A stamp, shape (n, n), float32, NaN where pixels are missing, and the target's column and row in it [px from 0]."""

    image: NDArray[np.float32]
    target_x_px: float
    target_y_px: float


def place_cutout(cutout: NDArray[Any], survey: Survey, *, xpos: float | None = None, ypos: float | None = None) -> PlacedCutout:
    """
    Put a cutout into the stamp's frame: complete ones cropped centrally, incomplete ones placed by the target's position.

    Parameters
    ----------
    cutout : ndarray, shape (ny, nx)
        A packet's cutout, at most as large as the survey's.
    survey : Survey
        Sizes of cutouts, stamps and detector.
    xpos, ypos : float, optional
        The detection's column and row on the detector [px, first pixel 1], as the packet gives them. Without them a
        complete cutout is taken to be centred on its middle pixel and an incomplete one cannot be placed.

    Returns
    -------
    PlacedCutout
        Pixels that the cutout does not reach are NaN.

    Raises
    ------
    Rejection
        If the cutout is larger than the survey's, or smaller in a way that its position on the detector does not explain.

    Notes
    -----
    Paper §3.2 step 2 pads with -999; the authors' code with NaN, and crops [:60, :60], which is not the centre. Here the target's
    own pixel, the middle one of the cutout, becomes pixel n // 2 of the stamp: of ZTF's 63 rows and columns 1 to 60 are kept, and
    the target lies in pixel 30 of 0 to 59, whose middle is half a pixel from the stamp's.
    """
    ny, nx = cutout.shape
    full = np.full((survey.cutout_size_px, survey.cutout_size_px), np.nan, dtype=np.float32)
    top, left = _first_pixel(cutout.shape, (ypos, xpos), survey)
    full[top : top + ny, left : left + nx] = cutout
    centre = survey.stamp_size_px // 2
    first = survey.cutout_size_px // 2 - centre
    kept = slice(first, first + survey.stamp_size_px)
    return PlacedCutout(np.ascontiguousarray(full[kept, kept]), centre + _fraction(xpos), centre + _fraction(ypos))


def host_position_px(
    *,
    target_ra_deg: float,
    target_dec_deg: float,
    host_ra_deg: float,
    host_dec_deg: float,
    target_x_px: float,
    target_y_px: float,
    pixel_scale_arcsec: float,
) -> tuple[float, float]:
    """
    Where the host's centre falls in a stamp.

    Parameters
    ----------
    target_ra_deg, target_dec_deg, host_ra_deg, host_dec_deg : float
        Positions [deg].
    target_x_px, target_y_px : float
        The target in the stamp [px from 0].
    pixel_scale_arcsec : float
        Size of a pixel.

    Returns
    -------
    x_px, y_px : float
        The host in the same frame; it may lie outside the stamp. NaN where a position is NaN or on the far side of the sky.

    Notes
    -----
    East is towards smaller columns, north towards smaller rows. The authors' streaming code divides the pixel scale by cos(dec),
    which shrinks offsets in x a second time.
    """
    east, north = sky_offset_arcsec(target_ra_deg, target_dec_deg, host_ra_deg, host_dec_deg)
    return target_x_px - east / pixel_scale_arcsec, target_y_px - north / pixel_scale_arcsec


def sky_offset_arcsec(ra_deg: float, dec_deg: float, to_ra_deg: float, to_dec_deg: float) -> tuple[float, float]:
    """
    Offset from one position to another on the tangent plane at the first [arcsec towards east and north].

    NaN if a position is NaN or the second is 90 deg or more away.
    """
    difference = math.radians(math.remainder(to_ra_deg - ra_deg, 360.0))
    dec, to_dec = math.radians(dec_deg), math.radians(to_dec_deg)
    along = math.sin(dec) * math.sin(to_dec) + math.cos(dec) * math.cos(to_dec) * math.cos(difference)
    if not along > 0:
        return math.nan, math.nan
    east = math.cos(to_dec) * math.sin(difference) / along
    north = (math.cos(dec) * math.sin(to_dec) - math.sin(dec) * math.cos(to_dec) * math.cos(difference)) / along
    return math.degrees(east) * 3600, math.degrees(north) * 3600


def _fraction(position: float | None) -> float:
    """What rounding to a whole pixel takes away, between -0.5 and 0.5; 0 if the position is unknown."""
    return 0.0 if position is None or not math.isfinite(position) else position - math.floor(position + 0.5)


def _first_pixel(shape: tuple[int, ...], position: tuple[float | None, float | None], survey: Survey) -> tuple[int, int]:
    """Where in a full cutout the given one's first row and column belong."""
    ny, nx = shape
    full = survey.cutout_size_px
    if max(shape) > full or min(shape) == 0:
        raise Rejection(
            f"the cutout is {nx} x {ny} pixels; {survey.name.upper()}'s are {full} x {full}, less at an edge of the detector, "
            "and where the target lies in any other cannot be told.",
            nx=nx,
            ny=ny,
        )
    n_rows, n_columns = survey.detector_shape_px
    return _first_index(ny, full, position[0], n_rows, "ypos"), _first_index(nx, full, position[1], n_columns, "xpos")


def _first_index(n_px: int, n_full_px: int, position: float | None, n_detector_px: int, name: str) -> int:
    """Where in the full ``n_full_px`` the first of ``n_px`` rows or columns belongs."""
    if n_px == n_full_px:
        return 0
    if position is None or not math.isfinite(position):
        raise Rejection(
            f"the cutout has {n_px} pixels along {name[0]} of {n_full_px}, and the packet no usable {name} to place it by.",
            n_px=n_px,
        )
    centre, half = math.floor(position + 0.5), n_full_px // 2
    n_below, n_above = max(0, 1 + half - centre), max(0, centre + half - n_detector_px)
    if n_px != n_full_px - n_below - n_above:
        raise Rejection(
            f"the cutout has {n_px} pixels along {name[0]}, but at {name} {position:.2f} "
            f"{n_full_px - n_below - n_above} lie on the detector; where its target is cannot be told.",
            n_px=n_px,
            position_px=position,
        )
    return n_below
