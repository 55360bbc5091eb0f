"""What a refresh computes, and what it leaves alone."""

import dataclasses
import hashlib
import pydoc
import subprocess
import sys
import tarfile

import pytest

from needle_assets import stages
from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.landing.packets import read_packet
from needle_assets.pipeline import run_stage, session
from needle_assets.stages import STAGES
from needle_assets.warehouse import exploring, schema
from needle_assets_tests.folders import contents, edit_catalogue, n_objects, refreshed, rows, send_again

PER_OBJECT = {stage.table.replace(".", "/") for stage in STAGES if stage.is_per_object}


@pytest.fixture
def someone(own):
    """An object with packets and photometry."""
    return str(rows(own[1], "select object_id from raw.alerts group by 1 order by count(*) desc, 1 limit 1")[0][0])


def test_the_first_refresh_computes_everything(filled):
    counted = dict(rows(filled[1], "select asset, count(*) from lineage.ledger where object_id is not null group by 1"))
    assert {name.replace(".", "/"): n for name, n in counted.items()} == dict.fromkeys(PER_OBJECT, n_objects(filled[1]))


def test_the_second_refresh_computes_nothing_and_publishes_nothing(own):
    before = own[1].published.stat().st_ino
    assert refreshed(own[1]) == {}
    assert own[1].published.stat().st_ino == before


def test_every_packet_is_a_row_or_a_rejection(filled):
    landing, home = filled
    landed = sorted(read_packet(path.read_bytes()).candid for path in (landing / "alerts").rglob("*.avro"))
    kept = rows(home, "select candid from raw.alerts")
    refused = rows(home, "select candid from core.rejections where stage in ('landing', 'raw.alerts') and candid is not null")
    assert sorted(candid for (candid,) in kept + refused) == landed != []


def test_one_new_packet_computes_only_its_objects_chain(own, someone):
    landing, home = own
    path = str(rows(home, f"select path from raw.alerts where object_id = '{someone}' order by jd desc limit 1")[0][0])
    others = f"select * exclude (content_hash), content_hash from lineage.contents where object_id <> '{someone}' order by all"
    before = rows(home, others)
    send_again(landing / path)
    done = refreshed(home)
    assert done["raw/alerts"] == done["core/detections"] == done["core/stamps"] == 1
    assert set(done.values()) == {1}
    assert rows(home, others) == before


def test_a_changed_fade_computes_nothing_below_the_catalogue(own, someone):
    edit_catalogue(own[0], someone, "fade", "33.25")
    assert refreshed(own[1]) == {"raw/objects": 1}
    assert rows(own[1], f"select fade_days from raw.objects where object_id = '{someone}'") == [(33.25,)]


def test_a_changed_extinction_computes_what_reads_it_for_that_object(own, someone):
    edit_catalogue(own[0], someone, "A_V", "0.777")
    done = refreshed(own[1])
    assert done.keys() >= {"raw/objects", "core/hosts", "core/light_curves", "core/gp_fits"}
    assert set(done.values()) == {1}
    assert not done.keys() & {"raw/alerts", "core/detections", "core/upper_limits"}


def test_a_raised_code_version_stops_where_the_outputs_are_equal(own, monkeypatch):
    raised = [dataclasses.replace(s, code_version="raised") if s.table == "core.detections" else s for s in STAGES]
    monkeypatch.setattr("needle_assets.cli.verbs.STAGES", raised)
    monkeypatch.setattr(session.Session, "__init__", _with_stages(session.Session.__init__, raised))
    assert refreshed(own[1]) == {"core/detections": n_objects(own[1])}
    assert refreshed(own[1]) == {}


def _with_stages(original, pipeline):
    def init(self, *args, **kwargs):
        original(self, *args, **{**kwargs, "stages": pipeline})

    return init


def test_a_changed_setting_computes_the_stages_that_read_it(own):
    own[1].settings_file.write_text("[hosts]\nlargest_p_chance = 0.05\n", encoding="utf-8")
    done = refreshed(own[1])
    assert done["core/hosts"] == n_objects(own[1])
    assert not done.keys() & {"raw/alerts", "core/detections", "core/light_curves"}


