"""Does masking help, does up-sampling help? Table 7's three ablations on simulated objects, with paired differences over seeds.

python benchmarks/experiment.py [--objects 1500] [--folds 3] [--seeds 3] [--folder experiment]

Resumable: what was simulated, refreshed or trained is not done again. A seed is another deal of the folds, another draw of synthetic
samples, and other first weights; the objects stay the same.
"""

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from needle_assets.classifiers.intervals import bootstrap_weights, percentile_interval
from needle_assets.classifiers.metrics import RARE, confidences, pr_area
from needle_assets.cli.verbs import RefreshOptions, TrainOptions, run_refresh, run_simulate, run_train
from needle_assets.home import Home
from needle_assets.labels import LABELS
from needle_assets.settings import TrainingSettings
from needle_assets.warehouse import exploring

SEED = 2026
ABLATIONS = ("unmasked", "masked", "masked_upsampled")
SCHEDULE = ("epochs", "patience", "learning_rate", "balanced_draws")
QUESTIONS = {
    "does masking help? masked - unmasked": ("masked", "unmasked"),
    "does up-sampling help? masked_upsampled - masked": ("masked_upsampled", "masked"),
}
METRICS = ("pr_area_SLSN-I", "pr_area_TDE", "b_confidence", "macro_confidence_true", "attention_on_source")
SETTINGS = """\
# Made by benchmarks/experiment.py
[splits]
n_folds = {folds}
deal = {seed}
[training]
deployed = []
seed = {seed}
schedule = "early_stopping"
batch_size = 32
class_weights = "focal_alpha"
feature_scaling = "standard"
missing_features = "median"
n_members = 1
"""


def main() -> None:
    """Simulate, refresh, train what is missing, and say how it comes out."""
    chosen = arguments(__doc__)
    started = time.monotonic()
    base = prepared(chosen)
    for seed in range(1, chosen.seeds + 1):
        home = home_of(base, chosen, seed)
        done = run_train(home, TrainOptions(ablations=tuple(chosen.ablations.split(","))), show=True)
        rate = f", {done['samples_per_second']:.0f} samples/s in each of two processes" if done["trained"] else ""
        print(f"seed {seed}: {done['trained']} models trained, {done['up_to_date']} were there{rate}", flush=True)
    report([home_of(base, chosen, seed) for seed in range(1, chosen.seeds + 1)], chosen)
    print(f"this run took {(time.monotonic() - started) / 60:.1f} min")


def arguments(description: str) -> argparse.Namespace:
    """The options of the experiment, and of what is built on it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("experiment"))
    parser.add_argument("--objects", type=int, default=1500)
    parser.add_argument("--mix", default="demo", help="default (as the survey), demo (rare classes enriched) or shares")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ablations", default=",".join(ABLATIONS))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--balanced-draws", type=int, default=480)
    return parser.parse_args()


def prepared(chosen: argparse.Namespace) -> Home:
    """The home that all seeds start from: simulated and refreshed once."""
    landing, home = chosen.folder / "landing", Home((chosen.folder / "base").resolve())
    if not (landing / "bts.csv").exists():
        run_simulate(landing, objects=chosen.objects, seed=SEED, nights=None, mix=chosen.mix, workers=2, show=True)
    home.prepare()
    if not home.settings_file.exists():
        home.settings_file.write_text(f"[splits]\nn_folds = {chosen.folds}\n", encoding="utf-8")
    done = run_refresh(home, RefreshOptions(landing=landing), show=True)
    print(f"{done['objects']} simulated objects with data; refreshed in {done['seconds']:.0f} s", flush=True)
    return home


def home_of(base: Home, chosen: argparse.Namespace, seed: int) -> Home:
    """The home of a seed, trained with the experiment's own schedule."""
    return copied(base, chosen, f"seed-{seed}", settings_of(chosen, seed, chosen))


def settings_of(chosen: argparse.Namespace, seed: int, schedule: argparse.Namespace | TrainingSettings) -> str:
    """Settings of a seed: its own deal and first weights, and how long and with which samples is trained."""
    trained = "".join(f"{name} = {getattr(schedule, name)}\n" for name in SCHEDULE)
    return SETTINGS.format(folds=chosen.folds, seed=seed) + trained


