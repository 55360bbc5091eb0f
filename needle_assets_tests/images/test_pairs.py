"""The pair that stands for an object."""

from hypothesis import given
from hypothesis import strategies as st

from needle_assets.images.pairs import Candidate
from needle_assets_tests.instruments import BAND, MAG, days
from needle_assets_tests.ztf import choose_pair


def pair(candid, band="r", mjd=10.0, mag=18.0, *, is_restored=False, is_positive=True):
    return Candidate(candid, band, mjd, mag, is_restored, is_positive)


def chosen(*candidates, until=100.0):
    found = choose_pair(candidates, until)
    return None if found is None else found.candid


def test_r_comes_before_a_brighter_g():
    assert chosen(pair(1, "g", mag=17.0), pair(2, "r", mag=19.0)) == 2


def test_a_good_g_pair_comes_before_a_repaired_r_pair():
    assert chosen(pair(1, "r", is_restored=True), pair(2, "g")) == 2


def test_the_brightest_of_a_band_is_chosen_and_unknown_brightness_last():
    assert chosen(pair(1, mag=19.0), pair(2, mag=18.5), pair(3, mag=None)) == 2


def test_of_equal_pairs_the_latest_is_chosen():
    assert chosen(pair(1, mjd=5.0), pair(2, mjd=9.0)) == 2


def test_nothing_after_the_classification_epoch_is_chosen():
    assert chosen(pair(1, mjd=10.0), pair(2, mjd=10.5, mag=15.0), until=10.0) == 1
    assert chosen(pair(2, mjd=10.5), until=10.0) is None


def test_i_band_and_negative_detections_are_never_chosen():
    assert chosen(pair(1, "i"), pair(2, is_positive=False)) is None


@given(
    st.lists(
        st.builds(pair, st.integers(0, 50), BAND, days(20), MAG | st.none(), is_restored=st.booleans()),
        unique_by=lambda c: c.candid,
    )
)
def test_the_order_of_candidates_does_not_matter(candidates):
    assert choose_pair(candidates, 12.0) == choose_pair(candidates[::-1], 12.0)
