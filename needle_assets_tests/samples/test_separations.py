"""How far a landed host is, from what its row says and from the positions, and which is too far to be one."""

import astropy.units as u
import polars as pl
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM

from needle_assets.assets.detections import hosts
from needle_assets.errors import Rejection
from needle_assets.samples.hosts import kpc_per_arcsec, landed_separation_arcsec, separation_on_sky_arcsec
from needle_assets.settings import HostSettings, Settings

SETTINGS = HostSettings()


@pytest.mark.parametrize(
    "places", [(10.0, 0.0, 10.0, 1e-4), (359.9999, -30.0, 1e-4, -30.0), (20.0, 89.9999, 200.0, 89.9999), (0, 0, 180, 0)]
)
def test_a_separation_is_that_of_astropy(places):
    first, second = SkyCoord(*places[:2], unit=u.deg), SkyCoord(*places[2:], unit=u.deg)
    assert separation_on_sky_arcsec(*places) == pytest.approx(first.separation(second).arcsec, rel=1e-6)


@pytest.mark.parametrize("redshift", [0.002, 0.05, 0.6, 2.0])
def test_a_length_at_a_redshift_is_that_of_astropy(redshift):
    expected = 1 / FlatLambdaCDM(H0=70.0, Om0=0.3).arcsec_per_kpc_proper(redshift).value
    assert kpc_per_arcsec(redshift) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("given", "computed", "redshift", "expected"),
    [(1.5, None, 0.05, 1.5), (None, 1.5, 0.05, 1.5), (1.5, 1.2, 0.05, 1.5), (0.1, 0.7, None, 0.1), (None, None, 0.05, None),
     (300.0, 300.5, 0.0005, 300.0), (55.0, None, None, 55.0)],
)  # fmt: skip
def test_the_given_separation_counts_and_else_the_one_between_the_positions(given, computed, redshift, expected):
    assert landed_separation_arcsec(given, computed, redshift=redshift, settings=SETTINGS) == expected


@pytest.mark.parametrize(
    ("given", "computed", "redshift", "match"),
    [(0.1, 30.0, 0.05, "contradicts"), (3.0 / 3600, 3.0, 0.05, "contradicts"), (20.0, 15.0, None, "contradicts"),
     (None, 3600.0, 0.0571, "kpc at redshift"), (None, 3600.0 * 101, 0.0571, "kpc"), (300.0, 300.0, 0.05, "kpc"),
     (54.0, None, 0.6, "kpc"), (61.0, 61.0, None, "without a redshift")],
)  # fmt: skip
def test_a_host_that_contradicts_itself_or_is_too_far_is_refused(given, computed, redshift, match):
    with pytest.raises(Rejection, match=match):
        landed_separation_arcsec(given, computed, redshift=redshift, settings=SETTINGS)


PLACES = {"object_id": "ZTF18abcdefg", "host_ra_deg": 10.0, "host_dec_deg": 0.0, "separation_arcsec": None, "mw_corrected": False}
LANDED = pl.DataFrame([{**PLACES, "source": "mine", **{f"{band}_mag": 18.0 for band in "grizy"}}])
NO_OBJECT = pl.DataFrame(schema={"object_id": pl.String, "a_v_mag": pl.Float64, "jd": pl.Float64})


@pytest.mark.parametrize(("ra_deg", "expected"), [(10.0 + 5 / 3600, 5.0), (10.0 - 5 / 3600, 5.0)])
def test_the_position_of_the_catalogue_gives_a_separation_and_without_one_that_of_the_packets(ra_deg, expected):
    catalogue = pl.DataFrame(
        {"object_id": ["ZTF18abcdefg"], "a_v_mag": [None], "ra_deg": [ra_deg], "dec_deg": [0.0], "redshift": [None]}
    )
    packets = pl.DataFrame({"object_id": ["ZTF18abcdefg"], "ra": [ra_deg], "dec": [0.0], "jd": [2459000.0]})
    for objects, alerts in ((catalogue, NO_OBJECT), (NO_OBJECT, packets)):
        (row,) = hosts({"raw.alerts": alerts, "raw.hosts": LANDED, "raw.objects": objects}, Settings()).rows
        assert row["separation_arcsec"] == pytest.approx(expected, abs=1e-3)


def test_a_host_too_far_is_a_rejection_and_the_object_has_none_of_its_magnitudes():
    catalogue = pl.DataFrame(
        {"object_id": ["ZTF18abcdefg"], "a_v_mag": [0.1], "ra_deg": [11.0], "dec_deg": [0.0], "redshift": [0.05]}
    )
    product = hosts({"raw.alerts": NO_OBJECT, "raw.hosts": LANDED, "raw.objects": catalogue}, Settings())
    nothing = {"is_hosted": False, "association": "none", "is_dereddened": False, "search_outcome": None}
    assert product.rows == [{"object_id": "ZTF18abcdefg", **nothing}]
    (why,) = product.rejections
    assert why.measured["separation_arcsec"] == pytest.approx(3600.0)
    assert why.measured["source"] == "mine"
