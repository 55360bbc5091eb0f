"""Synthetic samples: who may be a parent, what is kept, and that nothing but the seed decides."""

from collections import Counter

import numpy as np
import pytest

from needle_assets.errors import Rejection
from needle_assets.images.augmentation import Orientation, Pair
from needle_assets.light_curves.features import NO_HOST, Host
from needle_assets.light_curves.light_curve import LightCurve
from needle_assets.randomness import rng_for
from needle_assets.samples.crossmatch import (
    Drawing,
    ImageParent,
    LightCurveParent,
    _epochs,
    _limit_mag,
    draw_recipe,
    draw_recipes,
    partners,
    rendered_pair,
)
from needle_assets.settings import FeatureSettings, GaussianProcessSettings, SyntheticSettings
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.ztf import fit

DRAWING = Drawing(SyntheticSettings(), FeatureSettings())


def seed_of(sample: int, attempt: int) -> int:
    return int(rng_for(1, sample, attempt).integers(2**62))


@pytest.fixture(scope="module")
def light_curves() -> list[LightCurveParent]:
    days = np.arange(0.0, 60.0, 3.0)
    found = []
    for k in range(4):
        mag = 18.0 + 0.2 * k + ((days - 30.0) / 20.0) ** 2
        points = LightCurve.of(np.tile(days, 2), np.repeat(["g", "r"], len(days)), np.tile(mag, 2), 0.05).sorted()
        found.append(LightCurveParent(f"lc{k}", 0.1 + 0.005 * k, ZTF, fit(points, GaussianProcessSettings()), points, 35.0))
    return found


IMAGES = [ImageParent(f"im{k}", 0.1 + 0.005 * k, ZTF, Host({"g": 20.0 + k}, 1.0), is_complete=k == 0) for k in range(3)]


def test_partners_lie_within_a_fifth_of_the_redshift_of_the_image(light_curves):
    image = ImageParent("lc2", 0.12, ZTF, NO_HOST)
    assert [p.object_id for p in partners(image, light_curves, DRAWING.settings)] == ["lc0", "lc1", "lc3"]
    assert [p.object_id for p in partners(ImageParent("x", 0.5, ZTF, NO_HOST), light_curves, DRAWING.settings)] == []
    assert len(partners(image, light_curves, SyntheticSettings(is_self_allowed=True))) == 4


def test_exactly_as_many_samples_are_accepted_as_wanted_and_hosts_are_used_evenly(light_curves):
    recipes = draw_recipes(light_curves, IMAGES, 20, seed_of, DRAWING)
    assert sorted(Counter(r.image_parent for r in recipes).values()) == [6, 7, 7]
    assert {r.light_curve_parent for r in recipes} == {"lc0", "lc1", "lc2", "lc3"}
    assert len({r.seed for r in recipes}) == 20


def test_a_smaller_number_is_the_beginning_of_a_larger_one(light_curves):
    many = draw_recipes(light_curves, IMAGES, 9, seed_of, DRAWING)
    assert [r.seed for r in draw_recipes(light_curves, IMAGES, 4, seed_of, DRAWING)] == [r.seed for r in many[:4]]


def test_the_order_of_parents_does_not_matter(light_curves):
    one = draw_recipes(light_curves, IMAGES, 5, seed_of, DRAWING)
    other = draw_recipes(light_curves, IMAGES[::-1], 5, seed_of, DRAWING)
    assert [(r.seed, r.image_parent) for r in one] == [(r.seed, r.image_parent) for r in other]


def test_a_recipe_is_drawn_again_from_its_seed(light_curves):
    for recipe in draw_recipes(light_curves, IMAGES, 5, seed_of, DRAWING):
        parent = next(p for p in light_curves if p.object_id == recipe.light_curve_parent)
        image = next(i for i in IMAGES if i.object_id == recipe.image_parent)
        again = draw_recipe(parent, image, recipe.seed, DRAWING)
        np.testing.assert_equal(again.features, recipe.features)
        assert again.orientation == recipe.orientation


def test_samples_are_within_the_limit_and_carry_the_host_of_the_image(light_curves):
    for recipe in draw_recipes(light_curves, IMAGES, 12, seed_of, DRAWING):
        host = next(i.host for i in IMAGES if i.object_id == recipe.image_parent)
        brightest = np.nanmin([recipe.features["peak_mag_g"], recipe.features["peak_mag_r"]])
        assert brightest <= 20.5
        assert recipe.features["host_g_mag"] == host.mag["g"]
        assert recipe.n_det_g + recipe.n_det_r >= 1


