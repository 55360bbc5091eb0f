"""Catalogue values to pixels: sources become transforms, a seeing disc multiplies them, one inverse FFT makes a stamp.

Works on a periodic grid of 96 x 96 px, twice oversampled, around the stamp of 63 x 63 px; everything here is noiseless. Noise and
exposures are in ``stamps``.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import j0, kv

from needle_assets.simulation.sky import Galaxies, Host, Stars
from needle_assets.survey import CUTOUT_SIZE_PX

ComplexArray = NDArray[np.complex64]
RealArray = NDArray[np.float32]

GRID_PX = 96
OVERSAMPLING = 2
MARGIN_PX = (GRID_PX - CUTOUT_SIZE_PX) // 2
CENTRE_PX = CUTOUT_SIZE_PX // 2

_N = GRID_PX * OVERSAMPLING
_KX = np.fft.rfftfreq(_N, 1.0 / OVERSAMPLING).astype(np.float32)  # cycles per px, (97,)
_KY = np.fft.fftfreq(_N, 1.0 / OVERSAMPLING).astype(np.float32)  # (192,)
_K2 = _KX[None, :] ** 2 + _KY[:, None] ** 2
_KXX_MINUS_KYY = _KX[None, :] ** 2 - _KY[:, None] ** 2
_TWO_KXY = 2.0 * _KX[None, :] * _KY[:, None]
_PIXEL = np.sinc(_KX)[None, :] * np.sinc(_KY)[:, None]


def ramp(x_px: float, y_px: float) -> ComplexArray:
    """Transform of a unit point source at stamp pixel (x, y), counted from the first pixel's centre; shape (192, 97)."""
    x_factor, y_factor = _ramps(np.array([x_px]), np.array([y_px]))
    return y_factor[:, :1] * x_factor[:1, :]


def _ramps(x_px: NDArray[np.float64], y_px: NDArray[np.float64]) -> tuple[ComplexArray, ComplexArray]:
    x_phase = np.exp(-2j * np.pi * np.outer(x_px + MARGIN_PX, _KX))
    y_phase = np.exp(-2j * np.pi * np.outer(_KY, y_px + MARGIN_PX))
    return x_phase.astype(np.complex64), y_phase.astype(np.complex64)


def shift(dx_px: float, dy_px: float) -> ComplexArray:
    """Factor that moves a transform by (dx, dy) [px]; shape (192, 97)."""
    return ramp(dx_px - MARGIN_PX, dy_px - MARGIN_PX)


def seeing_transform(fwhm_px: float, *, beta: float, ellipticity: tuple[float, float] = (0.0, 0.0)) -> RealArray:
    """
    Transform of a Moffat seeing disc with the pixel's own width.

    Parameters
    ----------
    fwhm_px : float
        Full width at half maximum before the pixel's width is added [px].
    beta : float
        Moffat index; the wings fall as r^(-2 beta).
    ellipticity : (float, float)
        Elongation along the axes and along the diagonal.

    Returns
    -------
    ndarray, shape (192, 97)
        Real, 1 at zero frequency.
    """
    k2 = _K2 + np.float32(ellipticity[0]) * _KXX_MINUS_KYY + np.float32(ellipticity[1]) * _TWO_KXY
    table, step = _moffat_table(beta)
    scale = 2.0 * np.pi * fwhm_px / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0)) / step
    position = np.sqrt(k2) * np.float32(scale)
    return np.interp(position, np.arange(len(table)), table, right=0.0).astype(np.float32) * _PIXEL


@lru_cache(maxsize=4)
def _moffat_table(beta: float) -> tuple[NDArray[np.float64], float]:
    """Transform of a Moffat profile over t = 2 pi k a, which is t^(beta-1) K_(beta-1)(t) up to a factor, and the step in t."""
    step = 0.02
    t = np.arange(0.0, 30.0, step)
    t[0] = 1e-6
    table = t ** (beta - 1.0) * kv(beta - 1.0, t)
    return table / table[0], step


def stars_transform(stars: Stars, band: str, zero_point_mag: float) -> ComplexArray:
    """Summed transform [DN] of point sources relative to the stamp's central pixel; shape (192, 97)."""
    flux = 10.0 ** (-0.4 * (stars.mag[band] - zero_point_mag))
    x_factor, y_factor = _ramps(stars.x_px + CENTRE_PX, stars.y_px + CENTRE_PX)
    return y_factor @ (flux.astype(np.float32)[:, None] * x_factor)


def galaxy_transforms(galaxies: Galaxies) -> ComplexArray:
    """Transform of each galaxy with unit flux, relative to the stamp's central pixel; shape (n, 192, 97)."""
    out = np.empty((len(galaxies.x_px), _N, len(_KX)), dtype=np.complex64)
    for i in range(len(galaxies.x_px)):
        profile, step = _sersic_table(float(galaxies.sersic_index[i]))
        position = galaxies.radius_px[i] * np.sqrt(_squeezed_k2(galaxies.axis_ratio[i], galaxies.angle_rad[i])) / step
        shape = np.interp(position, np.arange(len(profile)), profile, right=0.0)
        out[i] = shape * ramp(galaxies.x_px[i] + CENTRE_PX, galaxies.y_px[i] + CENTRE_PX)
    return out


