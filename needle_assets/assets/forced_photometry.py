"""Forced photometry: what packets of either survey, and landed light curves, tell of exposures in which nothing needs to be seen."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from needle_assets.assets.light_curves import A_V_FROM
from needle_assets.assets.objects import surveys_of
from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.landing.lsst_packets import start_jd
from needle_assets.light_curves.extinction import extinction_factors
from needle_assets.light_curves.forced import Fluxes, is_lost_visit, nightly
from needle_assets.light_curves.light_curve import ZEROPOINT_MAG
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET, SECONDS_PER_DAY
from needle_assets.surveys.lsst import TAI_MINUS_UTC_SECONDS

NANOJANSKY = 1e-3
# Without complaint, and without a source of the reference catalogue nearby (ZTF's forced-photometry service).
SOUND_STATUS = ("0", "57")
# A PSF of 0.8 arcsec loses 8 % of its flux there.
LARGEST_OFFSET_ARCSEC = 0.2
COLUMNS = (
    *("object_id", "mjd", "band", "flux_microjansky", "flux_err_microjansky", "reference_flux_microjansky"),
    *("offset_arcsec", "status"),
    *("is_suspect", "processed_mjd", "candid", "source"),
)


def forced_photometry(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """
    Every exposure that packets or landed photometry tell a forced flux of, once: of several tellings the one that was processed last.

    A landed one that does not say when it was processed gives way to any packet. One that the survey has withdrawn since is left
    out; exposures without a flux or a positive error are counted in a refusal.
    """
    alerts = frames["raw.alerts"]
    packets = pl.concat([_of_ztf(alerts, frames), _of_rubin(alerts)], how="diagonal_relaxed")
    landed = _of_landed(frames["raw.forced_photometry"], packets, frames)
    told = pl.concat([packets, landed], how="diagonal_relaxed") if len(landed) else packets
    newest = told.sort("object_id", "band", "mjd", "processed_mjd", "candid", maintain_order=True).unique(
        ("object_id", "band", "mjd"), keep="last", maintain_order=True
    )
    is_usable = pl.col("flux_microjansky").is_finite() & (pl.col("flux_err_microjansky") > 0) & pl.col("withdrawn").is_null()
    is_lost = is_lost_visit(*(newest[name].to_numpy() for name in COLUMNS[3:6]))
    is_off = (newest["offset_arcsec"] > LARGEST_OFFSET_ARCSEC).fill_null(value=False).to_numpy()
    is_suspect = is_lost | is_off | ~_is_sound(newest["status"])
    judged = newest.with_columns(is_usable=is_usable.fill_null(value=False), is_suspect=is_suspect)
    rows = judged.filter("is_usable").select(COLUMNS)
    return Product(list(rows.iter_rows(named=True)), _refusals(judged.filter(~pl.col("is_usable"))))


def nightly_fluxes(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """Forced photometry of objects with a light curve as the Gaussian process is fitted to it; none unless the settings say so."""
    light_curves = frames["core.light_curves"]
    product = Product()
    if settings.gaussian_process.points != "forced" or light_curves.is_empty():
        return product
    first_mjd = dict(light_curves.group_by("object_id").agg(pl.col("mjd").min()).iter_rows())
    known = [frames[name].select("object_id", "a_v_mag") for name in reversed(A_V_FROM) if name in frames]
    a_v_mag = dict(pl.concat(known, how="vertical_relaxed").drop_nulls().iter_rows())
    usable = frames["core.forced_photometry"].filter(~pl.col("is_suspect") & pl.col("object_id").is_in(list(first_mjd)))
    window, surveys = settings.light_curves.merge_window_days, surveys_of(frames)
    for (object_id,), part in usable.partition_by("object_id", as_dict=True, maintain_order=True).items():
        wavelength = surveys[object_id].extinction_wavelength_angstrom
        factor, is_corrected = extinction_factors(part["band"].to_numpy(), a_v_mag.get(object_id), wavelength)
        columns = ("flux_microjansky", "flux_err_microjansky")
        fluxes = (part[name].to_numpy() * factor for name in columns)
        points = nightly(Fluxes.of(part["mjd"].to_numpy(), part["band"].to_numpy(), *fluxes), window)
        named = {"mjd": points.mjd, "band": points.band, **dict(zip(columns, (points.flux, points.flux_err), strict=True))}
        frame = pl.DataFrame(named).with_columns(
            object_id=pl.lit(object_id),
            days_since_first=pl.col("mjd") - first_mjd[object_id],
            is_mw_corrected=pl.lit(is_corrected),
        )
        product.rows += list(frame.iter_rows(named=True))
    return product


def _refusals(left_out: pl.DataFrame) -> list[Rejection]:
    reason = "exposures whose forced flux or its error is missing, or was withdrawn, are left out"
    return [
        Rejection(f"{reason} ({len(part)}).", object_id=object_id, n_left_out=len(part), mjd=part["mjd"].to_list())
        for (object_id,), part in left_out.partition_by("object_id", as_dict=True, maintain_order=True).items()
    ]


def _is_sound(status: pl.Series) -> np.ndarray:
    return (status.is_null() | status.is_in(SOUND_STATUS)).to_numpy()


def _exploded(alerts: pl.DataFrame, column: str) -> pl.DataFrame:
    """One row an entry of a list of records, with the packet that tells it."""
    kept = alerts.filter(pl.col(column).list.len() > 0).select("object_id", "candid", "jd", column)
    return kept.rename({"jd": "packet_jd"}).explode(column).unnest(column)


def _of_ztf(alerts: pl.DataFrame, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """``fp_hists``: counts with the zero point of their exposure. What is told again by a newer packet was processed again."""
    entries = _exploded(alerts, "fp_hists")
    bands = {number: band for survey in surveys_of(frames).values() for number, band in survey.band_of_number.items()}
    scale = 10.0 ** (-0.4 * (pl.col("magzpsci").cast(pl.Float64) - ZEROPOINT_MAG))
    return entries.select(
        "object_id",
        mjd=pl.col("jd") - MJD_OFFSET,
        band=pl.col("fid").replace_strict(bands, default=None, return_dtype=pl.String),
        flux_microjansky=pl.col("forcediffimflux").cast(pl.Float64) * scale,
        flux_err_microjansky=pl.col("forcediffimfluxunc").cast(pl.Float64) * scale,
        reference_flux_microjansky=pl.lit(None, pl.Float64),
        offset_arcsec=pl.lit(None, pl.Float64),
        status="procstatus",
        processed_mjd=pl.col("packet_jd") - MJD_OFFSET,
        candid="candid",
        source=pl.lit(None, pl.String),
        withdrawn=pl.lit(None, pl.Float64),
    )


def _of_rubin(alerts: pl.DataFrame) -> pl.DataFrame:
    """``prvDiaForcedSources``, in nanojansky."""
    entries = _exploded(alerts, "prvDiaForcedSources").join(_places(alerts), on="object_id", how="left")
    east = _turned(pl.col("ra") - pl.col("median_ra")) * pl.col("median_dec").radians().cos()
    offset = 3600.0 * (east**2 + (pl.col("dec") - pl.col("median_dec")) ** 2).sqrt()
    flux, science = pl.col("psfFlux").cast(pl.Float64), pl.col("scienceFlux").cast(pl.Float64)
    return entries.select(
        "object_id",
        mjd=pl.col("midpointMjdTai") + (start_jd(0.0, None) - MJD_OFFSET),
        band="band",
        flux_microjansky=flux * NANOJANSKY,
        flux_err_microjansky=pl.col("psfFluxErr").cast(pl.Float64) * NANOJANSKY,
        reference_flux_microjansky=(science - flux) * NANOJANSKY,
        offset_arcsec=offset,
        status=pl.lit(None, pl.String),
        processed_mjd=pl.col("timeProcessedMjdTai") - TAI_MINUS_UTC_SECONDS / SECONDS_PER_DAY,
        candid="candid",
        source=pl.lit(None, pl.String),
        withdrawn="timeWithdrawnMjdTai",
    )


def _of_landed(landed: pl.DataFrame, packets: pl.DataFrame, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Landed rows, each at the time of the exposure that it is of where packets tell that exposure too, else at that of its first row."""
    if landed.is_empty():
        return packets.clear()
    of = ["object_id", "band"]
    within = {object_id: survey.same_exposure_days for object_id, survey in surveys_of(frames).items()}
    rows = (
        landed.with_row_index("place")
        .sort(*of, "mjd")
        .with_columns(within=pl.col("object_id").replace_strict(within, return_dtype=pl.Float64))
    )
    is_other = (pl.col("mjd").diff().over(of) > pl.col("within")).fill_null(value=True)
    rows = rows.with_columns(exposure=is_other.cum_sum().over(of)).with_columns(first=pl.col("mjd").min().over(*of, "exposure"))
    told = packets.select(*of, told="mjd").drop_nulls().unique().sort("told")
    near = rows.sort("mjd").join_asof(told, left_on="mjd", right_on="told", by=of, strategy="nearest", check_sortedness=False)
    is_told = ((pl.col("told") - pl.col("mjd")).abs() <= pl.col("within")).fill_null(value=False)
    placed = near.with_columns(
        mjd=pl.when(is_told).then("told").otherwise("first"), source=pl.col("source").fill_null("photometry")
    )
    return placed.sort("place").drop("told", "first", "exposure", "within", "place")


def _places(alerts: pl.DataFrame) -> pl.DataFrame:
    """The median place of each object's detections, as its newest packet of Rubin's tells them."""
    newest = alerts.filter(pl.col("prvDiaForcedSources").is_not_null()).sort("jd").unique("object_id", keep="last")
    own = newest.select("object_id", "ra", "dec")
    earlier = newest.select("object_id", "prv_candidates").explode("prv_candidates").drop_nulls("prv_candidates")
    told = earlier.with_columns(pl.col("prv_candidates").struct.field(name) for name in ("ra", "dec")).select(own.columns)
    both = pl.concat([own, told], how="vertical_relaxed").join(own.select("object_id", around="ra"), on="object_id")
    median_ra = pl.col("around").first() + _turned(pl.col("ra") - pl.col("around")).median()
    return both.group_by("object_id").agg(median_ra=median_ra, median_dec=pl.col("dec").median())


def _turned(difference_deg: pl.Expr) -> pl.Expr:
    """A difference of right ascensions the short way round, from -180 up to 180."""
    return (difference_deg + 180.0) % 360.0 - 180.0
