"""How early rare classes are found, by hand."""

import numpy as np
import pytest

from needle_assets.classifiers.early import Judgements, days_gained, early_measures

# Two SLSN-I and three SN, each seen as of three moments.
Y = np.array([1, 1, 0, 0, 0])
P_SLSN = np.array([[0.1, 0.7, 0.9], [0.2, 0.3, 0.6], [0.1, 0.6, 0.2], [0.0, 0.1, 0.1], [0.2, 0.3, 0.3]])
DAYS_TO_PEAK = np.array([[9.0, 7.0, -5.0], [20.0, 18.0, -5.0], [3.0, 1.0, -5.0], [np.nan] * 3, [3.0, 1.0, -5.0]])


def judged(p_slsn: np.ndarray = P_SLSN) -> Judgements:
    p = np.stack([1.0 - p_slsn.ravel(), p_slsn.ravel(), np.zeros(p_slsn.size)], axis=1)
    return Judgements(
        np.repeat([f"ZTF18{k}" for k in "abcde"], 3),
        np.tile(["1 d", "3 d", "peak + 5 d"], 5),
        np.tile([1.0, 3.0, 12.0], 5),
        np.tile([1, 1, 6], 5),
        DAYS_TO_PEAK.ravel(),
        p,
        np.repeat(Y, 3),
    )


def test_days_are_gained_from_the_first_call_at_the_threshold_where_half_of_the_calls_are_right(rng):
    days, found = days_gained(judged(), 1, rng, n_bootstrap=50)
    assert days.threshold == 0.3, "two of the four objects that ever reach it are SLSN-I"
    assert (days.metric, days.value, days.n) == ("days_before_peak", 12.5, 2), "7 d and 18 d before their peaks"
    assert (found.metric, found.value, found.n) == ("found_before_peak", 1.0, 2)


def test_nothing_is_gained_where_no_threshold_makes_half_of_the_calls_right(rng):
    days, found = days_gained(judged(P_SLSN[::-1]), 1, rng, n_bootstrap=5)
    assert (days.value, found.value) == (None, None)
    assert days.reason == "at no threshold half of the calls are right"


@pytest.mark.parametrize(("grouped_by", "parts"), [("age", ["1 d", "3 d", "peak + 5 d"]), ("detections", ["1", "5 to 8"])])
def test_every_part_has_an_area_and_rates_of_both_rare_classes_over_objects(rng, grouped_by, parts):
    found = [part for part in early_measures(judged(), rng, n_bootstrap=5) if part.grouped_by == grouped_by]
    assert list(dict.fromkeys(part.name for part in found)) == parts
    areas = {
        part.name: part.measure.value for part in found if (part.measure.metric, part.measure.label) == ("pr_area", "SLSN-I")
    }
    assert areas[parts[-1]] == 1.0
    assert {part.measure.n for part in found if part.measure.metric == "completeness_all" and part.measure.label == "SLSN-I"} == {
        2
    }


def test_within_a_number_of_epochs_an_object_is_judged_once_as_of_the_latest_moment(rng):
    found = early_measures(judged(), rng, n_bootstrap=5)
    area = {(part.grouped_by, part.name): part.measure.value for part in found if part.measure.metric == "pr_area"}
    assert area["detections", "1"] == area["age", "3 d"]
