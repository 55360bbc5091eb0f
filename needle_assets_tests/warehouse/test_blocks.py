"""An old copy of a database becomes a new one by writing what changed, and only where nobody can see it happen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pytest

from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.copies import blocks
from needle_assets.warehouse.copies.backups import copy_whole


@pytest.fixture
def working(tmp_path):
    path = tmp_path / "working.duckdb"
    change(path, "create table stamps as select i, hash(i) as h, random() as x from range(200000) t(i)")
    copy_whole(path, tmp_path / "old.duckdb")
    return path


def change(path, *statements):
    with writing(path) as connection:
        for statement in (*statements, "checkpoint"):
            connection.execute(statement)


@contextmanager
def counted(monkeypatch) -> Iterator[list[int]]:
    written: list[int] = []
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *given: written.append(pwrite(*given)) or written[-1])
    yield written


@pytest.mark.parametrize(
    "statements",
    [
        ("update stamps set x = 1 where i = 7",),
        ("delete from stamps where i < 100000", "create table others as select range as i from range(300000)"),
        ("drop table stamps", "create table stamps as select 1 as i"),
        (
            "create table wide as select array_value(i, i + 1, i + 2)::float[3] as pixels, i::varchar as name from range(100000) t(i)",
        ),
        (),
    ],
)
def test_an_old_copy_becomes_the_same_as_what_it_was_made_of(working, statements):
    old, new = working.with_name("old.duckdb"), working.with_name("new.duckdb")
    change(working, *statements)
    inode = old.stat().st_ino
    copy_whole(working, new, over=old)
    assert new.read_bytes() == working.read_bytes()
    assert (new.stat().st_ino, new.stat().st_mode & 0o777, old.exists()) == (inode, 0o444, False)


def test_little_is_written_where_little_changed(working, monkeypatch):
    change(working, "create table note as select 1 as number")
    with counted(monkeypatch) as written:
        copy_whole(working, working.with_name("new.duckdb"), over=working.with_name("old.duckdb"))
    assert 0 < sum(written) < working.stat().st_size / 2


@pytest.mark.parametrize("hold", ["reader", "bytes", "name"])
def test_a_copy_that_somebody_still_looks_at_stays_as_it_is(working, hold):
    old, new, other = (working.with_name(f"{name}.duckdb") for name in ("old", "new", "other"))
    before = old.read_bytes()
    held = duckdb.connect(str(old), read_only=True) if hold == "reader" else old.open("rb")
    if hold == "name":
        held.close()
        os.link(old, other)
    change(working, "update stamps set x = 2")
    copy_whole(working, new, over=old)
    assert new.read_bytes() == working.read_bytes()
    if hold == "reader":
        assert held.execute("select count(*) from stamps where x = 2").fetchone() == (0,)
    else:
        assert (other.read_bytes() if hold == "name" else held.read()) == before
    held.close()


def test_what_is_no_earlier_copy_is_replaced_as_a_whole(working):
    old, new = working.with_name("old.duckdb"), working.with_name("new.duckdb")
    old.chmod(0o644)
    old.write_bytes(b"no database")
    copy_whole(working, new, over=old)
    assert new.read_bytes() == working.read_bytes()


def test_where_nobody_can_tell_who_looks_a_copy_is_left_alone(working, monkeypatch):
    monkeypatch.delattr(blocks.fcntl, "F_SETLEASE")
    old = working.with_name("old.duckdb")
    assert not blocks.write_changed(working, old)