@pytest.mark.parametrize(("turns", "least"), [("quarter", 1), ("any", 6)])
def test_only_complete_images_are_turned_by_odd_angles_and_only_if_wanted(light_curves, turns, least):
    angles = {image.object_id: set() for image in IMAGES}
    for recipe in draw_recipes(light_curves, IMAGES, 30, seed_of, Drawing(SyntheticSettings(turns=turns), FeatureSettings())):
        angles[recipe.image_parent].add(recipe.orientation.angle_deg % 90.0)
    assert angles["im1"] == angles["im2"] == {0.0}
    assert len(angles["im0"]) >= least
    assert turns == "any" or angles["im0"] == {0.0}


def test_a_class_without_a_pair_in_redshift_is_refused_with_numbers(light_curves):
    with pytest.raises(Rejection, match="4 light curves and 1 images"):
        draw_recipes(light_curves, [ImageParent("far", 0.9, ZTF, NO_HOST)], 5, seed_of, DRAWING)


def test_what_the_survey_cannot_see_is_refused_not_waited_for(light_curves):
    faint = [LightCurveParent(p.object_id, 0.001, ZTF, p.fit, p.points, p.rise_end) for p in light_curves]
    images = [ImageParent("far", 0.9, ZTF, NO_HOST)]
    drawing = Drawing(SyntheticSettings(redshift_tolerance=1.0, max_attempts_per_sample=2), FeatureSettings())
    with pytest.raises(Rejection, match="0 of 3 synthetic samples"):
        draw_recipes(faint, images, 3, seed_of, drawing)


OWN = SyntheticSettings(cadence="own", jitter_days=0.4)
NIGHTS = LightCurve.of([0.0, 0.2, 9.0, 30.2, 36.0], ["g", "r", "i", "r", "g"], [18.0, 18.5, 18.0, 21.5, 19.0], 0.1)


def parent_of(points: LightCurve, light_curves: list[LightCurveParent]) -> LightCurveParent:
    return LightCurveParent("own", 0.1, ZTF, light_curves[0].fit, points, 35.0)


def test_own_nights_of_the_phase_are_moved_together_and_by_no_more_than_asked(light_curves):
    for seed in range(30):
        found = _epochs(parent_of(NIGHTS, light_curves), np.random.default_rng(seed), OWN)
        assert sorted(found.band) == ["g", "r", "r"]
        early, late = found.mjd[found.mjd < 10], found.mjd[found.mjd > 10]
        assert (len(early), len(late)) == (2, 1)
        assert 0.0 <= early.min() <= 0.4
        assert np.ptp(early) <= 0.2 + 1e-9
        assert abs(late[0] - 30.2) <= 0.4


def test_moved_nights_stay_between_the_first_point_and_the_end_of_the_phase(light_curves):
    edge = LightCurve.of([0.0, 35.0], "g", 18.0, 0.1)
    drawn = [_epochs(parent_of(edge, light_curves), np.random.default_rng(seed), OWN).mjd for seed in range(30)]
    assert {float(times.min()) for times in drawn} > {0.0}
    assert {float(times.max()) for times in drawn} > {35.0}
    assert all(0.0 <= times[0] <= 0.4 and 34.6 <= times[1] <= 35.0 for times in drawn)


def test_without_jitter_the_own_nights_are_as_they_were(light_curves):
    found = _epochs(parent_of(NIGHTS, light_curves), np.random.default_rng(1), SyntheticSettings(cadence="own", jitter_days=0.0))
    assert found.mjd.tolist() == [0.0, 0.2, 30.2]


def test_a_parent_is_seen_as_deep_as_its_own_points_of_the_phase_go_if_asked(light_curves):
    deep, shallow = parent_of(NIGHTS, light_curves), parent_of(NIGHTS[:3], light_curves)
    assert _limit_mag(deep, SyntheticSettings(is_depth_own=True)) == 21.5
    assert _limit_mag(shallow, SyntheticSettings(is_depth_own=True)) == 20.5
    assert _limit_mag(deep, SyntheticSettings(is_depth_own=False)) == 20.5


def test_pixels_follow_from_the_seed_and_a_quarter_turn_changes_none(rng):
    images = rng.normal(size=(2, 60, 60))
    pair = Pair(images[0], images[1], np.zeros((60, 60), dtype=bool), (29.0, 30.0))
    noise = {"science_noise": rng.normal(size=100), "reference_noise": rng.normal(size=100)}
    turned = rendered_pair(pair, Orientation(90.0, is_flipped=False), 5, **noise)
    np.testing.assert_array_equal(turned.science, np.rot90(pair.science))
    once, again = (rendered_pair(pair, Orientation(31.0, is_flipped=True), 5, **noise) for _ in range(2))
    np.testing.assert_array_equal(once.science, again.science)