def host_transform(host: Host) -> ComplexArray:
    """Transform of a host with unit flux: a smooth profile, and star-forming knots along its arms if it has any; (192, 97)."""
    smooth: ComplexArray = galaxy_transforms(host.galaxies)[0]
    if not len(host.knots.share):
        return smooth
    x_factor, y_factor = _ramps(host.knots.x_px + CENTRE_PX, host.knots.y_px + CENTRE_PX)
    blob = np.exp(np.float32(-2.0 * np.pi**2 * host.knots.sigma_px**2) * _K2)
    knots = (y_factor @ (host.knots.share.astype(np.float32)[:, None] * x_factor)) * blob
    return smooth * np.float32(1.0 - host.knots.share.sum()) + knots


def _squeezed_k2(axis_ratio: float, angle_rad: float) -> RealArray:
    """Squared frequency in which a galaxy of this axis ratio and angle is round with its half-light radius on the major axis."""
    minor2 = np.float32(axis_ratio**2)
    mean, half = (1.0 + minor2) / 2.0, (1.0 - minor2) / 2.0
    k2: RealArray = np.maximum(
        mean * _K2
        + np.float32(half * np.cos(2 * angle_rad)) * _KXX_MINUS_KYY
        + np.float32(half * np.sin(2 * angle_rad)) * _TWO_KXY,
        0.0,
    )
    return k2


@lru_cache(maxsize=16)
def _sersic_table(sersic_index: float) -> tuple[NDArray[np.float64], float]:
    """Hankel transform of a Sersic profile of unit flux and half-light radius, cut at 8 radii, and its step in k times radius."""
    b = 2.0 * sersic_index - 1.0 / 3.0 + 0.009876 / sersic_index
    edge = 8.0 ** (1.0 / sersic_index)
    # Even steps in r^(1/n) resolve the cusp of large n.
    s = (np.arange(3000) + 0.5) * edge / 3000
    r = s**sersic_index
    light = np.exp(-b * s) * r * sersic_index * s ** (sersic_index - 1.0)
    step = 0.02
    k = np.arange(0.0, 24.0, step)
    table = np.array([np.sum(light * j0(2.0 * np.pi * ki * r)) for ki in k])
    return table / table[0], step


def weighted_sum(transforms: ComplexArray, flux: NDArray[np.float64]) -> ComplexArray:
    """Sum of transforms (n, 192, 97) with weights (n,)."""
    return np.tensordot(flux.astype(np.float32), transforms, axes=1)


def stamp_of(transform: ComplexArray) -> RealArray:
    """Pixels of the stamp whose transform is given; shape (63, 63), row index along y."""
    grid = fft.irfft2(transform, s=(_N, _N), overwrite_x=False) * np.float32(OVERSAMPLING**2)
    begin, end = MARGIN_PX * OVERSAMPLING, (MARGIN_PX + CUTOUT_SIZE_PX) * OVERSAMPLING
    return np.ascontiguousarray(grid[begin:end:OVERSAMPLING, begin:end:OVERSAMPLING])


def resampled_noise_transform(sigma: float, rng: np.random.Generator) -> ComplexArray:
    """
    Transform of a patch of noise that can be moved by fractions of a pixel, as a reference resampled onto each exposure is.

    Parameters
    ----------
    sigma : float
        Standard deviation of the pixels [DN].
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (192, 97)
        Power only up to the pixels' own Nyquist frequency. Neighbouring pixels are correlated as after two Lanczos resamplings:
        about +0.2 at a distance of 1 px, -0.12 at 2 px, +0.04 at 3 px, which is what real references show.
    """
    half = GRID_PX // 2
    white = fft.rfft2(rng.standard_normal((GRID_PX, GRID_PX), dtype=np.float32))
    kept = np.concatenate([np.arange(half), np.arange(half + 1, GRID_PX)])
    rows = np.concatenate([np.arange(half), np.arange(_N - half + 1, _N)])
    along = _resampling_amplitude()
    filtered = white[kept, :half] * along[kept][:, None] * along[:half][None, :]
    out = np.zeros((_N, len(_KX)), dtype=np.complex64)
    out[rows, :half] = filtered * np.float32(sigma / np.mean(along**2))
    return out


@lru_cache(maxsize=1)
def _resampling_amplitude() -> RealArray:
    """
    Amplitude left by two resamplings with Lanczos kernels of 3 px, over the frequencies of the pixel grid; shape (96,).

    The first belongs to the frames of a reference, whose shifts average out; the second puts the reference on the exposure.
    """
    taps = np.arange(-3, 5)
    frequency = np.fft.fftfreq(GRID_PX)
    power = np.zeros(GRID_PX)
    for shift_px in np.arange(20) / 20.0:
        distance = taps - shift_px
        kernel = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3.0), 0.0)
        transform = np.exp(-2j * np.pi * np.outer(frequency, taps)) @ (kernel / kernel.sum())
        power += np.abs(transform) ** 2 / 20.0
    return power.astype(np.float32)
