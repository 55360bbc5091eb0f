"""One model from frozen rows and mapped files of pixels: a task for a worker, and the row that comes of it."""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from needle_assets.assets.samples import feature_matrix
from needle_assets.assets.trained.fold_models import Job, TrainingSet, apart, early_of
from needle_assets.assets.trained.pixels import Frozen, stamp_file
from needle_assets.labels import LABELS
from needle_assets.light_curves.features import HOSTED_FEATURES, HOSTLESS_FEATURES
from needle_assets.processes.memory import kept_for_reuse
from needle_assets.randomness import rng_for
from needle_assets.samples.leakage import Parents, TrainingPart, require_no_leak
from needle_assets.samples.scaling import Scaler, feature_weights
from needle_assets.settings import Settings, TrainingSettings

if TYPE_CHECKING:
    from needle_assets.classifiers.fitting import Plan, Samples, Trained
    from needle_assets.classifiers.focal_loss import FocalLoss


@dataclass(frozen=True)
class Task:
    """One model with everything a worker needs; pixels are named by row of the frozen files."""

    job: Job
    folder: Path
    image_rows: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    features: tuple[np.ndarray, np.ndarray, np.ndarray]
    y: tuple[np.ndarray, np.ndarray, np.ndarray]
    parents: tuple[Parents, ...]
    parted: frozenset[str]
    untouched: frozenset[str]
    settings: TrainingSettings
    seed: int
    identity: Mapping[str, str] = field(default_factory=dict)


def task_of(job: Job, frozen: TrainingSet, files: Frozen, settings: Settings) -> Task:
    """Everything a worker needs for one model."""
    names = feature_names(job.model_kind)
    position = {object_id: k for k, object_id in enumerate(frozen.features["object_id"])}
    matrix = feature_matrix(frozen.features, names)
    label_of = dict(frozen.rows.select("object_id", "label").iter_rows())
    wanted = set(job.synthetic)
    drawn = frozen.synthetic.filter((pl.col("model_kind") == job.model_kind) & (pl.col("fold") == job.folds[0]))
    drawn = drawn.filter(pl.Series([key in wanted for key in drawn.select("label", "sample").rows()], dtype=pl.Boolean))
    parts = (job.trained, job.validated)
    keys = [(job.model_kind, job.folds[0], *recipe) for recipe in drawn.select("label", "sample").rows()]
    rows = [tuple(files.row_of[object_id] for object_id in part) if job.ablation.has_images else () for part in parts]
    features = [matrix[[position[object_id] for object_id in part]] for part in parts]
    own = job.trained
    if job.ablation.is_early:
        early = _drawn_moments(early_of(frozen, job.trained), settings)
        own, features[0] = tuple(early["object_id"]), feature_matrix(early, names)
    y = [
        np.array([job.classes.index(label_of[object_id]) for object_id in part], dtype=np.int64) for part in (own, job.validated)
    ]
    return Task(
        job=job,
        folder=files.folder,
        image_rows=(rows[0], rows[1], tuple(files.rendered[key] for key in keys) if job.ablation.has_images else ()),
        features=(features[0], features[1], feature_matrix(drawn, names)),
        y=(y[0], y[1], np.array([job.classes.index(label) for label in drawn["label"]], dtype=np.int64)),
        parents=tuple(Parents(*pair) for pair in drawn.select("light_curve_parent", "image_parent").iter_rows()),
        parted=frozenset(apart(frozen.rows, job.folds)["object_id"]),
        untouched=frozen.untouched,
        settings=settings.training,
        seed=int(rng_for(settings.seed, "results.fold_models", settings.training.seed, job.model_kind, job.fold).integers(2**62)),
        identity=frozen.identity,
    )


