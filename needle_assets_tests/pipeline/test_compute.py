"""Code that fails on an object costs that object only, and is told with its traceback; nothing is swallowed and nothing is lost."""

import polars as pl
import pyarrow as pa
import pytest

from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.pipeline.compute import Task, run_task
from needle_assets.settings import Settings
from needle_assets.stages import Stage

SCHEMA = pa.schema([("object_id", pa.string()), ("value", pa.float64())])
VALUES = pl.DataFrame({"object_id": ["a", "b", "a", "c"], "value": [1.0, 2.0, 3.0, 5.0]})
TO_ALL = pl.DataFrame({"value": [100.0]})


def sums(frames, _settings) -> Product:
    """The sum of an object's values; -1 fails, a value above 1000 is refused as a whole, 9 is a rejection beside its row."""
    product = Product()
    for (object_id,), part in frames["own"].group_by("object_id", maintain_order=True):
        values = part["value"].to_list()
        if -1.0 in values:
            raise ZeroDivisionError(f"of {object_id}")
        if max(values) > 1000:
            raise Rejection("too bright.", object_id=object_id, value=max(values))
        if 9.0 in values:
            product.rejections.append(Rejection("a nine.", candid=9, object_id=object_id))
        product.rows.append({"object_id": object_id, "value": sum(values) + sum(frames["all"]["value"])})
    return product


def wrong_rows(frames, _settings) -> Product:
    """Rows that do not fit the table for b."""
    rows = [
        {"object_id": z, "value": "text" if z == "b" else 1.0} for z in frames["own"]["object_id"].unique(maintain_order=True)
    ]
    return Product(rows)


def more_than_the_table(frames, _settings) -> Product:
    """Rows with a value that the table has no column for."""
    return Product(
        [{"object_id": z, "value": 1.0, "valeu_err": 0.1} for z in frames["own"]["object_id"].unique(maintain_order=True)]
    )


def task(compute=sums, own=VALUES, keys=("a", "b", "c"), *, is_bulk=False) -> Task:
    stage = Stage("core.sums", f"{__name__}:{compute.__name__}", {}, is_bulk=is_bulk)
    return Task(stage, keys, {"own": own, "all": TO_ALL}, Settings(), SCHEMA)


def changed(object_id: str, value: float) -> pl.DataFrame:
    return VALUES.with_columns(value=pl.when(pl.col("object_id") == object_id).then(value).otherwise("value"))


BOTH = pytest.mark.parametrize("is_bulk", [False, True])


@BOTH
def test_each_object_has_its_own_rows_and_all_that_have_none(is_bulk):
    done = run_task(task(is_bulk=is_bulk))
    assert done.rows.to_pydict() == {"object_id": ["a", "b", "c"], "value": [104.0, 102.0, 105.0]}
    assert done.rows.schema == SCHEMA
    assert (done.rejections, done.failures) == ([], {})


@BOTH
def test_a_failing_object_is_told_with_its_traceback_and_the_others_are_computed(is_bulk):
    done = run_task(task(own=changed("b", -1.0), is_bulk=is_bulk))
    assert done.rows["object_id"].to_pylist() == ["a", "c"]
    assert done.failures.keys() == {"b"}
    assert "ZeroDivisionError: of b" in done.failures["b"]
    assert "in sums" in done.failures["b"]


@BOTH
def test_every_failing_object_is_told(is_bulk):
    own = changed("b", -1.0).with_columns(value=pl.when(pl.col("object_id") == "c").then(-1.0).otherwise("value"))
    assert run_task(task(own=own, is_bulk=is_bulk)).failures.keys() == {"b", "c"}


@BOTH
def test_rows_that_do_not_fit_their_table_are_a_failure_of_their_object(is_bulk):
    done = run_task(task(wrong_rows, is_bulk=is_bulk))
    assert done.rows["object_id"].to_pylist() == ["a", "c"]
    assert done.failures.keys() == {"b"}


@BOTH
def test_a_value_without_a_column_is_a_failure_and_not_lost_in_silence(is_bulk):
    done = run_task(task(more_than_the_table, is_bulk=is_bulk))
    assert len(done.rows) == 0
    assert "a row has valeu_err, for which its table has no column; the columns are object_id, value." in done.failures["a"]


def test_an_object_refused_as_a_whole_is_a_refusal_and_no_failure():
    done = run_task(task(own=changed("b", 2000.0)))
    assert done.rows["object_id"].to_pylist() == ["a", "c"]
    assert [(why.object_id, why.reason) for why in done.rejections] == [("b", "too bright.")]
    assert done.failures == {}


@BOTH
def test_a_rejection_beside_rows_is_kept_with_its_object_and_packet(is_bulk):
    done = run_task(task(own=changed("b", 9.0), is_bulk=is_bulk))
    assert len(done.rows) == 3
    assert [(why.object_id, why.candid, why.reason) for why in done.rejections] == [("b", 9, "a nine.")]


def test_an_object_without_rows_is_computed_from_empty_frames():
    assert run_task(task(keys=("a", "nobody"))).rows["object_id"].to_pylist() == ["a"]


def test_objects_of_other_tasks_are_left_alone():
    assert run_task(task(keys=("c",))).rows["object_id"].to_pylist() == ["c"]


def test_a_product_without_objects_fails_as_a_whole():
    done = run_task(task(own=changed("b", -1.0), keys=None))
    assert len(done.rows) == 0
    assert done.failures.keys() == {None}
    assert run_task(task(keys=None)).rows["value"].to_pylist() == [104.0, 102.0, 105.0]
