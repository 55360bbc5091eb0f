"""Decides what is stale: fingerprints of what each stage would read now, against what it read last."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from needle_assets.settings import Settings, as_fingerprinted
from needle_assets.stages import Stage
from needle_assets.warehouse.schema import Table, first_column, renamed_tables

ALL_COLUMNS = "*"

# One statement plans every stage: what each object's parents hold now, hashed with code version and parameters. Lists are sorted in
# half the time of an ordered string_agg.
WANTED = """
with inputs as (
    select r.stage, c.object_id, array_to_string(list_sort(list(r.first_parent || '=' || c.content_hash)), '|') as parents
    from reads r join lineage.contents c on c.asset = r.parent and c.columns = r.columns
    where c.object_id <> '' and r.is_per_object group by r.stage, c.object_id
), shared as (
    select r.stage, array_to_string(list_sort(list(r.first_parent || '=' || c.content_hash)), '|') as parents
    from reads r join lineage.contents c on c.asset = r.parent and c.columns = r.columns
    where c.object_id = '' and r.is_per_object group by r.stage
), whole as (
    select stage, string_agg(first_parent || '=' || content_hash, '|' order by first_parent) as parents from (
        select r.stage, r.first_parent, md5(string_agg(c.object_id || c.content_hash, '|' order by c.object_id)) as content_hash
        from reads r join lineage.contents c on c.asset = r.parent and c.columns = r.columns
        where not r.is_per_object group by r.stage, r.first_parent
    ) group by stage
), targets as (
    select n.stage, n.salt, o.object_id, concat_ws('|', i.parents, s.parents) as parents
    from nodes n cross join lineage.objects o
    left join inputs i on i.stage = n.stage and i.object_id = o.object_id left join shared s on s.stage = n.stage
    where n.is_per_object
    union all
    select n.stage, n.salt, null, coalesce(w.parents, '') from nodes n left join whole w using (stage) where not n.is_per_object
)
select t.stage, t.object_id, md5(t.salt || '|' || t.parents) as fingerprint, t.parents from targets t
"""


# What waits for a file that has not landed is computed once, and then not again until it has.
_IS_STALE = "l.fingerprint is distinct from w.fingerprint and (n.is_wanted or l.fingerprint is null)"


class Plan(NamedTuple):
    """Fingerprint and parents' hashes that a stage would get for an object now."""

    fingerprint: str
    parents: str


def parameters_of(stage: Stage, settings: Settings) -> str:
    """The settings a stage reads, as JSON with sorted keys."""
    read = {name: getattr(settings, name) for name in stage.settings}
    return json.dumps({name: as_fingerprinted(v) if is_dataclass(v) else v for name, v in read.items()}, sort_keys=True)


def columns_key(table: str, columns: Iterable[str]) -> str:
    """How a set of columns is named in ``lineage.contents``; they are hashed in this order, which a rename does not change."""
    return ",".join(sorted(columns, key=lambda name: first_column(table, name)))


def hashed_column_sets(stages: Sequence[Stage], table: str) -> set[str]:
    """Every set of columns of ``table`` that some stage reads, and the set of all."""
    return {columns_key(table, stage.reads[table]) for stage in stages if table in stage.reads} | {ALL_COLUMNS}


def register_graph(
    connection: duckdb.DuckDBPyConnection, stages: Sequence[Stage], tables: Mapping[str, Table], settings: Settings
) -> None:
    """Make the temporary tables ``nodes`` and ``reads`` that the plan joins with."""
    nodes = [{**_node(stage, tables, settings), "is_wanted": _is_wanted(connection, stage)} for stage in stages]
    reads = [
        {
            "stage": stage.table,
            "is_per_object": stage.is_per_object,
            "parent": parent,
            "first_parent": tables[parent].first_name if parent in tables else parent,
            "columns": columns_key(parent, columns),
        }
        for stage in stages
        for parent, columns in stage.reads.items()
    ]
    _register(connection, "nodes", nodes, ("stage", "salt", "is_per_object", "is_wanted"))
    _register(connection, "reads", reads, ("stage", "is_per_object", "parent", "first_parent", "columns"))


