"""The demonstration that every machine can run: a simulated survey, a warehouse, models, a report page, and where to look next."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from needle_assets.cli.querying import run_sql
from needle_assets.cli.verbs import (
    RefreshOptions,
    TrainOptions,
    run_refresh,
    run_report,
    run_simulate,
    run_train,
    run_train_quality,
)
from needle_assets.home import IS_CHECKOUT, REPOSITORY, Home
from needle_assets.processes import stopping
from needle_assets.warehouse import questions
from needle_assets.warehouse.exploring import ask, frame

N_OBJECTS = 300
SEED = 2026
PICTURE = "demo_stamps.png"


def main() -> None:
    """The demonstration in the folder that NEEDLE_DEMO names; else ``demo/`` of the checkout, or ``needle_demo/`` where one is."""
    run_demonstration(Path(os.environ.get("NEEDLE_DEMO") or (REPOSITORY / "demo" if IS_CHECKOUT else "needle_demo")).absolute())


def run_demonstration(folder: Path) -> None:
    """Simulate, refresh, train, write the report, and say in plain words what was made."""
    home, times = Home(folder / "home"), _Times()
    _say(
        "Everything in this demonstration is SIMULATED: no photon was involved, and no number says anything about real transients."
    )
    with times.step(f"Simulating a survey of {N_OBJECTS} objects, rare classes enriched (15 % SLSN-I, 12 % TDE)"):
        made = run_simulate(folder / "landing", objects=N_OBJECTS, seed=SEED, nights=None, mix="demo", workers=2, show=True)
    _say(f"   {made['packets']} alert packets and {made['detections']} detections in {folder / 'landing'}")
    with times.step("Refreshing the warehouse: stamps checked, repaired and masked, light curves cleaned and fitted"):
        result = run_refresh(home, RefreshOptions(landing=folder / "landing", preset="demo"), show=True)
    _say(f"   {result['objects']} objects through {len(result['assets'])} products")
    with times.step("Judging images once more, with small networks trained on them"):
        checker = run_train_quality(home, TrainOptions(), show=True)
        run_refresh(home, RefreshOptions(), show=True)
    _say(f"   {checker['not_trained'] or checker['not_chosen'] or _checker(home)}")
    with times.step("Training classifiers on three folds, and scoring every object with models that did not see it"):
        trained = run_train(home, TrainOptions(), show=True)
    _say(f"   {trained['trained']} models trained, {trained['up_to_date']} were up to date")
    with times.step("Writing the report page and pictures"):
        report, picture = run_report(home, folder / "report"), draw_stamps(home, folder / "report" / PICTURE)
    _tell(home, folder, report, picture)
    _say(f"Done in {times.total():.0f} s: {times}")


def _tell(home: Home, folder: Path, report: Path, picture: Path) -> None:
    """What was made, and where to look next."""
    for title, query in (
        ("What landed, by class", questions.LANDED),
        ("Why things were refused", questions.REFUSED),
        ("How well rare classes are found: simulated objects, scored by models that were not trained on them", questions.SCORES),
        (
            "Simulated objects without a class: those that least speaks against first, then the most likely rare ones",
            questions.CANDIDATES,
        ),
    ):
        _say(f"\n{title}\n{run_sql(home.published, query)}")
    _say("\nWhere to look next, all of it simulated:")
    _say(f"  the report   {report}     (open it in a browser)")
    _say(f"  a picture    {picture}")
    command = ".venv/bin/needle" if IS_CHECKOUT else "needle"
    _say(f"  SQL          NEEDLE_HOME={home.path} {command} sql")
    _say(f"  the UI       NEEDLE_HOME={home.path} {command} ui     (then open http://127.0.0.1:3000)")
    _say(f"  the truth    {folder / 'landing' / 'truth'}\n")


def _checker(home: Home) -> str:
    """Which network judges images from now on."""
    kinds = ask(home.published, questions.CHECKER_KINDS)[1]
    return f"{len(kinds)} networks trained; {kinds[0][0]} now judges beside the rules" if kinds else "the rules judge alone"


class _Times:
    """Seconds that each step took."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    @contextmanager
    def step(self, sentence: str) -> Iterator[None]:
        """Say what begins, and remember how long it takes."""
        started = time.monotonic()
        _say(f"{len(self.steps) + 1}. {sentence}")
        yield
        self.steps.append((sentence.split()[0].lower(), time.monotonic() - started))

    def total(self) -> float:
        """All steps together [s]."""
        return sum(seconds for _, seconds in self.steps)

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.steps)


def draw_stamps(home: Home, path: Path) -> Path:
    """One hosted object of each class in a crowded field, before and after masking, drawn from the published warehouse."""
    from needle_assets.assets.pictures.images import masked_stamps

    pairs = frame(home.published, questions.CROWDED_STAMPS)
    titled = pairs.with_columns(object_id=pl.format("{} (simulated)", "label")).drop("label")
    masked_stamps({"core.masked_stamps": titled}).savefig(path, dpi=110)
    return path


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    stopping.run(main)
