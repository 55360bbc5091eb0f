"""Tables of a landing folder as text or typed columns: CSV line by line and Parquet within bounds. Knows no column's meaning.

A broken line costs that line, never the file: CSV is taken apart line by line, so that a stray quote cannot swallow what follows.
"""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from needle_assets.alerts import shown
from needle_assets.rejections import Rejection

MAX_CSV_BYTES = 2**27
MAX_PARQUET_ROWS = 10_000_000
MAX_LINE_CHARACTERS = 100_000
MAX_COLUMNS = 1_000


@dataclass(frozen=True)
class TextTable:
    """A CSV file as text: lower-case header, rows of as many fields, the number of each (1 below the header), broken lines."""

    header: tuple[str, ...]
    rows: list[list[str]]
    row_numbers: list[int]
    rejections: list[Rejection]

    def columns(self, wanted: Collection[str]) -> pl.DataFrame:
        """The wanted columns that the table has, as text, with ``row``."""
        present = [name for name in wanted if name in self.header]
        picked = {name: [row[index] for row in self.rows] for name in present for index in (self.header.index(name),)}
        return pl.DataFrame({"row": self.row_numbers, **picked}, schema={"row": pl.Int64} | dict.fromkeys(present, pl.String))


def read_csv(path: Path) -> TextTable:
    """
    A comma-separated file with a header line.

    Byte order marks, UTF-16, Latin-1, any line ends, blank lines and quoted commas are read. A line with an unclosed quote, a
    NUL, or another number of fields than the header is a rejection.

    Raises
    ------
    Rejection
        If the file is empty or larger than 128 MiB. OSError if it cannot be opened.
    """
    lines = _decoded(_contents(path)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbered = [(number, line) for number, line in enumerate(lines) if line.strip()]
    names = _fields(numbered[0][1]) if numbered else None
    if names is None or len(names) > MAX_COLUMNS:
        raise Rejection(f"{path.name} has no readable header line; comma-separated column names are needed.")
    table = TextTable(tuple(name.strip().lower() for name in names), [], [], [])
    for number, line in numbered[1:]:
        row, values = number - numbered[0][0], _fields(line)
        if values is None:
            table.rejections.append(_bad_line(path, row))
        elif len(values) == len(names) or (len(values) > len(names) and not any(values[len(names) :])):
            table.rows.append(values[: len(names)])
            table.row_numbers.append(row)
        else:
            table.rejections.append(_bad_length(path, row, values, len(names)))
    return table


def read_parquet(path: Path, wanted: Collection[str]) -> pl.DataFrame:
    """
    The wanted columns that a Parquet file has, as they are typed there, under lower-case names, with ``row`` (the first is 1).

    Raises
    ------
    Rejection
        If the file is not Parquet, is damaged, has more than 10 million rows, or holds dates, bytes, lists or records in a
        wanted column.
    """
    try:
        with pq.ParquetFile(path) as file:
            n_rows = file.metadata.num_rows
            if not 0 <= n_rows <= MAX_PARQUET_ROWS:
                raise Rejection(f"{path.name} claims {n_rows} rows, at most {MAX_PARQUET_ROWS} are read.", n_rows=n_rows)
            table = file.read([name for name in file.schema_arrow.names if name.lower() in wanted], use_threads=False)
            table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise Rejection(f"{path.name} is not a Parquet file, or is damaged ({type(error).__name__}).") from error
    return _flat(path, table)


def _contents(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_CSV_BYTES + 1)
    if len(data) > MAX_CSV_BYTES:
        raise Rejection(f"{path.name} is larger than {MAX_CSV_BYTES} bytes; give it as Parquet.")
    return data


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _fields(line: str) -> list[str] | None:
    """The fields of one line; None if it cannot be taken apart."""
    if len(line) > MAX_LINE_CHARACTERS or "\0" in line:
        return None
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        return None


def _bad_line(path: Path, row: int) -> Rejection:
    return Rejection(
        f"row {row} of {path.name} has an unclosed quote, a NUL or more than {MAX_LINE_CHARACTERS} characters.", row=row
    )


def _bad_length(path: Path, row: int, values: list[str], n_header: int) -> Rejection:
    return Rejection(
        f"row {row} of {path.name} has {len(values)} fields, the header has {n_header}.",
        row=row,
        n_fields=len(values),
        given=shown(values[0]) if values else "",
    )


def _flat(path: Path, table: pa.Table) -> pl.DataFrame:
    """The table with text, numbers and booleans as they are, and nothing else."""
    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null, pa.types.is_string)
    texts = (pa.types.is_large_string, pa.types.is_string_view, pa.types.is_dictionary, pa.types.is_decimal)
    for field in table.schema:
        if not any(is_kind(field.type) for is_kind in plain + texts):
            kind = shown(str(field.type))
            raise Rejection(f"column {field.name} of {path.name} holds {kind}; text, numbers or booleans are needed.")
    names = [name.lower() for name in table.column_names]
    if len(set(names)) < len(names):
        raise Rejection(f"{path.name} has a column twice: {', '.join(sorted(names))}.")
    bare = pa.Table.from_arrays(table.columns, names=names)  # polars panics on metadata that is not UTF-8
    frame = pl.DataFrame(pl.from_arrow(bare)).with_columns(pl.col(pl.Categorical, pl.Enum, pl.Decimal).cast(pl.String))
    return frame.with_row_index("row", offset=1).with_columns(pl.col("row").cast(pl.Int64))
