"""A donor looks like the image to repair: its flux scale, its sharpness, its place, its sky; and what cannot be used stays out."""

import numpy as np
import pytest

from needle_assets.images import matching
from needle_assets.images.matching import match_moments, match_sources, shifted
from needle_assets.images.noise import measure_sky
from needle_assets_tests.images.examples import star
from needle_assets_tests.images.pins import hold

NOTHING = np.zeros((60, 60), bool)
TARGET = (30.0, 30.0)
STARS = ((12, 14, 3000.0), (45, 40, 2000.0), (15, 45, 2500.0), (48, 12, 1500.0))


def field(rng, *, gain=1.0, level=100.0, sigma=5.0, width_px=1.2, shift=(0.0, 0.0)) -> np.ndarray:
    sources = sum(star(x + shift[0], y + shift[1], gain * peak * 1.44 / width_px**2, width_px=width_px) for x, y, peak in STARS)
    return rng.normal(level, sigma, (60, 60)) + sources


def matched(bad, donor, **given):
    return match_sources(bad, donor, **{"invalid": NOTHING, "donor_invalid": NOTHING, "target_px": TARGET, **given})


def test_a_donor_of_the_same_field_is_taken_as_it_is_but_for_the_sky(rng):
    bad, donor = field(rng, level=100.0), field(rng, level=40.0, sigma=1.0)
    found = matched(bad, donor)
    assert found.gain == pytest.approx(1.0, abs=0.01)
    assert found.sky == measure_sky(bad)
    assert found.donor_sigma == pytest.approx(1.0, rel=0.3)
    assert np.abs(found.image - (donor - 40.0 + 100.0)).max() < 40.0
    assert np.median(found.image) == pytest.approx(100.0, abs=0.5)


@pytest.mark.parametrize("gain", [0.25, 3.0])
def test_a_clearly_other_flux_scale_is_found(gain, rng):
    assert matched(field(rng, gain=gain), field(rng, sigma=1.0)).gain == pytest.approx(gain, rel=0.02)


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_a_scale_that_sources_measure_well_beats_the_surveys(gain, rng):
    assert matched(field(rng, gain=gain), field(rng, sigma=1.0)).gain == pytest.approx(gain, rel=0.02)


def test_without_sources_the_scale_is_the_surveys(rng):
    blank, other = rng.normal(100, 5, (60, 60)), rng.normal(40, 1, (60, 60))
    assert matched(blank, other).gain == pytest.approx(1.0, abs=1e-6)


def residual(bad, found) -> float:
    x, y, _ = STARS[0]
    return float(np.abs(found.image - bad)[y - 4 : y + 5, x - 4 : x + 5].max())


@pytest.mark.parametrize("change", [{"width_px": 1.35}, {"width_px": 1.1}, {"shift": (0.2, 0.0)}, {"shift": (0.0, -0.2)}])
def test_sharpness_and_small_shifts_are_matched(change, rng):
    bad, donor = field(rng, sigma=2.0, **change), field(rng, sigma=0.5)
    plain = float(np.abs(donor - bad)[10:19, 8:17].max())
    assert residual(bad, matched(bad, donor)) < 0.3 * plain


def test_what_is_unusable_in_the_donor_is_missing_and_does_not_move_the_match(rng):
    bad, donor = field(rng), field(rng, sigma=1.0)
    hole = NOTHING.copy()
    hole[38:43, 43:48] = True
    spoilt = np.where(hole, 1e5, donor)
    found = matched(bad, spoilt, donor_invalid=hole)
    assert np.array_equal(np.isnan(found.image), hole)
    assert found.gain == pytest.approx(1.0, abs=0.02)
    also = matched(np.where(hole, -1e5, bad), donor, invalid=hole)
    assert np.isfinite(also.image).all()
    assert also.gain == pytest.approx(1.0, abs=0.02)


def test_a_variable_target_does_not_set_the_scale_of_the_field(rng):
    bad, donor = field(rng), field(rng, sigma=1.0)
    varied = bad + star(30, 30, 9000.0, width_px=2.5)
    steady = donor + star(30, 30, 3000.0, width_px=2.5)
    assert matched(varied, steady).gain == pytest.approx(1.0, abs=0.02)


def test_the_target_itself_is_left_out_of_the_fit(rng):
    bad, donor = field(rng), field(rng, sigma=1.0)
    new = bad + star(30, 30, 20000.0)
    assert matched(new, donor).gain == pytest.approx(matched(bad, donor).gain, abs=0.01)


