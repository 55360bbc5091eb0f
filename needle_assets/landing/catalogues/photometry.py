"""Light curves that landed beside the packets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import forced
from needle_assets.landing.catalogues.columns import OBJECT_ID, Columns, Names, chosen, read_columns
from needle_assets.landing.catalogues.rows import (
    NOTHING,
    flag_check,
    id_check,
    plain_text,
    range_check,
    split,
    with_flags,
    with_kept_sources,
    with_numbers,
)
from needle_assets.surveys.known import SURVEYS

# The documented name first, then those that brokers and surveys use for the same quantity.
NAMES: Names = {
    "object_id": OBJECT_ID,
    "mjd": ("mjd", "obsmjd", "obs_mjd", "mjd_obs", "jd", "obsjd", "hjd", "bjd"),
    "band": ("band", "filter", "fid", "passband", "filt", "filtercode"),
    "mag": ("mag", "magpsf", "magnitude", "mag_psf", "psfmag"),
    "mag_err": (
        *("mag_err", "magerr", "sigmapsf", "mag_error", "magnitude_error", "magnitude_err", "e_mag", "emag", "mag_unc"),
        *("sigma_mag", "psfmagerr", "dmag"),
    ),
    "source": ("source",),
    "mw_corrected": (
        *("mw_corrected", "is_mw_corrected", "mw_corr", "mwcorr", "mwcorrected", "dereddened", "is_dereddened"),
        *("extinction_corrected",),
    ),
    "is_positive": ("is_positive", "isdiffpos", "is_diffpos", "diffpos", "ispositive"),
}
# No transient is as bright as 1 mag; 0 is how some tables write that nothing is known.
_BOUNDS = {"mjd": (40_000.0, 100_000.0), "mag": (1.0, 40.0), "mag_err": (1e-6, 10.0)}
_ORDER = ("mjd", "band", "source", "mag", "mag_err", "mw_corrected", "is_positive")
_COLUMNS = ("mjd", "band", "mag", "mag_err", "source", "mw_corrected", "is_positive")

_SIGNS: Mapping[str, bool] = {
    **dict.fromkeys(("t", "true", "1", "1.0", "+1", "+", "yes", "positive", "pos"), True),
    **dict.fromkeys(("f", "false", "0", "0.0", "-1", "-1.0", "-", "no", "negative", "neg"), False),
}
_UNSAID = sorted(NOTHING - {"-"})


class LightCurves(NamedTuple):
    """
    What a file of light curves says.

    ``detections`` are rows of ``raw.photometry``, ``forced`` of ``raw.forced_photometry``, and ``rejections`` what was refused of both.
    """

    detections: pl.DataFrame
    forced: pl.DataFrame
    rejections: list[Rejection]


def read_photometry(path: Path, notices: list[str] | None = None) -> tuple[pl.DataFrame, list[Rejection]]:
    """
    Landed light curves as rows of ``raw.photometry``.

    Parameters
    ----------
    path : Path
        Parquet or CSV with object_id, mjd, band, mag, mag_err, and optionally source (null), mw_corrected (false) and is_positive
        (null), the sign of the difference. Other names of these are read too, such as ZTF's jd, fid, magpsf, sigmapsf, isdiffpos.
    notices : list, optional
        Sentences on the file are appended: columns that are not read, or are read under another name.

    Returns
    -------
    accepted : DataFrame
        object_id, row_number, mjd, band, mag, mag_err, source, mw_corrected, is_positive. Sorted by object and values; ``row_number``
        counts from 1 within an object in that order, so it is the same however the file is ordered. Repeated measurements are all
        kept.
    rejections : list of Rejection
        One per refused row, with its row in the file and what it held.

    Raises
    ------
    Rejection
        If the file cannot be read as a table or lacks a required column. OSError if it cannot be opened.
    """
    read = read_light_curves(path, notices)
    return read.detections, read.rejections


def read_light_curves(path: Path, notices: list[str] | None = None) -> LightCurves:
    """
    Landed light curves: detections as :func:`read_photometry` has them, and forced photometry of a file with a column ``kind``.

    A row of the kind ``forced`` tells a flux, signed, whether or not anything was seen: flux_microjansky and flux_err_microjansky; or
    flux, flux_err and zero_point; or mag and mag_err, with is_positive. It may tell status (ZTF's procstatus) and processed_mjd. Raises
    what :func:`read_photometry` raises.
    """
    told: list[str] = []
    frame, broken = read_columns(path, _columns_of, notices=told)
    numbers = {**_BOUNDS, **dict.fromkeys(name for name in forced.NUMBERS if name in frame.columns)}
    typed = _with_signs(_with_bands(with_flags(with_numbers(frame, numbers))))
    detections, rejections = typed, broken
    rows = pl.DataFrame(schema=forced.SCHEMA)
    if "kind" in frame.columns:
        known, refused = split(path, forced.with_kinds(typed), frame, [forced.kind_check()])
        detections = known.filter(pl.col("kind") == forced.ALERT)
        rows, also_refused = _forced(path, known.filter(pl.col("kind") == forced.FORCED), frame)
        rejections = [*rejections, *refused, *also_refused]
    accepted, refused = split(path, detections, frame, [*_checks(*_BOUNDS), flag_check(), _sign_check()])
    accepted, without_source = with_kept_sources(path, accepted)
    accepted = accepted.with_columns(pl.col("mag", "mag_err").cast(pl.Float32)).sort("object_id", *_ORDER)
    numbered = accepted.with_columns(pl.int_range(1, pl.len() + 1).over("object_id").cast(pl.Int32).alias("row_number"))
    if notices is not None:
        notices += told
    return LightCurves(numbered.select("object_id", "row_number", *_COLUMNS), rows, rejections + refused + without_source)


def read_forced_photometry(path: Path, notices: list[str] | None = None) -> tuple[pl.DataFrame, list[Rejection]]:
    """Rows of ``raw.forced_photometry``; what is refused of the file is told with its detections (:func:`read_photometry`)."""
    return read_light_curves(path, notices).forced, []


def _columns_of(header: Sequence[str]) -> Columns:
    if chosen(header, {"kind": forced.NAMES["kind"]}):
        return Columns({**NAMES, **forced.NAMES}, ("object_id", "mjd", "band"))
    return Columns(NAMES, ("object_id", "mjd", "band", "mag", "mag_err"))


def _forced(path: Path, typed: pl.DataFrame, given: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejection]]:
    checks = [*_checks("mjd"), flag_check(), _sign_check(), *forced.flux_checks()]
    accepted, refused = split(path, forced.with_fluxes(typed, _BOUNDS), given, checks)
    accepted, without_source = with_kept_sources(path, accepted)
    return forced.as_rows(accepted), refused + without_source


def _checks(*numbers: str) -> list[forced.Check]:
    bands = " or ".join(", ".join(survey.bands) for survey in SURVEYS.values())
    within = [range_check(name, _BOUNDS[name]) for name in numbers]
    return [id_check(), *within, (pl.col("band").is_not_null(), f"band is none of {bands}.")]


def _sign_check() -> forced.Check:
    is_said = pl.col("is_positive").is_not_null() | pl.col("is_unsaid")
    return is_said, "the sign of the difference is neither positive nor negative."


def _with_bands(frame: pl.DataFrame) -> pl.DataFrame:
    """The bands of each object's survey in their spellings as it names them; others as null."""
    # A number below 0 says that nothing is known.
    spelled = pl.when(plain_text("band").str.contains(r"^-[0-9]").not_()).then(plain_text("band").str.replace_all(r"[\s_:-]", ""))
    # A single letter is taken as it stands: R and I are other filters than r and i.
    text = pl.when(pl.col("band").str.len_chars() == 1).then(pl.col("band")).otherwise(spelled)
    bands = [
        pl.when(pl.col("object_id").str.contains(rf"\A(?:{survey.id_pattern})\z")).then(
            text.replace_strict(survey.band_spellings, default=None, return_dtype=pl.String)
        )
        for survey in SURVEYS.values()
    ]
    return frame.with_columns(pl.coalesce(bands).alias("band"))


def _with_signs(frame: pl.DataFrame) -> pl.DataFrame:
    """is_positive as boolean, null where it says neither; ``is_unsaid`` where nothing was given."""
    said = plain_text("is_positive")
    unsaid = said.is_null() | said.is_in(_UNSAID)
    sign = said.replace_strict(_SIGNS, default=None, return_dtype=pl.Boolean)
    return frame.with_columns(sign.alias("is_positive"), unsaid.alias("is_unsaid"))
