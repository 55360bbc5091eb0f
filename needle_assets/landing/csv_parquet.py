"""A CSV or Parquet file of a landing folder as text or typed columns: line by line and within bounds. Knows no column's meaning.

A broken line costs that line, never the file: CSV is taken apart line by line, so that a stray quote cannot swallow what follows.
"""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from needle_assets.errors import Rejection
from needle_assets.landing.names import is_passed_over
from needle_assets.landing.values import shown

MAX_CSV_BYTES = 2**27
MAX_PARQUET_ROWS = 10_000_000
MAX_LINE_CHARACTERS = 100_000
MAX_COLUMNS = 1_000


DELIMITERS = (",", ";", "\t", "|")
HEADER_WITHIN_LINES = 100

_TAGS = re.compile(r"(\s*</?[A-Za-z!][^<>]*>)+\s*")
_LINE_END = re.compile(r"\s*(<br\s*/?>|</pre>)\s*$", re.IGNORECASE)
_THOUSANDS = re.compile(r"[<>]?\s*[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_DECIMAL_POINT = re.compile(r"[<>]?\s*[+-]?[0-9]+\.[0-9]+")
_DECIMAL_COMMA = re.compile(r"[<>]?\s*[+-]?([0-9]{1,3}[: ][0-9]{1,2}[: ])?[0-9]*,[0-9]+([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class CsvText:
    """
    A CSV file as text.

    Attributes
    ----------
    header : tuple of str
        Column names, lower-case.
    rows, row_numbers : list
        As many fields as the header each, and the place of each (1 is the line below the header).
    rejections : list of Rejection
        Lines that could not be taken apart.
    n_skipped : int
        Lines that are comments (#) or markup (<pre>), before and after the header.
    """

    header: tuple[str, ...]
    rows: list[list[str]]
    row_numbers: list[int]
    rejections: list[Rejection]
    n_skipped: int = 0

    def columns(self, wanted: Collection[str]) -> pl.DataFrame:
        """The wanted columns that the text has, as text, with ``row``."""
        present = [name for name in wanted if name in self.header]
        picked = {name: [row[index] for row in self.rows] for name in present for index in (self.header.index(name),)}
        return pl.DataFrame({"row": self.row_numbers, **picked}, schema={"row": pl.Int64} | dict.fromkeys(present, pl.String))


def read_csv(path: Path, ids: Collection[str]) -> CsvText:
    """
    A CSV file with a header line: the first line that has one of ``ids`` as a field.

    Fields are separated by commas, semicolons, tabs or |. Numbers may have decimal commas, which become points: between commas
    only in quotes, and not where they may part thousands (1,234), as also in a file that has numbers with points. Byte order
    marks, UTF-16, Latin-1, gzip, any line ends, blank lines, quoted separators, comment lines (#), markup (<pre>, <br> at the
    end) and lines before the header are read or passed over. A line with an unclosed quote, a NUL, or another number of fields
    than the header is a rejection.

    Raises
    ------
    Rejection
        If the file is empty, larger than 128 MiB, or has no such header line; says what it is instead, where that can be told. OSError
        if it cannot be opened.
    """
    return csv_text(path, contents(path), ids)


def csv_text(path: Path, content: bytes, ids: Collection[str]) -> CsvText:
    """What :func:`read_csv` makes of the content of a file."""
    lines = _decoded(content).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbered = [(number, line) for number, line in enumerate(lines) if line.strip()]
    place, delimiter, names = _header(path, numbered, ids)
    has_points = delimiter == "," or any(_has_decimal_point(line, delimiter) for _, line in numbered[place + 1 :])
    text = CsvText(tuple(name.strip().lower() for name in names), [], [], [])
    n_skipped = place
    for number, line in numbered[place + 1 :]:
        row, values = number - numbered[place][0], _fields(_LINE_END.sub("", line), delimiter, has_points)
        if is_no_row(line):
            n_skipped += 1
        elif values is None:
            text.rejections.append(_bad_line(path, row, number + 1))
        elif len(values) == len(names) or (len(values) > len(names) and not any(values[len(names) :])):
            text.rows.append(values[: len(names)])
            text.row_numbers.append(row)
        else:
            text.rejections.append(_bad_length(path, row, number + 1, values, len(names)))
    return replace(text, n_skipped=n_skipped)


def is_no_row(line: str) -> bool:
    """Whether a line is a comment or nothing but markup."""
    return line.lstrip().startswith("#") or _TAGS.fullmatch(line[:200]) is not None


def _header(path: Path, numbered: Sequence[tuple[int, str]], ids: Collection[str]) -> tuple[int, str, list[str]]:
    """Place among the lines, delimiter and fields of the header."""
    for place, (_, whole) in enumerate(numbered[:HEADER_WITHIN_LINES]):
        line = _LINE_END.sub("", whole)
        text = _TAGS.sub("", line, count=1) if line.lstrip().startswith("<") else line.lstrip().lstrip("#")
        taken_apart = [(delimiter, _fields(text, delimiter) or []) for delimiter in DELIMITERS]
        fitting = [(d, names) for d, names in taken_apart if any(name.strip().lower() in ids for name in names)]
        if fitting:
            delimiter, names = max(fitting, key=lambda found: len(found[1]))
            if len(names) <= MAX_COLUMNS:
                return place, delimiter, names
    raise _no_header(path, numbered, ids)


def _no_header(path: Path, numbered: Sequence[tuple[int, str]], ids: Collection[str]) -> Rejection:
    if not numbered:
        return Rejection(f"{path.name} is empty; a header line with column names is needed, and rows below it.")
    number, line = numbered[0]
    beginning = " ".join(text.strip().lower() for _, text in numbered[:3])
    if re.search(r"<!doctype|<html|<\?xml|<head|<body", beginning[:2000]):
        return Rejection(
            f"{path.name} is a web page or other XML, not a table (line {number + 1}: {shown(line)}); get it again.",
            line=number + 1,
        )
    needed = next(iter(ids)).upper() if path.name.startswith("bts") else next(iter(ids))
    return Rejection(
        f"{path.name} has no column {needed}: no header line was found that names it (line {number + 1}: {shown(line)}). Needed are "
        "column names separated by commas, semicolons, tabs or |.",
        line=number + 1,
    )


def parquet_header(path: Path) -> list[str]:
    """Column names of a Parquet file, lower-case. Raises Rejection if it cannot be read as one, or has a name twice."""
    with _parquet(path) as file:
        names = [name.lower() for name in file.schema_arrow.names]
    if len(set(names)) < len(names):
        twice = sorted({shown(name) for name in names if names.count(name) > 1})
        raise Rejection(f"{path.name} has a column twice: {', '.join(twice)}.")
    return names


def read_parquet(path: Path, wanted: Collection[str]) -> pl.DataFrame:
    """
    The wanted columns that a Parquet file has, as they are typed there, under lower-case names, with ``row`` (the first is 1).

    Raises
    ------
    Rejection
        If the file is not Parquet, is damaged, has more than 10 million rows, or holds dates, bytes, lists or records in a
        wanted column.
    """
    with _parquet(path) as file:
        n_rows = file.metadata.num_rows
        if not 0 <= n_rows <= MAX_PARQUET_ROWS:
            raise Rejection(f"{path.name} claims {n_rows} rows, at most {MAX_PARQUET_ROWS} are read.", n_rows=n_rows)
        table = file.read([name for name in file.schema_arrow.names if name.lower() in wanted], use_threads=False)
        table.validate(full=True)
    return _flat(path, table)


@contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """The file open as Parquet; what is wrong with it becomes a rejection."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        size = path.stat().st_size
        what = "is empty" if size == 0 else f"is not a Parquet file, or is damaged ({type(error).__name__})"
        raise Rejection(f"{path.name} {what}; get it again.", n_bytes=size) from error


def contents(path: Path, largest: int = MAX_CSV_BYTES) -> bytes:
    """
    The bytes of a CSV file, out of gzip, or out of a zip archive of one file that is named so.

    Raises Rejection if it is damaged, of another kind, or holds more than ``largest`` bytes. OSError if it cannot be opened.
    """
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if data[:2] == b"\x1f\x8b":
        data = _unzipped(path, data, largest)
    if path.suffix.lower() == ".zip":
        data = _only_member(path, data, largest)
    if len(data) > largest:
        raise Rejection(f"{path.name} is larger than {largest} bytes; give it as Parquet.")
    for beginning, kind in (
        (b"PAR1", "a Parquet file"),
        (b"PK\x03\x04", "a zip archive or spreadsheet"),
        (b"SQLite", "a database"),
    ):
        if data.startswith(beginning):
            raise Rejection(f"{path.name} is {kind}, not a text table; give it under the name of its kind or as CSV.")
    return data


def _only_member(path: Path, data: bytes, largest: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not is_passed_over(name)]
            if len(names) != 1:
                raise Rejection(f"{path.name} holds {len(names)} files; a zip archive of one CSV file is needed.")
            with archive.open(names[0]) as file:
                return file.read(largest + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise _damaged(path, data, error) from error


def _damaged(path: Path, data: bytes, error: Exception) -> Rejection:
    return Rejection(f"{path.name} is damaged or cut short ({shown(str(error))}); get it again.", n_bytes=len(data))


def _unzipped(path: Path, data: bytes, largest: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return file.read(largest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, data, error) from error


def _decoded(data: bytes) -> str:
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return data.decode("utf-32", "replace")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(data) > 3 and data[first:200:2].count(0) > 0.9 * len(data[first:200:2]):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _has_decimal_point(line: str, delimiter: str) -> bool:
    return "." in line and any(_DECIMAL_POINT.fullmatch(field.strip('" ')) for field in line.split(delimiter))


def _fields(line: str, delimiter: str, has_points: bool = True) -> list[str] | None:
    """The fields of one line; None if it cannot be taken apart. Among numbers with points, 1,234 keeps its comma."""
    if len(line) > MAX_LINE_CHARACTERS or "\0" in line:
        return None
    if '"' not in line:
        fields = line.split(delimiter)
    else:
        try:
            fields = next(csv.reader([line], strict=True, delimiter=delimiter, skipinitialspace=True))
        except csv.Error:
            return None
    if "," not in line or (delimiter == "," and '"' not in line):
        return fields
    return [value.replace(",", ".") if _has_decimal_comma(value.strip(), has_points) else value for value in fields]


def _has_decimal_comma(value: str, has_points: bool) -> bool:
    return bool(_DECIMAL_COMMA.fullmatch(value)) and not (has_points and _THOUSANDS.fullmatch(value))


def _bad_line(path: Path, row: int, line: int) -> Rejection:
    return Rejection(
        f"row {row} of {path.name} (line {line}) has an unclosed quote, a NUL or more than {MAX_LINE_CHARACTERS} characters.",
        row=row,
        line=line,
    )


def _bad_length(path: Path, row: int, line: int, values: list[str], n_header: int) -> Rejection:
    return Rejection(
        f"row {row} of {path.name} (line {line}) has {len(values)} fields, the header has {n_header}.",
        row=row,
        line=line,
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
    bare = pa.Table.from_arrays(
        table.columns, names=[name.lower() for name in table.column_names]
    )  # polars panics on metadata that is not UTF-8
    frame = pl.DataFrame(pl.from_arrow(bare)).with_columns(pl.col(pl.Categorical, pl.Enum, pl.Decimal).cast(pl.String))
    return frame.with_row_index("row", offset=1).with_columns(pl.col("row").cast(pl.Int64))
