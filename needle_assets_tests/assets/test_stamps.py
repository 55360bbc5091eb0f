"""Stamps of packets that are there, kept where their file has gone, refused where nothing can be placed."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from needle_assets.alerts import alert_row, read_packet
from needle_assets.assets.stamps import stamps
from needle_assets.settings import Settings
from needle_assets_tests import packets
from needle_assets_tests.packets import ZTF_ID, cutout

HOSTS = {"ztf_id": pl.String, "host_ra_deg": pl.Float64, "host_dec_deg": pl.Float64}
BEFORE = {"ztf_id": pl.String, "candid": pl.Int64}


def image(value: float) -> dict[str, Any]:
    return {"fileName": "x.fits.gz", "stampData": cutout(np.full((63, 63), value, dtype=np.float32))}


def packet(candid: int, **cutouts: Any) -> bytes:
    return packets.avro(packets.record(candid=candid) | {"candid": candid} | cutouts)


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, pl.DataFrame]:
    """Two packets of one object in a landing folder: 1 with both images, 2 with a science image only."""
    alerts, landed = [], []
    for candid, given in ((1, {"cutoutScience": image(7.0), "cutoutTemplate": image(3.0)}), (2, {"cutoutScience": image(9.0)})):
        missing = {"cutoutTemplate": None} if candid == 2 else {}
        content = packet(candid, **given, **missing)
        (tmp_path / f"{candid}.avro").write_bytes(content)
        place = {"path": f"{candid}.avro", "member": None, "sha256": hashlib.sha256(content).hexdigest()}
        alerts.append({**alert_row(read_packet(content)), **place})
        folders = {"landing": str(tmp_path), "unpacked": str(tmp_path / "unpacked")}
        landed.append({"ztf_id": ZTF_ID, "candid": candid, **place, "member": "", **folders})
    return {
        "raw.alerts": pl.DataFrame(alerts, infer_schema_length=None),
        "landing.packets": pl.DataFrame(landed),
        "core.hosts": pl.DataFrame(schema=HOSTS),
        "core.stamps": pl.DataFrame(schema=BEFORE),
    }


def test_science_stays_science_and_reference_reference_each_with_its_packet(tables):
    product = stamps(tables, Settings())
    assert [row["candid"] for row in product.rows] == [1, 2]
    assert [np.nanmedian(row["science"]) for row in product.rows] == [7.0, 9.0]
    assert np.nanmedian(product.rows[0]["reference"]) == 3.0
    assert product.rows[1]["reference"] is None
    assert product.rejections == []


def test_the_host_lies_north_of_a_target_that_is_south_of_it(tables):
    alert = tables["raw.alerts"].row(0, named=True)
    place = {"ztf_id": ZTF_ID, "host_ra_deg": alert["ra"], "host_dec_deg": alert["dec"] + 2.02 / 3600}
    row = stamps({**tables, "core.hosts": pl.DataFrame([place], schema=HOSTS)}, Settings()).rows[0]
    assert row["host_x_px"] == pytest.approx(row["target_x_px"], abs=1e-3)
    assert row["host_y_px"] == pytest.approx(row["target_y_px"] - 2.0, abs=1e-2)


@pytest.mark.parametrize("unknown", ["host_ra_deg", "host_dec_deg"])
def test_half_a_place_of_a_host_is_none(unknown, tables):
    place = {"ztf_id": ZTF_ID, "host_ra_deg": 10.0, "host_dec_deg": 10.0, unknown: None}
    row = stamps({**tables, "core.hosts": pl.DataFrame([place], schema=HOSTS)}, Settings()).rows[0]
    assert (row["host_x_px"], row["host_y_px"]) == (None, None)


def test_a_packet_whose_file_is_gone_keeps_its_stamp_and_one_that_is_no_alert_any_more_loses_it(tables):
    before = pl.DataFrame({"ztf_id": [ZTF_ID] * 2, "candid": [1, 77]})
    gone = {**tables, "landing.packets": tables["landing.packets"].filter(pl.col("candid") == 2), "core.stamps": before}
    assert sorted(row["candid"] for row in stamps(gone, Settings()).rows) == [1, 2]


def test_a_copy_that_the_alerts_left_out_makes_no_stamp(tables):
    elsewhere = tables["raw.alerts"].with_columns(path=pl.lit("another.avro"))
    assert stamps({**tables, "raw.alerts": elsewhere}, Settings()).rows == []


def test_a_packet_without_images_is_told_and_one_bad_image_does_not_take_the_other(tables, tmp_path):
    rewrite(tables, tmp_path, 1, cutoutScience=None, cutoutTemplate=None)
    rewrite(tables, tmp_path, 2, cutoutScience={"fileName": "x", "stampData": b"no image"}, cutoutTemplate=image(4.0))
    product = stamps(tables, Settings())
    assert [(why.candid, why.reason.split(":")[0][:40]) for why in product.rejections] == [
        (1, "the packet carries neither a science nor"),
        (2, "the science cutout cannot be used"),
    ]
    assert [(row["candid"], row["science"], np.nanmedian(row["reference"])) for row in product.rows] == [(2, None, 4.0)]


def rewrite(tables, folder: Path, candid: int, **changes: Any) -> None:
    """The same packet with other images; nobody looks at its hash again."""
    (folder / f"{candid}.avro").write_bytes(packet(candid, **changes))