def test_equation_2_as_printed_takes_the_ratio_of_all_scatters(rng):
    bad, donor = rng.normal(100, 8, (60, 60)), rng.normal(40, 2, (60, 60))
    hole, other = NOTHING.copy(), NOTHING.copy()
    hole[:5], other[:, :7] = True, True
    found = match_moments(np.where(hole, 9e4, bad), np.where(other, 9e4, donor), invalid=hole, donor_invalid=other)
    assert found.gain == pytest.approx(bad[5:].std() / donor[:, 7:].std())
    np.testing.assert_allclose(found.image[:, 7:], (donor[:, 7:] - donor[:, 7:].mean()) * found.gain + bad[5:].mean())
    assert np.isnan(found.image[:, :7]).all()
    assert found.donor_sigma == pytest.approx(found.gain * 2.0, rel=0.1)
    assert found.sky == measure_sky(bad, exclude=hole)


def test_a_flat_donor_has_a_factor_of_one(rng):
    found = match_moments(rng.normal(100, 8, (60, 60)), np.full((60, 60), 3.0), invalid=NOTHING, donor_invalid=NOTHING)
    assert found.gain == 1.0


@pytest.mark.parametrize("shift_px", [(3.0, 0.0), (0.0, -2.0), (5.0, 4.0)])
def test_whole_pixels_are_copied_and_what_comes_in_is_unusable(shift_px, rng):
    image = rng.normal(100, 5, (60, 60))
    moved, outside = shifted(image, NOTHING, shift_px)
    x, y = map(int, shift_px)
    inside = ~outside
    assert inside.sum() == (60 - abs(x)) * (60 - abs(y))
    np.testing.assert_array_equal(moved[inside], np.roll(image, (y, x), axis=(0, 1))[inside])


def test_parts_of_pixels_are_interpolated_and_holes_grow_by_their_neighbours(rng):
    image, hole = 100.0 + star(30, 30, 1000.0, width_px=2.0), NOTHING.copy()
    hole[10, 10] = True
    moved, outside = shifted(np.where(hole, np.nan, image), hole, (0.5, 0.0))
    expected = 100.0 + star(30.5, 30, 1000.0, width_px=2.0)
    np.testing.assert_allclose(moved[20:40, 20:40], expected[20:40, 20:40], atol=2.0)
    assert np.isfinite(moved).all()
    assert np.argwhere(outside[5:15, 5:15]).tolist() == [[5, 5], [5, 6]]


def test_changes_of_shape_keep_the_flux_and_are_what_they_are_called():
    spike = np.zeros((15, 15))
    spike[7, 7] = 1.0
    terms = matching._flux_free_terms(spike)
    np.testing.assert_allclose(terms.sum(axis=(1, 2)), 0.0, atol=1e-12)
    rows, columns = np.mgrid[:15, :15] - 7.0
    moments = [[(term * weight).sum() for weight in (columns, rows, columns**2, rows**2, columns * rows)] for term in terms]
    np.testing.assert_allclose(moments[0], [0, 0, 0.5, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(moments[1], [0, 0, 2.0, 2.0, 0], atol=1e-12)
    np.testing.assert_allclose(moments[2][:2], [-2, 0], atol=1e-12)
    np.testing.assert_allclose(moments[3][:2], [0, -2], atol=1e-12)
    np.testing.assert_allclose(moments[4], [0, 0, 2, -2, 0], atol=1e-12)
    np.testing.assert_allclose(moments[5], [0, 0, 0, 0, 4], atol=1e-12)
    for term, (dy, dx) in zip(terms[6:], matching._NEIGHBOURS, strict=True):
        assert (term[7, 7], term[7 - dy, 7 - dx], np.abs(term).sum()) == (-1.0, 1.0, 2.0)


def test_white_noise_keeps_its_scatter_under_the_donor_and_loses_some_when_smoothed():
    overlaps = matching._KERNEL_OVERLAPS
    assert overlaps[0, 0] == 1.0
    np.testing.assert_allclose(overlaps, overlaps.T)
    softer = np.zeros(len(overlaps))
    softer[0] = softer[1] = 1.0
    assert softer @ overlaps @ softer == pytest.approx((6 / 16) ** 2)


def test_bright_pixels_have_the_noise_of_their_electrons():
    sky = measure_sky(np.random.default_rng(1).normal(0, 5, (60, 60)))
    found = matching._variance(np.array([-50.0, 620.0, 0.0]), np.array([0.0, 0.0, 6200.0]), sky, sky)
    plain = 2 * sky.sigma**2
    np.testing.assert_allclose(found, [plain, plain + 100.0 + 1.86**2, plain + 1000.0 + 18.6**2])


def test_what_matching_gives_is_what_the_figures_of_the_docs_rest_on():
    hold("matching")
