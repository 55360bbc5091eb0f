"""What it costs to tell Dagster about every computed (asset, object): our event log against the stock one, in one run.

Six toy assets that compute nothing, one wide run, one event per asset and object with true pointers to its parents' events, as
in a refresh. ``run`` is the whole Dagster run divided by the number of events, ``events`` the part that looks up pointers and
emits.

    python benchmarks/events.py [--objects 2000] [--stock-objects 100]
"""

import argparse
import tempfile
import time
from pathlib import Path

import dagster as dg
from dagster._utils.warnings import disable_dagster_warnings

from needle_assets.orchestration.records import events

PARENTS = {
    "raw": [],
    "score": ["raw"],
    "restored": ["raw", "score"],
    "mask": ["restored"],
    "gp": ["raw"],
    "synthetic": ["gp", "mask"],
}
OBJECTS = dg.DynamicPartitionsDefinition(name="ztf_object")
WAL = """
event_log_storage:
  module: needle_assets.orchestration.records.event_storage
  class: WalEventLogStorage
  config: {{base_dir: {home}/events}}
"""


def record(context: dg.AssetExecutionContext, asset: str) -> float:
    """Emit one event per key of the run and return the seconds it took."""
    start, keys = time.perf_counter(), context.partition_keys
    pointers = {dg.AssetKey(key): events.latest_storage_ids(context.instance, dg.AssetKey(key), keys) for key in PARENTS[asset]}
    emitted = [
        events.materialization(
            dg.AssetKey(asset),
            key,
            data_version=f"{asset}-{key}",
            code_version="1",
            inputs={parent: (f"{parent.to_user_string()}-{key}", ids[key]) for parent, ids in pointers.items()},
            metadata={"rows": 1},
            tags={"needle/write_id": "benchmark"},
        )
        for key in keys
    ]
    events.emit(context, emitted)
    return time.perf_counter() - start


def toy_asset(name: str, seconds: list[float]) -> dg.AssetsDefinition:
    """An asset that only records its events and adds the time they took to ``seconds``."""

    @dg.asset(
        name=name, deps=PARENTS[name], partitions_def=OBJECTS, code_version="1", backfill_policy=dg.BackfillPolicy.single_run()
    )
    def compute(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        seconds.append(record(context, name))
        return dg.MaterializeResult(metadata=events.SUPPRESS_OWN_EVENT)

    return compute


def wide_run(home: Path, config: str, n_objects: int) -> tuple[float, float]:
    """Seconds of one run over all objects in a new home, and of its events."""
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n" + config)
    keys = [f"ZTF{i:06d}" for i in range(n_objects)]
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    seconds: list[float] = []
    assets = [toy_asset(name, seconds) for name in PARENTS]
    job = dg.Definitions(assets=assets, jobs=[dg.define_asset_job("refresh", "*")]).resolve_job_def("refresh")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("ztf_object", keys)
        start = time.perf_counter()
        job.execute_in_process(instance=instance, tags=tags, run_config=quiet)
        total = time.perf_counter() - start
        found = [len(instance.get_materialized_partitions(dg.AssetKey(name))) for name in PARENTS]
    assert found == [n_objects] * len(PARENTS), found
    return total, sum(seconds)


def report(name: str, config: str, n_objects: int) -> float:
    """Print the cost of one event log and return its milliseconds per event."""
    with tempfile.TemporaryDirectory() as home:
        total, emitting = wide_run(Path(home), config.format(home=home), n_objects)
    n_events = n_objects * len(PARENTS)
    run_ms, event_ms = 1e3 * total / n_events, 1e3 * emitting / n_events
    print(f"{name:6} {n_objects:6} objects {n_events:7} events  run {run_ms:7.3f} ms  events {event_ms:7.3f} ms")
    return event_ms


def main() -> None:
    """Compare both event logs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--stock-objects", type=int, default=100)
    chosen = parser.parse_args()
    events.prepare_environment()
    print("per (asset, object):")
    with disable_dagster_warnings():
        ours = report("ours", WAL, chosen.objects)
        stock = report("stock", "", chosen.stock_objects)
    print(f"ours is {stock / ours:.0f} times cheaper per event")


if __name__ == "__main__":
    main()