def test_a_row_that_vanishes_from_the_catalogue_is_removed_with_what_hangs_on_it(own, someone):
    landing, home = own
    lines = (landing / "bts.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (landing / "bts.csv").write_text("".join(line for line in lines if someone not in line), encoding="utf-8")
    refreshed(home)
    assert rows(home, f"select is_candidate, label from core.objects where object_id = '{someone}'") == [(True, None)]


def test_a_vanished_packet_file_removes_nothing(own, someone):
    landing, home = own
    before = contents(home)
    for (path,) in rows(home, f"select path from raw.alerts where object_id = '{someone}'"):
        (landing / str(path)).unlink()
    done = refreshed(home, recompute=("raw/alerts", "core/detections", "core/stamps"))
    assert done == dict.fromkeys(("raw/alerts", "core/detections", "core/stamps"), n_objects(home))
    assert contents(home) ^ before == set()


def test_archives_hold_what_single_files_hold_and_are_read_twice(own, tmp_path, monkeypatch):
    landing, home = own
    packets = sorted((landing / "alerts").rglob("*.avro"))
    for night in range(2):
        with tarfile.open(landing / "alerts" / f"{night}.tar.gz", "w:gz") as archive:
            for path in packets[night::2]:
                archive.add(path, path.name)
                path.unlink()
    times_read = count_calls(monkeypatch, "needle_assets.landing.folder.read_archive")
    monkeypatch.setattr(stages.Stage, "chunk_objects", 1)
    again = type(home)(tmp_path / "again").prepare()
    again.remember_landing(landing)
    refreshed(again, select=("core/stamps",))
    assert len(times_read) == 2 * 2, "once to learn what they hold, once for all chunks and stages"
    assert pixels(again) == pixels(home)
    assert not again.unpacked.exists()


def test_others_may_open_the_warehouse_while_a_refresh_computes(own, monkeypatch):
    free, compute = [], run_stage.run_task

    def looking(task):
        look = f"import duckdb; duckdb.connect({str(own[1].working)!r}, read_only=True)"
        free.append(subprocess.run([sys.executable, "-c", look], check=False, capture_output=True).returncode == 0)
        return compute(task)

    monkeypatch.setattr(run_stage, "run_task", looking)
    run_refresh(own[1], RefreshOptions(recompute=("core/detections",), workers=1))
    assert free
    assert all(free)


def count_calls(monkeypatch, name) -> list[object]:
    original, calls = pydoc.locate(name), []
    monkeypatch.setattr(name, lambda *given: (calls.append(given), original(*given))[1])
    return calls


def pixels(home) -> list[tuple[object, ...]]:
    return rows(home, "select candid, md5(science::varchar), md5(reference::varchar) from core.stamps order by candid")


def test_recomputing_everything_changes_no_byte(own):
    before = contents(own[1])
    assert refreshed(own[1], recompute=("all",)).keys() == {stage.table.replace(".", "/") for stage in stages.REFRESHED}
    assert contents(own[1]) ^ before == set()


def test_a_product_on_demand_waits_until_it_is_named(own):
    named = "results/feature_importance"
    assert named not in {stage.table.replace(".", "/") for stage in stages.REFRESHED}, "nor is it in what all recompute"
    assert refreshed(own[1], select=(named,)) == {named: 1}
    assert refreshed(own[1], select=(named,)) == {}


def test_the_order_and_number_of_workers_change_nothing(own, tmp_path, filled, monkeypatch):
    monkeypatch.setattr(run_stage, "POOL_FROM_OBJECTS", 0)
    monkeypatch.setattr(stages.Stage, "chunk_objects", 2)
    again = type(own[1])(tmp_path / "again").prepare()
    again.remember_landing(own[0])
    run_refresh(again, RefreshOptions(workers=2))
    assert contents(again) ^ contents(filled[1]) == set()


def test_selecting_a_product_brings_what_it_needs_and_no_more(own, tmp_path):
    home = type(own[1])(tmp_path / "other").prepare()
    done = refreshed(home, landing=own[0], select=("core/hosts",))
    for_extinction = {"raw/tns", "core/identities", "core/extinction"}
    assert done.keys() == {"raw/objects", "raw/alerts", "raw/hosts", "core/hosts", *for_extinction}


def test_lineage_leads_from_a_row_to_the_packets_it_came_from(filled):
    landing, home = filled
    found = rows(home, "select path, sha256 from lineage.packets_of where asset = 'core.features' order by path limit 1")
    assert hashlib.sha256((landing / str(found[0][0])).read_bytes()).hexdigest() == found[0][1]


@pytest.mark.parametrize("query", sorted((schema.sql_folder() / "queries").glob("*.sql")), ids=lambda path: path.stem)
def test_every_query_of_the_collection_answers(filled, query):
    columns, _ = exploring.ask(filled[1].published, query.read_text(encoding="utf-8"))
    assert columns
