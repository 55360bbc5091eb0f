"""Rules that say what is wrong with an image."""

import csv
from pathlib import Path

import numpy as np
import pytest

from needle_assets.classifiers.damage import RULE_KINDS, damaged
from needle_assets.images.defects import RULES, find_defects
from needle_assets.images.disagreement import find_pair_defects
from needle_assets.settings import QualitySettings
from needle_assets_tests.images.examples import real_pairs, star
from needle_assets_tests.images.pins import hold

NAMED = {
    "nan_block": "missing_pixels",
    "nan_rows": "missing_pixels",
    "crop": "missing_pixels",
    "pad": "sentinel_values",
    "saturated_rows": "bright_rows",
    "saturated_columns": "bright_columns",
    "dead_columns": "dark_columns",
}


def labels() -> list[dict[str, str]]:
    """Images seen by eye."""
    with (Path(__file__).parent / "stamp_labels.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_clean_stamp_breaks_no_rule(blank):
    found = find_defects((blank + star(30, 30, 50_000.0)).astype(np.float32))
    assert found.reasons == ()
    assert not found.invalid.any()


@pytest.mark.parametrize("kind", RULE_KINDS)
def test_each_kind_of_damage_is_named_and_marked_exactly(kind, blank, rng):
    for _ in range(10):
        changed, touched = damaged(blank + star(20, 40, 300.0), kind, rng)
        found = find_defects(changed)
        assert found.reasons == (NAMED[kind],)
        assert np.array_equal(found.invalid, touched)


def test_damage_is_named_in_real_images(good_real_pairs, rng):
    for kind, name in NAMED.items():
        for pair in good_real_pairs[::40]:
            changed, touched = damaged(pair.science, kind, rng)
            found = find_defects(changed)
            assert name in found.reasons
            assert np.array_equal(found.invalid, touched)


def test_a_block_of_one_value_is_padding(blank):
    blank[:, :5] = 0.0
    found = find_defects(blank)
    assert found.reasons == ("repeated_value",)
    assert found.invalid.sum() == 300


def test_whole_numbers_may_repeat(rng):
    assert find_defects(rng.normal(100, 5, (60, 60)).round()).reasons == ()


def test_a_constant_image_is_only_that():
    found = find_defects(np.full((60, 60), 3.0))
    assert found.reasons == ("constant",)
    assert found.invalid.all()


@pytest.mark.parametrize("fill", [np.nan, np.inf, -999.0])
def test_an_image_without_a_value_is_empty(fill):
    found = find_defects(np.full((60, 60), fill))
    assert "empty" in found.reasons
    assert found.invalid.all()


def test_another_shape_is_wrong():
    assert find_defects(np.zeros((63, 60))).reasons == ("wrong_shape",)


def test_a_constant_row_is_named_even_at_the_level_of_the_sky(blank):
    blank[7] = 100.0
    assert "repeated_value" in find_defects(blank).reasons


def test_a_short_constant_row_is_named(blank):
    blank[7] = np.nan
    blank[7, :10] = 100.0
    assert "constant_rows" in find_defects(blank, QualitySettings(min_finite_fraction=0.5)).reasons


def test_fill_values_of_the_real_survey_are_impossible(blank):
    blank[:, 50:] = -3.4028235e38
    assert find_defects(blank.astype(np.float32)).reasons == ("impossible_values",)


def test_a_dark_pixel_is_named_and_a_bright_one_is_not(blank):
    blank[10, 10] = -200.0
    blank[40, 40] = 60_000.0
    found = find_defects(blank)
    assert found.reasons == ("negative_pixels",)
    assert found.invalid.sum() == 1


def test_a_galaxy_wider_than_the_stamp_is_no_bright_row(blank):
    assert find_defects(blank + star(30, 70, 5000.0, width_px=25.0)).reasons == ()


def test_some_missing_pixels_can_be_allowed_but_not_at_the_target(blank):
    lenient = QualitySettings(min_finite_fraction=0.9)
    blank[:3] = np.nan
    assert find_defects(blank, lenient).reasons == ()
    assert find_defects(blank, lenient).invalid.sum() == 180
    blank[30, 31] = np.nan
    assert find_defects(blank, lenient).reasons == ("missing_pixels",)


def test_reasons_come_in_the_order_of_the_rules(blank):
    blank[0, 0], blank[3, :], blank[9, 9] = np.nan, -999.0, -900.0
    reasons = find_defects(blank).reasons
    assert list(reasons) == sorted(reasons, key=RULES.index)
    assert len(reasons) == 3


def test_a_hole_as_wide_as_a_star_is_named_though_no_pixel_is_far_below_the_sky(blank):
    found = find_defects(blank - star(30, 30, 45.0))
    assert found.reasons == ("dark_spots",)
    assert found.invalid[30, 30]
    assert found.invalid.sum() < 45


def test_a_star_is_no_hole_and_neither_is_the_gap_between_two(blank):
    close = blank + star(28, 30, 3000.0) + star(33, 30, 3000.0)
    assert find_defects(close).reasons == ()


def test_a_pixel_that_overflowed_in_a_star_is_named(blank):
    bright = blank + star(40, 20, 3000.0)
    assert find_defects(bright).reasons == ()
    bright[20, 41] = 95.0
    found = find_defects(bright)
    assert found.reasons == ("overflowed_pixels",)
    assert np.argwhere(found.invalid).tolist() == [[20, 41]]


@pytest.mark.parametrize("place", [(20, 40), (19, 40), (21, 41)])
def test_a_hollow_in_a_star_is_named_though_it_is_above_the_sky(place, blank):
    bright = blank + star(40, 20, 3000.0, width_px=2.5)
    bright[place] = 500.0
    found = find_defects(bright)
    assert found.reasons == ("overflowed_pixels",)
    assert np.argwhere(found.invalid).tolist() == [list(place)]


def test_noise_alone_is_hardly_ever_a_hole_or_a_line(rng):
    sky = rng.normal(100.0, 5.0, (300, 60, 60))
    assert not any(find_defects(image).reasons for image in sky)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("name", ["faint_rows", "faint_columns"])
def test_a_line_too_faint_for_its_pixels_is_named_and_marked(name, sign, blank):
    image = blank + star(40, 10, 3000.0)
    image[30:, 17] += sign * 2.2 * 5.0
    found = find_defects(image if name == "faint_columns" else image.T)
    assert found.reasons == (name,)
    marked = found.invalid if name == "faint_columns" else found.invalid.T
    assert marked[30:, 17].mean() > 0.9
    assert not np.delete(marked, 17, axis=1).any()


def test_a_line_behind_a_star_marks_no_pixel_of_the_star(blank):
    blank[:, 30] += 9.0
    found = find_defects(blank + star(30, 30, 3000.0))
    assert found.reasons == ("faint_columns",)
    assert not found.invalid[28:33].any()


@pytest.mark.parametrize("axis", [0, 1])
def test_banding_is_named_for_the_whole_image_and_is_no_faint_line(axis, blank):
    np.moveaxis(blank, axis, 0)[::3] += 10.0
    found = find_defects(blank + star(30, 30, 3000.0))
    assert found.reasons == ("banding",)
    assert found.invalid.all()


def test_one_odd_column_is_no_banding(blank):
    for n_sigma in (2.2, 3.0, 4.0, 8.0):
        changed = blank.copy()
        changed[:, 17] += 5.0 * n_sigma
        assert "banding" not in find_defects(changed).reasons


def test_banding_far_below_the_noise_is_left_alone(blank):
    blank[:, ::3] += 1.5
    assert find_defects(blank).reasons == ()


def test_a_galaxy_that_fills_the_stamp_is_no_banding(blank):
    for width_px in (8.0, 14.0, 20.0):
        assert find_defects(blank + star(20, 40, 4000.0, width_px=width_px)).reasons == ()


def test_a_galaxy_seen_from_its_edge_is_no_faint_line(blank):
    for peak in (15.0, 60.0, 600.0):
        rows, columns = np.mgrid[:60, :60]
        galaxy = peak * np.exp(-0.5 * ((columns - 30) / 1.3) ** 2 - 0.5 * ((rows - 30) / 8.0) ** 2)
        assert find_defects(blank + galaxy).reasons == ()


def test_no_object_is_labelled_in_both_parts(survey):
    objects = {pair.candid: pair.object_id for pair in real_pairs(survey)}
    parts = {"tuning": set(), "judging": set()}
    for row in labels():
        parts[row["part"]].add(objects.get(int(row["candid"]), row["candid"]))
    assert not parts["tuning"] & parts["judging"]


def test_rules_agree_with_eyes(survey):
    pairs = {pair.candid: pair for pair in real_pairs(survey)}
    labelled = [row for row in labels() if int(row["candid"]) in pairs]
    images = [getattr(pairs[int(row["candid"])], row["image"]) for row in labelled]
    judged = {candid: find_pair_defects(pair.science, pair.reference) for candid, pair in pairs.items()}
    found = [
        (row["label"], np.isfinite(image).all(), getattr(judged[int(row["candid"])], row["image"]).reasons)
        for row, image in zip(labelled, images, strict=True)
    ]
    assert len({row["candid"] for row in labelled}) >= 100
    assert sum(bool(reasons) for label, _, reasons in found if label == "good") <= 3  # of 794: pixels in stars, overlooked by eye
    assert all(reasons for label, is_finite, reasons in found if label == "bad" and not is_finite)
    named = [bool(reasons) for label, is_finite, reasons in found if label == "bad" and is_finite]
    assert len(named) == 42
    assert sum(named) >= 39


def test_what_defects_gives_is_what_the_figures_of_the_docs_rest_on():
    hold("defects")


@pytest.mark.parametrize(("at", "is_lost"), [(26, False), (27, True), (33, True), (34, False)])
def test_a_pixel_within_three_of_the_middle_must_be_there(at, is_lost, blank):
    lenient = QualitySettings(min_finite_fraction=0.9)
    for row, column in ((at, 30), (30, at)):
        holed = blank.copy()
        holed[row, column] = np.nan
        assert ("missing_pixels" in find_defects(holed, lenient).reasons) is is_lost