def _is_wanted(connection: duckdb.DuckDBPyConnection, stage: Stage) -> bool:
    """Whether what the stage waits for has landed, or rows are left of when it had."""
    if not stage.wanted_with:
        return True
    either = f"{_literal(stage.wanted_with)}, {_literal(stage.table)}"
    return connection.execute(f"select 1 from lineage.contents where asset in ({either}) limit 1").fetchone() is not None


def _node(stage: Stage, tables: Mapping[str, Table], settings: Settings) -> dict[str, Any]:
    salt = "|".join([stage.code_version, tables[stage.table].digest, parameters_of(stage, settings)])
    digest = hashlib.md5(salt.encode(), usedforsecurity=False).hexdigest()
    return {"stage": stage.table, "salt": digest, "is_per_object": stage.is_per_object}


def _register(connection: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    # Literals, because DuckDB imports pandas (if there is any) to bind the first value or frame: a third of an idle refresh.
    lines = ", ".join("(" + ", ".join(_literal(row[column]) for column in columns) + ")" for row in rows)
    connection.execute(f"create or replace temp table {name} as select * from (values {lines}) given({', '.join(columns)})")


def _literal(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else "'" + value.replace("'", "''") + "'"


def stale(connection: duckdb.DuckDBPyConnection, *, ignoring: str = "") -> list[tuple[str, str | None]]:
    """Every (stage, object_id) whose fingerprint differs from the ledger's, after :func:`register_graph`; not for ``ignoring`` alone."""
    apart = f"trim(regexp_replace({{}}, '\\|?{re.escape(ignoring)}=[0-9a-f]*', '', 'g'), '|')"
    alone = f"l.fingerprint = md5(n.salt || '|' || l.parents) and {apart.format('l.parents')} = {apart.format('w.parents')}"
    return connection.execute(
        f"select w.stage, w.object_id from ({WANTED}) w left join lineage.ledger l "
        "on l.asset = w.stage and l.object_id is not distinct from w.object_id join nodes n on n.stage = w.stage "
        f"where {_IS_STALE} {f'and not coalesce({alone}, false)' if ignoring else ''} "
        "order by w.stage, w.object_id"
    ).fetchall()


def failed_as_they_are(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str | None]]:
    """Every (stage, object_id) that was tried with what it would read now and failed, after :func:`register_graph`."""
    return set(
        connection.execute(
            f"select w.stage, w.object_id from ({WANTED}) w join core.rejections r on r.stage = w.stage "
            "and r.object_id is not distinct from w.object_id and (r.measured->>'fingerprint') = w.fingerprint"
        ).fetchall()
    )


def counts(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int, int]]:
    """For every stage: how many (stale, missing, all), after :func:`register_graph`; missing = never computed."""
    rows = connection.execute(
        f"select w.stage, count(*) filter ({_IS_STALE} and l.fingerprint is not null), "
        f"count(*) filter (l.fingerprint is null), count(*) from ({WANTED}) w left join lineage.ledger l "
        "on l.asset = w.stage and l.object_id is not distinct from w.object_id join nodes n on n.stage = w.stage group by 1"
    ).fetchall()
    return {stage: (stale_count, missing, total) for stage, stale_count, missing, total in rows}


def wanted(connection: duckdb.DuckDBPyConnection, stage: str, *, stale_only: bool) -> dict[str | None, Plan]:
    """What ``stage`` would get now, by object, after :func:`register_graph` (of this stage alone, which is much quicker)."""
    rows = connection.execute(
        f"select w.object_id, w.fingerprint, w.parents from ({WANTED}) w "
        "left join lineage.ledger l on l.asset = w.stage and l.object_id is not distinct from w.object_id "
        f"join nodes n on n.stage = w.stage where w.stage = ? and (not ? or ({_IS_STALE}))",
        [stage, stale_only],
    ).fetchall()
    return {object_id: Plan(fingerprint, _by_today(parents)) for object_id, fingerprint, parents in rows}


