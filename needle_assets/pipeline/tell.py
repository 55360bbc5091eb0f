"""What is told of what was written, and what is shown beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from needle_assets.pipeline.session import Session
from needle_assets.stages import Stage
from needle_assets.warehouse import ledger, rows
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.landed import manifest


@dataclass(frozen=True)
class Told:
    """What a materialisation event needs to know of one write."""

    stage: Stage
    object_id: str | None
    data_version: str
    code_version: str
    n_rows: int
    n_rejected: int
    write_id: str


Versions = Mapping[tuple[str, str | None], str]
Tell = Callable[[Sequence[Told], Versions], None]


def untold(session: Session, stage: Stage) -> list[Told]:
    """Writes of earlier sessions whose events are not known to be recorded; those of this one are told as they are made."""
    if session.untold is None:
        with writing(session.home.working) as connection:
            session.untold = ledger.untold(connection)
    return [
        Told(stage, r["object_id"], r["data_version"], r["code_version"], r["n_rows"], r["n_rejected"], r["write_id"])
        for r in session.untold
        if r["asset"] == stage.table
    ]


def n_objects(session: Session) -> int:
    """How many objects the home holds."""
    with writing(session.home.working) as connection:
        return manifest.n_objects(connection)


def mark_told(session: Session, stage: Stage, write_ids: Sequence[str]) -> None:
    """Remember that the events of these writes are recorded."""
    session.told.setdefault(stage.table, []).extend(write_ids)
    session.remember_told()


def data_versions(session: Session, stage: Stage, keys: Sequence[str | None]) -> dict[tuple[str, str | None], str]:
    """Data version of what ``stage`` reads, by (parent, object)."""
    with writing(session.home.working) as connection:
        return ledger.data_versions(connection, list(stage.reads), [key for key in keys if key is not None])


def picture_rows(session: Session, stage: Stage, key: str | None) -> dict[str, pl.DataFrame]:
    """What the picture of one object is drawn from."""
    assert stage.picture is not None
    with writing(session.home.working) as connection:
        return rows.load(connection, stage.picture.reads, session.tables, None if key is None else [key], session.folders)


def tallies(session: Session, stage: Stage, keys: Sequence[str | None]) -> dict[str | None, dict[str, int]]:
    """What the stage counts of its rows, by object; of all objects under None, with names that say so. Empty if it counts nothing."""
    if not stage.counts:
        return {}
    with writing(session.home.working) as connection:
        found = rows.tallies(connection, stage.table, stage.counts, [key for key in keys if key is not None])
    nothing = dict.fromkeys(stage.counts, 0)
    in_all = {f"{name}_of_all_objects": count for name, count in found.get(None, nothing).items()}
    return {key: {**found.get(key, nothing), **in_all} for key in keys}


def counts(session: Session, queries: Sequence[str]) -> list[int]:
    """How many rows each query finds."""
    if not queries:
        return []
    with writing(session.home.working) as connection:
        return [rows.count(connection, query) for query in queries]
