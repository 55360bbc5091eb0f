"""Packets as brokers pass them on: everything that is read of them is read, and nothing else matters."""

import shutil

from needle_assets.landing.avro.containers import MAX_FILE_BYTES
from needle_assets_tests.homes import ask, fill
from needle_assets_tests.packets import avro, fits, packet, record

BTS = (
    "ZTFID,IAUID,RA,Dec,peakt,peakfilt,peakmag,peakabs,duration,rise,fade,type,redshift,b,A_V\n"
    "ZTF18abcdefg,SN2018aaa,10:01:00.00,+02:30:00.0,1300.90,r,18.0,-19.10,30,6.01,14.94,SN Ia,0.0571,24.3,0.092\n"
)


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


def test_packets_of_one_object_in_a_file_that_vanishes_all_keep_their_rows(tmp_path):
    landing = tmp_path / "landing"
    (landing / "alerts").mkdir(parents=True)
    (landing / "bts.csv").write_text(BTS)
    (landing / "alerts" / "two.avro").write_bytes(avro([record(candid=k) | {"candid": k} for k in (1, 2)]))
    fill(tmp_path / "home", landing, select=("raw/alerts",))
    (landing / "alerts" / "two.avro").unlink()
    (landing / "alerts" / "3.avro").write_bytes(packet(candid=3))
    fill(tmp_path / "home", select=("raw/alerts",))
    assert ask(tmp_path / "home" / "needle.duckdb", "select candid from raw.alerts order by 1") == [(1,), (2,), (3,)]


def test_a_large_file_of_packets_gives_every_row_and_stamp(tmp_path, rng):
    landing = tmp_path / "landing"
    (landing / "alerts").mkdir(parents=True)
    (landing / "bts.csv").write_text(BTS)
    image = {"fileName": "x", "stampData": fits(rng.normal(0, 1, (63, 63)))}  # float64, not gzipped
    made = [
        record(candid=k) | {"candid": k} | {f"cutout{n}": image for n in ("Science", "Template", "Difference")}
        for k in range(1, 120)
    ]
    (landing / "alerts" / "night.avro").write_bytes(avro(made))
    assert (landing / "alerts" / "night.avro").stat().st_size > MAX_FILE_BYTES
    files = fill(tmp_path / "home", landing, select=("core/stamps",))["files"]
    assert (files["packets"], files["refused"]) == (119, [])
    published = tmp_path / "home" / "needle.duckdb"
    assert ask(published, "select count(*), count(distinct sha256) from raw.alerts") == [(119, 119)]
    assert ask(published, "select count(science), count(reference) from core.stamps") == [(119, 119)]