def _by_today(parents: str) -> str:
    """Parents' hashes under the names that the tables have now."""
    named = renamed_tables()
    if not named:
        return parents
    parts = (part.partition("=") for part in parents.split("|"))
    return "|".join(f"{named.get(name, name)}{equals}{version}" for name, equals, version in parts)


def requested_before(connection: duckdb.DuckDBPyConnection, stage: str, request_id: str) -> set[str | None]:
    """Objects that this stage already computed for the same request."""
    rows = connection.execute(
        "select object_id from lineage.ledger where asset = ? and request_id = ?", [stage, request_id]
    ).fetchall()
    return {row[0] for row in rows}


def untold(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Ledger rows whose event is not known to be recorded."""
    result = connection.execute(
        "select asset, object_id, data_version, code_version, parents, n_rows, n_rejected, write_id from lineage.ledger "
        "where not is_told order by asset, object_id"
    )
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def data_versions(
    connection: duckdb.DuckDBPyConnection, assets: Sequence[str], keys: Sequence[str]
) -> dict[tuple[str, str | None], str]:
    """Data versions of some products, of these objects and of the products that have none, by (asset, object_id)."""
    connection.register("asked", pa.table({"object_id": pa.array(keys, pa.string())}))
    rows = connection.execute(
        "select asset, object_id, data_version from lineage.ledger where list_contains(?, asset) "
        "and (object_id is null or object_id in (select object_id from asked))",
        [list(assets)],
    ).fetchall()
    connection.unregister("asked")
    return {(asset, object_id): version for asset, object_id, version in rows}


def made_by(connection: duckdb.DuckDBPyConnection, asset: str) -> tuple[str, str] | None:
    """Code version and parameters that a product without objects was computed with; None if it never was."""
    return connection.execute("select code_version, parameters from lineage.ledger where asset = ?", [asset]).fetchone()


def mark_told(connection: duckdb.DuckDBPyConnection, writes: Mapping[str, Sequence[str]]) -> None:
    """Remember, in the transaction that is open, that the events of these writes (by product) are recorded."""
    for asset, write_ids in writes.items():
        connection.execute(
            "update lineage.ledger set is_told = true where asset = ? and list_contains(?, write_id)", [asset, list(write_ids)]
        )


def hash_rows(
    connection: duckdb.DuckDBPyConnection, source: str, asset: str, columns: Collection[str], *, has_objects: bool
) -> None:
    """
    Store the content hashes of ``source`` (a table or registered frame), one for each set of columns.

    The hash of an object is md5 over the sorted 64-bit hashes of its rows: the order of rows does not matter, their number does.
    """
    if columns:
        query = hashes_query(columns, has_objects=has_objects).format(source=source)
        connection.execute(f"insert into lineage.contents select ?, * from ({query})", [asset, sorted(columns)])


def hashes_query(columns: Collection[str], *, has_objects: bool) -> str:
    """What :func:`hash_rows` stores but the product, of rows in ``{source}``: columns, object_id, content_hash; the sets are its value."""
    sets = sorted(columns)
    hashes = ", ".join(
        f"hash({'*columns(*)' if names == ALL_COLUMNS else names})::varchar as h{i}" for i, names in enumerate(sets)
    )
    joined = ", ".join(f"md5(string_agg(h{i}, '' order by h{i}))" for i in range(len(sets)))
    who = "object_id" if has_objects else "''"
    return (
        f"select unnest(?) as columns, object_id, unnest([{joined}]) as content_hash from "
        f"(select {who} as object_id, {hashes} from {{source}}) group by object_id"
    )


def backfill_hashes(connection: duckdb.DuckDBPyConnection, stages: Sequence[Stage], tables: Mapping[str, Table]) -> None:
    """Hash the sets of columns that a stage reads for the first time, from the rows that are already stored."""
    known = set(connection.execute("select distinct asset, columns from lineage.contents").fetchall())
    filled = {asset for asset, columns in known if columns == ALL_COLUMNS}
    for asset in sorted(filled & set(tables)):
        unknown = {columns for columns in hashed_column_sets(stages, asset) if (asset, columns) not in known}
        hash_rows(connection, asset, asset, unknown, has_objects="object_id" in tables[asset].create)
