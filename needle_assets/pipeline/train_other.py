"""The part of `needle train` that trains the model of what is none of the classes, if its objects, settings or code changed."""

from needle_assets.assets.trained.other_models import features_of_others, known_otherwise, other_set, train_others
from needle_assets.errors import Rejection
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.pipeline.plan import may_train
from needle_assets.pipeline.session import Session
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import models, other_models
from needle_assets.warehouse.rows import replace_rejections

TABLE = other_models.TABLE


def train_other(session: Session) -> str:
    """
    Train the model, or take it away where there is too little to train it with; returns what became of it.

    Raises
    ------
    GateError
        If what it is made from is not up to date, or breaks a claim.
    LeakError
        If anything that judges it would train it.
    """
    left_out = {object_id for ids in may_train(session, TABLE).values() for object_id in ids}
    settings = session.settings
    try:
        with writing(session.home.working) as connection:
            labelled = models.training_rows(connection, session.stages)
            features = models.features_of(connection, HOSTED_FEATURES)
            stored = other_models.fingerprint(connection)
            same_as = known_otherwise(other_models.catalogue(connection), labelled["object_id"].to_list(), settings)
            ids = sorted(same_as.keys() - left_out)
            frames = other_models.frames_of(connection, session.tables, ids)
        labelled, features = (rows.filter(~rows["object_id"].is_in(list(left_out))) for rows in (labelled, features))
        chosen = other_set(labelled, features, features_of_others(frames, settings), same_as, settings)
    except Rejection as why:
        return _without(session, why, had_one=stored is not None)
    if stored == chosen.fingerprint(settings):
        return f"{_named(chosen.is_other.sum())}: up to date."
    row = train_others(chosen, settings)
    with writing(session.home.working) as connection:
        other_models.store_model(connection, {**row, "git_sha": session.git_sha}, session.stages)
        replace_rejections(connection, TABLE, [])
    session.claims.written(TABLE)
    return f"{_named(row['n_other'])}: trained, ROC area {row['roc_area']:.2f} ({row['roc_area_low']:.2f} to {row['roc_area_high']:.2f})."


def _named(n_other: int) -> str:
    return f"The model of what is none of the classes, from {n_other} such objects"


def _without(session: Session, why: Rejection, *, had_one: bool) -> str:
    with writing(session.home.working) as connection:
        if had_one:
            other_models.store_model(connection, None, session.stages)
        replace_rejections(connection, TABLE, [why])
    return why.reason
