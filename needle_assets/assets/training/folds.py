"""Glue of training: which models a training set asks for, and one model from frozen rows and mapped files of pixels."""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import polars as pl

from needle_assets.assets.samples import usable_by
from needle_assets.errors import NeedleError, Rejection
from needle_assets.labels import LABELS, SN, TDE
from needle_assets.light_curves.features import HOSTED_FEATURES, HOSTLESS_FEATURES
from needle_assets.randomness import rng_for
from needle_assets.samples.ablations import Ablation
from needle_assets.samples.leakage import Parents, TrainingPart, require_no_leak
from needle_assets.samples.scaling import Scaler, feature_weights
from needle_assets.samples.splits import groups_of_folds
from needle_assets.settings import Settings, TrainingSettings

if TYPE_CHECKING:
    from needle_assets.classifiers.focal_loss import FocalLoss
    from needle_assets.classifiers.training import Plan, Samples, Trained

CODE_VERSION = "2"
MIN_OF_CLASS = 2


class TrainingError(NeedleError):
    """Training cannot start; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Job:
    """One model to train: who takes part, which synthetic samples, and the hash that says whether it is up to date."""

    ablation: Ablation
    model_kind: str
    fold: int
    n_folds: int
    folds: tuple[int, ...]
    classes: tuple[str, ...]
    trained: tuple[str, ...]
    validated: tuple[str, ...]
    synthetic: tuple[tuple[str, int], ...]
    fingerprint: str

    @property
    def name(self) -> str:
        """For people and file names."""
        return f"{self.ablation.name}-{self.model_kind}-{self.fold}"


@dataclass(frozen=True)
class TrainingSet:
    """
    Everything that training reads, frozen: splits with row hashes, features, recipes; the untouched ids to keep away from.

    ``identity`` gives all ids of an object one name, where it has several.
    """

    training_set_id: str
    rows: pl.DataFrame
    features: pl.DataFrame
    synthetic: pl.DataFrame
    untouched: frozenset[str]
    identity: Mapping[str, str] = field(default_factory=dict)


def plan(frozen: TrainingSet, ablations: Sequence[Ablation], settings: Settings) -> tuple[list[Job], list[Rejection]]:
    """Every model that the ablations ask for, and what cannot be trained or only with fewer folds or classes, with the reason."""
    jobs: list[Job] = []
    refused: dict[str, Rejection] = {}
    for ablation in ablations:
        for kind in _kinds(ablation, settings):
            usable = frozen.rows.filter(usable_by(kind))
            try:
                shape = _shape(kind, usable, refused)
                jobs += _jobs(ablation, kind, usable, frozen, shape, settings)
            except Rejection as why:
                refused.setdefault(why.reason, why)
    return jobs, list(refused.values())


def _kinds(ablation: Ablation, settings: Settings) -> tuple[str, ...]:
    """NEEDLE-T, for the few hostless objects, is trained only where it would be deployed."""
    if not ablation.has_images:
        return ("metadata",)
    return ("TH", "T") if ablation.name in settings.training.deployed else ("TH",)


@dataclass(frozen=True)
class Shape:
    """Classes a kind of model tells apart, and which folds each of its models validates on."""

    classes: tuple[str, ...]
    folds: tuple[tuple[int, ...], ...]


def _shape(kind: str, usable: pl.DataFrame, refused: dict[str, Rejection]) -> Shape:
    counts = {label: int((usable["label"] == label).sum()) for label in LABELS}
    classes = tuple(label for label in LABELS if counts[label] >= MIN_OF_CLASS)
    if SN not in classes or len(classes) < 2:
        named = ", ".join(f"{n} {label}" for label, n in counts.items())
        raise Rejection(
            f"NEEDLE-{kind} was not trained: it can use {named}, and two of SN and of a rare class are needed.", **counts
        )
    for label in LABELS:
        if label not in classes and (kind, label) != ("T", TDE):
            reason = f"NEEDLE-{kind} does not know {label}: it can use {counts[label]}, and {MIN_OF_CLASS} are needed."
            refused.setdefault(reason, Rejection(reason, **counts))
    return Shape(classes, _folds(kind, usable.filter(pl.col("label").is_in(classes)), refused))


def _folds(kind: str, usable: pl.DataFrame, refused: dict[str, Rejection]) -> tuple[tuple[int, ...], ...]:
    n_folds = int(usable["n_folds"][0])
    if usable["fold"].null_count():
        return tuple((number,) for number in range(n_folds))
    groups = groups_of_folds(usable["fold"].to_list(), usable["label"].to_list(), n_folds)
    if groups is None:
        raise Rejection(f"NEEDLE-{kind} was not trained: all objects of a class share one fold, so no fold can do without it.")
    n_groups = max(groups) + 1
    if n_groups < n_folds:
        reason = f"NEEDLE-{kind} uses {n_groups} folds instead of {n_folds}: a class is too small to be in more."
        refused.setdefault(reason, Rejection(reason, n_folds=n_groups, n_folds_asked=n_folds))
    return tuple(tuple(fold for fold, group in enumerate(groups) if group == wanted) for wanted in range(n_groups))


def _jobs(
    ablation: Ablation, kind: str, usable: pl.DataFrame, frozen: TrainingSet, shape: Shape, settings: Settings
) -> Iterator[Job]:
    known = usable.filter(pl.col("label").is_in(shape.classes))
    for number, folds in enumerate(shape.folds):
        is_validated = pl.col("validation_of").list.eval(pl.element().is_in(folds)).list.any()
        trained, validated = known.filter(~is_validated), known.filter(is_validated)
        recipes = _recipes(ablation, kind, folds, frozen, settings)
        content = [
            *(CODE_VERSION, ablation.name, kind, folds, shape.classes, settings.seed, asdict(_relevant(settings.training))),
            *(trained.select("object_id", "row_hash").rows(), recipes.select("label", "sample", "seed", "parents_hash").rows()),
        ]
        yield Job(
            ablation=ablation,
            model_kind=kind,
            fold=number,
            n_folds=len(shape.folds),
            folds=folds,
            classes=shape.classes,
            trained=tuple(trained["object_id"]),
            validated=tuple(validated["object_id"]),
            synthetic=tuple(recipes.select("label", "sample").iter_rows()),
            fingerprint=hashlib.md5(repr(content).encode(), usedforsecurity=False).hexdigest(),
        )


def _apart(rows: pl.DataFrame, folds: tuple[int, ...]) -> pl.DataFrame:
    """Objects that none of these folds validates on."""
    return rows.filter(~pl.col("validation_of").list.eval(pl.element().is_in(folds)).list.any())


def _relevant(settings: TrainingSettings) -> TrainingSettings:
    """The settings that matter to one model: not which ablations are asked for."""
    return TrainingSettings(**{**asdict(settings), "ablations": (), "deployed": ()})


def _recipes(ablation: Ablation, kind: str, folds: tuple[int, ...], frozen: TrainingSet, settings: Settings) -> pl.DataFrame:
    """
    Synthetic samples of one training part. Where folds were joined, those of its first fold whose parents are all trained on.

    Raises TrainingError if more are asked for than are drawn.
    """
    if not ablation.is_upsampled:
        return frozen.synthetic.clear()
    wanted = settings.synthetic.n_per_class if ablation.n_synthetic is None else ablation.n_synthetic
    if wanted > settings.synthetic.n_per_class:
        raise TrainingError(
            f"{ablation.name} needs {wanted} synthetic samples per class, {settings.synthetic.n_per_class} are drawn; "
            f"set n_per_class = {wanted} in the section [synthetic] of the settings and refresh."
        )
    of_part = frozen.synthetic.filter((pl.col("model_kind") == kind) & (pl.col("fold") == folds[0]) & (pl.col("sample") < wanted))
    inside = _apart(frozen.rows, folds)["object_id"].implode()
    return of_part.filter(pl.col("light_curve_parent").is_in(inside) & pl.col("image_parent").is_in(inside))


Recipe = tuple[str, int, str, int]
Key = TypeVar("Key", str, Recipe)


class KeyedPixels(Generic[Key]):
    """
    Pairs of pixels, shape (n, n, 2), all of one size, in a file, each written and found under its key, in whatever order they come.

    Parameters
    ----------
    path : Path
        The ``.npy`` file, made anew.
    keys : sequence
        What each row belongs to: ids, or recipes as (model kind, fold, label, sample).
    """

    def __init__(self, path: Path, keys: Sequence[Key]) -> None:
        self.row_of: Mapping[Key, int] = {key: row for row, key in enumerate(keys)}
        self._missing: set[Key] = set(keys)
        self._path = path
        self._pixels: np.ndarray | None = None
        if not keys:  # an empty file cannot be mapped into memory
            np.save(path, np.zeros((0, 0, 0, 2), dtype=np.float32))

    def put(self, key: Key, pair: np.ndarray) -> None:
        """Write one pair. Raises KeyError for a key that was not named at the beginning."""
        row = self.row_of[key]
        if self._pixels is None:  # the first pair says how large they are
            shape = (len(self.row_of), *pair.shape)
            self._pixels = np.lib.format.open_memmap(self._path, mode="w+", dtype=np.float32, shape=shape)
        self._pixels[row] = pair
        self._missing.discard(key)

    def complete(self) -> Mapping[Key, int]:
        """Row by key, once every key has its pixels. Raises TrainingError naming those that have none."""
        if self._missing:
            first = ", ".join(str(key) for key in sorted(self._missing)[:5])
            raise TrainingError(
                f"{len(self._missing)} of {len(self.row_of)} stamps that training needs are not stored (the first: {first}); "
                "run `needle refresh`, then train again."
            )
        return self.row_of


@dataclass(frozen=True)
class Frozen:
    """Where the pixels lie: row of every object in the stamp files, and of every recipe in the rendered ones."""

    folder: Path
    row_of: Mapping[str, int]
    rendered: Mapping[Recipe, int]


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
    matrix = frozen.features.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    label_of = dict(frozen.rows.select("object_id", "label").iter_rows())
    wanted = set(job.synthetic)
    drawn = frozen.synthetic.filter((pl.col("model_kind") == job.model_kind) & (pl.col("fold") == job.folds[0]))
    drawn = drawn.filter(pl.Series([key in wanted for key in drawn.select("label", "sample").rows()], dtype=pl.Boolean))
    parts = (job.trained, job.validated)
    keys = [(job.model_kind, job.folds[0], *recipe) for recipe in drawn.select("label", "sample").rows()]
    rows = [tuple(files.row_of[object_id] for object_id in part) if job.ablation.has_images else () for part in parts]
    features = [matrix[[position[object_id] for object_id in part]] for part in parts]
    y = [np.array([job.classes.index(label_of[object_id]) for object_id in part], dtype=np.int64) for part in parts]
    return Task(
        job=job,
        folder=files.folder,
        image_rows=(rows[0], rows[1], tuple(files.rendered[key] for key in keys) if job.ablation.has_images else ()),
        features=(features[0], features[1], drawn.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()),
        y=(y[0], y[1], np.array([job.classes.index(label) for label in drawn["label"]], dtype=np.int64)),
        parents=tuple(Parents(*pair) for pair in drawn.select("light_curve_parent", "image_parent").iter_rows()),
        parted=frozenset(_apart(frozen.rows, job.folds)["object_id"]),
        untouched=frozen.untouched,
        settings=settings.training,
        seed=int(rng_for(settings.seed, "results.fold_models", settings.training.seed, job.model_kind, job.fold).integers(2**62)),
        identity=frozen.identity,
    )


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
        done = [_grown(one) for one in ready]
    elif ablation.has_images or settings.schedule != "one_cycle":
        from needle_assets.classifiers.training import train

        done = [train(one.training, one.validation, one.plan) for one in ready]
    else:
        from needle_assets.classifiers.replicas import train_committees

        done = train_committees(*([getattr(one, name) for one in ready] for name in ("training", "validation", "plan")))
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
    from needle_assets.classifiers.needle import Architecture
    from needle_assets.classifiers.training import Plan

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


def _grown(ready: _Ready) -> "Trained":
    from needle_assets.classifiers.training import Trained
    from needle_assets.classifiers.trees import N_ITERATIONS, fit_trees

    training, plan = ready.training, ready.plan
    trees = fit_trees(training.features, training.y, plan.loss.alpha, plan.seed % 2**31)
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
    from needle_assets.classifiers.training import chosen_device

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
    from needle_assets.classifiers.training import Samples

    y = np.concatenate([task.y[0], task.y[2]])
    return Samples(
        _pixels(task, [(0, stamp_file(is_masked=task.job.ablation.is_masked)), (2, "synthetic")]), np.arange(len(y)), features, y
    )


def _validation(task: Task, features: np.ndarray) -> "Samples":
    from needle_assets.classifiers.training import Samples

    pixels = _pixels(task, [(1, stamp_file(is_masked=task.job.ablation.is_masked))])
    return Samples(pixels, np.arange(len(task.y[1])), features, task.y[1])


def _pixels(task: Task, sources: Sequence[tuple[int, str]]) -> np.ndarray | None:
    if not task.job.ablation.has_images:
        return None
    parts = [np.load(task.folder / f"{name}.npy", mmap_mode="r")[list(task.image_rows[part])] for part, name in sources]
    return np.concatenate([part for part in parts if len(part)] or parts[:1])  # an empty file does not know how large pairs are


def stamp_file(*, is_masked: bool) -> str:
    """Name of the file with every object's pair, masked or as observed."""
    return "masked" if is_masked else "unmasked"
