"""`needle train folds`: freezes the training set, trains what differs, keeps every model at once. Never a part of a refresh.

A model is trained again only if its training rows, its synthetic samples, its settings or the code changed: its fingerprint says
so. A run that was killed goes on with the models that are missing.
"""

import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from needle_assets.assets.models import stamp_pair
from needle_assets.assets.synthetic_pairs import synthetic_pairs
from needle_assets.assets.trained.fold_models import Job, TrainingError, TrainingSet, plan
from needle_assets.assets.trained.fold_tasks import task_of, together, train_tasks
from needle_assets.assets.trained.pixels import Frozen, KeyedPixels, stamp_file
from needle_assets.errors import Rejection
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.pipeline.plan import may_train
from needle_assets.pipeline.session import Session, told_every_second
from needle_assets.pipeline.train_other import train_other
from needle_assets.processes.workers import DIED, GIVEN_UP
from needle_assets.samples.ablations import Ablation, ablation_named
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import models
from needle_assets.warehouse.rows import replace_rejections

RECIPE = ("model_kind", "fold", "label", "sample")


@dataclass
class TrainingReport:
    """What a training did; ``other_model`` says it of the model of what is none of the classes."""

    training_set_id: str = ""
    trained: int = 0
    up_to_date: int = 0
    removed: int = 0
    not_trained: list[str] = field(default_factory=list)
    other_model: str = ""
    seconds: float = 0.0
    reading_seconds: float = 0.0
    samples_per_second: float = 0.0


def train_folds(session: Session, ablations: Sequence[str] | None = None) -> TrainingReport:
    """
    Train the models of some ablations, those that are not up to date.

    Parameters
    ----------
    session : Session
        An open session whose home is locked and refreshed.
    ablations : sequence of str, optional
        Names; those of the settings if left out.

    Returns
    -------
    TrainingReport
        What was trained, what was not and why.

    Raises
    ------
    TrainingError
        If there is no training set yet, or an ablation needs more synthetic samples than are drawn.
    LeakError
        If anything that judges a model would train it.
    GateError
        If what training reads is not up to date, or breaks a claim about it.
    """
    started = time.monotonic()
    chosen = [ablation_named(name) for name in ablations or session.settings.training.ablations]
    failed = may_train(session, models.TABLE)
    frozen = _read(session, {object_id for ids in failed.values() for object_id in ids})
    jobs, refused = plan(frozen, chosen, session.settings)
    refused += [_left_out(product, ids) for product, ids in failed.items()]
    report = TrainingReport(frozen.training_set_id, not_trained=[why.reason for why in refused])
    with writing(session.home.working) as connection:
        known = models.known_models(connection)
        replace_rejections(connection, models.TABLE, refused)
    missing = [job for job in jobs if job.fingerprint not in _fingerprints(known, job)]
    report.up_to_date = len(jobs) - len(missing)
    report.removed = _remove_obsolete(session, jobs, chosen, known)
    if missing:
        _train_missing(session, frozen, missing, report)
    _adopt(session, jobs, frozen)
    report.other_model = train_other(session)
    session.claims.written(models.TABLE, models.SNAPSHOTS)
    report.seconds = time.monotonic() - started
    return report


def _fingerprints(known: pl.DataFrame, job: Job) -> list[str]:
    same = (pl.col("ablation") == job.ablation.name) & (pl.col("model_kind") == job.model_kind) & (pl.col("fold") == job.fold)
    return known.filter(same)["fingerprint"].to_list()


def _left_out(product: str, ids: Sequence[str]) -> Rejection:
    named = f"{', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}"
    return Rejection(f"{len(ids)} objects are left out: computing {product} of them failed ({named}).", object_ids=list(ids))


def _read(session: Session, left_out: Collection[str]) -> TrainingSet:
    with writing(session.home.working) as connection:
        everything = models.training_rows(connection, session.stages)
        features = models.features_of(connection, HOSTED_FEATURES)
        synthetic = models.synthetic_rows(connection)
        early = models.early_rows(connection, HOSTED_FEATURES)
        rows = everything.filter(~pl.col("is_untouched") & ~pl.col("object_id").is_in(sorted(left_out)))
        if rows.is_empty():
            raise TrainingError(f"{session.home.path} holds no labelled objects to train on; run `needle refresh` first.")
        identity = models.training_set_id(rows)
        models.store_snapshot(connection, identity, rows, session.stages)
    untouched = frozenset(everything.filter(pl.col("is_untouched"))["object_id"])
    several = everything.filter(pl.col("other_ids").list.len() > 0)
    same_as = {name: row["identity"] for row in several.iter_rows(named=True) for name in (row["object_id"], *row["other_ids"])}
    return TrainingSet(identity, rows, features, synthetic, untouched, same_as, early)


# -- files that workers read ---------------------------------------------------------------------------------------


