"""Turned and flipped pairs: mask and positions move along, corners are noise."""

import numpy as np
import pytest

from needle_assets.images.augmentation import Orientation, Pair, draw_orientation, is_complete, oriented
from needle_assets_tests.images.examples import star
from needle_assets_tests.images.pins import hold


def pair_with(places, *, host_px=None, noise=0.0, rng=None):
    science = sum(star(x, y, 100.0) for x, y in places)
    if rng is not None:
        science = science + rng.normal(0, noise, (60, 60))
    return Pair(science, science / 2, science > 20, places[0], host_px)


def turn(pair, angle_deg, rng, is_flipped=False):
    noise = rng.normal(0, 1, 500)
    given = {"science_noise": noise, "reference_noise": noise, "rng": rng}
    return oriented(pair, Orientation(angle_deg, is_flipped), **given)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_quarter_turns_move_pixels_and_change_none(quarters, rng):
    pair = pair_with([(30.2, 29.8), (50.0, 12.0)], host_px=(33.0, 28.0))
    turned = turn(pair, 90.0 * quarters, rng)
    assert np.array_equal(turned.science, np.rot90(pair.science, quarters))
    assert np.array_equal(turned.mask, np.rot90(pair.mask, quarters))


@pytest.mark.parametrize("angle_deg", [0.0, 37.0, 90.0, 123.4, 270.0, 359.0])
@pytest.mark.parametrize("is_flipped", [False, True])
def test_positions_follow_the_pixels(angle_deg, is_flipped, rng):
    turned = turn(pair_with([(38.0, 22.0)], host_px=(38.0, 22.0)), angle_deg, rng, is_flipped)
    rows, columns = np.nonzero(turned.mask)
    assert np.allclose((columns.mean(), rows.mean()), turned.target_px, atol=0.4)
    assert turned.host_px == turned.target_px


def test_there_and_back_keeps_the_kept_pixels(rng):
    pair = pair_with([(33.0, 31.0), (33.0, 33.0), (35.0, 31.0), (35.0, 33.0)])
    back = turn(turn(pair, 33.0, rng), -33.0, rng)
    kept = pair.mask & back.mask
    assert kept.sum() > 0.8 * pair.mask.sum()
    assert back.science[kept].sum() == pytest.approx(pair.science[kept].sum(), rel=0.03)
    assert np.allclose(back.target_px, pair.target_px)


def test_corners_and_sky_are_drawn_from_the_noise(rng):
    turned = turn(pair_with([(30.0, 30.0)], noise=1.0, rng=rng), 45.0, rng)
    sky = turned.science[~turned.mask]
    assert np.isfinite(sky).all()
    assert sky.std() == pytest.approx(1.0, rel=0.05)
    assert turned.science[:8, :8].std() == pytest.approx(1.0, rel=0.3)


def test_science_and_reference_turn_together_with_noise_of_their_own(rng):
    turned = turn(pair_with([(30.0, 30.0)]), 45.0, rng)
    assert np.allclose(turned.science[turned.mask], 2 * turned.reference[turned.mask])
    assert not np.allclose(turned.science[~turned.mask], turned.reference[~turned.mask])


def test_a_host_in_a_corner_is_not_complete():
    assert is_complete(pair_with([(30.0, 30.0)]))
    assert not is_complete(pair_with([(30.0, 30.0), (4.0, 4.0)]))
    assert not is_complete(pair_with([(30.0, 30.0)], host_px=(75.0, 30.0)))


def test_incomplete_pairs_are_turned_by_quarters_only(rng):
    corner, centre = pair_with([(30.0, 30.0), (4.0, 4.0)]), pair_with([(30.0, 30.0)])
    assert {draw_orientation(corner, rng).angle_deg for _ in range(60)} == {0.0, 90.0, 180.0, 270.0}
    assert len({draw_orientation(centre, rng).angle_deg for _ in range(60)}) == 60
    assert {draw_orientation(centre, rng).is_flipped for _ in range(60)} == {True, False}


def test_the_whole_mask_stays_in_the_frame_at_any_angle(rng):
    pair = pair_with([(30.0, 30.0), (45.0, 12.0)])
    assert is_complete(pair)
    for angle_deg in range(0, 360, 15):
        assert turn(pair, angle_deg + 0.5, rng).mask.sum() == pytest.approx(pair.mask.sum(), abs=6)


def test_what_augmentation_gives_is_what_the_figures_of_the_docs_rest_on():
    hold("augmentation")
