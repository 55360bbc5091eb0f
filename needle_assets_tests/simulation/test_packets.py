"""Packets under ZTF's schema, as bytes and as the project reads them."""

import io
import re
from pathlib import Path

import fastavro
import numpy as np
import pytest

from needle_assets.images.cutouts import decode_cutout
from needle_assets.landing.packet import Packet
from needle_assets.simulation.objects import SimulatedObject, simulated_ztf_id
from needle_assets.simulation.packets import (
    HISTORY_DAYS,
    PUBLISHER,
    Style,
    draw_style,
    fits_bytes,
    packet_bytes,
)
from needle_assets.simulation.stamps import Stamp
from needle_assets.surveys.ztf_alert_schema import (
    CANDIDATE_FIELDS,
    FP_HIST_FIELDS,
    PRV_CANDIDATE_FIELDS,
    field_names,
    packet_schema,
)
from needle_assets_tests.simulation.conftest import N_OBJECTS
from needle_assets_tests.ztf import place_cutout


def stamp() -> Stamp:
    image = np.arange(63 * 63, dtype=np.float32).reshape(63, 63)
    return Stamp(image, image + 1, image + 2, image, image, image.astype(np.uint8), image.astype(np.uint8))


@pytest.mark.parametrize("version", ["4.02", "3.3"])
def test_a_packet_validates_against_its_schema(objects: list[SimulatedObject], version: str) -> None:
    one = next(o for o in objects if len(o.packets))
    style = Style(version, ("f", "t"), ("cutoutScience", "cutoutTemplate", "cutoutDifference"))
    data = packet_bytes(one, int(one.packets[-1]), stamp(), style, np.random.default_rng(1))
    reader = fastavro.reader(io.BytesIO(data))
    (record,) = list(reader)
    schema = fastavro.parse_schema(packet_schema(version))
    assert fastavro.validate(record, schema)
    assert record["schemavsn"] == version
    assert tuple(record["candidate"]) == field_names(CANDIDATE_FIELDS)
    assert ("fp_hists" in {f["name"] for f in reader.writer_schema["fields"]}) == (version == "4.02")


def test_the_schema_is_that_of_real_packets(survey: Path) -> None:
    path = sorted((survey / "alerts").glob("*.avro"))[-1]
    with path.open("rb") as opened:
        real = {field["name"]: field["type"] for field in fastavro.reader(opened).writer_schema["fields"]}
    parts = {"candidate": (real["candidate"], CANDIDATE_FIELDS)}
    parts |= {"prv_candidates": (real["prv_candidates"][1]["items"], PRV_CANDIDATE_FIELDS)}
    parts |= {"fp_hists": (real["fp_hists"][1]["items"], FP_HIST_FIELDS)}
    ours = {field["name"]: field["type"] for field in packet_schema("4.02")["fields"]}
    assert list(ours) == list(real)
    for name, (record, fields) in parts.items():
        mine = ours[name] if name == "candidate" else ours[name][1]["items"]
        assert [(f["name"], f["type"]) for f in mine["fields"]] == [(f["name"], f["type"]) for f in record["fields"]], name
        assert tuple(f["name"] for f in record["fields"]) == field_names(fields)


def test_the_same_packet_has_the_same_bytes(objects: list[SimulatedObject]) -> None:
    one = next(o for o in objects if len(o.packets))
    made = [
        packet_bytes(one, int(one.packets[0]), stamp(), draw_style(np.random.default_rng(2)), np.random.default_rng(2))
        for _ in "ab"
    ]
    assert made[0] == made[1]


def test_pixels_survive_fits_and_gzip(packets: list[Packet]) -> None:
    import gzip

    image = np.random.default_rng(0).normal(size=(63, 42)).astype(np.float32)
    np.testing.assert_array_equal(decode_cutout(gzip.compress(fits_bytes(image))), image)
    assert all(decode_cutout(p.science).shape == decode_cutout(p.reference).shape for p in packets if p.science and p.reference)


def test_packets_say_that_they_are_simulated(packets: list[Packet]) -> None:
    assert {p.publisher for p in packets} == {PUBLISHER}
    assert all(re.fullmatch(r"ZTF\d{2}zz[a-z]{5}", p.object_id) for p in packets)


def test_candids_are_unique_and_in_their_own_block(packets: list[Packet]) -> None:
    candids = [p.candid for p in packets]
    assert len(set(candids)) == len(candids)
    assert all(0 < c < 2**63 and (c // 1_000_000) % 1000 == 999 for c in candids)
    assert len({c % 1_000_000 for c in candids}) <= N_OBJECTS


def test_names_look_like_ztfs_and_differ(objects: list[SimulatedObject]) -> None:
    assert simulated_ztf_id(27, 59_000.0) == "ZTF20zzaaabb"
    assert len({o.object_id for o in objects}) == len(objects)


def test_histories_are_older_than_the_alert_and_at_most_30_days(packets: list[Packet]) -> None:
    assert any(p.previous for p in packets)
    for packet in packets:
        ages = [packet.candidate["jd"] - entry["jd"] for entry in packet.previous]
        assert all(0.0 < age <= HISTORY_DAYS for age in ages)
        assert ages == sorted(ages, reverse=True)
        assert not packet.refused


def test_a_limit_has_no_magnitude_and_a_detection_has_one(packets: list[Packet]) -> None:
    entries = [entry for packet in packets for entry in packet.previous]
    assert {entry["candid"] is None for entry in entries} == {True, False}
    for entry in entries:
        assert (entry["candid"] is None) == (entry["magpsf"] is None)
        assert entry["diffmaglim"] > 15.0
        assert entry["magpsf"] is None or entry["magpsf"] < entry["diffmaglim"] + 0.01


def test_every_cutout_can_be_placed(packets: list[Packet]) -> None:
    placed = [
        place_cutout(decode_cutout(p.science), xpos=p.candidate["xpos"], ypos=p.candidate["ypos"]) for p in packets if p.science
    ]
    assert all(abs(p.target_x_px - 30.0) <= 0.5 and abs(p.target_y_px - 30.0) <= 0.5 for p in placed)


def test_styles_come_at_their_stated_rates() -> None:
    rng = np.random.default_rng(0)
    styles = [draw_style(rng) for _ in range(3000)]
    assert np.mean([s.version == "3.3" for s in styles]) == pytest.approx(0.15, abs=0.02)
    assert np.mean([s.signs == ("0", "1") for s in styles]) == pytest.approx(0.2, abs=0.03)
    assert {len(s.cutouts) for s in styles} == {0, 2, 3}
