"""Sources that only one image of a pair shows."""

import numpy as np
import pytest

from needle_assets.images.disagreement import find_pair_defects
from needle_assets.settings import QualitySettings
from needle_assets_tests.images.examples import star
from needle_assets_tests.images.pins import hold

GLINTS = star(10, 30, 300.0) + star(50, 30, 200.0)
FIELD = star(15, 12, 900.0) + star(48, 50, 2000.0)


@pytest.fixture
def other(rng: np.random.Generator) -> np.ndarray:
    """Sky of the other image, four times as quiet."""
    return rng.normal(80.0, 1.25, (60, 60))


def test_a_pair_that_differs_by_the_transient_alone_breaks_no_rule(blank, other):
    science, reference = find_pair_defects(blank + FIELD + star(30, 30, 5000.0), other + FIELD)
    assert science.reasons == reference.reasons == ()


def test_glints_that_the_reference_lacks_are_named_and_marked_in_science(blank, other):
    science, reference = find_pair_defects(blank + FIELD + GLINTS, other + FIELD)
    assert science.reasons == ("foreign_sources",)
    assert reference.reasons == ()
    assert science.invalid[30, 10]
    assert science.invalid[30, 50]
    assert not science.invalid[FIELD > 10.0].any()


def test_a_target_among_glints_is_one_of_them_unless_the_reference_shows_something_there(blank, other):
    flashed = blank + FIELD + star(30, 30, 250.0) + GLINTS
    alone, hosted = (find_pair_defects(flashed, other + FIELD + host)[0] for host in (0.0, star(30, 31, 150.0)))
    assert alone.invalid[30, 30]
    assert not hosted.invalid[30, 30]
    assert alone.reasons == hosted.reasons == ("foreign_sources",)


def test_images_are_judged_alike(blank, other):
    one, two = blank + FIELD + GLINTS, other + FIELD
    straight, swapped = find_pair_defects(one, two), find_pair_defects(two, one)
    assert straight[0].reasons == swapped[1].reasons == ("foreign_sources",)
    assert np.array_equal(straight[0].invalid, swapped[1].invalid)


def test_one_foreign_source_may_be_an_asteroid(blank, other):
    passing = blank + FIELD + star(10, 30, 300.0)
    assert find_pair_defects(passing, other + FIELD)[0].reasons == ()
    assert find_pair_defects(passing, other + FIELD, QualitySettings(min_foreign_sources=1))[0].reasons == ("foreign_sources",)


def test_stars_seen_through_worse_air_are_not_foreign(blank, other):
    sharp, blurred = (
        star(15, 12, 900.0) + star(45, 30, 900.0),
        star(15, 12, 400.0, width_px=1.5) + star(45, 30, 400.0, width_px=1.5),
    )
    assert [found.reasons for found in find_pair_defects(blank + sharp, other + blurred)] == [(), ()]


def test_nothing_is_foreign_where_the_other_image_shows_nothing(blank, other):
    other[25:36] = np.nan
    assert find_pair_defects(blank + GLINTS, other)[0].reasons == ()
    science, reference = find_pair_defects(blank + GLINTS, np.full((60, 60), np.nan))
    assert science.reasons == ()
    assert "empty" in reference.reasons


def test_every_rule_of_one_image_applies_to_both(blank, other):
    blank[7], other[:, 9] = 100.0, -999.0
    science, reference = find_pair_defects(blank, other)
    assert "repeated_value" in science.reasons
    assert reference.reasons == ("sentinel_values",)


def test_the_verdict_turns_with_the_pair(blank, other):
    science, reference = blank + FIELD + GLINTS, other + FIELD
    straight, turned = find_pair_defects(science, reference)[0], find_pair_defects(np.rot90(science), np.rot90(reference))[0]
    assert turned.reasons == straight.reasons
    assert np.array_equal(turned.invalid, np.rot90(straight.invalid))


def test_what_disagreement_gives_is_what_the_figures_of_the_docs_rest_on():
    hold("disagreement")
