"""What synthetic samples are worth beside further real ones, in the paper's mix, for models without stamps.

python benchmarks/oracle.py [--seeds 5] [--folder oracle]

One simulated sky of photometry and hosts. Each seed draws 3832 SN, 42 SLSN-I and 54 TDE from it to train on, as many as the paper has,
draws 200 synthetic samples of either rare class from these, and, as the oracle, further real ones of the same sky. All are judged on
the same objects that no seed trains on, weighted to the paper's mix. Resumable: what was simulated, refreshed or trained is not done
again.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

import needle_assets.simulation as simulation
from needle_assets.assets.models import probabilities
from needle_assets.assets.samples import feature_matrix, synthetic_samples
from needle_assets.assets.trained.fold_models import Job
from needle_assets.assets.trained.fold_tasks import Task, feature_names, together, train_tasks
from needle_assets.classifiers.intervals import bootstrap_weights, percentile_interval
from needle_assets.classifiers.metrics import weighted_pr_areas
from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.labels import LABELS, SLSN, SN, TDE
from needle_assets.samples.ablations import ablation_named
from needle_assets.samples.leakage import Parents
from needle_assets.settings import Settings, TrainingSettings
from needle_assets.simulation.transients import OTHER
from needle_assets.warehouse import exploring

SEED = 4042
N_OBJECTS = 11_500
MIX = {SN: 0.74, SLSN: 0.13, TDE: 0.13, OTHER: 0.0}
TRAINED = {SN: 3832, SLSN: 42, TDE: 54}
JUDGED = {SN: 2500, SLSN: 250, TDE: 250}
N_SYNTHETIC = 200
FURTHER = (25, 50, 100, 200)
ARMS = ("real alone", f"{N_SYNTHETIC} synthetic", *(f"{n} further real" for n in FURTHER))
MODELS = ("metadata", "trees")
RARE = LABELS[1:]
NAMES = feature_names("metadata")
STORED = ("core.hosts", "core.light_curves", "core.gp_fits", "core.masked_stamps", "core.synthetic_samples", "lineage.objects")


@dataclass(frozen=True)
class Sky:
    """Labelled objects in an order of their own, their features, and which of each class judge."""

    rows: pl.DataFrame
    features: Mapping[str, np.ndarray]
    judged: tuple[str, ...]
    pool: Mapping[str, tuple[str, ...]]


def main() -> None:
    """Compute what is missing, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=N_OBJECTS)
    parser.add_argument("--folder", type=Path, default=Path("oracle"))
    chosen = parser.parse_args()
    home = prepared(chosen.folder, chosen.objects)
    sky = sky_of(home)
    by_seed = [scores(home, sky, seed, chosen.folder) for seed in range(1, chosen.seeds + 1)]
    tell(sky, by_seed)


def prepared(folder: Path, n_objects: int) -> Home:
    """The sky, as far as features and fits."""
    home = Home(folder / "home")
    if not home.published.exists():
        simulation.simulate(folder / "landing", objects=n_objects, seed=SEED, mix=MIX, has_packets=False, workers=1)
        select = ("core.features", "core.gp_fits", "core.splits")
        run_refresh(home, RefreshOptions(landing=folder / "landing", select=select, workers=1), show=True)
    return home


def sky_of(home: Home) -> Sky:
    """Who judges: the first of each class in an order drawn once; the others may be trained on."""
    columns = ", ".join(f"f.{name}" for name in NAMES)
    rows = exploring.frame(
        home.published,
        f"select s.*, {columns} from core.splits s join core.features f using (object_id) order by md5(object_id)",
    )
    values = feature_matrix(rows, NAMES)
    by_class = {str(label): tuple(part["object_id"]) for (label,), part in rows.partition_by("label", as_dict=True).items()}
    judged = tuple(name for label, n in JUDGED.items() for name in by_class[label][:n])
    pool = {label: names[JUDGED[label] :] for label, names in by_class.items()}
    return Sky(rows, dict(zip(rows["object_id"], values, strict=True)), judged, pool)


def scores(home: Home, sky: Sky, seed: int, folder: Path) -> dict[str, np.ndarray]:
    """Probabilities of the judging objects by ``model, arm``."""
    found = {}
    for model in MODELS:
        kept = folder / f"{model}-{seed}.npz"
        if not kept.exists():
            made = [task_of_arm(home, sky, seed, arm, model, folder) for arm in ARMS]
            rows = [row for group in together(made) for row in train_tasks(group)]
            seen = pl.DataFrame(np.array([sky.features[name] for name in sky.judged]), schema=list(NAMES))
            p = {arm: probabilities({**row, "ablation": model}, seen, {}) for arm, row in zip(ARMS, rows, strict=True)}
            np.savez_compressed(kept, **p)
            print(f"{model}, seed {seed}", flush=True)
        with np.load(kept) as stored:
            found |= {f"{model}, {arm}": stored[arm] for arm in ARMS}
    return found


