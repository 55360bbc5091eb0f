"""What is stale and who needs what: asked of the ledger, computed by nobody here."""

from collections.abc import Iterable, Sequence

from needle_assets.pipeline.claims import require_up_to_date
from needle_assets.pipeline.session import Session
from needle_assets.stages import STAGES, Stage, stage_named
from needle_assets.warehouse import ledger, rows
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.landed import manifest
from needle_assets.warehouse.results import models


def stale(session: Session) -> dict[str, list[str | None]]:
    """For every stage with something stale: the objects (None: the product itself)."""
    with writing(session.home.working) as connection:
        ledger.register_graph(connection, session.stages, session.tables, session.settings)
        found: dict[str, list[str | None]] = {}
        for stage, object_id in ledger.stale(connection):
            found.setdefault(stage, []).append(object_id)
    return found


def needs_work(session: Session, stages: Sequence[Stage]) -> bool:
    """Whether anything of these stages is stale, or written but not told."""
    tables = {stage.table for stage in stages}
    if tables & stale(session).keys():
        return True
    with writing(session.home.working) as connection:
        return bool(ledger.untold(connection))


def status(session: Session) -> tuple[dict[str, tuple[int, int, int]], dict[str, int], int]:
    """For every stage (stale, missing, all); refusals by stage; number of objects."""
    with writing(session.home.working) as connection:
        ledger.register_graph(connection, session.stages, session.tables, session.settings)
        return ledger.counts(connection), rows.refusals_by_stage(connection), len(manifest.new_objects(connection))


def behind(session: Session) -> models.Behind:
    """How far the models are behind the training set."""
    with writing(session.home.working) as connection:
        return models.behind(connection, session.stages)


def may_train(session: Session, table: str, *, ignoring: str = "") -> dict[str, list[str]]:
    """
    Raise GateError if what a training of ``table`` reads is condemned or stale; changes of the parent ``ignoring`` do not matter.

    Returns the objects whose last computation failed, by product: to be left out.
    """
    session.claims.require(table)
    with writing(session.home.working) as connection:
        return require_up_to_date(connection, table, session.stages, session.tables, session.settings, ignoring=ignoring)


def needed_by(names: Iterable[str]) -> list[Stage]:
    """The named stages and everything they need, in the order of the pipeline. Raises RefreshError for an unknown name."""
    wanted: set[str] = set()
    waiting = [stage_named(name) for name in names]
    while waiting:
        stage = waiting.pop()
        if stage.table not in wanted:
            wanted.add(stage.table)
            waiting += [parent for parent in STAGES if parent.table in stage.reads]
    return [stage for stage in STAGES if stage.table in wanted]
