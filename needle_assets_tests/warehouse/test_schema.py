"""The SQL files: applied, migrated, documented."""

import duckdb
import pyarrow as pa
import pytest

from needle_assets.stages import STAGES
from needle_assets.warehouse import dictionary, schema
from needle_assets.warehouse.connection import WarehouseError, reading, writing
from needle_assets.warehouse.copies import publish
from needle_assets.warehouse.rows import require_distinct


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    with duckdb.connect(":memory:") as opened:
        schema.apply(opened)
        yield opened


def test_every_table_and_view_says_its_grain_in_its_last_sentence():
    without = [
        name
        for name, comment in dictionary.table_comments().items()
        if "One row per " not in comment.rstrip(".").rsplit(". ", 1)[-1]
    ]
    assert without == []


def test_every_column_of_a_table_has_a_comment():
    tables = schema.read_tables()
    missing = [(t, c) for t, columns in dictionary.column_comments().items() if t in tables for c, _, text in columns if not text]
    assert missing == []


def test_the_data_dictionary_is_current():
    remedy = "run: python -m needle_assets.warehouse.dictionary"
    assert dictionary.page().read_text(encoding="utf-8") == dictionary.render(), remedy


def test_every_stage_has_a_table_and_reads_columns_that_exist():
    columns = {table: {name for name, _, _ in described} for table, described in dictionary.column_comments().items()}
    for stage in STAGES:
        assert stage.table in columns
        for parent, read in stage.reads.items():
            if not parent.startswith("landing."):
                assert set(read) <= columns[parent], f"{stage.table} reads {set(read) - columns[parent]} of {parent}"


def test_stages_come_after_everything_they_read():
    order = [stage.table for stage in STAGES]
    for stage in STAGES:
        parents = [parent for parent in stage.reads if parent in order]
        assert all(order.index(parent) < order.index(stage.table) for parent in parents)


def test_applying_twice_changes_nothing(connection):
    before = schema.change_number(connection)
    assert schema.apply(connection) == []
    assert schema.change_number(connection) == before


def test_a_new_column_keeps_the_rows_that_are_there(connection):
    connection.execute("insert into core.upper_limits values ('ZTF18abcdefg', 59000, 'g', 20.1)")
    _describe_otherwise(connection, "core.upper_limits", "alter table core.upper_limits drop column mag_limit")
    connection.execute("alter table core.upper_limits add column mag_limit float default 20.1")
    connection.execute("alter table core.upper_limits add column gone integer")
    assert schema.apply(connection) == []
    assert connection.execute("select * from core.upper_limits").fetchall() == [
        ("ZTF18abcdefg", 59000.0, "g", pytest.approx(20.1))
    ]


def test_rows_that_break_a_new_check_are_dropped_and_named(connection):
    _describe_otherwise(connection, "results.feature_importance", "drop table results.feature_importance")
    columns = "rank integer, feature varchar, importance double, importance_err double, n_objects integer"
    connection.execute(f"create table results.feature_importance ({columns})")
    connection.execute("insert into results.feature_importance values (0, null, 0.1, 0.1, 3)")
    assert schema.apply(connection) == ["results.feature_importance"]
    assert connection.execute("select count(*) from results.feature_importance").fetchone() == (0,)


def test_a_check_taken_away_makes_nothing_stale(tmp_path):
    told = [tmp_path / "core.before.sql", tmp_path / "core.after.sql"]
    told[0].write_text("create table core.t (\n    band varchar not null check (band in ('g', 'r')),\n    mag float\n);")
    told[1].write_text("create table core.t (\n    band varchar not null, -- once check (band in ('g', 'r'))\n    mag float\n);")
    before, after = (schema._read_table(path) for path in told)
    assert after.digest == before.digest
    assert after.form != before.form
    assert "check" not in after.statement


