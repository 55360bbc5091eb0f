"""Detections, limits and hosts of one object from what packets, photometry and catalogues say."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from needle_assets.assets.detections import hosts
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets_tests.ztf import detections, upper_limits

NAME = "ZTF18abcdefg"
SOURCE = {
    f"{name}{k}": None for k in (1, 2, 3) for name in ("objectidps", "distpsnr", "sgscore", "sgmag", "srmag", "simag", "szmag")
}


def seen(candid: int, jd: float, **changed: Any) -> dict[str, Any]:
    plain = {"fid": 1, "ra": 150.0, "dec": 20.0, "magpsf": 18.0, "sigmapsf": 0.1, "isdiffpos": "t", "diffmaglim": 20.5}
    return {"candid": candid, "jd": jd + MJD_OFFSET, **plain, **changed}


def packet(candid: int, jd: float, history: list[dict[str, Any]] | None = None, **changed: Any) -> dict[str, Any]:
    cutouts = {"has_science_cutout": True, "has_reference_cutout": False}
    return {"object_id": NAME, **seen(candid, jd), **cutouts, "prv_candidates": history, **SOURCE, **changed}


def frames(
    *packets: dict[str, Any], photometry: list[dict[str, Any]] | None = None, **more: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    alerts = (
        pl.DataFrame(list(packets), infer_schema_length=None)
        if packets
        else pl.DataFrame(schema={"object_id": pl.String, "jd": pl.Float64, "ra": pl.Float64, "dec": pl.Float64})
    )
    landed = pl.DataFrame(photometry or [], schema_overrides={"mw_corrected": pl.Boolean})
    catalogue = pl.DataFrame({"object_id": [NAME], "a_v_mag": [None]}, schema={"object_id": pl.String, "a_v_mag": pl.Float64})
    return {"raw.alerts": alerts, "raw.photometry": landed, "raw.objects": catalogue, "raw.hosts": pl.DataFrame(), **more}


def test_packets_their_history_and_photometry_are_detections_with_their_source():
    point = {"object_id": NAME, "mjd": 59003.0, "band": "i", "mag": 17.0, "mag_err": 0.2, "is_positive": True}
    point |= {"mw_corrected": True, "source": None}
    found = detections(frames(packet(2, 59002.0, [seen(1, 59001.0, fid=2, isdiffpos="f")]), photometry=[point]), Settings()).rows
    told = [(row["object_id"], row["candid"], row["band"], row["source"]) for row in found]
    assert told == [(NAME, 2, "g", "packet"), (NAME, None, "i", "photometry"), (NAME, 1, "r", "history")]
    assert [row["mjd"] for row in found] == [59002.0, 59003.0, 59001.0]
    assert [(row["is_positive"], row["is_mw_corrected"], row["has_stamp"]) for row in found] == [
        (True, False, True),
        (True, True, False),
        (False, False, False),
    ]


def test_either_cutout_makes_a_stamp_and_none_makes_none():
    for science, reference in ((True, False), (False, True), (False, False)):
        given = packet(1, 59001.0, has_science_cutout=science, has_reference_cutout=reference)
        assert detections(frames(given), Settings()).rows[0]["has_stamp"] is (science or reference)


def test_an_exposure_without_a_detection_is_a_limit_and_no_detection():
    history = [seen(1, 59001.0, magpsf=None, sigmapsf=None, diffmaglim=19.5), seen(2, 59000.0, magpsf=None, diffmaglim=None)]
    given = frames(packet(3, 59005.0, history), **{"core.detections": pl.DataFrame({"mjd": [59005.0], "band": ["g"]})})
    assert upper_limits(given, Settings()).rows == [{"object_id": NAME, "mjd": 59001.0, "band": "g", "mag_limit": 19.5}]
    assert [row["candid"] for row in detections(given, Settings()).rows] == [3]


def listed(k: int, separation_arcsec: float, r_mag: float, star_score: float = 0.1) -> dict[str, Any]:
    return {
        f"distpsnr{k}": separation_arcsec,
        f"srmag{k}": r_mag,
        f"sgscore{k}": star_score,
        f"objectidps{k}": 102000300003000408,
    }


def host_of(*packets: dict[str, Any], settings: Settings | None = None, **more: pl.DataFrame) -> dict[str, Any]:
    [row] = hosts(frames(*packets, **more), settings or Settings()).rows
    return row


def test_the_host_is_the_likeliest_of_the_newest_packet_that_lists_any():
    old, new = packet(1, 59001.0, **listed(1, 1.0, 16.0)), packet(2, 59002.0, **listed(1, 9.0, 20.0), **listed(3, 2.0, 18.0))
    found = host_of(old, new, packet(3, 59003.0))
    assert (found["is_hosted"], found["association"], found["magnitudes_from"]) == (True, "packet", "packet")
    assert (found["separation_arcsec"], found["r_mag"], found["source"]) == (2.0, 18.0, "PS1 102000300003000408")
    assert found["host_ra_deg"] == pytest.approx(30.0003)
    assert found["is_dereddened"] is False


def test_without_a_galaxy_there_is_no_host():
    for given in (packet(1, 59001.0), packet(1, 59001.0, **listed(2, 1.0, 17.0, star_score=0.9))):
        nothing = {"is_hosted": False, "association": "none", "is_dereddened": False, "search_outcome": None}
        assert host_of(given) == {"object_id": NAME, **nothing}


def test_the_settings_say_what_a_star_is_and_what_chance_is_too_large():
    given, plain = packet(1, 59001.0, **listed(1, 2.0, 18.0, star_score=0.4)), Settings()
    for changed in ({"star_score": 0.3}, {"largest_p_chance": 1e-5}):
        assert not host_of(given, settings=replace(plain, hosts=replace(plain.hosts, **changed)))["is_hosted"]


def test_magnitudes_are_dereddened_once_and_only_where_the_extinction_is_known():
    catalogue = {"raw.objects": pl.DataFrame({"object_id": [NAME], "a_v_mag": [1.0]})}
    found = host_of(packet(1, 59001.0, **listed(1, 2.0, 18.0)), **catalogue)
    assert found["is_dereddened"] is True
    assert 18.0 - found["r_mag"] == pytest.approx(2.271 / 2.742, abs=0.02)
    assert found["g_mag"] is None
    landed = host_of(**catalogue, **{"raw.hosts": pl.DataFrame([landed_host(1.0, r_mag=18.0, mw_corrected=True)])})
    assert (landed["is_dereddened"], landed["r_mag"]) == (True, 18.0)


def landed_host(separation_arcsec: float | None, *, r_mag: float | None = None, mw_corrected: bool = False) -> dict[str, Any]:
    bands = {f"{band}_mag": r_mag if band == "r" else None for band in "grizy"}
    place = {"host_ra_deg": 150.0, "host_dec_deg": 20.0 + 1.0 / 3600.0}
    return (
        {"object_id": NAME, "separation_arcsec": separation_arcsec, "mw_corrected": mw_corrected, "source": "FLEET"}
        | place
        | bands
    )


@pytest.mark.parametrize("given", [None, 1.2])
def test_a_landed_host_counts_before_anything_in_packets(given):
    landed = pl.DataFrame([landed_host(given)], infer_schema_length=None)
    found = host_of(packet(1, 59001.0, **listed(1, 0.5, 15.0)), **{"raw.hosts": landed})
    assert (found["association"], found["magnitudes_from"]) == ("landed", None)
    assert found["separation_arcsec"] == pytest.approx(given or 1.0, abs=1e-3)


def test_nobody_has_no_host():
    assert hosts({name: frame.clear() for name, frame in frames().items()}, Settings()).rows == []
