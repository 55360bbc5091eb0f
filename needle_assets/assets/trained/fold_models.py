"""Which models a training set asks for: their classes, folds, objects and samples, and the hash that says what is up to date."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import polars as pl

from needle_assets.assets.samples import usable_by
from needle_assets.errors import NeedleError, Rejection
from needle_assets.labels import LABELS, SN, TDE
from needle_assets.samples.ablations import Ablation
from needle_assets.samples.splits import groups_of_folds
from needle_assets.settings import Settings, TrainingSettings

CODE_VERSION = "3"
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
    ``early`` are features of the same objects as of several moments.

    ``identity`` gives all ids of an object one name, where it has several.
    """

    training_set_id: str
    rows: pl.DataFrame
    features: pl.DataFrame
    synthetic: pl.DataFrame
    untouched: frozenset[str]
    identity: Mapping[str, str] = field(default_factory=dict)
    early: pl.DataFrame = field(default_factory=pl.DataFrame)


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
            *([_content(early_of(frozen, trained["object_id"]))] if ablation.is_early else []),
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


def early_of(frozen: TrainingSet, object_ids: Iterable[str]) -> pl.DataFrame:
    """Features as of several moments of some objects, sorted by object and time."""
    return frozen.early.filter(pl.col("object_id").is_in(list(object_ids))).sort("object_id", "as_of_mjd", "moment")


def _content(rows: pl.DataFrame) -> str:
    return hashlib.md5(rows.write_csv().encode(), usedforsecurity=False).hexdigest()


def apart(rows: pl.DataFrame, folds: tuple[int, ...]) -> pl.DataFrame:
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
    inside = apart(frozen.rows, folds)["object_id"].implode()
    return of_part.filter(pl.col("light_curve_parent").is_in(inside) & pl.col("image_parent").is_in(inside))
