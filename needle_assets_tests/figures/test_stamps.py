"""Pictures of quality, restoration and masks: what is drawn, and that nothing breaks them."""

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.pictures.images import quality_models
from needle_assets.figures.stamps import (
    CheckerCurves,
    MaskedPicture,
    RepairedImage,
    bad_gallery,
    checker_comparison,
    masked_pairs,
    restorations,
    stretched,
)
from needle_assets_tests.images.examples import star


@pytest.fixture
def image(rng):
    return rng.normal(100, 5, (60, 60)) + star(30, 30, 500.0)


def drawn(figure):
    """The number of panels that hold an image, after drawing the figure."""
    figure.canvas.draw()
    return sum(bool(axis.images) for axis in figure.axes)


def test_a_restoration_is_four_panels(image):
    repair = RepairedImage("science", image, image, image > 200, image, (30.0, 30.0))
    assert drawn(restorations([repair] * 3)) == 12
    assert drawn(restorations([repair] * 20)) == 4 * 8


def test_a_masked_pair_shows_its_augmented_copies(image):
    picture = MaskedPicture("r", image, image, image > 200, image, image, (30.0, 30.0), (75.0, 20.0), [image, image])
    assert drawn(masked_pairs([picture])) == 7


def test_marks_of_hosts_outside_do_not_widen_the_panel(image):
    picture = MaskedPicture("r", image, image, image > 200, image, image, (30.0, 30.0), (75.0, 20.0))
    assert masked_pairs([picture]).axes[0].get_xlim() == (-0.5, 59.5)


def test_a_gallery_names_the_reasons_and_takes_broken_images(image):
    images = [("empty", np.full((60, 60), np.nan)), ("constant", np.zeros((60, 60))), ("impossible", image * -1e38)]
    figure = bad_gallery(images)
    assert drawn(figure) == 3
    assert [axis.get_title() for axis in figure.axes] == ["empty", "constant", "impossible"]


def test_nothing_to_show_is_an_empty_picture():
    assert drawn(bad_gallery([])) == drawn(restorations([])) == drawn(masked_pairs([])) == 0


def test_checkers_are_compared_side_by_side():
    rates = {"threshold": [0.0, 0.5, 1.0], "completeness": [0.0, 0.8, 1.0], "purity": [np.nan, 0.9, 0.5]}
    counts = {"n_bad_found": 8, "n_bad_missed": 2, "n_good_lost": 1, "n_good_kept": 9}
    checkers = [CheckerCurves(name, **rates, good_rejected=[0.0, 0.1, 1.0], **counts) for name in ("cnn", "resnet18")]
    figure = checker_comparison(checkers, 0.75)
    assert drawn(figure) == 2
    assert len(figure.axes) == 4


def test_the_stretch_shows_the_sky_at_zero_and_keeps_missing_pixels(image):
    image[0, 0] = np.nan
    image[5, 5] = -999.0
    values = stretched(image)
    assert abs(np.nanmedian(values)) < 0.15
    assert np.isnan(values[0, 0])
    assert np.isnan(values[5, 5])


def test_stored_checkers_become_figures_5_and_6():
    curve = {f"curve_{name}": [[0.0, 0.5, 1.0]] for name in ("threshold", "completeness", "purity", "good_rejected")}
    counts = {name: [5] for name in ("n_bad_found", "n_bad_missed", "n_good_lost", "n_good_kept")}
    models = pl.DataFrame({"model_kind": ["cnn"], "is_chosen": [True], "threshold": [0.75], **curve, **counts})
    assert quality_models(models).axes[0].get_title() == "cnn, chosen"
