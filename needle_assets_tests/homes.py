"""What a home holds and what Dagster was told of it: compared by the tests of faults, events and the command line."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import duckdb
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.orchestration.keys import PARTITIONS, asset_key
from needle_assets.orchestration.records.instance import open_instance
from needle_assets.stages import REFRESHED

PER_OBJECT = [stage.table for stage in REFRESHED if stage.is_per_object]
TABLES = [stage.table for stage in REFRESHED]
CLOCKED = ("written_at", "trained_at", "seconds")


def fill(path: Path, landing: Path | None = None, **options: object) -> dict:
    """One refresh in this process; returns what ``--json`` prints."""
    return run_refresh(Home(path), RefreshOptions(landing=landing, workers=1, **options))  # type: ignore[arg-type]


def needle(home: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "needle_assets.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment_of(home, **environment), capture_output=True, text=True, check=False)


def environment_of(home: Path, **more: str) -> dict[str, str]:
    """The environment of a child process that works in ``home``."""
    return {**os.environ, "NEEDLE_HOME": str(home), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **more}


def content(database: Path) -> dict[str, str]:
    """A hash of every table that people read, whatever the order of its rows; times of writing do not count."""
    with duckdb.connect(str(database), read_only=True) as connection:
        names = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name in ('raw', 'core', 'results')"
        ).fetchall()
        return {name: _hash(connection, name) for (name,) in names}


def _hash(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    columns = connection.execute(f"describe {table}").fetchall()
    names = ", ".join(column[0] for column in columns if column[0] not in CLOCKED)
    hashes = f"select md5(row({names})::varchar) as h from {table}"
    row = connection.execute(f"select count(*) || coalesce(md5(string_agg(h, ',' order by h)), '') from ({hashes})").fetchone()
    assert row is not None
    return str(row[0])


def ask(database: Path, query: str, *values: object) -> list[tuple]:
    """Rows of a database file."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(query, list(values)).fetchall()


@contextlib.contextmanager
def instance_of(path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's records of a home."""
    with open_instance(Home(path)) as instance:
        yield instance


def last_event(home: Home, table: str) -> dg.AssetMaterialization:
    """What the page of a whole product shows."""
    with instance_of(home.path) as instance:
        event = instance.get_latest_materialization_event(asset_key(table))
    told = event and event.asset_materialization
    assert told, f"nothing was told of {table}"
    return told


def event_counts(instance: dg.DagsterInstance, table: str) -> dict[str | None, int]:
    """How many materialisation events each object of an asset has (None: events of no object)."""
    counts: dict[str | None, int] = {}
    for record in instance.fetch_materializations(asset_key(table), limit=5000).records:
        counts[record.partition_key] = counts.get(record.partition_key, 0) + 1
    return counts


def write_ids(instance: dg.DagsterInstance, table: str) -> list[tuple[str | None, str]]:
    """Object and write id of every event of an asset."""
    records = instance.fetch_materializations(asset_key(table), limit=5000).records
    return [(r.partition_key, (r.asset_materialization.tags or {})["needle/write_id"]) for r in records]  # type: ignore[union-attr]


def statuses(instance: dg.DagsterInstance, keys: Sequence[str]) -> dict[tuple[str, str | None], str]:
    """What the UI shows as the staleness of every asset, by object where it has objects."""
    from needle_assets.definitions import definitions

    graph = definitions().resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    asked: list[tuple[str, str | None]] = [(table, key) for table in PER_OBJECT for key in keys]
    asked += [(table, None) for table in TABLES if table not in PER_OBJECT]
    return {(table, key): resolver.get_status(asset_key(table), key).value for table, key in asked}


def assert_consistent(path: Path) -> None:
    """No event without rows, no rows without event, none twice, and the partitions are the objects of the ledger."""
    database = Path(path) / ".state" / "working.duckdb"
    ledger = ask(database, "select asset, object_id, write_id, is_told from lineage.ledger")
    objects = {row[0] for row in ask(database, "select object_id from lineage.objects")}
    with instance_of(path) as instance:
        assert set(instance.get_dynamic_partitions(PARTITIONS)) == objects
        for table in TABLES:
            told = write_ids(instance, table)
            written = {(row[1], row[2]) for row in ledger if row[0] == table}
            assert len(told) == len(set(told)), f"{table}: an event is doubled"
            assert written <= set(told), f"{table}: rows without event"
            assert {key for key, _ in told} == {key for key, _ in written}, f"{table}: events without rows"
            if table in PER_OBJECT and written:
                assert {key for key, _ in written} == instance.get_materialized_partitions(asset_key(table)) == objects
    assert all(row[3] for row in ledger)
