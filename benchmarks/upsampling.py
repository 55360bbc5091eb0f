"""What up-sampling does and why: other numbers of synthetic samples, no images, and rare classes that only weigh more.

python benchmarks/upsampling.py [--folder experiment] [--seeds 3] [the options of benchmarks/experiment.py]

Works in the folder of benchmarks/experiment.py and uses what is trained there; everything is paired with ``masked``. "heavier" is
``masked`` with the rare classes weighted as if the synthetic samples were there: what it does, their number does and not their content.
Resumable.
"""

import argparse
import time
from collections.abc import Mapping, Sequence

import experiment
import numpy as np
import polars as pl

from needle_assets.cli.verbs import TrainOptions, run_train
from needle_assets.home import Home
from needle_assets.labels import LABELS
from needle_assets.settings import SyntheticSettings, TrainingSettings
from needle_assets.warehouse import exploring

N_SYNTHETIC, MANY = SyntheticSettings().n_per_class, 1000
USUAL = ("masked", "masked_upsampled_50", "masked_upsampled", "metadata", "metadata_upsampled")
HEAVIER, UPSAMPLED_BY_MANY = "masked, heavier", f"masked_upsampled_{MANY}"
PAIRS = {
    "masked_upsampled_50": "masked",
    "masked_upsampled": "masked",
    UPSAMPLED_BY_MANY: "masked",
    HEAVIER: "masked",
    "metadata_upsampled": "metadata",
}
QUESTIONS = {f"{one} - {other}": (one, other) for one, other in PAIRS.items()}


def main() -> None:
    """Train what is missing and compare."""
    chosen = experiment.arguments(__doc__)
    started = time.monotonic()
    base = experiment.prepared(chosen)
    seeds = [trained(base, chosen, seed) for seed in range(1, chosen.seeds + 1)]
    for part in ("validation", "untouched"):
        by_seed = [scores(homes, part) for homes in seeds]
        print(f"\n{part}, everything SIMULATED: mean over seeds")
        for ablation in (*USUAL, HEAVIER, UPSAMPLED_BY_MANY):
            means = np.mean([experiment.measured(own[ablation]) for own in by_seed], axis=0)
            named = zip(experiment.METRICS, means, strict=True)
            print(f"  {ablation:<24}" + "  ".join(f"{name} {value:.3f}" for name, value in named))
        experiment.differences(by_seed, QUESTIONS)
    print(f"this run took {(time.monotonic() - started) / 60:.1f} min")


def trained(base: Home, chosen: argparse.Namespace, seed: int) -> Sequence[Home]:
    """The homes of a seed: the experiment's own, one with heavier rare classes, one with more synthetic samples."""
    usual = experiment.home_of(base, chosen, seed)
    run_train(usual, TrainOptions(ablations=USUAL), show=True)
    text = (usual.path / "settings.toml").read_text(encoding="utf-8")
    heavier = experiment.copied(base, chosen, f"heavier-{seed}", f"{text}focal_alpha = {_heavier(usual, chosen.folds)}\n")
    run_train(heavier, TrainOptions(ablations=("masked",)), show=True)
    many = experiment.copied(base, chosen, f"many-{seed}", f"{text}[synthetic]\nn_per_class = {MANY}\n")
    run_train(many, TrainOptions(ablations=(UPSAMPLED_BY_MANY,)), show=True)
    return usual, heavier, many


def _heavier(home: Home, n_folds: int) -> list[float]:
    """Weights of the classes that give each rare one the part of the loss that it has among its synthetic samples."""
    query = "select label, count(*) from core.splits where fold is not null and is_hosted and has_good_pair group by 1"
    counts = dict(exploring.frame(home.published, query).iter_rows())
    real = {label: counts[label] * (n_folds - 1) / n_folds for label in LABELS}
    return [
        alpha * (1 if label == "SN" else (real[label] + N_SYNTHETIC) / real[label])
        for label, alpha in zip(LABELS, TrainingSettings().focal_alpha, strict=True)
    ]


def scores(homes: Sequence[Home], part: str) -> Mapping[str, pl.DataFrame]:
    """Mean probabilities by ablation of all three homes."""
    usual, heavier, many = (experiment.scores(home, part) for home in homes)
    return usual | many | {HEAVIER: heavier["masked"]}


if __name__ == "__main__":
    main()
