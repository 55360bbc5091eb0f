"""Homes made by the code of earlier commits come through refresh, publishing and training: rows, models and history are kept."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from needle_assets.home import REPOSITORY, Home
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.copies import losses
from needle_assets_tests.homes import ask, environment_of, needle

# The last version whose tables had other keys, and versions so many commits before it.
RELEASED = "7a0c4a5"
COMMITS_BEFORE = (0, 10, 20, 40, 80, 140)
IN_TEST_SLOW = ((140, 20), (0, 20))
NIGHT = (
    "insert into lineage.nights (run_id, started_at, sources, failures, n_left, n_objects_before, n_detections_before, "
    "high_scores_before) values ('of before', now(), [], [], 0, 0, 0, [])"
)
# Networks with stamps of 3,000 objects take hours, and add nothing here.
TRAIN = {20: ("train",), 300: ("train",), 3000: ("train", "--ablations", "metadata")}
KEPT = {
    "lineage.objects": "object_id",
    "raw.photometry": "object_id, band, mjd",
    "results.fold_models": "model_id",
    "lineage.nights": "run_id",
}


def cases() -> list[object]:
    marks = {case: [pytest.mark.slow] for case in IN_TEST_SLOW}
    return [pytest.param(ago, n, marks=[pytest.mark.upgrade, *marks.get((ago, n), [])]) for n in TRAIN for ago in COMMITS_BEFORE]


def code_of(ago: int, folder: Path) -> Path:
    """The code of some commits before the released one, or this one where the clone has no such history."""
    names = (f"{RELEASED}~{ago}", "HEAD")
    tried = (subprocess.run(["git", "-C", REPOSITORY, "archive", name], capture_output=True, check=False) for name in names)
    done = next(one for one in tried if one.returncode == 0)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def of_before(code: Path, home: Path, *arguments: object) -> str:
    """A command of the code before; returns what it said."""
    command = [sys.executable, "-m", "needle_assets.cli", *map(str, arguments)]
    environment = environment_of(home, PYTHONPATH=str(code))
    done = subprocess.run(command, env=environment, cwd=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def filled_by(code: Path, folder: Path, n_objects: int) -> Home:
    """A home as that code leaves it, with models and a night where it knows them."""
    home = Home(folder / "home")
    of_before(code, home.path, "simulate", folder / "landing", "--objects", n_objects, "--seed", 5, "--mix", "demo")
    of_before(code, home.path, "refresh", "--landing", folder / "landing", "--preset", "demo")
    if " train " in of_before(code, home.path, "--help"):
        of_before(code, home.path, *TRAIN[n_objects])
    if (code / "warehouse" / "tables" / "lineage.nights.sql").exists():
        with writing(home.working) as connection:
            connection.execute(NIGHT)
    return home


def kept(database: Path) -> dict[str, set[tuple]]:
    known = {name for (name,) in ask(database, "select schema_name || '.' || table_name from duckdb_tables()")}
    has_old_key = ask(database, "select 1 from duckdb_columns() where table_name = 'objects' and column_name = 'ztf_id'")
    keys = {name: key.replace("object_id", "ztf_id") if has_old_key else key for name, key in KEPT.items()}
    return {name: set(ask(database, f"select {key} from {name}")) for name, key in keys.items() if name in known}


@pytest.mark.parametrize(("ago", "n_objects"), cases())
def test_a_home_of_earlier_code_is_refreshed_published_and_trained(ago, n_objects, tmp_path):
    home = filled_by(code_of(ago, tmp_path / "code"), tmp_path, n_objects)
    old = tmp_path / "old.duckdb"
    os.link(home.published, old)
    before = kept(home.working)
    done = needle(home.path, "refresh", "--json")
    assert done.returncode == 0, done.stderr
    after = kept(home.published)
    assert {name: rows - after[name] for name, rows in before.items()} == {name: set() for name in before}
    with writing(home.working) as connection:
        assert losses.lost(connection, old) == []
    assert len(list(home.backups.glob("before-upgrade-*.duckdb"))) == 1
    assert set(json.loads(needle(home.path, "status", "--json").stdout)["stale"].values()) == {0}
    trained = needle(home.path, *TRAIN[n_objects])
    assert trained.returncode == 0, trained.stderr
    again = json.loads(needle(home.path, "refresh", "--json").stdout)
    assert not any(product["computed"] for product in again["assets"].values())
    assert ask(home.published, "select count(*) from results.fold_models")[0][0] > 0
