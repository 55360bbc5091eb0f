"""Photometry and hosts of a landing folder brought up to date: a source's own rows are replaced, all others stay as they are.

Both files are snapshots that people and other sources write too. A merge reads what lies there, replaces its own rows and puts
the whole back in one step; lines of others are copied as text, so that not even a broken one is lost. The object's column may have any
name that readers know (`landing.catalogues.columns`): it keeps it, and is ``ztf_id`` within this module.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.fetch.around import FetchError
from needle_assets.fetch.folder import LandingFolder
from needle_assets.landing.catalogues.columns import OBJECT_ID
from needle_assets.samples.hosts import COMPLETED, FETCHED

PHOTOMETRY_SCHEMA = {
    "ztf_id": pl.String, "mjd": pl.Float64, "band": pl.String, "mag": pl.Float32, "mag_err": pl.Float32,
    "source": pl.String, "mw_corrected": pl.Boolean,
}  # fmt: skip
HOST_COLUMNS = ("ztf_id", "host_ra", "host_dec", "separation_arcsec", "gAp", "rAp", "iAp", "zAp", "yAp", "mw_corrected", "source")

_ORDER = ("ztf_id", "mjd", "band", "mag", "mag_err")

MARK = FETCHED  # how a host row written here ends its `source`; at most one row of an object has it

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Fields = Mapping[str, str]


def merge_photometry(folder: LandingFolder, source: str, rows: Rows) -> int:
    """
    Replace what ``source`` said of some objects in the folder's photometry.

    Parameters
    ----------
    folder : LandingFolder
        Its photometry.parquet, or photometry.csv where only that exists, is replaced in one step.
    source : str
        Written into every new row.
    rows : mapping of ztf_id to sequence of mappings
        mjd [d], band, mag [mag], mag_err [mag]; an empty sequence removes the object's rows of this source.

    Returns
    -------
    int
        Detections (object, time, band) that this source had not given before.

    Raises
    ------
    FetchError
        If the file that lies there cannot be read; it is left as it is.
    """
    given = [{"ztf_id": ztf_id, **row, "source": source, "mw_corrected": False} for ztf_id, some in rows.items() for row in some]
    schema = PHOTOMETRY_SCHEMA | {"mag": pl.Float64, "mag_err": pl.Float64}  # rounded only as the file that lies there asks for
    new = pl.DataFrame(given, schema=schema, strict=False).unique().sort(_ORDER)
    with folder.merging():
        parquet, text = folder.path / "photometry.parquet", folder.path / "photometry.csv"
        if text.exists() and not parquet.exists():
            return _merge_photometry_csv(folder, text, source, set(rows), new)
        return _merge_photometry_parquet(folder, parquet, source, set(rows), new)


def read_host_rows(folder: LandingFolder) -> dict[str, dict[str, str]]:
    """The host row of each object that is in force (the last one), as text under HOST_COLUMNS; what is not given is ''."""
    path = folder.path / "hosts.csv"
    if not path.exists():
        return {}
    header, lines = _split(path)
    found = (_fields(line, header) for line in lines)
    return {row["ztf_id"]: {name: row.get(name.lower(), "") for name in HOST_COLUMNS} for row in found if row and "ztf_id" in row}


def merge_hosts(folder: LandingFolder, rows: Sequence[Mapping[str, Any]]) -> int:
    """
    Put host rows of fetchers into the folder's hosts.csv; returns how many hosts are new or changed.

    An object has at most one row of fetchers. Where somebody else gave a host, that row stays in force, and ours is kept only if
    it completes theirs with magnitudes: it then stands after theirs, because readers take the last row of an object.

    Parameters
    ----------
    folder : LandingFolder
        Its hosts.csv is replaced in one step, and only if something changes.
    rows : sequence of mappings
        The columns of HOST_COLUMNS, at most one row an object; None is written as nothing. ``source`` ends in ``MARK``.
    """
    path = folder.path / "hosts.csv"
    with folder.merging():
        header, lines = _split(path) if path.exists() else ([], [])
        given = [(line, _fields(line, header) or {}) for line in lines]
        ours = {row["ztf_id"]: row for _, row in given if _is_ours(row)}
        new = {str(row["ztf_id"]): _text_row(row) for row in rows}
        theirs = [(line, row) for line, row in given if not _is_ours(row)]
        columns = [*header, *(name for name in HOST_COLUMNS if name.lower() not in _names(header))]
        padding = "," * (len(columns) - len(header)) if header else ""
        before, after = _around_theirs(ours | new, theirs)
        fresh = [row for row in [*before, *after] if row in new.values() and not _says_the_same(ours.get(row["ztf_id"]), row)]
        text = [_line(columns, {name: name for name in columns})]
        text += [_line(columns, row) for row in before] + [line + padding for line, _ in theirs]
        text += [_line(columns, row) for row in after]
        if fresh or len(before) + len(after) != len(ours):
            folder.write(path, "".join(line + "\n" for line in text).encode())
    return sum(bool(row.get("host_ra")) for row in fresh)


def completed_source(source: str) -> str:
    """The ``source`` of a host row that adds Pan-STARRS magnitudes to a row of ``source``."""
    return source.removesuffix(MARK).removesuffix(COMPLETED) + COMPLETED + MARK


def _around_theirs(ours: Mapping[str, Fields], theirs: Sequence[tuple[str, Fields]]) -> tuple[list[Fields], list[Fields]]:
    """Our rows that go before and after those of others; one for an object of theirs that it does not complete goes nowhere."""
    given = {_association(row, row.get("source", "")) for _, row in theirs}
    objects = {row.get("ztf_id") for _, row in theirs}
    ordered = [row for _, row in sorted(ours.items())]
    before = [row for row in ordered if row["ztf_id"] not in objects]
    bases = [row["source"].removesuffix(MARK).removesuffix(COMPLETED) for row in ordered]
    return before, [row for row, base in zip(ordered, bases, strict=True) if _association(row, base) in given]


def _is_ours(row: Fields) -> bool:
    return "ztf_id" in row and row.get("source", "").endswith(MARK)


def _association(row: Fields, source: str) -> tuple[str, ...]:
    """Who says where the host of an object is: a row that completes another agrees in it to the letter."""
    return source, *(row.get(name, "") for name in ("ztf_id", "host_ra", "host_dec"))


def _merge_photometry_parquet(folder: LandingFolder, path: Path, source: str, ids: set[str], new: pl.DataFrame) -> int:
    try:
        before = pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=PHOTOMETRY_SCHEMA)
        id_column = next(
            (name for name, known in zip(before.columns, _names(before.columns), strict=True) if known == "ztf_id"), "ztf_id"
        )
        before = before.rename({id_column: "ztf_id"})
        absent = {name: kind for name, kind in PHOTOMETRY_SCHEMA.items() if name not in before.columns}
        before = before.with_columns(pl.lit(None, kind).alias(name) for name, kind in absent.items())
        new = new.cast({name: before.schema[name] for name in new.columns})
        is_ours, is_asked = (pl.col("source") == source).fill_null(value=False), pl.col("ztf_id").is_in(sorted(ids))
        replaced = before.filter(is_ours & is_asked)
        ours = pl.concat([before.filter(is_ours & ~is_asked), new], how="diagonal").sort(_ORDER)
        merged = pl.concat([before.filter(~is_ours), ours], how="diagonal")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FetchError(
            f"{path.name} cannot be merged with ({type(error).__name__}); mend it or move it away. It is left as it is."
        ) from error
    if not replaced.select(new.columns).sort(_ORDER).equals(new):
        out = io.BytesIO()
        merged.rename({"ztf_id": id_column}).write_parquet(out)
        folder.write(path, out.getvalue())
    return len(new.join(replaced, on=["ztf_id", "mjd", "band"], how="anti"))


def _merge_photometry_csv(folder: LandingFolder, path: Path, source: str, ids: set[str], new: pl.DataFrame) -> int:
    header, lines = _split(path)
    given = [(line, _fields(line, header) or {}) for line in lines]
    columns = [*header, *(name for name in PHOTOMETRY_SCHEMA if name not in _names(header))]
    padding = "," * (len(columns) - len(header))
    fresh = [_text_row(row) for row in new.iter_rows(named=True)]
    ours = [row for _, row in given if row.get("source") == source]
    replaced = {(row.get("ztf_id"), row.get("mjd"), row.get("band")) for row in ours if row.get("ztf_id") in ids}
    kept = [row for row in ours if row.get("ztf_id") not in ids]
    text = [_line(columns, {name: name for name in columns})]
    text += [line + padding for line, row in given if row.get("source") != source]
    text += sorted(_line(columns, row) for row in [*kept, *fresh])
    folder.write(path, "".join(line + "\n" for line in text).encode())
    return sum((row["ztf_id"], row["mjd"], row["band"]) not in replaced for row in fresh)


def _split(path: Path) -> tuple[list[str], list[str]]:
    """Header names and the lines below as they are, blank ones left out."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
    header = next(csv.reader(lines[:1]), [])
    if "\0" in text or "ztf_id" not in _names(header):
        raise FetchError(
            f"{path.name} has no header line with object_id or ztf_id; mend it or move it away. It is left as it is."
        )
    return header, lines[1:]


def _names(header: Sequence[str]) -> list[str]:
    """Lower-case names of the columns; the object's is ztf_id, whatever the file calls it."""
    names = [name.strip().lower() for name in header]
    id_column = next((name for name in OBJECT_ID if name in names), "ztf_id")
    return ["ztf_id" if name == id_column else name for name in names]


def _fields(line: str, header: Sequence[str]) -> dict[str, str] | None:
    """One line by lower-case column name; None if it cannot be taken apart."""
    try:
        values = next(csv.reader([line], strict=True)) if '"' in line else line.split(",")
    except csv.Error:
        return None
    return {name: value.strip() for name, value in zip(_names(header), values, strict=False)}


def _text_row(row: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): "" if value is None else _text(value) for name, value in row.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(round(value, 8)) if isinstance(value, float) else str(value)


def _says_the_same(before: Fields | None, row: Fields) -> bool:
    return before is not None and all(before.get(name, "") == value for name, value in row.items())


def _line(columns: Sequence[str], row: Fields) -> str:
    out = io.StringIO()
    values = [row.get(known, row.get(name, "")) for name, known in zip(columns, _names(columns), strict=True)]
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()
