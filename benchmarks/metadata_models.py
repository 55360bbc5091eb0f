"""Models without stamps against trees on the same features and folds of one's own home, with intervals; and which schedule to take.

NEEDLE_HOME=... python benchmarks/metadata_models.py [--seeds 5] [--arms before,metadata,trees_hidden] [--hosted] [--nested]

The home must be refreshed; nothing in it is changed. ``before`` is the training of version 1 (early stopping on the loss of a fold,
standardised features, Table 4's alpha). ``..._hidden`` draws missing values from the training part, so that they tell nothing.
``stacked`` is the mean of network and trees. ``--nested`` chooses a schedule within the nine other folds of every fold that judges.
Scores are kept in --folder; what is there is not computed again.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import experiment
import numpy as np
import polars as pl

from needle_assets.assets.models import P_COLUMNS, probabilities
from needle_assets.assets.trained.fold_models import TrainingSet, plan
from needle_assets.assets.trained.fold_tasks import Task, feature_names, task_of, together, train_tasks
from needle_assets.assets.trained.pixels import Frozen
from needle_assets.classifiers.metrics import pr_area
from needle_assets.home import Home
from needle_assets.labels import LABELS
from needle_assets.samples.ablations import ablation_named
from needle_assets.settings import Settings, TrainingSettings
from needle_assets.warehouse import exploring

# The training of version 1, and the other arms: ablation and settings.
BEFORE = {
    "schedule": "early_stopping",
    "epochs": 150,
    "patience": 15,
    "batch_size": 32,
    "learning_rate": 3e-4,
    "class_weights": "focal_alpha",
    "feature_scaling": "standard",
    "n_members": 1,
}
ARMS: dict[str, tuple[str, dict[str, object]]] = {
    "before": ("metadata", BEFORE),
    "before_upsampled": ("metadata_upsampled", BEFORE),
    "metadata": ("metadata", {}),
    "metadata_upsampled": ("metadata_upsampled", {}),
    "metadata_mask": ("metadata", {"missing_features": "mask"}),
    "metadata_hidden": ("metadata", {}),
    "metadata_standard": ("metadata", {"feature_scaling": "standard"}),
    "metadata_alone": ("metadata", {"n_members": 1}),
    "trees": ("trees", {}),
    "trees_hidden": ("trees", {}),
}
STACKED = {"stacked": ("metadata", "trees"), "stacked_hidden": ("metadata_hidden", "trees_hidden")}
QUESTIONS = (
    *(("metadata", "before"), ("metadata_upsampled", "before_upsampled"), ("metadata", "trees_hidden"), ("metadata", "trees")),
    *(("metadata_upsampled", "metadata"), ("metadata_mask", "metadata"), ("metadata", "metadata_standard")),
    *(("metadata", "metadata_alone"), ("metadata_hidden", "trees_hidden"), ("stacked", "trees"), ("stacked", "metadata")),
)
# One network each, to see more schedules in the same time.
SCHEDULES: dict[str, dict[str, object]] = {
    f"{epochs} epochs, rate {rate:g}": {"epochs": epochs, "learning_rate": rate, "n_members": 1}
    for epochs, rate in ((15, 1e-3), (30, 1e-3), (60, 1e-3), (30, 3e-3))
}
N_INNER = 3


def main() -> None:
    """Compute what is missing and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--folder", type=Path, default=Path("metadata_models"))
    parser.add_argument("--hosted", action="store_true", help="judge hosted objects only")
    parser.add_argument("--nested", action="store_true", help="choose the schedule within the training folds")
    chosen = parser.parse_args()
    home = Home(Path(os.environ["NEEDLE_HOME"]))
    chosen.folder.mkdir(exist_ok=True)
    frozen = training_set(home)
    if chosen.nested:
        nested(frozen, home.settings(), chosen.folder)
        return
    arms = chosen.arms.split(",")
    by_seed = [scores(frozen, home.settings(), seed, arms, chosen.folder) for seed in range(1, chosen.seeds + 1)]
    if chosen.hosted:
        hosted = frozen.rows.filter("is_hosted").select("object_id")
        by_seed = [{name: rows.join(hosted, on="object_id", how="semi") for name, rows in own.items()} for own in by_seed]
    tell(by_seed)