def _freeze(session: Session, frozen: TrainingSet, jobs: Sequence[Job]) -> Frozen:
    """Write the normalised stamps once; workers map the files into memory."""
    folder = session.home.state / "training" / frozen.training_set_id
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    imaged = [job for job in jobs if job.ablation.has_images]
    ids = sorted({object_id for job in imaged for object_id in (*job.trained, *job.validated)})
    styles = sorted({job.ablation.is_masked for job in imaged})
    stored = {is_masked: KeyedPixels(_pixel_file(folder, stamp_file(is_masked=is_masked)), ids) for is_masked in styles}
    recipes = _rendered_recipes(frozen, imaged)
    rendered = KeyedPixels(_pixel_file(folder, "synthetic"), recipes.select(RECIPE).rows())
    by_parent = recipes.partition_by("image_parent", as_dict=True)
    wanted = sorted({*ids, *recipes["image_parent"]})
    with writing(session.home.working) as connection:
        for row in models.stamps(connection, wanted):
            for is_masked, pixels in stored.items():
                if row["object_id"] in pixels.row_of:
                    pixels.put(row["object_id"], stamp_pair(row, is_masked=is_masked))
            if (row["object_id"],) in by_parent:
                for recipe, pair in synthetic_pairs(row, by_parent[(row["object_id"],)]):
                    rendered.put(tuple(recipe[name] for name in RECIPE), pair)
    rows = [pixels.complete() for pixels in stored.values()]
    return Frozen(folder, rows[0] if rows else {}, rendered.complete())


def _pixel_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _rendered_recipes(frozen: TrainingSet, jobs: Sequence[Job]) -> pl.DataFrame:
    wanted = {(job.model_kind, job.folds[0], *recipe) for job in jobs for recipe in job.synthetic}
    keys = frozen.synthetic.select(RECIPE).rows()
    return frozen.synthetic.filter(pl.Series([key in wanted for key in keys], dtype=pl.Boolean))


# -- all models ----------------------------------------------------------------------------------------------------


def _train_missing(session: Session, frozen: TrainingSet, missing: Sequence[Job], report: TrainingReport) -> None:
    started = time.monotonic()
    files = _freeze(session, frozen, missing)
    (files.folder / "progress").mkdir()
    report.reading_seconds = time.monotonic() - started
    n_shown, seconds = 0, 0.0
    tasks = (task_of(job, frozen, files, session.settings) for job in missing)
    with _progress(session, files.folder / "progress", len(missing)):
        for group, done in session.pool.map(
            train_tasks, together(tasks, session.pool.count), in_pool=len(missing) > 1, rescue=GIVEN_UP
        ):
            if done is None:
                named = ", ".join(task.job.name for task in group)
                session.problems.append(f"{named} was not trained: {DIED}. `needle train` tries it again.")
                continue
            for row in done:
                n_shown, seconds = n_shown + row["n_shown"], seconds + row["seconds"]
                report.reading_seconds += row.pop("reading_seconds")
                row |= {"training_set_id": frozen.training_set_id, "git_sha": session.git_sha}
                with writing(session.home.working) as connection:
                    models.store_model(connection, row, session.stages)
                report.trained += 1
    report.samples_per_second = n_shown / seconds if seconds else 0.0
    shutil.rmtree(files.folder.parent, ignore_errors=True)


@contextmanager
def _progress(session: Session, folder: Path, n_models: int) -> Iterator[None]:
    """Tell how many epochs are done, over all models at work."""
    n_epochs = session.settings.training.epochs
    try:
        with told_every_second(lambda: session.progress("training", *_epochs_done(folder, n_models, n_epochs))):
            yield
    finally:
        session.progress("training", n_models * n_epochs, n_models * n_epochs)


def _epochs_done(folder: Path, n_models: int, n_epochs: int) -> tuple[int, int]:
    """Epochs done and in all; a model that stopped early counts as complete."""
    done = 0
    for path in folder.iterdir():
        words = path.read_text(encoding="ascii").split()
        done += int(words[0]) * n_epochs // int(words[1]) if len(words) == 2 else 0
    return done, n_models * n_epochs


def _remove_obsolete(session: Session, jobs: Sequence[Job], ablations: Sequence[Ablation], known: pl.DataFrame) -> int:
    """Models of these ablations that nothing would train any more: of folds that no longer exist, of kinds without objects."""
    wanted = {(job.ablation.name, job.model_kind, job.fold) for job in jobs}
    names = {ablation.name for ablation in ablations}
    gone = [
        row["model_id"]
        for row in known.iter_rows(named=True)
        if row["ablation"] in names and (row["ablation"], row["model_kind"], row["fold"]) not in wanted
    ]
    if gone:
        with writing(session.home.working) as connection:
            models.remove_models(connection, gone, session.stages)
    return len(gone)


def _adopt(session: Session, jobs: Sequence[Job], frozen: TrainingSet) -> None:
    """Models that are up to date belong to today's snapshot: their training rows are the same."""
    fingerprints = {(job.ablation.name, job.model_kind, job.fold): job.fingerprint for job in jobs}
    with writing(session.home.working) as connection:
        known = models.known_models(connection)
        current = [
            row["model_id"]
            for row in known.iter_rows(named=True)
            if fingerprints.get((row["ablation"], row["model_kind"], row["fold"])) == row["fingerprint"]
            and row["training_set_id"] != frozen.training_set_id
        ]
        models.adopt_snapshot(connection, frozen.training_set_id, current, session.stages)
