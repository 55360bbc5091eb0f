"""Catalogue values to pixels: sources become transforms, a seeing disc multiplies them, one inverse FFT makes a stamp.

Works on a periodic grid of 96 x 96 px, twice oversampled, around the stamp of 63 x 63 px; everything here is noiseless. Galaxies
so large or far away that their light would come in again on the opposite side are drawn on a wider grid first. Noise and exposures
are in ``stamps``.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import j0, kv

from needle_assets.simulation.sky import Galaxies, Host, Stars
from needle_assets.surveys.ztf import ZTF

ComplexArray = NDArray[np.complex64]
RealArray = NDArray[np.float32]

GRID_PX = 96
OVERSAMPLING = 2
MARGIN_PX = (GRID_PX - ZTF.cutout_size_px) // 2
CENTRE_PX = ZTF.cutout_size_px // 2

# A Sersic profile is cut at so many half-light radii.
EDGE_RADII = 8.0
# Light may come so near to the stamp on its way around the grid: stamps are moved and blurred by a few pixels.
CLEARANCE_PX = 5.0


class _Grid(NamedTuple):
    """Frequencies of a grid of ``size_px`` pixels [cycles per px]: of columns, of rows, squares' sum and difference, twice the product."""

    size_px: int
    kx: RealArray
    ky: RealArray
    k2: RealArray
    kxx_minus_kyy: RealArray
    two_kxy: RealArray

    @property
    def margin_px(self) -> int:
        """Pixels before the first one of the stamp."""
        return (self.size_px - ZTF.cutout_size_px) // 2


@lru_cache(maxsize=4)
def _grid(size_px: int = GRID_PX) -> _Grid:
    n = size_px * OVERSAMPLING
    kx = np.fft.rfftfreq(n, 1.0 / OVERSAMPLING).astype(np.float32)
    ky = np.fft.fftfreq(n, 1.0 / OVERSAMPLING).astype(np.float32)
    across, down = kx[None, :], ky[:, None]
    return _Grid(size_px, kx, ky, across**2 + down**2, across**2 - down**2, 2.0 * across * down)


_N = GRID_PX * OVERSAMPLING
_PIXEL = np.sinc(_grid().kx)[None, :] * np.sinc(_grid().ky)[:, None]


def ramp(x_px: float, y_px: float) -> ComplexArray:
    """Transform of a unit point source at stamp pixel (x, y), counted from the first pixel's centre; shape (192, 97)."""
    return _ramp(x_px, y_px, _grid())


def _ramp(x_px: float, y_px: float, grid: _Grid) -> ComplexArray:
    x_factor, y_factor = _ramps(np.array([x_px]), np.array([y_px]), grid)
    return y_factor[:, :1] * x_factor[:1, :]


def _ramps(x_px: NDArray[np.float64], y_px: NDArray[np.float64], grid: _Grid) -> tuple[ComplexArray, ComplexArray]:
    x_phase = np.exp(-2j * np.pi * np.outer(x_px + grid.margin_px, grid.kx))
    y_phase = np.exp(-2j * np.pi * np.outer(grid.ky, y_px + grid.margin_px))
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
    grid = _grid()
    k2 = grid.k2 + np.float32(ellipticity[0]) * grid.kxx_minus_kyy + np.float32(ellipticity[1]) * grid.two_kxy
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
    x_factor, y_factor = _ramps(stars.x_px + CENTRE_PX, stars.y_px + CENTRE_PX, _grid())
    return y_factor @ (flux.astype(np.float32)[:, None] * x_factor)


def galaxy_transforms(galaxies: Galaxies) -> ComplexArray:
    """Transform of each galaxy with unit flux, relative to the stamp's central pixel; shape (n, 192, 97)."""
    out = np.empty((len(galaxies.x_px), _N, len(_grid().kx)), dtype=np.complex64)
    for i in range(len(galaxies.x_px)):
        grid = _grid_for(galaxies, i)
        out[i] = _framed(_galaxy(galaxies, i, grid), grid)
    return out


