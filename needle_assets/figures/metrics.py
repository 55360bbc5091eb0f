"""Pictures of how good models are: curves against the threshold, matrices, calibration, training, attention. Arrays in, figures out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Curve:
    """A metric against the threshold: x, value and ends of the interval, shape (n,); NaN where there is none."""

    threshold: FloatArray
    value: FloatArray
    low: FloatArray
    high: FloatArray


def threshold_curves(panels: Mapping[str, Mapping[str, Curve]], *, title: str) -> Figure:
    """Figures 17, 18 and 20: one panel per metric, one line with its 95 % band per ablation."""
    n_rows = max(-(-len(panels) // 3), 1)
    figure = Figure(figsize=(11.0, 2.7 * n_rows + 0.3), layout="constrained")
    axes = figure.subplots(n_rows, 3, squeeze=False).ravel()
    for axis, (metric, curves) in zip(axes, panels.items(), strict=False):
        for k, (ablation, curve) in enumerate(curves.items()):
            axis.plot(curve.threshold, curve.value, f"C{k}.-", label=ablation)
            axis.fill_between(curve.threshold, curve.low, curve.high, color=f"C{k}", alpha=0.12, linewidth=0)
        axis.set(title=metric, xlabel="confidence threshold", ylim=(-0.03, 1.03))
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    if panels and len(axes):
        axes[0].legend(fontsize=7)
    figure.suptitle(title)
    return figure


def confusion_matrices(matrices: Mapping[str, NDArray[np.integer]], labels: Sequence[str]) -> Figure:
    """Figure 19: counts of true (row) against predicted class (column), coloured by the share of the row; one panel per title."""
    figure = Figure(figsize=(3.2 * max(len(matrices), 1), 3.2), layout="constrained")
    axes = figure.subplots(1, max(len(matrices), 1), squeeze=False)[0]
    for axis, (title, matrix) in zip(axes, matrices.items(), strict=False):
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(matrix.shape):
            ink = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink)
        axis.set(title=title, xlabel="predicted", ylabel="true")
        axis.set_xticks(range(len(labels)), labels)
        axis.set_yticks(range(len(labels)), labels)
    return figure


def precision_recall_curves(panels: Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]]) -> Figure:
    """Purity against completeness (over all objects), one panel per class, one line per ablation."""
    figure = Figure(figsize=(4.6 * max(len(panels), 1), 3.8), layout="constrained")
    axes = figure.subplots(1, max(len(panels), 1), squeeze=False)[0]
    for axis, (label, curves) in zip(axes, panels.items(), strict=False):
        for ablation, (completeness, purity) in curves.items():
            axis.plot(completeness, purity, ".-", label=ablation)
        axis.set(title=label, xlabel="completeness", ylabel="purity", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axis.legend(fontsize=7)
    return figure


def early_curves(panels: Mapping[str, Mapping[str, tuple[Sequence[str], Curve]]]) -> Figure:
    """Areas as of several moments: one panel per title, one line with its 95 % band per ablation over the names of the parts."""
    figure = Figure(figsize=(5.4 * max(len(panels), 1), 3.6), layout="constrained")
    axes = figure.subplots(1, max(len(panels), 1), squeeze=False)[0]
    for axis, (title, curves) in zip(axes, panels.items(), strict=False):
        for k, (ablation, (names, curve)) in enumerate(curves.items()):
            axis.plot(curve.threshold, curve.value, f"C{k}.-", label=ablation)
            axis.fill_between(curve.threshold, curve.low, curve.high, color=f"C{k}", alpha=0.12, linewidth=0)
            axis.set_xticks(curve.threshold, names, rotation=45, fontsize=8)
        axis.set(title=title, ylabel="area of purity against completeness", ylim=(-0.03, 1.03))
        axis.legend(fontsize=7)
    return figure


def reliability_diagram(curves: Mapping[str, tuple[FloatArray, FloatArray]]) -> Figure:
    """Share of right answers against confidence; on the diagonal probabilities mean what they say."""
    figure = Figure(figsize=(4.4, 4.0), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="0.6", linestyle=":")
    for ablation, (confidence, accuracy) in curves.items():
        axis.plot(confidence, accuracy, ".-", label=ablation)
    axis.set(xlabel="mean confidence", ylabel="share right", xlim=(0.3, 1.02), ylim=(-0.03, 1.03))
    axis.legend(fontsize=7)
    return figure


def training_history(curves: Mapping[str, Sequence[tuple[FloatArray, FloatArray, int]]]) -> Figure:
    """Training (dotted) and validation loss by epoch of every model, a dot where the weights were kept; one panel per ablation."""
    figure = Figure(figsize=(3.4 * max(len(curves), 1), 2.8), layout="constrained")
    axes = figure.subplots(1, max(len(curves), 1), squeeze=False)[0]
    for axis, (ablation, models) in zip(axes, curves.items(), strict=False):
        for k, (training, validation, best) in enumerate(models):
            axis.plot(training, f"C{k % 10}:")
            axis.plot(validation, f"C{k % 10}-")
            if best < len(validation):  # trees have no epochs
                axis.plot([best], [validation[best]], f"C{k % 10}o")
        axis.set(title=ablation, xlabel="epoch", ylabel="loss")
    return figure


def attention_panels(rows: Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]]) -> Figure:
    """Figure 12: where networks look. One row per object, one panel per network: the stamp it saw, warmer where it looks more."""
    n_columns = max((len(panels) for panels in rows.values()), default=1)
    figure = Figure(figsize=(2.3 * n_columns, 2.4 * max(len(rows), 1)), layout="constrained")
    axes = figure.subplots(max(len(rows), 1), n_columns, squeeze=False)
    for line, (title, panels) in zip(axes, rows.items(), strict=False):
        for axis in line:
            axis.set(xticks=[], yticks=[])
        for axis, (name, (stamp, attention)) in zip(line, panels.items(), strict=False):
            share = attention / max(float(attention.max()), np.finfo(float).tiny)
            axis.imshow(stamp, cmap="gray")
            axis.imshow(share, cmap="inferno", alpha=0.75 * np.sqrt(share), vmin=0.0, vmax=1.0)
            axis.set_title(name, fontsize=8)
        line[0].set_ylabel(title, fontsize=8)
    return figure
