"""Stamps of packets that are there, kept where their file has gone, refused where nothing can be placed."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from needle_assets.landing.packets import alert_row, read_packet
from needle_assets.settings import Settings
from needle_assets_tests import packets
from needle_assets_tests.packets import ZTF_ID, cutout
from needle_assets_tests.ztf import stamps

HOSTS = {"object_id": pl.String, "host_ra_deg": pl.Float64, "host_dec_deg": pl.Float64}
BEFORE = {"object_id": pl.String, "candid": pl.Int64, "target_x_px": pl.Float64, "target_y_px": pl.Float64}
REFUSED = {"stage": pl.String, "object_id": pl.String, "candid": pl.Int64, "reason": pl.String, "measured": pl.String}


def image(value: float) -> dict[str, Any]:
    return {"fileName": "x.fits.gz", "stampData": cutout(np.full((63, 63), value, dtype=np.float32))}


def packet(candid: int, **cutouts: Any) -> bytes:
    return packets.avro(packets.record(candid=candid) | {"candid": candid} | cutouts)


@pytest.fixture
def frames(tmp_path: Path) -> dict[str, pl.DataFrame]:
    """Two packets of one object in a landing folder: 1 with both images, 2 with a science image only."""
    alerts, landed = [], []
    for candid, given in ((1, {"cutoutScience": image(7.0), "cutoutTemplate": image(3.0)}), (2, {"cutoutScience": image(9.0)})):
        missing = {"cutoutTemplate": None} if candid == 2 else {}
        content = packet(candid, **given, **missing)
        (tmp_path / f"{candid}.avro").write_bytes(content)
        place = {"path": f"{candid}.avro", "member": None, "sha256": hashlib.sha256(content).hexdigest()}
        alerts.append({**alert_row(read_packet(content)), **place})
        folders = {"landing": str(tmp_path), "unpacked": str(tmp_path / "unpacked")}
        landed.append({"object_id": ZTF_ID, "candid": candid, **place, "member": "", **folders})
    return {
        "raw.alerts": pl.DataFrame(alerts, infer_schema_length=None),
        "landing.packets": pl.DataFrame(landed),
        "core.hosts": pl.DataFrame(schema=HOSTS),
        "core.stamps": pl.DataFrame(schema=BEFORE),
        "core.rejections": pl.DataFrame(schema=REFUSED),
    }


def test_science_stays_science_and_reference_reference_each_with_its_packet(frames):
    product = stamps(frames, Settings())
    assert [row["candid"] for row in product.rows] == [1, 2]
    assert [np.nanmedian(row["science"]) for row in product.rows] == [7.0, 9.0]
    assert np.nanmedian(product.rows[0]["reference"]) == 3.0
    assert product.rows[1]["reference"] is None
    assert product.rejections == []


def test_the_host_lies_north_of_a_target_that_is_south_of_it(frames):
    alert = frames["raw.alerts"].row(0, named=True)
    place = {"object_id": ZTF_ID, "host_ra_deg": alert["ra"], "host_dec_deg": alert["dec"] + 2.02 / 3600}
    row = stamps({**frames, "core.hosts": pl.DataFrame([place], schema=HOSTS)}, Settings()).rows[0]
    assert row["host_x_px"] == pytest.approx(row["target_x_px"], abs=1e-3)
    assert row["host_y_px"] == pytest.approx(row["target_y_px"] - 2.0, abs=1e-2)


@pytest.mark.parametrize("unknown", ["host_ra_deg", "host_dec_deg"])
def test_half_a_place_of_a_host_is_none(unknown, frames):
    place = {"object_id": ZTF_ID, "host_ra_deg": 10.0, "host_dec_deg": 10.0, unknown: None}
    row = stamps({**frames, "core.hosts": pl.DataFrame([place], schema=HOSTS)}, Settings()).rows[0]
    assert (row["host_x_px"], row["host_y_px"]) == (None, None)


def test_a_packet_whose_file_is_gone_keeps_its_stamp_and_one_that_is_no_alert_any_more_loses_it(frames):
    before = stamped(1, 77)
    gone = {**frames, "landing.packets": frames["landing.packets"].filter(pl.col("candid") == 2), "core.stamps": before}
    assert sorted(row["candid"] for row in stamps(gone, Settings()).rows) == [1, 2]


def test_a_copy_that_the_alerts_left_out_makes_no_stamp(frames):
    elsewhere = frames["raw.alerts"].with_columns(path=pl.lit("another.avro"))
    kept = stamps({**frames, "raw.alerts": elsewhere, "core.stamps": stamped(1, 2)}, Settings()).rows
    assert [(row["candid"], row.get("science")) for row in kept] == [(1, None), (2, None)]


def test_a_packet_without_images_is_told_and_one_bad_image_does_not_take_the_other(frames, tmp_path):
    rewrite(frames, tmp_path, 1, cutoutScience=None, cutoutTemplate=None)
    rewrite(frames, tmp_path, 2, cutoutScience={"fileName": "x", "stampData": b"no image"}, cutoutTemplate=image(4.0))
    product = stamps(frames, Settings())
    assert [(why.candid, why.reason.split(":")[0][:40]) for why in product.rejections] == [
        (1, "the packet carries neither a science nor"),
        (2, "the science cutout cannot be used"),
    ]
    assert [(row["candid"], row["science"], np.nanmedian(row["reference"])) for row in product.rows] == [(2, None, 4.0)]


@pytest.mark.parametrize("other", [None, packet(1, cutoutScience=image(8.0))], ids=["vanished", "other content"])
def test_a_file_that_is_not_what_was_scanned_fails_unless_its_stamp_or_refusal_is_known(other, frames, tmp_path):
    (tmp_path / "1.avro").unlink() if other is None else (tmp_path / "1.avro").write_bytes(other)
    with pytest.raises(FileNotFoundError, match=r"1\.avro vanished or changed before the stamp of its packet 1 .* put it back"):
        stamps(frames, Settings())
    assert stamps({**frames, "core.stamps": stamped(1)}, Settings()).rows[-1]["candid"] == 1
    refused = pl.DataFrame([("core.stamps", ZTF_ID, 1, "no image", '{"n": 2}')], schema=REFUSED, orient="row")
    product = stamps({**frames, "core.rejections": refused}, Settings())
    assert [(why.candid, why.reason, why.measured["n"]) for why in product.rejections] == [(1, "no image", 2)]


def test_a_kept_stamp_has_the_host_where_it_is_now(frames, tmp_path):
    (tmp_path / "1.avro").unlink()
    alert = frames["raw.alerts"].row(0, named=True)
    host = pl.DataFrame([{"object_id": ZTF_ID, "host_ra_deg": alert["ra"], "host_dec_deg": alert["dec"]}], schema=HOSTS)
    row = stamps({**frames, "core.hosts": host, "core.stamps": stamped(1)}, Settings()).rows[-1]
    assert (row["host_x_px"], row["host_y_px"]) == pytest.approx((29.0, 30.0), abs=1e-3)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_is_there_and_cannot_be_read_fails_though_a_stamp_is_known(error, frames, monkeypatch):
    monkeypatch.setattr("needle_assets.landing.folder.os.open", lambda *_a, **_k: (_ for _ in ()).throw(error))
    with pytest.raises(OSError, match=error.strerror):
        stamps({**frames, "core.stamps": stamped(1, 2)}, Settings())


def test_a_landing_folder_that_is_gone_fails_though_every_stamp_is_known(frames, tmp_path):
    tmp_path.rename(tmp_path.with_name("moved"))
    with pytest.raises(FileNotFoundError, match=r"the landing folder .* is not there"):
        stamps({**frames, "core.stamps": stamped(1, 2)}, Settings())
    tmp_path.with_name("moved").rename(tmp_path)


def stamped(*candids: int) -> pl.DataFrame:
    """What core.stamps holds of these packets already."""
    n = len(candids)
    places = {"target_x_px": [29.0] * n, "target_y_px": [30.0] * n}
    return pl.DataFrame({"object_id": [ZTF_ID] * n, "candid": list(candids), **places}, schema=BEFORE)


def rewrite(frames, folder: Path, candid: int, **changes: Any) -> None:
    """The same packet with other images, scanned anew."""
    content = packet(candid, **changes)
    (folder / f"{candid}.avro").write_bytes(content)
    anew = pl.when(pl.col("candid") == candid).then(pl.lit(hashlib.sha256(content).hexdigest())).otherwise("sha256")
    frames["landing.packets"] = frames["landing.packets"].with_columns(sha256=anew)
