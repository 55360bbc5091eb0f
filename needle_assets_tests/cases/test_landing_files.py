"""What of a landing folder is not read, or refused, is told: by refresh, by status and in Dagster, with its reason in full."""

import json
import shutil

import dagster as dg
import pytest

from needle_assets.cli import command as cli
from needle_assets.cli.verbs import read_status
from needle_assets.home import Home
from needle_assets.orchestration.records.landing_files import CHECK
from needle_assets_tests.homes import ask, fill, instance_of
from needle_assets_tests.packets import CANDID, ZTF_ID, packet


@pytest.fixture
def landing(tmp_path):
    """A landing folder with a sound packet, a refused one whose object is known, one that is cut off, and near misses."""
    folder = tmp_path / "landing"
    (folder / "alerts").mkdir(parents=True)
    columns = "ZTFID,IAUID,RA,Dec,peakt,peakfilt,peakmag,peakabs,duration,rise,fade,type,redshift,b,A_V"
    row = "ZTF18abcdefg,SN2018aaa,10:01:00.00,+02:30:00.0,1300.90,r,18.0,-19.10,30,6.01,14.94,SN Ia,0.0571,24.3,0.092"
    (folder / "bts.csv").write_text(f"{columns}\n{row}\n")
    (folder / "alerts" / "1.avro").write_bytes(packet(candid=1))
    (folder / "alerts" / "bad.avro").write_bytes(packet(isdiffpos="perhaps"))
    (folder / "alerts" / "cut.avro").write_bytes(packet(candid=3)[:-3000])
    (folder / "alerts" / "4.json").write_text("{}")
    return folder


def test_a_refresh_tells_every_file_that_is_refused_or_not_read(landing, tmp_path):
    files = fill(tmp_path / "home", landing, select=("raw/alerts",))["files"]
    assert (files["read"], files["packets"]) == (4, 1)
    refused = {one["path"]: one for one in files["refused"]}
    assert refused.keys() == {"alerts/bad.avro", "alerts/cut.avro"}
    assert (refused["alerts/bad.avro"]["object_id"], refused["alerts/bad.avro"]["candid"]) == (ZTF_ID, CANDID)
    assert (refused["alerts/cut.avro"]["object_id"], refused["alerts/cut.avro"]["candid"]) == (ZTF_ID, 3)
    (unread,) = files["unread"]
    assert (unread["path"], "Avro" in unread["reason"]) == ("alerts/4.json", True)
    published = tmp_path / "home" / "needle.duckdb"
    assert ask(published, "select object_id, candid from core.rejections where stage = 'landing' order by candid") == [
        (ZTF_ID, 3), (ZTF_ID, CANDID),
    ]  # fmt: skip


def test_status_tells_what_stands_until_it_is_mended(landing, tmp_path):
    fill(tmp_path / "home", landing, select=("raw/alerts",))
    again = fill(tmp_path / "home", select=("raw/alerts",))["files"]
    assert (again["refused"], again["refused_in_all"], again["unread_in_all"]) == ([], 2, 1)
    (landing / "alerts" / "cut.avro").write_bytes(packet(candid=3))
    (landing / "alerts" / "bad.avro").unlink()
    (landing / "alerts" / "4.json").unlink()
    assert len(read_status(Home(tmp_path / "home"))["files"]["refused"]) == 2
    fill(tmp_path / "home", select=("raw/alerts",))
    told = read_status(Home(tmp_path / "home"))["files"]
    assert (told["packets"], told["refused"], told["unread"]) == (2, [], [])


def test_the_text_of_refresh_and_status_cuts_no_reason(landing, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / "home"))
    cli.main(["refresh", "--landing", str(landing), "--select", "raw/alerts", "--workers", "1"])
    refreshed = capsys.readouterr().out
    cli.main(["status"])
    stands = capsys.readouterr().out
    cli.main(["status", "--json"])
    for one in json.loads(capsys.readouterr().out)["files"]["refused"]:
        assert one["path"] in refreshed
        assert one["reason"] in refreshed
        assert one["reason"] in stands
    assert "alerts/4.json" in refreshed


def test_dagster_shows_what_is_refused_as_metadata_and_a_check_that_warns(landing, tmp_path):
    fill(tmp_path / "home", landing, select=("raw/alerts",))
    key = dg.AssetKey(["landing", "packets"])
    with instance_of(tmp_path / "home") as instance:
        (observed,) = instance.fetch_observations(key, limit=5).records
        check = instance.event_log_storage.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(key, CHECK)])
        told = check[dg.AssetCheckKey(key, CHECK)].event.dagster_event.event_specific_data
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert observed.asset_observation.metadata["refused"].value == told.metadata["refused"].value == 2
    shown = {record.data["path"]: record.data for record in told.metadata["refusals"].records}
    assert shown["alerts/bad.avro"]["object_id"] == ZTF_ID
    assert shown["alerts/bad.avro"]["reason"].endswith(".")


def test_a_packet_replaced_by_a_damaged_one_keeps_its_row(landing, tmp_path):
    fill(tmp_path / "home", landing, select=("raw/alerts",))
    (landing / "alerts" / "1.avro").write_bytes(b"<html>busy</html>")
    files = fill(tmp_path / "home", select=("raw/alerts",))["files"]
    assert [one["path"] for one in files["refused"]] == ["alerts/1.avro"]
    assert ask(tmp_path / "home" / "needle.duckdb", "select candid from raw.alerts") == [(1,)]


def test_a_moved_landing_folder_is_remembered_though_nothing_changed(landing, tmp_path):
    fill(tmp_path / "home", landing, select=("raw/alerts",))
    moved = shutil.move(landing, tmp_path / "moved")
    fill(tmp_path / "home", moved, select=("raw/alerts",))
    assert Home(tmp_path / "home").landing() == tmp_path / "moved"
    assert fill(tmp_path / "home", select=("raw/alerts",))["objects"] == 1


def test_near_misses_of_names_are_read_or_told(cases, tmp_path):
    folder = shutil.copytree(cases / "alerts-names" / "landing", tmp_path / "landing")
    files = fill(tmp_path / "home", folder, select=("raw/alerts",))["files"]
    read = ask(tmp_path / "home" / "needle.duckdb", "select path from lineage.landing_packets order by all")
    assert [path for (path,) in read] == ["5.avro", "Alerts/4.avro", "alerts/1.avro.gz", "alerts/2.AVRO", "alerts/mac.tar.gz"]
    told = {one["path"] for kind in ("refused", "unread", "notices") for one in files[kind]}
    assert told >= {"alerts/3.json", "alerts/ztf_public_20210401.tar.bz2", "hosts.parquet"}
    assert not any("._" in str(one["member"]) for one in files["refused"])
