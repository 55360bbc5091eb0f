import numpy as np
import pytest
from matplotlib.figure import Figure

from needle_assets.figures.features import feature_figure
from needle_assets.figures.light_curves import (
    Curve,
    Points,
    class_montage,
    light_curve_figure,
    redshift_figure,
)

POINTS = Points(
    np.array([0.0, 5.0, 9.0, 900.0]), np.array(["g", "r", "i", "r"]), np.array([19.0, 18.0, 18.5, 20.0]), np.full(4, 0.1)
)
CURVE = Curve(np.arange(10.0), {"g": np.full(10, 18.5)}, {"g": np.full(10, 0.1)})
NOTHING = Points(np.array([]), np.array([], dtype="U1"), np.array([]), np.array([]))


def drawn(figure: Figure) -> Figure:
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize(("points", "curve"), [(POINTS, CURVE), (POINTS, None), (NOTHING, None), (NOTHING, CURVE)])
def test_a_light_curve_is_drawn_with_or_without_points_and_curve(points, curve):
    axis = drawn(light_curve_figure("ZTF", points, curve, rise_end_days=10.0)).axes[0]
    assert axis.get_title() == "ZTF"


def test_bright_is_up():
    bottom, top = drawn(light_curve_figure("ZTF", POINTS, CURVE)).axes[0].get_ylim()
    assert bottom > top


def test_the_axes_follow_the_fitted_span():
    assert drawn(light_curve_figure("ZTF", POINTS, CURVE)).axes[0].get_xlim()[1] < 20
    assert drawn(light_curve_figure("ZTF", POINTS)).axes[0].get_xlim()[1] > 800


def test_a_montage_has_one_panel_an_object_and_hides_the_rest():
    figure = drawn(class_montage("SLSN-I", [("a", POINTS, CURVE), ("b", NOTHING, None), ("c", POINTS, None)], n_columns=2))
    assert [axis.get_visible() for axis in figure.axes] == [True, True, True, False]
    assert drawn(class_montage("TDE", [])) is not None


def test_resamples_are_shown_against_both_limits_and_beyond():
    faint = Points(POINTS.days, POINTS.band, POINTS.mag + 6.0, POINTS.mag_err)
    figure = drawn(redshift_figure("ZTF", (POINTS, CURVE), [(0.1, POINTS), (0.5, faint)], {"ZTF": 20.5, "LSST": 24.5}))
    below = figure.axes[1]
    assert {text.get_text() for text in below.get_legend().get_texts()} == {"ZTF limit 20.5", "LSST limit 24.5"}
    assert below.get_ylim()[0] > below.get_ylim()[1]
    assert below.get_ylim()[0] > 26


def test_without_resamples_the_limits_remain():
    assert len(drawn(redshift_figure("ZTF", (NOTHING, None), [], {"ZTF": 20.5})).axes) == 3


def test_features_are_ordered_by_importance_and_missing_correlations_are_no_error():
    correlation = np.array([[1.0, np.nan], [np.nan, 1.0]])
    importance = np.array([0.1, 0.3])
    figure = drawn(feature_figure(["b", "a"], correlation, importance, np.zeros(2), n_objects=9))
    assert len(figure.axes) == 3
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["b", "a"]
