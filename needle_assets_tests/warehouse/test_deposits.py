"""Rows with images that workers write, and that the driver takes in by reference."""

import duckdb
import pyarrow.parquet as pq
import pytest

from needle_assets.pipeline.compute import RESCUE, Computed, Task, _left
from needle_assets.pipeline.run_stage import _depot
from needle_assets.pipeline.session import Session
from needle_assets.stages import STAGES
from needle_assets.warehouse import ledger, rows
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.lake import deposits
from needle_assets.warehouse.lake.place import lake_of
from needle_assets.warehouse.lake.upkeep import maintain
from needle_assets_tests.warehouse.test_lake import STAMPS, home, stamp

__all__ = ["home"]
PLANS = {"ZTF18aaaaaaa": ledger.Plan("f", "")}


@pytest.fixture
def depot(home):
    return _depot(Session(home, home.settings()), STAMPS)


def batch_of(depot, table, **more):
    writer = rows.Writer("run", "run", None)
    return rows.Batch(STAMPS, depot.key, ["ZTF18aaaaaaa"], table, [], PLANS, "{}", writer, "write", **more)


def table_of(connection, *candids):
    return rows.to_arrow([stamp(candid) for candid in candids], rows.arrow_schema(connection, "core.stamps"))


def test_a_file_taken_in_holds_the_same_rows_hashes_and_ledger_as_rows_stored(home, depot):
    found = []
    with writing(home.working) as connection:
        table = table_of(connection, 1, 2, 3)
        for is_left in (False, True):
            left = (deposits.leave(depot, table),) if is_left else ()
            given = table.select(list(depot.key)) if is_left else table
            written = rows.store(connection, batch_of(depot, given, deposits=left), STAGES)
            hashes = connection.execute("select * from lineage.contents where asset = 'core.stamps' order by all").fetchall()
            stored = connection.execute("select count(*), bit_xor(hash(s)) from core.stamps s").fetchall()
            found.append((written, hashes, stored))
    assert found[0] == found[1]
    assert found[0][0][0].n_rows == 3


def test_a_file_that_was_never_named_is_removed_by_upkeep(home, depot):
    with writing(home.working) as connection:
        left = deposits.leave(depot, table_of(connection, 7))
    assert pq.read_metadata(left.path).num_rows == 1
    maintain(lake_of(home.working), n_published=1, days=0)
    with pytest.raises(FileNotFoundError):
        pq.read_metadata(left.path)


def test_what_fails_after_a_file_was_named_names_it_no_more(home, depot, monkeypatch):
    monkeypatch.setattr(rows, "_insert_rejections", lambda *_: 1 / 0)
    with writing(home.working) as connection:
        before = connection.execute("select list(candid order by candid) from core.stamps").fetchone()
        left = deposits.leave(depot, table_of(connection, 11))
        with pytest.raises(ZeroDivisionError):
            rows.store(connection, batch_of(depot, table_of(connection, 11), deposits=(left,)), STAGES)
    with writing(home.working) as connection:
        assert connection.execute("select list(candid order by candid) from core.stamps").fetchone() == before


def test_rows_that_break_a_check_are_not_written(home, tmp_path):
    masks = next(stage for stage in STAGES if stage.table == "core.masks")
    depot = _depot(Session(home, home.settings()), masks)
    with writing(home.working) as connection:
        arrow = rows.arrow_schema(connection, "core.masks")
    wrong = {field.name: {"int32": -1, "bool": False, "string": "none"}.get(str(field.type)) for field in arrow}
    with pytest.raises(duckdb.ConstraintException):
        deposits.leave(depot, rows.to_arrow([{**wrong, "candid": 1, "mask": [True] * 3600}], arrow))
    assert not list((home.path / "rows" / "core" / "masks").glob("*"))


def test_only_tables_with_images_in_a_lake_have_a_depot(home, own):
    session, plain = Session(home, home.settings()), Session(own[1], own[1].settings())
    named = {stage.table for stage in STAGES if _depot(session, stage) is not None}
    ours = {"core.stamps", "core.restored_stamps", "core.masks", "core.masked_stamps", "core.turned_stamps", "core.field_images"}
    assert named == ours
    assert all(_depot(plain, stage) is None for stage in STAGES)


def test_objects_without_stamps_are_computed_with_no_rows(home, depot):
    with writing(home.working) as connection:
        none = table_of(connection, 1).slice(0, 0).select(list(depot.key))
        (written,) = rows.store(connection, batch_of(depot, none), STAGES)
    assert (written.n_rows, written.data_version) == (0, rows.EMPTY)


def test_a_workers_answer_is_small_and_joins_with_others(home, depot):
    with writing(home.working) as connection:
        table = table_of(connection, 1, 2)
    parts = [_left(depot, Computed(table, [])), _left(depot, Computed(table.slice(0, 0), []))]
    task = Task(STAMPS, ("ZTF18aaaaaaa",), {}, home.settings(), table.schema, depot)
    joined = RESCUE.join([*parts, RESCUE.lost(task)])
    assert joined.rows.nbytes < 1000 < table.nbytes
    assert (joined.rows.num_rows, len(joined.deposits)) == (2, 1)
