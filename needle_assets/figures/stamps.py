"""Pictures of quality, restoration and masking (paper, Figures 4 to 11): arrays in, a matplotlib figure out.

Images are stretched by asinh of the height above the sky, so that faint hosts and bright stars show at once. North is up and
east is left: row 0 is at the top. A blue cross of lines marks the transient, an orange circle the host.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from needle_assets.images.noise import measure_quiet_sky

Position = tuple[float, float]

_GREY = colormaps["gray"].with_extremes(bad="#e07a6a")
_MASK = ListedColormap(["#20242c", "#f2f2f2"])
_REPAIRED = ListedColormap(["#20242c", "#e0483e"])
_STRETCH = (-2.0, 6.0)
_SOFTENING_SIGMA = 2.0
_PANEL_INCH = 1.35
MOST_ROWS = 8
MOST_GALLERY = 24


@dataclass(frozen=True)
class RepairedImage:
    """One restoration: title, the image before, its donor, the pixels written, the image after; each of shape (n, n)."""

    title: str
    bad: NDArray[np.floating]
    donor: NDArray[np.floating]
    repaired: NDArray[np.bool_]
    restored: NDArray[np.floating]
    target_px: Position


@dataclass(frozen=True)
class MaskedPicture:
    """One pair before and after masking, and augmented science images; each of shape (n, n)."""

    title: str
    science: NDArray[np.floating]
    reference: NDArray[np.floating]
    mask: NDArray[np.bool_]
    masked_science: NDArray[np.floating]
    masked_reference: NDArray[np.floating]
    target_px: Position
    host_px: Position | None = None
    augmented: Sequence[NDArray[np.floating]] = ()


def restorations(repairs: Sequence[RepairedImage]) -> Figure:
    """Bad image, donor, repaired pixels and result, one row each, at most eight (Figure 7 of the paper)."""
    shown = repairs[:MOST_ROWS]
    figure, axes = _panels(len(shown), ("bad", "donor", "repaired pixels", "restored"))
    for row, repair in zip(axes, shown, strict=False):
        _image(row[0], repair.bad, repair.target_px)
        _image(row[1], repair.donor, repair.target_px)
        _mask(row[2], repair.repaired, _REPAIRED)
        _image(row[3], repair.restored, repair.target_px)
        row[0].set_ylabel(repair.title, fontsize=6)
    return figure


def bad_gallery(images: Sequence[tuple[str, NDArray[np.floating]]]) -> Figure:
    """Bad images under their reasons, at most 24 (Figure 4 of the paper)."""
    shown = images[:MOST_GALLERY]
    n_columns = min(max(len(shown), 1), 6)
    n_rows = max(-(-len(shown) // n_columns), 1)
    figure = Figure(figsize=(_PANEL_INCH * n_columns, (_PANEL_INCH + 0.3) * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis, (reasons, image) in zip(axes, shown, strict=False):
        _image(axis, image)
        axis.set_title(reasons, fontsize=5)
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    return figure


def masked_pairs(pictures: Sequence[MaskedPicture]) -> Figure:
    """Science, reference, mask, masked pair and augmented copies, one row each, at most eight (Figures 8 to 11 of the paper)."""
    shown = pictures[:MOST_ROWS]
    n_augmented = max((len(picture.augmented) for picture in shown), default=0)
    names = ("science", "reference", "mask", "masked science", "masked reference", *["augmented"] * n_augmented)
    figure, axes = _panels(len(shown), names)
    for row, picture in zip(axes, shown, strict=False):
        places = (picture.target_px, picture.host_px)
        _image(row[0], picture.science, *places)
        _image(row[1], picture.reference, *places)
        _mask(row[2], picture.mask, _MASK, *places)
        _image(row[3], picture.masked_science)
        _image(row[4], picture.masked_reference)
        for axis, image in zip(row[5:], picture.augmented, strict=False):
            _image(axis, image)
        row[0].set_ylabel(picture.title, fontsize=6)
    return figure


@dataclass(frozen=True)
class CheckerCurves:
    """One quality checker: name, curves over thresholds, and the counts at the threshold in use."""

    name: str
    threshold: Sequence[float]
    completeness: Sequence[float]
    purity: Sequence[float]
    good_rejected: Sequence[float]
    n_bad_found: int
    n_bad_missed: int
    n_good_lost: int
    n_good_kept: int


def checker_comparison(checkers: Sequence[CheckerCurves], good_threshold: float) -> Figure:
    """Confusion matrices, ROC, completeness and purity of finding bad images against threshold (Figures 5 and 6 of the paper)."""
    figure = Figure(figsize=(2.6 * (len(checkers) + 2), 2.8), layout="constrained")
    axes = figure.subplots(1, len(checkers) + 2, squeeze=False)[0]
    for axis, checker in zip(axes, checkers, strict=False):
        _confusion(axis, checker)
    _curves_of_checkers(axes[-2], axes[-1], checkers)
    axes[-1].axvline(good_threshold, color="black", linestyle=":", linewidth=1)
    return figure


def _curves_of_checkers(roc: Axes, rates: Axes, checkers: Sequence[CheckerCurves]) -> None:
    for checker in checkers:
        roc.plot(checker.good_rejected, checker.completeness, label=checker.name)
        lines = rates.plot(checker.threshold, checker.completeness, label=f"{checker.name}, completeness")
        rates.plot(checker.threshold, checker.purity, "--", color=lines[0].get_color(), label=f"{checker.name}, purity")
    roc.set(xlabel="good images rejected", ylabel="bad images found", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    rates.set(xlabel="threshold on p(good)", ylim=(-0.02, 1.02))
    for axis in (roc, rates):
        axis.legend(fontsize=5)


def stretched(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Height above the sky as asinh, in units of twice its scatter; NaN stays NaN, an image without a value is all NaN."""
    usable = np.isfinite(image) & (np.abs(np.where(np.isfinite(image), image, 0.0)) < 1e6) & (image != -999.0)
    if not usable.any():
        return np.full(image.shape, np.nan)
    values = np.where(usable, image, np.nan).astype(np.float64)
    sky = measure_quiet_sky(values)
    return np.asarray(np.arcsinh((values - sky.level) / (_SOFTENING_SIGMA * max(sky.sigma, np.finfo(float).tiny))))


