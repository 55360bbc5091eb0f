"""`needle export model`: the ensemble that scores candidates, to run elsewhere: ONNX, safetensors, scaler, card and an example."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import safetensors.numpy

from needle_assets.assets.candidates import ensembles_of
from needle_assets.assets.models import scaler_of, stamp_pair
from needle_assets.classifiers.trees import parted
from needle_assets.exports.data_card import page
from needle_assets.exports.folder import MANIFEST, ExportError, write_json, written
from needle_assets.labels import LABELS
from needle_assets.samples.ablations import ablation_named
from needle_assets.settings import Settings
from needle_assets.warehouse.connection import Connection, reading
from needle_assets.warehouse.results import exported

KIND = "model"
TOLD = ("model_id", "fold", "classes", "n_training", "n_synthetic", "feature_weights")
FORMAT = 1
EXAMPLE = Path(__file__).parent / "templates" / "score_one.py"


@dataclass(frozen=True)
class ModelReport:
    """What was written: how many models of each kind."""

    folder: str
    models: Mapping[str, int]


def export_model(published: Path, settings: Settings, target: Path) -> ModelReport:
    """
    Write the deployed ensemble of a published warehouse to a folder.

    Raises
    ------
    ExportError, WarehouseError
        If nothing is trained, the package ``onnx`` is not installed, the folder holds something else, or the warehouse cannot be read.
    """
    try:
        from needle_assets.exports.onnx_graph import ensemble_graph
    except ModuleNotFoundError as error:
        raise ExportError(
            f"Models are exported with the package {error.name}, which is not installed; run: pip install 'needle_assets[export]'"
        ) from error
    with reading(published) as connection:
        ensembles = _deployed(connection, published, settings)
        with written(target, KIND) as folder:
            kinds = {kind: _kind(connection, models) for kind, models in ensembles.items()}
            for kind, models in ensembles.items():
                graph = ensemble_graph(models, kinds[kind]["temperature"])
                (folder / f"{kind}.onnx").write_bytes(graph.SerializeToString(deterministic=True))
                _write_weights(folder, kind, models)
            manifest = {"kind": KIND, "format": FORMAT, "classes": list(LABELS), "kinds": kinds}
            write_json(folder / MANIFEST, manifest)
            _write_example(connection, folder, kinds)
            (folder / "README.md").write_text(page("model_card.md.jinja").render(manifest=manifest), encoding="utf-8")
    return ModelReport(str(target), {kind: len(models) for kind, models in ensembles.items()})


def _deployed(connection: Connection, published: Path, settings: Settings) -> dict[str, list[dict[str, Any]]]:
    models = exported.models_of(connection, settings.training.deployed)
    if not models:
        named = ", ".join(settings.training.deployed)
        raise ExportError(f"{published} holds no model of the deployed ablations ({named}); run `needle train` first.")
    return ensembles_of(pl.DataFrame(models, infer_schema_length=None), settings)


def _kind(connection: Connection, models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the manifest says of the models of one kind."""
    first = models[0]
    metrics = exported.measured(connection, first["ablation"], first["model_kind"])
    ablation = ablation_named(first["ablation"])
    return {
        "ablation": first["ablation"],
        "features": list(scaler_of(first).names),
        "has_images": ablation.has_images,
        "is_masked": ablation.is_masked,
        "temperature": next((row["value"] for row in metrics if row["metric"] == "temperature" and row["value"]), 1.0),
        "training_sets": sorted({model["training_set_id"] for model in models}),
        "commits": sorted({model["git_sha"] for model in models if model["git_sha"]}),
        "models": [{**{name: model[name] for name in TOLD}, "scaler": json.loads(model["scaler"])} for model in models],
        "metrics": [row for row in metrics if row["metric"] != "temperature"],
    }


def _write_weights(folder: Path, kind: str, models: Sequence[Mapping[str, Any]]) -> None:
    """Weights of each model as safetensors: networks under their layers' names, trees as arrays of nodes."""
    from needle_assets.exports.onnx_graph import tree_arrays

    for model in models:
        ablation = ablation_named(model["ablation"])
        network, trees = parted(model["weights"]) if ablation.is_stacked else (model["weights"], model["weights"])
        tensors = {} if ablation.is_trees else safetensors.numpy.load(network)
        if ablation.is_trees or ablation.is_stacked:
            tensors |= {f"trees.{name}": np.ascontiguousarray(values) for name, values in tree_arrays(trees).items()}
        (folder / f"{kind}-{model['fold']}.safetensors").write_bytes(safetensors.numpy.save(tensors))


def _write_example(connection: Connection, folder: Path, kinds: Mapping[str, Mapping[str, Any]]) -> None:
    """An object to try it with, and twenty lines that score it."""
    shutil.copyfile(EXAMPLE, folder / "score_one.py")
    row = exported.an_object(connection)
    if row is not None:
        names = sorted({name for kind in kinds.values() for name in kind["features"]})
        pair = np.moveaxis(stamp_pair(row, is_masked=True), -1, 0)
        features = {name: None if row[name] is None else float(row[name]) for name in names}
        write_json(
            folder / "object.json", {"object_id": row["object_id"], "features": features, "images": pair.round(6).tolist()}
        )
