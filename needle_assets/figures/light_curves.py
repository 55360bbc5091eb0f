"""Light curves with their Gaussian process, one object, a class, or at many redshifts (paper, figures 13 and 14)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from needle_assets.surveys.looks import in_order, look_of

LIMIT_STYLES = ("dashed", "dotted", "dashdot")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Detections: days since the first, band, magnitude and error, each of shape (n,)."""

    days: FloatArray
    band: NDArray[np.str_]
    mag: FloatArray
    mag_err: FloatArray


@dataclass(frozen=True)
class Curve:
    """Predicted light curve: days of shape (m,), and by band magnitude and error of shape (m,)."""

    days: FloatArray
    mag: Mapping[str, FloatArray] = field(default_factory=dict)
    mag_err: Mapping[str, FloatArray] = field(default_factory=dict)


def light_curve_figure(title: str, points: Points, curve: Curve | None = None, *, rise_end_days: float | None = None) -> Figure:
    """
    One light curve, bright upwards: points with errors, the process's mean and 1 sigma band, the end of the phase that is used.

    The axes follow the points within the fitted span: where a prediction has no points to hold it, it may leave the picture.
    """
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axis = figure.subplots()
    _draw(axis, points, curve, rise_end_days)
    axis.set(title=title, xlabel="days since first detection", ylabel="magnitude, dereddened [AB mag]")
    _add_legend(axis)
    return figure


def class_montage(title: str, objects: Sequence[tuple[str, Points, Curve | None]], *, n_columns: int = 4) -> Figure:
    """Light curves of several objects of a class side by side, each with its own axes."""
    n_rows = max(-(-len(objects) // n_columns), 1)
    figure = Figure(figsize=(3.0 * n_columns, 2.2 * n_rows + 0.4), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis, (name, points, curve) in zip(axes, objects, strict=False):
        _draw(axis, points, curve, None)
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=7)
    for axis in axes[len(objects) :]:
        axis.set_visible(False)
    figure.suptitle(title)
    figure.supxlabel("days since first detection", fontsize=9)
    figure.supylabel("magnitude [AB mag]", fontsize=9)
    return figure


def redshift_figure(
    title: str, observed: tuple[Points, Curve | None], resampled: Sequence[tuple[float, Points]], limits: Mapping[str, float]
) -> Figure:
    """
    The observed light curve above, its resamples seen from several redshifts below, with the limits of surveys (figure 13).

    Parameters
    ----------
    title : str
        Name and redshift of the object.
    observed : (Points, Curve or None)
        Detections and their fit.
    resampled : sequence of (float, Points)
        Redshift and points; fainter ones than a limit are drawn too, so that it shows what each survey would lose.
    limits : mapping of str to float
        Survey to limiting magnitude.
    """
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    above, below = figure.subplots(2, 1)
    _draw(above, *observed, None)
    above.set(title=title, ylabel="magnitude [AB mag]")
    _add_legend(above)
    redshifts = [redshift for redshift, _ in resampled]
    colours = ScalarMappable(Normalize(min(redshifts, default=0.0), max(redshifts, default=1.0)), colormaps["plasma"])
    for redshift, points in resampled:
        for band in np.unique(points.band):
            at = points.band == band
            look, colour = look_of(str(band)), colours.to_rgba(np.array([redshift]))[0]
            face = colour if look.is_full else "none"
            below.plot(
                points.days[at],
                points.mag[at],
                look.marker,
                color=colour,
                markerfacecolor=face,
                markersize=4,
                linestyle="-",
                linewidth=0.5,
            )
    for style, (survey, limit) in zip(LIMIT_STYLES, limits.items(), strict=False):
        below.axhline(limit, color="black", linestyle=style, linewidth=1, label=f"{survey} limit {limit:g}")
    below.set(xlabel="days since first resampled epoch", ylabel="magnitude [AB mag]")
    below.invert_yaxis()
    below.set_title("resampled up to a few days after the peak; filled: g, open: r", fontsize=9)
    below.legend(loc="lower right", fontsize=8)
    figure.colorbar(colours, ax=below, label="redshift")
    return figure


def _draw(axis: Axes, points: Points, curve: Curve | None, rise_end_days: float | None) -> None:
    if curve is not None:
        for band, mag in curve.mag.items():
            error = curve.mag_err[band]
            axis.plot(curve.days, mag, color=look_of(band).colour, linewidth=1.2)
            axis.fill_between(curve.days, mag - error, mag + error, color=look_of(band).colour, alpha=0.2, linewidth=0)
    for band in in_order({str(b) for b in points.band}):
        at, colour = points.band == band, look_of(band).colour
        days, mag, err = points.days[at], points.mag[at], points.mag_err[at]
        axis.errorbar(days, mag, err, fmt=look_of(band).marker, color=colour, markersize=3.5, elinewidth=0.8, label=band)
    if rise_end_days is not None:
        axis.axvline(rise_end_days, color="grey", linestyle="dashed", linewidth=1, label="classified")
    _fit_axes(axis, points, curve)


def _add_legend(axis: Axes) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="best", fontsize=8, frameon=False)


def _fit_axes(axis: Axes, points: Points, curve: Curve | None) -> None:
    if len(points.mag) == 0:
        axis.text(0.5, 0.5, "no detections", ha="center", va="center", transform=axis.transAxes)
        return
    shown = np.ones(len(points.mag), dtype=bool)
    if curve is not None:
        margin = 0.04 * np.ptp(curve.days) + 1.0
        axis.set_xlim(curve.days[0] - margin, curve.days[-1] + margin)
        shown = (points.days >= curve.days[0] - margin) & (points.days <= curve.days[-1] + margin)
    mag, mag_err = points.mag[shown], points.mag_err[shown]
    axis.set_ylim((mag + mag_err).max() + 0.3, (mag - mag_err).min() - 0.3)