def _drawn_moments(early: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Of each object as many of its moments as are wanted, drawn alike for every class; the draw depends on the object alone."""
    chosen, at = [], 0
    for object_id, n in early.group_by("object_id", maintain_order=True).len().iter_rows():
        rng = rng_for(settings.seed, "moments", settings.training.seed, object_id)
        chosen += sorted(at + rng.choice(n, size=min(n, settings.training.n_moments), replace=False))
        at += n
    return early[chosen]


def feature_names(model_kind: str) -> tuple[str, ...]:
    """Features a kind of model reads: without those of a host for hostless objects."""
    return HOSTLESS_FEATURES if model_kind == "T" else HOSTED_FEATURES


def together(tasks: Iterable[Task], n_workers: int = 1) -> Iterator[tuple[Task, ...]]:
    """
    Tasks as workers take them: networks without stamps of one ablation at once, where nothing stops them early; others alone.

    With several workers those of an ablation are shared out among them.
    """
    waiting: dict[tuple[str, tuple[str, ...]], list[Task]] = {}
    for task in tasks:
        ablation = task.job.ablation
        if ablation.has_images or ablation.is_trees or task.settings.schedule != "one_cycle":
            yield (task,)
        else:
            waiting.setdefault((ablation.name, task.job.classes), []).append(task)
    for group in waiting.values():
        yield from (tuple(group[k::n_workers]) for k in range(min(n_workers, len(group))))


def train_tasks(tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Train the models of :func:`together`; returns their rows of results.fold_models. Runs in a worker."""
    started = time.monotonic()
    ready = [_ready(task) for task in tasks]
    ablation, settings = tasks[0].job.ablation, tasks[0].settings
    if ablation.is_trees:
        done = [_grown(one, one.training.features) for one in ready]
    elif ablation.has_images or settings.schedule != "one_cycle":
        from needle_assets.classifiers.fitting import train

        with kept_for_reuse():
            done = [train(one.training, one.validation, one.plan) for one in ready]
    else:
        from needle_assets.classifiers.replicas import train_committees

        done = train_committees(*([getattr(one, name) for one in ready] for name in ("training", "validation", "plan")))
    if ablation.is_stacked:
        done = [_stacked(network, one) for network, one in zip(done, ready, strict=True)]
    for one in ready:
        one.plan.tell(1, 1)
    seconds = (time.monotonic() - started) / len(tasks)
    return [_model_row(one, trained, seconds) for one, trained in zip(ready, done, strict=True)]


@dataclass(frozen=True)
class _Ready:
    """A task whose leaks were looked for, its features scaled and its pixels in memory."""

    task: Task
    part: TrainingPart
    scaler: Scaler
    training: "Samples"
    validation: "Samples"
    plan: "Plan"
    reading_seconds: float


def _ready(task: Task) -> _Ready:
    from needle_assets.classifiers.fitting import Plan
    from needle_assets.classifiers.needle import Architecture

    job, settings = task.job, task.settings
    real, validated, synthetic = task.features
    part = TrainingPart(job.trained, job.validated, task.parents, task.parted, scaled=job.trained, identity=task.identity)
    require_no_leak(part, task.untouched)
    by_rank, has_mask = settings.feature_scaling == "rank", settings.missing_features == "mask"
    scaler = Scaler.fit(feature_names(job.model_kind), real, by_rank=by_rank, has_mask=has_mask)
    mode = "none" if job.ablation.is_trees else settings.feature_weights
    weights = feature_weights(scaler.apply(real), task.y[0], task.seed % 2**31, mode=mode)
    everything = np.concatenate([real, synthetic])
    reading = time.monotonic()
    # Trees want no scaling, and see for themselves what is missing.
    seen = (everything, validated) if job.ablation.is_trees else (scaler.apply(everything), scaler.apply(validated))
    training, validation = _samples(task, seen[0]), _validation(task, seen[1])
    reading = time.monotonic() - reading
    architecture = Architecture(job.ablation.has_images, scaler.n_columns, len(job.classes))
    told = task.folder / "progress" / job.name

    def tell(done: int, total: int) -> None:
        with suppress(OSError):  # how far it is only shows; the model is what counts
            told.write_text(f"{done} {total}", encoding="ascii")

    plan = Plan(settings, _loss(task), architecture, task.seed, weights, tell)
    return _Ready(task, part, scaler, training, validation, plan, reading)


def _stacked(network: "Trained", ready: _Ready) -> "Trained":
    """The same with trees on the features as they are, whose probabilities are averaged with the network's."""
    from needle_assets.classifiers.trees import joined

    trees = _grown(ready, np.concatenate([ready.task.features[0], ready.task.features[2]]))
    return replace(network, weights=joined(network.weights, trees.weights), n_shown=network.n_shown + trees.n_shown)


def _grown(ready: _Ready, features: np.ndarray) -> "Trained":
    from needle_assets.classifiers.fitting import Trained
    from needle_assets.classifiers.trees import N_ITERATIONS, fit_trees

    training, plan = ready.training, ready.plan
    trees = fit_trees(features, training.y, plan.loss.alpha, plan.seed % 2**31)
    return Trained(trees, N_ITERATIONS - 1, [], N_ITERATIONS * len(training), is_bit_exact=True)


def _model_row(ready: _Ready, done: "Trained", seconds: float) -> dict[str, Any]:
    job, settings, scaling = ready.task.job, ready.task.settings, json.dumps(ready.scaler.as_dict())
    return {
        "model_id": hashlib.sha256(job.name.encode() + done.weights + scaling.encode()).hexdigest()[:32],
        **_what_it_saw(job, ready.part),
        "seed": ready.task.seed,
        "weights": done.weights,
        "scaler": scaling,
        "feature_weights": np.asarray(ready.plan.feature_weights, dtype=float),
        "history_training_loss": [epoch["training_loss"] for epoch in done.history],
        "history_validation_loss": [epoch["validation_loss"] for epoch in done.history],
        "best_epoch": done.best_epoch,
        "n_shown": done.n_shown,
        "seconds": seconds,
        "device": "cpu" if job.ablation.is_trees else _device(settings),
        "is_bit_exact": done.is_bit_exact,
        "settings": json.dumps(asdict(settings), sort_keys=True),
        "reading_seconds": ready.reading_seconds,
    }


def _device(settings: TrainingSettings) -> str:
    from needle_assets.classifiers.fitting import chosen_device

    return chosen_device(settings).type


def _what_it_saw(job: Job, part: TrainingPart) -> dict[str, Any]:
    """Which model this is and who had a part in it, as the check of leaks saw it: columns of results.fold_models."""
    return {
        **{name: getattr(job, name) for name in ("model_kind", "fold", "n_folds", "folds", "classes", "fingerprint")},
        "ablation": job.ablation.name,
        "n_training": len(part.trained),
        "n_synthetic": len(job.synthetic),
        "n_validation": len(part.validated),
        "trained_ids": list(part.trained),
        "validated_ids": list(part.validated),
        "parent_ids": sorted({name for pair in part.parents for name in (pair.light_curve, pair.image)}),
        "scaled_ids": list(part.scaled),
    }


def _loss(task: Task) -> "FocalLoss":
    from needle_assets.classifiers.focal_loss import FocalLoss, alpha_for, cross_entropy

    settings, chosen = task.settings, [LABELS.index(label) for label in task.job.classes]
    alpha = tuple(settings.focal_alpha[k] for k in chosen)
    if settings.class_weights == "loss_shares":
        counts = np.bincount(np.concatenate([task.y[0], task.y[2]]), minlength=len(chosen))
        alpha = alpha_for([settings.loss_shares[k] for k in chosen], counts.tolist())
    if not task.job.ablation.is_focal:
        return cross_entropy(alpha)
    return FocalLoss(alpha, tuple(settings.focal_gamma[k] for k in chosen))


def _samples(task: Task, features: np.ndarray) -> "Samples":
    """Real and synthetic samples of the training part, their pixels in memory."""
    from needle_assets.classifiers.fitting import Samples

    y = np.concatenate([task.y[0], task.y[2]])
    return Samples(
        _pixels(task, [(0, stamp_file(is_masked=task.job.ablation.is_masked)), (2, "synthetic")]), np.arange(len(y)), features, y
    )


def _validation(task: Task, features: np.ndarray) -> "Samples":
    from needle_assets.classifiers.fitting import Samples

    pixels = _pixels(task, [(1, stamp_file(is_masked=task.job.ablation.is_masked))])
    return Samples(pixels, np.arange(len(task.y[1])), features, task.y[1])


def _pixels(task: Task, sources: Sequence[tuple[int, str]]) -> np.ndarray | None:
    if not task.job.ablation.has_images:
        return None
    parts = [np.load(task.folder / f"{name}.npy", mmap_mode="r")[list(task.image_rows[part])] for part, name in sources]
    return np.concatenate([part for part in parts if len(part)] or parts[:1])  # an empty file does not know how large pairs are
