"""Forced photometry among landed light curves: rows of the kind ``forced``, as signed fluxes."""

from collections.abc import Mapping

import polars as pl

from needle_assets.landing.catalogues.columns import Names
from needle_assets.landing.catalogues.rows import NOTHING, plain_text
from needle_assets.landing.ztf_packets import MISSING_FLUX

Check = tuple[pl.Expr, str]

ALERT, FORCED = KINDS = ("alert", "forced")
AB_ZERO_POINT_MICROJANSKY = 23.9
MAG_ERR_PER_RELATIVE_ERR = 1.0857362047581296

# What is read of a file that has the first of these.
NAMES: Names = {
    "kind": ("kind", "photometry_kind"),
    "flux_microjansky": ("flux_microjansky", "flux_ujy", "flux_njy", "flux_nanojansky"),
    "flux_err_microjansky": ("flux_err_microjansky", "flux_err_ujy", "flux_err_njy", "flux_err_nanojansky"),
    "flux": ("flux", "forcediffimflux"),
    "flux_err": ("flux_err", "fluxerr", "flux_error", "forcediffimfluxunc"),
    "zero_point": ("zero_point", "zeropoint", "zp", "zpdiff", "magzpsci"),
    "status": ("status", "procstatus"),
    "processed_mjd": ("processed_mjd",),
}
NUMBERS = ("flux_microjansky", "flux_err_microjansky", "flux", "flux_err", "zero_point", "processed_mjd")
# As bright as the brightest magnitude that is read, of either sign.
LARGEST_MICROJANSKY = 10.0 ** (0.4 * (AB_ZERO_POINT_MICROJANSKY - 1.0))
ZERO_POINTS = (0.0, 50.0)
MJD = (40_000.0, 100_000.0)
MAX_STATUS_CHARACTERS = 80

SCHEMA = {
    "object_id": pl.String,
    "row_number": pl.Int32,
    **dict.fromkeys(("mjd", "flux_microjansky", "flux_err_microjansky"), pl.Float64),
    "band": pl.String,
    "status": pl.String,
    "processed_mjd": pl.Float64,
    "source": pl.String,
}
_ORDER = ("object_id", "mjd", "band", "source", "processed_mjd", "flux_microjansky", "flux_err_microjansky", "status")


def with_kinds(frame: pl.DataFrame) -> pl.DataFrame:
    """``kind`` in lower case, ``alert`` where nothing is said."""
    said = plain_text("kind")
    return frame.with_columns(kind=pl.when(said.is_null() | said.is_in(sorted(NOTHING))).then(pl.lit(ALERT)).otherwise(said))


def kind_check() -> Check:
    """That a row is of a known kind, and the sentence where it is not."""
    return pl.col("kind").is_in(KINDS), f"kind is none of {', '.join(KINDS)}."


def with_fluxes(frame: pl.DataFrame, mag_bounds: Mapping[str, tuple[float, float]]) -> pl.DataFrame:
    """
    Flux and error in microjansky [AB] from whichever of the three ways a row is told in, and ``status`` as text.

    The first counts: microjansky; a flux with its zero point; a magnitude with the sign of the difference, positive if that is not said.
    """
    told = {name: pl.when(pl.col(name) != MISSING_FLUX).then(pl.col(name)) for name in NUMBERS[:4]}
    scale = 10.0 ** (-0.4 * (pl.col("zero_point") - AB_ZERO_POINT_MICROJANSKY))
    scale = pl.when(pl.col("zero_point").is_between(*ZERO_POINTS)).then(scale)
    is_mag = pl.all_horizontal(
        pl.col(name).is_finite() & pl.col(name).is_between(*mag_bounds[name]) for name in ("mag", "mag_err")
    )
    size = pl.when(is_mag).then(10.0 ** (-0.4 * (pl.col("mag") - AB_ZERO_POINT_MICROJANSKY)))
    sign = pl.when(pl.col("is_positive").fill_null(value=True)).then(1.0).otherwise(-1.0)
    in_microjansky, scaled = told["flux_microjansky"], told["flux"] * scale
    is_first, is_scaled = in_microjansky.is_not_null(), told["flux"].is_not_null()
    err = pl.when(is_first).then(told["flux_err_microjansky"]).when(is_scaled).then(told["flux_err"] * scale)
    status = pl.col("status").cast(pl.String, strict=False).str.strip_chars().str.replace(r"\.0$", "")
    return frame.with_columns(
        flux_microjansky=pl.when(is_first).then(in_microjansky).when(is_scaled).then(scaled).otherwise(sign * size),
        flux_err_microjansky=err.otherwise(size * pl.col("mag_err") / MAG_ERR_PER_RELATIVE_ERR),
        is_without_zero_point=~is_first & is_scaled & scale.is_null(),
        status=pl.when(~status.str.to_lowercase().is_in(sorted(NOTHING))).then(status),
    )


def flux_checks() -> list[Check]:
    """What a row of forced photometry has to hold, after :func:`with_fluxes`, and the sentence where it does not."""
    flux, err, processed = (pl.col(name) for name in ("flux_microjansky", "flux_err_microjansky", "processed_mjd"))
    return [
        (
            ~pl.col("is_without_zero_point"),
            "flux has no zero_point from 0 to 50, the AB magnitude of a flux of 1; give one, or name the column flux_microjansky.",
        ),
        (
            flux.is_finite() & (flux.abs() <= LARGEST_MICROJANSKY) & err.is_finite() & (err > 0) & (err <= LARGEST_MICROJANSKY),
            "no flux with a positive error is given: flux_microjansky, flux with zero_point, or mag with mag_err.",
        ),
        (
            pl.col("mw_corrected").not_(),
            "mw_corrected is true; forced photometry is kept as observed, so give it with Milky Way extinction in it.",
        ),
        (processed.is_null() | processed.is_between(*MJD), "processed_mjd is not a number from 40000 to 100000."),
        (
            pl.col("status").is_null() | pl.col("status").str.contains(rf"\A[ -~]{{1,{MAX_STATUS_CHARACTERS}}}\z"),
            f"status is not printable text of at most {MAX_STATUS_CHARACTERS} characters.",
        ),
    ]


def as_rows(accepted: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``raw.forced_photometry``: sorted by object and values, and numbered within an object in that order."""
    ordered = accepted.sort(_ORDER)
    return ordered.with_columns(row_number=pl.int_range(1, pl.len() + 1).over("object_id")).select(*SCHEMA).cast(SCHEMA)  # type: ignore[arg-type]
