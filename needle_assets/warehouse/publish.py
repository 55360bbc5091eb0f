"""Gives readers their own copy of the warehouse: swapped in whole, never changed in place."""

import os
import shutil
from pathlib import Path

import duckdb

from needle_assets.warehouse.connection import WarehouseError, reading, writing
from needle_assets.warehouse.schema import change_number


def is_published(working: Path, published: Path) -> bool:
    """Whether the published file holds the last change of the working one."""
    if not published.exists():
        return False
    with writing(working) as connection:
        wanted = change_number(connection)
    return _published_change(published) == wanted


def _published_change(published: Path) -> int | None:
    try:
        with reading(published) as connection:
            return change_number(connection)
    except (duckdb.Error, WarehouseError):
        return None


def publish(working: Path, published: Path) -> bool:
    """
    Replace the published file by a copy of the working one; False if it already was the same.

    Whoever has the old file open keeps reading it. A process killed here leaves the old file as it was.

    Raises
    ------
    WarehouseError
        If the disk is full; the old published file stays.
    """
    if is_published(working, published):
        return False
    with writing(working) as connection:
        connection.execute("checkpoint")
    partial = published.with_name(f".{published.name}.{os.getpid()}.partial")
    for left_over in published.parent.glob(f".{published.name}.*.partial"):
        left_over.unlink(missing_ok=True)
    try:
        shutil.copyfile(working, partial)
        _sync(partial)
        partial.chmod(0o444)
        partial.replace(published)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise WarehouseError(
            f"{published} could not be published ({error.strerror}); the version before is still there. "
            "Free some space, then run `needle refresh` again."
        ) from error
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
