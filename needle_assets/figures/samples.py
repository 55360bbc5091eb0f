"""Pictures of samples: synthetic beside real (paper, Figure 16) and what weighs in the features (Figure 2). Arrays in, figures out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def redshift_magnitude(points: Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]]) -> Figure:
    """
    Redshift against peak r magnitude, real and synthetic, one panel per class.

    Parameters
    ----------
    points : mapping of class to mapping of 'real' or 'synthetic' to (redshift, magnitude), shape (n,) each
        NaN is left out.
    """
    figure = Figure(figsize=(5.0 * max(len(points), 1), 4.0), layout="constrained")
    axes = figure.subplots(1, max(len(points), 1), squeeze=False)[0]
    styles = {"synthetic": ("C0", ".", 0.4), "real": ("C1", "o", 0.9)}
    for axis, (label, kinds) in zip(axes, points.items(), strict=False):
        for kind, (colour, marker, alpha) in styles.items():
            redshift, mag = kinds.get(kind, (np.zeros(0), np.zeros(0)))
            axis.scatter(redshift, mag, c=colour, marker=marker, alpha=alpha, label=f"{kind} ({len(mag)})")
        axis.invert_yaxis()
        axis.set(title=label, xlabel="redshift", ylabel="peak r magnitude [AB]")
        axis.legend()
    return figure


def feature_ranking(names: Sequence[str], weights: FloatArray) -> Figure:
    """Weights of the features, shape (n_models, k), largest on top: mean and range over models."""
    order = np.argsort(weights.mean(axis=0))
    figure = Figure(figsize=(6.0, 0.19 * len(names) + 0.8), layout="constrained")
    axis = figure.subplots()
    mean = weights.mean(axis=0)[order]
    reach = np.abs(np.stack([weights.min(axis=0)[order], weights.max(axis=0)[order]]) - mean)
    axis.barh(np.arange(len(names)), mean, xerr=reach, color="C0", ecolor="0.4")
    axis.set_yticks(np.arange(len(names)), [names[k] for k in order], fontsize=7)
    axis.set(xlabel="weight (mean and range over models)", ylim=(-0.6, len(names) - 0.4))
    return figure


def recognisability_bars(areas: Mapping[str, tuple[float, float, float]], failed_from: float) -> Figure:
    """How well synthetic samples are told from real ones: (ROC area, ends of its interval) by name; red where they have failed."""
    figure = Figure(figsize=(6.0, 0.42 * max(len(areas), 1) + 0.9), layout="constrained")
    axis = figure.subplots()
    for k, (area, low, high) in enumerate(areas.values()):
        colour = "C3" if area >= failed_from else "C0"
        axis.errorbar([area], [k], xerr=[[area - low], [high - area]], fmt="o", color=colour, capsize=3)
    axis.axvline(0.5, color="0.6", linestyle=":")
    axis.axvline(failed_from, color="C3", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(areas)), list(areas))
    axis.set(xlabel="ROC area (0.5: not told apart)", xlim=(0.35, 1.02), ylim=(len(areas) - 0.5, -0.5))
    return figure
