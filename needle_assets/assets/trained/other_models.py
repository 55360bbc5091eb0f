"""Training of the model of what is none of the classes: who is known to be something else, features, folds, and the row of it."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.light_curves import features_as_of
from needle_assets.assets.samples import feature_matrix
from needle_assets.errors import Rejection
from needle_assets.labels import LABELS
from needle_assets.landing.catalogues.labels import is_known_otherwise
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.light_curves.light_curve import classification_mjd
from needle_assets.randomness import rng_for
from needle_assets.samples import splits as places
from needle_assets.samples.identity import groups
from needle_assets.samples.leakage import TrainingPart, require_no_leak
from needle_assets.settings import Settings

OTHER = "other"
# Raised by hand when the same objects and settings would give another model.
CODE_VERSION = "1"


@dataclass(frozen=True)
class OtherSet:
    """Objects that train the model, sorted by id: features (n, 33), class (3: none of them), folds; and whom it may not know."""

    object_ids: tuple[str, ...]
    features: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    untouched: frozenset[str]
    identity: Mapping[str, str]

    @property
    def is_other(self) -> np.ndarray:
        """Which are none of the classes."""
        return self.y == len(LABELS)

    def fingerprint(self, settings: Settings) -> str:
        """What decides whether the model has to be trained again."""
        told = [CODE_VERSION, settings.seed, settings.training.seed, asdict(settings.other), list(self.object_ids)]
        digest = hashlib.sha256(json.dumps([*told, self.y.tolist(), self.fold.tolist()], sort_keys=True).encode())
        digest.update(np.ascontiguousarray(self.features).tobytes())
        return digest.hexdigest()[:16]


def known_otherwise(catalogue: pl.DataFrame, labelled: Sequence[str], settings: Settings) -> dict[str, tuple[str, ...]]:
    """
    Objects known to be none of the classes, each with all ids of it; none that has a label under whatever id.

    ``catalogue`` holds object_id, type, label, iau_name, ra_deg, dec_deg, is_served (another survey's id has a label) and verdict.
    """
    ra_deg, dec_deg = (catalogue[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("ra_deg", "dec_deg"))
    same_as = groups(catalogue["object_id"].to_list(), catalogue["iau_name"].to_list(), ra_deg, dec_deg)
    classified = {*labelled, *catalogue.filter(pl.col("label").is_not_null() | pl.col("is_served"))["object_id"]}
    chosen = catalogue.select("object_id", "type", "verdict").iter_rows()
    found = [object_id for object_id, kind, verdict in chosen if _is_other(kind, verdict, settings)]
    return {object_id: same_as[object_id] for object_id in found if classified.isdisjoint(same_as[object_id])}


def _is_other(kind: str | None, verdict: str | None, settings: Settings) -> bool:
    """By the catalogue; what people say counts only where it has no type, and if the settings say so."""
    if kind is not None:
        return is_known_otherwise(kind)
    return settings.other.trains_on_verdicts and verdict in ("other", "junk")


def features_of_others(frames: Mapping[str, pl.DataFrame], settings: Settings) -> pl.DataFrame:
    """Features, and first epoch and host, of objects without a label as they would be if they had one: up to a few days after the peak."""
    parts = {name: {k[0]: part for k, part in f.partition_by("object_id", as_dict=True).items()} for name, f in frames.items()}
    rows = []
    for epochs in frames["core.epochs"].iter_rows(named=True):
        own = {name: parts[name].get(epochs["object_id"], frame.clear()) for name, frame in frames.items()}
        peak, newest = epochs["peak_mjd"], epochs["classification_mjd"]
        as_of = classification_mjd(
            np.nan if peak is None else peak, newest, is_training=True, days_after_peak=settings.epochs.days_after_peak
        )
        row = features_as_of(own, as_of, settings)
        if row["n_det_g"] + row["n_det_r"]:
            rows.append({**row, "first_mjd": epochs["first_mjd"], "is_hosted": row["has_host"]})
    wanted = {
        "object_id": pl.String,
        **dict.fromkeys(HOSTED_FEATURES, pl.Float64),
        "first_mjd": pl.Float64,
        "is_hosted": pl.Boolean,
    }
    return pl.DataFrame([{name: row[name] for name in wanted} for row in rows], schema=wanted)


def other_set(
    labelled: pl.DataFrame,
    features: pl.DataFrame,
    others: pl.DataFrame,
    same_as: Mapping[str, tuple[str, ...]],
    settings: Settings,
) -> OtherSet:
    """
    Who trains the model, and in which fold each object is: labelled ones in their own, others dealt alike, all ids of one together.

    ``labelled`` are rows of core.splits, ``features`` those of the same objects, ``others`` from :func:`features_of_others`, and
    ``same_as`` from :func:`known_otherwise`.

    Raises
    ------
    Rejection
        If too few objects are known to be something else, or none of the classes is there.
    """
    found = _dealt(labelled, others, same_as, settings)
    rows = pl.concat([features.select("object_id", *HOSTED_FEATURES), others.select("object_id", *HOSTED_FEATURES)])
    rows = rows.filter(pl.col("object_id").is_in([name for name, place in found.items() if not place.is_untouched]))
    rows = rows.sort("object_id")
    is_other = rows["object_id"].is_in(others["object_id"].implode()).to_numpy()
    _require_enough(int(is_other.sum()), int((~is_other).sum()), len(others), settings)
    code = {object_id: LABELS.index(label) for object_id, label in labelled.select("object_id", "label").iter_rows()}
    fold = np.array([found[object_id].validation_of[0] for object_id in rows["object_id"]], dtype=np.int64)
    return OtherSet(
        tuple(rows["object_id"]),
        feature_matrix(rows),
        np.array([code.get(object_id, len(LABELS)) for object_id in rows["object_id"]], dtype=np.int64),
        np.unique(fold, return_inverse=True)[1],  # a fold without objects has no model
        frozenset(name for name, place in found.items() if place.is_untouched),
        {name: min(ids) for name, ids in same_as.items()} | dict(labelled.select("object_id", "identity").iter_rows()),
    )


def _dealt(
    labelled: pl.DataFrame, others: pl.DataFrame, same_as: Mapping[str, tuple[str, ...]], settings: Settings
) -> dict[str, places.Place]:
    """A place for everyone; where folds are repeated hold-outs, of which an object may be in several, all are dealt anew."""
    known, objects = {}, []
    for row in labelled.iter_rows(named=True):
        if row["is_untouched"] or row["fold"] is not None:
            known[row["object_id"]] = places.Place(row["is_untouched"], () if row["is_untouched"] else (row["fold"],))
        objects.append(places.Labelled(row["object_id"], row["label"], row["is_hosted"], 0.0, tuple(row["other_ids"] or ())))
    for row in others.iter_rows(named=True):
        apart = tuple(name for name in same_as[row["object_id"]] if name != row["object_id"])
        objects.append(places.Labelled(row["object_id"], OTHER, row["is_hosted"], row["first_mjd"], apart))
    return places.assign(objects, known, replace(settings.splits, scheme="folds"))


def _require_enough(n_other: int, n_classified: int, n_known: int, settings: Settings) -> None:
    wanted = settings.other.min_examples
    if n_other < wanted or n_classified < wanted:
        raise Rejection(
            f"What is none of the classes has no model: it takes {wanted} objects whose type is known to be something else and as "
            f"many of the classes, with a light curve and not untouched; there are {n_other} (of {n_known}) and {n_classified}.",
            n_other=n_other,
            n_classified=n_classified,
        )


def train_others(chosen: OtherSet, settings: Settings) -> dict[str, Any]:
    """
    Train, judge and calibrate; returns the row of ``results.other_models``.

    Raises LeakError if anything that judges the trees of a fold would train them.
    """
    from needle_assets.classifiers.others import areas, fit_others

    started, ids = time.monotonic(), np.array(chosen.object_ids)
    for k in range(int(chosen.fold.max()) + 1):
        trained, judged = ids[chosen.fold != k].tolist(), ids[chosen.fold == k].tolist()
        require_no_leak(TrainingPart(trained, judged, scaled=trained, identity=chosen.identity), chosen.untouched)
    seed = int(rng_for(settings.seed, "results.other_models", settings.training.seed).integers(2**31))
    model, p_other = fit_others(chosen.features, chosen.y, chosen.fold, prior=settings.other.prior, seed=seed)
    rng = rng_for(settings.seed, "results.other_models", "intervals")
    told = json.dumps([chosen.object_ids, model.slope, model.intercept]).encode()
    return {
        "model_id": hashlib.sha256(told + b"".join(model.trees)).hexdigest()[:16],
        "model_kind": "trees",
        "fingerprint": chosen.fingerprint(settings),
        "n_folds": len(model.trees),
        "prior": settings.other.prior,
        "n_classified": int((~chosen.is_other).sum()),
        "n_other": int(chosen.is_other.sum()),
        **areas(p_other, chosen.is_other, rng, n_bootstrap=settings.metrics.n_bootstrap),
        "features": list(HOSTED_FEATURES),
        "trained_ids": list(chosen.object_ids),
        "fold_of": chosen.fold.tolist(),
        "is_other": chosen.is_other.tolist(),
        "p_other": p_other.tolist(),
        "weights": list(model.trees),
        "slope": model.slope,
        "intercept": model.intercept,
        "seed": seed,
        "seconds": time.monotonic() - started,
    }