def host_transform(host: Host) -> ComplexArray:
    """Transform of a host with unit flux: a smooth profile, and star-forming knots along its arms if it has any; (192, 97)."""
    grid = _grid_for(host.galaxies, 0)
    smooth = _galaxy(host.galaxies, 0, grid)
    if not len(host.knots.share):
        return _framed(smooth, grid)
    x_factor, y_factor = _ramps(host.knots.x_px + CENTRE_PX, host.knots.y_px + CENTRE_PX, grid)
    blob = np.exp(np.float32(-2.0 * np.pi**2 * host.knots.sigma_px**2) * grid.k2)
    knots = (y_factor @ (host.knots.share.astype(np.float32)[:, None] * x_factor)) * blob
    return _framed(smooth * np.float32(1.0 - host.knots.share.sum()) + knots, grid)


def _grid_for(galaxies: Galaxies, i: int) -> _Grid:
    """The smallest grid around which no light of galaxy ``i`` comes back into the stamp."""
    reach_px = max(abs(galaxies.x_px[i]), abs(galaxies.y_px[i])) + EDGE_RADII * galaxies.radius_px[i]
    needed_px = reach_px + ZTF.cutout_size_px / 2 + CLEARANCE_PX
    return _grid(GRID_PX * 2 ** max(int(np.ceil(np.log2(needed_px / GRID_PX))), 0))


def _galaxy(galaxies: Galaxies, i: int, grid: _Grid) -> ComplexArray:
    profile, step = _sersic_table(float(galaxies.sersic_index[i]))
    position = galaxies.radius_px[i] * np.sqrt(_squeezed_k2(galaxies.axis_ratio[i], galaxies.angle_rad[i], grid)) / step
    shape = np.interp(position, np.arange(len(profile)), profile, right=0.0)
    return (shape * _ramp(galaxies.x_px[i] + CENTRE_PX, galaxies.y_px[i] + CENTRE_PX, grid)).astype(np.complex64)


def _framed(transform: ComplexArray, grid: _Grid) -> ComplexArray:
    """The transform, on the usual grid, of what a wider one shows there; shape (192, 97)."""
    if grid.size_px == GRID_PX:
        return transform
    n, begin = grid.size_px * OVERSAMPLING, (grid.margin_px - MARGIN_PX) * OVERSAMPLING
    shown = fft.irfft2(transform, s=(n, n))[begin : begin + _N, begin : begin + _N]
    framed: ComplexArray = fft.rfft2(shown)
    return framed


def _squeezed_k2(axis_ratio: float, angle_rad: float, grid: _Grid) -> RealArray:
    """Squared frequency in which a galaxy of this axis ratio and angle is round with its half-light radius on the major axis."""
    minor2 = np.float32(axis_ratio**2)
    mean, half = (1.0 + minor2) / 2.0, (1.0 - minor2) / 2.0
    k2: RealArray = np.maximum(
        mean * grid.k2
        + np.float32(half * np.cos(2 * angle_rad)) * grid.kxx_minus_kyy
        + np.float32(half * np.sin(2 * angle_rad)) * grid.two_kxy,
        0.0,
    )
    return k2


@lru_cache(maxsize=16)
def _sersic_table(sersic_index: float) -> tuple[NDArray[np.float64], float]:
    """Hankel transform of a Sersic profile of unit flux and half-light radius, cut at EDGE_RADII, and its step in k times radius."""
    b = 2.0 * sersic_index - 1.0 / 3.0 + 0.009876 / sersic_index
    edge = EDGE_RADII ** (1.0 / sersic_index)
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
    begin, end = MARGIN_PX * OVERSAMPLING, (MARGIN_PX + ZTF.cutout_size_px) * OVERSAMPLING
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
    out = np.zeros((_N, len(_grid().kx)), dtype=np.complex64)
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
