"""What others were told of candidates, ``results.sent``, and the candidates as they stand beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from needle_assets.samples.vetting import REASONS
from needle_assets.warehouse.connection import WarehouseError, reading, transaction
from needle_assets.warehouse.rows import arrow_schema, require_checked, to_arrow
from needle_assets.warehouse.schema import bump_change, columns_of

TABLE = "results.sent"
_AGAINST = ", ".join(f"if(v.{name}, '{name}', null)" for name in REASONS)
_CANDIDATES = f"""
    select c.* replace (coalesce(c.ra_deg, o.ra_deg) as ra_deg, coalesce(c.dec_deg, o.dec_deg) as dec_deg), o.iau_name, o.redshift,
        list_filter([{_AGAINST}], name -> name is not null) as against,
        (select coalesce(list(i.other_id order by i.other_id), []) from core.identities i where i.object_id = c.object_id) as other_ids,
        e.first_mjd
    from results.candidate_ranking c
    left join core.vetting v using (object_id)
    left join raw.objects o using (object_id)
    left join core.epochs e using (object_id)
    order by c.rank"""
_TOLD = f"""
    select message_id, object_id, as_of_mjd, model_set, classification, p_sn, p_slsn, p_tde, against, refusal is not null as is_refused
    from {TABLE} where destination = ?
    qualify row_number() over (partition by object_id, refusal is null order by number desc, sent_at desc) = 1"""


def candidates(published: Path) -> list[dict[str, Any]]:
    """Every candidate as it is ranked, with what speaks against it, the best first."""
    with reading(published) as connection:
        _require_table(connection, published)
        return _records(connection, _CANDIDATES)


def told(published: Path, destination: str) -> list[dict[str, Any]]:
    """Of every object the newest message that a destination took, and the newest that it refused."""
    with reading(published) as connection:
        _require_table(connection, published)
        return _records(connection, _TOLD, [destination])


def _require_table(connection: duckdb.DuckDBPyConnection, published: Path) -> None:
    if not columns_of(connection, TABLE):
        raise WarehouseError(f"{published} was published by an earlier version of needle_assets; run `needle refresh` once.")


def store(connection: duckdb.DuckDBPyConnection, messages: Sequence[Mapping[str, Any]]) -> None:
    """Note messages in their order; one that is noted already stays as it is, a refusal makes room for what became of it later."""
    with transaction(connection):
        row = connection.execute(f"select coalesce(max(number), 0) from {TABLE}").fetchone()
        first = int(row[0]) + 1 if row else 1
        last = {message["message_id"]: {**message, "number": first + n} for n, message in enumerate(messages)}
        connection.register("noted", to_arrow(list(last.values()), arrow_schema(connection, TABLE)))
        require_checked(connection, TABLE, "noted")
        connection.execute(f"delete from {TABLE} where refusal is not null and message_id in (select message_id from noted)")
        connection.execute(f"insert into {TABLE} by name select * from noted anti join {TABLE} using (message_id)")
        connection.unregister("noted")
        bump_change(connection)


def take_over(connection: duckdb.DuckDBPyConnection, catalog: str) -> int:
    """
    Add the messages that only another database, attached as ``catalog``, holds; returns how many.

    A warehouse that went back to an older copy, or began anew, must not send again what others were told.
    """
    names = [name for name in columns_of(connection, TABLE) if name in columns_of(connection, TABLE, catalog)]
    if "message_id" not in names:
        return 0
    chosen, taken = ", ".join(names), f"select message_id from {catalog}.{TABLE} where refusal is null"
    connection.execute(f"delete from {TABLE} where refusal is not null and message_id in ({taken})")  # refused then, taken since
    new = connection.execute(
        f"insert into {TABLE} by name select {chosen} from {catalog}.{TABLE} t anti join {TABLE} using (message_id)"
    ).fetchone()
    return int(new[0]) if new else 0


def _records(connection: duckdb.DuckDBPyConnection, query: str, given: Sequence[Any] = ()) -> list[dict[str, Any]]:
    result = connection.execute(query, list(given))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
