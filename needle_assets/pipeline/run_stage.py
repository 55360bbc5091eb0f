"""Runs one stage over objects: load what it reads, compute in chunks, store, tell."""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import ceil
from pathlib import Path

from needle_assets.assets.objects import OBJECTS
from needle_assets.errors import Rejection
from needle_assets.landing.unpacking import unpack
from needle_assets.pipeline.compute import RESCUE, UNREADABLE, Computed, Task, run_task
from needle_assets.pipeline.session import POOL_FROM_OBJECTS, Session, StageReport
from needle_assets.pipeline.tell import Tell, Told
from needle_assets.processes.workers import GIVEN_UP
from needle_assets.stages import Stage
from needle_assets.surveys.known import survey_name_of_id
from needle_assets.warehouse import ledger, rows, schema
from needle_assets.warehouse.connection import Connection, writing
from needle_assets.warehouse.lake.deposits import Depot, is_worthwhile
from needle_assets.warehouse.lake.place import lake_of
from needle_assets.warehouse.landed import manifest
from needle_assets.warehouse.rows import Writer, Written

# So few chunks for each worker are made of one size, that none is idle while another has all the work.
FEW_CHUNKS = 4
# Of a file a chunk's transaction is small beside its rows.
CHUNKS_OF_A_LAKE = 4


def refresh_stage(
    session: Session,
    stage: Stage,
    *,
    tell: Tell,
    run_id: str,
    recompute: bool = False,
) -> StageReport:
    """Compute what is stale of a stage, or everything, with ``recompute``."""
    session.require_computable(stage)
    with ExitStack() as opened:
        # Opening a warehouse of 8,000 objects takes 50 ms: once, from the plan to the first rows to compute from.
        connection = opened.enter_context(writing(session.home.working))
        plans = _plans(session, stage, stale_only=not recompute)
        n_objects = manifest.n_objects(connection) if stage.is_per_object else 1
        report = _run(session, stage, sorted(plans, key=str), plans, tell, Writer(run_id, run_id, session.git_sha), opened)
    report.up_to_date = n_objects - report.computed - report.failed
    return report


def compute_stage(
    session: Session, stage: Stage, *, tell: Tell, run_id: str, request_id: str, only: Iterable[str | None]
) -> StageReport:
    """Compute what somebody asked for, stale or not; what the same request already computed is left alone."""
    session.require_computable(stage)
    with ExitStack() as opened:
        connection = opened.enter_context(writing(session.home.working))
        plans = _plans(session, stage, stale_only=False)
        done = ledger.requested_before(connection, stage.table, request_id)
        asked = set(only) & set(plans)
        report = _run(
            session, stage, sorted(asked - done, key=str), plans, tell, Writer(run_id, request_id, session.git_sha), opened
        )
    report.up_to_date = len(asked & done)
    return report


def _plans(session: Session, stage: Stage, *, stale_only: bool) -> dict[str | None, ledger.Plan]:
    with writing(session.home.working) as connection:
        ledger.register_graph(connection, [stage], session.tables, session.settings)
        return ledger.wanted(connection, stage.table, stale_only=stale_only)


def _run(
    session: Session,
    stage: Stage,
    keys: Sequence[str | None],
    plans: Mapping[str | None, ledger.Plan],
    tell: Tell,
    writer: Writer,
    opened: ExitStack,
) -> StageReport:
    report = session.reports.setdefault(stage.table, StageReport())
    started = time.monotonic()
    tasks = _after_closing(opened, _tasks(session, stage, keys))
    in_pool = _in_pool(session, keys)
    for task, computed in session.pool.map(run_task, tasks, in_pool=in_pool, rescue=RESCUE, name=stage.table):
        _store(session, stage, task, computed, plans, writer, tell, report)
        session.progress(stage.table, report.computed + report.failed, len(keys))
    report.seconds += time.monotonic() - started
    return report


def _tasks(session: Session, stage: Stage, keys: Sequence[str | None]) -> Iterator[Task]:
    if not stage.is_per_object:
        if keys:
            yield _task(session, stage, None)
        return
    objects = [key for key in keys if key is not None]
    with writing(session.home.working) as connection:
        weights = rows.weights(connection, list(stage.reads), session.tables, objects)
    if "landing.packets" in stage.reads:
        _unpack(session, [name for name in objects if not stage.surveys or survey_name_of_id(name) in stage.surveys])
    for chunk in _chunks(objects, weights, _sized(session, stage), session.pool.count if _in_pool(session, keys) else 1):
        yield _task(session, stage, chunk)


def _sized(session: Session, stage: Stage) -> Stage:
    """The stage with the size of its chunks: what a transaction of a lake costs hardly depends on how much is in it."""
    times = 1 if lake_of(session.home.working) is None else CHUNKS_OF_A_LAKE
    return replace(stage, chunk_objects=times * stage.chunk_objects, chunk_rows=times * stage.chunk_rows)


def _unpack(session: Session, objects: Sequence[str]) -> None:
    """Take the packets of these objects out of archives, for all chunks and stages of this session."""
    with writing(session.home.working) as connection:
        archived = manifest.archived(connection, objects)
    folder = Path(session.folders["landing"])
    tasks = [(folder, session.home.unpacked, path, members) for path, members in archived.items()]
    # What could not be unpacked is read from its archive by its stage, which says what is wrong.
    for done, _ in enumerate(session.pool.map(unpack, tasks, in_pool=len(tasks) > 1, rescue=GIVEN_UP), start=1):
        session.progress("archives", done, len(tasks))


