"""Which snapshots of a lake were published, when, and what they hold."""

import datetime as dt
import json
from dataclasses import dataclass

import duckdb

from needle_assets.warehouse.lake import PUBLISHED
from needle_assets.warehouse.lake.attached import looker
from needle_assets.warehouse.lake.place import Lake

_PUBLISHED = (
    "select s.snapshot_id, epoch(s.snapshot_time::timestamptz), c.commit_extra_info from __ducklake_metadata_needle.ducklake_snapshot s "
    "join __ducklake_metadata_needle.ducklake_snapshot_changes c using (snapshot_id) where c.commit_message = ? order by 1 desc"
)


@dataclass(frozen=True)
class Published:
    """A snapshot that readers may see, when it was published [UTC], the runs since the one before, and the trainings of its models."""

    number: int
    at: dt.datetime
    runs: tuple[str, ...] = ()
    trainings: tuple[str, ...] = ()


def published(lake: Lake) -> list[Published]:
    """Every published snapshot that is kept, the newest first."""
    return [_read(*row) for row in looker(lake).execute(_PUBLISHED, [PUBLISHED]).fetchall()]


def _read(number: int, at: float, told: str | None) -> Published:
    new = json.loads(told or "{}")
    moment = dt.datetime.fromtimestamp(at, dt.UTC).replace(tzinfo=None)
    return Published(number, moment, tuple(new.get("runs", ())), tuple(new.get("trainings", ())))


def told_of(connection: duckdb.DuckDBPyConnection, before: Published | None) -> str:
    """What is noted with the snapshot about to be published: the runs since the one before, and the trainings whose models it holds."""
    since = before.at if before else dt.datetime.min
    runs = connection.execute("select distinct run_id from lineage.ledger where written_at > ? order by 1", [since]).fetchall()
    trainings = connection.execute("select distinct training_set_id from results.fold_models order by 1").fetchall()
    return json.dumps({"runs": [name for (name,) in runs], "trainings": [name for (name,) in trainings]})


def as_of(lake: Lake, what: str) -> Published | None:
    """
    The snapshot that is meant: the newest published at or before a day or moment (UTC), the first that holds the work of a run (the first
    letters of its id are enough), or the newest with the models of a training set. None if none is kept.
    """
    found = published(lake)
    if (moment := moment_of(what)) is not None:
        return next((snapshot for snapshot in found if snapshot.at <= moment), None)
    of_training = next((snapshot for snapshot in found if what in snapshot.trainings), None)
    return of_training or next((s for s in reversed(found) if any(run.startswith(what) for run in s.runs)), None)


def moment_of(what: str) -> dt.datetime | None:
    """A day (its end) or a moment in ISO 8601 [UTC]; None for what is neither."""
    try:
        moment = dt.datetime.fromisoformat(what)
    except ValueError:
        return None
    if len(what) == len("2026-11-29"):
        return moment + dt.timedelta(days=1)
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
