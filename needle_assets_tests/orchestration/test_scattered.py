"""Thirty objects chosen here and there in the UI: Dagster makes thirty runs of it, one of which works."""

from pathlib import Path

import dagster as dg
import pytest

from needle_assets.orchestration.keys import PARTITIONS
from needle_assets_tests import packets
from needle_assets_tests.homes import ask, assert_consistent, fill, write_ids
from needle_assets_tests.orchestration.ui import opened

N_OBJECTS = 60


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of sixty objects of one packet each, with detections."""
    alerts = tmp_path / "landing" / "alerts"
    alerts.mkdir(parents=True)
    (tmp_path / "landing" / "bts.csv").write_text(
        "ZTFID,IAUID,RA,Dec,peakt,peakfilt,peakmag,duration,rise,fade,type,redshift,A_V\n"
    )
    for number in range(N_OBJECTS):
        object_id = "ZTF18aaaaa" + chr(97 + number // 26) + chr(97 + number % 26)
        candid = packets.CANDID + 10 * number
        (alerts / f"{candid}.avro").write_bytes(packets.packet(object_id=object_id, candid=candid))
    home = tmp_path / "home"
    monkeypatch.setenv("NEEDLE_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", str(home / ".state" / "dagster"))
    fill(home, tmp_path / "landing", select=("core/detections",))
    return home


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")
def test_thirty_scattered_objects_are_computed_once(many) -> None:
    with opened(many) as ui:
        keys = list(ui.instance.get_dynamic_partitions(PARTITIONS))
        before = set(write_ids(ui.instance, "core.detections"))
        backfill = ui.backfill(["core.detections"], keys[::2])
        told = set(write_ids(ui.instance, "core.detections")) - before
        assert len(keys) == N_OBJECTS
        assert sorted(key for key, _ in told) == sorted(keys[::2])
        runs = ui.runs_of(backfill)
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 30
        writers = ask(
            many / ".state" / "working.duckdb", "select distinct run_id from lineage.ledger where request_id = ?", backfill
        )
        assert writers == [(runs[0].run_id,)]
    assert_consistent(many)
