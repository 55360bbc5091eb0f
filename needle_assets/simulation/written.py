"""Tables that are streamed into files under scratch names and take their places when they are complete."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class Table:
    """A Parquet file under a scratch name that takes its place when closed without an error."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.scratch = path, path.with_name(f".{path.name}.part")
        self._writer = pq.ParquetWriter(self.scratch, schema, compression="zstd")

    def __enter__(self) -> "Table":
        return self

    def write(self, table: pa.Table) -> None:
        """Append one row group."""
        if len(table):
            self._writer.write_table(table)

    def __exit__(self, kind: object, *_: object) -> None:
        self._writer.close()
        self.scratch.replace(self.path) if kind is None else self.scratch.unlink()


class CsvTable:
    """A CSV file under a scratch name that takes its place when closed without an error."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.scratch = path, path.with_name(f".{path.name}.part")
        self._file = self.scratch.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, columns, lineterminator="\n")
        self._writer.writeheader()

    def __enter__(self) -> "CsvTable":
        return self

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        self._writer.writerows(rows)

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()
        self.scratch.replace(self.path) if kind is None else self.scratch.unlink()
