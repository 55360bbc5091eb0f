"""Glue of the light-curve stages: cleaned light curves, epochs, Gaussian process fits, features. No arithmetic, no SQL."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from needle_assets.assets.objects import survey_of, surveys_of
from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.light_curves import features as table_1
from needle_assets.light_curves.batched_fits import fit_many
from needle_assets.light_curves.cleaning import CleanLightCurve, clean, is_usable
from needle_assets.light_curves.completing import completed
from needle_assets.light_curves.extinction import deredden
from needle_assets.light_curves.forced import Fluxes
from needle_assets.light_curves.gaussian_process import GaussianProcessFit, flux_points
from needle_assets.light_curves.light_curve import LightCurve, classification_mjd, n_rising, peak_mjd
from needle_assets.light_curves.usability import daily_curve, judge
from needle_assets.settings import GaussianProcessSettings, Settings
from needle_assets.surveys.panstarrs import HOST_BANDS
from needle_assets.surveys.survey import FEATURE_COLUMNS, Survey
from needle_assets.surveys.ztf import ZTF

DETECTED = "detections"
# Which A_V counts, in this order.
A_V_FROM = ("raw.objects", "core.identities", "core.extinction")


def light_curves(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """Light curves without Milky Way extinction, merged within half a day and cleaned (paper, sections 4.1 and 4.2)."""
    detections = frames["core.detections"]
    if detections.is_empty():
        return Product()
    cleaned, unusable = _cleaned(detections, frames, settings, survey_of(frames))
    return Product(rows=_light_curve_rows(detections, cleaned), rejections=_removals(unusable, cleaned))


def _cleaned(
    detections: pl.DataFrame, frames: Mapping[str, pl.DataFrame], settings: Settings, survey: Survey
) -> tuple[CleanLightCurve, LightCurve]:
    landed = _light_curve(detections)
    usable = is_usable(landed, detections["is_positive"].fill_null(value=False).to_numpy(), survey.bands)
    points, is_corrected = landed[usable], detections["is_mw_corrected"].fill_null(value=False).to_numpy()[usable]
    a_v_mag, wavelength = a_v_of(frames), survey.extinction_wavelength_angstrom
    mag, is_corrected = deredden(points.mag, points.band, a_v_mag, is_corrected, wavelength_angstrom=wavelength)
    cleaned = clean(LightCurve(points.mjd, points.band, mag, points.mag_err), is_corrected, settings.light_curves)
    return cleaned, landed[~usable]


def a_v_of(frames: Mapping[str, pl.DataFrame]) -> float | None:
    """A_V towards the object: the catalogue's, else what it gives under the id of another survey, else that of the dust maps."""
    nothing = pl.DataFrame({"a_v_mag": []})
    for name in A_V_FROM:
        known = frames.get(name, nothing)["a_v_mag"].drop_nulls()
        if len(known):
            return float(known[0])
    return None


