"""One exposure of one object: science, reference and difference stamps with noise and damage, and the truth behind them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from needle_assets.simulation.artefacts import StuckColumns, saturate, stick_columns
from needle_assets.simulation.rendering import (
    CENTRE_PX,
    ComplexArray,
    RealArray,
    galaxy_transforms,
    host_transform,
    ramp,
    resampled_noise_transform,
    seeing_transform,
    shift,
    stamp_of,
    stars_transform,
    weighted_sum,
)
from needle_assets.simulation.sky import Galaxies, Host, Stars
from needle_assets.surveys.ztf import ZTF

GAIN_E_PER_DN = 6.2
UNIT_ZERO_POINT_MAG = 25.0
# Reading out leaves a little of each pixel, with the opposite sign, in the next one of the row.
READOUT_CROSSTALK = -0.065
REFERENCE_SKY_DN = {"g": (112.0, 0.30), "r": (240.0, 0.25), "i": (280.0, 0.25)}
REFERENCE_SIGMA_DN = {"g": (1.4, 0.28), "r": (1.6, 0.28), "i": (2.6, 0.25)}
REFERENCE_ZERO_POINT_MAG = 26.25
REFERENCE_FWHM_PX = {"g": 2.0, "r": 1.9, "i": 1.9}
MOFFAT_BETA, REFERENCE_MOFFAT_BETA = 2.7, 3.3

TRANSIENT, HOST, NEIGHBOUR, DAMAGED = 1, 2, 4, 8


@dataclass(frozen=True)
class BandScene:
    """What never changes around an object in one band: transforms at zero point 25, and its reference."""

    host: ComplexArray | None
    neighbours: ComplexArray
    reference_seeing: RealArray
    reference_noise: ComplexArray
    reference_sky_dn: float
    reference_sigma_dn: float
    reference_transient_flux: float
    missing: NDArray[np.bool_]


@dataclass(frozen=True)
class Exposure:
    """
    One exposure in numbers: depth, seeing, where the target falls [px from the central pixel] and its true magnitude.

    ``rows`` and ``columns`` are the first and the last (excluded) of the 63 that lie on the chip; ``stuck`` are bad columns.
    """

    sky_sigma_dn: float
    fwhm_px: float
    zero_point_mag: float
    dx_px: float
    dy_px: float
    target_mag: float
    rows: tuple[int, int] = (0, ZTF.cutout_size_px)
    columns: tuple[int, int] = (0, ZTF.cutout_size_px)
    stuck: StuckColumns = ()


@dataclass(frozen=True)
class Stamp:
    """
    The three images of a packet and their truth.

    ``science``, ``reference`` and ``difference`` are float32 and may be cropped; ``clean_*`` are noiseless and whole (63, 63);
    ``*_mask`` are uint8 (63, 63): 1 transient, 2 host, 4 neighbours (where each alone exceeds the sky noise), 8 damaged pixels.
    """

    science: RealArray
    reference: RealArray
    difference: RealArray
    clean_science: RealArray
    clean_reference: RealArray
    science_mask: NDArray[np.uint8]
    reference_mask: NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """Transforms of the single sources of an object's surroundings, from which a band's scene is summed."""

    host: Host | None
    host_shape: ComplexArray | None
    galaxies: Galaxies
    galaxy_shapes: ComplexArray
    stars: Stars


def build_scene(host: Host | None, galaxies: Galaxies, stars: Stars) -> Scene:
    """Transform the galaxies once; bands and exposures only weigh and shift them."""
    host_shape = host_transform(host) if host is not None else None
    return Scene(host, host_shape, galaxies, galaxy_transforms(galaxies), stars)


def build_band(
    scene: Scene, band: str, *, reference_mag: float, missing: NDArray[np.bool_], rng: np.random.Generator
) -> BandScene:
    """
    The scene of one band with its reference image.

    Parameters
    ----------
    scene : Scene
        Sources.
    band : str
        'g', 'r' or 'i'.
    reference_mag : float
        Magnitude of the transient inside the reference; infinite for a clean one.
    missing : ndarray, shape (63, 63), bool
        Pixels without a value.
    rng : Generator
        Source of randomness of the reference: seeing, sky level, noise.
    """
    draws = rng.standard_normal(5)
    sky, sky_scatter = REFERENCE_SKY_DN[band]
    sigma, sigma_scatter = REFERENCE_SIGMA_DN[band]
    sigma_dn = float(sigma * np.exp(sigma_scatter * draws[1]))
    host = None
    if scene.host is not None and scene.host_shape is not None:
        host = scene.host_shape * np.float32(_unit_flux(scene.host.mag[band]))
    galaxy_flux = 10.0 ** (-0.4 * (scene.galaxies.mag[band] - UNIT_ZERO_POINT_MAG))
    return BandScene(
        host=host,
        neighbours=weighted_sum(scene.galaxy_shapes, galaxy_flux) + stars_transform(scene.stars, band, UNIT_ZERO_POINT_MAG),
        reference_seeing=seeing_transform(
            float(REFERENCE_FWHM_PX[band] * np.exp(0.09 * draws[2])),
            beta=REFERENCE_MOFFAT_BETA,
            ellipticity=(0.06 * draws[3], 0.05 * draws[4]),
        ),
        reference_noise=resampled_noise_transform(sigma_dn, rng),
        reference_sky_dn=float(sky * np.exp(sky_scatter * draws[0])),
        reference_sigma_dn=sigma_dn,
        reference_transient_flux=_unit_flux(reference_mag),
        missing=missing,
    )


def _unit_flux(mag: float) -> float:
    return float(10.0 ** (-0.4 * (mag - UNIT_ZERO_POINT_MAG)))


def render(scene: BandScene, exposure: Exposure, rng: np.random.Generator) -> Stamp:
    """
    Stamps of one exposure.

    Parameters
    ----------
    scene : BandScene
        The object's surroundings and reference in the exposure's band.
    exposure : Exposure
        Depth, seeing, position, the transient's magnitude and what of the stamp lies on the chip.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Stamp
        The reference is scaled to the exposure's zero point and resampled to its pixels; the science image has the reference's
        sky level added, as real packets have.
    """
    parts = _clean_parts(scene, exposure, rng)
    scale = 10.0 ** (0.4 * (exposure.zero_point_mag - REFERENCE_ZERO_POINT_MAG))
    sky_dn = scene.reference_sky_dn * scale
    static = parts["host"] + parts["neighbours"]
    clean_science = static + parts["transient"] + np.float32(sky_dn + 0.4 + 0.45 * rng.standard_normal())
    clean_reference = parts["reference_static"] + parts["reference_transient"] + np.float32(sky_dn)
    noise = _noise(clean_science - sky_dn, exposure.sky_sigma_dn, rng)
    resampled_noise = stamp_of(scene.reference_noise * shift(exposure.dx_px, exposure.dy_px)) * np.float32(scale)
    images = (clean_science + noise, clean_reference + resampled_noise, _difference(static, parts, noise, rng))
    bad_science, bad_reference = _damage(images, scene.missing, exposure, sky_dn)
    sources = (parts["transient"], parts["host"], parts["neighbours"])
    neighbours = parts["reference_static"] - parts["reference_host"]
    reference_sources = (parts["reference_transient"], parts["reference_host"], neighbours)
    science, reference, difference = (image[slice(*exposure.rows), slice(*exposure.columns)] for image in images)
    return Stamp(
        science=science,
        reference=reference,
        difference=difference,
        clean_science=clean_science,
        clean_reference=clean_reference,
        science_mask=_mask(sources, exposure.sky_sigma_dn, bad_science),
        reference_mask=_mask(reference_sources, scene.reference_sigma_dn * scale, bad_reference),
    )


def _damage(
    images: tuple[RealArray, RealArray, RealArray], missing: NDArray[np.bool_], exposure: Exposure, sky_dn: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Spoil science, reference and difference in place; returns the damaged pixels of the first two, (63, 63)."""
    science, reference, _ = images
    stuck = stick_columns(science, exposure.stuck, sky_dn)
    saturated = [saturate(image) for image in (science, reference)]
    missing = missing | saturated[0].core | saturated[1].core
    for image in images:
        image[missing] = np.nan
    lost = np.ones(missing.shape, dtype=bool)
    lost[slice(*exposure.rows), slice(*exposure.columns)] = False
    return missing | lost | stuck | saturated[0].altered, missing | lost | saturated[1].altered


