"""What packets and light curve say against an object, as rows."""

from typing import Any

import polars as pl

from needle_assets.assets.vetting import vetting
from needle_assets.samples.vetting import REASONS
from needle_assets.settings import Settings

NAME = "ZTF18abcdefg"
PACKET: dict[str, Any] = {
    "object_id": NAME,
    "jd": 2459010.5,
    "rb": 0.9,
    "drb": 0.99,
    "ssdistnr": None,
    "ndethist": 4,
    "jdstarthist": 2459001.0,
    "sgscore1": 0.02,
    "distpsnr1": 0.7,
    "sgmag1": 18.5,
    "srmag1": 18.0,
    "simag1": 17.5,
    "szmag1": 17.4,
    "neargaiabright": None,
    "maggaiabright": None,
}


def tables(*packets: dict[str, Any], mjd: tuple[float, ...] = (59001.0, 59005.0, 59010.0), n_negative: int = 0) -> dict:
    n = len(mjd)
    points = {"object_id": [NAME] * n, "mjd": mjd, "last_mjd": mjd, "mag": [19.0 - 0.1 * k for k in range(n)]}
    return {
        "raw.alerts": pl.DataFrame([{**PACKET, **packet} for packet in packets], schema_overrides={"ssdistnr": pl.Float32})
        if packets
        else pl.DataFrame(schema=dict.fromkeys(PACKET, pl.Float64)),
        "core.light_curves": pl.DataFrame(points),
        "core.detections": pl.DataFrame({"object_id": [NAME] * n, "is_positive": [k >= n_negative for k in range(n)]}),
    }


def test_an_object_has_a_row_with_every_reason_and_what_was_measured():
    (row,) = vetting(tables({}), Settings()).rows
    assert [row[name] for name in REASONS] == [False] * len(REASONS)
    assert (row["n_epochs"], row["age_days"], row["days_since_peak"], row["negative_fraction"]) == (3, 9.0, 0.0, 0.0)
    assert (row["source_mag"], row["history_days"], row["reasons"]) == (18.0, 9.5, [])


def test_the_newest_packet_says_what_lies_around_and_the_best_one_whether_it_is_real():
    older = {"jd": 2459005.5, "sgscore1": 0.99, "drb": 0.1, "ssdistnr": 3.0}
    (row,) = vetting(tables({"drb": 0.3}, older), Settings()).rows
    assert row["source_star_score"] == 0.02
    assert [name for name in REASONS if row[name]] == ["is_bogus", "is_moving"]
    assert row["reasons"] == ["deep real-bogus score 0.30 at best", "a known solar system object 3.0 arcsec away"]


def test_without_packets_the_light_curve_speaks_alone_and_without_one_nothing_does():
    (row,) = vetting(tables(mjd=(59001.0,), n_negative=1), Settings()).rows
    assert row["reasons"] == ["100 % of its detections are fainter than the reference", "1 detection"]
    assert row["history_days"] is None
    assert vetting(tables(mjd=()), Settings()).rows == []
