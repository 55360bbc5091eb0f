"""The contract with Dagster's internals: what is emitted is what the UI's own resolver believes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.data_version import CachingStaleStatusResolver, DataProvenance
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.loader import LoadingContextForTest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.orchestration.records import events

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

OBJECTS = dg.DynamicPartitionsDefinition(name="ztf_object")
PARENTS = {
    "raw": [],
    "score": ["raw"],
    "restored": ["raw", "score"],
    "mask": ["restored"],
    "gp": ["raw"],
    "synthetic": ["gp", "mask"],
}
KEYS = [f"ZTF{i:02d}" for i in range(20)]
POSTGRES_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
WAL_CONFIG = """
telemetry: {{enabled: false}}
event_log_storage:
  module: needle_assets.orchestration.records.event_storage
  class: WalEventLogStorage
  config: {{base_dir: {home}/events}}
"""


def instance_with(home: Path, config: str) -> dg.DagsterInstance:
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(config)
    instance = dg.DagsterInstance.from_config(str(home))
    instance.add_dynamic_partitions("ztf_object", KEYS)
    return instance


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An empty Dagster home with the WAL event log."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "7")  # batches end within a step, too
    monkeypatch.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")
    with instance_with(tmp_path / "home", WAL_CONFIG.format(home=tmp_path)) as instance:
        yield instance


def record(context, asset: str, keys: Collection[str], *, version: str = "v1", code_version: str = "1") -> None:
    """What a stage does after its commit: events with true pointers to its parents' latest events."""
    pointers = {parent: events.latest_storage_ids(context.instance, dg.AssetKey(parent), keys) for parent in PARENTS[asset]}
    emitted = [
        events.materialization(
            dg.AssetKey(asset),
            key,
            data_version=f"{asset}-{version}",
            code_version=code_version,
            inputs={dg.AssetKey(parent): (f"{parent}-v1", ids.get(key)) for parent, ids in pointers.items()},
            tags={"needle/write_id": f"{asset}-{version}"},
        )
        for key in sorted(keys)
    ]
    events.emit(context, emitted)


