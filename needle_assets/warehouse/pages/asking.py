"""Anybody's question, asked by a process of its own: what takes too long, too much memory or anything but reading ends with it."""

import json
import resource
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from needle_assets.warehouse import exploring
from needle_assets.warehouse.connection import WarehouseError
from needle_assets.warehouse.pages.published import Published
from needle_assets.warehouse.schema import sql_folder

SECONDS, MAX_ROWS, MEMORY_BYTES, MAX_ANSWER_BYTES, AT_ONCE = 20, 20_000, 3_000_000_000, 50_000_000, 2
LIMITS = f"{SECONDS} s, 1 GB of memory and {MAX_ROWS:,} rows"
_READING = ("SELECT", "EXPLAIN")
_PLACES = threading.BoundedSemaphore(AT_ONCE)
_START = "from needle_assets.warehouse.pages.asking import answer; answer()"


@dataclass(frozen=True)
class Answer:
    """Columns and rows as JSON knows them, cut at MAX_ROWS; or ``problem``, a sentence on why there are none."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    is_cut: bool = False
    problem: str = ""


def ask(path: Path, query: str) -> Answer:
    """The answer to one question; whatever is wrong with it is a sentence in the answer."""
    if not _PLACES.acquire(timeout=SECONDS):
        return Answer(problem=f"{AT_ONCE} queries are being answered already; ask again when one of them has ended.")
    try:
        return _asked(path, query)
    finally:
        _PLACES.release()


def _asked(path: Path, query: str) -> Answer:
    given = json.dumps({"path": str(path), "query": query})
    try:
        command = [sys.executable, "-c", _START]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return Answer(problem=f"the query was ended after {SECONDS} s; ask for less, or ask `needle sql`, which waits.")
    if done.returncode != 0:
        return Answer(
            problem="the query was ended, as it needed more memory than a page may use; ask for less, or ask `needle sql`."
        )
    return Answer(**json.loads(done.stdout))


def answer() -> None:
    """What the other process does: read a question, print the answer."""
    given = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file may grow, whatever is asked
    resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))  # also if whoever asked is gone
    try:
        columns, rows = exploring.ask_few(Path(given["path"]), given["query"], MAX_ROWS + 1, _READING)
        plain = [[exploring.plain(value) for value in row] for row in rows[:MAX_ROWS]]
        text = json.dumps({"columns": columns, "rows": plain, "is_cut": len(rows) > MAX_ROWS})
    except (exploring.QueryError, WarehouseError, MemoryError) as error:
        text = json.dumps({"problem": str(error) or "the query needed more memory than a page may use; ask for less."})
    if len(text) > MAX_ANSWER_BYTES:
        text = json.dumps(
            {"problem": f"the answer has {len(text):,} characters, too many for a page; ask for fewer rows or columns."}
        )
    sys.stdout.write(text)


def tables(published: Published) -> list[dict[str, Any]]:
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