def copied(base: Home, chosen: argparse.Namespace, name: str, settings: str) -> Home:
    """A copy of the base with other settings; only what reads them is computed anew."""
    path = base.path.with_name(name)
    if not path.exists():
        partial = path.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(base.path, partial, ignore=shutil.ignore_patterns("dagster", "runs"))
        (partial / "settings.toml").write_text(settings, encoding="utf-8")
        partial.rename(path)
    home = Home(path)
    run_refresh(home, RefreshOptions(landing=chosen.folder / "landing"), show=True)
    return home


def scores(home: Home, part: str) -> dict[str, pl.DataFrame]:
    """Mean probabilities of each object by ablation, sorted by id, of the models that may judge it."""
    found = exploring.frame(
        home.published,
        "select p.ablation, object_id, s.label, avg(p_sn) as p_sn, avg(p_slsn) as p_slsn, avg(p_tde) as p_tde, "
        "avg(attention_fraction) as attention, avg(source_fraction) as area from results.predictions p "
        f"join core.splits s using (object_id) where model_kind <> 'T' and \"set\" = '{part}' group by all order by all",
    )
    return {str(key[0]): rows for key, rows in found.partition_by("ablation", as_dict=True, maintain_order=True).items()}


def measured(rows: pl.DataFrame, weights: np.ndarray | None = None) -> np.ndarray:
    """METRICS of some objects, each counted as often as ``weights`` say."""
    chosen = np.arange(len(rows)) if weights is None else np.repeat(np.arange(len(rows)), weights.astype(int))
    p = rows.select("p_sn", "p_slsn", "p_tde").to_numpy()[chosen]
    y = np.array([LABELS.index(label) for label in rows["label"]], dtype=np.int64)[chosen]
    sure = confidences(p, y)
    attention = rows["attention"].cast(pl.Float64).fill_null(np.nan).to_numpy()[chosen]
    looked = float(np.nanmean(attention)) if np.isfinite(attention).any() else np.nan
    return np.array([*(pr_area(p[:, k], y == k) for k in RARE), *(sure[name] for name in METRICS[2:4]), looked])


def report(homes: Sequence[Home], chosen: argparse.Namespace) -> None:
    """Print everything and keep it as JSON."""
    ablations = chosen.ablations.split(",")
    found: dict[str, object] = {"simulated": True, "objects": chosen.objects, "seeds": len(homes)}
    print("\nEverything here is SIMULATED. Mean over seeds (scatter over seeds):")
    for part in ("validation", "untouched"):
        by_seed = [scores(home, part) for home in homes]
        n = by_seed[0][ablations[0]]["label"].value_counts().sort("label").rows()
        print(f"\n{part}: {', '.join(f'{count} {label}' for label, count in n)}")
        print(f"{'':<20}" + "".join(f"{name:>24}" for name in METRICS))
        for ablation in ablations:
            values = np.array([measured(own[ablation]) for own in by_seed])
            scatter = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(METRICS), np.nan)
            cells = [
                "-" if np.isnan(mean) else f"{mean:.3f} ({std:.3f})"
                for mean, std in zip(values.mean(axis=0), scatter, strict=True)
            ]
            print(f"{ablation:<20}" + "".join(f"{cell:>24}" for cell in cells))
            found[f"{part} {ablation}"] = dict(zip(METRICS, values.T.tolist(), strict=True))
        found |= {f"{part} {question}": answer for question, answer in differences(by_seed, QUESTIONS).items()}
    explain(homes)
    (chosen.folder / "experiment.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def differences(
    by_seed: Sequence[Mapping[str, pl.DataFrame]], questions: Mapping[str, tuple[str, str]]
) -> dict[str, dict[str, list[float]]]:
    """Paired differences: the same objects, folds and first weights; intervals over seeds (Student) and over objects (bootstrap)."""
    answers: dict[str, dict[str, list[float]]] = {}
    for question, (one, other) in questions.items():
        if not all(one in own and other in own for own in by_seed):
            continue
        print(f"\n{question}; 95 % over seeds | over objects")
        each = np.array([measured(own[one]) - measured(own[other]) for own in by_seed])
        drawn = _over_objects(by_seed, one, other)
        answers[question] = {}
        for k, name in enumerate(METRICS):
            mean, half = each[:, k].mean(), _half_width(each[:, k])
            if np.isnan(mean):
                continue  # features alone look nowhere, and nobody looks at untouched objects one by one
            low, high = percentile_interval(drawn[:, k])
            print(
                f"  {name:<22}{mean:+.3f}   {mean - half:+.3f} to {mean + half:+.3f} | {low:+.3f} to {high:+.3f}   "
                f"{verdict(mean - half, mean + half, low, high)}"
            )
            answers[question][name] = [float(v) for v in (mean, mean - half, mean + half, low, high, *each[:, k])]
    return answers


