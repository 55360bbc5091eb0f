"""The file of a snapshot, for whoever reads it again after it was looked at."""

from pathlib import Path

import polars as pl


def as_it_was_read(said: pl.DataFrame) -> Path:
    """
    The file of a snapshot of which ``said`` is what the manifest says, with the folder.

    Raises OSError if it is gone, or another one by now: what it says was not looked at yet.
    """
    path = Path(said["landing"][0]) / said["path"][0]
    found = path.stat()
    if said["mtime_ns"][0] is not None and (found.st_size, found.st_mtime_ns) != (said["size_bytes"][0], said["mtime_ns"][0]):
        raise OSError(f"{path} is not the file that was read last; what is stored is kept until a refresh has read the new one.")
    return path
