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


ASKED = """
import resource, sys
import duckdb
from needle_assets.warehouse.connection import as_frame, table_of
as_frame(duckdb.sql("select 1 as a").arrow().read_all())
resource.setrlimit(resource.RLIMIT_AS, (8_000_000_000, 8_000_000_000))
connection = duckdb.connect(config={"threads": 1, "memory_limit": "500MB"})
connection.execute("create table t as select range as k, range(3600)::float[3600] as pixels from range(3)")
answer = connection.execute("select * from t order by k")
print(len(as_frame(table_of(answer) if sys.argv[1] == "ours" else answer.to_arrow_table())))
"""


@pytest.mark.parametrize(("how", "says"), [("ours", "3\n"), ("as DuckDB does it", "")])
def test_an_answer_with_stamps_asks_for_no_more_memory_than_a_machine_has(how, says):
    done = subprocess.run([sys.executable, "-c", ASKED, how], capture_output=True, text=True)
    assert (done.stdout, done.returncode == 0) == (says, bool(says))


@pytest.mark.parametrize("most", [1, 10**9])
def test_a_file_that_is_kept_open_is_closed_where_much_of_it_lies_in_memory(path, monkeypatch, most):
    monkeypatch.setattr(connections, "KEPT_CACHE_BYTES", most)
    with kept_open(path):
        assert number_in(path) == 1
        assert can_be_opened_elsewhere(path) == (most == 1)
        assert number_in(path) == 1
