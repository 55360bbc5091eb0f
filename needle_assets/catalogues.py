"""The BTS catalogue, photometry and hosts of a landing folder as rows with our names and units, or as rejections.

A row is refused where it cannot be used at all (no object id, no magnitude). In the catalogue a single unreadable value only
becomes null, with a rejection that says so, because the other values of that object are still true.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.alerts import is_ztf_id, shown
from needle_assets.rejections import Rejection
from needle_assets.survey import MJD_OFFSET, SLSN, SN, TDE
from needle_assets.tables import TextTable, read_csv, read_parquet

BTS_JD_OFFSET = 2458000.0
MAX_TEXT_CHARACTERS = 80

_NOTHING = frozenset(("", "-", "--", "nan", "none", "null", "n/a", "na"))
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")
_SEXAGESIMAL = re.compile(r"([+-]?)([0-9]{1,3})[: ]([0-9]{1,2})[: ]([0-9]{1,2}\.?[0-9]{0,10})")
_PLAIN_TEXT = re.compile(r"[\w .,:;+/()\[\]?*-]+", re.ASCII)

# BTS explorer's column -> ours, and the plausible range.
_CATALOGUE_NUMBERS: dict[str, tuple[str, float, float]] = {
    "redshift": ("redshift", -0.05, 10.0),
    "a_v": ("a_v_mag", 0.0, 100.0),
    "peakt": ("peak_mjd", -20_000.0, 40_000.0),
    "peakmag": ("peak_mag", -5.0, 40.0),
    "peakabs": ("peak_abs_mag", -40.0, 40.0),
    "b": ("galactic_latitude_deg", -90.0, 90.0),
    "duration": ("duration_days", 0.0, 10_000.0),
    "rise": ("rise_days", 0.0, 10_000.0),
    "fade": ("fade_days", 0.0, 10_000.0),
}
_WITH_LIMITS = ("duration", "rise", "fade")
_CATALOGUE_COLUMNS = ("iauid", "ra", "dec", "peakfilt", "type", *_CATALOGUE_NUMBERS)

_PHOTOMETRY_COLUMNS = ("ztf_id", "mjd", "band", "mag", "mag_err", "source", "mw_corrected")
_PHOTOMETRY_BOUNDS = {"mjd": (40_000.0, 100_000.0), "mag": (-5.0, 40.0), "mag_err": (1e-6, 10.0)}
_PHOTOMETRY_ORDER = ("mjd", "band", "source", "mag", "mag_err", "mw_corrected")

_HOST_MAGS = {f"{band}ap": f"{band}_mag" for band in "grizy"}
_HOST_COLUMNS = ("ztf_id", "host_ra", "host_dec", "separation_arcsec", *_HOST_MAGS, "mw_corrected", "source")
_HOST_BOUNDS = {"host_ra": (0.0, 360.0), "host_dec": (-90.0, 90.0)}
_HOST_OPTIONAL_BOUNDS = {"separation_arcsec": (0.0, 36_000.0)} | dict.fromkeys(_HOST_MAGS, (-5.0, 40.0))

_TRUE, _FALSE = ("true", "t", "1", "1.0", "yes"), ("false", "f", "0", "0.0", "no", "", "-", "none", "null", "nan")


def read_catalogue(path: Path) -> tuple[list[Mapping[str, Any]], list[Rejection]]:
    """
    The BTS explorer's CSV export as rows of ``raw.objects``.

    Parameters
    ----------
    path : Path
        File with at least the column ZTFID; of the other BTS columns a missing one is null throughout, with one rejection.

    Returns
    -------
    rows : list of dict
        One per object, in file order. An object that is listed again with the same values counts once; with other values the last
        row counts, as if the export had been appended to, and the earlier ones are rejections.
    rejections : list of Rejection
        Rows without a usable object id, broken lines, and values that became null (their ``measured`` has ``column``).

    Raises
    ------
    Rejection
        If the file has no header line or no ZTFID. OSError if it cannot be opened.

    Notes
    -----
    ``peakt`` is JD - 2458000; ``-`` and empty are unknown; ``>x`` is a lower limit of a duration. Right ascension and declination
    are sexagesimal (hours) or decimal (degrees).
    """
    table = read_csv(path)
    if "ztfid" not in table.header:
        raise Rejection(f"{path.name} has no column ZTFID; export it from the BTS explorer with its column names.")
    rejections = list(table.rejections)
    missing = [name for name in _CATALOGUE_COLUMNS if name not in table.header]
    rejections += [Rejection(f"{path.name} has no column {name}; it is null for every object.", column=name) for name in missing]
    rows: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for number, record in _records(table):
        row = _catalogue_row(record, number, rejections)
        if row is None:
            continue
        earlier = rows.pop(row["ztf_id"], None)
        if earlier and earlier[1] != row:
            rejections.append(_listed_again(row["ztf_id"], earlier[0], number))
        rows[row["ztf_id"]] = (number, row)
    return [row for _, row in rows.values()], rejections


def label_of(bts_type: str | None) -> tuple[str | None, str | None]:
    """
    The class NEEDLE gives a BTS type, and why there is none.

    Returns
    -------
    label : 'SN', 'SLSN-I', 'TDE' or None
    reason : str or None
        None where there is a label.

    Notes
    -----
    Every type that begins with SN, and SLSN-II, is SN; SLSN-I alone is SLSN-I (an SLSN-I.5 or SLSN-I? is nobody's); every type
    that begins with TDE is TDE. The authors map the TDE subtypes one by one and stop at those they do not know.
    """
    if bts_type is None:
        return None, "the catalogue has no type"
    if bts_type.startswith("SN") or bts_type == "SLSN-II":
        return SN, None
    if bts_type == "SLSN-I":
        return SLSN, None
    if bts_type.startswith("TDE"):
        return TDE, None
    return None, f"type {bts_type} is none of SN*, SLSN-II, SLSN-I, TDE*"


def read_photometry(path: Path) -> tuple[pl.DataFrame, list[Rejection]]:
    """
    Landed light curves as rows of ``raw.photometry``.

    Parameters
    ----------
    path : Path
        Parquet or CSV with ztf_id, mjd, band, mag, mag_err, and optionally source (null) and mw_corrected (false).

    Returns
    -------
    accepted : DataFrame
        ztf_id, row_number, mjd, band, mag, mag_err, source, mw_corrected. Sorted by object and values; ``row_number`` counts from
        1 within an object in that order, so it is the same however the file is ordered. Repeated measurements are all kept.
    rejections : list of Rejection
        One per refused row, with its row in the file and what it held.

    Raises
    ------
    Rejection
        If the file cannot be read as a table or lacks a required column. OSError if it cannot be opened.
    """
    frame = _columns(path, _PHOTOMETRY_COLUMNS, required=("ztf_id", "mjd", "band", "mag", "mag_err"))
    typed = _with_flags(_with_numbers(frame[0], _PHOTOMETRY_BOUNDS))
    checks = [
        _id_check(),
        *(_range_check(name, bounds) for name, bounds in _PHOTOMETRY_BOUNDS.items()),
        (pl.col("band").is_in(["g", "r", "i"]), "band is none of g, r, i."),
        (pl.col("mw_corrected").is_not_null(), "mw_corrected is neither true nor false."),
    ]
    accepted, rejections = _split(path, typed, frame[0], checks)
    accepted = accepted.with_columns(pl.col("mag", "mag_err").cast(pl.Float32)).sort("ztf_id", *_PHOTOMETRY_ORDER)
    numbered = accepted.with_columns(pl.int_range(1, pl.len() + 1).over("ztf_id").cast(pl.Int32).alias("row_number"))
    return numbered.select("ztf_id", "row_number", *_PHOTOMETRY_COLUMNS[1:]), frame[1] + rejections


def read_hosts(path: Path) -> tuple[pl.DataFrame, list[Rejection]]:
    """
    Landed host galaxies as rows of ``raw.hosts``.

    Parameters
    ----------
    path : Path
        CSV or Parquet with ztf_id, host_ra, host_dec [deg], and optionally separation_arcsec, Pan-STARRS magnitudes gAp to yAp,
        mw_corrected (default false) and source.

    Returns
    -------
    accepted : DataFrame
        ztf_id, host_ra_deg, host_dec_deg, separation_arcsec, g_mag to y_mag, mw_corrected, source; one row per object. Of several
        rows of one object the last counts. -999 is null, and so is a magnitude or separation that cannot be true.
    rejections : list of Rejection
        Refused rows, earlier rows of an object that differ, and optional values that became null.

    Raises
    ------
    Rejection
        If the file cannot be read as a table or lacks a required column. OSError if it cannot be opened.
    """
    frame, broken = _columns(path, _HOST_COLUMNS, required=("ztf_id", "host_ra", "host_dec"))
    typed = _with_flags(_with_numbers(frame, _HOST_BOUNDS | _HOST_OPTIONAL_BOUNDS))
    checks = [
        _id_check(),
        *(_range_check(name, bounds) for name, bounds in _HOST_BOUNDS.items()),
        (pl.col("mw_corrected").is_not_null(), "mw_corrected is neither true nor false."),
    ]
    accepted, rejections = _split(path, typed, frame, checks)
    rejections += _unusable_values(path, accepted, frame)
    accepted = accepted.with_columns(
        pl.when(_range_check(name, bounds)[0]).then(pl.col(name)) for name, bounds in _HOST_OPTIONAL_BOUNDS.items()
    )
    once, repeated = _last_of_each(path, accepted)
    named = once.rename({"host_ra": "host_ra_deg", "host_dec": "host_dec_deg", **_HOST_MAGS}).drop("row")
    return named.with_columns(pl.col(*_HOST_MAGS.values()).cast(pl.Float32)), broken + rejections + repeated


def _records(table: TextTable) -> list[tuple[int, dict[str, str]]]:
    return [
        (number, dict(zip(table.header, (value.strip() for value in row), strict=True)))
        for number, row in zip(table.row_numbers, table.rows, strict=True)
    ]


def _catalogue_row(record: Mapping[str, str], number: int, rejections: list[Rejection]) -> dict[str, Any] | None:
    ztf_id = record["ztfid"]
    if not is_ztf_id(ztf_id):
        rejections.append(Rejection(f"row {number} of the catalogue has no usable ZTFID.", row=number, given=shown(ztf_id)))
        return None
    values = _Values(record, number, ztf_id, rejections)
    bts_type = values.text("type")
    label, label_reason = label_of(bts_type)
    ra_deg, dec_deg = values.angle("ra", 15.0, 0.0, 360.0), values.angle("dec", 1.0, -90.0, 90.0)
    row: dict[str, Any] = {
        "ztf_id": ztf_id,
        "iau_name": values.text("iauid"),
        "ra_deg": None if dec_deg is None else ra_deg,
        "dec_deg": None if ra_deg is None else dec_deg,
        "type": bts_type,
        "label": label,
        "label_reason": label_reason,
        "peak_band": values.band("peakfilt"),
    }
    for column, (name, low, high) in _CATALOGUE_NUMBERS.items():
        value, is_limit = values.number(column, low, high, can_be_limit=column in _WITH_LIMITS)
        row[name] = value
        if column in _WITH_LIMITS:
            row[f"is_{column}_lower_limit"] = is_limit
    if row["peak_mjd"] is not None:
        row["peak_mjd"] += BTS_JD_OFFSET - MJD_OFFSET
    return row


class _Values:
    """Reads the values of one catalogue row; an unreadable one is None and leaves a rejection."""

    def __init__(self, record: Mapping[str, str], row: int, ztf_id: str, rejections: list[Rejection]) -> None:
        self._record, self._row, self._ztf_id, self._rejections = record, row, ztf_id, rejections

    def _given(self, column: str) -> str | None:
        value = self._record.get(column, "")
        return None if value.lower() in _NOTHING else value

    def _refuse(self, column: str, value: str, needed: str) -> None:
        reason = f"{column} in row {self._row} of the catalogue is not {needed}; it is left null."
        self._rejections.append(
            Rejection(reason, ztf_id=self._ztf_id, row=self._row, column=column, given=shown(value)),
        )

    def text(self, column: str) -> str | None:
        value = self._given(column)
        if value is not None and (len(value) > MAX_TEXT_CHARACTERS or not _PLAIN_TEXT.fullmatch(value)):
            self._refuse(column, value, f"plain text of at most {MAX_TEXT_CHARACTERS} characters")
            return None
        return value

    def band(self, column: str) -> str | None:
        value = self._given(column)
        if value is not None and value not in ("g", "r", "i"):
            self._refuse(column, value, "one of g, r, i")
            return None
        return value

    def number(self, column: str, low: float, high: float, *, can_be_limit: bool) -> tuple[float | None, bool]:
        value = self._given(column)
        if value is None:
            return None, False
        is_limit = can_be_limit and value.startswith(">")
        parsed = _number(value[1:].strip() if is_limit else value)
        if parsed is None or not low <= parsed <= high:
            self._refuse(column, value, f"a number from {low:g} to {high:g}")
            return None, False
        return parsed, is_limit

    def angle(self, column: str, degrees_per_unit: float, low: float, high: float) -> float | None:
        value = self._given(column)
        if value is None:
            return None
        parsed = _number(value)
        if parsed is None:
            parsed = _from_sexagesimal(value, degrees_per_unit)
        if parsed is None or not low <= parsed <= high:
            self._refuse(column, value, "a position in decimal degrees or as hh:mm:ss")
            return None
        return parsed


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _from_sexagesimal(text: str, degrees_per_unit: float) -> float | None:
    parts = _SEXAGESIMAL.fullmatch(text)
    if not parts or int(parts[3]) >= 60 or float(parts[4]) > 60:
        return None
    size = int(parts[2]) + int(parts[3]) / 60 + float(parts[4]) / 3600
    return (-size if parts[1] == "-" else size) * degrees_per_unit


def _listed_again(ztf_id: str, row: int, last_row: int) -> Rejection:
    return Rejection(
        f"the catalogue lists {ztf_id} again in row {last_row} with other values; the last row is used.",
        ztf_id=ztf_id,
        row=row,
        used_row=last_row,
    )


def _columns(path: Path, wanted: Sequence[str], *, required: Sequence[str]) -> tuple[pl.DataFrame, list[Rejection]]:
    """The wanted columns as they are in the file, absent ones as null, and the lines that could not be taken apart."""
    if path.suffix.lower() == ".parquet":
        frame, broken = read_parquet(path, wanted), []
    else:
        table = read_csv(path)
        frame, broken = table.columns(wanted), table.rejections
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise Rejection(f"{path.name} has no column {', '.join(missing)}; needed are {', '.join(required)}.")
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in wanted if name not in frame.columns), broken


def _with_numbers(frame: pl.DataFrame, names: Mapping[str, object]) -> pl.DataFrame:
    """The named columns as Float64; what is no number is null, and so is -999."""
    cast = frame.with_columns(_stripped(frame, name).cast(pl.Float64, strict=False).alias(name) for name in names)
    return cast.with_columns(pl.when(pl.col(name) != -999).then(pl.col(name)) for name in names)


def _with_flags(frame: pl.DataFrame) -> pl.DataFrame:
    """mw_corrected as boolean (null if it is neither), ids, band and source as text."""
    said = pl.col("mw_corrected").cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    flag = pl.when(said.is_null() | said.is_in(_FALSE)).then(False).when(said.is_in(_TRUE)).then(True)
    texts = [pl.col(name).cast(pl.String, strict=False).str.strip_chars() for name in ("ztf_id", "band") if name in frame.columns]
    source = pl.col("source").cast(pl.String, strict=False).str.slice(0, 4 * MAX_TEXT_CHARACTERS)
    return frame.with_columns(flag.alias("mw_corrected"), *texts, pl.when(source != "").then(source).alias("source"))


def _stripped(frame: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name).str.strip_chars() if frame.schema[name] == pl.String else pl.col(name)


def _id_check() -> tuple[pl.Expr, str]:
    return pl.col("ztf_id").str.contains(r"\AZTF[0-9]{2}[a-z]{7}\z"), "ztf_id is no id like ZTF18abcdefg."


def _range_check(name: str, bounds: tuple[float, float]) -> tuple[pl.Expr, str]:
    low, high = bounds
    return pl.col(name).is_finite() & pl.col(name).is_between(low, high), f"{name} is not a number from {low:g} to {high:g}."


def _split(
    path: Path, typed: pl.DataFrame, given: pl.DataFrame, checks: Sequence[tuple[pl.Expr, str]]
) -> tuple[pl.DataFrame, list[Rejection]]:
    """The rows that pass every check, and a rejection with the first failed one for each other row."""
    reason = pl.coalesce(pl.when(holds.fill_null(value=False).not_()).then(pl.lit(text)) for holds, text in checks)
    judged = typed.with_columns(reason.alias("reason"))
    refused = judged.filter(pl.col("reason").is_not_null()).select("row", "reason").join(given, on="row", how="left")
    rejections = [_refused_row(path, row) for row in refused.iter_rows(named=True)]
    return judged.filter(pl.col("reason").is_null()).drop("reason"), rejections


def _refused_row(path: Path, row: Mapping[str, Any]) -> Rejection:
    measured: dict[str, Any] = {name: _plain(name, value) for name, value in row.items() if name != "reason"}
    return Rejection(f"row {row['row']} of {path.name}: {row['reason']}", **measured)


def _plain(name: str, value: object) -> object:
    if name == "ztf_id" and is_ztf_id(value):
        return value
    return value if value is None or isinstance(value, bool | int | float) else shown(value)


def _unusable_values(path: Path, accepted: pl.DataFrame, given: pl.DataFrame) -> list[Rejection]:
    """Optional values of accepted rows that are no plausible number, though something was given."""
    rejections = []
    for name, bounds in _HOST_OPTIONAL_BOUNDS.items():
        holds, sentence = _range_check(name, bounds)
        text = pl.col(name).cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
        is_nothing = text.is_in(sorted(_NOTHING)) | (text.cast(pl.Float64, strict=False) == -999)
        something = given.filter(text.is_not_null(), is_nothing.fill_null(value=False).not_()).select("row", name)
        bad = accepted.filter(holds.fill_null(value=False).not_()).select("row", "ztf_id").join(something, on="row")
        for row, ztf_id, value in bad.iter_rows():
            reason = f"row {row} of {path.name}: {sentence} It is left null."
            rejections.append(Rejection(reason, ztf_id=ztf_id, row=row, column=name, given=_plain(name, value)))
    return rejections


def _last_of_each(path: Path, accepted: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejection]]:
    last = accepted.unique("ztf_id", keep="last", maintain_order=True)
    values = [name for name in accepted.columns if name != "row"]
    differing = accepted.unique(values, keep="last", maintain_order=True).join(last.select("row"), on="row", how="anti")
    said = "is listed again with other values; the last row is used."
    rejections = [
        Rejection(f"row {row} of {path.name}: {ztf_id} {said}", ztf_id=ztf_id, row=row)
        for row, ztf_id in differing.select("row", "ztf_id").iter_rows()
    ]
    return last.sort("ztf_id"), rejections
