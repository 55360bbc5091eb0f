"""Real and simulated stamps side by side, for the eye that finds the first difference. Arrays in, a figure out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

_GREY = colormaps["gray"].with_extremes(bad="firebrick")


class StampImages(NamedTuple):
    """Science and reference of one packet, (ny, nx) [DN], NaN where pixels are missing, with what to write above them."""

    caption: str
    science: NDArray[np.floating]
    reference: NDArray[np.floating]


def realism_montage(real: Sequence[StampImages], simulated: Sequence[StampImages], *, n_columns: int = 4) -> Figure:
    """
    Pairs of science and reference stamps, real ones on the left and simulated ones on the right.

    Parameters
    ----------
    real, simulated : sequence of StampImages
        Shown in the given order, row by row; the longer one is cut to the length of the other.
    n_columns : int
        Pairs in a row on each side.

    Returns
    -------
    Figure
        Each image is stretched by arcsinh from 2 sigma below its sky to its brightest pixels; missing pixels are red.
    """
    n = min(len(real), len(simulated))
    n_rows = -(-n // n_columns)
    figure = Figure(figsize=(4.4 * n_columns, 1.25 * n_rows + 0.5), layout="constrained")
    if n == 0:
        figure.text(0.5, 0.5, "no stamps to compare", ha="center")
        return figure
    grid = figure.add_gridspec(1, 2, wspace=0.03)
    sides = [figure.add_subfigure(grid[0, i]) for i in (0, 1)]
    for side, title, stamps in zip(sides, ("real", "simulated"), (real, simulated), strict=True):
        side.suptitle(title, fontsize=12)
        axes = side.subplots(n_rows, 2 * n_columns, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for i, stamp in enumerate(stamps[:n]):
            row, column = divmod(i, n_columns)
            _draw(axes[row, 2 * column], stamp.science, stamp.caption)
            _draw(axes[row, 2 * column + 1], stamp.reference, "reference")
    return figure


def _draw(axis: Axes, image: NDArray[np.floating], caption: str) -> None:
    finite = image[np.isfinite(image)]
    if finite.size:
        sky = np.median(finite)
        sigma = max(1.4826 * float(np.median(np.abs(finite - sky))), 1e-6)
        stretched = np.arcsinh((np.asarray(image, dtype=float) - sky) / (2.0 * sigma))
        axis.imshow(np.ma.masked_invalid(stretched), cmap=_GREY, vmin=-1.0, vmax=max(float(np.nanmax(stretched)), 2.0))
    axis.set_title(caption, fontsize=6, pad=1)