def training_set(home: Home) -> TrainingSet:
    """The training set of a published home, without what only a training in place needs."""
    names = feature_names("metadata")
    rows = exploring.frame(home.published, "select *, '' as row_hash from core.splits where not is_untouched order by object_id")
    features = exploring.frame(home.published, f"select object_id, {', '.join(names)} from core.features order by object_id")
    synthetic = "from core.synthetic_samples where model_kind = 'metadata' order by fold, label, sample"
    return TrainingSet("", rows, features, exploring.frame(home.published, synthetic), frozenset())


def scores(frozen: TrainingSet, settings: Settings, seed: int, arms: Sequence[str], folder: Path) -> dict[str, pl.DataFrame]:
    """Probabilities of every object by arm, each by the model that was not trained on its fold."""
    found = {}
    for arm in arms:
        kept = folder / f"{arm}-{seed}.parquet"
        if not kept.exists():
            started = time.monotonic()
            ablation, changes = ARMS[arm]
            judged(tasks(frozen, settings, ablation, changes, seed, is_hidden=arm.endswith("_hidden")), frozen).write_parquet(
                kept
            )
            print(f"{arm}, seed {seed}: {time.monotonic() - started:.0f} s", flush=True)
        found[arm] = pl.read_parquet(kept)
    for name, (one, other) in STACKED.items():
        if one in found and other in found:
            found[name] = found[one].with_columns([(pl.col(p) + found[other][p]) / 2.0 for p in P_COLUMNS])
    return found


def tasks(
    frozen: TrainingSet, settings: Settings, ablation: str, changes: Mapping[str, object], seed: int, *, is_hidden: bool = False
) -> list[Task]:
    """The models of one arm, a fold each."""
    given = replace(settings, training=replace(TrainingSettings(device="cpu"), seed=seed, **changes))  # type: ignore[arg-type]
    folder = Path(tempfile.mkdtemp())
    (folder / "progress").mkdir()
    jobs, _ = plan(frozen, [ablation_named(ablation)], given)
    made = [task_of(job, frozen, Frozen(folder, {}, {}), given) for job in jobs]
    return [_hidden(task, np.random.default_rng([seed, task.job.fold])) for task in made] if is_hidden else made


def _hidden(task: Task, rng: np.random.Generator) -> Task:
    """The same with missing values drawn from those of the real training rows, so that they tell nothing."""
    trained, validated, synthetic = (part.copy() for part in task.features)
    for column in range(trained.shape[1]):
        known = trained[np.isfinite(trained[:, column]), column]
        for part in (validated, synthetic, trained):
            missing = ~np.isfinite(part[:, column])
            part[missing, column] = rng.choice(known, missing.sum()) if len(known) else 0.0
    return replace(task, features=(trained, validated, synthetic))


def judged(made: Sequence[Task], frozen: TrainingSet) -> pl.DataFrame:
    """Train, and score what each model was not trained on."""
    parts = [part for group in together(made) for part in _scored(group)]
    labels = frozen.rows.select("object_id", "label")
    nowhere = {name: pl.lit(None, pl.Float64) for name in ("attention", "area")}
    return pl.concat(parts).join(labels, on="object_id").with_columns(**nowhere).sort("object_id")


def _scored(group: Sequence[Task]) -> Iterator[pl.DataFrame]:
    for task, row in zip(group, train_tasks(group), strict=True):
        model = {**row, "ablation": task.job.ablation.name}
        seen = pl.DataFrame(task.features[1], schema=list(feature_names("metadata")))
        p = probabilities(model, seen, {})
        yield pl.DataFrame({"object_id": list(task.job.validated), **dict(zip(P_COLUMNS, p.T, strict=True))})


