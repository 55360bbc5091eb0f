"""Stamps of one exposure: images, damage and masks."""

import numpy as np
import pytest

from needle_assets.images.noise import measure_sky
from needle_assets.simulation.artefacts import (
    SATURATION_DN,
    draw_missing_pixels,
    on_quadrant,
    saturate,
    stick_columns,
)
from needle_assets.simulation.sky import Galaxies, Stars
from needle_assets.simulation.stamps import (
    DAMAGED,
    NEIGHBOUR,
    TRANSIENT,
    Exposure,
    Stamp,
    build_band,
    build_scene,
    render,
)

NO_GALAXIES = Galaxies(*(np.zeros(0),) * 2, {"r": np.zeros(0)}, *(np.zeros(0),) * 4)
EXPOSURE = Exposure(8.0, 1.7, 26.25, 0.3, -0.2, 18.0)
INTACT = np.zeros((63, 63), dtype=bool)


def rendered(exposure: Exposure = EXPOSURE, *, star_mag: float = 19.0, reference_mag: float = np.inf, missing=INTACT) -> Stamp:
    rng = np.random.default_rng(5)
    stars = Stars(np.array([15.0]), np.array([-10.0]), {"r": np.array([star_mag])})
    band = build_band(build_scene(None, NO_GALAXIES, stars), "r", reference_mag=reference_mag, missing=missing, rng=rng)
    return render(band, exposure, rng)


def test_science_is_the_clean_image_plus_noise_of_the_stated_size() -> None:
    stamp = rendered()
    residual = stamp.science - stamp.clean_science
    assert abs(residual.mean()) < 0.5
    assert measure_sky(residual).sigma == pytest.approx(8.0, rel=0.05)


def test_the_reference_is_deeper_and_has_no_transient() -> None:
    stamp = rendered()
    assert measure_sky(stamp.reference).sigma < 0.4 * measure_sky(stamp.science).sigma
    assert stamp.clean_science[31, 31] > stamp.clean_reference[31, 31] + 200.0
    assert not (stamp.reference_mask & TRANSIENT).any()


def test_the_transient_has_its_flux_in_science_and_difference() -> None:
    faint, bright = rendered(Exposure(8.0, 1.7, 26.25, 0.3, -0.2, 40.0)), rendered()
    expected = 10.0 ** (-0.4 * (18.0 - 26.25))
    assert (bright.clean_science - faint.clean_science).sum() == pytest.approx(expected, rel=0.03)
    assert bright.difference[24:39, 24:39].sum() == pytest.approx(expected, rel=0.15)


def test_a_contaminated_reference_shows_the_transient() -> None:
    stamp = rendered(reference_mag=18.5)
    assert stamp.reference_mask[31, 31] & TRANSIENT


def test_masks_name_transient_and_neighbour_where_they_are() -> None:
    mask = rendered().science_mask
    assert mask[31, 31] & TRANSIENT
    assert mask[21, 46] & NEIGHBOUR
    assert mask[31, 31] & NEIGHBOUR == 0
    assert mask[5, 5] == 0


def test_missing_pixels_are_nan_in_all_images_and_damaged_in_both_masks() -> None:
    missing = INTACT.copy()
    missing[10:17, 40:47] = True
    stamp = rendered(missing=missing)
    for image in (stamp.science, stamp.reference, stamp.difference):
        np.testing.assert_array_equal(np.isnan(image), missing)
    for mask in (stamp.science_mask, stamp.reference_mask):
        np.testing.assert_array_equal((mask & DAMAGED) > 0, missing)


def test_a_saturated_star_loses_its_core_and_bleeds_along_the_column() -> None:
    stamp = rendered(star_mag=11.0)
    y, x = np.argwhere(np.isnan(stamp.science)).mean(axis=0)
    assert (x, y) == pytest.approx((46.3, 20.8), abs=1.0)
    trail = np.argwhere(stamp.science == np.float32(SATURATION_DN))
    assert len(trail)
    assert np.ptp(trail[:, 0]) > np.ptp(trail[:, 1])
    assert (stamp.science_mask[np.isnan(stamp.science)] & DAMAGED).all()


def test_saturation_leaves_an_ordinary_image_alone(rng: np.random.Generator) -> None:
    image = rng.normal(100.0, 5.0, (63, 63)).astype(np.float32)
    before = image.copy()
    assert not saturate(image).altered.any()
    np.testing.assert_array_equal(image, before)


def test_stuck_columns_have_one_value() -> None:
    image = np.full((63, 63), 100.0, dtype=np.float32)
    stuck = stick_columns(image, ((7, 400.0),), 100.0)
    assert set(image[:, 7]) == {500.0}
    assert stuck.sum() == 63


@pytest.mark.parametrize(("position_px", "expected"), [(1500.0, (0, 63)), (20.0, (12, 63)), (3072.0 - 10.0, (0, 42))])
def test_the_quadrants_edge_cuts_the_stamp(position_px: float, expected: tuple[int, int]) -> None:
    assert on_quadrant(position_px, 3072) == expected


def test_a_cropped_stamp_keeps_the_pixels_on_the_quadrant() -> None:
    whole, cut = rendered(), rendered(Exposure(8.0, 1.7, 26.25, 0.3, -0.2, 18.0, rows=(12, 63), columns=(0, 42)))
    np.testing.assert_array_equal(cut.science, whole.science[12:63, 0:42])
    assert cut.clean_science.shape == (63, 63)
    assert (cut.science_mask[:12] & DAMAGED).all()


def test_missing_pixels_come_at_their_stated_rate() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([draw_missing_pixels(rng).any() for _ in range(1500)]) == pytest.approx(0.12, abs=0.03)
