"""What stands around a transient: its host galaxy, field stars and galaxies. Catalogue values; pixels in ``rendering``."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from needle_assets.light_curves.extinction import extinction_per_a_v
from needle_assets.simulation.transients import Transient, apparent_minus_absolute_mag
from needle_assets.surveys import panstarrs
from needle_assets.surveys.ztf import ZTF

FloatArray = NDArray[np.float64]

FIELD_HALF_WIDTH_PX = 46.0
# How the sky lies in a cutout as stored (see ``images.stamps``): east is towards smaller columns, north towards smaller rows.
EAST_ALONG_X = -1.0
NORTH_ALONG_Y = -1.0

FAINTEST_FIELD_MAG = 22.8
N_KNOTS = 24
RESOLVED_RADIUS_PX = 2.5
FAINTEST_CATALOGUED_HOST_R_MAG = 23.3


@dataclass(frozen=True)
class HostKind:
    """
    Hosts of one population.

    Parameters
    ----------
    abs_mag : (float, float)
        Mean and scatter of the absolute r magnitude [mag].
    colours : (float, float, float, float)
        Mean observed g-r, r-i, i-z, z-y [mag].
    colour_scatter : float
        Scatter of g-r [mag]; the others scatter half as much.
    offset : (float, float)
        Median and logarithmic scatter of the transient's offset in half-light radii.
    sersic_index : (float, ...)
        Equally likely profile indices.
    no_host_fraction : float
        Share without any galaxy in reach of the survey.
    """

    abs_mag: tuple[float, float]
    colours: tuple[float, float, float, float]
    colour_scatter: float
    offset: tuple[float, float]
    sersic_index: tuple[float, ...]
    no_host_fraction: float


HOST_KINDS: Mapping[str, HostKind] = MappingProxyType(
    {
        "Ia": HostKind((-20.5, 1.7), (0.56, 0.35, 0.2, 0.24), 0.2, (0.52, 0.8), (1.0, 1.0, 2.5, 4.0), 0.03),
        "II": HostKind((-19.7, 1.6), (0.43, 0.24, 0.2, 0.22), 0.2, (0.62, 0.7), (0.8, 1.0, 1.0, 2.5), 0.03),
        "IIn": HostKind((-19.2, 1.8), (0.40, 0.24, 0.2, 0.22), 0.2, (0.65, 0.8), (1.0, 1.0, 2.5), 0.06),
        "Ibc": HostKind((-19.9, 1.5), (0.43, 0.24, 0.2, 0.22), 0.2, (0.6, 0.7), (1.0, 1.0, 2.5), 0.02),
        "SLSN-II": HostKind((-19.0, 1.7), (0.45, 0.25, 0.2, 0.2), 0.3, (0.7, 0.8), (0.7, 1.0), 0.1),
        "SLSN-I": HostKind((-18.2, 1.4), (0.40, 0.2, 0.15, 0.15), 0.25, (1.2, 0.7), (0.7, 1.0), 0.42),
        "TDE": HostKind((-19.6, 1.0), (0.70, 0.36, 0.25, 0.1), 0.15, (0.012, 0.5), (2.5, 4.0), 0.0),
        "nova": HostKind((-20.0, 1.0), (0.5, 0.3, 0.2, 0.2), 0.1, (1.0, 0.5), (1.0,), 1.0),
        "AGN": HostKind((-20.8, 0.8), (0.55, 0.35, 0.25, 0.2), 0.15, (0.01, 0.5), (2.5, 4.0), 0.0),
    }
)


@dataclass(frozen=True)
class Galaxies:
    """Galaxies, arrays of shape (n,): position from the transient [px], magnitude by band, half-light radius [px], shape."""

    x_px: FloatArray
    y_px: FloatArray
    mag: dict[str, FloatArray]
    radius_px: FloatArray
    sersic_index: FloatArray
    axis_ratio: FloatArray
    angle_rad: FloatArray


@dataclass(frozen=True)
class Knots:
    """Star-forming knots of a galaxy, arrays of shape (n,): position from the transient [px] and share of its light; their size."""

    x_px: FloatArray
    y_px: FloatArray
    share: FloatArray
    sigma_px: float


@dataclass(frozen=True)
class Stars:
    """Stars, arrays of shape (n,): position relative to the transient [px] and magnitude by band."""

    x_px: FloatArray
    y_px: FloatArray
    mag: dict[str, FloatArray]


@dataclass(frozen=True)
class Host:
    """The host in catalogue terms; ``mag`` in PS1 grizy with Milky Way extinction, offsets of the galaxy from the transient."""

    east_arcsec: float
    north_arcsec: float
    mag: dict[str, float]
    radius_arcsec: float
    galaxies: Galaxies
    knots: Knots

    @property
    def separation_arcsec(self) -> float:
        """Distance between the transient and the galaxy's centre [arcsec]."""
        return float(np.hypot(self.east_arcsec, self.north_arcsec))


