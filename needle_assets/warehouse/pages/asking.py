"""Anybody's question, asked by a process of its own: what takes too long, too much memory or anything but reading ends with it."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from needle_assets.warehouse import exploring
from needle_assets.warehouse.connection import WarehouseError
from needle_assets.warehouse.schema import sql_folder

if TYPE_CHECKING:
    from needle_assets.warehouse.pages.published import Published

SECONDS, MAX_ROWS, MEMORY_BYTES, MAX_ANSWER_BYTES = 20, 20_000, 3_000_000_000, 50_000_000
AT_ONCE, MAX_WAITING = 2, 20  # who waits keeps a thread, and other pages need some
WAITING_SECONDS = 600
LIMITS = f"{SECONDS} s, 1 GB of memory and {MAX_ROWS:,} rows"
READING = exploring.READING
_BROKEN = "the query was ended, as it needed more memory than a page may use or broke the database off; ask for less, or ask `needle sql`."
_START = "from needle_assets.warehouse.pages.asking import answer; answer()"


@dataclass(frozen=True)
class Answer:
    """Columns and rows as JSON knows them, cut at MAX_ROWS; or ``problem``, a sentence on why there are none."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    is_cut: bool = False
    problem: str = ""


class Asker:
    """
    Answers questions one process each. The process for the next one waits already, as starting takes longer than most answers.

    Parameters
    ----------
    path : Path
        Where a refresh publishes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places, self._queue = threading.BoundedSemaphore(AT_ONCE), threading.BoundedSemaphore(MAX_WAITING)
        self._lock = threading.Lock()
        self._waiting: list[subprocess.Popen[str]] = []  # one, or none yet
        weakref.finalize(self, _end, self._waiting)

    def prepare(self) -> None:
        """See that a process waits for the next question; it ends by itself if none comes, or if this process ends."""
        with self._lock:
            if self._waiting and self._waiting[0].poll() is not None:
                _end([self._waiting.pop()])
            if not self._waiting:
                self._waiting.append(_started())

    def ask(self, query: str) -> Answer:
        """The answer to one question; whatever is wrong with it is a sentence in the answer."""
        if not self._queue.acquire(blocking=False):
            return Answer(problem=f"{MAX_WAITING} queries are waiting already; ask again when some of them have ended.")
        try:
            with self._places:
                return self._asked(query)
        finally:
            self._queue.release()
            self.prepare()

    def _asked(self, query: str) -> Answer:
        process = self._taken()
        try:
            text, _ = process.communicate(json.dumps({"path": str(self.path), "query": query}), timeout=SECONDS)
        except subprocess.TimeoutExpired:
            _end([process])
            return Answer(problem=f"the query was ended after {SECONDS} s; ask for less, or ask `needle sql`, which waits.")
        if process.returncode == -signal.SIGALRM:  # it had waited long enough just then
            return self._asked(query)
        return Answer(**json.loads(text)) if process.returncode == 0 else Answer(problem=_BROKEN)

    def _taken(self) -> "subprocess.Popen[str]":
        with self._lock:
            return self._waiting.pop() if self._waiting else _started()


def _end(processes: list["subprocess.Popen[str]"]) -> None:
    for process in processes:
        with suppress(OSError), process:  # which closes its pipes
            process.kill()


def _started() -> "subprocess.Popen[str]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", _START], text=True, **pipes)  # type: ignore[call-overload] # noqa: S603 - ours


def answer() -> None:
    """What the other process does: wait for a question, print the answer."""
    signal.alarm(WAITING_SECONDS)  # which ends a process that nobody asks anything
    text = sys.stdin.read()
    signal.alarm(0)
    if text:
        told = _own_output()
        told.write(_answered(**json.loads(text)))
        told.close()


def _own_output() -> TextIO:
    """Where the answer goes; what a query makes the database print goes nowhere."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return told


def _answered(path: str, query: str) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file may grow, whatever is asked
    resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))  # also if whoever asked is gone
    try:
        columns, rows = exploring.ask_few(Path(path), query, MAX_ROWS + 1, READING)
        plain = [[exploring.plain(value) for value in row] for row in rows[:MAX_ROWS]]
        text = json.dumps({"columns": columns, "rows": plain, "is_cut": len(rows) > MAX_ROWS})
    except (exploring.QueryError, WarehouseError, MemoryError) as error:
        text = json.dumps({"problem": str(error) or "the query needed more memory than a page may use; ask for less."})
    if len(text) > MAX_ANSWER_BYTES:
        told = f"the answer has {len(text):,} characters, too many for a page; ask for fewer rows or columns."
        text = json.dumps({"problem": told})
    return text


def tables(published: "Published") -> list[dict[str, Any]]:
    """Tables and views with comment and columns, each column with type and comment, as they lie in the file."""
    rows = published.rows(
        "select c.schema_name || '.' || c.table_name as name, coalesce(t.comment, v.comment) as comment, "
        "list({name: c.column_name, type: c.data_type, comment: c.comment} order by c.column_index) as columns "
        "from duckdb_columns() c left join duckdb_tables() t using (table_oid, schema_name, table_name, database_name) "
        "left join duckdb_views() v on (v.schema_name, v.view_name, v.database_name) = (c.schema_name, c.table_name, c.database_name) "
        "where c.database_name = 'needle' and c.schema_name in ('raw', 'core', 'results', 'lineage') group by all"
    )
    order = ["raw", "core", "results", "lineage"]
    return sorted(rows, key=lambda row: (order.index(row["name"].split(".")[0]), row["name"]))


@cache
def ready() -> dict[str, dict[str, str]]:
    """The queries of ``warehouse/queries`` with what they answer, by name."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((sql_folder() / "queries").glob("*.sql"))}
    return {name: {"query": text, "about": text.splitlines()[0].removeprefix("--").strip()} for name, text in texts.items()}