def epochs(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """When an object was first seen, peaked and is classified (paper, section 4)."""
    frame = frames["core.light_curves"]
    if frame.is_empty():
        return Product()
    points, days_after_peak, survey = _light_curve(frame), settings.epochs.days_after_peak, survey_of(frames)
    peak = peak_mjd(points, survey.fit_bands)
    served = frames.get("core.identities", pl.DataFrame({"label": []}))["label"].drop_nulls()
    is_training = _first(frames["raw.objects"], "label") is not None or len(served) > 0
    newest = _light_curve(frame, time="last_mjd").sorted().mjd[-1]
    row = {
        "object_id": frame["object_id"][0],
        "bands": ",".join(survey.feature_bands),
        "first_mjd": points.sorted().mjd[0],
        "peak_mjd": _null_if_nan(peak),
        "classification_mjd": classification_mjd(peak, newest, is_training=is_training, days_after_peak=days_after_peak),
        **{
            f"n_rising_{column}": n_rising(points, band, peak, days_after_peak=days_after_peak)
            for column, band in _columns_of(survey)
        },
    }
    return Product(rows=[row])


def gp_fits(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """Two-dimensional Gaussian process of every light curve with its daily prediction (paper, section 4.2)."""
    product, process = Product(), settings.gaussian_process
    surveys = surveys_of(frames)
    curves, objects, forced = {}, {}, _forced_of(frames.get("core.nightly_fluxes"))
    for (object_id,), frame in frames["core.light_curves"].partition_by("object_id", as_dict=True, maintain_order=True).items():
        curves[object_id] = _light_curve(frame, time="days_since_first")
        try:
            wavelength = surveys[object_id].fit_wavelength_angstrom
            objects[object_id] = flux_points(curves[object_id], process, wavelength, forced.get(object_id))
        except Rejection as why:
            product.rejections.append(why.also(object_id=object_id))
    fits = fit_many(
        list(objects.values()),
        wavelength_scale_angstrom=process.wavelength_scale_angstrom,
        is_error_scale_fitted=process.is_error_scale_fitted,
    )
    for object_id, fit in zip(objects, fits, strict=True):
        rise_end = peak_mjd(curves[object_id], surveys[object_id].fit_bands) + settings.epochs.days_after_peak
        product.rows.append({"object_id": object_id, **_fit_row(fit, rise_end, process, surveys[object_id])})
    return product


def _forced_of(frame: pl.DataFrame | None) -> dict[str, Fluxes]:
    """Nightly fluxes by object, on the clock of the light curve."""
    columns = ("days_since_first", "band", "flux_microjansky", "flux_err_microjansky")
    parts = frame.partition_by("object_id", as_dict=True).items() if frame is not None and len(frame) else ()
    return {str(object_id): Fluxes.of(*(part[name].to_numpy() for name in columns)) for (object_id,), part in parts}


def features(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """The features of Table 1 from what was detected up to the classification epoch, cleaned as it stood then; missing is null."""
    if frames["core.epochs"].is_empty():
        return Product()
    return Product(rows=[features_as_of(frames, frames["core.epochs"]["classification_mjd"][0], settings)])


def features_as_of(frames: Mapping[str, pl.DataFrame], as_of: float, settings: Settings) -> dict[str, Any]:
    """The object's features from what was detected up to a time [MJD], cleaned as it stood then: a row of core.features."""
    survey = survey_of(frames)
    cleaned, _ = _cleaned(frames["core.detections"].filter(pl.col("mjd") <= as_of), frames, settings, survey)
    host, chosen = _host(frames["core.hosts"]), settings.features
    points, from_fit = completed(
        cleaned.points,
        survey.feature_bands,
        fit_wavelength_angstrom=survey.fit_wavelength_angstrom,
        target_wavelength_angstrom=dict(zip(survey.feature_bands, ZTF.fit_wavelength_angstrom.values(), strict=True)),
    )
    values = table_1.features(
        points,
        as_of,
        host,
        bands=survey.feature_bands,
        host_bands=survey.host_bands,
        current=chosen.current,
        min_previous_days=chosen.min_previous_days,
    )
    return {
        "object_id": frames["core.epochs"]["object_id"][0],
        "as_of_mjd": as_of,
        "bands": ",".join(survey.feature_bands),
        **{name: _null_if_nan(value) for name, value in values.items()},
        "features_from": f"fit of {' and '.join(from_fit)}" if from_fit else DETECTED,
        **{f"n_det_{column}": len(cleaned.points.in_band(band)) for column, band in _columns_of(survey)},
        **{f"has_{column}": len(cleaned.points.in_band(band)) > 0 for column, band in _columns_of(survey)},
        "has_host": host != table_1.NO_HOST,
        "has_redshift": _first(frames["raw.objects"], "redshift") is not None,
        "has_mw_correction": bool(cleaned.is_mw_corrected.all()),
    }


def feature_importance(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """How much each feature matters to boosted trees on training objects (paper, figure 2)."""
    from needle_assets.light_curves.importance import permutation_ranking  # imports scikit-learn, which other stages do without

    training = frames["core.splits"].filter(~pl.col("is_untouched")).select("object_id", "label")
    rows = frames["core.features"].join(training, on="object_id").sort("object_id")
    if rows.is_empty():
        return Product()
    values = rows.select(pl.col(table_1.HOSTED_FEATURES).cast(pl.Float64).fill_null(math.nan)).to_numpy()
    mean, scatter = permutation_ranking(values, rows["label"].to_numpy(), seed=settings.seed)
    columns = {"feature": table_1.HOSTED_FEATURES, "importance": mean, "importance_err": scatter}
    ranked = pl.DataFrame(columns).sort("importance", "feature", descending=[True, False]).with_row_index("rank", offset=1)
    return Product(rows=list(ranked.with_columns(n_objects=pl.lit(len(rows))).iter_rows(named=True)))


def _host(hosts: pl.DataFrame) -> table_1.Host:
    if not _first(hosts, "is_hosted"):
        return table_1.NO_HOST
    row = hosts.select(pl.col("separation_arcsec", *(f"{band}_mag" for band in HOST_BANDS)).fill_null(math.nan)).row(0)
    return table_1.Host(dict(zip(HOST_BANDS, row[1:], strict=True)), separation_arcsec=row[0])


def _fit_row(fit: GaussianProcessFit, rise_end: float, settings: GaussianProcessSettings, survey: Survey) -> dict[str, Any]:
    curve = daily_curve(fit, faintest_mag=settings.faintest_mag)
    judgement = judge(fit, curve, rise_end, settings)
    return {
        "amplitude": fit.amplitude,
        "length_scale_days": fit.length_scale_days,
        "wavelength_scale_angstrom": fit.wavelength_scale_angstrom,
        "error_scale": fit.points.error_scale,
        "log_likelihood": fit.log_likelihood,
        "n_points": len(fit.points.days),
        "reduced_chi2": _null_if_nan(judgement.reduced_chi2),
        "left_out_chi2": _null_if_nan(judgement.left_out_chi2),
        "median_rise_err_mag": _null_if_nan(judgement.median_rise_err_mag),
        "is_usable": not judgement.reasons,
        "reasons": list(judgement.reasons),
        "days_since_first": curve.days_since_first,
        "bands": ",".join(survey.feature_bands),
        **{f"mag_{column}": curve.mag.get(band) for column, band in _columns_of(survey)},
        **{f"mag_err_{column}": curve.mag_err.get(band) for column, band in _columns_of(survey)},
        "other_curves": [
            {"band": band, "mag": curve.mag[band].tolist(), "mag_err": curve.mag_err[band].tolist()}
            for band in curve.mag
            if band not in survey.feature_bands
        ]
        or None,
    }


def _columns_of(survey: Survey) -> list[tuple[str, str]]:
    """How the columns of each feature band are called, and the band."""
    return list(zip(FEATURE_COLUMNS, survey.feature_bands, strict=True))


def _light_curve(frame: pl.DataFrame, *, time: str = "mjd") -> LightCurve:
    return LightCurve.of(*(frame[column].to_numpy() for column in (time, "band", "mag", "mag_err")))


def _null_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _first(frame: pl.DataFrame, column: str) -> Any:
    return None if frame.is_empty() else frame[column][0]


def _light_curve_rows(detections: pl.DataFrame, cleaned: CleanLightCurve) -> list[Mapping[str, Any]]:
    if len(cleaned.points) == 0:
        return []
    columns = {
        "band": cleaned.points.band,
        "mjd": cleaned.points.mjd,
        "last_mjd": cleaned.last_mjd,
        "days_since_first": cleaned.points.mjd - cleaned.points.mjd[0],
        "mag": cleaned.points.mag,
        "mag_err": cleaned.points.mag_err,
        "n_merged": cleaned.n_merged,
        "is_mw_corrected": cleaned.is_mw_corrected,
    }
    frame = pl.DataFrame(columns).with_columns(object_id=pl.lit(detections["object_id"][0]))
    return list(frame.iter_rows(named=True))


def _removals(unusable: LightCurve, cleaned: CleanLightCurve) -> list[Rejection]:
    reasons = {
        "detections without a positive difference, a finite magnitude or an error above zero were left out": unusable,
        "epochs farther than the allowed scatter from the spline of their band were removed as outliers": cleaned.outliers,
        "epochs before the last long gap that precedes the peak were removed": cleaned.before_gap,
    }
    return [
        Rejection(f"{reason} ({len(points)}).", n_removed=len(points), mjd=points.mjd.tolist(), band=points.band.tolist())
        for reason, points in reasons.items()
        if len(points)
    ]
