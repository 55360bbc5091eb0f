"""Pictures beside the light-curve assets: stored rows in, a figure out. No arithmetic, no SQL."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from needle_assets.assets.samples import feature_matrix
from needle_assets.figures.features import feature_figure
from needle_assets.figures.light_curves import (
    Curve,
    Points,
    class_montage,
    light_curve_figure,
    redshift_figure,
)
from needle_assets.labels import LABELS
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.light_curves.importance import correlation_matrix
from needle_assets.light_curves.light_curve import LightCurve, peak_mjd
from needle_assets.light_curves.redshifting import shift_redshift
from needle_assets.light_curves.resampling import interpolated, perturb, sample_epochs
from needle_assets.randomness import rng_for
from needle_assets.surveys import lsst
from needle_assets.surveys.survey import FEATURE_COLUMNS
from needle_assets.surveys.ztf import ZTF

REDSHIFTS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
LIMITS = {"ZTF": ZTF.detection_limit_mag, "LSST": lsst.DETECTION_LIMIT_MAG}
OBJECTS_PER_CLASS = 4


def light_curve(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """The cleaned light curve of an object."""
    frame = frames["core.light_curves"]
    return light_curve_figure(_name(frame), _points(frame))


def gp_fit(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """The light curve with its Gaussian process; below, if it may be resampled and the redshift is known, as seen from others."""
    frame, fit, objects = frames["core.light_curves"], frames["core.gp_fits"], frames["raw.objects"]
    redshift = None if objects.is_empty() else objects["redshift"][0]
    if fit.is_empty() or not fit["is_usable"][0] or not redshift or redshift <= 0:
        return light_curve_figure(_name(frame, fit), _points(frame), _curve(fit))
    observed = (_points(frame), _curve(fit))
    title = f"{_name(frame, fit)}, z = {redshift:g}"
    return redshift_figure(title, observed, [(z, _seen_from(frame, fit, redshift, z)) for z in REDSHIFTS], LIMITS)


def classes(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """A few light curves of each class with their fits, those with most points first."""
    fits, curves = frames["core.gp_fits"], frames["core.light_curves"]
    labelled = fits.join(frames["core.splits"].select("object_id", "label"), on="object_id").sort(
        "n_points", "object_id", descending=[True, False]
    )
    chosen = [row for label in LABELS for row in labelled.filter(pl.col("label") == label).head(OBJECTS_PER_CLASS)["object_id"]]
    shown = []
    for object_id in chosen:
        fit, frame = (table.filter(pl.col("object_id") == object_id) for table in (labelled, curves))
        shown.append((f"{fit['label'][0]}  {object_id}", _points(frame), _curve(fit)))
    return class_montage("light curves of each class", shown, n_columns=OBJECTS_PER_CLASS)


def feature_overview(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """Correlation of the features over training objects, and their importance (figures 1 and 2 of the paper)."""
    ranking = frames["results.feature_importance"]
    training = frames["core.splits"].filter(~pl.col("is_untouched")).select("object_id")
    values = feature_matrix(frames["core.features"].join(training, on="object_id"))
    by_name = {row["feature"]: row for row in ranking.iter_rows(named=True)}
    importance, scatter = (
        np.array([by_name[name][column] for name in HOSTED_FEATURES], dtype=float) for column in ("importance", "importance_err")
    )
    return feature_figure(HOSTED_FEATURES, correlation_matrix(values), importance, scatter, n_objects=ranking["n_objects"][0])


def _name(frame: pl.DataFrame, fit: pl.DataFrame | None = None) -> str:
    name = "no light curve" if frame.is_empty() else str(frame["object_id"][0])
    reasons: Sequence[str] = [] if fit is None or fit.is_empty() else fit["reasons"][0]
    return f"{name}: {'; '.join(reasons)}" if len(reasons) else name


def _points(frame: pl.DataFrame) -> Points:
    return Points(*(frame[column].to_numpy() for column in ("days_since_first", "band", "mag", "mag_err")))


def _curve(fit: pl.DataFrame) -> Curve | None:
    if fit.is_empty():
        return None
    row = fit.row(0, named=True)
    columns = dict(zip(FEATURE_COLUMNS, row["bands"].split(","), strict=True))
    mag, mag_err = (
        {band: np.asarray(row[f"{kind}_{column}"]) for column, band in columns.items() if row[f"{kind}_{column}"] is not None}
        for kind in ("mag", "mag_err")
    )
    return Curve(np.asarray(row["days_since_first"]), mag, mag_err)


def _seen_from(frame: pl.DataFrame, fit: pl.DataFrame, redshift: float, new_redshift: float) -> Points:
    points, curve = _points(frame), _curve(fit)
    observed, rng = LightCurve.of(points.days, points.band, points.mag, points.mag_err), rng_for(0, _name(frame), new_redshift)
    bands = fit["bands"][0].split(",")
    epochs = sample_epochs(observed, peak_mjd(observed, bands) + 5.0, rng, bands=bands, min_points=len(observed))
    drawn = interpolated(curve.days, curve.mag, epochs) if curve else epochs
    moved = shift_redshift(drawn, redshift, new_redshift, since=float(np.min(drawn.mjd, initial=np.inf)))
    seen = perturb(moved, rng, limit_mag=lsst.DETECTION_LIMIT_MAG)
    return Points(seen.mjd, seen.band, seen.mag, seen.mag_err)