def per_object_asset(name: str, computed: Collection[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        deps=PARENTS[name],
        partitions_def=OBJECTS,
        code_version="1",
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def compute(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        record(context, name, computed)
        return dg.MaterializeResult(metadata=events.SUPPRESS_OWN_EVENT)

    return compute


@dg.asset(deps=["synthetic"], code_version="1")
def models() -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion("m1"))


def graph(computed: Collection[str] = ()) -> dg.Definitions:
    assets = [per_object_asset(name, computed) for name in PARENTS]
    return dg.Definitions(assets=[*assets, models], jobs=[dg.define_asset_job("refresh", "*")])


def wide_run(instance: dg.DagsterInstance, computed: Collection[str]) -> None:
    """One run over all keys that computes only these."""
    tags = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
    assert graph(computed).resolve_job_def("refresh").execute_in_process(instance=instance, tags=tags).success


def op_run(instance: dg.DagsterInstance, writes: Mapping[str, Collection[str]], **versions: str) -> None:
    """A job of one plain op that emits events of these assets for these keys, in this order."""

    @dg.op
    def write(context: dg.OpExecutionContext) -> None:
        for asset, keys in writes.items():
            record(context, asset, keys, **versions)

    @dg.job
    def job() -> None:
        write()

    assert job.execute_in_process(instance=instance).success


def statuses(instance: dg.DagsterInstance, key: str) -> dict[str, str]:
    """What the UI shows for one object."""
    resolver = CachingStaleStatusResolver(instance, graph().resolve_asset_graph(), LoadingContextForTest(instance))
    return {name: resolver.get_status(dg.AssetKey(name), key).value for name in PARENTS}


def all_are(status: str, **others: str) -> dict[str, str]:
    return dict.fromkeys(PARENTS, status) | others


def materializations(instance: dg.DagsterInstance, asset: str) -> list[str | None]:
    return [record.partition_key for record in instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records]


def test_a_wide_run_records_the_computed_keys_and_nothing_else(instance) -> None:
    wide_run(instance, {KEYS[3], *KEYS[7:15], KEYS[19]})
    for asset in PARENTS:
        assert sorted(materializations(instance, asset)) == [KEYS[3], *KEYS[7:15], KEYS[19]]


def test_a_wide_run_that_computes_nothing_records_no_event_of_an_object(instance) -> None:
    wide_run(instance, set())
    assert not any(materializations(instance, asset) for asset in PARENTS)


def test_an_aggregate_in_the_same_run_still_records_itself(instance) -> None:
    wide_run(instance, KEYS[:2])
    [record] = instance.fetch_materializations(dg.AssetKey("models"), limit=10).records
    assert record.asset_materialization.tags["dagster/data_version"] == "m1"


def test_events_of_a_plain_op_appear_as_materialized_objects(instance) -> None:
    op_run(instance, {"raw": KEYS[:12], "gp": KEYS[:3]})
    assert instance.get_materialized_partitions(dg.AssetKey("raw")) == set(KEYS[:12])
    assert instance.get_materialized_partitions(dg.AssetKey("gp")) == set(KEYS[:3])


def test_the_events_are_in_the_log_of_their_run_with_its_step(instance) -> None:
    op_run(instance, {"raw": KEYS})
    [run] = instance.get_runs()
    emitted = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    assert [record.event_log_entry.step_key for record in emitted] == ["write"] * 20
    assert instance.get_run_step_stats(run.run_id)[0].materialization_events


@pytest.mark.parametrize("run", [wide_run, lambda instance, keys: op_run(instance, dict.fromkeys(PARENTS, keys))])
def test_a_new_input_makes_its_children_stale_for_that_object_only(instance, run) -> None:
    run(instance, KEYS)
    assert statuses(instance, KEYS[5]) == all_are("FRESH")
    op_run(instance, {"raw": [KEYS[5]]}, version="v2")
    assert statuses(instance, KEYS[5]) == all_are("FRESH", score="STALE", restored="STALE", gp="STALE")
    assert statuses(instance, KEYS[6]) == all_are("FRESH")


def test_recomputed_children_are_fresh_and_pass_the_wave_on(instance) -> None:
    wide_run(instance, KEYS)
    op_run(instance, {"raw": [KEYS[5]], "gp": [KEYS[5]]}, version="v2")
    assert statuses(instance, KEYS[5]) == all_are("FRESH", score="STALE", restored="STALE", synthetic="STALE")


def test_an_equal_output_stops_the_wave(instance) -> None:
    wide_run(instance, KEYS)
    op_run(instance, {"raw": [KEYS[5]]}, version="v1")
    assert statuses(instance, KEYS[5]) == all_are("FRESH")


def test_an_event_of_other_code_is_stale(instance) -> None:
    wide_run(instance, KEYS)
    op_run(instance, {"gp": [KEYS[0]]}, code_version="0")
    assert statuses(instance, KEYS[0])["gp"] == "STALE"


def test_an_object_without_events_is_missing(instance) -> None:
    wide_run(instance, KEYS[1:])
    assert statuses(instance, KEYS[0]) == all_are("MISSING")


def test_a_forgotten_parent_is_reported_as_a_new_dependency(instance, monkeypatch) -> None:
    wide_run(instance, KEYS)
    monkeypatch.setitem(PARENTS, "restored", ["raw"])
    op_run(instance, {"restored": KEYS})
    monkeypatch.undo()
    assert statuses(instance, KEYS[0])["restored"] == "STALE"


def test_the_tags_are_those_dagster_would_have_written(instance) -> None:
    wide_run(instance, KEYS)
    ours = set(latest(instance, "score", KEYS[0]).tags) - {"needle/write_id"}

    @dg.asset(deps=["raw"], code_version="1", partitions_def=OBJECTS, name="score")
    def native() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion("v1"))

    raw = per_object_asset("raw", ())
    assert dg.materialize([raw, native], selection=[native], instance=instance, partition_key=KEYS[0]).success
    assert set(latest(instance, "score", KEYS[0]).tags) == ours


def latest(instance: dg.DagsterInstance, asset: str, key: str) -> dg.AssetMaterialization:
    chosen = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[key])
    return instance.fetch_materializations(chosen, limit=1).records[0].asset_materialization


NAMES = st.lists(st.text("abc_xyz019", min_size=1), min_size=1, max_size=3).map(dg.AssetKey)


@settings(max_examples=30)
@given(inputs=st.dictionaries(NAMES, st.tuples(st.text(min_size=1), st.none() | st.integers(1)), max_size=4))
def test_dagster_reads_back_every_input_and_pointer(inputs) -> None:
    made = events.materialization(dg.AssetKey("core/gp"), "ZTF1", data_version="d", code_version="c", inputs=inputs)
    read = DataProvenance.from_tags(made.tags)
    assert (read.code_version, read.is_user_provided) == ("c", True)
    assert {key: (read.input_data_versions[key].value, read.input_storage_ids[key]) for key in read.input_data_versions} == inputs