def task_of_arm(home: Home, sky: Sky, seed: int, arm: str, model: str, folder: Path) -> Task:
    """One model: who trains it, with what beside."""
    rng = np.random.default_rng([SEED, seed])
    order = {label: rng.permutation(np.array(names)) for label, names in sky.pool.items()}
    n_further = int(arm.split()[0]) if arm.endswith("further real") else 0
    trained = {label: list(names[: TRAINED[label] + (n_further if label in RARE else 0)]) for label, names in order.items()}
    drawn = synthetic_of(home, sky, {label: list(order[label][: TRAINED[label]]) for label in RARE}, seed, folder)
    drawn = drawn if arm.endswith("synthetic") else drawn.clear()
    names = tuple(str(name) for label in LABELS for name in trained[label])
    label_of = dict(sky.rows.select("object_id", "label").iter_rows())
    (folder / "progress").mkdir(exist_ok=True)
    job = Job(ablation_named(model), "metadata", 0, 1, (0,), LABELS, names, sky.judged, (), f"{model} {arm} {seed}")
    return Task(
        job=job,
        folder=folder,
        image_rows=((), (), ()),
        features=(
            np.array([sky.features[name] for name in names]),
            np.array([sky.features[name] for name in sky.judged]),
            feature_matrix(drawn, NAMES),
        ),
        y=(
            np.array([LABELS.index(label_of[name]) for name in names]),
            np.array([LABELS.index(label_of[name]) for name in sky.judged]),
            np.array([LABELS.index(label) for label in drawn["label"]], dtype=np.int64),
        ),
        parents=tuple(Parents(*pair) for pair in drawn.select("light_curve_parent", "image_parent").iter_rows()),
        parted=frozenset(names),
        untouched=frozenset(),
        settings=TrainingSettings(device="cpu", seed=seed),
        seed=seed,
    )


def synthetic_of(home: Home, sky: Sky, parents: Mapping[str, Sequence[str]], seed: int, folder: Path) -> pl.DataFrame:
    """Synthetic samples of both rare classes from these parents alone, as a refresh draws them."""
    kept = folder / f"synthetic-{seed}.parquet"
    if not kept.exists():
        ids = [str(name) for names in parents.values() for name in names]
        frames = {name: _frame(home, name, ids) for name in STORED}
        frames["raw.objects"] = _frame(home, "raw.objects", ids)
        mine = sky.rows.filter(pl.col("object_id").is_in(ids)).with_columns(
            n_folds=pl.lit(1), validation_of=pl.lit([5], pl.List(pl.Int64)), is_untouched=pl.lit(value=False)
        )
        settings = replace(Settings(seed=seed), synthetic=replace(Settings().synthetic, n_per_class=N_SYNTHETIC))
        rows = synthetic_samples({**frames, "core.splits": mine}, settings).rows
        pl.DataFrame(rows, infer_schema_length=None).filter(pl.col("model_kind") == "metadata").write_parquet(kept)
    return pl.read_parquet(kept)


def _frame(home: Home, table: str, ids: Sequence[str]) -> pl.DataFrame:
    named = ", ".join(f"'{name}'" for name in ids) if table != "core.synthetic_samples" else "''"  # none were drawn before
    key = "light_curve_parent" if table == "core.synthetic_samples" else "object_id"
    return exploring.frame(home.published, f"from {table} where {key} in ({named}) order by all")


# -- what comes out -----------------------------------------------------------------------------------------------------


def tell(sky: Sky, by_seed: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Areas at the paper's mix, what is gained over real ones alone, and how many real ones synthetic samples are worth."""
    label_of = dict(sky.rows.select("object_id", "label").iter_rows())
    y = np.array([LABELS.index(label_of[name]) for name in sky.judged])
    share = np.array([TRAINED[label] / (y == k).sum() for k, label in enumerate(LABELS)])[y]
    drawn = np.concatenate([np.ones((1, len(y))), bootstrap_weights(y, 500, np.random.default_rng(SEED))]) * share
    areas = {
        key: np.array([[weighted_pr_areas(own[key][:, k], y == k, drawn) for k in (1, 2)] for own in by_seed])
        for key in by_seed[0]
    }
    for key, values in areas.items():
        gained = values - areas[f"{key.split(', ')[0]}, real alone"]
        cells = [f"{label} {values[:, k, 0].mean():.3f}, gained {_both(gained[:, k])}" for k, label in enumerate(RARE)]
        print(f"{key}: {'; '.join(cells)}")
    for model in MODELS:
        for k, label in enumerate(RARE):
            curve = np.array([areas[f"{model}, {arm}"][:, k] for arm in (ARMS[0], *ARMS[2:])])
            synthetic = areas[f"{model}, {ARMS[1]}"][:, k]
            worth = [_worth(curve[..., b].mean(axis=1), synthetic[:, b].mean()) for b in range(curve.shape[-1])]
            by_own = np.array([_worth(curve[:, s, 0], synthetic[s, 0]) for s in range(len(by_seed))])
            low, high = percentile_interval(np.array(worth[1:]))
            print(
                f"{model}, {label}: {N_SYNTHETIC} synthetic samples are worth {worth[0]:.0f} real ones (over objects {low:.0f} to "
                f"{high:.0f}; by seed {', '.join(f'{value:.0f}' for value in by_own)})"
            )


def _both(gained: np.ndarray) -> str:
    """Mean over seeds of the difference, with its intervals over seeds (Student) and over objects (bootstrap)."""
    by_seed, n = gained[:, 0], len(gained)
    half = stats.t.ppf(0.975, n - 1) * by_seed.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    low, high = percentile_interval(gained[:, 1:].mean(axis=0))
    return f"{by_seed.mean():+.3f} ({by_seed.mean() - half:+.3f} to {by_seed.mean() + half:+.3f}, {low:+.3f} to {high:+.3f})"


def _worth(curve: np.ndarray, synthetic: float) -> float:
    """How many further real ones give the area that synthetic ones give: the curve made rising, and interpolated; at most 200."""
    rising = np.maximum.accumulate(curve)
    return float(np.interp(synthetic, rising, (0, *FURTHER))) if synthetic > curve[0] else 0.0


if __name__ == "__main__":
    main()
