"""May training be shorter? Schedules on the same objects, folds, synthetic samples and first weights, with paired differences.

python benchmarks/schedules.py [--folder experiment] [--seeds 3] [the options of benchmarks/experiment.py]

"default" is one cycle of preset default; the others differ from it by what ``SCHEDULES`` says. Resumable, as benchmarks/experiment.py is,
whose simulated sky is used.
"""

import time
from collections.abc import Mapping

import experiment
import polars as pl

from needle_assets.cli.verbs import TrainOptions, run_train
from needle_assets.home import Home
from needle_assets.settings import TrainingSettings
from needle_assets.warehouse import exploring

ABLATION = "masked_upsampled"
EPOCHS = TrainingSettings().epochs
SCHEDULES = {
    "default": "",
    "two thirds": f"epochs = {EPOCHS * 2 // 3}\n",
    "balanced": "balanced_draws = 480\n",
}
QUESTIONS = {f"is it as good? {name} - default": (name, "default") for name in SCHEDULES if name != "default"}
SETTINGS = """\
# Made by benchmarks/schedules.py
[splits]
n_folds = {folds}
deal = {seed}
[training]
deployed = []
seed = {seed}
"""
PAPER_SAMPLES, PAPER_MODELS, PROCESSES = 5260, 10, 2
COST = (
    "select avg(n_training + n_synthetic) as samples, avg(n_shown) as shown, avg(len(history_training_loss)) as epochs, "
    f"sum(n_shown) / sum(seconds) as rate from results.fold_models where ablation = '{ABLATION}'"
)


def main() -> None:
    """Train what is missing with each schedule and compare."""
    chosen = experiment.arguments(__doc__)
    started = time.monotonic()
    base = experiment.prepared(chosen)
    homes: dict[str, list[Home]] = {name: [] for name in SCHEDULES}
    for seed in range(1, chosen.seeds + 1):
        for name, schedule in SCHEDULES.items():
            settings = SETTINGS.format(folds=chosen.folds, seed=seed) + schedule
            homes[name].append(experiment.copied(base, chosen, f"{name.replace(' ', '-')}-{seed}", settings))
            run_train(homes[name][-1], TrainOptions(ablations=(ABLATION,)), show=True)
    for part in ("validation", "untouched"):
        print(f"\n{part}, everything SIMULATED:")
        experiment.differences([_scores(homes, seed, part) for seed in range(chosen.seeds)], QUESTIONS)
    for name, own in homes.items():
        _tell_cost(name, own)
    print(f"this run took {(time.monotonic() - started) / 60:.1f} min")


def _scores(homes: Mapping[str, list[Home]], seed: int, part: str) -> Mapping[str, pl.DataFrame]:
    return {name: experiment.scores(own[seed], part)[ABLATION] for name, own in homes.items()}


def _tell_cost(name: str, homes: list[Home]) -> None:
    """How much a model was shown, and how long ten models of the paper's size would take on this machine."""
    cost = pl.concat([exploring.frame(home.published, COST) for home in homes]).mean().row(0, named=True)
    # An epoch of balanced draws does not grow with the number of samples.
    at_paper_size = cost["shown"] * (1 if name == "balanced" else PAPER_SAMPLES / cost["samples"])
    hours = PAPER_MODELS * at_paper_size / cost["rate"] / PROCESSES / 3600
    print(
        f"{name}: {cost['shown']:.0f} shown to a model of {cost['samples']:.0f} samples in {cost['epochs']:.0f} epochs; "
        f"{cost['rate']:.0f} a second in a process; ten models of {PAPER_SAMPLES} samples would take {hours:.2f} h"
    )


if __name__ == "__main__":
    main()
