"""The sky of a stamp: its level and scatter, and the sample of noise that replaces other sources."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.errors import Rejection
from needle_assets.images.noise import (
    draw_noise,
    measure_sky,
    noise_quantiles,
    one_sided_noise,
    symmetric_noise,
)
from needle_assets_tests.images.examples import star
from needle_assets_tests.images.pins import hold


def test_the_sky_is_found_beside_stars(blank):
    sky = measure_sky(blank + star(20, 30, 4000.0) + star(45, 12, 900.0))
    assert sky.level == pytest.approx(100.0, abs=0.3)
    assert sky.sigma == pytest.approx(5.0, rel=0.04)


def test_a_third_of_the_stamp_may_be_dead(blank):
    blank[:, :20] = -20.0 + 0.01 * blank[:, :20]
    sky = measure_sky(blank)
    assert sky.level == pytest.approx(100.0, abs=0.5)
    assert sky.sigma == pytest.approx(5.0, rel=0.05)


def test_missing_pixels_do_not_move_the_sky(blank):
    holed = blank.copy()
    holed[10:20, :] = np.nan
    assert measure_sky(holed) == measure_sky(blank, exclude=np.isnan(holed))


def test_the_sky_of_a_turned_stamp_is_the_same_to_the_last_bit(blank):
    stamp = blank + star(11, 40, 700.0)
    assert measure_sky(np.rot90(stamp)) == measure_sky(stamp) == measure_sky(stamp[:, ::-1])


def test_equation_3_truncates_gaussian_noise(rng):
    noise = one_sided_noise(rng.normal(100.0, 5.0, (400, 400)))
    assert (noise.mean() - 100.0) / 5.0 == pytest.approx(-0.288, abs=0.01)
    assert noise.std() / 5.0 == pytest.approx(0.793, abs=0.01)


def test_symmetric_clipping_does_not(rng):
    stamp = rng.normal(100.0, 5.0, (400, 400))
    noise = symmetric_noise(stamp, np.ones(stamp.shape, bool))
    assert (noise.mean() - 100.0) / 5.0 == pytest.approx(0.0, abs=0.01)
    assert noise.std() / 5.0 == pytest.approx(1.0, abs=0.01)


def test_equation_3_worked_by_hand():
    assert one_sided_noise(np.array([[0.0, 1.0, 2.0], [3.0, np.nan, 0.0]])).tolist() == [1.0, 2.0]


def test_few_noise_pixels_stand_for_a_gaussian(rng):
    drawn = draw_noise(np.array([9.0, 10.0, 11.0]), 4000, rng)
    assert np.unique(drawn).size == 4000
    assert drawn.mean() == pytest.approx(10.0, abs=0.1)
    assert drawn.std() == pytest.approx(1.4826, rel=0.05)


def test_many_noise_pixels_are_drawn_from(rng):
    noise = rng.normal(size=200)
    assert set(draw_noise(noise, 1000, rng)) <= set(noise)


def test_no_noise_pixel_is_refused(rng):
    with pytest.raises(Rejection, match="No background pixel"):
        draw_noise(np.array([]), 5, rng)


def test_a_stamp_without_a_pixel_is_refused():
    with pytest.raises(Rejection, match="no finite pixel"):
        measure_sky(np.full((60, 60), np.nan))


def test_a_stamp_of_zeros_is_refused():
    with pytest.raises(Rejection, match="is zero"):
        one_sided_noise(np.zeros((60, 60)))


def test_quantiles_keep_the_distribution(rng):
    noise = rng.normal(50.0, 3.0, 3000)
    kept = noise_quantiles(noise)
    assert kept.shape == (256,)
    assert kept.mean() == pytest.approx(noise.mean(), abs=0.02)
    assert kept.std() == pytest.approx(noise.std(), rel=0.02)


@settings(max_examples=40)
@given(level=st.floats(-1e4, 1e4, allow_subnormal=False), sigma=st.floats(0.01, 1e3), seed=st.integers(0, 2**32 - 1))
def test_the_sky_follows_shift_and_scale(level, sigma, seed):
    plain = np.random.default_rng(seed).normal(size=(30, 30))
    unit, moved = measure_sky(plain), measure_sky(plain * sigma + level)
    assert moved.level == pytest.approx(unit.level * sigma + level, abs=1e-6 * (abs(level) + sigma))
    assert moved.sigma == pytest.approx(unit.sigma * sigma, rel=1e-3)


def test_what_noise_gives_is_what_the_figures_of_the_docs_rest_on():
    hold("noise")
