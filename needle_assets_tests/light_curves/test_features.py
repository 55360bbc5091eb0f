import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.light_curves.features import HOSTED_FEATURES, HOSTLESS_FEATURES, NO_HOST, Host
from needle_assets.light_curves.light_curve import LightCurve
from needle_assets_tests.instruments import BAND, MAG, days, whole_mjd
from needle_assets_tests.ztf import features_of as features

HOST = Host({"g": 20.0, "r": 19.5, "i": 19.2, "z": 19.1, "y": 19.05}, separation_arcsec=1.5)
THREE = LightCurve.of([0, 2, 6, 1, 5], ["g", "g", "g", "r", "r"], [19.0, 18.6, 18.0, 19.2, 18.4], 0.1)
HOSTLESS_IN_G = [name for name in HOSTLESS_FEATURES if name.endswith("_g") and "minus" not in name]


def expected(**values):
    return {**dict.fromkeys(HOSTED_FEATURES, float("nan")), **values}


def agree(found, wanted):
    np.testing.assert_allclose([found[n] for n in HOSTED_FEATURES], [wanted[n] for n in HOSTED_FEATURES], atol=1e-12)


def test_there_are_33_features_with_a_host_and_20_without():
    assert (len(set(HOSTED_FEATURES)), len(set(HOSTLESS_FEATURES))) == (33, 20)
    assert set(HOSTLESS_FEATURES) < set(HOSTED_FEATURES)


def test_three_detections_in_g_and_two_in_r_with_a_host_by_hand():
    agree(
        features(THREE, 10.0, HOST),
        {
            "peak_mag_g": 18.0,
            "discovery_mag_g": 19.0,
            "rise_mag_g": -1.0,
            "rise_days_g": 6.0,
            "days_since_discovery_g": 6.0,
            "recent_slope_mag_per_day_g": -0.15,
            "discovery_slope_mag_per_day_g": -1 / 6,
            "slope_change_mag_per_day_g": 0.15 - 1 / 6,
            "peak_mag_r": 18.4,
            "discovery_mag_r": 19.2,
            "rise_mag_r": -0.8,
            "rise_days_r": 4.0,
            "days_since_discovery_r": 5.0,
            "recent_slope_mag_per_day_r": -0.2,
            "discovery_slope_mag_per_day_r": -0.2,
            "slope_change_mag_per_day_r": 0.0,
            "peak_g_minus_r_mag": -0.4,
            "peak_g_minus_r_days": 1.0,
            "discovery_g_minus_r_mag": -0.2,
            "colour_change_mag": -0.2,
            "separation_arcsec": 1.5,
            "peak_minus_host_mag_g": -2.0,
            "peak_minus_host_mag_r": -1.1,
            "peak_minus_host_g_minus_r_mag": -0.9,
            "host_g_mag": 20.0,
            "host_r_mag": 19.5,
            "host_i_mag": 19.2,
            "host_z_mag": 19.1,
            "host_y_mag": 19.05,
            "host_g_minus_r_mag": 0.5,
            "host_r_minus_i_mag": 0.3,
            "host_i_minus_z_mag": 0.1,
            "host_z_minus_y_mag": 0.05,
        },
    )  # fmt: skip - grouped as in Table 1


def test_one_detection_without_a_host_by_hand():
    one = expected(peak_mag_g=19.0, discovery_mag_g=19.0, rise_mag_g=0.0, rise_days_g=0.0, days_since_discovery_g=0.0)
    agree(features(THREE, 0.5), one)


def test_two_detections_in_one_band_by_hand():
    two = expected(
        peak_mag_g=18.6,
        discovery_mag_g=19.0,
        rise_mag_g=-0.4,
        rise_days_g=2.0,
        days_since_discovery_g=2.0,
        recent_slope_mag_per_day_g=-0.2,
        discovery_slope_mag_per_day_g=-0.2,
        slope_change_mag_per_day_g=0.0,
    )  # fmt: skip - one line a family
    agree(features(THREE.in_band("g"), 3.0), two)


