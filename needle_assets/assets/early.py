"""Glue of early classification: features as of several moments, and what models that did not see an object make of them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.light_curves import features_as_of
from needle_assets.assets.models import names_seen, probabilities, seen_by, validated_by
from needle_assets.assets.output import Product
from needle_assets.classifiers.early import Judgements, early_measures
from needle_assets.labels import LABELS
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.randomness import rng_for
from needle_assets.settings import Settings

AT_CLASSIFICATION = "peak + 5 d"
_KEPT = ("object_id", "as_of_mjd", "bands", *HOSTED_FEATURES, "n_det_g", "n_det_r")


def early_features(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """Features of a labelled object so many days after its discovery and at its classification epoch, wherever it has a clean epoch."""
    epochs, catalogue = frames["core.epochs"], frames["raw.objects"]
    if epochs.is_empty() or catalogue.is_empty() or catalogue["label"][0] is None:
        return Product()
    discovery, classification = epochs["first_mjd"][0], epochs["classification_mjd"][0]
    moments = {f"{days:g} d": discovery + days for days in settings.early.days_after_discovery}
    product = Product()
    for moment, as_of in {**moments, AT_CLASSIFICATION: classification}.items():
        row = features_as_of(frames, as_of, settings)
        if row["n_det_g"] + row["n_det_r"]:
            told = {"moment": moment, "days_after_discovery": as_of - discovery}
            product.rows.append(told | {name: row[name] for name in _KEPT})
    return product


def early_metrics(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """How early models without stamps find rare classes, judged on objects that they were not trained on."""
    product = Product()
    for ablation, judged in judged_moments(frames):
        rng = rng_for(settings.seed, "results.early_metrics", ablation)
        product.rows += list(_metric_rows(ablation, judged, rng, settings.metrics.n_bootstrap))
    return product


def judged_moments(frames: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, Judgements]]:
    """What the models of each ablation make of objects that they were not trained on, as of every moment."""
    places = frames["core.splits"].filter(~pl.col("is_untouched"))
    peaks = frames["core.epochs"].select("object_id", "peak_mjd")
    rows = frames["core.early_features"].join(places, on="object_id").join(peaks, on="object_id", how="left")
    rows = rows.sort("object_id", "as_of_mjd", "moment")
    models = frames["results.fold_models"].filter(pl.col("model_kind") == "metadata").sort("ablation", "fold")
    for (ablation,), own in models.partition_by("ablation", as_dict=True, maintain_order=True).items():
        judged = _judged(rows, own)
        if judged is not None:
            yield str(ablation), judged


def _judged(rows: pl.DataFrame, models: pl.DataFrame) -> Judgements | None:
    """Mean probabilities over the models that may judge each row; None without any."""
    total, n = np.zeros((len(rows), len(LABELS))), np.zeros(len(rows))
    for model in models.iter_rows(named=True):
        may = _may_judge(rows, model)
        if len(may):
            total[may] += probabilities(model, rows[may.tolist()], {})
            n[may] += 1
    known = np.flatnonzero(n)
    return _as_judgements(rows[known.tolist()], total[known] / n[known, np.newaxis]) if len(known) else None


def _as_judgements(chosen: pl.DataFrame, p: np.ndarray) -> Judgements:
    return Judgements(
        chosen["object_id"].to_numpy(),
        chosen["moment"].to_numpy(),
        chosen["days_after_discovery"].to_numpy(),
        (chosen["n_det_g"] + chosen["n_det_r"]).to_numpy().astype(np.int64),
        (chosen["peak_mjd"] - chosen["as_of_mjd"]).cast(pl.Float64).fill_null(np.nan).to_numpy(),
        p,
        np.array([LABELS.index(label) for label in chosen["label"]], dtype=np.int64),
    )


def _may_judge(rows: pl.DataFrame, model: Mapping[str, Any]) -> np.ndarray:
    """Rows of objects that a model validates on and knew under no id."""
    of_fold, seen = rows.select(validated_by(model)).to_series().to_numpy(), seen_by(model)
    ids = rows.select("object_id", "other_ids").iter_rows()
    knew = np.array([len(names_seen(object_id, others, seen)) > 0 for object_id, others in ids], dtype=bool)
    return np.flatnonzero(of_fold & ~knew)


def _metric_rows(ablation: str, judged: Judgements, rng: np.random.Generator, n_bootstrap: int) -> Iterator[dict[str, Any]]:
    for found in early_measures(judged, rng, n_bootstrap=n_bootstrap):
        measure = found.measure
        yield {
            "ablation": ablation,
            "class": measure.label,
            "grouped_by": found.grouped_by,
            "part": found.name,
            "position": found.position,
            **{name: getattr(measure, name) for name in ("metric", "threshold", "value", "ci_low", "ci_high", "n", "reason")},
        }