def tell(by_seed: Sequence[Mapping[str, pl.DataFrame]]) -> None:
    """Areas of every arm and the differences that were asked for."""
    counts = next(iter(by_seed[0].values()))["label"].value_counts().sort("label").rows()
    print(f"\n{', '.join(f'{n} {label}' for label, n in counts)}; {len(by_seed)} seeds. Areas: mean over seeds (their scatter)")
    for arm in by_seed[0]:
        values = np.array([experiment.measured(own[arm])[:4] for own in by_seed])
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(4, np.nan)
        cells = "".join(f"{mean:>9.3f} ({std:.3f})" for mean, std in zip(values.mean(axis=0), spread, strict=True))
        print(f"{arm:<20}{cells}")
    experiment.differences(by_seed, {f"{one} - {other}": (one, other) for one, other in QUESTIONS})


def nested(frozen: TrainingSet, settings: Settings, folder: Path) -> None:
    """For every fold: the schedule that ranks best among the other folds, and what it is worth on the fold itself."""
    inner = {name: _inner_areas(frozen, settings, name, changes, folder) for name, changes in SCHEDULES.items()}
    best = [max(inner, key=lambda name: inner[name][fold]) for fold in range(len(next(iter(inner.values()))))]
    for name, areas in inner.items():
        print(f"{name:<24} inner mean of both areas {np.mean(areas):.3f}, chosen for {best.count(name)} folds", flush=True)
    outer = {}
    for name in sorted(set(best)):
        kept = folder / f"outer {name}.parquet"
        if not kept.exists():
            judged(tasks(frozen, settings, "metadata", SCHEDULES[name], 1), frozen).write_parquet(kept)
        outer[name] = pl.read_parquet(kept).join(frozen.rows.select("object_id", "fold"), on="object_id")
    picked = pl.concat([outer[name].filter(pl.col("fold") == fold) for fold, name in enumerate(best)]).sort("object_id")
    areas = experiment.measured(picked)
    print(f"folds judged by the schedule chosen without them: areas {areas[0]:.3f} and {areas[1]:.3f}")


def _inner_areas(frozen: TrainingSet, settings: Settings, name: str, changes: Mapping[str, object], folder: Path) -> list[float]:
    """Mean of both areas over the inner parts, for every outer fold."""
    kept = folder / f"inner {name}.npy"
    if not kept.exists():
        made = [part for task in tasks(frozen, settings, "metadata", changes, 1) for part in _inner(task)]
        parts = [part for group in together(made) for part in _scored(group)]
        labels = dict(frozen.rows.select("object_id", "label").iter_rows())
        np.save(kept, [_area(pl.concat(parts[k : k + N_INNER]), labels) for k in range(0, len(parts), N_INNER)])
    return list(map(float, np.load(kept)))


def _inner(task: Task) -> Iterator[Task]:
    """The training part of a task, divided again: class by class, in turn."""
    x, y, names = task.features[0], task.y[0], np.array(task.job.trained)
    turn = np.zeros(len(y), dtype=int)
    for k in np.unique(y):
        turn[y == k] = np.random.default_rng([task.job.fold, int(k)]).permutation((y == k).sum()) % N_INNER
    for part in range(N_INNER):
        own, other = turn != part, turn == part
        job = replace(task.job, trained=tuple(names[own]), validated=tuple(names[other]))
        yield replace(task, job=job, features=(x[own], x[other], task.features[2]), y=(y[own], y[other], task.y[2]))


def _area(rows: pl.DataFrame, labels: Mapping[str, str]) -> float:
    label = np.array([labels[name] for name in rows["object_id"]])
    p = rows.select(P_COLUMNS).to_numpy()
    return float(np.mean([pr_area(p[:, LABELS.index(rare)], label == rare) for rare in ("SLSN-I", "TDE")]))


if __name__ == "__main__":
    main()
