"""Gives readers their own copy of the warehouse: swapped in whole, never changed in place."""

from pathlib import Path

import duckdb

from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import Connection, WarehouseError, settle, transaction, writing
from needle_assets.warehouse.copies import losses
from needle_assets.warehouse.copies.backups import change_of, copy_whole, keep_published, make_room
from needle_assets.warehouse.lake import PUBLISHED
from needle_assets.warehouse.lake.place import Lake, lake_of, mark_filled


def publish(working: Path, published: Path, *, backups: Path, n_kept: int = 0, accept_loss: bool = False) -> bool:
    """
    Replace the published file by a copy of the working one; False if it already was the same. In a lake nothing is copied: a
    snapshot gets a name, and readers see it from then on.

    Whoever has the old file open keeps reading it. A process killed here leaves the old file as it was. The old file is kept in
    ``backups``, with ``n_kept`` of its kind; the one that is then too many becomes the new file, in which only what changed is written.

    Raises
    ------
    WarehouseError
        If the disk is full, or the working file lost models, scores or nights that the published one holds and ``accept_loss`` is
        not given; the old published file stays.
    """
    before = change_of(published)
    with writing(working) as connection:
        if before == schema.change(connection):
            return False
        if before:
            losses.take_over_sent(connection, published)
        if before and not accept_loss and (missing := losses.lost(connection, published)):
            raise WarehouseError(_refusal(working, published, missing))
        if (lake := lake_of(working)) is not None:
            _name_snapshot(connection, lake)
            mark_filled(working)
            return True
        settle(connection)
    if backups.exists():
        make_room(backups, working.stat().st_size)
    try:
        copy_whole(working, published, over=keep_published(published, backups, n_kept) if before else None)
    except OSError as error:
        raise WarehouseError(
            f"{published} could not be published ({error.strerror}); the version before is still there. "
            "Free some space, then run `needle refresh` again."
        ) from error
    return True


def look_after(working: Path, n_kept: int) -> list[str]:
    """After a night: keep a lake small, where it is one. What went wrong is told, as everything is stored and published by then."""
    if (lake := lake_of(working)) is None:
        return []
    from needle_assets.warehouse.lake import upkeep

    try:
        upkeep.maintain(lake, n_published=n_kept + 1)
    except duckdb.Error as error:
        return [f"{lake} was published but not looked after ({str(error).splitlines()[0]}); `needle maintain` tries again."]
    return []


def _name_snapshot(connection: Connection, lake: Lake) -> None:
    from needle_assets.warehouse.lake import history  # homes in a file do without

    before = next(iter(history.published(lake)), None)
    with transaction(connection):
        told = history.told_of(connection, before)
        connection.execute("call needle.set_commit_message('needle', ?, extra_info => ?)", [PUBLISHED, told])
        schema.bump_change(connection)  # a commit without a change makes no snapshot


def _refusal(working: Path, published: Path, missing: list[str]) -> str:
    return (
        f"{published} was not replaced: it holds {', '.join(missing)} that {working} has lost and no input brings back; "
        "`needle restore` takes the published file as the working one, `needle refresh --accept-loss` publishes without them."
    )
