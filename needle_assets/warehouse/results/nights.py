"""The summaries of nights, ``lineage.nights``: begun before anything is computed, so that a night cut short is there to be seen."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import duckdb

from needle_assets.warehouse.connection import transaction
from needle_assets.warehouse.rows import now
from needle_assets.warehouse.schema import bump_change

TABLE = "lineage.nights"
_STATE = """
    (select count(*) from lineage.objects), (select count(*) from core.detections),
    (select coalesce(list(object_id order by best desc, object_id), []) from
        (select object_id, max(greatest(p_slsn, p_tde)) as best from results.candidates group by object_id having best > 0.5))"""
# Of each new high score what is known to speak against it.
_AGAINST = f"""
    select coalesce(list(coalesce(array_to_string(v.reasons, '; '), '') order by position), []) from (
        select unnest(new_high_scores) as object_id, generate_subscripts(new_high_scores, 1) as position
        from {TABLE} where run_id = $run_id
    ) left join core.vetting v using (object_id)"""


def begin(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    started_at: dt.datetime,
    sources: Sequence[str],
    *,
    failures: Sequence[str],
    n_left: int,
) -> None:
    """Note what services said, and what there was before; after nights that were cut short, what there was before those."""
    with transaction(connection):
        known = connection.execute(
            f"select n_objects_before, n_detections_before, high_scores_before, ended_at is null from {TABLE} "
            "order by started_at desc limit 1"
        ).fetchone()
        before = known[:3] if known and known[3] else connection.execute(f"select {_STATE}").fetchone()
        assert before is not None
        given = [run_id, started_at, list(sources), list(failures), n_left, *before]
        connection.execute(
            f"insert into {TABLE} (run_id, started_at, sources, failures, n_left, n_objects_before, n_detections_before, "
            "high_scores_before) values (?, ?, ?, ?, ?, ?, ?, ?)",
            given,
        )
        bump_change(connection)


def end(connection: duckdb.DuckDBPyConnection, run_id: str, *, n_computed: int, failures: Sequence[str]) -> None:
    """Note what there is more than before, and which code failed."""
    with transaction(connection):
        connection.execute(
            f"update {TABLE} set ended_at = $at, seconds = epoch($at - started_at), n_computed = $n_computed, "
            "failures = failures || $failures, new_objects = n_objects - n_objects_before, "
            "new_detections = n_detections - n_detections_before, "
            "new_high_scores = list_filter(high_scores, object_id -> not list_contains(high_scores_before, object_id)) "
            f"from (select {_STATE}) found(n_objects, n_detections, high_scores) where run_id = $run_id",
            {"at": now(), "n_computed": n_computed, "failures": list(failures), "run_id": run_id},
        )
        connection.execute(f"update {TABLE} set against = ({_AGAINST}) where run_id = $run_id", {"run_id": run_id})
        bump_change(connection)


def note_failure(connection: duckdb.DuckDBPyConnection, run_id: str, sentence: str) -> None:
    """Note what cut the night short."""
    with transaction(connection):
        connection.execute(f"update {TABLE} set failures = list_append(failures, ?) where run_id = ?", [sentence, run_id])
        bump_change(connection)


def night(connection: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, Any] | None:
    """The summary of one night as people read it, without what was before; None if it was never begun."""
    found = connection.execute(f"select columns(c -> not ends_with(c, '_before')) from {TABLE} where run_id = ?", [run_id])
    names = [column[0] for column in found.description or []]
    row = found.fetchone()
    return dict(zip(names, row, strict=True)) if row else None
