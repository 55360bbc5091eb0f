"""A montage of stamps: science over reference, one column per detection, as an astronomer would look at them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.visualization import ZScaleInterval
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

MOST_COLUMNS = 8


@dataclass(frozen=True)
class Pair:
    """Science and reference of one detection, each of shape (60, 60) or None; target and host in pixels (host may be None)."""

    title: str
    science: NDArray[np.floating] | None
    reference: NDArray[np.floating] | None
    target_px: tuple[float, float]
    host_px: tuple[float, float] | None = None


def stamp_montage(pairs: Sequence[Pair]) -> Figure:
    """
    Science (top) and reference (bottom) of up to eight detections, evenly chosen in the given order.

    Each image has its own zscale stretch; missing pixels are hatched red, a cross of lines marks the transient, a circle the host.
    North is up and east is left: rows run downwards as they are stored.
    """
    chosen = _evenly(pairs, MOST_COLUMNS)
    figure = Figure(figsize=(1.5 * max(len(chosen), 1), 3.3), layout="constrained")
    axes = figure.subplots(2, max(len(chosen), 1), squeeze=False)
    for column, pair in enumerate(chosen):
        for row, (name, image) in enumerate((("science", pair.science), ("reference", pair.reference))):
            _draw(axes[row, column], image, pair)
            if column == 0:
                axes[row, 0].set_ylabel(name, fontsize=8)
        axes[0, column].set_title(pair.title, fontsize=7)
    return figure


def _evenly(pairs: Sequence[Pair], most: int) -> list[Pair]:
    if len(pairs) <= most:
        return list(pairs)
    return [pairs[i] for i in np.linspace(0, len(pairs) - 1, most).round().astype(int)]


def _draw(axis: Axes, image: NDArray[np.floating] | None, pair: Pair) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor("mistyrose")
    if image is None or not np.isfinite(image).any():
        axis.text(0.5, 0.5, "no image", ha="center", va="center", fontsize=8, transform=axis.transAxes)
        return
    low, high = ZScaleInterval().get_limits(image[np.isfinite(image)])
    axis.imshow(np.clip(image, low, high), origin="upper", cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    x, y = pair.target_px
    axis.plot([x - 9, x - 4], [y, y], [x, x], [y - 9, y - 4], color="deepskyblue", linewidth=1)
    if pair.host_px is not None and 0 <= pair.host_px[0] < image.shape[1] and 0 <= pair.host_px[1] < image.shape[0]:
        axis.plot(*pair.host_px, "o", markersize=9, markerfacecolor="none", color="orange", markeredgewidth=1)