def verdict(*ends: float) -> str:
    """In a word: what both intervals say."""
    if not np.isfinite(ends).all():
        return "one seed says nothing"
    return "helps" if min(ends) > 0 else "harms" if max(ends) < 0 else "not shown"


def _half_width(values: np.ndarray) -> float:
    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def _over_objects(by_seed: Sequence[Mapping[str, pl.DataFrame]], one: str, other: str) -> np.ndarray:
    """Mean difference over seeds in 200 resamples of the objects; each object is drawn for all seeds together."""
    ids = by_seed[0][one].select("object_id", "label")
    weights = bootstrap_weights(np.unique(ids["label"].to_numpy(), return_inverse=True)[1], 200, np.random.default_rng(SEED))
    drawn = []
    for row in weights:
        counted = ids.with_columns(weight=pl.Series(row))
        drawn.append(np.mean([_weighted(own[one], counted) - _weighted(own[other], counted) for own in by_seed], axis=0))
    return np.array(drawn)


def _weighted(rows: pl.DataFrame, counted: pl.DataFrame) -> np.ndarray:
    joined = rows.join(counted.select("object_id", "weight"), on="object_id", how="left").with_columns(
        pl.col("weight").fill_null(0)
    )
    return measured(joined, joined["weight"].to_numpy())


def explain(homes: Sequence[Home]) -> None:
    """Why it comes out so: where networks look, whether synthetic samples are told from real ones, how training went."""
    print(
        "\nWhere networks look (Grad-CAM of validated objects, seeds apart): share on transient and host, their share of pixels"
    )
    by_seed = [scores(home, "validation") for home in homes]
    for ablation in ABLATIONS:
        looked = [own[ablation] for own in by_seed if ablation in own]
        shares = "  ".join(f"{_mean(rows, 'attention'):.3f}" for rows in looked)
        print(f"  {ablation:<20}{shares}   of {_mean(looked[0], 'area'):.3f}" if looked else f"  {ablation:<20}-")
    print("\nCan synthetic samples be told from real ones? ROC area with its 95 % interval; 0.65 or more has failed")
    query = "select label, auc, ci_low, ci_high from results.realism where model_kind = 'TH' order by 1"
    for k, home in enumerate(homes, start=1):
        told = [f"{r['label']} {r['auc']:.2f} ({r['ci_low']:.2f} to {r['ci_high']:.2f})" for r in _rows(home, query)]
        print(f"  seed {k}: {', '.join(told)}")
    print("\nHow training went, means over models")
    for k, home in enumerate(homes, start=1):
        for r in _rows(home, LEARNING):
            print(
                f"  seed {k} {r['ablation']:<20} {r['n']} models, {r['real']:.0f} real + {r['synthetic']:.0f} synthetic, "
                f"best epoch {r['best']:.0f} of {r['epochs']:.0f}, loss there {r['training']:.4f} (validation {r['validation']:.4f}), "
                f"{r['shown']:.0f} shown in {r['seconds']:.0f} s"
            )


LEARNING = (
    "select ablation, count(*) as n, avg(n_training) as real, avg(n_synthetic) as synthetic, avg(best_epoch) as best, "
    "avg(len(history_training_loss)) as epochs, avg(history_training_loss[best_epoch + 1]) as training, "
    "avg(history_validation_loss[best_epoch + 1]) as validation, avg(n_shown) as shown, avg(seconds) as seconds "
    "from results.fold_models where model_kind = 'TH' group by 1 order by 1 desc"
)


def _rows(home: Home, query: str) -> list[dict[str, Any]]:
    return exploring.frame(home.published, query).to_dicts()


def _mean(rows: pl.DataFrame, column: str) -> float:
    return float(np.nanmean(rows[column].cast(pl.Float64).fill_null(np.nan).to_numpy()))


if __name__ == "__main__":
    main()
