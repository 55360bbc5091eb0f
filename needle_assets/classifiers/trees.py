"""Gradient-boosted trees on the features: what these allow, as the measure of every network. Arrays in, arrays out.

scikit-learn grows them; they are kept and asked as plain arrays, so that a stored model needs no pickle and no certain version.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from needle_assets.classifiers.needle import SCORE_DECIMALS, FloatArray

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

N_ITERATIONS = 150
_NODE = ("value", "feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "is_leaf")


def fit_trees(features: FloatArray, y: NDArray[np.integer], alpha: Sequence[float], seed: int) -> bytes:
    """
    Grow trees on a training part.

    Parameters
    ----------
    features : ndarray, shape (n, k)
        As they are; NaN = missing, which trees see as such.
    y : ndarray of int, shape (n,)
        Classes, 0 to n_classes - 1, each at least once.
    alpha : sequence of float
        Weight of each class.
    seed : int
        Of the trees.

    Returns
    -------
    bytes
        Of :func:`score_trees`: an ``npz`` of plain arrays.

    Notes
    -----
    scikit-learn's histogram gradient boosting with at most 15 leaves, rate 0.06, no early stopping: of a fixed length as networks.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # which whoever scores does without
    from threadpoolctl import threadpool_limits

    # scikit-learn cannot bin a feature without two values
    varies = np.flatnonzero([len(np.unique(column[np.isfinite(column)])) > 1 for column in features.T])
    model = HistGradientBoostingClassifier(
        max_iter=N_ITERATIONS, max_leaf_nodes=15, learning_rate=0.06, early_stopping=False, random_state=seed
    )
    with threadpool_limits(1):
        model.fit(features[:, varies], y, sample_weight=np.asarray(alpha)[y])
    return _to_bytes(model, varies)


def _to_bytes(model: "HistGradientBoostingClassifier", varies: NDArray[np.intp]) -> bytes:
    trees = [(k % model.n_trees_per_iteration_, tree.nodes) for row in model._predictors for k, tree in enumerate(row)]
    nodes = np.concatenate([nodes for _, nodes in trees])
    arrays = {name: nodes[name] for name in _NODE}
    arrays["feature_idx"] = varies[arrays["feature_idx"]].astype(np.int64)
    arrays["first_node"] = np.cumsum([0, *(len(nodes) for _, nodes in trees[:-1])])
    arrays["output"] = np.array([k for k, _ in trees])
    handle = io.BytesIO()
    arrays["baseline"] = np.ravel(model._baseline_prediction)
    np.savez_compressed(handle, allow_pickle=False, **arrays)
    return handle.getvalue()


def score_trees(trees: bytes, features: FloatArray) -> NDArray[np.float64]:
    """Probabilities, shape (n, n_classes), to six decimals, of features (n, k); NaN = missing."""
    with np.load(io.BytesIO(trees), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    raw = np.tile(arrays["baseline"], (len(features), 1))
    for first, output in zip(arrays["first_node"], arrays["output"], strict=True):
        raw[:, output] += _leaves(arrays, int(first), np.asarray(features, dtype=np.float64))
    if raw.shape[1] == 1:  # two classes have one output
        raw = np.concatenate([np.zeros_like(raw), raw], axis=1)
    raised = np.exp(raw - raw.max(axis=1, keepdims=True, initial=-np.inf))
    return np.round(raised / raised.sum(axis=1, keepdims=True), SCORE_DECIMALS)


def joined(network: bytes, trees: bytes) -> bytes:
    """A network and trees as one, whose parts :func:`parted` gives back."""
    return len(network).to_bytes(8, "little") + network + trees


def parted(weights: bytes) -> tuple[bytes, bytes]:
    """The network and the trees of :func:`joined`."""
    end = 8 + int.from_bytes(weights[:8], "little")
    return weights[8:end], weights[end:]


def _leaves(arrays: dict[str, NDArray], first: int, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Value of the leaf that each row of features falls into, of the tree whose nodes begin at ``first``."""
    node, rows = np.full(len(features), first), np.arange(len(features))
    while not (is_leaf := arrays["is_leaf"][node].astype(bool)).all():
        x = features[rows, arrays["feature_idx"][node]]
        goes_left = np.where(np.isnan(x), arrays["missing_go_to_left"][node], x <= arrays["num_threshold"][node]).astype(bool)
        child = first + np.where(goes_left, arrays["left"][node], arrays["right"][node])
        node = np.where(is_leaf, node, child)
    return arrays["value"][node]
