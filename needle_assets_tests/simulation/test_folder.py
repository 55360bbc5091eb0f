"""The folder as a whole: same bytes, growth, tables, truth."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.images.cutouts import decode_cutout
from needle_assets.labels import SLSN, SN, TDE
from needle_assets.landing.catalogues import read_catalogue, read_hosts, read_photometry
from needle_assets.landing.folder import scan
from needle_assets.landing.packet import Packet
from needle_assets.simulation import DEFAULT_MIX, DEMO_MIX, SimulationError, simulate
from needle_assets.simulation.objects import SimulatedObject, draw_object, label_of
from needle_assets.simulation.stamps import DAMAGED, TRANSIENT
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets_tests.simulation.conftest import N_OBJECTS, SEED


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def truth(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "truth" / "stamps" / "*.parquet")


def test_two_processes_write_the_same_bytes_as_one(simulated: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", objects=N_OBJECTS, seed=SEED, mix=DEMO_MIX, workers=2)
    assert hashes(tmp_path / "again") == hashes(simulated)


def test_a_folder_that_grew_by_objects_and_nights_is_the_one_made_at_once(simulated: Path, tmp_path: Path) -> None:
    grown = tmp_path / "grown"
    simulate(grown, objects=12, seed=SEED, mix=DEMO_MIX, nights=1500, workers=1)
    early = {name: (grown / name).stat().st_mtime_ns for name in hashes(grown) if name.startswith("alerts")}
    made = simulate(grown, objects=N_OBJECTS, seed=SEED, mix=DEMO_MIX, workers=1)
    assert hashes(grown) == hashes(simulated)
    assert made.new_packets == made.packets - len(early)
    assert all((grown / name).stat().st_mtime_ns == mtime for name, mtime in early.items())


def test_asking_again_writes_no_packet(simulated: Path) -> None:
    before = hashes(simulated)
    assert simulate(simulated, objects=N_OBJECTS, seed=SEED, mix=DEMO_MIX, workers=1).new_packets == 0
    assert hashes(simulated) == before


def test_a_window_of_nights_holds_only_its_packets(tmp_path: Path) -> None:
    made = simulate(tmp_path / "window", objects=20, seed=SEED, nights=(900, 1300), mix=DEMO_MIX, workers=1)
    frame = truth(tmp_path / "window")
    assert len(frame) == made.packets
    assert frame["mjd"].min() >= 58194 + 900
    assert frame["mjd"].max() < 58194 + 1300


@given(st.integers(0, 10_000))
@settings(max_examples=5)
def test_an_object_depends_on_seed_and_index_alone(index: int) -> None:
    a, b = (draw_object(7, index, DEFAULT_MIX) for _ in "ab")
    assert a.object_id == b.object_id
    assert a.transient == b.transient
    np.testing.assert_array_equal(a.photometry.mag, b.photometry.mag)


def test_another_seed_is_another_survey() -> None:
    assert draw_object(1, 0, DEFAULT_MIX).ra_deg != draw_object(2, 0, DEFAULT_MIX).ra_deg


@pytest.mark.parametrize("n", [40, 200])
def test_any_number_of_objects_meets_the_mix(n: int) -> None:
    labels = [label_of(3, index, DEMO_MIX) for index in range(n)]
    for label, share in DEMO_MIX.items():
        assert abs(labels.count(label) - share * n) <= 2.0


def test_a_folder_of_another_survey_is_refused(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="use another folder"):
        simulate(simulated, objects=5, seed=SEED + 1, mix=DEMO_MIX)
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(SimulationError, match="not a simulated survey"):
        simulate(tmp_path, objects=5, seed=1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"objects": 0}, "at least 1"),
        ({"objects": 3, "nights": 0}, "nights 0 to 0"),
        ({"objects": 3, "nights": (5, 9999)}, "nights 5 to 9999"),
        ({"objects": 3, "mix": {"SN": 0.5, "GRB": 0.5}}, "needs shares of SN"),
        ({"objects": 3, "mix": {"SN": 0.0}}, "not all zero"),
    ],
)
def test_requests_without_sense_are_refused(tmp_path: Path, asked: dict, says: str) -> None:
    with pytest.raises(SimulationError, match=says):
        simulate(tmp_path / "none", seed=1, **asked)
    assert not (tmp_path / "none").exists()


def test_the_projects_readers_take_every_row(simulated: Path) -> None:
    rows, rejections = read_catalogue(simulated / "bts.csv")
    assert rows
    assert not rejections
    assert {row["label"] for row in rows} >= {SN, SLSN, TDE}
    for read, name in ((read_photometry, "photometry.parquet"), (read_hosts, "hosts.csv")):
        frame, refused = read(simulated / name)
        assert len(frame)
        assert not refused


def test_nothing_but_packets_and_tables_claims_to_be_landed(simulated: Path) -> None:
    kinds = {file.path: file.kind for file in scan(simulated)}
    assert {kind for path, kind in kinds.items() if path.startswith("truth") or path == "README.txt"} == {"unknown"}
    assert "SIMULATED" in (simulated / "README.txt").read_text()
    assert json.loads((simulated / "truth" / "simulation.json").read_text())["seed"] == SEED


def test_every_packet_has_its_truth(simulated: Path, packets: list[Packet]) -> None:
    frame = truth(simulated)
    assert sorted(frame["candid"].to_list()) == sorted(p.candid for p in packets)
    ids = dict(frame.select("candid", "ztf_id").iter_rows())
    assert all(ids[p.candid] == p.object_id for p in packets)


def test_science_minus_its_clean_image_is_noise(simulated: Path, packets: list[Packet]) -> None:
    rows = {row["candid"]: row for row in truth(simulated).iter_rows(named=True)}
    for packet in packets:
        if packet.science and (science := decode_cutout(packet.science)).shape == (63, 63):
            row = rows[packet.candid]
            mask = np.array(row["science_mask"]).reshape(63, 63)
            sky = mask == 0
            residual = (science - np.array(row["clean_science"]).reshape(63, 63))[sky]
            assert abs(np.median(residual)) < 0.3 * row["sky_sigma_dn"]
            assert np.std(residual) == pytest.approx(row["sky_sigma_dn"], rel=0.15)
            assert np.isfinite(science[mask & DAMAGED == 0]).all()


def test_the_transient_is_where_the_packet_says(simulated: Path, packets: list[Packet]) -> None:
    rows = {row["candid"]: row for row in truth(simulated).iter_rows(named=True)}
    for packet in packets:
        row = rows[packet.candid]
        mask = np.array(row["science_mask"]).reshape(63, 63) & TRANSIENT
        if mask.any() and row["target_mag"] < 19.0:
            y, x = np.argwhere(mask).mean(axis=0)
            assert (x, y) == pytest.approx((row["target_x_px"], row["target_y_px"]), abs=0.6)
            assert row["target_x_px"] - 31.0 == pytest.approx((packet.candidate["xpos"] + 0.5) % 1.0 - 0.5, abs=1e-3)


def test_photometry_scatters_around_the_true_daily_curve(simulated: Path) -> None:
    curves = {row["ztf_id"]: row for row in pl.read_parquet(simulated / "truth" / "light_curves.parquet").iter_rows(named=True)}
    contaminated = set(pl.read_parquet(simulated / "truth" / "objects.parquet").filter("is_in_reference")["ztf_id"])
    frame = pl.read_parquet(simulated / "photometry.parquet").filter(pl.col("band") != "i", ~pl.col("ztf_id").is_in(contaminated))
    pulls = []
    for row in frame.iter_rows(named=True):
        curve = curves[row["ztf_id"]]
        days = curve["first_mjd"] + np.arange(len(curve["mag_g"]))
        true_mag = np.interp(row["mjd"], days, np.array(curve[f"mag_{row['band']}"], dtype=float))
        pulls.append((row["mag"] - true_mag) / row["mag_err"])
    assert abs(np.median(pulls)) < 0.25
    assert np.std(pulls) < 1.3


def test_the_catalogue_knows_the_truth_of_class_redshift_and_place(simulated: Path) -> None:
    known = {row["ztf_id"]: row for row in pl.read_parquet(simulated / "truth" / "objects.parquet").iter_rows(named=True)}
    rows, _ = read_catalogue(simulated / "bts.csv")
    for row in rows:
        real = known[row["object_id"]]
        assert row["type"] == real["type"]
        assert row["redshift"] is None or row["redshift"] == pytest.approx(real["redshift"], abs=1e-4)
        assert row["ra_deg"] == pytest.approx(real["ra_deg"], abs=1e-4)
        assert row["dec_deg"] == pytest.approx(real["dec_deg"], abs=1e-4)


def test_the_catalogued_peak_is_the_brightest_positive_detection(simulated: Path, objects: list[SimulatedObject]) -> None:
    rows = {row["object_id"]: row for row in read_catalogue(simulated / "bts.csv")[0]}
    for one in objects:
        row = rows.get(one.object_id)
        if row is not None and row["peak_mag"] is not None:
            seen = [i for i in one.detections(np.inf) if one.exposures.band[i] != "i"]
            brightest = min(seen, key=lambda i: one.photometry.mag[i])
            assert row["peak_mag"] == pytest.approx(one.photometry.mag[brightest], abs=1e-4)
            assert row["peak_mjd"] == pytest.approx(one.exposures.mjd[brightest], abs=0.006)


def test_an_object_is_catalogued_only_some_days_after_its_peak(tmp_path: Path, objects: list[SimulatedObject]) -> None:
    one = next(o for o in objects if o.is_in_catalogue and len(o.packets))
    nights = int(one.peak_mjd - 58194) + 1
    simulate(tmp_path / "early", objects=one.index + 1, seed=SEED, nights=nights, mix=DEMO_MIX, workers=1)
    assert one.object_id not in (tmp_path / "early" / "bts.csv").read_text()
    frame = pl.read_parquet(tmp_path / "early" / "photometry.parquet")
    assert (frame["mjd"] < 58194 + nights).all()


def test_alert_times_are_julian_dates_of_the_exposures(simulated: Path, packets: list[Packet]) -> None:
    times = dict(truth(simulated).select("candid", "mjd").iter_rows())
    assert all(p.candidate["jd"] - MJD_OFFSET == pytest.approx(times[p.candid], abs=1e-6) for p in packets)
