"""The data dictionary ``warehouse/README.md``, from the comments in the SQL files: ``python -m needle_assets.warehouse.dictionary``."""

from functools import cache
from pathlib import Path

import duckdb

from needle_assets.warehouse.schema import (
    apply,
    primary_key,
    read_tables,
    sql_folder,
)

INTRODUCTION = """\
# The warehouse

One DuckDB file, `needle.duckdb`, is published at the end of every refresh that changed something. Open it with anything that speaks
DuckDB, read-only and for as long as you like: a refresh never waits for you, and you keep the version you opened.

```
needle sql "select label, count(*) from raw.objects group by 1"
```
```python
import duckdb

duckdb.connect("warehouse/needle.duckdb", read_only=True).sql("from core.objects where n_packets > 3").pl()
```

`raw` holds what landed under the survey's own names, `core` one product per stage, `results` what models say, `lineage` what was
computed from what. Units are in the names or in brackets. A missing value is NULL, a missing pixel is NaN; neither is ever 0 or -999.
A stamp is a list of 3600 numbers, row by row: `science[60 * row + column + 1]` in SQL.

This page is made from the comments in `tables/*.sql` and `views/*.sql`, which the file itself carries too
(`select * from duckdb_columns()`). Do not edit it; edit those and run `python -m needle_assets.warehouse.dictionary`.
"""


def column_comments() -> dict[str, list[tuple[str, str, str]]]:
    """For every table: its columns as (name, type, comment)."""
    described: dict[str, list[tuple[str, str, str]]] = {}
    for table, *column in _described()[0]:
        described.setdefault(table, []).append((column[0], column[1], column[2]))
    return described


def table_comments() -> dict[str, str]:
    """The comment of every table and view."""
    return dict(_described()[1])


@cache
def _described() -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """Columns and tables with their comments, read from a database made for the purpose; half a second, so once a process."""
    with duckdb.connect(":memory:") as connection:
        apply(connection)
        columns = connection.execute(
            "select schema_name || '.' || table_name, column_name, lower(data_type), coalesce(comment, '') "
            "from duckdb_columns() where not internal order by 1, column_index"
        ).fetchall()
        tables = connection.execute(
            "select schema_name || '.' || table_name, coalesce(comment, '') from duckdb_tables() where not internal union all "
            "select schema_name || '.' || view_name, coalesce(comment, '') from duckdb_views() where not internal order by 1"
        ).fetchall()
    return columns, tables


def render() -> str:
    """The whole page as Markdown."""
    comments, columns = table_comments(), column_comments()
    tables = read_tables()
    names = sorted(comments, key=lambda name: (("raw", "core", "results", "lineage").index(name.split(".")[0]), name))
    contents = "\n".join(f"* [`{name}`](#{name.replace('.', '')}): {_grain(comments[name])}" for name in names)
    sections = [
        _section(name, comments[name], columns[name], _key(tables[name].create) if name in tables else "") for name in names
    ]
    return "\n".join([INTRODUCTION, contents, "", *sections])


def _grain(comment: str) -> str:
    """The last sentence of a table's comment."""
    return comment.rstrip(".").rsplit(". ", 1)[-1] + "."


def _key(create: str) -> str:
    key = primary_key(create)
    return f" Key: {', '.join(f'`{name}`' for name in key)}." if key else ""


def _section(name: str, comment: str, columns: list[tuple[str, str, str]], key: str) -> str:
    rows = [f"| `{column}` | {kind} | {_cell(text)} |" for column, kind, text in columns]
    if any(text for _, _, text in columns):
        return "\n".join([f"## {name}", f"{comment}{key}", "", "| column | type | what it is |", "|---|---|---|", *rows, ""])
    plain = ", ".join(f"`{column}`" for column, _, _ in columns)
    return "\n".join([f"## {name}", f"{comment}{key}", "", f"Columns: {plain}.", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> Path:
    """Where the page lies."""
    return sql_folder() / "README.md"


if __name__ == "__main__":
    page().write_text(render(), encoding="utf-8")
