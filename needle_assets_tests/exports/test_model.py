"""Exported models: the same probabilities as here, in a graph that knows how to scale, beside what says where it ends."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
import safetensors.numpy
import torch

from needle_assets.assets.models import probabilities, scaler_of, stamp_pair, stamps_by_object
from needle_assets.assets.samples import feature_matrix
from needle_assets.classifiers.calibration import with_temperature
from needle_assets.classifiers.needle import Architecture, Needle, tensors_to_bytes, to_bytes
from needle_assets.classifiers.trees import fit_trees, joined
from needle_assets.exports.folder import ExportError, require_whole
from needle_assets.exports.model import export_model
from needle_assets.exports.onnx_graph import ensemble_graph
from needle_assets.home import Home
from needle_assets.labels import LABELS
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.samples.scaling import Scaler
from needle_assets.warehouse import exploring
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import models

N_OBJECTS = 90


def features_of(rng: np.random.Generator) -> np.ndarray:
    """Features with heavy tails, ties, missing values and a column that is never there."""
    found = rng.standard_t(2, (N_OBJECTS, len(HOSTED_FEATURES))) * 3.0 + 18.0
    found[:, 1] = np.round(found[:, 1])
    found[rng.random(found.shape) < 0.15] = np.nan
    found[:, 2] = np.nan
    return found


def model(
    rng: np.random.Generator, ablation: str, kind: str, classes: tuple[str, ...] = LABELS, *, by_rank: bool = True
) -> dict[str, Any]:
    """A row of results.fold_models with weights that nothing trained."""
    features = features_of(rng)
    scaler = Scaler.fit(HOSTED_FEATURES, features, by_rank=by_rank, has_mask=by_rank)
    architecture = Architecture(kind != "metadata", scaler.n_columns, len(classes))
    members = [Needle(architecture, rng, rng.random(scaler.n_columns) * 3) for _ in range(2)]
    network = _weights(members, kind)
    trees = fit_trees(features, rng.integers(0, len(classes), N_OBJECTS), [1.0] * len(classes), 1)
    weights = trees if ablation == "trees" else joined(network, trees) if ablation == "stacked" else network
    return {
        "ablation": ablation,
        "model_kind": kind,
        "classes": list(classes),
        "scaler": json.dumps(scaler.as_dict()),
        "weights": weights,
        "feature_weights": [1.0] * scaler.n_columns,
    }


def _weights(members: list[Needle], kind: str) -> bytes:
    if kind != "metadata":
        return to_bytes(members[0])
    states = [member.state_dict() for member in members]
    return tensors_to_bytes({name: torch.stack([state[name] for state in states]) for name in states[0]})


@pytest.mark.parametrize(
    ("ablation", "kind", "classes", "by_rank"),
    [
        ("masked", "TH", LABELS, True),
        ("masked", "T", ("SN", "SLSN-I"), False),
        ("metadata", "metadata", LABELS, True),
        ("trees", "metadata", LABELS, True),
        ("trees", "metadata", ("SN", "TDE"), True),
        ("stacked", "metadata", LABELS, True),
    ],
)
def test_the_graph_gives_the_probabilities_of_the_ensemble(rng, ablation, kind, classes, by_rank):
    ensemble = [model(rng, ablation, kind, classes, by_rank=by_rank) for _ in range(2)]
    objects = pl.DataFrame(features_of(rng) * 1.2, schema=list(HOSTED_FEATURES)).with_columns(
        object_id=pl.int_range(N_OBJECTS).cast(pl.String)
    )
    stamps = {
        name: {part: rng.normal(size=3600).astype(np.float32) for part in ("science", "reference")}
        for name in objects["object_id"]
    }
    inputs = {"features": feature_matrix(objects, scaler_of(ensemble[0]).names)}
    if kind != "metadata":
        inputs["images"] = np.stack([stamp_pair(stamps[name], is_masked=True) for name in objects["object_id"]]).transpose(
            0, 3, 1, 2
        )
    session = onnxruntime.InferenceSession(ensemble_graph(ensemble, 1.7).SerializeToString())
    found, calibrated = session.run(None, inputs)
    wanted = np.mean([probabilities(one, objects, stamps) for one in ensemble], axis=0)
    assert np.ptp(wanted[:, 0]) > 0.05
    np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=0)
    np.testing.assert_allclose(calibrated, with_temperature(found, 1.7), atol=1e-9, rtol=0)


@pytest.fixture
def with_models(own: tuple[Path, Home], rng: np.random.Generator) -> Home:
    """A home in which models stand that nothing trained, published."""
    home = own[1]
    home.published.chmod(0o644)
    with writing(home.published) as connection:
        for kind, ablation in (("TH", "masked_upsampled"), ("metadata", "metadata")):
            row = model(rng, ablation, kind)
            models.store_model(connection, {**row, **_as_trained(row)}, ())
        connection.execute("checkpoint")
    return home


def _as_trained(row: dict[str, Any]) -> dict[str, Any]:
    ids = {name: [] for name in ("trained_ids", "validated_ids", "parent_ids", "scaled_ids")}
    counts = dict.fromkeys(("fold", "n_training", "n_synthetic", "n_validation", "seed", "best_epoch", "n_shown"), 0)
    history = {"history_training_loss": [], "history_validation_loss": [], "settings": "{}", "git_sha": "abc"}
    told = {
        "n_folds": 1,
        "folds": [0],
        "training_set_id": "t",
        "fingerprint": "f",
        "seconds": 1.0,
        "device": "cpu",
        "is_bit_exact": True,
    }
    return {"model_id": hashlib.md5(row["weights"]).hexdigest(), **ids, **counts, **history, **told}


@pytest.fixture
def deployed(with_models: Home, tmp_path: Path) -> Path:
    with_models.settings_file.write_text('[training]\ndeployed = ["masked_upsampled", "metadata"]\n')
    export_model(with_models.published, with_models.settings(), tmp_path / "model")
    return tmp_path / "model"


def test_the_example_scores_the_object_beside_it_without_this_package(deployed, with_models):
    given = json.loads((deployed / "object.json").read_text())
    command = [sys.executable, "-I", str(deployed / "score_one.py"), str(deployed / "object.json")]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    row = exploring.frame(with_models.published, "select * from results.fold_models where model_kind = 'TH'").to_dicts()[0]
    of_it = f"where object_id = '{given['object_id']}'"
    stamps = stamps_by_object(exploring.frame(with_models.published, f"from core.masked_stamps {of_it}"))
    wanted = probabilities(row, exploring.frame(with_models.published, f"from core.features {of_it}"), stamps)[0]
    assert said["kind"] == "TH"
    np.testing.assert_allclose([said[label] for label in LABELS], wanted, atol=1e-5)
    assert len((deployed / "score_one.py").read_text().splitlines()) <= 24


def test_weights_scaler_and_card_go_along(deployed, with_models):
    kinds = require_whole(deployed, "model")["kinds"]
    assert kinds["metadata"]["features"] == list(HOSTED_FEATURES)
    assert Scaler.from_dict(kinds["TH"]["models"][0]["scaler"]).quantiles
    weights = exploring.ask(with_models.published, "select weights from results.fold_models where model_kind = 'TH'")[1][0][0]
    kept = safetensors.numpy.load_file(deployed / "TH-0.safetensors")
    np.testing.assert_equal(kept, safetensors.numpy.load(weights))
    assert "## Where not to use it" in (deployed / "README.md").read_text()


def test_without_models_or_onnx_it_says_what_to_do(filled, tmp_path, monkeypatch):
    home = filled[1]
    with pytest.raises(ExportError, match=r"holds no model of the deployed ablations .* run `needle train` first"):
        export_model(home.published, home.settings(), tmp_path / "model")
    monkeypatch.setitem(sys.modules, "needle_assets.exports.onnx_graph", None)
    with pytest.raises(ExportError, match=r"which is not installed; run: pip install 'needle_assets\[export\]'"):
        export_model(home.published, home.settings(), tmp_path / "model")