def _noise(source_dn: RealArray, sky_sigma_dn: float, rng: np.random.Generator) -> RealArray:
    """Noise of the sky and of the sources' photons; neighbours in a row are slightly anticorrelated, as on real science images."""
    white = rng.standard_normal((source_dn.shape[0], source_dn.shape[1] + 1), dtype=np.float32)
    mixed = white[:, 1:] + np.float32(READOUT_CROSSTALK) * white[:, :-1]
    sigma: RealArray = np.sqrt(np.float32(sky_sigma_dn**2) + np.maximum(source_dn, 0.0) / np.float32(GAIN_E_PER_DN))
    return sigma * mixed


def _clean_parts(scene: BandScene, exposure: Exposure, rng: np.random.Generator) -> dict[str, RealArray]:
    """Noiseless images of transient, host and neighbours in the seeing of the exposure and of the reference [DN]."""
    zero_point = np.float32(10.0 ** (0.4 * (exposure.zero_point_mag - UNIT_ZERO_POINT_MAG)))
    elongation = rng.standard_normal(2) * (0.09, 0.06)
    moved = shift(exposure.dx_px, exposure.dy_px)
    seeing = seeing_transform(exposure.fwhm_px, beta=MOFFAT_BETA, ellipticity=(float(elongation[0]), float(elongation[1])))
    science = seeing * zero_point * moved
    reference = scene.reference_seeing * zero_point * moved
    target = ramp(CENTRE_PX, CENTRE_PX)
    nothing = np.zeros((1, 1), dtype=np.complex64)
    host = scene.host if scene.host is not None else nothing
    reference_host = stamp_of(reference * host)
    return {
        "transient": stamp_of(science * (target * np.float32(_unit_flux(exposure.target_mag)))),
        "host": stamp_of(science * host),
        "neighbours": stamp_of(science * scene.neighbours),
        "reference_host": reference_host,
        "reference_static": reference_host + stamp_of(reference * scene.neighbours),
        "reference_transient": stamp_of(reference * (target * np.float32(scene.reference_transient_flux))),
    }


def _difference(static: RealArray, parts: dict[str, RealArray], noise: RealArray, rng: np.random.Generator) -> RealArray:
    """Science minus matched reference: the transient, the science noise, and dipoles where registration is off."""
    dx, dy, gain = 0.03 * rng.standard_normal(3)
    along_y, along_x = np.gradient(static)
    residual = dx * along_x + dy * along_y + 0.2 * gain * static
    return (parts["transient"] - parts["reference_transient"] + residual + 0.93 * noise).astype(np.float32)


def _mask(sources: tuple[RealArray, RealArray, RealArray], sigma_dn: float, is_bad: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bits of the pixels in which transient, host and neighbours each alone exceed the noise, and of those that are damaged."""
    bits = [bit * (image > sigma_dn) for bit, image in zip((TRANSIENT, HOST, NEIGHBOUR), sources, strict=True)]
    return (sum(bits) + DAMAGED * is_bad).astype(np.uint8)
