"""Glue of the light-curve stages: cleaned light curves, epochs, Gaussian process fits, features. No arithmetic, no SQL."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from needle_assets.light_curves.cleaning import CleanLightCurve, clean, is_usable
from needle_assets.light_curves.extinction import deredden
from needle_assets.light_curves.light_curve import LightCurve, classification_mjd, n_rising, peak_mjd
from needle_assets.products import Product
from needle_assets.rejections import Rejection
from needle_assets.settings import Settings


def light_curves(tables: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """Light curves without Milky Way extinction, merged within half a day and cleaned (paper, sections 4.1 and 4.2)."""
    detections = tables["core.detections"]
    landed = _light_curve(detections)
    usable = is_usable(landed, detections["is_positive"].fill_null(value=False).to_numpy())
    points, is_corrected = landed[usable], detections["is_mw_corrected"].fill_null(value=False).to_numpy()[usable]
    mag, is_corrected = deredden(points.mag, points.band, _first(tables["raw.objects"], "a_v_mag"), is_corrected)
    cleaned = clean(LightCurve(points.mjd, points.band, mag, points.mag_err), is_corrected, settings.light_curves)
    return Product(rows=_light_curve_rows(detections, cleaned), rejections=_removals(landed[~usable], cleaned))


def epochs(tables: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """When an object was first seen, peaked and is classified (paper, section 4)."""
    frame = tables["core.light_curves"]
    if frame.is_empty():
        return Product()
    points, days_after_peak = _light_curve(frame), settings.epochs.days_after_peak
    peak = peak_mjd(points)
    is_training = _first(tables["raw.objects"], "label") is not None
    row = {
        "ztf_id": frame["ztf_id"][0],
        "first_mjd": frame["mjd"].min(),
        "peak_mjd": _null_if_nan(peak),
        "classification_mjd": classification_mjd(
            peak, frame["last_mjd"].max(), is_training=is_training, days_after_peak=days_after_peak
        ),
        "n_rising_g": n_rising(points, "g", peak, days_after_peak=days_after_peak),
        "n_rising_r": n_rising(points, "r", peak, days_after_peak=days_after_peak),
    }
    return Product(rows=[row])


def _light_curve(frame: pl.DataFrame) -> LightCurve:
    return LightCurve.of(*(frame[column].to_numpy() for column in ("mjd", "band", "mag", "mag_err")))


def _null_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _first(frame: pl.DataFrame, column: str) -> Any:
    return None if frame.is_empty() else frame[column][0]


def _light_curve_rows(detections: pl.DataFrame, cleaned: CleanLightCurve) -> list[dict[str, object]]:
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
    frame = pl.DataFrame(columns).with_columns(ztf_id=pl.lit(detections["ztf_id"][0]))
    return frame.to_dicts()


def _removals(unusable: LightCurve, cleaned: CleanLightCurve) -> list[Rejection]:
    reasons = {
        "detections without a positive difference, a finite magnitude or an error above zero were left out": unusable,
        "epochs more than the allowed scatter away from the spline of their band were removed as outliers": cleaned.outliers,
        "epochs before the last long gap that precedes the peak were removed": cleaned.before_gap,
    }
    return [
        Rejection(f"{len(points)} {reason}.", n_removed=len(points), mjd=points.mjd.tolist(), band=points.band.tolist())
        for reason, points in reasons.items()
        if len(points)
    ]
