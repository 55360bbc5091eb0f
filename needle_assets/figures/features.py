"""Features at a glance: how they correlate and which matter (paper, figures 1 and 2)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def feature_figure(
    names: Sequence[str], correlation: FloatArray, importance: FloatArray, importance_err: FloatArray, *, n_objects: int
) -> Figure:
    """
    How features correlate (figure 1) and, by falling importance, which matter (figure 2), side by side.

    Parameters
    ----------
    names : sequence of str
        Features.
    correlation : ndarray, shape (n, n)
        Pearson coefficients; NaN (too few common values) is left grey.
    importance, importance_err : ndarray, shape (n,)
        Mean loss of balanced accuracy when a feature is shuffled, and its scatter over shuffles.
    n_objects : int
        Objects it was measured on, for the title.
    """
    side = 0.22 * len(names) + 3.2
    figure = Figure(figsize=(side + 7.6, side), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(side + 0.6, 7.0))
    _draw_correlation(left, names, correlation)
    _draw_importance(right, names, importance, importance_err, n_objects)
    return figure


def _draw_correlation(axis: Axes, names: Sequence[str], correlation: FloatArray) -> None:
    axis.set_facecolor("lightgrey")
    image = axis.imshow(correlation, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_title("correlation of the features", fontsize=10)
    axis.figure.colorbar(image, ax=axis, shrink=0.8, label="Pearson coefficient; grey: too few values")


def _draw_importance(
    axis: Axes, names: Sequence[str], importance: FloatArray, importance_err: FloatArray, n_objects: int
) -> None:
    order = np.argsort(importance, kind="stable")
    axis.barh(np.arange(len(names)), importance[order], xerr=importance_err[order], color="steelblue", ecolor="grey", height=0.7)
    axis.set_yticks(range(len(names)), [names[k] for k in order], fontsize=7)
    axis.axvline(0.0, color="black", linewidth=0.8)
    axis.set_ylim(-0.7, len(names) - 0.3)
    axis.set_xlabel("loss of balanced accuracy when shuffled among held-out training rows")
    axis.set_title(f"importance of the features, {n_objects} training objects", fontsize=10)
