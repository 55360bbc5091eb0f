"""How a computed object becomes an event that Dagster's UI believes. Events are made from Dagster's internals only here.

One wide run recomputes what is stale of any asset and object. On its own Dagster would record one event for *every* key of
the run's range, all with the same data version, so that event is suppressed (``SUPPRESS_OWN_EVENT``) and true ones are
emitted, in batches, for the keys that were computed. Nothing public does that: ``context.log_event`` writes every event by
itself, and a step's output is one event per key of the range. Dagster is therefore pinned, and ``test_events.py`` holds
what is relied upon here.
"""

import logging
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, StepMaterializationData
from dagster._core.execution.context.system import StepExecutionContext

T = TypeVar("T")

SUPPRESS_OWN_EVENT: Mapping[str, bool] = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
"""Metadata of a ``MaterializeResult`` for which Dagster records no event: the step has emitted its own."""

EVENT_BATCH_SIZE = 1000
KEYS_PER_QUERY = 5000  # SQLite refuses a statement with more than 32766 values
RECORDS_PER_QUERY = 1000  # Dagster refuses to fetch more than 10000 records at once


def prepare_environment() -> None:
    """
    Make Dagster write events in batches, unless the environment says otherwise.

    Dagster looks at both variables whenever it stores an event, so this can be called late, and a run launched from here
    inherits them. The second turns the "planned" events of a wide run, one per key, into one per asset. Its price: when the
    run fails, the UI does not paint its keys as failed, which is right here, because the keys done so far stay done.
    """
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(EVENT_BATCH_SIZE))
    os.environ.setdefault("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")


def materialization(
    asset_key: dg.AssetKey,
    partition: str | None,
    *,
    data_version: str,
    code_version: str,
    inputs: Mapping[dg.AssetKey, tuple[str, int | None]],
    metadata: Mapping[str, dg.MetadataValue | str | int | float | bool] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.AssetMaterialization:
    """
    One event: this object of this asset was computed, from these versions of its inputs.

    Parameters
    ----------
    asset_key, partition
        The asset and the object (None for an asset that is not per object).
    data_version, code_version : str
        What came out and what made it. Dagster calls it stale when the asset's code version differs from this one.
    inputs : mapping of asset key to (data version, storage id)
        *Every* parent of the asset, else Dagster reports a new dependency. The storage id is the parent's latest event for this
        object (``latest_storage_ids``); with None the UI shows the object as fresh for ever, whatever happens to the parent.
    metadata, tags : mapping, optional
        Shown beside the event; tags can be found again with ``latest_tags``.
    """
    provenance = {DATA_VERSION_TAG: data_version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true", CODE_VERSION_TAG: code_version}
    for key, (input_version, storage_id) in inputs.items():
        provenance[get_input_data_version_tag(key)] = input_version
        provenance[get_input_event_pointer_tag(key)] = NULL_EVENT_POINTER if storage_id is None else str(storage_id)
    return dg.AssetMaterialization(asset_key, partition=partition, metadata=metadata, tags={**(tags or {}), **provenance})


def emit(context: dg.AssetExecutionContext | dg.OpExecutionContext, materializations: Sequence[dg.AssetMaterialization]) -> None:
    """
    Record events from inside a step, in batches; they are stored when this returns.

    The step may be an asset's or a plain op of a job, and the events may be of any asset. For a backfill Dagster counts
    them by the tag of their run.
    """
    step = context.get_step_execution_context()
    batch = str(uuid.uuid4())
    last = len(materializations) - 1
    for i, recorded in enumerate(materializations):
        context.instance.report_dagster_event(
            _dagster_event(step, recorded),
            step.run_id,
            logging.DEBUG,
            batch_metadata=DagsterEventBatchMetadata(batch, is_end=i == last),
        )


def _dagster_event(step: StepExecutionContext, recorded: dg.AssetMaterialization) -> DagsterEvent:
    """
    The event that ``DagsterEvent.asset_materialization`` makes for this step, without writing it to the loggers.

    The loggers would print one line per event into the run's output; without them an event also costs a third less.
    """
    return DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name=step.job_name,
        step_handle=step.step.handle,
        node_handle=step.step.node_handle,
        step_kind_value=step.step.kind.value,
        logging_tags=step.event_tags,
        event_specific_data=StepMaterializationData(recorded),
        message=recorded.description or f"Materialized value {recorded.label}.",
        pid=os.getpid(),
    )


def latest_storage_ids(instance: dg.DagsterInstance, asset_key: dg.AssetKey, partitions: Iterable[str]) -> dict[str, int]:
    """The storage id of each object's latest event of an asset; objects without an event are left out."""
    found: dict[str, int] = {}
    for keys in _chunks(partitions, KEYS_PER_QUERY):
        found |= instance.event_log_storage.get_latest_storage_id_by_partition(
            asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(keys)
        )
    return found


def latest_tags(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, partitions: Iterable[str], tag_names: Iterable[str]
) -> dict[str, dict[str, str]]:
    """
    Of each object's latest event of an asset, the named tags it has; objects without an event are left out.

    Dagster's own query answers only for the data version (it indexes no other tag), so the events themselves are read.
    """
    ids = latest_storage_ids(instance, asset_key, partitions).values()
    names = set(tag_names)
    found: dict[str, dict[str, str]] = {}
    for storage_ids in _chunks(ids, RECORDS_PER_QUERY):
        chosen = dg.AssetRecordsFilter(asset_key, storage_ids=storage_ids)
        for record in instance.fetch_materializations(chosen, limit=len(storage_ids)).records:
            event = record.asset_materialization
            if event is not None and event.partition is not None:
                found[event.partition] = {name: value for name, value in (event.tags or {}).items() if name in names}
    return found


def backfill_target_keys(instance: dg.DagsterInstance, backfill_id: str, asset_key: dg.AssetKey) -> set[str] | None:
    """
    The objects of an asset that a backfill asked for in the UI, over all its runs.

    Dagster cuts the chosen keys into contiguous ranges, one run each; this is the choice itself, so that the first run can
    do all. None if there is no such backfill or it does not concern this asset by object.
    """
    backfill = instance.get_backfill(backfill_id)
    data = backfill.asset_backfill_data if backfill else None
    subset = data.target_subset.partitions_subsets_by_asset_key.get(asset_key) if data else None
    return None if subset is None else set(subset.get_partition_keys())


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    listed = list(items)
    return (listed[i : i + size] for i in range(0, len(listed), size))
