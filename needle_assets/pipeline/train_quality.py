"""`needle train quality`: trains the networks that judge images, keeps them, and says which one scores from now on.

Never a part of a refresh: without a checker the rules alone decide. A network is trained again only if its images, the settings or
the code changed; a run that was killed goes on with the network that is missing. The stages that score images read the chosen
checker, so that a new one makes them stale.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from needle_assets.assets.trained.quality_models import (
    MODEL_KINDS,
    GoodImage,
    Parts,
    Task,
    bad_images,
    chosen_model,
    counts,
    fingerprint,
    good_images,
    parts_of,
    train_network,
    training_objects,
    training_set_id,
    with_verdicts,
)
from needle_assets.errors import Rejection
from needle_assets.pipeline import plan
from needle_assets.pipeline.session import RefreshError, Session, told_every_second
from needle_assets.processes.workers import DIED, GIVEN_UP
from needle_assets.warehouse.connection import Connection, writing
from needle_assets.warehouse.results import quality_models
from needle_assets.warehouse.rows import replace_rejections


@dataclass
class QualityReport:
    """What a training of the checkers did; ``not_trained`` says why nothing could be, ``not_chosen`` why rules go on alone."""

    training_set_id: str = ""
    trained: int = 0
    up_to_date: int = 0
    chosen: str = ""
    n_images: int = 0
    not_trained: str = ""
    not_chosen: str = ""
    seconds: float = 0.0


def train_quality(session: Session) -> QualityReport:
    """
    Train the quality checkers that are not up to date, and choose the better one.

    Parameters
    ----------
    session : Session
        An open session whose home is locked and refreshed.

    Raises
    ------
    RefreshError
        If no image has been judged by the rules yet.
    GateError
        If stamps or what the rules say of them are not up to date, or break a claim.
    """
    started = time.monotonic()
    _judged(session)
    # What an earlier checker said of the images does not matter: the rules alone say which are good.
    failed = plan.may_train(session, quality_models.TABLE, ignoring=quality_models.TABLE)
    good, bad, shared = _read(session, sorted({object_id for ids in failed.values() for object_id in ids}))
    report = QualityReport(training_set_id(good, bad), n_images=len(good))
    try:
        tasks = _tasks(session, parts_of(good, session.settings, bad), report.training_set_id)
    except Rejection as why:
        report.not_trained = why.reason
        with writing(session.home.working) as connection:
            replace_rejections(connection, quality_models.TABLE, [why])
    else:
        _train(session, tasks, {**shared, "training_set_id": report.training_set_id, "git_sha": session.git_sha}, report)
    report.seconds = time.monotonic() - started
    return report


def _judged(session: Session, left_out: Sequence[str] = ()) -> pl.DataFrame:
    with writing(session.home.working) as connection:
        judged = quality_models.judged_images(connection).filter(~pl.col("object_id").is_in(left_out))
    if judged.is_empty():
        raise RefreshError(f"{session.home.path} holds no judged images to train on; run `needle refresh` first.")
    return judged


def _verdicts(session: Session, connection: Connection) -> pl.DataFrame:
    """What people said of images, if that counts."""
    said = quality_models.verdicts_on_images(connection)
    return said if session.settings.checker.trains_on_verdicts else said.clear()


def _read(session: Session, left_out: Sequence[str]) -> tuple[list[GoodImage], list[GoodImage], dict[str, int]]:
    """Good images to train with, at most so many as the settings allow, those called bad, and what Table 3 counts."""
    judged = _judged(session, left_out)
    good: list[GoodImage] = []
    bad: list[GoodImage] = []
    with writing(session.home.working) as connection:
        verdicts = _verdicts(session, connection)
        ids = training_objects(with_verdicts(judged, verdicts), session.settings)
        for n, frames in enumerate(quality_models.stamps_of_objects(connection, session.tables, ids), 1):
            told = {**frames, "core.stamp_quality": with_verdicts(frames["core.stamp_quality"], verdicts)}
            good += good_images(told)
            bad += bad_images(told)
            session.progress("reading stamps", min(n * quality_models.OBJECTS_PER_BATCH, len(ids)), len(ids))
    return good, bad, counts(judged)


def _tasks(session: Session, parts: Parts, training_set: str) -> list[Task]:
    folder = session.home.state / "training_quality"
    return [
        Task(kind, fingerprint(training_set, kind, session.settings), parts, session.settings, folder / kind)
        for kind in MODEL_KINDS
    ]


def _train(session: Session, tasks: Sequence[Task], shared: dict[str, object], report: QualityReport) -> None:
    with writing(session.home.working) as connection:
        known = set(quality_models.known_models(connection)["fingerprint"])
    missing = [task for task in tasks if task.fingerprint not in known]
    report.up_to_date = len(tasks) - len(missing)
    if missing:
        with _progress(session, missing):
            for task, row in session.pool.map(train_network, missing, in_pool=len(missing) > 1, rescue=GIVEN_UP):
                if row is None:
                    session.problems.append(f"{task.model_kind} was not trained: {DIED}. `needle train quality` tries it again.")
                    continue
                with writing(session.home.working) as connection:
                    quality_models.store_model(connection, {**shared, **row}, session.stages)
                report.trained += 1
    _choose(session, [task.fingerprint for task in tasks], report)


def _choose(session: Session, fingerprints: Sequence[str], report: QualityReport) -> None:
    """Choose among the networks of today, or none; nothing is written if the choice was made before."""
    with writing(session.home.working) as connection:
        known = quality_models.known_models(connection)
        models = known.filter(pl.col("fingerprint").is_in(list(fingerprints)))
        refusal: Rejection | None = None
        try:
            report.chosen = chosen_model(models.to_dicts(), session.settings)
        except Rejection as why:
            refusal, report.not_chosen = why, why.reason
        before = known.filter(pl.col("is_chosen"))["model_id"].to_list()
        if report.trained or len(known) > len(models) or before != [report.chosen][: bool(report.chosen)]:
            quality_models.choose_model(connection, report.chosen or None, models["model_id"].to_list(), session.stages)
            if refusal is not None:
                replace_rejections(connection, quality_models.TABLE, [refusal])


@contextmanager
def _progress(session: Session, tasks: Sequence[Task]) -> Iterator[None]:
    """Tell how many epochs are done, over all networks at work."""
    folders = {task.told.parent for task in tasks if task.told is not None}
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    n_epochs = len(tasks) * session.settings.checker.epochs
    try:
        with told_every_second(lambda: session.progress("training", sum(_epochs_done(task.told) for task in tasks), n_epochs)):
            yield
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _epochs_done(told: Path | None) -> int:
    text = told.read_text(encoding="ascii") if told is not None and told.exists() else ""
    return int(text) if text else 0
