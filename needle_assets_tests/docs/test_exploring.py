"""People look into the warehouse while it works: DuckDB's own command line, a notebook that stays open, the prompt of ``needle sql``."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import duckdb
import pytest

from needle_assets.cli.querying import interactive_sql
from needle_assets.home import Home
from needle_assets.warehouse.connection import WarehouseError
from needle_assets_tests.homes import environment_of, fill, needle

PATIENCE_SECONDS = 180
WRITERS = "select distinct run_id from lineage.ledger where asset = 'core.epochs'"
QUESTIONS = (
    "select count(*) from core.stamps",
    "select stage, reason, count(*) from core.rejections group by all",
    "from lineage.packets_of limit 3",
    "summarize core.light_curves",
)


def duckdb_says(database: Path, query: str, *how: str) -> str:
    """What DuckDB's command line prints."""
    program = Path(sys.executable).with_name("duckdb")
    done = subprocess.run([program, "-readonly", *how, database, query], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.slow
def test_duckdbs_command_line_reads_the_published_file_all_through_a_refresh(home: Path) -> None:
    published = Home(home).published
    before, writers = published.stat().st_ino, duckdb_says(published, WRITERS, "-csv")
    command = [sys.executable, "-m", "needle_assets.cli", "refresh", "--select", "core/epochs", "--recompute", "core/epochs"]
    with subprocess.Popen(command, env=environment_of(home), stdout=subprocess.DEVNULL) as refresh:
        rounds = 0
        while refresh.poll() is None:
            assert all(duckdb_says(published, query) for query in QUESTIONS)
            rounds += 1
    assert refresh.returncode == 0
    assert rounds >= 2
    assert published.stat().st_ino != before
    assert duckdb_says(published, WRITERS, "-csv") != writers


def test_a_read_only_command_line_cannot_change_the_published_file(home: Path) -> None:
    with pytest.raises(AssertionError, match="read-only mode"):
        duckdb_says(Home(home).published, "delete from core.stamps")
    assert Home(home).published.stat().st_mode & 0o222 == 0, "without -readonly the file's mode forbids it, except to root"


def test_a_notebook_keeps_its_connection_over_a_publish_and_sees_the_new_when_it_connects_again(home: Path) -> None:
    published = Home(home).published
    notebook = duckdb.connect(str(published), read_only=True)
    lazy = notebook.sql(WRITERS)
    before = notebook.sql(WRITERS).fetchall()
    fill(home, select=("core/epochs",), recompute=("core/epochs",))
    assert notebook.sql(WRITERS).fetchall() == lazy.fetchall() == before
    assert notebook.sql("select count(science) from core.stamps").fetchone() is not None
    notebook.close()
    with duckdb.connect(str(published), read_only=True) as again:
        now = again.sql(WRITERS).fetchall()
    assert len(now) == 1
    assert now != before


def test_the_prompt_answers_until_the_end_of_the_input(home: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "needle_assets.cli", "sql"],
        input="select count(*) as packets\nfrom raw.alerts;\nselect nonsense;\nfrom lineage.nights;",
        env=environment_of(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "packets" in process.stdout
    assert "nonsense" in process.stdout
    assert "(0 rows)" in process.stdout
    assert needle(home, "sql", "select nonsense").returncode == 1


def test_the_prompt_of_a_home_without_a_warehouse_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="does not exist yet"):
        interactive_sql(tmp_path / "needle.duckdb")


@pytest.mark.slow
def test_harlequin_answers_in_a_terminal(home: Path, tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 140, 0, 0))
    environment = environment_of(home, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), TERM="xterm-256color", NO_COLOR="1")
    program = Path(sys.executable).with_name("harlequin")
    command = [program, "--read-only", Home(home).published]
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True) as shown:
        os.close(theirs)
        try:
            shown_until(terminal, "needle", "Connected")
            os.write(terminal, b"select 6 * 7 as answer")
            os.write(terminal, b"\n")  # Ctrl-J
            shown_until(terminal, "42", "Records")
            os.write(terminal, b"\x11")  # Ctrl-Q
            until = time.monotonic() + PATIENCE_SECONDS
            while shown.poll() is None and time.monotonic() < until:
                read(terminal)
        finally:
            shown.kill()
            os.close(terminal)
    assert shown.returncode == 0


def shown_until(terminal: int, *texts: str) -> None:
    """Read what a terminal shows until all texts were there."""
    seen, until = "", time.monotonic() + PATIENCE_SECONDS
    while not all(text in seen for text in texts):
        assert time.monotonic() < until, seen[-3000:]
        seen += read(terminal)


def read(terminal: int) -> str:
    """What has come within a second, without the codes that move the cursor."""
    ready, _, _ = select.select([terminal], [], [], 1)
    try:
        data = os.read(terminal, 65536) if ready else b""
    except OSError:  # nobody writes there any more
        data = b""
    return re.sub(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]", " ", data.decode(errors="replace"))
