"""The authors' restoration and masking with their weaknesses, each as its docstring names it."""

import numpy as np
import pytest
from scipy import ndimage

from needle_assets.images.needle2 import background_noise, difference_mask, restore, source_mask
from needle_assets_tests.images.examples import star


@pytest.fixture
def blank(rng) -> np.ndarray:
    return rng.normal(100.0, 5.0, (60, 60))


def test_only_missing_pixels_are_flagged_each_with_the_seven_by_seven_around_it(blank, rng):
    bad, good = blank.copy(), rng.normal(100.0, 5.0, (60, 60))
    bad[20, 30] = np.nan
    bad[40:44, 10] = 60_000.0
    flagged = difference_mask(bad, good)
    expected = np.zeros((60, 60), bool)
    expected[17:24, 27:34] = True
    assert np.array_equal(flagged, expected)
    assert not difference_mask(bad, good, threshold=1.0).any()


def test_flagged_pixels_are_the_good_image_scaled_by_the_scatter_of_whole_images(blank, rng):
    bad, good = blank.copy(), rng.normal(40.0, 2.0, (60, 60)) + star(31, 20, 500.0)
    bad[20, 30] = np.nan
    restored, flagged = restore(bad, good)
    valid = bad[np.isfinite(bad) & ~flagged]
    np.testing.assert_allclose(restored[flagged], (good[flagged] - good.mean()) * valid.std() / good.std() + valid.mean())
    np.testing.assert_array_equal(restored[~flagged], bad[~flagged])


def test_where_the_good_image_is_missing_the_result_is_too(blank, rng):
    bad, good = blank.copy(), rng.normal(40.0, 2.0, (60, 60))
    bad[20, 30] = good[21, 31] = np.nan
    restored, flagged = restore(bad, good)
    assert np.argwhere(np.isnan(restored)).tolist() == [[21, 31]]
    assert flagged[21, 31]


def test_six_by_six_pixels_at_target_and_host_are_kept_and_a_clear_source_is_overwritten():
    science, reference = np.full((60, 60), 100.0), np.full((60, 60), 50.0)
    science[11:14, 9:12] = 1000.0
    found = source_mask(science, reference, target_px=(30.0, 30.0), host_px=(41.4, 20.6))
    kept = np.zeros((60, 60), bool)
    kept[27:33, 27:33] = kept[18:24, 38:44] = True
    assert np.array_equal(found.mask, kept)
    assert found.n_sources_removed == 1
    assert np.array_equal(found.replaced, ndimage.binary_dilation(science > 500.0, iterations=2))


def test_a_host_outside_is_moved_onto_the_border_and_without_one_the_target_is_kept_in_the_reference():
    flat = np.full((60, 60), 100.0)
    outside = source_mask(flat, flat, target_px=(30.0, 30.0), host_px=(-15.0, 75.0)).mask
    assert outside[59, 0]
    assert outside[56:, :3].all()
    assert outside.sum() == 36 + 4 * 3
    assert source_mask(flat, flat, target_px=(30.0, 30.0), host_px=None).mask.sum() == 36


def test_pixels_below_the_sky_are_sources_too_and_never_background(rng):
    image = rng.normal(100.0, 1.0, (60, 60))
    image[5, 5], image[7, 7] = 50.0, np.nan
    noise = background_noise(image, (30.0, 30.0), None)
    assert 50.0 not in noise
    assert np.isfinite(noise).all()
    assert np.abs(noise - 100).max() < 2.6
    with_host = background_noise(image, (30.0, 30.0), (50.0, 50.0))
    assert len(with_host) < len(noise) <= 3600 - 36 - 2
