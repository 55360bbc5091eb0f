"""
Whole copies of the warehouse in one folder: published files of before, what was there before a migration, what a restore replaced.

No copy is ever changed in place. So a copy of a published file costs nothing where the disk has hard links; it is the next published
file that takes its own place.
"""

import errno
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import (
    MIN_FREE_BYTES,
    DamagedWarehouseError,
    WarehouseError,
    let_go,
    reading,
    writing,
)
from needle_assets.warehouse.copies import blocks
from needle_assets.warehouse.copies.blocks import HEADER_BYTES
from needle_assets.warehouse.lake.place import is_marked_filled, lake_of

PUBLISHED, UPGRADED, REPLACED = "needle-*.duckdb", "before-upgrade-*.duckdb", "replaced-*.duckdb"
PIECE_BYTES = 1 << 30


def copy_whole(source: Path, target: Path, *, mode: int = 0o444, over: Path | None = None) -> None:
    """
    Make ``target`` a copy of ``source``, whole or not at all; shares the disk's blocks where the file system can.

    An earlier copy ``over`` that nobody looks at any more is used up for it: then only what changed since is written. Raises OSError.
    """
    let_go(source)  # DuckDB's lock of a file ends when any handle of this process to it is closed
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    for left_over in target.parent.glob(f".{target.name}.*.partial"):
        left_over.unlink(missing_ok=True)
    try:
        if over is None or not _is_brought_up_to_date(over, partial, source):
            _copy_all(source, partial)
        _sync(partial)
        partial.chmod(mode)
        partial.replace(target)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _is_brought_up_to_date(over: Path, partial: Path, source: Path) -> bool:
    """Whether an earlier copy, now at ``partial``, became one of ``source``; where it could not it is gone."""
    try:
        over.replace(partial)  # first of all, so that nobody who begins to look at it now finds it
        if blocks.write_changed(source, partial):
            return True
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EACCES):
            raise
    for left_over in (over, partial):
        left_over.unlink(missing_ok=True)
    return False


