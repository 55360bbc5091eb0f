"""Which ids are one object: by name or place, whatever the order, across RA 0 and at the poles."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from needle_assets.samples.identity import conflicts, groups, iau_designation

ARCSEC = 1.0 / 3600.0


def placed(*positions: tuple[float, float]) -> dict[str, tuple[str, ...]]:
    """Groups of nameless objects a, b, c, ... at these (ra, dec) [deg]."""
    ids = [chr(97 + k) for k in range(len(positions))]
    ra, dec = np.array(positions, dtype=float).T
    return groups(ids, [None] * len(ids), ra, dec)


@pytest.mark.parametrize("name", ["SN 2020abc", "SN2020abc", "2020abc", "AT2020abc", "AT 2020ABC", " sn2020abc ", "TDE 2020abc"])
def test_one_name_in_all_its_spellings_is_one_designation(name):
    assert iau_designation(name) == "2020abc"


@pytest.mark.parametrize("name", [None, "", "-", "SN", "ZTF20aaaaaaa", "ATLAS20abc", "Gaia2020", "2020", "FRB20200120E"])
def test_what_is_no_name_of_the_iau_joins_nothing(name):
    assert iau_designation(name) is None
    assert groups(["a", "b"], [name, name], np.full(2, np.nan), np.full(2, np.nan)) == {"a": ("a",), "b": ("b",)}


def test_names_join_whatever_the_place():
    found = groups(["b", "a", "c"], ["SN2020abc", "AT 2020abc", "SN2020abd"], np.array([1.0, 200.0, np.nan]), np.zeros(3))
    assert found == {"a": ("a", "b"), "b": ("a", "b"), "c": ("c",)}


@pytest.mark.parametrize("dec", [0.0, 60.0, -89.0])
def test_places_join_up_to_one_and_a_half_arcsec_on_the_sphere(dec):
    step = ARCSEC / np.cos(np.deg2rad(dec))
    assert placed((10.0, dec), (10.0 + 1.45 * step, dec))["a"] == ("a", "b")
    assert placed((10.0, dec), (10.0 + 1.55 * step, dec))["a"] == ("a",)


def test_right_ascension_zero_and_the_poles_are_no_edges():
    assert placed((359.9999, 5.0), (0.0001, 5.0))["a"] == ("a", "b")
    assert placed((360.0, 5.0), (0.0, 5.0))["a"] == ("a", "b")
    assert placed((0.0, 90.0), (180.0, 90.0 - ARCSEC), (90.0, 89.99))["a"] == ("a", "b")
    assert placed((30.0, -90.0 + 0.5 * ARCSEC), (210.0, -90.0 + 0.5 * ARCSEC))["b"] == ("a", "b")


def test_being_one_is_handed_on_from_name_to_place():
    ids, names = ["a", "b", "c", "d"], ["SN2020abc", "2020abc", None, None]
    ra = np.array([10.0, 50.0, 50.0 + ARCSEC, 50.0 + 2.4 * ARCSEC])
    assert groups(ids, names, ra, np.zeros(4)) == dict.fromkeys(ids, ("a", "b", "c", "d"))


@given(st.lists(st.tuples(st.sampled_from(["2020abc", "SN2020abd", None]), st.integers(0, 12)), max_size=12), st.randoms())
def test_the_order_of_the_catalogue_does_not_matter(rows, random):
    rows = [(f"ZTF{k:02d}", name, place) for k, (name, place) in enumerate(rows)]

    def found(given):
        ra = np.array([place * 1.2 * ARCSEC for _, _, place in given])
        return groups([row[0] for row in given], [row[1] for row in given], ra, np.zeros(len(given)))

    first = found(rows)
    random.shuffle(rows)
    assert found(rows) == first
    assert all(first[other] == ids for ids in first.values() for other in ids)


def test_ten_thousand_objects_take_a_moment_even_at_one_place(rng):
    ids = [f"ZTF{k:05d}" for k in range(10_000)]
    ra, dec = rng.uniform(0, 360, 10_000), np.rad2deg(np.arcsin(rng.uniform(-0.5, 1, 10_000)))
    started = time.perf_counter()
    assert sum(len(group) > 1 for group in groups(ids, [None] * 10_000, ra, dec).values()) <= 2
    assert len(groups(ids, [None] * 10_000, ra * 0, dec * 0)["ZTF00000"]) == 10_000
    assert time.perf_counter() - started < 5.0


def test_several_labels_of_one_object_are_a_conflict_and_one_is_none():
    same = {"a": ("a", "b"), "b": ("a", "b"), "c": ("c", "d"), "d": ("c", "d")}
    assert conflicts({"a": "SN", "b": "TDE", "c": "SN"}, same) == {object_id: {"a": "SN", "b": "TDE"} for object_id in "ab"}
    assert conflicts({"a": "SN", "b": "SN"}, same) == {}
