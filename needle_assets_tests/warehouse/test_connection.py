"""A working database that is kept open between its uses."""

import subprocess
import sys

import duckdb
import pytest

from needle_assets.warehouse import connection as connections
from needle_assets.warehouse.connection import kept_open, let_go, writing


@pytest.fixture
def path(tmp_path):
    with writing(tmp_path / "working.duckdb") as connection:
        connection.execute("create table numbers as select 1 as number")
    return tmp_path / "working.duckdb"


def can_be_opened_elsewhere(path):
    look = f"import duckdb; duckdb.connect({str(path)!r}).execute('from numbers')"
    return subprocess.run([sys.executable, "-c", look], capture_output=True, check=False).returncode == 0


def number_in(path):
    with writing(path) as connection:
        return connection.execute("from numbers").fetchone()[0]


def test_a_file_that_is_kept_open_is_opened_once(path):
    with kept_open(path):
        number_in(path)
        opened = connections._kept[path]
        assert number_in(path) == 1
        assert connections._kept[path] is opened


def test_others_open_a_file_again_when_it_is_let_go(path):
    with kept_open(path):
        number_in(path)
        assert not can_be_opened_elsewhere(path)
        let_go(path)
        assert can_be_opened_elsewhere(path)
        assert number_in(path) == 1
    assert can_be_opened_elsewhere(path)


def test_after_an_error_the_file_is_opened_anew(path):
    with kept_open(path):
        with pytest.raises(duckdb.Error), writing(path) as connection:
            connection.execute("from nothing")
        assert can_be_opened_elsewhere(path)


def test_what_is_kept_open_by_nobody_is_let_go_without_harm(path):
    let_go(path)
    assert number_in(path) == 1


def test_the_log_of_a_file_that_stays_open_is_written_into_it_when_it_is_let_go(path):
    log = path.with_name("working.duckdb.wal")
    with kept_open(path):
        with writing(path) as connection:
            connection.execute("create table texts as select repeat('x', 1000) || i as text from range(4000) t(i)")
            connection.execute("insert into texts select text || 'y' from texts limit 1500")
        assert log.stat().st_size > connections.LOG_LIMIT_BYTES
        let_go(path)
        assert not log.exists()
        assert number_in(path) == 1
