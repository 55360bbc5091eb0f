"""What makes a product stale: its code, the description of its table, the settings it reads, and the rows it reads; nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest

from needle_assets.settings import Settings
from needle_assets.stages import STAGES, stage_named
from needle_assets.warehouse import ledger, schema

HOSTS = stage_named("core.hosts")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as opened:
        schema.apply(opened)
        opened.execute("insert into lineage.objects select unnest(['a', 'b']), 'ztf', now()::timestamp")
        for object_id in "ab":
            opened.execute(
                "insert into lineage.contents select 'raw.hosts', ?, ?, md5(?)",
                [ledger.columns_key("raw.hosts", HOSTS.reads["raw.hosts"]), object_id, object_id],
            )
        yield opened


def fingerprints(connection, *, stages=STAGES, tables=None, settings=None) -> dict[tuple[str, str | None], str]:
    ledger.register_graph(connection, stages, tables or schema.read_tables(), settings or Settings())
    return {(stage, object_id): found for stage, object_id, found, _ in connection.execute(ledger.WANTED).fetchall()}


def changed(before, after) -> set[tuple[str, str | None]]:
    assert before.keys() == after.keys()
    return {key for key in before if before[key] != after[key]}


def of(table: str) -> set[tuple[str, str | None]]:
    return {(table, "a"), (table, "b")}


def test_the_same_gives_the_same(connection):
    assert changed(fingerprints(connection), fingerprints(connection)) == set()


def test_another_code_makes_that_product_stale(connection):
    raised = [replace(stage, code_version="999") if stage is HOSTS else stage for stage in STAGES]
    assert changed(fingerprints(connection), fingerprints(connection, stages=raised)) == of("core.hosts")


def test_another_description_of_its_table_makes_that_product_stale(connection):
    tables = schema.read_tables()
    other = {**tables, "core.hosts": replace(tables["core.hosts"], create=tables["core.hosts"].create + " with a check")}
    assert changed(fingerprints(connection), fingerprints(connection, tables=other)) == of("core.hosts")


def test_the_digest_of_a_table_is_of_all_that_its_file_describes():
    tables = schema.read_tables()
    assert len({table.digest for table in tables.values()}) == len(tables)


def test_another_setting_makes_stale_what_reads_it_and_nothing_else(connection):
    plain = Settings()
    stricter = replace(plain, hosts=replace(plain.hosts, largest_p_chance=0.05))
    readers = {stage.table for stage in STAGES if "hosts" in stage.settings}
    found = changed(fingerprints(connection), fingerprints(connection, settings=stricter))
    assert {table for table, _ in found} == readers
    assert of("core.hosts") <= found


def test_another_row_makes_its_own_object_stale(connection):
    before = fingerprints(connection)
    connection.execute("update lineage.contents set content_hash = 'x' where object_id = 'b'")
    assert changed(before, fingerprints(connection)) == {("core.hosts", "b")}
