"""Light curves that landed beside the packets."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues.columns import OBJECT_ID, Names, read_columns
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
    told: list[str] = []
    frame, broken = read_columns(path, NAMES, required=("object_id", "mjd", "band", "mag", "mag_err"), notices=told)
    typed = _with_signs(_with_bands(with_flags(with_numbers(frame, _BOUNDS))))
    checks = [
        id_check(),
        *(range_check(name, bounds) for name, bounds in _BOUNDS.items()),
        (pl.col("band").is_not_null(), f"band is none of {' or '.join(', '.join(survey.bands) for survey in SURVEYS.values())}."),
        flag_check(),
        (
            pl.col("is_positive").is_not_null() | pl.col("is_unsaid"),
            "the sign of the difference is neither positive nor negative.",
        ),
    ]
    accepted, rejections = split(path, typed, frame, checks)
    accepted, without_source = with_kept_sources(path, accepted)
    accepted = accepted.with_columns(pl.col("mag", "mag_err").cast(pl.Float32)).sort("object_id", *_ORDER)
    numbered = accepted.with_columns(pl.int_range(1, pl.len() + 1).over("object_id").cast(pl.Int32).alias("row_number"))
    if notices is not None:
        notices += told
    return numbered.select("object_id", "row_number", *_COLUMNS), broken + rejections + without_source


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
