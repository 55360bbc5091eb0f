"""Turned stamps from landed packets: of Rubin alone, kept when a file vanishes."""

import hashlib
from pathlib import Path

import polars as pl
import pytest

from needle_assets.assets.objects import OBJECTS
from needle_assets.assets.turned_stamps import turned_stamps
from needle_assets.randomness import rng_for
from needle_assets.settings import Settings
from needle_assets.simulation.rubin.objects import RubinObject, draw_rubin_object
from needle_assets.simulation.rubin.packets import packet_bytes
from needle_assets_tests.lsst import container, record
from needle_assets_tests.packets import CANDID, ZTF_ID, packet

NO_REJECTIONS = pl.DataFrame(
    schema={"stage": pl.String, "object_id": pl.String, "candid": pl.Int64, "reason": pl.String, "measured": pl.String}
)


@pytest.fixture(scope="module")
def rubin_object() -> RubinObject:
    return next(found for found in (draw_rubin_object(4, k, {"SN": 1.0}, is_twin=False) for k in range(9)) if found)


def landed(folder: Path, packets: dict[tuple[str, int], bytes]) -> dict[str, pl.DataFrame]:
    rows = []
    for number, ((object_id, candid), data) in enumerate(packets.items()):
        (folder / f"{number}.avro").write_bytes(data)
        told = {"object_id": object_id, "path": f"{number}.avro", "member": "", "candid": candid}
        rows.append(told | {"sha256": hashlib.sha256(data).hexdigest(), "landing": str(folder), "unpacked": str(folder)})
    ids = sorted({object_id for object_id, _ in packets})
    surveys = ["ztf" if name == ZTF_ID else "lsst" for name in ids]
    return {
        OBJECTS: pl.DataFrame({"object_id": ids, "survey": surveys}),
        "landing.packets": pl.DataFrame(rows),
        "core.turned_stamps": pl.DataFrame(schema={"object_id": pl.String, "candid": pl.Int64}),
        "core.rejections": NO_REJECTIONS,
    }


def test_rubins_packets_have_turned_stamps_and_ztfs_have_none(tmp_path, rubin_object):
    exposure = int(rubin_object.packets[0])
    key = (rubin_object.object_id, rubin_object.source_id(exposure))
    given = {key: packet_bytes(rubin_object, exposure, rng_for(1, "t")), (ZTF_ID, CANDID): packet()}
    (row,) = turned_stamps(landed(tmp_path, given), Settings()).rows
    assert (row["object_id"], row["candid"], row["n_px"], row["is_good"]) == (*key, 45, True)
    assert row["band"] == rubin_object.band[exposure]
    assert len(row["difference"]) == len(row["science_variance"]) == 45**2


def test_a_cutout_that_does_not_say_how_it_lay_is_refused_and_one_that_is_missing_too(tmp_path):
    made = record()
    bare = record(cutoutScience=None, cutoutTemplate=None, cutoutDifference=None)
    key = (str(made["diaObject"]["diaObjectId"]), made["diaSourceId"])
    (tmp_path / "a").mkdir()
    product = turned_stamps(landed(tmp_path / "a", {key: container(made)}), Settings())
    assert (product.rows, len(product.rejections)) == ([], 3)
    assert all("no usable WCS" in why.reason for why in product.rejections)
    (why,) = turned_stamps(landed(tmp_path, {key: container(bare)}), Settings()).rejections
    assert "carries no cutout" in why.reason


def test_a_stamp_stays_when_its_file_vanishes_and_a_packet_without_one_fails(tmp_path, rubin_object):
    exposure = int(rubin_object.packets[0])
    key = (rubin_object.object_id, rubin_object.source_id(exposure))
    frames = landed(tmp_path, {key: packet_bytes(rubin_object, exposure, rng_for(1, "t"))})
    before = pl.DataFrame(turned_stamps(frames, Settings()).rows)
    (tmp_path / "0.avro").unlink()
    again = turned_stamps({**frames, "core.turned_stamps": before}, Settings()).rows
    assert pl.DataFrame(again).equals(before)
    with pytest.raises(FileNotFoundError, match="put it back"):
        turned_stamps(frames, Settings())
