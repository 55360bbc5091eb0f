"""Transforms to pixels: flux, place, width and noise."""

import numpy as np
import pytest

from needle_assets.simulation.rendering import (
    galaxy_transforms,
    ramp,
    resampled_noise_transform,
    seeing_transform,
    shift,
    stamp_of,
    stars_transform,
)
from needle_assets.simulation.sky import Galaxies, Stars

Y, X = np.indices((63, 63))


def galaxy(
    sersic_index: float, axis_ratio: float = 1.0, angle_rad: float = 0.0, radius_px: float = 3.0, x_px: float = 0.0
) -> Galaxies:
    one = np.ones(1)
    shape = (one * radius_px, one * sersic_index, one * axis_ratio, one * angle_rad)
    return Galaxies(x_px * one, 0.0 * one, {"r": 18.0 * one}, *shape)


def test_a_point_source_keeps_flux_and_place() -> None:
    image = stamp_of(ramp(31.3, 30.6) * seeing_transform(1.8, beta=3.3))
    total = image.sum()
    assert total == pytest.approx(1.0, abs=0.01)
    assert ((X * image).sum() / total, (Y * image).sum() / total) == pytest.approx((31.3, 30.6), abs=0.02)


@pytest.mark.parametrize("fwhm_px", [1.5, 2.5, 4.0])
def test_the_moffat_disc_is_as_wide_as_asked(fwhm_px: float) -> None:
    beta = 2.7
    a = fwhm_px / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
    fine = np.linspace(-0.5, 0.5, 41)[:-1] + 0.0125
    x = 31.0 + np.arange(-12, 13)[:, None] + fine[None, :]
    row = (x - 31.0).ravel()
    profile = (1.0 + (row[None, :] ** 2 + row[:, None] ** 2) / a**2) ** -beta
    expected = profile.reshape(25, 40, 25, 40).mean(axis=(1, 3))
    image = stamp_of(ramp(31.0, 31.0) * seeing_transform(fwhm_px, beta=beta))[19:44, 19:44]
    np.testing.assert_allclose(image / image.sum(), expected / expected.sum(), atol=2e-3 * image.max() / image.sum())


@pytest.mark.parametrize("sersic_index", [1.0, 4.0])
def test_half_of_a_galaxys_light_is_within_its_half_light_radius(sersic_index: float) -> None:
    image = stamp_of(galaxy_transforms(galaxy(sersic_index, radius_px=6.0))[0] * seeing_transform(0.3, beta=3.3))
    within = image[np.hypot(X - 31, Y - 31) < 6.0].sum()
    assert within == pytest.approx(0.5, abs=0.04)


def test_a_flat_galaxy_points_along_its_angle() -> None:
    image = stamp_of(galaxy_transforms(galaxy(1.0, axis_ratio=0.3, angle_rad=np.pi / 4))[0] * seeing_transform(1.0, beta=3.3))
    assert ((X - 31.0) * (Y - 31.0) * image).sum() > 0.3 * ((X - 31.0) ** 2 * image).sum()


def test_a_large_galaxy_outside_shines_in_from_its_own_side_only() -> None:
    def image(x_px: float) -> np.ndarray:
        return stamp_of(galaxy_transforms(galaxy(1.0, radius_px=25.0, x_px=x_px))[0] * seeing_transform(2.0, beta=3.3))

    outside, nearer = image(55.0), image(24.0)
    np.testing.assert_allclose(outside[:, 34:60], nearer[:, 3:29], rtol=0.01)
    assert (np.diff(outside[31, 3:60]) > 0).all()


def test_a_shift_moves_the_image() -> None:
    seeing = seeing_transform(2.0, beta=3.3)
    moved, direct = stamp_of(ramp(30.0, 31.0) * shift(1.25, -0.5) * seeing), stamp_of(ramp(31.25, 30.5) * seeing)
    np.testing.assert_allclose(moved, direct, atol=1e-6)


def test_two_stars_add_up() -> None:
    one, two = np.array([3.0]), np.array([-4.0])
    separate = sum(stars_transform(Stars(x, x, {"r": np.array([20.0])}), "r", 25.0) for x in (one, two))
    together = stars_transform(Stars(np.r_[one, two], np.r_[one, two], {"r": np.array([20.0, 20.0])}), "r", 25.0)
    np.testing.assert_allclose(together, separate, atol=1e-2)
    assert stamp_of(together * seeing_transform(2.0, beta=3.3)).sum() == pytest.approx(200.0, rel=0.02)


def test_reference_noise_has_its_scatter_and_the_correlation_of_resampling(rng: np.random.Generator) -> None:
    patches = [stamp_of(resampled_noise_transform(2.0, rng) * shift(0.3, 0.4)) for _ in range(30)]
    assert np.std(patches) == pytest.approx(2.0, rel=0.03)
    correlation = [np.mean([np.mean(p[:, lag:] * p[:, :-lag]) for p in patches]) / 4.0 for lag in (1, 2, 3)]
    assert correlation == pytest.approx([0.20, -0.13, 0.03], abs=0.02)