def test_more_objects_than_one_query_takes_are_found(instance) -> None:
    op_run(instance, {"raw": KEYS})
    asked = [*(f"other{i}" for i in range(40_000)), *KEYS]
    assert set(events.latest_storage_ids(instance, dg.AssetKey("raw"), asked)) == set(KEYS)


def test_asking_for_no_objects_finds_none(instance) -> None:
    op_run(instance, {"raw": KEYS})
    assert events.latest_storage_ids(instance, dg.AssetKey("raw"), []) == {}


def test_a_write_is_found_again_by_its_tag(instance, monkeypatch) -> None:
    monkeypatch.setattr(events, "RECORDS_PER_QUERY", 3)
    op_run(instance, {"raw": KEYS[:10]}, version="v1")
    op_run(instance, {"raw": KEYS[8:12]}, version="v2")
    found = events.latest_tags(instance, dg.AssetKey("raw"), KEYS, ["needle/write_id"])
    assert {key: tags["needle/write_id"] for key, tags in found.items()} == {
        **dict.fromkeys(KEYS[:8], "raw-v1"),
        **dict.fromkeys(KEYS[8:12], "raw-v2"),
    }


def test_a_backfill_tells_the_scattered_objects_it_was_asked_for(instance) -> None:
    asked = {KEYS[1], KEYS[4], KEYS[17]}
    target = AssetGraphSubset({dg.AssetKey("gp"): OBJECTS.empty_subset().with_partition_keys(asked)})
    described = {"tags": {}, "title": None, "description": None, "run_config": None}
    instance.add_backfill(
        PartitionBackfill.from_asset_graph_subset(
            "scattered", dynamic_partitions_store=instance, backfill_timestamp=2e9, asset_graph_subset=target, **described
        )
    )
    assert events.backfill_target_keys(instance, "scattered", dg.AssetKey("gp")) == asked
    assert events.backfill_target_keys(instance, "scattered", dg.AssetKey("raw")) is None
    assert events.backfill_target_keys(instance, "unknown", dg.AssetKey("gp")) is None


def test_the_environment_of_the_user_wins(monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "50")
    monkeypatch.delenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", raising=False)
    events.prepare_environment()
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "50"
    assert os.environ["DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"] == "1"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A Postgres server of this test only, reached through a socket in its own folder."""
    if not os.environ.get("NEEDLE_TEST_POSTGRES"):
        pytest.skip("NEEDLE_TEST_POSTGRES is not set: it asks for a local Postgres 15 server")
    if not (POSTGRES_PROGRAMS / "initdb").exists():
        pytest.fail(f"{POSTGRES_PROGRAMS} has no initdb: install the Debian package postgresql-15, or unset NEEDLE_TEST_POSTGRES")
    folder = Path(tempfile.mkdtemp(prefix="needle-pg-"))
    # Postgres refuses to run as root; the Debian package comes with this user
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    data, options = folder / "data", f"-k {folder} -c listen_addresses='' -c fsync=off"
    subprocess.run([*as_user, POSTGRES_PROGRAMS / "initdb", "-D", data, "-U", "needle", "-A", "trust"], check=True, cwd=folder)
    control = [*as_user, POSTGRES_PROGRAMS / "pg_ctl", "-D", data, "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, cwd=folder)
    # plain "postgresql://" means psycopg 3 since SQLAlchemy 2.1, and dagster-postgres comes with psycopg2
    yield f"postgresql+psycopg2://needle@/postgres?host={folder}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd=folder)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_postgres_by_its_configuration_alone_does_the_same(postgres_url, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    monkeypatch.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")
    config = f'telemetry: {{enabled: false}}\nstorage: {{postgres: {{postgres_url: "{postgres_url}"}}}}'
    with instance_with(tmp_path / "home", config) as instance:
        wide_run(instance, KEYS[:15])
        op_run(instance, {"raw": [KEYS[5]]}, version="v2")
        assert {asset: len(materializations(instance, asset)) for asset in PARENTS} == dict.fromkeys(PARENTS, 15) | {"raw": 16}
        assert statuses(instance, KEYS[5]) == all_are("FRESH", score="STALE", restored="STALE", gp="STALE")
        assert statuses(instance, KEYS[6]) == all_are("FRESH")
        assert statuses(instance, KEYS[19]) == all_are("MISSING")
        written = events.latest_tags(instance, dg.AssetKey("raw"), KEYS, ["needle/write_id"])
        assert written == {key: {"needle/write_id": "raw-v2" if key == KEYS[5] else "raw-v1"} for key in KEYS[:15]}