def test_a_fading_object_is_described_at_its_discovery_and_has_no_slope():
    fading = features(LightCurve.of([0, 5, 9], "r", [18.0, 18.5, 19.0], 0.1), 20.0)
    assert (fading["rise_mag_r"], fading["rise_days_r"]) == (0.0, 0.0)
    assert np.isnan([fading["recent_slope_mag_per_day_r"], fading["discovery_slope_mag_per_day_r"]]).all()


def test_the_latest_detection_can_be_described_instead():
    fading = features(LightCurve.of([0, 5, 10], "r", [18.5, 18.0, 19.0], 0.1), 20.0, current="latest")
    assert fading["recent_slope_mag_per_day_r"] == pytest.approx(0.2)
    assert fading["discovery_slope_mag_per_day_r"] == pytest.approx(0.05)
    assert fading["peak_mag_r"] == 18.0


def test_a_slope_is_not_taken_over_less_than_half_a_day():
    hasty = features(LightCurve.of([0, 4.8, 5.0], "g", [19.0, 18.9, 18.0], 0.1), 20.0)
    assert hasty["recent_slope_mag_per_day_g"] == pytest.approx(-0.2)


def test_the_recent_slope_looks_back_and_not_ahead():
    peaked = features(LightCurve.of([0, 4, 8], "g", [19.0, 18.0, 18.8], 0.1), 20.0)
    assert peaked["recent_slope_mag_per_day_g"] == pytest.approx(-0.25)


def test_a_missing_host_magnitude_is_missing_in_what_needs_it_and_nowhere_else():
    partial = features(THREE, 10.0, Host({"g": 20.0}, separation_arcsec=2.0))
    assert partial["peak_minus_host_mag_g"] == -2.0
    assert np.isnan([partial[n] for n in ("host_r_mag", "host_g_minus_r_mag", "peak_minus_host_g_minus_r_mag")]).all()


def test_the_i_band_and_no_detections_give_nothing():
    agree(features(LightCurve.of([0, 1], "i", 18.0, 0.1), 10.0), expected())
    agree(features(LightCurve.of([], [], [], []), 10.0, NO_HOST), expected())


points = st.tuples(st.integers(0, 960).map(lambda k: k / 16), BAND, MAG)
light_curves = st.lists(points, max_size=12).map(lambda rows: LightCurve.of(*([row[k] for row in rows] for k in range(3)), 0.1))


@settings(max_examples=100)
@given(light_curves, light_curves, days(60), st.sampled_from(["peak", "latest"]))
def test_later_points_never_change_features_of_an_earlier_epoch(early, late, as_of, current):
    late = LightCurve(late.mjd + as_of + 1e-6, late.band, late.mag, late.mag_err)
    both = LightCurve(*(np.concatenate([getattr(early, f), getattr(late, f)]) for f in ("mjd", "band", "mag", "mag_err")))
    known = early[early.mjd <= as_of]
    assert features(both, as_of, HOST, current=current) == pytest.approx(
        features(known, as_of, HOST, current=current), nan_ok=True
    )


@settings(max_examples=60)
@given(light_curves, whole_mjd(60))
def test_the_clock_does_not_matter(light_curve, start):
    moved = LightCurve(light_curve.mjd + start, light_curve.band, light_curve.mag, light_curve.mag_err)
    assert features(moved, 100.0 + start) == pytest.approx(features(light_curve, 100.0), nan_ok=True, abs=1e-6, rel=1e-4)


def test_a_detection_exactly_half_a_day_before_counts_for_the_slope():
    hasty = features(LightCurve.of([0, 4.5, 5.0], "g", [19.0, 18.9, 18.0], 0.1), 20.0)
    assert hasty["recent_slope_mag_per_day_g"] == pytest.approx(-1.8)
