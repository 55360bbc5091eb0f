"""Packets as brokers pass them on: everything that is read of them is read, and nothing else matters."""

import shutil

from needle_assets_tests.homes import ask, fill


def test_packets_with_maps_of_a_broker_are_read(cases, tmp_path):
    landing = shutil.copytree(cases / "fink-map" / "landing", tmp_path / "landing")
    fill(tmp_path / "home", landing, select=("core/stamps", "core/detections"))
    published = tmp_path / "home" / "needle.duckdb"
    assert ask(published, "select n_packets, n_refused from lineage.landing_files where kind = 'packet'") == [(6, 0)]
    assert ask(published, "select count(*) from raw.alerts where has_science_cutout") == [(6,)]
    assert ask(published, "select count(*), count(science) from core.stamps") == [(6, 6)]


def test_forced_photometry_in_packets_is_kept(cases, tmp_path):
    landing = shutil.copytree(cases / "fp-hists" / "landing", tmp_path / "landing")
    fill(tmp_path / "home", landing, select=("core/upper_limits",))
    points = "select unnest(fp_hists, recursive := true) from raw.alerts"
    kept = f"select count(*), count(forcediffimflux), count(distinct jd) from ({points})"
    assert ask(tmp_path / "home" / "needle.duckdb", kept) == [(12, 12, 12)]
