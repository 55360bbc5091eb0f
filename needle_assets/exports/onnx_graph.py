"""The deployed ensemble as one ONNX graph: from features as they are measured, and stamps, to probabilities. No training code is needed."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import safetensors.numpy
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from scipy.special import ndtri

from needle_assets.classifiers.trees import parted
from needle_assets.labels import LABELS
from needle_assets.samples.ablations import ablation_named
from needle_assets.samples.scaling import LARGEST_SIGMA, Scaler

OPSET, OPSET_OF_TREES, IR_VERSION = 17, 3, 8
IMAGES, FEATURES = "images", "features"


@dataclass
class _Graph:
    """Nodes and numbers as they are added; every result has a name of its own."""

    nodes: list[NodeProto] = field(default_factory=list)
    numbers: list[TensorProto] = field(default_factory=list)

    def number(self, value: Any, dtype: Any = np.float64) -> str:
        name = f"number_{len(self.numbers)}"
        self.numbers.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        result = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [result], **attributes))
        return result

    def mean(self, parts: Sequence[str], name: str = "") -> str:
        total = self.add("Sum", *parts)
        return self.add("Mul", total, self.number(1.0 / len(parts)), name=name)


def ensemble_graph(models: Sequence[Mapping[str, Any]], temperature: float) -> ModelProto:
    """
    One graph of all models of a kind.

    Parameters
    ----------
    models : sequence of mapping
        Rows of ``results.fold_models`` of one ablation and kind.
    temperature : float
        By which ``calibrated`` divides the logarithms of the mean.

    Returns
    -------
    onnx.ModelProto
        Inputs ``features`` (n, k), float64 with NaN where missing, in the order of the scaler's names, and ``images`` (n, 2, 60, 60),
        float32 between 0 and 1, where the models see stamps. Outputs ``probabilities`` and ``calibrated``, (n, 3), of SN, SLSN-I and TDE.
    """
    graph = _Graph()
    graph.mean([_member(graph, model) for model in models], name="probabilities")
    logarithms = graph.add("Log", graph.add("Max", "probabilities", graph.number(1e-12)))
    graph.add("Softmax", graph.add("Div", logarithms, graph.number(temperature)), axis=1, name="calibrated")
    made = helper.make_model(
        helper.make_graph(graph.nodes, f"NEEDLE-{models[0]['model_kind']}", *_ends(models[0]), graph.numbers),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_OF_TREES)],
        ir_version=IR_VERSION,
        producer_name="needle_assets",
    )
    checker.check_model(made)
    return made


def _ends(model: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """What goes in and what comes out."""
    inputs = [helper.make_tensor_value_info(FEATURES, TensorProto.DOUBLE, ["n", len(_scaler(model).names)])]
    if ablation_named(model["ablation"]).has_images:
        inputs.append(helper.make_tensor_value_info(IMAGES, TensorProto.FLOAT, ["n", 2, 60, 60]))
    names = ("probabilities", "calibrated")
    return inputs, [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", len(LABELS)]) for name in names]


def _scaler(model: Mapping[str, Any]) -> Scaler:
    return Scaler.from_dict(json.loads(model["scaler"]))


def _member(graph: _Graph, model: Mapping[str, Any]) -> str:
    """Probabilities of all classes by one stored model; 0 for a class it does not know."""
    ablation = ablation_named(model["ablation"])
    network, trees = parted(model["weights"]) if ablation.is_stacked else (model["weights"], model["weights"])
    parts = (
        [] if ablation.is_trees else [_networks(graph, network, _scaled(graph, _scaler(model)), has_images=ablation.has_images)]
    )
    parts += [_trees(graph, trees)] if ablation.is_trees or ablation.is_stacked else []
    known = np.zeros((len(model["classes"]), len(LABELS)))
    known[range(len(known)), [LABELS.index(label) for label in model["classes"]]] = 1.0
    return graph.add("MatMul", graph.mean(parts), graph.number(known))


def _scaled(graph: _Graph, scaler: Scaler) -> str:
    """What :meth:`Scaler.apply` does, in the same precision."""
    is_missing = graph.add("IsNaN", FEATURES)
    filled = graph.add("Where", is_missing, graph.number(scaler.median), FEATURES)
    standard = _scores(graph, filled, scaler) if scaler.quantiles else _standardised(graph, filled, scaler)
    low, high = (graph.number(end * LARGEST_SIGMA) for end in (-1.0, 1.0))
    cut = graph.add("Min", graph.add("Max", standard, low), high)
    masked = [graph.add("Cast", is_missing, to=TensorProto.DOUBLE)] if scaler.has_mask else []
    return graph.add("Cast", graph.add("Concat", cut, *masked, axis=1), to=TensorProto.FLOAT)


def _standardised(graph: _Graph, filled: str, scaler: Scaler) -> str:
    return graph.add("Div", graph.add("Sub", filled, graph.number(scaler.mean)), graph.number(scaler.std))


def _scores(graph: _Graph, filled: str, scaler: Scaler) -> str:
    """Ranks as normal scores: a sum of ramps, each from one value of the training part to the next."""
    knots = [scores_by_value(column) for column in scaler.quantiles]
    n = max(len(values) for values, _ in knots)
    start, length, slope = np.zeros((len(knots), n)), np.zeros((len(knots), n)), np.zeros((len(knots), n))
    for row, (values, scores) in enumerate(knots):
        steps = max(len(values) - 1, 0)
        start[row, :steps], length[row, :steps] = values[:-1], np.diff(values)
        slope[row, :steps] = np.diff(scores) / np.diff(values)
    first = [scores[0] if len(scores) else 0.0 for _, scores in knots]
    beyond = graph.add("Sub", graph.add("Unsqueeze", filled, graph.number([2], np.int64)), graph.number(start))
    ramps = graph.add("Min", graph.add("Max", beyond, graph.number(0.0)), graph.number(length))
    risen = graph.add("ReduceSum", graph.add("Mul", ramps, graph.number(slope)), graph.number([2], np.int64), keepdims=0)
    return graph.add("Add", risen, graph.number(first))


def scores_by_value(quantiles: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Values of one feature in the training part with their normal scores, between which is interpolated; one value has score 0."""
    values, first, counts = np.unique(np.asarray(quantiles, dtype=np.float64), return_index=True, return_counts=True)
    if len(values) < 2:
        return values, np.zeros(len(values))
    return values, ndtri((first + counts / 2.0) / len(quantiles))


