"""The catalogue of the Bright Transient Survey."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues.columns import OBJECT_ID, Names, chosen, skipped_lines, told_of
from needle_assets.landing.catalogues.labels import is_known_otherwise, label_of
from needle_assets.landing.catalogues.rows import MAX_TEXT_CHARACTERS, NOTHING, is_kept_as_landed, number_in
from needle_assets.landing.csv_parquet import CsvText, read_csv
from needle_assets.landing.values import shown
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.known import is_object_id, survey_of_id

BTS_JD_OFFSET = 2458000.0

_SEXAGESIMAL = re.compile(r"([+-]?)([0-9]{1,3})[: ]([0-9]{1,2})[: ]([0-9]{1,2}\.?[0-9]{0,10})")

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

# The BTS explorer's name first, then others for the same quantity. The explorer does not say who typed an object; an export that
# was joined with such columns may.
NAMES: Names = {
    "ztfid": ("ztfid", *(name for name in OBJECT_ID if name != "ztfid")),
    "iauid": ("iauid", "iau_name", "iauname", "iau_id", "tns_name", "tnsname", "iau"),
    "ra": ("ra", "ra_deg", "radeg"),
    "dec": ("dec", "dec_deg", "decdeg", "decl", "declination"),
    "peakt": ("peakt",),
    "peakfilt": ("peakfilt", "peak_filter", "peak_filt"),
    "peakmag": ("peakmag", "peak_mag"),
    "peakabs": ("peakabs", "peak_abs_mag", "peakabsmag"),
    "duration": ("duration",),
    "rise": ("rise",),
    "fade": ("fade",),
    "type": ("type", "classification", "spectype", "spec_type", "spectral_type", "claimedtype", "tns_type", "class"),
    "redshift": ("redshift", "z"),
    "b": ("b", "gal_b", "galactic_latitude", "glat"),
    "a_v": ("a_v", "av", "a_v_mag", "mw_a_v"),
    "type_source": ("type_source", "label_source", "classification_source"),
    "type_reported_by": ("type_reported_by", "reported_by", "reporting_group", "reporter", "classified_by", "classifying_group"),
    "type_classifier": ("type_classifier", "classifier", "spectral_classifier", "classifier_name"),
}
_SAID_BY = ("type_source", "type_reported_by", "type_classifier")


def read_catalogue(path: Path, notices: list[str] | None = None) -> tuple[list[Mapping[str, Any]], list[Rejection]]:
    """
    The BTS explorer's CSV export as rows of ``raw.objects``.

    Parameters
    ----------
    path : Path
        File with at least the column ZTFID; of the other BTS columns a missing one is null throughout, with one rejection.
    notices : list, optional
        Sentences on the file are appended: columns that are not read, or are read under another name, and lines that are no rows.

    Returns
    -------
    rows : list of dict
        One per object, in file order. An object that is listed again with the same values counts once; with other values the last
        row counts, as if the export had been appended to, and the earlier ones are rejections.
    rejections : list of Rejection
        Rows without a usable object id, broken lines, values that became null (their ``measured`` has ``column``), and types that
        are not certain or not known (``measured`` has ``type``).

    Raises
    ------
    Rejection
        If the file has no header line or no ZTFID. OSError if it cannot be opened.

    Notes
    -----
    ``peakt`` is JD - 2458000; ``-`` and empty are unknown; ``>x`` is a lower limit of a duration. Right ascension and declination
    are sexagesimal (hours) or decimal (degrees).
    """
    text = read_csv(path, ids=NAMES["ztfid"])
    picked = chosen(text.header, NAMES)
    if notices is not None:
        notices += [*skipped_lines(text), *told_of(text.header, picked, NAMES)]
    rejections = list(text.rejections)
    missing = [name for name in _CATALOGUE_COLUMNS if name not in picked]
    rejections += [Rejection(f"{path.name} has no column {name}; it is null for every object.", column=name) for name in missing]
    rows: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for number, record in _records(text, picked):
        row = _catalogue_row(record, number, rejections)
        if row is None:
            continue
        earlier = rows.pop(row["object_id"], None)
        if earlier and earlier[1] != row:
            rejections.append(_listed_again(row["object_id"], earlier[0], number))
        rows[row["object_id"]] = (number, row)
    rejections += [_without_label(number, row) for number, row in rows.values() if _is_type_refused(row)]
    return [row for _, row in rows.values()], rejections


def _records(text: CsvText, picked: Mapping[str, str]) -> list[tuple[int, dict[str, str]]]:
    places = {ours: text.header.index(name) for ours, name in picked.items()}
    return [
        (number, {ours: row[place].strip() for ours, place in places.items()})
        for number, row in zip(text.row_numbers, text.rows, strict=True)
    ]


def _catalogue_row(record: Mapping[str, str], number: int, rejections: list[Rejection]) -> dict[str, Any] | None:
    object_id = record["ztfid"]
    if not is_object_id(object_id):
        reason = f"row {number} of the catalogue has no usable ZTFID: {shown(object_id)} is no id of a known survey."
        rejections.append(Rejection(reason, row=number, given=shown(object_id)))
        return None
    values = _Values(record, number, object_id, rejections)
    bts_type = values.text("type")
    label, label_reason = label_of(bts_type)
    source, reported_by, classifier = (values.text(name) for name in _SAID_BY)
    ra_deg, dec_deg = values.angle("ra", 15.0, 0.0, 360.0), values.angle("dec", 1.0, -90.0, 90.0)
    row: dict[str, Any] = {
        "object_id": object_id,
        "iau_name": values.text("iauid"),
        "ra_deg": None if dec_deg is None else ra_deg,
        "dec_deg": None if ra_deg is None else dec_deg,
        "type": bts_type,
        "label": label,
        "label_reason": label_reason,
        "label_source": label and (source or "catalogue"),
        "type_reported_by": reported_by,
        "type_classifier": classifier,
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


def _is_type_refused(row: Mapping[str, Any]) -> bool:
    """Whether a type was given that is not certain, or not known to be anything."""
    return row["type"] is not None and row["label"] is None and not is_known_otherwise(row["type"])


def _without_label(number: int, row: Mapping[str, Any]) -> Rejection:
    return Rejection(
        f"{row['label_reason']}; the object has no label and trains nothing.",
        object_id=row["object_id"],
        row=number,
        type=shown(row["type"]),
    )


class _Values:
    """Reads the values of one catalogue row; an unreadable one is None and leaves a rejection."""

    def __init__(self, record: Mapping[str, str], row: int, object_id: str, rejections: list[Rejection]) -> None:
        self._record, self._row, self._object_id, self._rejections = record, row, object_id, rejections

    def _given(self, column: str) -> str | None:
        value = self._record.get(column, "")
        return None if value.lower() in NOTHING else value

    def _refuse(self, column: str, value: str, needed: str) -> None:
        reason = f"{column} in row {self._row} of the catalogue is not {needed}; it is left null."
        self._rejections.append(
            Rejection(reason, object_id=self._object_id, row=self._row, column=column, given=shown(value)),
        )

    def text(self, column: str) -> str | None:
        value = self._given(column)
        if value is not None and not is_kept_as_landed(value, MAX_TEXT_CHARACTERS):
            self._refuse(column, value, f"printable text of at most {MAX_TEXT_CHARACTERS} characters")
            return None
        return value

    def band(self, column: str) -> str | None:
        value = self._given(column)
        survey = survey_of_id(self._object_id)
        if value is not None and survey is not None and value not in survey.bands:
            self._refuse(column, value, f"one of {', '.join(survey.bands)}")
            return None
        return value

    def number(self, column: str, low: float, high: float, *, can_be_limit: bool) -> tuple[float | None, bool]:
        value = self._given(column)
        if value is None:
            return None, False
        is_limit = can_be_limit and value.startswith(">")
        parsed = number_in(value[1:].strip() if is_limit else value)
        if parsed is None or not low <= parsed <= high:
            self._refuse(column, value, f"a number from {low:g} to {high:g}")
            return None, False
        return parsed, is_limit

    def angle(self, column: str, degrees_per_unit: float, low: float, high: float) -> float | None:
        value = self._given(column)
        if value is None:
            return None
        parsed = number_in(value)
        if parsed is None:
            parsed = _from_sexagesimal(value, degrees_per_unit)
        if parsed is None or not low <= parsed <= high:
            written = "hh:mm:ss" if degrees_per_unit > 1 else "dd:mm:ss"
            self._refuse(column, value, f"a position from {low:g} to {high:g} in decimal degrees, or written as {written}")
            return None
        return parsed


def _from_sexagesimal(text: str, degrees_per_unit: float) -> float | None:
    parts = _SEXAGESIMAL.fullmatch(text)
    if not parts or int(parts[3]) >= 60 or float(parts[4]) > 60:
        return None
    size = int(parts[2]) + int(parts[3]) / 60 + float(parts[4]) / 3600
    return (-size if parts[1] == "-" else size) * degrees_per_unit


def _listed_again(object_id: str, row: int, last_row: int) -> Rejection:
    return Rejection(
        f"the catalogue lists {object_id} again in row {last_row} with other values; the last row is used.",
        object_id=object_id,
        row=row,
        used_row=last_row,
    )
