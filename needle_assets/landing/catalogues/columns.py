"""Which column of a landed file is which of ours: known names, units, and what nobody reads."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from needle_assets.errors import Rejection
from needle_assets.landing.csv_parquet import CsvText, parquet_header, read_csv, read_parquet
from needle_assets.landing.values import shown
from needle_assets.surveys.clock import MJD_OFFSET

Names = Mapping[str, tuple[str, ...]]

OBJECT_ID = ("ztf_id", "ztfid", "objectid", "object_id", "oid", "ztf_object_id", "ztf_name", "ztfname")

# Values of these columns become ours as scale x value + offset.
CONVERSIONS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("jd", "obsjd", "hjd", "bjd"), (1.0, -MJD_OFFSET)),
    **dict.fromkeys(("separation_arcmin", "sep_arcmin", "separationarcmin"), (60.0, 0.0)),
    **dict.fromkeys(("separation_deg", "sep_deg", "separationdeg"), (3600.0, 0.0)),
    **dict.fromkeys(("flux_njy", "flux_nanojansky", "flux_err_njy", "flux_err_nanojansky"), (1e-3, 0.0)),
}
# A unit that the name does not say is assumed, and that is told.
ASSUMED = {
    **dict.fromkeys(("separation", "sep", "offset", "host_separation", "host_offset"), "in arcsec"),
    **dict.fromkeys(("bjd", "hjd"), "without a correction to the observatory's time, up to 8 minutes"),
}


def chosen(header: Sequence[str], names: Names) -> dict[str, str]:
    """For each of our columns that the header has, the name it has there; ``names`` lists them, preferred ones first."""
    given = {_plain(name): name for name in reversed(header)}
    found = {ours: next((given[name] for name in known if name in given), None) for ours, known in names.items()}
    return {ours: name for ours, name in found.items() if name is not None}


def told_of(header: Sequence[str], picked: Mapping[str, str], names: Names) -> list[str]:
    """Sentences on the columns of a file: which are not read, and which are read under another name than the documented one."""
    left = list(header)
    for name in picked.values():
        left.remove(name)
    renamed = [
        f"{shown(name)} is read as {ours}{', ' + ASSUMED[_plain(name)] if _plain(name) in ASSUMED else ''}"
        for ours, name in picked.items()
        if _plain(name) not in (names[ours][0], ours)
    ]
    sentences = [f"{'; '.join(renamed)}."] if renamed else []
    if left:
        kind = "column is" if len(left) == 1 else "columns are"
        sentences.append(f"{len(left)} {kind} not read: {', '.join(shown(name) for name in left)}.")
    return sentences


class Columns(NamedTuple):
    """Columns that a file may have, by the names that they may have there, and those that it must have."""

    names: Names
    required: Collection[str]


def read_columns(
    path: Path, columns_of: Callable[[Sequence[str]], Columns], *, notices: list[str]
) -> tuple[pl.DataFrame, list[Rejection]]:
    """
    Our columns as they are in the file, absent ones as null text, with ``row``; and the lines that could not be taken apart.

    ``columns_of`` tells by the header what may stand in the file. What is to be known of the file is appended to ``notices``. Raises
    Rejection if a required column is missing.
    """
    if path.suffix.lower() == ".parquet":
        header, broken = parquet_header(path), []
        names, required = columns_of(header)
        picked = chosen(header, names)
        _require(path, header, picked, required, names)
        frame = read_parquet(path, picked.values())
    else:
        text = read_csv(path, ids=OBJECT_ID)
        header, broken = list(text.header), text.rejections
        names, required = columns_of(header)
        picked = chosen(header, names)
        _require(path, header, picked, required, names)
        frame = text.columns(picked.values())
        notices += skipped_lines(text)
    notices += told_of(header, picked, names)
    converted = {ours: CONVERSIONS[_plain(name)] for ours, name in picked.items() if _plain(name) in CONVERSIONS}
    ours = frame.select("row", *(pl.col(name).alias(column) for column, name in picked.items()))
    notices += _short_times(path, ours, picked, converted)
    ours = ours.with_columns(_converted(ours, name, *converted[name]) for name in converted)
    return ours.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in ours.columns), broken


def _short_times(path: Path, frame: pl.DataFrame, picked: Mapping[str, str], converted: Collection[str]) -> list[str]:
    """A sentence on days that are numbers of 32 bits, which cannot hold them. Raises Rejection for Julian dates, hours off."""
    if frame.schema.get("mjd") not in (pl.Float32, pl.Float16):
        return []
    if "mjd" in converted or frame.schema["mjd"] == pl.Float16:
        name = shown(picked["mjd"])
        raise Rejection(f"column {name} of {path.name} holds 32 bits or fewer, which are hours off; write it as 64-bit numbers.")
    return ["mjd holds numbers of 32 bits, which are up to 3 minutes off; better write it as 64-bit numbers."]


def skipped_lines(text: CsvText) -> list[str]:
    """A sentence on lines that are no rows, if there are any."""
    kind = "line is comment or markup and is" if text.n_skipped == 1 else "lines are comments or markup and are"
    return [f"{text.n_skipped} {kind} not read."] if text.n_skipped else []


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _require(path: Path, header: Sequence[str], picked: Mapping[str, str], required: Collection[str], names: Names) -> None:
    missing = [name for name in required if name not in picked]
    if missing:
        also = "; ".join(f"{name} may also be called {', '.join(names[name][1:6])}" for name in missing if names[name][1:])
        raise Rejection(
            f"{path.name} has no column {', '.join(missing)}; needed are {', '.join(required)}{f' ({also})' if also else ''}. "
            f"It has {', '.join(shown(name) for name in header[:40])}."
        )


def _converted(frame: pl.DataFrame, name: str, scale: float, offset: float) -> pl.Expr:
    value = pl.col(name).str.strip_chars() if frame.schema[name] == pl.String else pl.col(name)
    number = value.cast(pl.Float64, strict=False)
    return pl.when(number != -999).then(scale * number + offset).alias(name)
