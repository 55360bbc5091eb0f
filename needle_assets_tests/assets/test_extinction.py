"""A_V from maps of dust, for objects that no catalogue gives it for."""

import numpy as np
import polars as pl
import pytest
from astropy.coordinates import SkyCoord

from needle_assets.assets.extinction import extinction
from needle_assets.assets.light_curves import a_v_of
from needle_assets.assets.objects import OBJECTS
from needle_assets.errors import Rejection
from needle_assets.landing.names import DUST_NORTH
from needle_assets.settings import Settings
from needle_assets_tests.landing.test_dust import SIDE_PX, landed

NORTH, SOUTH, KNOWN, SERVED, NOWHERE = "ZTF20aaaaaaa", "313893023095193658", "ZTF20aaaaaac", "ZTF20aaaaaad", "ZTF20aaaaaae"
PLACES = {NORTH: (192.0, 40.0), SOUTH: (10.0, -40.0), KNOWN: (20.0, 20.0), SERVED: (30.0, 20.0)}


@pytest.fixture
def frames(tmp_path):
    landed(tmp_path)
    packets = [(name, ra + step, dec) for name, (ra, dec) in PLACES.items() for step in (-1e-5, 1e-5)]
    schema = {"object_id": pl.String, "ra_deg": pl.Float64, "dec_deg": pl.Float64, "a_v_mag": pl.Float64}
    return {
        "landing.dust": pl.DataFrame(
            {"landing": [str(tmp_path)], "path": [f"dust/{DUST_NORTH}"], "mtime_ns": [None], "size_bytes": [0]}
        ),
        "raw.objects": pl.DataFrame([(KNOWN, None, None, 0.3), (NOWHERE, None, None, None)], schema=schema, orient="row"),
        "raw.alerts": pl.DataFrame(packets, schema=["object_id", "ra", "dec"], orient="row"),
        "core.identities": pl.DataFrame({"object_id": [SERVED], "a_v_mag": [0.2]}),
        OBJECTS: pl.DataFrame({"object_id": [*PLACES, NOWHERE]}),
    }


def expected_reddening(ra, dec):
    """By the definition of the projection, at the nearest corners of the made-up map: 0.1 mag a pixel away from the pole."""
    place = SkyCoord(ra, dec, unit="deg").galactic
    return 0.1 * SIDE_PX / 2 * np.sqrt(1 - abs(np.sin(place.b.rad)))


def test_a_v_is_that_of_the_map_where_no_catalogue_has_one(frames):
    found = {row["object_id"]: row for row in extinction(frames, Settings()).rows}
    assert set(found) == {NORTH, SOUTH}
    for name, row in found.items():
        assert row["e_b_v_mag"] == pytest.approx(expected_reddening(*PLACES[name]), abs=0.02)
        assert row["a_v_mag"] == pytest.approx(3.1 * 0.86 * row["e_b_v_mag"], abs=1e-4)
        assert (row["a_v_source"], len(row["maps_sha256"])) == ("SFD", 64)


def test_the_place_of_the_catalogue_counts_before_that_of_packets(frames):
    placed = pl.DataFrame({"object_id": [NORTH], "ra_deg": [100.0], "dec_deg": [80.0], "a_v_mag": [None]}).cast(
        {"a_v_mag": pl.Float64}
    )
    rows = extinction({**frames, "raw.objects": placed}, Settings()).rows
    assert {(row["ra_deg"], row["dec_deg"]) for row in rows if row["object_id"] == NORTH} == {(100.0, 80.0)}


def test_without_maps_there_is_nothing(frames):
    assert extinction({**frames, "landing.dust": frames["landing.dust"].clear()}, Settings()).rows == []


def test_a_missing_package_is_said_in_a_sentence(frames, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sfdmap2.sfdmap", None)
    with pytest.raises(Rejection, match=r"`pip install needle_assets\[dust\]`"):
        extinction(frames, Settings())


def test_the_catalogues_a_v_counts_before_another_ids_and_that_before_the_maps():
    given = {"raw.objects": None, "core.identities": 0.2, "core.extinction": 0.1}
    known = {name: pl.DataFrame({"a_v_mag": [a_v]}) for name, a_v in given.items()}
    assert a_v_of(known) == 0.2
    assert a_v_of({**known, "raw.objects": pl.DataFrame({"a_v_mag": [0.3]})}) == 0.3
    assert a_v_of({**known, "core.identities": pl.DataFrame({"a_v_mag": []})}) == 0.1
    assert a_v_of({"raw.objects": pl.DataFrame({"a_v_mag": []})}) is None
