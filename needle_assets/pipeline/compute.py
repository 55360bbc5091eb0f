"""
Runs the functions of the stages over objects. Opens no database, and knows no Dagster; rows leave in the form of their table.

Where the tables lie in a lake, rows with images are left in a file of the lake, to be named by whoever asked.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl
import pyarrow as pa
from threadpoolctl import threadpool_limits

from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.processes.workers import DIED, Rescue
from needle_assets.settings import Settings
from needle_assets.stages import Stage
from needle_assets.warehouse.lake.deposits import Deposit, Depot, leave
from needle_assets.warehouse.rows import to_arrow

# How the sentence of a failure begins that is a matter of the landing folder, not of the code.
UNREADABLE = "what was scanned cannot be read now"


@dataclass(frozen=True)
class Task:
    """Some objects of one stage with everything needed to compute them; ``keys`` None means a product without objects."""

    stage: Stage
    keys: tuple[str, ...] | None
    frames: Mapping[str, pl.DataFrame]
    settings: Settings
    schema: pa.Schema
    depot: Depot | None = None


@dataclass(frozen=True)
class Computed:
    """
    Rows in the table's schema, refusals, and for objects that failed: the traceback or sentence by object_id (None: the whole task).

    Where the task names a depot, the rows were left there, and ``rows`` are their keys.
    """

    rows: pa.Table
    rejections: list[Rejection]
    failures: dict[str | None, str] = field(default_factory=dict)
    deposits: tuple[Deposit, ...] = ()


def run_task(task: Task) -> Computed:
    """Compute one task. A failing object does not stop the others."""
    function = task.stage.function()
    # One BLAS thread everywhere: two would round differently, so that a pool and a single process would disagree in the last bit.
    with threadpool_limits(limits=1, user_api="blas"):
        computed = _run_bulk(function, task) if task.keys is None or task.stage.is_bulk else _run_each(function, task)
    return computed if task.depot is None else _left(task.depot, computed)


def _left(depot: Depot, computed: Computed) -> Computed:
    """The same with its rows in a file: what comes back is small."""
    deposits = (leave(depot, computed.rows),) if computed.rows.num_rows else ()
    return replace(computed, rows=computed.rows.select(list(depot.key)), deposits=deposits)


def _run_bulk(function: Callable[..., Product], task: Task) -> Computed:
    try:
        product = function(task.frames, task.settings)
        return Computed(to_arrow(product.rows, task.schema), [why.also() for why in product.rejections])
    except Exception as error:  # whatever it is: a bug costs its own objects, never the run; the traceback is stored
        if task.keys is None or len(task.keys) == 1:
            failed = None if task.keys is None else task.keys[0]
            return Computed(to_arrow([], task.schema), [], {failed: _failure(error)})
    # One object of the chunk failed and it is not known which: find out by computing each alone.
    return _joined([_run_bulk(function, single) for single in _singles(task)], task.schema)


def _run_each(function: Callable[..., Product], task: Task) -> Computed:
    rows, rejections, failures = [], [], {}
    for single in _singles(task):
        object_id = single.keys[0] if single.keys else None
        try:
            product = function(single.frames, task.settings)
            part = to_arrow(product.rows, task.schema)
            rejections += [why.also(object_id=object_id) for why in product.rejections]
            rows.append(part)
        except Rejection as why:
            rejections.append(why.also(object_id=object_id))  # a new one: no traceback holds the frames of this object
        except Exception as error:  # as above
            failures[object_id] = _failure(error)
    return Computed(_concatenated(rows, task.schema), rejections, failures)


def _failure(error: Exception) -> str:
    """The traceback; where a file could not be read as it was scanned, which is no bug of ours, with the sentence that says so."""
    told = traceback.format_exc()
    return f"{told}\n{UNREADABLE}: {error}" if isinstance(error, OSError | Rejection) else told


def _singles(task: Task) -> Iterator[Task]:
    """One task per object: its own rows of every frame that has objects."""
    parts = {name: _by_object(frame) for name, frame in task.frames.items()}
    for key in task.keys or ():
        frames = {
            name: frame if parts[name] is None else (parts[name] or {}).get(key, frame.clear())
            for name, frame in task.frames.items()
        }
        yield replace(task, keys=(key,), frames=frames)


def _by_object(frame: pl.DataFrame) -> dict[str, pl.DataFrame] | None:
    if "object_id" not in frame.columns:
        return None
    return {str(key[0]): part for key, part in frame.partition_by("object_id", as_dict=True, maintain_order=True).items()}


def _joined(parts: Sequence[Computed], schema: pa.Schema) -> Computed:
    failures: dict[str | None, str] = {}
    for part in parts:
        failures.update(part.failures)
    rejections, deposits = [why for p in parts for why in p.rejections], tuple(left for p in parts for left in p.deposits)
    return Computed(_concatenated([p.rows for p in parts], schema), rejections, failures, deposits)


def _concatenated(rows: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(rows).combine_chunks() if rows else to_arrow([], schema)


def _lost(task: Task) -> Computed:
    rows = to_arrow([], task.schema)
    rows = rows if task.depot is None else rows.select(list(task.depot.key))
    return Computed(rows, [], dict.fromkeys(task.keys or (None,), DIED))


def _join(parts: Sequence[Computed]) -> Computed:
    return _joined(parts, parts[0].rows.schema)


RESCUE: Rescue[Task, Computed] = Rescue(lambda task: list(_singles(task)) or [task], _join, _lost)