def _describe_otherwise(connection: duckdb.DuckDBPyConnection, table: str, change: str) -> None:
    connection.execute(change)
    connection.execute("update lineage.state set value = 'older' where name in (?, 'schema:all')", [f"schema:{table}"])


def test_the_primary_key_is_read_in_both_spellings():
    assert schema.primary_key("create table t (\n    a varchar not null,\n    primary key (a, b)\n)") == ["a", "b"]
    assert schema.primary_key("create table t (\n    object_id varchar primary key,\n    x integer\n)") == ["object_id"]
    assert schema.primary_key("create table t (a integer)") == []


def test_keys_are_not_null_and_have_no_index(connection):
    assert _n_indexed_keys(connection) == 0
    with pytest.raises(duckdb.ConstraintException):
        connection.execute("insert into core.upper_limits values (null, 59000, 'g', 20.1)")
    assert schema.primary_key(schema.read_tables()["core.upper_limits"].create) == ["object_id", "band", "mjd"]


def _n_indexed_keys(connection: duckdb.DuckDBPyConnection) -> int:
    return len(connection.execute("select 1 from duckdb_constraints() where constraint_type = 'PRIMARY KEY'").fetchall())


def test_the_index_of_an_older_home_goes_and_its_rows_stay(connection):
    _describe_otherwise(connection, "core.upper_limits", "drop table core.upper_limits")
    connection.execute(schema.read_tables()["core.upper_limits"].create)
    connection.execute("insert into core.upper_limits values ('ZTF18abcdefg', 59000, 'g', 20.1)")
    assert _n_indexed_keys(connection) == 1
    assert schema.apply(connection) == []
    assert _n_indexed_keys(connection) == 0
    assert connection.execute("select object_id from core.upper_limits").fetchall() == [("ZTF18abcdefg",)]


def test_two_rows_of_one_key_are_refused_with_their_key():
    stored = pa.table({"object_id": ["ZTF18abcdefg"] * 2, "mjd": [1.0, 1.0]})
    with pytest.raises(WarehouseError, match="2 rows share a key"):
        require_distinct(stored, "core.x", ["object_id", "mjd"])
    require_distinct(stored, "core.x", [])


def test_thousands_of_rows_are_replaced_through_the_log_again_and_again(tmp_path):
    table = schema.Table("t", "create table t (object_id varchar, text varchar, primary key (object_id, text))", "")
    for n in range(4):
        with writing(tmp_path / "small.duckdb") as connection:
            if n == 0:
                connection.execute(table.statement)
            connection.execute(
                "begin; delete from t; insert into t select 'ZTF' || i, md5('' || i) from range(2500) r(i); commit"
            )
        with writing(tmp_path / "small.duckdb") as connection:
            connection.execute("checkpoint")
            assert connection.execute("select count(distinct object_id) from t").fetchone() == (2500,)


def test_nothing_of_a_changed_schema_stays_in_the_log(tmp_path):
    working = tmp_path / "small.duckdb"
    with writing(working) as connection:
        schema.apply(connection)
        _describe_otherwise(connection, "core.epochs", "alter table core.epochs add column gone integer")
        schema.apply(connection)
    with duckdb.connect(str(working), read_only=True) as directly:
        assert directly.execute("select count(*) from core.epochs").fetchone() == (0,)
    assert not working.with_name("small.duckdb.wal").exists()


def test_a_log_with_a_changed_schema_is_read_back_and_can_be_published(tmp_path):
    working, published = tmp_path / "small.duckdb", tmp_path / "published.duckdb"
    with writing(working) as connection:
        schema.apply(connection)
        connection.execute(schema.read_tables()["core.splits"].comments)  # its check calls a function
    with pytest.raises(duckdb.InternalException, match="replaying WAL"):
        duckdb.connect(str(working), read_only=True)
    assert publish.publish(working, published, backups=tmp_path)
    with reading(published) as connection:
        assert connection.execute("select count(*) from core.splits").fetchall() == [(0,)]
