"""A host row says who placed it and who measured it, whichever way it came."""

import math

import polars as pl
import pytest

from needle_assets.assets.detections import hosts
from needle_assets.samples.hosts import (
    chance_coincidence,
    dereddened,
    origin,
    packet_host,
    photometric_redshift,
    position_of_ps1_object,
)
from needle_assets.settings import Settings

ORIGINS = {
    "Sherlock via Lasair: SN, SDSS [needle fetch]": ("sherlock", "landed"),
    "Sherlock via Lasair: SN, SDSS; Pan-STARRS DR2 [needle fetch]": ("sherlock", "panstarrs"),
    "ZTF packet: PS1 102000300003000408; Pan-STARRS DR2 [needle fetch]": ("packet", "panstarrs"),
    "FLEET; Pan-STARRS DR2 [needle fetch]": ("landed", "panstarrs"),
    "Sherlock via Lasair: copied by hand": ("landed", "landed"),
    None: ("landed", "landed"),
}


@pytest.mark.parametrize("source", ORIGINS)
def test_a_source_says_who_placed_and_who_measured(source: str | None) -> None:
    assert origin(source) == ORIGINS[source]


@pytest.mark.parametrize(("r_mag", "expected"), [(18.5, ("sherlock", "panstarrs")), (None, ("sherlock", None))])
def test_the_product_says_it_too_and_nothing_of_magnitudes_that_are_not_there(r_mag, expected) -> None:
    source = "Sherlock via Lasair: SN, SDSS; Pan-STARRS DR2 [needle fetch]"
    bands = {"g_mag": None, "r_mag": r_mag, "i_mag": None, "z_mag": None, "y_mag": None}
    place = {"object_id": "ZTF18abcdefg", "host_ra_deg": 150.0, "host_dec_deg": 2.0, "separation_arcsec": 1.0}
    landed = pl.DataFrame([{**place, **bands, "mw_corrected": False, "source": source}])
    empty = pl.DataFrame(schema={"object_id": pl.String, "a_v_mag": pl.Float64})
    [row] = hosts({"raw.alerts": empty, "raw.hosts": landed, "raw.objects": empty}, Settings()).rows
    assert (row["association"], row["magnitudes_from"]) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Legacy Surveys DR10: 7, photometric redshift 0.2100 +- 0.0300 [needle fetch]", (0.21, 0.03)),
        ("Legacy Surveys DR10: 7, photometric redshift 1.1000, spectroscopic redshift 0.50000 [needle fetch]", (1.1, None)),
        ("Legacy Surveys DR10: 7, spectroscopic redshift 0.50000 [needle fetch]", (None, None)),
        ("mine, photometric redshift 0.2100 +- 0.0300", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_fetched_host_says_its_photometric_redshift(source, expected) -> None:
    assert photometric_redshift(source) == expected


def test_the_chance_of_an_unrelated_galaxy_is_that_of_bloom_by_hand() -> None:
    assert chance_coincidence(20.0, 2.0) == pytest.approx(2.8698e-3, rel=1e-3)
    assert chance_coincidence(24.0, 10.0) == pytest.approx(1 - math.exp(-math.pi * 100 * 10**-2.44 / (0.33 * math.log(10))))


def test_a_separation_below_an_arcsecond_counts_as_one_and_above_as_it_is() -> None:
    assert chance_coincidence(20.0, 0.2) == chance_coincidence(20.0, 1.0) < chance_coincidence(20.0, 1.1)
    assert chance_coincidence(20.0, 1.1, smallest_radius_arcsec=3.0) == chance_coincidence(20.0, 3.0)


@pytest.mark.parametrize(
    ("ps1_id", "ra_deg", "dec_deg"),
    [
        (102000300003000408, 30.0003, 10200.0408 * 0.0083333 - 90),
        (108003599999990000, 359.999999, -0.00036),
        (10000000000000, 0.0, 0.0083333 - 90),
    ],
)
def test_an_object_id_of_pan_starrs_spells_out_its_place(ps1_id: int, ra_deg: float, dec_deg: float) -> None:
    assert position_of_ps1_object(ps1_id) == (pytest.approx(ra_deg, abs=1e-9), pytest.approx(dec_deg, abs=1e-7))


@pytest.mark.parametrize("ps1_id", [0, 9_999_999_999_999, 102003600000000000, 216020300000000000, -5])
def test_a_number_that_is_no_place_is_no_ps1_id(ps1_id: int) -> None:
    assert position_of_ps1_object(ps1_id) is None


def source(ps1_id: int, separation_arcsec: float | None, star_score: float | None = 0.1, **mags: float) -> dict[str, object]:
    bands = dict.fromkeys(("g_mag", "r_mag", "i_mag", "z_mag"))
    return {"ps1_id": ps1_id, "separation_arcsec": separation_arcsec, "star_score": star_score, **bands, **mags}


def test_the_host_is_the_galaxy_least_likely_to_be_there_by_chance() -> None:
    near_knot, bright = source(1, 1.5, r_mag=22.0), source(2, 3.0, r_mag=17.0)
    found = packet_host([near_knot, bright])
    assert found == {**bright, "p_chance": chance_coincidence(17.0, 3.0)}
    assert packet_host([near_knot])["ps1_id"] == 1


def test_of_equal_chances_the_nearer_is_the_host() -> None:
    assert packet_host([source(1, 0.9, r_mag=19.0), source(2, 0.3, r_mag=19.0)])["ps1_id"] == 2


def test_stars_and_sources_without_place_or_magnitude_are_no_hosts_and_a_doubtful_one_is() -> None:
    star, nowhere, dark = source(1, 1.0, 0.51, r_mag=17.0), source(2, None, r_mag=17.0), source(3, 1.0, z_mag=17.0)
    assert packet_host([star, nowhere, dark]) is None
    assert packet_host([star, source(4, 2.0, 0.5, r_mag=18.0)])["ps1_id"] == 4
    assert packet_host([source(5, 2.0, None, r_mag=18.0)])["ps1_id"] == 5
    assert packet_host([star], star_score=0.6)["ps1_id"] == 1


def test_the_chance_is_of_r_else_of_i_else_of_g() -> None:
    mags = [{"g_mag": 17.0, "i_mag": 18.0, "r_mag": 19.0}, {"g_mag": 17.0, "i_mag": 18.0}, {"g_mag": 17.0}]
    found = [packet_host([source(1, 2.0, **given)])["p_chance"] for given in mags]
    assert found == [chance_coincidence(mag, 2.0) for mag in (19.0, 18.0, 17.0)]


def test_a_chance_of_just_the_largest_is_a_host_and_above_it_none() -> None:
    chance = chance_coincidence(20.0, 10.0)
    assert packet_host([source(1, 10.0, r_mag=20.0)], largest_p_chance=chance)["ps1_id"] == 1
    assert packet_host([source(1, 10.0, r_mag=20.0)], largest_p_chance=0.99 * chance) is None
    assert packet_host([source(1, 13.0, r_mag=20.0)]) is None
    assert chance < 0.1 < chance_coincidence(20.0, 13.0)


def test_bluer_light_loses_more_on_its_way_and_what_is_unknown_stays_unknown() -> None:
    """Schlafly and Finkbeiner (2011), table 6: A over E(B-V) of the PS1 bands and of V at R_V = 3.1."""
    bright = dereddened({"g": 20.0, "r": None, "i": 20.0, "y": 20.0}, 1.0)
    assert bright["r"] is None
    assert 20.0 - bright["g"] == pytest.approx(3.172 / 2.742, abs=0.02)
    assert 20.0 - bright["i"] == pytest.approx(1.682 / 2.742, abs=0.02)
    assert 20.0 - bright["y"] == pytest.approx(1.087 / 2.742, abs=0.02)
    assert dereddened({"g": 20.0}, 0.0) == {"g": 20.0}
