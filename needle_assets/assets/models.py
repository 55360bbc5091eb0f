"""Glue of what models say of labelled objects: predictions and metrics. Scores with the models that exist and never trains."""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from needle_assets.assets.output import Product
from needle_assets.assets.samples import feature_matrix, usable_by
from needle_assets.assets.stored_stamps import square
from needle_assets.classifiers import calibration, evaluation
from needle_assets.errors import Rejection
from needle_assets.labels import LABELS
from needle_assets.processes.memory import kept_for_reuse
from needle_assets.randomness import rng_for
from needle_assets.samples.ablations import ablation_named
from needle_assets.samples.scaling import Scaler, normalised_pair
from needle_assets.settings import Settings
from needle_assets.surveys.known import is_simulated

if TYPE_CHECKING:
    from needle_assets.classifiers.needle import Committee, Needle

P_COLUMNS = ("p_sn", "p_slsn", "p_tde")
# Above this association between class and source of photometry, scores say so.
CONFOUNDED_FROM = 0.3


def predictions(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """
    Probabilities of labelled objects from every model that was not trained on them (paper, sections 6.2 and 6.3).

    An object of a fold is scored by the model that validates on it, an untouched one by all. Where a model was trained on the object,
    because it stood elsewhere then or under another id of the same object, that model may not judge it, and the row is refused until
    it is trained again.
    """
    product = Product()
    objects = frames["core.splits"].join(frames["core.features"], on="object_id")
    stamps = stamps_by_object(frames["core.masked_stamps"])
    for model in frames["results.fold_models"].sort("ablation", "model_kind", "fold").iter_rows(named=True):
        chosen = objects.filter(usable_by(model["model_kind"]) & (pl.col("is_untouched") | validated_by(model)))
        seen = seen_by(model)
        allowed = [_was_apart(row, model, seen, product) for row in chosen.iter_rows(named=True)]
        judged = chosen.filter(pl.Series(allowed, dtype=pl.Boolean))
        if len(judged):
            product.rows += _prediction_rows(model, judged, stamps)
    return product


def validated_by(model: Mapping[str, Any]) -> pl.Expr:
    """Rows of core.splits whose place is among those that a model validates on."""
    return pl.col("validation_of").list.eval(pl.element().is_in(model["folds"])).list.any()


def seen_by(model: Mapping[str, Any]) -> set[str]:
    """Ids that a model was trained on, or on a synthetic sample of."""
    return {*model["trained_ids"], *model["parent_ids"]}


def names_seen(object_id: str, other_ids: Sequence[str] | None, seen: Set[str]) -> list[str]:
    """Under which of its ids an object is among those of :func:`seen_by`; a model that knew it under any may not judge it."""
    return [name for name in (object_id, *(other_ids or ())) if name in seen]


def _was_apart(row: Mapping[str, Any], model: Mapping[str, Any], seen: Set[str], product: Product) -> bool:
    """Whether the model was trained without this object, under whatever id; if not, the refusal says so."""
    names = names_seen(row["object_id"], row["other_ids"], seen)
    if not names:
        return True
    what = "which has another place now" if row["object_id"] in names else f"then known as {names[0]} alone"
    reason = f"model {model['fold']} of {model['ablation']} was trained on this object, {what}; it may not judge it: run `needle train`."
    product.rejections.append(Rejection(reason, object_id=row["object_id"], model_id=model["model_id"]))
    return False


def _prediction_rows(
    model: Mapping[str, Any], judged: pl.DataFrame, stamps: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    p = probabilities(model, judged, stamps)
    untouched = judged["is_untouched"].to_list()
    attention = (
        _attention(model, judged, stamps) if ablation_named(model["ablation"]).has_images else [(None, None)] * len(judged)
    )
    for k, object_id in enumerate(judged["object_id"]):
        yield {
            "object_id": object_id,
            **{name: model[name] for name in ("ablation", "model_kind", "fold", "model_id")},
            "set": "untouched" if untouched[k] else "validation",
            **dict(zip(P_COLUMNS, p[k].tolist(), strict=True)),
            "attention_fraction": attention[k][0],
            "source_fraction": attention[k][1],
        }


def probabilities(model: Mapping[str, Any], objects: pl.DataFrame, stamps: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    """Probabilities of SN, SLSN-I, TDE, shape (n, 3), of objects by one stored model; 0 for a class it does not know."""
    known = _known_scores(model, objects, stamps)
    p = np.zeros((len(objects), len(LABELS)))
    p[:, [LABELS.index(label) for label in model["classes"]]] = known
    return p


def _known_scores(model: Mapping[str, Any], objects: pl.DataFrame, stamps: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    """Probabilities of the classes that a model knows."""
    ablation = ablation_named(model["ablation"])
    if ablation.is_trees:
        return _tree_scores(model, objects)
    if not ablation.is_stacked:
        return _scores(model, objects, stamps)
    from needle_assets.classifiers.trees import parted

    network, trees = ({**model, "weights": part} for part in parted(model["weights"]))
    return (_scores(network, objects, stamps) + _tree_scores(trees, objects)) / 2.0


def _scores(model: Mapping[str, Any], objects: pl.DataFrame, stamps: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    from needle_assets.classifiers.fitting import deterministic
    from needle_assets.classifiers.needle import score

    images = _images(model, objects, stamps)
    with deterministic(), kept_for_reuse():
        return score(_network(model), images, _scaled(model, objects))


def _tree_scores(model: Mapping[str, Any], objects: pl.DataFrame) -> np.ndarray:
    from needle_assets.classifiers.trees import score_trees

    return score_trees(model["weights"], feature_matrix(objects, scaler_of(model).names))


def _images(model: Mapping[str, Any], objects: pl.DataFrame, stamps: Mapping[str, Mapping[str, Any]]) -> np.ndarray | None:
    ablation = ablation_named(model["ablation"])
    if not ablation.has_images:
        return None
    return np.stack([stamp_pair(stamps[object_id], is_masked=ablation.is_masked) for object_id in objects["object_id"]])


def stamp_pair(row: Mapping[str, Any], *, is_masked: bool) -> np.ndarray:
    """One object's pair between 0 and 1 as networks see it, shape (n, n, 2), from its row of core.masked_stamps."""
    names = ("science", "reference") if is_masked else ("science_unmasked", "reference_unmasked")
    science, reference = (square(row[name]) for name in names)
    return np.moveaxis(normalised_pair(science, reference), 0, -1)


def _scaled(model: Mapping[str, Any], objects: pl.DataFrame) -> np.ndarray:
    scaler = scaler_of(model)
    return scaler.apply(feature_matrix(objects, scaler.names))


def scaler_of(model: Mapping[str, Any]) -> Scaler:
    """What the features of a model were scaled by."""
    return Scaler.from_dict(json.loads(model["scaler"]))


def _network(model: Mapping[str, Any]) -> "Needle | Committee":
    return _loaded(
        model["weights"], ablation_named(model["ablation"]).has_images, len(model["feature_weights"]), len(model["classes"])
    )


@lru_cache(maxsize=64)
def _loaded(weights: bytes, has_images: bool, n_features: int, n_classes: int) -> "Needle | Committee":
    from needle_assets.classifiers.needle import Architecture, from_bytes

    return from_bytes(weights, Architecture(has_images, n_features, n_classes))


def _attention(
    model: Mapping[str, Any], judged: pl.DataFrame, stamps: Mapping[str, Mapping[str, Any]]
) -> list[tuple[float | None, float | None]]:
    """Attention on transient and host of validated objects, and the share of the stamp these cover; None for untouched ones."""
    from needle_assets.classifiers.attention import attention_fraction

    rows = np.flatnonzero(~judged["is_untouched"].to_numpy())
    found: list[tuple[float | None, float | None]] = [(None, None)] * len(judged)
    if len(rows) == 0:
        return found
    chosen = judged[rows.tolist()]
    masks = np.stack([square(stamps[z]["mask"], bool) for z in chosen["object_id"]])
    fractions = attention_fraction(attention_of(model, chosen, stamps), masks)
    for row, fraction, mask in zip(rows, fractions, masks, strict=True):
        found[row] = (None if np.isnan(fraction) else float(fraction), float(mask.mean()))
    return found


def attention_of(model: Mapping[str, Any], objects: pl.DataFrame, stamps: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    """Where one stored model with an image branch looks, shape (n, side, side), for the class it prefers (Figure 12)."""
    from needle_assets.classifiers.attention import attention_maps

    images, network = _images(model, objects, stamps), _network(model)
    assert images is not None
    return attention_maps(cast("Needle", network), images, _scaled(model, objects))


def stamps_by_object(frame: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Pixel columns of core.masked_stamps, flattened, by object_id."""
    columns = {name: _pixels(frame[name]) for name in frame.columns if frame.schema[name].is_nested()}
    return {object_id: {name: values[k] for name, values in columns.items()} for k, object_id in enumerate(frame["object_id"])}


def _pixels(column: pl.Series) -> np.ndarray:
    return np.asarray(column.to_numpy()).reshape(len(column), -1) if len(column) else np.zeros((0, 0))


def metrics(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    How good the models are by the metrics of Table 6, for the ensemble, every model, and mean and scatter over models.

    Rates of a class with fewer than ten untouched objects are withheld. Where class and source of photometry go together, every
    row says so.
    """
    scores = frames["results.predictions"].join(frames["core.splits"], on="object_id")
    product = Product()
    for (ablation, kind, part), found in sorted(
        scores.partition_by("ablation", "model_kind", "set", as_dict=True).items(), key=str
    ):
        common = {"ablation": ablation, "model_kind": kind, "set": part, **_caveats(found)}
        rng = rng_for(settings.seed, "results.metrics", ablation, kind, part)
        validation = scores.filter(
            (pl.col("ablation") == ablation) & (pl.col("model_kind") == kind) & (pl.col("set") == "validation")
        )
        temperature = calibration.fit_temperature(*_scored(validation)[:2]) if len(validation) else None
        for measure in evaluation.all_measures(
            _by_model(found), _attention_of(found), temperature, str(part), rng, settings.metrics
        ):
            product.rows.append({**common, **_metric_row(measure)})
    return product


def _by_model(found: pl.DataFrame) -> dict[int, evaluation.Scores]:
    """Scores by number of the model."""
    return {
        int(key[0]): evaluation.Scores(part["object_id"].to_numpy(), *_scored(part))
        for key, part in sorted(found.partition_by("fold", as_dict=True).items())
    }


def _scored(found: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return found.select(P_COLUMNS).to_numpy(), np.array([LABELS.index(label) for label in found["label"]], dtype=np.int64)


def _attention_of(found: pl.DataFrame) -> dict[str, np.ndarray]:
    """Attention on transient and host of the objects that have it, by class, with the share these cover: shape (n, 2)."""
    known = found.filter(pl.col("attention_fraction").is_not_null())
    parts = known.partition_by("label", as_dict=True).items()
    return {str(key[0]): part.select("attention_fraction", "source_fraction").to_numpy() for key, part in sorted(parts)}


def _metric_row(measure: evaluation.Aggregated) -> dict[str, Any]:
    values = asdict(measure.measure)
    label = values.pop("label")
    return {**values, "class": label, "aggregate": measure.aggregate, "fold": measure.fold}


def _caveats(found: pl.DataFrame) -> dict[str, Any]:
    once = found.unique("object_id")
    association = evaluation.association(once["label"].to_list(), once["main_source"].fill_null("none").to_list())
    warning = None
    if association >= CONFOUNDED_FROM:
        warning = (
            f"class and source of photometry go together (Cramer's V = {association:.2f}): "
            "a model can tell sources apart instead of classes."
        )
    return {"warning": warning, "is_simulated": any(is_simulated(object_id) for object_id in once["object_id"])}
