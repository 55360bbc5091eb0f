"""Scores one object: python score_one.py object.json. Needs numpy and onnxruntime, and nothing of needle_assets."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(__file__).parent
manifest = json.loads((folder / "manifest.json").read_text())
given = json.loads(Path(sys.argv[1]).read_text())
kind = next(name for name in ("TH", "T", "metadata") if name in manifest["kinds"] and (name == "metadata" or given.get("images")))
names = manifest["kinds"][kind]["features"]
values = [given["features"].get(name) for name in names]
inputs = {"features": np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)}
if manifest["kinds"][kind]["has_images"]:
    inputs["images"] = np.array([given["images"]], dtype=np.float32)  # science, reference: 60 x 60, between 0 and 1 together
probabilities, calibrated = onnxruntime.InferenceSession(folder / f"{kind}.onnx").run(None, inputs)
print(json.dumps({"kind": kind, **dict(zip(manifest["classes"], probabilities[0].tolist(), strict=True))}))
