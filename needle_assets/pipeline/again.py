"""Computes metrics again from what they were computed from: of a training set of the past, whatever the warehouse holds today."""

from collections import Counter
from dataclasses import dataclass

from needle_assets.home import Home
from needle_assets.pipeline.session import RefreshError
from needle_assets.stages import STAGES
from needle_assets.warehouse import ledger, rows, schema
from needle_assets.warehouse.connection import as_frame, reading
from needle_assets.warehouse.copies import past

TABLE = "results.metrics"


@dataclass(frozen=True)
class Again:
    """How many metrics a training set has, and which differ from what is stored with it."""

    training_set_id: str
    metrics: int
    differing: int


def metrics_again(home: Home, training_set_id: str) -> Again:
    """
    Compute every metric anew from the predictions and classes of a past training, and compare with what was stored then.

    Raises
    ------
    WarehouseError
        If that training is not kept.
    RefreshError
        If the settings of metrics, or the code, are others by now.
    """
    stage, settings = next(stage for stage in STAGES if stage.table == TABLE), home.settings()
    path, snapshot = past.find(home.published, home.backups, training_set_id)
    with reading(path, snapshot=snapshot) as connection:
        frames = rows.load(connection, stage.reads, schema.read_tables(), None, {})
        stored = rows.load(connection, {TABLE: ("*",)}, schema.read_tables(), None, {})[TABLE]
        made_by = ledger.made_by(connection, TABLE)
        arrow = rows.arrow_schema(connection, TABLE)
    if made_by != (stage.code_version, ledger.parameters_of(stage, settings)):
        raise RefreshError(
            f"the metrics of {training_set_id} were computed with other settings or by other code ({made_by}); put the settings of "
            "metrics and seed back, or take that version of needle_assets, to compute them again."
        )
    computed = as_frame(rows.to_arrow(stage.function()(frames, settings).rows, arrow)).select(stored.columns)
    then, now = (Counter(map(repr, frame.rows())) for frame in (stored, computed))
    return Again(training_set_id, len(stored), (then - now).total() + (now - then).total())
