"""The Transient Name Server's list of all public objects, as it publishes it every day."""

import csv
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues.columns import Names, chosen
from needle_assets.landing.catalogues.rows import MAX_TEXT_CHARACTERS, NOTHING, range_check, with_numbers
from needle_assets.landing.csv_parquet import HEADER_WITHIN_LINES, MAX_CSV_BYTES, contents, csv_text
from needle_assets.landing.values import shown

MAX_BYTES = 2**30

# The name in the file first. Reporting and source groups are those of the discovery, not of the type, and are not read.
NAMES: Names = {
    "name": ("name", "objname"),
    "name_prefix": ("name_prefix", "prefix"),
    "ra_deg": ("ra",),
    "dec_deg": ("declination", "dec"),
    "type": ("type", "object_type"),
    "redshift": ("redshift",),
    "internal_names": ("internal_names", "internal_name"),
    "discovered": ("discoverydate", "discovery_date"),
    "classified_in": ("class_ads_bibcodes",),
}
REQUIRED = ("name", "ra_deg", "dec_deg", "type", "internal_names")
_BOUNDS = {"ra_deg": (0.0, 360.0), "dec_deg": (-90.0, 90.0), "redshift": (-0.05, 10.0)}
_TRANSIENT = r"\A(?:18|19|20)[0-9]{2}[A-Za-z]+\z"
_COLUMNS = (
    *("iau_name", "designation", "ra_deg", "dec_deg", "type", "redshift", "internal_names", "discovery_mjd", "classified_in"),
)
_UNIX_EPOCH_MJD = 40587.0


def read_tns(path: Path, notices: list[str] | None = None) -> tuple[pl.DataFrame, list[Rejection]]:
    """
    All objects of ``tns_public_objects.csv`` (also ``.csv.gz`` and ``.csv.zip``), of whatever survey, typed or not.

    Parameters
    ----------
    path : Path
        The file as the Transient Name Server publishes it: a line with its date, a header, one object a line.
    notices : list, optional
        A sentence on rows that are no optical transients, such as fast radio bursts, is appended.

    Returns
    -------
    accepted : DataFrame
        iau_name (prefix and name), designation (2024abc), ra_deg, dec_deg [deg], type, redshift, internal_names, discovery_mjd,
        classified_in (bibcodes). Null is not known. Of several rows of one name the last counts.
    rejections : list of Rejection
        Broken lines, rows without a name, and values that became null because they cannot be true.

    Raises
    ------
    Rejection
        If the file cannot be read as such a table. OSError if it cannot be opened.
    """
    given, rejections = _given(path)
    texts = given.with_columns(_text(name) for name in NAMES if name not in _BOUNDS)
    named = texts.filter(pl.col("name").is_not_null())
    rejections += [_nameless(path, row) for row in texts.filter(pl.col("name").is_null())["row"]]
    transients = named.filter(pl.col("name").str.contains(_TRANSIENT))
    if notices is not None and len(transients) < len(named):
        notices.append(f"{len(named) - len(transients)} rows are no optical transients by their names and are not used.")
    typed = with_numbers(transients, _BOUNDS)
    rejections += _unusable(path, typed, transients)
    known = typed.with_columns(pl.when(range_check(name, bounds)[0]).then(pl.col(name)) for name, bounds in _BOUNDS.items())
    return _with_our_names(known), rejections


def _given(path: Path) -> tuple[pl.DataFrame, list[Rejection]]:
    """Our columns as text, with ``row``: all at once where every line is whole, else line by line."""
    content = contents(path, MAX_BYTES)
    place = _header(content)
    frame = _at_once(content[place[0] :], place[1]) if place else None
    if frame is not None:
        return frame, []
    if len(content) > MAX_CSV_BYTES:
        raise Rejection(
            f"{path.name} has lines that cannot be taken apart, and is too large to be read line by line; get it again."
        )
    text = csv_text(path, content, NAMES["name"])
    picked = _picked(path, list(text.header))
    frame = text.columns(picked.values()).select("row", *(pl.col(name).alias(ours) for ours, name in picked.items()))
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in NAMES if name not in picked), text.rejections


