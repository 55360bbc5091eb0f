"""May training be shorter? Two schedules on the same objects, folds, synthetic samples and first weights, with paired differences.

python benchmarks/schedules.py [--folder experiment] [--seeds 3] [the options of benchmarks/experiment.py]

"every sample" shows every sample in every epoch and stops early, as preset default once did; "balanced" is the schedule of
benchmarks/experiment.py, whose folder is used and gone on with. Resumable.
"""

import time
from collections.abc import Mapping

import experiment
import polars as pl

from needle_assets.cli.verbs import TrainOptions, run_train
from needle_assets.home import Home
from needle_assets.settings import TrainingSettings
from needle_assets.warehouse import exploring

ABLATIONS = ("masked_upsampled", "metadata_upsampled")
QUESTIONS = {
    f"is the balanced schedule as good? {ablation}: balanced - every sample": (f"{ablation} balanced", f"{ablation} every sample")
    for ablation in ABLATIONS
}
EVERY_SAMPLE = TrainingSettings(epochs=150, patience=15, learning_rate=3e-4)
PAPER_SAMPLES, PAPER_MODELS, PROCESSES = 5260, 10, 2
COST = (
    "select ablation, avg(n_training + n_synthetic) as samples, avg(n_shown) as shown, avg(len(history_training_loss)) as epochs, "
    "avg(best_epoch + 1) as best, sum(n_shown) / sum(seconds) as rate from results.fold_models group by 1 order by 1"
)


def main() -> None:
    """Train what is missing with both schedules and compare."""
    chosen = experiment.arguments(__doc__)
    started = time.monotonic()
    base = experiment.prepared(chosen)
    balanced, every = [], []
    for seed in range(1, chosen.seeds + 1):
        balanced.append(experiment.home_of(base, chosen, seed))
        settings = experiment.settings_of(chosen, seed, EVERY_SAMPLE)
        every.append(experiment.copied(base, chosen, f"every-sample-{seed}", settings))
        for home in (balanced[-1], every[-1]):
            run_train(home, TrainOptions(ablations=ABLATIONS), show=True)
    for part in ("validation", "untouched"):
        print(f"\n{part}, everything SIMULATED:")
        experiment.differences([_both(*homes, part) for homes in zip(balanced, every, strict=True)], QUESTIONS)
    for name, homes in (("balanced", balanced), ("every sample", every)):
        _cost(name, homes)
    print(f"this run took {(time.monotonic() - started) / 60:.1f} min")


def _both(balanced: Home, every: Home, part: str) -> Mapping[str, pl.DataFrame]:
    found = {"balanced": experiment.scores(balanced, part), "every sample": experiment.scores(every, part)}
    return {f"{ablation} {name}": scored[ablation] for name, scored in found.items() for ablation in ABLATIONS}


def _cost(name: str, homes: list[Home]) -> None:
    """How much a model was shown, and how long ten models of the paper's size would take on this machine."""
    rows = pl.concat([exploring.frame(home.published, COST) for home in homes])
    for ablation in ABLATIONS:
        cost = rows.filter(pl.col("ablation") == ablation).mean().row(0, named=True)
        # An epoch of balanced draws does not grow with the number of samples.
        at_paper_size = cost["shown"] * (1 if name == "balanced" else PAPER_SAMPLES / cost["samples"])
        hours = PAPER_MODELS * at_paper_size / cost["rate"] / PROCESSES / 3600
        print(
            f"{name}, {ablation}: {cost['shown']:.0f} shown to a model of {cost['samples']:.0f} samples in {cost['epochs']:.0f} epochs, "
            f"the best was {cost['best']:.0f}; {cost['rate']:.0f} a second in a process; if paper size takes as many, {hours:.2f} h"
        )


if __name__ == "__main__":
    main()