def draw_host(transient: Transient, rng: np.random.Generator) -> Host | None:
    """
    Draw the host galaxy of a transient.

    Parameters
    ----------
    transient : Transient
        Its population says what kind of galaxy, its redshift how bright and large it appears.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Host or None
        None for the stated fraction without a galaxy.
    """
    kind = HOST_KINDS[transient.population]
    draws = rng.standard_normal(8)
    n, axis_ratio, angle, direction, no_host = rng.random(5)
    if no_host < kind.no_host_fraction:
        return None
    abs_mag = kind.abs_mag[0] + kind.abs_mag[1] * draws[0]
    r_mag = max(abs_mag + apparent_minus_absolute_mag(transient.redshift), 11.0)
    mag = _extinguished(_host_mags(r_mag, kind, draws[1:5]), transient.a_v_mag)
    radius_arcsec = _radius_arcsec(abs_mag, r_mag, 0.12 * draws[5])
    offset = radius_arcsec * kind.offset[0] * np.exp(kind.offset[1] * draws[6])
    east, north = offset * np.sin(2 * np.pi * direction), offset * np.cos(2 * np.pi * direction)
    index = kind.sersic_index[int(n * len(kind.sersic_index))]
    galaxies = Galaxies(
        x_px=np.array([EAST_ALONG_X * east / ZTF.pixel_scale_arcsec]),
        y_px=np.array([NORTH_ALONG_Y * north / ZTF.pixel_scale_arcsec]),
        mag={band: np.array([mag[band]]) for band in ("g", "r", "i")},
        radius_px=np.array([radius_arcsec / ZTF.pixel_scale_arcsec]),
        sersic_index=np.array([index]),
        axis_ratio=np.array([0.3 + 0.65 * axis_ratio]),
        angle_rad=np.array([np.pi * angle]),
    )
    return Host(east, north, mag, radius_arcsec, galaxies, _draw_knots(galaxies, rng))