def _networks(graph: _Graph, weights: bytes, features: str, *, has_images: bool) -> str:
    """Mean probability of the members of a network, or of the one there is."""
    state = safetensors.numpy.load(weights)
    members = (
        [state]
        if state["feature_factors"].ndim == 1
        else [{name: values[m] for name, values in state.items()} for m in range(len(state["feature_factors"]))]
    )
    return graph.mean([_network(graph, member, features, has_images=has_images) for member in members])


def _network(graph: _Graph, state: Mapping[str, np.ndarray], features: str, *, has_images: bool) -> str:
    def of(name: str) -> str:
        return graph.number(state[name], np.float32)

    def linear(name: str, inputs: str) -> str:
        return graph.add("Gemm", inputs, of(f"{name}.weight"), of(f"{name}.bias"), transB=1)

    def seen(name: str, inputs: str) -> str:
        found = graph.add("Conv", inputs, of(f"{name}.weight"), of(f"{name}.bias"))
        return graph.add("Relu", graph.add("MaxPool", found, kernel_shape=[3, 3], strides=[3, 3]))

    weighted = graph.add("Mul", features, graph.number(state["feature_weights"] * state["feature_factors"], np.float32))
    own = graph.add("Relu", linear("features_2", graph.add("Relu", linear("features_1", weighted))))
    if has_images:
        own = graph.add("Concat", graph.add("Flatten", seen("convolution_2", seen("convolution_1", IMAGES))), own, axis=1)
    joined = graph.add("Relu", linear("joined_2", graph.add("Relu", linear("joined_1", own))))
    return graph.add("Softmax", graph.add("Cast", linear("classes", joined), to=TensorProto.DOUBLE), axis=1)


def tree_arrays(trees: bytes) -> dict[str, np.ndarray]:
    """The nodes of stored trees, by name."""
    with np.load(io.BytesIO(trees), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _trees(graph: _Graph, trees: bytes) -> str:
    arrays = tree_arrays(trees)
    n_outputs, is_leaf = len(arrays["baseline"]), arrays["is_leaf"].astype(bool)
    of_tree = np.searchsorted(arrays["first_node"], np.arange(len(is_leaf)), side="right") - 1
    number = np.arange(len(is_leaf)) - arrays["first_node"][of_tree]
    summed = graph.add(
        "TreeEnsembleRegressor",
        FEATURES,
        domain="ai.onnx.ml",
        n_targets=n_outputs,
        nodes_treeids=of_tree.tolist(),
        nodes_nodeids=number.tolist(),
        nodes_featureids=np.where(is_leaf, 0, arrays["feature_idx"]).tolist(),
        nodes_modes=["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf],
        nodes_values_as_tensor=_tensor(np.where(is_leaf, 0.0, arrays["num_threshold"])),
        nodes_truenodeids=np.where(is_leaf, 0, arrays["left"]).tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, arrays["right"]).tolist(),
        nodes_missing_value_tracks_true=arrays["missing_go_to_left"].astype(int).tolist(),
        target_treeids=of_tree[is_leaf].tolist(),
        target_nodeids=number[is_leaf].tolist(),
        target_ids=arrays["output"][of_tree[is_leaf]].tolist(),
        target_weights_as_tensor=_tensor(arrays["value"][is_leaf]),
        base_values_as_tensor=_tensor(arrays["baseline"]),
    )
    raw = graph.add("Cast", summed, to=TensorProto.DOUBLE)
    if n_outputs == 1:  # two classes have one output
        raw = graph.add("Concat", graph.add("Sub", raw, raw), raw, axis=1)
    return graph.add("Softmax", raw, axis=1)


def _tensor(values: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=np.float64), "values")
