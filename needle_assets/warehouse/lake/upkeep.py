"""
Upkeep of a lake: many small files become few large ones, and what nobody may need any more goes.

In this order: small batches leave the catalogue, files with deleted rows are written anew, neighbours are merged, snapshots expire, and
files go that no snapshot names. The newest published snapshots and one of each training stay whole, whatever their age.
"""

from dataclasses import asdict, dataclass

from needle_assets.warehouse.connection import Connection
from needle_assets.warehouse.lake import attached, history
from needle_assets.warehouse.lake.place import Lake

# Somebody may still read what was published before the last nights, and a writer may be about to name a file.
CLEANED_AFTER_DAYS = 2.0
_LIVE = "select count(*), coalesce(sum(file_size_bytes), 0) from __ducklake_metadata_needle.ducklake_data_file where end_snapshot is null"


@dataclass(frozen=True)
class Upkeep:
    """Files of rows before and after, snapshots that expired and files that were removed."""

    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    snapshots_expired: int
    snapshots_kept: int
    files_removed: int

    def as_dict(self) -> dict[str, int]:
        """What ``--json`` prints."""
        return asdict(self)


def maintain(lake: Lake, *, n_published: int, days: float = CLEANED_AFTER_DAYS) -> Upkeep:
    """
    Keep a lake small and quick. Whoever asks is its only writer; readers go on reading.

    Parameters
    ----------
    lake
        Where the tables lie.
    n_published : int
        How many of the newest published snapshots stay; at least one does.
    days : float
        Files that nothing names any more are removed when they are so old.
    """
    connection = attached.writer(lake)
    try:
        before = _live(connection)
        for step in ("flush_inlined_data('needle')", "rewrite_data_files('needle', delete_threshold => 0)"):
            connection.execute(f"call ducklake_{step}").fetchall()
        connection.execute("call ducklake_merge_adjacent_files('needle')").fetchall()
        expired = _expire(connection, kept_snapshots(lake, n_published))
        removed = _clean_up(connection, days)
        after = _live(connection)
        left = connection.execute("select count(*) from needle.snapshots()").fetchone()
    finally:
        connection.close()
    return Upkeep(before[0], after[0], before[1], after[1], expired, int(left[0]) if left else 0, removed)


def kept_snapshots(lake: Lake, n_published: int) -> set[int]:
    """The newest published snapshots, and the newest with the models of each training set."""
    found = history.published(lake)
    of_trainings = {name: snapshot.number for snapshot in reversed(found) for name in snapshot.trainings}
    return {snapshot.number for snapshot in found[: max(n_published, 1)]} | set(of_trainings.values())


def _live(connection: Connection) -> tuple[int, int]:
    row = connection.execute(_LIVE).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _expire(connection: Connection, kept: set[int]) -> int:
    """Let go of all snapshots but these and those since the newest of them: by number, as an age would take published ones too."""
    if not kept:
        return 0
    older = connection.execute("select snapshot_id from needle.snapshots() where snapshot_id < ?", [max(kept)]).fetchall()
    gone = [number for (number,) in older if number not in kept]
    if gone:
        connection.execute(f"call ducklake_expire_snapshots('needle', versions => {gone})").fetchall()
    return len(gone)


def _clean_up(connection: Connection, days: float) -> int:
    older = f"older_than => now() - interval '{days * 86_400:.0f} seconds'"
    removed = connection.execute(f"call ducklake_cleanup_old_files('needle', {older})").fetchall()
    orphans = connection.execute(f"call ducklake_delete_orphaned_files('needle', {older})").fetchall()
    return len(removed) + len(orphans)