def _task(session: Session, stage: Stage, keys: tuple[str, ...] | None) -> Task:
    with writing(session.home.working) as connection:
        before = {stage.table: ("*",), "core.rejections": ("*",)} if stage.keeps_previous else {}
        reads = {**stage.reads, **before, OBJECTS: ("survey",)}  # an object's survey is part of its name: it changes nothing
        frames = rows.load(connection, reads, session.tables, keys, session.folders)
        arrow = rows.arrow_schema(connection, stage.table)
    return Task(stage, keys, frames, session.settings, arrow, _depot(session, stage))


def _depot(session: Session, stage: Stage) -> Depot | None:
    """Where whoever computes leaves rows with images, if the tables lie in a lake."""
    lake, table = lake_of(session.home.working), session.tables[stage.table]
    if lake is None or not stage.is_per_object or not is_worthwhile(table.create):
        return None
    sets = ledger.hashed_column_sets(session.stages, stage.table)
    key = tuple(dict.fromkeys(("object_id", *schema.primary_key(table.create))))
    return Depot(lake, table.name, table.statement, key, ledger.hashes_query(sets, has_objects=True), tuple(sorted(sets)))


def _store(
    session: Session,
    stage: Stage,
    task: Task,
    computed: Computed,
    plans: Mapping[str | None, ledger.Plan],
    writer: Writer,
    tell: Tell,
    report: StageReport,
) -> None:
    if not (task.keys is None and computed.failures):
        keys = None if task.keys is None else [key for key in task.keys if key not in computed.failures]
        parameters, write_id = ledger.parameters_of(stage, session.settings), uuid.uuid4().hex
        key = schema.primary_key(session.tables[stage.table].create)
        batch = rows.Batch(
            stage, key, keys, computed.rows, computed.rejections, plans, parameters, writer, write_id, computed.deposits
        )
        with writing(session.home.working) as connection:
            session.claims.written(stage.table)
            written = rows.store(connection, batch, session.stages, session.told)
            session.told = {}
            _tell(connection, stage, written, write_id, tell)
            session.told = {stage.table: [write_id]}
        report.computed += len(written)
        report.rejected += len(computed.rejections)
    if computed.failures:
        _store_failures(session, stage, computed, plans)
        report.failed += len(computed.failures)


def _tell(connection: Connection, stage: Stage, written: Sequence[Written], write_id: str, tell: Tell) -> None:
    told = [Told(stage, w.object_id, w.data_version, stage.code_version, w.n_rows, w.n_rejected, write_id) for w in written]
    tell(told, ledger.data_versions(connection, list(stage.reads), [w.object_id for w in written if w.object_id is not None]))


def _store_failures(session: Session, stage: Stage, computed: Computed, plans: Mapping[str | None, ledger.Plan]) -> None:
    """Failed: the rows of before stay, the object stays stale, and the reason can be looked up."""
    rejections = []
    for object_id, text in computed.failures.items():
        fingerprint = plans[object_id].fingerprint if object_id in plans else None
        last = text.strip().splitlines()[-1]
        why = last if last.startswith(UNREADABLE) else f"the code failed ({last})"
        rejections.append(
            Rejection(f"{why}; what was stored before is kept", object_id=object_id, traceback=text, fingerprint=fingerprint)
        )
    session.claims.written(stage.table)
    with writing(session.home.working) as connection:
        rows.store_failures(connection, stage.table, rejections)


def _after_closing(opened: ExitStack, tasks: Iterator[Task]) -> Iterator[Task]:
    """Close the database before anything is computed: others may look at it meanwhile."""
    for task in tasks:
        opened.close()
        yield task


def _in_pool(session: Session, keys: Sequence[str | None]) -> bool:
    return session.pool.is_started or len(keys) > POOL_FROM_OBJECTS  # workers that are there have imported what is needed


def _chunks(objects: Sequence[str], weights: Mapping[str, int], stage: Stage, n_workers: int = 1) -> Iterator[tuple[str, ...]]:
    """Objects in the given order, as many together as their rows allow; few chunks are as many as keep all workers busy."""
    most_objects = _objects_of_a_chunk(len(objects), sum(weights.get(object_id, 0) for object_id in objects), stage, n_workers)
    chunk: list[str] = []
    n_rows = 0
    for object_id in objects:
        if chunk and (len(chunk) >= most_objects or n_rows + weights.get(object_id, 0) > stage.chunk_rows):
            yield tuple(chunk)
            chunk, n_rows = [], 0
        chunk.append(object_id)
        n_rows += weights.get(object_id, 0)
    if chunk:
        yield tuple(chunk)


def _objects_of_a_chunk(n_objects: int, n_rows: int, stage: Stage, n_workers: int) -> int:
    n_chunks = ceil(max(n_objects / stage.chunk_objects, n_rows / stage.chunk_rows))
    if n_workers == 1 or n_chunks > FEW_CHUNKS * n_workers:
        return stage.chunk_objects
    return min(stage.chunk_objects, ceil(n_objects / (n_workers * max(ceil(n_chunks / n_workers), 1))))
