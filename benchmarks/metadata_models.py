"""Models without stamps against trees on the same features and folds of one's own home, with intervals; and which way to take.

NEEDLE_HOME=... python benchmarks/metadata_models.py [--seeds 5] [--arms before,metadata,trees_hidden] [--hosted] [--nested]

The home must be refreshed; nothing in it is changed. ``before`` is the training of version 1 (early stopping on the loss of a fold,
standardised features, Table 4's alpha). ``..._hidden`` draws missing values from the training part, so that they tell nothing.
``..._limits`` gives an object without a host one as faint as its survey of hosts sees, at no distance.
``stacked`` is the mean of network and trees. ``--nested`` chooses among WAYS within the nine other folds of every fold that judges.
Scores are kept in --folder; what is there is not computed again.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
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
    "missing_features": "median",
    "n_members": 1,
}
MEDIAN = {"missing_features": "median"}
ARMS: dict[str, tuple[str, dict[str, object]]] = {
    "before": ("metadata", BEFORE),
    "before_upsampled": ("metadata_upsampled", BEFORE),
    "metadata": ("metadata", {}),
    "metadata_upsampled": ("metadata_upsampled", {}),
    "metadata_fast": ("metadata", {"learning_rate": 3e-3}),
    "metadata_hidden": ("metadata", {}),
    "median": ("metadata", MEDIAN),
    "median_fast": ("metadata", {**MEDIAN, "learning_rate": 3e-3}),
    "median_standard": ("metadata", {**MEDIAN, "feature_scaling": "standard"}),
    "median_alone": ("metadata", {**MEDIAN, "n_members": 1}),
    "median_upsampled": ("metadata_upsampled", MEDIAN),
    "trees": ("trees", {}),
    "trees_hidden": ("trees", {}),
    "metadata_limits": ("metadata", {}),
    "trees_limits": ("trees", {}),
}
# Depth of the stacked images of Pan-STARRS 1, 5 sigma, AB (Chambers et al. 2016, Table 11).
HOST_LIMIT_MAG = {"g": 23.3, "r": 23.2, "i": 23.1, "z": 22.3, "y": 21.4}
STACKED = {"stacked": ("metadata", "trees"), "stacked_hidden": ("metadata_hidden", "trees_hidden")}
QUESTIONS = (
    *(
        ("stacked", "before"),
        ("stacked", "trees_hidden"),
        ("metadata", "before"),
        ("metadata_upsampled", "before_upsampled"),
        ("metadata", "trees_hidden"),
        ("metadata", "trees"),
    ),
    *(("metadata_upsampled", "metadata"), ("metadata", "median"), ("median", "median_standard"), ("median", "median_alone")),
    *(("median_upsampled", "median"), ("metadata_hidden", "trees_hidden"), ("stacked", "trees"), ("stacked", "metadata")),
    *(("metadata_limits", "metadata"), ("trees_limits", "trees")),
)
# What --nested chooses among: arms, whose probabilities are averaged where there are several.
WAYS: dict[str, tuple[str, ...]] = {
    "median": ("median",),
    "median, rate 0.003": ("median_fast",),
    "mask": ("metadata",),
    "mask, rate 0.003": ("metadata_fast",),
    "trees": ("trees",),
    "mask and trees": ("metadata", "trees"),
    "mask, rate 0.003, and trees": ("metadata_fast", "trees"),
}
N_INNER = 3


def main() -> None:
    """Compute what is missing and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--folder", type=Path, default=Path("metadata_models"))
    parser.add_argument("--hosted", action="store_true", help="judge hosted objects only")
    parser.add_argument("--nested", action="store_true", help="choose a way within the training folds")
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
            judged(tasks(frozen, settings, ablation, changes, seed, arm.partition("_")[2]), frozen).write_parquet(kept)
            print(f"{arm}, seed {seed}: {time.monotonic() - started:.0f} s", flush=True)
        found[arm] = pl.read_parquet(kept)
    for name, (one, other) in STACKED.items():
        if one in found and other in found:
            found[name] = _mean([found[one], found[other]])
    return found


