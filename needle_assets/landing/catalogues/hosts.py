"""Host galaxies that landed beside the packets."""

from pathlib import Path

import polars as pl

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues.columns import OBJECT_ID, Columns, Names, read_columns
from needle_assets.landing.catalogues.rows import (
    NOTHING,
    flag_check,
    id_check,
    plain_value,
    range_check,
    split,
    with_flags,
    with_kept_sources,
    with_numbers,
)
from needle_assets.samples.hosts import WITHOUT_HOST

_MAGS = {f"{band}ap": f"{band}_mag" for band in "grizy"}

# The documented name first. Plain "ra" and "dec" are not read: in such tables they are the transient's as often as the host's. Of
# Pan-STARRS only aperture magnitudes are: those of a point source (gmag, gMeanPSFMag) leave out most of a galaxy.
NAMES: Names = {
    "object_id": OBJECT_ID,
    "host_ra": (
        "host_ra",
        "host_ra_deg",
        "ra_host",
        "hostra",
        "ramean",
        "ra_mean",
        "rastack",
        "radeg",
        "raj2000",
        "host_raj2000",
    ),
    "host_dec": (
        *("host_dec", "host_dec_deg", "dec_host", "hostdec", "decmean", "dec_mean", "decstack", "decdeg", "decj2000", "dej2000"),
        *("host_dej2000",),
    ),
    "separation_arcsec": (
        *("separation_arcsec", "separationarcsec", "sep_arcsec", "angdist", "offset_arcsec", "host_separation_arcsec"),
        *("separation_arcmin", "separationarcmin", "sep_arcmin", "separation_deg", "separationdeg", "sep_deg"),
        *("separation", "sep", "offset", "host_separation", "host_offset"),
    ),
    **{
        name: (name, f"{name[0]}apmag", f"{name[0]}meanapmag", f"{name[0]}_mag", f"host_{name[0]}_mag", f"{name[0]}ap_mag")
        for name in _MAGS
    },
    "mw_corrected": (
        *("mw_corrected", "is_mw_corrected", "mw_corr", "mwcorr", "mwcorrected", "dereddened", "is_dereddened"),
        *("extinction_corrected",),
    ),
    "source": ("source",),
}
_BOUNDS = {"host_ra": (0.0, 360.0), "host_dec": (-90.0, 90.0)}
_OPTIONAL_BOUNDS = {"separation_arcsec": (0.0, 36_000.0)} | dict.fromkeys(_MAGS, (1.0, 40.0))  # 0 is how some write nothing
_COLUMNS = ("object_id", "host_ra_deg", "host_dec_deg", "separation_arcsec", *_MAGS.values(), "mw_corrected", "source")


def read_hosts(path: Path, notices: list[str] | None = None) -> tuple[pl.DataFrame, list[Rejection]]:
    """
    Landed host galaxies as rows of ``raw.hosts``.

    Parameters
    ----------
    path : Path
        CSV or Parquet with object_id, host_ra, host_dec [deg], and optionally separation_arcsec, Pan-STARRS magnitudes gAp to yAp,
        mw_corrected (default false) and source. Other names of these are read too, such as MAST's raMean and gMeanApMag.
    notices : list, optional
        Sentences on the file are appended: columns that are not read, or are read under another name.

    Returns
    -------
    accepted : DataFrame
        object_id, host_ra_deg, host_dec_deg, separation_arcsec, g_mag to y_mag, mw_corrected, source; one row per object. Of several
        rows of one object the last counts. -999 is null, and so is a magnitude or separation that cannot be true.
    rejections : list of Rejection
        Refused rows, earlier rows of an object that differ, and optional values that became null.

    Raises
    ------
    Rejection
        If the file cannot be read as a table or lacks a required column. OSError if it cannot be opened.
    """
    told: list[str] = []
    frame, broken = read_columns(path, lambda _header: Columns(NAMES, ("object_id", "host_ra", "host_dec")), notices=told)
    typed = with_flags(with_numbers(frame, _BOUNDS | _OPTIONAL_BOUNDS))
    placed = [range_check(name, bounds) for name, bounds in _BOUNDS.items()]
    checks = [id_check(), *((holds | _is_without_host(), sentence) for holds, sentence in placed), flag_check()]
    accepted, rejections = split(path, typed, frame, checks)
    rejections += _unusable_values(path, accepted, frame)
    accepted, without_source = with_kept_sources(path, accepted)
    accepted = accepted.with_columns(
        pl.when(range_check(name, bounds)[0]).then(pl.col(name)) for name, bounds in _OPTIONAL_BOUNDS.items()
    )
    once, repeated = _last_of_each(path, accepted)
    named = once.rename({"host_ra": "host_ra_deg", "host_dec": "host_dec_deg", **_MAGS}).select(_COLUMNS)
    if notices is not None:
        notices += told
    return named.with_columns(pl.col(*_MAGS.values()).cast(pl.Float32)), broken + rejections + without_source + repeated


def _is_without_host() -> pl.Expr:
    """Rows of a fetch that found no host and says so: they have no position."""
    says_so = pl.col("source").is_in(sorted(WITHOUT_HOST))
    return says_so & pl.all_horizontal(pl.col(name).is_null() for name in _BOUNDS)


def _unusable_values(path: Path, accepted: pl.DataFrame, given: pl.DataFrame) -> list[Rejection]:
    """Optional values of accepted rows that are no plausible number, though something was given."""
    rejections = []
    for name, bounds in _OPTIONAL_BOUNDS.items():
        holds, sentence = range_check(name, bounds)
        text = pl.col(name).cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
        is_nothing = text.is_in(sorted(NOTHING)) | (text.cast(pl.Float64, strict=False) == -999)
        something = given.filter(text.is_not_null(), is_nothing.fill_null(value=False).not_()).select("row", name)
        bad = accepted.filter(holds.fill_null(value=False).not_()).select("row", "object_id").join(something, on="row")
        for row, object_id, value in bad.iter_rows():
            reason = f"row {row} of {path.name}: {sentence} It is left null."
            rejections.append(Rejection(reason, object_id=object_id, row=row, column=name, given=plain_value(name, value)))
    return rejections


def _last_of_each(path: Path, accepted: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejection]]:
    last = accepted.unique("object_id", keep="last", maintain_order=True)
    values = [name for name in accepted.columns if name != "row"]
    differing = accepted.unique(values, keep="last", maintain_order=True).join(last.select("row"), on="row", how="anti")
    said = "is listed again with other values; the last row is used."
    rejections = [
        Rejection(f"row {row} of {path.name}: {object_id} {said}", object_id=object_id, row=row)
        for row, object_id in differing.select("row", "object_id").iter_rows()
    ]
    return last.sort("object_id"), rejections