def _copy_all(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        _copy_pieces(read.fileno(), written.fileno())


def _copy_pieces(source: int, target: int) -> None:
    try:
        while os.copy_file_range(source, target, PIECE_BYTES):
            pass
    except (AttributeError, OSError):  # a file system, or a system, without it
        os.lseek(source, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
        os.lseek(target, 0, os.SEEK_SET)
        with open(source, "rb", closefd=False) as read, open(target, "wb", closefd=False) as written:
            shutil.copyfileobj(read, written, 1 << 20)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def listed(folder: Path) -> list[Path]:
    """Every copy, the newest first."""
    found = [path for kind in (PUBLISHED, UPGRADED, REPLACED) for path in folder.glob(kind)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def keep_published(published: Path, folder: Path, n_kept: int) -> Path | None:
    """
    Keep a published file that is about to be replaced, and only the ``n_kept`` newest of those kept so far.

    Returns one more that is still there, for the next published file to take its place.
    """
    if n_kept and published.exists():
        folder.mkdir(exist_ok=True)
        moment = time.gmtime(published.stat().st_mtime)
        _link(published, _unused(folder, f"needle-{time.strftime('%Y%m%dT%H%M%SZ', moment)}"))
    _remove_old(folder, PUBLISHED, n_kept + 1)
    return next(iter(_newest_first(folder, PUBLISHED)[n_kept:]), None)


def _newest_first(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(kind), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        copy_whole(source, target)


def _unused(folder: Path, stem: str) -> Path:
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, 10_000))
    return next(path for name in names if not (path := folder / f"{name}.duckdb").exists())


def _remove_old(folder: Path, kind: str, n_kept: int) -> None:
    for path in _newest_first(folder, kind)[n_kept:]:
        path.unlink(missing_ok=True)
        _log(path).unlink(missing_ok=True)


def make_room(folder: Path, n_bytes: int) -> None:
    """Remove the oldest kept published files until a copy of ``n_bytes`` fits; better fewer old ones than no new one."""
    for path in reversed(_newest_first(folder, PUBLISHED)):
        if shutil.disk_usage(folder).free > n_bytes + MIN_FREE_BYTES:
            return
        path.unlink(missing_ok=True)


def keep_before_upgrade(working: Path, published: Path, folder: Path, n_kept: int) -> Path | None:
    """
    Copy a working file whose schema is about to change; returns the copy, None if the schema is as described or the file is new.

    A migration that was stopped in the middle has its copy already: the file as it was before the first attempt.

    Raises
    ------
    WarehouseError
        If the disk has no space for it; nothing is changed then.
    """
    if lake_of(working) is not None:  # the snapshot before stays, and so does what was published
        return None
    with writing(working) as connection:
        version = schema.version(connection)
        if version is None or schema.is_current(connection):
            return None
        connection.execute("checkpoint")
        is_published = change_of(published) == schema.change(connection)
    copy = folder / f"before-upgrade-{version}.duckdb"
    if not copy.exists():
        _copy_before_upgrade(published if is_published else working, copy, is_link=is_published)
        _remove_old(folder, UPGRADED, max(n_kept, 1))
    return copy


def _copy_before_upgrade(source: Path, copy: Path, *, is_link: bool) -> None:
    copy.parent.mkdir(exist_ok=True)
    try:
        (_link if is_link else copy_whole)(source, copy)
    except OSError as error:
        raise WarehouseError(
            f"{source} has to be changed for this version of needle_assets and is copied to {copy.parent} before; that failed "
            f"({error.strerror}). Nothing was changed; make {source.stat().st_size / 1e6:.0f} MB of space, then run the command again."
        ) from error


def change_of(path: Path) -> str | None:
    """Which change of which home a published file holds; None if it cannot be read, or is not there."""
    try:
        with reading(path) as connection:
            return schema.change(connection)
    except (duckdb.Error, WarehouseError):
        return None


def require_working(working: Path, published: Path, folder: Path, *, accept_loss: bool = False) -> None:
    """
    Require a working file that is whole, or that nothing was ever published; with ``accept_loss`` a damaged one is moved to ``folder``.

    Raises
    ------
    DamagedWarehouseError
        If it is missing, empty or shorter than it says, or no database.
    """
    if lake_of(working) is not None:
        _require_filled(working, accept_loss=accept_loss)
        return
    try:
        _check_working(working, [path for path in (published, *listed(folder)) if path.exists()])
    except DamagedWarehouseError:
        if not accept_loss:
            raise
        set_aside(working, folder)


def _require_filled(working: Path, *, accept_loss: bool) -> None:
    """A lake that something was published from holds its tables; one that lost them would begin anew without models and nights."""
    with writing(working) as connection:
        if schema.version(connection):
            return
    if is_marked_filled(working) and not accept_loss:
        raise DamagedWarehouseError(
            f"{lake_of(working)} held a warehouse and holds none now; restore catalogue and data from your backups, or name the right "
            "ones in the settings (`needle refresh --accept-loss` begins anew without models, scores and nights)."
        )


def _check_working(working: Path, known: Sequence[Path]) -> None:
    size = working.stat().st_size if working.exists() else 0
    if size:
        is_short = size < _announced_bytes(working)
        with writing(working) as connection:
            needed = _needed_bytes(connection) if is_short else 0
            if size >= needed and schema.version(connection):
                return
        if size < needed:
            raise DamagedWarehouseError(f"{working} is damaged: of {needed} bytes only {size} are left; {_way_back(known)}")
    if known:
        raise DamagedWarehouseError(f"{working} {'holds nothing' if size else 'is missing or empty'}; {_way_back(known)}")


def _announced_bytes(path: Path) -> int:
    """How long a database is by its own account; 0 if it is none."""
    let_go(path)  # as above
    n_blocks, block_bytes = blocks.announced(path)
    return 3 * HEADER_BYTES + n_blocks * block_bytes if block_bytes else 0


def _needed_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """How long a database has to be for all of its rows: a whole file is shorter than announced where its last blocks are free."""
    names = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
    ).fetchall()
    last = "select coalesce(max(greatest(block_id, list_max(additional_block_ids))), -1) from pragma_storage_info(?)"
    blocks = [row[0] for (name,) in names for row in connection.execute(last, [name]).fetchall()]
    row = connection.execute("select block_size from pragma_database_size() where database_name = current_database()").fetchone()
    return 3 * HEADER_BYTES + (max(blocks, default=-1) + 1) * int(row[0] if row else 0)


def _way_back(known: Sequence[Path]) -> str:
    if not known:
        return "nothing was published that could take its place; move it away and run `needle refresh`, which computes all anew."
    return (
        f"`needle restore` takes {known[0]} in its place with all models, scores and nights "
        "(`needle refresh --accept-loss` begins anew without them)."
    )


def restore(source: Path, working: Path, published: Path, folder: Path) -> Path | None:
    """
    Put a copy of ``source`` in the place of the working file; returns where the file that was there lies now, None if there was none.

    Raises
    ------
    WarehouseError
        If ``source`` is no whole warehouse, or the disk is full; the working file stays as it is.
    """
    if lake_of(working) is not None:
        raise WarehouseError(
            f"{lake_of(working)} is brought back from backups of its catalogue and its data, not by this command; docs/backup.md says how."
        )
    prepared = working.with_name("restored.duckdb")
    for left_over in (prepared, _log(prepared)):
        left_over.unlink(missing_ok=True)
    try:
        copy_whole(source, prepared, mode=0o644)
        if _log(source).exists():
            copy_whole(_log(source), _log(prepared), mode=0o644)
    except OSError as error:
        raise WarehouseError(f"{source} could not be copied ({error.strerror}); nothing was changed.") from error
    try:
        _make_current(prepared, None if source == published else _number(published))
    except (duckdb.Error, WarehouseError) as error:
        reason = str(error).splitlines()[0].partition("; `needle")[0].replace(str(prepared), str(source)).rstrip(".")
        raise WarehouseError(f"{source} is no whole warehouse ({reason}); nothing was changed, name another copy.") from error
    replaced = set_aside(working, folder)
    prepared.replace(working)
    return replaced


def _make_current(prepared: Path, published_number: int | None) -> None:
    """Read every row once, to know that they are there; then make the file newer than a published one that is another."""
    with writing(prepared) as connection:
        if not schema.version(connection):
            raise WarehouseError("it holds none of its tables")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
        for name in tables:
            connection.execute('select bit_xor(hash(t)) from "{}"."{}" t'.format(*name)).fetchall()
        if published_number is not None:
            schema.begin_branch(connection, max(schema.change_number(connection), published_number))
        connection.execute("checkpoint")


def _log(path: Path) -> Path:
    """Where DuckDB keeps what it has not yet written into a file itself."""
    return path.with_name(path.name + ".wal")


def _number(published: Path) -> int:
    with suppress(duckdb.Error, WarehouseError), reading(published) as connection:
        return schema.change_number(connection)
    return 0


def set_aside(working: Path, folder: Path) -> Path | None:
    """Move a working file with its log, the log first: a log must never lie beside a file it does not belong to."""
    let_go(working)
    log = _log(working)
    if not working.exists() and not log.exists():
        return None
    folder.mkdir(exist_ok=True)
    aside = _unused(folder, f"replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    if log.exists():
        log.replace(_log(aside))
    if working.exists():
        working.replace(aside)
    return aside