def _picked(path: Path, header: list[str]) -> dict[str, str]:
    picked = chosen(header, NAMES)
    if missing := [NAMES[name][0] for name in REQUIRED if name not in picked]:
        raise Rejection(
            f"{path.name} has no column {', '.join(missing)}; it is not the list that the Transient Name Server publishes."
        )
    return picked


def _header(content: bytes) -> tuple[int, Mapping[str, int]] | None:
    """Where the header line begins, and the place of each of our columns; None if no line at the start has all that are needed."""
    start = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    for _ in range(HEADER_WITHIN_LINES):
        end = content.find(b"\n", start)
        line = content[start : end if end >= 0 else len(content)][:10_000].decode("utf-8", "replace")
        names = [name.strip().lower() for name in next(csv.reader([line.replace("\0", "").strip("\r")]), [])]
        picked = chosen(names, NAMES)
        if all(name in picked for name in REQUIRED):
            return start, {ours: names.index(name) for ours, name in picked.items()}
        if end < 0:
            return None
        start = end + 1
    return None


def _at_once(content: bytes, places: Mapping[str, int]) -> pl.DataFrame | None:
    """The table, if each of its lines is a row: a quote that is not closed would swallow those behind it."""
    ours = sorted(places, key=lambda name: places[name])
    try:
        frame = pl.read_csv(content, infer_schema=False, columns=[places[name] for name in ours])
    except (pl.exceptions.PolarsError, UnicodeDecodeError):
        return None
    if len(frame) != content.rstrip().count(b"\n"):
        return None
    renamed = frame.rename(dict(zip(frame.columns, ours, strict=True))).with_row_index("row", offset=1)
    return renamed.with_columns(pl.lit(None, pl.String).alias(name) for name in NAMES if name not in places)


def _text(name: str) -> pl.Expr:
    """A text without blanks around it; null where it says nothing, or is no short printable text."""
    value = pl.col(name).str.strip_chars()
    limit = MAX_TEXT_CHARACTERS if name != "internal_names" else 100 * MAX_TEXT_CHARACTERS
    is_kept = ~value.str.to_lowercase().is_in(sorted(NOTHING)) & (value.str.len_chars() <= limit) & ~value.str.contains(r"\p{C}")
    return pl.when(is_kept).then(value).alias(name)


def _nameless(path: Path, row: int) -> Rejection:
    return Rejection(f"row {row} of {path.name} has no name, and so is no object.", row=row)


def _unusable(path: Path, typed: pl.DataFrame, given: pl.DataFrame) -> list[Rejection]:
    """Numbers that were given and cannot be true."""
    rejections = []
    for name, bounds in _BOUNDS.items():
        holds, sentence = range_check(name, bounds)
        said = given[name].str.strip_chars().str.to_lowercase()
        is_given = (~said.is_in(sorted(NOTHING))).fill_null(value=False)
        bad = given.filter(is_given & ~typed.select(holds.fill_null(value=False)).to_series())
        for row, iau_name, value in bad.select("row", "name", name).iter_rows():
            reason = f"row {row} of {path.name} ({shown(iau_name)}): {sentence} It is left null."
            rejections.append(Rejection(reason, row=row, column=name, given=shown(value)))
    return rejections


def _with_our_names(known: pl.DataFrame) -> pl.DataFrame:
    seconds = pl.col("discovered").str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.epoch("s")
    ours = known.with_columns(
        iau_name=pl.col("name_prefix").fill_null("AT") + pl.col("name"),
        designation=pl.col("name").str.to_lowercase(),
        discovery_mjd=seconds / 86400.0 + _UNIX_EPOCH_MJD,
    )
    return ours.unique("designation", keep="last", maintain_order=True).select(_COLUMNS)
