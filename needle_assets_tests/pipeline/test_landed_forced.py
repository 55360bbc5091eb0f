"""Forced photometry that lands beside the packets, from the file to ``core.forced_photometry``, and homes of before it could."""

import pytest

from needle_assets.home import Home
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.schema import read_tables
from needle_assets_tests.homes import ask, fill

ZTF, OTHER = "ZTF21aaaaaaa", "ZTF21aaaaaab"
PLAIN = f"object_id,mjd,band,mag,mag_err\n{ZTF},59000,g,19,0.1\n{OTHER},59000,g,19,0.1\n"
MIXED = (
    "object_id,mjd,band,mag,mag_err,kind,flux_microjansky,flux_err_microjansky\n"
    f"{ZTF},59000,g,19,0.1,,,\n{OTHER},59000,g,19,0.1,alert,,\n{ZTF},58990,g,,,forced,-2,1\n"
)


@pytest.fixture
def landing(tmp_path):
    folder = tmp_path / "landing"
    folder.mkdir()
    (folder / "bts.csv").write_text(f"ZTFID,RA,Dec,type\n{ZTF},10:00:00,+10:00:00,SN Ia\n{OTHER},10:00:00,+10:00:00,SN Ia\n")
    (folder / "photometry.csv").write_text(PLAIN)
    return folder


def test_forced_rows_become_forced_photometry_of_their_object_alone_and_no_detection(tmp_path, landing):
    select = ("core/detections", "core/forced_photometry")
    fill(tmp_path / "home", landing, select=select)
    (landing / "photometry.csv").write_text(MIXED)
    done = fill(tmp_path / "home", select=select)["assets"]
    computed = {name: done[name]["computed"] for name in ("raw/photometry", "raw/forced_photometry", *select)}
    assert computed == {"raw/photometry": 0, "raw/forced_photometry": 1, "core/detections": 0, "core/forced_photometry": 1}
    rows = ask(tmp_path / "home" / "needle.duckdb", "select object_id, mjd, flux_microjansky, source from core.forced_photometry")
    assert rows == [(ZTF, 58990.0, -2.0, "photometry")]


AS_BEFORE = (
    "alter table lineage.landing_rows drop column forced_hash",
    "alter table core.forced_photometry drop column source",
    "alter table core.forced_photometry alter column candid set not null",
    "drop table raw.forced_photometry",
    "delete from lineage.contents where columns = 'forced_hash' or asset = 'raw.forced_photometry'",
    "delete from lineage.ledger where asset = 'raw.forced_photometry'",
    "update lineage.state set value = 'before' where name in ('schema:all', 'schema:lineage.landing_rows')",
    "update lineage.state set value = 'before' where name in ('schema:raw.forced_photometry', 'schema:core.forced_photometry')",
)


def test_of_a_home_of_before_nothing_but_the_new_product_is_computed(tmp_path, landing):
    select = ("core/detections", "core/forced_photometry")
    fill(tmp_path / "home", landing, select=select)
    with writing(Home(tmp_path / "home").working) as connection:
        for statement in AS_BEFORE:
            connection.execute(statement)
    done = fill(tmp_path / "home", select=select)["assets"]
    assert {name: product["computed"] for name, product in done.items() if product["computed"]} == {"raw/forced_photometry": 2}


def test_what_made_forced_photometry_of_before_makes_it_now():
    table = read_tables()["core.forced_photometry"]
    was = table.create.replace("candid bigint", "candid bigint not null").replace("    source varchar,\n", "")
    assert table.digest == type(table)(table.name, was, "").digest