def _panels(n_rows: int, names: Sequence[str]) -> tuple[Figure, NDArray[np.object_]]:
    n_rows = max(n_rows, 1)
    figure = Figure(figsize=(_PANEL_INCH * len(names) + 0.3, _PANEL_INCH * n_rows + 0.3), layout="constrained")
    axes = figure.subplots(n_rows, len(names), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=7)
    for axis in axes.ravel():
        _bare(axis)
    return figure, axes


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)


def _image(axis: Axes, image: NDArray[np.floating], target_px: Position | None = None, host_px: Position | None = None) -> None:
    _bare(axis)
    low, high = _STRETCH
    axis.imshow(np.clip(stretched(image), low, high), cmap=_GREY, vmin=low, vmax=high, interpolation="nearest")
    _places(axis, image.shape, target_px, host_px)


def _mask(
    axis: Axes,
    mask: NDArray[np.bool_],
    colours: ListedColormap,
    target_px: Position | None = None,
    host_px: Position | None = None,
) -> None:
    axis.imshow(mask, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    _places(axis, mask.shape, target_px, host_px)


def _places(axis: Axes, shape: tuple[int, ...], target_px: Position | None, host_px: Position | None) -> None:
    axis.set_xlim(-0.5, shape[1] - 0.5)
    axis.set_ylim(shape[0] - 0.5, -0.5)
    if target_px is not None:
        x, y = target_px
        axis.plot([x - 9, x - 4], [y, y], [x, x], [y - 9, y - 4], color="deepskyblue", linewidth=1)
    if host_px is not None:
        axis.plot(*host_px, "o", markersize=9, markerfacecolor="none", color="orange", markeredgewidth=1)


def _confusion(axis: Axes, checker: CheckerCurves) -> None:
    counts = np.array([[checker.n_bad_found, checker.n_bad_missed], [checker.n_good_lost, checker.n_good_kept]])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), n in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, f"{n}\n{shares[row, column]:.1%}", ha="center", va="center", fontsize=7, color=colour)
    axis.set(xticks=[0, 1], yticks=[0, 1], xticklabels=["called bad", "called good"], yticklabels=["bad", "good"])
    axis.tick_params(labelsize=6, length=0)
    axis.set_title(checker.name, fontsize=7)
