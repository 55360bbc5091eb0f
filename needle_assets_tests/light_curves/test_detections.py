"""Entries of packets and photometry that are one detection become one row, told by the best of them."""

import random

import pytest

from needle_assets.light_curves.detections import SAME_EXPOSURE_DAYS, merge_detections, merge_limits


def entry(source="packet", mjd=59000.0, band="g", mag=18.0, **other):
    plain = {"candid": 1, "mag_err": 0.1, "is_positive": True, "is_mw_corrected": False, "has_stamp": False}
    return {**plain, "source": source, "mjd": mjd, "band": band, "mag": mag, **other}


def merged(*entries):
    rows, rejections = merge_detections(entries)
    assert rejections == []
    return rows


# From the best to the worst: each is preferred to all that follow.
PREFERENCE = [
    entry("packet", is_mw_corrected=True),
    entry("history"),
    entry("alerce"),
    entry("fink"),
    entry("fink", mjd=59000.0001),
    entry("fink", mjd=59000.0001, mag=18.1),
    entry("alerce", is_mw_corrected=True),
]


@pytest.mark.parametrize("k", range(len(PREFERENCE)))
def test_a_detection_is_told_by_packet_then_history_then_photometry_uncorrected_and_by_name(k):
    shuffled = random.Random(k).sample(PREFERENCE[k:], len(PREFERENCE) - k)
    [row] = merged(*shuffled)
    assert {name: row[name] for name in ("source", "mjd", "mag", "is_mw_corrected")} == {
        name: PREFERENCE[k][name] for name in ("source", "mjd", "mag", "is_mw_corrected")
    }


def test_a_stamp_of_any_entry_is_the_detections_stamp():
    assert [row["has_stamp"] for row in merged(entry(), entry("history", has_stamp=True))] == [True]
    assert [row["has_stamp"] for row in merged(entry(), entry("history"))] == [False]


def test_up_to_three_ten_thousandths_of_a_day_from_the_first_are_one_exposure_and_more_are_two():
    times = [0.0, 0.9 * SAME_EXPOSURE_DAYS, 1.1 * SAME_EXPOSURE_DAYS]
    assert [row["mjd"] for row in merged(*(entry(mjd=t) for t in times))] == [times[0], times[2]]
    assert len(merged(entry(mjd=0.0), entry(mjd=SAME_EXPOSURE_DAYS))) == 1


def test_bands_are_never_merged_and_rows_come_by_band_and_time():
    rows = merged(entry(band="r"), entry(band="g", mjd=59003.0), entry(band="g"))
    assert [(row["band"], row["mjd"]) for row in rows] == [("g", 59000.0), ("g", 59003.0), ("r", 59000.0)]


@pytest.mark.parametrize("wrong", [{"mag": None}, {"mag": float("nan")}, {"mag_err": None}, {"mag_err": 0.0}, {"mag_err": -0.1}])
def test_an_entry_without_magnitude_or_positive_error_is_refused_and_hides_nobody(wrong):
    rows, [why] = merge_detections([entry(candid=7, **wrong), entry("history")])
    assert [row["source"] for row in rows] == ["history"]
    assert why.candid == 7
    assert (why.measured["mjd"], why.measured["source"]) == (59000.0, "packet")
    assert "without a magnitude and a positive error" in why.reason


def limit(mjd, mag_limit=20.0, band="g"):
    return {"mjd": mjd, "band": band, "mag_limit": mag_limit, "path": "x"}


def test_the_deepest_of_repeated_limits_stays():
    found = merge_limits([limit(5.0, 19.5), limit(5.0, 20.5), limit(5.0001, 20.1), limit(6.0, 19.0)], [])
    assert found == [{"mjd": 5.0, "band": "g", "mag_limit": 20.5}, {"mjd": 6.0, "band": "g", "mag_limit": 19.0}]


def test_a_limit_within_a_detections_exposure_goes_and_in_another_band_or_night_stays():
    limits = [limit(5.0), limit(5.0, band="r"), limit(5.1), limit(4.9)]
    kept = merge_limits(limits, [{"mjd": 5.00002, "band": "g"}])
    assert [(row["band"], row["mjd"]) for row in kept] == [("g", 4.9), ("g", 5.1), ("r", 5.0)]


@pytest.mark.parametrize("apart", [-0.9, 0.9])
def test_a_limit_just_before_or_after_a_detection_is_of_its_exposure(apart):
    for start in (5.0, 5.00011, 5.00022):
        assert merge_limits([limit(start + apart * SAME_EXPOSURE_DAYS)], [{"mjd": start, "band": "g"}]) == []


def measured(mag_err, mjd=59000.0, **changes):
    """A measurement of forced photometry."""
    entry = {"candid": None, "mjd": mjd, "band": "r", "mag": 20.0, "mag_err": mag_err, "is_positive": True}
    return entry | {"is_mw_corrected": False, "has_stamp": False, "source": "forced"} | changes


@pytest.mark.parametrize(
    ("mag_err", "is_detection"), [(0.05, True), (0.361, True), (0.363, False), (2.87, False), (8.714, False)]
)
def test_a_flux_of_fewer_than_three_times_its_error_is_no_detection(mag_err, is_detection):
    rows, rejections = merge_detections([measured(mag_err)], min_signal_to_noise=3.0)
    assert (len(rows), len(rejections)) == (is_detection, not is_detection)
    for why in rejections:
        assert why.measured["signal_to_noise"] == pytest.approx(1.0857 / mag_err, rel=1e-3)


def test_noise_does_not_stand_in_for_a_detection_of_the_same_exposure():
    noise, seen = measured(2.0, source="a"), measured(0.1, mjd=59000.0001, source="b")
    rows, (why,) = merge_detections([noise, seen], min_signal_to_noise=3.0)
    assert [row["source"] for row in rows] == ["b"]
    assert (why.measured["source"], why.measured["mjd"]) == ("a", 59000.0)


def test_the_sign_stays_with_a_measurement():
    rows, _ = merge_detections([measured(0.1, is_positive=False), measured(0.1, mjd=59010.0)], min_signal_to_noise=3.0)
    assert [row["is_positive"] for row in rows] == [False, True]