def tasks(
    frozen: TrainingSet, settings: Settings, ablation: str, changes: Mapping[str, object], seed: int, filled: str = ""
) -> list[Task]:
    """The models of one arm, a fold each; missing values filled in the way of that name, if there is one."""
    given = replace(settings, training=replace(TrainingSettings(device="cpu"), seed=seed, **changes))  # type: ignore[arg-type]
    folder = Path(tempfile.mkdtemp())
    (folder / "progress").mkdir()
    jobs, _ = plan(frozen, [ablation_named(ablation)], given)
    made = [task_of(job, frozen, Frozen(folder, {}, {}), given) for job in jobs]
    if filled == "limits":
        return [replace(task, features=_limited(task.features)) for task in made]
    return [_hidden(task, np.random.default_rng([seed, task.job.fold])) for task in made] if filled == "hidden" else made


def _limited(parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with a host at the survey's limits for objects without one, as FLEET has it."""
    trained, validated, synthetic = (_with_faint_hosts(part) for part in parts)
    return trained, validated, synthetic


def _with_faint_hosts(features: np.ndarray) -> np.ndarray:
    of = dict(zip(feature_names("metadata"), features.T.copy(), strict=True))
    has_none = np.isnan([of["separation_arcsec"], *(of[f"host_{band}_mag"] for band in HOST_LIMIT_MAG)]).all(axis=0)
    of["separation_arcsec"][has_none] = 0.0
    for band, mag in HOST_LIMIT_MAG.items():
        of[f"host_{band}_mag"][has_none] = mag
    for one, other in pairwise(HOST_LIMIT_MAG):
        of[f"host_{one}_minus_{other}_mag"][has_none] = HOST_LIMIT_MAG[one] - HOST_LIMIT_MAG[other]
    for band in ("g", "r"):
        of[f"peak_minus_host_mag_{band}"][has_none] = of[f"peak_mag_{band}"][has_none] - HOST_LIMIT_MAG[band]
    contrast = of["peak_minus_host_mag_g"] - of["peak_minus_host_mag_r"]
    of["peak_minus_host_g_minus_r_mag"][has_none] = contrast[has_none]
    return np.column_stack(list(of.values()))


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
    """For every fold: the way that ranks best among the other folds, and what it is worth on the fold itself."""
    used = sorted({arm for arms in WAYS.values() for arm in arms})
    inner = {arm: _inner_scores(frozen, settings, arm, folder) for arm in used}
    areas = {way: _areas(_mean([inner[arm] for arm in arms])) for way, arms in WAYS.items()}
    best = [max(WAYS, key=lambda way: areas[way][fold]) for fold in range(len(areas["median"]))]
    for way, found in areas.items():
        print(f"{way:<28} inner mean of both areas {np.mean(found):.3f}, chosen for {best.count(way)} folds", flush=True)
    outer = scores(frozen, settings, 1, used, folder)
    places = frozen.rows.select("object_id", "fold")
    ways = {way: _mean([outer[arm] for arm in WAYS[way]]).join(places, on="object_id") for way in set(best)}
    picked = pl.concat([ways[way].filter(pl.col("fold") == fold) for fold, way in enumerate(best)]).sort("object_id")
    told = experiment.measured(picked)
    print(f"folds judged by the way chosen without them: areas {told[0]:.3f} and {told[1]:.3f}")


def _inner_scores(frozen: TrainingSet, settings: Settings, arm: str, folder: Path) -> pl.DataFrame:
    """Scores of what the inner parts left out, for every outer fold."""
    kept = folder / f"inner {arm}.parquet"
    if not kept.exists():
        ablation, changes = ARMS[arm]
        made = [part for task in tasks(frozen, settings, ablation, changes, 1) for part in _inner(task)]
        parts = [part for group in together(made) for part in _scored(group)]
        numbered = [part.with_columns(outer=pl.lit(k // N_INNER)) for k, part in enumerate(parts)]
        labels = frozen.rows.select("object_id", "label")
        pl.concat(numbered).join(labels, on="object_id").sort("outer", "object_id").write_parquet(kept)
    return pl.read_parquet(kept)


def _mean(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Probabilities averaged over scores of the same objects in the same order."""
    return parts[0].with_columns([sum(part[p] for part in parts) / len(parts) for p in P_COLUMNS])


def _areas(rows: pl.DataFrame) -> list[float]:
    """Mean of both areas over the inner parts, for every outer fold."""
    return [_area(part) for (_,), part in sorted(rows.partition_by("outer", as_dict=True).items())]


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


def _area(rows: pl.DataFrame) -> float:
    label, p = rows["label"].to_numpy(), rows.select(P_COLUMNS).to_numpy()
    return float(np.mean([pr_area(p[:, LABELS.index(rare)], label == rare) for rare in ("SLSN-I", "TDE")]))


if __name__ == "__main__":
    main()