def _draw_knots(galaxy: Galaxies, rng: np.random.Generator) -> Knots:
    """Knots along two logarithmic spiral arms of a resolved disc; none in other galaxies. Random numbers are drawn in any case."""
    radii = np.geomspace(0.35, 2.4, N_KNOTS // 2)
    start, winding, share = rng.uniform(0.0, np.pi), rng.uniform(1.5, 3.5) * rng.choice([-1.0, 1.0]), rng.uniform(0.1, 0.45)
    scatter, weight = rng.standard_normal((2, N_KNOTS)), rng.exponential(1.0, N_KNOTS)
    is_disc = galaxy.sersic_index[0] <= 1.0 and galaxy.radius_px[0] > RESOLVED_RADIUS_PX
    if not is_disc:
        return Knots(np.zeros(0), np.zeros(0), np.zeros(0), 0.0)
    radius = np.tile(radii, 2)
    azimuth = start + winding * np.log(radius) + np.repeat([0.0, np.pi], N_KNOTS // 2) + 0.25 * scatter[0]
    radius_px = galaxy.radius_px[0] * radius * np.exp(0.1 * scatter[1])
    along, across = radius_px * np.cos(azimuth), galaxy.axis_ratio[0] * radius_px * np.sin(azimuth)
    cos, sin = np.cos(galaxy.angle_rad[0]), np.sin(galaxy.angle_rad[0])
    light = weight * np.exp(-radius)
    x_px, y_px = galaxy.x_px[0] + along * cos - across * sin, galaxy.y_px[0] + along * sin + across * cos
    return Knots(x_px, y_px, share * light / light.sum(), float(0.2 * galaxy.radius_px[0]))


def _host_mags(r_mag: float, kind: HostKind, draws: FloatArray) -> dict[str, float]:
    scatter = kind.colour_scatter * np.array([1.0, 0.5, 0.5, 0.5]) * draws
    g_r, r_i, i_z, z_y = np.array(kind.colours) + scatter
    i_mag = r_mag - r_i
    return {"g": r_mag + g_r, "r": r_mag, "i": i_mag, "z": i_mag - i_z, "y": i_mag - i_z - z_y}


def _extinguished(mag: dict[str, float], a_v_mag: float) -> dict[str, float]:
    return {
        band: value + a_v_mag * extinction_per_a_v(panstarrs.EXTINCTION_WAVELENGTH_ANGSTROM[band]) for band, value in mag.items()
    }


def _radius_arcsec(abs_mag: float, r_mag: float, scatter_dex: float) -> float:
    """Half-light radius: 7 kpc at M_r = -20.5, a factor 10^0.1 per magnitude, at the distance that the magnitudes imply."""
    radius_kpc = 7.0 * 10.0 ** (-0.1 * (abs_mag + 20.5) + scatter_dex)
    distance_kpc = 10.0 ** (0.2 * (r_mag - abs_mag) - 2.0)
    return float(np.clip(radius_kpc / distance_kpc * 206265.0, 0.25, 40.0))


def draw_stars(galactic_latitude_deg: float, rng: np.random.Generator) -> Stars:
    """Field stars of a stamp and its surroundings; denser towards the Galactic plane, numbers rising to faint magnitudes."""
    density_arcmin2 = 4.0 / max(np.sin(np.deg2rad(abs(galactic_latitude_deg))), 0.12)
    n = rng.poisson(density_arcmin2 * _field_arcmin2())
    r_mag = _power_law_mags(n, 0.22, 9.0, rng)
    g_r = np.clip(rng.normal(0.9, 0.45, n), 0.1, 1.6)
    x, y = rng.uniform(-FIELD_HALF_WIDTH_PX, FIELD_HALF_WIDTH_PX, (2, n))
    return Stars(x, y, {"g": r_mag + g_r, "r": r_mag, "i": r_mag - 0.45 * g_r})


def draw_galaxies(rng: np.random.Generator) -> Galaxies:
    """Field galaxies down to the depth of the reference images."""
    n = rng.poisson(3.6 * _field_arcmin2())
    r_mag = _power_law_mags(n, 0.42, 15.0, rng)
    g_r = rng.normal(0.7, 0.3, n)
    radius_arcsec = 1.6 * 10.0 ** (-0.13 * (r_mag - 19.0)) * np.exp(0.35 * rng.standard_normal(n))
    x, y = rng.uniform(-FIELD_HALF_WIDTH_PX, FIELD_HALF_WIDTH_PX, (2, n))
    return Galaxies(
        x,
        y,
        {"g": r_mag + g_r, "r": r_mag, "i": r_mag - 0.5 * g_r},
        radius_arcsec / ZTF.pixel_scale_arcsec,
        rng.choice([1.0, 1.0, 2.5], n),
        rng.uniform(0.3, 1.0, n),
        rng.uniform(0.0, np.pi, n),
    )  # fmt: skip - the columns of one table


def nearest_galaxy(galaxies: Galaxies, brighter_than_r_mag: float) -> tuple[float, float, dict[str, float]] | None:
    """Offset to the east and north [arcsec] and grizy magnitudes of the nearest field galaxy above a brightness, if any."""
    bright = np.flatnonzero(galaxies.mag["r"] < brighter_than_r_mag)
    if not len(bright):
        return None
    i = int(bright[np.argmin(np.hypot(galaxies.x_px[bright], galaxies.y_px[bright]))])
    mag = {band: float(values[i]) for band, values in galaxies.mag.items()}
    mag |= {"z": mag["i"] - 0.2, "y": mag["i"] - 0.4}
    east, north = galaxies.x_px[i] / EAST_ALONG_X, galaxies.y_px[i] / NORTH_ALONG_Y
    return float(east * ZTF.pixel_scale_arcsec), float(north * ZTF.pixel_scale_arcsec), mag


def _field_arcmin2() -> float:
    return (2.0 * FIELD_HALF_WIDTH_PX * ZTF.pixel_scale_arcsec / 60.0) ** 2


def _power_law_mags(n: int, slope: float, brightest: float, rng: np.random.Generator) -> FloatArray:
    """Magnitudes with lg N(<m) rising by ``slope`` per magnitude, down to the depth of the references."""
    below = 10.0 ** (slope * (brightest - FAINTEST_FIELD_MAG))
    return FAINTEST_FIELD_MAG + np.log10(below + (1.0 - below) * rng.random(n)) / slope


def draw_position(rng: np.random.Generator) -> tuple[float, float, float]:
    """Right ascension, declination and Galactic latitude [deg] in the survey's footprint (dec > -28, |b| > 10)."""
    while True:
        ra_deg = 360.0 * rng.random()
        dec_deg = float(np.rad2deg(np.arcsin(rng.uniform(np.sin(np.deg2rad(-28.0)), 1.0))))
        latitude = galactic_latitude_deg(ra_deg, dec_deg)
        if abs(latitude) > 10.0:
            return ra_deg, dec_deg, latitude


def galactic_latitude_deg(ra_deg: float, dec_deg: float) -> float:
    """Galactic latitude [deg] of a J2000 position (pole at 192.85948, +27.12825 deg)."""
    ra, dec, pole = np.deg2rad([ra_deg - 192.85948, dec_deg, 27.12825])
    return float(np.rad2deg(np.arcsin(np.sin(dec) * np.sin(pole) + np.cos(dec) * np.cos(pole) * np.cos(ra))))


def draw_extinction_mag(galactic_latitude_deg: float, rng: np.random.Generator) -> float:
    """Milky Way A_V [mag]: a dust layer seen under the latitude's angle, with patches."""
    layer = 0.063 / np.sin(np.deg2rad(max(abs(galactic_latitude_deg), 8.0)))
    return float(layer * np.exp(0.55 * rng.standard_normal()))
