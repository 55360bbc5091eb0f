"""Rubin's part of the simulated sky: cadence, depth, packets in schema 10, and the same transients as ZTF's."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

from needle_assets.errors import Rejection
from needle_assets.images.turned import decode_sky_cutout, noise_ratio, turned
from needle_assets.labels import SLSN
from needle_assets.landing.packets import read_packet, read_packets
from needle_assets.randomness import rng_for
from needle_assets.simulation import SimulationError, simulate
from needle_assets.simulation.objects import DEMO_MIX, draw_object
from needle_assets.simulation.rubin.objects import DEPTH_MAG, RubinObject, draw_rubin_object, true_mag
from needle_assets.simulation.rubin.packets import packet_bytes
from needle_assets.surveys.lsst import LSST, ZEROPOINT_MAG_NJY

SEED = 4


@pytest.fixture(scope="module")
def sky() -> list[RubinObject]:
    drawn = (draw_rubin_object(SEED, index, {SLSN: 1.0}, is_twin=False) for index in range(12))
    return [found for found in drawn if found is not None]


def test_slsne_of_rubin_are_at_its_redshifts(sky):
    assert np.median([found.transient.redshift for found in sky]) > 0.6
    assert all(LSST.has_simulated_id(found.object_id) for found in sky)


def test_fluxes_scatter_about_the_truth_by_their_depth(sky):
    pulls = []
    for found in sky:
        for band in LSST.bands:
            at = (found.band == band) & ~found.is_detected
            true = 10 ** (-0.4 * (true_mag(found.transient, found.peak_mjd, found.mjd[at], band) - ZEROPOINT_MAG_NJY))
            pulls.append((found.flux_njy[at] - true) / found.flux_err_njy[at])
    assert np.std(np.concatenate(pulls)) == pytest.approx(1.0, abs=0.08)


def test_bands_come_in_their_numbers_and_depths(sky):
    counted = {band: sum(int((found.band == band).sum()) for found in sky) for band in LSST.bands}
    assert counted["u"] < counted["g"] < counted["r"] + counted["i"]
    depth = {band: np.median(np.concatenate([found.depth_mag[found.band == band] for found in sky])) for band in LSST.bands}
    assert depth == pytest.approx(dict(DEPTH_MAG), abs=0.15)


def test_a_packet_reads_back_as_what_was_seen(sky):
    found = sky[0]
    exposure = int(found.packets[-1])
    packet = read_packet(packet_bytes(found, exposure, rng_for(SEED, "test")))
    assert (packet.object_id, packet.candid, packet.schema_version) == (found.object_id, found.source_id(exposure), "10.0")
    assert packet.candidate["jd"] - 2400000.5 == pytest.approx(found.mjd[exposure], abs=1e-8)
    assert packet.candidate["magpsf"] == pytest.approx(31.4 - 2.5 * np.log10(found.flux_njy[exposure]), abs=1e-6)
    assert len(packet.previous) == found.is_detected[(found.mjd < found.mjd[exposure])].sum()
    assert len(packet.forced_photometry) > len(packet.previous) - 5


def test_cutouts_have_their_noise_and_lie_any_way(sky):
    angles = []
    for found in sky[:6]:
        packet = read_packet(packet_bytes(found, int(found.packets[0]), rng_for(SEED, "test", found.index)))
        difference = decode_sky_cutout(packet.difference)
        assert difference.image.shape == (30, 30)
        assert noise_ratio(*turned(difference)) == pytest.approx(1.15, abs=0.35)
        angles.append(difference.rotation_deg)
    assert np.ptp(angles) > 30.0


def test_a_twin_is_the_transient_that_ztf_sees():
    found = next(f for f in (draw_rubin_object(SEED, k, DEMO_MIX, is_twin=True) for k in range(9)) if f is not None)
    ztf = draw_object(SEED, found.index, DEMO_MIX)
    assert (found.transient, found.peak_mjd, found.ra_deg) == (ztf.transient, ztf.peak_mjd, ztf.ra_deg)


def test_a_folder_of_both_holds_packets_of_both_and_grows_by_nothing(tmp_path):
    first = simulate(tmp_path / "sky", objects=3, seed=SEED, mix=DEMO_MIX, survey="both", workers=1)
    again = simulate(tmp_path / "sky", objects=3, seed=SEED, mix=DEMO_MIX, survey="both", workers=1)
    assert (first.new_packets, again.new_packets) == (first.packets, 0)
    read = [found for path in (tmp_path / "sky" / "alerts").iterdir() for found in read_packets(path.read_bytes())]
    assert not any(isinstance(found, Rejection) for found in read)
    assert {found.survey for found in read} == {"ztf", "lsst"}
    truth = pq.read_table(tmp_path / "sky" / "truth" / "rubin.parquet").to_pylist()
    assert all(row["ztf_id"].startswith("ZTF") and len(row["mag_y"]) == 211 for row in truth)


def test_a_sky_of_rubins_alone_has_a_catalogue_of_its_objects(tmp_path):
    made = simulate(tmp_path / "sky", objects=3, seed=SEED, mix=DEMO_MIX, survey="lsst", workers=1)
    with (tmp_path / "sky" / "bts.csv").open(encoding="utf-8") as file:
        ids = [row["ZTFID"] for row in csv.DictReader(file)]
    assert len(ids) == made.objects == sum(made.labels.values())
    assert all(LSST.has_simulated_id(object_id) for object_id in ids)


@pytest.mark.parametrize("wrong", [{"survey": "des"}, {"survey": "lsst", "nights": 5}])
def test_what_cannot_be_simulated_is_refused(tmp_path, wrong):
    with pytest.raises(SimulationError, match=r"choose among ztf, lsst, both|for ZTF's survey alone"):
        simulate(tmp_path / "sky", objects=1, seed=1, **wrong)
